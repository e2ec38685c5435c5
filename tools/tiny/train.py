#!/usr/bin/python3
# train.py - trains the network on the corpus, one pass, every document a row of its own.
#
#   train.py CORPUS.jsonl TOKENIZER.json OUT.pt [--steps N] [--lr X] [--seed S] [--workers N]
#
# Documents of like length share a batch, so there is little padding and no attention from one
# story into another.  The loss counts what the model has to say: stories, and the assistant's
# turns of chats.  The last 300 documents are held out; the loss printed as "held" is on them.
# A checkpoint is written every 200 steps; --resume goes on from it.  The rate is constant after a
# short warm-up and goes down to 0 over the last 30 % of the steps.
#
# Each worker is a process of one thread with its own copy of the network.  In every step each
# takes its share of the batch, the gradients are added up in a shared buffer, always in the same
# order, and every worker makes the same step.  So the workers meet twice a step (threads inside
# the matrix products would meet a thousand times), and the same seed, corpus, number of workers
# and libraries give the same weights.

import argparse
import json
import os
import random
import sys
import time

os.environ["OMP_NUM_THREADS"] = os.environ["OPENBLAS_NUM_THREADS"] = "1"

import torch
import torch.multiprocessing as mp
import torch.nn.functional as F

from net import SHAPE, Net
from tokenizer import Tokenizer
from world import BOYS, GIRLS, KINDS, PETS_HE, PETS_SHE

HELD = 300
# The words that say who it is count more than the others: a story that mixes up its people is
# worse than one with an odd word.
WHO = GIRLS + BOYS + PETS_HE + PETS_SHE + list(KINDS) + (
    "he she his her him He She His Her girl boy mom dad mother grandma grandpa".split())
WHO_WEIGHT = 3


def read(corpus, tok, limit):
    docs, who = [], {tok.piece.get(mark + w) for w in WHO for mark in ("\u2581", "")} - {None}
    with open(corpus, encoding="utf-8") as f:
        for n, line in enumerate(f):
            if limit and n >= limit:
                break
            ids, flags = tok.document(json.loads(line))
            flags = [f * (WHO_WEIGHT if i in who else 1) for i, f in zip(ids, flags)]
            if len(ids) <= SHAPE["ctx"]:
                docs.append((ids, flags))
    return docs


def nudge(ids, flags, tok, rng):
    """A prompt may end in a space: now and then cut a word into its space and the rest."""
    if rng.random() < 0.03 and len(ids) > 12:
        at = rng.randrange(2, min(len(ids) - 1, 40))
        text = tok.tokens[ids[at]]
        if flags[at] and text[0] == "\u2581" and len(text) > 1 and text[1].isalpha():
            parts = [tok.piece["\u2581"]] + tok.join(list(text[1:]))
            return ids[:at] + parts + ids[at + 1:], flags[:at] + [1] * len(parts) + flags[at + 1:]
    return ids, flags


def batches(docs, size, rng):
    """Lists of documents of like length, about `size` tokens each, in random order."""
    order = list(range(len(docs)))
    rng.shuffle(order)
    out = []
    for start in range(0, len(order), 1500):
        chunk = sorted(order[start:start + 1500], key=lambda i: (len(docs[i][0]), i))
        cut, longest, group = [], 0, []
        for i in chunk:
            longest = max(longest, len(docs[i][0]))
            if group and longest * (len(group) + 1) > size:
                cut.append(group)
                group, longest = [], len(docs[i][0])
            group.append(i)
        cut.append(group)
        rng.shuffle(cut)
        out += cut
    return out


def tensors(rows):
    width = max(len(ids) for ids, _ in rows)
    ids = torch.zeros(len(rows), width, dtype=torch.long)
    say = torch.zeros(len(rows), width)
    for i, (a, b) in enumerate(rows):
        ids[i, :len(a)] = torch.tensor(a)
        say[i, :len(b)] = torch.tensor(b, dtype=torch.float)
    return ids[:, :-1], ids[:, 1:], say[:, 1:]


def loss_of(net, rows, even=False):
    """The weighted sum of the losses, and the sum of the weights; even: every weight is 1."""
    x, y, weight = tensors(rows)
    say = weight > 0
    weight = weight[say].clamp(max=1) if even else weight[say]
    logits = F.linear(net.hidden(x)[say], net.embed.weight)
    return (F.cross_entropy(logits, y[say], reduction="none") * weight).sum(), float(weight.sum())


def evaluate(net, held):
    with torch.no_grad():
        parts = [loss_of(net, held[i:i + 20], even=True) for i in range(0, len(held), 20)]
    return sum(l.item() for l, _ in parts) / sum(n for _, n in parts)


