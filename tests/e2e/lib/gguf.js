'use strict';
/*
 * gguf.js - writes GGUF files (version 3) for tests that need one of a certain size: a llama model
 * whose weights are a hole in the file, so that it costs no disk and yet has to be read. Source: the
 * GGUF specification of the ggml project.
 */
const fs = require('node:fs');

const U32 = 4, I32 = 5, F32 = 6, BOOL = 7, STRING = 8, ARRAY = 9; // metadata value types
const ALIGNMENT = 32;

const u32 = (v) => { const b = Buffer.alloc(4); b.writeUInt32LE(v); return b; };
const i32 = (v) => { const b = Buffer.alloc(4); b.writeInt32LE(v); return b; };
const u64 = (v) => { const b = Buffer.alloc(8); b.writeBigUInt64LE(BigInt(v)); return b; };
const f32 = (v) => { const b = Buffer.alloc(4); b.writeFloatLE(v); return b; };
const string = (v) => { const b = Buffer.from(v); return Buffer.concat([u64(b.length), b]); };
const bool = (v) => Buffer.from([v ? 1 : 0]);
const put = { [U32]: u32, [I32]: i32, [F32]: f32, [BOOL]: bool, [STRING]: string };

const entry = (key, type, value) => Buffer.concat([string(key), u32(type), put[type](value)]);
const array = (key, type, values) => Buffer.concat(
  [string(key), u32(ARRAY), u32(type), u64(values.length), ...values.map(put[type])]);

/*
 * A vocabulary as SentencePiece models have it: letters, control tokens, the bytes. Token 0 is "a": as
 * every logit of a hollow model is zero, that is what it goes on with for ever when asked to be greedy.
 * With `doubles` it has "aa", "aaaa" and so on, that often, too: texts of "a" take long to be joined.
 */
function vocabulary(doubles) {
  const tokens = [...'abcdefghijklmnopqrstuvwxyz\u2581'].map((letter) => [letter, 1]);
  const unknown = tokens.length;
  tokens.push(['<unk>', 2], ['<s>', 3], ['</s>', 3]);
  for (let i = 0; i < 256; i++) tokens.push([`<0x${i.toString(16).toUpperCase().padStart(2, '0')}>`, 6]);
  for (let i = 1; i <= doubles; i++) tokens.push(['a'.repeat(2 ** i), 1]);
  return [
    entry('tokenizer.ggml.model', STRING, 'llama'),
    array('tokenizer.ggml.tokens', STRING, tokens.map(([text]) => text)),
    array('tokenizer.ggml.scores', F32, tokens.map((_, i) => -i)),
    array('tokenizer.ggml.token_type', I32, tokens.map(([, type]) => type)),
    entry('tokenizer.ggml.unknown_token_id', U32, unknown),
    entry('tokenizer.ggml.bos_token_id', U32, unknown + 1),
    entry('tokenizer.ggml.eos_token_id', U32, unknown + 2),
  ];
}
const N_VOCAB = 27 + 3 + 256;

/* One as GPT-2's family has it: a letter for each byte, two blanks, and a way to cut texts into words. */
function byteVocabulary(pre) {
  const shown = (b) => (b >= 33 && b <= 126) || (b >= 161 && b <= 172) || b >= 174;
  let n = 0;
  const letters = Array.from({ length: 256 }, (_, b) => String.fromCodePoint(shown(b) ? b : 256 + n++));
  const tokens = [...letters, '<s>', '</s>', letters[32] + letters[32]];
  while (tokens.length < N_VOCAB) tokens.push(`<unused${tokens.length}>`);
  return [
    entry('tokenizer.ggml.model', STRING, 'gpt2'),
    entry('tokenizer.ggml.pre', STRING, pre),
    array('tokenizer.ggml.tokens', STRING, tokens),
    array('tokenizer.ggml.token_type', I32, tokens.map((text, i) => (i === 256 || i === 257 ? 3 : 1))),
    array('tokenizer.ggml.merges', STRING, [`${letters[32]} ${letters[32]}`]),
    entry('tokenizer.ggml.bos_token_id', U32, 256),
    entry('tokenizer.ggml.eos_token_id', U32, 257),
  ];
}

