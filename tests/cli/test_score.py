"""vgg score, and what vgg eval keeps, stores, compares and takes up again."""

import json
import os
import re
import shutil
import signal
import subprocess
import time

import pytest
from conftest import PROGRAM, complaint, environment, vgg


def eval_json(*arguments, status=0):
    return json.loads(vgg("eval", *arguments, "--format", "json", status=status).out)


# ---- files ----


@pytest.mark.parametrize("ending", ["csv", "npz", "NPZ"])
def test_what_is_kept_gives_the_same_report(model, spoilt, tmp_path, ending):
    out = tmp_path / f"scores.{ending}"
    first = eval_json("--model", model, spoilt, "--predictions", out, "--hardest", 3, status=3)
    again = json.loads(vgg("score", out, "--format=json", "--hardest", 3, status=3).out)
    assert first.pop("part") == "validation" and first.pop("temperature") == 1
    assert again.pop("part") is None and again.pop("temperature") is None
    views = [first.pop(key) for key in ("protocol", "scales", "device", "precision", "models")]
    assert views == ["center", None, "cpu", "f32", 1] and "protocol" not in again
    assert first == again and first["skipped"] == 1
    assert first["unreadable"] == [str(spoilt / "validation/circle/0000.png")]
    assert not (tmp_path / f"scores.{ending}.part").exists()


def test_names_that_classes_share_and_that_need_quotes(tmp_path):
    path = tmp_path / "scores.csv"
    path.write_text('name,truth,"logit:a, ""b""",logit:crane#1,logit:crane#2\n'
                    '"x,y.png",crane#2,1,2,3\nz.png,"a, ""b""",1,2,0\n')
    found = json.loads(vgg("score", path, "--format", "json", "--hardest", 2).out)
    assert [c["class"] for c in found["classes"]] == ['a, "b"', "crane#1", "crane#2"]
    assert found["confusion"] == [[0, 1, 0], [0, 0, 0], [0, 0, 1]]
    assert {p["image"] for p in found["hardest"]} == {"x,y.png", "z.png"}


def test_csv_report(model, pictograms):
    lines = vgg("eval", "--model", model, pictograms, "--format", "csv").out.splitlines()
    assert lines[0] == "figure,truth,predicted,image,value"
    data = eval_json("--model", model, pictograms)
    assert f"top1,,,,{data['top1']:.15g}" in lines
    assert sum(line.startswith("confusion,") for line in lines) == 100
    cell = re.compile(r"confusion,arrow,arrow,,(\d+)")
    assert [int(m[1]) for m in map(cell.match, lines) if m] == [data["confusion"][0][0]]


def test_many_classes_show_the_worst(tmp_path):
    path = tmp_path / "scores.csv"
    rows = [f"{c},{c if c != 33 else 2}" for c in range(40)]
    path.write_text("truth,predicted\n" + "\n".join(rows) + "\n")
    lines = vgg("score", path).out.splitlines()
    at = next(i for i, line in enumerate(lines) if line.startswith("class"))
    assert lines[at + 1].startswith("33 ")
    assert "the 30 of lowest accuracy of 40; --format csv has all" in lines
    assert "      1  33 taken for 2" in lines


@pytest.mark.parametrize("text,says", [
    ("", "calls no column truth"),
    ("a,b\n1,2\n", "calls no column truth"),
    ("truth,other\n1,2\n", "neither a column called predicted"),
    ("truth,predicted\n", "has no pictures"),
    ("truth,predicted\n1\n", "line 2 has 1 fields; expected 2"),
    ("truth,predicted\n,1\n", "line 2 does not say the class"),
    ("truth,p:a,p:b\na,0.5,x\n", 'line 2 has "x" as the score of "b"'),
    ("truth,p:a,p:b\nc,0.5,0.5\n", 'line 2 says class "c", which none of its columns is called'),
    ("truth,prob:a,prob:b\na,0.5,0.1\n", "0.6 together, expected 1"),
    ("truth,logit:a,logit:b\na,nan,0.1\n", "not a finite number"),
    ('truth,predicted\n"a,b\n', "does not end"),
    ("truth,predicted\n\0a,b\n", "byte 16 is 0"),
])
def test_wrong_csv(tmp_path, text, says):
    path = tmp_path / "scores.csv"
    path.write_text(text)
    line = complaint("score", path)
    assert line.startswith(f"vgg score: {path}") and says in line


