"""What the machine refuses: full disks, folders that cannot be written, memory, permissions; and
runs that must not be lost by it."""

import errno
import json
import os
import pathlib
import re
import shutil
import subprocess
import tempfile

import pytest
from conftest import PROGRAM, TINY, fails, names, run

# About 1 MB of weights at 16 x 16.
WIDE = ("--arch", "16,M/256", "--batch", 8, "--epochs", 1, "--threads", 1, "--workers", 1)
MODELS = ("best.safetensors", "last.safetensors", "state.safetensors")


def mounted(folder, options):
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", folder],
                          capture_output=True, check=False)
    if done.returncode != 0:
        pytest.skip("no file system can be mounted here")
    return pathlib.Path(folder)


@pytest.fixture
def small_disk(tmp_path):
    folder = tmp_path / "disk"
    folder.mkdir()
    yield mounted(folder, "size=200k")
    subprocess.run(["umount", folder], check=True)


@pytest.fixture
def fixed_disk(tmp_path):
    folder = tmp_path / "disk"
    folder.mkdir()
    yield mounted(folder, "size=200k,ro")
    subprocess.run(["umount", folder], check=True)


@pytest.fixture
def former(model, tmp_path):
    """The folder of a finished run, with its contents as they must stay."""
    folder = pathlib.Path(shutil.copytree(model.parent, tmp_path / "run"))
    return folder, contents(folder)


def contents(folder):
    return {name: (folder / name).read_bytes() for name in names(folder) if (folder / name).is_file()}


def temporary(folder):
    return [name for name in names(folder)
            if pathlib.Path(name).name not in (*MODELS, "log.jsonl", "results.csv", "checkpoint.txt", ".lock", "run.json",
                                               "report.html", "views.png", "results.png", "confusion.png") and "." in name
            and "tensorboard" not in pathlib.Path(name).parts]


# ---- where the results go
def test_output_that_is_a_file(pictograms, tmp_path):
    file = tmp_path / "file"
    file.write_text("mine")
    fails("train", pictograms, "-o", file, *TINY, says=[file, "not a folder"])
    fails("train", pictograms, "-o", file / "run", *TINY, says=[file, "not a folder"], silent=False)
    fails("generate", file, says=[file, "Not a directory", "folder"])
    fails("generate", file / "more", says=[file])
    assert names(tmp_path) == ["file"] and file.read_text() == "mine"


def test_output_that_is_taken(tmp_path):
    (tmp_path / "mine.txt").write_text("mine")
    fails("generate", tmp_path, says=[tmp_path, "not empty", "a new or empty folder"])
    assert names(tmp_path) == ["mine.txt"]


def test_run_that_is_there_already(pictograms, former):
    folder, before = former
    fails("train", pictograms, "-o", folder, *TINY,
          says=[folder, "holds a run already", "--resume", "--overwrite"])
    assert contents(folder) == before


@pytest.mark.parametrize(
    "more,options",
    [
        (["--arch", "4,Q"], {"status": 2}),
        (["--arch", "D", "--input", "8"], {"status": 2}),
        (["--arch", "64,64,M/8", "--input", 224, "--batch", 65536], {}),
        ([], {"env": {"VGG_CPU": "nonsense"}}),
    ],
    ids=["architecture", "input", "memory", "tier"],
)
def test_overwriting_only_when_training_can_begin(more, options, pictograms, former):
    """A run that is to be replaced stays as long as nothing can replace it."""
    folder, before = former
    fails("train", pictograms, "-o", folder, "--overwrite", *more, says=[], **options)
    assert contents(folder) == before


@pytest.mark.parametrize("name", ["log.jsonl", "results.csv", "checkpoint.txt", "last.safetensors", "state.safetensors"])
def test_pipe_in_place_of_a_file_of_the_run(name, pictograms, former):
    run_folder = former[0]
    (run_folder / name).unlink()
    os.mkfifo(run_folder / name)
    words = ("train", pictograms, "-o", run_folder, "--resume", "--epochs", 2)
    fails(*words, says=[run_folder / name, "is a pipe, expected a file"], silent=False)


@pytest.mark.parametrize("name", ["run.json", "report.html", "best.safetensors"])
def test_pipe_in_place_of_what_a_page_is_made_of(name, pictograms, former):
    """It is not waited for, whatever else comes of it; what is written into it is not either."""
    run_folder = former[0]
    (run_folder / name).unlink(missing_ok=True)
    os.mkfifo(run_folder / name)
    run("report", run_folder, "-o", run_folder / "page.html")
    run("train", pictograms, "-o", run_folder, "--resume", "--epochs", 2)


