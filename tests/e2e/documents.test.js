'use strict';
/*
 * documents.test.js - what the documents list is what there is: commands and options that were
 * added came without their lines in the manuals, errors without their rows in docs/http-api.md.
 */
const { test } = require('node:test');
const assert = require('node:assert');
const fs = require('node:fs');
const path = require('node:path');
const { spawnSync } = require('node:child_process');

const { HIVE, WORKER } = require('./lib/proc.js');
const { KEEPER } = require('./lib/keeper.js');

const ROOT = path.resolve(__dirname, '../..');
const read = (file) => fs.readFileSync(path.join(ROOT, file), 'utf8');

function help(program, ...words) {
  const r = spawnSync(program, [...words, '--help'], { encoding: 'utf8' });
  assert.strictEqual(r.status, 0, r.stderr);
  return r.stdout;
}

/* The names of a help's lines: "  models list   ..." */
const commandsOf = (text) => [...text.matchAll(/^ {2}([a-z]+(?: [a-z]+)*) {2,}/gm)].map((m) => m[1]);
const optionsOf = (text) => [...text.matchAll(/^ {2}(?:-\w, | {4})--([a-z-]+)/gm)].map((m) => m[1]).filter((o) => o !== 'help');

for (const [program, page] of [[KEEPER, 'rbee-keeper'], [HIVE, 'rbee-hive'], [WORKER, 'llm-worker-rbee']]) {
  test(`every command stands in the manual of ${page}`, () => {
    const manual = read(`man/${page}.1`);
    const commands = commandsOf(help(program));
    assert.ok(commands.length > 2, commands.join());
    const missing = commands.filter((c) => !new RegExp(`^\\.Cm ${c}$`, 'm').test(manual));
    assert.deepStrictEqual(missing, []);
  });
}

test('every option of the servers stands in their manuals', () => {
  for (const [program, page, command] of [[HIVE, 'rbee-hive', 'daemon'], [WORKER, 'llm-worker-rbee', 'serve'], [WORKER, 'llm-worker-rbee', 'run']]) {
    const manual = read(`man/${page}.1`);
    const options = optionsOf(help(program, command));
    assert.ok(options.length > 5, options.join());
    const missing = options.filter((o) => !new RegExp(`Fl -${o}\\b`).test(manual));
    assert.deepStrictEqual(missing, [], `${page} ${command}`);
  }
});

test('every error stands in docs/http-api.md, with its status and whether asking again may help', () => {
  const rows = [...read('src/api/errors.c').matchAll(/\{"([A-Z_]+)", (\d+), \d+, (true|false)/g)];
  assert.ok(rows.length > 30, `${rows.length}`);
  const table = read('docs/http-api.md').split('\n');
  for (const [, code, status, again] of rows) {
    const line = table.find((l) => l.startsWith('| `') && l.split('|')[1].includes(`\`${code}\``) && l.split('|').length === 6);
    assert.ok(line, code);
    const cells = line.split('|').map((c) => c.trim());
    assert.deepStrictEqual([cells[2], cells[3]], [status === '0' ? '–' : status, again === 'true' ? 'yes' : 'no'], code);
  }
});

/* A bad merge had left old lines of docs/http-api.md beside the new ones, and with them what is not true any more. */
test('no long line of a document stands in it twice', () => {
  const pages = ['README.md', 'ARCHITECTURE.md', ...fs.readdirSync(path.join(ROOT, 'docs')).filter((f) => f.endsWith('.md')).map((f) => `docs/${f}`)];
  assert.ok(pages.length > 5, pages.join());
  for (const page of pages) {
    const prose = read(page).replace(/^```.*?^```/gms, '').split('\n').filter((line) => line.length > 80);
    assert.deepStrictEqual(prose.filter((line, i) => prose.indexOf(line) !== i), [], page);
  }
});

/* They stood in another order there, and nobody had to notice what was added to the program alone. */
test('the sample of `rbee-keeper config` has the program\'s options, in its order', () => {
  const r = spawnSync(KEEPER, ['config', '--json'], { encoding: 'utf8', env: { PATH: process.env.PATH, RBEE_HOME: '/nowhere' } });
  const options = JSON.parse(r.stdout).options.map((o) => `${o.section}.${o.key}`);
  const page = read('docs/configuration.md');
  assert.ok(options.length > 20, r.stdout);
  assert.deepStrictEqual([...page.matchAll(/^((?:keeper|hive)\.[a-z_]+) /gm)].map((m) => m[1]), options);
  const listed = /there are: ([a-z_,\s]+)\n```/.exec(page)[1].split(/,\s+/);
  assert.deepStrictEqual(listed.map((o) => `hive.${o}`), options.filter((o) => o.startsWith('hive.')));
});

/* As the pages are shown: small letters, blanks as hyphens, and of other signs hyphens and underlines only. */
const anchorOf = (heading) => heading.replace(/\[([^\]]*)\]\([^)]*\)/g, '$1').toLowerCase().replace(/[^\p{L}\p{N} _-]/gu, '').replace(/ /g, '-');
const headingsOf = (file) => [...read(file).replace(/^```[\s\S]*?^```/gm, '').matchAll(/^#+ (.*)$/gm)].map((m) => anchorOf(m[1].trim()));

test('every link of a document leads to a file and a heading that are there', () => {
  const pages = ['README.md', 'ARCHITECTURE.md', 'CONTRIBUTING.md', 'SECURITY.md', 'CHANGELOG.md',
    ...fs.readdirSync(path.join(ROOT, 'docs')).filter((f) => f.endsWith('.md')).map((f) => `docs/${f}`)];
  let n = 0;
  for (const page of pages) {
    for (const [, to] of read(page).replace(/^```[\s\S]*?^```/gm, '').matchAll(/\]\(([^)\s]+)\)/g)) {
      if (/^[a-z]+:/.test(to)) continue;
      const [file, anchor] = to.split('#');
      const target = path.normalize(file ? path.join(path.dirname(page), file) : page);
      assert.ok(fs.existsSync(path.join(ROOT, target)), `${page}: ${to}`);
      if (anchor) assert.ok(headingsOf(target).includes(anchor), `${page}: ${to}`);
      n++;
    }
  }
  assert.ok(n > 50, `${n}`);
});

/* Two branches that had changed one row were joined into a table that had both. */
test('no table has a row twice', () => {
  for (const name of fs.readdirSync(path.join(ROOT, 'docs')).filter((f) => f.endsWith('.md'))) {
    let first = null; // of the table at hand
    for (const line of read(`docs/${name}`).split('\n')) {
      const cell = /^\| (`[^|]+`) \|/.exec(line);
      if (!line.startsWith('|')) first = null;
      else if (cell) {
        first ??= new Map();
        const [key, rest] = [cell[1], line.split(' | ')[1]];
        assert.ok(first.get(key) !== rest, `${name}: ${line}`);
        first.set(key, rest);
      }
    }
  }
});
