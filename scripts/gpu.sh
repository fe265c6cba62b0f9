#!/bin/sh
# gpu.sh [BUILD [CIFAR]]: all that needs a GPU, in less than 8 minutes: the goldens on it, the same
# bits twice, memory errors, how fast it is layer by layer, PyTorch on the same GPU, and a training by
# --recipe fast on the folder CIFAR, a data set. BUILD is one with tests and the plugin (default:
# build), or what scripts/gpu_pack.sh packed. What comes out goes to out/gpu, and is printed: gpu.md
# is the page for docs/results. The last line counts what failed. QUICK=1 takes small networks: with VGG_CUDA_PLUGIN that of the double
# of a GPU, the script is tried without one.
set -u
cd "$(dirname "$0")/.."
root=$PWD
build=$(cd "${1:-build}" && pwd)
cifar=${2:-}
out=$root/out/gpu
python=${PYTHON:-python3}
quick=${QUICK:-}
failed=0
mkdir -p "$out"
begun=$(date +%s)

# The goldens lie where the tests were built, and libraries beside what was packed; cuDNN may be
# Python's.
home=$(sed -n 's/^CMAKE_HOME_DIRECTORY:INTERNAL=//p' "$build/CMakeCache.txt")
if [ ! -e "$home" ]; then
    mkdir -p "$(dirname "$home")" && ln -s "$root" "$home"
fi
for folder in "$build/lib" $("$python" -c '
import glob, os, sysconfig
for name in ("libcudnn.so.9", "libcublasLt.so.1*"):
    print(*{os.path.dirname(p) for p in glob.glob(sysconfig.get_paths()["purelib"] + "/nvidia/**/" + name, recursive=True)})
' 2>/dev/null); do
    [ -d "$folder" ] && LD_LIBRARY_PATH=$folder${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}
done
export LD_LIBRARY_PATH VGG_TEST_DEVICE=cuda VGG_CUDA_PLUGIN="${VGG_CUDA_PLUGIN:-$build/libvgg-cuda.so}"

# step NAME SECONDS COMMAND...: runs it with a limit; what it says goes to out/gpu/NAME.txt.
step() {
    name=$1 limit=$2
    shift 2
    started=$(date +%s)
    timeout "$limit" "$@" >"$out/$name.txt" 2>&1
    status=$?
    echo
    echo "== $name: $([ $status -eq 0 ] && echo fine || echo "FAILED with status $status"), $(($(date +%s) - started)) s"
    tail -n "${LINES_SHOWN:-40}" "$out/$name.txt"
    [ $status -eq 0 ] || failed=$((failed + 1))
}

if [ -n "$quick" ]; then
    net="--arch 8,M,16/16 --input 16 --classes 10" batches=8,1 train=8 small="--arch 8,M,16/16 --input 16"
    rows=fast@32to10:b2,train:fast@32to10:b2 programs="vgg f32,vgg bf16"
else
    net="--arch D" batches=256,32,1 train=128 rows=D@224:b256,D@224:b1,train:D@224:b128 programs= small=
fi

same_bits() {
    rm -rf "$out/same" && "$build/vgg" generate "$out/same/data" --train 20 --validation 5 --size 32 || return 1
    for run in one two; do
        # shellcheck disable=SC2086
        "$build/vgg" train "$out/same/data" -o "$out/same/$run" $small --epochs 2 --batch 32 --device cuda --no-report \
            --precision "$1" || return 1
        "$build/vgg" predict --model "$out/same/$run" --device cuda --precision "$1" --format csv --logits \
            "$out/same/data/validation" >"$out/same/$run.csv" || return 1
    done
    cmp "$out/same/one/last.safetensors" "$out/same/two/last.safetensors" && cmp "$out/same/one.csv" "$out/same/two.csv"
}

# A weight that is no number must reach the logits, which the program then refuses to print.
not_a_number() {
    "$python" - "$out/same/one/last.safetensors" "$out/nan.safetensors" <<END || return 1
import json, struct, sys
data = bytearray(open(sys.argv[1], "rb").read())
size, = struct.unpack_from("<Q", data)
header = json.loads(data[8:8 + size])
name = next(n for n in header if n.endswith("weight") and len(header[n]["shape"]) == 4)
at = 8 + size + header[name]["data_offsets"][0]
data[at:at + 4] = struct.pack("<f", float("nan"))
open(sys.argv[2], "wb").write(data)
END
    "$build/vgg" predict --model "$out/nan.safetensors" --device cuda --precision "$1" "$out/same/data/validation" 2>&1 |
        grep "is not a finite number"
}

# check NAME COMMAND...: the same for a function, which knows no limit; what these run is small.
check() {
    name=$1
    shift
    if ("$@") >"$out/$name.txt" 2>&1; then
        echo "== $name: fine"
    else
        echo "== $name: FAILED" && tail -n 5 "$out/$name.txt"
        failed=$((failed + 1))
    fi
}

step gpu 20 sh -c 'nvidia-smi || true'
for precision in f32 bf16; do
    # shellcheck disable=SC2086
    step "first-$precision" 60 "$build/vgg" bench $net --batch 8 --runs 5 --device cuda --precision $precision
done
LINES_SHOWN=8
for name in torch_gradients torch_steps torch_recipes dropout; do
    step "golden-$name" 120 "$build/tests/golden/test_$name"
done
for precision in f32 bf16 f16; do
    check "same-bits-$precision" same_bits $precision
    check "not-a-number-$precision" not_a_number $precision
done
if command -v compute-sanitizer >/dev/null; then
    step memcheck 90 compute-sanitizer --error-exitcode 9 "$build/vgg" bench --arch 8,M,16/16 --input 16 \
        --classes 10 --batch 4 --runs 2 --train --device cuda
fi
LINES_SHOWN=50
for precision in bf16 f16 tf32; do
    # shellcheck disable=SC2086
    step "bench-$precision" 40 "$build/vgg" bench $net --batch $batches --device cuda --precision $precision --seconds 2
done
# shellcheck disable=SC2086
step bench-train 60 "$build/vgg" bench $net --train --batch $train --device cuda --seconds 4
step pytorch 240 "$python" bench/gpu --build "$build" --rows $rows --out "$out/gpu.md" --rounds 3 --device cuda \
    ${programs:+--programs "$programs"}
if [ -n "$cifar" ]; then
    step cifar 120 "$build/vgg" train "$cifar" -o "$out/cifar-run" --recipe fast --device cuda --overwrite
fi
echo
echo "$failed failed, in $(($(date +%s) - begun)) s"
[ $failed -eq 0 ]
