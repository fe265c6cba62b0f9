"""Model files that are none, broken or of another network, through predict, eval and summary."""

import json
import os
import struct

import model_files
import pytest
from conftest import fails, names, run

SHAPED = "classifier.0.weight"  # 8x256


def taken_apart(path):
    header, body = model_files.read(path)
    return header["__metadata__"], model_files.tensors_of(header, body)


def put_together(path, metadata, tensors):
    model_files.write(path, *model_files.lay_out(tensors, metadata))


def changed(tensors, name, kind=None, shape=None, data=None):
    return [
        (n, kind or k, shape or s, d if data is None else data) if n == name else (n, k, s, d)
        for n, k, s, d in tensors
    ]


def zeros(*shape, size=4):
    count = size
    for side in shape:
        count *= side
    return bytes(count)


# ---- bytes that are no model file: (made from the bytes of a good one, what is said)
FILES = {
    "empty": (lambda good: b"", ["empty", "0 bytes", "safetensors"]),
    "seven": (lambda good: good[:7], ["byte 7", "too short", "safetensors"]),
    "page": (lambda good: b"<!DOCTYPE html><html>not found</html>" * 9, ["HTML", "safetensors"]),
    "hdf5": (lambda good: b"\x89HDF\r\n\x1a\n" + bytes(200), ["HDF5", "expected 8 and 8"]),
    "picture": (lambda good: b"\x89PNG\r\n\x1a\n" + bytes(200), ["expected a weight file"]),
    "git-lfs": (lambda good: b"version https://git-lfs.github.com/spec/v1\noid sha256:1\nsize 9\n",
                ["expected a weight file"]),
    "text": (lambda good: b"hello, this is a text of some length\n", ["expected"]),
    "zeros": (lambda good: bytes(64), ["expected"]),
    "header-2^63": (lambda good: struct.pack("<Q", 1 << 63) + good[8:], [str(1 << 63), "expected"]),
    "header-2^64": (lambda good: b"\xff" * 8 + good[8:], ["18446744073709551615", "expected"]),
    "header-0": (lambda good: bytes(8) + good[8:], ["header"]),
    "cut-header": (lambda good: good[:1000], ["truncated at byte 1000", "expected"]),
    "cut-data": (lambda good: good[:-1000], ["truncated at byte", "expected"]),
    "cut-by-one": (lambda good: good[:-1], ["truncated at byte", "expected"]),
    "longer": (lambda good: good + b"12345", ["5 bytes follow the last tensor", "expected"]),
    "not-json": (lambda good: good[:8] + b"#" + good[9:], ["header", "byte 8"]),
    "json-cut": (lambda good: struct.pack("<Q", 500) + good[8:], ["header", "byte 508"]),
    "array": (lambda good: struct.pack("<Q", 8) + b"[1, 2,3]", ["header"]),
    "deep": (lambda good: struct.pack("<Q", 1 << 20) + b"[" * (1 << 20), ["header"]),
    "latin-1": (lambda good: good.replace(b"training", b"tr\xe4ining", 1), ["header", "byte"]),
}


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("command", ["predict", "summary"])
def test_file(command, name, model, picture, tmp_path):
    path = tmp_path / "model.safetensors"
    make, says = FILES[name]
    data = make(model.read_bytes())
    path.write_bytes(data)
    words = ["--model", path, picture] if command == "predict" else [path]
    (line,) = fails(command, *words, says=[path, *says])
    if name.startswith("cut"):
        assert f"truncated at byte {len(data)}," in line


# ---- headers that contradict themselves: (change of the header, what is said)
def set_entry(key, value):
    def change(header):
        header[SHAPED][key] = value

    return change


