"""300 broken safetensors files of each kind: each is read, or refused in one line; nothing crashes, hangs
or, in a build with the sanitizers, leaks. What is broken among the values goes unseen."""

import struct

import caffe_files
import model_files
import mutate
import pytest
from conftest import run

METADATA = {"format": "pt", "vgg.format_version": "1", "vgg.arch": "3,M,4,4,M/6", "vgg.layout": "paper",
            "vgg.batch_norm": "true", "vgg.input": "3x8x8", "vgg.dropout": "0.5", "note": "é"}
KINDS = {"plain": (False, None), "bn": (True, METADATA)}


def whole(kind, path):
    batch_norm, metadata = KINDS[kind]
    network = caffe_files.Network(((3,), (4, 4)), (6,), 5, 8, batch_norm=batch_norm)
    model_files.write(path, *model_files.lay_out(network.tensors(), metadata))
    return ("--arch", network.arch(), "--layout", "paper", "--input", network.side), path.read_bytes()


@pytest.mark.parametrize("kind", KINDS)
def test_mutations(kind, tmp_path):
    path = tmp_path / "broken.safetensors"
    told, data = whole(kind, path)
    assert run("summary", path, *told)[0] == 0
    (size,) = struct.unpack("<Q", data[:8])
    # The header's length, its strings and numbers, and where the values begin.
    marks = [at for at, byte in enumerate(data[:8 + size]) if byte in b'"[{']
    boundaries = [0, 8, *marks, 8 + size, len(data)]
    mutate.check_mutations(path, data, boundaries, *told, refused=150)