@pytest.mark.parametrize("command, told, says", [
    ("features", ("--layer", "pool1", "-o", "a.npz"), "a.npz.part: is a pipe"),
    ("eval", ("--predictions", "a.npz"), "a.npz.part: is no plain file"),
    ("eval", ("--predictions", "a.npz", "--resume"), "a.npz.part: is no plain file")])
def test_pipe_in_place_of_what_is_kept_meanwhile(command, told, says, model, pictograms, tmp_path):
    os.mkfifo(tmp_path / "a.npz.part")
    where = ("--model", model, pictograms)
    fails(command, *where, *told, says=[says], cwd=tmp_path, silent=False)


def test_overwriting_for_data_that_is_missing(former):
    folder, before = former
    fails("train", "missing", "-o", folder, "--overwrite", says=["missing"])
    assert contents(folder) == before


# ---- runs to continue
def test_nothing_to_continue(pictograms, tmp_path):
    says = ["--resume", tmp_path / "run", "last.safetensors"]
    fails("train", pictograms, "-o", tmp_path / "run", "--resume", says=says)
    assert names(tmp_path) == []


@pytest.mark.parametrize("name", ["last.safetensors", "state.safetensors"])
@pytest.mark.parametrize("damage", ["missing", "empty", "cut", "page"])
def test_damaged_run(name, damage, pictograms, former):
    folder, _ = former
    path = folder / name
    if damage == "missing":
        path.unlink()
    else:
        data = {"empty": b"", "cut": path.read_bytes()[:5000], "page": b"<html></html>" * 99}
        path.write_bytes(data[damage])
    before = contents(folder)
    says = {"missing": [name], "empty": [path, "0 bytes"], "cut": [path, "truncated at byte 5000"],
            "page": [path, "HTML"]}[damage]
    fails("train", pictograms, "-o", folder, "--resume", "--epochs", 2, says=says, silent=False)
    assert contents(folder) == before


@pytest.mark.parametrize(
    "more,says",
    [
        (["--arch", "8,M/8"], ["--arch"]),
        (["--batch-norm"], ["--batch-norm"]),
        (["--input", "32"], ["--input"]),
        (["--dropout", "0.1"], ["--dropout"]),
        (["--preprocess", "unit"], ["--preprocess"]),
        (["--layout", "torchvision"], ["--layout"]),
        (["--seed", "5"], ["--seed", "5"]),
    ],
)
def test_continuing_as_something_else(more, says, pictograms, former):
    folder, before = former
    fails("train", pictograms, "-o", folder, "--resume", "--epochs", 2, *more,
          says=[*says, folder, "cannot change"])
    assert contents(folder) == before


def test_continuing_on_other_classes(pictograms, former, tmp_path):
    folder, before = former
    data = pathlib.Path(shutil.copytree(pictograms, tmp_path / "data"))
    (data / "train" / "moon").rename(data / "train" / "sun")
    (data / "validation" / "moon").rename(data / "validation" / "sun")
    fails("train", data, "-o", folder, "--resume", "--epochs", 2, says=[data, '"sun"'])
    assert contents(folder) == before


# ---- full disks
def test_full_disk_at_training(pictograms, small_disk):
    fails("train", pictograms, "-o", small_disk / "run", *WIDE, silent=False,
          says=[small_disk / "run", ".safetensors", "cannot write", "No space left on device"])
    assert temporary(small_disk) == []


def test_full_disk_at_generating(small_disk):
    fails("generate", small_disk / "data", "--train", 100, "--size", 64, silent=False,
          says=[small_disk / "data", ".png", "No space left on device"])
    for path in small_disk.rglob("*.png"):
        assert path.read_bytes().endswith(b"IEND\xae\x42\x60\x82"), f"half a picture: {path}"


def test_full_disk_keeps_the_former_model(pictograms, former):
    """Nothing is written over before what replaces it is whole; the run can go on later."""
    folder, before = former
    fails("train", pictograms, "-o", folder, "--resume", "--epochs", 2, silent=False,
          limits={"RLIMIT_FSIZE": 6000}, says=[folder, ".safetensors", os.strerror(errno.EFBIG)])
    after = contents(folder)
    assert {name: after[name] for name in MODELS} == {name: before[name] for name in MODELS}
    assert temporary(folder) == []
    status, _, err = run("train", pictograms, "-o", folder, "--resume", "--epochs", 2)
    assert status == 0, err


