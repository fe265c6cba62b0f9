"""vgg eval."""

import json
import shutil

from conftest import complaint, vgg


def test_text(model, pictograms):
    lines = vgg("eval", "--model", model, pictograms).out.splitlines()
    assert lines[0] == "images       20"
    end = lines.index("")
    assert [line.split()[0] for line in lines[:end]] == [
        "images", "top-1", "top-5", "loss", "confidence", "part"]
    assert lines[end - 1] == "part         validation"
    assert lines[end + 1].split() == ["class", "images", "acc.", "%", "95", "%", "prec.", "%",
                                      "F1", "%"]
    assert [line.split()[0] for line in lines[end + 2:end + 12]] == [
        "arrow", "circle", "cross", "heart", "house", "moon", "ring", "square", "star", "triangle"]
    assert lines[end + 13] == "most confused"


def test_text_of_few_classes_has_no_top5(model, pictograms, tmp_path):
    path = tmp_path / "scores.csv"
    path.write_text("name,truth,p:a,p:b\nx,a,0.75,0.25\n")
    assert "top-5" not in vgg("score", path).out


def test_json_has_just_these_members(model, pictograms):
    data = json.loads(vgg("eval", "--model", model, pictograms, "--format", "json").out)
    assert list(data) == [
        "images", "skipped", "top1", "top5", "loss", "part", "top1_interval", "top5_interval",
        "balanced_accuracy", "macro_precision", "macro_recall", "macro_f1", "brier", "confidence",
        "calibration_error", "temperature", "reliability", "classes", "confused", "confusion",
        "unreadable", "hardest", "label_errors", "label_error_count", "protocol",
        "scales", "device", "precision", "models"]
    assert [data[key] for key in ("protocol", "scales", "precision", "models")] == ["center", None, "f32", 1]
    assert data["images"] == 20 and data["skipped"] == 0 and data["part"] == "validation"
    assert 0 <= data["top1"] <= data["top5"] <= 1 and data["loss"] > 0
    assert data["top1"] * 20 == round(data["top1"] * 20)


def test_batch_and_threads_change_nothing(model, pictograms):
    first = vgg("eval", "--model", model, pictograms, "--format=json", "--batch", 20).out
    second = vgg("eval", "--model", model, pictograms, "--format=json", "--batch", 20,
                 "--threads", 2, "--workers", 3).out
    assert first == second
    third = vgg("eval", "--model", model, pictograms, "--format=json", "--batch", 3).out
    assert json.loads(third)["top1"] == json.loads(first)["top1"]
    assert abs(json.loads(third)["loss"] - json.loads(first)["loss"]) < 1e-9


def test_parts(model, pictograms):
    def images(*arguments):
        out = vgg("eval", "--model", model, *arguments, "--format", "json").out
        return json.loads(out)["images"]

    assert images(pictograms, "--part", "train") == 40
    assert images(pictograms, "--part", "validation") == 20
    assert images(pictograms, "--part", "all") == 60
    assert images(pictograms / "train") == 40
    assert images(pictograms / "train", "--validation-split", 0.25) == 10


def test_predict_and_eval_agree(model, pictograms):
    folder = pictograms / "validation"
    rows = json.loads(vgg("predict", "--model", model, folder, "--top", 1, "--format=json").out)
    right = sum(row["image"].split("/")[-2] == row["predictions"][0]["label"] for row in rows)
    data = json.loads(vgg("eval", "--model", model, pictograms, "--format", "json").out)
    assert len(rows) == 20 and data["top1"] == right / 20


def test_fewer_classes_than_the_model(model, pictograms, tmp_path):
    for name in ("moon", "star"):
        shutil.copytree(pictograms / "train" / name, tmp_path / "two" / name)
    result = vgg("eval", "--model", model, tmp_path / "two", "--format", "json")
    assert json.loads(result.out)["images"] == 8


def test_class_that_the_model_does_not_know(model, pictograms, tmp_path):
    shutil.copytree(pictograms / "train", tmp_path / "more")
    shutil.copytree(pictograms / "train" / "moon", tmp_path / "more" / "zebra")
    assert "zebra" in complaint("eval", "--model", model, tmp_path / "more")


def test_skipped_pictures(model, spoilt):
    result = vgg("eval", "--model", model, spoilt, "--format", "json", status=3)
    data = json.loads(result.out)
    assert data["images"] == 19 and data["skipped"] == 1
    first, last = result.err.splitlines()
    assert first.startswith("vgg eval: skipped ") and "validation/circle/0000.png" in first
    assert last == "vgg eval: 1 picture could not be read"
    assert "skipped      1\n" in vgg("eval", "--model", model, spoilt, status=3).out


def test_many_skipped_pictures_are_counted(model, pictograms, tmp_path):
    shutil.copytree(pictograms / "train", tmp_path / "data")
    for name in ("arrow", "circle", "cross", "heart", "house", "moon"):
        for path in (tmp_path / "data" / name).iterdir():
            path.write_bytes(b"")
    result = vgg("eval", "--model", model, tmp_path / "data", status=3)
    lines = result.err.splitlines()
    assert len(lines) == 21
    assert lines[-1] == "vgg eval: 24 pictures could not be read; the first 20 are named above"


def test_strict(model, spoilt):
    line = complaint("eval", "--model", model, spoilt, "--strict")
    assert "validation/circle/0000.png" in line


def test_wrong_model(pictograms, model, tmp_path):
    line = complaint("eval", "--model", tmp_path / "none.safetensors", pictograms)
    assert f"{tmp_path}/none.safetensors" in line
    cut = tmp_path / "cut.safetensors"
    cut.write_bytes(model.read_bytes()[:-100])
    assert str(cut) in complaint("eval", "--model", cut, pictograms)


def test_wrong_data(model, tmp_path):
    assert "nowhere" in complaint("eval", "--model", model, tmp_path / "nowhere")


def test_missing_part(model, pictograms):
    line = complaint("eval", "--model", model, pictograms / "train", "--part", "validation")
    assert line == f"vgg eval: {pictograms}/train: has no validation part, only a train part"


def test_exact_moves_the_loss_by_rounding_alone(model, pictograms):
    plain = json.loads(vgg("eval", "--model", model, pictograms, "--format", "json").out)
    exact = json.loads(vgg("eval", "--model", model, pictograms, "--format", "json", "--exact").out)
    assert abs(exact["loss"] - plain["loss"]) < 1e-4
