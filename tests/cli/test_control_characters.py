"""Names of files and classes may hold what moves a cursor; it never reaches the terminal."""
import json
import os
import pty
import shutil
import subprocess

import pytest
from conftest import PROGRAM, TINY, complaint, environment, vgg

# A bell, a colour, a new line, a delete, a control sequence in UTF-8, the same as a bare byte; and
# letters that are to stay, one of which has a byte that is a control character elsewhere.
EVIL = os.fsdecode(b"\x07 \x1b[31m\n\x7f \xc2\x9b5m \x9b ") + "\u00e9\u20ac\u5b57\U0001f600"
CLASS = EVIL.replace("\udc9b ", "")  # a class is named in UTF-8
SHOWN = "? ?[31m?? ?5m ? \u00e9\u20ac\u5b57\U0001f600"
SHOWN_CLASS = SHOWN.replace("5m ? ", "5m ")


def is_clean(text):
    raw = text.encode(errors="surrogateescape")
    letters = raw.decode("utf-8")
    return not [c for c in letters if c != "\n" and (c < " " or "\x7f" <= c < "\xa0")]


@pytest.fixture(scope="module")
def evil(pictograms, tmp_path_factory):
    """A run on data whose folder, classes and pictures have such names."""
    folder = tmp_path_factory.mktemp("evil") / EVIL
    shutil.copytree(pictograms, folder)
    for part in ("train", "validation"):
        (folder / part / "circle").rename(folder / part / CLASS)
        (folder / part / CLASS / "0000.png").rename(folder / part / CLASS / (EVIL + ".png"))
    run = folder.parent / ("run" + EVIL)
    said = vgg("train", folder, "-o", run, *TINY, "--epochs", 1)
    return folder, run, said


def test_training_says_nothing_evil(evil):
    folder, run, said = evil
    assert is_clean(said.out) and is_clean(said.err)
    assert f"\nrun       {run.parent}/run{SHOWN}\n" in said.out


@pytest.mark.parametrize("command", ["eval", "predict"])
def test_commands_to_type_next_work_all_the_same(evil, command):
    (line,) = [text for text in evil[2].out.splitlines() if f" {command} --model " in text]
    assert "$'" in line
    done = subprocess.run(["bash", "-c", line], capture_output=True, env=environment(), check=False)
    assert done.returncode == 0, done.stderr
    assert is_clean(done.stdout.decode(errors="surrogateescape"))


def test_predictions(evil):
    folder, run, _ = evil
    model, picture = run / "best.safetensors", folder / "validation" / CLASS / (EVIL + ".png")
    text = vgg("predict", "--model", model, picture, "--top", 10).out
    assert is_clean(text) and text.splitlines()[0].startswith(f"{folder.parent}/{SHOWN}/")
    assert SHOWN_CLASS in [line.split("  ")[-1] for line in text.splitlines()]
    assert is_clean(vgg("predict", "--model", model, picture, "--format", "json").out)


def test_json_means_what_the_names_are(tmp_path, model):
    names = tmp_path / "names.txt"
    name = "\x1b[31m\x7f\u009b\u00e9"
    names.write_text("".join(f"{name}{i}\n" for i in range(10)))
    vgg("convert", model, tmp_path / "named.safetensors", "--labels", names)
    text = vgg("inspect", tmp_path / "named.safetensors", "--format", "json").out
    assert is_clean(text)
    assert json.loads(text)["classes"][3] == f"{name}3"


@pytest.mark.parametrize("command", ["inspect", "bench", "convert"])
def test_names_of_models(evil, command, tmp_path):
    model = evil[1] / "last.safetensors"
    more = {"bench": ("--batch", 1, "--runs", 1), "convert": (tmp_path / (EVIL + ".pth"),)}
    out = vgg(command, model, *more.get(command, ())).out
    assert is_clean(out) and f"run{SHOWN}" in out


def test_names_that_are_generated(tmp_path):
    result = vgg("generate", tmp_path / EVIL, "--train", 1, "--validation", 1, "--size", 16)
    assert is_clean(result.out) and SHOWN in result.out
    assert " train $'" in result.out.splitlines()[-1]


def test_complaints(evil, tmp_path):
    assert SHOWN in complaint("eval", "--model", tmp_path / EVIL, "x")
    assert is_clean(complaint("predict", "--model", evil[1] / "last.safetensors", EVIL + ".png"))


def everything(terminal):
    """What was written to a terminal whose other side is closed; Linux ends it with an error."""
    read = b""
    try:
        while piece := os.read(terminal, 1 << 16):
            read += piece
    except OSError:
        pass
    return read


def test_csv(evil):
    """Names stay as they are for other programs, and are clean on a terminal."""
    folder, run, _ = evil
    picture = folder / "validation" / CLASS / (EVIL + ".png")
    line = ("predict", "--model", run / "best.safetensors", picture, "--format", "csv")
    assert EVIL + ".png" in vgg(*line).out
    ours, theirs = pty.openpty()
    subprocess.run([PROGRAM, *map(str, line)], stdout=theirs, env=environment(), check=True)
    os.close(theirs)
    shown = everything(ours).decode(errors="surrogateescape").replace("\r\n", "\n")
    os.close(ours)
    assert is_clean(shown) and SHOWN in shown
