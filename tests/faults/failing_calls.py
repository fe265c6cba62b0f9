#!/usr/bin/python3
"""Each call of the system, of a thread or of memory that a command makes, failing, and a disk that is
full after so many bytes: what the program does then, and that a training can be resumed afterwards. A sample of it is test_failing_calls.py; as a program this is all of it (`make failing-calls`):

    VGG=build/vgg VGG_BUILD=build tests/faults/failing_calls.py [--most N] [--seed K] [WORD...]

with the commands and kinds whose names contain one of the words; --most: of each command and kind only so
many, which --seed picks."""

import argparse
import collections
import concurrent.futures
import csv
import dataclasses
import errno
import itertools
import os
import pathlib
import queue
import random
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile

import caffe_files
import darknet_files
import pth_files
from started import Started

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("VGG_BUILD", ROOT / "build")).absolute()
PROGRAM = os.path.abspath(os.environ.get("VGG", BUILD / "vgg"))
LIBRARY = BUILD / "tests" / "fail_calls.so"
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
# Kinds of calls, each with the error that it fails with.
KINDS = {"open": errno.EMFILE, "read": errno.EIO, "write": errno.ENOSPC, "mmap": errno.ENOMEM,
         "rename": errno.EACCES, "sync": errno.EIO, "close": errno.EIO, "unlink": errno.EACCES,
         "truncate": errno.ENOSPC, "mkdir": errno.ENOSPC, "chmod": errno.EPERM, "lock": errno.ENOLCK,
         "thread": errno.EAGAIN, "allocate": errno.ENOMEM, "look": errno.EIO, "list": errno.EIO,
         "room": errno.ENOSPC}
# Sizes at which a disk is full, of each command.
ROOMS = 60
# Files with times in them, and pictures without their letters where Cairo fails.
TIMED = ("log.jsonl", "checkpoint.txt", ".lock", "results.csv", "run.json", "report.html", "results.png",
         "confusion.png", "views.png", "why.png", "maps.png", "top.png")
# Left out without a word where Cairo or its process fails.
DRAWN = ("results.png", "confusion.png")
# What a dependency of ours does without memory: docs/reliability.md.
ARCHIVE = "Fatal Internal Error in libarchive: "


@dataclasses.dataclass
class Command:
    """`words` is what vgg is told, in the folder of `make`; what it writes is under `out`, where `before`
    are copied first. `same`: what it writes and prints is the same every time. `settings`: of fail_calls.c.
    `places`: of thousands of allocations the first and the last are tried that each chain of calls makes."""
    words: tuple
    before: tuple = ()
    same: bool = True
    statuses: tuple = (0, 1)
    stdin: str = os.devnull
    settings: dict = dataclasses.field(default_factory=dict)
    places: bool = False


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
        command.places = command.words[0] == "train"
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


def contents(folder):
    """What is under the folder: bytes by name. A log has times in it, and is looked at alone."""
    return {str(path.relative_to(folder)): path.read_bytes()
            for path in sorted(folder.rglob("*")) if path.is_file()}


@dataclasses.dataclass
class Place:
    """A folder of inputs for one run at a time, and what the command does when nothing fails."""
    folder: pathlib.Path
    good: dict = dataclasses.field(default_factory=dict)
    started: dict = dataclasses.field(default_factory=dict)
    allocations: dict = dataclasses.field(default_factory=dict)

    def vgg(self, *words, stdin=os.devnull, **settings):
        """The exit status and what was printed; -1000 when it took too long."""
        if (words, stdin) not in self.started:
            self.started[words, stdin] = Started(PROGRAM, LIBRARY, self.folder, words,
                                                 environment_of(self.folder), stdin)
        return self.started[words, stdin].run(TIMEOUT, **settings)

    def stop(self):
        """Ends the programs that were started."""
        while self.started:
            self.started.popitem()[1].stop()

    def run(self, command, **settings):
        out = self.folder / "out"
        shutil.rmtree(out)
        out.mkdir()
        for name in command.before:
            source = self.folder / "before" / name
            (shutil.copytree if source.is_dir() else shutil.copy)(source, out / name)
        before = contents(out)
        return before, self.vgg(*command.words, stdin=command.stdin, **command.settings, **settings), contents(out)

    def count(self, command):
        """How many calls of each kind it makes, and how many bytes it writes ("room")."""
        file, counts = self.folder / "count", collections.Counter()
        for kinds in (",".join(kind for kind in KINDS if kind != "room"), "room"):
            _, (status, printed, complaint), after = self.run(
                command, FAIL_CALLS=kinds, FAIL_COUNT_TO=str(file),
                **({} if kinds == "room" else {"FAIL_COUNT_EACH": "1"}))
            assert status == 0, complaint
            self.good[command.words] = (printed, after)
            for line in file.read_text().splitlines():
                kind, number = line.split() if kinds != "room" else ("room", line)
                counts[kind] += int(number)
        self.allocations[command.words] = self.places(command) if command.places else None
        return counts

    def places(self, command):
        """The numbers of allocations of which each is the first or the last that a chain of calls makes."""
        file, first, last = self.folder / "places", {}, {}
        self.run(command, FAIL_CALLS="allocate", FAIL_PLACES_TO=str(file))
        for number, place in enumerate(file.read_text().split(), 1):
            first.setdefault(place, number)
            last[place] = number
        return sorted({*first.values(), *last.values()})


