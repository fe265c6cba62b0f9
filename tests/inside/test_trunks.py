"""Files without a classifier: what their layers give, and what has no use for them."""
import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="needs PyTorch (python3-torch)")
pytest.importorskip("PIL", reason="needs Pillow (python3-pil)")

from nets import apart  # noqa: E402
from program import draw, make_model, prepared, vgg  # noqa: E402

PRESET = ("--preprocess", "torchvision", "--input", 48, "--resize", 48)
# What the layers are called in the file, and of torchvision's VGG-16 the layer that is looked at.
NAMES = {"features.{}": "features.{}", "numbers": "{}", "a prefix": "net.vgg.features.{}"}


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    folder = tmp_path_factory.mktemp("trunks")
    draw(folder / "picture.png", 1)
    return folder


def write_trunk(place, name="features.{}", **options):
    made = make_model(place / "whole.pth", **options)
    state = {key: value.float() for key, value in made.features.state_dict().items()}
    torch.save({name.format(key): value for key, value in state.items()}, place / "trunk.pth")
    return made


def features(place, layer, *more):
    out = place / "features.npy"
    _, said = vgg("features", "--model", place / "trunk.pth", *PRESET, *more, "--layer", layer, "-o", out, "--overwrite",
                  place / "picture.png")
    return np.load(out), said


@pytest.mark.parametrize("name", NAMES)
def test_layers(place, name):
    made = write_trunk(place, NAMES[name])
    for layer, end in (("relu1_2", 4), ("conv3_1", 11), ("relu5_3", 30)):
        with torch.no_grad():
            expected = made.features[:end](prepared(place / "picture.png", 48)).numpy()
        found, said = features(place, layer)
        assert apart(found, expected) < 1e-5
        assert "assumed padding: same, kind of pools: max-pools, activations: ReLUs" in said


def test_batch_normalisation(place):
    made = write_trunk(place, batch_norm=True)
    with torch.no_grad():
        expected = made.features[:-1](prepared(place / "picture.png", 48)).numpy()
    assert apart(features(place, "relu5_3")[0], expected) < 1e-5


def test_rows_of_the_table_and_told_architectures(place):
    """The pools of the table's rows are where the paper has them, also behind the last convolution."""
    words = [64, "M", 128, "M", 256, 256, "M", 512, 512, "M", 512, 512, "M"]
    torch.manual_seed(1)
    state, channels, layers = {}, 3, []
    for word in words:
        if word == "M":
            layers.append(torch.nn.MaxPool2d(2))
            continue
        layers += [torch.nn.Conv2d(channels, word, 3, padding=1), torch.nn.ReLU()]
        channels = word
    made = torch.nn.Sequential(*layers)
    state = {f"features.{key}": value for key, value in made.state_dict().items()}
    torch.save(state, place / "trunk.pth")
    with torch.no_grad():
        expected = made(prepared(place / "picture.png", 48).float()).numpy()
    for more in ((), ("--arch", "A"), ("--arch", ",".join(map(str, words)))):
        assert apart(features(place, "pool5", *more)[0], expected) < 1e-5


@pytest.mark.parametrize("layer", ["logits", "fc6", "avgpool"])
def test_layers_that_are_not_there(place, layer):
    write_trunk(place)
    _, said = vgg("features", "--model", place / "trunk.pth", *PRESET, "--layer", layer, "-o", place / "none.npy",
                  place / "picture.png", status=1)
    assert "the network has no classifier" in said and "its last layer is features.29" in said
    assert not (place / "none.npy").exists()


def test_classes_are_refused(place):
    write_trunk(place)
    model = ("--model", place / "trunk.pth", "--preprocess", "torchvision", place / "picture.png")
    for command in (("predict",), ("explain", "-o", place / "why.png")):
        _, said = vgg(*command, *model, status=1)
        assert "has no classifier: its layers with weights are convolutions (5,5,10,10," in said
