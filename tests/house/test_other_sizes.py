"""A program that was compiled against headers whose structs are shorter (an older library's) or longer
(a newer one's) runs against this library, does the same, and is told when it asks for what this
library does not have."""
import os
import pathlib
import re
import shutil
import subprocess

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("VGG_BUILD", ROOT / "build"))
PROGRAM = ROOT / "tests/house/programs/sizes.c"
STRUCT = re.compile(r"(typedef struct (vgg_\w+) \{\n)(\s*size_t struct_size;.*?)(\n\} \2;)", re.DOTALL)
OPTIONS = ("network", "dataset", "loader", "predictor", "eval", "train", "save", "model")


def cache(name):
    for line in (BUILD / "CMakeCache.txt").read_text().splitlines():
        if line.startswith(name + ":"):
            return line.partition("=")[2]
    return ""


pytestmark = pytest.mark.skipif(cache("VGG_SANITIZE") != "",
                                reason="a sanitized library needs a sanitized program")


def without_last_member(match):
    """A struct's last declaration, with its comments, is gone."""
    body = re.sub(r"/\*.*?\*/", "", match[3], flags=re.DOTALL).rstrip()
    declarations = re.findall(r"[^;{}]*(?:\([^;]*\))?;", body, re.DOTALL)
    return match[1] + "".join(declarations[:-1]) + match[4]


def with_more(match):
    return match[1] + match[3] + "\n    double later[4];" + match[4]


CHANGES = {"same": lambda match: match[0], "shorter": without_last_member, "longer": with_more}


@pytest.fixture(scope="module")
def programs(tmp_path_factory):
    """The program by the name of the change that its headers went through."""
    folder = tmp_path_factory.mktemp("sizes")
    library = next(BUILD.rglob("libvgg.so")).parent
    for name, change in CHANGES.items():
        shutil.copytree(ROOT / "include", folder / name)
        changed = 0
        for header in (folder / name / "vgg").glob("*.h"):
            text, count = STRUCT.subn(change, header.read_text())
            header.write_text(text)
            changed += count
        assert changed > 20
        out = subprocess.run(
            ["cc", "-std=c11", "-Wall", "-Wextra", "-Werror", f"-I{folder / name}",
             *(["-DLONGER"] if name == "longer" else []), PROGRAM, "-o", folder / f"{name}.bin",
             f"-L{library}", "-lvgg", f"-Wl,-rpath,{library}"], capture_output=True, text=True)
        assert out.returncode == 0, out.stderr
    return {name: folder / f"{name}.bin" for name in CHANGES}


def run(program, folder, *more):
    return subprocess.run([program, folder, *more], capture_output=True, text=True, timeout=120)


@pytest.mark.parametrize("change", ["shorter", "longer"])
def test_programs_do_the_same(programs, change, tmp_path):
    (tmp_path / "same").mkdir()
    (tmp_path / change).mkdir()
    expected = run(programs["same"], tmp_path / "same")
    found = run(programs[change], tmp_path / change)
    assert expected.returncode == 0, expected.stdout
    assert found.stdout == expected.stdout
    assert found.returncode == 0


@pytest.mark.parametrize("name", [*(f"{kind}_options" for kind in OPTIONS), "preprocess", "augment"])
def test_what_this_library_lacks_is_refused(programs, name, tmp_path):
    found = run(programs["longer"], tmp_path, name)
    assert found.returncode == 3, found.stdout
    last = found.stdout.splitlines()[-1]
    assert last.startswith(f"VGG_ERROR_ARGUMENT: vgg_{name} of ") and "is not zero" in last
