"""Darknet weights give the scores that the same weights give in a safetensors file."""

import json
import struct

import caffe_files
import darknet_files as files
import model_files
import pytest
from conftest import inspected, logits, logits_by_convention, refused, vgg

D = ((2, 3), (3, 4), (4, 4, 5), (5, 6, 6), (6, 6, 7))
CLASSES = 5


def small(**options):
    return caffe_files.Network(((6,), (8, 9)), (12,), CLASSES, 20, first=1, **options)


def told(network):
    return ("--arch", network.arch(), "--input", network.side)


def by_convention(path, picture, *arguments):
    return logits_by_convention("unit", path, picture, *arguments)


def close(found, expected):
    assert len(found) == len(expected) and max(expected) - min(expected) > 0.02
    assert max(abs(a - b) for a, b in zip(found, expected)) < 1e-5


def expected(network, tmp_path, picture):
    path = tmp_path / "expected.safetensors"
    model_files.write(path, *model_files.lay_out(network.tensors()))
    return logits(path, picture, "--layout", "paper", *told(network), "--preprocess", "unit")


@pytest.mark.parametrize("version", [(0, 1, 0), (0, 2, 0), (0, 2, 5), (1, 0, 0)])
def test_versions(version, tmp_path, noise):
    """From 0.2 on the number of pictures seen has 64 bits. The classes are counted."""
    network = small()
    path = tmp_path / "net.weights"
    path.write_bytes(files.weights(network, version))
    found = by_convention(path, noise, *told(network))
    assert len(found) == CLASSES
    close(found, expected(network, tmp_path, noise))


def test_shape_of_d(tmp_path, noise):
    network = caffe_files.Network(D, (12, 11), 10, 32, first=1)
    path = tmp_path / "net.weights"
    path.write_bytes(files.weights(network))
    close(by_convention(path, noise, *told(network)), expected(network, tmp_path, noise))


@pytest.mark.parametrize("small_variances", [False, True])
def test_batch_normalisation(small_variances, tmp_path, noise):
    """Divides by sqrt(variance) + 1e-6, which is far from sqrt(variance + 1e-5) for small ones."""
    network = small(batch_norm=True)
    if small_variances:
        shape, weight, bias, (gamma, beta, mean, variance) = network.convolutions[1]
        variance = caffe_files.rounded([0, 1e-12, 1e-9, 1e-6, 9e-6, 1e-5, 1.1e-5, *variance[7:]])
        gamma = caffe_files.rounded([1e-6, 1e-6, 1e-5, 1e-3, 1e-3, 1e-3, 1e-3, *gamma[7:]])
        network.convolutions[1] = (shape, weight, bias, (gamma, beta, mean, variance))
    path = tmp_path / "net.weights"
    path.write_bytes(files.weights(network))
    close(by_convention(path, noise, *told(network)), expected(files.as_torch(network), tmp_path, noise))


def test_batch_norm_may_be_told(tmp_path, noise):
    network = small(batch_norm=True)
    path = tmp_path / "net.weights"
    path.write_bytes(files.weights(network))
    found = by_convention(path, noise, *told(network), "--batch-norm")
    close(found, expected(files.as_torch(network), tmp_path, noise))
    line = refused("predict", "--model", path, noise, *told(network), "--no-batch-norm")
    assert "values, expected 3977 (4046 with batch normalisation) and 13 for each class" in line


def test_two_networks_of_one_size(tmp_path, noise):
    """Five channels and four hidden: batch normalisation takes as many values as three classes."""
    network = caffe_files.Network(((5,),), (4,), 3, 8, batch_norm=True, first=1)
    path = tmp_path / "net.weights"
    path.write_bytes(files.weights(network))
    line = refused("summary", path, *told(network))
    assert ("5,M/4 with 6 classes or, with batch normalisation, 3: say whether it has batch "
            "normalisation") in line
    for switch, classes in (("--batch-norm", 3), ("--no-batch-norm", 6)):
        assert len(by_convention(path, noise, *told(network), switch)) == classes
        assert "Linear" in vgg("summary", path, *told(network), switch)


def test_conversion_says_the_preprocessing(tmp_path):
    network = small()
    path, out = tmp_path / "net.weights", tmp_path / "net.safetensors"
    path.write_bytes(files.weights(network))
    said = vgg("convert", path, out, *told(network))
    assert f"{path} (darknet) -> " in said and "3x20x20, 5 classes" in said
    assert "network   6,M,8,9,M/12, paper layout" in said and "pictures  unit" in said
    stored = json.loads(model_files.read(out)[0]["__metadata__"]["vgg.preprocess"])
    assert (stored["bgr"], stored["mean"], stored["deviation"]) == (False, [0, 0, 0], [1, 1, 1])
    assert abs(stored["scale"] - 1 / 255) < 1e-12


def test_signed_inputs(tmp_path, noise):
    """A [crop] section of the .cfg may turn inputs into -1 to 1, which the file does not say."""
    network = small()
    path = tmp_path / "net.weights"
    path.write_bytes(files.weights(network))
    found = logits(path, noise, *told(network), "--preprocess", "signed")
    same = tmp_path / "same.safetensors"
    model_files.write(same, *model_files.lay_out(network.tensors()))
    want = logits(same, noise, "--layout", "paper", *told(network), "--preprocess", "signed")
    close(found, want)
    by_default = by_convention(path, noise, *told(network))
    assert max(abs(a - b) for a, b in zip(found, by_default)) > 0.02


