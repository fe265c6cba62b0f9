"""vgg distance: every metric and its gradient against the formula in PyTorch in float64, LPIPS against the package of its
authors, pairs and what is refused."""
import csv
import io
import json
import pathlib
import sys
import types

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="needs PyTorch (python3-torch)")
pytest.importorskip("PIL", reason="needs Pillow (python3-pil)")

from PIL import Image  # noqa: E402

import nets  # noqa: E402, F401: finds packages of PyPI
from nets import apart  # noqa: E402
from program import MEAN, DEVIATION, Vgg, draw, make_model, photographs, vgg  # noqa: E402

SIDES = (80, 64)  # width, height
LIPS = {"relu1_2": 4, "relu2_2": 9, "relu3_3": 16, "relu4_3": 23, "relu5_3": 30}


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    folder = tmp_path_factory.mktemp("distances")
    made = make_model(folder / "whole.pth")
    torch.save({key: value.float() for key, value in made.features.state_dict().items()}, folder / "trunk.pth")
    random = torch.Generator().manual_seed(5)
    weights = {f"lin{i}.model.1.weight": torch.rand(1, width, 1, 1, generator=random)
               for i, width in enumerate((5, 10, 21, 42, 42))}
    torch.save(weights, folder / "lin.pth", _use_new_zipfile_serialization=False)
    draw(folder / "a.png", 1, SIDES)
    draw(folder / "b.png", 2, SIDES)
    return folder, made.features, [weights[f"lin{i}.model.1.weight"].double() for i in range(5)]


def picture(path):
    """From 0 to 1, (1, 3, H, W) in float64."""
    return torch.from_numpy(np.asarray(Image.open(path).convert("RGB"), np.float64).transpose(2, 0, 1)[None] / 255)


def given(layers, x, ends):
    x = (x - torch.tensor(MEAN).view(1, 3, 1, 1).double()) / torch.tensor(DEVIATION).view(1, 3, 1, 1).double()
    found = []
    for number, layer in enumerate(layers):
        x = layer(x)
        if number + 1 in ends:
            found.append(x)
    return found


def lpips(a, b, weights):
    def unit(x):
        return x / ((x ** 2).sum(1, keepdim=True).sqrt() + 1e-10)
    return sum((w * (unit(x) - unit(y)) ** 2).sum(1).mean() for x, y, w in zip(a, b, weights))


def features(a, b, _):
    return sum(((x - y) ** 2).mean() for x, y in zip(a, b))


def gram(a, b, _):
    def matrix(x):
        rows = x[0].flatten(1)
        return rows @ rows.T / rows.numel()
    return sum(((matrix(x) - matrix(y)) ** 2).sum() for x, y in zip(a, b))


def expected(place, metric, names, ends, weights, average=False):
    """The distance and its gradient for the first picture."""
    layers = [torch.nn.AvgPool2d(2) if average and isinstance(layer, torch.nn.MaxPool2d) else layer for layer in place[1]]
    a, b = (picture(place[0] / name).requires_grad_() for name in names)
    value = metric(given(layers, a, ends), given(layers, b, ends), weights)
    value.backward()
    return value.item(), a.grad[0].numpy()


def measured(place, *options, names=("a.png", "b.png")):
    out = place[0] / "gradient.npy"
    said, _ = vgg("distance", "--model", place[0] / "trunk.pth", *options, "--format", "json", "--gradient", out,
                  "--overwrite", *(place[0] / name for name in names))
    found = json.loads(said)
    assert found["mean"] == found["pairs"][0]["distance"]
    assert sum(found["pairs"][0]["layers"].values()) == pytest.approx(found["mean"], rel=1e-12)
    return found["mean"], np.load(out), found["pairs"][0]["layers"]


CASES = {
    "lpips": (("--lin", "lin.pth"), lpips, LIPS.values(), {}),
    "lpips without weights": ((), lpips, LIPS.values(), {}),
    "features": (("--metric", "features"), features, LIPS.values(), {}),
    "features of layers": (("--metric", "features", "--layer", "conv4_2,relu2_1,pool1"), features, (5, 7, 20), {}),
    "gram": (("--metric", "gram"), gram, LIPS.values(), {}),
    "gram with average pools": (("--metric", "gram", "--average-pools", "--layer", "relu1_1,relu3_2"), gram, (2, 14),
                                {"average": True}),
}


@pytest.mark.parametrize("exact", [(), ("--exact",)], ids=["usual", "exact"])
@pytest.mark.parametrize("name", CASES)
def test_formulas(place, name, exact):
    options, metric, ends, more = CASES[name]
    weights = place[2] if "--lin" in options else [1] * 5
    options = [place[0] / o if o.endswith(".pth") else o for o in options]
    for names in (("a.png", "b.png"), ("b.png", "a.png")):
        value, gradient = expected(place, metric, names, ends, weights, **more)
        found, slope, layers = measured(place, *options, *exact, names=names)
        assert found == pytest.approx(value, rel=1e-4)
        assert apart(slope, gradient) < 1e-4
        assert len(layers) == len(ends)


