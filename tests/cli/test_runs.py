"""The folder of a run: whom it belongs to, what is damaged in it, and what changed since it began."""

import json
import os
import pathlib
import random
import re
import shutil
import signal
import subprocess
import time

import pytest
from conftest import PROGRAM, TIMEOUT, TINY, complaint, environment, vgg
from kills import LIBRARY

MODELS = ("best.safetensors", "last.safetensors", "state.safetensors")


def start(*words, cwd=None, **more):
    return subprocess.Popen([PROGRAM, *map(str, words)], stdout=subprocess.PIPE, cwd=cwd,
                            stderr=subprocess.PIPE, text=True,
                            env=environment(**{key: str(value) for key, value in more.items()}))


def wait_for_epoch(process):
    for line in process.stdout:
        if line.startswith("epoch 1/"):
            return
    raise AssertionError(process.stderr.read())


def models(run):
    return {name: (run / name).read_bytes() for name in MODELS}


# ---- a folder that others use too
def test_files_of_others_stay(pictograms, tmp_path):
    """A slash at the end of the folder's name is no other folder."""
    folder = tmp_path / "models"
    folder.mkdir()
    names = ("state-dict.safetensors", "state.of-mind.safetensors", "mine.safetensors", ".checkpoint-notes")
    for name in names:
        (folder / name).write_bytes(b"not of a run")
    vgg("train", pictograms, "-o", f"{folder}/", *TINY, "--epochs", 2)
    assert all((folder / name).read_bytes() == b"not of a run" for name in names)
    vgg("train", pictograms, "-o", f"{tmp_path}/new/", *TINY, "--epochs", 1)
    assert (tmp_path / "new" / "last.safetensors").exists()


def test_a_training_in_the_background_of_a_script_is_not_interrupted(pictograms, tmp_path):
    """Such a shell starts it with SIGINT ignored."""
    run = tmp_path / "run"
    with subprocess.Popen([PROGRAM, "train", str(pictograms), "-o", str(run), *map(str, TINY), "--epochs", "40"],
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment(),
                          preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_IGN)) as process:
        wait_for_epoch(process)
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=TIMEOUT)
        assert process.returncode == 0


# ---- one process at a time
def test_a_second_process_is_told_which_is_the_first(pictograms, tmp_path):
    run = tmp_path / "run"
    with start("train", pictograms, "-o", run, *TINY, "--epochs", 100000) as first:
        wait_for_epoch(first)
        for words in (["--resume"], ["--overwrite"], []):
            line = complaint("train", pictograms, "-o", run, *words)
            assert line == (f"vgg train: {run}: is in use by process {first.pid}, which trains in it")
        first.kill()
        first.wait(TIMEOUT)
    # Nothing is left of the lock of a process that was killed.
    epochs = len([line for line in open(run / "log.jsonl") if '"epoch",' in line])
    vgg("train", pictograms, "-o", run, "--resume", "--epochs", epochs + 1)


def test_two_that_start_at_once(pictograms, tmp_path):
    vgg("train", pictograms, "-o", tmp_path / "whole", *TINY, "--epochs", 3)
    for number in range(10):
        run = tmp_path / f"run-{number}"
        words = ("train", pictograms, "-o", run, *TINY, "--epochs", 3)
        both = [start(*words), start(*words)]
        said = [process.communicate(timeout=TIMEOUT)[1] for process in both]
        statuses = sorted(process.returncode for process in both)
        assert statuses == [0, 1], said
        assert any(re.search(r"is in use by|holds a run already", err) for err in said)
        assert models(run) == models(tmp_path / "whole")


def test_two_that_take_a_default_name_at_once(pictograms, tmp_path):
    words = ("train", pictograms, *TINY, "--epochs", 2)
    runs = [start(*words, cwd=tmp_path) for _ in range(6)]
    for process in runs:
        _, err = process.communicate(timeout=TIMEOUT)
        assert process.returncode == 0, err
    names = {path.name for path in tmp_path.iterdir()}
    assert names == {"vgg-run", *(f"vgg-run-{number}" for number in range(2, 7))}
    assert len({(tmp_path / name / "last.safetensors").read_bytes() for name in names}) == 1


