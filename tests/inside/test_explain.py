"""vgg explain: each method against its definition in PyTorch in float64, the pictures, and what is
said."""
import itertools
import re
import sys
import types

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="needs PyTorch (python3-torch)")
pytest.importorskip("PIL", reason="needs Pillow (python3-pil)")

import torch.nn as nn  # noqa: E402
import torch.nn.functional as F  # noqa: E402
from PIL import Image  # noqa: E402

import nets  # noqa: E402
from nets import Guided, apart  # noqa: E402
from program import STRUCTURE, draw, make_model, prepared, vgg  # noqa: E402

SIZE = 48
TARGET = 2  # no ReLU of it comes so near to zero on the way that float32 has it on another side
CAMS = ["gradcam", "gradcam++", "layercam"]


@pytest.fixture(scope="module", params=[False, True], ids=["D", "D-bn"])
def place(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp("explain")
    made = make_model(folder / "model.pth", batch_norm=request.param)
    draw(folder / "photo.png", 5)
    return folder, made, ["--batch-norm"] * request.param


def explain(place, tmp_path, *more, status=0):
    common = ("--model", place[0] / "model.pth", *STRUCTURE, *place[2], "--preprocess", "torchvision", "--input", SIZE,
              "--resize", SIZE, "--exact")
    out = vgg("explain", place[0] / "photo.png", *common, *more, "--map", tmp_path / "map.npy", "--overwrite", status=status)
    return (np.load(tmp_path / "map.npy") if status == 0 else None), *out


def picture(place):
    return prepared(place[0] / "photo.png", SIZE).requires_grad_()


def torch_layer(made, name):
    """The number of the module that relu5_3 and the like are."""
    block, number = map(int, re.findall(r"\d", name))
    pools = convolutions = 0
    for i, module in enumerate(made.features):
        if isinstance(module, nn.MaxPool2d):
            pools, convolutions = pools + 1, 0
        convolutions += isinstance(module, nn.Conv2d)
        if isinstance(module, nn.ReLU) and (pools + 1, convolutions) == (block, number):
            return i
    raise KeyError(name)


def cam(made, x, layer, target, method):
    values = made.features[:layer + 1](x).detach().requires_grad_()
    logits = made.classifier(made.avgpool(made.features[layer + 1:](values)).flatten(1))
    (g,) = torch.autograd.grad(logits[0, target], values)
    a = values.detach()
    if method == "gradcam":
        small = (g.mean((2, 3), keepdim=True) * a).sum(1)
    elif method == "layercam":
        small = (g.clamp(min=0) * a).sum(1)
    else:
        share = g ** 2 / (2 * g ** 2 + a.sum((2, 3), keepdim=True) * g ** 3 + 1e-6)
        weights = (torch.where(g != 0, share, torch.zeros_like(g)) * g.clamp(min=0)).sum((2, 3), keepdim=True)
        small = (weights * a).sum(1)
    return F.interpolate(small.clamp(min=0)[None], (SIZE, SIZE), mode="bilinear", align_corners=False)[0, 0]


@pytest.mark.parametrize("layer", ["relu5_3", "relu4_1", "relu2_2"])
@pytest.mark.parametrize("method", CAMS)
def test_class_activation_maps(place, tmp_path, method, layer):
    for target in 0, 4:
        expected = cam(place[1], picture(place), torch_layer(place[1], layer), target, method)
        found, said, _ = explain(place, tmp_path, "--method", method, "--layer", layer, "--class", target)
        if float(expected.max()) > 0:
            assert apart(found, expected) < 1e-4, (layer, target)
            assert "map from" in said
        else:
            assert not found.any() and "the map is blank: nothing in it speaks for class" in said


@pytest.fixture(scope="module")
def cams():
    """The package of PyPI, which needs of torchvision three names that no map is made with."""
    transforms = types.ModuleType("torchvision.transforms")
    transforms.Compose = transforms.Normalize = transforms.ToTensor = None
    with pytest.MonkeyPatch.context() as patch:
        for name, module in (("torchvision", types.ModuleType("torchvision")), ("torchvision.transforms", transforms)):
            patch.setitem(sys.modules, name, module)
        return pytest.importorskip("pytorch_grad_cam", reason="needs grad-cam (scripts/venv.sh)")


@pytest.mark.parametrize("method,name", [("gradcam", "GradCAM"), ("gradcam++", "GradCAMPlusPlus"), ("layercam", "LayerCAM")])
def test_maps_are_those_of_grad_cam(place, tmp_path, cams, method, name):
    from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget
    for layer in "relu5_3", "relu3_2":
        number = torch_layer(place[1], layer)
        with getattr(cams, name)(place[1], [place[1].features[number]]) as made:
            theirs = made(picture(place), [ClassifierOutputTarget(TARGET)])[0]
        found = explain(place, tmp_path, "--method", method, "--layer", layer, "--class", TARGET)[0]
        assert theirs.max() > 0.9
        assert apart((found - found.min()) / (found.max() - found.min()), theirs) < 1e-4, layer


def test_the_usual_layer_and_class(place, tmp_path):
    x = picture(place)
    logits = place[1](x)[0]
    target = int(logits.argmax())
    found, said, _ = explain(place, tmp_path)
    assert apart(found, cam(place[1], x, torch_layer(place[1], "relu5_3"), target, "gradcam")) < 1e-4
    assert said.startswith(f"class {target}: {float(logits.softmax(0)[target]):.4f}\n")


def saliency(made, x, target):
    (g,) = torch.autograd.grad(made(x)[0, target], x)
    return g


def test_guided_backpropagation(place, tmp_path, monkeypatch):
    monkeypatch.setattr(nn.ReLU, "forward", lambda self, x: Guided.apply(x))
    expected = saliency(place[1], picture(place), 2).abs().amax(1)[0]
    assert apart(explain(place, tmp_path, "--method", "guided", "--class", 2)[0], expected) < 1e-4


def test_guided_backpropagation_is_captums(place, tmp_path):
    captum = pytest.importorskip("captum.attr", reason="needs captum (scripts/venv.sh)")
    theirs = captum.GuidedBackprop(place[1]).attribute(picture(place), target=2).abs().amax(1)[0]
    assert apart(explain(place, tmp_path, "--method", "guided", "--class", 2)[0], theirs.detach()) < 1e-4


def mixed(x):
    x ^= x >> np.uint64(30)
    x *= np.uint64(0xbf58476d1ce4e5b9)
    x ^= x >> np.uint64(27)
    x *= np.uint64(0x94d049bb133111eb)
    return x ^ (x >> np.uint64(31))


def uniform(seed, stream, counters):
    """Of src/base/random.h."""
    golden = 0x9e3779b97f4a7c15
    key = mixed(np.array([(seed + golden * (stream + 1)) % 2**64], np.uint64))
    with np.errstate(over="ignore"):
        numbers = mixed(key + np.uint64(golden) * (counters + np.uint64(1)))
    return (numbers >> np.uint64(11)).astype(np.float64) * 2.0**-53


def noise(seed, sample, count):
    counters = np.arange(count, dtype=np.uint64)
    first, second = (uniform(seed, sample, counters * np.uint64(2) + np.uint64(k)) for k in (0, 1))
    return np.sqrt(-2 * np.log(1 - first)) * np.cos(2 * np.pi * second)


def test_smoothgrad(place, tmp_path):
    x = picture(place)
    width = 0.1 * float(x.max() - x.min())
    total = 0
    for sample in range(10):
        noisy = x + width * torch.from_numpy(noise(7, sample, x.numel()).reshape(x.shape))
        total = total + saliency(place[1], noisy.detach().requires_grad_(), 3)
    found = explain(place, tmp_path, "--method", "smoothgrad", "--class", 3, "--noise", 0.1, "--samples", 10, "--seed",
                    7)[0]
    assert apart(found, (total / 10).abs().amax(1)[0]) < 1e-4


def test_smoothgrad_is_captums(place, tmp_path, monkeypatch):
    """With the same noise."""
    captum = pytest.importorskip("captum.attr", reason="needs captum (scripts/venv.sh)")
    x, samples = picture(place), itertools.count()
    monkeypatch.setattr(torch, "normal", lambda mean, width: mean + width * torch.from_numpy(
        noise(7, next(samples), width.numel()).reshape(width.shape)))
    theirs = captum.NoiseTunnel(captum.Saliency(place[1])).attribute(
        x, nt_type="smoothgrad", nt_samples=10, nt_samples_batch_size=1, stdevs=0.1 * float(x.max() - x.min()), target=3,
        abs=False)
    assert next(samples) == 10
    found = explain(place, tmp_path, "--method", "smoothgrad", "--class", 3, "--noise", 0.1, "--samples", 10, "--seed",
                    7)[0]
    assert apart(found, theirs.abs().amax(1)[0].detach()) < 1e-4


def integrated(made, x, target, steps):
    places, weights = np.polynomial.legendre.leggauss(steps)
    total = sum(w / 2 * saliency(made, ((p + 1) / 2 * x).detach().requires_grad_(), target)
                for p, w in zip(places, weights))
    return (total * x.detach()).sum(1)[0]


def test_integrated_gradients(place, tmp_path):
    x = picture(place)
    for steps in 1, 7, 50:
        found, said, _ = explain(place, tmp_path, "--method", "integrated", "--class", TARGET, "--samples", steps)
        assert apart(found, integrated(place[1], x, TARGET, steps)) < 1e-4, steps
    logits = place[1](torch.cat([x, torch.zeros_like(x)]))[:, TARGET]
    difference = float(logits[0] - logits[1])
    gap = 100 * abs(found.sum(dtype=np.float64) - difference) / abs(difference)
    assert float(re.search(r"misses the difference of the logits by ([\d.e+-]+) %", said)[1]) == pytest.approx(gap, rel=0.1, abs=0.01)


def test_integrated_gradients_are_those_of_captum(place, tmp_path):
    captum = pytest.importorskip("captum.attr", reason="needs captum (scripts/venv.sh)")
    found = explain(place, tmp_path, "--method", "integrated", "--class", TARGET, "--samples", 50)[0]
    theirs = captum.IntegratedGradients(place[1]).attribute(picture(place), target=TARGET, n_steps=50,
                                                            method="gausslegendre")
    assert apart(found, theirs.sum(1)[0].detach()) < 1e-4


def test_occlusion(place, tmp_path):
    side, stride = 13, 5
    x = picture(place).detach()
    sums, counts = np.zeros((SIZE, SIZE)), np.zeros((SIZE, SIZE))
    places = range(0, SIZE - side + stride, stride)
    with torch.no_grad():
        whole = place[1](x)[0, 2]
        for top in places:
            for left in places:
                covered = x.clone()
                covered[:, :, top:top + side, left:left + side] = 0
                sums[top:top + side, left:left + side] += float(whole - place[1](covered)[0, 2])
                counts[top:top + side, left:left + side] += 1
    found = explain(place, tmp_path, "--method", "occlusion", "--class", 2, "--window", side, "--stride", stride)[0]
    assert apart(found, sums / counts) < 1e-4
    usual = explain(place, tmp_path, "--method", "occlusion", "--class", 2)[0]
    assert usual.shape == (SIZE, SIZE) and (usual != found).any()


def test_occlusion_is_captums(place, tmp_path):
    captum = pytest.importorskip("captum.attr", reason="needs captum (scripts/venv.sh)")
    with torch.no_grad():
        theirs = captum.Occlusion(place[1]).attribute(picture(place).detach(), (3, 13, 13), (3, 5, 5), baselines=0, target=2)
    found = explain(place, tmp_path, "--method", "occlusion", "--class", 2, "--window", 13, "--stride", 5)[0]
    assert apart(found, theirs[0, 0]) < 1e-4


def blurred(x):
    kernel = torch.exp(-torch.arange(-5, 6, dtype=torch.float64) ** 2 / 50)
    kernel = (kernel / kernel.sum()).repeat(3, 1, 1, 1)
    x = F.conv2d(F.pad(x, (5, 5, 0, 0), "replicate"), kernel.reshape(3, 1, 1, 11), groups=3)
    return F.conv2d(F.pad(x, (0, 0, 5, 5), "replicate"), kernel.reshape(3, 1, 11, 1), groups=3)


def test_faithfulness(place, tmp_path):
    x = picture(place).detach()
    found, said, _ = explain(place, tmp_path, "--method", "occlusion", "--class", 2, "--faithfulness")
    order = np.lexsort((np.arange(SIZE * SIZE), -found.ravel()))
    for word, start, end in ("deletion", x, torch.zeros_like(x)), ("insertion", blurred(x), x):
        probabilities = []
        for step in range(51):
            mixed = start.clone().reshape(3, -1)
            taken = order[:SIZE * SIZE * step // 50]
            mixed[:, taken] = end.reshape(3, -1)[:, taken]
            with torch.no_grad():
                probabilities.append(float(place[1](mixed.reshape(x.shape)).softmax(1)[0, 2]))
        expected = np.trapz(probabilities) / 50
        assert float(re.search(rf"{word} +([\d.]+)", said)[1]) == pytest.approx(expected, abs=2e-4)


def test_the_picture(place, tmp_path):
    explain(place, tmp_path, "--class", 2, "--method", "occlusion", "-o", tmp_path / "why.png")
    drawn = np.asarray(Image.open(tmp_path / "why.png"), np.int64)
    assert drawn.shape == (480 + 84, 480, 3)
    found = np.load(tmp_path / "map.npy")
    y, x = np.unravel_index(found.argmax(), found.shape)
    hot, cold = drawn[10 * y + 5, 10 * x + 5], drawn[10 * (found.argmin() // SIZE) + 5, 10 * (found.argmin() % SIZE) + 5]
    assert hot[1] - hot[2] > cold[1] - cold[2] + 30  # yellow there, violet here
    bar = drawn[480 + 46, 14:-14]
    lightness = 0.2126 * (bar[:, 0] / 255) ** 2.2 + 0.7152 * (bar[:, 1] / 255) ** 2.2 + 0.0722 * (bar[:, 2] / 255) ** 2.2
    assert (np.diff(np.cbrt(lightness)[::20]) > 0).all()
    if "VGG_WITH_CAIRO:BOOL=ON" in (nets.BUILD / "CMakeCache.txt").read_text():
        assert (drawn[485:515, :200].min(axis=2) < 80).any()  # letters
    _, complained = vgg("explain", place[0] / "photo.png", "-o", tmp_path / "why.png", status=1)
    assert "--overwrite replaces it" in complained


def test_what_is_refused(place, tmp_path):
    for more, message, status in ((("--class", "7"), "none of the model's 7 classes", 2),
                                  (("--class", "cat"), "expected a number", 2),
                                  (("--layer", "fc7"), "rows of features", 2),
                                  (("--layer", "relu9_1"), "--layer: no layer relu9_1", 2),
                                  (("--method", "occlusion", "--window", "49"), "a square of 49 pixels", 2)):
        _, _, complained = explain(place, tmp_path, *more, status=status)
        assert message in complained, complained
    _, complained = vgg("explain", place[0] / "photo.png", status=2)
    assert "-o OUT.png is missing" in complained


@pytest.mark.parametrize("options, message", [
    (("--method", "guided", "--layer", "relu1_1"), "--layer: is for the methods gradcam, gradcam++ and layercam"),
    (("--method", "occlusion", "--samples", "9"), "--samples: is for the methods smoothgrad and integrated"),
    (("--method", "integrated", "--noise", "0.2"), "--noise: is for the method smoothgrad"),
    (("--seed", "0"), "--seed: is for the method smoothgrad and for --faithfulness"),
    (("--method", "layercam", "--window", "5"), "--window: is for the method occlusion"),
    (("--method", "smoothgrad", "--stride", "5"), "--stride: is for the method occlusion"),
    (("-o", "why.jpg"), "--out: expected a name that ends in .png"),
    (("--map", "why.png", "-o", "why.png"), "--map: expected a name that ends in .npy")])
def test_options_that_would_do_nothing_or_harm_are_refused(place, tmp_path, options, message):
    _, complained = vgg("explain", place[0] / "photo.png", "--model", place[0] / "model.pth", *STRUCTURE, *place[2],
                        "-o", "out.png", *options, status=2, cwd=tmp_path)
    assert message in complained and not list(tmp_path.iterdir())


def test_what_a_method_has_is_taken(place, tmp_path):
    for options in (("--method", "smoothgrad", "--samples", 2, "--noise", 0.2, "--seed", 3),
                    ("--method", "integrated", "--samples", 2), ("--method", "layercam", "--layer", "relu4_1"),
                    ("--faithfulness", "--seed", 3)):
        explain(place, tmp_path, *options)
