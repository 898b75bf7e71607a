#!/usr/bin/env bash
# Every run behind the recordings' tables of docs/results.md. Finished runs are kept: call it again to go on.
# usage: tools/run_recordings.sh RECORDINGS WORLDS_TEACHER OUT
#   RECORDINGS      folder with dashcam/, kitti_odometry/, kitti_raw/, indoor/
#   WORLDS_TEACHER  demo/teacher of a full `lumde demo`: the start of the networks that have one
#   OUT             new folder; results land in OUT/*.json
set -euo pipefail
recordings=$1 worlds=$2 out=$3
mkdir -p "$out"
indoor=$recordings/indoor drives=$out/drives_data

run() { # NAME CONFIG [key=value ...]
    local name=$1; shift
    [ -e "$out/$name/result.json" ] && return
    echo "== $name"
    local again=()
    [ -e "$out/$name" ] && again=(--resume)
    lumde train "$@" --out "$out/$name" "${again[@]}" > "$out/$name.log" 2>&1
}
kitchen() { # NAME MODEL [option ...]: the held-out frames; maps of the trivial rows from the training frames
    local name=$1 model=$2; shift 2
    lumde evaluate "$model" --data frames --root "$indoor" --frames 0:50 --trivial-frames 60:250 \
        --json "$out/$name.json" "$@" > "$out/$name.txt" 2>&1
}

# (b) the kitchen: teachers with three kinds of motion, oracle, students
run kitchen_pm1 kitchen_teacher data.root="$indoor" snippets.offsets=[-1,1]
run kitchen_pm3 kitchen_teacher data.root="$indoor"
run kitchen_pm3_init kitchen_teacher data.root="$indoor" student.init="$worlds" student.max_depth=4.0 student.scales=1
run kitchen_metric kitchen_metric_teacher data.root="$indoor"
run kitchen_oracle_base kitchen_oracle data.root="$indoor"
run kitchen_oracle_tiny kitchen_oracle data.root="$indoor" student.size=tiny optimizer.rate=8e-3
run kitchen_student kitchen_student data.root="$indoor" teacher.path="$out/kitchen_metric"
steps=$(python3 -c "import json,sys; print(json.load(open(sys.argv[1]))['steps'])" "$out/kitchen_student/result.json")
run kitchen_undistilled kitchen_student data.root="$indoor" teacher=null method.pixel_weight=0 \
    method.pair_weight=0 method.holistic_weight=0 method.critic=null loop.minutes=0 loop.steps="$steps"
for name in pm1 pm3 pm3_init metric oracle_base oracle_tiny student undistilled; do
    kitchen "kitchen_$name" "$out/kitchen_$name"
done
for name in metric oracle_base student; do
    kitchen "kitchen_${name}_unscaled" "$out/kitchen_$name" --align none
done
kitchen kitchen_worlds_teacher "$worlds"

# (a) dash-cam clips and KITTI odometry clips, each with its own camera, as one dataset
if [ ! -d "$drives" ]; then
    odometry=$recordings/kitti_odometry/sequences
    lumde prepare "$recordings/dashcam/test_video.mp4" --camera "$recordings/dashcam/test_video.camera.yaml" \
        --fps 12.5 --size 640x360 --out "$out/part_test_video"
    lumde prepare "$recordings/dashcam/solidWhiteRight.mp4" --fov 60 --fps 12.5 --size 640x360 --out "$out/part_white"
    for clip in 06 xx; do
        lumde prepare "$odometry/$clip/image_0" --camera "$odometry/$clip/calib.txt" --out "$out/part_$clip"
    done
    mkdir "$drives"
    for part in test_video white 06 xx; do
        for sequence in "$out/part_$part"/*/; do mv "$sequence" "$drives/${part}_$(basename "$sequence")"; done
    done
fi
run drives short_video data.root="$drives" student.init="$worlds" method.pose.init="$worlds"

# (c) drive 0060, ground truth from its 13 velodyne scans: a drive that no network here has seen
for name in worlds drives; do
    model=$out/$name
    [ "$name" = worlds ] && model=$worlds
    lumde evaluate "$model" --data kitti_raw --root "$recordings/kitti_raw" --split drive_0060 \
        --json "$out/drive_0060_$name.json" > "$out/drive_0060_$name.txt" 2>&1
done

# (d) depth of a dash-cam video
[ -d "$out/dashcam_depth" ] || lumde predict "$recordings/dashcam/test_video.mp4" --model "$out/drives" \
    --camera "$recordings/dashcam/test_video.camera.yaml" --save png16,mp4 --out "$out/dashcam_depth"
