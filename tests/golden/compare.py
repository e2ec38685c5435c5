#!/usr/bin/python3
"""Compares rbee's next-token probabilities with those of llama.cpp's server, model by model.

    compare.py --server CMD --worker PATH [--server-dir DIR] [--exact SUFFIX] [--record OUT.json]
               MODEL.gguf ...

CMD starts llama-server (words split at blanks); MODEL paths are handed to it with their folder
replaced by --server-dir, where that is given. For each model a fixed set of random prompts (token
ids, lengths 1 to 96) is given to both, and the oracle's 20 likeliest next tokens are compared.

With --exact -exact, for each X.gguf there is an X-exact.gguf beside it with the same weights
dequantised to F32; run through the oracle with an F32 cache it tells what the weights themselves
say, and so how far each side's rounding of activations leads away from it.

  decided     prompts where the oracle's first token leads by more than twice the largest difference
              seen at that prompt: there the top token must agree
  max, mean   of |difference| of log-probabilities: rbee to oracle, rbee to exact, oracle to exact

Bounds, exit code 1 when one is broken: every decided token agrees; with --exact, rbee's mean distance
to exact is at most 1.15 times the oracle's (or below 0.003, the float noise of these models), and
the largest difference between rbee and oracle at most the sum of both sides' largest to exact.
--record writes the oracle's answers for tests/e2e/golden.test.js.
"""
import argparse
import json
import os
import random
import socket
import subprocess
import sys
import time
import urllib.request

TOP = 20
RATIO_MAX, FLOAT_NOISE = 1.15, 0.003


def prompts(n_vocab, count):
    rng = random.Random(12345)
    lengths = [1, 2, 3, 5, 8, 13, 21, 31, 32, 33, 64, 96]
    return [[rng.randrange(3, n_vocab) for _ in range(lengths[i % len(lengths)])]
            for i in range(count)]


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def post(url, body):
    request = urllib.request.Request(url, json.dumps(body).encode(),
                                     {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=120) as answer:
        return json.load(answer)


def wait_healthy(url, server):
    for _ in range(600):
        try:
            with urllib.request.urlopen(url + "/health", timeout=2) as answer:
                if answer.status == 200:
                    return
        except OSError:
            pass
        if server.poll() is not None:
            sys.exit("the oracle's server ended with %d" % server.returncode)
        time.sleep(0.1)
    sys.exit("the oracle's server did not become healthy within 60 s")


def first_token_scores(reply):
    """Empty where the server keeps them to itself: a token that is only part of a character."""
    scores = reply.get("completion_probabilities")
    return [[t["id"], t["logprob"]] for t in scores[0]["top_logprobs"]] if scores else []


def ask_oracle(command, model, asked, n_top, more=()):
    """[[id, logprob] x n_top] after each prompt."""
    port = free_port()
    server = subprocess.Popen(
        command.split() + ["-m", model, "--host", "127.0.0.1", "--port", str(port), "-c", "512",
                           "-np", "1", "-t", "2", "--no-warmup", "--no-webui", *more],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        url = "http://127.0.0.1:%d" % port
        wait_healthy(url, server)
        return [first_token_scores(post(url + "/completion", {
            "prompt": ids, "n_predict": 1, "temperature": 0, "n_probs": n_top,
            "cache_prompt": False, "samplers": ["temperature"]})) for ids in asked]
    finally:
        server.terminate()
        server.wait()


def ask_rbee(worker, model, ids, n_vocab):
    """{id: logprob} after one prompt."""
    out = subprocess.run(
        [worker, "run", "--model", model, "--prompt-ids", " ".join(map(str, ids)), "--max-tokens",
         "1", "--temperature", "0", "--top-logprobs", str(min(n_vocab, 1024))],
        check=True, capture_output=True, text=True).stdout
    line = [json.loads(row) for row in out.splitlines() if row.startswith("{")][-1]
    return {i: p for i, p in line["top"]}


def distances(a, b, ids):
    return [abs(a[i] - b[i]) for i in ids if i in a and i in b]


def mean(values):
    return sum(values) / len(values) if values else float("nan")


class Row:
    """What is known of one model: all its prompts together."""

    def __init__(self, oracle, ours, exact):
        self.to_oracle, self.to_exact, self.oracle_to_exact = [], [], []
        self.decided = self.agreed = self.agreed_decided = self.n = 0
        for o, r, e in zip(oracle, ours, exact):
            if not o:
                continue
            known, ids = dict(map(tuple, o)), [i for i, _ in o]
            here = distances(r, known, ids)
            self.to_oracle += here
            self.to_exact += distances(r, e, ids)
            self.oracle_to_exact += distances(known, e, ids)
            agrees = max(r, key=r.get) == o[0][0]
            decided = o[0][1] - o[1][1] > 2 * max(here)
            self.n += 1
            self.agreed += agrees
            self.decided += decided
            self.agreed_decided += agrees and decided

    def holds(self):
        if self.n == 0 or self.agreed_decided != self.decided:
            return False
        if not self.to_exact:
            return True
        return (mean(self.to_exact) <= max(RATIO_MAX * mean(self.oracle_to_exact), FLOAT_NOISE) and
                max(self.to_oracle) <= max(self.to_exact) + max(self.oracle_to_exact) + FLOAT_NOISE)

    def text(self, name):
        cells = [name, "%d / %d" % (self.agreed_decided, self.decided),
                 "%d / %d" % (self.agreed, self.n), "%.4f" % max(self.to_oracle),
                 "%.4f" % mean(self.to_oracle)]
        if self.to_exact:
            cells += ["%.4f" % mean(self.to_exact), "%.4f" % mean(self.oracle_to_exact)]
        return "| " + " | ".join(cells + ["yes" if self.holds() else "NO"]) + " |"


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--server", required=True)
    parser.add_argument("--server-dir")
    parser.add_argument("--worker", required=True)
    parser.add_argument("--exact")
    parser.add_argument("--record")
    parser.add_argument("--vocab", type=int, default=1024)
    parser.add_argument("--prompts", type=int, default=24)
    parser.add_argument("models", nargs="+")
    args = parser.parse_args()
    asked = prompts(args.vocab, args.prompts)
    heads = ["model", "top-1, decided", "top-1, all", "max, rbee-oracle", "mean, rbee-oracle"]
    heads += ["mean, rbee-exact", "mean, oracle-exact"] if args.exact else []
    print("| " + " | ".join(heads + ["within bounds"]) + " |")
    print("|---" * (len(heads) + 1) + "|")
    record, broken = {}, False
    for model in args.models:
        name = os.path.basename(model)
        seen_as = os.path.join(args.server_dir, name) if args.server_dir else model
        oracle = ask_oracle(args.server, seen_as, asked, TOP)
        ours = [ask_rbee(args.worker, model, ids, args.vocab) for ids in asked]
        exact = [{}] * len(asked)
        if args.exact:
            exact = [dict(map(tuple, e)) for e in ask_oracle(
                args.server, seen_as.replace(".gguf", args.exact + ".gguf"), asked, args.vocab,
                ["-ctk", "f32", "-ctv", "f32", "-fa", "off"])]
        row = Row(oracle, ours, exact)
        print(row.text(name.replace(".gguf", "")), flush=True)
        broken = broken or not row.holds()
        record[name] = [{"prompt": ids, "top": o} for ids, o in zip(asked, oracle) if o]
    if args.record:
        with open(args.record, "w") as f:
            json.dump(record, f, separators=(",", ":"))
            f.write("\n")
    return 1 if broken else 0


sys.exit(main())
