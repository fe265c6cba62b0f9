"""What a run leaves behind for other programs: results.csv and TensorBoard's files."""
import csv
import json
import signal
import subprocess
import time

from conftest import PROGRAM, TINY, complaint, environment, vgg

COLUMNS = ["epoch", "time", "train/loss", "metrics/accuracy_top1", "metrics/accuracy_top5", "val/loss",
           "lr/pg0", "lr/pg1", "lr/pg2"]


def rows(run):
    with open(run / "results.csv", newline="") as file:
        return list(csv.reader(file))


def epochs(run):
    lines = map(json.loads, (run / "log.jsonl").read_text().splitlines())
    return [line for line in lines if line["type"] == "epoch"]


def check_against_log(run):
    """Every epoch once, with the figures of the log, and times that grow."""
    names, *table = rows(run)
    assert names == COLUMNS
    for row, line in zip(table, epochs(run), strict=True):
        values = dict(zip(names, row, strict=True))
        assert int(values["epoch"]) == line["epoch"]
        for name, key in (("train/loss", "loss"), ("metrics/accuracy_top1", "validation_top1"),
                          ("metrics/accuracy_top5", "validation_top5"), ("val/loss", "validation_loss"),
                          ("lr/pg0", "rate")):
            assert abs(float(values[name]) - line[key]) <= 1e-5 * abs(line[key]), (name, row, line)
    times = [float(row[1]) for row in table]
    assert times == sorted(times) and times[0] > 0


def test_table(pictograms, tmp_path):
    run = tmp_path / "run"
    vgg("train", pictograms, "-o", run, *TINY, "--epochs", 3, "--schedule", "cosine", "--bias-rate", 4)
    check_against_log(run)
    for row in rows(run)[1:]:
        assert abs(float(row[8]) - 4 * float(row[6])) < 1e-6 and row[7] == row[6]


def test_table_without_validation(pictograms, tmp_path):
    run = tmp_path / "run"
    vgg("train", pictograms / "train", "-o", run, *TINY, "--epochs", 2, "--validation-split", 0)
    assert [row[3:6] for row in rows(run)[1:]] == [["", "", ""]] * 2


def test_resumed_runs_have_each_epoch_once(pictograms, tmp_path):
    run = tmp_path / "run"
    with subprocess.Popen([PROGRAM, "train", pictograms, "-o", run, *TINY, "--epochs", "100000",
                           "--save-minutes", "0.002"], env=environment(), stdout=subprocess.DEVNULL) as first:
        deadline = time.monotonic() + 30
        while not (run / "results.csv").exists() or len(rows(run)) < 4:
            assert time.monotonic() < deadline
            time.sleep(0.02)
        first.send_signal(signal.SIGKILL)
        first.wait(30)
    last = len(rows(run)) + 3
    with open(run / "results.csv", "a") as file:
        file.write("1000,7")  # a row that was cut off
    vgg("train", pictograms, "-o", run, "--resume", "--epochs", last, "--quiet")
    check_against_log(run)
    assert len(rows(run)) == last + 1
    assert len(list((run / "tensorboard").iterdir())) == 2


def test_a_run_that_replaces_another_has_a_table_of_its_own(pictograms, tmp_path):
    run = tmp_path / "run"
    for epochs_of in (3, 1):
        vgg("train", pictograms, "-o", run, *TINY, "--epochs", epochs_of, "--overwrite")
        check_against_log(run)
        assert len(rows(run)) == epochs_of + 1


def test_tensorboard_is_a_choice(pictograms, tmp_path):
    run = tmp_path / "run"
    vgg("train", pictograms, "-o", run, *TINY, "--epochs", 1, "--no-tensorboard")
    assert not (run / "tensorboard").exists()


def test_a_table_of_others_is_left_alone(pictograms, tmp_path):
    run = tmp_path / "mine"
    run.mkdir()
    (run / "results.csv").write_text("sample,value\n1,2\n")
    line = complaint("train", pictograms, "-o", run, *TINY, "--epochs", 1)
    assert "results.csv: is another table than that of a run" in line
    assert (run / "results.csv").read_text() == "sample,value\n1,2\n"


def test_the_page_is_about_the_best_epoch(pictograms, tmp_path):
    """Also when there was no time to draw it when it was trained."""
    run = tmp_path / "run"
    vgg("train", pictograms, "-o", run, *TINY, "--epochs", 150, "--lr", 0.02, "--seed", 3)
    best = [line["epoch"] for line in epochs(run) if line["best"]][-1]
    assert f"validation, after epoch {best}<" in (run / "report.html").read_text()