def npy(descr, shape, data):
    head = f"{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape}, }}".encode()
    return b"\x93NUMPY\x01\0" + len(head).to_bytes(2, "little") + head + data


@pytest.mark.parametrize("arrays,says", [
    ({}, "no array called labels"),
    ({"labels": npy("<i8", "(1,)", bytes(8))}, "no array called logits"),
    ({"labels": npy("<i8", "(1,)", bytes(7)), "predicted": npy("|u1", "(1,)", b"\0")},
     '"labels" has 7 bytes'),
    ({"labels": npy("<f4", "(1,)", b"\0\0\0\x3f"), "predicted": npy("|u1", "(1,)", b"\0")},
     "no whole number"),
    ({"labels": npy("<i8", "(1,)", b"\xff" * 8), "predicted": npy("|u1", "(1,)", b"\0")},
     "no whole number"),
    ({"labels": npy("|u1", "(2,)", b"\0\1"), "predicted": npy("|u1", "(1,)", b"\0")},
     '"predicted" has 1 elements, expected 2'),
    ({"labels": npy("|u1", "(1,)", b"\0"), "logits": npy("<f4", "(1,)", bytes(4))},
     "has 1 dimensions, expected pictures x classes"),
    ({"labels": npy("|u1", "(1,)", b"\0"), "logits": npy(">f4", "(1, 2)", bytes(8))}, "'>f4'"),
    ({"labels": npy("|u1", "(1,)", b"\2"), "logits": npy("<f4", "(1, 2)", bytes(8))},
     'picture 0 says class "2"'),
    ({"labels": npy("<U9999999", "(1,)", b"\0"), "predicted": npy("|u1", "(1,)", b"\0")},
     "expected a list of whole numbers or texts"),
])
def test_wrong_npz(tmp_path, arrays, says):
    import zipfile

    path = tmp_path / "scores.npz"
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in arrays.items():
            archive.writestr(f"{name}.npy", data)
    line = complaint("score", path)
    assert line.startswith(f"vgg score: {path}") and says in line


def test_npz_cut_off_anywhere(model, pictograms, tmp_path):
    out, cut = tmp_path / "scores.npz", tmp_path / "cut.npz"
    vgg("eval", "--model", model, pictograms, "--predictions", out)
    whole = out.read_bytes()
    for size in (0, 10, len(whole) // 2, len(whole) - 1):
        cut.write_bytes(whole[:size])
        assert str(cut) in complaint("score", cut)


# ---- going on ----


def test_killed_and_resumed_gives_the_same_bytes(model, spoilt, tmp_path):
    data = ("--model", model, spoilt, "--part", "all", "--batch", 2, "--threads", 1, "--resume")
    whole = tmp_path / "whole.csv"
    expected = vgg("eval", *data, "--predictions", whole, status=3).out
    out = tmp_path / "out.csv"
    part = tmp_path / "out.csv.part"
    command = [PROGRAM, "eval", *map(str, data), "--predictions", str(out)]
    kills = sizes = 0
    for i in range(10):
        before = part.stat().st_size if part.exists() else 0
        with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                              env=environment()) as process:
            until = time.monotonic() + 30
            while (process.poll() is None and time.monotonic() < until
                   and (part.stat().st_size if part.exists() else 0) <= before):
                time.sleep(0.0005)
            process.send_signal(signal.SIGKILL)
        kills += process.returncode == -signal.SIGKILL
        sizes += part.exists() and part.stat().st_size > before
    assert kills > 0 and sizes > 0
    if not out.exists():
        os.truncate(part, part.stat().st_size - 3)  # as a write that was cut off
    again = vgg("eval", *data, "--predictions", out, status=3)
    assert again.out == expected and out.read_bytes() == whole.read_bytes()
    assert not part.exists()


def test_resume_of_what_is_complete(model, pictograms, tmp_path):
    out = tmp_path / "out.npz"
    first = vgg("eval", "--model", model, pictograms, "--predictions", out).out
    again = vgg("eval", "--model", model, pictograms, "--predictions", out, "--resume").out
    assert first == again and os.listdir(tmp_path) == ["out.npz"]


