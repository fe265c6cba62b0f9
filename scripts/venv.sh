#!/bin/sh
# Makes tests/venv with the packages of PyPI that some tests read our files with, beside those of Debian.
# docs/dependencies.md says which tests are skipped without.
set -eu
cd "$(dirname "$0")/.."
packages="tensorboard==2.20.0 axe-core-python==0.1.0"
stamp=tests/venv/installed
[ -f "$stamp" ] && [ "$(cat "$stamp")" = "$packages" ] && exit 0
/usr/bin/python3 -m venv --system-site-packages tests/venv
# shellcheck disable=SC2086
tests/venv/bin/pip install --quiet --disable-pip-version-check $packages
echo "$packages" >"$stamp"
