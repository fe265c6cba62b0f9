"""PyTorch's files in both of their kinds, as PyTorch writes them and as vgg convert does."""

import argparse
import collections
import subprocess

import model_files
import pytest
from conftest import COLOUR, PROGRAM, logits, vgg

torch = pytest.importorskip("torch")
torchvision_vgg = pytest.importorskip("torchvision.models.vgg")

CLASSES = 7
SIDE = 56
UNIT = ("--preprocess", "unit", "--input", SIDE)
TYPES = {torch.float32: "F32", torch.float16: "F16", torch.bfloat16: "BF16", torch.float64: "F64",
         torch.int64: "I64"}


def network(batch_norm, seed=1):
    """torchvision's VGG with few channels, whose statistics are not those of the start."""
    torch.manual_seed(seed)
    # Without its own constructor, which makes 120 million random weights for the classifier.
    net = torchvision_vgg.VGG.__new__(torchvision_vgg.VGG)
    torch.nn.Module.__init__(net)
    net.features = torchvision_vgg.make_layers([8, "M", 16, 16, "M"], batch_norm=batch_norm)
    net.avgpool = torch.nn.AdaptiveAvgPool2d(7)
    net.classifier = torch.nn.Sequential(
        torch.nn.Linear(16 * 7 * 7, 12), torch.nn.ReLU(True), torch.nn.Dropout(),
        torch.nn.Linear(12, CLASSES))
    for name, values in net.state_dict().items():
        if name.endswith("running_var"):
            values.uniform_(0.5, 2)
        elif values.is_floating_point():
            values.add_(0.1 * torch.randn_like(values))
    return net.eval()


def safetensors_of(state, path):
    tensors = [(name, TYPES[t.dtype], list(t.shape),
                bytes(t.contiguous().view(-1).view(torch.uint8).numpy())) if t.dim() else
               (name, TYPES[t.dtype], [], bytes(t.view(1).view(torch.uint8).numpy()))
               for name, t in state.items()]
    tensors.sort(key=lambda tensor: -width_of(tensor[1]))
    model_files.write(path, *model_files.lay_out(tensors))


def width_of(kind):
    return {"F64": 8, "I64": 8, "F32": 4}.get(kind, 2)


def cast(kind):
    def change(state):
        return collections.OrderedDict(
            (name, t.to(kind) if t.is_floating_point() else t) for name, t in state.items())

    return change


def turned(state):
    """Every matrix and kernel stored with its first dimension last."""
    return collections.OrderedDict(
        (name, t.movedim(0, -1).contiguous().movedim(-1, 0) if t.dim() > 1 else t)
        for name, t in state.items())


def in_one_storage(state):
    flat = torch.cat([t.reshape(-1) for t in state.values() if t.is_floating_point()])
    made, at = collections.OrderedDict(), 0
    for name, t in state.items():
        made[name] = t
        if t.is_floating_point():
            made[name] = flat[at:at + t.numel()].view(t.shape)
            at += t.numel()
    return made


def checkpoint(state):
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.ones(3))], lr=0.1, momentum=0.9)
    return {"epoch": 90, "arch": "vgg", "best_acc1": torch.tensor(71.6), "args":
            argparse.Namespace(lr=0.1, milestones=[30, 60], device=torch.device("cpu")),
            "optimizer": optimizer.state_dict(), "scheduler": {"milestones": collections.Counter(
                [30, 60]), "rates": collections.defaultdict(list), "seen": {1, 2}},
            "state_dict": state}


CHANGES = {
    "plain": lambda state: state,
    "half": cast(torch.float16),
    "bfloat": cast(torch.bfloat16),
    "double": cast(torch.float64),
    "turned": turned,
    "one-storage": in_one_storage,
    "dict": dict,
    "parameters": lambda state: collections.OrderedDict(
        (n, torch.nn.Parameter(t, t.is_floating_point())) for n, t in state.items()),
    "module": lambda state: collections.OrderedDict(
        (f"module.{n}", t) for n, t in state.items()),
    "model": lambda state: {"model": state, "epoch": 3},
    "checkpoint": checkpoint,
    "model_state_dict": lambda state: {"loss": 0.5, "model_state_dict": state},
    "state_dict_ema": lambda state: {"state_dict_ema": state, "epoch": 2**40},
    "deeper": lambda state: {"model": {"state_dict": state, "step": None}},
    "module-checkpoint": lambda state: checkpoint({f"module.{n}": t for n, t in state.items()}),
}


def saved(kind, made, path):
    options = {"new": {}, "legacy": {"_use_new_zipfile_serialization": False},
               "new-4": {"pickle_protocol": 4},
               "legacy-5": {"pickle_protocol": 5, "_use_new_zipfile_serialization": False}}[kind]
    torch.save(made, path, **options)


CASES = [(change, kind) for change in CHANGES for kind in ("new", "legacy")]
CASES += [("plain", "new-4"), ("checkpoint", "new-4"), ("checkpoint", "legacy-5")]


