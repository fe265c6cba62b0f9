"""Progress on a terminal, which a pseudo-terminal stands in for."""

import fcntl
import os
import pty
import re
import select
import shutil
import signal
import struct
import subprocess
import termios
import time

import pytest
from conftest import PROGRAM, TIMEOUT, TINY, complaint, environment, vgg


class Terminal:
    """A command whose three streams are a terminal of the given width."""

    def __init__(self, *arguments, columns=80, **env):
        self.side, other = pty.openpty()
        fcntl.ioctl(other, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
        self.process = subprocess.Popen(
            [PROGRAM, *map(str, arguments)], stdin=other, stdout=other, stderr=other,
            env=environment(**env), start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0))
        os.close(other)
        self.text = b""

    def read(self, until=None):
        """Reads to the end, or until the pattern has been seen."""
        end = time.monotonic() + TIMEOUT
        while time.monotonic() < end and not (until and re.search(until, self.text)):
            if not select.select([self.side], [], [], 1)[0]:
                continue
            try:
                piece = os.read(self.side, 65536)
            except OSError:  # the other side is closed
                break
            if not piece:
                break
            self.text += piece
        return self.text.decode()

    def type(self, keys):
        os.write(self.side, keys)

    def status(self):
        self.read()
        os.close(self.side)
        return self.process.wait(TIMEOUT)


def screen(text):
    """The lines that are left to see after drawing over."""
    return [re.sub(r"\033\[K", "", line.split("\r\033[K")[-1].rstrip("\r"))
            for line in text.split("\n")]


def drawings(text):
    return [piece.split("\r")[0].split("\n")[0]
            for piece in colourless(text).split("\r\033[K")[1:]]


def test_bar_and_permanent_lines(pictograms, tmp_path):
    terminal = Terminal("train", pictograms, "-o", tmp_path / "run", *TINY, "--epochs", 3)
    text = colourless(terminal.read())
    assert terminal.status() == 0
    bars = [drawing for drawing in drawings(text) if "[" in drawing]
    assert bars and all(re.match(r"epoch \d/3  \[#* *\]  ", bar) for bar in bars)
    assert any("images/s" in bar and "left" in bar and "loss" in bar for bar in bars)
    seen = screen(text)
    permanent = [line for line in seen if line.startswith("epoch ")]
    assert len(permanent) == 3 and all(len(line) <= 80 for line in permanent)
    assert not any("[" in line for line in seen)


def test_drawn_at_most_ten_times_a_second(pictograms, tmp_path):
    started = time.monotonic()
    terminal = Terminal("train", pictograms, "-o", tmp_path / "run", *TINY, "--epochs", 60)
    text = terminal.read()
    seconds = time.monotonic() - started
    assert terminal.status() == 0
    bars = sum("[" in drawing for drawing in drawings(text))
    # The line is also drawn anew after each permanent one.
    assert bars <= 10 * seconds + 2 * 60 + 1


def test_narrow_terminal_never_wraps(pictograms, tmp_path):
    terminal = Terminal("train", pictograms, "-o", tmp_path / "run", *TINY, "--epochs", 2,
                        columns=30)
    text = terminal.read()
    assert terminal.status() == 0
    bars = [drawing for drawing in drawings(text) if drawing]
    live = [bar for bar in bars if not re.match(r"epoch \d/\d  loss", bar)]
    assert live and all(len(bar) <= 29 for bar in live)


def test_block_characters_in_utf8(pictograms, tmp_path):
    terminal = Terminal("train", pictograms, "-o", tmp_path / "run", *TINY, "--epochs", 2,
                        columns=100, LC_ALL="C.UTF-8")
    text = terminal.read()
    assert terminal.status() == 0
    assert "\u2588" in text and "#" not in text


def test_dumb_terminal_gets_plain_lines(pictograms, tmp_path):
    terminal = Terminal("train", pictograms, "-o", tmp_path / "run", *TINY, "--epochs", 2,
                        TERM="dumb")
    text = terminal.read()
    assert terminal.status() == 0
    assert "\033" not in text


def test_ctrl_c(pictograms, tmp_path):
    run = tmp_path / "run"
    terminal = Terminal("train", pictograms, "-o", run, *TINY, "--epochs", 1000, columns=600)
    terminal.read(until=rb"epoch 1/1000  loss")
    terminal.type(b"\x03")
    text = terminal.read()
    assert terminal.status() == 130
    assert "continue with:" in screen(text)[-3]
    assert (run / "last.safetensors").is_file()


