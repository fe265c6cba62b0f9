"""vgg inspect on ONNX models whose graph is no VGG network: their tensors are listed all the same."""

import json
import struct

import onnx_bytes as onnx
import pytest
from conftest import fails, run


def floats(*values):
    return struct.pack(f"<{len(values)}f", *values)


def strided(stride):
    weight = onnx.tensor("stem.w", (2, 3, 3, 3), floats(*[0.5] * 54))
    bias = onnx.tensor("stem.b", (2,), floats(1, float("nan")))
    index = onnx.tensor("axes", (1,), struct.pack("<q", 1), kind=7)
    conv = onnx.node("Conv", ["input", "stem.w", "stem.b"], "x", pads=[1, 1, 1, 1],
                     strides=[stride, stride])
    return onnx.model([conv], [weight, bias, index], "x")


@pytest.fixture
def resnet(tmp_path):
    path = tmp_path / "resnet.onnx"
    path.write_bytes(strided(2))
    return path


def test_tensors_of_another_network(resnet):
    status, out, err = run("inspect", resnet, "--format", "json")
    assert (status, err) == (4, "")
    found = json.loads(out)
    assert found["network"] is None and "stride" in found["network_reason"] and found["graph"]
    assert [(t["stored_name"], t["name"], t["shape"]) for t in found["tensors"]] == [
        ("stem.w", None, [2, 3, 3, 3]), ("stem.b", None, [2])]
    assert [p["kind"] for p in found["problems"]] == ["network", "not-finite"]


def test_it_is_still_no_model(resnet):
    fails("summary", resnet, says=[resnet, "(Conv)", "stride"])


def test_a_damaged_tensor_is_an_error(tmp_path):
    path = tmp_path / "cut.onnx"
    weight = onnx.tensor("w", (2, 3, 3, 3), floats(1, 2, 3))
    conv = onnx.node("Conv", ["input", "w"], "x", pads=[1, 1, 1, 1])
    path.write_bytes(onnx.model([conv], [weight], "x"))
    fails("inspect", path, says=[path, '"w"', "12 bytes"])
