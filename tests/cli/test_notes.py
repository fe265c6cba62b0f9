"""What a command takes for granted or passes over is said on standard error, and the command goes on."""

import json
import shutil
import struct

from conftest import vgg


def without_description(model, path):
    """The model as other programs would write it: tensors without metadata."""
    data = model.read_bytes()
    [length] = struct.unpack_from("<Q", data)
    header = json.loads(data[8:8 + length])
    del header["__metadata__"]
    text = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + data[8 + length:])


def test_size_of_the_input(model, pictograms, tmp_path):
    path, picture = tmp_path / "plain.safetensors", pictograms / "validation" / "star" / "0000.png"
    without_description(model, path)
    predict = ("predict", "--model", path, "--preprocess", "unit", "--arch", "4,M/8", "--layout", "paper", picture)
    assert vgg(*predict, "--input", 16).err == ""
    assert "does not say the size of its input; give it: --input 16 to 17" in vgg(*predict, status=1).err
    large = tmp_path / "large.safetensors"
    vgg("train", pictograms, "-o", tmp_path / "run", "--arch", "2,M,M,512/2", "--layout", "torchvision", "--input", 224, "--batch", 32,
        "--epochs", 1)
    without_description(tmp_path / "run" / "last.safetensors", large)
    result = vgg("predict", "--model", large, "--preprocess", "unit", "--arch", "2,M,M,512/2", "--layout",
                 "torchvision", picture)
    assert result.err == f"vgg predict: note: {large}: does not say all; assumed input: 3x224x224\n"


def test_what_is_passed_over_in_data(model, pictograms, tmp_path):
    data = tmp_path / "data"
    shutil.copytree(pictograms, data)
    (data / "validation" / "star" / "photo.cr2").write_bytes(b"x")
    note = f"note: {data}: left out: 1 .cr2\n"
    assert vgg("eval", "--model", model, data).err == f"vgg eval: {note}"
    train = vgg("train", data, "-o", tmp_path / "run", "--arch", "4,M/8", "--batch", 8, "--epochs", 1)
    assert train.err == f"vgg train: {note}"
    shutil.rmtree(data / "validation")
    (data / "train" / "star" / "photo.cr2").write_bytes(b"x")
    split = vgg("train", data, "-o", tmp_path / "split", "--arch", "4,M/8", "--batch", 8, "--epochs", 1)
    assert split.err == f"vgg train: {note}"
