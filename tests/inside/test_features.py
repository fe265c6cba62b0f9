"""vgg features: every pool, scale and format against PyTorch, resuming, and what is refused."""
import csv
import os
import pathlib
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="needs PyTorch (python3-torch)")
pytest.importorskip("PIL", reason="needs Pillow (python3-pil)")

from PIL import Image  # noqa: E402

import nets  # noqa: E402
from nets import apart  # noqa: E402
from program import PROGRAM, STRUCTURE, make_model, photographs, prepared, vgg  # noqa: E402

PRESET = ("--preprocess", "torchvision")
LAYERS = {"conv5_3": 28, "relu5_3": 29, "pool5": 30, "features.8": 8}


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    folder = tmp_path_factory.mktemp("features")
    made = make_model(folder / "model.pth")
    photographs(folder / "photos", 5)
    return folder, made


def options(place, size=48):
    return "--model", place[0] / "model.pth", *STRUCTURE, *PRESET, "--input", size, "--resize", size


def activations(place, layer, size=48, pictures=None):
    folder, made = place
    with torch.no_grad():
        paths = pictures or sorted((folder / "photos").iterdir())
        return np.concatenate([made.features[:LAYERS[layer] + 1](prepared(path, size)) for path in paths])


def pooled(values, pool):
    if pool == "none":
        return values
    flat = values.reshape(*values.shape[:2], -1)
    return {"avg": flat.mean(-1), "max": flat.max(-1),
            "gem": np.maximum(flat, 1e-6).__pow__(3).mean(-1) ** (1 / 3)}[pool]


def lengths_of_one(rows):
    flat = rows.reshape(len(rows), -1)
    return (flat / np.linalg.norm(flat, axis=1, keepdims=True)).reshape(rows.shape)


@pytest.mark.parametrize("normalise", [False, True])
@pytest.mark.parametrize("pool", ["none", "avg", "max", "gem"])
def test_pools(place, tmp_path, pool, normalise):
    for layer in LAYERS:
        out = tmp_path / f"{layer}.npy"
        more = ["--normalise"] if normalise else []
        vgg("features", *options(place), "--layer", layer, "--pool", pool, *more, "-o", out, place[0] / "photos")
        expected = pooled(activations(place, layer), pool)
        found = np.load(out)
        assert found.dtype == np.float32 and found.flags.c_contiguous
        assert apart(found, lengths_of_one(expected) if normalise else expected) < 1e-5
    names = (tmp_path / "pool5.txt").read_text().splitlines()
    assert names == [str(p) for p in sorted((place[0] / "photos").iterdir())]


def test_scales_and_mirrors_are_averaged(place, tmp_path):
    expected = []
    for size in 48, 64:
        for mirrored in False, True:
            with torch.no_grad():
                rows = [place[1].features[:30](prepared(p, size).flip(3) if mirrored else prepared(p, size))
                        for p in sorted((place[0] / "photos").iterdir())]
            expected.append(lengths_of_one(pooled(np.concatenate(rows), "avg")))
    vgg("features", *options(place), "--layer", "relu5_3", "--pool", "avg", "--scale", "48,64", "--protocol", "flip",
        "--normalise", "-o", tmp_path / "a.npy", place[0] / "photos")
    assert apart(np.load(tmp_path / "a.npy"), lengths_of_one(sum(expected) / 4)) < 1e-5


def test_the_classifier_and_average_pools(place, tmp_path):
    made = place[1]
    pictures = sorted((place[0] / "photos").iterdir())
    vgg("features", *options(place), "--layer", "fc6,relu7,logits", "-o", tmp_path / "a.npz", place[0] / "photos")
    found = np.load(tmp_path / "a.npz")
    with torch.no_grad():
        x = torch.cat([made.avgpool(made.features(prepared(p, 48))).flatten(1) for p in pictures])
        for name, end in ("fc6", 1), ("relu7", 5), ("logits", 7):
            assert apart(found[name], made.classifier[:end](x)) < 1e-5
        x = torch.cat([prepared(p, 48) for p in pictures])
        for layer in made.features[:9]:
            x = torch.nn.functional.avg_pool2d(x, 2) if isinstance(layer, torch.nn.MaxPool2d) else layer(x)
    vgg("features", *options(place), "--layer", "relu2_2", "--average-pools", "-o", tmp_path / "b.npy",
        place[0] / "photos")
    assert apart(np.load(tmp_path / "b.npy"), x) < 1e-5