def test_skipped_pictures_do_not_mix_with_the_bar(spoilt, tmp_path):
    terminal = Terminal("train", spoilt, "-o", tmp_path / "run", *TINY, "--epochs", 2, columns=200)
    text = terminal.read()
    assert terminal.status() == 3
    named = [line for line in screen(colourless(text)) if ": skipped " in line]
    assert len(named) == 2 and all(line.startswith("vgg train: skipped ") for line in named)


def test_second_ctrl_c_ends_at_once(pictograms, tmp_path):
    """Steps that take long leave time for the second to come before the first is obeyed."""
    process = subprocess.Popen(
        [PROGRAM, "train", pictograms, "-o", tmp_path / "run", "--input", "96", "--arch",
         "64,64,64,M/8", "--batch", "8"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment(VGG_CPU="ref"))
    for line in process.stdout:
        if line.startswith(b"machine "):
            break
    for _ in range(2):
        time.sleep(0.2)
        process.send_signal(signal.SIGINT)
    process.communicate(timeout=TIMEOUT)
    assert process.returncode == -signal.SIGINT


def test_eval_progress_is_wiped(model, pictograms):
    terminal = Terminal("eval", "--model", model, pictograms, "--batch", 1)
    text = terminal.read()
    assert terminal.status() == 0
    assert "measuring" in text
    assert screen(text)[0] == "images       20"


def test_generate_progress_is_wiped(tmp_path):
    terminal = Terminal("generate", tmp_path / "set", "--train", 20, "--size", 16)
    text = terminal.read()
    assert terminal.status() == 0
    assert "drawing" in text
    assert screen(text)[0].startswith("drew 200 training")


def test_bench_progress_is_wiped():
    terminal = Terminal("bench", "--arch", "4,M/8", "--input", 16, "--batch", 2, "--runs", 3)
    text = terminal.read()
    assert terminal.status() == 0
    assert all(word in text for word in ("measuring the machine", "drawing random weights"))
    assert re.search(r"batch 2  \[ *\]  warming up", text)
    assert screen(text)[0].startswith("network   4,M/8, ")


def colourless(text):
    return re.sub(r"\033\[\d+m", "", text)


def too_long(lines, columns):
    """Lines beyond the edge which a blank could have ended earlier."""
    return [line for line in lines if len(line) > columns and " " in line.strip()]


def looked_at(*arguments, columns, status=0, **env):
    terminal = Terminal(*arguments, columns=columns, **env)
    terminal.read()
    assert terminal.status() == status
    return screen(terminal.text.decode())


WIDTHS = pytest.mark.parametrize("columns", [60, 80, 140])
COMMANDS = ("train", "eval", "report", "score", "predict", "explain", "show", "features", "distance",
            "index", "search", "duplicates", "style", "probe", "serve", "summary", "inspect",
            "convert", "bench", "augment", "generate")


@WIDTHS
def test_manuals_wrap(columns):
    longest = 0
    for command in COMMANDS:
        lines = looked_at("help", command, columns=columns, NO_COLOR="1")
        assert too_long(lines, columns) == []
        longest = max(longest, *map(len, lines))
        plain = " ".join(vgg("help", command).out.replace("\\\n", "").split())
        assert " ".join("\n".join(lines).replace("\\\n", "").split()) == plain
    assert longest > columns - 10
    assert too_long(looked_at("help", columns=columns, NO_COLOR="1"), columns) == []


@WIDTHS
@pytest.mark.parametrize("line", [
    ("--arch", "D", "--multiply-adds"), ("--arch", "E", "--batch-norm", "--layout", "torchvision"),
    ("--arch", "A", "--arch", "B", "--arch", "D")])
def test_summaries_keep_their_columns(columns, line):
    lines = looked_at("summary", *line, columns=columns)
    assert max(map(len, lines)) <= columns
    words = sorted(vgg("summary", *line).out.replace("-", "").replace("=", "").split())
    assert sorted(" ".join(lines).replace("-", "").replace("=", "").split()) == words
    ends = {len(row) for row in lines if re.match(r" *(?:Conv2d|ReLU|MaxPool2d)-", row)}
    assert len(ends) <= 1


@WIDTHS
@pytest.mark.parametrize("more", [(), ("--train",)])
def test_measures_keep_their_columns(columns, more):
    lines = looked_at("bench", "--arch", "4,M/8", "--input", 16, "--batch", 2, "--runs", 1, *more,
                      columns=columns)
    assert max(map(len, lines)) <= columns
    # Names of layers end where their column ends, in each part of the table.
    rows = [row for row in lines if row.startswith("classifier.")]
    assert rows and all(row[12] == " " for row in rows)


@WIDTHS
def test_figures_of_classes_keep_their_columns(columns, pictograms, tmp_path):
    named = shutil.copytree(pictograms, tmp_path / "named")
    for part in ("train", "validation"):
        (named / part / "circle").rename(named / part / "Kreis \u00e4\u00f6\u00fc")
    vgg("train", named, "-o", tmp_path / "run", *TINY, "--epochs", 1)
    line = ("eval", "--model", tmp_path / "run" / "last.safetensors", named)
    lines = looked_at(*line, columns=columns, LC_ALL="C.UTF-8")
    assert max(map(len, lines)) <= columns
    rows = [row for row in lines if re.match("Kreis \u00e4\u00f6\u00fc  +[12]|cross +[12] ", row)]
    assert len(rows) >= 2 and len({re.search(r" \d", row).start() for row in rows}) == 1
    words = sorted(vgg(*line, env={"LC_ALL": "C.UTF-8"}).out.split())
    seen = " ".join(lines).split()
    assert [word for word in words if seen.count(word) < words.count(word)] == []


@WIDTHS
def test_inspection_wraps(columns, model):
    lines = looked_at("inspect", model, columns=columns, NO_COLOR="1")
    assert too_long(lines[1:], columns) == []
    figures = [row for row in lines if " F32 " in row]
    assert len(figures) == 6 and len({len(row) for row in figures}) == 1


@WIDTHS
def test_training_wraps(columns, pictograms, tmp_path):
    lines = looked_at("train", pictograms, "-o", tmp_path / "run", *TINY, "--epochs", 2,
                      columns=columns, NO_COLOR="1")
    assert [line for line in too_long(lines, columns) if str(tmp_path) not in line
            and str(pictograms) not in line and PROGRAM not in line] == []


@WIDTHS
def test_messages_wrap_on_terminals_only(columns):
    line = ("predict", "--min-probability", "7", "photo.jpg")
    lines = looked_at(*line, columns=columns, status=2, NO_COLOR="1")
    assert max(map(len, lines)) < columns
    assert " ".join(" ".join(lines).split()) == complaint(*line, status=2)


def test_commands_broken_into_lines_are_one_for_a_shell(pictograms, tmp_path):
    run = tmp_path / "a run"
    lines = looked_at("train", pictograms, "-o", run, *TINY, "--epochs", 1, columns=60,
                      NO_COLOR="1")
    printed = "\n".join(lines[lines.index("next:") + 1:])
    command = re.split(r"(?<!\\)\n", printed)[0]
    assert " \\\n" in command
    first = subprocess.run(["sh", "-c", f"printf '%s\\n' {command}"], capture_output=True,
                           check=True, text=True).stdout.splitlines()
    assert first == [PROGRAM, "eval", "--model", f"{run}/best.safetensors", str(pictograms)]


def test_colour_only_where_somebody_looks(model, pictograms):
    line = ("predict", "--model", model, pictograms / "validation" / "circle" / "0000.png")
    coloured = "\n".join(looked_at(*line, columns=80))
    assert set(re.findall(r"\033\[(\d+)m", coloured)) == {"35", "0"}
    assert "\033" in "\n".join(looked_at("help", columns=80, NO_COLOR=""))
    for env in ({"NO_COLOR": "1"}, {"TERM": "dumb"}):
        plain = "\n".join(looked_at(*line, columns=80, **env))
        assert "\033" not in plain and plain == colourless(coloured)
        assert "\033" not in "\n".join(looked_at("help", "train", columns=80, **env))
        assert "\033" not in "\n".join(looked_at("train", columns=80, status=2, **env))
    assert "\033" not in vgg(*line).out and "\033" not in vgg("help", "train").out


def test_top_5_of_more_than_five_classes_only(pictograms, tmp_path):
    few = tmp_path / "few"
    for part in ("train", "validation"):
        for name in ("arrow", "circle", "cross", "heart", "house"):
            shutil.copytree(pictograms / part / name, few / part / name)
    out = vgg("train", few, "-o", tmp_path / "run", *TINY, "--epochs", 1).out
    assert "val top-1" in out and "top-5" not in out
    out = vgg("eval", "--model", tmp_path / "run" / "last.safetensors", few).out
    assert "top-1" in out and "top-5" not in out
    assert '"top5"' in vgg("eval", "--model", tmp_path / "run" / "last.safetensors", few,
                           "--format", "json").out
