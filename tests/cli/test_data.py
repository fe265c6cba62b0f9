"""Data as people have it: parts by any name, pictures anywhere below a class, tables of labels, zip
archives; and what is left out of it."""

import json
import random
import shutil
import zipfile
import zlib

import pytest
from conftest import TINY, complaint, vgg


def ppm(value, side=8):
    return b"P6 %d %d 255\n" % (side, side) + (value % 2**24).to_bytes(3, "big") * (side * side)


def write(root, *paths):
    """A picture of a colour of its own at each path."""
    for path in paths:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_bytes(ppm(zlib.crc32(str(root / path).encode())))
    return root


def classes(root, count=4, names=("cat", "dog")):
    return write(root, *(f"{name}/{i}.ppm" for name in names for i in range(count)))


def train(data, tmp_path, *more):
    shutil.rmtree(tmp_path / "run", ignore_errors=True)
    result = vgg("train", data, "-o", tmp_path / "run", *TINY, "--epochs", 1, "--input", 8, *more)
    first = result.out.splitlines()[0]
    return first.split(": ", 1)[1], result.err


def measured(data, tmp_path, *more, model="run/best.safetensors"):
    out = vgg("eval", "--model", tmp_path / model, data, "--format", "json", *more)
    said = json.loads(out.out)
    return said["part"], said["images"]


@pytest.mark.parametrize("learn,check,test", [
    ("train", "valid", "test"), ("Train", "Val", "Test"), ("training", "validation", "testing"),
    ("TRAIN", "dev", "test_set"), ("seg_train/seg_train", "seg_val", "seg_test/seg_test"),
    ("train_images", "val2017", "test-data"), ("Training Set", "validation_set", "testset"),
])
def test_parts_by_any_name(learn, check, test, tmp_path):
    classes(tmp_path / "data" / learn, 4)
    classes(tmp_path / "data" / check, 3)
    classes(tmp_path / "data" / test, 2)
    said, err = train(tmp_path / "data", tmp_path)
    assert said == "8 training pictures, 6 validation pictures; 4 test pictures, not used"
    assert err == ""
    assert measured(tmp_path / "data", tmp_path) == ("test", 4)
    assert measured(tmp_path / "data", tmp_path, "--part", "validation") == ("validation", 6)
    assert measured(tmp_path / "data", tmp_path, "--part", "train") == ("train", 8)
    assert measured(tmp_path / "data", tmp_path, "--part", "all") == ("all", 18)


def test_a_test_part_never_chooses(tmp_path):
    classes(tmp_path / "data" / "train", 10)
    classes(tmp_path / "data" / "test", 3)
    said, _ = train(tmp_path / "data", tmp_path)
    assert said == ("18 training pictures, 2 validation pictures, set aside at random; 6 test "
                    "pictures, not used")
    said, _ = train(tmp_path / "data", tmp_path, "--validation-split", 0, "--epochs", 2)
    assert said == "20 training pictures, no validation pictures; 6 test pictures, not used"
    best, last = (tmp_path / "run" / f"{name}.safetensors" for name in ("best", "last"))
    assert best.read_bytes() == last.read_bytes()


def test_what_a_training_set_aside_is_measured(tmp_path):
    data = classes(tmp_path / "data", 10)
    train(data, tmp_path, "--validation-split", 0.3, "--seed", 5)
    assert measured(data, tmp_path) == ("validation", 6)
    assert measured(data, tmp_path, "--part", "train") == ("train", 14)
    assert measured(data, tmp_path, "--part", "all") == ("all", 20)
    text = vgg("eval", "--model", tmp_path / "run" / "best.safetensors", data).out
    assert "part         validation, set aside from what was trained on" in text.splitlines()
    # The split stays with the names.
    write(data, *(f"cat/more-{i}.ppm" for i in range(10)))
    part, images = measured(data, tmp_path)
    assert part == "validation" and 6 <= images <= 16
    assert measured(data, tmp_path, "--part", "all") == ("all", 30)
    line = complaint("eval", "--model", tmp_path / "run" / "best.safetensors", data, "--part", "test")
    assert "has no test part, only train and validation parts" in line