def test_full_disk_at_the_log(pictograms, tmp_path):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "log.jsonl").symlink_to("/dev/full")
    fails("train", pictograms, "-o", tmp_path / "run", *TINY, silent=False,
          says=["log.jsonl", "cannot write", os.strerror(errno.ENOSPC)])
    assert temporary(tmp_path) == []


@pytest.mark.parametrize("command", ["eval", "eval-json", "predict-json", "predict-csv", "generate",
                                     "train", "summary-json"])
def test_full_standard_output(command, model, picture, pictograms, tmp_path):
    words = {
        "eval": ["eval", "--model", model, pictograms],
        "eval-json": ["eval", "--model", model, pictograms, "--format", "json"],
        "predict-json": ["predict", "--model", model, picture, "--format", "json"],
        "predict-csv": ["predict", "--model", model, picture, "--format", "csv"],
        "generate": ["generate", tmp_path / "data", "--train", 1, "--size", 16],
        "train": ["train", pictograms, "-o", tmp_path / "run", *TINY],
        "summary-json": ["summary", "--format", "json"],
    }[command]
    with open("/dev/full", "wb") as full:
        done = subprocess.run([PROGRAM, *map(str, words)], stdout=full, stderr=subprocess.PIPE,
                              timeout=10, check=False)
    assert done.returncode == 1
    assert done.stderr.decode().splitlines() == [
        f"vgg {words[0]}: cannot write to standard output: No space left on device"]
    if command == "train":
        assert (tmp_path / "run" / "last.safetensors").is_file()


# ---- folders that cannot be written or read
def test_fixed_disk(pictograms, fixed_disk):
    says = [fixed_disk, "Read-only file system"]
    fails("train", pictograms, "-o", fixed_disk / "run", *TINY, says=says, silent=False)
    fails("train", pictograms, "-o", fixed_disk, *TINY, says=says, silent=False)
    fails("generate", fixed_disk / "data", says=says)
    fails("generate", fixed_disk, says=says)


@pytest.fixture
def public(model, pictograms, somebody):
    """A folder that everybody can look into, with a model and data."""
    folder = pathlib.Path(tempfile.mkdtemp())
    folder.chmod(0o755)
    shutil.copy(model, folder / "model.safetensors")
    shutil.copytree(pictograms, folder / "data")
    yield folder
    shutil.rmtree(folder)


def shut(path):
    path.chmod(0)
    return path


DENIED = "Permission denied"


def test_no_permission_to_read(public, somebody):
    model, data = public / "model.safetensors", public / "data"
    good = data / "train" / "moon" / "0001.png"
    bad = shut(data / "train" / "moon" / "0000.png")
    fails("predict", "--model", model, bad, says=[bad, DENIED], **somebody)
    fails("predict", "--model", model, bad, good, says=[bad, DENIED], status=3, silent=False,
          **somebody)
    fails("predict", "--model", model, good, "--labels", bad, says=[bad, DENIED], **somebody)
    shut(model)
    for words in (["predict", "--model", model, good], ["eval", "--model", model, data],
                  ["summary", model]):
        fails(*words, says=[model, DENIED], **somebody)


def test_no_permission_to_look_into_a_folder(public, somebody):
    model, data = public / "model.safetensors", public / "data"
    closed = shut(data / "train" / "moon")
    try:
        fails("predict", "--model", model, closed, says=[closed, DENIED], **somebody)
        fails("train", data, "-o", public / "run", says=[closed, DENIED], **somebody)
    finally:
        closed.chmod(0o755)
    shut(data)
    try:
        fails("train", data, "-o", public / "run", says=[data, DENIED], **somebody)
    finally:
        data.chmod(0o755)


def test_no_permission_to_write(public, somebody):
    data, fixed = public / "data", public / "fixed"
    fixed.mkdir(0o555)
    for words in (["train", data, "-o", fixed, *TINY], ["train", data, "-o", fixed / "run", *TINY],
                  ["generate", fixed], ["generate", fixed / "data"]):
        fails(*words, says=[fixed, DENIED], silent=False, **somebody)
    assert names(fixed) == []


# ---- memory, threads and open files
# Some 700 MB and some 10 TB.
DEEP = ("--arch", "64,64,M/8", "--input", 96, "--batch", 64, "--threads", 1, "--workers", 1)
ENDLESS = ("--arch", "64,64,M/8", "--input", 224, "--batch", 65536, "--threads", 1)


