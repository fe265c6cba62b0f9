"""TensorBoard's own loader reads what a training tells it (scripts/venv.sh installs it)."""
import io
import json
import pathlib
import shutil
import sys

import pytest

from conftest import REPOSITORY, vgg

sys.path.extend(str(path) for path in (REPOSITORY / "build-peers").glob("lib/python3*/site-packages"))
accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator",
                                  reason="tensorboard is not installed: scripts/venv.sh")
Image = pytest.importorskip("PIL.Image", reason="Pillow is not installed")

ALL = {"scalars": 0, "images": 0, "histograms": 0}


def load(run):
    events = accumulator.EventAccumulator(str(run / "tensorboard"), size_guidance=ALL)
    events.Reload()
    return events


def log(run, kind):
    lines = map(json.loads, (run / "log.jsonl").read_text().splitlines())
    return [line for line in lines if line["type"] == kind]


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("board")
    vgg("generate", folder / "data", "--train", 8, "--validation", 4, "--size", 16)
    vgg("train", folder / "data", "-o", folder / "run", "--arch", "4,M/8", "--batch", 8, "--epochs", 2,
        "--histograms")
    vgg("train", folder / "data", "-o", folder / "run", "--resume", "--epochs", 3)
    return folder / "run"


def test_curves(run):
    events, steps, epochs = load(run), log(run, "step"), log(run, "epoch")
    assert set(events.Tags()["scalars"]) == {
        "loss/train", "accuracy/train", "rate", "loss/validation", "accuracy/validation_top1",
        "accuracy/validation_top5", "images_per_s"}
    for tag, lines, key in (("loss/train", steps, "loss"), ("accuracy/train", steps, "accuracy"),
                            ("rate", steps, "rate"), ("loss/validation", epochs, "validation_loss"),
                            ("accuracy/validation_top1", epochs, "validation_top1")):
        points = events.Scalars(tag)
        assert [point.value for point in points] == pytest.approx([line[key] for line in lines], rel=1e-6)
        every = len(steps) // len(lines)
        assert [point.step for point in points] == [every * (i + 1) for i in range(len(lines))]


def test_views(run):
    """Of the first batch, once per session."""
    for picture in load(run).Images("views"):
        grid = Image.open(io.BytesIO(picture.encoded_image_string))
        assert (picture.width, picture.height) == grid.size == (2 + 8 * 18, 2 + 1 * 18)
        assert len(set(grid.convert("RGB").getdata())) > 50


def test_histograms(run):
    events = load(run)
    tensors = {"features.0.weight": 108, "features.0.bias": 4, "classifier.3.weight": 80,
               "classifier.0.weight": 2048}
    for name, count in tensors.items():
        for kind in ("weights", "gradients"):
            values = events.Histograms(f"{kind}/{name}")
            assert [value.step for value in values] == [10, 20]
            for value in values:
                figures = value.histogram_value
                assert figures.num == count == sum(figures.bucket)
                assert list(figures.bucket_limit) == sorted(figures.bucket_limit)
                assert figures.min <= figures.sum / count <= figures.max == figures.bucket_limit[-1]


def test_steps_that_are_trained_again_count_once(run, tmp_path):
    """Killed after an epoch that no checkpoint knows: its file is there, and the next takes its place."""
    folder = pathlib.Path(shutil.copytree(run, tmp_path / "run"))
    vgg("train", run.parent / "data", "-o", folder, "--resume", "--epochs", 5)
    later = [path.name for path in (folder / "tensorboard").iterdir()
             if not (run / "tensorboard" / path.name).exists()]
    once = pathlib.Path(shutil.copytree(run, tmp_path / "again"))
    for name in later:
        shutil.copy(folder / "tensorboard" / name, once / "tensorboard")
    vgg("train", run.parent / "data", "-o", once, "--resume", "--epochs", 4)
    points = load(once).Scalars("loss/train")
    assert [point.step for point in points] == list(range(1, 41))
    assert [point.value for point in points] == pytest.approx(
        [line["loss"] for line in log(once, "step")], rel=1e-6)
