#!/bin/sh
# Installs the Debian packages that the named purposes need and that are missing, saying which.
# docs/dependencies.md says why each.
set -eu

build="gcc libc6-dev cmake ninja-build pkg-config libjpeg62-turbo-dev libpng-dev libwebp-dev
    libgif-dev libtiff-dev zlib1g-dev libarchive-dev libjansson-dev libzip-dev libprotobuf-c-dev protobuf-c-compiler
    libmicrohttpd-dev"
test="g++ libheif-dev libcairo2-dev curl libcmocka-dev clang-format-16 abigail-tools
    python3 python3-pytest python3-numpy python3-pil python3-yaml"
clang="clang libclang-rt-14-dev"
valgrind="valgrind"
fuzz="python3 python3-h5py"
browser="chromium chromium-driver python3-selenium"
venv="python3-venv"
torch="python3-torch python3-h5py"
figures="python3-sklearn python3-scipy"

missing=""
for purpose in "$@"; do
    eval "packages=\$$purpose"
    for package in $packages; do
        dpkg-query -W -f='${Status}' "$package" 2>/dev/null | grep -q ' installed$' ||
            missing="$missing $package"
    done
done
[ -n "$missing" ] || exit 0

as_root=""
if [ "$(id -u)" -ne 0 ]; then
    if ! command -v sudo >/dev/null; then
        echo "These packages are missing, and there is no sudo to install them:$missing" >&2
        exit 1
    fi
    as_root="sudo"
fi
echo "Installing missing packages:$missing"
$as_root apt-get update -qq
# shellcheck disable=SC2086
$as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing \
    >/dev/null
