"""Networks of every structure that --arch can write: PyTorch's weights are read under its words, give
PyTorch's scores, and go to safetensors, .pth and ONNX and back out of them."""

import json

import pytest
from conftest import refused, vgg, write_safetensors

torch = pytest.importorskip("torch", reason="needs PyTorch (python3-torch)")
from torch import nn  # noqa: E402
from torch.nn import functional as F  # noqa: E402

SIDE, CLASSES = 22, 5
UNIT = ("--preprocess", "unit", "--input", SIDE)

HEADS = {"paper": nn.Flatten, "torchvision": lambda: nn.AdaptiveAvgPool2d(7),
         "global": lambda: nn.AdaptiveAvgPool2d(1), "global-max": lambda: nn.AdaptiveMaxPool2d(1)}

# The words, the layout, other options, and PyTorch's modules; LazyLinear counts its own inputs.
CASES = {
    "valid": ("8,M,20", "paper", ["--padding", "valid"], lambda: (
        [nn.Conv2d(3, 8, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(8, 20, 3), nn.ReLU()], [])),
    "norm-behind": ("c8,R,B,M,c18,R,B,P/16", "torchvision", [], lambda: (
        [nn.Conv2d(3, 8, 3, padding=1), nn.ReLU(), nn.BatchNorm2d(8), nn.MaxPool2d(2),
         nn.Conv2d(8, 18, 3, padding=1), nn.ReLU(), nn.BatchNorm2d(18), nn.AvgPool2d(2)],
        [nn.LazyLinear(16), nn.ReLU(), nn.Dropout()])),
    "global": ("8,D0.25,17v,P/", "global", ["--batch-norm"], lambda: (
        [nn.Conv2d(3, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU(), nn.Dropout(0.25),
         nn.Conv2d(8, 17, 3), nn.BatchNorm2d(17), nn.ReLU(), nn.AvgPool2d(2)], [])),
    "global-max": ("c8,M,c1x1:9/B,f12,R,D0.1,f7", "global-max", [], lambda: (
        [nn.Conv2d(3, 8, 3, padding=1), nn.MaxPool2d(2), nn.Conv2d(8, 9, 1)],
        [nn.BatchNorm1d(9), nn.LazyLinear(12), nn.ReLU(), nn.Dropout(0.1), nn.LazyLinear(7)])),
    "norm-in-head": ("8,M/f10,B,R,D0.5,f9,B", "paper", [], lambda: (
        [nn.Conv2d(3, 8, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)],
        [nn.LazyLinear(10), nn.BatchNorm1d(10), nn.ReLU(), nn.Dropout(), nn.LazyLinear(9),
         nn.BatchNorm1d(9)])),
}


class Net(nn.Module):
    def __init__(self, layout, features, head):
        super().__init__()
        self.features = nn.Sequential(*features)
        self.avgpool = HEADS[layout]()
        self.classifier = nn.Sequential(*head, nn.LazyLinear(CLASSES))

    def forward(self, x):
        return self.classifier(torch.flatten(self.avgpool(self.features(x)), 1))


@pytest.fixture(params=CASES)
def case(request, tmp_path):
    """The words, PyTorch's network with random statistics, and its weights as a file that says
    nothing of it."""
    arch, layout, options, modules = CASES[request.param]
    torch.manual_seed(len(arch))
    net = Net(layout, *modules()).eval()
    with torch.no_grad():
        net(torch.zeros(2, 3, SIDE, SIDE))
        for name, values in net.state_dict().items():
            if name.endswith("running_var"):
                values.uniform_(0.5, 2)
            elif values.is_floating_point():
                values.add_(0.1 * torch.randn_like(values))
    write_safetensors(tmp_path / "theirs.safetensors",
                      {name: values.numpy() for name, values in net.state_dict().items()
                       if values.is_floating_point()})
    return ["--arch", arch, "--layout", layout, *options], net


@pytest.fixture
def picture(tmp_path):
    """A picture, and what the network sees of it: it is cut, and not resized."""
    short = (SIDE * 256 + 112) // 224
    pixels = torch.randint(0, 256, (short, short, 3), dtype=torch.uint8)
    path = tmp_path / "input.ppm"
    path.write_bytes(b"P6\n%d %d\n255\n" % (short, short) + bytes(pixels.flatten().tolist()))
    begin = round((short - SIDE) / 2)
    cut = pixels[begin:begin + SIDE, begin:begin + SIDE].permute(2, 0, 1)[None]
    return path, cut / 255


def scores(model, picture, *options, key="logit"):
    kind = ["--logits"] if key == "logit" else []
    found = json.loads(vgg("predict", "--format", "json", "--top", CLASSES, "--model", model,
                           *kind, *options, picture))[0]
    return [p[key] for p in sorted(found["predictions"], key=lambda p: p["index"])], found


def near(found, expected):
    expected = expected.flatten().tolist()
    size = max(map(abs, expected))
    assert all(abs(f - e) <= 1e-5 * size for f, e in zip(found, expected, strict=True)), (
        found, expected)


def run_onnx(path, x):
    """A model's nodes in their order, by PyTorch's functions."""
    onnx = pytest.importorskip("onnx", reason="needs the Python package onnx (python3-onnx)")
    helper = pytest.importorskip("onnx.numpy_helper")
    model = onnx.load(str(path))
    onnx.checker.check_model(model, full_check=True)
    values = {t.name: torch.from_numpy(helper.to_array(t).copy())
              for t in model.graph.initializer}
    values["input"] = x
    kinds = {
        "Conv": lambda x, w, b, kernel_shape, pads: F.conv2d(x, w, b, padding=pads[0]),
        "Relu": torch.relu,
        "BatchNormalization": lambda x, w, b, m, v, epsilon: F.batch_norm(
            x, m, v, w, b, eps=epsilon),
        "MaxPool": lambda x, kernel_shape, strides: F.max_pool2d(x, kernel_shape, strides),
        "AveragePool": lambda x, kernel_shape, strides: F.avg_pool2d(x, kernel_shape, strides),
        "GlobalAveragePool": lambda x: F.adaptive_avg_pool2d(x, 1),
        "GlobalMaxPool": lambda x: F.adaptive_max_pool2d(x, 1),
        "Flatten": lambda x, axis: torch.flatten(x, axis),
        "Gemm": lambda x, w, b, transB: x @ w.T + b,
        "Sigmoid": torch.sigmoid,
    }
    for node in model.graph.node:
        attributes = {a.name: onnx.helper.get_attribute_value(a) for a in node.attribute}
        values[node.output[0]] = kinds[node.op_type](*(values[i] for i in node.input), **attributes)
    assert [o.name for o in model.graph.output] == [node.output[0]]
    return values[node.output[0]]


def test_scores_are_those_of_pytorch(case, picture, tmp_path):
    words, net = case
    with torch.no_grad():
        expected = net(picture[1])
    for exact in ([], ["--exact"]):
        near(scores(tmp_path / "theirs.safetensors", picture[0], *words, *UNIT, *exact)[0], expected)


def test_there_and_back(case, picture, tmp_path):
    words, net = case
    ours, pth, again = (tmp_path / n for n in ("ours.safetensors", "ours.pth", "again.safetensors"))
    vgg("convert", tmp_path / "theirs.safetensors", ours, *words, *UNIT)
    vgg("convert", ours, pth)
    vgg("convert", pth, again)
    assert again.read_bytes() == ours.read_bytes()
    net.load_state_dict(torch.load(str(pth)), strict=True)
    with torch.no_grad():
        near(scores(pth, picture[0])[0], net(picture[1]))
    if words[1] != "c8,R,B,M,c18,R,B,P/16":  # 5x5 to 7x7, for which ONNX has no operator
        vgg("convert", ours, tmp_path / "ours.onnx")
        with torch.no_grad():
            near(scores(ours, picture[0])[0], run_onnx(tmp_path / "ours.onnx", picture[1]))


def test_several_labels(picture, tmp_path):
    """A sigmoid per class is a fact of the model, which is measured by each label."""
    one, many, onnx = (tmp_path / n for n in ("one.safetensors", "many.safetensors", "many.onnx"))
    torch.manual_seed(1)
    net = Net("paper", [nn.Conv2d(3, 8, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)], []).eval()
    with torch.no_grad():
        expected = torch.sigmoid(net(picture[1]))
    write_safetensors(one, {n: v.numpy() for n, v in net.state_dict().items()})
    told = ["--arch", "8,M", "--layout", "paper", *UNIT]
    vgg("convert", one, many, *told, "--multi-label")
    found, described = scores(many, picture[0], key="probability")
    near(found, expected)
    assert described["multi_label"] is True
    assert "multi_label" not in scores(one, picture[0], *told)[1]
    assert "unsure" not in vgg("predict", "--model", many, picture[0])
    vgg("convert", many, onnx, "--softmax")
    near(found, run_onnx(onnx, picture[1]))
    data = tmp_path / "data"
    for name in "abcde":
        (data / name).mkdir(parents=True)
        (data / name / "x.ppm").write_bytes(picture[0].read_bytes())
    measured = vgg("eval", "--model", many, data)
    assert "mean average precision" in measured and "top-1" not in measured
    vgg("eval", "--model", many, "--no-multi-label", data)
