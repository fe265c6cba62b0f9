#!/usr/bin/env python3
"""Makes tests/golden/data/image: small pictures of every kind and what they must decode to, and the
results of Pillow's resize. Needs Pillow and numpy (made with Pillow 9.4, libjpeg-turbo 2.1.5).

NAME.jpg, NAME.png, NAME.webp, NAME.bmp, NAME.gif, NAME.tif come with NAME.pgm or NAME.ppm, the expected pixels. PNG files are put
together here bit by bit, so that their expected pixels do not depend on any PNG library; the others
are decoded by Pillow.
"""
import io
import pathlib
import struct
import zlib

import numpy as np
from PIL import Image, ImageOps

FOLDER = pathlib.Path(__file__).resolve().parent / "data" / "image"
GREY, RGB, PALETTE, GREY_ALPHA, RGBA = 0, 2, 3, 4, 6
SAMPLES = {GREY: 1, RGB: 3, PALETTE: 1, GREY_ALPHA: 2, RGBA: 4}
# First column, first row and the steps between columns and rows of each pass.
ADAM7 = [(0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2),
         (0, 1, 1, 2)]


def write_expected(name, pixels):
    """pixels: (H, W) grey or (H, W, 3)."""
    pixels = np.asarray(pixels, dtype=np.uint8)
    if pixels.ndim == 3 and pixels.shape[2] == 1:
        pixels = pixels[:, :, 0]
    kind, ending = (b"P5", "pgm") if pixels.ndim == 2 else (b"P6", "ppm")
    header = b"%s\n%d %d\n255\n" % (kind, pixels.shape[1], pixels.shape[0])
    (FOLDER / f"{name}.{ending}").write_bytes(header + pixels.tobytes())


def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def pack_rows(samples, depth):
    """samples: (H, W, S); the filtered (type 0) rows of a PNG."""
    out = b""
    for row in samples.reshape(samples.shape[0], -1):
        if depth == 16:
            packed = row.astype(">u2").tobytes()
        else:
            bits = ((row[:, None] >> np.arange(depth - 1, -1, -1)) & 1).astype(np.uint8)
            packed = np.packbits(bits.reshape(-1)).tobytes()
        out += b"\0" + packed
    return out


def png_bytes(samples, colour, depth, chunks=(), interlaced=False):
    height, width = samples.shape[:2]
    if interlaced:
        passes = [samples[y::dy, x::dx] for x, y, dx, dy in ADAM7]
        data = b"".join(pack_rows(p, depth) for p in passes if p.size)
    else:
        data = pack_rows(samples, depth)
    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, int(interlaced))
    body = b"".join(chunk(kind, content) for kind, content in chunks)
    return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + body
            + chunk(b"IDAT", zlib.compress(data, 9)) + chunk(b"IEND", b""))


