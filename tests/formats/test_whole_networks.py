"""Networks that torch.save(model) pickled whole: read without running anything of them, and equal to PyTorch."""

import json

import pytest
from conftest import LOGITS, in_order, logits, ran, refused, vgg

torch = pytest.importorskip("torch")
nn = torch.nn

SIDE, CLASSES = 20, 5
UNIT = ("--preprocess", "unit", "--fit", "squash", "--filter", "bilinear")


@pytest.fixture(scope="module")
def square(tmp_path_factory):
    """A picture of the networks' size, and what they see of it."""
    values = torch.randint(0, 256, (SIDE, SIDE, 3), generator=torch.Generator().manual_seed(4), dtype=torch.uint8)
    path = tmp_path_factory.mktemp("square") / "square.ppm"
    path.write_bytes(b"P6\n%d %d\n255\n" % (SIDE, SIDE) + bytes(values.view(-1).numpy()))
    return path, values.permute(2, 0, 1)[None].float() / 255


class Swish(nn.Module):
    def forward(self, x):
        return x * torch.sigmoid(x)


class Passing(nn.Module):
    def forward(self, x):
        return x


class Block(nn.Module):
    """Of which only Python knows what it does with its parts."""

    def __init__(self, inputs, outputs, **convolution):
        super().__init__()
        self.model = nn.Sequential(nn.Conv2d(inputs, outputs, 3, **convolution), nn.BatchNorm2d(outputs, eps=1e-3),
                                   nn.ReLU(), nn.Dropout(0.2), nn.MaxPool2d(2))

    def forward(self, x):
        return self.model(x)


class Loose(nn.Module):
    """Modules that say little, in another order than they are used."""

    def __init__(self):
        super().__init__()
        self.pool = nn.MaxPool2d(2, 2)
        self.dropout = nn.Dropout(0.1)
        self.conv1 = nn.Conv2d(3, 6, 3, padding="valid")
        self.conv2 = nn.Conv2d(6, 8, 3, padding="valid")
        self.fc1 = nn.Linear(8 * 3 * 3, 10)
        self.fc2 = nn.Linear(10, CLASSES)
        self.class_to_idx = {name: i for i, name in enumerate("edcba")}

    def forward(self, x):
        x = self.pool(torch.relu(self.conv1(x)))
        x = self.pool(torch.relu(self.conv2(x)))
        return self.fc2(self.dropout(torch.relu(self.fc1(x.flatten(1)))))


class Tiny(nn.Module):
    """TinyVGG, as courses have it."""

    def __init__(self):
        super().__init__()
        self.conv_block_1 = nn.Sequential(nn.Conv2d(3, 6, 3), nn.ReLU(), nn.Conv2d(6, 6, 3), nn.ReLU(), nn.MaxPool2d(2))
        self.conv_block_2 = nn.Sequential(nn.Conv2d(6, 6, 3), nn.ReLU(), nn.Conv2d(6, 6, 3), nn.ReLU(), nn.MaxPool2d(2))
        self.classifier = nn.Sequential(nn.Flatten(), nn.Linear(6 * 2 * 2, CLASSES))

    def forward(self, x):
        return self.classifier(self.conv_block_2(self.conv_block_1(x)))


def row(*parts):
    return nn.Sequential(*parts)


def head(features):
    return nn.Flatten(), nn.Linear(features, CLASSES)


