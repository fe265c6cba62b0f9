"""Data sets that are none, broken or do not fit the model, through train and eval."""

import gzip
import io
import os
import shutil
import struct
import tarfile

import picture_files as made
import pytest
from conftest import TINY, fails, names

EXPECTED = "expected a folder per class with its pictures inside"


def refused(data, *more, says, run_folder=None, **options):
    """Training on the data fails before it begins: not even the run's folder is made."""
    into = run_folder or data.parent / "not-made"
    lines = fails("train", data, "-o", into, *TINY, *more, says=says, **options)
    assert not into.exists()
    return lines[0]


def folders(root, **classes):
    """A folder per class with so many good pictures in each."""
    for name, count in classes.items():
        (root / name).mkdir(parents=True)
        for i in range(count):
            (root / name / f"{i}.png").write_bytes(made.png(4, 4))
    return root


# ---- folders
def test_missing(tmp_path):
    refused(tmp_path / "missing", says=[tmp_path / "missing", "nothing at this path", "a data set"])


FILES = {
    "text.txt": (b"hello, world\n", "a text"),
    "empty.bin": (b"", "an empty file"),
    "picture.png": (made.PNG, "a PNG picture"),
    "picture.jpg": (made.JPEG, "a JPEG picture"),
    "mnist": (b"\0\0\x08\x03" + bytes(600), "MNIST (open the folder that holds the files)"),
    "random": (bytes(range(1, 256)) * 4, "no kind of file that is known here"),
}


@pytest.mark.parametrize("name", FILES)
def test_file_that_is_no_data_set(name, tmp_path):
    (tmp_path / name).write_bytes(FILES[name][0])
    refused(tmp_path / name, says=[tmp_path / name, FILES[name][1], "expected a folder"])


def test_zip_that_is_none(tmp_path):
    (tmp_path / "data.zip").write_bytes(b"PK\3\4" + bytes(600))
    refused(tmp_path / "data.zip", says=[tmp_path / "data.zip", "zip archive"])


def test_empty_folder(tmp_path):
    (tmp_path / "data").mkdir()
    refused(tmp_path / "data", says=[tmp_path / "data", "has no folders", EXPECTED])


def test_pictures_without_classes(tmp_path):
    folders(tmp_path, data=3)
    refused(tmp_path / "data", says=[tmp_path / "data", "pictures but no folders", EXPECTED])


def test_class_without_pictures(tmp_path):
    folders(tmp_path / "data", cat=2, dog=0, owl=2)
    refused(tmp_path / "data", says=[tmp_path / "data" / "dog", "has no pictures"])
    (tmp_path / "data" / "dog" / "notes.txt").write_text("none here")
    refused(tmp_path / "data", says=[tmp_path / "data" / "dog", "has no pictures"])


def test_class_of_folders(tmp_path):
    folders(tmp_path / "data", cat=2, owl=2)
    folders(tmp_path / "data" / "dog", small=2, large=2)
    shutil.rmtree(tmp_path / "data" / "dog" / "small")
    for path in (tmp_path / "data" / "dog" / "large").iterdir():
        path.unlink()
    refused(tmp_path / "data", says=[tmp_path / "data" / "dog", "has no pictures"])


def test_one_class(tmp_path):
    folders(tmp_path / "data", cat=4)
    refused(tmp_path / "data", says=["one class only", "cat", "at least two"])


def test_validation_class_that_is_not_trained(tmp_path):
    folders(tmp_path / "data" / "train", cat=2, kitten=2)
    folders(tmp_path / "data" / "val", cat=2, kiten=2)
    refused(tmp_path / "data",
            says=[tmp_path / "data" / "val", '"kiten"', 'did you mean "kitten"?'])


def test_validation_part_that_is_empty(tmp_path):
    folders(tmp_path / "data" / "train", cat=2, dog=2)
    (tmp_path / "data" / "val").mkdir()
    refused(tmp_path / "data", says=[tmp_path / "data" / "val", "has no folders"])


def test_nothing_to_train_on(tmp_path):
    folders(tmp_path / "data" / "test", cat=2, dog=2)
    refused(tmp_path / "data", says=[tmp_path / "data", "no train part"])


