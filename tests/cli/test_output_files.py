"""A file that cannot be written is said before anything is read or computed: in each command below nothing that it
names is there."""
import os

import pytest
from conftest import complaint

MODEL = ("--model", "no.safetensors")
SEVERAL_LAYERS = ("--layer", "relu1_1")
COMMANDS = [
    ("explain", "no.png", *MODEL, "-o", "OUT.png"),
    ("explain", "no.png", *MODEL, "--map", "OUT.npy"),
    ("show", "no.safetensors", "-o", "OUT.png"),
    ("show", "no.safetensors", "no.png", *SEVERAL_LAYERS, "-o", "OUT.png"),
    ("features", "no.png", *MODEL, *SEVERAL_LAYERS, "-o", "OUT.npy"),
    ("features", "no.png", *MODEL, *SEVERAL_LAYERS, "-o", "OUT.csv"),
    ("distance", "no.png", "no.png", *MODEL, "--gradient", "OUT.npy"),
    ("index", "no", *MODEL, "-o", "OUT.index"),
    ("duplicates", "no", *MODEL, "--index", "OUT.index"),
    ("duplicates", "no", *MODEL, "--page", "OUT.html"),
    ("search", "no.index", "no.png", *MODEL, "--page", "OUT.html"),
    ("probe", "no", *MODEL, *SEVERAL_LAYERS, "-o", "OUT.safetensors"),
    ("probe", "no", *MODEL, *SEVERAL_LAYERS, "-o", "x.safetensors", "--cache-features", "OUT.cache"),
    ("style", "no.png", "--style", "no.png", *MODEL, "-o", "OUT.png"),
    ("style", "no.png", "--style", "no.png", *MODEL, "-o", "x.png", "--preview", "OUT.png"),
    ("convert", "no.safetensors", "OUT.onnx"),
    ("augment", "no", "-o", "OUT.png"),
    ("report", "no", "-o", "OUT.html"),
    ("eval", "no", *MODEL, "--predictions", "OUT.csv"),
    ("eval", "no", *MODEL, "--report", "OUT.html"),
    ("eval", "no", *MODEL, "--fit-temperature", "-o", "OUT.safetensors"),
]


@pytest.mark.parametrize("words", COMMANDS, ids=lambda words: f"{words[0]}-{words[-2]}-{words[-1]}")
def test_what_cannot_be_written_is_said_first(words, tmp_path):
    (tmp_path / "file").write_text("")
    for folder, why in (("none", "No such file or directory"), ("file", "Not a directory")):
        changed = [word.replace("OUT", f"{folder}/out") for word in words]
        out = next(word for word in changed if word.startswith(folder))
        assert complaint(*changed, cwd=tmp_path) == f"vgg {words[0]}: {out}: cannot write: {why}"
    out = next(word for word in words if word.startswith("OUT"))
    (tmp_path / out).mkdir()
    assert complaint(*words, cwd=tmp_path) == \
        f"vgg {words[0]}: {out}: is a folder, expected a file or a new name"
    assert sorted(os.listdir(tmp_path)) == sorted(("file", out))


def test_a_link_is_looked_at_where_it_leads(model, tmp_path):
    """What is converted takes the place of the file that a link leads to, and a link that leads into no folder is
    said."""
    (tmp_path / "out.safetensors").symlink_to(tmp_path / "none" / "out.safetensors")
    assert "No such file or directory" in complaint("convert", model, tmp_path / "out.safetensors")
    assert os.path.islink(tmp_path / "out.safetensors")


def test_a_folder_for_rates_is_made_first(pictograms, tmp_path):
    (tmp_path / "file").write_text("")
    line = complaint("train", pictograms, "--find-rate", "-o", tmp_path / "file" / "run", "--arch", "4,M/8")
    assert str(tmp_path / "file") in line
