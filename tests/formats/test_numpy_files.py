"""NumPy's files: .npz archives and pickled dicts in .npy, under torchvision's names and layout and under
those that TensorFlow's programs write (conv1_1_W, fc6; outputs last)."""

import io
import json
import pickle
import subprocess
import zipfile

import pytest
from conftest import LOGITS, PROGRAM, in_order, logits, refused, write_safetensors

numpy = pytest.importorskip("numpy")

SIDE, CLASSES = 16, 5
OPTIONS = ("--preprocess", "unit", "--arch", "4,6,M,8,M/10", "--layout", "paper", "--input", SIDE, "--exact")
SHAPES = {"features.0": (4, 3, 3, 3), "features.2": (6, 4, 3, 3), "features.5": (8, 6, 3, 3),
          "classifier.0": (10, 8 * 4 * 4), "classifier.3": (CLASSES, 10)}
# Two convolutions in the first block, one in the second, each block with its pool.
THEIRS = dict(zip(SHAPES, ("conv1_1", "conv1_2", "conv2_1", "fc6", "fc7")))


@pytest.fixture
def tensors():
    random = numpy.random.RandomState(3)
    made = {}
    for name, shape in SHAPES.items():
        made[f"{name}.weight"] = (random.randn(*shape) / numpy.sqrt(numpy.prod(shape[1:]))).astype("f4")
        made[f"{name}.bias"] = random.randn(shape[0]).astype("f4")
    return made


def last(tensors):
    """(row, column, input, output) and (input, output), the first of these from (row, column, channel)."""
    made = {}
    for name, values in tensors.items():
        layer, field = name.rsplit(".", 1)
        if layer == "classifier.0" and field == "weight":
            values = values.reshape(10, 8, 4, 4).transpose(0, 2, 3, 1).reshape(10, -1)
        if values.ndim == 4:
            values = values.transpose(2, 3, 1, 0)
        elif values.ndim == 2:
            values = values.T
        made[layer, field] = numpy.ascontiguousarray(values)
    return made


def shuffled(pairs):
    return dict(sorted(pairs.items(), key=lambda pair: pair[0][::-1]))


def layers(tensors):
    """{"conv1_1": [weight, bias]}, in no order, as dicts of Python 2 are."""
    values = last(tensors)
    return shuffled({theirs: [values[ours, "weight"], values[ours, "bias"]] for ours, theirs in THEIRS.items()})


def save_npy(path, value):
    """As numpy.save writes an object."""
    numpy.save(path, numpy.array(value, dtype=object), allow_pickle=True)


def python_2(path, value):
    """The same with protocol 2, whose memo and bytes are others."""
    made = io.BytesIO()
    numpy.lib.format.write_array_header_1_0(
        made, {"descr": "|O", "fortran_order": False, "shape": ()})
    pickle.dump(numpy.array(value, dtype=object), made, protocol=2)
    path.write_bytes(made.getvalue())


WRITERS = {
    "npz": ("npz", lambda path, t: numpy.savez(path, **t)),
    "compressed": ("npz", lambda path, t: numpy.savez_compressed(path, **t)),
    "fortran": ("npz", lambda path, t: numpy.savez(path, **{n: numpy.asfortranarray(v) for n, v in t.items()})),
    "f8": ("npz", lambda path, t: numpy.savez(path, **{n: v.astype("f8") for n, v in t.items()})),
    "npy": ("npy", save_npy),
    "npy-2": ("npy", python_2),
    "W-b": ("npz", lambda path, t: numpy.savez(path, **{
        f"{THEIRS[layer]}_{'W' if field == 'weight' else 'b'}": v for (layer, field), v in last(t).items()})),
    "W-b-shuffled": ("npz", lambda path, t: numpy.savez(path, **shuffled({
        f"{THEIRS[layer]}_{'W' if field == 'weight' else 'b'}": v for (layer, field), v in last(t).items()}))),
    "head-first": ("npz", lambda path, t: numpy.savez(path, **{
        f"{'a_head' if layer.startswith('c') else 'body'}/{THEIRS[layer]}/{'kernel' if field == 'weight' else 'bias'}": v
        for (layer, field), v in last(t).items()})),
    "lists": ("npy", lambda path, t: save_npy(path, layers(t))),
    "lists-2": ("npy", lambda path, t: python_2(path, layers(t))),
    "dicts": ("npy", lambda path, t: save_npy(path, {
        name: {"weights": pair[0], "biases": pair[1]} for name, pair in layers(t).items()})),
}