def test_other_pictures_are_measured_whole(tmp_path):
    """What one folder's split says of names is nothing to another folder."""
    data = classes(tmp_path / "data", 10)
    train(data, tmp_path, "--validation-split", 0.3, "--seed", 5)
    others = tmp_path / "others"
    write(others, *(f"{name}/held-out-{i}.ppm" for name in ("cat", "dog") for i in range(8)))
    done = vgg("eval", "--model", tmp_path / "run" / "best.safetensors", others)
    assert "part         all" in done.out.splitlines()
    assert ("note: these are other pictures than the model was trained on: none of them is set aside"
            in done.err)
    assert measured(others, tmp_path) == ("all", 16)


def test_a_resumed_run_keeps_its_split(tmp_path):
    """What was trained on never validates, whatever came or went in between."""
    data = classes(tmp_path / "data", 20)
    train(data, tmp_path, "--validation-split", 0.2)
    for i in range(0, 20, 3):
        (data / "cat" / f"{i}.ppm").unlink()
    write(data, *(f"dog/a{i}.ppm" for i in range(40)))
    out = vgg("train", data, "-o", tmp_path / "run", "--resume", "--epochs", 2, *TINY[4:],
              "--allow-changed-data").out
    line = out.splitlines()[0]
    counts = [int(word) for word in line.split(": ", 1)[1].split() if word.isdigit()]
    assert sum(counts) == 33 + 40
    assert measured(data, tmp_path)[1] == counts[1]


def test_deeper_pictures_and_leftovers(tmp_path):
    data = tmp_path / "data"
    classes(data / "train")
    classes(data / "val", 2)
    write(data, "train/cat/more/even more/9.ppm", "train/@eaDir/x/thumb.ppm", "train/cat/._0.ppm",
          "train/.ipynb_checkpoints/0.ppm", "extra/1.ppm")
    (data / "val" / "empty").mkdir()
    (data / "train" / "cat" / "notes.txt").write_text("x")
    said, err = train(data, tmp_path)
    assert said == "9 training pictures, 4 validation pictures"
    assert err == (f"vgg train: note: {data}: left out: 1 .txt, 1 hidden file, folder "
                   "train/.ipynb_checkpoints/, folder train/@eaDir/, folder val/empty/ (no "
                   "pictures), folder extra/\n")
    assert "left out: 1 .txt" in vgg("eval", "--model", tmp_path / "run" / "best.safetensors", data).err


def test_links_do_not_lead_in_circles(tmp_path):
    data = classes(tmp_path / "data")
    (data / "cat" / "again").symlink_to(data)
    (data / "dog" / "back").symlink_to(data / "cat")
    said, err = train(data, tmp_path, "--validation-split", 0)
    assert said == "8 training pictures, no validation pictures"
    assert "left out: folder cat/again/ (a link), folder dog/back/ (a link)" in err


def test_test_pictures_without_classes(tmp_path):
    data = classes(tmp_path / "data" / "train").parent
    write(data, "test/1.ppm", "test/2.ppm")
    _, err = train(data, tmp_path)
    assert "left out: folder test/ (no classes)" in err
    shutil.rmtree(data / "test")
    write(data, "test/unknown/1.ppm")
    _, err = train(data, tmp_path)
    assert "left out: folder test/ (none of its classes is one to train on)" in err