def test_resume_with_other_things(model, trained, pictograms, tmp_path):
    out = tmp_path / "out.csv"
    vgg("eval", "--model", model, pictograms, "--predictions", out)
    other = tmp_path / "other.safetensors"
    shutil.copy(model, other)
    vgg("eval", "--model", other, pictograms, "--fit-temperature")
    line = complaint("eval", "--model", other, pictograms, "--predictions", out, "--resume")
    assert "now has other scores" in line
    line = complaint("eval", "--model", model, pictograms / "train", "--predictions", out,
                     "--resume")
    assert "of other data" in line or "pictures are done" in line
    vgg("eval", "--model", model, pictograms / "train", "--predictions", out, "--overwrite")
    assert len(out.read_text().splitlines()) == 41


# ---- a temperature ----


def test_temperature_travels_with_the_model(model, pictograms, tmp_path):
    own = tmp_path / "own.safetensors"
    result = vgg("eval", "--model", model, pictograms, "--fit-temperature", "-o", own,
                 "--format", "json")
    data = json.loads(result.out)
    assert re.search(r"temperature [\d.]+: loss [\d.]+ before, [\d.]+ after", result.err)
    plain = eval_json("--model", model, pictograms)
    assert data["loss"] < plain["loss"] and data["top1"] == plain["top1"]
    assert data["temperature"] != 1 and plain["temperature"] == 1
    assert eval_json("--model", own, pictograms) == data
    said = re.search(r"temperature ([\d.]+), by which", vgg("inspect", own).out)
    assert float(said[1]) == pytest.approx(data["temperature"])
    picture = pictograms / "validation/moon/0000.png"

    def best(path):
        out = vgg("predict", "--model", path, picture, "--format", "json", "--top", 1).out
        return json.loads(out)[0]["predictions"][0]

    assert best(own)["probability"] != best(model)["probability"]
    for name in ("again.safetensors", "other.pth", "other.onnx", "half.onnx", "names.safetensors"):
        more = (["--dtype", "f16"] if name.startswith("half") else
                ["--names-from", model] if name.startswith("names") else [])
        vgg("convert", own, tmp_path / name, *more)
        told = ["--arch", "4,M/8", "--input", 16, "--preprocess", "torchvision", "--layout",
                "paper"] if more and "names" in name else []
        there = json.loads(vgg("predict", "--model", tmp_path / name, picture, "--format", "json",
                               "--top", 1, *told).out)[0]["predictions"][0]
        assert there["probability"] == pytest.approx(best(own)["probability"], rel=2e-3), name


def test_fused_models_have_no_temperature(model, pictograms, tmp_path):
    """The first one's is not theirs."""
    own = tmp_path / "own.safetensors"
    vgg("eval", "--model", model, pictograms, "--fit-temperature", "-o", own)
    fused = ("eval", "--model", own, "--model", model, "--fuse", pictograms, "--scale", "S,S+4")
    data = json.loads(vgg(*fused, "--format", "json").out)
    assert data["temperature"] is None and data["models"] == 2
    assert (data["protocol"], data["scales"], data["precision"]) == ("center", "S,S+4", "f32")
    assert "temperature" not in vgg(*fused).out
    assert "temperature" in vgg("eval", "--model", own, pictograms).out


def test_temperature_needs_a_validation_part(model, pictograms, tmp_path):
    line = complaint("eval", "--model", model, pictograms / "train", "--fit-temperature", "-o",
                     tmp_path / "out.safetensors")
    assert "has no validation part" in line


def test_files_that_are_left_as_they_are(trained, model, pictograms, tmp_path):
    line = complaint("eval", "--model", trained, pictograms, "--fit-temperature")
    assert "belongs to the checkpoint of a run" in line and "-o FILE" in line
    vgg("convert", model, tmp_path / "model.pth")
    line = complaint("eval", "--model", tmp_path / "model.pth", pictograms, "--fit-temperature")
    assert "is a pth file, which is left as it is" in line


def test_training_forgets_the_temperature(model, pictograms, tmp_path):
    own = tmp_path / "own.safetensors"
    vgg("eval", "--model", model, pictograms, "--fit-temperature", "-o", own)
    vgg("train", pictograms, "-o", tmp_path / "run", "--from", own, "--epochs", 1, "--batch", 8)
    assert "by which" not in vgg("inspect", tmp_path / "run/last.safetensors").out


# ---- two models ----


