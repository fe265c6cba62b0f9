"""vgg inspect: what is in a weight file, and what is wrong with it.

The files are made here. Their values are multiples of 1/64, so that means are the same everywhere."""

import json
import math
import pathlib
import struct
import sys

import pytest
from conftest import complaint, vgg

sys.path.append(str(pathlib.Path(__file__).parents[1] / "faults"))
import model_files  # noqa: E402

GOLDEN = pathlib.Path(__file__).parent / "golden"

# 4,M/8 in torchvision's layout, for inputs of 3 x 16 x 16.
SHAPES = {
    "features.0.weight": [4, 3, 3, 3],
    "features.0.bias": [4],
    "classifier.0.weight": [8, 196],
    "classifier.0.bias": [8],
    "classifier.3.weight": [5, 8],
    "classifier.3.bias": [5],
}
NORM = {f"features.1.{field}": [4] for field in ("weight", "bias", "running_mean", "running_var")}
SMALL = ("--input", 16)
TOLD = ("--arch", "4,M/8", "--layout", "torchvision")


def values_of(shape, seed=0):
    return [((37 * i + seed) % 101 - 50) / 64 for i in range(math.prod(shape))]


def make(names=SHAPES):
    return {name: (shape, values_of(shape, seed)) for seed, (name, shape) in enumerate(names.items())}


def encode(kind, values):
    if kind == "BF16":
        return b"".join(struct.pack("<f", v)[2:] for v in values)
    letter = {"F32": "f", "F16": "e", "F64": "d", "I64": "q"}[kind]
    return struct.pack(f"<{len(values)}{letter}", *values)


def write(path, tensors, kind="F32", metadata=None):
    laid = [(name, kind, shape, encode(kind, values)) for name, (shape, values) in tensors.items()]
    model_files.write(path, *model_files.lay_out(laid, metadata))
    return path


@pytest.fixture
def net(tmp_path):
    return tmp_path / "net.safetensors"


def inspect(path, *more, status=0):
    told = TOLD if path.name == "net.safetensors" and "--arch" not in more else ()
    return json.loads(vgg("inspect", path, "--format", "json", *SMALL, *told, *more, status=status).out)


def problems(path, *more):
    found = inspect(path, *more, status=4)["problems"]
    return [(p["kind"], p["tensor"], p["count"], p["message"]) for p in found]


def only(path, *more):
    (problem,) = problems(path, *more)
    return problem


# ---- files that are right


def test_a_file_that_says_nothing(net):
    write(net, make())
    text = vgg("inspect", net.name, *SMALL, *TOLD, cwd=net.parent).out
    assert text == (GOLDEN / "inspect-plain.txt").read_text()


def test_figures(net):
    tensors = make()
    write(net, tensors)
    for found, (name, (shape, values)) in zip(inspect(net)["tensors"], tensors.items(), strict=True):
        assert found["stored_name"] == found["name"] == name
        assert found["dtype"] == "F32" and found["shape"] == shape
        assert found["values"] == len(values) and found["zeros"] == values.count(0)
        assert found["min"] == min(values) and found["max"] == max(values)
        assert found["mean"] == pytest.approx(sum(values) / len(values), abs=1e-15)
        squares = sum(v * v for v in values) / len(values)
        assert found["rms"] == pytest.approx(math.sqrt(squares), rel=1e-14)
        assert found["nans"] == found["infinities"] == 0 and found["first_not_finite"] is None


@pytest.mark.parametrize("kind", ["F16", "BF16", "F64"])
def test_other_types_have_the_same_figures(net, kind):
    write(net, make())
    plain = inspect(net)["tensors"]
    write(net, make(), kind)
    found = inspect(net)["tensors"]
    assert {t.pop("dtype") for t in found} == {kind}
    assert {t.pop("dtype") for t in plain} == {"F32"}
    assert found == plain


def test_a_model_says_everything(model):
    found = inspect(model)
    assert found["network"] == {"arch": "4,M/8", "layout": "paper", "batch_norm": False,
                                "padding": "same",
                                "classes": 10, "input": [3, 16, 16]}
    assert found["network_origin"] == found["preprocess_origin"] == found["classes_origin"] == "file"
    assert found["preprocess"]["name"] == "torchvision" and len(found["classes"]) == 10
    assert found["metadata"]["vgg.arch"] == "4,M/8" and found["problems"] == []
    assert not found["graph"] and not found["softmax"]
    text = vgg("inspect", model).out
    assert "\npictures  torchvision\n" in text and "\nclasses   10 names: arrow, circle, " in text
    assert "\nnotes     options.augment = true\n" in text and text.endswith("\nproblems  none\n")


