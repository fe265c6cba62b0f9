"""vgg style: pictures that it makes, going on after an end of any kind, and what is refused."""
import os
import signal
import subprocess
import time

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="needs PyTorch (python3-torch)")
pytest.importorskip("PIL", reason="needs Pillow (python3-pil)")

from PIL import Image  # noqa: E402

from program import PROGRAM, draw, make_model, vgg  # noqa: E402

SIZE = (80, 64)


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    folder = tmp_path_factory.mktemp("style")
    made = make_model(folder / "whole.pth")
    torch.save({key: value.float() for key, value in made.features.state_dict().items()}, folder / "model.pth")
    for i, name in enumerate(("content", "first", "second")):
        draw(folder / f"{name}.png", i, SIZE)
    draw(folder / "speck.png", 3, (3, 3))
    return folder


def command(place, *more):
    return ["style", "--model", "model.pth", "content.png", "--style", "first.png", *more]


def paint(place, out, *more, status=0):
    return vgg(*command(place, "-o", out, *more), cwd=place, status=status)


def test_pictures(place):
    """Of CONTENT's proportions; nearer to the style than it, and the same each time."""
    said, notes = paint(place, "a.png", "--iterations", 12, "--size", 64)
    assert said.startswith("64x51 pixels, 12 iterations; up to ") and "torchvision's figures are taken" in notes
    assert "after 12 iterations" in said and "wrote a.png in " in said
    assert Image.open(place / "a.png").size == (64, 51) and not (place / "a.png.part").exists()
    paint(place, "b.png", "--iterations", 12, "--size", 64, "--threads", 1, "--save-every", 5, "--preview", "now.png")
    assert (place / "a.png").read_bytes() == (place / "b.png").read_bytes() == (place / "now.png").read_bytes()
    def far(name):
        return float(vgg("distance", "--model", place / "model.pth", "--metric", "gram", "--size", "51x64", place / name,
                         place / "first.png")[0].partition("gram: ")[2].split()[0])
    assert far("a.png") < far("content.png") / 2


def test_weights_of_styles(place):
    """Only their shares count; names with colons are names."""
    (place / "first.png:2").write_bytes((place / "first.png").read_bytes())
    made = []
    for styles in (("second.png:3", "first.png"), ("second.png:0.75", "first.png:0.25"), ("second.png:3", "first.png:2"),
                   ("second.png", "first.png")):
        words = [word for name in styles for word in ("--style", name)]
        vgg("style", "--model", "model.pth", "content.png", *words, "-o", "w.png", "--iterations", 3, "--size", 32,
            "--overwrite", cwd=place)
        made.append((place / "w.png").read_bytes())
    assert made[0] == made[1] == made[2] != made[3]


def test_starts(place):
    found = set()
    for start in ("content", "noise", "second.png"):
        paint(place, "s.png", "--iterations", 1, "--size", 32, "--start", start, "--overwrite")
        found.add((place / "s.png").read_bytes())
    assert len(found) == 3
    grey = np.asarray(Image.open(place / "content.png").convert("L"))
    Image.fromarray(grey).save(place / "grey.png")
    vgg("style", "--model", "model.pth", "grey.png", "--style", "grey.png", "-o", "g.png", "--iterations", 2, cwd=place)
    assert Image.open(place / "g.png").mode == "RGB"


# What keeps the file that is gone on from small.
SMALL = ("--size", "32", "--history", "5")


def start(place, out, *more):
    """One that is ended before its end: each iteration is saved."""
    words = command(place, "-o", out, "--iterations", "90", *SMALL, "--save-every", "1", *more)
    return subprocess.Popen([PROGRAM, *words], cwd=place, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                            env={**os.environ, "LC_ALL": "C"}, preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL))


def end(process, number, part):
    """Ends it behind its first saving."""
    while not part.exists() and process.poll() is None:
        time.sleep(0.001)
    process.send_signal(number)
    return process.communicate(timeout=60)


def test_goes_on(place):
    """To the same bytes after SIGKILL and Ctrl-C, and further than was wanted at first."""
    part = place / "part.png.part"
    for number, more in (signal.SIGKILL, 90), (signal.SIGINT, 95):
        process = start(place, "part.png", "--overwrite")
        said, notes = end(process, number, part)
        assert process.returncode == (-9 if number == signal.SIGKILL else 130) and part.exists()
        if number == signal.SIGINT:
            assert "stopping after this iteration" in notes and "stopped after iteration" in said
            assert said.rstrip().endswith("--overwrite --resume")
        paint(place, "part.png", "--iterations", more, *SMALL, "--overwrite", "--resume")
        paint(place, "whole.png", "--iterations", more, *SMALL, "--overwrite")
        assert (place / "part.png").read_bytes() == (place / "whole.png").read_bytes() and not part.exists()


def test_what_is_left_is_not_lost(place):
    process = start(place, "left.png")
    end(process, signal.SIGINT, place / "left.png.part")
    left = (place / "left.png.part").read_bytes()
    assert "--resume goes on, and --overwrite begins anew" in paint(place, "left.png", *SMALL, status=1)[1]
    error = paint(place, "left.png", *SMALL, "--style-weight", 7, "--resume", status=1)[1]
    assert "another style" in error and (place / "left.png.part").read_bytes() == left
    (place / "left.png.part").write_bytes(b"something else")
    for more in (), ("--overwrite",), ("--resume",):
        paint(place, "left.png", *more, status=1)
        assert (place / "left.png.part").read_bytes() == b"something else" and not (place / "left.png").exists()


