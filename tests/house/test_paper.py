"""docs/paper.md: the tests that it names are there, and the programs have the options that it shows. Its
links and commands are checked like those of every document."""
import os
import pathlib
import re
import subprocess

ROOT = pathlib.Path(__file__).resolve().parents[2]
VGG = pathlib.Path(os.environ.get("VGG", ROOT / "build" / "vgg")).resolve()
TEXT = (ROOT / "docs/paper.md").read_text()


def test_tests_are_there():
    named = re.findall(r"`(tests/[\w/.]+)(?:::(\w+))?`", TEXT)
    assert len(named) > 25
    for path, name in named:
        assert (ROOT / path).exists(), path
        pattern = rf"^(static void|def) {name}\("
        assert re.search(pattern, (ROOT / path).read_text(), re.MULTILINE), f"{path}::{name}"


def test_options_are_there():
    shown = re.findall(r"`vgg (\w+) ([^`]*)`(?:, `(--[^`]*)`)?", TEXT)
    assert len(shown) > 15
    for command, words, more in shown:
        manual = subprocess.run([VGG, command, "--help"], capture_output=True, text=True,
                                check=True).stdout.replace("--[no-]", "--")
        for option in re.findall(r"--[\w-]+", f"{words} {more}"):
            assert re.search(rf"^ .*{option}(?![\w-])", manual, re.MULTILINE), f"vgg {command} {option}"


def test_every_part_of_the_paper_is_named():
    sections = re.findall(r"^\| (\d\.\d|Appendix B)", TEXT, re.MULTILINE)
    assert set(sections) == {"2.1", "2.2", "2.3", "3.1", "3.2", "3.3", "4.1", "4.2", "4.3", "4.4",
                             "4.5", "Appendix B"}
    tables = re.findall(r"^\| (\d+)(?: (?:to|and) (\d+))?, ", TEXT, re.MULTILINE)
    named = [n for first, last in tables for n in range(int(first), int(last or first) + 1)]
    assert named == list(range(1, 13))
    assert "Appendix A" in TEXT.partition("## What is not here")[2]
