"""Commands on a GPU, by its double on the processor: what they give is what the processor gives, to
rounding, and the same bytes every time."""

import array
import json
import os
import pathlib

import pytest
from conftest import vgg

BUILD = pathlib.Path(os.environ.get("VGG_BUILD", pathlib.Path(__file__).resolve().parents[2] / "build"))
DOUBLE = {"VGG_CUDA_PLUGIN": str(BUILD / "tests" / "cuda" / "libvgg-cuda-double.so")}
SMALL = ("--arch", "8,M,16,M/16", "--batch", 8, "--recipe", "none", "--threads", 2, "--no-report")
# Of the largest logit.
BOUNDS = {"f32": 1e-5, "tf32": 5e-3, "bf16": 3e-2, "f16": 5e-3}


def gpu(*arguments, **options):
    return vgg(*arguments, "--device", "cuda", env=DOUBLE, **options)


@pytest.fixture(scope="module")
def trained(pictograms, tmp_path_factory):
    run = tmp_path_factory.mktemp("gpu") / "run"
    vgg("train", pictograms, "-o", run, *SMALL, "--epochs", 2)
    return run


def logits(run, pictures, *options, **how):
    done = vgg("predict", "--model", run, *pictures, "--top", 10, "--logits", "--format", "json", *options, **how)
    return [{row["index"]: row["logit"] for row in picture["predictions"]} for picture in json.loads(done.out)]


@pytest.mark.parametrize("precision", BOUNDS)
def test_predict(precision, trained, pictograms):
    pictures = sorted((pictograms / "validation").glob("*/*.png"))
    here = logits(trained, pictures)
    there = logits(trained, pictures, "--device", "cuda", "--precision", precision, env=DOUBLE)
    most = max(abs(value) for picture in here for value in picture.values())
    far = max(abs(a[i] - b[i]) for a, b in zip(here, there) for i in a) / most
    assert far <= BOUNDS[precision] and (precision == "f32" or far > 0)
    # A picture alone has the same bits as among others.
    assert logits(trained, pictures[3:4], "--device", "cuda", "--precision", precision, env=DOUBLE) == there[3:4]


@pytest.mark.parametrize("views", [("--protocol", "flip"), ("--protocol", "dense"), ("--scale", "16,20")])
def test_views(views, trained, pictograms):
    pictures = sorted((pictograms / "validation").glob("*/*.png"))[:4]
    rows = [json.loads(vgg("predict", "--model", trained, *pictures, "--short-side", 20, *views, "--top", 10,
                           "--format", "json", *device, env=DOUBLE).out)
            for device in ((), ("--device", "cuda", "--precision", "f32"))]
    for here, there in zip(*rows):
        found = [{row["index"]: row["probability"] for row in picture["predictions"]} for picture in (here, there)]
        assert found[0] == pytest.approx(found[1], abs=1e-4)


def test_eval(trained, pictograms):
    here = json.loads(vgg("eval", "--model", trained, pictograms, "--format", "json").out)
    there = json.loads(gpu("eval", "--model", trained, pictograms, "--format", "json").out)
    assert (there["device"], there["precision"]) == ("cuda", "bf16")
    assert there["loss"] == pytest.approx(here["loss"], rel=0.03) and there["images"] == here["images"]
    exact = json.loads(gpu("eval", "--model", trained, pictograms, "--format", "json", "--precision", "f32").out)
    assert exact["loss"] == pytest.approx(here["loss"], rel=1e-5)


def test_features(trained, pictograms, tmp_path):
    rows = []
    for device in ("cpu", "cuda"):
        out = tmp_path / f"{device}.csv"
        vgg("features", "--model", trained, "--layer", "features.0,features.4", "--pool", "avg", "-o", out,
            pictograms / "validation", "--device", device, "--precision", "f32", env=DOUBLE)
        rows.append([float(word) for line in out.read_text().splitlines()[1:] for word in line.split(",")[1:]])
    assert len(rows[0]) > 100 and rows[0] == pytest.approx(rows[1], abs=1e-5)


def losses(run):
    lines = map(json.loads, (run / "log.jsonl").read_text().splitlines())
    return [line["loss"] for line in lines if line["type"] == "step"]


def weights(run):
    """The tensors without the notes, which have the options."""
    data = (run / "last.safetensors").read_bytes()
    return data[8 + int.from_bytes(data[:8], "little"):]


