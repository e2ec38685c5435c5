#!/usr/bin/python3
"""Compares rbee's embeddings with those of llama.cpp's server, model by model.

    compare-embeddings.py --server CMD --worker PATH [--server-dir DIR] [--record OUT.json] MODEL.gguf ...

CMD starts llama-server (words split at blanks); MODEL paths are handed to it with their folder
replaced by --server-dir, where that is given. Each model turns a fixed set of texts, of one to some
three hundred tokens, into vectors of length 1 on both sides.

  least, mean   of the cosine between the two vectors of a text

Bound, exit code 1 when it is broken: the least cosine of a model named *-f32, *-f16 or small-* is above
0.9999, of any other above 0.99. --record writes the oracle's vectors for tests/e2e/embeddings.test.js.
"""
import argparse
import json
import math
import os
import random
import socket
import subprocess
import sys
import time
import urllib.request

FLOAT_LEAST, QUANTISED_LEAST = 0.9999, 0.99


def texts():
    rng = random.Random(4711)
    letters = "abcdefghijklmnopqrstuvwxyz0123456789"
    found = ["a", "Hello, world!", "The quick brown fox jumps over the lazy dog.", "?!",
             "Caf\u00e9 cr\u00e8me, \u00c0 la carte - na\u00efve"]
    for n_words in (3, 10, 30, 60):
        found.append(" ".join("".join(rng.choice(letters) for _ in range(rng.randint(1, 7)))
                              for _ in range(n_words)))
    return found


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def post_when_ready(url, body, server):
    request = urllib.request.Request(url, json.dumps(body).encode(),
                                     {"Content-Type": "application/json"})
    for _ in range(600):
        try:
            with urllib.request.urlopen(request, timeout=120) as answer:
                return json.load(answer)
        except OSError:  # not listening yet, or still loading
            time.sleep(0.1)
        if server.poll() is not None:
            sys.exit("the oracle's server ended with %d" % server.returncode)
    sys.exit("the oracle's server did not answer within 60 s")


def ask_oracle(command, model, asked):
    port = free_port()
    server = subprocess.Popen(
        command.split() + ["-m", model, "--host", "127.0.0.1", "--port", str(port), "--embedding",
                           "-c", "512", "-b", "512", "-ub", "512", "-np", "1", "-t", "2", "--no-webui"],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        answer = post_when_ready("http://127.0.0.1:%d/v1/embeddings" % port, {"input": asked}, server)
        return [row["embedding"] for row in sorted(answer["data"], key=lambda row: row["index"])]
    finally:
        server.terminate()
        server.wait()


def ask_rbee(worker, model, text):
    return json.loads(subprocess.run([worker, "embed", "--model", model], input=text.encode(),
                                     check=True, stdout=subprocess.PIPE).stdout)


def cosine(a, b):
    dot = sum(x * y for x, y in zip(a, b))
    return dot / math.sqrt(sum(x * x for x in a) * sum(y * y for y in b))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--server", required=True)
    parser.add_argument("--server-dir")
    parser.add_argument("--worker", required=True)
    parser.add_argument("--record")
    parser.add_argument("models", nargs="+")
    args = parser.parse_args()
    asked, record, broken = texts(), {}, False
    print("| model | texts | least cosine | mean cosine | within bounds |")
    print("|---|---|---|---|---|")
    for model in args.models:
        name = os.path.basename(model)
        seen_as = os.path.join(args.server_dir, name) if args.server_dir else model
        oracle = ask_oracle(args.server, seen_as, asked)
        same = [cosine(o, ask_rbee(args.worker, model, text)) for o, text in zip(oracle, asked)]
        bound = FLOAT_LEAST if name.endswith(("-f32.gguf", "-f16.gguf")) or name.startswith("small-") else QUANTISED_LEAST
        holds = len(oracle) == len(asked) and min(same) > bound
        broken = broken or not holds
        print("| %s | %d | %.7f | %.7f | %s |" % (name.replace(".gguf", ""), len(same), min(same),
                                                 sum(same) / len(same), "yes" if holds else "NO"),
              flush=True)
        record[name] = [{"text": text, "vector": o} for text, o in zip(asked, oracle)]
    if args.record:
        with open(args.record, "w") as f:
            json.dump(record, f, separators=(",", ":"))
            f.write("\n")
    return 1 if broken else 0


sys.exit(main())