def test_pipe_and_device(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", "/dev/null", "/dev/zero"):
        fails("train", path, "-o", tmp_path / "run", says=[path, "neither a file nor a folder"])
    assert names(tmp_path) == ["pipe"]


def test_pipes_in_place_of_mnist(tmp_path):
    for name in ("train-images-idx3-ubyte", "train-labels-idx1-ubyte"):
        os.mkfifo(tmp_path / name)
    says = [tmp_path / "train-images-idx3-ubyte", "is a pipe, expected a file"]
    fails("train", tmp_path, "-o", tmp_path / "run", *TINY, says=says, timeout=3)


def test_pipe_among_the_pictures(tmp_path, spoilt):
    """A pipe without a writer must not stop the training for good."""
    os.mkfifo(spoilt / "train" / "moon" / "pipe.png")
    fails("train", spoilt, "-o", tmp_path / "run", *TINY, says=["pipe.png", "is a pipe, expected a file"],
          status=3, lines=2, silent=False, timeout=3)


# ---- pictures that cannot be read
def spoil(folder, *paths):
    for path in paths:
        (folder / path).write_bytes(made.PNG[:60])
    return [folder / path for path in paths]


def test_some_unreadable_pictures(spoilt, tmp_path):
    bad = spoil(spoilt, "train/moon/0001.png", "train/star/0002.png", "validation/ring/0000.png")
    lines = fails("train", spoilt, "-o", tmp_path / "run", *TINY, says=[*bad, "cut short"],
                  status=3, lines=4, silent=False)
    assert sorted(line.split(": ")[1] for line in lines[:3]) == sorted(f"skipped {b}" for b in bad)
    assert lines[3] == "vgg train: 3 pictures could not be read"
    assert (tmp_path / "run" / "last.safetensors").is_file()


def test_each_is_named_once(spoilt, tmp_path):
    """Not again in every epoch."""
    (bad,) = spoil(spoilt, "train/moon/0001.png")
    fails("train", spoilt, "-o", tmp_path / "run", *TINY, "--epochs", 3, lines=2, status=3,
          says=[bad, "1 picture could not be read"], silent=False)


def test_unreadable_picture_stops_a_strict_training(spoilt, tmp_path):
    (bad,) = spoil(spoilt, "train/moon/0001.png")
    fails("train", spoilt, "-o", tmp_path / "run", *TINY, "--strict", says=[bad, "cut short"],
          silent=False)
    assert [name for name in names(tmp_path / "run") if "safetensors" in name] == []


def test_all_pictures_unreadable(tmp_path):
    for kind in ("cat", "dog"):
        folders(tmp_path / "data", **{kind: 2})
        spoil(tmp_path / "data" / kind, "0.png", "1.png")
    refused(tmp_path / "data", "--validation-split", 0,
            says=[tmp_path / "data", "none of 4 pictures", "cut short"])


def test_many_unreadable_pictures_are_counted(model, spoilt):
    for path in (spoilt / "validation").rglob("*.png"):
        path.write_bytes(b"")
    (spoilt / "validation" / "moon" / "good.png").write_bytes(made.png(16, 16, rows=bytes(49 * 16)))
    for i in range(3):
        (spoilt / "validation" / "moon" / f"more-{i}.png").write_bytes(b"")
    lines = fails("eval", "--model", model, spoilt, says=["23 pictures could not be read", "20"],
                  status=3, lines=21, silent=False)
    assert sum("skipped" in line for line in lines) == 20


def test_eval_of_unreadable_pictures(model, spoilt):
    (bad,) = spoil(spoilt, "validation/ring/0000.png")
    fails("eval", "--model", model, spoilt, says=[bad, "1 picture could not be read"], status=3,
          lines=2, silent=False)
    fails("eval", "--model", model, spoilt, "--strict", says=[bad, "cut short"])
    for path in (spoilt / "validation").rglob("*.png"):
        path.write_bytes(b"")
    fails("eval", "--model", model, spoilt, says=["not one of the 20 pictures"], lines=22)


# ---- data and models that do not fit each other
def test_class_that_the_model_does_not_know(model, tmp_path):
    folders(tmp_path / "data", moon=2, strar=2)
    fails("eval", "--model", model, tmp_path / "data",
          says=[tmp_path / "data", '"strar"', 'did you mean "star"?'])


def test_more_classes_than_the_model(model, tmp_path):
    folders(tmp_path / "data", **{f"c{i:02}": 1 for i in range(11)})
    fails("eval", "--model", model, tmp_path / "data", says=[tmp_path / "data", '"c00"', "10"])


def test_part_that_is_not_there(model, tmp_path):
    folders(tmp_path / "data", moon=2, star=2)
    fails("eval", "--model", model, tmp_path / "data", "--part", "validation",
          says=[tmp_path / "data", "no validation part"])


# ---- MNIST's files
def idx_pictures(count=4, side=8, magic=0x803, more=0):
    return struct.pack(">IIII", magic, count, side, side) + bytes(count * side * side + more)


def idx_labels(count=4, magic=0x801):
    return struct.pack(">II", magic, count) + bytes(i % 2 for i in range(count))


PICTURES, LABELS = "train-images-idx3-ubyte", "train-labels-idx1-ubyte"
# (bytes of the pictures, bytes of the labels, what is said); None: no such file
IDX = {
    "cut-pictures": (idx_pictures()[:-5], idx_labels(), [PICTURES, "byte 267", "4 pictures"]),
    "cut-header": (idx_pictures()[:10], idx_labels(), [PICTURES, "byte 10", "expected"]),
    "empty": (b"", idx_labels(), [PICTURES, "byte 0", "expected"]),
    "longer": (idx_pictures(more=3), idx_labels(), [PICTURES, "272", "goes on after"]),
    "magic": (idx_pictures(magic=0x802), idx_labels(), [PICTURES, "0x00000802", "0x00000803"]),
    "label-magic": (idx_pictures(), idx_labels(magic=0x803), [LABELS, "0x00000803", "0x00000801"]),
    "swapped": (idx_labels(20), idx_pictures(), [PICTURES, "0x00000801", "0x00000803"]),
    "labels": (idx_pictures(), idx_labels(3), [LABELS, "3 labels", "expected 4"]),
    "cut-labels": (idx_pictures(), idx_labels()[:-1], [LABELS, "byte 11", "expected 12"]),
    "no-pictures": (idx_pictures(0), idx_labels(0), [PICTURES, "0 pictures", "at least 1"]),
    "huge": (idx_pictures()[:4] + b"\xff" * 12 + bytes(64), idx_labels(), [PICTURES]),
    "many": (struct.pack(">IIII", 0x803, 1 << 31, 28, 28), idx_labels(), [PICTURES, "byte 16"]),
    "no-labels": (idx_pictures(), None, ["no train-labels-idx1-ubyte beside", PICTURES]),
    "no-images": (None, idx_labels(), ["no train-images-idx3-ubyte beside", LABELS]),
    "page": (b"<!DOCTYPE html>" * 40, idx_labels(), [PICTURES, "0x3c21444f", "0x00000803"]),
    "one-class": (idx_pictures(1), idx_labels(1), ["one class only", "at least two"]),
}


@pytest.mark.parametrize("name", IDX)
def test_idx(name, tmp_path):
    (tmp_path / "data").mkdir()
    pictures, labels, says = IDX[name]
    for file, data in ((PICTURES, pictures), (LABELS, labels)):
        if data is not None:
            (tmp_path / "data" / file).write_bytes(data)
    refused(tmp_path / "data", says=[tmp_path / "data", *says])


GZIP = {
    "garbage": (b"\x1f\x8b\x08" + bytes(50), ["gz"]),
    "cut": (gzip.compress(idx_pictures(side=28))[:-12], ["byte"]),
    "damaged": (made.with_byte(gzip.compress(idx_pictures(side=28)), -6), ["gzip"]),
    "short": (gzip.compress(idx_pictures()[:-5]), ["byte 267"]),
    "bomb": (gzip.compress(struct.pack(">IIII", 0x803, 1 << 31, 28, 28) + bytes(1 << 16)),
             ["2147483648 pictures"]),
}


@pytest.mark.parametrize("name", GZIP)
def test_packed_idx(name, tmp_path):
    data, says = GZIP[name]
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / f"{PICTURES}.gz").write_bytes(data)
    (tmp_path / "data" / LABELS).write_bytes(idx_labels())
    refused(tmp_path / "data", says=[tmp_path / "data" / f"{PICTURES}.gz", *says])