def test_previews_of_others_are_kept(place):
    """--resume replaces one only where it goes on from something."""
    before = (place / "second.png").read_bytes()
    error = paint(place, "p.png", *SMALL, "--iterations", 2, "--resume", "--preview", "second.png", status=1)[1]
    assert "second.png: is there already" in error and (place / "second.png").read_bytes() == before
    assert not (place / "p.png").exists()
    (place / "own.png").write_bytes(before)
    end(start(place, "p.png"), signal.SIGINT, place / "p.png.part")
    paint(place, "p.png", *SMALL, "--iterations", 90, "--resume", "--preview", "own.png")
    assert (place / "own.png").read_bytes() == (place / "p.png").read_bytes()


def test_fewer_iterations_are_refused(place):
    end(start(place, "fewer.png", "--history", "2"), signal.SIGINT, place / "fewer.png.part")
    left = (place / "fewer.png.part").read_bytes()
    error = paint(place, "fewer.png", "--size", 32, "--history", 2, "--iterations", 1, "--resume", status=1)[1]
    assert "an ended run has left it in iteration" in error and "expected --iterations" in error
    error = paint(place, "fewer.png", "--size", 32, "--history", 1, "--iterations", 90, "--resume", status=1)[1]
    assert "a history of 2, expected 1" in error and (place / "fewer.png.part").read_bytes() == left


def test_divergence(place):
    """Where a move leads to no number, the picture before it is kept; the weights are not blamed."""
    weights = torch.load(place / "model.pth")
    first = next(key for key in weights if key.endswith("weight"))
    torch.save({**weights, first: weights[first] * 1e4}, place / "steep.pth")
    words = ("style", "--model", "steep.pth", "content.png", "--style", "first.png", "--size", 32, "--start", "noise")
    _, notes = vgg(*words, "-o", "steep.png", "--iterations", 60, cwd=place, status=1)
    assert "the optimisation diverged" in notes and "weights" not in notes
    good = notes.partition("steep.png: is the picture after iteration ")[2].partition(",")[0]
    assert int(good) > 0 and not (place / "steep.png.part").exists()
    vgg(*words, "-o", "good.png", "--iterations", good, cwd=place)
    assert (place / "good.png").read_bytes() == (place / "steep.png").read_bytes()


def test_nothing_is_lost_where_it_cannot_be_written(place):
    """OUT becomes a folder on the way: all is kept in OUT.part, and --resume ends it."""
    process = start(place, "full.png")
    while process.poll() is None and not (place / "full.png.part").exists():
        time.sleep(0.001)
    (place / "full.png").mkdir()
    said, notes = process.communicate(timeout=60)
    assert process.returncode == 1 and "full.png.part: is kept instead, and --resume makes full.png of it" in notes
    assert "wrote" not in said
    (place / "full.png").rmdir()
    said, _ = paint(place, "full.png", "--iterations", 90, *SMALL, "--resume")
    assert "after 90 iterations" in said and not (place / "full.png.part").exists()
    paint(place, "plain.png", "--iterations", 90, *SMALL)
    assert (place / "full.png").read_bytes() == (place / "plain.png").read_bytes()


REFUSED = {
    "no style": (["style", "content.png", "-o", "x.png"], 2, "--style PICTURE is missing"),
    "no output": (["style", "content.png", "--style", "first.png"], 2, "-o OUT.png is missing"),
    "jpeg": (["style", "content.png", "--style", "first.png", "-o", "x.jpg"], 2, "ends in .png"),
    "preview over output": (["style", "content.png", "--style", "first.png", "-o", "x.png", "--preview", "x.png"], 2,
                            "expected another file"),
    "preview under another name": (["style", "content.png", "--style", "first.png", "-o", "x.png", "--preview", "./x.png"],
                                   2, "expected another file"),
    "there already": (["style", "content.png", "--style", "first.png", "-o", "content.png"], 1, "is there already"),
    "preview there already": (["style", "content.png", "--style", "first.png", "-o", "x.png", "--preview", "first.png"], 1,
                              "is there already"),
    "no folder": (["style", "content.png", "--style", "first.png", "-o", "none/x.png"], 1, "none"),
    "weight": (["style", "--model", "model.pth", "content.png", "--style", "first.png:-1", "-o", "x.png"], 2, "above 0"),
    "missing": (["style", "--model", "model.pth", "content.png", "--style", "none.png", "-o", "x.png"], 1, "none.png"),
    "layer": (["style", "--model", "model.pth", "content.png", "--style", "first.png", "-o", "x.png", "--content-layer",
               "relu9_9"], 2, "relu9_9"),
    "tiny": (["style", "--model", "model.pth", "content.png", "--style", "first.png", "-o", "x.png", "--size", "3"], 2,
             "vgg style: input 2x3 is too small"),
    "tiny content": (["style", "--model", "model.pth", "speck.png", "--style", "first.png", "-o", "x.png"], 1,
                     "vgg style: input 3x3 is too small"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused(place, name):
    words, status, says = REFUSED[name]
    before = sorted(os.listdir(place))
    assert says in vgg(*words, cwd=place, status=status)[1]
    assert sorted(os.listdir(place)) == before
