#!/usr/bin/python3
# export.py - writes a trained checkpoint as a GGUF v3 file.
#
#   export.py CHECKPOINT.pt TOKENIZER.json OUT.gguf [--sharpen X]
#
# Matrices are Q8_0 (blocks of 32 values: one half-precision scale and 32 signed bytes), norms are
# F32.  There is no output.weight: loaders use token_embd.weight for it.  The rotary pairs are
# interleaved, as the llama architecture has them in GGUF, so no row is permuted.
#
# The last norm is multiplied by X (1.25), and so is every logit: at temperature 1 the file speaks
# as the network does at 0.8.  A net this small gives the wrong words a little chance each, and
# they are many; people's usual settings should give them less.  The greedy text stays the same.

import argparse
import hashlib
import json
import struct
import sys

import numpy as np
import torch

from tokenizer import BOS, END, UNK

U32, F32, BOOL, STRING, ARRAY, I32 = 4, 6, 7, 8, 9, 5
TENSOR_F32, TENSOR_Q8_0 = 0, 8
ALIGN = 32

CHAT_TEMPLATE = (
    "{% for message in messages %}"
    "{{ '<|' + message['role'] + '|>\\n' + message['content'] + '<|end|>\\n' }}"
    "{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|assistant|>\\n' }}{% endif %}")


def string(text):
    raw = text.encode("utf-8")
    return struct.pack("<Q", len(raw)) + raw


def pair(key, kind, value):
    head = string(key) + struct.pack("<I", kind)
    if kind == U32:
        return head + struct.pack("<I", value)
    if kind == F32:
        return head + struct.pack("<f", value)
    if kind == BOOL:
        return head + struct.pack("<B", value)
    return head + string(value)


def array(key, kind, values):
    head = string(key) + struct.pack("<IIQ", ARRAY, kind, len(values))
    if kind == STRING:
        return head + b"".join(string(v) for v in values)
    return head + np.asarray(values, "<f4" if kind == F32 else "<i4").tobytes()


def q8_0(matrix):
    """Rows of blocks of 32: scale d = max|x| / 127 as a half, then round(x / d)."""
    blocks = matrix.astype(np.float32).reshape(-1, 32)
    d = np.abs(blocks).max(1, keepdims=True) / np.float32(127)
    with np.errstate(divide="ignore"):
        inverse = np.where(d > 0, 1 / d, 0).astype(np.float32)
    q = blocks * inverse
    q = (np.sign(q) * np.floor(np.abs(q) + np.float32(0.5))).astype(np.int8)
    out = np.empty((len(blocks), 34), np.uint8)
    out[:, :2] = d.astype("<f2").view(np.uint8).reshape(-1, 2)
    out[:, 2:] = q.view(np.uint8)
    return out.tobytes()


def metadata(shape, tok, parameters):
    size = f"{parameters / 1e6:.1f}M"
    return [
        pair("general.architecture", STRING, "llama"),
        pair("general.type", STRING, "model"),
        pair("general.name", STRING, "tiny"),
        pair("general.author", STRING, "The rbee authors"),
        pair("general.description", STRING,
             "A very small model that tells short stories; made and trained by the rbee project."),
        pair("general.license", STRING, "apache-2.0"),
        pair("general.size_label", STRING, size),
        array("general.languages", STRING, ["en"]),
        pair("general.file_type", U32, 7),
        pair("general.quantization_version", U32, 2),
        pair("general.alignment", U32, ALIGN),
        pair("llama.context_length", U32, shape["ctx"]),
        pair("llama.embedding_length", U32, shape["dim"]),
        pair("llama.block_count", U32, shape["layers"]),
        pair("llama.feed_forward_length", U32, shape["ffn"]),
        pair("llama.attention.head_count", U32, shape["heads"]),
        pair("llama.attention.head_count_kv", U32, shape["kv_heads"]),
        pair("llama.attention.layer_norm_rms_epsilon", F32, shape["eps"]),
        pair("llama.rope.dimension_count", U32, shape["dim"] // shape["heads"]),
        pair("llama.rope.freq_base", F32, shape["theta"]),
        pair("llama.vocab_size", U32, shape["vocab"]),
        pair("tokenizer.ggml.model", STRING, "llama"),
        pair("tokenizer.ggml.pre", STRING, "default"),
        array("tokenizer.ggml.tokens", STRING, tok["tokens"]),
        array("tokenizer.ggml.scores", F32, tok["scores"]),
        array("tokenizer.ggml.token_type", I32, tok["types"]),
        pair("tokenizer.ggml.bos_token_id", U32, BOS),
        pair("tokenizer.ggml.eos_token_id", U32, END),
        pair("tokenizer.ggml.eot_token_id", U32, END),
        pair("tokenizer.ggml.unknown_token_id", U32, UNK),
        pair("tokenizer.ggml.add_bos_token", BOOL, 1),
        pair("tokenizer.ggml.add_eos_token", BOOL, 0),
        pair("tokenizer.ggml.add_space_prefix", BOOL, 1),
        pair("tokenizer.chat_template", STRING, CHAT_TEMPLATE),
    ]


def named(shape):
    """GGUF name and checkpoint name of every tensor."""
    yield "token_embd.weight", "embed.weight"
    for i in range(shape["layers"]):
        for gguf, ours in (("attn_norm", "attn_norm"), ("attn_q", "q"), ("attn_k", "k"),
                           ("attn_v", "v"), ("attn_output", "o"), ("ffn_norm", "ffn_norm"),
                           ("ffn_gate", "gate"), ("ffn_up", "up"), ("ffn_down", "down")):
            yield f"blk.{i}.{gguf}.weight", f"blocks.{i}.{ours}.weight"
    yield "output_norm.weight", "norm.weight"


def pad(n):
    return -n % ALIGN


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument("checkpoint")
    ap.add_argument("tokenizer")
    ap.add_argument("out")
    ap.add_argument("--sharpen", type=float, default=1.25)
    args = ap.parse_args()
    state = torch.load(args.checkpoint, map_location="cpu")
    shape = state["shape"]
    with open(args.tokenizer, encoding="utf-8") as f:
        tok = json.load(f)
    infos, data, parameters = b"", b"", 0
    names = list(named(shape))
    for gguf, ours in names:
        w = state["net"][ours].numpy()
        if gguf == "output_norm.weight":
            w = w * np.float32(args.sharpen)
        kind = TENSOR_Q8_0 if w.ndim == 2 else TENSOR_F32
        raw = q8_0(w) if kind == TENSOR_Q8_0 else w.astype("<f4").tobytes()
        dims = w.shape[::-1]                                # the row length comes first
        infos += string(gguf) + struct.pack("<I", len(dims))
        infos += b"".join(struct.pack("<Q", n) for n in dims)
        infos += struct.pack("<IQ", kind, len(data))
        data += raw + bytes(pad(len(raw)))
        parameters += w.size
    meta = metadata(shape, tok, parameters)
    head = b"GGUF" + struct.pack("<IQQ", 3, len(names), len(meta)) + b"".join(meta) + infos
    blob = head + bytes(pad(len(head))) + data
    with open(args.out, "wb") as f:
        f.write(blob)
    print(f"{args.out}: {len(blob)} bytes, {parameters} parameters, step {state['step']}, "
          f"held {state['held']:.4f}, sha256 {hashlib.sha256(blob).hexdigest()}")


if __name__ == "__main__":
    sys.exit(main())
