"""vgg train: recipes, what is learnt how and from which views, and trained starts."""

import fcntl
import json
import re
import shutil
import struct

import pytest
from conftest import TINY, complaint, vgg


def notes(path):
    with open(path, "rb") as file:
        (size,) = struct.unpack("<Q", file.read(8))
        return json.loads(file.read(size))["__metadata__"]


def tensor(path, name):
    data = path.read_bytes()
    (size,) = struct.unpack("<Q", data[:8])
    begin, end = json.loads(data[8:8 + size])[name]["data_offsets"]
    return data[8 + size + begin:8 + size + end]


# All at once, in small.
METHOD = ("--optimizer", "adamw", "--lr", 0.002, "--schedule", "one-cycle", "--warmup-epochs", 1,
          "--label-smoothing", 0.1, "--clip-grad", 1, "--ema", 0.9, "--lookahead", 2,
          "--class-weights", "balanced", "--balanced-sampling", "--no-decay-norm", "--bias-rate", 2,
          "--head-rate", 2, "--logit-scale", 0.5, "--bn-momentum", 0.3, "--fix-bn-scale",
          "--batch-norm", "--init", "whiten", "--freeze", "features.0")
VIEWS = ("--resized-crop", 0.3, "--flip", "alternate", "--translate", 2, "--rotate", 10, "--policy",
         "trivial", "--color-jitter", 0.3, "--pca-shift", 0.1, "--random-erasing", 0.5, "--mixup", 0.2,
         "--cutmix", 1)


def test_everything_and_resume(pictograms, tmp_path):
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    out = vgg("train", pictograms, "-o", whole, *TINY, "--epochs", 3, *METHOD, *VIEWS).out
    assert ("views random part, resized, flip every other epoch, moved, turned, a trivial change, "
            "colours, colours along ImageNet's, erased, mixup, cutmix; random order training"
            in " ".join(out.split()))
    assert "frozen    features.0\n" in out and "(one-cycle)" in out
    # The shape of the schedule depends on all epochs, which are therefore said at once; --early-stop
    # ends the first run.
    vgg("train", pictograms, "-o", parts, *TINY, "--epochs", 3, *METHOD, *VIEWS, "--early-stop", 1)
    vgg("train", pictograms, "-o", parts, "--resume", "--early-stop", 0, "--threads", 1)
    for name in ("last", "best", "state", "state-average", "state-slow", "state-square"):
        one, other = (folder / f"{name}.safetensors" for folder in (whole, parts))
        assert tensor(one, "classifier.0.weight") == tensor(other, "classifier.0.weight"), name
    kept = notes(whole / "last.safetensors")
    assert kept["options.optimizer"] == "adamw" and kept["options.cutmix"] == "1"
    assert kept["options.decay-norm"] == "false" and kept["options.flip"] == "alternate"


def test_options_reach_the_training(pictograms, tmp_path):
    """Each changes the weights."""
    def weights(*options):
        run = tmp_path / "run"
        shutil.rmtree(run, ignore_errors=True)
        vgg("train", pictograms, "-o", run, *TINY, "--epochs", 2, "--batch-norm", *options)
        best = (run / "best.safetensors").read_bytes() if "--ema" in options else b""
        return tensor(run / "last.safetensors", "classifier.0.weight") + best

    seen = {weights(): "nothing"}
    for options in (["--optimizer", "nesterov"], ["--optimizer", "adamw"], ["--schedule", "cosine"],
                    ["--schedule", "cosine", "--min-lr", 0.004], ["--schedule", "triangle"],
                    ["--schedule", "one-cycle"], ["--schedule", "one-cycle", "--no-cycle-momentum"],
                    ["--warmup-epochs", 1], ["--label-smoothing", 0.3], ["--clip-grad", 0.1],
                    ["--ema", 0.5], ["--lookahead", 2], ["--lookahead", 2, "--lookahead-keep", 0.9],
                    ["--lookahead", 2, "--lookahead-ramp"], ["--no-decay-norm", "--weight-decay", 0.5],
                    ["--bias-rate", 9], ["--head-rate", 9], ["--logit-scale", 0.1],
                    ["--fix-bn-scale"], ["--balanced-sampling"], ["--init", "dirac"],
                    ["--init", "whiten"], ["--resized-crop", 0.3], ["--scale-jitter", 2],
                    ["--flip", "alternate"], ["--flip", "none"], ["--translate", 3],
                    ["--rotate", 20], ["--policy", "trivial"], ["--color-jitter", 0.5],
                    ["--pca-shift", 0.5], ["--random-erasing", 0.9], ["--mixup", 0.5],
                    ["--cutmix", 1], ["--no-crop"]):
        assert seen.setdefault(weights(*options), options) == options


