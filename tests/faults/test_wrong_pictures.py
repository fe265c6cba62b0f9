"""Pictures that are none, broken or absurd, through vgg predict."""

import json
import os
import subprocess

import picture_files as made
import pytest
from conftest import PROGRAM, fails, names, run

KNOWN = "expected JPEG, PNG, WebP, GIF, TIFF, "

# name of the file: (its bytes, what the message says)
PICTURES = {
    "empty.png": (b"", ["0 bytes", KNOWN]),
    "one.jpg": (b"\xff", ["not a picture", "ff", KNOWN]),
    "text.jpg": (b"hello, world\n", ["not a picture", "68 65 6c 6c 6f", KNOWN]),
    "page.jpg": (b"<!DOCTYPE html>\n<html>404</html>", ["HTML", KNOWN]),
    "zeros.png": (bytes(4096), ["not a picture", KNOWN]),
    "gif.png": (b"GIF89a\1\0\1\0", ["GIF", "cut short"]),
    "bmp.png": (b"BM" + bytes(60), ["BMP", "header of 0 bytes"]),
    "tiff.png": (b"II*\0" + bytes(20), ["TIFF", "cannot decode"]),
    "avif.png": (b"\0\0\0\x1cftypavif" + bytes(20), ["HEIF"]),
    "drawing.png": (b"<svg xmlns='http://www.w3.org/2000/svg'/>", ["SVG", KNOWN]),
    "paper.jpg": (b"%PDF-1.7\n", ["PDF", KNOWN]),
    "half.jpg": (made.JPEG[: len(made.JPEG) // 2], ["JPEG", "cut short", len(made.JPEG) // 2]),
    "header.jpg": (made.JPEG[:9], ["JPEG", "cut short", "9 bytes"]),
    "almost.jpg": (made.JPEG[:-3], ["JPEG", "cut short"]),
    "scan.jpg": (made.PROGRESSIVE[: len(made.PROGRESSIVE) * 2 // 3], ["JPEG", "cut short"]),
    "signature.png": (made.PNG[:8], ["PNG", "cut short", "8 bytes"]),
    "half.png": (made.PNG[: len(made.PNG) // 2], ["PNG", "cut short", len(made.PNG) // 2]),
    "almost.png": (made.PNG[:-3], ["PNG", "cut short"]),
    "quarter.webp": (made.WEBP[: len(made.WEBP) // 4], ["WebP", "cut short"]),
    "almost.webp": (made.WEBP[:-3], ["WebP", "cut short"]),
    "lossless.webp": (made.LOSSLESS[:-40], ["WebP", "cut short"]),
    "riff.webp": (made.WEBP[:9], ["not a picture", KNOWN]),
    "moving.webp": ((made.GOLDEN / "animated.webp").read_bytes(), ["animated", "still"]),
    "header-crc.png": (made.with_byte(made.PNG, 30), ["PNG", "IHDR", "CRC"]),
    "data-crc.png": (made.with_byte(made.png(4, 4), -13), ["PNG", "IDAT", "CRC"]),
    "data.png": (made.with_byte(made.png(4, 4), 50), ["PNG", "IDAT"]),
    "depth.png": (made.png(4, 4, depth=7), ["PNG"]),
    "short-rows.png": (made.png(4, 4, rows=b"\0" + bytes(12)), ["PNG"]),
    "no-height.png": (made.png(4, 0), ["PNG"]),
    "huge.png": (made.png(60000, 60000), ["PNG", "60000 x 60000", "30000 on a side"]),
    "late.png": (made.late_png(60000, 60000), ["PNG", "60000 x 60000", "30000 on a side"]),
    "late-bits.png": (made.late_png(2**31 - 1, 2**31 - 1, 1, 0), ["2147483647 x 2147483647"]),
    "claims.png": (made.png(14000, 14000, 16, 6), ["PNG", "cut short", "14000 x 14000"]),
    "claims.jpg": (made.jpeg(14000, 14000), ["JPEG", "cut short", len(made.JPEG)]),
    "claims.webp": (made.webp(14000, 14000), ["WebP", "14000 x 14000", "limit"]),
    "huge.jpg": (made.jpeg(60000, 60000), ["JPEG", "60000 x 60000", "30000 on a side"]),
    "huge.webp": (made.webp(16384, 16384), ["WebP", "16384 x 16384", "200000000 in all"]),
    "huge.ppm": (b"P6\n60000 60000\n255\n", ["60000 x 60000", "30000 on a side"]),
    "claims.ppm": (b"P6\n14000 14000\n255\n123", ["cut short", "3 bytes", "588000000"]),
    "text-size.ppm": (b"P6\nabc 4\n255\n", ["byte 3", "width", "'a'", "a decimal number"]),
    "negative.ppm": (b"P6\n4 -4\n255\n", ["byte 5", "height", "'-'", "a decimal number"]),
    "overflow.ppm": (b"P6\n99999999999999999999 4\n255\n", ["byte 3", "width"]),
    "no-width.pgm": (b"P5\n0 4\n255\n", ["0 x 4", "at least 1 x 1"]),
    "maximum.ppm": (b"P6\n4 4\n99999\n" + bytes(48), ["byte 7", "99999", "at most 65535"]),
    "no-maximum.ppm": (b"P6\n4 4\n0\n" + bytes(48), ["maximum", "is 0", "expected 1 to 65535"]),
    "half.ppm": (b"P6\n4 4\n255\n" + bytes(20), ["cut short", "20 bytes", "48", "4 x 4"]),
    "header.ppm": (b"P6\n4 ", ["P6"]),
    "samples.ppm": (b"P3\n2 1\n255\n1 2 3 4 x 6\n", ["byte 19", "'x'", "a decimal number"]),
    "large.pgm": (b"P2\n2 1\n255\n1 999\n", ["999", "at most 255"]),
    "bits.pbm": (b"P1\n2 1\n1 7\n", ["'7'"]),
}


@pytest.mark.parametrize("name", PICTURES)
def test_picture(name, model, tmp_path):
    path = tmp_path / name
    data, says = PICTURES[name]
    path.write_bytes(data)
    (line,) = fails("predict", "--model", model, path, says=says)
    assert line.startswith(f"vgg predict: {path}: ")


@pytest.mark.parametrize("form", ["text", "json", "csv"])
def test_bad_ones_do_not_stop_the_rest(form, model, picture, tmp_path):
    for name, (data, _) in PICTURES.items():
        (tmp_path / name).write_bytes(data)
    lines = fails("predict", "--model", model, picture, tmp_path, tmp_path / "missing.png", picture,
                  "--format", form, says=[], status=3, lines=len(PICTURES) + 1, silent=False)
    found = {line.split(": ")[1] for line in lines}
    assert found == {str(tmp_path / name) for name in [*PICTURES, "missing.png"]}


def test_output_is_whole_beside_bad_ones(model, picture, tmp_path):
    bad = tmp_path / "bad.png"
    bad.write_bytes(b"")
    status, out, _ = run("predict", "--model", model, bad, picture, bad, picture, bad,
                         "--format", "json")
    assert status == 3 and [row["image"] for row in json.loads(out)] == [str(picture)] * 2


def test_missing_picture(model, tmp_path):
    path = tmp_path / "missing.png"
    fails("predict", "--model", model, path, says=[path, "No such file or directory"])


def test_folder_without_pictures(model, tmp_path):
    (tmp_path / "notes.txt").write_text("nothing to see")
    (tmp_path / "deeper").mkdir()
    fails("predict", "--model", model, tmp_path, says=[tmp_path, "has no pictures", ".jpg"])


def test_folder_that_is_called_like_a_picture(model, picture, tmp_path):
    (tmp_path / "folder.png").mkdir()
    fails("predict", "--model", model, tmp_path, says=["no pictures"])
    fails("predict", "--model", model, tmp_path / "folder.png", picture, says=["no pictures"],
          status=3, silent=False)


@pytest.mark.parametrize("device", ["/dev/null", "/dev/zero", "/dev/full", "/dev/urandom"])
def test_device(device, model):
    fails("predict", "--model", model, device, says=[device, "is a device, expected a file"])


def test_pipe(model, tmp_path):
    os.mkfifo(tmp_path / "pipe.png")
    says = [tmp_path / "pipe.png", "is a pipe, expected a file"]
    fails("predict", "--model", model, tmp_path / "pipe.png", says=says, timeout=3)


def test_link_that_leads_nowhere(model, tmp_path):
    (tmp_path / "link.png").symlink_to("nowhere")
    (tmp_path / "circle.png").symlink_to("circle.png")
    fails("predict", "--model", model, tmp_path / "link.png", says=["link.png", "No such file"])
    fails("predict", "--model", model, tmp_path / "circle.png", says=["circle.png", "levels"])
    fails("predict", "--model", model, tmp_path, says=["link.png", "circle.png"], lines=2)


@pytest.mark.parametrize(
    "data,says",
    [
        (b"", ["0 bytes", KNOWN]),
        (b"<html>", ["HTML", KNOWN]),
        (made.PNG[:100], ["PNG", "cut short"]),
        (made.png(60000, 60000), ["60000 x 60000"]),
    ],
    ids=["empty", "page", "cut", "huge"],
)
def test_standard_input(data, says, model):
    fails("predict", "--model", model, "-", says=["standard input", *says], input=data)


def test_standard_input_that_is_closed_or_a_folder(model, tmp_path):
    folder = os.open(tmp_path, os.O_RDONLY)
    fails("predict", "--model", model, "-", stdin=folder, says=["standard input", "directory"])
    os.close(folder)
    closing = f'exec "{PROGRAM}" predict --model "{model}" - <&-'
    done = subprocess.run(["sh", "-c", closing], capture_output=True, timeout=10, check=False)
    assert done.returncode == 1 and done.stdout == b""
    assert done.stderr.count(b"\n") == 1 and b"standard input" in done.stderr


def test_standard_input_without_end(model, little_memory):
    """More than any picture has is not read into memory."""
    with open("/dev/zero", "rb") as endless:
        fails("predict", "--model", model, "-", "--threads", 1, stdin=endless,
              limits=little_memory, says=["standard input", "out of memory", "MB"])


def test_name_of_odd_bytes(model, tmp_path):
    path = os.fsencode(tmp_path) + b"/\xff\xfe\n\x1b[31m.png"
    with open(path, "wb"):
        pass
    fails("predict", "--model", model, path, says=["0 bytes"])
    fails("predict", "--model", model, tmp_path, says=["0 bytes"])


def test_long_name(model):
    (line,) = fails("predict", "--model", model, "x" * 5000 + ".png", says=["too long"])
    assert len(line) < 1100


def test_nothing_is_left(model, tmp_path):
    for name in ("huge.png", "half.jpg", "quarter.webp", "claims.ppm"):
        (tmp_path / name).write_bytes(PICTURES[name][0])
    before = names(tmp_path)
    fails("predict", "--model", model, tmp_path, says=[], lines=4, cwd=tmp_path,
          env={"TMPDIR": str(tmp_path)})
    assert names(tmp_path) == before
