#!/usr/bin/env python3
"""Makes tests/unit/kern_golden.h: what ggml itself says the blocks of each type mean.

Blocks of random bytes (their half floats finite) are written into a small GGUF file as tensors of
their types; llama-quantize turns that file into F32, by ggml's own code; the header keeps the
blocks and a hash of the floats.

usage: kern-types.py LLAMA_QUANTIZE_COMMAND FOLDER [FOLDER_AS_THE_COMMAND_SEES_IT] > kern_golden.h
"""
import os
import random
import struct
import subprocess
import sys

ROW = 256  # weights in the sample of each type
# name, number in the file format, weights and bytes of a block, offsets of its half floats
TYPES = [
    ("Q4_0", 2, 32, 18, [0]), ("Q4_1", 3, 32, 20, [0, 2]), ("Q5_0", 6, 32, 22, [0]),
    ("Q5_1", 7, 32, 24, [0, 2]), ("Q8_0", 8, 32, 34, [0]), ("Q2_K", 10, 256, 84, [80, 82]),
    ("Q3_K", 11, 256, 110, [108]), ("Q4_K", 12, 256, 144, [0, 2]), ("Q5_K", 13, 256, 176, [0, 2]),
    ("Q6_K", 14, 256, 210, [208]), ("IQ4_NL", 20, 32, 18, [0]), ("IQ4_XS", 23, 256, 136, [0]),
]
NAMES = ["attn_q", "attn_k", "attn_v", "attn_output", "ffn_gate", "ffn_up", "ffn_down"]
U32, F32, STR, ARR, I32 = 4, 6, 8, 9, 5


def string(text):
    return struct.pack("<Q", len(text)) + text.encode()


def key(name, kind, value):
    head = string(name) + struct.pack("<I", kind)
    if kind == STR:
        return head + string(value)
    return head + struct.pack("<I" if kind == U32 else "<f", value)


def array(name, kind, values):
    head = string(name) + struct.pack("<IIQ", ARR, kind, len(values))
    if kind == STR:
        return head + b"".join(string(v) for v in values)
    return head + struct.pack("<%d%s" % (len(values), "f" if kind == F32 else "i"), *values)


