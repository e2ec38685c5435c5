'use strict';
/*
 * model.js - writes a llama model with random weights for tests: it knows nothing, and so tries all that a
 * grammar lets it. Its vocabulary has the pieces of JSON as large models have them: several signs in
 * one token, blanks before words, pieces of characters, bytes.
 */
const fs = require('node:fs');
const { U32, I32, F32, STRING, entry, array, writeGguf } = require('../e2e/lib/gguf.js');
const { Random } = require('./random.js');

const SIGNS = ['{', '}', '[', ']', ',', ':', '"', '": ', '":', '", "', '"}', '"]', '{"', '[{"', '}]', '},', '}}', ']]',
  ']}', '"},', '": "', '": {"', '": [', '":"', ', ', ',\n', '\n', '\n  ', ' ', '  ', '\t', '\\n', '\\"', '\\\\', '\\u', '\\',
  'true', 'false', 'null', ' true', ' null', '-', '.', '.5', 'e', 'e+', 'E-', '+', '0', '00', '1', '12', '10', '123',
  '2024', '-1', '0.', ':00', 'T', 'Z', 'T00:', '-01', '@', '.com', '://', '/', '::', '\u00e9', '\u65e5', '\u672c', '\u{1f600}', 'caf\u00e9', '"\u00e9'];
const WORDS = ['the', 'name', 'value', 'red', 'green', 'gray', 'blue', 'one', 'two', 'kind', 'left', 'right', 'abc', 'x y',
  'fixed', 'hello', 'world', 'with', 'out', 'schema', 'item', 'a long word', 'emoji', 'back', 'slash', 'ing', 'tion'];

/* Every text once. */
function pieces() {
  const letters = [...'abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ23456789'];
  const pairs = [...'aeiou'].flatMap((a) => [...'bcdnrst'].map((b) => a + b));
  const hira = [...'\u3042\u3044\u3046\u3048\u304a'];
  return [...new Set([...SIGNS, ...WORDS, ...WORDS.map((w) => ` ${w}`), ...letters, ...pairs, ...hira])];
}

function vocabulary() {
  const tokens = [['<unk>', 2], ['<s>', 3], ['</s>', 3]];
  for (let i = 0; i < 256; i++) tokens.push([`<0x${i.toString(16).toUpperCase().padStart(2, '0')}>`, 6]);
  for (const text of pieces()) tokens.push([text.replaceAll(' ', '\u2581'), 1]);
  return tokens;
}

function keys(tokens, { layers, embd, ff, ctx }) {
  return [
    entry('general.architecture', STRING, 'llama'),
    entry('general.name', STRING, 'random'),
    entry('llama.block_count', U32, layers),
    entry('llama.context_length', U32, ctx),
    entry('llama.embedding_length', U32, embd),
    entry('llama.feed_forward_length', U32, ff),
    entry('llama.attention.head_count', U32, embd / 32),
    entry('llama.attention.head_count_kv', U32, embd / 32),
    entry('llama.attention.layer_norm_rms_epsilon', F32, 1e-5),
    entry('llama.rope.dimension_count', U32, 32),
    entry('tokenizer.ggml.model', STRING, 'llama'),
    array('tokenizer.ggml.tokens', STRING, tokens.map(([text]) => text)),
    array('tokenizer.ggml.scores', F32, tokens.map((_, i) => -i)),
    array('tokenizer.ggml.token_type', I32, tokens.map(([, type]) => type)),
    entry('tokenizer.ggml.unknown_token_id', U32, 0),
    entry('tokenizer.ggml.bos_token_id', U32, 1),
    entry('tokenizer.ggml.eos_token_id', U32, 2),
  ];
}

/* Writes it; the ids of the tokens that close something, by their texts. */
function writeRandomModel(file, { layers = 2, embd = 64, ff = 64, ctx = 4096, seed = 1 } = {}) {
  const tokens = vocabulary();
  const r = new Random(seed);
  const shapes = [['token_embd.weight', [embd, tokens.length]], ['output.weight', [embd, tokens.length]],
    ['output_norm.weight', [embd]]];
  for (let i = 0; i < layers; i++) {
    for (const name of ['attn_q', 'attn_k', 'attn_v', 'attn_output']) shapes.push([`blk.${i}.${name}.weight`, [embd, embd]]);
    shapes.push([`blk.${i}.ffn_gate.weight`, [embd, ff]], [`blk.${i}.ffn_up.weight`, [embd, ff]],
      [`blk.${i}.ffn_down.weight`, [ff, embd]], [`blk.${i}.attn_norm.weight`, [embd]], [`blk.${i}.ffn_norm.weight`, [embd]]);
  }
  /* Norms are 1; logits come out with a deviation of 2: neither flat nor one spike. */
  const weights = (name, n) => Float32Array.from({ length: n },
    () => (/norm/.test(name) ? 1 : r.normal() * 2 / Math.sqrt(embd)));
  fs.writeFileSync(file, writeGguf(keys(tokens, { layers, embd, ff, ctx }), shapes, weights));
  return Object.fromEntries(tokens.map(([text, type], id) => [text, type, id]).filter(([, type]) => type === 1)
    .map(([text, , id]) => [text, id]));
}

module.exports = { writeRandomModel };
