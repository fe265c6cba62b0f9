"""ImageNet's validation pictures as people have them: in folders of classes, or all in one folder with
a file that says their classes."""

import csv
import tarfile
import zlib

import pytest
from conftest import TINY, complaint, vgg

IDS = ["n01440764", "n01443537", "n01484850", "n02119789"]
ILSVRC = ["n02119789", "n01484850", "n01440764", "n01443537"]  # an order of its own
TRUTH = [2, 0, 3, 1, 0, 2, 2, 1, 3, 0, 1, 3]  # by the places in IDS
NAMES = [f"ILSVRC2012_val_{i + 1:08}.JPEG" for i in range(len(TRUTH))]


def picture(name):
    colour = (zlib.crc32(name.encode()) % 2**24).to_bytes(3, "big")
    return b"P6 8 8 255\n" + colour * 64


def put(folder, name):
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(picture(name))


def flat(folder):
    for name in NAMES:
        put(folder, name)
    return folder


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    folder = tmp_path_factory.mktemp("wnids")
    for wnid in IDS:
        for i in range(4):
            put(folder / "data" / wnid, f"{wnid}_{i}.JPEG")
    vgg("train", folder / "data", "-o", folder / "run", *TINY, "--epochs", 1, "--input", 8)
    return folder / "run" / "best.safetensors"


def truths(model, data, tmp_path, *more):
    """What each picture is said to be."""
    out = tmp_path / "scores.csv"
    result = vgg("eval", "--model", model, data, "--predictions", out, "--overwrite", *more)
    assert "part         validation" in result.out.splitlines()
    with open(out, newline="") as file:
        rows = {row["name"].rsplit("/", 1)[1]: row["truth"] for row in csv.DictReader(file)}
    return [rows[name] for name in NAMES], result.err


WANTED = [IDS[c] for c in TRUTH]


def solution(name, truth):
    return f"{name.removesuffix('.JPEG')},{IDS[truth]} 1 2 3 4 {IDS[truth]} 5 6 7 8 \n"


def test_folders_of_ids(model, tmp_path):
    for name, truth in zip(NAMES, TRUTH):
        put(tmp_path / "data" / "val" / IDS[truth], name)
    assert truths(model, tmp_path / "data", tmp_path) == (WANTED, "")


def test_kaggle(model, tmp_path):
    flat(tmp_path / "data" / "ILSVRC" / "Data" / "CLS-LOC" / "val")
    table = tmp_path / "data" / "LOC_val_solution.csv"
    table.write_text("ImageId,PredictionString\n" + "".join(map(solution, NAMES, TRUTH)))
    (tmp_path / "data" / "LOC_synset_mapping.txt").write_text("n01440764 tench, Tinca tinca\n")
    found, err = truths(model, tmp_path / "data", tmp_path)
    assert found == WANTED and err.strip().endswith("left out: 1 .txt")
    assert truths(model, table, tmp_path)[0] == WANTED


@pytest.mark.parametrize("lines", [
    [f"{name} {truth}" for name, truth in zip(NAMES, TRUTH)],
    [f"{name}\t{IDS[truth]}" for name, truth in reversed(list(zip(NAMES, TRUTH)))],
    [IDS[truth] for truth in TRUTH], [str(truth) for truth in TRUTH]])
@pytest.mark.parametrize("place", ["val.txt", "val/val.txt", "imagenet_2012_validation_synset_labels.txt"])
def test_lists(model, tmp_path, lines, place):
    flat(tmp_path / "data" / "val")
    (tmp_path / "data" / place).write_text("\r\n".join(lines) + "\r\n")
    (tmp_path / "data" / "devkit").mkdir()
    found, err = truths(model, tmp_path / "data", tmp_path)
    assert found == WANTED and ".txt" not in err


def test_numbers_of_ilsvrc(model, tmp_path):
    data = flat(tmp_path / "data")
    numbers = [str(ILSVRC.index(IDS[truth]) + 1) for truth in TRUTH]
    truth_file = data / "ILSVRC2012_validation_ground_truth.txt"
    truth_file.write_text("\n".join(numbers) + "\n")
    line = complaint("eval", "--model", model, data)
    assert "numbers the classes from 1" in line and "expected map_clsloc.txt beside it" in line
    (data / "map_clsloc.txt").write_text(
        "".join(f"{wnid} {i + 1} a_name\n" for i, wnid in enumerate(ILSVRC)))
    assert truths(model, data, tmp_path) == (WANTED, "")
    (data / "map_clsloc.txt").write_text("n02119789 1 kit_fox\n")
    assert "names no class" in complaint("eval", "--model", model, data)
    truth_file.write_text("\n".join(numbers[1:]) + "\n")
    (data / "map_clsloc.txt").write_text(
        "".join(f"{wnid} {i + 1} a_name\n" for i, wnid in enumerate(ILSVRC)))
    assert "has 11 classes for the 12 pictures" in complaint("eval", "--model", model, data)


def test_names_in_place_of_ids(model, tmp_path):
    names = ["tench", "goldfish", "great white shark", "kit fox"]
    (tmp_path / "names.txt").write_text("\n".join(names) + "\n")
    flat(tmp_path / "data" / "val")
    line = ("--labels", tmp_path / "names.txt")
    (tmp_path / "data" / "val.txt").write_text("".join(f"{truth}\n" for truth in TRUTH))
    assert truths(model, tmp_path / "data", tmp_path, *line)[0] == [names[t] for t in TRUTH]
    (tmp_path / "data" / "val.txt").write_text("".join(f"{names[truth]}\n" for truth in TRUTH))
    assert truths(model, tmp_path / "data", tmp_path, *line)[0] == [names[t] for t in TRUTH]


def test_beside_a_part_to_train_on_and_in_an_archive(model, tmp_path):
    data = tmp_path / "data"
    flat(data / "val")
    for wnid in IDS:
        put(data / "train" / wnid, f"{wnid}_1.JPEG")
    (data / "val.txt").write_text("".join(f"{n} {t}\n" for n, t in zip(NAMES, TRUTH)))
    assert truths(model, data, tmp_path) == (WANTED, "")
    with tarfile.open(tmp_path / "imagenet.tar", "w") as archive:
        archive.add(data, "imagenet")
    assert truths(model, tmp_path / "imagenet.tar", tmp_path)[0] == WANTED


def test_lists_that_are_wrong(model, tmp_path):
    flat(tmp_path / "data" / "val")
    for text, said in [("", "says nothing of any picture"),
                       (f"{NAMES[0]} 1\n3\n", "line 2 does not name a picture, and others do so"),
                       (f"{NAMES[0]} 77\n{NAMES[1]} 0\n", 'a class "77" that the given list of classes'),
                       ("other.JPEG 1\nmore.JPEG 0\n", "not one of its 2 pictures is there")]:
        (tmp_path / "data" / "val.txt").write_text(text)
        assert said in complaint("eval", "--model", model, tmp_path / "data"), text
    (tmp_path / "data" / "val.txt").unlink()
    (tmp_path / "data" / "LOC_val_solution.csv").write_text("ImageId,PredictionString\nx\n")
    assert "line 2 is not a picture and its class" in complaint("eval", "--model", model,
                                                                tmp_path / "data")
