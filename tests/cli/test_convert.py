"""vgg convert: a model in another file, with weights of 16 or 8 bits."""

import json
import os
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
    assert lines[2] == "weights   2,258 values, F32" and lines[4] == "classes   named"


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


@pytest.mark.parametrize("dtype,bound", [("f16", 2e-3), ("bf16", 2e-2)])
def test_halves_of_convolutions(model, picture, tmp_path, dtype, bound):
    small = tmp_path / "small.safetensors"
    vgg("convert", model, small, "--dtype", dtype, "--convolutions")
    types = {name: t["dtype"] for name, t in header(small).items() if name != "__metadata__"}
    assert types["classifier.0.weight"] == types["features.0.weight"] == dtype.upper()
    assert types["features.0.bias"] == "F32"
    exact, rounded = ({entry["index"]: entry["logit"]
                       for entry in scores(file, picture, "--logits", "--top", 10)["predictions"]}
                      for file in (model, small))
    most = max(map(abs, exact.values()))
    assert exact != rounded and all(abs(exact[i] - rounded[i]) <= bound * most for i in exact)
    vgg("convert", small, tmp_path / "again.safetensors")
    assert (tmp_path / "again.safetensors").read_bytes() == small.read_bytes()


@pytest.mark.parametrize("dtype", [(), ("--dtype", "int8-linear"), ("--dtype", "f32")])
def test_convolutions_alone(model, tmp_path, dtype):
    assert "--convolutions: is for --dtype f16 and bf16" in complaint(
        "convert", model, tmp_path / "no.safetensors", "--convolutions", *dtype, status=2)


def test_halves_become_floats_again(model, tmp_path):
    small, wide, again = (tmp_path / f"{n}.safetensors" for n in ("small", "wide", "again"))
    vgg("convert", model, small, "--dtype", "f16")
    vgg("convert", small, wide, "--dtype", "f32")
    vgg("convert", wide, again, "--dtype", "f16")
    assert header(wide)["classifier.0.weight"]["dtype"] == "F32"
    assert again.read_bytes() == small.read_bytes()


def values(path, name):
    """The numbers of a tensor of F32 or I8."""
    data = path.read_bytes()
    (length,) = struct.unpack("<Q", data[:8])
    entry = header(path)[name]
    begin, end = (8 + length + offset for offset in entry["data_offsets"])
    letter = {"F32": "f", "I8": "b"}[entry["dtype"]]
    return [v for (v,) in struct.iter_unpack(f"<{letter}", data[begin:end])]


def test_int8_is_a_scale_and_whole_numbers_per_output(model, picture, tmp_path):
    small = tmp_path / "small.safetensors"
    out = vgg("convert", model, small, "--dtype", "int8-linear").out
    assert "F32, linear layers I8" in out
    entries = header(small)
    metadata = entries.pop("__metadata__")
    assert metadata.pop("vgg.int8") == "per-output"
    assert metadata == header(model)["__metadata__"]
    assert set(entries) - set(header(model)) == {
        "classifier.0.weight_scale", "classifier.3.weight_scale"}
    for name in ("classifier.0.weight", "classifier.3.weight"):
        outputs, inputs = entries[name]["shape"]
        assert entries[name]["dtype"] == "I8"
        assert entries[f"{name}_scale"]["dtype"] == "F32"
        assert entries[f"{name}_scale"]["shape"] == [outputs]
        floats, whole, scales = (values(model, name), values(small, name),
                                 values(small, f"{name}_scale"))
        for o in range(outputs):
            row = slice(o * inputs, (o + 1) * inputs)
            assert max(map(abs, whole[row])) == 127
            assert scales[o] == pytest.approx(max(map(abs, floats[row])) / 127, rel=1e-6)
            for w, q in zip(floats[row], whole[row], strict=True):
                assert abs(w - scales[o] * q) <= 0.5001 * scales[o]
    before, after = scores(model, picture), scores(small, picture)
    for a, b in zip(before["predictions"], after["predictions"], strict=True):
        assert a["index"] == b["index"]
        assert a["probability"] == pytest.approx(b["probability"], abs=0.02)


