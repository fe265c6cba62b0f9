"""Random VGG-like networks in files of every format: each gives what PyTorch computes, or is refused
with a reason or a question, and what was only assumed is said. VGG_MANY_NETWORKS is how many, and
VGG_MANY_SEED the number of the first (make many-networks)."""

import json
import os

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("h5py")

from conftest import LOGITS, in_order, ran
import many_networks as many

COUNT = int(os.environ.get("VGG_MANY_NETWORKS", 100))
SEED = int(os.environ.get("VGG_MANY_SEED", 1))
# Runs of the program are what takes the time: a test has some of the networks.
AT_ONCE = 10


def predict(path, picture, *options):
    return ran(*LOGITS, path, "--preprocess", "unit", "--exact", *options, picture)


def agree(found, expected):
    scale = max(1.0, max(abs(v) for v in expected))
    return len(found) == len(expected) and all(
        abs(a - b) <= 1e-5 * scale for a, b in zip(found, expected))


def unproven(network, name):
    """The parts of a network that no file of its kind shows, by what is said when they are assumed."""
    words = []
    if network.average and name in ("net.pth", "net.safetensors", "net-weights-only.h5"):
        words.append("max-pools")
    # Keras's convention: a layer that no activation is listed behind has a ReLU in itself.
    if name in ("net.weights.h5", "net-weights-only.h5") and network.behind_hidden in ("nothing", "dropout"):
        words.append("ReLUs")
    return words


def check(network, name, path, picture, expected, options, must):
    done = predict(path, picture, *options)
    what = f"{name} of {network.arch()} {network.told()}: {done}"
    if done.returncode != 0:
        assert len(done.stderr.splitlines()) == 1 and done.returncode == 1, what
        assert str(path) in done.stderr and not must, what
        return "asked" if "--" in done.stderr else "refused"
    found = in_order(done.stdout)
    if agree(found, expected):
        return "agrees"
    said = done.stderr
    assert not must and any(word in said and "assumed" in said for word in unproven(network, name)), (
        what, found, expected)
    return "assumed"


def run(number, folder):
    """The outcomes for one network in some formats, without options and with its input's size."""
    network = many.Network(np.random.default_rng([SEED, number]))
    pixels = network.picture()
    picture = folder / "picture.pnm"
    kind = b"P6" if network.channels == 3 else b"P5"
    picture.write_bytes(kind + b"\n%d %d\n255\n" % pixels.shape[1::-1] + pixels.tobytes())
    names = [n for n in many.WRITERS if many.can_hold(network, n)]
    outcomes = []
    for name in network.draw.permutation(names)[:3]:
        path = folder / name
        modules = many.WRITERS[name](network, path)
        expected = network.logits(modules, pixels)
        told = network.told()
        # A graph says all by itself; exporters fold normalisations, and write a convolution that sees
        # all of its input at once like a linear layer.
        graph = name in ("net.onnx", "net.h5", "net.keras")
        for options, must in (([], graph), (told[-2:], graph), ([] if graph else told, True)):
            outcomes.append((str(name), len(options),
                             check(network, name, path, picture, expected, options, must)))
    return outcomes


@pytest.mark.parametrize("first", range(0, COUNT, AT_ONCE))
def test_networks(first, tmp_path):
    outcomes = []
    for number in range(first, min(first + AT_ONCE, COUNT)):
        outcomes += run(number, tmp_path)
    tally = os.environ.get("VGG_MANY_TALLY")
    if tally:
        with open(tally, "a", encoding="utf-8") as file:
            file.write("".join(json.dumps(o) + "\n" for o in outcomes))
    assert sum(o == "agrees" for *_, o in outcomes) >= len(outcomes) / 3
