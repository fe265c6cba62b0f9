"""The networks that people have, each kind with what PyTorch computes for it: it is read right, or a
question lists what it may be, whose options give the right values."""

import json
import re

import pytest

torch = pytest.importorskip("torch")
h5py = pytest.importorskip("h5py")
import numpy as np
from torch import nn

from conftest import LOGITS, in_order, inspected, ran, refused, vgg, write_safetensors

SIDE = 16
UNIT = ("--preprocess", "unit")


@pytest.fixture(scope="session")
def pixels():
    side = round(SIDE * 256 / 224)
    return np.random.default_rng(1).integers(0, 256, (side, side, 3), dtype=np.uint8)


@pytest.fixture(scope="session")
def photo(pixels, tmp_path_factory):
    path = tmp_path_factory.mktemp("photo") / "photo.ppm"
    path.write_bytes(b"P6\n%d %d\n255\n" % pixels.shape[1::-1] + pixels.tobytes())
    return path


def run(path, photo, *options):
    return ran(*LOGITS, path, "--exact", *options, photo)


def right(path, photo, expected, *options):
    done = run(path, photo, *options)
    assert done.returncode == 0, done
    np.testing.assert_allclose(in_order(done.stdout), expected, rtol=0, atol=1e-4)
    return done.stderr


def asked(path, photo, *options):
    """The candidates of the question, each as options."""
    done = run(path, photo, *options)
    assert done.returncode == 1 and len(done.stderr.splitlines()) == 1, done
    assert "fits several networks; say which one it holds: " in done.stderr, done
    listed = done.stderr.strip().split("it holds: ")[1]
    return [re.sub(r" (to \d+|or more)", "", c).split() for c in listed.split("; or ") if c.startswith("--")]


def conv(inputs, outputs, **more):
    return nn.Conv2d(inputs, outputs, 3, padding=1, **more)


def plain(*head, last=8 * 16):
    """Two convolutions, each with a pool."""
    torch.manual_seed(len(head))
    net = nn.Module()
    net.features = nn.Sequential(conv(3, 4), nn.ReLU(), nn.MaxPool2d(2), conv(4, 8), nn.ReLU(), nn.MaxPool2d(2))
    net.classifier = nn.Sequential(*head) if head else nn.Sequential(
        nn.Linear(last, 8), nn.ReLU(), nn.Dropout(), nn.Linear(8, 3))
    return net.eval()


def cut(pixels):
    offset = round((pixels.shape[0] - SIDE) / 2)
    return pixels[offset:offset + SIDE, offset:offset + SIDE]


def logits(net, pixels, divisor=255.0):
    x = torch.tensor(cut(pixels).transpose(2, 0, 1).copy()).float()[None] / divisor
    with torch.no_grad():
        return [float(v) for v in net.classifier(net.features(x).flatten(1))[0]]


def renamed(net, change):
    return {change(name): value for name, value in net.state_dict().items()}


# ---- names ---------------------------------------------------------------------------------------

NAMES = {
    "module around the features": lambda n: n.replace("features.", "features.module."),
    "_orig_mod": lambda n: f"_orig_mod.{n}",
    "model": lambda n: f"model.{n}",
    "net": lambda n: f"net.{n}",
    "two prefixes": lambda n: f"module.backbone.{n}",
    "feature": lambda n: n.replace("features", "feature"),
    "blocks": lambda n: n.replace("features.0", "block1.0").replace("features.3", "block2.0"),
    "tiny": lambda n: n.replace("features.0", "conv_block_1.0").replace("features.3", "conv_block_2.0"),
    "convolutions by name": lambda n: n.replace("features.0", "conv1").replace("features.3", "conv2"),
}


@pytest.mark.parametrize("naming", NAMES)
def test_names(naming, photo, pixels, tmp_path):
    net = plain()
    torch.save({"state_dict": renamed(net, NAMES[naming])}, tmp_path / "net.pth")
    said = right(tmp_path / "net.pth", photo, logits(net, pixels), *UNIT, "--layout", "paper", "--input", SIDE)
    assert "assumed kind of pools: max-pools, activations: ReLUs" in said