def test_what_is_told_counts(net, tmp_path):
    names = tmp_path / "names.txt"
    names.write_text("".join(f"thing {i}\n" for i in range(5)))
    write(net, make())
    found = inspect(net, "--preprocess", "caffe", "--labels", names, "--arch", "4,M/8", "--classes", 5)
    assert found["preprocess"]["bgr"] and found["preprocess_origin"] == "told"
    assert found["classes"][4] == "thing 4" and found["classes_origin"] == "told"
    assert found["network_origin"] == "told"


@pytest.mark.parametrize("ending", ["pth", "onnx"])
def test_other_formats(model, tmp_path, ending):
    path = tmp_path / f"net.{ending}"
    vgg("convert", model, path)
    ours, found = inspect(model), inspect(path)
    assert found["format"] == ending and found["graph"] == (ending == "onnx")
    by_name = {t["name"]: t for t in found["tensors"]}
    for tensor in ours["tensors"]:
        assert by_name[tensor["name"]] == tensor
    assert found["preprocess"] == ours["preprocess"] and found["classes"] == ours["classes"]


def test_softmax_at_the_end_of_a_graph(model, pictograms, tmp_path):
    path = tmp_path / "net.onnx"
    vgg("convert", model, path, "--softmax")
    assert inspect(path)["softmax"]
    assert "\nsoftmax   the file's graph ends in one;" in vgg("inspect", path).out
    back = vgg("convert", path, tmp_path / "back.safetensors").out
    assert back.endswith("\nsoftmax   ends the graph of IN; the network ends before it, in logits\n")
    picture = sorted((pictograms / "validation").glob("*/*.png"))[0]
    before, after = (json.loads(vgg("predict", "--model", m, picture, "--format", "json").out)
                     for m in (model, path))
    for a, b in zip(before[0]["predictions"], after[0]["predictions"], strict=True):
        assert a["index"] == b["index"] and a["probability"] == pytest.approx(b["probability"])


@pytest.mark.parametrize("softmax", [(), ("--softmax",)])
def test_the_end_of_a_refused_graph_is_not_known(model, tmp_path, softmax):
    path = tmp_path / "net.onnx"
    vgg("convert", model, path, *softmax)
    path.write_bytes(path.read_bytes().replace(b"Relu", b"Tanh", 1))
    found = inspect(path, status=4)
    assert found["network"] is None and "Tanh" in found["network_reason"]
    assert found["graph"] is True and found["softmax"] is None
    text = vgg("inspect", path, status=4).out
    assert "\nsoftmax   not known: the file's graph was refused\n" in text and "logits" not in text


def renamed(tensors, *pairs):
    for old, new in pairs:
        tensors = {name.replace(old, new): tensor for name, tensor in tensors.items()}
    return tensors


def test_names_of_others_stand_beside_torchvisions(net):
    write(net, renamed(make(), ("classifier.0", "pre_logits.fc1"), ("classifier.3", "head.fc")))
    names = [(t["stored_name"], t["name"]) for t in inspect(net)["tensors"]]
    assert names[0] == ("features.0.weight", "features.0.weight")
    assert names[2] == ("pre_logits.fc1.weight", "classifier.0.weight")
    assert names[5] == ("head.fc.bias", "classifier.3.bias")
    lines = vgg("inspect", net, *SMALL, *TOLD).out.splitlines()
    assert any(line.startswith("pre_logits.fc1.weight  classifier.0.weight  F32") for line in lines)
    assert max(map(len, lines[1:])) <= 100


def test_prefixes_are_dropped(net):
    write(net, renamed(make(), ("features", "module.features"), ("classifier", "module.classifier")))
    assert all(t["stored_name"] == f"module.{t['name']}" for t in inspect(net)["tensors"])


def test_long_names_have_a_line_to_themselves(net):
    prefix = "a_very_long_name_of_a_module_" * 4
    write(net, {prefix + name: tensor for name, tensor in make().items()})
    text = vgg("inspect", net, *SMALL, *TOLD).out
    assert f"\n{prefix}features.0.weight\n" in text
    others = [line for line in text.splitlines()[1:] if prefix not in line]
    assert max(map(len, others)) <= 100


# ---- files that are wrong


