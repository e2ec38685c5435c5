#!/usr/bin/python3
"""Compares rbee's next-token probabilities with those of llama.cpp's server, model by model.

    compare.py --server CMD --worker PATH [--server-dir DIR] [--record OUT.json] MODEL.gguf ...

CMD starts llama-server (words split at blanks); MODEL paths are handed to it with their folder
replaced by --server-dir, where that is given. For each model a fixed set of random prompts (token
ids, lengths 1 to 96) is given to both, and the 20 likeliest next tokens are compared:

  top-1   prompts whose likeliest token agrees / prompts where the oracle's margin between its first
          and second token is above twice the largest difference seen at that prompt
  max |d| the largest difference of a log-probability among the oracle's top 20
  mean|d| the mean of them

Both sides see the same quantised weights; what differs is how activations are rounded on the way
(llama.cpp: 8-bit blocks with half-float scales, or half floats; rbee: see kern.h). --record writes
the oracle's answers for tests/e2e/golden.test.js. Exit code 1 when a bound of BOUNDS is broken.
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
# Largest difference of a log-probability allowed among the top 20, by how the model is stored.
BOUND_FLOAT, BOUND_QUANT = 0.02, 0.25


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


def ask_oracle(command, model, asked):
    """The oracle's [[id, logprob] x 20] after each prompt."""
    port = free_port()
    server = subprocess.Popen(
        command.split() + ["-m", model, "--host", "127.0.0.1", "--port", str(port), "-c", "512",
                           "-np", "1", "-t", "2", "--no-warmup", "--no-webui"],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        url = "http://127.0.0.1:%d" % port
        wait_healthy(url, server)
        answers = []
        for ids in asked:
            reply = post(url + "/completion", {
                "prompt": ids, "n_predict": 1, "temperature": 0, "n_probs": TOP,
                "cache_prompt": False, "samplers": ["temperature"]})
            top = reply["completion_probabilities"][0]["top_logprobs"]
            answers.append([[t["id"], t["logprob"]] for t in top])
        return answers
    finally:
        server.terminate()
        server.wait()


def ask_rbee(worker, model, ids):
    """rbee's log-probabilities of all tokens after one prompt, as {id: logprob}."""
    out = subprocess.run(
        [worker, "run", "--model", model, "--prompt-ids", " ".join(map(str, ids)), "--max-tokens",
         "1", "--temperature", "0", "--top-logprobs", "100000"],
        check=True, capture_output=True, text=True).stdout
    line = [json.loads(row) for row in out.splitlines() if row.startswith("{")][-1]
    return dict((t[0], t[1]) for t in line["top"])


def compare(oracle, ours):
    """(margin known and large, top token agrees, differences)"""
    differences = [abs(ours[i] - p) for i, p in oracle]
    margin = oracle[0][1] - oracle[1][1]
    decided = margin > 2 * max(differences)
    return decided, max(ours, key=ours.get) == oracle[0][0], differences


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--server", required=True)
    parser.add_argument("--server-dir")
    parser.add_argument("--worker", required=True)
    parser.add_argument("--record")
    parser.add_argument("--vocab", type=int, default=1024)
    parser.add_argument("--prompts", type=int, default=24)
    parser.add_argument("models", nargs="+")
    args = parser.parse_args()
    asked = prompts(args.vocab, args.prompts)
    record, broken = {}, False
    print("| model | top-1 agrees where decided | top-1 agrees | max &#124;d&#124; | mean &#124;d&#124; |")
    print("|---|---|---|---|---|")
    for model in args.models:
        name = os.path.basename(model)
        seen_as = os.path.join(args.server_dir, name) if args.server_dir else model
        oracle = ask_oracle(args.server, seen_as, asked)
        rows = [compare(o, ask_rbee(args.worker, model, ids)) for o, ids in zip(oracle, asked)]
        decided = [agrees for known, agrees, _ in rows if known]
        differences = [d for _, _, ds in rows for d in ds]
        is_float = any(t in name for t in ("F32", "F16", "BF16"))
        bound = BOUND_FLOAT if is_float else BOUND_QUANT
        if not all(decided) or max(differences) > bound:
            broken = True
        print("| %s | %d / %d | %d / %d | %.4f | %.5f |" % (
            name, sum(decided), len(decided), sum(a for _, a, _ in rows), len(rows),
            max(differences), sum(differences) / len(differences)), flush=True)
        record[name] = [{"prompt": ids, "top": o} for ids, o in zip(asked, oracle)]
    if args.record:
        with open(args.record, "w") as f:
            json.dump(record, f, separators=(",", ":"))
            f.write("\n")
    return 1 if broken else 0


sys.exit(main())
