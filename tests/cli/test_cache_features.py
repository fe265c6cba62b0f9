"""vgg train --cache-features: the same training from what the frozen layers give."""

import json
import re
import shutil
import struct

import pytest
from conftest import complaint, vgg

FROZEN = ("--freeze", 1, "--batch", 8, "--epochs", 2, "--lr", 0.01)


def weights(path):
    """The tensors without the notes, which have the options."""
    data = path.read_bytes()
    (size,) = struct.unpack("<Q", data[:8])
    return data[8 + size:]


def steps(run):
    lines = [json.loads(line) for line in (run / "log.jsonl").read_text().splitlines()]
    return [{key: value for key, value in line.items() if key not in ("images_per_s", "waited")}
            for line in lines]


@pytest.mark.parametrize("more", [("--no-augment",), ("--no-crop",), ("--no-crop", "--flip", "alternate"),
                                  ("--no-crop", "--micro-batch", 3, "--ema", 0.9)])
def test_same_training(pictograms, trained, tmp_path, more):
    start = ("--from", trained / "best.safetensors", *FROZEN, *more)
    plain, cached = tmp_path / "plain", tmp_path / "cached"
    vgg("train", pictograms, "-o", plain, *start)
    out = vgg("train", pictograms, "-o", cached, *start, "--cache-features", "--threads", 1).out
    assert re.search(r"^features  \S+ [kM]?B on the disk while it trains\n", out, re.M), out
    for name in ("last.safetensors", "best.safetensors", "state.safetensors"):
        assert weights(plain / name) == weights(cached / name), name
    assert steps(plain) == steps(cached)
    assert not (cached / "features.cache").exists()


def test_views(pictograms, trained, tmp_path):
    """Views that were not asked for are off; those that were are refused."""
    start = ("--from", trained / "best.safetensors", *FROZEN, "--cache-features")
    out = vgg("train", pictograms, "-o", tmp_path / "a", *start, "--recipe", "finetune").out
    assert "views     random flip; random order\n" in out
    assert "--resized-crop 0 " in " ".join(out.split())
    line = complaint("train", pictograms, "-o", tmp_path / "b", *start, "--color-jitter", 0.2, status=2)
    assert line == ("vgg train: --color-jitter: cannot be had with --cache-features, which knows a "
                    "picture and its mirror image only; leave out either")
    line = complaint("train", pictograms, "-o", tmp_path / "b", *start, "--crop", status=2)
    assert line.startswith("vgg train: --crop: cannot be had with --cache-features")
    line = complaint("train", pictograms, "-o", tmp_path / "b", "--from",
                     trained / "best.safetensors", "--cache-features", status=2)
    assert line == ("vgg train: --cache-features: has nothing to keep, as the first layer is trained; "
                    "give --freeze with it")
    assert not (tmp_path / "b").exists()


def test_resumed(pictograms, trained, tmp_path):
    """A run that stopped keeps its features, and one whose data changed computes them again."""
    start = ("--from", trained / "best.safetensors", *FROZEN, "--cache-features")
    vgg("train", pictograms, "-o", tmp_path / "whole", *start, "--epochs", 3)
    data, run = tmp_path / "data", tmp_path / "run"
    shutil.copytree(pictograms, data)
    vgg("train", data, "-o", run, *start)
    vgg("train", data, "-o", run, "--resume", "--epochs", 3)
    assert weights(run / "last.safetensors") == weights(tmp_path / "whole/last.safetensors")
    shutil.copy(data / "train/star/0001.png", data / "train/star/0000.png")
    line = complaint("train", data, "-o", run, "--resume", "--epochs", 4)
    assert "the data is not what the run" in line
    vgg("train", data, "-o", run, "--resume", "--epochs", 4, "--allow-changed-data")
    line = complaint("train", data, "-o", run, "--resume", "--epochs", 5, "--allow-changed-data",
                     "--crop", status=2)
    assert line.startswith("vgg train: --crop: cannot be had with --cache-features")


def test_unreadable_pictures(spoilt, trained, tmp_path):
    start = ("--from", trained / "best.safetensors", *FROZEN)
    plain = vgg("train", spoilt, "-o", tmp_path / "plain", *start, "--no-crop", status=3)
    cached = vgg("train", spoilt, "-o", tmp_path / "cached", *start, "--cache-features", status=3)
    assert (weights(tmp_path / "plain/last.safetensors")
            == weights(tmp_path / "cached/last.safetensors"))
    assert steps(tmp_path / "plain") == steps(tmp_path / "cached")
    assert sorted(plain.err.splitlines()) == sorted(cached.err.splitlines())


def test_dry_run(pictograms, trained, tmp_path):
    start = ("--from", trained / "best.safetensors", *FROZEN, "--cache-features", "--dry-run")
    out = vgg("train", pictograms, *start, cwd=tmp_path).out
    assert re.search(r"^time      about \d:\d\d an epoch, \d:\d\d for the features, \d:\d\d in all", out,
                     re.M)
    assert re.search(r"^features  \S+ [kM]?B more on the disk while it trains\n", out, re.M)
    assert not list(tmp_path.iterdir())


def test_the_file_of_vgg_probe_is_another(pictograms, trained, tmp_path):
    """Neither takes the other's, nor replaces it."""
    run, cache = tmp_path / "run", tmp_path / "probe.cache"
    probe = ("probe", pictograms, "--layer", "relu4_1", "--c", 0.01, "--cache-features", cache)
    vgg(*probe, "-o", tmp_path / "probe.safetensors")
    kept = cache.read_bytes()
    vgg("train", pictograms, "-o", run, "--from", trained / "best.safetensors", *FROZEN, "--cache-features")
    shutil.copy(cache, run / "features.cache")
    line = complaint("train", pictograms, "-o", run, "--resume", "--epochs", 3)
    assert line.endswith("features.cache: has cached features of a data set, expected those of a training; move it away")
    assert (run / "features.cache").read_bytes() == kept
    foreign = kept[:-48] + b"vgg features 1\0\0" + kept[-32:]
    cache.write_bytes(foreign)
    line = vgg(*probe, "-o", tmp_path / "other.safetensors", status=1).err.splitlines()[-1]
    assert line.endswith("probe.cache: has cached features of a training, expected those of a data set; move it away")
    assert cache.read_bytes() == foreign