HEADERS = {
    "backwards": (set_entry("data_offsets", [8640, 448]), [SHAPED, "backwards", "8640"]),
    "overlap": (set_entry("data_offsets", [440, 8632]), [SHAPED, "byte 440", "inside"]),
    "hole": (lambda header: header.pop(SHAPED), ["bytes 448 to 8640", "no tensor"]),
    "beyond": (set_entry("data_offsets", [1 << 40, (1 << 40) + 8192]), ["byte"]),
    "negative": (set_entry("data_offsets", [-8192, 0]), [SHAPED, "data_offsets", "expected"]),
    "fraction": (set_entry("data_offsets", [448.5, 8640]), [SHAPED, "data_offsets", "expected"]),
    "one-offset": (set_entry("data_offsets", [448]), [SHAPED, "data_offsets", "expected"]),
    "no-offsets": (lambda header: header[SHAPED].pop("data_offsets"), [SHAPED, "data_offsets"]),
    "no-shape": (lambda header: header[SHAPED].pop("shape"), [SHAPED, "shape"]),
    "no-type": (lambda header: header[SHAPED].pop("dtype"), [SHAPED, "dtype"]),
    "size": (set_entry("shape", [8, 255]), [SHAPED, "8192 bytes", "expected 2040 values"]),
    "overflow": (set_entry("shape", [1 << 40, 1 << 40]), [SHAPED, "shape"]),
    "negative-shape": (set_entry("shape", [-8, -256]), [SHAPED, "shape", "expected"]),
    "text-shape": (set_entry("shape", ["8", 256]), [SHAPED, "shape", "expected"]),
    "dimensions": (set_entry("shape", [1] * 40), [SHAPED, "40 sizes", "expected at most"]),
    "integers": (set_entry("dtype", "I32"), [SHAPED, "I32", "F32, F16, BF16 or F64"]),
    "unknown-type": (set_entry("dtype", "F7"), [SHAPED, "F7", "expected"]),
    "entry": (lambda header: header.update({SHAPED: 7}), [SHAPED, "expected"]),
    "metadata": (lambda header: header.update({"__metadata__": 7}), ["__metadata__", "expected"]),
    "metadata-number": (lambda header: header["__metadata__"].update(lr=1), ["lr", "a string"]),
}


@pytest.mark.parametrize("name", HEADERS)
def test_header(name, model, picture, tmp_path):
    path = tmp_path / "model.safetensors"
    header, body = model_files.read(model)
    change, says = HEADERS[name]
    change(header)
    model_files.write(path, header, body)
    fails("predict", "--model", path, picture, says=[path, *says])


# ---- whole files of another network: (change of the tensors, what is said)
TENSORS = {
    "shape": (lambda t: changed(t, SHAPED, shape=[8, 128], data=zeros(8, 128)),
              [SHAPED, "8x128", "8x256"]),
    "turned": (lambda t: changed(t, SHAPED, shape=[256, 8]), [SHAPED, "256x8", "8x256"]),
    "classes": (lambda t: changed(t, "classifier.3.weight", shape=[9, 8], data=zeros(9, 8)),
                ["classifier.3.weight", "9x8", "10x8"]),
    "vector": (lambda t: changed(t, "features.0.bias", shape=[2, 2]),
               ["features.0.bias", "2x2", "expected 4"]),
    "missing": (lambda t: t[:-1], ["classifier.3.bias", "4,M/8"]),
    "extra": (lambda t: [*t, ("features.9.weight", "F32", [2], zeros(2))],
              ["features.9.weight", "4,M/8"]),
    "renamed": (lambda t: [(n.replace("features", "body"), k, s, d) for n, k, s, d in t],
                ["features.0.weight"]),
    "none": (lambda t: [], ["tensors"]),
}


@pytest.mark.parametrize("name", TENSORS)
def test_tensors(name, model, picture, tmp_path):
    path = tmp_path / "model.safetensors"
    metadata, tensors = taken_apart(model)
    change, says = TENSORS[name]
    put_together(path, metadata, change(tensors))
    fails("predict", "--model", path, picture, says=[path, *says])


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
@pytest.mark.parametrize("form", ["text", "json", "csv"])
def test_weights_that_are_no_numbers(form, value, model, picture, tmp_path):
    """What they predict is not a probability, and must not be printed as one."""
    path = tmp_path / "model.safetensors"
    metadata, tensors = taken_apart(model)
    data = struct.pack("<f", value) * 10
    put_together(path, metadata, changed(tensors, "classifier.3.bias", data=data))
    fails("predict", "--model", path, picture, "--format", form, says=["finite"], silent=False)
    rows = {"text": "", "json": "[]\n", "csv": "image,rank,index,label,probability\n"}[form]
    assert run("predict", "--model", path, picture, "--format", form)[1] == rows


