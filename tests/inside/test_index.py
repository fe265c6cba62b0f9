"""vgg index, vgg search and vgg duplicates: against NumPy, altered copies, and what is refused."""
import io
import json
import os
import random
import shutil
import subprocess

import numpy as np
import pytest

pytest.importorskip("torch", reason="needs PyTorch (python3-torch)")
pytest.importorskip("PIL", reason="needs Pillow (python3-pil)")

from PIL import Image, ImageEnhance  # noqa: E402

from program import PROGRAM, STRUCTURE, draw, make_model, photographs, vgg  # noqa: E402

PRESET = ("--preprocess", "torchvision", "--input", 48, "--resize", 48)


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    folder = tmp_path_factory.mktemp("index")
    make_model(folder / "model.pth")
    photographs(folder / "photos", 9)
    return folder


def model(place):
    return "--model", place / "model.pth", *STRUCTURE, *PRESET


def rows_of(place, tmp_path, *pictures):
    """Of the layers that an index takes by itself, of length 1, from vgg features."""
    vgg("features", *pictures, *model(place), "--layer", "relu4_3,relu5_3", "--pool", "gem", "--normalise", "-o",
        tmp_path / "f.npz", "--overwrite")
    with np.load(tmp_path / "f.npz") as file:
        rows = np.concatenate([file["relu4_3"], file["relu5_3"]], 1).astype(np.float64)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def test_search_is_exact(place, tmp_path):
    draw(tmp_path / "asked.png", 77)
    out, _ = vgg("index", place / "photos", "-o", tmp_path / "i", *model(place))
    assert out == f"{tmp_path}/i: 9 pictures x 84 of relu4_3,relu5_3 (9 added, 0 changed, 0 removed)\n"
    rows, asked = rows_of(place, tmp_path, place / "photos"), rows_of(place, tmp_path, tmp_path / "asked.png")[0]
    expected = sorted(zip(-(rows @ asked), sorted(map(str, (place / "photos").iterdir()))))
    for threads in (1, 2):
        out, _ = vgg("search", tmp_path / "i", tmp_path / "asked.png", "--top", 4, "--format", "json", "--threads",
                     threads, *model(place))
        answer, = json.loads(out)
        assert answer["image"] == str(tmp_path / "asked.png")
        assert [match["image"] for match in answer["matches"]] == [name for _, name in expected[:4]]
        assert [match["similarity"] for match in answer["matches"]] == pytest.approx(
            [-similarity for similarity, _ in expected[:4]], abs=1e-6)
    text, _ = vgg("search", tmp_path / "i", tmp_path / "asked.png", "--top", 1, *model(place))
    assert text == f"{tmp_path}/asked.png\n  {-expected[0][0]:.4f}  {expected[0][1]}\n"


def test_several_questions_and_what_cannot_be_read(place, tmp_path):
    (tmp_path / "broken.png").write_bytes(b"\x89PNG")
    vgg("index", place / "photos", "-o", tmp_path / "i", *model(place))
    photo = place / "photos" / "03.png"
    out, complained = vgg("search", tmp_path / "i", photo, tmp_path / "broken.png", "-", "-k", 1, *model(place),
                          "--format", "json", status=3, stdin=photo.read_bytes())
    assert "broken.png" in complained
    assert [(answer["image"], answer["matches"][0]["image"]) for answer in json.loads(out)] == [
        (str(photo), str(photo)), ("-", str(photo))]
    out, _ = vgg("search", tmp_path / "i", tmp_path / "broken.png", *model(place), "--format", "json", status=1)
    assert json.loads(out) == []


def test_updating(place, tmp_path):
    shutil.copytree(place / "photos", tmp_path / "photos")
    index = ("index", tmp_path / "photos", "-o", tmp_path / "i", *model(place))
    vgg(*index)
    (tmp_path / "photos" / "02.png").unlink()
    draw(tmp_path / "photos" / "04.png", 50)
    draw(tmp_path / "photos" / "new.png", 51)
    (tmp_path / "photos" / "bad.jpg").write_bytes(b"")
    out, complained = vgg(*index, status=3)
    assert "9 pictures x 84 of relu4_3,relu5_3 (1 added, 1 changed, 1 removed)" in out and "bad.jpg" in complained
    updated = (tmp_path / "i").read_bytes()
    vgg(*index, "--overwrite", status=3)
    assert (tmp_path / "i").read_bytes() == updated
    os.utime(tmp_path / "photos" / "new.png", (1, 1))
    assert "(0 added, 0 changed, 0 removed)" in vgg(*index, "--contents", status=3)[0]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["i", "photos"]