KNOWN = {
    "mixed-edges": lambda: row(nn.Conv2d(3, 6, 3, padding=1), nn.ReLU(), nn.Conv2d(6, 8, 3), nn.ReLU(),
                               nn.MaxPool2d(2), *head(8 * 81)),
    "without-relu": lambda: row(nn.Conv2d(3, 6, 3, padding="same"), nn.Conv2d(6, 6, 1), nn.AvgPool2d(2),
                                nn.Conv2d(6, 8, 3, padding=1, bias=False), nn.BatchNorm2d(8, eps=0.01), *head(800)),
    "norm-behind": lambda: row(nn.Conv2d(3, 6, 3, padding=1), nn.ReLU(), nn.BatchNorm2d(6), nn.MaxPool2d((2, 2), (2, 2)),
                               nn.Flatten(), nn.Linear(600, 7), nn.Linear(7, 9), nn.ReLU(), nn.BatchNorm1d(9),
                               nn.Linear(9, CLASSES)),
    "average": lambda: row(nn.Conv2d(3, 6, 3, padding=1), nn.ReLU(), nn.AdaptiveAvgPool2d(1), *head(6)),
    "greatest": lambda: row(nn.Conv2d(3, 6, 3, padding=1), nn.ReLU(), nn.AdaptiveMaxPool2d((1, 1)), *head(6)),
    "dropouts": lambda: row(nn.Conv2d(3, 6, 3, padding=1), nn.ReLU(), nn.Dropout2d(0.3), nn.Conv2d(6, 6, 3, padding=1),
                            nn.ReLU(), nn.Dropout(0.3), nn.Identity(), *head(2400), nn.LogSoftmax(1)),
    "nested": lambda: row(row(nn.Identity(), nn.Conv2d(3, 6, 3), nn.ReLU()), nn.MaxPool2d(2), row(row(nn.Flatten())),
                          row(nn.Linear(486, CLASSES)), nn.Softmax(1)),
    "parallel": lambda: nn.DataParallel(row(nn.Conv2d(3, 6, 3), nn.ReLU(), *head(6 * 18 * 18))),
}
OPEN = {
    "blocks": (lambda: row(Block(3, 6, padding=1), Block(6, 8, padding=1), *head(200)), []),
    "tiny": (Tiny, []),
    "loose": (Loose, ["--layout", "paper", "--arch", "6v,M,8v,M/10"]),
}


def made(build):
    torch.manual_seed(8)
    net = build().eval()
    for name, values in net.state_dict().items():
        if name.endswith("running_var"):
            values.uniform_(0.5, 2)
        elif values.is_floating_point():
            values.add_(0.1 * torch.randn_like(values))
    return net


def expected(net, seen):
    net = getattr(net, "module", net)
    parts = list(net.children())
    if isinstance(parts[-1], (nn.Softmax, nn.LogSoftmax)):
        net = nn.Sequential(*parts[:-1])
    with torch.no_grad():
        return net(seen)[0].tolist()


@pytest.mark.parametrize("legacy", [False, True], ids=["zip", "legacy"])
@pytest.mark.parametrize("name", KNOWN)
def test_layers_in_a_row(name, legacy, square, tmp_path):
    """All is known but the size, and nothing is assumed."""
    picture, seen = square
    net, path = made(KNOWN[name]), tmp_path / "net.pth"
    torch.save(net, path, _use_new_zipfile_serialization=not legacy)
    found = logits(path, picture, *UNIT, "--input", SIDE, "--exact")
    assert found == pytest.approx(expected(net, seen), rel=2e-5, abs=2e-5)


@pytest.mark.parametrize("wrapped", [False, True], ids=["itself", "in-checkpoint"])
@pytest.mark.parametrize("name", OPEN)
def test_modules_of_own_classes(name, wrapped, square, tmp_path):
    picture, seen = square
    build, told = OPEN[name]
    net, path = made(build), tmp_path / "net.pt"
    torch.save({"epoch": 3, "model": net, "optimizer": torch.optim.SGD(net.parameters(), 0.1).state_dict()}
               if wrapped else net, path)
    done = ran(*LOGITS, path, *UNIT, "--input", SIDE, "--exact", *told, picture)
    assert done.returncode == 0, done
    found = json.loads(done.stdout)[0]["predictions"]
    if name == "loose" and not wrapped:
        assert {p["label"]: p["index"] for p in found} == net.class_to_idx
    assert in_order(done.stdout) == pytest.approx(expected(net, seen), rel=2e-5, abs=2e-5)


