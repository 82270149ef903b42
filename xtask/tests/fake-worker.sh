#!/bin/bash
# Replaces the programs of `cargo xtask bench`: our bench program (called with `serve`) and a Python that has PyTorch and JAX, but
# neither ONNX Runtime nor OpenVINO (called with -B, a script and the name of a program). PyTorch takes six times as long; its
# compiled variants refuse. JAX takes five times as long, and 20 times for the largest images. Files beside this script steer it:
# no-torch, other-network, no-compiler (all variants of PyTorch refuse), broken (ours refuses, too).
set -eu
here=$(cd "$(dirname "$0")" && pwd)
case $1 in
serve) name=ours ms=10 ;;
-B) [ -f "$2" ] && name=$3 ms=60 ;;
*) exit 1 ;;
esac
if [ "$name" != ours ] && [ -f "$here/no-torch" ]; then
    echo '{"error": "PyTorch is missing; to install it: pip install torch"}'
    exit
fi
if [ "$name" = onnxruntime ] || [ "$name" = openvino ]; then
    echo "{\"error\": \"$name is missing; to install it: pip install $name\"}"
    exit
fi
echo "{\"name\": \"fake $name\", \"threads\": ${RAYON_NUM_THREADS:-2}}"
while read -r work net count repeats; do
    echo "$name $work $net $count $repeats" >> "$here/calls.txt"
    parameters=291217
    [ "$net" = ref_cnn ] || parameters=670000
    if [ "$name" != ours ] && [ -f "$here/other-network" ]; then parameters=1; fi
    if [ -f "$here/no-compiler" ] && [ "$name" != ours ] || [ -f "$here/broken" ]; then
        echo '{"error": "no compiler"}'
        continue
    fi
    case $name in
    compiled*) echo '{"error": "no compiler"}' ; continue ;;
    channels_last) ms=55 ;;
    jax)
        ms=50
        case $net in unet-64*) ms=200 ;; esac
        ;;
    esac
    list=$ms
    for ((i = 1; i < repeats; i++)); do list="$list, $ms"; done
    echo "{\"ms\": [$list], \"parameters\": $parameters, \"direct_gflop\": 6, \"done_gflop\": 1, \"evaluations\": 100}"
done
