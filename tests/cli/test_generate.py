"""vgg generate."""

import hashlib

from conftest import complaint, vgg

CLASSES = ["arrow", "circle", "cross", "heart", "house", "moon", "ring", "square", "star", "triangle"]


def contents(folder):
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*.png"))
    }


def test_folders(pictograms):
    for part, count in (("train", 4), ("validation", 2)):
        assert sorted(path.name for path in (pictograms / part).iterdir()) == CLASSES
        for name in CLASSES:
            assert len(list((pictograms / part / name).iterdir())) == count


def test_pictures_are_a_function_of_the_seed(tmp_path):
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        vgg("generate", tmp_path / name, "--train", 2, "--validation", 1, "--size", 16,
            "--seed", seed)
    assert contents(tmp_path / "a") == contents(tmp_path / "b")
    different, same = contents(tmp_path / "c"), contents(tmp_path / "a")
    assert different.keys() == same.keys()
    assert all(different[name] != same[name] for name in same)


def test_says_what_to_type_next(tmp_path):
    out = vgg("generate", tmp_path / "two words", "--train=1", "--validation=1", "--size=16").out
    assert "10 classes, 16x16" in out
    assert f"train '{tmp_path}/two words'\n" in out


def test_does_not_mix_with_what_is_there(pictograms):
    before = contents(pictograms)
    line = complaint("generate", pictograms, "--train", 9)
    assert line == f"vgg generate: {pictograms}: is not empty, expected a new or empty folder"
    assert contents(pictograms) == before


def test_folder_that_is_a_file(tmp_path):
    (tmp_path / "file").write_text("")
    assert "expected a new or empty folder" in complaint("generate", tmp_path / "file")
    assert str(tmp_path / "file") in complaint("generate", tmp_path / "file" / "below")
