"""What checkpoints hold beside the weights, as PyTorch, NumPy and Python write it: it is passed over,
used, or asked about, and said. The logits are PyTorch's."""

import argparse
import collections
import datetime
import decimal
import enum
import functools
import json
import pathlib
import pickle
import pickletools
import struct
import uuid

import pytest
from conftest import LOGITS, in_order, ran

torch = pytest.importorskip("torch")
numpy = pytest.importorskip("numpy")

SIDE, CLASSES = 16, 3
NETWORK = ("--arch", "4,M,8,M/8", "--layout", "paper", "--input", SIDE, "--exact")
UNIT = ("--preprocess", "unit", *NETWORK)


class Net(torch.nn.Module):
    """vgg's 4,M,8,M/8 in the paper's layout."""

    def __init__(self):
        super().__init__()
        self.features = torch.nn.Sequential(
            torch.nn.Conv2d(3, 4, 3, padding=1), torch.nn.ReLU(), torch.nn.MaxPool2d(2),
            torch.nn.Conv2d(4, 8, 3, padding=1), torch.nn.ReLU(), torch.nn.MaxPool2d(2))
        self.classifier = torch.nn.Sequential(
            torch.nn.Linear(8 * 16, 8), torch.nn.ReLU(), torch.nn.Dropout(), torch.nn.Linear(8, CLASSES))

    def forward(self, x):
        return self.classifier(torch.flatten(self.features(x), 1))


@pytest.fixture
def net():
    torch.manual_seed(5)
    made = Net().eval()
    with torch.no_grad():
        for values in made.parameters():
            values.add_(0.1 * torch.randn_like(values))
    return made