def test_batch_norm(place, tmp_path):
    """Layers of which a batch normalisation is the last but the ReLU."""
    made = make_model(tmp_path / "whole.pth", batch_norm=True).features
    torch.save({key: value.float() for key, value in made.state_dict().items()}, tmp_path / "trunk.pth")
    for number, name in enumerate(("a.png", "b.png")):
        draw(tmp_path / name, number + 1, SIDES)
    own = (tmp_path, made, [1] * 5)
    value, gradient = expected(own, lpips, ("a.png", "b.png"), (6, 13, 23, 33, 43), own[2])
    found, slope, layers = measured(own)
    assert found == pytest.approx(value, rel=1e-4)
    assert apart(slope, gradient) < 1e-4
    assert len(layers) == 5


def test_equal_pictures(place):
    """No distance, and no NaN where the gradient of a length is none."""
    for metric in ("lpips", "features", "gram"):
        found, slope, _ = measured(place, "--metric", metric, names=("a.png", "a.png"))
        assert found == 0 and not slope.any()


def test_a_layer_that_gives_nothing(place):
    """Its lengths are 0 everywhere, where PyTorch's gradient is NaN."""
    made = Vgg()
    state = {key: torch.zeros_like(value) for key, value in made.features.state_dict().items()}
    torch.save(state, place[0] / "dead.pth")
    out = place[0] / "dead.npy"
    said, _ = vgg("distance", "--model", place[0] / "dead.pth", "--gradient", out, place[0] / "a.png", place[0] / "b.png")
    assert said.startswith("lpips: 0\n") and not np.load(out).any()


def test_threads_and_whole_models(place):
    """The same bits on any number of threads; and of a file with a classifier, whose preprocessing is told."""
    told = ("--lin", place[0] / "lin.pth", "--format", "csv", place[0] / "a.png", place[0] / "b.png")
    said = {vgg("distance", "--model", place[0] / "trunk.pth", "--threads", n, *told)[0] for n in (1, 2, 5)}
    whole, notes = vgg("distance", "--model", place[0] / "whole.pth", "--preprocess", "torchvision", "--input", 64, "--arch",
                       "5,5,M,10,10,M,21,21,21,M,42,42,42,M,42,42,42,M/40,30", "--layout", "torchvision", *told)
    assert said == {whole} and "torchvision's figures are taken" not in notes


def rows_of(text):
    return list(csv.DictReader(io.StringIO(text)))


def test_folders(place, tmp_path):
    left, right = tmp_path / "left", tmp_path / "right"
    photographs(left, 3, size=SIDES)
    photographs(right, 2, size=SIDES)
    for name in ("01.png", "00.png"):
        draw(right / name, 7 + int(name[1]), SIDES)
    (right / "sub").mkdir()
    draw(right / "sub" / "extra.png", 3)
    model = ("--model", place[0] / "trunk.pth", "--lin", place[0] / "lin.pth", "--format", "csv")
    said, notes = vgg("distance", *model, left, right)
    rows = rows_of(said)
    assert [(row["a"], row["b"]) for row in rows] == [(str(left / n), str(right / n)) for n in ("00.png", "01.png")]
    assert f"{left / '02.png'}: left out: there is no {right / '02.png'}" in notes
    assert f"{right / 'sub/extra.png'}: left out: there is no {left / 'sub/extra.png'}" in notes
    for row in rows:
        alone = rows_of(vgg("distance", *model, row["a"], row["b"])[0])
        assert alone == [row]
    against, _ = vgg("distance", *model, left / "00.png", left)
    assert [float(row["lpips"]) == 0 for row in rows_of(against)] == [True, False, False]
    turned, _ = vgg("distance", *model, left, left / "00.png")
    assert [(row["b"], row["a"]) for row in rows_of(turned)] == [(row["a"], row["b"]) for row in rows_of(against)]
    for x, y in zip(rows_of(against), rows_of(turned)):
        assert float(x["lpips"]) == pytest.approx(float(y["lpips"]), rel=1e-6)
    text, _ = vgg("distance", *model[:-2], left, left / "00.png")
    mean = np.mean([float(row["lpips"]) for row in rows_of(turned)])
    assert text.splitlines()[-1].split() == [f"{mean:.6g}", "mean", "lpips", "of", "3", "pairs"]


