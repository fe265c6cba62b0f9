"""vgg train: what it writes, what it says, and how it stops and goes on."""

import gzip
import json
import re
import signal
import struct
import subprocess
import time

import pytest
from conftest import PROGRAM, TIMEOUT, TINY, complaint, environment, vgg


def header(path):
    with open(path, "rb") as file:
        (size,) = struct.unpack("<Q", file.read(8))
        return json.loads(file.read(size))


def write_idx(folder, part, count, compressed=False):
    """Digits in the format of MNIST: picture i has class i % 10 and is as bright."""
    opened = gzip.open if compressed else open
    ending = ".gz" if compressed else ""
    with opened(folder / f"{part}-images-idx3-ubyte{ending}", "wb") as file:
        file.write(struct.pack(">IIII", 0x803, count, 28, 28))
        file.write(b"".join(bytes([i % 10 * 20]) * 784 for i in range(count)))
    with opened(folder / f"{part}-labels-idx1-ubyte{ending}", "wb") as file:
        file.write(struct.pack(">II", 0x801, count))
        file.write(bytes(i % 10 for i in range(count)))


def test_plan_lines_and_files(pictograms, tmp_path):
    run = tmp_path / "run"
    out = vgg("train", pictograms, "-o", run, *TINY, "--epochs", 3, "--seed", 9).out
    assert f"data      {pictograms} (folder): 40 training pictures, 20 validation pictures\n" in out
    assert "classes   10, with 4 pictures each\n" in out
    assert "network   4,M/8\n          without batch normalisation, layout paper\n" in out
    assert "2,258 parameters" in out and "FLOP per picture" in out
    assert "input     3x16x16, cut out of pictures with short side 16, preset torchvision\n" in out
    assert "views     random crop, random flip; random order\n" in out
    assert "training  3 epochs in batches of 8, learning rate 0.005,\n" in out
    assert re.search(r"^machine   \w+, 2 threads, \S+ MB of memory$", out, re.M)
    assert f"run       {run}\n" in out
    epochs = re.findall(
        r"^epoch (\d)/3  loss \d+\.\d{3}  acc \d+\.\d %  val loss \d+\.\d{3}  "
        r"val top-1 \d+\.\d %  top-5 \d+\.\d %  \d+(?:\.\d)? images/s  \d:\d\d  "
        r"waited for pictures \d+ %.*$", out, re.M)
    assert epochs == ["1", "2", "3"]
    assert "  *best\n" in out and "\033" not in out and "\r" not in out
    assert re.search(r"trained in 0:\d\d; best after epoch \d: \d+\.\d % of the validation", out)
    assert f"eval --model {run}/best.safetensors {pictograms}\n" in out
    assert f"predict --model {run}/best.safetensors {pictograms}/validation/" in out

    names = {path.name for path in run.iterdir()}
    assert names == {"best.safetensors", "last.safetensors", "state.safetensors", "log.jsonl",
                     "checkpoint.txt", ".lock", "results.csv", "tensorboard",
                     "run.json", "report.html", "views.png"} | (names & {"results.png", "confusion.png"})
    log = [json.loads(line) for line in (run / "log.jsonl").read_text().splitlines()]
    assert len(log) == 3 * 5 + 3 and all(0 <= line["waited"] <= 1 for line in log)
    common = {"type", "epoch", "images", "loss", "accuracy", "rate", "images_per_s", "waited"}
    assert log[0].keys() == common | {"step"}
    assert log[-1].keys() == common | {"best", "validation_loss", "validation_top1",
                                       "validation_top5"}
    facts = header(run / "last.safetensors")["__metadata__"]
    assert facts["options.seed"] == "9" and facts["options.lr"] == "0.005"
    assert facts["options.batch"] == "8" and facts["options.weight-decay"] == "0.0005"
    assert not any(str(tmp_path) in value for value in facts.values())


def test_the_printed_commands_work(pictograms, tmp_path):
    """In a folder whose name needs quoting."""
    run = tmp_path / "it's a run"
    out = vgg("train", pictograms, "-o", run, *TINY, "--epochs", 1).out
    lines = [line for line in out.splitlines() if line.startswith(f"  {PROGRAM} ")]
    assert len(lines) == 2
    for line in lines:
        subprocess.run(line, shell=True, check=True, stdout=subprocess.DEVNULL, timeout=TIMEOUT)


