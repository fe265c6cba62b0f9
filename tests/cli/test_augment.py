"""vgg augment: what a network would see, drawn."""

import numpy
from conftest import TINY, complaint, vgg
from PIL import Image


def cells(path, rows, columns, side):
    grid = numpy.asarray(Image.open(path))
    assert grid.shape[:2] == (rows * (side + 2) + 2, columns * (side + 2) + 2)
    assert (grid[:2] == 255).all() and (grid[:, :2] == 255).all()
    return [[grid[2 + r * (side + 2):, 2 + c * (side + 2):][:side, :side] for c in range(columns)]
            for r in range(rows)]


def test_data(pictograms, tmp_path):
    grid = tmp_path / "grid.png"
    out = vgg("augment", pictograms, "--grid", grid, "--views", 3, "--pictures", 5, "--no-crop", "--flip",
              "alternate", "--preprocess", "caffe", "--recipe", "none").out
    assert out == f"wrote {grid}: 5 pictures as they are measured, and in 3 epochs\n"
    names = sorted((pictograms / "train").glob("*/*.png"))
    for row, drawn in enumerate(cells(grid, 5, 4, 16)):
        picture = numpy.asarray(Image.open(names[row * 8]))
        assert (drawn[0] == picture).all()
        mirrored = [bool((view == picture[:, ::-1]).all()) for view in drawn[1:]]
        assert mirrored[0] != mirrored[1] and mirrored[0] == mirrored[2]
        for view, flipped in zip(drawn[1:], mirrored):
            assert (view == (picture[:, ::-1] if flipped else picture)).all()
    out = vgg("augment", names[0], "--grid", grid, "--overwrite", "--views", 1).out
    assert out == f"wrote {grid}: 1 picture as it is measured, and in 1 epoch\n"
    out = vgg("augment", pictograms, "-o", grid, "--overwrite").out
    assert out.endswith("of the recipe that vgg train chooses for few pictures, small\n")


def test_pictures_and_mixing(pictograms, tmp_path):
    grid, names = tmp_path / "grid.png", sorted((pictograms / "train").glob("*/0000.png"))[:3]
    vgg("augment", *names, "--grid", grid, "--views", 2, "--no-crop", "--no-flip", "--mixup", 1)
    drawn = cells(grid, 3, 3, 16)
    for row in (0, 2):
        own, other = (drawn[at][0].astype(float) for at in (row, 2 - row))
        for view in drawn[row][1:]:
            inside = abs(own - other) > 30
            shares = ((view - other)[inside] / (own - other)[inside])
            assert shares.std() < 0.03 and 0 <= shares.mean() <= 1
    assert (drawn[1][0] == drawn[1][1]).all() # mixed with itself


def test_what_training_sees(pictograms, tmp_path):
    """The same seed gives the same views, another one others."""
    def views(seed):
        vgg("augment", pictograms, "--grid", tmp_path / "grid.png", "--recipe", "small", "--seed", seed,
            "--overwrite")
        return (tmp_path / "grid.png").read_bytes()

    assert views(1) == views(1) != views(2)


def test_impossible(pictograms, tmp_path):
    grid = ("--grid", tmp_path / "grid.png")
    assert "no/where" in complaint("augment", "no/where", *grid)
    grid[1].write_text("somebody's")
    line = complaint("augment", pictograms, *grid)
    assert line == f"vgg augment: {grid[1]}: is there already; --overwrite replaces it"
    grid[1].unlink()
    line = complaint("augment", pictograms, pictograms, *grid, status=2)
    assert line.endswith("expected one data set, or pictures")
    line = complaint("augment", pictograms, *grid, "--translate", 99)
    assert line == "vgg augment: views: translate is 99, expected less than the sides of 16 x 16"
    vgg("augment", pictograms, *grid, *TINY[:4])
