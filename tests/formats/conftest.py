"""Files of other programs, written here by those programs; a test is skipped when its program is not
installed. The path of vgg is in the environment variable VGG, build/vgg by default."""

import json
import os
import pathlib
import subprocess
import sys

import pytest

REPOSITORY = pathlib.Path(__file__).resolve().parents[2]
PROGRAM = os.path.abspath(os.environ.get("VGG", REPOSITORY / "build" / "vgg"))
COLOUR = (200, 90, 30)

sys.path.insert(0, str(REPOSITORY / "tests" / "faults"))


def vgg(*arguments):
    """Standard output of a command that must succeed without a word on standard error."""
    done = subprocess.run([PROGRAM, *map(str, arguments)], capture_output=True, text=True,
                          timeout=60, check=False)
    assert (done.returncode, done.stderr) == (0, ""), done
    return done.stdout


@pytest.fixture
def picture(tmp_path):
    """One colour, so that no resizing changes it: every pixel of an input is COLOUR."""
    path = tmp_path / "picture.ppm"
    path.write_bytes(b"P6\n40 30\n255\n" + bytes(COLOUR) * 1200)
    return path


@pytest.fixture
def scores(picture):
    """The probabilities of all classes that vgg predict gives for the picture, in order."""
    def predict(model, classes, *options):
        rows = json.loads(vgg("predict", "--model", model, picture, "--format", "json",
                              "--top", classes, *options))[0]["predictions"]
        assert len(rows) == classes
        return [row["probability"] for row in sorted(rows, key=lambda row: row["index"])]

    return predict
