"""Progress on a terminal, which a pseudo-terminal stands in for."""

import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import termios
import time

from conftest import PROGRAM, TIMEOUT, TINY, environment


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
    return [piece.split("\r")[0].split("\n")[0] for piece in text.split("\r\033[K")[1:]]


def test_bar_and_permanent_lines(pictograms, tmp_path):
    terminal = Terminal("train", pictograms, "-o", tmp_path / "run", *TINY, "--epochs", 3)
    text = terminal.read()
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
    terminal = Terminal("train", pictograms, "-o", run, *TINY, "--epochs", 1000)
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
    named = [line for line in screen(text) if ": skipped " in line]
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
    assert screen(text)[0] == "images   20"


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