# ---- Ctrl-C
@pytest.mark.parametrize("number,word", [(signal.SIGINT, "Ctrl-C"), (signal.SIGTERM, "SIGTERM")])
def test_the_second_signal_quits_and_says_how_to_go_on(number, word, pictograms, tmp_path):
    """Between the two the process is stopped, so that the first cannot have ended it."""
    run = tmp_path / "it's a run"
    with start("train", pictograms, "-o", run, *TINY, "--epochs", 100000) as process:
        wait_for_epoch(process)
        process.send_signal(signal.SIGSTOP)
        process.send_signal(number)
        process.send_signal(signal.SIGCONT)
        first = process.stderr.readline()
        process.send_signal(number)
        out, err = process.communicate(timeout=TIMEOUT)
    assert first == f"vgg train: stopping after this step; {word} again quits now\n"
    # A step takes no time here: the end may have come first.
    if process.returncode == -number:
        command = re.fullmatch(r"vgg train: quit; the last checkpoint is whole; continue with (.*)\n",
                               err)[1]
    else:
        assert process.returncode == 130 and err == ""
        command = out.splitlines()[-1]
    epochs = len([line for line in open(run / "log.jsonl") if '"epoch",' in line])
    subprocess.run(f"{command} --epochs {epochs + 1}", shell=True, check=True, timeout=TIMEOUT,
                   stdout=subprocess.DEVNULL)


@pytest.mark.skipif(not LIBRARY.exists(), reason="needs the library that makes calls fail")
@pytest.mark.parametrize("again", [False, True], ids=["new", "resumed"])
def test_ctrl_c_while_the_data_is_checked(again, pictograms, tmp_path):
    """A signal comes before a call that opens a file, one in three of them until the check is met."""
    run = tmp_path / "run"
    words = ["train", pictograms, "-o", run, *TINY, "--epochs", 2, "--check-data"]
    if again:
        vgg(*words, "--epochs", 1)
        words = ["train", pictograms, "-o", run, "--resume", "--epochs", 2, "--check-data"]
    before = models(run) if again else {}
    for number in range(10, 400, 20):
        with start(*words, LD_PRELOAD=LIBRARY, FAIL_CALLS="open", FAIL_AT=number, FAIL_ONCE=1,
                   FAIL_HOW=f"signal {int(signal.SIGINT)}") as process:
            out, err = process.communicate(timeout=TIMEOUT)
        if "vgg train: stopping" in err:
            break
    assert err == "vgg train: stopping; Ctrl-C again quits now\n" and process.returncode == 130
    assert "was checked, before the first step; " in out
    assert (models(run) if again else {}) == before and run.exists() == again
    assert again == ("continue with:" in out)


# ---- before the first checkpoint
def begun(pictograms, run, *more):
    """A run that was killed before it saved anything."""
    words = ("train", pictograms, "-o", run, *TINY, "--epochs", 1, "--batch", 1, *more)
    for _ in range(50):
        with start(*words) as process:
            while not (run / "checkpoint.txt").exists() and process.poll() is None:
                pass
            process.kill()
            process.wait(TIMEOUT)
        # A checkpoint counts from when the record lists its files, before they have their names.
        record = run / "checkpoint.txt"
        if record.exists() and "\nfile." not in record.read_text():
            return
        shutil.rmtree(run)
    raise AssertionError("every one was too fast")


def test_a_run_that_saved_nothing_begins_again(pictograms, tmp_path):
    more = ("--lr", 0.02, "--init", "glorot", "--input", "12x14", "--seed", 8, "--batch-norm",
            "--dropout", 0.25, "--micro-batch", 1)
    whole, run = tmp_path / "whole", tmp_path / "run"
    vgg("train", pictograms, "-o", whole, *TINY, "--epochs", 1, "--batch", 1, *more)
    begun(pictograms, run, *more)
    line = complaint("train", pictograms, "-o", run, "--resume", "--seed", 3)
    assert "--seed: found 3" in line and "cannot change" in line
    line = complaint("train", pictograms, "-o", run, "--resume", "--arch", "8,M/8")
    assert "--arch: found 8,M/8" in line and "cannot change" in line
    out = vgg("train", pictograms, "-o", run, "--resume").out
    assert f"run       {run}, begun again: nothing of it was saved\n" in out
    assert models(run) == models(whole)