def test_sizes(place, tmp_path):
    small = draw(tmp_path / "small.png", 1, (40, 32))
    model = ("--model", place[0] / "trunk.pth")
    _, said = vgg("distance", *model, place[0] / "a.png", small, status=1)
    assert f"{small}: has 40x32 pixels, and {place[0] / 'a.png'} 80x64; --size makes them equal" in said
    found, _ = vgg("distance", *model, "--size", "64x80", "--format", "csv", place[0] / "a.png", small)
    Image.open(small).resize(SIDES, Image.BILINEAR).save(tmp_path / "large.png")
    again, _ = vgg("distance", *model, "--format", "csv", place[0] / "a.png", tmp_path / "large.png")
    assert rows_of(found)[0]["lpips"] == rows_of(again)[0]["lpips"]


REFUSED = {
    ("--layer", "relu1_1"): (2, "--layer: is for the metrics features and gram"),
    ("--average-pools",): (2, "--average-pools: is for the metrics features and gram"),
    ("--metric", "gram", "--lin", "lin.pth"): (2, "--lin: is for the metrics lpips and dists"),
    ("--gradient", "out.png"): (2, "--gradient: expected a name that ends in .npy"),
    ("--gradient", "trunk.npy"): (1, "trunk.npy"),
    ("--lin", "trunk.pth"): (1, 'trunk.pth: has no tensor "lin0.model.1.weight"'),
    ("--lin", "other.pth"): (1, 'tensor "lin0.model.1.weight" of'),
    ("--metric", "features", "--layer", "logits"): (2, "gives rows of features"),
    ("--metric", "features", "--layer", "relu9_9"): (2, "no layer relu9_9"),
    ("--size", "8"): (2, "input 8x8 is too small"),
}


@pytest.mark.parametrize("options", REFUSED, ids=" ".join)
def test_what_is_refused(place, options):
    folder = place[0]
    torch.save({f"lin{i}.model.1.weight": torch.rand(1, 64, 1, 1) for i in range(5)}, folder / "other.pth")
    (folder / "trunk.npy").touch()
    status, message = REFUSED[options]
    given_ = [folder / o if o.endswith((".pth", ".npy")) else o for o in options]
    said, error = vgg("distance", "--model", folder / "trunk.pth", *given_, folder / "a.png", folder / "b.png", status=status)
    assert message in error and said == ""


def test_other_networks_and_folders_without_pictures(place, tmp_path):
    layers = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.ReLU())
    torch.save({f"features.{key}": value for key, value in layers.state_dict().items()}, tmp_path / "other.pth")
    _, said = vgg("distance", "--model", tmp_path / "other.pth", place[0] / "a.png", place[0] / "b.png", status=1)
    assert "LPIPS is defined with VGG-16: no layer relu1_2" in said
    (tmp_path / "empty").mkdir()
    _, said = vgg("distance", "--model", place[0] / "trunk.pth", tmp_path / "empty", place[0] / "b.png", status=1)
    assert "have no pictures to compare" in said
    _, said = vgg("distance", place[0] / "a.png", place[0] / "b.png", status=2)
    assert "--model FILE is missing" in said


# ---- the package ----

@pytest.fixture(scope="module")
def published(tmp_path_factory):
    """lpips with a VGG-16 of seeded weights, whose torchvision nobody needs to have; and that network in a file."""
    layers = []
    torch.manual_seed(11)
    made = Vgg(scale=1).features
    for module in made.modules():
        if isinstance(module, torch.nn.Conv2d):
            torch.nn.init.kaiming_normal_(module.weight, mode="fan_in")
            torch.nn.init.normal_(module.bias, std=0.1)
            layers.append(module)
    models = types.SimpleNamespace(vgg16=lambda **_: types.SimpleNamespace(features=made))
    stub = types.ModuleType("torchvision")
    stub.models = models
    sys.modules.setdefault("torchvision", stub)
    package = pytest.importorskip("lpips", reason="needs lpips (PyPI: scripts/venv.sh)")
    folder = tmp_path_factory.mktemp("published")
    torch.save(made.state_dict(), folder / "vgg16.pth")
    weights = pathlib.Path(package.__file__).parent / "weights" / "v0.1" / "vgg.pth"
    assert weights.stat().st_size == 7289
    return package.LPIPS(net="vgg", verbose=False).double(), folder / "vgg16.pth", weights


def test_the_package(published, tmp_path):
    metric, model, weights = published
    paths = [draw(tmp_path / f"{name}.png", seed, (40, 32)) for seed, name in enumerate("ab")]
    a, b = (2 * picture(path) - 1 for path in paths)
    value = metric(a.requires_grad_(), b)
    value.backward()
    out = tmp_path / "gradient.npy"
    said, _ = vgg("distance", "--model", model, "--lin", weights, "--format", "json", "--gradient", out, *paths)
    assert json.loads(said)["mean"] == pytest.approx(value.item(), rel=1e-4)
    assert apart(np.load(out), 2 * a.grad[0].numpy()) < 1e-4