def test_tiny_imagenet(tmp_path):
    data, names = tmp_path / "tiny", ("n01443537", "n01629819")
    for name in names:
        write(data, *(f"train/{name}/images/{name}_{i}.ppm" for i in range(4)))
        (data / "train" / name / f"{name}_boxes.txt").write_text("x\t0\n")
    write(data, *(f"val/images/val_{i}.ppm" for i in range(3)), "test/images/test_0.ppm")
    (data / "val" / "val_annotations.txt").write_text(
        "val_0.ppm\tn01629819\t0\t0\t62\t62\nval_1.ppm\tn01443537\t0\t0\t1\t1\r\n"
        "val_2.ppm\tn01629819\n")
    (data / "wnids.txt").write_text("\n".join(names))
    said, err = train(data, tmp_path)
    assert said == "8 training pictures, 3 validation pictures"
    assert "left out: 3 .txt, folder test/ (none of its classes is one to train on)" in err
    assert measured(data, tmp_path) == ("validation", 3)
    (data / "val" / "val_annotations.txt").write_text("val_0.ppm n01629819\n")
    line = complaint("train", data, "-o", tmp_path / "none")
    assert "val_annotations.txt: line 1 is not a picture, a tab and its class" in line


# ---- tables
@pytest.fixture
def pictures(tmp_path):
    return write(tmp_path / "data", *(f"images/{i}.ppm" for i in range(8)))


@pytest.mark.parametrize("table", [
    "image,label\n" + "".join(f"images/{i}.ppm,{'owl' if i % 2 else 'cat'}\n" for i in range(8)),
    "".join(f"{i}.ppm,{'owl' if i % 2 else 'cat'}\r\n" for i in range(8)),
    "\ufeffid,breed\n" + "".join(f"{i},{'owl' if i % 2 else 'cat'}\n" for i in range(8)),
    'label,"file name"\n' + "".join(f'"{"owl" if i % 2 else "cat"}","./images/{i}.ppm"\n' for i in range(8)),
    "x,filename,class\n" + "".join(f"7,{i}.ppm,{'owl' if i % 2 else 'cat'}\n\n" for i in range(8)),
])
def test_table(table, pictures, tmp_path):
    (pictures / "labels.csv").write_text(table, newline="")
    for data in (pictures, pictures / "labels.csv"):
        said, err = train(data, tmp_path, "--validation-split", 0.25)
        assert said == "6 training pictures, 2 validation pictures, set aside at random"
        assert err == ""
    assert measured(pictures, tmp_path) == ("validation", 2)


def test_table_with_parts(pictures, tmp_path):
    rows = "".join(f"{i}.ppm,{'owl' if i % 2 else 'cat'},{part}\n"
                   for i, part in enumerate(["Train"] * 4 + ["valid"] * 2 + ["testing"] * 2))
    (pictures / "other.csv").write_text("image,label,split\n" + rows)
    said, _ = train(pictures / "other.csv", tmp_path)
    assert said == "4 training pictures, 2 validation pictures; 2 test pictures, not used"


def test_quoted_fields(tmp_path):
    data = write(tmp_path / "data", 'a,b.ppm', 'c"d.ppm', "e.ppm")
    (data / "labels.csv").write_text('image,label\n"a,b.ppm","big\ncat"\n"c""d.ppm",owl\ne.ppm,owl\n')
    said, _ = train(data, tmp_path, "--validation-split", 0)
    assert said == "3 training pictures, no validation pictures"


def test_what_a_table_leaves_out(pictures, tmp_path):
    (pictures / "labels.csv").write_text("0.ppm,a\n1.ppm,b\n0.ppm,a\nmissing.ppm,b\n")
    (pictures / "notes.md").write_text("x")
    _, err = train(pictures, tmp_path, "--validation-split", 0)
    assert ("left out: 1 .md, 6 pictures without a label, 1 label without its picture, 1 repeated "
            "label\n") in err


