"""vgg convert: a model in another file, with weights of 16 bits."""

import json
import struct

import pytest
from conftest import complaint, vgg


def header(path):
    data = path.read_bytes()
    (length,) = struct.unpack("<Q", data[:8])
    return json.loads(data[8 : 8 + length])


def scores(model, picture, *more):
    out = vgg("predict", "--model", model, picture, "--format", "json", *more).out
    return json.loads(out)[0]


@pytest.fixture
def picture(pictograms):
    return sorted((pictograms / "validation").glob("*/*.png"))[0]


def test_a_copy_has_the_same_bytes(model, tmp_path):
    copy = tmp_path / "copy.safetensors"
    out = vgg("convert", model, copy).out
    assert copy.read_bytes() == model.read_bytes()
    lines = out.splitlines()
    assert lines[0].startswith(f"{model} (safetensors) -> {copy} (")
    assert lines[1] == "network   4,M/8, paper layout, 3x16x16, 10 classes"
    assert lines[2] == "weights   2,258, F32" and lines[4] == "classes   named"


@pytest.mark.parametrize("dtype", ["f16", "bf16"])
def test_halves_are_of_linear_layers(model, picture, tmp_path, dtype):
    small = tmp_path / "small.safetensors"
    out = vgg("convert", model, small, "--dtype", dtype).out
    assert f"F32, linear layers {dtype.upper()}" in out
    types = {name: t["dtype"] for name, t in header(small).items() if name != "__metadata__"}
    assert types["classifier.0.weight"] == types["classifier.3.weight"] == dtype.upper()
    assert types["features.0.weight"] == types["classifier.0.bias"] == "F32"
    assert header(small)["__metadata__"] == header(model)["__metadata__"]
    before, after = scores(model, picture), scores(small, picture)
    for a, b in zip(before["predictions"], after["predictions"]):
        assert a["index"] == b["index"] and a["probability"] == pytest.approx(b["probability"], abs=0.02)


def test_halves_become_floats_again(model, tmp_path):
    small, wide, again = (tmp_path / f"{n}.safetensors" for n in ("small", "wide", "again"))
    vgg("convert", model, small, "--dtype", "f16")
    vgg("convert", small, wide, "--dtype", "f32")
    vgg("convert", wide, again, "--dtype", "f16")
    assert header(wide)["classifier.0.weight"]["dtype"] == "F32"
    assert again.read_bytes() == small.read_bytes()


def test_what_the_file_does_not_say_can_be_told(model, tmp_path):
    names = tmp_path / "names.txt"
    names.write_text("".join(f"thing {i}\n" for i in range(10)))
    out = tmp_path / "named.safetensors"
    vgg("convert", model, out, "--preprocess", "unit", "--labels", names)
    metadata = header(out)["__metadata__"]
    assert json.loads(metadata["vgg.classes"])[3] == "thing 3"
    assert json.loads(metadata["vgg.preprocess"])["name"] == "unit"


def test_nothing_is_replaced_unasked(model, tmp_path):
    there = tmp_path / "there.safetensors"
    there.write_text("mine")
    line = complaint("convert", model, there)
    assert line == f"vgg convert: {there}: is there already; --overwrite replaces it"
    assert there.read_text() == "mine"
    vgg("convert", model, there, "--overwrite")
    assert there.read_bytes() == model.read_bytes()


def test_a_model_may_replace_itself(model, tmp_path):
    path = tmp_path / "model.safetensors"
    path.write_bytes(model.read_bytes())
    vgg("convert", path, path, "--dtype", "f16", "--overwrite")
    assert header(path)["classifier.0.weight"]["dtype"] == "F16"


def test_complaints(model, tmp_path):
    out = tmp_path / "out.safetensors"
    assert "expected f32, f16 or bf16" in complaint("convert", model, out, "--dtype", "f8", status=2)
    assert "safetensors" in complaint("convert", model, out, "--format", "gguf")
    assert "cannot open" in complaint("convert", tmp_path / "none.safetensors", out)
    assert "IN or OUT is missing" in complaint("convert", model, status=2)
    nowhere = complaint("convert", model, tmp_path / "no" / "out.safetensors")
    assert str(tmp_path / "no") in nowhere
    assert not out.exists()


def test_classes_are_counted(model, tmp_path):
    out = tmp_path / "out.safetensors"
    line = complaint("convert", model, out, "--classes", 1000)
    assert line == (f'vgg convert: {model}: has 10 classes, by its tensor "classifier.3.weight", '
                    "expected 1000")
    assert not out.exists()
    assert "network   4,M/8, paper layout, 3x16x16, 10 classes" in vgg(
        "convert", model, out, "--classes", 10).out