def to_8_bits(samples, depth):
    most = (1 << depth) - 1
    return (samples.astype(np.int64) * 255 + most // 2) // most


def over_white(colours, alpha):
    """Rounded; alpha 0..255 of shape (H, W, 1)."""
    return (colours * alpha + 255 * (255 - alpha) + 127) // 255


def exif_block(orientation, big_endian=False):
    order, mark = (">", b"MM\0*") if big_endian else ("<", b"II*\0")
    return mark + struct.pack(order + "IHHHIHHI", 8, 1, 0x0112, 3, 1, orientation, 0, 0)


def make_png(name, random, colour, depth, transparent=None, size=(13, 9), **more):
    """Random samples; transparent is the tRNS chunk's content for grey and RGB."""
    samples = random.randint(0, 1 << depth, (size[1], size[0], SAMPLES[colour]))
    chunks = list(more.pop("chunks", ()))
    expected = to_8_bits(samples, depth)
    if colour in (GREY_ALPHA, RGBA):
        samples[0, 0, -1], samples[0, 1, -1] = 0, (1 << depth) - 1
        expected = to_8_bits(samples, depth)
        expected = over_white(expected[:, :, :-1], expected[:, :, -1:])
    if transparent is not None:
        samples[1, 2] = samples[3, 4] = transparent
        expected = to_8_bits(samples, depth)
        expected[(samples == transparent).all(axis=2)] = 255
        chunks.append((b"tRNS", struct.pack(f">{SAMPLES[colour]}H", *transparent)))
    (FOLDER / f"{name}.png").write_bytes(png_bytes(samples, colour, depth, chunks, **more))
    write_expected(name, expected)


def make_palette(name, random, depth, colours, alphas=None, **more):
    samples = random.randint(0, colours, (9, 13, 1))
    palette = random.randint(0, 256, (colours, 3))
    chunks = [(b"PLTE", palette.astype(np.uint8).tobytes())]
    expected = palette[samples[:, :, 0]]
    if alphas is not None:
        chunks.append((b"tRNS", bytes(alphas)))
        full = np.array(list(alphas) + [255] * (colours - len(alphas)))
        expected = over_white(expected, full[samples])
    (FOLDER / f"{name}.png").write_bytes(png_bytes(samples, PALETTE, depth, chunks, **more))
    write_expected(name, expected)


def make_pngs(random):
    for depth in (1, 2, 4, 8, 16):
        make_png(f"grey{depth}", random, GREY, depth)
    make_png("grey4_transparent", random, GREY, 4, transparent=(5,))
    make_png("grey16_transparent", random, GREY, 16, transparent=(0x1234,))
    make_png("grey_alpha8", random, GREY_ALPHA, 8)
    make_png("grey_alpha16", random, GREY_ALPHA, 16)
    make_png("rgb8", random, RGB, 8)
    make_png("rgb16", random, RGB, 16)
    make_png("rgb8_transparent", random, RGB, 8, transparent=(10, 200, 30))
    make_png("rgba8", random, RGBA, 8)
    make_png("rgba16", random, RGBA, 16)
    make_png("rgb8_interlaced", random, RGB, 8, interlaced=True)
    make_png("rgba8_interlaced", random, RGBA, 8, interlaced=True)
    make_png("grey1_interlaced", random, GREY, 1, interlaced=True, size=(3, 2))
    make_png("one_pixel", random, RGB, 8, size=(1, 1))
    for depth, colours in ((1, 2), (2, 3), (4, 11), (8, 200)):
        make_palette(f"palette{depth}", random, depth, colours)
    make_palette("palette4_transparent", random, 4, 11, alphas=(0, 255, 128, 7))
    make_palette("palette8_interlaced", random, 8, 256, interlaced=True)
    samples = random.randint(0, 256, (9, 13, 3))
    chunks = [(b"eXIf", exif_block(6, big_endian=True))]
    (FOLDER / "exif6_png.png").write_bytes(png_bytes(samples, RGB, 8, chunks))
    write_expected("exif6_png", np.rot90(samples, -1))


def smooth(width, height):
    """A picture that lossy formats keep well, different in every corner."""
    x, y = np.meshgrid(np.arange(width) / (width - 1), np.arange(height) / (height - 1))
    planes = [255 * x, 255 * y, 127 + 120 * np.sin(5 * x + 7 * y)]
    return np.stack(planes, axis=2).round().astype(np.uint8)


def make_with_pillow(name, ending, picture, **options):
    stream = io.BytesIO()
    formats = {"jpg": "JPEG", "webp": "WEBP", "bmp": "BMP", "gif": "GIF", "tif": "TIFF"}
    picture.save(stream, formats[ending], **options)
    write_file_and_expected(name, ending, stream.getvalue())


def write_file_and_expected(name, ending, data):
    (FOLDER / f"{name}.{ending}").write_bytes(data)
    decoded = ImageOps.exif_transpose(Image.open(io.BytesIO(data)))
    if decoded.mode == "1":
        decoded = decoded.convert("L")
    if decoded.mode == "RGBA":
        pixels = np.asarray(decoded).astype(np.int64)
        write_expected(name, over_white(pixels[:, :, :3], pixels[:, :, 3:]))
    else:
        write_expected(name, np.asarray(decoded if decoded.mode == "L" else decoded.convert("RGB")))


def make_jpegs():
    picture = Image.fromarray(smooth(37, 21))
    make_with_pillow("jpeg_420", "jpg", picture, quality=90, subsampling=2)
    make_with_pillow("jpeg_444", "jpg", picture, quality=90, subsampling=0)
    make_with_pillow("jpeg_progressive", "jpg", picture, quality=85, progressive=True)
    make_with_pillow("jpeg_grey", "jpg", picture.convert("L"), quality=90)
    cmyk = np.dstack([smooth(37, 21), smooth(37, 21)[::-1, :, 0] // 3])
    stream = io.BytesIO()
    Image.fromarray(cmyk, "CMYK").save(stream, "JPEG", quality=92)
    data = stream.getvalue()
    write_file_and_expected("jpeg_cmyk", "jpg", data)
    # The last byte of Adobe's APP14 segment says how the four components are to be understood.
    transform = data.index(b"Adobe") + 11
    write_file_and_expected("jpeg_ycck", "jpg", data[:transform] + b"\2" + data[transform + 1:])
    for orientation in range(1, 9):
        exif = b"Exif\0\0" + exif_block(orientation, big_endian=orientation % 2 == 0)
        make_with_pillow(f"exif{orientation}", "jpg", Image.fromarray(smooth(19, 11)), quality=90,
                         exif=exif)


def make_webps():
    picture = smooth(29, 17)
    transparent = Image.fromarray(np.dstack([picture, picture[::-1, ::-1, 2:]]))
    make_with_pillow("webp_lossy", "webp", Image.fromarray(picture), quality=80)
    make_with_pillow("webp_lossless", "webp", Image.fromarray(picture), lossless=True)
    make_with_pillow("webp_alpha", "webp", transparent, lossless=True)
    make_with_pillow("webp_lossy_alpha", "webp", transparent, quality=80)
    make_with_pillow("webp_exif8", "webp", Image.fromarray(picture), lossless=True,
                     exif=exif_block(8))
    frames = [Image.fromarray(picture), Image.fromarray(picture[::-1])]
    frames[0].save(FOLDER / "animated.webp", "WEBP", save_all=True, append_images=frames[1:],
                   lossless=True)


def make_others(random):
    """BMP, GIF and TIFF, as Pillow has them; transparency over white, which Pillow drops."""
    noise = random.randint(0, 256, (9, 13, 3)).astype(np.uint8)
    rgb, alpha = Image.fromarray(noise), random.randint(0, 256, (9, 13, 1)).astype(np.uint8)
    grey, few, bits = rgb.convert("L"), rgb.quantize(11), rgb.convert("1")
    for name, picture in (("rgb", rgb), ("grey", grey), ("palette", few), ("bits", bits)):
        make_with_pillow(f"bmp_{name}", "bmp", picture)
        make_with_pillow(f"tiff_{name}", "tif", picture, compression="tiff_lzw")
    make_with_pillow("tiff_deflate", "tif", rgb, compression="tiff_adobe_deflate")
    make_with_pillow("tiff_fax", "tif", bits, compression="group4")
    make_with_pillow("tiff_alpha", "tif", Image.fromarray(np.dstack([noise, alpha])))
    make_with_pillow("tiff_orientation6", "tif", rgb, tiffinfo={274: 6})
    write_expected("tiff_orientation6", np.rot90(noise, -1))
    make_with_pillow("gif_palette", "gif", few)
    grey.save(FOLDER / "gif_grey.gif", "GIF")
    write_expected("gif_grey", grey)
    make_with_pillow("gif_interlaced", "gif", few, interlace=True)
    frames = [few, few.transpose(Image.FLIP_LEFT_RIGHT)]
    make_with_pillow("gif_animated", "gif", frames[0], save_all=True, append_images=frames[1:])
    few.save(FOLDER / "gif_transparent.gif", "GIF", transparency=3)
    numbers = np.asarray(few)
    write_expected("gif_transparent", np.where((numbers == 3)[:, :, None], 255,
                                               np.asarray(few.convert("RGB"))))
    make_bmps(random)


def bmp(width, height, bits, compression, rest, data):
    """`rest` is what stands between the header of 40 bytes and the pixels."""
    header = struct.pack("<IiiHHIIiiII", 40, width, height, 1, bits, compression, len(data), 0, 0, 0, 0)
    return (b"BM" + struct.pack("<IHHI", 54 + len(rest) + len(data), 0, 0, 54 + len(rest)) + header
            + rest + data)


def make_bmps(random):
    """What Pillow reads and does not write: run lengths, masks, rows from the top, the oldest header."""
    palette = bytes(range(0, 256, 4)) * 16
    runs = (b"\5\7\0\5abcde\0" b"\3\1\0\0" b"\x0d\x09\0\0" b"\2\0\4\x20\0\4wxyz\2\1\0\0"
            b"\x0d\3\0\0" b"\1\4\0\6ABCDEF\6\5\0\1")
    write_file_and_expected("bmp_rle8", "bmp", bmp(13, 5, 8, 1, palette, runs))
    runs = b"\5\x12\0\6\x34\x56\x70\0\2\x11\0\0" b"\x0b\xfe\0\0" b"\x0d\x33\0\1"
    write_file_and_expected("bmp_rle4", "bmp", bmp(13, 3, 4, 2, palette[:64], runs))
    samples = random.randint(0, 65536, (5, 6)).astype("<u2").tobytes()
    write_file_and_expected("bmp_555", "bmp", bmp(6, 5, 16, 0, b"", samples))
    masks = struct.pack("<III", 0xf800, 0x7e0, 0x1f)
    write_file_and_expected("bmp_565", "bmp", bmp(6, 5, 16, 3, masks, samples))
    samples = random.randint(0, 256, 5 * 6 * 4).astype(np.uint8).tobytes()
    write_file_and_expected("bmp_32", "bmp", bmp(6, -5, 32, 0, b"", samples))
    core = struct.pack("<IHHHH", 12, 5, 3, 1, 4) + palette[:48]
    data = random.randint(0, 256, 3 * 4).astype(np.uint8).tobytes()
    write_file_and_expected("bmp_core", "bmp", b"BM" + struct.pack("<IHHI", 14 + len(core) + len(data), 0, 0,
                                                                   14 + len(core)) + core + data)


def pillow_resize(picture, size, value):
    """As in Pillow 13: rows first when they lose more than twice as much as the columns. Either
    pass alone is what every version does."""
    fewer_columns, fewer_rows = (a - b for a, b in zip(picture.size, size))
    if fewer_rows > 0 and fewer_rows > 2 * fewer_columns:
        picture = picture.resize((picture.width, size[1]), value)
    return picture.resize(size, value)


def make_resizes(random):
    """resize_rgb.ppm and resize_grey.pgm; results are resize_<rgb|grey>_<filter>_<W>x<H>."""
    noise = random.randint(0, 256, (23, 37, 3)).astype(np.uint8)
    noise[5:15, 8:30] = np.where(noise[5:15, 8:30] > 127, 255, 0)
    pictures = {"rgb": noise, "grey": noise[:, :, 1]}
    filters = {"bilinear": Image.BILINEAR, "bicubic": Image.BICUBIC}
    sizes = [(12, 7), (61, 40), (37, 10), (9, 23), (1, 1), (5, 90), (36, 24), (34, 12), (61, 9)]
    for kind, pixels in pictures.items():
        write_expected(f"resize_{kind}", pixels)
        for filter_name, value in filters.items():
            for size in sizes:
                resized = pillow_resize(Image.fromarray(pixels), size, value)
                write_expected(f"resize_{kind}_{filter_name}_{size[0]}x{size[1]}", resized)
    write_expected("convert_grey", Image.fromarray(noise).convert("L"))


def make_inputs():
    """The input of a network for resize_rgb.ppm, 16 x 16: float32, little-endian, (3, 16, 16)."""
    picture = Image.open(FOLDER / "resize_rgb.ppm")
    short = (16 * 256 + 112) // 224
    resized = picture.resize((picture.width * short // picture.height, short), Image.BILINEAR)
    left, top = round((resized.width - 16) / 2), round((resized.height - 16) / 2)
    cut = np.asarray(resized)[top:top + 16, left:left + 16].astype(np.float64)
    presets = {
        "torchvision": (cut / 255 - [0.485, 0.456, 0.406]) / [0.229, 0.224, 0.225],
        "caffe": cut[:, :, ::-1] - [103.939, 116.779, 123.68],
        "paper": cut - [123.68, 116.779, 103.939],
        "unit": cut / 255,
        "signed": cut / 127.5 - 1,
    }
    for name, values in presets.items():
        planes = values.transpose(2, 0, 1).astype("<f4")
        (FOLDER / f"input_{name}.f32").write_bytes(planes.tobytes())


def make_whole_inputs():
    """The same for presets that resize the short side to that of the input."""
    presets = {
        "cifar10": ([0.4914, 0.4822, 0.4465], [0.2023, 0.1994, 0.2010], Image.BILINEAR),
        "cifar100": ([0.5070, 0.4865, 0.4409], [0.2673, 0.2564, 0.2761], Image.BILINEAR),
        "mnist": ([0.1307] * 3, [0.3081] * 3, Image.BILINEAR),
        "clip": ([0.48145466, 0.4578275, 0.40821073], [0.26862954, 0.26130258, 0.27577711],
                 Image.BICUBIC),
    }
    picture = Image.open(FOLDER / "resize_rgb.ppm")
    for name, (mean, deviation, value) in presets.items():
        resized = picture.resize((picture.width * 16 // picture.height, 16), value)
        left = round((resized.width - 16) / 2)
        cut = np.asarray(resized)[:, left:left + 16].astype(np.float64)
        planes = ((cut / 255 - mean) / deviation).transpose(2, 0, 1).astype("<f4")
        (FOLDER / f"input_{name}.f32").write_bytes(planes.tobytes())


def make_fits():
    """resize_rgb.ppm, lying and upright, fitted to inputs: fit_<fit>_<filter>_<lying|upright>_<W>x<H>.
    "short" is a squash to a short side of 20 and the centre of that."""
    lying = Image.open(FOLDER / "resize_rgb.ppm")
    pictures = {"lying": lying, "upright": lying.transpose(Image.ROTATE_90)}
    filters = {"bilinear": Image.BILINEAR, "bicubic": Image.BICUBIC}
    for width, height in ((16, 16), (21, 12), (11, 30)):
        short = min(width, height)
        between = (20 * width // short, 20 * height // short)
        left, top = (round((a - b) / 2) for a, b in zip(between, (width, height)))
        for way, picture in pictures.items():
            for name, value in filters.items():
                ending = f"{name}_{way}_{width}x{height}"
                write_expected(f"fit_squash_{ending}", pillow_resize(picture, (width, height), value))
                cut = pillow_resize(picture, between, value)
                write_expected(f"fit_short_{ending}",
                               cut.crop((left, top, left + width, top + height)))
                write_expected(f"fit_pad_{ending}", ImageOps.pad(picture, (width, height), value))


def main():
    FOLDER.mkdir(parents=True, exist_ok=True)
    make_pngs(np.random.RandomState(1))
    make_jpegs()
    make_webps()
    make_others(np.random.RandomState(3))
    make_resizes(np.random.RandomState(2))
    make_inputs()
    make_whole_inputs()
    make_fits()


if __name__ == "__main__":
    main()
