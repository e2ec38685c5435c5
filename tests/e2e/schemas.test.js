'use strict';
/*
 * schemas.test.js - random schemas, each with an answer of a model with random weights: every answer
 * that ends must parse, and be valid for a validator that knows nothing of us (ajv, from npm). What is
 * not supported must be refused by its name and place.
 *
 *   SCHEMAS=1000 SCHEMAS_SEED=7 node --test tests/e2e/schemas.test.js
 *
 * The model draws from what the mask leaves, closing signs ten to a hundred times as likely as they
 * were (logit_bias), so that its answers end; what is cut by max_tokens counts for nothing and must be
 * rare. Schema k of seed s is that of the generator with seed s * 1000000 + k, whatever else ran.
 */
const { test, describe, before, after } = require('node:test');
const assert = require('node:assert');
const path = require('node:path');

const { startWorker, makeFolder, until } = require('./lib/proc.js');
const { ask } = require('./lib/sse.js');
const { writeHollowModel } = require('./lib/gguf.js');
const { Generator } = require('../schemas/generate.js');
const { writeRandomModel } = require('../schemas/model.js');

const N_SCHEMAS = Number(process.env.SCHEMAS || 150);
const SEED = Number(process.env.SCHEMAS_SEED || 1);
const AT_ONCE = 4;
const MAX_TOKENS = 1500;
const FOLDER = makeFolder();

function loadAjv() {
  try {
    const Ajv = require('../schemas/node_modules/ajv/dist/2020').default;
    const ajv = new Ajv({ strict: false, validateSchema: true, unicodeRegExp: true, ownProperties: true, logger: false });
    require('../schemas/node_modules/ajv-formats').default(ajv);
    return ajv;
  } catch (error) {
    if (error.code !== 'MODULE_NOT_FOUND') throw error;
    return null;
  }
}
const AJV = loadAjv();
const skip = AJV ? false : 'the validator is not there: npm ci in tests/schemas';

async function start(flags) {
  const worker = await startWorker(flags);
  await until(async () => (await ask(`${worker.url}/v1/ready`)).json.ready, () => `ready:\n${worker.stderr}`);
  return worker;
}

const infer = (worker, body) => ask(`${worker.url}/v1/inference`,
  { method: 'POST', body: { prompt: 'x', stream: false, ...body } });

/* "key":"key" is one member for JSON.parse; it must not be two in the text. */
function isSaidOnce(text, value) {
  let n = 0;
  const count = (v) => {
    if (v === null || typeof v !== 'object') return;
    n += Array.isArray(v) ? 0 : Object.keys(v).length;
    Object.values(v).forEach(count);
  };
  count(value);
  return n === colons(text);
}

/* Colons outside of strings. */
function colons(text) {
  return text.replace(/"(?:[^"\\]|\\.)*"/g, '').split(':').length - 1;
}