def test_a_start_from_a_model_is_saved_with_the_run(pictograms, trained, tmp_path):
    """The model may be gone when the run is resumed."""
    source, whole, run = tmp_path / "from.safetensors", tmp_path / "whole", tmp_path / "run"
    shutil.copy(trained / "last.safetensors", source)
    words = ("train", pictograms, "--from", source, "--epochs", 1, "--batch", 1, "--seed", 4)
    vgg(*words, "-o", whole)
    with start(*words, "-o", run) as process:
        while not (run / "checkpoint.txt").exists() and process.poll() is None:
            pass
        process.kill()
        process.wait(TIMEOUT)
    source.unlink()
    vgg("train", pictograms, "-o", run, "--resume")
    assert models(run) == models(whole)


def test_a_run_that_saved_nothing_needs_no_overwrite(pictograms, tmp_path):
    run = tmp_path / "run"
    begun(pictograms, run)
    vgg("train", pictograms, "-o", run, *TINY, "--epochs", 2)
    vgg("train", pictograms, "-o", tmp_path / "whole", *TINY, "--epochs", 2)
    assert models(run) == models(tmp_path / "whole")


def test_leftovers_of_ended_processes_go(pictograms, trained, tmp_path):
    run = pathlib.Path(shutil.copytree(trained, tmp_path / "run"))
    gone = subprocess.Popen(["true"])
    gone.wait()
    for name in (f".vgg-{gone.pid}-0", ".checkpoint-99-last.safetensors", "state-slow.safetensors"):
        (run / name).write_text("left")
    (run / f".vgg-{os.getpid()}-0").write_text("somebody writes a model")
    (run / "mine.safetensors").write_text("not of the run")
    before = {path.name for path in trained.iterdir()}
    vgg("train", pictograms, "-o", run, "--resume", "--epochs", 3)
    assert {path.name for path in run.iterdir()} == before | {f".vgg-{os.getpid()}-0",
                                                               "mine.safetensors"}


# ---- damage
@pytest.fixture(scope="module")
def half(tmp_path_factory, pictograms):
    """A run after two of three epochs, and the three epochs."""
    folder = tmp_path_factory.mktemp("half")
    vgg("train", pictograms, "-o", folder / "run", *TINY, "--epochs", 2, "--quiet")
    shutil.copytree(folder / "run", folder / "whole")
    vgg("train", pictograms, "-o", folder / "whole", "--resume", "--epochs", 3, "--quiet")
    return folder / "run", models(folder / "whole")


@pytest.mark.parametrize("name", [*MODELS, "checkpoint.txt"])
def test_damaged_bytes_are_refused_or_do_no_harm(name, half, pictograms, tmp_path):
    source, expected = half
    numbers = random.Random(name)
    size = (source / name).stat().st_size
    places = [0, 8, size - 1, size - 20, *(numbers.randrange(size) for _ in range(36))]
    for number, place in enumerate(places):
        run = pathlib.Path(shutil.copytree(source, tmp_path / f"run-{number}"))
        data = bytearray((run / name).read_bytes())
        data[place] ^= 1 << numbers.randrange(8)
        (run / name).write_bytes(data)
        before = {path.name: path.read_bytes() for path in run.iterdir() if path.is_file()}
        done = subprocess.run([PROGRAM, "train", pictograms, "-o", run, "--resume", "--epochs", "3",
                               "--quiet"], capture_output=True, text=True, timeout=TIMEOUT, check=False)
        if done.returncode == 0:
            assert models(run) == expected, place
        else:
            assert done.returncode == 1 and f"{run}/{name}: " in done.stderr, done.stderr
            assert "is damaged" in done.stderr, done.stderr
            assert {path.name: path.read_bytes() for path in run.iterdir() if path.is_file()} == before


def test_a_damaged_record_can_be_overwritten(half, pictograms, tmp_path):
    run = pathlib.Path(shutil.copytree(half[0], tmp_path / "run"))
    (run / "checkpoint.txt").write_text("nonsense")
    assert "holds a run already" in complaint("train", pictograms, "-o", run, *TINY)
    line = complaint("train", pictograms, "-o", run, "--resume")
    assert line.startswith(f"vgg train: {run}/checkpoint.txt: does not begin with \"vgg-run 1\"")
    vgg("train", pictograms, "-o", run, *TINY, "--epochs", 2, "--overwrite")
    assert models(run) == models(half[0])


