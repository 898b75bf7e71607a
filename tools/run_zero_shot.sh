#!/usr/bin/env bash
# Zero-shot rows of docs/results.md: a network that learned from worlds alone, on worlds and recordings it never saw.
# usage: [FINAL=1] tools/run_zero_shot.sh RECORDINGS MODEL OUT      OUT/*.json: the results
set -euo pipefail
recordings=$1 model=$2 out=$3
mkdir -p "$out"
evaluate() { # NAME option ...
    local name=$1; shift
    lumde evaluate "$model" --json "$out/$name.json" "$@" > "$out/$name.txt" 2>&1
    sed -n 's/^/'"$name"': /p' "$out/$name.txt" | sed -n 2,4p
}
for set in streets-v1 rooms-v1 shifted-v1 shifted-v2; do
    evaluate "zero_shot_$set" --data synthetic --split "$set"
done
# Steered by these while the worlds were made ...
evaluate zero_shot_drive_0060 --data kitti_raw --root "$recordings/kitti_raw" --split drive_0060
evaluate zero_shot_kitchen_development --data frames --root "$recordings/indoor" --frames 100:250
triangulated() { # NAME SEQUENCE
    [ -d "$out/points/$2" ] || python "$(dirname "$0")/triangulate_clip.py" "$recordings/kitti_odometry" "$2" "$out/points/$2"
    evaluate "$1" --data frames --root "$out/points/$2"
}
triangulated zero_shot_xx_development xx
[ "${FINAL:-}" ] || exit 0
# ... and, with FINAL=1, two that were meant to be looked at once (they have been looked at since).
evaluate zero_shot_kitchen_final --data frames --root "$recordings/indoor" --frames 0:50 --trivial-frames 60:250
triangulated zero_shot_06_final 06
