"""Pictures with several labels: trained on, measured, resumed, predicted; wrong uses."""

import csv
import io
import json
import math
import random
import signal
import subprocess

import pytest
from conftest import PROGRAM, TINY, complaint, environment, vgg

NAMES = ("red", "green", "blue")
SIDE = 12


def make(folder, count, seed=1, table=None):
    """Noise, in which a bright channel is a label."""
    chance = random.Random(seed)
    (folder / "images").mkdir(parents=True)
    rows = []
    for i in range(count):
        on = [chance.random() < share for share in (0.5, 0.4, 0.3)] if i > 2 else [i == 0, i < 2, False]
        pixels = bytes(chance.randrange(90) + 150 * on[c] for _ in range(SIDE * SIDE) for c in range(3))
        (folder / "images" / f"{i:03}.ppm").write_bytes(b"P6 %d %d 255\n" % (SIDE, SIDE) + pixels)
        rows.append([f"{i:03}.ppm", [name for name, there in zip(NAMES, on) if there]])
    lines = "".join(f"{name},{';'.join(labels)}\n" for name, labels in rows)
    (folder / "labels.csv").write_text("image,label\n" + lines)
    return rows


@pytest.fixture(name="data")
def make_data(tmp_path):
    make(tmp_path / "data", 60)
    return tmp_path / "data"


def train(data, run, *options, status=0):
    return vgg("train", data, "-o", run, *TINY, "--recipe", "none", "--epochs", 2, *options, status=status)


def epochs(run):
    lines = [json.loads(line) for line in (run / "log.jsonl").read_text().splitlines()]
    return [line for line in lines if line["type"] == "epoch"]


def test_from_a_table_to_predictions(data, tmp_path):
    run = tmp_path / "run"
    out = vgg("train", data, "-o", run, "--recipe", "none", "--arch", "8,M,16/16", "--batch-norm", "--flip", "none",
              "--epochs", 12, "--lr", 0.1, "--threads", 2).out
    none = sum(line.endswith(",") for line in (data / "labels.csv").read_text().splitlines())
    assert f"\nlabels    several of a picture, 1.40 on average, {none} pictures have none; each class has" in out
    assert "val mAP" in out and "top-1" not in out and "mean average precision" in out.splitlines()[-5]
    figures = json.loads(vgg("eval", "--model", run, data, "--part", "all", "--format", "json").out)
    assert figures["multi_label"] and "top1" not in figures and figures["images"] == 60
    assert figures["mean_average_precision"] > 0.9
    text = vgg("eval", "--model", run, data, "--part", "all").out
    assert f"precision    {100 * figures['mean_average_precision']:.2f} %, the mean average precision of " in text and "top-1" not in text
    rows = list(csv.reader(io.StringIO(vgg("eval", "--model", run, data, "--part", "all", "--format", "csv").out)))
    assert rows[0] == ["figure", "class", "value"]
    assert math.isclose(float(dict((r[0], r[2]) for r in rows[1:] if r[1] == "")["exact_match"]), figures["exact_match"])
    predicted = json.loads(vgg("predict", "--model", run, data / "images" / "000.ppm", "--format", "json").out)[0]
    assert predicted["multi_label"] and sum(p["probability"] for p in predicted["predictions"]) != pytest.approx(1, abs=1e-3)
    # What decides which epoch is the best.
    best = max(range(12), key=lambda i: (epochs(run)[i]["validation_mean_average_precision"], -epochs(run)[i]["validation_loss"]))
    assert max(i for i, e in enumerate(epochs(run)) if e["best"]) == best
    table = (run / "results.csv").read_text().splitlines()
    assert table[0].split(",")[3:5] == ["metrics/mean_average_precision", "metrics/exact_match"] and len(table) == 13
    page = (run / "report.html").read_text()
    assert "validation mean average precision" in page and "no matrix" in page and 'href="#confusion"' not in page
    assert not (run / "confusion.png").exists()