def test_compare(trained, model, pictograms, tmp_path):
    other = tmp_path / "other.safetensors"
    vgg("train", pictograms, "-o", tmp_path / "run", "--arch", "4,M/8", "--epochs", 1, "--seed", 9)
    shutil.copy(tmp_path / "run/last.safetensors", other)
    both = ("eval", "--model", model, "--model", other, "--compare", pictograms)
    found = json.loads(vgg(*both, "--format", "json").out)
    first, second = (eval_json("--model", m, pictograms) for m in (model, other))
    assert found["first"]["top1"] == first["top1"] and found["second"]["top1"] == second["top1"]
    assert found["first"]["bytes"] == model.stat().st_size
    assert found["first"]["images_per_s"] > 0 and found["first"]["parameters"] > 0
    counts = [found[k] for k in ("both_right", "first_right", "second_right", "both_wrong")]
    assert sum(counts) == found["images"] == 20
    assert len(found["pictures"]) == counts[1] + counts[2]
    text = vgg(*both, "--hardest", 2).out
    assert "McNemar's test: p = " in text and f"first     {model}" in text
    two = json.loads(vgg(*both, "--hardest", 2, "--format", "json").out)["pictures"]
    assert len(two) == 2 and two == found["pictures"][:2]
    assert [p["image"] in text for p in found["pictures"]].count(True) == 2
    rows = vgg(*both, "--format", "csv").out.splitlines()
    assert rows[0] == "image,truth,right,taken_for" and len(rows) == 1 + counts[1] + counts[2]
    assert vgg(*both, "--hardest", 2, "--format", "csv").out.splitlines() == rows[:3]


def test_compare_of_other_classes(tmp_path):
    (tmp_path / "a.csv").write_text("name,truth,predicted\nx,cat,cat\n")
    (tmp_path / "b.csv").write_text("name,truth,predicted\nx,cat,dog\n")
    (tmp_path / "c.csv").write_text("name,truth,predicted\ny,cat,cat\n")
    (tmp_path / "d.csv").write_text("name,truth,cat,dog\nx,cat,0.5,0.5\n")
    assert "the first has 1 classes, the second 2" in complaint(
        "score", tmp_path / "a.csv", tmp_path / "d.csv")
    # Predictions alone name the classes that they happen to name.
    found = json.loads(vgg("score", tmp_path / "a.csv", tmp_path / "b.csv", "--format", "json").out)
    assert (found["first_right"], found["second_right"], found["disagree"]) == (1, 0, 1)
    (tmp_path / "e.csv").write_text("name,truth,predicted\nx,8,8\ny,1,0\n")
    (tmp_path / "f.csv").write_text("name,truth,predicted\nx,8,9\ny,1,1\n")
    for pair, right in (("ef", (1, 1)), ("fe", (1, 1)), ("ee", (0, 0))):
        found = json.loads(vgg("score", tmp_path / f"{pair[0]}.csv", tmp_path / f"{pair[1]}.csv", "--format", "json").out)
        assert (found["first_right"], found["second_right"]) == right and found["images"] == 2
    assert "no picture has scores in both" in complaint(
        "score", tmp_path / "a.csv", tmp_path / "c.csv")


# ---- options ----


@pytest.mark.parametrize("arguments,says", [
    (["--resume"], "--resume: needs --predictions"),
    (["-o", "x.safetensors"], "--out: is for the model of --fit-temperature"),
    (["--compare"], "--compare: expected two models"),
    (["--model", "x", "--compare", "--predictions", "x.csv"], "--compare: goes with none"),
    (["--fit-temperature", "--predictions", "x.csv"], "does not go with --predictions"),
])
def test_options_that_do_not_go_together(model, pictograms, arguments, says):
    assert says in complaint("eval", "--model", model, pictograms, *arguments, status=2)


def test_endings_of_predictions(model, pictograms, tmp_path):
    """Said before anything is measured."""
    line = complaint("eval", "--model", model, pictograms, "--predictions", tmp_path / "out.txt", status=2)
    assert "--predictions: expected a name that ends in .csv or .npz" in line
    assert not any(path.name.startswith("out") for path in tmp_path.iterdir())


def test_classes_called_by_numbers(tmp_path):
    """In NumPy's files classes are numbers of their own, whatever the classes are called."""
    data = tmp_path / "data"
    vgg("generate", data, "--train", 3, "--validation", 2, "--size", 16, "--seed", 5)
    for part in ("train", "validation"):
        for folder, name in zip(sorted((data / part).iterdir()), ("1", "10", "2", "3", "4", "5", "6", "7", "8", "9")):
            folder.rename(folder.parent / name)
    vgg("train", data, "-o", tmp_path / "run", "--arch", "4,M/8", "--epochs", 1, "--input", 16)
    shown = []
    for ending in ("csv", "npz"):
        kept = tmp_path / f"scores.{ending}"
        vgg("eval", "--model", tmp_path / "run", data, "--predictions", kept)
        shown.append(json.loads(vgg("score", kept, "--format", "json").out)["confusion"])
    assert shown[0] == shown[1]