def test_same_seed_same_bytes_whatever_the_threads(pictograms, tmp_path):
    common = ("train", pictograms, "--arch", "4,M/8", "--batch", 8, "--epochs", 2)
    vgg(*common, "-o", tmp_path / "a", "--threads", 1, "--workers", 1)
    vgg(*common, "-o", tmp_path / "b", "--threads", 2, "--workers", 3)
    vgg(*common, "-o", tmp_path / "c", "--threads", 2, "--workers", 3, "--seed", 1)
    first, second, other = (
        (tmp_path / name / "last.safetensors").read_bytes() for name in "abc"
    )
    assert first == second
    assert first != other


def test_default_run_is_the_next_free(pictograms, tmp_path):
    for _ in range(2):
        vgg("train", pictograms, *TINY, "--epochs", 1, cwd=tmp_path)
    (tmp_path / "vgg-run-3").write_text("taken")
    vgg("train", pictograms, *TINY, "--epochs", 1, cwd=tmp_path)
    for name in ("vgg-run", "vgg-run-2", "vgg-run-4"):
        assert (tmp_path / name / "best.safetensors").is_file()


def test_default_network_is_printed(pictograms, tmp_path):
    out = vgg("train", pictograms, "-o", tmp_path / "run", "--epochs", 1, "--batch", 40).out
    assert "network   32,32,M,64,64,M,128,128,M/256\n          with batch normalisation" in out


def test_quiet(pictograms, tmp_path):
    result = vgg("train", pictograms, "-o", tmp_path / "run", *TINY, "--epochs", 1, "--quiet")
    assert result.out == "" and result.err == ""


def test_switches_are_printed(pictograms, tmp_path):
    out = vgg("train", pictograms, "-o", tmp_path / "run", *TINY, "--epochs", 3, "--no-augment",
              "--no-shuffle", "--schedule", "step", "--step-epochs", 1, "--gamma", 0.5, "--lr", 0.01,
              "--batch-norm", "--layout", "torchvision", "--input", "20x24",
              "--preprocess", "unit").out
    assert "views     the centre; fixed order\n" in out
    assert "learning rate 0.01 (times 0.5 every 1 epoch)" in out
    assert "          with batch normalisation, layout torchvision\n" in out
    assert "input     3x20x24, " in out and "preset unit\n" in out
    rates = re.findall(r"^epoch \d/3 .*  lr (\S+)  ", out, re.M)
    assert rates == ["0.01", "0.005", "0.0025"]


def test_digits(tmp_path):
    data = tmp_path / "digits"
    data.mkdir()
    write_idx(data, "train", 40, compressed=True)
    write_idx(data, "t10k", 20)
    out = vgg("train", data, "-o", tmp_path / "run", *TINY, "--epochs", 1).out
    assert ("(MNIST IDX): 30 training pictures, 10 validation pictures, set aside at random; "
            "20 test pictures, not used\n") in out
    assert "input     1x28x28, cut out of pictures with short side 28, preset unit\n" in out
    assert "views     random crop; random order" in out
    assert "--model" in out and "photo.jpg" in out


def test_split_of_data_without_a_validation_part(pictograms, tmp_path):
    out = vgg("train", pictograms / "train", "-o", tmp_path / "run", *TINY, "--epochs", 1,
              "--validation-split", 0.25).out
    assert "30 training pictures, 10 validation pictures, set aside at random" in out
    assert f"eval --model {tmp_path}/run/best.safetensors {pictograms}/train\n" in out
    out = vgg("train", pictograms / "train", "-o", tmp_path / "all", *TINY, "--epochs", 1,
              "--validation-split", 0).out
    assert "40 training pictures, no validation pictures" in out
    assert "val loss" not in out and "best" not in out.split("wrote ")[0]
    assert "all/best.safetensors" in out


