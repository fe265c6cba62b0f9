"""300 broken Caffe models of each kind: each is read, or refused in one line; nothing crashes, hangs or,
in a build with the sanitizers, leaks."""

import caffe_files
import mutate
import onnx_bytes
import pytest
from conftest import run

# Fields that are messages, by the message they are in.
INNER = {"net": {2: "v1", 100: "layer"},
         "v1": {6: "blob", 10: "numbers", 17: "numbers", 19: "numbers"},
         "layer": {7: "blob", 106: "numbers", 117: "numbers", 121: "numbers", 139: "numbers",
                   142: "numbers", 143: "input"},
         "blob": {7: "numbers"}, "input": {1: "numbers"}}


def network(batch_norm=False):
    return caffe_files.Network(((3,), (4, 4)), (6,), 5, 8, batch_norm=batch_norm)


FILES = {
    "v1": lambda: caffe_files.caffe_model(
        caffe_files.caffe_layers(network(), True, legacy=True), caffe_files.input_dims(8)),
    "layer": lambda: caffe_files.caffe_model(
        caffe_files.caffe_layers(network(True), eps=1e-3, factor=3.0)),
    "unpacked": lambda: caffe_files.caffe_model(
        caffe_files.caffe_layers(network(), store=caffe_files.in_two, double=True)),
    "bare": lambda: caffe_files.caffe_model(caffe_files.caffe_layers(network(), True, bare=True)),
}


@pytest.mark.parametrize("kind", FILES)
def test_whole(kind, tmp_path):
    path = tmp_path / "whole.caffemodel"
    path.write_bytes(FILES[kind]())
    status, out, err = run("summary", path)
    assert status == 0 and "Linear" in out, err


@pytest.mark.parametrize("kind", FILES)
def test_mutations(kind, tmp_path):
    whole = FILES[kind]()
    boundaries = list(onnx_bytes.boundaries(whole, INNER, "net"))
    assert len(boundaries) > 100
    mutate.check_mutations(tmp_path / "broken.caffemodel", whole, boundaries, refused=150)
