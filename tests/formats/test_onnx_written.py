"""The ONNX models that are written here are valid, and give the same scores in other programs."""

import pytest

np = pytest.importorskip("numpy", reason="needs numpy (python3-numpy)")
onnx = pytest.importorskip("onnx", reason="needs the Python package onnx (python3-onnx)")
from onnx import TensorProto  # noqa: E402

from conftest import logits, vgg, write_safetensors  # noqa: E402

UNIT = ("--preprocess", "unit")

ARCHITECTURES = {
    "plain": ("8,M,8,16,M/12", "paper", False, 14),
    "bn": ("8,M,8,1x1:16,M/12", "paper", True, 14),
    "lrn": ("8,L,M,20,M", "paper", False, 10),
    "pooled": ("8,M/12", "torchvision", False, 28),
}


def converted(tmp_path, name, *options):
    """A network with random weights, in a safetensors file and converted to ONNX."""
    arch, layout, batch_norm, side = ARCHITECTURES[name]
    convolutions, _, hidden = arch.partition("/")
    draw = np.random.default_rng(3)
    values, index, channels, now = {}, 0, 3, side
    for word in convolutions.split(","):
        if word in ("M", "L"):
            now //= 2 if word == "M" else 1
            index += 1
            continue
        kernel, width = (1, int(word[4:])) if word.startswith("1x1:") else (3, int(word))
        values[f"features.{index}.weight"] = draw.normal(
            0, (2 / (channels * kernel**2)) ** 0.5, (width, channels, kernel, kernel))
        values[f"features.{index}.bias"] = draw.normal(0, 0.1, width)
        if batch_norm:
            index += 1
            for field in ("weight", "bias", "running_mean"):
                values[f"features.{index}.{field}"] = draw.normal(0, 0.5, width)
            values[f"features.{index}.running_var"] = draw.uniform(0.5, 2, width)
        index, channels = index + 2, width
    inputs = channels * (7 if layout == "torchvision" else now) ** 2
    for number, width in enumerate([*map(int, hidden.split(",") if hidden else ()), 5]):
        values[f"classifier.{3 * number}.weight"] = draw.normal(
            0, (1 / inputs) ** 0.5, (width, inputs))
        values[f"classifier.{3 * number}.bias"] = draw.normal(0, 0.1, width)
        inputs = width
    source, out = tmp_path / "net.safetensors", tmp_path / "net.onnx"
    write_safetensors(source, {n: v.astype(np.float32) for n, v in values.items()})
    told = ("--arch", arch, "--layout", layout, "--input", side, *UNIT)
    vgg("convert", source, out, *told, *options)
    return source, told, out, side


def input_of(side, tmp_path):
    """A picture, and what the network sees of it: with 256 / 224 of the input's sides it is not
    resized, but cut."""
    short = (side * 256 + 112) // 224
    pixels = np.random.default_rng(5).integers(0, 256, (short, short, 3), dtype=np.uint8)
    path = tmp_path / "input.ppm"
    path.write_bytes(b"P6\n%d %d\n255\n" % (short, short) + pixels.tobytes())
    begin = round((short - side) / 2)
    cut = pixels[begin:begin + side, begin:begin + side].astype(np.float32) / 255
    return path, cut.transpose(2, 0, 1)[None]


@pytest.mark.parametrize("name", ARCHITECTURES)
@pytest.mark.parametrize("softmax", [False, True])
def test_written_files_are_valid(name, softmax, tmp_path, noise):
    source, told, out, _ = converted(tmp_path, name, *(["--softmax"] if softmax else []))
    model = onnx.load(str(out))
    onnx.checker.check_model(model, full_check=True)
    assert [i.name for i in model.graph.input] == ["input"]
    assert [o.name for o in model.graph.output] == ["probabilities" if softmax else "logits"]
    assert model.graph.input[0].type.tensor_type.shape.dim[0].dim_param == "N"
    found, same = logits(out, noise), logits(source, noise, *told)
    assert found == same
    twice = tmp_path / "twice.onnx"
    vgg("convert", out, twice, *(["--softmax"] if softmax else []))
    assert twice.read_bytes() == out.read_bytes()
    # Values lie where a reader that maps the file can use them.
    data = out.read_bytes()
    for tensor in model.graph.initializer:
        assert data.index(tensor.raw_data) % 4 == 0, tensor.name


def test_halves_are_widened(tmp_path, noise):
    source, told, _, _ = converted(tmp_path, "plain")
    small, out = tmp_path / "small.safetensors", tmp_path / "small.onnx"
    vgg("convert", source, small, "--dtype", "f16", *told)
    vgg("convert", small, out)
    assert all(t.data_type == TensorProto.FLOAT for t in onnx.load(str(out)).graph.initializer)
    np.testing.assert_allclose(logits(out, noise), logits(small, noise), rtol=0, atol=1e-5)


def test_a_pool_that_onnx_has_not(tmp_path):
    ARCHITECTURES["uneven"] = ("8,M/12", "torchvision", False, 20)
    with pytest.raises(AssertionError, match="cannot be written: \"avgpool\" averages 10x10"):
        converted(tmp_path, "uneven")
    del ARCHITECTURES["uneven"]
    assert not (tmp_path / "net.onnx").exists()


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_onnx_runtime(name, tmp_path):
    runtime = pytest.importorskip("onnxruntime", reason="needs ONNX Runtime")
    _, _, out, side = converted(tmp_path, name)
    path, tensor = input_of(side, tmp_path)
    session = runtime.InferenceSession(str(out), providers=["CPUExecutionProvider"])
    theirs = session.run(["logits"], {"input": tensor})[0][0]
    np.testing.assert_allclose(logits(out, path), theirs, rtol=0, atol=1e-4)


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_opencv(name, tmp_path):
    cv2 = pytest.importorskip("cv2", reason="needs OpenCV (python3-opencv)")
    _, _, out, side = converted(tmp_path, name)
    path, tensor = input_of(side, tmp_path)
    network = cv2.dnn.readNetFromONNX(str(out))
    network.setInput(tensor)
    np.testing.assert_allclose(logits(out, path), network.forward()[0], rtol=0, atol=1e-4)
