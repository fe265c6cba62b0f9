"""vgg distance --metric dists: the formula in PyTorch in float64, the package of its authors, and what is refused."""
import json
import pathlib
import sys
import types

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="needs PyTorch (python3-torch)")
pytest.importorskip("PIL", reason="needs Pillow (python3-pil)")

import torch.nn.functional as F  # noqa: E402
from PIL import Image  # noqa: E402

import nets  # noqa: E402, F401: finds packages of PyPI
from nets import apart  # noqa: E402
from program import DEVIATION, MEAN, Vgg, draw, make_model, vgg  # noqa: E402

ENDS = (4, 9, 16, 23, 30)
WIDTHS = (3, 5, 10, 21, 42, 42)


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    folder = tmp_path_factory.mktemp("dists")
    made = make_model(folder / "whole.pth")
    torch.save({key: value.float() for key, value in made.features.state_dict().items()}, folder / "trunk.pth")
    random = torch.Generator().manual_seed(6)
    weights = {name: torch.rand(1, sum(WIDTHS), 1, 1, generator=random) for name in ("alpha", "beta")}
    torch.save(weights, folder / "lin.pt")
    for size in ((80, 64), (75, 49)):
        for i, name in enumerate("ab"):
            draw(folder / f"{name}{size[0]}.png", i + 1, size)
    return folder, made.features, [weights[name].double() for name in ("alpha", "beta")]


def picture(path):
    """From 0 to 1, (1, 3, H, W) in float64."""
    return torch.from_numpy(np.asarray(Image.open(path).convert("RGB"), np.float64).transpose(2, 0, 1)[None] / 255)


def pooled(x):
    window = torch.tensor([1.0, 2.0, 1.0], dtype=torch.float64)
    window = (window[:, None] * window / 16).expand(x.shape[1], 1, 3, 3)
    return (F.conv2d(x ** 2, window, stride=2, padding=1, groups=x.shape[1]) + 1e-12).sqrt()


def given(layers, x):
    found = [x]
    x = (x - torch.tensor(MEAN).view(1, 3, 1, 1).double()) / torch.tensor(DEVIATION).view(1, 3, 1, 1).double()
    for number, layer in enumerate(layers):
        x = pooled(x) if isinstance(layer, torch.nn.MaxPool2d) else layer(x)
        if number + 1 in ENDS:
            found.append(x)
    return found


def dists(layers, a, b, alpha, beta):
    whole, value, first = alpha.sum() + beta.sum(), 0, 0
    for x, y in zip(given(layers, a), given(layers, b)):
        x, y = x[0].flatten(1), y[0].flatten(1)
        m, n = x.mean(1), y.mean(1)
        texture = (2 * m * n + 1e-6) / (m ** 2 + n ** 2 + 1e-6)
        structure = ((2 * ((x * y).mean(1) - m * n) + 1e-6) /
                     (x.var(1, unbiased=False) + y.var(1, unbiased=False) + 1e-6))
        rows = slice(first, first + len(x))
        value = value + (alpha.flatten()[rows] * (1 - texture) + beta.flatten()[rows] * (1 - structure)).sum() / whole
        first += len(x)
    return value


def measured(model, out, *words):
    said, _ = vgg("distance", "--metric", "dists", "--model", model, "--format", "json", "--gradient", out, "--overwrite", *words)
    return json.loads(said)["pairs"][0], np.load(out)


@pytest.mark.parametrize("options", [(), ("--exact",), ("--lin",)], ids=["alike", "exact", "weights"])
@pytest.mark.parametrize("width", (80, 75))
def test_formula(place, width, options):
    folder, layers, weights = place
    weights = weights if "--lin" in options else [torch.ones(sum(WIDTHS)).double()] * 2
    options = [word for option in options for word in ([option, folder / "lin.pt"] if option == "--lin" else [option])]
    for names in ("ab", "ba"):
        paths = [folder / f"{name}{width}.png" for name in names]
        a, b = (picture(path).requires_grad_() for path in paths)
        value = dists(layers, a, b, *weights)
        value.backward()
        found, slope = measured(folder / "trunk.pth", folder / "slope.npy", *options, *paths)
        assert found["distance"] == pytest.approx(value.item(), rel=1e-4)
        assert apart(slope, a.grad[0].numpy()) < 1e-4
        assert list(found["layers"])[0] == "picture" and len(found["layers"]) == 6
        assert sum(found["layers"].values()) == pytest.approx(found["distance"], rel=1e-12)


def test_equal_pictures_and_threads(place):
    folder = place[0]
    found, slope = measured(folder / "trunk.pth", folder / "none.npy", folder / "a80.png", folder / "a80.png")
    assert found["distance"] == 0 and np.abs(slope).max() < 1e-6
    made = [measured(folder / "trunk.pth", folder / "t.npy", "--threads", n, folder / "a80.png", folder / "b80.png")
            for n in (1, 2, 5)]
    assert all(pair == made[0][0] and np.array_equal(slope, made[0][1]) for pair, slope in made)


REFUSED = {
    "layer": (("--layer", "relu1_1"), 2, "--layer: is for the metrics features and gram"),
    "pools": (("--average-pools",), 2, "--average-pools: is for the metrics features and gram"),
    "no weights": (("--lin", "trunk.pth"), 1, 'has no tensor "alpha"'),
    "few weights": (("--lin", "few.pt"), 1, "expected 123 values"),
    "no sum": (("--lin", "nothing.pt"), 1, "add up to 0"),
    "another network": (("--model", "builtin"), 1, "DISTS is defined with VGG-16"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused(place, name):
    options, status, says = REFUSED[name]
    torch.save({"alpha": torch.ones(1475), "beta": torch.ones(1475)}, place[0] / "few.pt")
    torch.save({"alpha": torch.zeros(123), "beta": torch.zeros(123)}, place[0] / "nothing.pt")
    words = options if "--model" in options else ("--model", "trunk.pth", *options)
    assert says in vgg("distance", "--metric", "dists", *words, "a80.png", "b80.png", cwd=place[0], status=status)[1]


def test_the_package(tmp_path, monkeypatch):
    """With a VGG-16 of seeded weights, whose torchvision nobody needs to have."""
    torch.manual_seed(4)
    made = Vgg(scale=1).features.eval()
    for layer in made:
        if isinstance(layer, torch.nn.Conv2d):
            torch.nn.init.kaiming_normal_(layer.weight, mode="fan_in")
    stub = types.ModuleType("torchvision")
    stub.models = types.SimpleNamespace(vgg16=lambda **_: types.SimpleNamespace(features=made))
    stub.transforms = types.SimpleNamespace()
    monkeypatch.setitem(sys.modules, "torchvision", stub)
    package = pytest.importorskip("DISTS_pytorch", reason="needs DISTS_pytorch (PyPI: scripts/venv.sh)")
    torch.save(made.state_dict(), tmp_path / "vgg16.pth")
    file = pathlib.Path(package.__file__).parent / "weights.pt"
    metric, weights = package.DISTS(load_weights=False), torch.load(file)
    metric.alpha.data, metric.beta.data = weights["alpha"], weights["beta"]
    metric = metric.double()
    paths = [draw(tmp_path / f"{name}.png", seed, (48, 40)) for seed, name in enumerate("ab")]
    a, b = (picture(path) for path in paths)
    value = metric(a.requires_grad_(), b, require_grad=True)
    value.backward()
    found, slope = measured(tmp_path / "vgg16.pth", tmp_path / "slope.npy", "--lin", file, *paths)
    assert found["distance"] == pytest.approx(value.item(), rel=1e-4)
    assert apart(slope, a.grad[0].numpy()) < 1e-4
