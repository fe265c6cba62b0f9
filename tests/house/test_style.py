"""Small rules that keep the house readable."""
import pathlib
import re
import shutil
import subprocess

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]


def code():
    return sorted(p for folder in ("include", "src", "cli", "examples", "tests")
                  for p in (ROOT / folder).rglob("*") if p.suffix in (".c", ".h"))


def test_files_are_one_sitting():
    long = {str(p.relative_to(ROOT)): n for p in code() if p.name != "imagenet_names.c"
            and (n := len(p.read_text().splitlines())) > 500}
    assert not long


def test_nothing_is_left_open():
    open_ends = re.compile(r"\b(TODO|FIXME|XXX|HACK)\b|#if 0")
    assert not [str(p) for p in code() if open_ends.search(p.read_text())]


def test_no_large_files():
    if shutil.which("git") is None or not (ROOT / ".git").exists():
        pytest.skip("not a git checkout")
    out = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True,
                         check=True).stdout
    large = [name for name in out.split("\0")
             if name and (ROOT / name).is_file() and (ROOT / name).stat().st_size > 6 << 20]
    assert not large