/* Writes the model; its (first part's) size in bytes. Every weight is zero. With `parts` 2 the file
 * x.gguf becomes x-00001-of-00002.gguf and x-00002-of-00002.gguf. With `packable` its matrices are Q4_0, which a
 * worker that has nothing else to do packs. */
function writeHollowModel(file, { layers = 4, embd = 64, ff = 128, ctx = 512, template = null, toolTemplate = null, parts = 1, license = null,
  packable = false, addEos = false, doubles = 0, pre = null, heads = embd / 64 } = {}) {
  const meta = [
    entry('general.architecture', STRING, 'llama'),
    entry('general.name', STRING, 'hollow'),
    entry('llama.block_count', U32, layers),
    entry('llama.context_length', U32, ctx),
    entry('llama.embedding_length', U32, embd),
    entry('llama.feed_forward_length', U32, ff),
    entry('llama.attention.head_count', U32, heads),
    entry('llama.attention.head_count_kv', U32, heads),
    entry('llama.attention.layer_norm_rms_epsilon', F32, 1e-5),
    entry('llama.rope.dimension_count', U32, embd / heads),
    ...(pre === null ? vocabulary(doubles) : byteVocabulary(pre)),
    ...(addEos ? [entry('tokenizer.ggml.add_eos_token', BOOL, true)] : []),
    ...(license === null ? [] : [entry('general.license', STRING, license)]),
    ...(template === null ? [] : [entry('tokenizer.chat_template', STRING, template)]),
    ...(toolTemplate === null ? [] : [entry('tokenizer.chat_template.tool_use', STRING, toolTemplate)]),
  ];
  const vocab = N_VOCAB + doubles;
  const shapes = [['token_embd.weight', [embd, vocab]], ['output.weight', [embd, vocab]],
    ['output_norm.weight', [embd]]];
  for (let i = 0; i < layers; i++) {
    for (const name of ['attn_q', 'attn_k', 'attn_v', 'attn_output']) {
      shapes.push([`blk.${i}.${name}.weight`, [embd, embd]]);
    }
    shapes.push([`blk.${i}.ffn_gate.weight`, [embd, ff]], [`blk.${i}.ffn_up.weight`, [embd, ff]],
      [`blk.${i}.ffn_down.weight`, [ff, embd]], [`blk.${i}.attn_norm.weight`, [embd]],
      [`blk.${i}.ffn_norm.weight`, [embd]]);
  }
  return writeParts(file, meta, shapes, parts, packable)[0].size;
}

/* The same with its last weight no number, as by one damaged byte: no logit is one then. */
function writeDamagedModel(file, how) {
  const size = writeHollowModel(file, how);
  const fd = fs.openSync(file, 'r+');
  fs.writeSync(fd, f32(NaN), 0, 4, size - 4);
  fs.closeSync(fd);
}

/* Tensors without bytes on the disk, in so many files; [{ file, size }]. Source of the split keys and
 * names: ggml's published split naming. */
function writeParts(file, meta, shapes, n, packable) {
  const share = Math.ceil(shapes.length / n);
  return Array.from({ length: n }, (_, i) => {
    const split = n === 1 ? [] : [entry('split.no', U32, i), entry('split.count', U32, n)];
    const number = (k) => String(k).padStart(5, '0');
    const name = n === 1 ? file : file.replace(/\.gguf$/, `-${number(i + 1)}-of-${number(n)}.gguf`);
    const all = [...(i === 0 ? meta : []), ...split];
    return { file: name, size: writeHollow(name, all, shapes.slice(i * share, (i + 1) * share), packable) };
  });
}

