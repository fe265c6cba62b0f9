"""vgg train --find-rate: what it suggests follows from its curve as in fastai, and nothing else changes."""
import csv
import math
import re
import xml.etree.ElementTree

from conftest import TINY, complaint, vgg


def curve(run):
    with open(run / "find-rate.csv", newline="") as file:
        names, *rows = csv.reader(file)
    assert names == ["step", "rate", "loss", "smoothed"]
    return [float(row[1]) for row in rows], [float(row[3]) for row in rows]


def suggestions(rates, losses):
    """As fastai's lr_find has them, of the points that it looks at."""
    rates, losses = rates[10:-5], losses[10:-5]
    slopes = [(losses[i + 1] - losses[i]) / (math.log(rates[i + 1]) - math.log(rates[i]))
              for i in range(len(rates) - 1)]
    lengths = [1] * len(losses)
    start = end = 0
    for i in range(1, len(losses)):
        for j in range(i):
            if losses[i] < losses[j] and lengths[i] < lengths[j] + 1:
                lengths[i] = lengths[j] + 1
            if lengths[end] < lengths[i]:
                end = i
                start = end - lengths[end]
    third = (end - start) / 3
    return {"valley": rates[start + int(third) + int(third / 2)], "steep": rates[slopes.index(min(slopes))],
            "minimum / 10": rates[losses.index(min(losses))] / 10}


def printed(out):
    return {name: float(value) for name, value in
            re.findall(r"^(valley|steep|minimum / 10) +([\d.e+-]+)", out, re.MULTILINE)}


def test_suggestions(pictograms, tmp_path):
    run = tmp_path / "run"
    out = vgg("train", pictograms, "-o", run, *TINY, "--find-rate").out
    rates, losses = curve(run)
    assert sorted(path.name for path in run.iterdir()) == ["find-rate.csv", "find-rate.svg"]
    found, expected = printed(out), suggestions(rates, losses)
    for name, value in expected.items():
        assert abs(found[name] - value) <= 0.01 * value, (name, found, expected)
    drawing = xml.etree.ElementTree.parse(run / "find-rate.svg").getroot()
    assert drawing.tag.endswith("svg") and "valley" in "".join(drawing.itertext())
    style = drawing.find("{*}style").text
    assert "max-width:100%" in style and "prefers-color-scheme:dark" in style


def test_a_run_that_is_there_stays(trained, pictograms):
    before = {path: path.read_bytes() for path in trained.iterdir() if path.is_file()}
    vgg("train", pictograms, "-o", trained, *TINY, "--find-rate", "--quiet")
    after = {path: path.read_bytes() for path in trained.iterdir() if path.is_file()}
    new = {path.name for path in set(after) - set(before)}
    assert new == {"find-rate.csv", "find-rate.svg"} and {path: after[path] for path in before} == before
    for name in new:
        (trained / name).unlink()


def test_no_run_is_no_trace(pictograms, tmp_path):
    out = vgg("train", pictograms, *TINY, "--find-rate", cwd=tmp_path).out
    assert "valley" in printed(out) and "wrote" not in out and list(tmp_path.iterdir()) == []


def test_not_for_a_run_that_goes_on(trained, pictograms):
    assert "--find-rate" in complaint("train", pictograms, "-o", trained, "--resume", "--find-rate", status=2)


def test_the_recipe_that_was_measured_is_named(pictograms, tmp_path):
    """--lr alone would choose no recipe."""
    out = vgg("train", pictograms, "-o", tmp_path / "run", "--find-rate", "--recipe", "small", "--arch", "4,M/8").out
    assert re.search(r"^train with it: --recipe small --lr [\d.e-]+$", out, re.MULTILINE)
    assert "--dry-run and --find-rate" in complaint("train", pictograms, "--dry-run", "--find-rate", status=2)