def test_batch_beyond_all_memory(pictograms, tmp_path):
    """It says how much is needed and how much there is, before it starts anything."""
    fails("train", pictograms, "-o", tmp_path / "run", *ENDLESS, silent=False,
          says=["out of memory", "3x224x224", "batches of 65536", "needs", "GB", "left",
                "smaller batch, micro-batch or input"])
    assert names(tmp_path) == []


def test_batch_beyond_the_memory_that_is_left(pictograms, little_memory, tmp_path):
    fails("train", pictograms, "-o", tmp_path / "run", *DEEP, limits=little_memory,
          says=["out of memory", "3x96x96", "batches of 64", "needs", "MB", "left"], silent=False)
    assert names(tmp_path) == []


def test_one_figure_for_the_memory(pictograms, tmp_path):
    """What is announced is what is refused."""
    _, out, err = run("train", pictograms, "-o", tmp_path / "run", *ENDLESS)
    announced = re.search(r"([0-9.]+ GB) of memory", out)
    assert announced is None or f"needs {announced.group(1)}" in err, out + err


def test_network_beyond_the_memory_that_is_left(pictograms, little_memory, tmp_path):
    fails("train", pictograms, "-o", tmp_path / "run", "--arch", "8/8,65536,65536", "--input", 16,
          "--batch", 8, "--threads", 1, "--workers", 1, limits=little_memory,
          says=["out of memory", "16.0 GB"])
    fails("train", pictograms, "-o", tmp_path / "run", "--arch", "65536,65536,65536",
          says=["out of memory", "288.6 GB"])
    assert names(tmp_path) == []


def test_evaluation_beyond_the_memory_that_is_left(model, pictograms, little_memory):
    fails("eval", "--model", model, pictograms, "--batch", 65536, "--threads", 1, "--workers", 1,
          limits=little_memory, says=["out of memory", "65536", "MB"])


def test_picture_beyond_the_memory_that_is_left(model, little_memory, tmp_path):
    path = tmp_path / "large.pgm"
    with open(path, "wb") as file:
        file.write(b"P5\n14000 14000\n255\n")
        file.truncate(14000 * 14000 + 20)
    # Enough to read the file, too little to decode it.
    fails("predict", "--model", model, path, "--threads", 1,
          limits={k: v + (50 << 20) for k, v in little_memory.items()},
          says=[path, "out of memory"])


def test_threads_that_cannot_be_started(public, somebody, little_memory):
    picture = public / "data" / "train" / "moon" / "0000.png"
    fails("predict", "--model", public / "model.safetensors", picture, "--threads", 4,
          limits={**little_memory, "RLIMIT_NPROC": 0}, says=["thread", "of 4", "unavailable"],
          **somebody)


@pytest.mark.parametrize("what", ["tier", "memory", "state", "folder"])
def test_nothing_is_announced_that_does_not_begin(what, pictograms, former, request, tmp_path):
    """Standard output stays empty when a training fails before its first step."""
    folder, _ = former
    limits = request.getfixturevalue("little_memory") if what == "memory" else {}
    (tmp_path / "file").write_text("")
    if what == "state":
        (folder / "state.safetensors").unlink()
    words, options = {
        "tier": (["-o", tmp_path / "new", *TINY], {"env": {"VGG_CPU": "nonsense"}}),
        "memory": (["-o", tmp_path / "new", *DEEP], {"limits": limits}),
        "state": (["-o", folder, "--resume", "--epochs", 2], {}),
        "folder": (["-o", tmp_path / "file" / "new", *TINY], {}),
    }[what]
    fails("train", pictograms, *words, says=[], **options)


# ---- learning that goes wrong
def test_loss_that_grows_beyond_all_numbers(pictograms, tmp_path):
    (line,) = fails("train", pictograms, "-o", tmp_path / "run", "--arch", "8,8,M/8", "--init",
                    "paper", "--lr", 1000, "--momentum", 0.99, "--epochs", 20, "--threads", 1,
                    says=["the loss is", "epoch", "learning rate 1000", "a lower rate"],
                    silent=False)
    assert "-nan" not in line
    for entry in (tmp_path / "run" / "log.jsonl").read_text().splitlines():
        json.loads(entry, parse_constant=lambda word: pytest.fail(f"{word} in the log"))
