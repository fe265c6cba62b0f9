"""vgg predict --min-probability and --sort-into: pictures that are none of the classes, and pictures in
folders of their classes."""

import csv
import io
import json
import os
import shutil

import pytest
from conftest import complaint, vgg


@pytest.fixture
def pictures(pictograms, tmp_path):
    """Pictures of several classes in one folder and one beneath."""
    folder = tmp_path / "pictures"
    for number, source in enumerate(sorted((pictograms / "train").glob("*/*.png"))):
        place = folder / ("deep" if number % 3 == 0 else "")
        place.mkdir(parents=True, exist_ok=True)
        shutil.copy(source, place / f"{number:02}.png")
    return folder


def answers(*arguments, **options):
    """What JSON says of each picture."""
    return json.loads(vgg("predict", *arguments, "--format", "json", **options).out)


def likeliest(model, pictures):
    """The likeliest class of each picture, by its path."""
    return {row["image"]: row["predictions"][0] for row in answers("--model", model, pictures)}


def middle(model, pictures):
    """A probability that some pictures reach and others do not."""
    chances = sorted({entry["probability"] for entry in likeliest(model, pictures).values()})
    assert len(chances) > 2
    return (chances[len(chances) // 2 - 1] + chances[len(chances) // 2]) / 2


def files_below(folder):
    return {str(path.relative_to(folder)): path.read_bytes()
            for path in folder.rglob("*") if path.is_file()}


def test_none_of_these(model, pictures):
    least = middle(model, pictures)
    best = likeliest(model, pictures)
    rows = answers("--model", model, pictures, "--min-probability", least)
    assert {row["none"] for row in rows} == {True, False}
    for row in rows:
        assert list(row) == ["image", "predictions", "none"]
        assert row["none"] == (best[row["image"]]["probability"] < least)
        assert row["predictions"][0] == best[row["image"]]
    table = list(csv.reader(io.StringIO(vgg("predict", "--model", model, pictures, "--format", "csv",
                                            "--min-probability", least).out)))
    for image, entry in best.items():
        own = [line for line in table if line[0] == image]
        if entry["probability"] < least:
            (line,) = own
            assert line[1:4] == ["1", "", "none of these"]
            assert float(line[4]) == pytest.approx(entry["probability"], rel=1e-8)
        else:
            assert len(own) == 5 and own[0][3] == entry["label"]
    text = vgg("predict", "--model", model, pictures, "--min-probability", least).out
    for image, entry in best.items():
        none = (f"{image}  none of these (the likeliest, {entry['label']}, has only "
                f"{100 * entry['probability']:.1f} %)\n")
        assert (none in text) == (entry["probability"] < least)
        assert f"{image}\n" in text or f"{image}  " in text


def test_all_are_none_of_these(model, pictures):
    rows = answers("--model", model, pictures, "--min-probability", 1)
    assert all(row["none"] for row in rows)
    out = vgg("predict", "--model", model, pictures, "--min-probability", 1, "--logits", "--format",
              "csv").out
    rows = list(csv.reader(io.StringIO(out)))
    assert rows[0][-1] == "logit" and all(row[1:4] == ["1", "", "none of these"] for row in rows[1:])


@pytest.mark.parametrize("value", ["0", "-1", "1.1", "half"])
def test_min_probability_is_a_probability(model, pictures, value):
    assert f'--min-probability: found "{value}", expected a number above 0 and at most 1' in complaint(
        "predict", "--model", model, pictures, "--min-probability", value, status=2)


@pytest.mark.parametrize("form", ["text", "json", "csv"])
def test_sorting_copies(model, pictures, tmp_path, form):
    into = tmp_path / "a" / "sorted"
    before = files_below(pictures)
    plain = vgg("predict", "--model", model, pictures, "--format", form)
    result = vgg("predict", "--model", model, pictures, "--format", form, "--sort-into", into)
    expected, counts = {}, {}
    for image, entry in likeliest(model, pictures).items():
        with open(image, "rb") as file:
            expected[f"{entry['label']}/{os.path.basename(image)}"] = file.read()
        counts[entry["label"]] = counts.get(entry["label"], 0) + 1
    assert files_below(into) == expected and files_below(pictures) == before
    width = max(map(len, counts))
    said = f"copied into {into}\n" + "".join(f"  {name:{width}}  {counts[name]}\n"
                                             for name in sorted(counts))
    if form == "text":
        assert (result.out, result.err) == (f"{plain.out}\n{said}", "")
    else:
        assert (result.out, result.err) == (plain.out, said)
    # Once more: everything is there already.
    again = vgg("predict", "--model", model, pictures, "--format", "csv", "--sort-into", into)
    assert again.err.splitlines()[0] == f"copied into {into}, {len(before)} there before"
    assert files_below(into) == expected


def test_sorting_links(model, pictures, tmp_path):
    into = tmp_path / "sorted"
    relative = os.path.relpath(pictures, tmp_path)
    err = vgg("predict", "--model", model, relative, "--format", "csv", "--sort-into", "sorted",
              "--link", cwd=tmp_path).err
    assert err.startswith("linked into sorted\n")
    for image, entry in likeliest(model, pictures).items():
        link = into / entry["label"] / os.path.basename(image)
        assert link.is_symlink() and os.readlink(link) == os.path.realpath(image)
    assert "--link: is for --sort-into DIR" in complaint("predict", "--model", model, pictures,
                                                         "--link", status=2)


def test_sorting_with_none_of_these(model, pictures, tmp_path):
    least = middle(model, pictures)
    vgg("predict", "--model", model, pictures, "--sort-into", tmp_path / "sorted",
        "--min-probability", least)
    for image, entry in likeliest(model, pictures).items():
        folder = entry["label"] if entry["probability"] >= least else "none of these"
        assert (tmp_path / "sorted" / folder / os.path.basename(image)).is_file()


def test_names_that_collide_get_numbers(model, pictograms, tmp_path):
    """Other pictures of the same name are kept apart, whatever stood there before."""
    sources = sorted((pictograms / "train" / "heart").glob("*.png"))[:3]
    for number, source in enumerate(sources):
        (tmp_path / f"from{number}").mkdir()
        shutil.copy(source, tmp_path / f"from{number}" / "a.png")
    into = tmp_path / "sorted"
    folders = [tmp_path / f"from{number}" for number in range(3)]
    vgg("predict", "--model", model, *folders, "--sort-into", into, "--min-probability", 1)
    assert files_below(into) == {f"none of these/a{ending}.png": source.read_bytes()
                                 for ending, source in zip(("", "-2", "-3"), sources)}


def test_class_names_become_names_of_folders(model, pictures, tmp_path):
    labels = tmp_path / "labels.txt"
    names = ["a/b", "../up", "\x1b[2J", ".hidden", "caf\u00e9", "none of these", "Same", "same",
             "x" * 300, "a_b"]
    labels.write_text("\n".join(names) + "\n")
    into = tmp_path / "sorted"
    best = likeliest(model, pictures)
    safe = ["a_b", "_._up", "_[2J", "_hidden", "caf\u00e9", "none of these", "Same",
            "same (class 7)", "x" * 200, "a_b (class 9)"]
    vgg("predict", "--model", model, pictures, "--labels", labels, "--sort-into", into)
    assert {path.name for path in into.iterdir()} == {safe[entry["index"]] for entry in best.values()}
    assert all(path.parent == into for path in into.iterdir())
    # A class may be called like the folder for none of them.
    vgg("predict", "--model", model, pictures, "--labels", labels, "--sort-into", tmp_path / "none",
        "--min-probability", 1)
    assert [path.name for path in (tmp_path / "none").iterdir()] == ["none of these (class 10)"]


def test_a_folder_within_the_pictures_is_passed_over(model, pictures):
    """Also one that is made on the way, and on the second time."""
    into = pictures / "deep" / "sorted"
    count = len(files_below(pictures))
    for _ in range(2):
        rows = answers("--model", model, pictures, "--sort-into", into)
        assert len(rows) == count and len(files_below(into)) == count
    line = complaint("predict", "--model", model, pictures, "--sort-into", pictures)
    assert "is the folder whose pictures are to be sorted" in line


def test_what_cannot_be_sorted(model, pictures, tmp_path):
    line = complaint("predict", "--model", model, "-", "--sort-into", tmp_path / "x", stdin=b"")
    assert "standard input has no name" in line
    (tmp_path / "file").write_text("")
    result = vgg("predict", "--model", model, pictures, "--sort-into", tmp_path / "file", "--format",
                 "csv", status=1)
    assert len(result.err.splitlines()) == 1 and f"{tmp_path}/file" in result.err
    bad = tmp_path / "bad.png"
    bad.write_bytes(b"<html>")
    vgg("predict", "--model", model, bad, next(pictures.glob("*.png")), "--sort-into",
        tmp_path / "sorted", status=3)
    assert len(files_below(tmp_path / "sorted")) == 1


def test_one_that_cannot_be_sorted_does_not_end_it(model, pictures, tmp_path):
    """A file stands where the folder of its class would be; the others are put where they belong."""
    best = likeliest(model, pictures)
    labels = sorted({entry["label"] for entry in best.values()})
    assert len(labels) > 1
    into = tmp_path / "sorted"
    into.mkdir()
    (into / labels[0]).write_text("")
    lost = [image for image, entry in best.items() if entry["label"] == labels[0]]
    result = vgg("predict", "--model", model, pictures, "--sort-into", into, "--format", "csv", status=3)
    assert len(files_below(into)) == len(best) - len(lost) + 1
    complaints = [line for line in result.err.splitlines() if line.startswith("vgg predict: ")]
    named = complaints[:20] if len(lost) > 20 else complaints[:len(lost)]
    assert len(complaints) == len(named) + (len(lost) > 1)
    assert named == [f"vgg predict: not sorted: {image}: {into}/{labels[0]}: is there already and is not a folder"
                     for image in lost[:20]]
    assert len(lost) < 2 or f"{len(lost)} pictures could not be put into {into}" in complaints[-1]
    for label in labels[1:]:
        shutil.rmtree(into / label)
        (into / label).write_text("")
    result = vgg("predict", "--model", model, pictures, "--sort-into", into, "--format", "csv", status=1)
    assert f"{len(best)} pictures could not be put into {into}" in result.err