def test_eval_of_weights_that_are_no_numbers(model, pictograms, tmp_path):
    path = tmp_path / "model.safetensors"
    metadata, tensors = taken_apart(model)
    data = struct.pack("<f", float("nan")) * 10
    put_together(path, metadata, changed(tensors, "classifier.3.bias", data=data))
    fails("eval", "--model", path, pictograms, says=["finite"])


# ---- weights of int8 and their scales: (change of the tensors, what predict says, what inspect
# calls it)
SCALE = "classifier.0.weight_scale"  # 8


def scales(value, at=3):
    data = [0.5] * 8
    data[at] = value
    return struct.pack("<8f", *data)


INT8 = {
    "missing": (lambda t: [x for x in t if x[0] != SCALE], [SCALE, "lacks tensors"], "missing"),
    "shape": (lambda t: changed(t, SCALE, shape=[4], data=zeros(4)),
              [SCALE, "has shape 4, expected 8"], "shape"),
    "dimensions": (lambda t: changed(t, SCALE, shape=[8, 1]),
                   [SCALE, "has shape 8x1, expected 8"], "shape"),
    "type": (lambda t: changed(t, SCALE, "F64", data=zeros(8, size=8)),
             [SCALE, "has type F64, expected F32"], "type"),
    "nan": (lambda t: changed(t, SCALE, data=scales(float("nan"))),
            [SCALE, "scale 3 is nan, expected a finite number from 0"], "not-finite"),
    "infinite": (lambda t: changed(t, SCALE, data=scales(float("inf"), 7)),
                 [SCALE, "scale 7 is inf, expected a finite number"], "not-finite"),
    "negative": (lambda t: changed(t, SCALE, data=scales(-0.5)),
                 [SCALE, "scale 3 is -0.5, expected a finite number from 0"], "scale"),
    "of-no-weight": (lambda t: [*t, ("features.0.weight_scale", "F32", [4], zeros(4))],
                     ["features.0.weight_scale", "do not belong"], "unused"),
    "of-floats": (lambda t: changed(t, SHAPED, "F32", data=zeros(8, 256)),
                  [SCALE, "do not belong"], "unused"),
    "convolution": (lambda t: changed(t, "features.0.weight", "I8", data=zeros(4, 3, 3, 3, size=1)),
                    ["features.0.weight", "has type I8, expected F32"], "type"),
    "bias": (lambda t: changed(t, "classifier.0.bias", "I8", data=zeros(8, size=1)),
             ["classifier.0.bias", "has type I8, expected F32"], "type"),
    "turned": (lambda t: changed(t, SHAPED, shape=[256, 8]),
               [SHAPED, "has shape 256x8, expected 8x256"], "shape"),
}


@pytest.fixture(scope="session")
def int8(model, tmp_path_factory):
    path = tmp_path_factory.mktemp("int8") / "int8.safetensors"
    assert run("convert", model, path, "--dtype", "int8-linear")[0] == 0
    return path


@pytest.mark.parametrize("name", INT8)
def test_int8(name, int8, picture, tmp_path):
    path = tmp_path / "model.safetensors"
    metadata, tensors = taken_apart(int8)
    change, says, kind = INT8[name]
    put_together(path, metadata, change(tensors))
    fails("predict", "--model", path, picture, says=[path, *says])
    status, out, _ = run("inspect", path, "--format", "json")
    assert status == 4 and kind in {p["kind"] for p in json.loads(out)["problems"]}


@pytest.mark.parametrize("value,says", [
    (None, [SHAPED, "has type I8, expected F32, F16, BF16 or F64"]),
    ("per-tensor", ["vgg.int8", "per-tensor", 'expected "per-output"']),
])
def test_int8_of_other_programs(value, says, int8, picture, tmp_path):
    path = tmp_path / "model.safetensors"
    metadata, tensors = taken_apart(int8)
    metadata = {k: v for k, v in metadata.items() if k != "vgg.int8"}
    if value is not None:
        metadata["vgg.int8"] = value
    put_together(path, metadata, tensors)
    fails("predict", "--model", path, picture, says=[path, *says])
    assert run("inspect", path)[0] == 4


