#!/usr/bin/env node
/*
 * wordpiece-compare.mjs - compares rbee's WordPiece with Hugging Face's, text by text.
 *
 *   wordpiece-compare.mjs WORKER [--record OUT.json] [--texts N]
 *
 * Needs npm's @huggingface/tokenizers, found from where this is run (NODE_PATH does not help an
 * import: `npm install @huggingface/tokenizers` in the folder above). Two vocabularies are made, one
 * without capitals and accents and one with; fixed texts, every character of Unicode between two
 * letters, and N random ones (default 3000) go through both sides. Exit code 1 where ids differ.
 * --record writes the fixed texts with Hugging Face's ids for tests/e2e/wordpiece.test.js.
 *
 * Left out of the comparison: characters that are not assigned or are private, of which wpm_chars.h
 * speaks; those whose category has changed since the tables' Unicode; and two things in which that
 * package differs from the Rust tokenizers it stands for: it sees ideographs beyond U+FFFF as two
 * halves, and makes a sigma at a word's end the final one, where they go character by character.
 */
import { execFileSync } from 'node:child_process';
import { createRequire } from 'node:module';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';

const here = path.dirname(new URL(import.meta.url).pathname);
const require = createRequire(path.join(process.cwd(), 'x.js'));
const { Tokenizer } = require('@huggingface/tokenizers');
const { writeVocabulary, wordpieceTokens } = createRequire(import.meta.url)('../e2e/lib/gguf.js');

const args = process.argv.slice(2);
const worker = args[0];
const option = (name, otherwise) => (args.includes(name) ? args[args.indexOf(name) + 1] : otherwise);
const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'wordpiece-'));

/* As published embedding models have it in their tokenizer.json. */
function huggingFace(tokens, lowercase) {
  const vocab = Object.fromEntries(tokens.map((t, i) => [t, i]));
  const special = tokens.slice(0, 5);
  return new Tokenizer({
    version: '1.0', truncation: null, padding: null,
    added_tokens: special.map((content, id) => ({
      id, content, single_word: false, lstrip: false, rstrip: false, normalized: false, special: true })),
    normalizer: { type: 'BertNormalizer', clean_text: true, handle_chinese_chars: true, strip_accents: null, lowercase },
    pre_tokenizer: { type: 'BertPreTokenizer' },
    post_processor: { type: 'TemplateProcessing',
      single: [{ SpecialToken: { id: '[CLS]', type_id: 0 } }, { Sequence: { id: 'A', type_id: 0 } },
        { SpecialToken: { id: '[SEP]', type_id: 0 } }],
      pair: [], special_tokens: {
        '[CLS]': { id: '[CLS]', ids: [2], tokens: ['[CLS]'] }, '[SEP]': { id: '[SEP]', ids: [3], tokens: ['[SEP]'] } } },
    decoder: { type: 'WordPiece', prefix: '##', cleanup: true },
    model: { type: 'WordPiece', unk_token: '[UNK]', continuing_subword_prefix: '##', max_input_chars_per_word: 100, vocab },
  }, { tokenizer_class: 'BertTokenizer', do_lower_case: lowercase, clean_up_tokenization_spaces: true });
}

const fixed = [
  'hello world', '  Hello,   WORLD!  ', "it's a test-case; (really) $5.00 @home #1 ~^|`", 'Caf\u00e9 na\u00efve \u00c0\u00c9\u00d1 \u0130stanbul',
  'e\u0301a\u0308 x\u0323\u0301', '\u4e2d\u6587abc\u65e5\u672c \u3042\u3044 \uac00\ub098 \ud55c\uad6d', 'a\tb\nc\r\nd\u00a0e\u3000f\u2028g\u000bh',
  'zero\u200bwidth\u00adsoft \ufeffbom \u0000nul \ufffdx', '\u00df\u1e9e \u0391\u03a3\u03c2 \u0416\u0451', '\u{1f600} ok \u{1d400} \ufa0e',
  'a'.repeat(100), 'a'.repeat(101), `${'ab'.repeat(50)} ${'ab'.repeat(51)} c`, '\u00e9'.repeat(100), '', ' ', '...', 'tests testing tested untested',
  'unknown \u2620 word', 'x\u3001y\uff0cz\u2014w\u2026', '\u0bca\u0bcb \u0958 \u2126', 'don\u2019t \u201cquote\u201d', '\u{1f3fb}\u200d\u2642\ufe0f', '\uf900\u8c48',
];

