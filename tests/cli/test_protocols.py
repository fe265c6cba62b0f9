"""Views, scales and fused networks, against an implementation in PyTorch."""

import csv
import json
import shutil
import subprocess
import sys

import pytest
from conftest import PROGRAM, complaint, environment, vgg

torch = pytest.importorskip("torch")
numpy = pytest.importorskip("numpy")
pytest.importorskip("PIL")

import reference_protocols as reference  # noqa: E402
from PIL import Image  # noqa: E402

CLASSES = 9
S = {"paper": 40, "norm": 32, "torchvision": 36}
NETWORKS = {
    "paper": dict(words=[8, "M", 12, "M", 18, "M"], hidden=[24, 33], side=32, seed=1),
    "norm": dict(words=[7, 8, "M", 16, "1x1:20", "M"], hidden=[12], side=28, batch_norm=True,
                 seed=2),
    "torchvision": dict(words=[9, "M", 16, 17, "M"], hidden=[40, 20], side=28, batch_norm=True,
                        torchvision=True, seed=3),
}


def photograph(width, height, seed):
    """Something smooth with edges and grain, as a photograph is."""
    random = numpy.random.default_rng(seed)
    small = Image.fromarray(random.integers(0, 256, (5, 7, 3), dtype=numpy.uint8))
    samples = numpy.asarray(small.resize((width, height), Image.BICUBIC)).astype(int)
    samples[height // 3:, width // 2:] //= 2
    samples = samples + random.integers(-9, 10, samples.shape)
    return Image.fromarray(samples.clip(0, 255).astype(numpy.uint8))


@pytest.fixture(scope="module")
def photographs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("photographs")
    for number, size in enumerate([(93, 61), (50, 77), (64, 64)]):
        photograph(*size, number).save(folder / f"{number}.png")
    return folder


@pytest.fixture(scope="module")
def networks(tmp_path_factory):
    """The networks, and their files."""
    folder = tmp_path_factory.mktemp("networks")
    made = {}
    for name, options in NETWORKS.items():
        network = reference.Network(classes=CLASSES, **options)
        state = {key: value.float() for key, value in network.state_dict().items()}
        network.load_state_dict(state)
        torch.save(state, folder / f"{name}.pth")
        arch = ",".join(map(str, options["words"])) + "/" + ",".join(map(str, options["hidden"]))
        vgg("convert", folder / f"{name}.pth", folder / f"{name}.safetensors", "--arch", arch,
            "--layout", "torchvision" if options.get("torchvision") else "paper", "--input",
            options["side"], "--preprocess", "torchvision", "--resize", S[name])
        made[name] = network.double(), folder / f"{name}.safetensors"
    return made


def posteriors(folder, *arguments):
    """A row for each picture, in the order of the classes."""
    out = vgg("predict", folder, "--format", "json", "--top", CLASSES, *arguments).out
    rows = [sorted(one["predictions"], key=lambda p: p["index"]) for one in json.loads(out)]
    return numpy.array([[p["probability"] for p in row] for row in rows])


def expected(network, folder, protocol, sides):
    pictures = [Image.open(path).convert("RGB") for path in sorted(folder.iterdir())]
    with torch.no_grad():
        return numpy.array([reference.posterior(network, picture, protocol, sides).numpy()
                            for picture in pictures])


@pytest.mark.parametrize("protocol", ["center", "flip", "dense", "crops", "dense+crops"])
@pytest.mark.parametrize("name", NETWORKS)
def test_against_pytorch(networks, photographs, name, protocol):
    network, file = networks[name]
    for scale, sides in (("S", [S[name]]), ("S-4,S,S+12", [S[name] - 4, S[name], S[name] + 12]),
                         ("57", [57])):
        found = posteriors(photographs, "--model", file, "--protocol", protocol, "--scale", scale)
        wanted = expected(network, photographs, protocol, sides)
        assert wanted.std() > 0.05  # neither flat nor sure of one class
        assert wanted.max() < 0.999
        assert numpy.abs(found - wanted).max() < 1e-5


def test_fused_networks(networks, photographs):
    files, wanted = [], []
    for name, (network, file) in networks.items():
        files += ["--model", file]
        wanted.append(expected(network, photographs, "dense", [S[name], S[name] + 8]))
    found = posteriors(photographs, *files, "--fuse", "--protocol", "dense", "--scale", "S,S+8")
    assert numpy.abs(found - numpy.mean(wanted, axis=0)).max() < 1e-5


def test_narrow_weights(networks, photographs, tmp_path):
    network, file = networks["paper"]
    vgg("convert", file, tmp_path / "half.safetensors", "--dtype", "f16")
    found = posteriors(photographs, "--model", tmp_path / "half.safetensors", "--protocol", "dense")
    assert numpy.abs(found - expected(network, photographs, "dense", [S["paper"]])).max() < 0.01


@pytest.fixture(scope="module")
def labelled(photographs, tmp_path_factory):
    """The photographs as a data set of the networks' classes, which have numbers for names."""
    folder = tmp_path_factory.mktemp("labelled")
    for number in range(CLASSES):
        (folder / "val" / f"class{number}").mkdir(parents=True)
        for path in photographs.iterdir():
            image = Image.open(path).rotate(7 * number)
            image.save(folder / "val" / f"class{number}" / path.name)
    (folder / "names.txt").write_text("".join(f"class{c}\n" for c in range(CLASSES)))
    return folder


def rows_of(path):
    with open(path, newline="") as file:
        rows = list(csv.DictReader(file))
    return [[float(value) for key, value in row.items() if key.startswith("logit:")]
            for row in rows]


@pytest.mark.parametrize("arguments", [
    ["--protocol", "dense"], ["--protocol", "dense+crops", "--scale", "S,50"],
    ["--protocol", "flip", "--scale", "40,60"], ["--fuse"]])
def test_eval_sees_what_predict_sees(networks, labelled, tmp_path, arguments):
    files = ["--model", networks["paper"][1]]
    if "--fuse" in arguments:
        files += ["--model", networks["norm"][1]]
    files += ["--labels", labelled / "names.txt"]
    runs = []
    for threads in (1, 3):
        out = tmp_path / f"{threads}.csv"
        vgg("eval", *files, labelled, *arguments, "--threads", threads, "--predictions", out)
        runs.append(out.read_bytes())
    assert runs[0] == runs[1]
    logits = numpy.array(rows_of(tmp_path / "1.csv"))
    shares = numpy.exp(logits) / numpy.exp(logits).sum(axis=1, keepdims=True)
    found = numpy.vstack([posteriors(labelled / "val" / f"class{c}", *files, *arguments)
                          for c in range(CLASSES)])
    assert numpy.abs(found - shares).max() < 1e-6


def test_an_evaluation_goes_on(networks, labelled, tmp_path):
    line = ("eval", "--model", networks["paper"][1], "--labels", labelled / "names.txt", labelled,
            "--protocol", "crops", "--batch", 4, "--predictions")
    vgg(*line, tmp_path / "whole.csv")
    broken = labelled / "val" / "class3" / "1.png"
    bytes_of_it = broken.read_bytes()
    broken.write_bytes(b"no picture")
    try:
        vgg(*line, tmp_path / "other.csv", "--strict", status=1)
    finally:
        broken.write_bytes(bytes_of_it)
    assert (tmp_path / "other.csv.part").exists()
    vgg(*line, tmp_path / "other.csv", "--resume")
    assert (tmp_path / "other.csv").read_bytes() == (tmp_path / "whole.csv").read_bytes()


@pytest.mark.parametrize("protocol,size", [("dense", "input 20x20"), ("crops", "20 x 20")])
def test_pictures_without_such_views_are_left_out(networks, labelled, tmp_path, protocol, size):
    data = tmp_path / "data"
    shutil.copytree(labelled / "val", data / "val")
    photograph(20, 20, 5).save(data / "val" / "class4" / "small.png")
    line = ("eval", "--model", networks["paper"][1], "--labels", labelled / "names.txt", data,
            "--short-side", 0, "--protocol", protocol)
    result = vgg(*line, "--format", "json", status=3)
    found = json.loads(result.out)
    assert found["images"] == 27 and found["skipped"] == 1
    first, last = result.err.splitlines()
    assert first.startswith("vgg eval: skipped ") and first.count("small.png") == 1 and size in first
    assert last == "vgg eval: 1 picture could not be read"
    assert "small.png" in complaint(*line, "--strict")


def peak_of(*arguments):
    """What the program prints, and the KiB that it took."""
    script = ("import resource, subprocess, sys\n"
              "out = subprocess.run(sys.argv[1:], stdout=subprocess.PIPE, check=True).stdout\n"
              "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)\n"
              "sys.stdout.flush()\n"
              "sys.stdout.buffer.write(out)\n")
    found = subprocess.run([sys.executable, "-c", script, PROGRAM, *map(str, arguments)], check=True,
                           stdout=subprocess.PIPE, env=environment())
    peak, _, out = found.stdout.partition(b"\n")
    return int(peak), out


def test_batch_bounds_the_views_at_once(pictograms, tmp_path):
    """A grid has 50 cut-outs, whose maps take several MB."""
    vgg("train", pictograms, "-o", tmp_path / "run", "--arch", "64,M/8", "--input", 64, "--recipe", "none",
        "--epochs", 1, "--batch", 8)
    line = ("eval", "--model", tmp_path / "run", pictograms, "--protocol", "crops", "--format", "json",
            "--threads", 1)
    all_at_once, two = peak_of(*line), peak_of(*line, "--batch", 2)
    assert all_at_once[0] - two[0] > 4 * 1024
    assert all_at_once[1] == two[1]


def test_refusals(networks, labelled, photographs, tmp_path):
    paper, norm = networks["paper"][1], networks["norm"][1]

    def predict(*arguments, status=1):
        return complaint("predict", photographs, "--model", paper, *arguments, status=status)

    assert "a short side of 31, expected 32 to 30000: the protocol dense takes 32x32" in predict(
        "--protocol", "dense", "--scale", "31", status=2)
    assert "the protocol crops takes 32x32" in predict("--protocol", "crops", "--scale", "40,8", status=2)
    assert "the fit crop" in predict("--protocol", "dense", "--fit", "squash")
    for scale in ("", "S-", "S*2", "40,", "-5", "0", "40;50", "99999", ",".join(["40"] * 17)):
        assert "--scale: found" in predict("--scale", scale, status=2)
    assert "out of memory" in predict("--scale", ",".join(["30000"] * 16))
    assert "is no short side" in predict("--scale", "S-40", status=2)
    assert "expected --fuse" in predict("--model", norm, status=2)
    assert "expected several models" in predict("--fuse", status=2)
    assert "expected one of --fuse, --compare and --table" in complaint(
        "eval", "--model", paper, "--model", norm, labelled, status=2)
    assert "goes with none of" in complaint("eval", "--model", paper, "--model", norm, "--fuse",
                                            "--fit-temperature", labelled, status=2)
    for views in (["--protocol", "flip"], ["--protocol", "dense"], ["--scale", "S"]):
        assert "--fit-temperature: divides the logits of one view" in complaint(
            "eval", "--model", paper, labelled, *views, "--fit-temperature", "-o",
            tmp_path / "fitted.safetensors", status=2)
    other = tmp_path / "other.safetensors"
    (tmp_path / "names.txt").write_text("".join(f"kind{c}\n" for c in range(CLASSES)))
    vgg("convert", norm, other, "--labels", tmp_path / "names.txt")
    vgg("convert", paper, tmp_path / "named.safetensors", "--labels", labelled / "names.txt")
    assert 'class 0 of one model is "class0", of another "kind0"' in complaint(
        "predict", photographs, "--model", tmp_path / "named.safetensors", "--model", other, "--fuse")


def test_torchvision_at_another_size_is_refused(networks, photographs, tmp_path):
    state = reference.Network(words=[8, "M"], hidden=[], classes=3, side=16,
                              torchvision=True).float().state_dict()
    torch.save(state, tmp_path / "small.pth")
    line = complaint("predict", photographs, "--model", tmp_path / "small.pth", "--layout",
                     "torchvision", "--arch", "8,M", "--padding", "same", "--input", 16, "--preprocess",
                     "unit", "--protocol", "dense")
    assert "the layout torchvision with an input of 16x16 cannot be evaluated densely" in line
