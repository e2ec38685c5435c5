#!/usr/bin/python3
# check.py - reads a GGUF file with numpy alone and lets it speak.
#
#   check.py MODEL.gguf                                greedy, from "Once upon a time"
#   check.py MODEL.gguf --prompt TEXT | --chat TEXT    from there
#       [--temp T] [--seed S] [--count N] [--max TOKENS] [--ids]
#   check.py MODEL.gguf --tour                         many openings at three temperatures
#
# It shares no code with the trainer or the exporter: it has its own reader, its own tokenizer
# (working from the tokens and scores in the file) and its own forward pass, so that what it
# prints is what any loader should get.

import argparse
import re
import struct
import sys

import numpy as np

TOUR = ["Once upon a time", "One day", "There was a", "The", "Tom and his dog", "Lily",
        "Once upon a time, there was a little girl named", "A", "In the", "It was a",
        "Once upon a time there was a robot named Zork", "The cat", "Once there was a dragon who"]
TOUR_CHAT = ["Tell me a story about a cat.", "Tell me a story about a frog named Max.", "Hello",
             "Who are you?", "What is the capital of France?", "Tell me a story.",
             "Write a short story about a girl and her dog.", "tell me a story about a dinosaur"]


class Gguf:
    SCALAR = {0: "<B", 1: "<b", 2: "<H", 3: "<h", 4: "<I", 5: "<i", 6: "<f", 7: "<?", 10: "<Q",
              11: "<q", 12: "<d"}

    def __init__(self, path):
        with open(path, "rb") as f:
            self.raw = f.read()
        self.at = 4
        assert self.raw[:4] == b"GGUF" and self.take("<I") == 3
        tensors, pairs = self.take("<Q"), self.take("<Q")
        self.meta = {}
        for _ in range(pairs):
            key = self.text()
            self.meta[key] = self.value(self.take("<I"))
        infos = []
        for _ in range(tensors):
            name = self.text()
            dims = [self.take("<Q") for _ in range(self.take("<I"))]
            infos.append((name, dims, self.take("<I"), self.take("<Q")))
        align = self.meta.get("general.alignment", 32)
        base = (self.at + align - 1) // align * align
        self.tensor = {n: self.load(d, k, base + o) for n, d, k, o in infos}

    def take(self, form):
        (v,) = struct.unpack_from(form, self.raw, self.at)
        self.at += struct.calcsize(form)
        return v

    def text(self):
        n = self.take("<Q")
        self.at += n
        return self.raw[self.at - n:self.at].decode("utf-8")

    def value(self, kind):
        if kind == 8:
            return self.text()
        if kind == 9:
            kind, n = self.take("<I"), self.take("<Q")
            return [self.value(kind) for _ in range(n)]
        return self.take(self.SCALAR[kind])

    def load(self, dims, kind, at):
        n, shape = int(np.prod(dims)), dims[::-1]
        if kind == 0:
            return np.frombuffer(self.raw, "<f4", n, at).reshape(shape)
        if kind == 1:
            return np.frombuffer(self.raw, "<f2", n, at).astype(np.float32).reshape(shape)
        assert kind == 8, f"tensor type {kind}"
        block = np.frombuffer(self.raw, [("d", "<f2"), ("q", "i1", 32)], n // 32, at)
        return (block["d"].astype(np.float32)[:, None] * block["q"]).reshape(shape)


class Vocabulary:
    def __init__(self, meta):
        assert meta["tokenizer.ggml.model"] == "llama"
        self.tokens, self.scores = meta["tokenizer.ggml.tokens"], meta["tokenizer.ggml.scores"]
        self.kinds = meta["tokenizer.ggml.token_type"]
        self.index = {t: i for i, t in enumerate(self.tokens)}
        self.special = {t: i for i, t in enumerate(self.tokens) if self.kinds[i] in (3, 4)}
        self.prefix = meta.get("tokenizer.ggml.add_space_prefix", True)

    def pieces(self, text):
        parts = list(text)
        while True:
            ranked = [(-self.scores[self.index[a + b]], i)
                      for i, (a, b) in enumerate(zip(parts, parts[1:])) if a + b in self.index]
            if not ranked:
                break
            i = min(ranked)[1]
            parts[i:i + 2] = [parts[i] + parts[i + 1]]
        for p in parts:
            if p in self.index:
                yield self.index[p]
            else:
                for b in p.encode("utf-8"):
                    yield self.index["<0x%02X>" % b]

    def encode(self, text, bos):
        ids, fresh = [bos], True
        split = "(" + "|".join(re.escape(s) for s in self.special) + ")"
        for part in re.split(split, text):
            if part in self.special:
                ids.append(self.special[part])
                fresh = True
            elif part:
                part = (" " if fresh and self.prefix else "") + part
                ids.extend(self.pieces(part.replace(" ", "\u2581")))
                fresh = False
        return ids

    def decode(self, ids):
        raw = b""
        for i in ids:
            if self.kinds[i] == 6:
                raw += bytes([int(self.tokens[i][3:5], 16)])
            elif self.kinds[i] == 1:
                raw += self.tokens[i].replace("\u2581", " ").encode("utf-8")
        return raw.decode("utf-8", "replace")


class Llama:
    def __init__(self, gguf):
        m, self.w = gguf.meta, gguf.tensor
        assert m["general.architecture"] == "llama"
        self.layers, self.heads = m["llama.block_count"], m["llama.attention.head_count"]
        self.kv, self.eps = m["llama.attention.head_count_kv"], m[
            "llama.attention.layer_norm_rms_epsilon"]
        self.size, self.ctx = m["llama.embedding_length"], m["llama.context_length"]
        self.hd = self.size // self.heads
        half = np.arange(0, m["llama.rope.dimension_count"], 2)
        self.freq = m["llama.rope.freq_base"] ** (-half / m["llama.rope.dimension_count"])
        self.out = self.w.get("output.weight", self.w["token_embd.weight"])
        self.reset()

    def reset(self):
        self.keys = [[] for _ in range(self.layers)]
        self.values = [[] for _ in range(self.layers)]

    def norm(self, x, w):
        return x / np.sqrt(np.mean(x * x) + self.eps) * w

    def turn(self, x, pos):
        a, b = x[:, 0::2], x[:, 1::2]
        c, s = np.cos(pos * self.freq), np.sin(pos * self.freq)
        y = np.empty_like(x)
        y[:, 0::2], y[:, 1::2] = a * c - b * s, a * s + b * c
        return y

    def step(self, token, pos):
        x = self.w["token_embd.weight"][token]
        for i in range(self.layers):
            w = lambda name: self.w[f"blk.{i}.{name}.weight"]
            y = self.norm(x, w("attn_norm"))
            q = self.turn((w("attn_q") @ y).reshape(self.heads, self.hd), pos)
            self.keys[i].append(self.turn((w("attn_k") @ y).reshape(self.kv, self.hd), pos))
            self.values[i].append((w("attn_v") @ y).reshape(self.kv, self.hd))
            k, v = np.stack(self.keys[i]), np.stack(self.values[i])
            group = self.heads // self.kv
            q = q.reshape(self.kv, group, self.hd)
            score = np.einsum("kgd,tkd->kgt", q, k) / np.sqrt(self.hd)
            score = np.exp(score - score.max(-1, keepdims=True))
            score /= score.sum(-1, keepdims=True)
            x = x + w("attn_output") @ np.einsum("kgt,tkd->kgd", score, v).reshape(-1)
            y = self.norm(x, w("ffn_norm"))
            gate = w("ffn_gate") @ y
            x = x + w("ffn_down") @ (gate / (1 + np.exp(-gate)) * (w("ffn_up") @ y))
        return self.out @ self.norm(x, self.w["output_norm.weight"])


def speak(net, vocab, ids, temp, rng, limit, eos):
    """Continue ids; returns the new ids, with the end token if it came."""
    net.reset()
    new, logits = [], None
    for pos, token in enumerate(ids):
        logits = net.step(token, pos)
    while len(new) < limit and len(ids) + len(new) < net.ctx:
        if temp > 0:
            p = np.exp((logits - logits.max()) / temp)
            token = int(rng.choice(len(p), p=p / p.sum()))
        else:
            token = int(np.argmax(logits))
        new.append(token)
        if token == eos:
            break
        logits = net.step(token, len(ids) + len(new) - 1)
    return new


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument("model")
    ap.add_argument("--prompt", default="Once upon a time")
    ap.add_argument("--chat")
    ap.add_argument("--temp", type=float, default=0.0)
    ap.add_argument("--seed", type=int, default=1)
    ap.add_argument("--count", type=int, default=1)
    ap.add_argument("--max", type=int, default=300)
    ap.add_argument("--ids", action="store_true", help="print the ids of the prompt too")
    ap.add_argument("--tour", action="store_true")
    args = ap.parse_args()
    gguf = Gguf(args.model)
    net, vocab = Llama(gguf), Vocabulary(gguf.meta)
    bos, eos = (gguf.meta[f"tokenizer.ggml.{n}_token_id"] for n in ("bos", "eos"))
    chat = "<|user|>\n{}<|end|>\n<|assistant|>\n"
    jobs = [(args.prompt if args.chat is None else chat.format(args.chat), args.temp)
            for _ in range(args.count)]
    if args.tour:
        jobs = [(p, t) for t in (0.0, 0.7, 1.0) for p in TOUR + [chat.format(c) for c in TOUR_CHAT]]
    rng = np.random.default_rng(args.seed)
    for prompt, temp in jobs:
        ids = vocab.encode(prompt, bos)
        if args.ids:
            print(ids)
        new = speak(net, vocab, ids, temp, rng, args.max, eos)
        ended = bool(new) and new[-1] == eos
        shown = prompt.replace("<|end|>\n<|assistant|>\n", " => ").replace("<|user|>\n", "user: ")
        mark = f"[{temp:g}, {len(new)} tokens{'' if ended else ', not ended'}] "
        mark = mark if args.tour else ""
        print(mark + shown + vocab.decode(new))
    return 0


if __name__ == "__main__":
    sys.exit(main())