def blocks(rng, elems, size, halves, rows):
    out = bytearray()
    for _ in range(rows * ROW // elems):
        block = bytearray(rng.randbytes(size))
        for at in halves:
            while block[at + 1] & 0x7C == 0x7C:
                block[at + 1] = rng.randrange(256)
        out += block
    return bytes(out)


def write_model(path, rng):
    """Returns {tensor name: (type row, bytes)} for the tensors under test."""
    keys = [key("general.architecture", STR, "llama"), key("llama.context_length", U32, 64),
            key("llama.embedding_length", U32, ROW), key("llama.block_count", U32, 2),
            key("llama.feed_forward_length", U32, ROW), key("llama.attention.head_count", U32, 4),
            key("llama.attention.layer_norm_rms_epsilon", F32, 1e-5),
            key("llama.rope.dimension_count", U32, 64), key("tokenizer.ggml.model", STR, "llama"),
            array("tokenizer.ggml.tokens", STR, ["<unk>", "<s>", "</s>", "a"]),
            array("tokenizer.ggml.scores", F32, [0.0] * 4),
            array("tokenizer.ggml.token_type", I32, [2, 3, 3, 1])]
    plain = lambda n: struct.pack("<%df" % n, *[1.0] * n)
    tensors = [("token_embd.weight", (ROW, 4), 0, plain(4 * ROW)),
               ("output_norm.weight", (ROW,), 0, plain(ROW)),
               ("output.weight", (ROW, 4), 0, plain(4 * ROW))]
    tested = {}
    for i, name in enumerate(NAMES * 2):
        layer = "blk.%d." % (i // len(NAMES))
        kind = TYPES[i % len(TYPES)]
        data = blocks(rng, kind[2], kind[3], kind[4], ROW)
        tensors.append((layer + name + ".weight", (ROW, ROW), kind[1], data))
        if i < len(TYPES):
            tested[layer + name + ".weight"] = (kind, data)
    for i in range(2):
        tensors.append(("blk.%d.attn_norm.weight" % i, (ROW,), 0, plain(ROW)))
        tensors.append(("blk.%d.ffn_norm.weight" % i, (ROW,), 0, plain(ROW)))
    out = b"GGUF" + struct.pack("<IQQ", 3, len(tensors), len(keys)) + b"".join(keys)
    body = b""
    for name, dims, kind, data in tensors:
        out += string(name) + struct.pack("<I", len(dims))
        out += b"".join(struct.pack("<Q", d) for d in dims) + struct.pack("<IQ", kind, len(body))
        body += data + bytes(-len(data) % 32)
    with open(path, "wb") as f:
        f.write(out + bytes(-len(out) % 32) + body)
    return tested


class Reader:
    def __init__(self, data):
        self.data, self.at = data, 0

    def take(self, fmt):
        value = struct.unpack_from("<" + fmt, self.data, self.at)
        self.at += struct.calcsize("<" + fmt)
        return value[0]

    def text(self):
        n = self.take("Q")
        self.at += n
        return self.data[self.at - n:self.at].decode()

    def skip(self, kind):
        if kind == STR:
            self.text()
        elif kind == ARR:
            inner, n = self.take("I"), self.take("Q")
            for _ in range(n):
                self.skip(inner)
        else:
            self.at += {0: 1, 1: 1, 2: 2, 3: 2, 4: 4, 5: 4, 6: 4, 7: 1, 10: 8, 11: 8, 12: 8}[kind]


def read_tensors(path):
    """Returns {name: bytes from its start on} of a file whose tensors are all F32."""
    data = open(path, "rb").read()
    r = Reader(data)
    assert data[:4] == b"GGUF"
    r.at = 8
    n_tensors, n_keys = r.take("Q"), r.take("Q")
    for _ in range(n_keys):
        r.text()
        r.skip(r.take("I"))
    found = {}
    for _ in range(n_tensors):
        name, n_dims = r.text(), r.take("I")
        r.at += 8 * n_dims
        kind, offset = r.take("I"), r.take("Q")
        assert kind == 0, (name, kind)
        found[name] = offset
    base = (r.at + 31) // 32 * 32
    return {name: data[base + offset:] for name, offset in found.items()}


def fnv1a(data):
    h = 0xCBF29CE484222325
    for byte in data:
        h = (h ^ byte) * 0x100000001B3 & 0xFFFFFFFFFFFFFFFF
    return h


def print_header(tested, floats):
    print("/* Made by tests/golden/kern-types.py, which says how. Not to be edited. */")
    print("/* clang-format off */")
    print("struct golden_type {\n    enum tensor_type type;\n    const uint8_t *row; /* %d weights */" % ROW)
    print("    uint64_t hash; /* FNV-1a over the bytes of ggml's floats */\n};\n")
    for tensor, (kind, data) in tested.items():
        row = data[:ROW // kind[2] * kind[3]]
        print("static const uint8_t golden_%s[] = {" % kind[0].lower())
        for at in range(0, len(row), 16):
            print("    " + " ".join("0x%02x," % b for b in row[at:at + 16]))
        print("};")
    print("\nstatic const struct golden_type golden_types[] = {")
    for tensor, (kind, data) in tested.items():
        print("    {TYPE_%s, golden_%s, 0x%016xu}," %
              (kind[0], kind[0].lower(), fnv1a(floats[tensor][:4 * ROW])))
    print("};")


def main():
    command, folder = sys.argv[1].split(), sys.argv[2]
    seen = sys.argv[3] if len(sys.argv) > 3 else folder
    tested = write_model(os.path.join(folder, "types.gguf"), random.Random(1))
    subprocess.run(command + ["--allow-requantize", seen + "/types.gguf", seen + "/floats.gguf",
                              "F32"], check=True, stdout=sys.stderr)
    print_header(tested, read_tensors(os.path.join(folder, "floats.gguf")))


main()