def read(path):
    if path.suffix == ".npz":
        found = dict(np.load(path))
        return found, list(found.pop("names"))
    if path.suffix == ".csv":
        with path.open(newline="") as file:
            head, *rows = csv.reader(file)
        layers = {name.rpartition(".")[0]: [] for name in head[1:]}
        return {layer: np.array([[float(v) for v, h in zip(row, head) if h.rpartition(".")[0] == layer]
                                 for row in rows], np.float32) for layer in layers}, [row[0] for row in rows]
    raw = path.read_bytes()
    size = int.from_bytes(raw[:8], "little")
    assert (size + 8) % 64 == 0
    import json
    described, data = json.loads(raw[8:8 + size]), raw[8 + size:]
    found = {name: np.frombuffer(data[slice(*t["data_offsets"])], {"F32": "<f4", "U8": "u1"}[t["dtype"]])
             .reshape(t["shape"]) for name, t in described.items()}
    assert max(t["data_offsets"][1] for t in described.values()) == len(data)
    return found, bytes(found.pop("names")).decode().splitlines()


@pytest.mark.parametrize("ending", ["npz", "safetensors", "csv"])
def test_formats_hold_the_same(place, tmp_path, ending):
    odd = tmp_path / 'ö, "x"'
    photographs(odd, 2)
    broken = odd / "01a.png"
    broken.write_bytes(b"no picture")
    common = (*options(place), "--layer", "relu5_3,features.8", "--pool", "avg", "-o")
    out = tmp_path / f"all.{ending}"
    said, complained = vgg("features", *common, out, odd, place[0] / "photos", status=3)
    assert "01a.png" in complained and said.splitlines() == [f"{out}: 7 x 42 of relu5_3", f"{out}: 7 x 10 of features.8"]
    pictures = [odd / "00.png", odd / "01.png", *sorted((place[0] / "photos").iterdir())]
    found, names = read(out)
    assert names == [str(p) for p in pictures]
    for layer in "relu5_3", "features.8":
        assert apart(found[layer], pooled(activations(place, layer, pictures=pictures), "avg")) < 1e-5
    assert sorted(tmp_path.iterdir()) == sorted([odd, out])


def test_safetensors_is_read_by_its_own_package(place, tmp_path):
    numpy = pytest.importorskip("safetensors.numpy", reason="needs safetensors (scripts/venv.sh)")
    vgg("features", *options(place), "--layer", "pool5", "-o", tmp_path / "a.safetensors", place[0] / "photos")
    assert apart(numpy.load_file(tmp_path / "a.safetensors")["pool5"], activations(place, "pool5")) < 1e-5


def test_alone_or_among_others_the_bits_are_the_same(place, tmp_path):
    common = (*options(place), "--layer", "relu4_2", "-o")
    pictures = sorted((place[0] / "photos").iterdir())
    vgg("features", *common, tmp_path / "all.npy", *pictures)
    for threads, i in (1, 0), (2, 3):
        vgg("features", *common, tmp_path / f"{i}.npy", "--threads", threads, pictures[i])
        assert (np.load(tmp_path / f"{i}.npy")[0] == np.load(tmp_path / "all.npy")[i]).all()
    vgg("features", *common, tmp_path / "in.npy", "-", stdin=pictures[1].read_bytes())
    assert (np.load(tmp_path / "in.npy")[0] == np.load(tmp_path / "all.npy")[1]).all()
    assert (tmp_path / "in.txt").read_text() == "-\n"