def test_rows_without_a_picture_make_no_class(pictures, tmp_path):
    """Nor does a line of names in words that are not known."""
    (pictures / "labels.csv").write_text(
        "photo,kind\nmissing.ppm,horse\n" + "".join(f"{i}.ppm,{'owl' if i % 2 else 'cat'}\n" for i in range(8)))
    _, err = train(pictures, tmp_path, "--validation-split", 0)
    assert "2 labels without their pictures" in err
    assert json.loads(vgg("inspect", tmp_path / "run" / "last.safetensors", "--format", "json").out)["classes"] == [
        "cat", "owl"]


def test_a_table_of_something_else(tmp_path):
    """GTSRB's labels.csv names its classes."""
    data = classes(tmp_path / "data", 4, ("0", "1"))
    (data / "labels.csv").write_text("ClassId,Name\n0,Speed limit\n1,Stop\n")
    said, err = train(data, tmp_path, "--validation-split", 0)
    assert said == "8 training pictures, no validation pictures" and "left out: 1 .csv" in err


WRONG = {
    "fields": ("image,label\n0.ppm,cat,1\n", "line 2 has 3 fields; expected 2"),
    "columns": ("0.ppm,cat,1\n", "line 1 does not say which of its fields"),
    "one": ("0.ppm\n", "line 1 has one field"),
    "quote": ('0.ppm,"cat\n', "line 1 begins a field in quotes that does not end"),
    "behind": ('0.ppm,"cat"s\n', "line 1 goes on behind the quotes"),
    "label": ("0.ppm,cat\n1.ppm,\n", "line 2 has no label"),
    "picture": ("0.ppm,cat\n,owl\n", "line 2 names no picture"),
    "twice": ("0.ppm,cat\n0.ppm,owl\n", 'line 2 says of images/0.ppm other than line 1: "owl" and "cat"'),
    "none": ("image,label\n", "names no pictures"),
    "part": ("image,label,split\n0.ppm,cat,later\n", 'line 2 says part "later"'),
    "there": ("10.ppm,cat\n11.ppm,owl\n", "not one of its 2 pictures is there (the first is 10.ppm)"),
    "zero": ("0.ppm,cat\n\0", "byte 10 is 0; expected text in UTF-8"),
}


@pytest.mark.parametrize("name", WRONG)
def test_wrong_table(name, pictures, tmp_path):
    (pictures / "labels.csv").write_text(WRONG[name][0])
    line = complaint("train", pictures / "labels.csv", "-o", tmp_path / "run")
    assert "labels.csv: " in line and WRONG[name][1] in line


def test_ambiguous_names(tmp_path):
    data = write(tmp_path / "data", "a/1.ppm", "b/1.ppm")
    (data / "labels.csv").write_text("1.ppm,cat\n")
    assert "line 1 names 1.ppm, which may be a/1.ppm or b/1.ppm" in complaint("train", data)


# ---- zip
@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_zip(method, tmp_path):
    source = classes(tmp_path / "photos" / "train", 5).parent
    classes(source / "Test", 2)
    write(tmp_path / "__MACOSX", "photos/train/cat/._0.ppm")
    with zipfile.ZipFile(tmp_path / "photos.zip", "w", method) as archive:
        for path in sorted(tmp_path.rglob("*.ppm")):
            archive.write(path, path.relative_to(tmp_path))
    said, err = train(tmp_path / "photos.zip", tmp_path)
    assert said == "8 training pictures, 2 validation pictures, set aside at random; 4 test pictures, not used"
    assert "left out: folder __MACOSX/" in err
    # The same pictures, from the folder: the same model.
    model = (tmp_path / "run" / "best.safetensors").read_bytes()
    train(source, tmp_path)
    assert (tmp_path / "run" / "best.safetensors").read_bytes() == model


