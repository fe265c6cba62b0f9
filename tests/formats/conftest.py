"""Model files as other programs write and read them; the program's path is in the environment variable
VGG, build/vgg by default."""

import json
import os
import pathlib
import struct
import subprocess

import pytest

REPOSITORY = pathlib.Path(__file__).resolve().parents[2]
PROGRAM = os.path.abspath(os.environ.get("VGG", REPOSITORY / "build" / "vgg"))
TIMEOUT = 300


def run(*arguments):
    """The exit status, standard output and standard error."""
    done = subprocess.run([PROGRAM, *map(str, arguments)], capture_output=True, text=True,
                          stdin=subprocess.DEVNULL, timeout=TIMEOUT, check=False,
                          env={**os.environ, "LC_ALL": "C"})
    return done.returncode, done.stdout, done.stderr


def vgg(*arguments):
    """Standard output of a command that must succeed."""
    status, out, err = run(*arguments)
    assert status == 0, err
    return out


def refused(*arguments):
    """The one line of a command that must fail."""
    status, out, err = run(*arguments)
    assert status == 1 and out == "", (status, out, err)
    assert len(err.splitlines()) == 1, err
    return err


def scores(model, picture, *arguments):
    """The logits of all classes, in the order of the classes."""
    text = vgg("predict", "--model", model, "--format", "json", "--logits", "--top", 100000,
               *arguments, picture)
    predictions = json.loads(text)[0]["predictions"]
    return [p["logit"] for p in sorted(predictions, key=lambda p: p["index"])]


def write_safetensors(path, tensors, metadata=None):
    """tensors: a dictionary of numpy arrays of float32."""
    header = {} if metadata is None else {"__metadata__": metadata}
    end = 0
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
def picture(tmp_path_factory):
    """A picture of 40 x 40 pixels, all different."""
    path = tmp_path_factory.mktemp("picture") / "picture.ppm"
    pixels = bytes((7 * i + i // 120 * 31) % 256 for i in range(40 * 40 * 3))
    path.write_bytes(b"P6\n40 40\n255\n" + pixels)
    return path
