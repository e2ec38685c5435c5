#!/usr/bin/env bash
# How fast is rbee on this machine: the kernels one by one, attention, then whole models.
#
#   bench/run.sh [BUILD] [MODEL.gguf ...]
#
# Without models: the bundled one. Where llama-bench (of llama.cpp) is on PATH it is run in turn with
# rbee on the same file, three times, so that both see the same minutes of the machine; compare medians.
set -eu
cd "$(dirname "$0")/.."
build=${1:-build}
[ $# -gt 0 ] && shift
models=("$@")
[ ${#models[@]} -gt 0 ] || models=(models/tiny.gguf)
threads=$(nproc)

"$build/bench/bench_kern"
"$build/bench/bench_attend"
for model in "${models[@]}"; do
    prompt=128
    for _ in 1 2 3; do
        "$build/src/worker/llm-worker-rbee" bench --model "$model" --threads "$threads" \
            --prompt-tokens $prompt --gen-tokens 64
        if command -v llama-bench >/dev/null 2>&1; then
            llama-bench -m "$model" -t "$threads" -p $prompt -n 64 -r 1 -o jsonl
        fi
    done
done
