#!/bin/sh
# Removes what `cmake --install` of a build folder puts below a prefix, and the folders that are the
# library's own, when nothing else is in them. DESTDIR stands before the prefix, as in CMake.
#   scripts/uninstall.sh BUILD PREFIX
set -eu

into="${DESTDIR:-}"
staged=$(mktemp -d)
trap 'rm -rf "$staged"' EXIT
DESTDIR="$staged" cmake --install "$1" --prefix "$2" >/dev/null
cd "$staged"
find . ! -type d | while IFS= read -r file; do
    echo "-- Removing: $into${file#.}"
    rm -f "$into${file#.}"
done
find . -depth -type d -name vgg | while IFS= read -r folder; do
    [ ! -d "$into${folder#.}" ] || rmdir --ignore-fail-on-non-empty "$into${folder#.}"
done