REFUSED = {
    "stride": (nn.Conv2d(6, 6, 3, stride=2, padding=1), '"2" (torch.nn.modules.conv.Conv2d) has stride 2x2, expected 1'),
    "groups": (nn.Conv2d(6, 6, 3, groups=2), "has groups 2x2, expected 1"),
    "edges": (nn.Conv2d(6, 6, 3, padding=2), "has a padding that no layer of a VGG network has, expected 1 or 0"),
    "mirrored": (nn.Conv2d(6, 6, 3, padding=1, padding_mode="reflect"), "pads with something else than zeros"),
    "transposed": (nn.ConvTranspose2d(6, 6, 3), "is no layer of a VGG network"),
    "leaky": (nn.LeakyReLU(0.1), '"2" (torch.nn.modules.activation.LeakyReLU) is no layer of a VGG network'),
    "group-norm": (nn.GroupNorm(2, 6), "is no layer of a VGG network"),
    "wide-pool": (nn.MaxPool2d(3, 2), "has kernel_size 3x3, expected 2"),
    "moving-pool": (nn.MaxPool2d(2, 1), "has stride 1x1, expected 2"),
    "rounding-pool": (nn.MaxPool2d(2, ceil_mode=True), "rounds sizes up (ceil_mode)"),
    "own": (Swish(), "is of a class that may compute anything"),
    "sigmoid": (nn.Sigmoid(), 'its module "2" makes probabilities, and "4" stands behind it'),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused(name, tmp_path):
    part, says = REFUSED[name]
    path = tmp_path / "net.pth"
    torch.save(row(nn.Conv2d(3, 6, 3, padding=1), nn.ReLU(), part, *head(2400)), path)
    assert says in refused("summary", path, "--input", SIDE)


def test_layers_behind_the_last(tmp_path):
    path = tmp_path / "net.pth"
    torch.save(row(nn.Conv2d(3, 6, 3, padding=1), nn.ReLU(), *head(2400), nn.ReLU()), path)
    assert 'its module "4" stands behind its last layer with weights, "3"' in refused("summary", path, "--input", SIDE)


def test_told_architecture_rules(square, tmp_path):
    """What a class does that is not PyTorch's, the caller knows."""
    picture, seen = square
    net, path = made(lambda: row(nn.Conv2d(3, 6, 3), nn.ReLU(), Passing(), *head(6 * 18 * 18))), tmp_path / "net.pth"
    torch.save(net, path)
    assert "say the architecture (--arch)" in refused("summary", path, "--input", SIDE)
    found = logits(path, picture, *UNIT, "--input", SIDE, "--exact", "--arch", "6v", "--layout", "paper")
    assert found == pytest.approx(expected(net, seen), rel=2e-5, abs=2e-5)


def test_sigmoid_of_each_class(square, tmp_path):
    picture, seen = square
    net, path = made(lambda: row(nn.Conv2d(3, 6, 3), nn.ReLU(), *head(6 * 18 * 18), nn.Sigmoid())), tmp_path / "net.pth"
    torch.save(net, path)
    out = json.loads(vgg("predict", "--format", "json", "--top", CLASSES, "--model", path, *UNIT, "--input", SIDE,
                         "--exact", picture))[0]
    assert out["multi_label"]
    found = [p["probability"] for p in sorted(out["predictions"], key=lambda p: p["index"])]
    with torch.no_grad():
        assert found == pytest.approx(net(seen)[0].tolist(), abs=1e-5)


def test_known_by_the_graph(tmp_path):
    path = tmp_path / "net.pth"
    torch.save(made(KNOWN["mixed-edges"]), path)
    known = {fact["fact"]: fact["origin"] for fact in
             json.loads(vgg("inspect", "--format", "json", path, "--input", SIDE))["known"]}
    assert (known["architecture"], known["layout"], known["padding"]) == ("graph", "graph", "graph")


def test_a_network_in_itself(tmp_path):
    """A pickle whose parts hold each other ends."""
    net = row(nn.Conv2d(3, 6, 3), nn.ReLU())
    net.add_module("again", net)
    path = tmp_path / "net.pth"
    torch.save(net, path)
    assert "lies deeper than in 16 others" in refused("summary", path)
