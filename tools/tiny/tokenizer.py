#!/usr/bin/python3
# tokenizer.py - trains and applies the vocabulary: SentencePiece-style BPE with byte fallback.
#
#   tokenizer.py CORPUS.jsonl OUT.json [--size N]
#
# The file holds tokens, scores and types in the sense of tokenizer.ggml.* of the "llama" kind.
# Encoding follows what loaders do with such a vocabulary: a space is put in front, spaces become
# U+2581, the text is cut into characters, and the adjacent pair whose joined piece has the best
# score is joined until none is left; characters that are no piece fall back to <0xXX> tokens.
# Pieces never cross a space, so a word at a time can be encoded and remembered.

import argparse
import collections
import heapq
import json
import re

UNK, BOS, END, USER, ASSISTANT, SYSTEM = range(6)
SPECIAL = ["<unk>", "<s>", "<|end|>", "<|user|>", "<|assistant|>", "<|system|>"]
NORMAL, UNKNOWN, CONTROL, BYTE = 1, 2, 3, 6
SPACE = "\u2581"
# what pieces are made from: a run of letters, digits or marks, with the space before it; so there
# are pieces like |_dog| and |,"| but none like |dog,|
RUN = re.compile(SPACE + "?(?:[^\\W\\d_]+|[0-9]|[^\\w" + SPACE + "]+)|" + SPACE)


class Tokenizer:
    def __init__(self, tokens, scores, types):
        self.tokens, self.scores, self.types = tokens, scores, types
        self.piece = {t: i for i, t in enumerate(tokens) if types[i] == NORMAL}
        self.byte0 = tokens.index("<0x00>")
        self.memo = {}

    @classmethod
    def load(cls, path):
        with open(path, encoding="utf-8") as f:
            d = json.load(f)
        return cls(d["tokens"], d["scores"], d["types"])

    def word(self, text):
        """Ids of one stretch of text (spaces already U+2581)."""
        ids = self.memo.get(text)
        if ids is None:
            ids = self.memo[text] = self.join(list(text))
        return ids

    def join(self, parts):
        while True:
            best, at = None, -1
            for i in range(len(parts) - 1):
                p = self.piece.get(parts[i] + parts[i + 1])
                if p is not None and (best is None or self.scores[p] > best):
                    best, at = self.scores[p], i
            if best is None:
                break
            parts[at:at + 2] = [parts[at] + parts[at + 1]]
        out = []
        for part in parts:
            if part in self.piece:
                out.append(self.piece[part])
            else:
                out.extend(self.byte0 + b for b in part.encode("utf-8"))
        return out

    def encode(self, text, prefix=True):
        """Text without special tokens; prefix: put the space in front, as loaders do."""
        text = ((" " if prefix else "") + text).replace(" ", SPACE)
        ids = []
        for part in re.findall(SPACE + "*[^" + SPACE + "]+|" + SPACE + "+", text):
            ids.extend(self.word(part))
        return ids

    def decode(self, ids):
        raw = b""
        for i in ids:
            if self.types[i] == BYTE:
                raw += bytes([i - self.byte0])
            elif self.types[i] == NORMAL:
                raw += self.tokens[i].replace(SPACE, " ").encode("utf-8")
        return raw.decode("utf-8", "replace")

    def document(self, doc):
        """Ids and a 0/1 flag per id (1: learn to say it) of one corpus line."""
        if "text" in doc:
            ids = [BOS] + self.encode(doc["text"]) + [END]
            return ids, [0] + [1] * (len(ids) - 1)
        ids, flags = [BOS], [0]
        for role, text in doc["chat"]:
            head = [(USER, ASSISTANT, SYSTEM)[("user", "assistant", "system").index(role)]]
            head += self.encode("\n")                            # "<|user|>\n"
            body = self.encode(text, prefix=False) + [END]
            say = 1 if role == "assistant" else 0
            ids += head + body
            flags += [0] * len(head) + [say] * len(body)
            newline = self.encode("\n")                          # after "<|end|>"
            ids += newline
            flags += [0] * len(newline)
        return ids[:-len(newline)], flags[:-len(newline)]


def texts(path):
    with open(path, encoding="utf-8") as f:
        for line in f:
            doc = json.loads(line)
            if "text" in doc:
                yield doc["text"]
            else:
                for _, text in doc["chat"]:
                    yield text


def train(path, size):
    """Byte-pair merges over the words of the corpus, best pair first; ties by spelling."""
    words = collections.Counter()
    for text in texts(path):
        words.update(RUN.findall(SPACE + text.replace(" ", SPACE)))
    parts = [list(w) for w in words]
    counts = list(words.values())
    alphabet = set("".join(words)) | {chr(c) for c in range(33, 127)} | {SPACE}
    pairs, where = collections.Counter(), collections.defaultdict(set)
    for i, p in enumerate(parts):
        for a in zip(p, p[1:]):
            pairs[a] += counts[i]
            where[a].add(i)
    tokens = list(SPECIAL) + ["<0x%02X>" % b for b in range(256)]
    types = [UNKNOWN] + [CONTROL] * (len(SPECIAL) - 1) + [BYTE] * 256
    merges, seen = [], set(alphabet)
    heap = [(-n, a) for a, n in pairs.items()]
    heapq.heapify(heap)
    while heap and len(tokens) + len(merges) + len(alphabet) < size:
        n, pair = heapq.heappop(heap)
        if -n != pairs[pair] or not pairs[pair]:
            continue
        joined = pair[0] + pair[1]
        if joined not in seen:
            seen.add(joined)
            merges.append(joined)
        changed = set()
        for i in sorted(where.pop(pair)):
            p = parts[i]
            for a in zip(p, p[1:]):
                pairs[a] -= counts[i]
                changed.add(a)
            k = 0
            while k < len(p) - 1:
                if (p[k], p[k + 1]) == pair:
                    p[k:k + 2] = [joined]
                k += 1
            for a in zip(p, p[1:]):
                pairs[a] += counts[i]
                where[a].add(i)
                changed.add(a)
        for a in sorted(changed):
            if pairs[a] > 0:
                heapq.heappush(heap, (-pairs[a], a))
    pieces = merges + sorted(alphabet)
    tokens += pieces
    types += [NORMAL] * len(pieces)
    scores = [0.0] * (len(tokens) - len(pieces)) + [-float(i) for i in range(len(pieces))]
    return tokens, scores, types


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument("corpus")
    ap.add_argument("out")
    ap.add_argument("--size", type=int, default=2048)
    args = ap.parse_args()
    tokens, scores, types = train(args.corpus, args.size)
    with open(args.out, "w", encoding="utf-8") as f:
        json.dump({"tokens": tokens, "scores": scores, "types": types}, f, ensure_ascii=False)
    tok = Tokenizer(tokens, scores, types)
    lengths = []
    for n, text in enumerate(texts(args.corpus)):
        if n >= 2000:
            break
        ids = tok.encode(text)
        assert tok.decode(ids) == " " + text, text
        lengths.append((len(ids), len(text.split())))
    a, b = (sum(x[i] for x in lengths) for i in (0, 1))
    print(f"{len(tokens)} tokens; {a / b:.3f} tokens per word")


if __name__ == "__main__":
    main()
