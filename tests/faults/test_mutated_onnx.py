"""300 broken ONNX models: each is read, or refused in one line; nothing crashes, hangs or, in a build with
the sanitizers, leaks."""

import struct

import model_files
import mutate
import onnx_bytes
import pytest
from conftest import run

# Fields that are messages, by the message they are in.
INNER = {"model": {7: "graph", 14: "entry"}, "graph": {1: "node", 5: "tensor", 11: "value"},
         "node": {5: "attribute"}, "attribute": {5: "tensor"}}


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A small network with every kind of layer."""
    folder = tmp_path_factory.mktemp("onnx")
    tensors, index, channels = [], 0, 3

    def put(name, *shape):
        count = 1
        for size in shape:
            count *= size
        tensors.append((name, "F32", list(shape), struct.pack("<f", 0.5) * count))

    for width, layers in ((4, 1), (6, 2)):
        put(f"features.{index}.weight", width, channels, 3, 3)
        put(f"features.{index}.bias", width)
        for field in ("weight", "bias", "running_mean", "running_var"):
            put(f"features.{index + 1}.{field}", width)
        index, channels = index + 3 + layers, width
    put("classifier.0.weight", 5, 6 * 2 * 2)
    put("classifier.0.bias", 5)
    source, out = folder / "net.safetensors", folder / "net.onnx"
    model_files.write(source, *model_files.lay_out(tensors))
    status, _, err = run("convert", source, out, "--arch", "4,M,6,L,M", "--layout", "paper",
                         "--input", 8, "--preprocess", "unit", "--softmax")
    assert status == 0, err
    return out.read_bytes()


def test_mutations(whole, tmp_path):
    boundaries = list(onnx_bytes.boundaries(whole, INNER, "model"))
    assert len(boundaries) > 150
    mutate.check_mutations(tmp_path / "broken.onnx", whole, boundaries, refused=150)


def test_whole(whole, tmp_path):
    path = tmp_path / "whole.onnx"
    path.write_bytes(whole)
    status, out, err = run("summary", path)
    assert status == 0 and "LocalResponseNorm" in out, err
