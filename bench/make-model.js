#!/usr/bin/env node
'use strict';
/*
 * make-model.js - writes a model with random Q4_0 weights and the vocabulary of another file, for
 * measurements in which what the model says does not matter, but its vocabulary does.
 *
 *   bench/make-model.js VOCABULARY.gguf OUT.gguf [0.5b|1.1b]
 *
 * Shapes are those of Qwen2 0.5B and TinyLlama 1.1B, with tied embeddings. Source: the GGUF
 * specification, version 3.
 */
const fs = require('node:fs');

const SHAPES = {
  '0.5b': { layers: 24, embd: 896, ff: 4864, heads: 14, kv: 2 },
  '1.1b': { layers: 22, embd: 2048, ff: 5632, heads: 32, kv: 4 },
};
const SIZES = [1, 1, 2, 2, 4, 4, 4, 1, 0, 0, 8, 8, 8]; // of values, by type; 8 is a text, 9 a list
const U32 = 4, F32 = 6, STRING = 8, ARRAY = 9;
const ALIGNMENT = 32;

const u32 = (v) => { const b = Buffer.alloc(4); b.writeUInt32LE(v); return b; };
const u64 = (v) => { const b = Buffer.alloc(8); b.writeBigUInt64LE(BigInt(v)); return b; };
const f32 = (v) => { const b = Buffer.alloc(4); b.writeFloatLE(v); return b; };
const text = (v) => Buffer.concat([u64(Buffer.byteLength(v)), Buffer.from(v)]);
const put = { [U32]: u32, [F32]: f32, [STRING]: text };
const entry = (key, type, value) => Buffer.concat([text(key), u32(type), put[type](value)]);

/* Where a value of a type that begins at `at` ends. */
function skip(file, at, type) {
  if (type === STRING) return at + 8 + Number(file.readBigUInt64LE(at));
  if (type !== ARRAY) return at + SIZES[type];
  const inner = file.readUInt32LE(at);
  let end = at + 12;
  for (let n = Number(file.readBigUInt64LE(at + 4)); n > 0; n--) end = skip(file, end, inner);
  return end;
}

/* The bytes of all keys of a file that begin with "tokenizer.", and the number of its tokens. */
function tokenizer(name) {
  const file = fs.readFileSync(name);
  const entries = [];
  let at = 24, nTokens = 0;
  for (let n = Number(file.readBigUInt64LE(16)); n > 0; n--) {
    const behind = skip(file, at, STRING);
    const key = file.toString('utf8', at + 8, behind);
    const type = file.readUInt32LE(behind);
    const end = skip(file, behind + 4, type);
    if (key.startsWith('tokenizer.')) entries.push(file.subarray(at, end));
    if (key === 'tokenizer.ggml.tokens') nTokens = Number(file.readBigUInt64LE(behind + 8));
    at = end;
  }
  return { entries, nTokens };
}

function keys({ layers, embd, ff, heads, kv }) {
  return [entry('general.architecture', STRING, 'llama'), entry('general.name', STRING, 'random'),
    entry('general.file_type', U32, 2), entry('llama.block_count', U32, layers),
    entry('llama.context_length', U32, 4096), entry('llama.embedding_length', U32, embd),
    entry('llama.feed_forward_length', U32, ff), entry('llama.attention.head_count', U32, heads),
    entry('llama.attention.head_count_kv', U32, kv), entry('llama.rope.dimension_count', U32, embd / heads),
    entry('llama.attention.layer_norm_rms_epsilon', F32, 1e-5)];
}

/* [name, dimensions]; those with one are F32, the others Q4_0. */
function tensors({ layers, embd, ff, heads, kv }, nTokens) {
  const side = (embd / heads) * kv;
  const list = [['token_embd.weight', [embd, nTokens]], ['output_norm.weight', [embd]]];
  for (let i = 0; i < layers; i++) {
    for (const [name, dims] of [['attn_norm', [embd]], ['attn_q', [embd, embd]], ['attn_k', [embd, side]],
      ['attn_v', [embd, side]], ['attn_output', [embd, embd]], ['ffn_norm', [embd]], ['ffn_gate', [embd, ff]],
      ['ffn_up', [embd, ff]], ['ffn_down', [ff, embd]]]) list.push([`blk.${i}.${name}.weight`, dims]);
  }
  return list;
}

const product = (dims) => dims.reduce((a, b) => a * b, 1);
const sizeOf = (dims) => (dims.length === 1 ? 4 * dims[0] : product(dims) / 32 * 18);
const padded = (n) => Math.ceil(n / ALIGNMENT) * ALIGNMENT;

let state = 1;
const random = () => { state = (Math.imul(state, 1664525) + 1013904223) >>> 0; return state; }; // Numerical Recipes

/* Blocks of a half-float scale and 32 random levels. */
function levels(dims) {
  const data = Buffer.alloc(padded(sizeOf(dims)));
  const words = new Uint32Array(data.buffer, data.byteOffset, data.length >> 2);
  for (let i = 0; i < words.length; i++) words[i] = random() ^ (random() >>> 16);
  for (let at = 0; at + 18 <= data.length; at += 18) data.writeUInt16LE(0x2000 + (random() >>> 24), at); // about 0.008
  return data;
}

function main([vocabulary, out, shapeName = '0.5b']) {
  const shape = SHAPES[shapeName];
  if (!out || !shape) {
    console.error('usage: make-model.js VOCABULARY.gguf OUT.gguf [0.5b|1.1b]');
    process.exit(2);
  }
  const { entries, nTokens } = tokenizer(vocabulary);
  const meta = [...keys(shape), ...entries];
  const list = tensors(shape, nTokens);
  let offset = 0;
  const infos = list.map(([name, dims]) => {
    const info = Buffer.concat([text(name), u32(dims.length), ...dims.map(u64), u32(dims.length === 1 ? 0 : 2), u64(offset)]);
    offset += padded(sizeOf(dims));
    return info;
  });
  const head = Buffer.concat([Buffer.from('GGUF'), u32(3), u64(list.length), u64(meta.length), ...meta, ...infos]);
  const fd = fs.openSync(out, 'w');
  fs.writeSync(fd, Buffer.concat([head, Buffer.alloc(padded(head.length) - head.length)]));
  for (const [, dims] of list) {
    const data = dims.length === 1 ? Buffer.from(Float32Array.from({ length: dims[0] }, () => 1).buffer) : levels(dims);
    fs.writeSync(fd, Buffer.concat([data, Buffer.alloc(padded(data.length) - data.length)]));
  }
  fs.closeSync(fd);
  console.log(`${out}: ${nTokens} tokens, ${shapeName}`);
}

main(process.argv.slice(2));