def unreadable(place, files):
    """The names of models, pictures and logs that are not whole."""
    for name, data in files.items():
        if name.endswith(".png") and not data.endswith(b"IEND\xae\x42\x60\x82"):
            yield name
        if name.endswith(".jsonl") and data and not data.endswith(b"}\n"):
            yield name
        if name.endswith((".safetensors", ".pth", ".onnx")) and data != b"what was there before":
            # What an optimiser keeps looks like dead weights, a problem of those.
            readable = (0, 4) if "/state" in name else (0,)
            if place.vgg("inspect", f"out/{name}")[0] not in readable:
                yield name


def difference(good, found):
    """The first line of a text that is not as in the good one."""
    for one, other in zip(good.splitlines() + ["(the end)"], found.splitlines() + ["(the end)"]):
        if one != other:
            return f"{other!r} in place of {one!r}"
    return "more lines"


def outline(command, page):
    """The parts of a page, and how many pictures it has; a training makes as many as there is time for."""
    parts = re.findall(rb'<(?:section|table|figure|dialog|script|img)[^>]*? (?:id|class)="([^"]*)"', page)
    return parts, page.count(b"<img") if command.words[0] != "train" else None


def left_out(command, good, found):
    """Files that are not there, and pages that lack a part, among those that have times in them."""
    for name, data in good.items():
        page = name.endswith(".html")
        if name not in found and not name.endswith(DRAWN) and "/tensorboard/" not in name:
            yield name
        if page and name in found and outline(command, found[name]) != outline(command, data):
            yield f"parts of {name}"


def is_listed(name, files):
    """Whether it is a file of a run's last checkpoint that has not got its name yet, or of the one before
    it, while that can be taken back: whoever opens the run gives it its name or removes it."""
    folder, _, last = name.rpartition("/")
    found = re.fullmatch(r"\.checkpoint-(\d+)-(.+)", last)
    record = files.get(f"{folder}/checkpoint.txt")
    return bool(found and record and any(f"\n{listing}file.{found[2]} {found[1]} ".encode() in record
                                         for listing in ("", "former.")))


def resumed(place, command):
    """What is wrong with the run of a training that failed, when it is resumed, or begun again where
    nothing was recorded."""
    words = command.words
    if words[0] != "train" or "-o" not in words:
        return
    again = words if "--resume" in words else (*words[:4], "--resume", "--threads", "2", "--no-report",
                                               "--quiet")
    status, _, complaint = place.vgg(*again)
    if status == 1 and "holds no run" in complaint:
        status, _, complaint = place.vgg(*words)
    if status != 0:
        yield f"cannot go on: {complaint}"
        return
    found, good = contents(place.folder / "out"), place.good[words][1]
    other = [name for name in {*found, *good}
             if not name.endswith(TIMED) and "/tensorboard/" not in name and found.get(name) != good.get(name)]
    if other:
        yield f"goes on to other files: {sorted(other)}"


