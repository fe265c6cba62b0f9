"""vgg predict: pictures from files, folders and standard input; text, JSON and CSV."""

import csv
import io
import json
import math
import os
import shutil
import struct
import subprocess

import pytest
from conftest import PROGRAM, complaint, environment, vgg


@pytest.fixture
def picture(pictograms):
    return pictograms / "validation" / "heart" / "0001.png"


@pytest.fixture
def wide_model(pictograms, tmp_path):
    """One whose convolutions are wide enough for Winograd's transforms."""
    vgg("train", pictograms, "-o", tmp_path / "wide", "--arch", "64,64,M/", "--batch", 8, "--epochs",
        1, "--threads", 2, "--workers", 2)
    return tmp_path / "wide" / "last.safetensors"


def predict_json(*arguments, **options):
    return json.loads(vgg("predict", *arguments, "--format", "json", **options).out)


def strip_metadata(source, target, prefix=None):
    """The same tensors without anything said about them, as PyTorch users save them."""
    data = source.read_bytes()
    (size,) = struct.unpack("<Q", data[:8])
    described = json.loads(data[8 : 8 + size])
    described.pop("__metadata__")
    text = json.dumps(described).encode()
    text += b" " * (-len(text) % 8)
    target.write_bytes(struct.pack("<Q", len(text)) + text + data[8 + size :])


def test_json(model, picture):
    (row,) = predict_json("--model", model, picture)
    assert list(row) == ["image", "predictions"] and row["image"] == str(picture)
    assert len(row["predictions"]) == 5
    assert all(list(entry) == ["index", "label", "probability"] for entry in row["predictions"])
    (row,) = predict_json("--model", model, picture, "--top", 99)
    chances = [entry["probability"] for entry in row["predictions"]]
    assert len(chances) == 10 and chances == sorted(chances, reverse=True)
    assert abs(sum(chances) - 1) < 1e-6
    names = sorted(entry["label"] for entry in row["predictions"])
    assert [entry["label"] for entry in sorted(row["predictions"], key=lambda e: e["index"])] == names


def test_logits(model, picture):
    (row,) = predict_json("--model", model, picture, "--top", 10)
    (raw,) = predict_json("--model", model, picture, "--top", 10, "--logits")
    assert all(list(entry) == ["index", "label", "logit"] for entry in raw["predictions"])
    total = sum(math.exp(entry["logit"]) for entry in raw["predictions"])
    for chance, logit in zip(row["predictions"], raw["predictions"]):
        assert chance["index"] == logit["index"]
        assert abs(math.exp(logit["logit"]) / total - chance["probability"]) < 1e-6


def test_exact_moves_the_logits_by_rounding_alone(picture, wide_model):
    def logits(*arguments):
        (row,) = predict_json("--model", wide_model, picture, "--logits", "--top", 10, *arguments)
        return {entry["index"]: entry["logit"] for entry in row["predictions"]}

    plain, exact = logits(), logits("--exact")
    most = max(map(abs, exact.values()))
    assert all(abs(plain[index] - exact[index]) <= 2e-5 * most for index in exact)
    assert exact == logits("--exact", "--threads", 1)
    tier = json.loads(vgg("bench", wide_model, "--batch=1", "--runs=1", "--format=json").out)
    if any("winograd" in layer["algorithm"] for layer in tier["layers"]):
        assert plain != exact


def test_text(model, picture):
    lines = vgg("predict", "--model", model, picture, "--top", 3).out.splitlines()
    assert lines[0].startswith(str(picture)) and "(unsure: the likeliest has only " in lines[0]
    assert len(lines) == 4
    assert [line.split()[0] for line in lines[1:]] == ["1", "2", "3"]
    assert all("%" in line and "#" in line for line in lines[1:])
    wide = vgg("predict", "--model", model, picture, env={"LC_ALL": "C.UTF-8"}).out
    assert "\u2588" in wide and "#" not in wide
    assert "%" not in vgg("predict", "--model", model, picture, "--logits").out.split("\n", 1)[1]


def test_csv(model, pictograms, tmp_path):
    odd = tmp_path / 'a "b", c.png'
    shutil.copy(pictograms / "train" / "moon" / "0000.png", odd)
    labels = tmp_path / "labels.txt"
    labels.write_text("".join(f'class, "{i}"\n' for i in range(10)))
    out = vgg("predict", "--model", model, odd, "--format=csv", "--labels", labels).out
    assert '"a ""b"", c.png"' in out.replace(str(tmp_path) + "/", "")
    rows = list(csv.reader(io.StringIO(out)))
    assert rows[0] == ["image", "rank", "index", "label", "probability"]
    assert len(rows) == 6
    for rank, row in enumerate(rows[1:], 1):
        assert row[0] == str(odd) and row[1] == str(rank)
        assert row[3] == f'class, "{row[2]}"' and 0 <= float(row[4]) <= 1
    out = vgg("predict", "--model", model, odd, "--format=csv", "--logits", "--top=1").out
    assert out.splitlines()[0] == "image,rank,index,label,logit"