@pytest.mark.parametrize("writer", WRITERS)
def test_same_as_safetensors(writer, tensors, noise, tmp_path):
    ending, write = WRITERS[writer]
    path, plain = tmp_path / f"net.{ending}", tmp_path / "net.safetensors"
    write(path, tensors)
    write_safetensors(plain, tensors)
    expected = logits(plain, noise, *OPTIONS)
    done = subprocess.run([PROGRAM, *map(str, (*LOGITS, path, *OPTIONS, noise))], capture_output=True, text=True,
                          timeout=60, check=False)
    assert done.returncode == 0, done
    assert in_order(done.stdout) == expected
    turned = writer.startswith(("W", "head", "lists", "dicts"))
    assert ("kernels are (row, column, input, output), and were turned" in done.stderr) == turned
    found = json.loads(subprocess.run([PROGRAM, "inspect", path, "--format", "json", *map(str, OPTIONS[2:8])],
                                      capture_output=True, check=True).stdout)
    assert found["format"] == "numpy" and found["network"]["arch"] == "4,6,M,8,M/10"
    if turned:
        assert any("conv1_1" in t["stored_name"] and t["name"] == "features.0.weight" for t in found["tensors"])


def npy(header, data=b"", version=1):
    header = header.encode()
    return b"\x93NUMPY" + bytes([version, 0]) + len(header).to_bytes(2 if version == 1 else 4, "little") + header + data


def npz(*records):
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as archive:
        for i, data in enumerate(records):
            archive.writestr(zipfile.ZipInfo(f"a{i}.npy"), data)
    return made.getvalue()


GOOD = "{'descr': '<f4', 'fortran_order': False, 'shape': (2,), }"


@pytest.mark.parametrize("data, says", [
    (npy(GOOD, bytes(8)), "a single array"),
    (npz(npy(GOOD, bytes(7))), "a0.npy: has 7 bytes of values, expected 2 values of 4 bytes"),
    (npz(npy(GOOD.replace("<f4", ">f4"), bytes(8))), "values of type '>f4', expected little-endian"),
    (npz(npy(GOOD.replace("<f4", "<U3"), bytes(8))), "values of type '<U3'"),
    (npz(npy(GOOD.replace("'<f4'", "[('a', '<f4')]"), bytes(8))), "has no 'descr' of one type"),
    (npz(npy(GOOD.replace("(2,)", "2"), bytes(8))), "has no 'shape'"),
    (npz(npy(GOOD.replace("(2,)", "(" + "1," * 9 + ")"), bytes(8))), "at most 8 sizes"),
    (npz(npy(GOOD.replace("(2,)", "(-2,)"), bytes(8))), "at most 8 sizes"),
    (npz(npy(GOOD.replace("(2,)", f"({10**17},{10**17})"), bytes(8))), "more values than memory"),
    (npz(npy(GOOD.replace("'fortran_order': False, ", ""), bytes(8))), "has no 'fortran_order'"),
    (npz(npy(GOOD, bytes(8), version=2)[:20]), "is cut off"),
    (npz(b"text"), "a0.npy: is no array of NumPy"),
    (npy(GOOD.replace("<f4", "|O").replace("(2,)", "()"), pickle.dumps([1, 2])), "objects that are no dict"),
    (npy(GOOD.replace("<f4", "|O").replace("(2,)", "()"), b"\x80\x02cos\nsystem\n(X\1\0\0\0xtR."), "calls os.system"),
    (npy(GOOD.replace("<f4", "|O").replace("(2,)", "()"), pickle.dumps({"a": 1})), "has no arrays of numbers"),
    (npz(npy(GOOD.replace("(2,)", "(3, 3, 3, 3)"), bytes(324))), "their shapes do not tell"),
], ids=range(16))
def test_wrong(data, says, tmp_path):
    path = tmp_path / "net.npz"
    path.write_bytes(data)
    line = refused("summary", path)
    assert says in line and str(path) in line


@pytest.mark.parametrize("name, data, says", [
    ("net.mat", b"MATLAB 5.0 MAT-file, Platform: GLNXA64" + bytes(100), "is a MATLAB file"),
    ("net.t7", b"\4\0\0\0\1\0\0\0\3\0\0\0V 1\r\0\0\0nn.Sequential" + bytes(200), "is a file of Torch7"),
    ("net.tflite", b"\x1c\0\0\0TFL3" + bytes(100), "is a model of TensorFlow Lite"),
    ("net.pb", b"\x0a\x14\x0a\5input\x12\x0bPlaceholder" + bytes(20), "is a graph of TensorFlow"),
    ("saved_model.pb", b"\x08\1\x12\x05ab" + bytes(20), "is a graph of TensorFlow"),
], ids=lambda value: value if isinstance(value, str) and "." in value else "")
def test_other_programs(name, data, says, tmp_path):
    path = tmp_path / name
    path.write_bytes(data)
    assert says in refused("inspect", path)


def test_floats_are_no_json(tmp_path):
    path = tmp_path / "net.bin"
    path.write_bytes(b"{m\x9a\xbe" + bytes(range(200)))
    assert "JSON" not in refused("inspect", path)
    path.write_text('{"weight_map": {}}')
    assert "is a JSON text" in refused("inspect", path)


def test_not_written(tensors, tmp_path):
    numpy.savez(tmp_path / "net.npz", **tensors)
    for out in ("out.npz", "out.npy"):
        assert "cannot be written" in refused("convert", tmp_path / "net.npz", tmp_path / out, *OPTIONS[2:8])