# ---- CIFAR
RECORD = bytes(1 + 3 * 32 * 32)
CIFAR = {
    "cut": ({"data_batch_1.bin": RECORD * 3 + RECORD[:100]}, ["byte 9319", "record 3", "3073"]),
    "empty": ({"data_batch_1.bin": b""}, ["data_batch_1.bin", "byte 0", "3073"]),
    "label": ({"data_batch_1.bin": RECORD + b"\x0b" + RECORD[1:]},
              ["label 11", "byte 3073", "record 1"]),
    "gap": ({"data_batch_1.bin": RECORD, "data_batch_3.bin": RECORD},
            ["no data_batch_2.bin beside data_batch_3.bin"]),
    "names": ({"data_batch_1.bin": RECORD, "batches.meta.txt": b"cat\ndog\n"},
              ["batches.meta.txt", "2 names", "expected 10"]),
    "fine-label": ({"train.bin": b"\0\x64" + RECORD[1:]}, ["train.bin", "label 100", "byte 1"]),
    "python": ({"data_batch_1": b"\x80\4", "data_batch_2": b"\x80\4"},
               ["Python version of CIFAR", "binary version"]),
}


@pytest.mark.parametrize("name", CIFAR)
def test_cifar(name, tmp_path):
    files, says = CIFAR[name]
    (tmp_path / "data").mkdir()
    for file, data in files.items():
        (tmp_path / "data" / file).write_bytes(data)
    refused(tmp_path / "data", says=[tmp_path / "data", *says])


