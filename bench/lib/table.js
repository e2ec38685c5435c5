'use strict';
/*
 * table.js - results as CSV, which is what is kept, and as Markdown, which is made from it.
 */
const COLUMNS = ['row', 'what', 'unit', 'pairs', 'rbee', 'rbee_min', 'rbee_max', 'peer', 'peer_value',
  'peer_min', 'peer_max', 'ratio', 'ratio_min', 'ratio_max', 'target', 'met', 'note'];

const quote = (v) => (/[",\n]/.test(v) ? `"${v.replaceAll('"', '""')}"` : v);
const csvLine = (cells) => `${cells.map((c) => quote(String(c ?? ''))).join(',')}\n`;
const csvHead = () => csvLine(COLUMNS);
const csvRow = (row) => csvLine(COLUMNS.map((name) => row[name]));

/* One line of CSV to its cells (RFC 4180; no line breaks in a cell). */
function cellsOf(line) {
  const cells = [];
  for (let at = 0; at <= line.length;) {
    let end;
    if (line[at] === '"') {
      end = at + 1;
      while (line[end] !== '"' || line[end + 1] === '"') end += line[end] === '"' ? 2 : 1;
      cells.push(line.slice(at + 1, end).replaceAll('""', '"'));
      at = end + 2;
    } else {
      end = line.indexOf(',', at);
      if (end < 0) end = line.length;
      cells.push(line.slice(at, end));
      at = end + 1;
    }
  }
  return cells;
}

/* { notes: the lines after '#', rows: objects }. */
function parseCsv(text) {
  const notes = [];
  const rows = [];
  for (const line of text.split('\n').filter(Boolean)) {
    if (line.startsWith('#')) notes.push(line.replace(/^# ?/, ''));
    else if (!line.startsWith('row,')) {
      const cells = cellsOf(line);
      rows.push(Object.fromEntries(COLUMNS.map((name, i) => [name, cells[i] ?? ''])));
    }
  }
  return { notes, rows };
}

/* Three digits that count. */
function short(value) {
  if (value === '' || value === undefined || Number.isNaN(Number(value))) return '–';
  const v = Number(value);
  const size = Math.abs(v);
  return v.toFixed(size >= 100 ? 0 : size >= 10 ? 1 : size >= 1 ? 2 : 3);
}

function markdownRow(r) {
  const span = (low, high) => ((r.runs ?? r.pairs) > 1 ? ` (${short(low)}–${short(high)})` : '');
  const mark = r.met === '' || r.met === undefined ? '' : r.met === 'yes' ? 'yes' : '**no**';
  const peer = r.peer_value === '' || r.peer_value === undefined
    ? '–' : `${short(r.peer_value)} ${r.peer}`;
  const ratio = r.ratio === '' || r.ratio === undefined
    ? '–' : `${short(r.ratio)}${span(r.ratio_min, r.ratio_max)}`;
  const rbee = r.rbee === '' || r.rbee === undefined ? '–' : `${short(r.rbee)}${span(r.rbee_min, r.rbee_max)}`;
  return `| ${r.what} | ${r.unit || ''} | ${rbee} | ${peer} | ${ratio} | ${r.target || ''} | ${mark} | ${r.note || ''} |`;
}

const MARKDOWN_HEAD = '| what | unit | rbee | peer | rbee / peer | target | met | |\n|---|---|---|---|---|---|---|---|';

function markdown(notes, rows) {
  return `${notes.map((n) => `- ${n}`).join('\n')}\n\n${MARKDOWN_HEAD}\n${rows.map(markdownRow).join('\n')}\n`;
}

module.exports = { COLUMNS, csvHead, csvRow, parseCsv, markdown, markdownRow, MARKDOWN_HEAD };