def test_figures_are_those_of_scikit_learn(data, tmp_path):
    """Of a model that ties pictures and errs, from probabilities that vgg predict gives."""
    metrics = pytest.importorskip("sklearn.metrics")
    np = pytest.importorskip("numpy")
    train(data, tmp_path / "run", "--lr", 0.1, "--no-report")
    figures = json.loads(vgg("eval", "--model", tmp_path / "run", data, "--part", "all", "--format", "json").out)
    rows = {row["image"]: row["label"] for row in csv.DictReader(open(data / "labels.csv", encoding="utf-8"))}
    names = sorted(NAMES)
    truth, scores = [], []
    for one in json.loads(vgg("predict", "--model", tmp_path / "run", data / "images", "--format", "json").out):
        truth.append([name in rows[one["image"].split("/")[-1]].split(";") for name in names])
        by_name = {p["label"]: p["probability"] for p in one["predictions"]}
        scores.append([by_name[name] for name in names])
    truth, scores = np.array(truth), np.array(scores)
    predicted = scores >= 0.5
    assert figures["mean_average_precision"] == pytest.approx(metrics.average_precision_score(truth, scores, average="macro"))
    assert figures["exact_match"] == pytest.approx(metrics.accuracy_score(truth, predicted))
    for average in ("precision", "recall", "f1"):
        by = getattr(metrics, f"{average}_score")
        assert figures[f"macro_{average}"] == pytest.approx(by(truth, predicted, average="macro", zero_division=0))
        for c, found in enumerate(figures["classes"]):
            expected = by(truth[:, c], predicted[:, c], zero_division=0)
            assert (found[average] or 0) == pytest.approx(expected), found
    assert figures["loss"] == pytest.approx(metrics.log_loss(truth.ravel(), scores.ravel()), rel=1e-5)


RECIPES = {
    "plain": [],
    "smooth": ["--label-smoothing", 0.2],
    "weights": ["--class-weights", "balanced"],
    "both": ["--label-smoothing", 0.1, "--class-weights", "balanced", "--optimizer", "adamw", "--micro-batch", 3],
}


