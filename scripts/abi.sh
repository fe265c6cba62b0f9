#!/bin/sh
# abi.sh [INCLUDE SONAME OUT]: writes libabigail's dump of the binary interface that the headers in
# INCLUDE declare. Without arguments it is that of this version, which tests/house/test_abi.py keeps.
#
# The library exports what its headers declare and nothing else (tests/house/test_exports.py), so
# that the dump is its own. It is not made from the library, but from one of the same functions
# without their insides: that takes a moment, and nothing of a machine, a compiler's flags or a
# build folder comes into it.
set -eu

root=$(dirname "$0")/..
if [ $# -eq 0 ]; then
    minor=$(sed -n 's/^#define VGG_VERSION_MINOR //p' "$root/include/vgg/status.h")
    set -- "$root/include" "libvgg.so.0.$minor" "$root/tests/house/abi/0.$minor.abi"
fi
include=$1
soname=$2
out=$3
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

# Each declared function gets a body.
echo '#include <vgg/vgg.h>' | cc -std=c11 -E -P -I"$include" - | tr '\n' ' ' |
    sed 's/\(__attribute__((visibility("default")))[^;]*\);/\n\1 { __builtin_trap(); }\n/g' \
        >"$folder/abi.c"
(cd "$folder" &&
    cc -std=c11 -g -O0 -w -fPIC -shared -nostdlib -Wl,-soname,"$soname" -o abi.so abi.c)
abidw --no-corpus-path --no-comp-dir-path --no-show-locs --no-elf-needed --no-parameter-names \
    --type-id-style hash --out-file "$out" "$folder/abi.so"