METHODS = {
    "sgd": (),
    "nesterov": ("--optimizer", "nesterov", "--batch-norm"),
    "adamw": ("--optimizer", "adamw", "--ema", 0.9, "--clip-grad", 1),
    "parts": ("--micro-batch", 3, "--lookahead", 2, "--dropout", 0.3),
    "mixed": ("--mixup", 0.2, "--label-smoothing", 0.1, "--class-weights", "balanced"),
}


@pytest.mark.parametrize("method", METHODS)
def test_train(method, pictograms, tmp_path):
    line = ("train", pictograms, *SMALL, *METHODS[method])
    vgg(*line, "--epochs", 2, "-o", tmp_path / "here")
    gpu(*line, "--epochs", 2, "-o", tmp_path / "exact", "--precision", "f32")
    assert losses(tmp_path / "exact") == pytest.approx(losses(tmp_path / "here"), rel=2e-4)
    done = gpu(*line, "--epochs", 2, "-o", tmp_path / "there")
    assert ", in bf16" in done.out and "machine   a double on the processor" in done.out
    assert losses(tmp_path / "there") == pytest.approx(losses(tmp_path / "here"), rel=0.1)
    # The same bytes again, also of a run that was stopped and resumed.
    gpu(*line, "--epochs", 1, "-o", tmp_path / "again")
    vgg("train", pictograms, "-o", tmp_path / "again", "--resume", "--epochs", 2, env=DOUBLE)
    names = ("last.safetensors", "state.safetensors")
    assert all((tmp_path / "there" / name).read_bytes() == (tmp_path / "again" / name).read_bytes()
               for name in names if (tmp_path / "there" / name).exists())
    record = (tmp_path / "there" / "checkpoint.txt").read_text()
    assert all(f"\n{line}\n" in record for line in ("note.options.device cuda", "made.device cuda", "made.precision bf16"))


def test_half_precision(pictograms, tmp_path):
    """Steps whose gradients overflow are left out, and a run that was resumed leaves out the same."""
    line = ("train", pictograms, "--arch", "8,M,16,M/16", "--batch", 1, "--recipe", "none", "--threads", 2, "--no-report",
            "--precision", "f16", "--lr", 0.1)
    done = gpu(*line, "--epochs", 2, "-o", tmp_path / "whole")
    assert " left out: their gradients were too large for f16" in done.out
    gpu(*line, "--epochs", 1, "-o", tmp_path / "again")
    vgg("train", pictograms, "-o", tmp_path / "again", "--resume", "--epochs", 2, env=DOUBLE)
    assert all((tmp_path / "whole" / name).read_bytes() == (tmp_path / "again" / name).read_bytes()
               for name in ("last.safetensors", "state.safetensors"))
    states = [[row for row in (tmp_path / run / "checkpoint.txt").read_text().splitlines() if row.startswith("state.")]
              for run in ("whole", "again")]
    assert states[0] == states[1]
    found = dict(row.split(" ", 1) for row in states[0])
    skipped = int(found["state.skipped_steps"])
    assert skipped > 0 and float.fromhex(found["state.loss_scale"]) == 65536 / 2 ** skipped
    assert int(found["state.updates"]) == 80 - skipped
    lines = list(map(json.loads, (tmp_path / "whole" / "log.jsonl").read_text().splitlines()))
    assert lines[-1]["skipped_steps"] == skipped


def test_cached_features(pictograms, trained, tmp_path):
    line = ("train", pictograms, "--from", trained, "--freeze", 1, "--batch", 8, "--recipe", "none", "--threads", 2,
            "--no-report", "--epochs", 1, "--no-augment")
    gpu(*line, "-o", tmp_path / "plain")
    gpu(*line, "-o", tmp_path / "cached", "--cache-features")
    assert weights(tmp_path / "plain") == weights(tmp_path / "cached") != weights(trained)


def test_dry_run(pictograms):
    assert "pictures" in gpu("train", pictograms, *SMALL, "--dry-run").out


# Five blocks, as the layers of LPIPS have them.
DEEP = "4,4,M,5,5,M,6,6,6,M,12,12,12,M,20,20,20/12"


@pytest.fixture(scope="module")
def deep(pictograms, tmp_path_factory):
    run = tmp_path_factory.mktemp("deep") / "run"
    vgg("train", pictograms, "-o", run, "--arch", DEEP, "--input", 32, "--epochs", 1, "--batch", 8, "--recipe", "none",
        "--threads", 2, "--no-report")
    return run