def test_what_is_in_the_way_costs_no_run(half, pictograms, tmp_path):
    """It is found before anything of the run that is replaced is gone."""
    for name, what in (("results.csv", "another table"), ("results.csv", "a folder"), ("tensorboard", "no folder"),
                       ("log.jsonl", "a folder")):
        run = pathlib.Path(shutil.copytree(half[0], tmp_path / f"{name} {what}"))
        shutil.rmtree(run / "tensorboard", ignore_errors=True)
        (run / name).unlink(missing_ok=True)
        if what == "a folder":
            (run / name).mkdir()
        else:
            (run / name).write_text("a,b\n")
        before = models(run), (run / "checkpoint.txt").read_bytes()
        line = complaint("train", pictograms, "-o", run, *TINY, "--epochs", 1, "--overwrite")
        assert f"{run / name}: is {what}" in line, line
        assert (models(run), (run / "checkpoint.txt").read_bytes()) == before


def test_a_missing_record_is_not_made_up(half, pictograms, tmp_path):
    run = pathlib.Path(shutil.copytree(half[0], tmp_path / "run"))
    (run / "checkpoint.txt").unlink()
    line = complaint("train", pictograms, "-o", run, "--resume")
    assert f"{run}/state.safetensors" in line and "state.seed" in line


def test_a_converted_model_is_used_and_said(half, pictograms, tmp_path):
    run = pathlib.Path(shutil.copytree(half[0], tmp_path / "run"))
    vgg("convert", run / "last.safetensors", run / "last.safetensors", "--dtype", "f16", "--overwrite")
    err = vgg("train", pictograms, "-o", run, "--resume", "--epochs", 3).err
    assert f"{run}/last.safetensors: is not the file that the checkpoint wrote" in err


# ---- what changed
@pytest.fixture
def own_data(pictograms, tmp_path):
    """A copy of the pictograms, and a run on it."""
    data, run = tmp_path / "data", tmp_path / "run"
    shutil.copytree(pictograms, data)
    vgg("train", data, "-o", run, *TINY, "--epochs", 1)
    return data, run


def swap(data):
    (data / "train" / "ring").rename(data / "kept")
    (data / "train" / "moon").rename(data / "train" / "ring")
    (data / "kept").rename(data / "train" / "moon")


CHANGES = {
    "added": (lambda data: [shutil.copy(data / "train" / "ring" / "0000.png",
                                        data / "train" / "ring" / name) for name in ("a.png", "b.png")],
              ['2 pictures more: class "ring" has 6 training pictures, 4 when the run began']),
    "removed": (lambda data: (data / "validation" / "star" / "0001.png").unlink(),
                ['1 picture fewer: class "star" has 1 validation pictures, 2 when the run began']),
    "replaced": (lambda data: shutil.copy(data / "train" / "moon" / "0001.png",
                                          data / "train" / "ring" / "0001.png"),
                 ['other pictures in 1 class: class "ring" has other training pictures']),
    "renamed": (lambda data: (data / "train" / "ring" / "0001.png").rename(
        data / "train" / "ring" / "new.png"), ['class "ring" has other training pictures']),
    "class": (lambda data: [shutil.rmtree(data / part / "heart") for part in ("train", "validation")],
              ["6 pictures fewer", 'class "heart" has no training pictures any more, of 4 when the run '
               "began", 'class "heart" has no validation pictures any more, of 2']),
    "swapped": (swap, ['other pictures in 2 classes: class "moon" has other training pictures; '
                       'class "ring" has other training pictures']),
    "validation": (lambda data: shutil.rmtree(data / "validation"), ["20 pictures fewer", "no validation pictures any more, of 2", "; and 6 more of this kind"]),
}


@pytest.mark.parametrize("change", CHANGES)
def test_changed_data_is_named_and_refused(change, own_data):
    data, run = own_data
    make, says = CHANGES[change]
    make(data)
    before = models(run)
    line = complaint("train", data, "-o", run, "--resume", "--epochs", 2)
    assert line.startswith(f"vgg train: the data is not what the run in {run} began with: ")
    assert line.endswith("; --allow-changed-data goes on with it")
    assert all(word in line for word in says), line
    assert models(run) == before
    result = vgg("train", data, "-o", run, "--resume", "--epochs", 2, "--allow-changed-data")
    assert all(word in result.err for word in says) and "epoch 2/2" in result.out
    # From now on it is the run's own.
    assert vgg("train", data, "-o", run, "--resume", "--epochs", 3).err == ""


def test_data_that_moved_is_the_same(own_data, tmp_path):
    data, run = own_data
    data.rename(tmp_path / "elsewhere")
    assert vgg("train", tmp_path / "elsewhere", "-o", run, "--resume", "--epochs", 2).err == ""