def test_everything_wrong_at_once(net):
    tensors = make(SHAPES | NORM)
    tensors["features.0.weight"][1][30] = math.nan
    tensors["features.0.weight"][1][31] = -math.inf
    tensors["features.1.running_var"] = ([4], [1.0, -0.5, 1.0, 1.0])
    tensors["classifier.0.weight"] = ([8, 196], [0.0] * 8 * 196)
    tensors["classifier.3.weight"] = ([5, 9], values_of([5, 9]))
    del tensors["classifier.3.bias"]
    tensors["optimizer.step"] = ([1], [3.0])
    write(net, tensors, metadata={"author": "somebody"})
    text = vgg("inspect", net.name, *SMALL, *TOLD, cwd=net.parent, status=4).out
    assert text == (GOLDEN / "inspect-broken.txt").read_text()
    text = vgg("inspect", net.name, *SMALL, *TOLD, "--format", "json", cwd=net.parent, status=4).out
    assert text == (GOLDEN / "inspect-broken.json").read_text()


@pytest.mark.parametrize("kind", ["F32", "F16", "BF16", "F64"])
def test_not_finite(net, kind):
    tensors = make()
    weights = tensors["classifier.0.weight"][1]
    weights[1030] = weights[1031] = math.nan
    weights[1567] = math.inf
    write(net, tensors, kind)
    assert only(net) == ("not-finite", "classifier.0.weight", 3,
                         '"classifier.0.weight" has 2 NaN and 1 infinite of 1568 values, the first '
                         "at index 1030")
    (tensor,) = [t for t in inspect(net, status=4)["tensors"] if t["nans"]]
    finite = [v for v in weights if math.isfinite(v)]
    assert tensor["nans"] == 2 and tensor["infinities"] == 1 and tensor["first_not_finite"] == 1030
    assert tensor["mean"] == pytest.approx(sum(finite) / len(finite), abs=1e-15)


def test_nothing_finite(net):
    tensors = make()
    tensors["features.0.bias"] = ([4], [math.nan] * 4)
    write(net, tensors)
    (tensor,) = [t for t in inspect(net, status=4)["tensors"] if t["nans"]]
    assert tensor["min"] is tensor["max"] is tensor["mean"] is tensor["rms"] is None
    text = vgg("inspect", net, *SMALL, *TOLD, status=4).out
    assert "\nfeatures.0.bias      F32    4                -         -         -         -\n" in text


def test_dead_layer(net):
    tensors = make()
    tensors["features.0.weight"] = ([4, 3, 3, 3], [0.0, -0.0] * 54)
    write(net, tensors)
    assert only(net) == ("dead", "features.0.weight", 4,
                         '"features.0.weight" is dead: all of its 108 weights are zero')


def with_zero_filters(tensors, *filters):
    for k in filters:
        tensors["features.0.weight"][1][27 * k : 27 * k + 27] = [0.0] * 27


def test_dead_filters(net):
    tensors = make()
    with_zero_filters(tensors, 1, 2, 3)
    tensors["features.0.bias"] = ([4], [-1.0, 0.5, -0.25, 0.0])
    write(net, tensors)
    assert only(net) == ("dead", "features.0.weight", 2,
                         '"features.0.weight" has 2 of 4 outputs that are zero for every input, the '
                         "first is 2")


def test_dead_filters_behind_batch_normalisation(net):
    tensors = make(SHAPES | NORM)
    with_zero_filters(tensors, 0, 1)
    tensors["features.0.bias"] = ([4], [1.0, -1.0, 1.0, 1.0])
    tensors["features.1.weight"] = ([4], [1.0, 1.0, 0.0, 0.0])
    tensors["features.1.bias"] = ([4], [0.5, 0.5, -0.5, 0.5])
    tensors["features.1.running_mean"] = ([4], [0.0] * 4)
    tensors["features.1.running_var"] = ([4], [1.0] * 4)
    write(net, tensors)
    # 0: 1.5, which passes the ReLU; 1: -0.5; 2: -0.5, whatever the filter gives; 3: 0.5
    assert only(net)[:3] == ("dead", "features.0.weight", 2)


def test_classes_that_nothing_leads_to(net):
    tensors = make()
    tensors["classifier.3.weight"][1][32:] = [0.0] * 8
    tensors["classifier.3.bias"] = ([5], [1.0] * 5)
    write(net, tensors)
    assert only(net) == ("dead", "classifier.3.weight", 1,
                         '"classifier.3.weight" has 1 of 5 outputs that are the same for every input, '
                         "the first is 4")