def both(*line, out):
    """A file that a command writes, on the processor and on the GPU."""
    files = []
    for device in ("cpu", "cuda"):
        path = out.with_name(f"{device}-{out.name}")
        vgg(*line, path, "--device", device, "--precision", "f32", env=DOUBLE)
        files.append(path)
    return files


def floats(path):
    data = path.read_bytes()
    return array.array("f", data[10 + int.from_bytes(data[8:10], "little"):])


METHODS_EXPLAINED = ("gradcam", "gradcam++", "layercam", "guided", "smoothgrad", "integrated", "occlusion")


@pytest.mark.parametrize("method", METHODS_EXPLAINED)
def test_explain(method, deep, pictograms, tmp_path):
    picture = min((pictograms / "validation").glob("*/*.png"))
    here, there = both("explain", picture, "--model", deep, "--method", method, "--map", out=tmp_path / "map.npy")
    most = max(map(abs, floats(here)))
    assert floats(here) == pytest.approx(floats(there), abs=2e-4 * most) and most > 0


@pytest.mark.parametrize("metric", ("lpips", "features", "gram", "dists"))
def test_distance(metric, deep, pictograms, tmp_path):
    one, other = sorted((pictograms / "validation").glob("*/*.png"))[:2]
    line = ("distance", one, other, "--model", deep, "--metric", metric, "--size", 32, "--format", "json")
    here, there = both(*line, "--gradient", out=tmp_path / "gradient.npy")
    most = max(map(abs, floats(here)))
    assert floats(here) == pytest.approx(floats(there), abs=2e-3 * most) and most > 0
    values = [json.loads(vgg(*line, "--device", device, "--precision", "f32", env=DOUBLE).out)["pairs"][0]["distance"]
              for device in ("cpu", "cuda")]
    assert values[0] == pytest.approx(values[1], rel=1e-4)


def test_style(deep, pictograms, tmp_path):
    content, style = sorted((pictograms / "validation").glob("*/*.png"))[:2]
    line = ("style", content, "--style", style, "--model", deep, "--iterations", 3, "--content-layer", "relu2_2",
            "--style-layers", "relu1_1,relu3_1")
    losses = []
    for device in ("cpu", "cuda"):
        done = vgg(*line, "-o", tmp_path / f"{device}.png", "--device", device, "--precision", "f32", env=DOUBLE)
        losses.append(float(done.out.split("\nloss ")[1].split()[0]))
    assert losses[0] == pytest.approx(losses[1], rel=1e-3)
    gpu(*line, "-o", tmp_path / "rounded.png")


def test_index(deep, pictograms, tmp_path):
    folder, index = pictograms / "validation", tmp_path / "pictures.index"
    picture = min(folder.glob("*/*.png"))
    assert "note: on a double on the processor, in bf16" in gpu("index", folder, "-o", index, "--model", deep).err
    found = json.loads(gpu("search", index, picture, "--model", deep, "--format", "json").out)[0]["matches"]
    assert found[0]["image"] == str(picture) and found[0]["similarity"] == pytest.approx(1, abs=1e-6)
    # A file does not say what its rows were computed on.
    here = json.loads(vgg("search", index, picture, "--model", deep, "--format", "json").out)[0]["matches"]
    assert here[0]["similarity"] == pytest.approx(1, abs=1e-3)
    gpu("duplicates", folder, "--model", deep)


def test_probe_and_show(deep, pictograms, tmp_path):
    line = ("probe", pictograms, "--model", deep, "--layer", "relu4_1", "--pool", "avg", "--c", 1)
    here, there = both(*line, "-o", out=tmp_path / "probe.safetensors")
    picture = min((pictograms / "validation").glob("*/*.png"))
    rows = [logits(probe, [picture])[0] for probe in (here, there)]
    assert rows[0] == pytest.approx(rows[1], abs=1e-2)
    gpu("show", deep, "--layer", "relu2_1", picture, "-o", tmp_path / "maps.png")
    tops = [json.loads(vgg("show", deep, "--layer", "relu2_1", "--channel", 1, pictograms / "validation", "--format",
                           "json", "--device", device, "--precision", "f32", env=DOUBLE).out)["best"]
            for device in ("cpu", "cuda")]
    assert [row["value"] for row in tops[0]] == pytest.approx([row["value"] for row in tops[1]], rel=1e-4)