@pytest.mark.parametrize("recipe", ["paper", "torchvision", "finetune", "small", "digits"])
def test_recipe_is_its_command_line(pictograms, tmp_path, recipe):
    """What a recipe prints, typed in its place, trains the same."""
    small = ("--arch", "4,M/8", "--input", 16, "--threads", 2, "--epochs", 1)
    out = vgg("train", pictograms, "-o", tmp_path / "a", "--recipe", recipe, *small).out
    line = re.search(r"^recipe    (.*?)\n\S", out, re.M | re.S).group(1)
    name, *words = line.split()
    assert name == f"{recipe}:" and "--epochs 1" in " ".join(words)
    other = vgg("train", pictograms, "-o", tmp_path / "b", *words, *small).out
    assert "recipe  " not in other
    assert ((tmp_path / "a/last.safetensors").read_bytes()
            == (tmp_path / "b/last.safetensors").read_bytes())


def test_options_beside_a_recipe_win(pictograms, tmp_path):
    vgg("train", pictograms, "-o", tmp_path / "run", "--recipe", "fast", "--arch", "4,M,8", "--input", 16,
        "--batch", 20, "--epochs", 1, "--lr", 0.01, "--flip", "none", "--crop")
    kept = notes(tmp_path / "run/last.safetensors")
    assert kept["options.lr"] == "0.01" and kept["options.flip"] == "false"
    assert kept["options.crop"] == "true" and kept["options.bias-rate"] == "64"
    assert kept["vgg.arch"] == "4,M,8" and kept["vgg.layout"] == "global-max"


@pytest.fixture(scope="module")
def small_pictures(tmp_path_factory):
    """Of 32 x 32, three classes of six pictures to learn from and two to check with."""
    folder = tmp_path_factory.mktemp("small") / "data"
    vgg("generate", folder, "--train", 6, "--validation", 2, "--size", 32)
    for part in ("train", "validation"):
        for path in sorted((folder / part).iterdir())[3:]:
            shutil.rmtree(path)
    return folder


@pytest.mark.parametrize("recipe", ["fast", "small", "paper", "torchvision", "finetune", "digits"])
def test_recipe_as_it_is(small_pictures, trained, tmp_path, recipe):
    """Two epochs with nothing else said but a small network where the recipe has none."""
    run = tmp_path / "run"
    more = {"fast": (), "finetune": ("--from", trained / "best.safetensors")}
    out = vgg("train", small_pictures, "-o", run, "--recipe", recipe, "--epochs", 2,
              *more.get(recipe, ("--arch", "8,M,12,M/16", "--batch-norm"))).out
    assert f"recipe    {recipe}: --" in out and "\nepoch 2/2" in out
    measured = [json.loads(vgg("eval", "--model", run, small_pictures, "--protocol", protocol,
                               "--format", "json").out) for protocol in ("center", "flip")]
    assert all(0 <= figures["top1"] <= 1 and figures["images"] == 6 for figures in measured)
    assert measured[0]["loss"] != measured[1]["loss"]


def test_few_pictures_have_a_recipe(small_pictures, tmp_path):
    """Chosen by the data, unless the user chose; and what is typed beside it wins."""
    out = vgg("train", small_pictures, "-o", tmp_path / "run", "--epochs", 1, "--color-jitter",
              0).out
    line = " ".join(out.split("\ndata ")[0].split())
    assert line.startswith("recipe small: --epochs 1 --batch 32 --optimizer nesterov")
    assert "--color-jitter 0 " in line
    assert line.endswith("chosen because the pictures are few; options beside it win, and --recipe "
                         "none goes without")
    kept = notes(tmp_path / "run/last.safetensors")
    assert kept["options.schedule"] == "one-cycle" and kept["options.resized-crop"] == "0.35"
    out = vgg("train", small_pictures, "-o", tmp_path / "run", "--resume", "--epochs", 2).out
    assert "recipe" not in out and "learning rate 0.04 (one-cycle)" in out
    many = vgg("train", small_pictures, "--dry-run", "-o", tmp_path / "x").out
    assert "training  100 epochs in batches of 32, learning rate 0.04 (one-cycle)" in many
    same = vgg("train", small_pictures, "--dry-run", "-o", tmp_path / "x", "--recipe", "small").out
    assert "training  100 epochs" in same and "chosen because" not in same
    for own in (("--recipe", "none"), ("--lr", 0.005), ("--schedule", "constant"),
                ("--optimizer", "sgd"), ("--arch", "4,M/8")):
        out = vgg("train", small_pictures, "--dry-run", "-o", tmp_path / "x", *own).out
        assert "recipe  " not in out, own
        assert "training  10 epochs in batches of 32, learning rate 0.005,\n" in out, own