describe(`${N_SCHEMAS} random schemas`, { skip }, () => {
  const seen = { valid: 0, cut: 0, refused: 0, none: 0, tokens: 0, unasked: 0 };
  let worker, bias;

  before(async () => {
    const model = path.join(FOLDER, 'random.gguf');
    const ids = writeRandomModel(model, { seed: SEED });
    bias = Object.fromEntries(['"', '}', ']', '"}', '"]', 'null', '0'].map((text) => [ids[text], 3]));
    worker = await start({ model, slots: AT_ONCE, ctx: 2048 });
  });
  after(() => worker.stop());

  function judgeRefusal(answer, name, keyword) {
    const { error } = answer.json;
    assert.strictEqual(answer.status, 400, `${name}: ${answer.text}`);
    assert.strictEqual(error.code, 'INVALID_REQUEST');
    assert.ok(error.details.errors.some((e) => e.field === 'json_schema'), answer.text);
    assert.match(error.message, /#|no value|no text/, `${name}: refused without a place: ${error.message}`);
    if (!keyword) seen.unasked++;
    else if (!/no value|no text/.test(error.message)) { // which is as good a reason
      assert.ok(error.message.includes(`/${keyword}`), `${name}: ${keyword} is not named: ${error.message}`);
    }
    seen.refused++;
  }

  function judgeText(answer, schema, name) {
    const value = JSON.parse(answer.text);
    const id = `https://example.org/${name}`;
    const validate = AJV.compile({ ...schema, $id: id });
    const shown = () => `${name}: ${answer.text}\n${JSON.stringify(validate.errors)}\nby ${JSON.stringify(schema)}`;
    assert.ok(validate(value), shown());
    assert.ok(isSaidOnce(answer.text, value), `a key is there twice: ${shown()}`);
    AJV.removeSchema(id);
    seen.valid++;
  }

  async function tryOne(k) {
    const name = `${SEED}-${k}`;
    const { schema, refused } = new Generator(SEED * 1000000 + k).schema();
    const answer = await infer(worker, { json_schema: schema, temperature: 1, top_k: 0, top_p: 1, min_p: 0,
      seed: k, max_tokens: MAX_TOKENS, logit_bias: bias });
    if (answer.status !== 200) {
      judgeRefusal(answer, name, refused);
      return;
    }
    assert.strictEqual(refused ?? null, null, `${name}: it has ${refused}, and was answered`);
    seen.tokens += answer.json.tokens_out;
    if (answer.json.stop_reason === 'MAX_TOKENS') seen.cut++;
    else judgeText(answer.json, schema, name);
    assert.ok(['EOS', 'MAX_TOKENS'].includes(answer.json.stop_reason), answer.text);
  }

  test('every answer is valid', { timeout: 600000 }, async (t) => {
    const faults = [];
    let next = 0;
    const work = async () => {
      while (next < N_SCHEMAS) await tryOne(next++).catch((error) => faults.push(error));
    };
    await Promise.all(Array.from({ length: AT_ONCE }, work));
    t.diagnostic(`seed ${SEED}: ${JSON.stringify(seen)}`);
    assert.strictEqual(faults.length, 0, `${faults.length} of ${N_SCHEMAS}, such as\n${faults.slice(0, 3).map((f) => f.stack).join('\n')}`);
    assert.strictEqual(seen.valid + seen.cut + seen.refused, N_SCHEMAS);
    assert.ok(seen.cut <= N_SCHEMAS / 20, `${seen.cut} answers did not end`);
    assert.ok(seen.unasked <= N_SCHEMAS / 6 + 3, `${seen.unasked} schemas were refused for no keyword`);
  });
});

describe('what cannot be kept', () => {
  let worker;
  before(async () => {
    const model = path.join(FOLDER, 'hollow.gguf');
    writeHollowModel(model, { layers: 1, embd: 64, ff: 64, ctx: 4096 });
    worker = await start({ model, slots: 1 });
  });
  after(() => worker.stop());

  test('is refused by its name and place', async () => {
    for (const [keyword, value] of [['not', {}], ['multipleOf', 2], ['uniqueItems', true], ['if', {}],
      ['patternProperties', {}], ['contains', {}], ['dependentRequired', {}], ['unheardOf', 1]]) {
      const answer = await infer(worker, { json_schema: { type: 'object', properties: { 'a b': { [keyword]: value } } } });
      assert.strictEqual(answer.status, 400, answer.text);
      assert.ok(answer.json.error.message.includes(`#/properties/a b/${keyword}`), answer.text);
    }
  });

  /* Greedy, every a is one rule deeper: at the last one all that may come needs one more. Once this was
   * an internal error. */
  test('is told with its limit when an answer meets it', async () => {
    const grammar = 'root ::= "a" (root "b" | "c" deep "e")\ndeep ::= "d"';
    const answer = await infer(worker, { grammar, temperature: 0, max_tokens: 3000 });
    assert.strictEqual(answer.status, 400, answer.text);
    assert.strictEqual(answer.json.error.code, 'INVALID_REQUEST');
    assert.match(answer.json.error.message, /no way on behind \d+ tokens: .* deeper than 1024 rules .*end earlier/);
    const { tokens_out: n } = answer.json.error.details;
    assert.ok(n > 1000 && n <= 1024, `${n}`);
    const next = await infer(worker, { grammar: 'root ::= "abc"', temperature: 0 });
    assert.strictEqual(next.json.text, 'abc'); // the worker goes on
  });
});
