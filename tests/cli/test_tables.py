"""vgg eval --table: the paper's tables."""

import csv
import io
import json

import pytest
from conftest import complaint, vgg

SCALES = "S,S+6,30"


@pytest.fixture(scope="module")
def models(trained, pictograms, tmp_path_factory):
    other = tmp_path_factory.mktemp("other") / "run"
    vgg("train", pictograms, "-o", other, "--arch", "6,M/", "--epochs", 2, "--threads", 2,
        "--recipe", "none", "--scale-jitter", 1.5, "--seed", 4)
    return [trained, other]


@pytest.fixture(scope="module")
def rows(models, pictograms):
    out = vgg("eval", "--model", models[0], "--model", models[1], "--table", "--scale", SCALES,
              pictograms, "--format", "csv").out
    return list(csv.DictReader(io.StringIO(out)))


def found(rows, table, **wanted):
    """The one row of a table that has these fields."""
    chosen = [row for row in rows if row["table"] == str(table) and
              all(row[key] == str(value) for key, value in wanted.items())]
    assert len(chosen) == 1, (table, wanted, rows)
    return chosen[0]


def measured(*arguments):
    data = json.loads(vgg("eval", *arguments, "--format", "json").out)
    low, high = data["top1_interval"]
    return [1 - data["top1"], 1 - high, 1 - low, 1 - data["top5"]]


def errors(row):
    return [float(row[key]) for key in ("top1_error", "top1_low", "top1_high", "top5_error")]


def test_figures_are_those_of_evaluations(rows, models, pictograms):
    assert [row["table"] for row in rows] == ["3"] * 6 + ["4"] * 2 + ["5"] * 6 + ["6"] * 3
    for model in models:
        for side in (16, 22, 30):
            assert errors(found(rows, 3, network=model, test_q=side)) == pytest.approx(
                measured("--model", model, pictograms, "--protocol", "dense", "--scale", side))
        dense = measured("--model", model, pictograms, "--protocol", "dense", "--scale", SCALES)
        assert errors(found(rows, 4, network=model, test_q="16,22,30")) == pytest.approx(dense)
        for protocol in ("dense", "crops", "dense+crops"):
            assert errors(found(rows, 5, network=model, method=protocol)) == pytest.approx(
                measured("--model", model, pictograms, "--protocol", protocol, "--scale", SCALES))
    for protocol in ("dense", "crops", "dense+crops"):
        row = found(rows, 6, method=protocol, network=f"{models[0]} + {models[1]}")
        assert errors(row) == pytest.approx(
            measured("--model", models[0], "--model", models[1], "--fuse", pictograms,
                     "--protocol", protocol, "--scale", SCALES))


def test_training_scales_are_told(rows, models):
    assert found(rows, 3, network=models[0], test_q=16)["train_s"] == "16"
    assert found(rows, 3, network=models[1], test_q=16)["train_s"] == "[16; 24]"


def test_text_and_page(models, pictograms):
    line = ("eval", "--model", models[0], "--table", pictograms)
    text = vgg(*line).out
    heads = [row for row in text.splitlines() if row.startswith("Table")]
    assert heads == ["Table 3. One test scale, dense: errors",
                     "Table 5. Dense and multi-crop evaluation: errors"]
    page = vgg(*line, "--scale", "S,S+4", "--format", "html").out
    assert page.startswith("<!doctype html>")
    assert [part for part in range(3, 7) if f'id="table-{part}"' in page] == [3, 4, 5]
    assert page.count("<tr>") == page.count("</tr>") == 3 + 2 + 1 + 3


def test_refusals(models, pictograms):
    line = ("eval", "--model", models[0], "--table", pictograms)
    assert "--table is printed as text, csv or html" in complaint(*line, "--format", "json", status=2)
    assert "html is for --table" in complaint("eval", "--model", models[0], pictograms, "--format",
                                              "html", status=2)
    for more in (["--protocol", "dense"], ["--predictions", "x.csv"], ["--fit-temperature"],
                 ["--hardest", 3]):
        assert "goes with none of" in complaint(*line, *more, status=2)
    assert "expected one of --fuse, --compare and --table" in complaint(
        *line, "--fuse", "--model", models[1], status=2)
