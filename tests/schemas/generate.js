'use strict';
/*
 * generate.js - random JSON Schemas over all that src/grammar/schema.h says is supported, and, now and
 * then, one keyword that is not, at a known place.
 *
 * `bounded`: strings and lists mostly have an end, so that a model that knows nothing comes to one.
 */
const { Random } = require('./random.js');

const NAMES = ['a', 'ab', 'abc', 'name', 'x y', '\u00e9', 'q"', 'back\\slash', '\u65e5\u672c', 'emoji \u{1f600}',
  'a/b', 'til~de', '$id-like', 'constructor', 'value', 'items'];
const PATTERNS = ['^[a-f]{2,5}$', '[aeo]0*', '^(ab|c)*d?$', '[0-9]$', '^a.c', '^-?[0-9]+(\\.[0-9])?$', '^\\d{3}-\\d{4}$',
  '^[A-Z][a-z]{0,8}( [A-Z][a-z]{0,8})?$', '^(?:red|gr[ae]y|blue)$', '^\\w+@\\w+\\.(com|org)$', '^[^"\\\\]{1,10}$',
  '^\\u00e9{1,3}$', '^[\\u3040-\\u309f]{1,4}$', '^$', '^x{0}y$', '\\s', '^(a|b){2}(?<tail>c|d)$', '^\\x41+?$',
  '^[\\-\\]^]+$', '^\\/path(\\/[a-z]+){0,3}$'];
const FORMATS = ['date', 'time', 'date-time', 'duration', 'uuid', 'email', 'hostname', 'ipv4', 'ipv6', 'uri'];
const SAID = { title: 'A title', description: 'says "nothing"\n', default: 7, examples: [1, 'b'], $comment: 'c',
  deprecated: true, readOnly: true, writeOnly: false };
/* Keywords that are refused: the type of their subject, if any, and a value. */
const REFUSED = [['not', {}, { type: 'null' }], ['uniqueItems', { type: 'array' }, true],
  ['multipleOf', { type: 'integer' }, 3], ['patternProperties', { type: 'object' }, { '^a': true }],
  ['contains', { type: 'array' }, { type: 'null' }], ['if', {}, { type: 'null' }],
  ['propertyNames', { type: 'object' }, { maxLength: 3 }], ['dependentRequired', { type: 'object' }, { a: ['b'] }],
  ['unevaluatedProperties', { type: 'object' }, false], ['dependentSchemas', { type: 'object' }, { a: true }]];

/* What is required must not need the whole schema again. */
function endless(schema) {
  return /"#"/.test(JSON.stringify(schema));
}

class Generator {
  constructor(seed) {
    this.r = new Random(seed);
    this.refused = null; // the keyword that was put in, if any
  }

  string() {
    const { r } = this;
    const schema = { type: 'string' };
    const min = r.below(4);
    switch (r.below(6)) {
      case 0: return { ...schema, pattern: r.one(PATTERNS) };
      case 1: return { ...schema, format: r.one(FORMATS) };
      case 2: return schema; // ends by chance
      case 3: return { ...schema, minLength: min };
      default: return { ...schema, minLength: min, maxLength: min + r.below(30) };
    }
  }

  bound(base) {
    const { r } = this;
    if (r.once(2)) return base + r.below(2000);
    if (r.once(10)) return r.one([1e3, -1e-3, 0, 12e2, 0.5, -0.125]);
    return (base * 1000 + r.below(100000)) / 1000;
  }

  number() {
    const { r } = this;
    const schema = { type: r.one(['integer', 'number']) };
    const base = r.below(300) - 200;
    if (r.once(2)) schema[r.one(['minimum', 'exclusiveMinimum'])] = this.bound(base);
    if (r.once(2)) schema[r.one(['maximum', 'exclusiveMaximum'])] = this.bound(base + 110);
    return schema;
  }

  names(n) {
    const all = [...NAMES];
    const list = [];
    while (list.length < n) list.push(all.splice(this.r.below(all.length), 1)[0]);
    return list;
  }

  object(depth) {
    const { r } = this;
    const schema = { type: 'object' };
    if (r.once(8)) return this.map(depth);
    const names = this.names(r.below(6));
    schema.properties = Object.fromEntries(names.map((name) => [name, this.value(depth - 1)]));
    schema.required = names.filter((name) => r.once(2) && !endless(schema.properties[name]));
    switch (r.below(5)) {
      case 0: schema.additionalProperties = this.value(depth - 1); break;
      case 1: case 2: schema.additionalProperties = false; break;
      default: if (r.once(8)) schema.required.push('without a schema');
    }
    return schema;
  }

