#!/usr/bin/python3
"""Makes the goldens of test_views: random views of a picture, written anew with NumPy and Pillow from
the random numbers that the library draws (base/random.h).

    tests/golden/make_view_goldens.py

data/views/views.txt has a line per view, `NAME=VALUE ...`: the members of vgg_augment that are on, the
preprocessing (resize, channels), and the view's numbers (seed, epoch, index). data/views/views.bin has
their samples, SIDE x SIDE x channels bytes each, in the same order; what is erased is 0. The picture is
WIDTH x HEIGHT, and sample c of pixel (x, y) is

    (5 x + 3 y + 40 c + (hash of (x, y, c) modulo 48)) modulo 256,

where the hash is random_u64(x, y, c).

data/views/mix.txt has a line per batch that was mixed: mixup, cutmix, seed, epoch, and its items.
data/views/mix.bin has, for each, little-endian float32 values: the mixed inputs, (items, MIX_CHANNELS,
MIX_HEIGHT, MIX_WIDTH), then the share of each picture. Value i of the inputs was i modulo 251.
"""
import math
import pathlib

import numpy as np
from PIL import Image, ImageEnhance, ImageOps

FOLDER = pathlib.Path(__file__).parent / "data" / "views"
WIDTH, HEIGHT, SIDE = 31, 23, 16
MASK = 2**64 - 1
STEP = 0x9E3779B97F4A7C15
VIEW, LASTING = MASK - 1, MASK - 4


# ---- random numbers -------------------------------------------------------------------------------

def mix(x):
    x ^= x >> 30
    x = x * 0xBF58476D1CE4E5B9 & MASK
    x ^= x >> 27
    x = x * 0x94D049BB133111EB & MASK
    return x ^ x >> 31


def random_u64(seed, stream, counter):
    key = mix(seed + STEP * (stream + 1) & MASK)
    return mix(key + STEP * (counter + 1) & MASK)


class Draw:
    def __init__(self, key, index):
        self.key, self.index = key, index

    def unit(self, what):
        return (random_u64(self.key, self.index, what) >> 11) * 2.0**-53

    def uniform(self, what, least, most):
        return least + (most - least) * self.unit(what)

    def below(self, what, bound):
        return random_u64(self.key, self.index, what) * bound >> 64

    def normal(self, what):
        u, v = 1 - self.unit(2 * what), self.unit(2 * what + 1)
        return math.sqrt(-2 * math.log(u)) * math.cos(2 * math.pi * v)


X, Y, FLIP, SCALE, SHIFT_X, SHIFT_Y, ROTATION, BRIGHTNESS, CONTRAST, SATURATION = range(10)
ORDER, OPERATION, STRENGTH, SIGN, ERASE, PCA, ERASE_TRIES, AREA_TRIES = 10, 11, 12, 13, 14, 8, 64, 128


# ---- views ----------------------------------------------------------------------------------------

def picture(channels):
    samples = [[[(5 * x + 3 * y + 40 * c + random_u64(x, y, c) % 48) % 256 for c in range(channels)]
                for x in range(WIDTH)] for y in range(HEIGHT)]
    return Image.fromarray(np.array(samples, np.uint8).squeeze())


def pixels_of(image):
    return np.asarray(image)


def rectangle(draw, tries, width, height, least, most, ratio):
    """torchvision's get_params of RandomResizedCrop and RandomErasing."""
    for attempt in range(10):
        first = tries + 4 * attempt
        area = width * height * draw.uniform(first, least, most)
        shape = math.exp(draw.uniform(first + 1, math.log(ratio), -math.log(ratio)))
        w, h = round(math.sqrt(area * shape)), round(math.sqrt(area / shape))
        if 0 < w <= width and 0 < h <= height:
            return (draw.below(first + 2, width - w + 1), draw.below(first + 3, height - h + 1), w, h)
    return None