def test_what_an_ended_run_left_is_gone_on_with(place, tmp_path):
    vgg("index", place / "photos" / "00.png", place / "photos" / "01.png", "-o", tmp_path / "i.part", *model(place))
    out, _ = vgg("index", place / "photos", "-o", tmp_path / "i", *model(place))
    assert "(7 added, 0 changed, 0 removed)" in out and not (tmp_path / "i.part").exists()


def test_what_is_refused(place, tmp_path):
    index = ("index", place / "photos", "-o", tmp_path / "i")
    vgg(*index, *model(place), "--layer", "relu4_3")
    make_model(tmp_path / "other.pth", seed=8)
    other = ("--model", tmp_path / "other.pth", *STRUCTURE, *PRESET)
    assert "made with another model" in vgg(*index, *other, status=1)[1]
    assert "made with another model" in vgg("search", tmp_path / "i", place / "photos/00.png", *other, status=1)[1]
    assert "is of --layer relu4_3, not of relu5_3" in vgg(*index, *model(place), "--layer", "relu5_3", status=2)[1]
    assert "is of --pool gem, not of max" in vgg(*index, *model(place), "--pool", "max", status=2)[1]
    assert "no layer relu9_1" in vgg("index", place / "photos", "-o", tmp_path / "j", *model(place), "--layer",
                                     "relu9_1", status=2)[1]
    assert "-o INDEX is missing" in vgg("index", place / "photos", status=2)[1]
    assert "is no index of vgg index" in vgg("search", place / "model.pth", place / "photos/00.png", *model(place),
                                             status=1)[1]
    assert "no file" in vgg("index", "-", "-o", tmp_path / "j", *model(place), status=1)[1]
    assert not (tmp_path / "j").exists()


