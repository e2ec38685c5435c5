#!/bin/sh
# make-tiny.sh - makes models/tiny.gguf from nothing but the scripts in this directory:
# corpus, vocabulary, training, export, check.  Needs Debian 12 and about half an hour on two
# cores.
#
#   tools/tiny/make-tiny.sh [OUT.gguf]        (default: models/tiny.gguf)
#
# Intermediate files go to $TINY_DIR (default: ${TMPDIR:-/tmp}/tiny).  An interrupted training goes
# on where its last checkpoint was.

set -eu

here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
out=${1:-$here/../../models/tiny.gguf}
dir=${TINY_DIR:-${TMPDIR:-/tmp}/tiny}
py=/usr/bin/python3
seed=1
stories=60000
steps=5400
vocabulary=2048

if ! "$py" -c 'import numpy, torch' 2>/dev/null; then
    sudo=''
    [ "$(id -u)" -eq 0 ] || sudo=sudo
    $sudo apt-get update
    $sudo apt-get install -y --no-install-recommends \
        python3-torch python3-numpy libopenblas0-pthread
fi

mkdir -p "$dir" "$(dirname -- "$out")"
"$py" "$here/corpus.py" "$dir/corpus.new" --stories "$stories" --seed "$seed"
cmp -s "$dir/corpus.new" "$dir/corpus.jsonl" || rm -f "$dir/tiny.pt"   # of another corpus
mv "$dir/corpus.new" "$dir/corpus.jsonl"
"$py" "$here/tokenizer.py" "$dir/corpus.jsonl" "$dir/tokenizer.json" --size "$vocabulary"
nice -n 5 "$py" "$here/train.py" "$dir/corpus.jsonl" "$dir/tokenizer.json" "$dir/tiny.pt" \
    --seed "$seed" --steps "$steps" --workers 2 --resume
"$py" "$here/export.py" "$dir/tiny.pt" "$dir/tokenizer.json" "$out"
"$py" "$here/check.py" "$out"