def test_standard_input(model, picture):
    (row,) = predict_json("--model", model, "-", stdin=picture.read_bytes())
    (same,) = predict_json("--model", model, picture)
    assert row["image"] == "-" and row["predictions"] == same["predictions"]
    complaint("predict", "--model", model, "-", stdin=b"")


def test_folders_are_sorted_and_entered(model, pictograms, tmp_path):
    source = pictograms / "train" / "star" / "0000.png"
    for name in ("b/2.png", "b/10.PNG", "a.png", "c.png", ".hidden.png", ".git/x.png", "notes.txt"):
        path = tmp_path / "set" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(source, path)
    (tmp_path / "set" / "b" / "loop").symlink_to(tmp_path / "set")
    rows = predict_json("--model", model, tmp_path / "set", source)
    names = [os.path.relpath(row["image"], tmp_path / "set") for row in rows[:-1]]
    assert names == ["a.png", "b/10.PNG", "b/2.png", "c.png"]
    assert rows[-1]["image"] == str(source)
    assert all(row["predictions"] == rows[-1]["predictions"] for row in rows)


def test_folders_linked_crosswise_are_walked_once(model, picture, tmp_path):
    """Nine folders, each with links to the others, have a million ways through them."""
    folders = [tmp_path / "set" / f"f{i}" for i in range(9)]
    for folder in folders:
        folder.mkdir(parents=True)
        shutil.copy(picture, folder / "p.png")
        for other in folders:
            if other != folder:
                (folder / f"to-{other.name}").symlink_to(other)
    rows = predict_json("--model", model, tmp_path / "set")
    found = [os.path.realpath(row["image"]) for row in rows]
    assert sorted(found) == [str(folder / "p.png") for folder in folders]
    assert len(predict_json("--model", model, folders[0], folders[0])) == 18


def test_a_bad_image_does_not_stop_the_rest(model, picture, tmp_path):
    bad = tmp_path / "bad.jpg"
    bad.write_bytes(b"<html>")
    missing = tmp_path / "missing.png"
    for form in ("json", "csv", "text"):
        result = vgg("predict", "--model", model, bad, picture, missing, picture, "--format", form,
                     status=3)
        lines = result.err.splitlines()
        assert len(lines) == 2 and str(bad) in lines[0] and str(missing) in lines[1]
        assert all(line.startswith("vgg predict: ") for line in lines)
        if form == "json":
            assert [row["image"] for row in json.loads(result.out)] == [str(picture)] * 2


def test_nothing_could_be_read(model, tmp_path):
    result = vgg("predict", "--model", model, tmp_path / "missing.png", "--format=json", status=1)
    assert json.loads(result.out) == []
    line = complaint("predict", "--model", model, tmp_path)
    assert line.startswith(f"vgg predict: {tmp_path}: has no pictures")


def test_name_that_is_no_text(model, picture, tmp_path):
    odd = os.fsencode(tmp_path) + b"/caf\xe9\xc3\xa9.png"
    shutil.copy(picture, odd)
    done = subprocess.run([PROGRAM, "predict", "--model", model, odd, "--format=json"],
                          capture_output=True, env=environment(), check=True)
    (row,) = json.loads(done.stdout)
    assert row["image"].endswith("/caf\ufffd\u00e9.png")


TOLD = ("--input", 16, "--arch", "4,M/8", "--layout", "torchvision")


@pytest.fixture(scope="module")
def bare(pictograms, tmp_path_factory):
    """A file with torchvision's names and no description."""
    folder = tmp_path_factory.mktemp("bare")
    vgg("train", pictograms, "-o", folder / "run", "--layout", "torchvision", "--arch", "4,M/8",
        "--batch", 8, "--epochs", 1, "--preprocess", "unit")
    strip_metadata(folder / "run" / "last.safetensors", folder / "bare.safetensors")
    return folder


def test_preprocessing_must_be_given(bare, picture):
    line = complaint("predict", "--model", bare / "bare.safetensors", picture, *TOLD)
    assert "--preprocess torchvision (or caffe, paper, unit, signed, cifar10, cifar100, mnist, " \
        "clip), or --mean and --std" in line
    assert str(bare / "bare.safetensors") in line


