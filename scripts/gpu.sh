#!/bin/sh
# gpu.sh [BUILD [CIFAR]]: all that needs a GPU, in less than 8 minutes: the goldens on it, the same
# bits twice, memory errors, how fast it is layer by layer, PyTorch on the same GPU, and a training by
# --recipe fast on the folder CIFAR, a data set. BUILD is one with tests and the plugin (default:
# build), or what scripts/gpu_pack.sh packed. What comes out goes to out/gpu, and is printed; the
# last line counts what failed. QUICK=1 takes small networks: with VGG_CUDA_PLUGIN that of the double
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

step gpu 20 sh -c 'nvidia-smi || true'
# shellcheck disable=SC2086
step first 60 "$build/vgg" bench $net --batch 8 --runs 5 --device cuda
LINES_SHOWN=8
for name in torch_gradients torch_steps torch_recipes dropout; do
    step "golden-$name" 60 "$build/tests/golden/test_$name"
done
for precision in f32 bf16 f16; do
    # A shell function knows no limit of its own; what it runs is small.
    if (same_bits $precision) >"$out/same-$precision.txt" 2>&1; then
        echo "== same bits in $precision: fine"
    else
        echo "== same bits in $precision: FAILED" && tail -n 5 "$out/same-$precision.txt"
        failed=$((failed + 1))
    fi
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