def test_one_tensor_beside_the_network(photo, pixels, tmp_path):
    net = plain()
    state = renamed(net, lambda n: f"module.{n}")
    torch.save({**state, "loss.weight": torch.ones(3)}, tmp_path / "net.pth")
    said = right(tmp_path / "net.pth", photo, logits(net, pixels), *UNIT, "--layout", "paper", "--input", SIDE)
    assert 'not of the network: "loss.weight"' in said
    facts = {f["fact"]: (f["value"], f["origin"]) for f in inspected(
        tmp_path / "net.pth", "--layout", "paper", "--input", SIDE)["known"]}
    assert facts["not of the network"] == ('"loss.weight"', "assumed")
    assert facts["architecture"] == ("4,M,8,M/8", "shapes") and facts["input"][1] == "told"


@pytest.mark.parametrize("module", [nn.GroupNorm(2, 8), nn.PReLU(), nn.PReLU(4), nn.LayerNorm(3)],
                         ids=["group-norm", "prelu", "prelu-each", "layer-norm"])
def test_what_computes_beside_the_others_is_not_passed_over(module, photo, tmp_path):
    """Wherever its name stands: its output is another network's."""
    state = renamed(plain(), lambda n: f"net.{n}")
    torch.save({**state, **{f"own.{n}": v for n, v in module.state_dict().items()}}, tmp_path / "net.pth")
    line = refused("predict", "--model", tmp_path / "net.pth", photo, *UNIT, "--layout", "paper", "--input", SIDE)
    assert 'do not belong to architecture 4,M,8,M/8: "own.weight"' in line


@pytest.mark.parametrize("names", [("conv1_1", "conv2_1", "fc6", "fc7"), ("a", "b", "c", "d"),
                                   ("features.0", "features.3", "classifier.fc1", "classifier.fc2")])
def test_linear_layers_without_numbers(names, photo, pixels, tmp_path):
    """Whether a ReLU stands between them is asked for."""
    net = plain()
    theirs = dict(zip(("features.0", "features.3", "classifier.0", "classifier.3"), names))
    torch.save(renamed(net, lambda n: theirs[n.rsplit(".", 1)[0]] + "." + n.rsplit(".", 1)[1]),
               tmp_path / "net.pth")
    first, second = asked(tmp_path / "net.pth", photo, *UNIT, "--layout", "paper", "--input", SIDE)
    assert (first, second) == (["--arch", "4,M,8,M/8"], ["--arch", "4,M,8,M/f8"])
    right(tmp_path / "net.pth", photo, logits(net, pixels), *UNIT, "--layout", "paper", "--input", SIDE, *first)


def test_no_classifier(tmp_path, photo):
    for change in (lambda n: n, lambda n: n.replace("features.", ""), lambda n: n.replace("features", "slice1")):
        torch.save({k: v for k, v in renamed(plain(), change).items() if "classifier" not in k},
                   tmp_path / "net.pth")
        line = refused("predict", "--model", tmp_path / "net.pth", photo, *UNIT)
        assert "has no classifier" in line and "convolutions (4,8)" in line
        found = inspected(tmp_path / "net.pth", status=4)
        assert "has no classifier" in found["network_reason"] and len(found["tensors"]) == 4


# ---- heads ---------------------------------------------------------------------------------------