def alter(image, number, draw_from):
    """One of the four ways, as JPEG."""
    kind, quality = number % 4, 90
    width, height = image.size
    if kind == 0:
        image = image.resize((width * 6 // 10, height * 6 // 10), Image.BICUBIC)
    elif kind == 1:
        quality = 40
    elif kind == 2:
        left, top = draw_from.randint(0, width // 10), draw_from.randint(0, height // 10)
        image = image.crop((left, top, left + width * 9 // 10, top + height * 9 // 10))
    else:
        image = ImageEnhance.Brightness(image).enhance(1.25)
    copy = io.BytesIO()
    image.save(copy, "JPEG", quality=quality)
    return copy.getvalue()


def test_altered_copies_are_found(tmp_path):
    """The measurement on photographs is bench/duplicates."""
    if "builtin" not in subprocess.run([PROGRAM, "duplicates", "--help"], capture_output=True, text=True,
                                       check=True).stdout:
        pytest.skip("the program was built without its model")
    originals = photographs(tmp_path / "photos", 24, size=(320, 240))
    for number, path in enumerate(originals):
        with Image.open(path) as image:
            (tmp_path / "photos" / f"copy{number:02}.jpg").write_bytes(alter(image, number, random.Random(number)))
    out, _ = vgg("duplicates", tmp_path / "photos", "--model", "builtin", "--format", "json", "--page",
                 tmp_path / "page.html")
    groups = json.loads(out)
    assert [[path.removeprefix(f"{tmp_path}/photos/") for path in group["pictures"]] for group in groups] == [
        [f"{number:02}.png", f"copy{number:02}.jpg"] for number in range(24)]
    assert all(0.9 <= pair["likeness"] <= 1 for group in groups for pair in group["pairs"])
    page = (tmp_path / "page.html").read_text()
    assert page.count("<img ") == 48 and page.count("<section ") == 24 and 'src="http' not in page
    text, _ = vgg("duplicates", tmp_path / "photos", "--model", "builtin", "--index", tmp_path / "i", "--likeness", 1)
    assert text == "0 pictures in 0 groups\n"
    shutil.copy(originals[5], tmp_path / "photos" / "same.png")
    text, _ = vgg("duplicates", tmp_path / "photos", "--model", "builtin", "--index", tmp_path / "i", "--likeness", 1)
    assert text == (f"group 1\n  1.000  {originals[5]}\n  1.000  {tmp_path}/photos/same.png\n\n"
                    "2 pictures in 1 group\n")


def test_a_file_of_several_names_is_one_picture(place, tmp_path):
    """By links, and because a folder lies in another."""
    shutil.copytree(place / "photos", tmp_path / "all" / "photos")
    count = len(list((tmp_path / "all").glob("photos/*")))
    first = sorted((tmp_path / "all" / "photos").iterdir())[0]
    (tmp_path / "all" / "photos" / "zz-link.png").symlink_to(first.name)
    (tmp_path / "all" / "photos" / "zz-hard.png").hardlink_to(first)
    out, _ = vgg("index", "all", "all/photos", "./all", *model(place), "-o", "i", cwd=tmp_path)
    assert out.startswith(f"i: {count} pictures x ") and f"({count} added, " in out
    found, _ = vgg("search", "i", first, *model(place), "--top", 1000, "--format", "json", cwd=tmp_path)
    names = [match["image"] for match in json.loads(found)[0]["matches"]]
    assert len(names) == count and all(name.startswith("all/photos/") for name in names)
    # The index may lose a name for another one.
    out, err = vgg("duplicates", "./all", "all", *model(place), "--index", "i", "--likeness", 1, cwd=tmp_path)
    assert out == "0 pictures in 0 groups\n" and f"{count} pictures x " in err


def test_duplicates_keep_the_index_of_more_folders(place, tmp_path):
    for name in ("a", "b"):
        shutil.copytree(place / "photos", tmp_path / name)
    index = tmp_path / "i"
    vgg("index", tmp_path / "a", tmp_path / "b", "-o", index, *model(place))
    before = index.read_bytes()
    out, complained = vgg("duplicates", tmp_path / "a", "--index", index, *model(place), status=1)
    assert out == "" and index.read_bytes() == before and complained == (
        f"vgg duplicates: {index}: has 9 pictures that are not asked for, such as {tmp_path}/b/00.png, and would lose "
        "them; name another INDEX, or let vgg index change this one\n")
    shutil.rmtree(tmp_path / "b")
    _, complained = vgg("duplicates", tmp_path / "a", "--index", index, *model(place))
    assert complained == (f"vgg duplicates: note: {index}: 9 pictures x 84 of relu4_3,relu5_3 "
                          "(0 added, 0 changed, 9 removed)\n")


def test_pages_say_names_as_text(place, tmp_path):
    (tmp_path / "photos").mkdir()
    shutil.copy(place / "photos" / "00.png", tmp_path / "photos" / "<b>&.png")
    vgg("index", tmp_path / "photos", "-o", tmp_path / "i", *model(place))
    vgg("search", tmp_path / "i", place / "photos" / "01.png", *model(place), "--page", tmp_path / "page.html")
    page = (tmp_path / "page.html").read_text()
    assert "&lt;b&gt;&amp;.png" in page and "<b>&" not in page
    words = ("search", tmp_path / "i", place / "photos" / "01.png", *model(place), "--page", tmp_path / "page.html")
    _, complaint = vgg(*words, status=1)
    assert complaint == f"vgg search: {tmp_path / 'page.html'}: is there already; --overwrite replaces it\n"
    vgg(*words, "--overwrite")


def test_pages_say_what_they_have_no_room_for(place, tmp_path):
    """Noise is much, and JPEG makes it no less."""
    noise = np.random.default_rng(1).integers(0, 256, (192, 192, 3), np.uint8)
    Image.fromarray(noise).save(tmp_path / "noise.bmp")
    vgg("index", tmp_path / "noise.bmp", "-o", tmp_path / "i", *model(place))
    asked = [tmp_path / "noise.bmp"] * 500
    page = tmp_path / "page.html"
    _, complained = vgg("search", tmp_path / "i", *asked, *model(place), "--page", page)
    text = page.read_text()
    shown = text.count("<img ")
    assert 24 << 20 < len(text) < 25 << 20 and 0 < shown < 1000
    left_out = f"{1000 - shown} pictures of the lists are left out: a page has at most 24.0 MB of pictures"
    assert complained == f"vgg search: note: {page}: {left_out}\n" and f">{left_out}.</p>" in text
