#!/usr/bin/python3
"""Writes a small GGUF model with random weights, the same bytes for the same arguments.

    make_model.py llama|qwen2|bert|nomic-bert OUT.gguf [--embd 512] [--layers 4] [--ff 1024] [--vocab 1024]

The weights are F32, so that any tool can quantise them to any type. Their scale is chosen so that the
next-token distribution is neither flat nor a single spike: a comparison of logits then means
something. Made for comparisons between implementations (compare.py), not for reading. Needs numpy.
Format: the GGUF specification, version 3.
"""
import argparse
import struct

import numpy as np

U32, F32, BOOL, STRING, ARRAY, I32 = 4, 6, 7, 8, 9, 5


def text(value):
    data = value.encode()
    return struct.pack("<Q", len(data)) + data


def scalar(kind, value):
    if kind == STRING:
        return text(value)
    return struct.pack({U32: "<I", F32: "<f", BOOL: "<?", I32: "<i"}[kind], value)


def key(name, kind, value, element=None):
    head = text(name) + struct.pack("<I", kind)
    if kind == ARRAY:
        return head + struct.pack("<IQ", element, len(value)) + b"".join(
            scalar(element, v) for v in value)
    return head + scalar(kind, value)


def spm_vocabulary(n):
    tokens = ["<unk>", "<s>", "</s>"] + ["<0x%02X>" % i for i in range(256)] + ["\u2581"]
    kinds = [2, 3, 3] + [6] * 256 + [1]
    letters = "abcdefghijklmnopqrstuvwxyz"
    words = list(letters) + ["\u2581" + a for a in letters] + [a + b for a in letters for b in letters]
    tokens += words[:n - len(tokens)]
    kinds += [1] * (len(tokens) - len(kinds))
    while len(tokens) < n:
        tokens.append("<unused%d>" % len(tokens))
        kinds.append(5)
    return tokens, kinds, [float(-i) for i in range(n)]


def bpe_vocabulary(n):
    printable = list(range(33, 127)) + list(range(161, 173)) + list(range(174, 256))
    other = [b for b in range(256) if b not in printable]
    tokens = [chr(b) for b in printable] + [chr(256 + i) for i in range(len(other))]
    merges = []
    for a in "abcdefghijklmnopqrstuvwxyz":
        for b in "abcdefghijklmnopqrstuvwxyz":
            if len(tokens) < n - 3:
                tokens.append(a + b)
                merges.append(a + " " + b)
    kinds = [1] * len(tokens)
    while len(tokens) < n:
        tokens.append("<|special%d|>" % len(tokens))
        kinds.append(3)
    return tokens, kinds, merges


def wpm_vocabulary(n):
    letters = "abcdefghijklmnopqrstuvwxyz0123456789.,!?-"
    tokens = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    kinds = [3] * len(tokens)
    words = ["\u2581" + a for a in letters] + list(letters)
    words += ["\u2581" + a + b for a in letters[:26] for b in letters[:26]]
    tokens += words[:n - len(tokens)]
    tokens += ["\u2581unused%d" % i for i in range(len(tokens), n)]
    return tokens, kinds + [1] * (n - len(kinds))


def encoder_metadata(args):
    a = args.arch
    keys = [key("general.architecture", STRING, a), key("general.name", STRING, "random-" + a),
            key("general.file_type", U32, 0)]
    for name, value in [("context_length", 512), ("embedding_length", args.embd),
                        ("block_count", args.layers), ("feed_forward_length", args.ff),
                        ("attention.head_count", args.heads), ("pooling_type", args.pooling)]:
        keys.append(key(a + "." + name, U32, value))
    tokens, kinds = wpm_vocabulary(args.vocab)
    keys += [key(a + ".attention.layer_norm_epsilon", F32, 1e-12),
             key(a + ".attention.causal", BOOL, False),
             key("tokenizer.ggml.model", STRING, "bert"),
             key("tokenizer.ggml.token_type_count", U32, 2),
             key("tokenizer.ggml.tokens", ARRAY, tokens, STRING),
             key("tokenizer.ggml.token_type", ARRAY, kinds, I32)]
    for name, value in [("unknown", 1), ("seperator", 3), ("padding", 0), ("cls", 2), ("mask", 4),
                        ("bos", 2), ("eos", 3)]:
        keys.append(key("tokenizer.ggml.%s_token_id" % name, U32, value))
    if a == "nomic-bert":
        keys.append(key(a + ".rope.freq_base", F32, 1000.0))
    return keys


