#!/bin/sh
# Prints the size of a program that loads a model from memory and predicts, linked with the library that
# leaves out whatever can be left out: stripped, libvgg.a in it, the others shared. Two lines: with the
# kernels of every tier, and with the portable ones alone.
set -eu
cd "$(dirname "$0")/.."
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
parts=$(sed -n 's/^option(\(VGG_WITH_[A-Z]*\).*/-D\1=OFF/p' cmake/parts.cmake)
for portable in OFF ON; do
    build=$folder/$portable
    # shellcheck disable=SC2086 # $parts is a list of words
    cmake -S . -B "$build" -G Ninja -DVGG_BUILD_TESTS=OFF -DVGG_PORTABLE=$portable $parts \
        -DCMAKE_C_FLAGS="-ffunction-sections -fdata-sections" >"$folder/log"
    cmake --build "$build" --target vgg >>"$folder/log"
    cc -O2 -s -Wl,--gc-sections -Iinclude examples/load_memory.c "$build/src/libvgg.a" -ljansson -lm -pthread \
        -o "$build/load_memory"
    printf '%s %s bytes\n' "$([ $portable = ON ] && echo 'portable kernels:' || echo 'all kernels:     ')" \
        "$(stat -c %s "$build/load_memory")"
done