@pytest.mark.parametrize("factor", [1e5, 1e-9])
def test_absurd_scale(net, factor):
    tensors = make()
    shape, values = tensors["classifier.0.weight"]
    tensors["classifier.0.weight"] = (shape, [factor * v for v in values])
    write(net, tensors)
    kind, tensor, _, message = only(net)
    assert (kind, tensor) == ("scale", "classifier.0.weight")
    assert "root mean square" in message and message.endswith(" times as large")


def test_absurd_bias(net):
    tensors = make()
    tensors["features.0.bias"][1][2] = -2e8
    write(net, tensors)
    assert only(net)[:2] == ("scale", "features.0.bias")


def test_missing_unused_and_wrong(net):
    tensors = make()
    del tensors["classifier.3.bias"]
    tensors["classifier.0.bias"] = ([2, 4], values_of([8]))
    tensors["head.bias"] = ([2], [1.0, 2.0])
    write(net, tensors)
    assert problems(net) == [
        ("shape", "classifier.0.bias", 0, '"classifier.0.bias" has shape 2x4, expected 8'),
        ("missing", "classifier.3.bias", 0, '"classifier.3.bias" of shape 5 is missing'),
        ("unused", "head.bias", 0, '"head.bias" does not belong to the network'),
    ]


def test_weights_of_integers(net):
    tensors = {name: (shape, [int(64 * v) for v in values]) for name, (shape, values) in make().items()}
    write(net, tensors, "I64")
    found = inspect(net, status=4)
    assert {p["kind"] for p in found["problems"]} == {"type"} and len(found["problems"]) == 6
    assert all("min" not in tensor for tensor in found["tensors"])


def test_another_network_is_listed(net):
    write(net, {"conv1.weight": ([2, 2], [1.0, 2.0, 3.0, 4.0]), "fc.bias\n\x1b[2J": ([1], [0.0])})
    found = inspect(net, status=4)
    assert found["network"] is None and found["network_origin"] == "unknown"
    assert found["network_reason"].startswith("is not a VGG network: among its 2 tensors")
    assert [p["kind"] for p in found["problems"]] == ["network"]
    assert [t["name"] for t in found["tensors"]] == [None, None]
    assert found["tensors"][0]["max"] == 4
    text = vgg("inspect", net, status=4).out
    assert "\nnetwork   none recognised: is not a VGG network" in text
    assert "\x1b" not in text and "fc.bias??[2J" in text


def test_an_architecture_that_does_not_fit(net):
    write(net, make())
    found = problems(net, "--arch", "4,M,4,M/8")
    assert ("missing", "features.3.weight", 0, '"features.3.weight" of shape 4x4x3x3 is missing') in found
    assert problems(net, "--classes", 7) == [
        ("network", None, 0, 'has 5 classes, by its tensor "classifier.3.weight", expected 7')]


def test_metadata_that_contradicts_itself(model, net):
    header, body = model_files.read(model)
    header["__metadata__"]["vgg.layout"] = "sideways"
    model_files.write(net, header, body)
    kind, tensor, _, message = problems(net)[0]
    assert (kind, tensor) == ("metadata", None) and "sideways" in message
    assert str(net) not in message


def test_many_problems_are_cut_in_text_only(net):
    tensors = make()
    tensors |= {f"more.{i}": ([1], [1.0]) for i in range(50)}
    write(net, tensors)
    assert len(problems(net)) == 50
    text = vgg("inspect", net, *SMALL, *TOLD, status=4).out
    assert "\nproblems  50\n" in text and "more.19" in text.split("problems")[1]
    assert text.endswith("\n  unused      and 30 more, which --format json lists\n")


# ---- files that cannot be read


def test_unreadable_files(net):
    good = write(net, make()).read_bytes()
    for data, says in [(good[:-100], "is truncated at byte"), (b"<!DOCTYPE html><p>404", "HTML page"),
                       (b"", "is an empty file"), (bytes(100), "not a weight file")]:
        net.write_bytes(data)
        line = complaint("inspect", net)
        assert line.startswith(f"vgg inspect: {net}: ") and says in line
    assert "cannot open" in complaint("inspect", net.parent / "none.pth")


def test_complaints(net):
    write(net, make())
    assert "FILE is missing" in complaint("inspect", status=2)
    assert "expected text or json" in complaint("inspect", net, "--format", "xml", status=2)
    assert "4,,M" in complaint("inspect", net, "--arch", "4,,M")