@pytest.mark.parametrize("own,views", [
    (("--no-crop",), "random flip, colours"), (("--scale-jitter", 1.5), "random crop, random scale, random flip, colours")])
def test_views_that_are_cut_otherwise(small_pictures, tmp_path, own, views):
    """A recipe's random parts of the whole picture are not in the way of what is asked for."""
    out = vgg("train", small_pictures, "--dry-run", "-o", tmp_path / "x", *own).out
    assert re.search(rf"^views +{views}", out, re.MULTILINE), out


def test_no_recipe_without_batch_norm(small_pictures, tmp_path):
    assert "recipe  " not in vgg("train", small_pictures, "--dry-run", "-o", tmp_path / "x", "--no-batch-norm").out


def test_old_flip(pictograms, tmp_path):
    vgg("train", pictograms, "-o", tmp_path / "off", *TINY, "--epochs", 1, "--no-flip")
    assert notes(tmp_path / "off/last.safetensors")["options.flip"] == "false"
    vgg("train", pictograms, "-o", tmp_path / "on", *TINY, "--epochs", 1, "--flip")
    assert notes(tmp_path / "on/last.safetensors")["options.flip"] == "true"


# ---- trained starts ------------------------------------------------------------------------------


def fewer(pictograms, tmp_path):
    folder = tmp_path / "three"
    for name in ("arrow", "heart", "star"):
        shutil.copytree(pictograms / "train" / name, folder / name)
    return folder


def test_other_classes(pictograms, trained, tmp_path):
    run, start = tmp_path / "run", trained / "best.safetensors"
    out = vgg("train", fewer(pictograms, tmp_path), "-o", run, "--from", start, "--batch", 4, "--epochs",
              1, "--freeze", "features.0").out
    assert f"start     {start}; its last layer is new, for 3 classes\n" in out
    assert "network   4,M/8\n" in out
    after = notes(run / "last.safetensors")
    assert json.loads(after["vgg.classes"]) == ["arrow", "heart", "star"]
    assert after["vgg.preprocess"] == notes(start)["vgg.preprocess"]
    assert tensor(run / "last.safetensors", "features.0.weight") == tensor(start, "features.0.weight")
    assert (tensor(run / "last.safetensors", "classifier.0.weight")
            != tensor(start, "classifier.0.weight"))
    out = vgg("train", tmp_path / "three", "-o", run, "--resume", "--epochs", 2).out
    assert "frozen    features.0\n" in out


def test_same_classes_go_on(pictograms, trained, tmp_path):
    start = trained / "best.safetensors"
    out = vgg("train", pictograms, "-o", tmp_path / "run", "--from", start, "--epochs", 1, "--lr",
              1e-12).out
    assert f"start     {start}, which has these classes\n" in out
    assert (tensor(tmp_path / "run/last.safetensors", "classifier.3.bias")
            == tensor(start, "classifier.3.bias"))


def test_the_papers_first_weights(pictograms, trained, tmp_path):
    start, run = trained / "best.safetensors", tmp_path / "run"
    out = vgg("train", pictograms, "-o", run, "--init-from", start, "--arch", "4,5,M/8", "--lr",
              1e-12, "--epochs", 1).out
    assert f"start     2 layers of {start}\n" in out
    assert tensor(run / "last.safetensors", "features.0.weight") == tensor(start, "features.0.weight")
    line = complaint("train", pictograms, "-o", tmp_path / "x", "--init-from", start, "--arch", "3,M/7",
                     "--epochs", 1, "--batch-norm")
    assert "no layer of" in line


def test_impossible_starts(pictograms, trained, tmp_path):
    start = trained / "best.safetensors"
    line = complaint("train", pictograms, "-o", tmp_path / "x", "--from", start, "--arch", "4,M/8",
                     status=2)
    assert line == "vgg train: --arch: cannot be chosen with --from, whose network it is"
    line = complaint("train", pictograms, "-o", tmp_path / "x", "--from", start, "--freeze",
                     "features.0,features.9", status=2)
    assert line.startswith('vgg train: --freeze: found "features.9"')
    line = complaint("train", pictograms, "-o", trained, "--resume", "--recipe", "small", status=2)
    assert line.startswith("vgg train: --recipe: is for a new run")


# ---- before it begins, and when it goes wrong ----------------------------------------------------


