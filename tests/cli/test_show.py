"""vgg show: filters and maps against the values that they are drawn of."""
import json

import pytest

np = pytest.importorskip("numpy", reason="needs NumPy (python3-numpy)")
Image = pytest.importorskip("PIL.Image", reason="needs Pillow (python3-pil)")

from conftest import complaint, vgg  # noqa: E402


@pytest.fixture(scope="module")
def photo(tmp_path_factory):
    random = np.random.default_rng(4)
    small = Image.fromarray(random.integers(0, 256, (6, 5, 3), np.uint8))
    path = tmp_path_factory.mktemp("show") / "photo.png"
    small.resize((120, 130), Image.BICUBIC).save(path)
    return path


def activations(photo, folder, layer):
    vgg("features", "--model", "builtin", "--layer", layer, "-o", folder / "values.npy", photo, "--overwrite")
    return np.load(folder / "values.npy")[0]


def tensor(path, name):
    """A tensor of a safetensors file as floats."""
    data = path.read_bytes()
    size = int.from_bytes(data[:8], "little")
    entry = json.loads(data[8:8 + size])[name]
    begin, end = (8 + size + offset for offset in entry["data_offsets"])
    kind = {"F16": np.float16, "F32": np.float32}[entry["dtype"]]
    return np.frombuffer(data[begin:end], kind).reshape(entry["shape"]).astype(float)


def test_filters(tmp_path):
    model = tmp_path / "wide.safetensors"
    vgg("convert", "builtin", model)
    weights = tensor(model, "features.0.weight")
    said = vgg("show", model, "-o", tmp_path / "filters.png").out
    assert said == f"{tmp_path}/filters.png: {len(weights)} filters of 3 x 3 of features.0\n"
    said = vgg("show", model, "-o", tmp_path / "filters.png", "--overwrite", "--format", "json").out
    assert json.loads(said) == {"layer": "features.0", "filters": len(weights), "shape": [3, 3]}
    pixels = np.asarray(Image.open(tmp_path / "filters.png"))
    for number in 0, 17, len(weights) - 1:
        scaled = np.rint(127.5 + 127.5 * weights[number] / abs(weights[number]).max())
        top, left = number // 16 * 48, number % 16 * 48
        drawn = pixels[top + 7:top + 42:14, left + 7:left + 42:14]
        assert abs(drawn.astype(int) - scaled.transpose(1, 2, 0)).max() <= 1, number
    assert (pixels[:, 42:48] == 128).all()


@pytest.mark.parametrize("layer", ["relu3_1", "conv2_1"])
def test_maps(photo, tmp_path, layer):
    values = activations(photo, tmp_path, layer)
    most = values.max((1, 2))
    order = sorted(range(len(values)), key=lambda c: (-most[c], c))[:8]
    line = ("show", "builtin", "--layer", layer, photo, "-o", tmp_path / "maps.png", "--channels", 8)
    found = json.loads(vgg(*line, "--format", "json").out)
    assert found["layer"] == layer and found["shape"] == list(values.shape)
    assert [row["channel"] for row in found["channels"]] == order
    assert np.allclose([row["most"] for row in found["channels"]], most[order], rtol=1e-4)
    said = vgg(*line, "--overwrite").out.splitlines()
    assert said[0].endswith(f": 8 of {len(values)} channels of {layer}, {values.shape[1]} x {values.shape[2]}")
    assert [int(row.split()[0]) for row in said[1:]] == order
    # What is larger is lighter, in the cells behind that of the input.
    pixels = np.asarray(Image.open(tmp_path / "maps.png").convert("L")).astype(int)
    height, width = values.shape[1:]
    times = -(-112 // min(height, width))
    for place, channel in enumerate(order, 1):
        top, left = 8 + place // 3 * (times * height + 28), 8 + place % 3 * (times * width + 8)
        cell = pixels[top:top + times * height:times, left:left + times * width:times]
        rising = cell.ravel()[np.argsort(values[channel].ravel())]
        assert np.diff(rising).min() >= -2 and rising[-1] - rising[0] > 100, channel


@pytest.mark.parametrize("layer", ["relu3_1", "logits"])
def test_pictures_that_excite_a_channel(photo, tmp_path, layer):
    folder = tmp_path / "pictures"
    (folder / "below").mkdir(parents=True)
    whole = Image.open(photo)
    for turn in range(6):
        whole.rotate(60 * turn).save(folder / ("below" if turn % 2 else ".") / f"{turn}.png")
    vgg("features", "--model", "builtin", "--layer", layer, *["--pool", "max"] * (layer != "logits"), "-o",
        tmp_path / "all.npy", folder)
    names, values = (tmp_path / "all.txt").read_text().splitlines(), np.load(tmp_path / "all.npy")[:, 5]
    order = np.argsort(-values, kind="stable")[:4]
    line = ("show", "builtin", "--layer", layer, "--channel", 5, "--top", 4, folder)
    found = json.loads(vgg(*line, "--format", "json").out)
    assert (found["layer"], found["channel"], found["pictures"]) == (layer, 5, 6)
    assert [row["image"] for row in found["best"]] == [names[i] for i in order]
    assert np.allclose([row["value"] for row in found["best"]], values[order], rtol=1e-5)
    (folder / "broken.png").write_text("no picture")
    said = vgg(*line, "-o", tmp_path / "top.png", status=3)
    assert [row.split()[1] for row in said.out.splitlines()] == [names[i] for i in order]
    assert "broken.png" in said.err
    # Two by two, each twice as large as the network's 128 x 128.
    assert Image.open(tmp_path / "top.png").size == (2 * (2 * 128 + 8) + 8, 2 * (2 * 128 + 28) + 8)
    assert "has" in complaint(*line[:5], 5000, folder, status=2)
    complaint(*line[:-1], folder / "broken.png")


def test_what_is_refused(photo, tmp_path):
    out = tmp_path / "out.png"
    for line, words in (
            ((), "-o OUT.png is missing"),
            (("-o", "a.jpg"), "expected a name that ends in .png"),
            ((photo, "-o", out), "--layer is missing"),
            (("--layer", "relu1_1", "-o", out), "IMAGE is missing"),
            (("--channels", 3, "-o", out), "--channels: needs --layer"),
            (("--channel", 3, "-o", out), "--channel: needs --layer"),
            (("--layer", "relu1_1", "--top", 3, photo, "-o", out), "--top: needs --channel"),
            (("--layer", "relu1_1", "--channel", 3, "--channels", 3, photo), "--channels: is not for --channel"),
            (("--layer", "relu1_1", photo, photo, "-o", out), "expected one IMAGE"),
            (("--layer", "logits", photo, "-o", out), "gives one number for each channel"),
            (("--layer", "relu9_9", photo, "-o", out), "relu9_9")):
        assert words in complaint("show", "builtin", *line, status=2)
    assert not out.exists()
    out.write_text("mine")
    assert "out.png" in complaint("show", "builtin", "-o", out)
    assert out.read_text() == "mine"
    complaint("show", "builtin", "--layer", "relu1_1", tmp_path / "none.png", "-o", out, "--overwrite")
    assert out.read_text() == "mine"
