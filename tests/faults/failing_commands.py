"""What failing_calls.py has fail: commands, and the inputs that they have."""

import csv
import dataclasses
import os
import pathlib
import shutil
import subprocess
import tarfile
import zipfile

import caffe_files
import darknet_files
import pth_files

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("VGG_BUILD", ROOT / "build")).absolute()
PROGRAM = os.path.abspath(os.environ.get("VGG", BUILD / "vgg"))
TIMEOUT = 120
TINY = ("--arch", "4,M/8", "--batch", "8", "--epochs", "2", "--threads", "2", "--workers", "1")
# The pictures of a run's page take ten times as long as the rest: "report" has them, and pages alone "train".
UNDRAWN = {"FAIL_FORK": "1"}
# What comes behind the first epoch is the matter of "train-resumed".
ONCE = (*TINY, "--epochs", "1", "--quiet")
PLAIN = (*ONCE, "--no-report")
# Layers that its network has, and few moves.
STYLE = ("--content-layer", "pool1", "--style-layers", "relu1_1", "--size", "12", "--iterations", "3", "--save-every", "1")
# What takes memory of its own in a training.
RICH = ("--batch", "4", "--batch-norm", "--optimizer", "adamw", "--ema", "0.9", "--lookahead", "2", "--mixup", "0.5", "--cutmix",
        "0.5", "--resized-crop", "0.3", "--rotate", "5", "--policy", "trivial", "--color-jitter", "0.2",
        "--random-erasing", "0.5", "--balanced-sampling", "--class-weights", "balanced", "--schedule",
        "plateau", "--warmup-epochs", "1", "--clip-grad", "1", "--init", "whiten", "--check-data",
        "--save-minutes", "1e-9")


@dataclasses.dataclass
class Command:
    """`words` is what vgg is told, in the folder of `make`; what it writes is under `out`, where `before`
    are copied first. `same`: what it writes and prints is the same every time. `settings`: of fail_calls.c.
    `asks`: pictures that a server at out/socket is asked about.
    `places`: of thousands of allocations the first and the last are tried that each chain of calls makes."""
    words: tuple
    before: tuple = ()
    same: bool = True
    statuses: tuple = (0, 1)
    stdin: str = None
    settings: dict = dataclasses.field(default_factory=dict)
    places: bool = False
    asks: tuple = ()