  /* An object without names of its own. */
  map(depth) {
    const { r } = this;
    const schema = { type: 'object', additionalProperties: this.value(depth - 1) };
    if (r.once(2)) schema.minProperties = r.below(r.once(10) ? 4 : 2);
    if (r.once(2)) schema.maxProperties = 1 + r.below(4);
    return schema;
  }

  array(depth) {
    const { r } = this;
    const schema = { type: 'array' };
    const min = r.below(3);
    if (!r.once(4)) schema.items = r.once(10) ? false : this.value(depth - 1);
    if (r.once(3)) schema.prefixItems = [this.value(depth - 1), this.value(depth - 1)];
    if (r.once(2)) schema.minItems = schema.items === false ? 0 : min;
    if (r.once(2)) schema.maxItems = min + r.below(5);
    if (r.once(8)) schema.uniqueItems = false;
    return schema;
  }

  chosen() {
    switch (this.r.below(4)) {
      case 0: return { const: this.r.one(['fixed', 12, null, { a: [1, 'b'] }, ['x', { y: null }], '\u00e9"\\\n']) };
      case 1: return { type: 'string', enum: ['red', 'green', 'caf\u00e9', ''] };
      case 2: return { type: ['integer', 'null'], enum: [1, 22, null] };
      default: return { enum: ['caf\u00e9 "\n', -7, 'k', { k: [0.25] }, true, 1e21] };
    }
  }

  /* Told apart by a constant, by types, or by what one requires and the others never have. */
  oneOf(depth) {
    const own = (kind, name) => ({ type: 'object', properties: { kind: { const: kind }, [name]: this.value(depth - 1) },
      required: ['kind'], additionalProperties: false });
    switch (this.r.below(3)) {
      case 0: return { oneOf: [own('one', 'v'), own('two', 'w'), own('three', 'v')] };
      case 1: return { oneOf: [this.object(depth - 1), { type: 'null' }, { const: 1 }, this.array(depth - 1)] };
      default: return { oneOf: [{ type: 'object', properties: { a: this.value(depth - 1) }, required: ['a'], additionalProperties: false },
        { type: 'object', properties: { b: this.value(depth - 1) }, required: ['b'], additionalProperties: false }] };
    }
  }

  allOf(depth) {
    switch (this.r.below(3)) {
      case 0: return { allOf: [this.number(), this.number()] };
      case 1: return { allOf: [this.object(depth - 1), this.object(depth - 1)] };
      default: return { minItems: 1, allOf: [this.array(depth - 1), this.array(depth - 1)] };
    }
  }

  plain(depth) {
    const { r } = this;
    switch (r.below(depth > 0 ? 14 : 6)) {
      case 0: case 1: return this.string();
      case 2: return this.number();
      case 3: return this.chosen();
      case 4: return r.once(4) ? true : { type: r.one([['boolean', 'null'], 'boolean', ['integer', 'string']]) };
      case 5: return r.once(3) ? { type: 'string', nullable: true, maxLength: 9 } : this.string();
      case 6: case 7: case 8: return this.object(depth);
      case 9: return this.array(depth);
      case 10: return { anyOf: [this.value(depth - 1), this.value(depth - 1)] };
      case 11: return this.oneOf(depth);
      case 12: return this.allOf(depth);
      default: return { $ref: r.one(['#', '#/$defs/d', '#/$defs/tree', '#/definitions/old']) };
    }
  }

  value(depth) {
    const { r } = this;
    const schema = this.plain(depth);
    if (schema === true) return schema;
    if (r.once(6)) {
      const key = r.one(Object.keys(SAID));
      if (!(key in schema)) schema[key] = SAID[key];
    }
    if (!this.refused && this.spoil && r.once(4)) this.put(schema);
    return schema;
  }

  put(schema) {
    const fitting = REFUSED.filter(([, subject]) => !subject.type || subject.type === schema.type);
    const [keyword, , value] = this.r.one(fitting);
    schema[keyword] = value;
    this.refused = keyword;
  }

  /* A whole one; `refused` names what was put in that must be refused. */
  schema() {
    this.refused = null;
    this.spoil = this.r.once(15);
    const schema = this.object(2);
    if (this.r.once(3)) schema.$schema = 'https://json-schema.org/draft/2020-12/schema';
    schema.$defs = { d: this.plain(0), tree: { type: 'object', properties: { left: { anyOf: [{ $ref: '#/$defs/tree' }, { type: 'null' }] },
      value: { type: 'integer', minimum: 0, maximum: 9 } }, required: ['value'], additionalProperties: false } };
    schema.definitions = { old: { type: 'boolean' } };
    return { schema, refused: this.refused };
  }
}

module.exports = { Generator };
