#!/bin/sh
# Makes build-peers with the packages of PyPI that some tests read our files with, beside those of Debian.
# docs/dependencies.md says which tests are skipped without. Captum wants matplotlib, and matplotlib and contourpy
# are the last that do with Debian's NumPy, which another would hide.
set -eu
cd "$(dirname "$0")/.."
# Packages that ask for a torch of their own, and do with Debian's.
alone="lpips==0.1.4 DISTS_pytorch==0.1 grad-cam==1.5.5 ttach==0.0.3 opencv-python-headless==4.11.0.86"
packages="tensorboard==2.20.0 axe-core-python==0.1.0 tritonclient[http]==2.73.0 schemathesis==4.32.5
    safetensors==0.8.0 captum==0.7.0 matplotlib==3.7.5 contourpy==1.2.1"
stamp=build-peers/installed
[ -f "$stamp" ] && [ "$(cat "$stamp")" = "$packages $alone" ] && exit 0
/usr/bin/python3 -m venv --system-site-packages build-peers
# shellcheck disable=SC2086
build-peers/bin/pip install --quiet --disable-pip-version-check $packages
# shellcheck disable=SC2086
build-peers/bin/pip install --quiet --disable-pip-version-check --no-deps $alone
echo "$packages $alone" >"$stamp"