def test_a_run_that_was_ended_goes_on(place, tmp_path):
    many = tmp_path / "many"
    photographs(many, 40, size=(64, 48))
    (many / "07.png").write_bytes(b"no picture")
    common = (*options(place, 64), "--layer", "relu3_3,pool5", "--pool", "avg", "--batch", "2", "--threads", "1", "-o")
    vgg("features", *common, tmp_path / "whole.npz", many, status=3)
    out, part = tmp_path / "cut.npz", tmp_path / "cut.npz.part"
    running = subprocess.Popen([PROGRAM, "features", *map(str, (*common, out, many))], stderr=subprocess.DEVNULL)
    for _ in range(2000):
        if part.exists() and part.stat().st_size > 40 + 10 * 20:
            break
        time.sleep(0.002)
    running.send_signal(signal.SIGKILL)
    running.wait()
    assert part.exists() and not out.exists()
    for name in part, tmp_path / "cut.npz.1.part":  # ended within a record
        os.truncate(name, name.stat().st_size - 3)
    _, complained = vgg("features", *common, out, "--resume", many, status=3)
    assert out.read_bytes() == (tmp_path / "whole.npz").read_bytes()
    assert list(tmp_path.glob("cut.npz.*")) == []


def leave_part(place, tmp_path, pictures):
    """What a run leaves that was ended behind these pictures: OUT cannot take its name."""
    out = tmp_path / "sub" / "a.npy"
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "a.txt").symlink_to("none/a.txt")
    common = (*options(place), "--layer", "relu2_2", "--pool", "max", "-o", out)
    vgg("features", *common, "--overwrite", *pictures, status=1)
    (tmp_path / "sub" / "a.txt").unlink()
    return out, common


def test_only_the_same_is_gone_on_with(place, tmp_path):
    pictures = sorted((place[0] / "photos").iterdir())
    out, common = leave_part(place, tmp_path, pictures[:3])
    left = {p: p.read_bytes() for p in out.parent.iterdir()}
    assert len(left) == 2
    for change, message in (((*common, "--resume", pictures[1], pictures[0]), "picture 1 is"),
                            ((*common, "--resume", pictures[0]), "of which only 1 came"),
                            ((*common, "--resume", "--normalise", *pictures), "other features")):
        _, complained = vgg("features", *change, status=1)
        assert message in complained, complained
        assert {p: p.read_bytes() for p in out.parent.iterdir()} == left
    vgg("features", *common, "--resume", *pictures)
    assert apart(np.load(out), pooled(activations(place, "features.8"), "max")) < 1e-5
    assert sorted(p.name for p in out.parent.iterdir()) == ["a.npy", "a.txt"]


def test_without_resume_the_parts_of_an_earlier_run_are_replaced(place, tmp_path):
    pictures = sorted((place[0] / "photos").iterdir())
    out, common = leave_part(place, tmp_path, pictures[:3])
    vgg("features", *common, "--normalise", *pictures[3:])
    expected = lengths_of_one(pooled(activations(place, "features.8", pictures=pictures[3:]), "max"))
    assert apart(np.load(out), expected) < 1e-5
    assert sorted(p.name for p in out.parent.iterdir()) == ["a.npy", "a.txt"]


@pytest.mark.parametrize("more", [(), ("--resume",), ("--overwrite",)])
@pytest.mark.parametrize("name", ["a.npy.part", "a.npy.0.part"])
def test_parts_of_others_stay(place, tmp_path, name, more):
    (tmp_path / name).write_text("mine")
    _, complained = vgg("features", *options(place), "--layer", "pool5", "-o", tmp_path / "a.npy", *more,
                        place[0] / "photos", status=1)
    assert f"{name}: is no part of a file of features" in complained
    assert [(p.name, p.read_text()) for p in tmp_path.iterdir()] == [(name, "mine")]


def test_a_text_of_that_name_stays_unless_it_may_be_replaced(place, tmp_path):
    notes = tmp_path / "notes.txt"
    notes.write_text("mine")
    for out in "notes.npy", "notes.NPY":
        common = (*options(place), "--layer", "pool5", "-o", tmp_path / out, place[0] / "photos")
        _, complained = vgg("features", *common, status=1)
        assert f"{notes}: is there already; --overwrite replaces it" in complained
        assert list(tmp_path.iterdir()) == [notes] and notes.read_text() == "mine"
    vgg("features", *common, "--overwrite")
    assert len(notes.read_text().splitlines()) == 5