def test_dry_run(pictograms, tmp_path):
    out = vgg("train", pictograms, "-o", tmp_path / "run", *TINY, "--dry-run", "--epochs", 7).out
    assert "network   4,M/8\n" in out
    assert re.search(r"^time      about \d:\d\d an epoch, \d+:\d\d in all, at \d+ images/s", out, re.M)
    assert re.search(r"^memory    \S+ MB, and", out, re.M)
    assert "disk      0.0 MB, and 0.0 MB while one checkpoint replaces another\n" in out
    assert "weights   2,258 parameters\n" in out
    assert not (tmp_path / "run").exists()


def files_of(run):
    return {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in run.rglob("*") if path.is_file()}


def test_dry_run_beside_a_run(pictograms, trained, tmp_path):
    """It looks at the folder, whoever has it in hand, and leaves all as it is."""
    run = shutil.copytree(trained, tmp_path / "run")
    (run / ".checkpoint-99-last.safetensors").write_text("left")
    before = files_of(run)
    with open(run / ".lock", "rb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert "would take" in vgg("train", pictograms, "-o", run, *TINY, "--dry-run", "--overwrite").out
        assert "would take" in vgg("train", pictograms, "-o", run, "--dry-run", "--resume").out
        assert "holds a run already" in complaint("train", pictograms, "-o", run, *TINY, "--dry-run")
    assert before == files_of(run)


def test_notes_in_advance(pictograms, tmp_path):
    data = tmp_path / "data"
    for part in ("train", "validation"):
        for name in ("arrow", "heart"):
            shutil.copytree(pictograms / part / name, data / part / name)
    shutil.copytree(data / "train/heart", data / "train/Heart")
    for number in (1, 2, 3):
        (data / f"train/arrow/000{number}.png").unlink()
    shutil.copy(data / "train/arrow/0000.png", data / "validation/arrow/copy.png")
    deep = ("--arch", "4,4,4,4,4,4,4,4/8", "--input", 8, "--lr", 0.05, "--epochs", 1)
    notes_ = vgg("train", data, "-o", tmp_path / "run", *deep).err.splitlines()
    assert any("arrow has one or two pictures to learn from" in line for line in notes_)
    assert any("classes Heart and heart differ in upper and lower case only" in line
               for line in notes_)
    assert any("arrow/0000.png" in line and "arrow/copy.png" in line and "same picture" in line
               for line in notes_)
    assert any("--lr 0.05 kills a network of 10 layers without batch normalisation" in line
               for line in notes_)
    quiet = vgg("train", pictograms, "-o", tmp_path / "other", *TINY, "--epochs", 1)
    assert quiet.err == ""


def test_blown_up(pictograms, tmp_path):
    line = complaint("train", pictograms, "-o", tmp_path / "a", *TINY, "--lr", 1e3, "--epochs", 5)
    assert re.search(r"the loss is not a finite number in epoch \d, step \d, with learning rate 1000; "
                     r"(the first activations to blow up are those|the gradients) of "
                     r"(features|classifier)\.\d", line)
    line = complaint("train", pictograms, "-o", tmp_path / "b", "--arch", "4,M/8", "--batch", 2, "--lr",
                     20, "--clip-grad", 20, "--weight-decay", 0, "--batch-norm", "--epochs", 5,
                     "--momentum", 0.99)
    assert re.search(r"the loss is \S+ on average up to epoch 1, step \d+, with learning rate 20, where "
                     r"guessing gives 2.303; activations grow most in ", line)


def test_advice_about_guessing(pictograms, tmp_path):
    """Of a loss that is that of guessing, but not while the validation improves."""
    given = {True: 0, False: 0}
    for seed in range(6):
        out = vgg("train", pictograms, "-o", tmp_path / str(seed), *TINY, "--seed", seed, "--epochs", 3,
                  "--lr", 0.05, "--momentum", 0).out
        lines = out.splitlines()
        epochs = [i for i, line in enumerate(lines) if line.startswith("epoch ")]
        assert len(epochs) == 3
        for number in (1, 2):
            line = lines[epochs[number]]
            if float(re.search(r"  loss (\S+)", line).group(1)) < 2.27:
                break
            advised = lines[epochs[number] + 1].startswith("the loss is still that of guessing")
            before = [float(re.search(r"  val loss (\S+)", lines[i]).group(1)) for i in epochs[:number + 1]]
            improves = line.endswith("*best") or before.pop() < min(before)
            assert advised != improves, out
            given[advised] += 1
            if advised:
                break
    assert given[True] > 0 and given[False] > 0, given