def metadata(args, head_dim):
    a = args.arch
    if a not in ("llama", "qwen2"):
        return encoder_metadata(args)
    keys = [key("general.architecture", STRING, a), key("general.name", STRING, "random-" + a),
            key("general.file_type", U32, 0)]
    for name, value in [("context_length", 512), ("embedding_length", args.embd),
                        ("block_count", args.layers), ("feed_forward_length", args.ff),
                        ("attention.head_count", args.heads),
                        ("attention.head_count_kv", args.kv_heads),
                        ("rope.dimension_count", head_dim), ("vocab_size", args.vocab)]:
        keys.append(key(a + "." + name, U32, value))
    keys.append(key(a + ".attention.layer_norm_rms_epsilon", F32, 1e-5))
    keys.append(key(a + ".rope.freq_base", F32, 10000.0))
    if a == "llama":
        tokens, kinds, scores = spm_vocabulary(args.vocab)
        keys += [key("tokenizer.ggml.model", STRING, "llama"),
                 key("tokenizer.ggml.scores", ARRAY, scores, F32),
                 key("tokenizer.ggml.bos_token_id", U32, 1),
                 key("tokenizer.ggml.eos_token_id", U32, 2)]
    else:
        tokens, kinds, merges = bpe_vocabulary(args.vocab)
        keys += [key("tokenizer.ggml.model", STRING, "gpt2"),
                 key("tokenizer.ggml.pre", STRING, "qwen2"),
                 key("tokenizer.ggml.merges", ARRAY, merges, STRING),
                 key("tokenizer.ggml.bos_token_id", U32, args.vocab - 1),
                 key("tokenizer.ggml.eos_token_id", U32, args.vocab - 2),
                 key("tokenizer.ggml.add_bos_token", BOOL, False)]
    keys += [key("tokenizer.ggml.tokens", ARRAY, tokens, STRING),
             key("tokenizer.ggml.token_type", ARRAY, kinds, I32)]
    return keys


def encoder_shapes(args):
    e, bert = args.embd, args.arch == "bert"
    shapes = [("token_embd.weight", (e, args.vocab), 1.0), ("token_types.weight", (e, 2), 1.0),
              ("token_embd_norm.weight", (e,), None), ("token_embd_norm.bias", (e,), 0.1)]
    if bert:
        shapes.append(("position_embd.weight", (e, 512), 1.0))
    for i in range(args.layers):
        b = "blk.%d." % i
        linear = [("attn_output", e, e, 1.0), ("ffn_up", e, args.ff, 1.5),
                  ("ffn_down", args.ff, e, 1.0)]
        linear += [("attn_" + c, e, e, 1.5) for c in "qkv"] if bert else [
            ("attn_qkv", e, 3 * e, 1.5), ("ffn_gate", e, args.ff, 1.5)]
        for name, k, rows, spread in linear:
            shapes.append((b + name + ".weight", (k, rows), spread))
            if bert:
                shapes.append((b + name + ".bias", (rows,), 0.2))
        for name in ("attn_output_norm", "layer_output_norm"):
            shapes += [(b + name + ".weight", (e,), None), (b + name + ".bias", (e,), 0.1)]
    return shapes


def tensor_shapes(args, head_dim):
    """(name, (row length, rows...), spread) of every tensor."""
    if args.arch not in ("llama", "qwen2"):
        return encoder_shapes(args)
    e, kv = args.embd, args.kv_heads * head_dim
    shapes = [("token_embd.weight", (e, args.vocab), 1.0)]
    for i in range(args.layers):
        b = "blk.%d." % i
        shapes += [(b + "attn_norm.weight", (e,), None), (b + "attn_q.weight", (e, e), 1.5),
                   (b + "attn_k.weight", (e, kv), 1.5), (b + "attn_v.weight", (e, kv), 1.0),
                   (b + "attn_output.weight", (e, e), 1.0), (b + "ffn_norm.weight", (e,), None),
                   (b + "ffn_gate.weight", (e, args.ff), 1.0),
                   (b + "ffn_up.weight", (e, args.ff), 1.0),
                   (b + "ffn_down.weight", (args.ff, e), 1.0)]
        if args.arch == "qwen2":
            shapes += [(b + "attn_q.bias", (e,), 0.5), (b + "attn_k.bias", (kv,), 0.5),
                       (b + "attn_v.bias", (kv,), 0.5)]
    shapes.append(("output_norm.weight", (e,), None))
    if args.arch == "llama":  # qwen2 is made with its output tied to the embedding
        shapes.append(("output.weight", (e, args.vocab), 2.0))
    return shapes


def tensor_data(shape, spread, rng):
    values = rng.standard_normal(int(np.prod(shape)), dtype=np.float32)
    if spread is None:
        values = 1 + np.float32(0.1) * values
    elif len(shape) == 1:
        values *= np.float32(spread)
    else:
        values *= np.float32(spread / np.sqrt(shape[0]))
    return values.astype("<f4").tobytes()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("arch", choices=["llama", "qwen2", "bert", "nomic-bert"])
    parser.add_argument("out")
    for name, value in [("embd", 512), ("layers", 4), ("ff", 1024), ("vocab", 1024), ("heads", 8),
                        ("kv-heads", 4), ("seed", 1), ("pooling", 1)]:
        parser.add_argument("--" + name, type=int, default=value)
    args = parser.parse_args()
    head_dim = args.embd // args.heads
    keys = metadata(args, head_dim)
    shapes = tensor_shapes(args, head_dim)
    infos, offset = b"", 0
    for name, shape, _ in shapes:
        infos += text(name) + struct.pack("<I", len(shape))
        infos += b"".join(struct.pack("<Q", d) for d in shape) + struct.pack("<IQ", 0, offset)
        offset += (4 * int(np.prod(shape)) + 31) // 32 * 32
    rng = np.random.default_rng(args.seed)
    with open(args.out, "wb") as f:
        f.write(b"GGUF" + struct.pack("<IQQ", 3, len(shapes), len(keys)) + b"".join(keys) + infos)
        f.write(b"\0" * (-f.tell() % 32))
        for _, shape, spread in shapes:
            data = tensor_data(shape, spread, rng)
            f.write(data + b"\0" * (-len(data) % 32))


main()