def test_weights_that_int8_cannot_hold(model, tmp_path):
    path, out = tmp_path / "model.safetensors", tmp_path / "int8.safetensors"
    metadata, tensors = taken_apart(model)
    data = zeros(4 * 256) + struct.pack("<f", float("nan")) * (4 * 256)
    put_together(path, metadata, changed(tensors, SHAPED, data=data))
    fails("convert", path, out, "--dtype", "int8-linear", says=[SHAPED, "I8", "row 4", "finite"])
    assert not out.exists()


def damaged(name, change):
    """The tensor with the first number of its data replaced."""
    return lambda tensors: [(n, k, s, change + d[4:]) if n == name else (n, k, s, d)
                            for n, k, s, d in tensors]


INPUT_SCALE, FILTER_SCALE = "features.3.int8_input_scale", "features.3.int8_weight_scale"
SCALES = {
    "nan": (damaged(INPUT_SCALE, struct.pack("<f", float("nan"))), ["scale 0", "features.3", "nan"]),
    "zero": (damaged(FILTER_SCALE, struct.pack("<f", 0)), ["scale 0", "weights of features.3"]),
    "negative": (damaged(INPUT_SCALE, struct.pack("<f", -1)), ["scale 0", "is -1", "above 0"]),
    "infinite": (damaged(INPUT_SCALE, struct.pack("<f", float("inf"))), ["scale 0", "is inf"]),
    "shape": (lambda t: changed(t, INPUT_SCALE, shape=[35], data=zeros(35)), [INPUT_SCALE, "35", "36"]),
    "type": (lambda t: changed(t, INPUT_SCALE, "F16", data=zeros(36, size=2)), [INPUT_SCALE, "F16", "F32"]),
    "missing": (lambda t: [row for row in t if row[0] != FILTER_SCALE], ["lacks", FILTER_SCALE]),
}


@pytest.fixture(scope="session")
def calibrated(tmp_path_factory):
    """A model whose second convolution is in int8, in tiles of 4x4 as it is without AMX."""
    folder = tmp_path_factory.mktemp("calibrated")
    assert run("generate", folder / "data", "--train", 4, "--validation", 1, "--size", 32)[0] == 0
    assert run("train", folder / "data", "-o", folder / "run", "--recipe", "none", "--arch",
               "32,M,64/8", "--input", 32, "--epochs", 1)[0] == 0
    out = folder / "int8.safetensors"
    assert run("convert", folder / "run", out, "--dtype", "int8", "--calibrate",
               folder / "data" / "train", "--max-drop", 1, env={"VGG_CPU": "portable"})[0] == 0
    return out


@pytest.mark.parametrize("name", SCALES)
def test_damaged_scales(name, calibrated, picture, tmp_path):
    path = tmp_path / "model.safetensors"
    metadata, tensors = taken_apart(calibrated)
    change, says = SCALES[name]
    put_together(path, metadata, change(tensors))
    fails("predict", "--model", path, picture, says=[path, *says])
    status, out, _ = run("inspect", path, "--format", "json")
    assert status == 4 and "metadata" in {p["kind"] for p in json.loads(out)["problems"]}


def directly(tensors, count=1):
    """The same layer directly in int8, whose largest input is 8, with so many scales of the input."""
    tensors = changed(tensors, INPUT_SCALE, shape=[count], data=struct.pack("<f", 8 / 255) * count)
    return changed(tensors, FILTER_SCALE, shape=[64, 1], data=struct.pack("<f", 1 / 127) * 64)


def test_direct_scales(calibrated, picture, tmp_path):
    path = tmp_path / "model.safetensors"
    metadata, tensors = taken_apart(calibrated)
    put_together(path, metadata, directly(tensors))
    assert run("predict", "--model", path, picture)[0] == 0
    assert "features.3 directly: moves logits by" in run("inspect", path)[1]
    put_together(path, metadata, damaged(INPUT_SCALE, struct.pack("<f", 0))(directly(tensors)))
    fails("predict", "--model", path, picture, says=[path, "scale 0", "features.3"])
    put_together(path, metadata, directly(tensors, 2))
    fails("predict", "--model", path, picture, says=[path, INPUT_SCALE, "2", "36"])