@pytest.mark.parametrize("recipe", RECIPES)
def test_steps_are_those_of_torch(recipe, tmp_path):
    """Weights after several steps, with BCEWithLogitsLoss."""
    torch = pytest.importorskip("torch")
    data = tmp_path / "data"
    rows = make(data, 24, seed=5)
    start = ["--validation-split", 0, "--no-augment", "--no-shuffle", "--batch", 8, "--recipe", "none"]
    vgg("train", data, "-o", tmp_path / "first", *start, "--preprocess", "unit", "--arch", "4,M/8", "--dropout", 0, "--epochs", 1, "--lr", 1e-9)
    vgg("train", data, "-o", tmp_path / "run", "--from", tmp_path / "first" / "last.safetensors", *start,
        "--epochs", 2, "--lr", 0.05, *RECIPES[recipe])
    weights = {}
    for name in ("first", "run"):
        vgg("convert", tmp_path / name / "last.safetensors", tmp_path / f"{name}.pth")
        weights[name] = torch.load(tmp_path / f"{name}.pth")
    net = torch.nn.Sequential(
        torch.nn.Conv2d(3, 4, 3, padding=1), torch.nn.ReLU(), torch.nn.MaxPool2d(2), torch.nn.Flatten(),
        torch.nn.Linear(4 * (SIDE // 2) ** 2, 8), torch.nn.ReLU(), torch.nn.Linear(8, 3)).double()
    order = list(weights["first"])
    net.load_state_dict(dict(zip(net.state_dict(), (weights["first"][k].double() for k in order))))
    names = sorted(NAMES)
    targets = torch.tensor([[float(name in labels) for name in names] for _, labels in rows], dtype=torch.float64)
    pixels = [(data / "images" / name).read_bytes()[-3 * SIDE * SIDE:] for name, _ in rows]
    inputs = torch.tensor([list(p) for p in pixels], dtype=torch.float64).reshape(-1, SIDE, SIDE, 3).permute(0, 3, 1, 2) / 255
    options = dict(zip(RECIPES[recipe][::2], RECIPES[recipe][1::2]))
    with_it = targets.sum(0)
    loss = torch.nn.BCEWithLogitsLoss(pos_weight=(len(rows) - with_it) / with_it if "--class-weights" in options else None)
    smoothing = options.get("--label-smoothing", 0)
    if "--optimizer" in options:
        optimiser = torch.optim.AdamW(net.parameters(), lr=0.05, weight_decay=5e-4)
    else:
        optimiser = torch.optim.SGD(net.parameters(), lr=0.05, momentum=0.9, weight_decay=5e-4)
    for _ in range(2):
        for i in range(0, len(rows), 8):
            optimiser.zero_grad()
            loss(net(inputs[i:i + 8]), targets[i:i + 8] * (1 - smoothing) + smoothing / 2).backward()
            optimiser.step()
    moved = 0
    for (name, expected), key in zip(net.state_dict().items(), order):
        found = weights["run"][key].double()
        moved = max(moved, float((found - weights["first"][key].double()).abs().max()))
        assert torch.allclose(found, expected, rtol=1e-4, atol=2e-6), (name, float((found - expected).abs().max()))
    assert moved > 1e-3


def test_resumed_and_killed(data, tmp_path):
    """The bytes of a run that was never stopped, with all that mixes targets."""
    options = ["--mixup", 0.4, "--cutmix", 1, "--label-smoothing", 0.1, "--ema", 0.9]
    train(data, tmp_path / "whole", *options, "--epochs", 4)
    run = tmp_path / "run"
    for kill in (True, False):
        extra = [*TINY, "--recipe", "none", "--epochs", 4, *options] if kill else ["--resume"]
        done = subprocess.Popen([PROGRAM, *map(str, ["train", data, "-o", run, *extra])],
                                stdout=subprocess.PIPE, env=environment())
        if kill:
            for line in done.stdout:
                if line.startswith(b"epoch 2/4"):
                    done.send_signal(signal.SIGKILL)
                    break
        done.stdout.read()
        done.wait()
    assert done.returncode == 0
    for name in ("last.safetensors", "best.safetensors"):
        assert (run / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()
    assert [e["validation_mean_average_precision"] for e in epochs(run)] == [
        e["validation_mean_average_precision"] for e in epochs(tmp_path / "whole")]


def test_other_labels_are_other_data(data, tmp_path):
    train(data, tmp_path / "run", "--epochs", 1)
    table = data / "labels.csv"
    table.write_text(table.read_text().replace("000.ppm,red;green", "000.ppm,red;blue"))
    line = complaint("train", data, "-o", tmp_path / "run", "--resume", "--epochs", 2)
    assert "data" in line and "--allow-changed-data" in line
    table.write_text("image,label\n" + "".join(f"{i:03}.ppm,{NAMES[i % 3]}\n" for i in range(60)))
    complaint("train", data, "-o", tmp_path / "run", "--resume", "--epochs", 2)


def test_cached_features(data, tmp_path):
    """To the bytes of a training without them."""
    train(data, tmp_path / "first", "--epochs", 1)
    both = []
    for name, extra in (("with", ["--cache-features"]), ("without", [])):
        vgg("train", data, "-o", tmp_path / name, "--from", tmp_path / "first" / "last.safetensors", "--freeze", 1,
            "--flip", "random", "--no-crop", "--recipe", "none", "--epochs", 3, "--batch", 8, *extra)
        written = (tmp_path / name / "last.safetensors").read_bytes()
        both.append((epochs(tmp_path / name), written[8 + int.from_bytes(written[:8], "little"):]))  # without its notes
    assert both[0][1] == both[1][1]
    for cached, read in zip(*(b[0] for b in both)):
        for key in ("loss", "accuracy", "validation_loss", "validation_mean_average_precision", "validation_exact_match"):
            assert cached[key] == read[key]


def test_from_a_model_of_one_class(pictograms, data, tmp_path):
    """Its last layer is made anew, and the new model is for several labels; and back."""
    vgg("train", pictograms, "-o", tmp_path / "one", *TINY, "--input", SIDE, "--recipe", "none", "--epochs", 1)
    train_from = ["--recipe", "none", "--epochs", 1, "--batch", 8, "--from"]
    vgg("train", data, "-o", tmp_path / "several", *train_from, tmp_path / "one" / "last.safetensors")
    assert json.loads(vgg("eval", "--model", tmp_path / "several", data, "--format", "json").out)["multi_label"]
    vgg("train", pictograms, "-o", tmp_path / "back", *train_from, tmp_path / "several" / "last.safetensors")
    assert "top1" in json.loads(vgg("eval", "--model", tmp_path / "back", pictograms, "--format", "json").out)


WRONG = {
    "empty": ("000.ppm,red;;green\n001.ppm,blue\n", "line 1 has an empty label among those"),
    "end": ("000.ppm,red;\n001.ppm,blue\n", "line 1 has an empty label among those"),
    "twice": ("000.ppm,red;green\n000.ppm,red; blue\n", 'line 2 says of images/000.ppm other than line 1: "red;blue" and "red;green"'),
    "one": ("000.ppm,red\n001.ppm,\n", "line 2 has no label"),
}


@pytest.mark.parametrize("name", WRONG)
def test_wrong_tables(name, data, tmp_path):
    (data / "labels.csv").write_text(WRONG[name][0])
    assert WRONG[name][1] in complaint("train", data, "-o", tmp_path / "run")


def test_labels_in_any_order_with_blanks(data, tmp_path):
    """The same sets, the same model."""
    train(data, tmp_path / "one")
    lines = (data / "labels.csv").read_text().splitlines()
    (data / "labels.csv").write_text("\n".join([lines[0]] + [line.replace(";", " ; ") + (";red" if ",red;" in line else "")
                                                             for line in lines[1:]]) + "\n")
    train(data, tmp_path / "other")
    assert (tmp_path / "one" / "last.safetensors").read_bytes() == (tmp_path / "other" / "last.safetensors").read_bytes()


def test_wrong_uses(data, pictograms, tmp_path):
    train(data, tmp_path / "run", "--epochs", 1)
    assert "cannot be balanced" in complaint("train", data, "-o", tmp_path / "x", *TINY, "--balanced-sampling")
    for option in (["--predictions", "out.csv"], ["--report", "out.html"], ["--fit-temperature"], ["--hardest", 2], ["--table"],
                   ["--compare", "--model", tmp_path / "run"]):
        line = complaint("eval", "--model", tmp_path / "run", data, *option, status=2)
        assert option[0] in line and "several labels" in line
    # A model for one class of each picture.
    vgg("train", pictograms, "-o", tmp_path / "one", *TINY, "--recipe", "none", "--epochs", 1)
    assert "labels.csv: line 2 gives" in complaint("eval", "--model", tmp_path / "one", data)
    # One label each: measured as any number of them.
    figures = json.loads(vgg("eval", "--model", tmp_path / "one", pictograms, "--multi-label", "--format", "json").out)
    assert figures["multi_label"] and figures["labels"] == figures["images"] == 20
    assert "val mAP" in vgg("train", data, "-o", tmp_path / "rate", *TINY, "--recipe", "none", "--epochs", 1).out
    vgg("train", data, "-o", tmp_path / "rate", *TINY, "--find-rate", "--overwrite")
    vgg("augment", data, "--grid", tmp_path / "views.png", "--mixup", 0.5)


def test_precision_of_an_evaluation(data, tmp_path):
    train(data, tmp_path / "run")
    first, second = (json.loads(vgg("eval", "--model", tmp_path / "run", data, "--format", "json", "--precision",
                                    precision).out) for precision in ("f32", "bf16"))
    assert first["loss"] != second["loss"] and abs(first["loss"] - second["loss"]) < 0.1
    assert [figures["precision"] for figures in (first, second)] == ["f32", "bf16"]
    assert [first[key] for key in ("protocol", "scales", "models")] == ["center", None, 1]


def test_in_place_of_a_run_of_one_class(pictograms, data, tmp_path):
    """The tables of both begin with other lines."""
    run = tmp_path / "run"
    for _ in range(2):
        for pictures, column in ((pictograms, "metrics/accuracy_top1"), (data, "metrics/mean_average_precision")):
            train(pictures, run, "--epochs", 1, "--input", SIDE, "--overwrite")
            first, *rows = (run / "results.csv").read_text().splitlines()
            assert column in first and len(rows) == 1