def test_inspected(tmp_path):
    network = small()
    path = tmp_path / "net.weights"
    path.write_bytes(files.weights(network))
    found = inspected(path, *told(network))
    assert found["format"] == "darknet" and not found["graph"] and not found["softmax"]
    assert found["network"] == {"arch": network.arch(), "layout": "paper", "batch_norm": False,
                                "padding": "same",
                                "classes": CLASSES, "input": [3, 20, 20]}
    assert (found["network_origin"], found["preprocess_origin"]) == ("told", "convention")
    assert found["preprocess"]["name"] == "unit"
    tensors = network.tensors()
    assert [(t["name"], t["shape"]) for t in found["tensors"]] == [(n, s) for n, _, s, _ in tensors]
    bias = network.convolutions[0][2]
    assert (found["tensors"][1]["min"], found["tensors"][1]["max"]) == pytest.approx((min(bias), max(bias)))
    assert "does not say of which network" in refused("inspect", path)


# Parameters of the table's networks at 224 x 224 with 1,000 classes, and values of batch
# normalisation beside each convolution's bias.
KNOWN = [("A", 132863336, 3 * 2752), ("B", 133047848, 3 * 2944), ("C", 133638952, 3 * 4224),
         ("D", 138357544, 3 * 4224), ("E", 143667240, 3 * 5504)]


@pytest.mark.parametrize("batch_norm", [False, True], ids=["plain", "bn"])
@pytest.mark.parametrize("arch, count, more", KNOWN)
def test_known_networks(arch, count, more, batch_norm, tmp_path):
    """By their size alone. The files are holes, which take no room."""
    path = tmp_path / "net.weights"
    with open(path, "wb") as file:
        file.write(struct.pack("<3iq", 0, 2, 0, 0))
        file.truncate(20 + 4 * (count + more * batch_norm))
    facts = json.loads(vgg("summary", path, "--format", "json"))
    assert (facts["arch"], facts["batch_norm"], facts["classes"]) == (arch, batch_norm, 1000)
    with open(path, "ab") as file:
        file.write(bytes(4))
    assert f"has {count + more * batch_norm + 1} values and does not say of which network" in refused(
        "summary", path)


def test_inspected_by_size(tmp_path):
    """Zeros for A at 32 x 32."""
    path = tmp_path / "net.weights"
    with open(path, "wb") as file:
        file.write(struct.pack("<3iq", 0, 2, 0, 0))
        file.truncate(20 + 4 * (KNOWN[0][1] - 48 * 512 * 4096))
    found = inspected(path, "--input", 32, status=4)
    assert (found["network"]["arch"], found["network_origin"], found["graph"]) == ("A", "size", False)
    assert {p["kind"] for p in found["problems"]} == {"dead"}


# ---- refused -------------------------------------------------------------------------------------


@pytest.mark.parametrize("change, says", [
    (lambda data: data[:-1], "bytes behind the 20 of a Darknet file's header, expected values of 4"),
    (lambda data: data[:-4], "values, expected 3977 (4046 with batch normalisation) and 13 for each"),
    (lambda data: data + bytes(4), "values, expected"),
    (lambda data: data[:20], "is truncated at byte 20, expected values behind the 20 bytes"),
    (lambda data: data[:12], "is truncated at byte 12, expected values behind the 20 bytes"),
    (lambda data: data[:11], "is not a weight file of a known format"),
    (lambda data: bytes(len(data)), "is not a weight file of a known format"),
    (lambda data: struct.pack("<3i", 11, 2, 0) + data[12:], "is not a weight file of a known format"),
    (lambda data: struct.pack("<3i", 0, -1, 0) + data[12:], "is not a weight file of a known format"),
    (lambda data: b"<!DOCTYPE html>" + data, "is an HTML page"),
    (lambda data: struct.pack("<Q", 500) + b'{"a":' + bytes(90), "is truncated at byte 103, expected"),
])
def test_wrong_files(change, says, tmp_path):
    network = small()
    path = tmp_path / "net.weights"
    path.write_bytes(change(files.weights(network)))
    line = refused("summary", path, *told(network))
    assert str(path) in line and says in line


def test_wrong_architecture(tmp_path):
    path = tmp_path / "net.weights"
    path.write_bytes(files.weights(small()))
    assert "does not say of which network" in refused("summary", path)
    assert "architecture D and the input's size" in refused("summary", path, "--arch", "D")
    assert f"{path}: architecture \"D,x\": word 1 is" in refused("summary", path, "--arch", "D,x")


@pytest.mark.parametrize("variance", [-0.5, float("nan"), float("inf")])
def test_wrong_variance(variance, tmp_path):
    network = small(batch_norm=True)
    network.convolutions[1][3][3][3] = variance
    path = tmp_path / "net.weights"
    path.write_bytes(files.weights(network))
    line = refused("summary", path, *told(network))
    assert f"the variance of channel 3 of features.5 is {variance}, expected a finite" in line


def test_other_answer_than_the_file(tmp_path):
    """--batch-norm cannot change what a file shows of itself."""
    network = small()
    path = tmp_path / "net.safetensors"
    model_files.write(path, *model_files.lay_out(network.tensors()))
    line = refused("summary", path, *told(network), "--layout", "paper", "--batch-norm")
    assert "is a network without batch normalisation, expected one with" in line