def faults(place, command, kind, at, once):
    """What is wrong with what the program does when the call `at` of a kind fails, in words."""
    settings = {"FAIL_CALLS": kind, "FAIL_AT": at, "FAIL_HOW": KINDS[kind]}
    if once:
        settings["FAIL_ONCE"] = 1
    before, (status, printed, complaint), after = place.run(command, **settings)
    good_printed, good_files = place.good[command.words]
    names, known = set(after), set(before) | set(good_files)
    if status == -1000:
        yield "hangs"
        return
    if status not in command.statuses:
        yield f"status {status}: {complaint}"
        return
    lines = complaint.splitlines()
    if status != 0 and not any(line.startswith(("vgg", ARCHIVE)) for line in lines):
        yield f"status {status} without a message: {complaint}"
    if status == 0 and command.same:
        stable = {name for name in good_files if not name.endswith(TIMED) and "/tensorboard/" not in name}
        if printed != good_printed:
            yield f"status 0, but other output: {difference(good_printed, printed)} {complaint}"
        if {n: after.get(n) for n in stable} != {n: good_files[n] for n in stable}:
            yield f"status 0, but other files: {complaint}"
        lacking = list(left_out(command, good_files, after))
        if lacking and not complaint:
            yield f"status 0, but lacks {lacking} without a word"
    # An evaluation goes on from scores.npz.part.
    left = {name for name in names - known
            if not is_listed(name, after) and not name.endswith(".part") and "/tensorboard/" not in name}
    if left and kind not in ("unlink", "list"):
        yield f"leaves {sorted(left)}"
    for name in before:
        if command.words[0] == "convert" and after.get(name) not in (before[name], good_files[name]):
            yield f"{name} is neither what it was nor what it becomes"
    changed = {name: data for name, data in after.items()
               if name in known and data != good_files.get(name)}
    for name in unreadable(place, changed):
        yield f"{name} cannot be read"
    # Who goes on learns of all pictures again.
    if status == 1 and "skipped" not in complaint:
        yield from resumed(place, command)


def tries(place, chosen, words=(), most=None, seed=0):
    """(name, kind, at, once) of all calls of the commands, or so many of each command and kind."""
    draw = random.Random(seed)
    for name, command in chosen:
        counts = place.count(command)
        for kind in KINDS:
            if not any(word in f"{name}:{kind}" for word in words or [""]):
                continue
            count = counts[kind]
            step = max(count // ROOMS, 1) if kind == "room" else 1
            numbers = place.allocations[command.words] if kind == "allocate" else None
            numbers = numbers or range(1, count + 1, step)
            ways = [(name, kind, at, once) for at in numbers for once in (True, False)]
            yield from ways if most is None or len(ways) <= most else draw.sample(ways, most)


def sweep(base, words=(), most=None, seed=0):
    """Yields (name, kind, number of tries, faults) of all commands and kinds, each when it is done."""
    makers = [Place(base / str(i)) for i in range(os.cpu_count() or 1)]
    make(makers[0].folder)
    for other in makers[1:]:
        shutil.copytree(makers[0].folder, other.folder)
    table = commands(makers[0].folder)
    free, done = collections.deque(makers), queue.SimpleQueue()

    def one(name):
        place = free.pop()
        try:
            ways = tries(place, [(name, table[name])], words, most, seed)
            for kind, group in itertools.groupby(ways, lambda way: way[1]):
                group = list(group)
                found = [(at, once, fault) for _, _, at, once in group
                         for fault in faults(place, table[name], kind, at, once)]
                done.put((name, kind, len(group), found))
        finally:
            place.stop()
            free.append(place)
            done.put(None)

    chosen = [name for name in table if not words or any(word in f"{name}:{kind}" for word in words for kind in KINDS)]
    with concurrent.futures.ThreadPoolExecutor(len(makers)) as threads:
        futures = [threads.submit(one, name) for name in chosen]
        left = len(futures)
        while left:
            result = done.get()
            left -= result is None
            if result is not None:
                yield result
        for future in futures:
            future.result()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--most", type=int)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("words", nargs="*", metavar="WORD")
    told = parser.parse_args()
    total, bad = 0, 0
    with tempfile.TemporaryDirectory(dir="/dev/shm" if os.path.isdir("/dev/shm") else None) as base:
        for name, kind, count, found in sweep(pathlib.Path(base), told.words, told.most, told.seed):
            print(f"{name:24} {kind:10} {count:6} tries, {len(found)} faults", flush=True)
            for at, once, fault in found:
                print(f"    {kind} {at}{' alone' if once else ' and later'}: {fault}".rstrip(), flush=True)
            total, bad = total + count, bad + len(found)
    print(f"{total} calls that failed, {bad} faults")
    return 1 if bad or not total else 0


if __name__ == "__main__":
    sys.exit(main())
