#!/bin/sh
# Makes build-peers with the packages of PyPI that some tests read our files with, beside those of Debian.
# docs/dependencies.md says which tests are skipped without.
set -eu
cd "$(dirname "$0")/.."
packages="tensorboard==2.20.0 axe-core-python==0.1.0 tritonclient[http]==2.73.0 schemathesis==4.32.5"
stamp=build-peers/installed
[ -f "$stamp" ] && [ "$(cat "$stamp")" = "$packages" ] && exit 0
/usr/bin/python3 -m venv --system-site-packages build-peers
# shellcheck disable=SC2086
build-peers/bin/pip install --quiet --disable-pip-version-check $packages
echo "$packages" >"$stamp"