def test_damaged_zip(tmp_path):
    chance = random.Random(4)
    with zipfile.ZipFile(tmp_path / "good.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for name in ("cat", "dog"):
            for i in range(3):
                archive.writestr(f"{name}/{i}.ppm", b"P6 8 8 255\n" + chance.randbytes(192))
    good = (tmp_path / "good.zip").read_bytes()
    for i in range(40):
        bad = bytearray(good)
        for _ in range(3):
            bad[chance.randrange(4, len(bad))] ^= 1 << chance.randrange(8)
        (tmp_path / "bad.zip").write_bytes(bytes(bad[:len(bad) if i % 2 else chance.randrange(4, len(bad))]))
        result = None
        for status in (0, 1, 3):
            try:
                result = vgg("train", tmp_path / "bad.zip", "-o", tmp_path / f"run{i}", *TINY,
                             "--epochs", 1, "--input", 8, status=status)
                break
            except AssertionError:
                continue
        assert result is not None, i


# ---- ImageNet's folders
def test_folders_by_wordnet_id(tmp_path):
    data = classes(tmp_path / "val", 2, ("n01440764", "n15075141"))
    many = tmp_path / "many"
    write(many, *(f"{i:04}/{i}.ppm" for i in range(1000)))
    train(many, tmp_path, "--validation-split", 0, "--batch", 64)
    model = tmp_path / "run" / "best.safetensors"
    assert '"n01440764"' in complaint("eval", "--model", model, data)
    out = json.loads(vgg("eval", "--model", model, "--labels", "imagenet", data, "--format", "json").out)
    assert out["images"] == 4
    # The first and the last of the outputs: a model that always says one of them is right half the time.
    predictions = json.loads(vgg("predict", "--model", model, "--labels", "imagenet", "--top", 1,
                                 "--format", "json", data).out)
    expected = {"n01440764": "tench", "n15075141": "toilet tissue"}
    right = sum(expected[row["image"].split("/")[-2]] == row["predictions"][0]["label"]
                for row in predictions)
    assert out["top1"] == right / 4


def test_what_predict_leaves_out(model, tmp_path):
    data = classes(tmp_path / "data", 2)
    for name in ("notes.txt", "more.TXT", "cat/README", "cat/raw.cr2"):
        (data / name).write_text("x")
    said = vgg("predict", "--model", model, data).err
    start, rest = said.rstrip("\n").split("left out: ")
    assert start == "vgg predict: note: " and rest.endswith(", 1 other file")
    assert sorted(part.lower() for part in rest.split(", ")) == ["1 .cr2", "1 other file", "2 .txt"]


# ---- pictures that are whole, and yet not as their format wants them
def test_jpegs_without_an_end_marker(tmp_path):
    import pathlib

    golden = pathlib.Path(__file__).resolve().parents[1] / "golden" / "data" / "image" / "jpeg_420.jpg"
    whole, data = golden.read_bytes(), tmp_path / "data"
    assert whole.endswith(b"\xff\xd9")
    for name in ("cat", "dog"):
        (data / name).mkdir(parents=True)
        for i, end in enumerate((b"\xff\xd9", b"", bytes(16), b"\xff\xd9")):
            (data / name / f"{i}.jpg").write_bytes(whole[:-2] + end)
    says = "this JPEG has no end marker; all its rows are there"
    odd = {f"{data}/{name}/{i}.jpg: {says}" for name in ("cat", "dog") for i in (1, 2)}
    result = vgg("train", data, "-o", tmp_path / "run", *TINY, "--epochs", 3, "--input", 16)
    told = [line for line in result.err.splitlines() if "the same picture" not in line]
    assert sorted(told) == sorted(f"vgg train: note: {line}" for line in odd)
    model = tmp_path / "run" / "best.safetensors"
    result = vgg("eval", "--model", model, data, "--part", "all")
    assert sorted(result.err.splitlines()) == sorted(f"vgg eval: note: {line}" for line in odd)
    result = vgg("predict", "--model", model, data, "--format", "json")
    assert sorted(result.err.splitlines()) == sorted(f"vgg predict: note: {line}" for line in odd)
    rows = json.loads(result.out)
    assert len({json.dumps(row["predictions"]) for row in rows}) == 1
