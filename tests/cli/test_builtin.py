"""The model in the box: builtin, which predict takes when no model is named. What it answers is compared
with what its file answers, whatever that is."""

import json
import os
import pathlib
import shutil

import pytest
from conftest import TINY, complaint, vgg

MODEL = pathlib.Path(__file__).resolve().parents[2] / "models" / "clothing.safetensors"


@pytest.fixture
def picture(pictograms):
    return pictograms / "validation" / "heart" / "0001.png"


@pytest.fixture(scope="module")
def described():
    return json.loads(vgg("inspect", MODEL, "--format", "json").out)


def test_predict_takes_it_and_says_so(picture, described):
    for form in ("text", "json", "csv"):
        named = vgg("predict", "--model", MODEL, picture, "--format", form)
        assert named.err == ""
        unnamed = vgg("predict", picture, "--format", form)
        assert unnamed.out == named.out
        names = described["classes"]
        assert unnamed.err == (
            f"vgg predict: note: the model is builtin, which knows {len(names)} garments: "
            f"{', '.join(names[:-1])} and {names[-1]}; --model takes another\n")
        asked = vgg("predict", "--model", "builtin", picture, "--format", form)
        assert (asked.out, asked.err) == (named.out, "")


@pytest.mark.parametrize("line", [("features", "--layer", "relu1_1", "--pool", "avg", "-o", "o.npy"),
                                  ("explain", "-o", "o.png")])
def test_others_say_so_too(picture, tmp_path, line):
    words = [tmp_path / word if word.startswith("o.") else word for word in line]
    said = vgg(*words, picture, "--overwrite").err
    assert said.startswith(f"vgg {line[0]}: note: the model is builtin, which knows 10 garments: ")
    assert vgg(*words, picture, "--overwrite", "--model", "builtin").err == ""


@pytest.fixture(scope="module")
def data(tmp_path_factory, described):
    """A drawing for each of its garments."""
    folder = tmp_path_factory.mktemp("drawn")
    vgg("generate", folder / "drawn", "--train", 1, "--validation", 1, "--size", 16)
    for name, drawn in zip(described["classes"], sorted((folder / "drawn" / "train").iterdir())):
        shutil.copytree(drawn, folder / "data" / name)
    return folder / "data"


def test_every_command_takes_it(data, tmp_path, described):
    for line in (("eval", "--model", "{}", data), ("summary", "{}"), ("inspect", "{}"),
                 ("inspect", "{}", "--format", "json"), ("summary", "{}", "--format", "json")):
        of_file, of_box = (vgg(*(word if word != "{}" else model for word in line))
                           for model in (MODEL, "builtin"))
        assert of_box.out == of_file.out.replace(str(MODEL), "builtin")
        assert of_box.err == of_file.err.replace(str(MODEL), "builtin")
    vgg("convert", "builtin", tmp_path / "out.safetensors")
    assert (tmp_path / "out.safetensors").read_bytes() == MODEL.read_bytes()
    network = json.loads(vgg("bench", "builtin", "--batch", 1, "--runs", 1, "--format", "json").out)
    assert network["arch"] == described["network"]["arch"]


def test_a_file_of_that_name(model, picture, tmp_path):
    shutil.copy(model, tmp_path / "builtin")
    of_box = vgg("predict", picture, "--format", "csv").out
    of_file = vgg("predict", "--model", model, picture, "--format", "csv").out
    assert of_box != of_file
    for asked, answer in (("builtin", of_box), ("./builtin", of_file)):
        assert vgg("predict", "--model", asked, picture, "--format", "csv", cwd=tmp_path).out == answer
    os.remove(tmp_path / "builtin")
    (tmp_path / "builtin").mkdir()
    shutil.copy(model, tmp_path / "builtin" / "best.safetensors")
    for asked, answer in (("builtin", of_box), ("builtin/", of_file)):
        assert vgg("predict", "--model", asked, picture, "--format", "csv", cwd=tmp_path).out == answer


def test_a_file_of_that_name_is_not_looked_at(data, picture, tmp_path):
    """Neither its size nor its time is that of the model in the box."""
    (tmp_path / "builtin").write_text("mine")
    found = json.loads(vgg("eval", "--model", "builtin", "--model", MODEL, "--compare", data, "--format",
                           "json", cwd=tmp_path).out)
    assert found["first"]["bytes"] is None and found["second"]["bytes"] == MODEL.stat().st_size
    (tmp_path / "builtin").unlink()
    line = ("features", "--layer", "relu1_1", "--pool", "avg", "-o", "out.npy", picture)
    (tmp_path / "out.txt").symlink_to("none/out.txt")  # the end of the run, which cannot give this name
    vgg(*line, "--overwrite", status=1, cwd=tmp_path)
    (tmp_path / "out.txt").unlink()
    assert (tmp_path / "out.npy.part").exists()
    (tmp_path / "builtin").write_text("mine")
    vgg(*line, "--resume", cwd=tmp_path)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["builtin", "out.npy", "out.txt"]


def test_its_temperature_is_stored_in_another_file(data, tmp_path):
    said = complaint("eval", "--model", "builtin", data, "--part", "all", "--fit-temperature", cwd=tmp_path)
    assert "builtin: is part of the program, not a file" in said and "-o FILE" in said
    assert list(tmp_path.iterdir()) == []


def test_its_own_options(picture, tmp_path, described):
    """What is told of a file is told of it."""
    labels = tmp_path / "labels.txt"
    labels.write_text("".join(f"kind {i}\n" for i in range(len(described["classes"]))))
    (row,) = json.loads(vgg("predict", "--model", "builtin", picture, "--labels", labels, "--format",
                            "json").out)
    assert all(entry["label"] == f"kind {entry['index']}" for entry in row["predictions"])
    line = complaint("predict", "--model", "builtin", picture, "--classes", len(described["classes"]) + 1)
    assert line.startswith("vgg predict: builtin: ")


def test_training_begins_with_it(pictograms, tmp_path, described):
    run = tmp_path / "run"
    out = vgg("train", pictograms, "-o", run, "--from", "builtin", "--epochs", 1, "--threads", 2,
              "--batch", 8).out
    assert "start     builtin; its last layer is new, for 10 classes" in out
    made = json.loads(vgg("inspect", run / "last.safetensors", "--format", "json").out)
    assert made["network"]["arch"] == described["network"]["arch"]
    assert made["preprocess"] == described["preprocess"]
    assert made["classes"] != described["classes"]


def test_the_ends_of_it_are_a_start(pictograms, tmp_path, described):
    network = described["network"]
    out = vgg("train", pictograms, "-o", tmp_path / "run", "--init-from", "builtin", "--epochs", 1,
              "--threads", 2, "--batch", 8, "--arch", network["arch"], "--layout", network["layout"],
              "--batch-norm" if network["batch_norm"] else "--no-batch-norm", "--input",
              "x".join(map(str, network["input"]))).out
    assert " layers of builtin" in out
    assert "no layer of builtin has the shape" in complaint(
        "train", pictograms, "-o", tmp_path / "none", "--init-from", "builtin", *TINY, "--input", 16)