def test_the_index_of_a_table_is_no_class(tmp_path):
    (tmp_path / "scores.csv").write_text(",label,cat,dog\n0,cat,0.9,0.1\n1,dog,0.2,0.8\n2,dog,0.4,0.6\n")
    found = json.loads(vgg("score", tmp_path / "scores.csv", "--format", "json").out)
    assert found["top1"] == 1 and len(found["confusion"]) == 2


# What other columns may be. PLAIN: three pictures, the second of which is wrong.
FOREIGN = {
    # Extra numbers beside probabilities, whatever they are called.
    "truth,cat,dog,fold\ncat,0.9,0.1,3\ndog,0.7,0.3,4\ndog,0.2,0.8,5\n": 2,
    "truth,cat,dog,age\ncat,0.9,0.1,3\ndog,0.7,0.3,4\ndog,0.2,0.8,5\n": 2,
    "truth,cat,dog,camera\ncat,9,1,a\ndog,7,3,b\ndog,2,8,b\n": 2,
    "truth,p_cat,p_dog,age\ncat,0.9,0.1,3\ndog,0.7,0.3,4\ndog,0.2,0.8,5\n": 2,
    "truth,logit:cat,logit:dog,age\ncat,9,1,3\ndog,7,3,4\ndog,2,8,5\n": 2,
    # A class that no picture is of.
    "truth,cat,dog,owl\ncat,0.8,0.1,0.1\ndog,0.6,0.3,0.1\ndog,0.1,0.8,0.1\n": 3,
    "truth,0,1,2\n0,8,1,1\n1,6,3,1\n1,1,8,1\n": 3,
    # Names of classes that begin as a prefix does.
    "truth,p_value,p_test,cat\np_value,8,1,1\np_test,6,3,1\np_test,1,8,0\ncat,0,1,8\n": 3,
    # Scores beside predictions.
    "truth,predicted,cat,dog\ncat,cat,0.9,0.1\ndog,cat,0.7,0.3\ndog,dog,0.2,0.8\n": 2,
    "truth,predicted,cat,dog\ncat,cat,9,1\ndog,cat,7,3\ndog,dog,2,8\n": 2,
    # Columns called by names, pictures by numbers.
    "truth,cat,dog\n0,9,1\n1,7,3\n1,2,8\n": 2,
    "truth,predicted,cat,dog\n0,0,0.9,0.1\n1,0,0.7,0.3\n1,1,0.2,0.8\n": 2,
}


@pytest.mark.parametrize("text", FOREIGN)
def test_columns_of_others(text, tmp_path):
    (tmp_path / "scores.csv").write_text(text)
    found = json.loads(vgg("score", tmp_path / "scores.csv", "--format", "json").out)
    right = [line.split(",") for line in text.splitlines()[1:]]
    assert len(found["confusion"]) == FOREIGN[text] and found["images"] == len(right)
    assert found["top1"] == pytest.approx(2 / 3 if len(right) == 3 else 3 / 4)
    assert found["confidence"] is not None and found["calibration_error"] is not None


@pytest.mark.parametrize("text,column", [
    ("truth,cat,dog,age\ncat,9,1,3\ndog,7,3,4\n", "age"),  # logits, of which any number is one
    ("truth,cat,dog,owl\ncat,9,1,3\ndog,7,3,4\n", "owl"),
    ("truth,p_cat,p_dog,bird\ncat,0.9,0.05,0.05\ndog,0.1,0.7,0.2\n", "bird"),
    ("truth,score_cat,score_dog,bird\ncat,9,1,3\ndog,7,3,4\n", "bird"),
    ("truth,predicted,cat,age\ncat,cat,0.9,3\ndog,cat,0.7,4\n", "cat"),
    ("truth,cat,dog,age\n0,9,1,3\n1,7,3,4\n", "age"),
])
def test_columns_that_are_asked_about(text, column, tmp_path):
    (tmp_path / "scores.csv").write_text(text)
    line = complaint("score", tmp_path / "scores.csv")
    assert f'its column "{column}" may have scores of a class or not' in line and "probability:NAME" in line


