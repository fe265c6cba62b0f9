"""Saying how pictures become inputs: --mean, --std, --multiply, --channel-order, --short-side, --fit
and --filter, with predict, eval, train, convert and inspect. What Pillow makes of a picture, given
to a network as it is, must answer as the picture does."""

import json
import pathlib
import struct

import pytest
from conftest import TINY, complaint, vgg
from PIL import Image, ImageOps

SIDE = 16


@pytest.fixture(scope="module")
def wide(tmp_path_factory):
    """A picture twice as wide as it is high, which differs in every corner."""
    picture = Image.new("RGB", (48, 24))
    picture.putdata([(5 * x, 10 * y, (7 * x + 3 * y) % 256) for y in range(24) for x in range(48)])
    path = tmp_path_factory.mktemp("wide") / "wide.png"
    picture.save(path)
    return path


def logits(model, picture, *options):
    out = vgg("predict", "--model", model, picture, "--logits", "--format", "json", "--top", 10, "--exact",
              *options).out
    (row,) = json.loads(out)
    return {entry["index"]: entry["logit"] for entry in row["predictions"]}


def fitted(wide, tmp_path, fit, filter_name):
    value = {"bilinear": Image.BILINEAR, "bicubic": Image.BICUBIC}[filter_name]
    picture = Image.open(wide)
    if fit == "squash":
        picture = picture.resize((SIDE, SIDE), value)
    elif fit == "pad":
        picture = ImageOps.pad(picture, (SIDE, SIDE), value)
    else:
        picture = picture.resize((2 * 20, 20), value).crop((12, 2, 12 + SIDE, 2 + SIDE))
    path = tmp_path / f"{fit}_{filter_name}.png"
    picture.save(path)
    return path


@pytest.mark.parametrize("filter_name", ["bilinear", "bicubic"])
@pytest.mark.parametrize("fit", ["squash", "pad", "crop"])
def test_fits_are_pillows(model, wide, tmp_path, fit, filter_name):
    more = ("--short-side", 20) if fit == "crop" else ()
    found = logits(model, wide, "--fit", fit, "--filter", filter_name, *more)
    same = logits(model, fitted(wide, tmp_path, fit, filter_name), "--fit", "none")
    assert found == same
    assert found != logits(model, wide)


def test_a_picture_of_another_size_is_named(model, wide):
    line = complaint("predict", "--model", model, wide, "--fit", "none")
    assert str(wide) in line and "is 48 x 24, expected 16 x 16" in line


def test_figures_of_a_preset(model, wide):
    """The presets, figure by figure; means are of red, green and blue in any order."""
    torchvision = ("--mean", "0.485,0.456,0.406", "--std", "0.229,0.224,0.225", "--multiply", "1/255")
    caffe = ("--mean", "123.68,116.779,103.939", "--std", "1", "--multiply", "1", "--channel-order", "bgr")
    clip = ("--mean", "0.48145466,0.4578275,0.40821073", "--std", "0.26862954,0.26130258,0.27577711",
            "--filter", "bicubic", "--short-side", SIDE, "--multiply", 1 / 255)
    for preset, figures in (("torchvision", torchvision), ("caffe", caffe), ("clip", clip)):
        told = logits(model, wide, "--preprocess", preset)
        assert logits(model, wide, "--preprocess", "unit", *figures) == told
        assert logits(model, wide, "--preprocess", "signed", *figures) == told


def strip(source, target):
    """The file without its description."""
    data = source.read_bytes()
    (length,) = struct.unpack("<Q", data[:8])
    header = json.loads(data[8:8 + length])
    del header["__metadata__"]
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    target.write_bytes(struct.pack("<Q", len(text)) + text + data[8 + length:])
    return target


def test_a_file_that_says_nothing(model, wide, tmp_path):
    bare = strip(model, tmp_path / "bare.safetensors")
    network = ("--layout", "paper", "--input", SIDE)
    figures = ("--mean", "0.485,0.456,0.406", "--std", "0.229,0.224,0.225")
    assert logits(bare, wide, *network, *figures) == logits(bare, wide, *network, "--preprocess", "torchvision")
    # How samples are scaled is not said by a fit.
    assert "how pictures become its inputs" in complaint("predict", "--model", bare, wide, *network,
                                                         "--fit", "squash")


def test_a_mean_on_another_scale_is_asked_about(model, wide):
    line = complaint("predict", "--model", model, wide, "--mean", "123.68,116.779,103.939")
    assert "a mean of 123.68 lies beyond the samples, which are 0 to 1" in line
    line = complaint("predict", "--model", model, wide, "--fit", "pad", "--short-side", 20)
    assert "with the fit pad there is no short side" in line


@pytest.mark.parametrize("option, value, expected", [
    ("--mean", "1,2", "three numbers with commas between them, or one"),
    ("--mean", "red", "three numbers"),
    ("--std", "1,,2", "three numbers"),
    ("--std", "1,2,3,4", "three numbers"),
    ("--multiply", "0", "a number other than 0, or a fraction such as 1/255"),
    ("--multiply", "1/0", "a number other than 0"),
    ("--multiply", "1/2/3", "a number other than 0"),
    ("--channel-order", "grb", "rgb or bgr"),
    ("--fit", "stretch", "crop, squash, pad or none"),
    ("--filter", "lanczos", "bilinear or bicubic"),
    ("--short-side", "-1", "a whole number"),
])
def test_wrong_words(model, wide, option, value, expected):
    line = complaint("predict", "--model", model, wide, option, value, status=2)
    assert option in line and f'"{value}"' in line and expected in line