def resized_crop(draw, image, least):
    found = rectangle(draw, AREA_TRIES, *image.size, least, 1, 3 / 4)
    if not found:
        width, height = image.size
        w = min(width, round(height * 4 / 3))
        h = min(height, round(width * 4 / 3))
        found = ((width - w) // 2, (height - h) // 2, w, h)
    x, y, w, h = found
    return image.crop((x, y, x + w, y + h)).resize((SIDE, SIDE), Image.BILINEAR)


def middle(side):
    """torchvision's CenterCrop."""
    return round((side - SIDE) / 2)


def cut_out(draw, image, view):
    side = view.get("resize", 0)
    if view.get("scale", 0) > 1:
        least = side or min(image.size)
        side = least + draw.below(SCALE, math.floor(least * view["scale"]) - least + 1)
    if side:
        short = min(image.size)
        size = [side if length == short else side * length // short for length in image.size]
        image = image.resize(size, Image.BILINEAR)
    x, y = middle(image.width), middle(image.height)
    if view.get("crop"):
        x, y = draw.below(X, image.width - SIDE + 1), draw.below(Y, image.height - SIDE + 1)
    return image.crop((x, y, x + SIDE, y + SIDE))


def warp(image, matrix):
    """The output's pixel (x, y) is that of the picture at matrix (x, y, 1), from the middle."""
    source = pixels_of(image).astype(np.float64)
    height, width = source.shape[:2]
    middle_x, middle_y = (width - 1) / 2, (height - 1) / 2
    y, x = np.mgrid[:height, :width].astype(np.float64)
    ones = np.ones_like(x)
    at = np.tensordot(np.array(matrix), np.stack([x - middle_x, y - middle_y, ones]), 1)
    across, down = at[0] + middle_x, at[1] + middle_y
    left, top = np.floor(across).astype(int), np.floor(down).astype(int)
    # Reflected as numpy.pad's "reflect" does it.
    columns = np.pad(np.arange(width), 4 * width, "reflect")
    rows = np.pad(np.arange(height), 4 * height, "reflect")

    def fetch(row, column):
        return source[rows[row + 4 * height], columns[column + 4 * width]]

    share_x, share_y = across - left, down - top
    if source.ndim == 3:
        share_x, share_y = share_x[..., None], share_y[..., None]
    above = (1 - share_x) * fetch(top, left) + share_x * fetch(top, left + 1)
    below = (1 - share_x) * fetch(top + 1, left) + share_x * fetch(top + 1, left + 1)
    mixed = (1 - share_y) * above + share_y * below
    return Image.fromarray(np.floor(mixed + 0.5).astype(np.uint8))


def rotate(image, degrees):
    angle = math.radians(degrees)
    return warp(image, [[math.cos(angle), -math.sin(angle), 0],
                        [math.sin(angle), math.cos(angle), 0]])


def translate(draw, image, most):
    right = draw.below(SHIFT_X, 2 * most + 1) - most
    down = draw.below(SHIFT_Y, 2 * most + 1) - most
    pad = [(most, most)] * 2 + [(0, 0)] * (pixels_of(image).ndim - 2)
    padded = np.pad(pixels_of(image), pad, "reflect")
    return Image.fromarray(padded[most - down:most - down + SIDE, most - right:most - right + SIDE])


def operation(draw, image):
    """torchvision's TrivialAugmentWide, pixels moved by warp()."""
    strength = draw.below(STRENGTH, 31)
    share = strength / 30
    signed = -share if draw.below(SIGN, 2) else share
    factor = 1 + 0.99 * signed
    shift = math.floor(32 * signed)
    posterize = 8 - round(strength / (30 / 6))
    return [
        lambda: image,
        lambda: warp(image, [[1, 0.99 * signed, 0], [0, 1, 0]]),
        lambda: warp(image, [[1, 0, 0], [0.99 * signed, 1, 0]]),
        lambda: warp(image, [[1, 0, -shift], [0, 1, 0]]),
        lambda: warp(image, [[1, 0, 0], [0, 1, -shift]]),
        lambda: rotate(image, 135 * signed),
        lambda: ImageEnhance.Brightness(image).enhance(factor),
        lambda: ImageEnhance.Color(image).enhance(factor),
        lambda: ImageEnhance.Contrast(image).enhance(factor),
        lambda: ImageEnhance.Sharpness(image).enhance(factor),
        lambda: ImageOps.posterize(image, posterize),
        lambda: ImageOps.solarize(image, round(255 * (1 - share))),
        lambda: ImageOps.autocontrast(image),
        lambda: ImageOps.equalize(image),
    ][draw.below(OPERATION, 14)]()


def colour_jitter(draw, image, most):
    kinds = [ImageEnhance.Brightness, ImageEnhance.Contrast, ImageEnhance.Color]
    orders = [(0, 1, 2), (0, 2, 1), (1, 0, 2), (1, 2, 0), (2, 0, 1), (2, 1, 0)]
    for kind in orders[draw.below(ORDER, 6)]:
        factor = draw.uniform(BRIGHTNESS + kind, 1 - most, 1 + most)
        image = kinds[kind](image).enhance(factor)
    return image


def pca_shift(draw, image, deviation):
    values = np.array([0.2175, 0.0188, 0.0045])
    vectors = np.array([[-0.5675, 0.7192, 0.4009], [-0.5808, -0.0045, -0.8140],
                        [-0.5836, -0.6948, 0.4203]])
    amounts = np.array([deviation * draw.normal(PCA + k) for k in range(3)])
    shift = vectors @ (values * amounts)
    return Image.fromarray(np.clip(np.floor(pixels_of(image) + 255 * shift + 0.5), 0, 255)
                           .astype(np.uint8))


def erase(draw, samples, probability):
    if draw.unit(ERASE) < probability:
        found = rectangle(draw, ERASE_TRIES, SIDE, SIDE, 0.02, 0.33, 0.3)
        if found:
            x, y, w, h = found
            samples[y:y + h, x:x + w] = 0
    return samples


def make(view):
    seed, epoch, index = view["seed"], view["epoch"], view["index"]
    draw = Draw(random_u64(seed, epoch, VIEW), index)
    image = picture(view.get("channels", 3))
    image = resized_crop(draw, image, view["area"]) if "area" in view else cut_out(draw, image, view)
    if view.get("flip"):
        mirrored = draw.below(FLIP, 2)
        if view.get("alternate"):
            mirrored = (Draw(random_u64(seed, 0, LASTING), index).below(FLIP, 2) + epoch) % 2
        image = ImageOps.mirror(image) if mirrored else image
    if "translate" in view:
        image = translate(draw, image, view["translate"])
    if "rotate" in view:
        image = rotate(image, draw.uniform(ROTATION, -view["rotate"], view["rotate"]))
    if view.get("policy"):
        image = operation(draw, image)
    if "colour" in view:
        image = colour_jitter(draw, image, view["colour"])
    if "pca" in view and view.get("channels", 3) == 3:
        image = pca_shift(draw, image, view["pca"])
    return erase(draw, pixels_of(image).copy(), view.get("erase", 0))


def views():
    alone = [{"crop": 1}, {"flip": 1}, {"flip": 1, "alternate": 1}, {"area": 0.08}, {"area": 0.9},
             {"scale": 2, "resize": 18}, {"scale": 1.5, "crop": 1}, {"translate": 4}, {"rotate": 30},
             {"colour": 0.4}, {"pca": 0.5}, {"erase": 0.8}]
    for view in alone:
        for number in range(4):
            yield {**view, "seed": 3, "epoch": number, "index": 11 * number + 1}
    for number in range(56):
        yield {"policy": 1, "seed": 5, "epoch": 2, "index": number}
    everything = {"area": 0.2, "flip": 1, "translate": 2, "rotate": 10, "policy": 1, "colour": 0.3,
                  "pca": 0.1, "erase": 0.5}
    for number in range(6):
        yield {**everything, "seed": 2**63 + 5, "epoch": number, "index": 10**6 + number}
    for number in range(6):
        yield {**everything, "channels": 1, "seed": 1, "epoch": number, "index": number}


# ---- mixing ---------------------------------------------------------------------------------------

MIX_CHANNELS, MIX_HEIGHT, MIX_WIDTH = 2, 7, 9
MIX = MASK - 5


def beta(draw, alpha):
    """Johnk's method for Beta(alpha, alpha)."""
    for attempt in range(64):
        u = draw.unit(16 + 2 * attempt) ** (1 / alpha)
        v = draw.unit(17 + 2 * attempt) ** (1 / alpha)
        if 0 < u + v <= 1:
            return u / (u + v)
    return 0.5


def mix_one(draw, own, other, mixup, cutmix):
    """timm's Mixup for one element: the mixed picture and its own share."""
    if not cutmix or (mixup and draw.below(0, 2) == 0):
        share = beta(draw, mixup)
        return np.float32(share) * own + np.float32(1 - share) * other, share
    side = math.sqrt(1 - beta(draw, cutmix))
    cut_h, cut_w = int(MIX_HEIGHT * side), int(MIX_WIDTH * side)
    cy, cx = draw.below(2, MIX_HEIGHT), draw.below(1, MIX_WIDTH)
    top, bottom = np.clip([cy - cut_h // 2, cy + cut_h // 2], 0, MIX_HEIGHT)
    left, right = np.clip([cx - cut_w // 2, cx + cut_w // 2], 0, MIX_WIDTH)
    mixed = own.copy()
    mixed[:, top:bottom, left:right] = other[:, top:bottom, left:right]
    return mixed, 1 - (bottom - top) * (right - left) / (MIX_HEIGHT * MIX_WIDTH)


def mixes():
    rows = [(0.2, 0, 5), (1, 0, 4), (0, 1, 5), (0, 0.5, 8), (0.8, 1, 7), (0.8, 1, 1)]
    for number, (mixup, cutmix, count) in enumerate(rows):
        seed, epoch, items = 9 + number, 2 * number, [7 * i + number for i in range(count)]
        shape = (count, MIX_CHANNELS, MIX_HEIGHT, MIX_WIDTH)
        inputs = (np.arange(math.prod(shape)) % 251).astype(np.float32).reshape(shape)
        made = [mix_one(Draw(random_u64(seed, epoch, MIX), item), inputs[i], inputs[count - 1 - i],
                        mixup, cutmix) for i, item in enumerate(items)]
        line = f"{mixup} {cutmix} {seed} {epoch} " + " ".join(map(str, items))
        values = np.concatenate([np.stack([m for m, _ in made]).ravel(), [s for _, s in made]])
        yield line, values.astype("<f4").tobytes()


def write(name, lines, parts):
    (FOLDER / f"{name}.txt").write_text("\n".join(lines) + "\n")
    (FOLDER / f"{name}.bin").write_bytes(b"".join(parts))


def main():
    FOLDER.mkdir(parents=True, exist_ok=True)
    made = list(views())
    write("views", [" ".join(f"{name}={value}" for name, value in view.items()) for view in made],
          [make(view).astype(np.uint8).tobytes() for view in made])
    write("mix", *zip(*mixes()))


if __name__ == "__main__":
    main()