def test_what_is_not_a_number_goes_through_no_pool(place, tmp_path):
    """Two channels overflow where the picture is white and are 0 where it is black; their difference
    is 0 in the first place and not a number in others."""
    state = torch.load(place[0] / "model.pth")
    for name in "features.0", "features.2":
        state[f"{name}.weight"].zero_()
        state[f"{name}.bias"].zero_()
    state["features.0.weight"][:2, :, 1, 1] = 3e38
    state["features.2.weight"][0, 0, 1, 1], state["features.2.weight"][0, 1, 1, 1] = 1, -1
    torch.save(state, tmp_path / "wide.pth")
    values = np.zeros((48, 48, 3), np.uint8)
    values[24:] = 255
    Image.fromarray(values).save(tmp_path / "halves.png")
    for pool in "none", "avg", "max", "gem":
        _, complained = vgg("features", "--model", tmp_path / "wide.pth", *options(place)[2:], "--exact", "--layer",
                            "conv1_2", "--pool", pool, "-o", tmp_path / "a.npy", tmp_path / "halves.png", status=1)
        assert "a feature is not a finite number" in complained
    assert not (tmp_path / "a.npy").exists()


def test_what_is_refused(place, tmp_path):
    photo = place[0] / "photos" / "00.png"
    (tmp_path / "there.npy").write_bytes(b"")
    bad = tmp_path / "bad.png"
    bad.write_bytes(b"x")
    for arguments, message, status in (
            (("--layer", "relu5_3", photo), "-o OUT is missing", 2),
            (("-o", tmp_path / "a.npy", photo), "--layer LAYER is missing", 2),
            (("--layer", "relu9_9", "-o", tmp_path / "a.npy", photo), "no layer relu9_9", 2),
            (("--layer", "pool5,", "-o", tmp_path / "a.npz", photo), "no layer", 2),
            (("--layer", "pool5,pool5", "-o", tmp_path / "a.npz", photo), "two arrays called pool5", 2),
            (("--layer", "pool5", "-o", tmp_path / "a.txt", photo), "--out: expected a name that ends in", 2),
            (("--layer", "pool5,pool4", "-o", tmp_path / "a.npy", photo), "one array", 2),
            (("--layer", "pool5", "-o", tmp_path / "a.csv", photo), "no place for the maps", 2),
            (("--layer", "pool5", "-o", tmp_path / "there.npy", photo), "--overwrite replaces it", 1),
            (("--layer", "pool5", "--scale", "48", "-o", tmp_path / "a.npy", photo), "needs a pool", 2),
            (("--layer", "pool5", "--scale", "0", "--pool", "avg", "-o", tmp_path / "a.npy", photo), "scales", 2),
            (("--layer", "pool5", "-o", tmp_path / "a.npy", bad), "bad.png", 1)):
        _, complained = vgg("features", *options(place), *arguments, status=status)
        assert message in complained, complained
    assert sorted(p.name for p in tmp_path.iterdir()) == ["bad.png", "there.npy"]
    vgg("features", *options(place), "--layer", "pool5", "-o", tmp_path / "there.npy", "--overwrite", photo)
    assert np.load(tmp_path / "there.npy").shape == (1, 42, 1, 1)


def test_without_a_model_it_is_the_one_in_the_box(place, tmp_path):
    if "builtin" not in vgg("features", "--help")[0]:
        pytest.skip("built without the model in the box")
    vgg("features", "--layer", "relu1_1", "--pool", "avg", "-o", tmp_path / "a.npy", place[0] / "photos")
    assert np.load(tmp_path / "a.npy").shape[0] == 5


@pytest.mark.skipif(not nets.PLAIN, reason="sanitizers keep freed memory")
def test_memory_does_not_grow_with_the_pictures(place, tmp_path):
    pictures = [pathlib.Path(p) for p in sorted((place[0] / "photos").iterdir())]
    common = (*options(place), "--layer", "relu1_1", "--batch", "2", "--threads", "1", "-o")

    def peak(count):
        code = ("import resource, subprocess, sys; subprocess.run(sys.argv[1:], check=True, stdout=2);"
                "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)")
        return int(subprocess.run([sys.executable, "-c", code, PROGRAM, "features", *map(str, common),
                                   str(tmp_path / f"{count}.npy"), *map(str, (pictures * 40)[:count])],
                                  capture_output=True, text=True, check=True).stdout)
    assert peak(200) < peak(8) + 6000  # kB; the 192 more have 9,000, written in pieces of 4,000
