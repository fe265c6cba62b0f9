#!/bin/sh
# gpu_pack.sh BUILD OUT.tar.xz: what scripts/gpu.sh needs of a build with tests and the plugin, and
# the libraries that it stands on, for a machine with a GPU that has none of them: CUDA's own, with
# cuDNN, and the C library are left out.
#     tar -xJf OUT.tar.xz && scripts/gpu.sh gpu-build
set -eu
build=$1
out=$2
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
mkdir -p "$folder/gpu-build/src" "$folder/gpu-build/lib" "$folder/gpu-build/tests/golden"

cp "$build/CMakeCache.txt" "$build/vgg" "$build/libvgg-cuda.so" "$folder/gpu-build"
cp -L "$build/src/libvgg.so" "$folder/gpu-build/src"
for name in torch_gradients torch_steps torch_recipes dropout; do
    cp "$build/tests/golden/test_$name" "$folder/gpu-build/tests/golden"
done
# "name => path (address)"; the C library's own parts must be those of the machine.
ldd "$build/vgg" "$build/src/libvgg.so" "$build/tests/golden/test_torch_steps" |
    sed -n 's/^\t\(lib[^ ]*\) => \(\/[^ ]*\) .*/\1 \2/p' | sort -u |
    grep -Ev '^lib(c|m|dl|rt|pthread|stdc\+\+|gcc_s)\.so' |
    while read -r name path; do
        cp -L "$path" "$folder/gpu-build/lib/$name"
    done
strip --strip-unneeded "$folder"/gpu-build/tests/golden/* "$folder/gpu-build/vgg"
tar -cJf "$out" -C "$folder" gpu-build
ls -l "$out"
