"""Picture files written by hand, so that each can be wrong in its own way."""

import pathlib
import struct
import zlib

GOLDEN = pathlib.Path(__file__).resolve().parents[1] / "golden" / "data" / "image"
JPEG = (GOLDEN / "jpeg_420.jpg").read_bytes()
PROGRESSIVE = (GOLDEN / "jpeg_progressive.jpg").read_bytes()
PNG = (GOLDEN / "rgb8.png").read_bytes()
WEBP = (GOLDEN / "webp_lossy.webp").read_bytes()
LOSSLESS = (GOLDEN / "webp_lossless.webp").read_bytes()


def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(width, height, depth=8, colour=2, rows=None):
    """A PNG whose header says what it is told; `rows` are the bytes before compression."""
    rows = (b"\0" + b"\x10" * 12) * 4 if rows is None else rows
    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows))
            + chunk(b"IEND", b""))


def late_png(width, height, depth=8, colour=2):
    """The same with a chunk before the header, which libpng lets pass."""
    whole = png(width, height, depth, colour)
    return whole[:8] + chunk(b"vgGt", b"ahead") + whole[8:]


def jpeg(width, height):
    """A JPEG whose frame header says a size that is not its own."""
    at = JPEG.index(b"\xff\xc0") + 5
    return JPEG[:at] + struct.pack(">HH", height, width) + JPEG[at + 4 :]


def webp(width, height):
    """A lossless WebP whose header says a size that is not its own."""
    at = LOSSLESS.index(b"VP8L") + 9
    bits = (width - 1) | (height - 1) << 14
    return LOSSLESS[:at] + struct.pack("<I", bits) + LOSSLESS[at + 4 :]


def with_byte(data, at, change=0xFF):
    """The data with one byte flipped."""
    return data[:at] + bytes([data[at] ^ change]) + data[at + 1 :]