def test_a_run_is_not_lost(pictograms, trained, tmp_path):
    before = (trained / "last.safetensors").read_bytes()
    line = complaint("train", pictograms, "-o", trained, *TINY)
    assert line.startswith(f"vgg train: {trained}: holds a run already; --resume continues it")
    assert (trained / "last.safetensors").read_bytes() == before

    run = tmp_path / "run"
    vgg("train", pictograms, "-o", run, *TINY, "--epochs", 1)
    vgg("train", pictograms, "-o", run, *TINY, "--epochs", 2, "--overwrite")
    epochs = [json.loads(line) for line in (run / "log.jsonl").read_text().splitlines()]
    fresh = tmp_path / "fresh"
    vgg("train", pictograms, "-o", fresh, *TINY, "--epochs", 2)
    assert len(epochs) == len((fresh / "log.jsonl").read_text().splitlines())


def test_skipped_pictures(spoilt, tmp_path):
    result = vgg("train", spoilt, "-o", tmp_path / "run", *TINY, "--epochs", 2, status=3)
    for part in ("train", "validation"):
        named = [line for line in result.err.splitlines()
                 if f"{spoilt}/{part}/circle/0000.png" in line]
        assert len(named) == 1 and named[0].startswith("vgg train: skipped ")
    assert result.err.splitlines()[-1] == "vgg train: 2 pictures could not be read"
    assert (tmp_path / "run" / "best.safetensors").is_file()


def test_strict(spoilt, tmp_path):
    line = complaint("train", spoilt, "-o", tmp_path / "run", *TINY, "--strict")
    assert f"{spoilt}/train/circle/0000.png" in line


def start_long_training(data, run, *more):
    process = subprocess.Popen(
        [PROGRAM, "train", data, "-o", run, *TINY, "--epochs", "1000", *more],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment())
    for line in process.stdout:
        if line.startswith("epoch 1/"):
            return process
    raise AssertionError(process.stderr.read())


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_saves_and_resume_goes_on(pictograms, tmp_path, number):
    run = tmp_path / "run"
    with start_long_training(pictograms, run) as process:
        process.send_signal(number)
        out, err = process.communicate(timeout=TIMEOUT)
    again = {signal.SIGINT: "Ctrl-C", signal.SIGTERM: "SIGTERM"}[number]
    assert process.returncode == 130
    assert err == f"vgg train: stopping after this step; {again} again quits now\n"
    stop = re.search(r"^stopped in epoch (\d+) of 1000, after step (\d+); (\S+) is saved\ncontinue with:\n"
                     r"  (.*)\n$", out, re.M)
    assert stop and stop[3] == f"{run}/last.safetensors"
    assert stop[4] == f"{PROGRAM} train {pictograms} -o {run} --resume"
    assert header(run / "last.safetensors")["__metadata__"]["options.batch"] == "8"

    last = int(stop[1]) + 1
    out = vgg("train", pictograms, "-o", run, "--resume", "--epochs", last).out
    assert f"run       {run}, continued\n" in out
    assert "network   4,M/8\n" in out and "batches of 8," in out
    assert f"epoch {last}/{last}  " in out and "epoch 1/" not in out.split("\n\n")[1]


def test_resumed_run_ends_in_the_same_bytes(pictograms, tmp_path):
    vgg("train", pictograms, "-o", tmp_path / "whole", *TINY, "--epochs", 4)
    vgg("train", pictograms, "-o", tmp_path / "parts", *TINY, "--epochs", 2)
    vgg("train", pictograms, "-o", tmp_path / "parts", "--resume", "--epochs", 4,
        "--step-epochs", 2)
    whole, parts = ((tmp_path / name / "last.safetensors").read_bytes()
                    for name in ("whole", "parts"))
    assert whole == parts


def test_structures_of_every_kind(pictograms, tmp_path):
    """Layouts, paddings and words beyond the usual ones are the model's, which goes on from them and
    gives the same bytes in one piece and in two."""
    given = ("--arch", "8,P,D0.1,c12,B,R/B,f9,R", "--layout", "global", "--padding", "valid",
             "--batch", 8, "--threads", 2, "--seed", 4)
    out = vgg("train", pictograms, "-o", tmp_path / "whole", *given, "--epochs", 2).out
    assert "without batch normalisation, layout global, padding valid\n" in out
    vgg("train", pictograms, "-o", tmp_path / "parts", *given, "--epochs", 1)
    vgg("train", pictograms, "-o", tmp_path / "parts", "--resume", "--epochs", 2)
    model = tmp_path / "whole" / "last.safetensors"
    assert model.read_bytes() == (tmp_path / "parts" / "last.safetensors").read_bytes()
    metadata = header(model)["__metadata__"]
    assert metadata["vgg.arch"] == given[1] and metadata["vgg.format_version"] == "2"
    assert metadata["vgg.layout"] == "global" and metadata["vgg.padding"] == "valid"
    line = complaint("train", pictograms, "-o", tmp_path / "parts", "--resume", "--padding", "same")
    assert "--padding" in line and "valid" in line
    assert "padding valid" in vgg("inspect", model).out
    vgg("eval", "--model", model, pictograms)
    vgg("train", pictograms, "-o", tmp_path / "max", "--layout", "global-max", "--epochs", 1,
        "--arch", "8,M,12", "--threads", 2)