@pytest.mark.parametrize("change,kind", CASES)
def test_scores(change, kind, scores, tmp_path):
    """Those of the same values in a safetensors file, to the last bit."""
    state = network(batch_norm=change != "plain").state_dict()
    saved(kind, CHANGES[change](state), tmp_path / "model.pth")
    same = CHANGES[change](state) if change in ("half", "bfloat", "double") else state
    safetensors_of(same, tmp_path / "model.safetensors")
    found = scores(tmp_path / "model.pth", CLASSES, *UNIT)
    assert found == scores(tmp_path / "model.safetensors", CLASSES, *UNIT)


@pytest.mark.parametrize("batch_norm", [False, True], ids=["plain", "bn"])
def test_scores_of_torch(batch_norm, scores, tmp_path):
    net = network(batch_norm)
    torch.save(net.state_dict(), tmp_path / "model.pth")
    input = torch.tensor(COLOUR).view(1, 3, 1, 1).expand(1, 3, SIDE, SIDE) / 255
    with torch.no_grad():
        expected = torch.softmax(net(input)[0], 0)
    found = torch.tensor(scores(tmp_path / "model.pth", CLASSES, *UNIT))
    assert expected.max() - expected.min() > 0.05
    assert (found - expected).abs().max() < 1e-5


# ---- writing
@pytest.mark.parametrize("batch_norm", [False, True], ids=["plain", "bn"])
@pytest.mark.parametrize("kind", ["new", "legacy"])
def test_written(kind, batch_norm, tmp_path):
    """torchvision takes it whole, with the bytes of every tensor; safe loading takes it too."""
    net = network(batch_norm)
    saved(kind, net.state_dict(), tmp_path / "in.pth")
    vgg("convert", tmp_path / "in.pth", tmp_path / "out.pth", *UNIT)
    found = torch.load(tmp_path / "out.pth", weights_only=True)
    other = network(batch_norm, seed=2)
    other.load_state_dict(found, strict=True)
    for name, values in net.state_dict().items():
        assert found[name].dtype == values.dtype and torch.equal(found[name], values), name
        assert torch.equal(other.state_dict()[name], values), name


@pytest.mark.parametrize("batch_norm", [False, True], ids=["plain", "bn"])
def test_logits_of_what_is_written(batch_norm, picture, tmp_path):
    """PyTorch computes the same from a file of ours."""
    safetensors_of(network(batch_norm).state_dict(), tmp_path / "in.safetensors")
    vgg("convert", tmp_path / "in.safetensors", tmp_path / "out.pth", *UNIT)
    net = network(batch_norm, seed=2)
    net.load_state_dict(torch.load(tmp_path / "out.pth", weights_only=True), strict=True)
    input = torch.tensor(COLOUR).view(1, 3, 1, 1).expand(1, 3, SIDE, SIDE) / 255
    with torch.no_grad():
        expected = net(input)[0]
    found = torch.tensor(logits(tmp_path / "out.pth", picture))
    assert expected.max() - expected.min() > 0.1
    assert (found - expected).abs().max() < 1e-4


@pytest.mark.parametrize("dtype,expected", [("f16", torch.float16), ("bf16", torch.bfloat16)])
def test_written_in_16_bits(dtype, expected, tmp_path):
    """Linear weights are halved; what convolutions and biases have stays as it is."""
    net = network(False)
    torch.save(net.state_dict(), tmp_path / "in.pth")
    vgg("convert", tmp_path / "in.pth", tmp_path / "out.pth", "--dtype", dtype, *UNIT)
    found = torch.load(tmp_path / "out.pth", weights_only=True)
    for name, values in net.state_dict().items():
        kind = expected if values.dim() == 2 else torch.float32
        assert found[name].dtype == kind and torch.equal(found[name], values.to(kind)), name


def test_what_it_says_of_itself(scores, tmp_path):
    """Preprocessing and class names stay with a file of ours, which goes the round of formats."""
    torch.save(network(True).state_dict(), tmp_path / "in.pth")
    labels = tmp_path / "labels.txt"
    labels.write_text("".join(f"class {i} é\n" for i in range(CLASSES)))
    vgg("convert", tmp_path / "in.pth", tmp_path / "a.pth", "--labels", labels, *UNIT)
    vgg("convert", tmp_path / "a.pth", tmp_path / "b.safetensors")
    vgg("convert", tmp_path / "b.safetensors", tmp_path / "c.pt")
    assert (tmp_path / "a.pth").read_bytes() == (tmp_path / "c.pt").read_bytes()
    assert scores(tmp_path / "a.pth", CLASSES) == scores(tmp_path / "in.pth", CLASSES, *UNIT)


def test_whole_network(tmp_path):
    """Needs Python to be made again; what to do about it is said."""
    torch.save(network(False), tmp_path / "net.pth")
    torch.jit.script(network(False)).save(str(tmp_path / "script.pt"))
    for name, says in (("net.pth", "torch.save(model.state_dict(), file)"),
                       ("script.pt", "TorchScript")):
        done = subprocess.run([PROGRAM, "summary", tmp_path / name], capture_output=True, text=True,
                              timeout=60, check=False)
        assert done.returncode == 1 and says in done.stderr and len(done.stderr.splitlines()) == 1