function writeHollow(file, meta, shapes, packable = false) {
  let offset = 0;
  const infos = shapes.map(([name, dims]) => {
    const q4 = packable && dims.length > 1, n = dims.reduce((a, b) => a * b, 1);
    const info = Buffer.concat([string(name), u32(dims.length), ...dims.map(u64), u32(q4 ? 2 : 0), u64(offset)]);
    const bytes = q4 ? 18 * n / 32 : 4 * n;
    offset += Math.ceil(bytes / ALIGNMENT) * ALIGNMENT;
    return info;
  });
  const head = Buffer.concat([Buffer.from('GGUF'), u32(3), u64(shapes.length), u64(meta.length),
    ...meta, ...infos]);
  const size = Math.ceil(head.length / ALIGNMENT) * ALIGNMENT + offset;
  fs.writeFileSync(file, head);
  fs.truncateSync(file, size);
  return size;
}

/*
 * Tokens of a WordPiece vocabulary as BERT's vocab.txt spells them ("##" goes on with a word): the
 * special ones, characters alone and within words, some pieces, and characters of other scripts.
 */
function wordpieceTokens(uncased) {
  const letters = [...'abcdefghijklmnopqrstuvwxyz0123456789', ...'\u00df\u03b1\u03c3\u03c2\u0436\u0435\u1100\u1161\u1102\u3042\u20ac\u{1f600}'];
  const capitals = uncased ? [] : [...'ABCDEFGHIJKLMNOPQRSTUVWXYZ\u00e9\u00c0\uac00\u0301'];
  const alone = [...'!"#$%&\'()*+,-./:;<=>?@[\\]^_`{|}~\u3001\u2014\u2026\u2019\u4e2d\u6587\u8c48'];
  const words = ['hello', 'world', 'test', 'un', 'the', 'cafe', 'ab'];
  const pieces = ['##ing', '##ed', '##ll', '##tested', '##abab'];
  return ['[PAD]', '[UNK]', '[CLS]', '[SEP]', '[MASK]', ...alone,
    ...[...letters, ...capitals].flatMap((c) => [c, `##${c}`]), ...words, ...pieces];
}

/* The keys of such a vocabulary, as converters write it: U+2581 before what begins a word, no "##". */
function wordpieceKeys(tokens) {
  const spelled = tokens.map((t, i) => (i < 5 ? t : t.startsWith('##') ? t.slice(2) : `\u2581${t}`));
  return [
    entry('tokenizer.ggml.model', STRING, 'bert'),
    array('tokenizer.ggml.tokens', STRING, spelled),
    array('tokenizer.ggml.token_type', I32, tokens.map((_, i) => (i < 5 ? 3 : 1))),
    entry('tokenizer.ggml.token_type_count', U32, 2),
    entry('tokenizer.ggml.padding_token_id', U32, 0),
    entry('tokenizer.ggml.unknown_token_id', U32, 1),
    entry('tokenizer.ggml.cls_token_id', U32, 2),
    entry('tokenizer.ggml.seperator_token_id', U32, 3),
  ];
}

function headOf(meta, infos) {
  return Buffer.concat([Buffer.from('GGUF'), u32(3), u64(infos.length), u64(meta.length), ...meta, ...infos]);
}

/* A file with a WordPiece vocabulary and nothing else. */
function writeVocabulary(file, tokens) {
  fs.writeFileSync(file, headOf([entry('general.architecture', STRING, 'bert'), ...wordpieceKeys(tokens)], []));
}

/* A whole file: metadata entries, [name, dimensions] of each tensor, and weights(name, n) of its numbers. */
function writeGguf(meta, shapes, weights) {
  let offset = 0;
  const infos = [];
  const data = [];
  for (const [name, dims] of shapes) {
    const floats = weights(name, dims.reduce((a, b) => a * b, 1));
    infos.push(Buffer.concat([string(name), u32(dims.length), ...dims.map(u64), u32(0), u64(offset)]));
    const bytes = Buffer.alloc(Math.ceil(floats.byteLength / ALIGNMENT) * ALIGNMENT);
    Buffer.from(floats.buffer).copy(bytes);
    data.push(bytes);
    offset += bytes.length;
  }
  const head = headOf(meta, infos);
  return Buffer.concat([head, Buffer.alloc(-head.length & (ALIGNMENT - 1)), ...data]);
}

module.exports = { U32, I32, F32, STRING, entry, array, writeGguf, writeHollowModel, writeDamagedModel, writeVocabulary, wordpieceTokens };