# ---- metadata: (key, value or None to leave it out, what is said)
METADATA = [
    ("vgg.format_version", "3", ["format version 3", "reads up to 2", "newer libvgg"]),
    ("vgg.format_version", "two", ["vgg.format_version", "two", "whole number"]),
    ("vgg.arch", "4,M/x", ["architecture", "4,M/x", '"x"']),
    ("vgg.arch", "4,M/16", [SHAPED, "8x256", "16x256"]),
    ("vgg.arch", None, ["vgg.arch"]),
    ("vgg.layout", "keras", ["vgg.layout", "keras", "paper"]),
    ("vgg.batch_norm", "maybe", ["vgg.batch_norm", "maybe", "true"]),
    ("vgg.batch_norm", "true", ["features.1."]),
    ("vgg.dropout", "1.5", ["vgg.dropout", "1.5", "expected"]),
    ("vgg.dropout", "nan", ["vgg.dropout", "nan", "not JSON"]),
    ("vgg.input", "3x16", ["vgg.input", "3x16", "expected"]),
    ("vgg.input", "3x8x8", [SHAPED, "8x256", "8x64"]),
    ("vgg.input", "3x99999999999x16", ["vgg.input", "99999999999"]),
    ("vgg.classes", json.dumps(list("abcdefghi")), ["classifier.3.weight", "10x8", "9x8"]),
    ("vgg.classes", "[]", ["vgg.classes"]),
    ("vgg.classes", "7", ["vgg.classes", "array"]),
    ("vgg.classes", json.dumps([7] * 10), ["vgg.classes", "strings"]),
    ("vgg.preprocess", "{", ["vgg.preprocess", "JSON"]),
    ("vgg.preprocess", "{}", ["vgg.preprocess"]),
]


@pytest.mark.parametrize("key,value,says", METADATA)
def test_metadata(key, value, says, model, picture, tmp_path):
    path = tmp_path / "model.safetensors"
    metadata, tensors = taken_apart(model)
    metadata = {k: v for k, v in metadata.items() if k != key}
    if value is not None:
        metadata[key] = value
    put_together(path, metadata, tensors)
    fails("predict", "--model", path, picture, says=[path, *says])


PREPROCESS = [
    ("scale", "fast", ["scale", "expected"]),
    ("deviation", [0, 0, 0], ["deviation", "0"]),
    ("deviation", [1], ["deviation"]),
    ("filter", "nearest", ["filter", "nearest", "bilinear"]),
    ("channels", 1, ["mean", "1 number"]),
    ("width", 10**9, ["width", "1000000000"]),
    ("resize", -1, ["resize", "-1"]),
]


@pytest.mark.parametrize("key,value,says", PREPROCESS)
def test_preprocessing_of_the_file(key, value, says, model, picture, tmp_path):
    path = tmp_path / "model.safetensors"
    metadata, tensors = taken_apart(model)
    described = json.loads(metadata["vgg.preprocess"])
    described[key] = value
    put_together(path, {**metadata, "vgg.preprocess": json.dumps(described)}, tensors)
    fails("predict", "--model", path, picture, says=[path, "vgg.preprocess", *says])


# ---- files with torchvision's names and nothing else
def plain(folder, channels=3, hidden=8):
    path = folder / "plain.safetensors"
    put_together(path, None, [
        ("features.0.weight", "F32", [4, channels, 3, 3], zeros(4, channels, 3, 3)),
        ("features.0.bias", "F32", [4], zeros(4)),
        ("classifier.0.weight", "F32", [hidden, 4 * 49], zeros(hidden, 4 * 49)),
        ("classifier.0.bias", "F32", [hidden], zeros(hidden)),
        ("classifier.3.weight", "F32", [5, hidden], zeros(5, hidden)),
        ("classifier.3.bias", "F32", [5], zeros(5)),
    ])
    return path


def test_preprocessing_is_asked_for(picture, pictograms, tmp_path):
    path = plain(tmp_path)
    says = [path, "--preprocess torchvision", "caffe", "unit"]
    told = ("--arch", "4,M/8", "--layout", "torchvision", "--input", "32")
    fails("predict", "--model", path, picture, *told, says=says)
    fails("eval", "--model", path, pictograms, *told, says=says)


def test_what_the_file_does_not_show_is_asked_for(picture, tmp_path):
    path = plain(tmp_path)
    says = [path, "fits several networks", "--arch 4/8 --layout torchvision", "--input 7"]
    fails("predict", "--model", path, picture, "--preprocess", "unit", says=says)