def commands(folder):
    """All that is tried, by name."""
    found = {
        "predict": Command(("predict", "--model", "plain.safetensors", "data/validation/heart/0000.png",
                            "data/train/moon"), statuses=(0, 1, 3)),
        "predict-json": Command(("predict", "--model", "plain.safetensors", "pictures", "--format", "json",
                                 "--threads", "2"), statuses=(0, 1, 3)),
        "predict-labels": Command(("predict", "--model", "plain.safetensors", "pictures", "--labels",
                                   "labels.txt"), statuses=(0, 1, 3)),
        "predict-sorting": Command(("predict", "--model", "plain.safetensors", "pictures", "--sort-into",
                                    "out/sorted"), statuses=(0, 1, 3)),
        "predict-csv": Command(("predict", "--model", "before/run", "pictures", "--format", "csv", "--top",
                                "2", "--protocol", "flip"), statuses=(0, 1, 3)),
        "predict-logits": Command(("predict", "--model", "plain.safetensors", "pictures/rgb8.png", "--logits",
                                   "--exact"), statuses=(0, 1, 3)),
        "predict-input": Command(("predict", "--model", "plain.onnx", "-", "--threads", "2"),
                                 statuses=(0, 1, 3), stdin="pictures/jpeg_420.jpg"),
        "features": Command(("features", "--model", "plain.safetensors", "--layer", "pool1,fc2", "--pool", "gem",
                             "-o", "out/a.npz", "pictures", "--threads", "2"), statuses=(0, 1, 3)),
        "index": Command(("index", "--model", "plain.safetensors", "pictures", "-o", "out/a.index", "--threads", "2"),
                         statuses=(0, 1, 3)),
        "search": Command(("search", "some.index", "pictures/rgb8.png", "--model", "plain.safetensors", "--page",
                           "out/page.html", "--format", "json"), statuses=(0, 1, 3)),
        "duplicates": Command(("duplicates", "--model", "plain.safetensors", "pictures", "--index", "out/a.index",
                               "--page", "out/page.html", "--threads", "2"), statuses=(0, 1, 3)),
        "probe": Command(("probe", "data", "--model", "plain.safetensors", "--layer", "pool1", "--c", "0.01", "-o",
                          "out/probe.safetensors", "--threads", "2"), statuses=(0, 1, 3)),
        "probe-tar": Command(("probe", "data.tar", "--model", "plain.safetensors", "--layer", "pool1", "--c", "0.01", "-o",
                              "out/probe.safetensors", "--threads", "2", "--cache-features", "out/f.cache"),
                             statuses=(0, 1, 3)),
        "explain": Command(("explain", "--model", "plain.safetensors", "pictures/rgb8.png", "-o", "out/why.png",
                            "--map", "out/why.npy", "--faithfulness"), statuses=(0, 1)),
        "show": Command(("show", "plain.safetensors", "-o", "out/filters.png")),
        "show-maps": Command(("show", "plain.safetensors", "--layer", "relu1_1", "pictures/rgb8.png", "-o",
                              "out/maps.png", "--format", "json", "--threads", "2")),
        "show-top": Command(("show", "plain.safetensors", "--layer", "pool1", "--channel", "1", "pictures", "-o",
                             "out/top.png", "--top", "2", "--threads", "2"), statuses=(0, 1, 3)),
        "distance": Command(("distance", "--model", "plain.safetensors", "--metric", "gram", "--size", "24", "pictures/rgb8.png",
                             "pictures", "--format", "json", "--threads", "2")),
        "distance-dists": Command(("distance", "--model", "deep/last.safetensors", "--metric", "dists", "--size", "20",
                                   "pictures/rgb8.png", "pictures/jpeg_420.jpg", "--gradient", "out/slope.npy", "--threads", "2")),
        "distance-gradient": Command(("distance", "--model", "plain.safetensors", "--metric", "features", "--layer", "pool1",
                                      "--gradient", "out/slope.npy", "pictures/rgb8.png", "pictures/rgb8.png")),
        "style": Command(("style", "--model", "plain.safetensors", "pictures/rgb8.png", "--style", "pictures/jpeg_420.jpg",
                          "--style", "pictures/rgb8.png:2", *STYLE, "-o", "out/a.png", "--preview", "out/now.png",
                          "--threads", "2")),
        "eval": Command(("eval", "--model", "plain.safetensors", "data", "--threads", "2"),
                        statuses=(0, 1, 3)),
        "eval-tar": Command(("eval", "--model", "plain.safetensors", "data.tar", "--workers", "2"),
                            statuses=(0, 1, 3)),
        "eval-tar-gz": Command(("eval", "--model", "plain.safetensors", "data.tar.gz"),
                               statuses=(0, 1, 3)),
        "eval-zip": Command(("eval", "--model", "plain.safetensors", "data.zip"), statuses=(0, 1, 3)),
        "train": Command(("train", "data", "-o", "out/run", *ONCE), statuses=(0, 1, 3), settings=UNDRAWN),
        # What is there is what it trains again, to be resumed as either.
        "train-again": Command(("train", "data", "-o", "out/half", *PLAIN, "--overwrite"),
                               before=("half",), statuses=(0, 1, 3)),
        "train-tar": Command(("train", "data.tar.gz", "-o", "out/run", *PLAIN), statuses=(0, 1, 3)),
        "train-zip": Command(("train", "data.zip", "-o", "out/run", *PLAIN), statuses=(0, 1, 3)),
        "train-rich": Command(("train", "data", "-o", "out/run", *PLAIN, *RICH), statuses=(0, 1, 3)),
        "train-from": Command(("train", "data", "-o", "out/run", "--from", "plain.safetensors", "--freeze",
                               "features.0", "--head-rate", "10", "--epochs", "1", "--threads", "2",
                               "--no-report", "--quiet"), statuses=(0, 1, 3)),
        "train-resumed": Command(("train", "data", "-o", "out/half", "--resume", "--epochs", "2",
                                  "--threads", "2", "--no-report", "--quiet"), before=("half",), statuses=(0, 1, 3)),
        "train-dry": Command(("train", "data", "--dry-run", *TINY), same=False),
        "augment": Command(("augment", "data", "--grid", "out/grid.png", "--views", "2", "--pictures", "2",
                            "--input", "16", "--policy", "trivial", "--rotate", "5", "--random-erasing",
                            "1")),
        "augment-pictures": Command(("augment", "pictures/rgb8.png", "pictures/jpeg_420.jpg", "--grid",
                                     "out/grid.png", "--views", "2", "--resized-crop", "0.3")),
        "generate": Command(("generate", "out/made", "--train", "1", "--validation", "0", "--size", "16")),
        "eval-json": Command(("eval", "--model", "plain.safetensors", "data", "--format", "json"),
                             statuses=(0, 1, 3)),
        "eval-kept": Command(("eval", "--model", "plain.safetensors", "data", "--predictions",
                              "out/scores.npz", "--resume"), statuses=(0, 1, 3)),
        "eval-fit": Command(("eval", "--model", "learnt.safetensors", "labelled", "--fit-temperature", "-o",
                             "out/fitted.safetensors"), statuses=(0, 1, 3)),
        "eval-page": Command(("eval", "--model", "plain.safetensors", "data", "--report", "out/report.html"),
                             statuses=(0, 1, 3)),
        "eval-table": Command(("eval", "--model", "plain.safetensors", "--model", "plain.pth", "--table", "data"),
                              statuses=(0, 1, 3)),
        "eval-fuse": Command(("eval", "--model", "plain.safetensors", "--model", "plain.pth", "--fuse", "data"),
                             statuses=(0, 1, 3)),
        "report": Command(("report", "out/run"), before=("run",)),
        # Jansson loses letters of a text that it reads without memory: docs/reliability.md.
        "report-two": Command(("report", "before/run", "before/half", "-o", "out/two.html")),
        "eval-compare": Command(("eval", "--model", "plain.safetensors", "--model", "plain.pth", "--compare",
                                 "data"), same=False, statuses=(0, 1, 3)),
        "score-csv": Command(("score", "scores.csv", "--hardest", "2", "--format", "json")),
        "score-npz": Command(("score", "scores.npz", "--format", "csv")),
        "score-two": Command(("score", "scores.npz", "scores.csv", "--hardest", "2")),
        "inspect-json": Command(("inspect", "plain.safetensors", "--format", "json")),
        "serve": Command(("serve", "--model", "plain.safetensors", "--listen", "unix:out/socket", "--grace", "2",
                          "--threads", "1", "--workers", "1"), same=False, places=True,
                         asks=("pictures/rgb8.png", "pictures/jpeg_420.jpg")),
        "summary": Command(("summary", "--arch", "D", "--batch-norm")),
        "summary-file": Command(("summary", "plain.safetensors")),
        "summary-json": Command(("summary", "--arch", "A", "--format", "json")),
    }
    for name in ("safetensors", "pth", "onnx"):
        found["convert-to-" + name] = Command(
            ("convert", "plain.safetensors", f"out/model.{name}", "--overwrite", "--dtype", "f16"),
            before=(f"model.{name}",))
    found["convert-int8"] = Command(("convert", "wide/last.safetensors", "out/int8.safetensors", "--dtype", "int8",
                                     "--calibrate", "data", "--max-drop", "1"))
    for path in sorted(folder.glob("plain.*")):
        kind = path.suffix[1:]
        told = {"weights": ("--arch", "2,M,3,M/4", "--input", "4"),
                "legacy": ("--arch", "2,M/4", "--input", "8"),
                "h5": ("--arch", "2,M/4", "--input", "4")}.get(kind, ())
        found["inspect-" + kind] = Command(("inspect", path.name, *told))
        if kind != "safetensors":
            found["convert-from-" + kind] = Command(
                ("convert", path.name, "out/model.safetensors", *told, "--preprocess", "unit"))
    for command in found.values():
        command.places = command.places or command.words[0] == "train"
    # The machine is measured each time, a fifth of a second: last.
    for name, more in (("bench", ("--batch", "1")),
                       ("bench-train", ("--batch", "2", "--train", "--format", "json"))):
        found[name] = Command(("bench", "plain.safetensors", "--runs", "1", *more), same=False, places=True)
    return found


