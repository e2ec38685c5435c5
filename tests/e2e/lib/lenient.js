'use strict';
/*
 * lenient.js - a worker's program for tests whose models are any bytes: "inspect" finds that every
 * file which is no GGUF file can be run; all else is the real program's.
 */
const fs = require('node:fs');
const path = require('node:path');

const { WORKER, makeFolder } = require('./proc.js');

function lenientWorker() {
  const file = path.join(makeFolder('rbee-lenient-'), 'worker');
  fs.writeFileSync(file, `#!/bin/sh
for last; do :; done
if [ "$1" = inspect ] && [ "$(head -c 4 "$last")" != GGUF ]; then
  echo '{"supported":true,"reason":null}'
else
  exec '${WORKER}' "$@"
fi
`, { mode: 0o755 });
  return file;
}

module.exports = { lenientWorker };