def test_channels_that_no_picture_has(picture, tmp_path):
    path = plain(tmp_path, channels=4)
    fails("predict", "--model", path, picture, "--preprocess", "unit", says=[path, "4", "1 or 3"])


def test_architecture_that_the_tensors_contradict(picture, tmp_path):
    path = plain(tmp_path)
    given = ["--model", path, picture, "--preprocess", "unit", "--arch"]
    fails("predict", *given, "8/8", says=[path, "features.0.weight", "4x3x3x3", "8x3x3x3"])
    fails("predict", *given, "4", says=[path, "classifier.0.weight", "8x196", "5x196"])
    fails("predict", *given, "D", says=[path, "features.0.weight", "64x3x3x3"])
    fails("predict", *given, "4,Q/8", says=["4,Q/8", '"Q"'])


def test_tensors_of_another_kind_of_network(picture, tmp_path):
    path = tmp_path / "model.safetensors"
    put_together(path, None, [("layer1.0.conv1.weight", "F32", [64, 64, 3, 3], zeros(64, 64, 3, 3)),
                              ("fc.weight", "F32", [10, 64], zeros(10, 64))])
    fails("predict", "--model", path, picture, "--preprocess", "unit",
          says=[path, "is not a VGG network", "layer1.0.conv1.weight", "64 channels"])


# ---- labels: (bytes of the file, what is said)
@pytest.mark.parametrize(
    "data,says",
    [
        (b"", ["0 names", "expected 10"]),
        (b"one\ntwo\n", ["2 names", "expected 10"]),
        (b"a\n" * 11, ["11 names", "expected 10"]),
        (b"a\n" * 4 + b"\n" + b"a\n" * 5, ["line 5", "blank"]),
        (b"a\n" * 4 + b"\xff\xfe\n" + b"a\n" * 5, ["line 5", "UTF-8"]),
        (b"a\n" * 4 + b"\0\n" + b"a\n" * 5, ["byte 8", "zero"]),
    ],
    ids=["empty", "few", "many", "blank", "latin-1", "binary"],
)
def test_labels(data, says, model, picture, tmp_path):
    path = tmp_path / "labels.txt"
    path.write_bytes(data)
    fails("predict", "--model", model, picture, "--labels", path, says=[path, *says])


def test_labels_that_are_not_there(model, picture, tmp_path):
    path = tmp_path / "labels.txt"
    fails("predict", "--model", model, picture, "--labels", path, says=[path, "No such file"])
    fails("predict", "--model", model, picture, "--labels", tmp_path, says=[tmp_path, "folder"])
    fails("predict", "--model", model, picture, "--labels", "imagenet", says=["1000", "10"])


# ---- paths that are no files
def test_model_that_is_no_file(model, picture, pictograms, tmp_path):
    path = tmp_path / "missing.safetensors"
    for words in (["predict", "--model", path, picture], ["eval", "--model", path, pictograms],
                  ["summary", path]):
        fails(*words, says=[path, "No such file"])
    fails("predict", "--model", tmp_path, picture, says=[tmp_path, "folder", "a file"])
    fails("predict", "--model", "/dev/zero", picture, says=["/dev/zero", "is a device, expected a file"])


@pytest.mark.parametrize("command", ["predict", "eval", "summary", "labels"])
def test_pipe_in_place_of_a_file(command, model, picture, pictograms, tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    words = {"predict": ["predict", "--model", pipe, picture],
             "eval": ["eval", "--model", pipe, pictograms],
             "summary": ["summary", pipe],
             "labels": ["predict", "--model", model, "--labels", pipe, picture]}[command]
    fails(*words, says=[pipe, "is a pipe, expected a file"], timeout=3)


def test_state_in_place_of_a_model(model, picture):
    """It holds momenta under the names of weights; what they would predict is nonsense."""
    path = model.parent / "state.safetensors"
    fails("predict", "--model", path, picture, "--preprocess", "unit", says=[path, "expected"])


def test_nothing_is_left(model, picture, tmp_path):
    path = tmp_path / "model.safetensors"
    path.write_bytes(model.read_bytes()[:2000])
    fails("predict", "--model", path, picture, says=["truncated"], cwd=tmp_path,
          env={"TMPDIR": str(tmp_path)})
    assert names(tmp_path) == ["model.safetensors"]