def test_int8_works_everywhere(model, pictograms, tmp_path):
    small, wide = tmp_path / "small.safetensors", tmp_path / "wide.safetensors"
    vgg("convert", model, small, "--dtype", "int8-linear")
    copy = tmp_path / "copy.safetensors"
    vgg("convert", small, copy)
    assert copy.read_bytes() == small.read_bytes()
    vgg("convert", small, wide, "--dtype", "f32")
    assert "vgg.int8" not in header(wide)["__metadata__"]
    whole, scales = (values(small, f"classifier.3.weight{end}") for end in ("", "_scale"))
    assert values(wide, "classifier.3.weight") == pytest.approx(
        [scales[i // 8] * q for i, q in enumerate(whole)], rel=1e-7)
    found = json.loads(vgg("inspect", small, "--format", "json").out)
    assert found["problems"] == []
    (of_weight,) = (t for t in found["tensors"] if t["name"] == "classifier.3.weight")
    (of_floats,) = (t for t in json.loads(vgg("inspect", wide, "--format", "json").out)["tensors"]
                    if t["name"] == "classifier.3.weight")
    assert of_weight.pop("dtype") == "I8" and of_floats.pop("dtype") == "F32"
    assert of_weight == of_floats
    assert vgg("eval", "--model", small, pictograms).out.startswith("images")
    assert "classifier.0" in vgg("bench", small, "--batch", 1, "--seconds", "0.01").out


@pytest.fixture(scope="module")
def learnt(tmp_path_factory):
    """Pictograms, and a model that knows half of them."""
    data = tmp_path_factory.mktemp("learnt") / "data"
    vgg("generate", data, "--train", 100, "--validation", 10, "--size", 32, "--seed", 3)
    vgg("train", data, "-o", data.parent / "run", "--arch", "16,M,32,M,32,M/64", "--batch-norm",
        "--epochs", 20, "--batch", 16, "--lr", 0.03, "--dropout", 0, "--no-augment", "--seed", 2)
    return data, data.parent / "run" / "last.safetensors"


def test_int8_knows_what_the_network_has_learnt(learnt, tmp_path):
    """Of a hundred new pictures one at most gets another first class, and accuracies and loss move
    by a hundredth at most."""
    (data, before), after = learnt, tmp_path / "int8.safetensors"
    vgg("convert", before, after, "--dtype", "int8-linear")
    wide, small = (json.loads(vgg("eval", "--model", m, data, "--format", "json").out)
                   for m in (before, after))
    assert wide["images"] == 100 and wide["top1"] >= 0.5  # chance: 0.1
    assert small["top1"] == pytest.approx(wide["top1"], abs=0.0101)
    assert small["top5"] == pytest.approx(wide["top5"], abs=0.0101)
    assert small["loss"] != wide["loss"]
    assert small["loss"] == pytest.approx(wide["loss"], rel=0.01)
    pictures = sorted(data.glob("validation/*/*.png"))
    first = [[row["predictions"][0]["index"] for row in json.loads(
        vgg("predict", "--model", m, *pictures, "--top", 1, "--format", "json").out)]
        for m in (before, after)]
    assert sum(a != b for a, b in zip(*first, strict=True)) <= 1


@pytest.mark.parametrize("name", ["net.pth", "net.onnx"])
def test_other_formats_have_no_int8(model, tmp_path, name):
    small, out = tmp_path / "small.safetensors", tmp_path / name
    vgg("convert", model, small, "--dtype", "int8-linear")
    line = complaint("convert", small, out)
    assert str(out) in line and '"classifier.0.weight" has type I8' in line
    assert "expected F32, F16 or BF16" in line and not out.exists()
    vgg("convert", small, out, "--dtype", "f16")


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
    assert "expected f32, f16, bf16, int8-linear or int8" in complaint(
        "convert", model, out, "--dtype", "f8", status=2)
    assert "safetensors" in complaint("convert", model, out, "--format", "gguf", status=2)
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


def test_overwriting_replaces_files_only(model, tmp_path):
    private, link, pipe = tmp_path / "private.pth", tmp_path / "link.pth", tmp_path / "pipe.pth"
    private.write_bytes(b"old")
    private.chmod(0o600)
    link.symlink_to(private)
    vgg("convert", model, link, "--overwrite")
    assert link.is_symlink() and private.stat().st_mode & 0o777 == 0o600
    vgg("inspect", private)
    os.mkfifo(pipe)
    for path, kind in ((pipe, "pipe"), ("/dev/null", "device")):
        for more in ((), ("--overwrite",)):
            line = complaint("convert", model, path, "--format", "pth", *more)
            assert line == f"vgg convert: {path}: is a {kind}, expected a file or a new name"
    assert len(list(tmp_path.iterdir())) == 3


def test_longest_name(model, tmp_path):
    vgg("convert", model, tmp_path / ("x" * 251 + ".pth"))
    line = complaint("convert", model, tmp_path / ("x" * 252 + ".pth"))
    assert "File name too long" in line


def test_int8_needs_pictures(model, tmp_path):
    out = tmp_path / "out.safetensors"
    line = complaint("convert", model, out, "--dtype", "int8", status=2)
    assert "--calibrate" in line and "int8-linear" in line and not out.exists()
    assert "--calibrate: is for --dtype int8" in complaint(
        "convert", model, out, "--dtype", "f16", "--calibrate", tmp_path, status=2)
    for name, more in (("out.pth", ()), ("out.safetensors", ("--names-from", model))):
        assert "--dtype int8: is for safetensors" in complaint(
            "convert", model, tmp_path / name, "--dtype", "int8", "--calibrate", tmp_path, *more, status=2)


def test_int8_of_a_whole_network(learnt, tmp_path):
    """Of a hundred new pictures two at most get another first class."""
    (data, before), after = learnt, tmp_path / "int8.safetensors"
    out = vgg("convert", before, after, "--dtype", "int8", "--calibrate", data / "train").out
    assert "calibrated on 128 pictures" in out and "in int8" in out
    entries = header(after)
    assert entries["__metadata__"]["vgg.int8_convolutions"] == "per-point"
    assert entries["__metadata__"]["vgg.format_version"] == "2"
    copy = tmp_path / "copy.safetensors"
    vgg("convert", after, copy)
    assert copy.read_bytes() == after.read_bytes()
    assert "moves logits by" in vgg("inspect", after).out
    found = json.loads(vgg("inspect", after, "--format", "json").out)["int8"]
    assert found and {layer["layer"] for layer in found} <= {"features.4", "features.8"}
    assert all(l["tile"] in (1, 2, 4) and 0 < l["error"] < 0.1 and l["cost"] > 0 for l in found)
    assert json.loads(vgg("inspect", before, "--format", "json").out)["int8"] == []
    pictures = sorted(data.glob("validation/*/*.png"))
    first = [[row["predictions"][0]["index"] for row in json.loads(
        vgg("predict", "--model", m, *pictures, "--top", 1, "--format", "json").out)]
        for m in (before, after)]
    assert len(first[0]) == 100 and len(set(first[0])) > 3
    assert sum(a != b for a, b in zip(*first, strict=True)) <= 2
    assert "int8" in complaint("convert", after, tmp_path / "no.pth")
    linear = tmp_path / "linear.safetensors"
    vgg("convert", after, linear, "--dtype", "int8-linear")
    assert json.loads(vgg("inspect", linear, "--format", "json").out)["int8"] == []
    vgg("convert", after, tmp_path / "floats.pth", "--dtype", "f32")