def test_file_without_description(bare, picture, tmp_path):
    """With all that it does not say given, it predicts what the described file does. The pictures
    have the input's size, but a preset enlarges them first unless it is known that they fit."""
    (row,) = predict_json("--model", bare / "bare.safetensors", picture, *TOLD,
                          "--preprocess", "unit", "--logits")
    assert [entry["label"] for entry in row["predictions"]] == [None] * 5
    (same,) = predict_json("--model", bare / "run" / "last.safetensors", picture, "--preprocess",
                           "unit", "--logits")
    assert [entry["logit"] for entry in row["predictions"]] == [
        entry["logit"] for entry in same["predictions"]]
    assert "class " in vgg("predict", "--model", bare / "bare.safetensors", picture,
                           *TOLD, "--preprocess", "unit").out
    labels = tmp_path / "labels.txt"
    labels.write_text("".join(f"kind {i}\n" for i in range(10)))
    (row,) = predict_json("--model", bare / "bare.safetensors", picture, *TOLD,
                          "--preprocess", "unit", "--labels", labels)
    assert all(entry["label"] == f"kind {entry['index']}" for entry in row["predictions"])


def test_wrong_labels(model, picture, tmp_path):
    labels = tmp_path / "labels.txt"
    labels.write_text("one\ntwo\n")
    assert "10" in complaint("predict", "--model", model, picture, "--labels", labels)
    assert "10" in complaint("predict", "--model", model, picture, "--labels", "imagenet")


def test_wrong_channels(model, picture):
    line = complaint("predict", "--model", model, picture, "--input", "1x16x16")
    assert line.startswith("vgg predict: --input: found 1 channels, but ")


def test_full_disk(model, picture):
    with open("/dev/full", "wb") as full:
        done = subprocess.run([PROGRAM, "predict", "--model", model, picture, picture],
                              stdout=full, stderr=subprocess.PIPE, env=environment(), check=False)
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].startswith(
        b"vgg predict: cannot write to standard output")


@pytest.mark.parametrize("form", ["text", "json", "csv"])
def test_full_disk_says_why_once(model, picture, form):
    with open("/dev/full", "wb") as full:
        done = subprocess.run([PROGRAM, "predict", "--model", model, picture, "--format", form],
                              stdout=full, stderr=subprocess.PIPE, env=environment(), check=False)
    assert done.returncode == 1
    assert done.stderr == (b"vgg predict: cannot write to standard output: "
                           b"No space left on device\n")


def test_links_that_lead_nowhere(model, picture, tmp_path):
    shutil.copy(picture, tmp_path / "good.png")
    (tmp_path / "nowhere").symlink_to("missing")
    (tmp_path / "circle.png").symlink_to("circle.png")
    (tmp_path / ".hidden").symlink_to("missing")
    result = vgg("predict", "--model", model, tmp_path, "--format=json", status=3)
    assert result.err == "".join(f"vgg predict: {tmp_path}/{name}: is a link that leads nowhere\n"
                                 for name in ("circle.png", "nowhere"))
    assert [row["image"] for row in json.loads(result.out)] == [f"{tmp_path}/good.png"]


def test_state_of_a_run_is_no_model(trained, picture):
    line = complaint("predict", "--model", trained / "state.safetensors", picture,
                     "--preprocess", "unit")
    assert "state.safetensors: is the state of a training run" in line


def test_pictures_are_written_as_they_come(model, picture):
    with subprocess.Popen([PROGRAM, "predict", "--model", model, picture, "-", "--format=csv"],
                          stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                          env=environment()) as process:
        lines = [process.stdout.readline() for _ in range(6)]
        assert lines[-1].startswith(os.fsencode(picture))
        process.stdin.write(picture.read_bytes())
        process.stdin.close()
        assert process.stdout.readline().startswith(b"-,1,")
        process.stdout.read()
        assert process.wait(60) == 0


def test_what_is_left_out_is_said_first(model, picture, tmp_path):
    """Counted by kind, in one line, before a picture is looked at."""
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        shutil.copy(picture, tmp_path / folder / "2.png")
        (tmp_path / folder / "notes.txt").write_text("x")
    (tmp_path / "a" / "1.png").write_bytes(b"no picture")
    done = vgg("predict", "--model", model, tmp_path / "a", tmp_path / "b", status=3)
    lines = done.err.splitlines()
    assert lines[0] == "vgg predict: note: left out: 2 .txt"
    assert len(lines) == 2 and "1.png" in lines[1]