def test_resumes_from_weights_of_fewer_bits(pictograms, tmp_path):
    run, narrow = tmp_path / "run", tmp_path / "narrow.safetensors"
    vgg("train", pictograms, "-o", run, *TINY, "--epochs", 1)
    vgg("convert", run / "last.safetensors", narrow, "--dtype", "f16")
    narrow.rename(run / "last.safetensors")
    assert "epoch 2/2  " in vgg("train", pictograms, "-o", run, "--resume", "--epochs", 2).out
    assert header(run / "last.safetensors")["classifier.0.weight"]["dtype"] == "F32"


def test_micro_batches_are_the_run_s_until_told_otherwise(pictograms, tmp_path):
    run = tmp_path / "run"
    out = vgg("train", pictograms, "-o", run, *TINY, "--epochs", 1, "--micro-batch", 3).out
    assert "training  1 epoch in batches of 8 (3 at once), learning rate" in out
    assert header(run / "last.safetensors")["__metadata__"]["options.micro-batch"] == "3"
    out = vgg("train", pictograms, "-o", run, "--resume", "--epochs", 2).out
    assert "batches of 8 (3 at once)," in out
    out = vgg("train", pictograms, "-o", run, "--resume", "--epochs", 3, "--micro-batch", 0).out
    assert "batches of 8, " in out


def test_frozen_blocks(pictograms, trained, tmp_path):
    run, start = tmp_path / "run", ("--from", trained / "last.safetensors", "--batch", 8)
    out = vgg("train", pictograms, "-o", run, *start, "--epochs", 1, "--freeze", 1).out
    assert "frozen    the first 1 block of convolutions\n" in out
    assert "frozen    " in vgg("train", pictograms, "-o", run, "--resume", "--epochs", 2).out
    line = complaint("train", pictograms, "-o", run, "--resume", "--freeze", 0)
    assert line.startswith("vgg train: --freeze: found 0") and "cannot change" in line
    line = complaint("train", pictograms, "-o", tmp_path / "other", *TINY, "--freeze", 9, status=2)
    assert line == "vgg train: --freeze: 9 blocks to freeze, expected 0 to 1"
    line = complaint("train", pictograms, "-o", tmp_path / "other", *TINY, "--freeze", 1, status=2)
    assert "--freeze: would leave layers at random weights" in line and "--from" in line


@pytest.mark.parametrize("option,value", [("arch", "8,M/8"), ("batch", "4"), ("seed", "5"),
                                          ("input", "8"), ("layout", "torchvision"),
                                          ("dropout", "0.1"), ("preprocess", "unit")])
def test_resume_refuses_what_cannot_change(pictograms, trained, option, value):
    line = complaint("train", pictograms, "-o", trained, "--resume", f"--{option}", value)
    assert line.startswith(f"vgg train: --{option}: ") and "cannot change" in line


def test_resume_of_nothing(pictograms, tmp_path):
    line = complaint("train", pictograms, "-o", tmp_path, "--resume")
    assert line == (f"vgg train: --resume: {tmp_path} holds no run, "
                    f"expected {tmp_path}/last.safetensors")


def test_run_that_cannot_be_written(pictograms, tmp_path):
    (tmp_path / "file").write_text("")
    line = complaint("train", pictograms, "-o", tmp_path / "file", *TINY)
    assert line == f"vgg train: {tmp_path}/file: is there already and is not a folder"
    result = vgg("train", pictograms, "-o", tmp_path / "file" / "run", *TINY, status=1)
    assert f"{tmp_path}/file" in result.err and len(result.err.splitlines()) == 1


