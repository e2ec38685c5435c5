'use strict';
/*
 * wordpiece.test.js - WordPiece against Hugging Face's tokenizers: the ids that they give for texts
 * with every kind of character (tests/golden/wordpiece.json, made by tests/golden/wordpiece-compare.mjs).
 */
const { test } = require('node:test');
const assert = require('node:assert');
const fs = require('node:fs');
const path = require('node:path');
const { execFileSync } = require('node:child_process');

const { ROOT, WORKER, makeFolder } = require('./lib/proc.js');
const { writeVocabulary, wordpieceTokens } = require('./lib/gguf.js');

const golden = JSON.parse(fs.readFileSync(path.join(ROOT, 'tests/golden/wordpiece.json'), 'utf8'));

for (const kind of ['uncased', 'cased']) {
  test(`a vocabulary that is ${kind} gives the ids of Hugging Face's tokenizers`, () => {
    const model = path.join(makeFolder(), 'vocabulary.gguf');
    writeVocabulary(model, wordpieceTokens(kind === 'uncased'));
    assert.ok(golden[kind].length > 20);
    for (const { text, ids } of golden[kind]) {
      const out = execFileSync(WORKER, ['tokenize', '--model', model, '--add-special'], { input: text, encoding: 'utf8' });
      assert.deepStrictEqual(out.trim().split(' ').map(Number), ids, JSON.stringify(text));
    }
  });
}
