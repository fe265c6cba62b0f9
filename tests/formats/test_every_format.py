"""One network in the layout of every format gives one answer, and goes the round of those that are
written without losing a bit."""

import itertools
import math

import pytest

np = pytest.importorskip("numpy", reason="needs numpy (python3-numpy)")
pytest.importorskip("h5py", reason="needs h5py (python3-h5py)")

import caffe_files  # noqa: E402
import darknet_files  # noqa: E402
import keras_files  # noqa: E402
from conftest import logits, logits_by_convention, vgg, write_safetensors  # noqa: E402

CAFFE = ("--preprocess", "caffe")
D = [8, 8, "M", 12, 12, "M", 16, 16, 16, "M", 24, 24, 24, "M", 24, 24, 24, "M"]
# Trunk, hidden layers, classes, side; their last feature maps are 2x2 and 3x3.
NETS = {"D": (D, [40, 30], 10, 64), "written": ([6, "M", 10, 8, "M"], [14, 12], 4, 12),
        "bn": ([6, "M", 10, 8, "M"], [14, 12], 4, 12)}


def network(name):
    """Whose first weights are for inputs up to 255; with batch normalisation biases are zero before
    it, which Darknet's files cannot have."""
    net = keras_files.Net(*NETS[name], batch_norm=name == "bn", seed=5)
    first = net.layers[0][2]["weight"]
    first /= 64
    for kind, _, more in net.layers:
        if kind == "Conv2D" and name == "bn":
            more["bias"][:] = 0
    return net


def arch_of(net):
    words = [len(more["bias"]) if kind == "Conv2D" else "M" for kind, _, more in net.layers
             if kind in ("Conv2D", "MaxPooling2D")]
    hidden = [len(more["bias"]) for kind, _, more in net.layers if kind == "Dense"][:-1]
    return ",".join(map(str, words)) + "/" + ",".join(map(str, hidden))


def told(net):
    return "--arch", arch_of(net), "--layout", "paper", "--input", net.side


def plain(net, divisor):
    """For caffe_files and darknet_files. divisor: gives the variance that a program stores where
    PyTorch stores that one."""
    made = caffe_files.Network([], [], 1, net.side)
    made.convolutions, made.pools, made.linears = [], [], []
    for kind, _, more in net.layers:
        values = {k: v.ravel().tolist() for k, v in more.items() if k != "activation"}
        if kind == "Conv2D":
            made.convolutions.append((more["weight"].shape, values["weight"], values["bias"], None))
            made.pools.append(False)
        elif kind == "BatchNormalization":
            variance = [divisor(v + keras_files.EPSILON - 1e-5) for v in values["variance"]]
            norm = (values["gamma"], values["beta"], values["mean"], variance)
            made.convolutions[-1] = (*made.convolutions[-1][:3], norm)
        elif kind == "MaxPooling2D":
            made.pools[-1] = True
        elif kind == "Dense":
            made.linears.append((more["weight"].shape, values["weight"], values["bias"]))
    return made


# ---- each writes the network and gives the options that the file needs; None: it says all ------------


def safetensors(net, path):
    write_safetensors(path, net.state)
    return (*told(net), *CAFFE)


def timm(net, path):
    """Whose first linear layer is a convolution that sees all of its input."""
    names = {"classifier.0.": "pre_logits.fc1.", "classifier.3.": "pre_logits.fc2.",
             "classifier.6.": "head.fc."}
    state = {}
    for name, values in net.state.items():
        module, index, field = name.split(".")
        if values.ndim == 2 and index == "0":
            values = values.reshape(len(values), -1, net.size, net.size)
        elif values.ndim == 2 and index == "3":
            values = values.reshape(*values.shape, 1, 1)
        state[names.get(f"{module}.{index}.", f"{module}.{index}.") + field] = values
    write_safetensors(path, state)
    return (*told(net), *CAFFE)