def environment_of(folder):
    return {**os.environ, "LC_ALL": "C", "TMPDIR": str(folder / "out"),
            "FONTCONFIG_FILE": str(folder / "fonts.conf")}


def make(folder):
    """The inputs of the commands."""
    def good(*words):
        done = subprocess.run([PROGRAM, *words], cwd=folder, env=environment_of(folder), stdin=subprocess.DEVNULL,
                              capture_output=True, text=True, timeout=TIMEOUT, check=False)
        assert done.returncode == 0, done.stderr

    (folder / "out").mkdir(parents=True)
    # One font: Debian's own settings are thirty files.
    (folder / "fonts.conf").write_text("<fontconfig><dir>/usr/share/fonts/truetype/dejavu</dir>"
                                       f"<cachedir>{folder}/fonts</cachedir></fontconfig>")
    good("generate", "drawn", "--train", "2", "--validation", "1", "--size", "16")
    for part, name in [(p, n) for p in ("train", "validation") for n in ("heart", "moon", "star")]:
        shutil.copytree(folder / "drawn" / part / name, folder / "data" / part / name)
    golden = ROOT / "tests" / "golden" / "data" / "image"
    (folder / "pictures").mkdir()
    for name in ("jpeg_420.jpg", "jpeg_progressive.jpg", "rgb8.png", "webp_lossy.webp"):
        shutil.copy(golden / name, folder / "pictures")
    for name, mode in (("data.tar", "w"), ("data.tar.gz", "w:gz")):
        with tarfile.open(folder / name, mode) as archive:
            archive.add(folder / "data", "data")
    with zipfile.ZipFile(folder / "data.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted((folder / "data").rglob("*.png")):
            archive.write(path, path.relative_to(folder))
    (folder / "labels.txt").write_text("a\nb\nc\n")
    good("train", "data", "-o", "before/run", *TINY, "--quiet")
    good("train", "data", "-o", "before/half", *TINY, "--epochs", "1", "--quiet")
    shutil.copy(folder / "before" / "run" / "last.safetensors", folder / "plain.safetensors")
    for kind in ("pth", "onnx"):
        good("convert", "plain.safetensors", f"plain.{kind}")
    good("index", "--model", "plain.safetensors", "data/train/moon", "-o", "some.index")
    for ending in ("csv", "npz"):
        good("eval", "--model", "plain.safetensors", "data", "--predictions", f"scores.{ending}")
    good("train", "data", "-o", "before/learnt", *TINY, "--recipe", "none", "--batch-norm", "--epochs", "20",
         "--lr", "0.2", "--quiet")
    good("train", "data", "-o", "deep", *TINY, "--arch", "2,2,M,2,2,M,2,2,2,M,2,2,2,M,2,2,2,M/4", "--input", "32", "--epochs",
         "1", "--quiet")
    good("train", "data", "-o", "wide", *TINY, "--arch", "16,16,M/4", "--epochs", "1", "--quiet")
    shutil.copy(folder / "before" / "learnt" / "last.safetensors", folder / "learnt.safetensors")
    good("eval", "--model", "learnt.safetensors", "data", "--predictions", "learnt.csv")
    label_by_scores(folder)
    for kind in ("safetensors", "pth", "onnx"):
        (folder / "before" / f"model.{kind}").write_bytes(b"what was there before")
    (folder / "plain.legacy").write_bytes(pth_files.legacy_network())
    plain = caffe_files.Network(((2,), (3,)), (4,), 3, 4)
    (folder / "plain.weights").write_bytes(darknet_files.weights(plain))
    (folder / "plain.caffemodel").write_bytes(
        caffe_files.caffe_model(caffe_files.caffe_layers(plain), caffe_files.input_dims(4)))
    try:
        import keras_files
    except ImportError:
        return
    net = keras_files.Net([2, "M"], [4], 3, 4)
    keras_files.write_old(folder / "plain.h5", net)
    keras_files.write_keras(folder / "plain.keras", net)


def label_by_scores(folder):
    """A part of which the model names two pictures of three right, whatever it learnt: a temperature can be
    fitted. Each picture is once in each class and three more times in the predicted one."""
    for scored in csv.DictReader((folder / "learnt.csv").open()):
        picture = folder / scored["name"]
        for name in ("heart", "moon", "star"):
            to = folder / "labelled" / "validation" / name
            to.mkdir(parents=True, exist_ok=True)
            for copy in range(4 if name == scored["predicted"] else 1):
                shutil.copy(picture, to / f"{scored['truth']}{copy}.png")