def test_summary_without_a_classifier(tmp_path):
    """The table has the layers that are there."""
    net = nn.Sequential(nn.Conv2d(3, 6, 3), nn.BatchNorm2d(6), nn.ReLU(), nn.Conv2d(6, 8, 3))
    torch.save({f"features.{k}": v for k, v in net.state_dict().items()}, tmp_path / "net.pth")
    done = ran("summary", tmp_path / "net.pth")
    assert done.returncode == 0 and "note: " in done.stderr and "has no classifier" in done.stderr
    rows = [line.split() for line in done.stdout.splitlines() if "-1" in line]
    assert [(row[0], row[-1]) for row in rows] == [("Conv2d-1", "168"), ("BatchNorm2d-2", "12"), ("Conv2d-3", "440")]
    assert "Total params: 620" in done.stdout
    done = ran("summary", tmp_path / "net.pth", "--format", "json")
    found = json.loads(done.stdout)
    assert done.returncode == 0 and found["classifier"] is False and found["parameters"] == 620
    assert [(layer["name"], layer["type"], layer["output_shape"][1], layer["parameters"]) for layer in found["layers"]] == [
        ("features.0", "Conv2d", 6, 168), ("features.1", "BatchNorm2d", 6, 12), ("features.3", "Conv2d", 8, 440)]


def test_linear_behind_linear(photo, pixels, tmp_path):
    """The numbers 3 and 4 leave no room for a ReLU; behind a name there may be one."""
    net = plain(nn.Linear(128, 8), nn.ReLU(), nn.Dropout(), nn.Linear(8, 6), nn.Linear(6, 3))
    torch.save(net.state_dict(), tmp_path / "net.pth")
    right(tmp_path / "net.pth", photo, logits(net, pixels), *UNIT, "--layout", "paper", "--input", SIDE)
    torch.save(renamed(net, lambda n: n.replace("classifier.4", "classifier.add_linear")), tmp_path / "net.pth")
    told = ("--layout", "paper", "--input", SIDE)
    assert ["--arch", "4,M,8,M/8,f6"] in asked(tmp_path / "net.pth", photo, *UNIT, *told)
    right(tmp_path / "net.pth", photo, logits(net, pixels), *UNIT, *told, "--arch", "4,M,8,M/8,f6")


@pytest.mark.parametrize("between, option", [(nn.ReLU(), "f8,R"), (nn.Dropout(), "f8")])
def test_one_module_between_linear_layers(between, option, photo, pixels, tmp_path):
    net = plain(nn.Linear(128, 8), between, nn.Linear(8, 3))
    torch.save(net.state_dict(), tmp_path / "net.pth")
    told = (*UNIT, "--layout", "paper", "--input", SIDE)
    choices = asked(tmp_path / "net.pth", photo, *told)
    assert choices == [["--arch", "4,M,8,M/f8,R"], ["--arch", "4,M,8,M/f8"]]
    right(tmp_path / "net.pth", photo, logits(net, pixels), *told, "--arch", f"4,M,8,M/{option}")