def torch_state(net):
    torch = pytest.importorskip("torch", reason="needs PyTorch (python3-torch)")
    return torch, {name: torch.from_numpy(values) for name, values in net.state.items()}


def pth(net, path):
    torch, state = torch_state(net)
    torch.save(state, path)
    return (*told(net), *CAFFE)


def legacy(net, path):
    torch, state = torch_state(net)
    torch.save(state, path, _use_new_zipfile_serialization=False)
    return (*told(net), *CAFFE)


def onnx(net, path):
    torch, state = torch_state(net)
    nn = torch.nn
    features, linears, channels = [], [], 3
    for kind, _, more in net.layers:
        if kind == "Conv2D":
            features.append(nn.Conv2d(channels, len(more["bias"]), 3, padding=1))
            channels = len(more["bias"])
            if more["activation"] == "relu":
                features.append(nn.ReLU())
        elif kind == "BatchNormalization":
            features += [nn.BatchNorm2d(channels), nn.ReLU()]
        elif kind == "MaxPooling2D":
            features.append(nn.MaxPool2d(2, 2))
        elif kind == "Dense":
            linears += [nn.Linear(*more["weight"].shape[::-1]), nn.ReLU(), nn.Dropout()]
    module = nn.Sequential()
    module.features, module.flat = nn.Sequential(*features), nn.Flatten()
    module.classifier = nn.Sequential(*linears[:-2])
    module.load_state_dict(state, strict=False)
    torch.onnx.export(module.eval(), torch.zeros(1, 3, net.side, net.side), str(path))
    return CAFFE


def keras_weights(net, path):
    keras_files.write_old(path, net)
    return (*told(net), *CAFFE)


def keras_whole(net, path):
    keras_files.write_keras(path, net)
    return None


def caffe(net, path):
    layers = caffe_files.caffe_layers(plain(net, lambda variance: variance), v1=net.side == 64)
    path.write_bytes(caffe_files.caffe_model(layers, caffe_files.input_dims(net.side)))
    return None


def darknet(net, path):
    made = plain(net, lambda variance: (math.sqrt(variance + 1e-5) - 1e-6) ** 2)
    path.write_bytes(darknet_files.weights(made))
    return (*told(net), *CAFFE)


LAYOUTS = [timm, pth, legacy, onnx, keras_weights, keras_whole, caffe, darknet]


@pytest.mark.parametrize("layout", LAYOUTS, ids=lambda layout: layout.__name__)
@pytest.mark.parametrize("name", NETS)
def test_one_answer(name, layout, noise, tmp_path):
    net = network(name)
    expected = logits(tmp_path / "net", noise, *safetensors(net, tmp_path / "net"))
    says = layout(net, tmp_path / "other")
    found = (logits_by_convention("caffe", tmp_path / "other", noise) if says is None else
             logits(tmp_path / "other", noise, *says))
    assert max(expected) - min(expected) > 0.1
    assert np.abs(np.subtract(found, expected)).max() < 1e-5


@pytest.mark.parametrize("order", itertools.permutations(["safetensors", "pth", "onnx"]),
                         ids="-".join)
@pytest.mark.parametrize("name", NETS)
def test_round(name, order, noise, tmp_path):
    """Files are the same bytes when they come round, and the tensors are those of the start."""
    net = network(name)
    says = safetensors(net, tmp_path / "net")
    expected = logits(tmp_path / "net", noise, *says)
    vgg("convert", tmp_path / "net", tmp_path / f"0.{order[0]}", *says)
    stops = [tmp_path / f"{i}.{kind}" for i, kind in enumerate([*order, order[0]])]
    for start, end in itertools.pairwise(stops):
        vgg("convert", start, end)
        assert logits(end, noise) == expected
    assert stops[-1].read_bytes() == stops[0].read_bytes()
    vgg("convert", stops[2], tmp_path / "end.safetensors")
    end = (tmp_path / "end.safetensors").read_bytes()
    assert all(values.tobytes() in end for values in net.state.values())