@pytest.fixture(scope="module")
def noise(tmp_path_factory):
    """A picture of the input's size, which the short side of 18 of a preset would only blur."""
    path = tmp_path_factory.mktemp("noise") / "noise.ppm"
    pixels = bytes((7 * i + i // 48 * 31) % 256 for i in range(SIDE * SIDE * 3))
    path.write_bytes(b"P6\n%d %d\n255\n" % (SIDE, SIDE) + pixels)
    return path, torch.tensor(list(pixels), dtype=torch.float32).view(SIDE, SIDE, 3).permute(2, 0, 1)


def run(*arguments, status=0):
    done = ran(*arguments)
    assert done.returncode == status, done
    return done


def check(path, net, noise, *options, says=(), mean=0.0, deviation=1.0, scale=1 / 255):
    """The logits are those of PyTorch for the whole picture; every note says what is expected."""
    picture, pixels = noise
    shaped = torch.tensor(mean).reshape(-1, 1, 1), torch.tensor(deviation).reshape(-1, 1, 1)
    with torch.no_grad():
        expected = net(((pixels * scale - shaped[0]) / shaped[1])[None])[0]
    done = run(*LOGITS, path, picture, "--short-side", SIDE, *options)
    assert in_order(done.stdout) == pytest.approx(expected.tolist(), abs=1e-4)
    notes = done.stderr.splitlines()
    assert len(notes) == len(says), done.stderr
    for note, said in zip(notes, says):
        assert note.startswith(f"vgg predict: note: {path}: ") and said in note, note
    return done


def complaint(path, *options):
    done = run("predict", "--model", path, "x.png", *options, status=1)
    assert len(done.stderr.splitlines()) == 1
    return done.stderr


class Transform:
    """As a transform of somebody's own, with attributes of its own."""

    def __init__(self):
        self.size, self.inner = (3, 4), [Transform.__name__, 0.5]


class Colour(enum.Enum):
    RED = 1


class Callable(dict):
    pass


OPAQUE = {
    "datetime": datetime.datetime(2024, 5, 6, 7, 8),
    "date-and-delta": [datetime.date(2024, 5, 6), datetime.timedelta(hours=3)],
    "timezone": datetime.datetime(2024, 5, 6, tzinfo=datetime.timezone.utc),
    "deque": collections.deque([1, 2, 3], maxlen=5),
    "array": numpy.arange(12.0).reshape(3, 4),
    "fortran": numpy.asfortranarray(numpy.arange(12.0).reshape(3, 4)),
    "scalar": numpy.float64(0.5),
    "text-array": numpy.array(["a", "bc"]),
    "objects": numpy.array([None, "x", {}], dtype=object),
    "generator": numpy.random.RandomState(3).get_state(),
    "namespace": argparse.Namespace(lr=0.1, path=pathlib.PurePosixPath("/x"), device=torch.device("cpu")),
    "decimal": decimal.Decimal("1.5"),
    "uuid": uuid.UUID(int=7),
    "partial": functools.partial(round, ndigits=2),
    "enum": Colour.RED,
    "class": Transform,
    "object": Transform(),
    "dict-of-a-class": Callable(a=1, b=[2]),
    "ordered": collections.OrderedDict(a=1),
    "complex": 1 + 2j,
    "set": {1, "a"},
    "dtype": torch.float32,
    "generator-state": torch.get_rng_state(),
    "optimizer": torch.optim.Adam([torch.nn.Parameter(torch.ones(3, 4))]),
    "loss": torch.nn.CrossEntropyLoss(weight=torch.ones(3)),
    "module": torch.nn.Sequential(torch.nn.Linear(2, 2)),
}


@pytest.mark.parametrize("legacy", [False, True], ids=["zip", "legacy"])
@pytest.mark.parametrize("name", OPAQUE)
def test_passed_over(name, legacy, net, noise, tmp_path):
    path = tmp_path / "net.pth"
    torch.save({"epoch": 3, "beside": OPAQUE[name], "state_dict": net.state_dict(), "more": [OPAQUE[name]]},
               path, _use_new_zipfile_serialization=not legacy)
    check(path, net, noise, *UNIT)


def trained(net):
    """With the state of an optimiser that has seen gradients, which has tensors as large as weights."""
    optimizer = torch.optim.Adam(net.parameters(), amsgrad=True)
    net(torch.ones(1, 3, SIDE, SIDE)).sum().backward()
    optimizer.step()
    return optimizer


@pytest.mark.parametrize("key", ["weights", "my_net", "generator", "backbone_weights", "params"])
def test_any_key(key, net, noise, tmp_path):
    optimizer = trained(net)
    path = tmp_path / "net.pth"
    torch.save({"epoch": 3, "loss": torch.tensor(0.5), "optim": optimizer.state_dict(), "history": torch.ones(5, 2),
                key: net.state_dict()}, path)
    check(path, net, noise, *UNIT)


@pytest.mark.parametrize("wrap", [
    lambda state: {"a": {"b": {"c": state}}},
    lambda state: (3, state, {"lr": 0.1}),
    lambda state: [state],
    lambda state: {"models": [state]},
    lambda state: argparse.Namespace(weights=state, epoch=3),
    lambda state: {"model": argparse.Namespace(weights=state)},
    lambda state: {"pytorch-lightning_version": "2.0", "state_dict": state, "hyper_parameters": {"lr": 0.1},
                   "optimizer_states": [{"state": {0: {"exp_avg": torch.ones(4, 3, 3, 3)}}}],
                   "loops": {}, "callbacks": {"ModelCheckpoint": {"best": torch.tensor(1.0)}}},
    lambda state: {"model": state, "opt": {"state": [{"mom": torch.ones(2, 2)}], "hypers": []}},
    lambda state: {"net": state, "amp": {"loss_scaler0": {"loss_scale": 65536.0}}},
    lambda state: Callable(state),
    lambda state: {name: values.numpy() for name, values in state.items()},
    lambda state: {"model": {name: numpy.asfortranarray(values.numpy()) for name, values in state.items()}},
], ids=range(12))
def test_wrapped(wrap, net, noise, tmp_path):
    path = tmp_path / "net.pth"
    torch.save(wrap(net.state_dict()), path)
    check(path, net, noise, *UNIT)


def other(net):
    torch.manual_seed(9)
    made = Net().eval()
    assert not torch.equal(made.features[0].weight, net.features[0].weight)
    return made


@pytest.mark.parametrize("plain, averaged", [("state_dict", "state_dict_ema"), ("model", "model_ema"),
                                             ("model", "ema_state_dict"), ("net", "ema")])
def test_averaged_weights(plain, averaged, net, noise, tmp_path):
    """Plain weights are taken, which is said, and the averaged ones when they are asked for."""
    path, ema = tmp_path / "net.pth", other(net)
    torch.save({averaged: ema.state_dict(), plain: net.state_dict()}, path)
    took = f'took the state dict "{plain}", and left "{averaged}" (8 tensors)'
    check(path, net, noise, *UNIT, says=[took])
    check(path, ema, noise, *UNIT, "--state-dict", averaged)
    assert json.loads(run("inspect", path, "--format", "json", *NETWORK[:6]).stdout)["remarks"] == [took]


def test_two_networks(net, noise, tmp_path):
    path, second = tmp_path / "net.pth", other(net)
    torch.save({"student": net.state_dict(), "teacher": {"weights": second.state_dict()}}, path)
    for command in (("predict", "--model", path, "x.png", *UNIT), ("summary", path), ("inspect", path)):
        done = run(*command, status=1)
        assert 'several state dicts: "student" (8 tensors), "teacher.weights" (8 tensors)' in done.stderr
        assert "--state-dict" in done.stderr
    check(path, net, noise, *UNIT, "--state-dict", "student")
    check(path, second, noise, *UNIT, "--state-dict", "teacher.weights")
    line = complaint(path, *UNIT, "--state-dict", "pupil")
    assert 'no state dict "pupil", only "student"' in line
    assert "Linear" in run("summary", path, "--state-dict", "student", "--arch", "4,M,8,M/8", "--layout", "paper", "--input", SIDE).stdout


def test_dumped_with_pickle(net, noise, tmp_path):
    path = tmp_path / "net.pkl"
    for protocol in (2, 4, 5):
        arrays = {name: values.numpy() for name, values in net.state_dict().items()}
        path.write_bytes(pickle.dumps({"epoch": 3, "weights": arrays}, protocol))
        check(path, net, noise, *UNIT)
        if protocol > 2:
            path.write_bytes(pickle.dumps(net.state_dict(), protocol))
            check(path, net, noise, *UNIT)
    path.write_bytes(pickle.dumps(net.state_dict(), 2))
    assert "torch.storage._load_from_bytes" in complaint(path, *UNIT)
    for values in ([1, 2], {"a": 1}, "text", 7):
        path.write_bytes(pickle.dumps(values))
        complaint(path, *UNIT)


def renumbered(data):
    """A pickle's memo numbered from 1, as cPickle of Python 2 numbers it."""
    out, ends = bytearray(), [at for _, _, at in pickletools.genops(data)][1:] + [len(data)]
    for (opcode, argument, at), end in zip(pickletools.genops(data), ends):
        if opcode.name in ("BINPUT", "LONG_BINPUT", "BINGET", "LONG_BINGET"):
            put = opcode.name.endswith("PUT")
            out += (b"r" if put else b"j") + struct.pack("<I", argument + 1)
        else:
            out += data[at:end]
    return bytes(out)


def test_python_2(net, noise, tmp_path):
    path = tmp_path / "net.pth"
    torch.save({"epoch": 3, "state_dict": net.state_dict()}, path, _use_new_zipfile_serialization=False)
    data, made = path.read_bytes(), b""
    for _ in range(5):
        end = [at for _, _, at in pickletools.genops(data)][-1] + 1
        made += renumbered(data[:end])
        data = data[end:]
    path.write_bytes(made + data)
    check(path, net, noise, *UNIT)


# ---- names of classes
NAMES = ["owl", "cat", "dog"]


@pytest.mark.parametrize("beside", [
    {"class_to_idx": {"dog": 2, "owl": 0, "cat": 1}},
    {"idx_to_class": {2: "dog", 0: "owl", 1: "cat"}},
    {"idx_to_class": {"2": "dog", "0": "owl", "1": "cat"}},
    {"id2label": dict(enumerate(NAMES))},
    {"classes": NAMES},
    {"classes": tuple(NAMES)},
    {"classes": {"dog": 2, "owl": 0, "cat": 1}},
    {"class_names": NAMES},
    {"names": dict(enumerate(NAMES))},
    {"hyper_parameters": {"class_to_idx": {"dog": 2, "owl": 0, "cat": 1}, "lr": 0.1}},
    {"args": argparse.Namespace(classes=NAMES, lr=1)},
    {"meta": {"data": {"classes": NAMES}}, "num_classes": 3, "classes": 3},
], ids=range(12))
def test_class_names(beside, net, tmp_path, noise):
    path = tmp_path / "net.pth"
    torch.save({**beside, "state_dict": net.state_dict()}, path)
    done = check(path, net, noise, *UNIT, says=["the names of the classes are from "])
    labels = {p["index"]: p["label"] for p in json.loads(done.stdout)[0]["predictions"]}
    assert labels == dict(enumerate(NAMES))
    found = json.loads(run("inspect", path, "--format", "json", *UNIT[2:8]).stdout)
    assert found["classes"] == NAMES and found["classes_origin"] == "beside"
    told = tmp_path / "names.txt"
    told.write_text("a\nb\nc\n")
    check(path, net, noise, *UNIT, "--labels", told)
    run("convert", path, tmp_path / "ours.safetensors", *UNIT[2:8], "--preprocess", "unit")
    done = run("predict", "--model", tmp_path / "ours.safetensors", noise[0], "--format", "json")
    assert {p["label"] for p in json.loads(done.stdout)[0]["predictions"]} == set(NAMES) and done.stderr == ""


@pytest.mark.parametrize("beside, says", [
    ({"class_to_idx": {"a": 0, "b": 1}}, '"class_to_idx" of the checkpoint gives 2 names for 3 classes'),
    ({"class_to_idx": {"a": 0, "b": 1, "c": 1}}, "does not give each number from 0 on a name"),
    ({"class_to_idx": {"a": 1, "b": 2, "c": 3}}, "does not give each number from 0 on a name"),
    ({"idx_to_class": {"x": "a"}}, "does not give each number from 0 on a name"),
    ({"classes": ["a", 5, "c"]}, "does not give each number from 0 on a name"),
])
def test_names_that_do_not_fit(beside, says, net, tmp_path, noise):
    path = tmp_path / "net.pth"
    torch.save({**beside, "state_dict": net.state_dict()}, path)
    done = check(path, net, noise, *UNIT, says=[says])
    assert {p["label"] for p in json.loads(done.stdout)[0]["predictions"]} == {None}


@pytest.mark.parametrize("beside", [{"classes": 3}, {"classes": [0, 1, 2]}, {"id2label": {i: f"LABEL_{i}" for i in range(3)}},
                                    {"labels": torch.arange(3)}])
def test_no_names(beside, net, tmp_path, noise):
    path = tmp_path / "net.pth"
    torch.save({**beside, "state_dict": net.state_dict()}, path)
    check(path, net, noise, *UNIT)


# ---- how pictures become inputs
MEAN, STD = [0.5, 0.25, 0.125], [0.25, 0.5, 0.75]


@pytest.mark.parametrize("beside", [
    {"mean": MEAN, "std": STD},
    {"mean": tuple(MEAN), "std": tuple(STD)},
    {"mean": torch.tensor(MEAN), "std": torch.tensor(STD)},
    {"mean": torch.tensor(MEAN).view(3, 1, 1), "std": torch.tensor(STD).view(1, 3, 1, 1)},
    {"mean": numpy.array(MEAN), "std": numpy.array(STD, dtype="f4")},
    {"config": {"norm": {"mean": MEAN, "std": STD}}},
    {"args": argparse.Namespace(mean=MEAN, std=STD)},
    {"image_mean": MEAN, "image_std": STD},
], ids=range(8))
def test_figures(beside, net, tmp_path, noise):
    path = tmp_path / "net.pth"
    torch.save({**beside, "state_dict": net.state_dict()}, path)
    check(path, net, noise, *NETWORK, mean=MEAN, deviation=STD,
          says=["of the checkpoint (custom); RGB and 0 to 1 are assumed"])
    check(path, net, noise, *UNIT)


def test_figures_of_0_to_255(net, tmp_path, noise):
    path, mean = tmp_path / "net.pth", [123.0, 117.0, 104.0]
    torch.save({"pixel_mean": mean, "pixel_std": [58.0, 57.0, 57.5], "model": net.state_dict()}, path)
    check(path, net, noise, *NETWORK, mean=mean, deviation=[58.0, 57.0, 57.5], scale=1.0,
          says=["RGB and 0 to 255 are assumed"])


def test_figures_of_a_preset(net, tmp_path, noise):
    path = tmp_path / "net.pth"
    torch.save({"mean": [0.485, 0.456, 0.406], "std": [0.229, 0.224, 0.225], "model": net.state_dict()}, path)
    check(path, net, noise, *NETWORK, mean=[0.485, 0.456, 0.406], deviation=[0.229, 0.224, 0.225],
          says=['"mean" and "std" of the checkpoint (torchvision)'])


@pytest.mark.parametrize("beside", [{"mean": MEAN}, {"mean": 0.5, "loss": {"std": 0.1}}, {"mean": [1, 2], "std": [1, 2]},
                                    {"mean": ["a"] * 3, "std": STD}])
def test_half_of_the_figures(beside, net, tmp_path):
    path = tmp_path / "net.pth"
    torch.save({**beside, "state_dict": net.state_dict()}, path)
    assert "does not say how pictures become its inputs" in complaint(path, *NETWORK)


@pytest.mark.parametrize("beside", [{"input_size": SIDE}, {"input_size": [3, SIDE, SIDE]}, {"img_size": (SIDE, SIDE)},
                                    {"hparams": {"image_size": SIDE}}, {"input_shape": [1, 3, SIDE, SIDE][1:]}])
def test_size_of_the_input(beside, net, tmp_path, noise):
    path = tmp_path / "net.pth"
    torch.save({**beside, "state_dict": net.state_dict()}, path)
    check(path, net, noise, "--preprocess", "unit", "--arch", "4,M,8,M/8", "--layout", "paper", "--exact",
          says=["the size of its inputs, 16x16, is from "])


# ---- config.json
def weights(net, folder):
    path = folder / "model.pth"
    torch.save(net.state_dict(), path)
    return path


def test_config_of_timm(net, tmp_path, noise):
    (tmp_path / "config.json").write_text(json.dumps({
        "architecture": "vgg11", "num_classes": 3, "pretrained_cfg": {
            "input_size": [3, SIDE, SIDE], "crop_pct": 1.0, "interpolation": "bicubic", "mean": MEAN, "std": STD,
            "label_names": NAMES}}))
    path = weights(net, tmp_path)
    done = check(path, net, noise, "--arch", "4,M,8,M/8", "--layout", "paper", "--exact", mean=MEAN, deviation=STD, says=[
        '"mean" and "std" of config.json (custom)', '"label_names" of config.json', '"input_size" of config.json'])
    assert json.loads(done.stdout)[0]["predictions"][0]["label"] in NAMES
    found = json.loads(run("inspect", path, "--format", "json", "--arch", "4,M,8,M/8", "--layout", "paper").stdout)
    assert found["preprocess"]["filter"] == "bicubic" and found["preprocess"]["resize"] == SIDE
    assert found["preprocess_origin"] == "beside" and len(found["remarks"]) == 3
    run("convert", path, tmp_path / "ours.safetensors", "--arch", "4,M,8,M/8", "--layout", "paper")
    check_ours = json.loads(run("inspect", tmp_path / "ours.safetensors", "--format", "json").stdout)
    assert check_ours["classes"] == NAMES and check_ours["remarks"] == []


def test_the_short_side_keeps_its_proportion_to_the_input(tmp_path):
    tensors = {"features.0.weight": torch.ones(4, 3, 3, 3), "features.0.bias": torch.ones(4),
               "classifier.0.weight": torch.ones(3, 4 * 7 * 7), "classifier.0.bias": torch.ones(3)}
    torch.save(tensors, tmp_path / "net.pth")
    (tmp_path / "config.json").write_text(json.dumps({"pretrained_cfg": {
        "input_size": [3, SIDE, SIDE], "crop_pct": 0.5, "mean": MEAN, "std": STD}}))
    for side in (SIDE, 4 * SIDE, SIDE // 2):
        done = run("inspect", tmp_path / "net.pth", "--format", "json", "--arch", "4,M", "--layout", "torchvision",
                   "--input", side)
        assert json.loads(done.stdout)["preprocess"]["resize"] == 2 * side


def test_a_crop_is_the_input_and_an_accuracy_is_no_colour(net, tmp_path):
    (tmp_path / "config.json").write_text(json.dumps({
        "image_size": 20, "crop_size": SIDE, "metrics": {"accuracy": {"mean": 0.91, "std": 0.02}}}))
    done = run("inspect", weights(net, tmp_path), "--format", "json", "--arch", "4,M,8,M/8", "--layout", "paper")
    found = json.loads(done.stdout)
    assert found["network"]["input"] == [3, SIDE, SIDE] and found["preprocess"] is None


def test_config_of_hugging_face(net, tmp_path, noise):
    (tmp_path / "config.json").write_text(json.dumps({
        "model_type": "vgg", "id2label": {"0": "owl", "1": "cat", "2": "dog"}, "label2id": dict(zip(NAMES, range(3))),
        "image_size": 99}))
    (tmp_path / "preprocessor_config.json").write_text(json.dumps({
        "do_normalize": True, "do_rescale": True, "rescale_factor": 1 / 255, "image_mean": MEAN, "image_std": STD,
        "crop_size": {"height": SIDE, "width": SIDE}, "size": {"shortest_edge": 20}, "resample": 3}))
    path = weights(net, tmp_path)
    check(path, net, noise, "--arch", "4,M,8,M/8", "--layout", "paper", "--exact", mean=MEAN, deviation=STD, says=[
        'of preprocessor_config.json (custom); RGB', '"label2id" of config.json', '"crop_size" of preprocessor_config.json'])
    found = json.loads(run("inspect", path, "--format", "json", "--arch", "4,M,8,M/8", "--layout", "paper").stdout)["preprocess"]
    assert found["filter"] == "bicubic" and found["resize"] == 20 and found["width"] == SIDE


@pytest.mark.parametrize("text, says", [
    ("[]", ["config.json beside it is no JSON object"]),
    ("{", ["config.json beside it is no JSON object"]),
    (json.dumps({"num_classes": 1000, "classes": NAMES}), ["config.json beside it is of a network with other classes"]),
    # As many as another layer has outputs.
    (json.dumps({"num_classes": 8, "classes": NAMES}), ["config.json beside it is of a network with other classes"]),
    (json.dumps({"lr": 0.1, "editor": {"theme": "dark"}}), []),
])
def test_other_configs(text, says, net, tmp_path, noise):
    (tmp_path / "config.json").write_text(text)
    check(weights(net, tmp_path), net, noise, *UNIT, says=says)


def test_a_size_that_does_not_fit_is_named(net, tmp_path):
    (tmp_path / "config.json").write_text(json.dumps({"image_size": 99}))
    line = complaint(weights(net, tmp_path), "--layout", "paper")
    assert 'for an input of 99x99 (from "image_size" of config.json)' in line
    (tmp_path / "config.json").unlink()
    assert "for an input of 99x99 in layout paper; they do with" in complaint(
        weights(net, tmp_path), "--layout", "paper", "--input", 99)


def test_our_files_need_none(net, tmp_path):
    path = weights(net, tmp_path)
    run("convert", path, tmp_path / "ours.safetensors", *UNIT[:8])
    (tmp_path / "config.json").write_text(json.dumps({"classes": NAMES, "mean": MEAN, "std": STD}))
    found = json.loads(run("inspect", tmp_path / "ours.safetensors", "--format", "json").stdout)
    assert found["classes"] is None and found["preprocess"]["name"] == "unit" and found["remarks"] == []


# ---- weights that are stored in parts
def pruned(net):
    from torch.nn.utils import prune
    prune.random_unstructured(net.features[0], "weight", 0.4)
    prune.random_unstructured(net.classifier[0], "weight", 0.4)
    prune.random_unstructured(net.classifier[0], "bias", 0.5)
    prune.ln_structured(net.features[3], "weight", 0.5, n=2, dim=0)
    return 4, "pruned"


def weight_normed(net):
    for layer in (net.features[0], net.classifier[3]):
        torch.nn.utils.weight_norm(layer)
        with torch.no_grad():
            layer.weight_g.mul_(1.5)
    torch.nn.utils.weight_norm(net.features[3], dim=None)
    return 3, "weight_norm"


def spectral_normed(net):
    for layer in (net.features[0], net.classifier[0]):
        torch.nn.utils.spectral_norm(layer, n_power_iterations=3)
    net.train()
    net(torch.ones(1, 3, SIDE, SIDE))
    return 2, "spectral_norm"


def spectral_parametrised(net):
    for layer in (net.features[0], net.classifier[0]):
        torch.nn.utils.parametrizations.spectral_norm(layer, n_power_iterations=3)
    return 2, "spectral_norm"


def test_each_kind_of_parts_is_said(net, tmp_path, noise):
    pruned(net)
    torch.nn.utils.weight_norm(net.classifier[3])
    path = tmp_path / "net.pth"
    torch.save(net.state_dict(), path)
    check(path, net, noise, *UNIT, says=["4 tensors were multiplied out of parts (pruned)",
                                         "1 tensor was multiplied out of parts (weight_norm)"])


@pytest.mark.parametrize("change", [pruned, weight_normed, spectral_normed, spectral_parametrised])
def test_weights_in_parts(change, net, tmp_path, noise):
    count, kind = change(net)
    net.eval()
    net(torch.ones(1, 3, SIDE, SIDE))
    path = tmp_path / "net.pth"
    # In the order of a plain state dict: which modules follow which is not the subject here.
    state = net.state_dict()
    order = sorted(state, key=lambda name: (name.split(".")[0] != "features", int(name.split(".")[1]),
                                            "bias" in name))
    torch.save({name: state[name] for name in order}, path)
    check(path, net, noise, *UNIT, says=[f"{count} tensors were multiplied out of parts ({kind})"])
    # Status 4: whole outputs of one layer are pruned, which is found.
    found = json.loads(run("inspect", path, "--format", "json", *NETWORK[:6],
                           status=4 if kind == "pruned" else 0).stdout)
    assert {t["name"] for t in found["tensors"]} == set(Net().state_dict())


def test_weight_norm_of_torch_2(net, tmp_path, noise):
    """parametrizations.weight.original0 is g, original1 v."""
    torch.nn.utils.weight_norm(net.features[0])
    state, path = net.state_dict(), tmp_path / "net.pth"
    g, v = state.pop("features.0.weight_g"), state.pop("features.0.weight_v")
    torch.save({"features.0.bias": state.pop("features.0.bias"),
                "features.0.parametrizations.weight.original0": g,
                "features.0.parametrizations.weight.original1": v, **state}, path)
    check(path, net, noise, *UNIT, says=["1 tensor was multiplied out of parts (weight_norm)"])


@pytest.mark.parametrize("change, says", [
    (lambda s: s.update({"features.0.weight_mask": torch.ones(4, 3, 3)}), "weight_mask\" of"),
    (lambda s: s.update({"features.0.weight_mask": torch.ones(4, 3, 3, 3, dtype=torch.int64)}), "has type I64"),
], ids=range(2))
def test_parts_that_do_not_fit(change, says, net, tmp_path):
    state, path = dict(net.state_dict()), tmp_path / "net.pth"
    state["features.0.weight_orig"] = state.pop("features.0.weight")
    change(state)
    torch.save(state, path)
    assert says in complaint(path, *UNIT)