def test_batch_norm_in_the_head(photo, pixels, tmp_path):
    net = plain(nn.Linear(128, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Dropout(), nn.Linear(8, 3))
    net.classifier[1].running_mean.normal_()
    torch.save(net.state_dict(), tmp_path / "net.pth")
    right(tmp_path / "net.pth", photo, logits(net, pixels), *UNIT, "--layout", "paper", "--input", SIDE)


def test_one_output(photo, pixels, tmp_path):
    """A sigmoid: two classes, of which one has the logit 0."""
    net = plain(nn.Linear(128, 8), nn.ReLU(), nn.Dropout(), nn.Linear(8, 1))
    torch.save(net.state_dict(), tmp_path / "net.pth")
    told = (*UNIT, "--layout", "paper", "--input", SIDE)
    said = right(tmp_path / "net.pth", photo, [0, *logits(net, pixels)], *told)
    assert "outputs: one, whose sigmoid is the probability of class 1 of 2" in said
    vgg("convert", tmp_path / "net.pth", tmp_path / "net.safetensors", "--layout", "paper", "--input", SIDE)
    vgg("convert", tmp_path / "net.safetensors", tmp_path / "back.pth", "--names-from", tmp_path / "net.pth")
    back = torch.load(tmp_path / "back.pth")
    net.load_state_dict(back, strict=True)
    assert all(torch.equal(back[k], v) for k, v in torch.load(tmp_path / "net.pth").items())


def test_global_average(photo, pixels, tmp_path):
    net = plain(nn.Linear(8, 3))
    net.features.append(nn.AdaptiveAvgPool2d(1))
    torch.save(net.state_dict(), tmp_path / "net.pth")
    told = ("--layout", "global", "--input", SIDE)
    choices = asked(tmp_path / "net.pth", photo, *UNIT, *told)
    assert ["--arch", "4,M,8,M", "--padding", "same"] in choices
    right(tmp_path / "net.pth", photo, logits(net, pixels), *UNIT, *told, "--arch", "4,M,8,M")


# ---- features ------------------------------------------------------------------------------------


def test_dropout_in_the_features(photo, pixels, tmp_path):
    """Numbers leave room for a pool as well as for a dropout; what is told rules."""
    net = plain(nn.Linear(8 * 49, 3))
    net.features = nn.Sequential(conv(3, 4), nn.ReLU(), nn.Dropout2d(), conv(4, 8), nn.ReLU(), nn.MaxPool2d(2),
                                 nn.AdaptiveAvgPool2d(7)).eval()
    torch.save(net.state_dict(), tmp_path / "net.pth")
    told = ("--layout", "torchvision", "--input", SIDE)
    assert ["--arch", "4,8,M", "--padding", "same"] in asked(tmp_path / "net.pth", photo, *UNIT, *told)
    right(tmp_path / "net.pth", photo, logits(net, pixels), *UNIT, *told, "--arch", "4,8,M")


@pytest.mark.parametrize("behind", [False, True])
def test_convolutions_without_bias_and_norms(behind, photo, pixels, tmp_path):
    net, layers = plain(), []
    for inputs, outputs in ((3, 4), (4, 8)):
        norm = nn.BatchNorm2d(outputs)
        norm.running_mean.normal_()
        norm.running_var.uniform_(0.5, 2)
        norm.bias.data.normal_()
        layers += [conv(inputs, outputs, bias=False), *([nn.ReLU(), norm] if behind else [norm, nn.ReLU()]),
                   nn.MaxPool2d(2)]
    net.features = nn.Sequential(*layers).eval()
    torch.save(net.state_dict(), tmp_path / "net.pth")
    right(tmp_path / "net.pth", photo, logits(net, pixels), *UNIT, "--layout", "paper", "--input", SIDE)


@pytest.mark.parametrize("padding, side", [("valid", 4), ("same", 16)])
def test_padding(padding, side, photo, pixels, tmp_path):
    net = plain(nn.Linear(8 * side // 4 * side // 4 if padding == "same" else 8 * 4, 3))
    if padding == "valid":
        for at in (0, 3):
            net.features[at].padding = (0, 0)
    torch.save(net.state_dict(), tmp_path / "net.pth")
    right(tmp_path / "net.pth", photo, logits(net, pixels), *UNIT, "--layout", "paper", "--input", SIDE,
          "--padding", padding, "--arch", "4,M,8,M")


def test_what_no_network_here_has(tmp_path, photo):
    net = plain()
    net.features[0] = nn.Conv2d(3, 4, 5, padding=2)
    torch.save(net.state_dict(), tmp_path / "net.pth")
    line = refused("predict", "--model", tmp_path / "net.pth", photo, *UNIT)
    assert '"features.0.weight"' in line and "has a kernel of 5x5, expected 3x3 or 1x1" in line


def test_too_many_layers(tmp_path):
    torch.save({f"c{i}.weight": torch.zeros(3, 3, 1, 1) for i in range(600)}, tmp_path / "net.pth")
    assert "has 600 layers with weights, expected at most 512" in refused("summary", tmp_path / "net.pth")


def test_many_layers_are_read_soon(tmp_path):
    """Without any number there are more networks than can be tried."""
    state = {f"c{i}.weight": torch.zeros(3, 3, 3, 3) for i in range(400)}
    torch.save({**state, "last.weight": torch.zeros(2, 3 * 16)}, tmp_path / "net.pth")
    line = refused("summary", tmp_path / "net.pth", "--input", 64)
    assert "and many more" in line


# ---- the document's class ------------------------------------------------------------------------


class Vgg16(nn.Module):
    """Its modules and names, with widths that a test can have: of D where `real`."""

    def __init__(self, real):
        super().__init__()
        widths = [64, 128, 256, 512, 512] if real else [4, 8, 8, 8, 8]
        channels = 3
        for number, width in enumerate(widths):
            layers = []
            for _ in range(2 if number < 2 else 3):
                layers += [nn.Conv2d(channels, width, 3, padding=1), nn.ReLU()]
                channels = width
            setattr(self, f"conv{number + 1}", nn.Sequential(*layers, nn.MaxPool2d(2, 2)))
        hidden, inputs = (4096, 512 * 49) if real else (16, 8)
        self.fc_module = nn.Sequential(nn.Linear(inputs, hidden), nn.Dropout(), nn.ReLU(),
                                       nn.Linear(hidden, hidden), nn.Dropout(), nn.ReLU(),
                                       nn.Linear(hidden, 1000 if real else 3))

    def forward(self, x):
        for number in range(5):
            x = getattr(self, f"conv{number + 1}")(x)
        return self.fc_module(x.flatten(1))


def test_the_documents_class(tmp_path):
    """Opens with nothing but the preprocessing, and has its table; what is written back under its
    names loads strictly."""
    with torch.no_grad():
        net = Vgg16(real=True)
    torch.save(net.state_dict(), tmp_path / "net.pth")
    table = vgg("summary", tmp_path / "net.pth")
    assert "           Linear-32                 [-1, 4096]     102,764,544" in table
    assert "          Dropout-33" in table and "             ReLU-34" in table
    assert "Total params: 138,357,544" in table and "       MaxPool2d-31            [-1, 512, 7, 7]" in table
    found = inspected(tmp_path / "net.pth")
    assert (found["network"]["arch"], found["network"]["layout"]) == ("D", "paper")
    assumed = {f["fact"]: f["value"] for f in found["known"] if f["origin"] == "assumed"}
    assert assumed["input"] == "3x224x224" and "places of pools" in assumed
    by_name = {t["stored_name"]: t["name"] for t in found["tensors"]}
    assert by_name["conv3.4.weight"] == "features.14.weight"


def test_back_to_the_documents_class(tmp_path):
    torch.manual_seed(3)
    net = Vgg16(real=False).eval()
    torch.save(net.state_dict(), tmp_path / "net.pth")
    vgg("convert", tmp_path / "net.pth", tmp_path / "net.safetensors", "--input", 32, "--layout", "paper")
    vgg("convert", tmp_path / "net.safetensors", tmp_path / "back.pth", "--names-from", tmp_path / "net.pth")
    back, same = torch.load(tmp_path / "back.pth"), torch.load(tmp_path / "net.pth")
    assert list(back) == list(same) and all(torch.equal(back[k], same[k]) for k in same)
    net.load_state_dict(back, strict=True)
    other = tmp_path / "other.pth"
    torch.save(plain().state_dict(), other)
    line = refused("convert", tmp_path / "net.safetensors", tmp_path / "no.pth", "--names-from", other)
    assert str(other) in line and "its layers are not those of the model" in line


# ---- Keras ---------------------------------------------------------------------------------------


def dense(weight, first):
    """(in, out), the rows of the first in the order (row, column, channel)."""
    if not first:
        return weight.T
    return weight.reshape(weight.shape[0], 8, -1).transpose(0, 2, 1).reshape(weight.shape[0], -1).T


def keras_weights(net, path, *between):
    """Weights with layer_names: between[i] are those without weights behind the i-th layer with some."""
    arrays = []
    for module in [*net.features, *net.classifier]:
        if isinstance(module, (nn.Conv2d, nn.Linear)):
            weight = module.weight.detach().numpy()
            first = len(arrays) == 2 and weight.shape[1] > 8
            kernel = weight.transpose(2, 3, 1, 0) if weight.ndim == 4 else dense(weight, first)
            arrays.append((kernel, module.bias.detach().numpy()))
    names = ["conv2d", "conv2d_1", "dense", "dense_1"][:len(arrays)]
    with h5py.File(path, "w") as file:
        listed = [n for name, more in zip(names, between) for n in (name, *more)]
        file.attrs["layer_names"] = np.array([n.encode() for n in listed])
        for name in listed:
            group = file.create_group(name)
            own = dict(zip(("kernel", "bias"), arrays[names.index(name)])) if name in names else {}
            group.attrs["weight_names"] = np.array([f"{name}/{k}:0".encode() for k in own], dtype="S40")
            for key, value in own.items():
                group[f"{name}/{key}:0"] = value


def test_keras_names_of_pools(photo, pixels, tmp_path):
    """A global pool is none of 2x2, an average is none of maxima, and a Leaky ReLU is refused."""
    net = plain(nn.Linear(8, 3))
    net.features[5] = nn.AdaptiveAvgPool2d(1)
    told = (*UNIT, "--input", SIDE, "--padding", "same")
    keras_weights(net, tmp_path / "net.h5", ["max_pooling2d"], ["global_average_pooling2d"], [])
    right(tmp_path / "net.h5", photo, logits(net, pixels), *told)
    net = plain(nn.Linear(128, 3))
    net.features[2], net.features[5] = nn.AvgPool2d(2), nn.AvgPool2d(2)
    keras_weights(net, tmp_path / "net.h5", ["average_pooling2d"], ["average_pooling2d_1", "flatten"], [])
    right(tmp_path / "net.h5", photo, logits(net, pixels), *told)
    keras_weights(net, tmp_path / "net.h5", ["leaky_re_lu", "max_pooling2d"], ["flatten"], [])
    line = refused("predict", "--model", tmp_path / "net.h5", photo, *UNIT)
    assert '"leaky_re_lu"' in line and "no layer of a VGG network" in line


def test_keras_sizes_are_asked_for(photo, tmp_path):
    keras_weights(plain(nn.Linear(128, 3)), tmp_path / "net.h5", ["max_pooling2d"],
                  ["max_pooling2d_1", "flatten"], [])
    choices = asked(tmp_path / "net.h5", photo, *UNIT)
    assert choices == [["--padding", "same", "--input", "16"], ["--padding", "valid", "--input", "22"]]


@pytest.mark.parametrize("layers, factor, offset", [
    ([{"class_name": "Rescaling", "config": {"name": "r", "scale": 1 / 255, "offset": 0.0}}], 1 / 255, 0),
    ([{"class_name": "Rescaling", "config": {"name": "r", "scale": 1 / 127.5, "offset": -1}}], 1 / 127.5, -1),
    ([{"class_name": "Rescaling", "config": {"name": "r", "scale": 1 / 255}},
      {"class_name": "Normalization", "config": {"name": "n", "axis": [-1], "mean": [0.5, 0.4, 0.3],
                                                 "variance": [0.04, 0.09, 0.16]}}],
     np.array([1 / 0.2, 1 / 0.3, 1 / 0.4]) / 255, -np.array([0.5 / 0.2, 0.4 / 0.3, 0.3 / 0.4])),
    ([{"class_name": "Sequential", "config": {"layers": [
        {"class_name": "Resizing", "config": {"name": "r", "height": SIDE, "width": SIDE}},
        {"class_name": "Rescaling", "config": {"name": "s", "scale": 1 / 255}}]}}], 1 / 255, 0),
])
def test_what_keras_does_with_its_input(layers, factor, offset, photo, pixels, tmp_path):
    import json
    net = plain(nn.Linear(128, 3))
    keras_weights(net, tmp_path / "weights.h5", [], [], [])
    both = {"activation": "relu", "padding": "same", "kernel_size": [3, 3]}
    pool = {"class_name": "MaxPooling2D", "config": {"name": "p", "pool_size": [2, 2]}}
    config = [{"class_name": "InputLayer", "config": {"name": "i", "batch_shape": [None, SIDE, SIDE, 3]}}, *layers,
              {"class_name": "Conv2D", "config": {"name": "conv2d", **both}}, pool,
              {"class_name": "Conv2D", "config": {"name": "conv2d_1", **both}}, pool,
              {"class_name": "Flatten", "config": {"name": "f"}},
              {"class_name": "Dense", "config": {"name": "dense", "activation": "softmax"}}]
    with h5py.File(tmp_path / "net.h5", "w") as file, h5py.File(tmp_path / "weights.h5") as weights:
        file.attrs["model_config"] = json.dumps({"class_name": "Sequential", "config": {"layers": config}})
        weights.copy(weights, file, "model_weights")
    x = torch.tensor((cut(pixels) * factor + offset).transpose(2, 0, 1).copy()).float()[None]
    with torch.no_grad():
        expected = [float(v) for v in net.classifier(net.features(x).flatten(1))[0]]
    assert right(tmp_path / "net.h5", photo, expected) == ""
    line = refused("predict", "--model", tmp_path / "net.h5", photo, "--preprocess", "caffe")
    assert "its graph prepares its input itself" in line


@pytest.mark.parametrize("size, resized, says", [
    ([None, None], [SIDE, SIDE], None),
    ([32, 32], [SIDE, SIDE], '"r" (Resizing) resizes an input of 32x32 to 16x16, expected the size that it has'),
    ([SIDE, SIDE], [0, SIDE], '"r" (Resizing) has no height and width'),
])
def test_keras_resizing(size, resized, says, photo, pixels, tmp_path):
    """Of an input of any size it says which one the convolutions see."""
    import json
    net = plain(nn.Linear(128, 3))
    keras_weights(net, tmp_path / "weights.h5", [], [], [])
    both = {"activation": "relu", "padding": "same", "kernel_size": [3, 3]}
    pool = {"class_name": "MaxPooling2D", "config": {"name": "p", "pool_size": [2, 2]}}
    config = [{"class_name": "InputLayer", "config": {"name": "i", "batch_shape": [None, *size, 3]}},
              {"class_name": "Resizing", "config": {"name": "r", "height": resized[0], "width": resized[1]}},
              {"class_name": "Conv2D", "config": {"name": "conv2d", **both}}, pool,
              {"class_name": "Conv2D", "config": {"name": "conv2d_1", **both}}, pool,
              {"class_name": "Flatten", "config": {"name": "f"}}, {"class_name": "Dense", "config": {"name": "dense"}}]
    with h5py.File(tmp_path / "net.h5", "w") as file, h5py.File(tmp_path / "weights.h5") as weights:
        file.attrs["model_config"] = json.dumps({"class_name": "Sequential", "config": {"layers": config}})
        weights.copy(weights, file, "model_weights")
    if says is not None:
        assert says in refused("predict", "--model", tmp_path / "net.h5", photo, *UNIT)
        return
    said = right(tmp_path / "net.h5", photo, logits(net, pixels), *UNIT)
    assert 'its layer "r" resizes pictures to 16x16, which the preprocessing does in its place' in said


def test_keras_input_on_the_right_side_is_refused(photo, tmp_path):
    """1 - x is not x - 1."""
    import json
    keras_weights(plain(nn.Linear(128, 3)), tmp_path / "weights.h5", [], [], [])
    tensor = {"class_name": "__keras_tensor__", "config": {"shape": [None, SIDE, SIDE, 3], "keras_history": ["i", 0, 0]}}
    calls = {"keras 3": [{"args": [1.0, tensor], "kwargs": {}}],
             "keras 2": [["_CONSTANT_VALUE", -1, 1.0, {"y": ["i", 0, 0]}]]}
    for name, call in calls.items():
        operation = ({"class_name": "Subtract", "config": {"name": "s"}} if name == "keras 3" else
                     {"class_name": "TFOpLambda", "config": {"name": "s", "function": "math.subtract"}})
        layers = [{"class_name": "InputLayer", "config": {"name": "i", "batch_shape": [None, SIDE, SIDE, 3]}},
                  {**operation, "inbound_nodes": call}]
        with h5py.File(tmp_path / "net.h5", "w") as file:
            file.attrs["model_config"] = json.dumps({"class_name": "Functional", "config": {"layers": layers}})
            with h5py.File(tmp_path / "weights.h5") as weights:
                weights.copy(weights, file, "model_weights")
        line = refused("predict", "--model", tmp_path / "net.h5", photo, *UNIT)
        assert "has its input on the right side, expected the left one" in line, name


def test_keras_layer_that_is_used_twice_is_refused(photo, tmp_path):
    import json
    keras_weights(plain(nn.Linear(128, 3)), tmp_path / "weights.h5", [], [], [])
    node = {"args": [], "kwargs": {}}
    layers = [{"class_name": "InputLayer", "config": {"name": "i", "batch_shape": [None, SIDE, SIDE, 3]}},
              {"class_name": "ReLU", "config": {"name": "shared"}, "inbound_nodes": [node, node]}]
    with h5py.File(tmp_path / "net.h5", "w") as file:
        file.attrs["model_config"] = json.dumps({"class_name": "Functional", "config": {"layers": layers}})
        with h5py.File(tmp_path / "weights.h5") as weights:
            weights.copy(weights, file, "model_weights")
    line = refused("predict", "--model", tmp_path / "net.h5", photo, *UNIT)
    assert '"shared" (ReLU) is used 2 times, expected once' in line


def test_order_that_only_words_tell_is_assumed(photo, tmp_path):
    """Safetensors keep no order: "three" comes before "two"."""
    shapes = {"one": (4, 3, 3, 3), "three": (4, 4, 3, 3), "two": (4, 4, 3, 3)}
    tensors = {f"{name}.{field}": np.random.RandomState(i).randn(*(shape if field == "weight" else shape[:1])).astype("f4")
               for i, (name, shape) in enumerate(shapes.items()) for field in ("weight", "bias")}
    tensors["z.weight"], tensors["z.bias"] = np.ones((3, 4 * SIDE * SIDE), "f4"), np.ones(3, "f4")
    write_safetensors(tmp_path / "net.safetensors", tensors)
    out = vgg("inspect", tmp_path / "net.safetensors", "--arch", "4,4,4", "--layout", "paper",
              "--input", SIDE)
    assert "order of layers" in out and "assumed: that of their names" in out


# ---- ONNX ----------------------------------------------------------------------------------------


class Inside(nn.Module):
    def __init__(self, net, ending):
        super().__init__()
        self.net, self.ending = net, ending
        self.register_buffer("mean", torch.tensor([0.485, 0.456, 0.406])[:, None, None])
        self.register_buffer("deviation", torch.tensor([0.229, 0.224, 0.225])[:, None, None])

    def forward(self, x):
        x = self.net.features((x - self.mean) / self.deviation)
        return self.ending(self.net.classifier(x.mean((2, 3)) if x.shape[1] == 6 else x.flatten(1)))


@pytest.mark.filterwarnings("ignore")
def test_what_onnx_does_around_its_network(photo, pixels, tmp_path):
    net = plain(nn.Linear(6, 3))
    net.features[3] = conv(4, 6)
    whole = Inside(net, nn.LogSoftmax(1)).eval()
    torch.onnx.export(whole, torch.zeros(1, 3, SIDE, SIDE), str(tmp_path / "net.onnx"))
    x = torch.tensor(cut(pixels).transpose(2, 0, 1).copy()).float()[None] / 255
    with torch.no_grad():
        expected = net.classifier(net.features((x - whole.mean) / whole.deviation).mean((2, 3)))[0].tolist()
    assert right(tmp_path / "net.onnx", photo, expected, *UNIT) == ""
    said = right(tmp_path / "net.onnx", photo, expected)
    assert "assumed that they are divided by 255 first" in said
    found = inspected(tmp_path / "net.onnx")
    assert found["network"]["layout"] == "global" and found["softmax"]