# ---- archives
def tar(files, mode="w"):
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode=mode) as archive:
        for name, data in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            archive.addfile(entry, io.BytesIO(data))
    return packed.getvalue()


GOOD = {f"set/{kind}/{i}.png": made.png(4, 4) for kind in ("cat", "dog") for i in range(3)}
ARCHIVES = {
    "cut.tar": (tar(GOOD)[:1600], ["byte 1600", "set/cat/1.png"]),
    "cut-header.tar": (tar(GOOD)[:2100], ["byte 2100"]),
    "cut.tar.gz": (tar(GOOD, "w:gz")[:-20], ["gzip"]),
    "damaged.tar.xz": (made.with_byte(tar(GOOD, "w:xz"), 100), ["xz"]),
    "checksum.tar": (made.with_byte(tar(GOOD), 1024 + 10), ["damaged tar archive"]),
    "texts.tar": (tar({"a/b.txt": b"1", "c/d.txt": b"2"}), ["no pictures"]),
    "flat.tar": (tar({"a.png": made.png(4, 4)}), ["pictures but no folders", EXPECTED]),
    "empty.tar": (tar({}), ["expected a folder"]),
    "one-class.tar": (tar({"set/cat/a.png": made.png(4, 4)}), ["one class only", "cat"]),
    "text.gz": (gzip.compress(b"hello, world\n" * 100), ["gzip", "not a tar archive"]),
    "garbage.gz": (b"\x1f\x8b\x08" + bytes(range(200)), ["gzip"]),
    "page.tar": (b"<!DOCTYPE html>" * 100, ["a text", "expected a folder"]),
}


@pytest.mark.parametrize("name", ARCHIVES)
def test_archive(name, tmp_path):
    data, says = ARCHIVES[name]
    (tmp_path / name).write_bytes(data)
    refused(tmp_path / name, says=[tmp_path / name, *says], env={"TMPDIR": str(tmp_path)})
    assert names(tmp_path) == [name]


def test_archive_that_does_not_fit_the_disk(tmp_path):
    """A packed archive is unpacked into TMPDIR."""
    files = {**GOOD, "set/cat/more.png": bytes(1 << 20)}
    (tmp_path / "data.tar.gz").write_bytes(tar(files, "w:gz"))
    refused(tmp_path / "data.tar.gz", limits={"RLIMIT_FSIZE": 200_000},
            env={"TMPDIR": str(tmp_path)},
            says=["data.tar.gz", "temporary file in", "File too large"])
    refused(tmp_path / "data.tar.gz", says=[tmp_path / "none", "No such file"],
            env={"TMPDIR": str(tmp_path / "none")})
    assert names(tmp_path) == ["data.tar.gz"]


def test_unreadable_pictures_in_an_archive(tmp_path):
    files = {**GOOD, "set/cat/bad.png": made.PNG[:60], "set/dog/page.jpg": b"<html>"}
    (tmp_path / "data.tar").write_bytes(tar(files))
    fails("train", tmp_path / "data.tar", "-o", tmp_path / "run", *TINY, "--input", 8,
          "--validation-split", 0, status=3, lines=3, silent=False,
          says=["data.tar: set/cat/bad.png", "cut short", "data.tar: set/dog/page.jpg", "HTML",
                "2 pictures could not be read"])


def test_link_out_of_an_archive(tmp_path):
    """Archives cannot name files outside of themselves."""
    packed = io.BytesIO(tar(GOOD))
    with tarfile.open(fileobj=packed, mode="a") as archive:
        entry = tarfile.TarInfo("set/cat/link.png")
        entry.type, entry.linkname = tarfile.SYMTYPE, "/etc/passwd"
        archive.addfile(entry)
    (tmp_path / "data.tar").write_bytes(packed.getvalue())
    fails("train", tmp_path / "data.tar", "-o", tmp_path / "run", *TINY, "--input", 8,
          "--validation-split", 0, says=["link.png", "link"], status=3, lines=2, silent=False)