/* A generator of its own, so that the texts are the same everywhere (mulberry32). */
let state = 1;
function random(n) {
  state = (state + 0x6d2b79f5) | 0;
  let t = Math.imul(state ^ (state >>> 15), 1 | state);
  t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
  return ((t ^ (t >>> 14)) >>> 0) % n;
}
/* Categories as the tables' source has them; node's Unicode is newer. */
const categories = execFileSync('python3', ['-c', `import unicodedata
print(" ".join(unicodedata.category(chr(c)) for c in range(0x110000)))`], { maxBuffer: 1 << 30 })
  .toString().split(' ');
function comparable(c) {
  const code = c.codePointAt(0), category = categories[code];
  if (['Cn', 'Cs', 'Co'].includes(category) || /\p{Cn}/u.test(c)) return false;
  if (/\p{Mn}/u.test(c) !== (category === 'Mn') || /\p{P}/u.test(c) !== (category[0] === 'P')) return false;
  return (code < 0x20000 || code > 0x2fa1f) && code !== 0x3a3;
}
function randomText() {
  const ranges = [[0x20, 0x7f], [0x20, 0x7f], [0x61, 0x7b], [0xa0, 0x250], [0x300, 0x370], [0x370, 0x530], [0x1e00, 0x2070],
    [0x3000, 0x3100], [0x4e00, 0x4f00], [0xac00, 0xad00], [0x900, 0xe00]];
  let text = '';
  for (let i = 0, n = random(40); i < n; i++) {
    const [a, b] = ranges[random(ranges.length)];
    const c = String.fromCodePoint(a + random(b - a));
    if (comparable(c)) text += c;
  }
  return text;
}
function eachCharacter() {
  const texts = [];
  for (let code = 1; code < 0x110000; code++) {
    const c = String.fromCodePoint(code);
    if (comparable(c)) texts.push(`a${c}b`);
  }
  return texts;
}

/* All texts at once through one run of the worker: [SEP] as text keeps them apart. */
function rbee(model, texts) {
  const out = execFileSync(worker, ['tokenize', '--model', model, '--parse-special'],
    { input: texts.join('[SEP]'), maxBuffer: 1 << 30 }).toString().trim();
  const answers = [[]];
  for (const id of out.split(' ')) {
    if (id === '3') answers.push([]);
    else answers.at(-1).push(id);
  }
  return answers.map((ids) => ids.join(' '));
}

let broken = 0;
const record = {};
for (const lowercase of [true, false]) {
  const tokens = wordpieceTokens(lowercase);
  const model = path.join(folder, `vocabulary-${lowercase}.gguf`);
  const theirs = huggingFace(tokens, lowercase);
  const texts = [...fixed, ...eachCharacter()];
  writeVocabulary(model, tokens);
  for (let i = 0; i < Number(option('--texts', 3000)); i++) texts.push(randomText());
  const ours = rbee(model, texts);
  if (ours.length !== texts.length) throw new Error(`${ours.length} answers for ${texts.length} texts`);
  let differ = 0;
  texts.forEach((text, i) => {
    const want = theirs.encode(text, { add_special_tokens: false }).ids.join(' ');
    if (want === ours[i]) return;
    if (differ++ < 20) {
      const codes = [...text].map((c) => c.codePointAt(0).toString(16)).join(' ');
      console.log(`${JSON.stringify(text)} (${codes}): ${ours[i]} instead of ${want}`);
    }
  });
  console.log(`${lowercase ? 'uncased' : 'cased'}: ${texts.length} texts, ${differ} differ`);
  broken += differ;
  record[lowercase ? 'uncased' : 'cased'] = fixed.map((text) => ({ text, ids: theirs.encode(text).ids }));
}
if (option('--record')) fs.writeFileSync(option('--record'), `${JSON.stringify(record)}\n`);
fs.rmSync(folder, { recursive: true });
process.exit(broken ? 1 : 0);
