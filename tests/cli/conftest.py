"""Running the program: the path is in the environment variable VGG, build/vgg by default."""

import os
import pathlib
import sys

import pytest

REPOSITORY = pathlib.Path(__file__).resolve().parents[2]
PROGRAM = os.path.abspath(os.environ.get("VGG", REPOSITORY / "build" / "vgg"))
sys.path.insert(0, str(REPOSITORY / "tests" / "support"))

import forks  # noqa: E402

TIMEOUT = 120

# A network that learns next to nothing, but in no time.
TINY = ("--arch", "4,M/8", "--batch", "8", "--threads", "2", "--workers", "2")


class Result:
    def __init__(self, status, out, err):
        self.status, self.out, self.err = status, out, err


def environment(**more):
    plain = {"LC_ALL": "C", "TERM": "xterm"}
    return {**os.environ, **plain, **more}


def vgg(*arguments, status=0, stdin=b"", cwd=None, env=None):
    """Runs the program, and checks its exit status and that an error is one line that names it."""
    done = forks.run(arguments, input=stdin, cwd=cwd, env=environment(**(env or {})), timeout=TIMEOUT)
    out = done.stdout.decode(errors="surrogateescape")
    err = done.stderr.decode(errors="surrogateescape")
    assert done.returncode == status, f"status {done.returncode}, expected {status}\n{out}\n{err}"
    if status in (1, 2) and arguments:
        assert err.startswith("vgg")
    return Result(done.returncode, out, err)


def complaint(*arguments, status=1, **options):
    """The one line on standard error of a command that must fail."""
    result = vgg(*arguments, status=status, **options)
    lines = result.err.splitlines()
    assert len(lines) == 1, result.err
    return lines[0]


@pytest.fixture(scope="session")
def pictograms(tmp_path_factory):
    """Ten classes of four pictures to learn from and two to check with, 16 x 16."""
    folder = tmp_path_factory.mktemp("data") / "pictograms"
    vgg("generate", folder, "--train", 4, "--validation", 2, "--size", 16, "--seed", 3)
    return folder


@pytest.fixture(scope="session")
def trained(pictograms, tmp_path_factory):
    """The folder of a run on the pictograms."""
    run = tmp_path_factory.mktemp("runs") / "run"
    vgg("train", pictograms, "-o", run, *TINY, "--epochs", 2)
    return run


@pytest.fixture(scope="session")
def model(trained):
    return trained / "last.safetensors"


@pytest.fixture
def spoilt(pictograms, tmp_path):
    """A copy of the pictograms with one unreadable picture in each part."""
    import shutil

    folder = tmp_path / "spoilt"
    shutil.copytree(pictograms, folder)
    for part in ("train", "validation"):
        (folder / part / "circle" / "0000.png").write_bytes(b"\x89PNG\r\n\x1a\nand no more")
    return folder
