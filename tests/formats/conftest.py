"""Files of other programs, written here by those programs; a test is skipped when its program is not
installed. The path of vgg is in the environment variable VGG, build/vgg by default."""

import json
import os
import pathlib
import struct
import subprocess
import sys

import pytest

REPOSITORY = pathlib.Path(__file__).resolve().parents[2]
PROGRAM = os.path.abspath(os.environ.get("VGG", REPOSITORY / "build" / "vgg"))
COLOUR = (200, 90, 30)

sys.path[:0] = [str(REPOSITORY / "tests" / folder) for folder in ("faults", "support")]

import forks  # noqa: E402


def ran(*arguments):
    """What subprocess.run returns, with the output as text."""
    done = forks.run(arguments, timeout=60)
    return subprocess.CompletedProcess(done.args, done.returncode, done.stdout.decode(), done.stderr.decode())


def vgg(*arguments):
    """Standard output of a command that must succeed without a word on standard error."""
    done = ran(*arguments)
    assert (done.returncode, done.stderr) == (0, ""), done
    return done.stdout


def inspected(*arguments, status=0):
    """What vgg inspect finds; the status is 4 where it finds problems."""
    done = ran("inspect", "--format", "json", *arguments)
    assert (done.returncode, done.stderr) == (status, ""), done
    return json.loads(done.stdout)


def refused(*arguments):
    """The one line of a command that must fail."""
    done = ran(*arguments)
    assert (done.returncode, done.stdout) == (1, ""), done
    assert len(done.stderr.splitlines()) == 1, done
    return done.stderr


LOGITS = ("predict", "--format", "json", "--logits", "--top", 100000, "--model")


def in_order(text):
    predictions = json.loads(text)[0]["predictions"]
    return [p["logit"] for p in sorted(predictions, key=lambda p: p["index"])]


def logits(model, picture, *arguments):
    """What vgg predict gives for all classes before the softmax, in order."""
    return in_order(vgg(*LOGITS, model, *arguments, picture))


def logits_by_convention(preset, model, picture, *arguments):
    """The same for a file of a kind that is preprocessed by convention, which is said."""
    done = ran(*LOGITS, model, *arguments, picture)
    assert done.returncode == 0, done
    lines = done.stderr.splitlines()
    assert f"assumed {preset}, as is usual" in lines[0]
    assert all("does not say all; assumed " in line for line in lines[1:])
    return in_order(done.stdout)


def logits_assumed(model, picture, *arguments):
    """What vgg predict gives of a file whose network is read off names and shapes, which is said."""
    done = ran(*LOGITS, model, *arguments, picture)
    assert done.returncode == 0 and "does not say all; assumed " in done.stderr, done
    assert len(done.stderr.splitlines()) == 1
    return in_order(done.stdout)


def write_safetensors(path, tensors):
    """tensors: a dictionary of numpy arrays of float32."""
    header, end = {}, 0
    for name, array in tensors.items():
        begin, end = end, end + array.nbytes
        header[name] = {"dtype": "F32", "shape": list(array.shape), "data_offsets": [begin, end]}
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        for array in tensors.values():
            file.write(array.astype("<f4").tobytes())


@pytest.fixture(scope="session")
def noise(tmp_path_factory):
    """A picture of 40 x 40 pixels, all different."""
    path = tmp_path_factory.mktemp("noise") / "noise.ppm"
    pixels = bytes((7 * i + i // 120 * 31) % 256 for i in range(40 * 40 * 3))
    path.write_bytes(b"P6\n40 40\n255\n" + pixels)
    return path


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