def metadata(path):
    data = path.read_bytes()
    (length,) = struct.unpack("<Q", data[:8])
    return json.loads(data[8:8 + length])["__metadata__"]


def test_it_travels_with_the_model(model, wide, tmp_path):
    """Into our file and into PyTorch's; only a fit that older libraries would not know raises the version."""
    told = ("--fit", "squash", "--filter", "bicubic", "--mean", "0.1,0.2,0.3", "--std", "0.5")
    expected = logits(model, wide, *told)
    for ending in ("safetensors", "pth", "onnx"):
        copy = tmp_path / f"copy.{ending}"
        vgg("convert", model, copy, *told)
        assert logits(copy, wide) == expected
        found = json.loads(vgg("inspect", copy, "--format", "json").out)["preprocess"]
        assert found["fit"] == "squash" and found["filter"] == "bicubic" and found["name"] == "custom"
        assert found["mean"] == [0.1, 0.2, 0.3] and found["deviation"] == [0.5] * 3
    assert metadata(tmp_path / "copy.safetensors")["vgg.format_version"] == "2"
    text = vgg("inspect", tmp_path / "copy.safetensors").out
    assert "RGB 0 to 255, times 1/255, minus (0.1, 0.2, 0.3), over (0.5, 0.5, 0.5)" in text
    assert "16x16, pictures squashed to it, bicubic" in text
    vgg("convert", model, tmp_path / "old.safetensors", *told[2:])
    described = metadata(tmp_path / "old.safetensors")
    assert described["vgg.format_version"] == "1" and "fit" not in json.loads(described["vgg.preprocess"])


@pytest.mark.parametrize("value, expected", [
    ('"stretch"', '"fit" is "stretch", expected "crop", "squash", "pad" or "none"'),
    ("3", '"fit" is 3, expected'),
])
def test_a_fit_that_is_none(model, tmp_path, value, expected):
    copy = tmp_path / "copy.safetensors"
    vgg("convert", model, copy, "--fit", "pad")
    copy.write_bytes(copy.read_bytes().replace(rb'\"pad\"', value.replace('"', '\\"').ljust(7).encode(), 1)
                     if len(value) <= 7 else grow(copy, value))
    assert expected in complaint("predict", "--model", copy, "x.png")


def grow(path, value):
    data = path.read_bytes()
    (length,) = struct.unpack("<Q", data[:8])
    header = json.loads(data[8:8 + length])
    header["__metadata__"]["vgg.preprocess"] = header["__metadata__"]["vgg.preprocess"].replace('"pad"', value)
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    return struct.pack("<Q", len(text)) + text + data[8 + length:]


def test_training_and_measuring(pictograms, wide, tmp_path):
    run = tmp_path / "run"
    told = ("--fit", "pad", "--filter", "bicubic", "--mean", "0.5", "--std", "0.25", "--channel-order", "bgr")
    out = vgg("train", pictograms, "-o", run, *TINY, "--epochs", 1, "--input", 12, *told).out
    assert "3x12x12, pictures fitted into it on black, with the figures given" in out
    best = run / "best.safetensors"
    found = json.loads(vgg("inspect", best, "--format", "json").out)["preprocess"]
    assert found["fit"] == "pad" and found["bgr"] and found["mean"] == [0.5] * 3 and found["resize"] == 0
    measured = json.loads(vgg("eval", "--model", best, pictograms, "--format", "json").out)
    assert json.loads(vgg("eval", "--model", best, pictograms, "--format", "json", *told).out) == measured
    # Continued with the same words or none, and not with others.
    vgg("train", pictograms, "-o", run, "--resume", "--epochs", 2, "--threads", 2, *told)
    vgg("train", pictograms, "-o", run, "--resume", "--epochs", 3, "--threads", 2)
    line = complaint("train", pictograms, "-o", run, "--resume", "--epochs", 4, "--fit", "crop")
    assert "how pictures become inputs is not as in" in line


def test_every_preset_is_a_word(model, wide):
    for preset in ("torchvision", "caffe", "paper", "unit", "signed", "cifar10", "cifar100", "mnist", "clip"):
        logits(model, wide, "--preprocess", preset)
    line = complaint("predict", "--model", model, wide, "--preprocess", "imagenet", status=2)
    assert "cifar10, cifar100, mnist or clip" in line


def test_grey(tmp_path, pictograms):
    run = tmp_path / "run"
    vgg("train", pictograms, "-o", run, *TINY, "--epochs", 1, "--input", "1x12x12", "--preprocess", "mnist")
    found = json.loads(vgg("inspect", run / "best.safetensors", "--format", "json").out)["preprocess"]
    assert found["mean"] == [0.1307] and found["deviation"] == [0.3081] and found["name"] == "mnist"
    picture = next(pathlib.Path(pictograms, "validation").rglob("*.png"))
    line = complaint("predict", "--model", run / "best.safetensors", picture, "--mean", "0.1,0.2,0.3")
    assert "found 3 figures for the mean, expected 1" in line