def test_wrong_data(pictograms, tmp_path):
    run = ("-o", tmp_path / "run")
    assert "nowhere" in complaint("train", tmp_path / "nowhere", *run)
    (tmp_path / "empty").mkdir()
    assert str(tmp_path / "empty") in complaint("train", tmp_path / "empty", *run)
    (tmp_path / "alone" / "cat").mkdir(parents=True)
    (tmp_path / "alone" / "cat" / "1.png").write_bytes(
        (pictograms / "train" / "moon" / "0000.png").read_bytes())
    assert "cat" in complaint("train", tmp_path / "alone", *run)
    (tmp_path / "only" / "validation").mkdir(parents=True)
    for name in ("moon", "star"):
        (tmp_path / "only" / "validation" / name).mkdir()
        (tmp_path / "only" / "validation" / name / "1.png").write_bytes(
            (pictograms / "train" / name / "0000.png").read_bytes())
    assert "has no train part" in complaint("train", tmp_path / "only", *run)
    assert not (tmp_path / "run").exists()


def test_wrong_network(pictograms, tmp_path):
    run = ("-o", tmp_path / "run")
    assert "4,X" in complaint("train", pictograms, *run, "--arch", "4,X", status=2)
    assert "M/8\" has no convolution" in complaint("train", pictograms, *run, "--arch", "M/8", status=2)
    line = complaint("train", pictograms, *run, "--arch", "4,M,4,M,4,M,4,M,4,M/8")
    assert "16" in line
    complaint("train", pictograms, *run, "--arch", "D", "--input", 16, status=2)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("tier,status", [("nonsense", 1), ("ref", 0)])
def test_former_run_goes_when_the_new_one_begins(pictograms, trained, tmp_path, tier, status):
    import shutil

    run = shutil.copytree(trained, tmp_path / "run")
    before = {path.name: path.read_bytes() for path in run.iterdir() if path.is_file()}
    result = vgg("train", pictograms, "-o", run, "--overwrite", *TINY, "--epochs", 1,
                 env={"VGG_CPU": tier}, status=status)
    after = {path.name: path.read_bytes() for path in run.iterdir() if path.is_file()}
    if status == 0:
        assert after["last.safetensors"] != before["last.safetensors"]
        assert after["log.jsonl"].count(b'"epoch"') > 0 and b'"epoch":2' not in after["log.jsonl"]
    else:
        assert after == before and result.out == ""


def test_loss_that_is_no_number(pictograms, tmp_path):
    result = vgg("train", pictograms, "-o", tmp_path / "run", *TINY, "--lr", 1000, "--no-shuffle",
                 "--epochs", 50, status=1)
    assert len(result.err.splitlines()) == 1 and "step" in result.err


def test_full_output_is_an_error_but_trains(pictograms, tmp_path):
    with open("/dev/full", "wb") as full:
        done = subprocess.run([PROGRAM, "train", pictograms, "-o", tmp_path / "run", *TINY,
                               "--epochs", "1"], stdout=full, stderr=subprocess.PIPE,
                              env=environment(), check=False, timeout=TIMEOUT)
    assert done.returncode == 1
    assert done.stderr.startswith(b"vgg train: cannot write to standard output")
    assert (tmp_path / "run" / "last.safetensors").is_file()


def test_closed_pipe_does_not_end_a_training(pictograms, tmp_path):
    run = tmp_path / "run"
    with subprocess.Popen([PROGRAM, "train", pictograms, "-o", run, *TINY, "--epochs", "3"],
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          env=environment()) as process:
        process.stdout.readline()
        process.stdout.close()
        process.stderr.read()
        assert process.wait(TIMEOUT) == 1
    assert header(run / "last.safetensors")["__metadata__"]["options.epochs"] == "3"


def test_plain_lines_between_epochs_are_rare(pictograms, tmp_path):
    started = time.monotonic()
    out = vgg("train", pictograms, "-o", tmp_path / "run", *TINY, "--epochs", 2).out
    seconds = time.monotonic() - started
    assert len(re.findall(r"^epoch \d/2  step ", out, re.M)) <= seconds / 10