def test_numbers_beside_predictions_alone(tmp_path):
    (tmp_path / "scores.csv").write_text("name,truth,predicted,age,fold\na,cat,cat,3,1\nb,dog,cat,4,2\n")
    found = json.loads(vgg("score", tmp_path / "scores.csv", "--format", "json").out)
    assert found["top1"] == 0.5 and found["confidence"] is None and len(found["confusion"]) == 2


@pytest.mark.parametrize("ending", ["csv", "npz"])
def test_large_numbers_are_names(tmp_path, ending):
    """A class for each number below one of a few bytes would take memory and time for nothing; the small
    numbers beside it stay what they are."""
    path = tmp_path / f"scores.{ending}"
    if ending == "csv":
        path.write_text("truth,predicted\n1,1\n777776,1\n777776,777776\n2,2\n")
    else:
        numpy = pytest.importorskip("numpy")
        numpy.savez(path, labels=numpy.array([1, 777776, 777776, 2]), predicted=numpy.array([1, 1, 777776, 2]))
    found = json.loads(vgg("score", path, "--format", "json").out)
    assert [row["class"] for row in found["classes"]] == ["1", "2", "777776"]
    assert found["confusion"] == [[1, 0, 0], [0, 1, 0], [1, 0, 1]]


def test_files_of_others_are_left_alone(model, pictograms, tmp_path):
    notes = tmp_path / "o.csv.part"
    notes.write_text("my notes")
    line = complaint("eval", "--model", model, pictograms, "--predictions", tmp_path / "o.csv")
    assert "o.csv.part: is not of vgg eval" in line and notes.read_text() == "my notes"


HEAD = b"vgg eval, pictures that are done, %d\n"


def test_what_was_begun_with_other_classes(model, pictograms, tmp_path):
    """Of the same number and in the same order, but called otherwise."""
    out, part = tmp_path / "out.csv", tmp_path / "out.csv.part"
    whole = ("--model", model, pictograms, "--predictions", out, "--resume")
    names = sorted(path.name for path in (pictograms / "train").iterdir())
    head = HEAD % 2 + len(names).to_bytes(8, "little")
    part.write_bytes(head + b"\0".join(name.encode() for name in ["other", *names[1:]]) + b"\0")
    line = complaint("eval", *whole)
    assert f"{part}: --resume: what is done is of a model with other classes" in line and not out.exists()
    # What another version began, and what was cut off in its head, has nothing that is done.
    for begun in (HEAD % 1 + len(names).to_bytes(8, "little") + b"\0" * 30, head + names[0][:2].encode(), head[:-3]):
        part.write_bytes(begun)
        vgg("eval", *whole)
        assert out.exists() and not part.exists()
        out.unlink()


def test_a_page_that_cannot_be_is_said_before(model, pictograms, tmp_path):
    for page, why in ((tmp_path, "is a folder, expected a file or a new name"),
                      (tmp_path / "none" / "x.html", "cannot write: No such file or directory"),
                      (model / "x.html", "cannot write: Not a directory")):
        line = complaint("eval", "--model", model, pictograms, "--predictions", tmp_path / "out.csv", "--report", page)
        assert line == f"vgg eval: {page}: {why}" and not os.listdir(tmp_path)


@pytest.mark.parametrize("option, name", [
    ("--predictions", "out.csv"), ("--predictions", "out.npz"), ("--report", "out.html"), ("-o", "out.safetensors")])
def test_what_is_there_is_replaced_when_told(model, pictograms, tmp_path, option, name):
    out = tmp_path / name
    out.write_text("somebody's")
    words = ("--model", model, pictograms, option, out, *(["--fit-temperature"] if option == "-o" else []))
    line = complaint("eval", *words)
    assert line == f"vgg eval: {out}: is there already; --overwrite replaces it"
    assert out.read_text() == "somebody's" and os.listdir(tmp_path) == [name]
    vgg("eval", *words, "--overwrite")
    assert b"somebody's" not in out.read_bytes() and os.listdir(tmp_path) == [name]
    if option == "--report":
        line = complaint("eval", *words, "--predictions", tmp_path / "out.csv", "--resume")
        assert line == f"vgg eval: {out}: is there already; --overwrite replaces it"


def test_two_files_of_one_name(model, pictograms, tmp_path):
    out = tmp_path / "out.html"
    line = complaint("eval", "--model", model, pictograms, "--fit-temperature", "-o", out, "--report", out)
    assert line == f"vgg eval: {out}: two files are to have this name" and not os.listdir(tmp_path)
