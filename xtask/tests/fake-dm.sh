#!/bin/bash
# Replaces the dm binary in the tests of the sweep. It writes a run folder like dm, but at once. Values of --set steer it:
# steps=N, slow=1 (a tenth of a second per step), fail=1 (fails half-way, once).
set -eu
here=$(cd "$(dirname "$0")" && pwd)
command=$1
model=$2
[ "$command" = train ] || echo "$*" >> "$here/calls.txt"
shift 2
out= scores= run= set= steps=4 slow= fail=
while [ $# -gt 0 ]; do
    case $1 in
    --run) run=$2; shift ;;
    --out) out=$2; shift ;;
    --scores) scores=$2; shift ;;
    --set) declare "${2%%=*}=${2#*=}"; set="$set$2"$'\n'; shift ;;
    esac
    shift
done

manifest() { # STATUS STEPS_DONE
    printf '{"schema":2,"status":"%s","name":"x","seed":0,"config_sha256":"0","git_revision":null,"data_sha256":"0",%s}' \
        "$1" "\"parameters\":1234,\"steps_total\":$steps,\"steps_done\":$2,\"epochs\":2,\"wall_s\":1.5,\"dm_version\":\"0\"" \
        > "$run/manifest.part"
    mv "$run/manifest.part" "$run/manifest.json"
}

case $command in
train)
    [ -f "$model" ] || { echo "error: $model: missing" >&2; exit 2; }
    mkdir -p "$run/samples"
    resolved=$(cat "$model"; echo "$set")
    if [ -f "$run/config.toml" ] && [ "$(cat "$run/config.toml")" != "$resolved" ]; then
        echo "error: $run/config.toml: the run folder has another config" >&2
        exit 2
    fi
    echo "$resolved" > "$run/config.toml"
    if grep -qs complete "$run/manifest.json"; then exit; fi
    step=$(cat "$run/checkpoint.safetensors" 2> /dev/null || echo 0)
    [ "$step" = 0 ] && echo train >> "$here/calls.txt" || echo train resume >> "$here/calls.txt"
    manifest running "$step"
    trap 'echo "$step" > "$run/checkpoint.safetensors"; manifest running "$step"; exit 130' TERM INT
    trap 'echo "$step" > "$run/checkpoint.safetensors"' USR1
    while [ "$step" -lt "$steps" ]; do
        step=$((step + 1))
        epoch=$(((2 * step + steps - 1) / steps))
        echo "{\"event\":\"step\",\"step\":$step,\"epoch\":$epoch,\"loss\":0.$((90 - step)),\"lr\":0.001,\"grad_norm\":1,\"images_per_s\":500}" >> "$run/metrics.jsonl"
        echo "$step" > "$run/checkpoint.safetensors"
        if [ -n "$fail" ] && [ $((2 * step)) -ge "$steps" ] && [ ! -f "$here/failed" ]; then
            touch "$here/failed"
            echo "error: $model: loss is NaN at step $step" >&2
            exit 2
        fi
        if [ $((2 * step % steps)) = 0 ]; then
            bins=0.9,0.8,0.7,0.6,0.5,0.4,0.3,0.2,0.1,null
            echo "{\"event\":\"epoch\",\"step\":$step,\"epoch\":$epoch,\"train_loss\":0.5,\"train_loss_by_t\":[$bins],\"val_loss\":0.25,\"val_loss_by_t\":[$bins],\"seconds\":2,\"images_per_s\":500}" >> "$run/metrics.jsonl"
            cp "$here/sheet.png" "$run/samples/epoch-000$epoch.png"
        fi
        [ -z "$slow" ] || sleep 0.1
    done
    manifest complete "$step"
    ;;
sample)
    [ -d "$out" ]
    echo images > "$out/images.safetensors"
    cp "$here/sheet.png" "$out/grid.png"
    cp "$here/sheet.png" "$out/strip.png"
    ;;
degrade)
    cp "$here/sheet.png" "$out"
    ;;
restore)
    cp "$here/sheet.png" "$out"
    echo '{"schema":2,"n":4,"restoration":[{"t":50,"timesteps":100,"degraded":{"psnr":9.5},"estimate":{"psnr":18.5},"restored":{"psnr":17.5}}]}' > "$scores"
    ;;
eval)
    [ -d "$model" ]
    echo '{"schema":2,"target":{"n":40,"seeds":[1,2],"pooled":true},"classifier":{"name":"classifier","sha256":"a"},"reference":{"name":"test images","n":9},"scores":[{"name":"frechet distance","value":321.5,"interval":[301.5,341.5]},{"name":"recall","value":0.5}],"classes":{"counts":[],"share_intervals":[],"reference_counts":[]}}' > "$out"
    ;;
esac