def spoil(data):
    """Another byte in a picture of the same size, which makes it unreadable."""
    path = data / "train" / "moon" / "0000.png"
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)


def test_contents_are_compared_on_request(pictograms, tmp_path):
    data, run = tmp_path / "data", tmp_path / "run"
    shutil.copytree(pictograms, data)
    vgg("train", data, "-o", run, *TINY, "--epochs", 1, "--check-data")
    assert vgg("train", data, "-o", run, "--resume", "--epochs", 2, "--check-data").err == ""
    spoil(data)
    vgg("train", data, "-o", run, "--resume", "--epochs", 3, status=3)
    line = complaint("train", data, "-o", run, "--resume", "--epochs", 4, "--check-data")
    assert 'class "moon" has other training pictures' in line


def test_contents_that_were_not_noted(own_data):
    data, run = own_data
    err = vgg("train", data, "-o", run, "--resume", "--epochs", 2, "--check-data").err
    assert f"{run}: has no sums over the pictures' bytes, which are noted from here on" in err
    spoil(data)
    complaint("train", data, "-o", run, "--resume", "--epochs", 3, "--check-data")


def test_another_tier_is_said(own_data):
    data, run = own_data
    err = vgg("train", data, "-o", run, "--resume", "--epochs", 2, env={"VGG_CPU": "ref"}).err
    assert re.fullmatch(rf"vgg train: note: {run}: was computed with the instructions of \w+ and goes on "
                        "with those of ref, which round otherwise\n", err)


def test_tiers_with_the_same_bits(pictograms, tmp_path):
    """AMX computes float32 as AVX-512 does."""
    if "(amx)" not in vgg("--version").out:
        pytest.skip("this processor has no AMX")
    run, other = tmp_path / "run", tmp_path / "other"
    for folder, tier in ((run, "amx"), (other, "avx512")):
        vgg("train", pictograms, "-o", folder, *TINY, "--epochs", 1, env={"VGG_CPU": tier})
        assert vgg("train", pictograms, "-o", folder, "--resume", "--epochs", 2, env={"VGG_CPU": "avx512"}).err == ""
    assert (run / "last.safetensors").read_bytes() == (other / "last.safetensors").read_bytes()
    err = vgg("train", pictograms, "-o", run, "--resume", "--epochs", 3, "--precision", "bf16",
              env={"VGG_CPU": "amx"}).err
    assert "with the instructions of avx512 and goes on with those of amx" in err


def test_changed_options_are_said(own_data):
    data, run = own_data
    out = vgg("train", data, "-o", run, "--resume", "--epochs", 2, "--lr", 0.01, "--no-flip").out
    assert "changed   --epochs 2 (was 1), --lr 0.01 (was 0.005), --flip none (was random)\n" in out
    assert "\nchanged " not in vgg("train", data, "-o", run, "--resume").out


def test_options_that_were_not_used_before_are_said_too(own_data):
    data, run = own_data
    out = vgg("train", data, "-o", run, "--resume", "--epochs", 2, "--label-smoothing", 0.1, "--schedule", "plateau").out
    assert "--label-smoothing 0.1 (was 0)" in out and "--schedule plateau (was constant)" in out
    line = complaint("train", data, "-o", run, "--resume", "--epochs", 3, "--ema", 0.9)
    assert "--ema: found 0.9, but the run in" in line and "cannot change" in line
    line = complaint("train", data, "-o", run, "--resume", "--epochs", 3, "--optimizer", "adamw")
    assert "--optimizer: found adamw, but the run in" in line and "has sgd, which cannot change" in line


# ---- the log
def test_steps_that_are_trained_again_are_logged_once(pictograms, tmp_path):
    """Killed behind steps that no checkpoint knows."""
    run = tmp_path / "run"
    with start("train", pictograms, "-o", run, *TINY, "--epochs", 100000, "--save-minutes", 0.002) as first:
        wait_for_epoch(first)
        time.sleep(0.5)
        first.kill()
        first.wait(TIMEOUT)
    log = (run / "log.jsonl").read_bytes()
    last = json.loads(log[:log.rindex(b"\n")].splitlines()[-1])["epoch"]
    vgg("train", pictograms, "-o", run, "--resume", "--epochs", last + 2, "--quiet")
    steps = [(line["epoch"], line.get("step", 6)) for line in map(json.loads, open(run / "log.jsonl"))]
    assert steps == [(epoch, step) for epoch in range(1, last + 3) for step in range(1, 7)]