def work(rank, args, tok, docs, held, plan, shared, losses, barrier):
    torch.set_num_threads(1)
    torch.manual_seed(args.seed)
    torch.use_deterministic_algorithms(True)
    net = Net(dict(SHAPE, vocab=len(tok.tokens)))
    params = list(net.parameters())
    opt = torch.optim.AdamW([{"params": [p for p in params if p.dim() == 2],
                              "weight_decay": args.decay},
                             {"params": [p for p in params if p.dim() == 1], "weight_decay": 0.0}],
                            lr=args.lr, betas=(0.9, 0.99), eps=1e-8, foreach=True)
    steps, warm, step0, seen = min(args.steps or len(plan), len(plan)), 80, 0, 0
    if args.resume and os.path.exists(args.out):
        state = torch.load(args.out)
        net.load_state_dict(state["net"])
        opt.load_state_dict(state["opt"])
        step0, seen = state["step"], state["seen"]
    if rank == 0:
        print(f"{sum(p.numel() for p in params)} parameters, {len(docs)} documents, "
              f"{sum(len(d[0]) for d in docs)} tokens, {steps} steps", flush=True)
    began, since, mean, count = time.time(), seen, 0.0, 0
    for step in range(step0, steps):
        left = (steps - step) / (0.3 * steps)         # the last 30 % of the steps go down to 0
        rate = args.lr * min(1.0, (step + 1) / warm, left)
        for group in opt.param_groups:
            group["lr"] = rate
        rows = [docs[i] for i in plan[step]]
        total = sum(sum(flags[1:]) for _, flags in rows)
        mine = rows[rank::args.workers]
        opt.zero_grad(set_to_none=True)
        if mine:
            loss = loss_of(net, mine)[0] / total
            loss.backward()
            losses[rank] = loss.item()
            torch.cat([p.grad.reshape(-1) for p in params], out=shared[rank])
        else:
            losses[rank] = 0.0
            shared[rank].zero_()
        barrier.wait()
        grad, at = shared.sum(0), 0
        loss = float(losses.sum())
        barrier.wait()
        grad *= min(1.0, 1.0 / (float(grad.norm()) + 1e-6))           # clip to length 1
        for p in params:
            p.grad = grad[at:at + p.numel()].view_as(p)
            at += p.numel()
        opt.step()
        seen += sum(len(r[0]) for r in rows)
        mean, count = mean + loss, count + 1
        last = step + 1 == steps
        if rank == 0 and ((step + 1) % 20 == 0 or last):
            print(f"step {step + 1}/{steps} loss {mean / count:.4f} lr {rate:.5f} "
                  f"{(seen - since) / (time.time() - began):.0f} tok/s {seen} tokens", flush=True)
            mean, count = 0.0, 0
        if rank == 0 and ((step + 1) % 200 == 0 or last):
            held_loss = evaluate(net, held)
            print(f"held {held_loss:.4f}", flush=True)
            torch.save({"net": net.state_dict(), "opt": opt.state_dict(), "step": step + 1,
                        "seen": seen, "shape": net.shape, "held": held_loss}, args.out + ".new")
            os.replace(args.out + ".new", args.out)


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument("corpus")
    ap.add_argument("tokenizer")
    ap.add_argument("out")
    ap.add_argument("--batch", type=int, default=1600)
    ap.add_argument("--lr", type=float, default=1.5e-3)
    ap.add_argument("--steps", type=int, default=0, help="stop after so many (default: one pass)")
    ap.add_argument("--decay", type=float, default=0.05)
    ap.add_argument("--seed", type=int, default=1)
    ap.add_argument("--workers", type=int, default=2)
    ap.add_argument("--limit", type=int, default=0, help="use only so many documents")
    ap.add_argument("--resume", action="store_true")
    args = ap.parse_args()
    rng = random.Random(args.seed)
    tok = Tokenizer.load(args.tokenizer)
    docs = read(args.corpus, tok, args.limit)
    docs, held = docs[:-HELD], docs[-HELD:]
    docs = [nudge(ids, flags, tok, rng) for ids, flags in docs]
    plan = batches(docs, args.batch, rng)
    held.sort(key=lambda d: len(d[0]))
    size = sum(p.numel() for p in Net(dict(SHAPE, vocab=len(tok.tokens))).parameters())
    shared = torch.zeros(args.workers, size).share_memory_()
    losses = torch.zeros(args.workers, dtype=torch.float64).share_memory_()
    barrier = mp.get_context("fork").Barrier(args.workers)
    rest = (args, tok, docs, held, plan, shared, losses, barrier)
    others = [mp.get_context("fork").Process(target=work, args=(n,) + rest, daemon=True)
              for n in range(1, args.workers)]
    for p in others:
        p.start()
    work(0, *rest)
    for p in others:
        p.join()


if __name__ == "__main__":
    sys.exit(main())
