'use strict';
/*
 * stick.js - a folder as `models export` writes it, or as somebody else would, for import and push.
 */
const crypto = require('node:crypto');
const fs = require('node:fs');
const path = require('node:path');

const { makeFolder } = require('./proc.js');

const sha256 = (bytes) => crypto.createHash('sha256').update(bytes).digest('hex');

/* The manifest of one model; `files`: their names in the repository and their bytes. In the folder they are
 * called 0.gguf, 1.gguf... */
function manifest(model, files) {
  return { rbee_manifest: 1, models: [{ quantization: '', source: 'a stick', license: '', ...model,
    files: files.map(([name, bytes], i) => ({ file: `${i}.gguf`, name, size_bytes: bytes.length, sha256: sha256(bytes) })) }] };
}

function stick(model, files) {
  const folder = makeFolder('rbee-stick-');
  files.forEach(([, bytes], i) => fs.writeFileSync(path.join(folder, `${i}.gguf`), bytes));
  fs.writeFileSync(path.join(folder, 'rbee-manifest.json'), JSON.stringify(manifest(model, files)));
  return folder;
}

module.exports = { manifest, stick, sha256 };
