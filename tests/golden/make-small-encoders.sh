#!/bin/sh
# Makes small-bert.gguf, small-nomic-bert.gguf and small-embeddings.json of this folder again: two
# small random encoders, and the vectors that llama.cpp makes with them.
#
#   make-small-encoders.sh WORKER SERVER [DIR SEEN-AS]
#
# SERVER is the command llama-server (it may be several words). Where it runs in another root, DIR is
# a folder and SEEN-AS its name in there. Needs numpy.
set -eu
cd "$(dirname "$0")"
for arch in bert nomic-bert; do
    /usr/bin/env python3 make_model.py $arch small-$arch.gguf --embd 32 --layers 2 --ff 64 --heads 2 \
        --vocab 90
    [ $# -lt 4 ] || cp small-$arch.gguf "$3"
done
./compare-embeddings.py --server "$2" --server-dir "${4:-$PWD}" --worker "$1" \
    --record small-embeddings.json small-bert.gguf small-nomic-bert.gguf
