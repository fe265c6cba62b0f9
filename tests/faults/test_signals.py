"""Signals: what ends the program, what it says, and that nothing half written stays."""

import os
import pathlib
import shutil
import signal
import subprocess
import sys
import time

import failing_calls
import pytest
from conftest import PROGRAM, names, run

preloaded = pytest.mark.skipif(not failing_calls.LIBRARY.exists(),
                               reason="calls are caught on Linux, without sanitizers")


def at_call(number, kind, *words, **environment):
    """Runs with the signal before that call of the system; the status and standard error."""
    status, _, complaint = run(*words, env={
        "LD_PRELOAD": str(failing_calls.LIBRARY), "FAIL_CALLS": "files", "FAIL_AT": str(number),
        "FAIL_ONCE": "1", "FAIL_HOW": f"signal {int(kind)}", **environment})
    return status, complaint


def calls_of(tmp_path, *words):
    """How many calls of the system it makes that touch files."""
    count = tmp_path / "count"
    assert run(*words, env={"LD_PRELOAD": str(failing_calls.LIBRARY), "FAIL_CALLS": "files",
                            "FAIL_COUNT_TO": str(count)})[0] == 0
    return int(count.read_text())


LINES = {signal.SIGINT: "interrupted", signal.SIGTERM: "ended by SIGTERM",
         signal.SIGHUP: "ended by SIGHUP"}


@preloaded
@pytest.mark.parametrize("kind", LINES)
@pytest.mark.parametrize("before", [False, True], ids=["new", "there"])
def test_converting_at_every_call(kind, before, model, tmp_path):
    """The file is what it was or what it becomes, and there is no other."""
    folder = tmp_path / "out"
    folder.mkdir()
    out = folder / "model.pth"
    words = ("convert", model, out, "--overwrite")
    calls = calls_of(tmp_path, *words)
    whole = out.read_bytes()
    for number in range(1, calls + 1):
        out.unlink(missing_ok=True)
        if before:
            out.write_bytes(b"what was there")
        status, complaint = at_call(number, kind, *words)
        assert status == -kind and complaint == f"vgg convert: {LINES[kind]}\n"
        assert names(folder) in (["model.pth"], [] if not before else ["model.pth"])
        assert not out.exists() or out.read_bytes() in (whole, b"what was there")


@preloaded
def test_generating_at_every_call(tmp_path):
    words = ("generate", tmp_path / "out", "--train", 1, "--validation", 0, "--size", 16)
    calls = calls_of(tmp_path, *words)
    assert calls > 50
    for number in range(1, calls + 1, 3):
        shutil.rmtree(tmp_path / "out")
        status, complaint = at_call(number, signal.SIGTERM, *words)
        assert status == -signal.SIGTERM and complaint == "vgg generate: ended by SIGTERM\n"
        for path in (tmp_path / "out").rglob("*"):
            assert path.is_dir() or path.read_bytes().endswith(b"IEND\xae\x42\x60\x82")
        (tmp_path / "out").mkdir(exist_ok=True)


@preloaded
@pytest.mark.parametrize("kind", [signal.SIGINT, signal.SIGKILL])
def test_sorting_at_every_call(kind, model, pictograms, tmp_path):
    """What has its name is whole; the second time does the rest."""
    pictures = sorted((pictograms / "validation").glob("*/0000.png"))[:4]
    words = ("predict", "--model", model, *pictures, "--sort-into", tmp_path / "out", "--threads", 1)
    calls = calls_of(tmp_path, *words)
    expected = {path: path.read_bytes() for path in (tmp_path / "out").rglob("*.png")}
    assert len(expected) == len(pictures)
    for number in range(1, calls + 1, 2):
        shutil.rmtree(tmp_path / "out")
        status, complaint = at_call(number, kind, *words)
        assert status == -kind
        found = {path: path.read_bytes() for path in (tmp_path / "out").rglob("*") if path.is_file()}
        left = {path for path in found if path.name.startswith(".vgg-")}
        assert kind == signal.SIGKILL or not left
        assert all(expected[path] == found[path] for path in found.keys() - left)
        run(*words)
        found = {path: path.read_bytes() for path in (tmp_path / "out").rglob("*.png")}
        assert found == expected


@preloaded
def test_writing_a_page_at_every_call(model, pictograms, tmp_path):
    """It is what it was or a whole one, and nothing is beside it."""
    page = tmp_path / "out" / "page.html"
    page.parent.mkdir()
    words = ("eval", "--model", model, pictograms, "--report", page, "--overwrite")
    calls = calls_of(tmp_path, *words)
    for number in range(calls - 30, calls):
        page.write_text("what was there")
        status, complaint = at_call(number, signal.SIGTERM, *words)
        assert status == -signal.SIGTERM and complaint == "vgg eval: ended by SIGTERM\n"
        assert names(page.parent) == ["page.html"]
        assert page.read_text() == "what was there" or page.read_text().endswith("</html>\n")


@preloaded
def test_killed_at_every_call(model, tmp_path):
    """What was there stays, whatever is left beside it."""
    out = tmp_path / "model.pth"
    words = ("convert", model, out, "--overwrite")
    calls = calls_of(tmp_path, *words)
    whole = out.read_bytes()
    for number in range(1, calls + 1):
        out.write_bytes(b"what was there")
        status, complaint = at_call(number, signal.SIGKILL, *words)
        assert status == -signal.SIGKILL and complaint == ""
        assert out.read_bytes() in (whole, b"what was there")


def start(*words):
    def as_shells_start_it():
        for kind in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGPIPE):
            signal.signal(kind, signal.SIG_DFL)

    return subprocess.Popen([PROGRAM, *map(str, words)], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                            stderr=subprocess.PIPE, preexec_fn=as_shells_start_it)


@pytest.mark.parametrize("kind", LINES)
def test_waiting_for_a_picture(kind, model):
    waiting = start("predict", "--model", model, "-")
    time.sleep(0.3)
    waiting.send_signal(kind)
    _, complaint = waiting.communicate(timeout=10)
    assert waiting.returncode == -kind and complaint.decode() == f"vgg predict: {LINES[kind]}\n"


def test_ignored_from_the_start(model, picture):
    """As under nohup."""
    waiting = subprocess.Popen([PROGRAM, "predict", "--model", model, "-"], stdin=subprocess.PIPE,
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                               preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_IGN))
    time.sleep(0.3)
    waiting.send_signal(signal.SIGHUP)
    printed, complaint = waiting.communicate(picture.read_bytes(), timeout=10)
    assert waiting.returncode == 0 and printed and not complaint


def test_nobody_reads(model, pictograms):
    """`vgg predict ... | head`: without a word."""
    printing = start("predict", "--model", model, *[pictograms] * 50)
    assert printing.stdout.readline()
    printing.stdout.close()
    complaint = printing.stderr.read()
    assert printing.wait(10) == -signal.SIGPIPE and complaint == b""


@pytest.mark.skipif(sys.platform != "linux", reason="as Linux tells of pages that are gone")
def test_model_that_is_shortened(model, picture, tmp_path):
    """Its weights are mapped: the program says why it ends, and does not crash."""
    path = pathlib.Path(shutil.copy(model, tmp_path / "model.safetensors"))
    printing = start("predict", "--model", path, picture, "-")
    time.sleep(0.3)
    os.truncate(path, 10)
    printed, complaint = printing.communicate(picture.read_bytes(), timeout=10)
    assert printing.returncode == 1
    assert complaint.decode() == (
        f"vgg predict: {path}: was made shorter by somebody else while it was read\n")
