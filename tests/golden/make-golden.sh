#!/usr/bin/env bash
# Makes the golden files of this folder again: two small random models that between them use every
# tensor type, and what llama.cpp answers for them.
#
#   make-golden.sh BUILD QUANTIZE SERVER [DIR SEEN-AS]
#
# QUANTIZE and SERVER are the commands llama-quantize and llama-server (each may be several words).
# Where they run in another root, DIR is a folder and SEEN-AS its name in there.
set -euo pipefail
build=$1 quantize=$2 server=$3 dir=${4:-$(mktemp -d)} seen=${5:-$dir}
cd "$(dirname "$0")"

# One type a tensor, every type at least once in each model; the rest of the tensors follow Q4_K.
types=(attn_q=q4_0 attn_k=q4_1 attn_v=q5_0 attn_output=q5_1 ffn_gate=q8_0 ffn_up=q2_k ffn_down=q3_k)
types2=(attn_q=q4_k attn_k=q5_k attn_v=q6_k attn_output=iq4_nl ffn_gate=iq4_xs ffn_up=f16 ffn_down=bf16)
flags=()
for t in "${types[@]}"; do flags+=(--tensor-type "blk.0.$t"); done
for t in "${types2[@]}"; do flags+=(--tensor-type "blk.1.$t"); done

for arch in llama qwen2; do
    /usr/bin/python3 make_model.py "$arch" "$dir/mixed-$arch-full.gguf" --embd 256 --layers 2 \
        --ff 256 --vocab 320 --heads 4 --kv-heads 2 --seed 7
    $quantize --token-embedding-type q6_k --output-tensor-type f32 "${flags[@]}" \
        "$seen/mixed-$arch-full.gguf" "$seen/mixed-$arch.gguf" Q4_K 1
    cp "$dir/mixed-$arch.gguf" .
done
./compare.py --server "$server" --server-dir "$seen" --worker "$build/src/worker/llm-worker-rbee" \
    --vocab 320 --record mixed.json "$dir/mixed-llama.gguf" "$dir/mixed-qwen2.gguf"
