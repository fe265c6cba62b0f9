"""Keras's files, of every layout in which it has saved weights, against the same values in a
safetensors file."""

import json
import subprocess
import zipfile

import pytest

np = pytest.importorskip("numpy")
h5py = pytest.importorskip("h5py")

import keras_files as made  # noqa: E402
from conftest import (PROGRAM, inspected, logits, logits_by_convention, refused, vgg,
                      write_safetensors)  # noqa: E402

D = [8, 8, "M", 12, 12, "M", 16, 16, 16, "M", 24, 24, 24, "M", 24, 24, 24, "M"]


def like_d(**options):
    """VGG-16 with few channels."""
    return made.Net(D, [40, 30], 10, 64, **options)


def small(side=12, **options):
    """Not of the table; its last feature map is 3 x 3."""
    return made.Net([6, "M", 10, 8, "M"], [12], 4, side, **options)


LAYOUTS = {
    "old": made.write_old,
    "new": made.write_new,
    "whole": made.write_whole,
    "weights-3": made.write_weights_3,
    "keras": made.write_keras,
}
NETS = {
    "D": like_d,
    "D-bn": lambda: like_d(batch_norm=True, seed=2),
    "own": lambda: small(names="generic", seed=3),
    "own-bn": lambda: small(names="generic", batch_norm=True, seed=4),
}
CAFFE = ("--preprocess", "caffe")


def told(net):
    """What files of weights do not say."""
    return "--arch", ",".join(str(w) for w in trunk_of(net)), "--input", net.side


def compare(path, net, noise, tmp_path, *options, says=()):
    """options: for a file that is not preprocessed by convention."""
    same = tmp_path / "same.safetensors"
    write_safetensors(same, net.state)
    expected = logits(same, noise, *CAFFE, "--layout", "paper", *told(net))
    found = (logits(path, noise, *options, *says) if options else
             logits_by_convention("caffe", path, noise, *says))
    assert max(expected) - min(expected) > 0.1
    if any(kind == "BatchNormalization" for kind, *_ in net.layers):
        # The variances, with the difference of the epsilons added, may be rounded otherwise.
        assert np.abs(np.subtract(found, expected)).max() < 1e-5 * np.abs(expected).max()
    else:
        assert found == expected


def trunk_of(net):
    words = ["M" if kind == "MaxPooling2D" else len(more["bias"]) for kind, _, more in net.layers
             if kind in ("MaxPooling2D", "Conv2D")]
    hidden = [len(more["bias"]) for kind, _, more in net.layers if kind == "Dense"][:-1]
    return [*words[:-1], f"{words[-1]}/{hidden[0]}", *hidden[1:]]


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("name", NETS)
def test_logits(name, layout, noise, tmp_path):
    """Without a word about the preprocessing where the names are keras.applications'."""
    net = NETS[name]()
    path = tmp_path / f"model.{'keras' if layout == 'keras' else 'h5'}"
    LAYOUTS[layout](path, net)
    says = ()
    if layout in ("old", "new", "weights-3"):
        says = told(net)
        line = refused("summary", path)
        assert str(path) in line and "--input" in line and "say which one it holds" in line
    compare(path, net, noise, tmp_path, *(CAFFE if name.startswith("own") else ()), says=says)


@pytest.mark.parametrize("layout", ["old", "new"])
def test_names_of_blocks(layout, tmp_path):
    """With the input's size there are two ways to have pools between the blocks."""
    net = like_d()
    LAYOUTS[layout](tmp_path / "model.h5", net)
    line = refused("summary", tmp_path / "model.h5", "--input", net.side)
    assert f"--arch {told(net)[1]} --padding same; or " in line and line.count("; or ") == 1


@pytest.mark.parametrize("layout", ["whole", "keras"])
def test_described_input(layout, noise, tmp_path):
    """14 x 14 as well as 12 x 12 gives 3 x 3: the description says which."""
    net = small(side=14)
    LAYOUTS[layout](tmp_path / "model.h5", net)
    compare(tmp_path / "model.h5", net, noise, tmp_path)


@pytest.mark.parametrize("libver", ["earliest", "v108", "latest"])
@pytest.mark.parametrize("layout", ["new", "whole", "weights-3"])
def test_kinds_of_hdf5(layout, libver, noise, tmp_path):
    """Groups as symbol tables, as link messages and as heaps."""
    net = like_d(batch_norm=True)
    LAYOUTS[layout](tmp_path / "model.h5", net, libver=libver)
    compare(tmp_path / "model.h5", net, noise, tmp_path, says=told(net))


def test_order_of_creation(noise, tmp_path):
    """Groups that remember the order of their links are of the newer kind too."""
    net = like_d()
    with h5py.File(tmp_path / "model.h5", "w", track_order=True) as file:
        h5py.get_config().track_order = True
        try:
            made.write_groups(file, made.keras_values(net), made.new_name)
        finally:
            h5py.get_config().track_order = False
    compare(tmp_path / "model.h5", net, noise, tmp_path, says=told(net))


@pytest.mark.parametrize("change", ["unnamed", "older", "deflated", "double", "half", "nested"])
def test_varieties(change, noise, tmp_path):
    net, path = like_d(), tmp_path / "model.keras"
    if change == "unnamed":
        made.write_keras(path, net, named=False)
        compare(path, net, noise, tmp_path, *CAFFE)
    elif change == "older":
        made.write_keras(path, net, container="_layer_checkpoint_dependencies")
        compare(path, net, noise, tmp_path)
    elif change == "deflated":
        made.write_keras(path, net, method=zipfile.ZIP_DEFLATED)
        compare(path, net, noise, tmp_path)
    elif change == "nested":
        described = made.config(net)
        layers = described["config"]["layers"]
        inner = {"class_name": "Functional", "config": {"name": "vgg16", "layers": layers[:-4]}}
        described["config"]["layers"] = [inner, *layers[-4:]]
        made.write_keras(path, net, described)
        compare(path, net, noise, tmp_path)
    else:
        kind = {"double": "f8", "half": "f2"}[change]
        write_as(path, net, kind)
        if change == "half":
            net.state = {n: v.astype("f2").astype("f4") for n, v in net.state.items()}
        compare(path, net, noise, tmp_path, says=told(net))


def write_as(path, net, kind):
    with h5py.File(path, "w") as file:
        values = [(k, name, [(t, v.astype(kind)) for t, v in tensors])
                  for k, name, tensors in made.keras_values(net)]
        made.write_groups(file, values, made.new_name)


def test_order_of_fc1(noise, tmp_path):
    """Rows in another order are another network."""
    net = like_d()
    made.write_new(tmp_path / "wrong.h5", net, permute=False)
    with pytest.raises(AssertionError):
        compare(tmp_path / "wrong.h5", net, noise, tmp_path, says=told(net))


def test_preset(picture, tmp_path):
    """One colour in, (B - 103.939, G - 116.779, R - 123.68) to the first convolution."""
    made.write_new(tmp_path / "model.h5", like_d())
    says = told(like_d())
    own = logits_by_convention("caffe", tmp_path / "model.h5", picture, *says)
    assert own == logits(tmp_path / "model.h5", picture, *CAFFE, *says)
    for other in ("paper", "torchvision", "unit"):
        different = logits(tmp_path / "model.h5", picture, "--preprocess", other, *says)
        assert np.abs(np.subtract(own, different)).max() > 1e-3
    vgg("convert", tmp_path / "model.h5", tmp_path / "out.safetensors", *says)
    assert own == logits(tmp_path / "out.safetensors", picture)
    data = (tmp_path / "out.safetensors").read_bytes()
    header = json.loads(data[8:8 + int.from_bytes(data[:8], "little")])["__metadata__"]
    assert json.loads(header["vgg.preprocess"])["bgr"] is True and header["vgg.input"] == "3x64x64"


def test_generic_names_say_no_preset(noise, tmp_path):
    made.write_whole(tmp_path / "model.h5", small(names="generic"))
    assert "--preprocess" in refused("predict", "--model", tmp_path / "model.h5", noise)


def test_table(tmp_path):
    """Convolutions of the table need no words about max-pools, and are found to be the table's."""
    net = made.Net([64, "M", 128, "M", 256, 256, "M", 512, 512, "M", 512, 512, "M"], [4096, 4096],
                   5, 32, names="generic")
    made.write_weights_3(tmp_path / "a.h5", net, named=False)
    assert json.loads(vgg("summary", tmp_path / "a.h5", "--format", "json", "--input", 32,
                          "--layout", "paper"))["arch"] == "A"


def test_without_classifier(tmp_path):
    net = like_d()
    net.layers = [layer for layer in net.layers if layer[0] not in ("Dense", "Flatten")]
    for layout in ("old", "new", "whole", "weights-3", "keras"):
        LAYOUTS[layout](tmp_path / "model.h5", net)
        says = refused("predict", "--model", tmp_path / "model.h5", "x.png")
        assert "13 convolutions" in says and "include_top=False" in says
        done = subprocess.run([PROGRAM, "summary", tmp_path / "model.h5"], capture_output=True, text=True, check=False)
        rows = [line.split() for line in done.stdout.splitlines() if "Conv2d" in line]
        weights = [more["weight"] for kind, _, more in net.layers if kind == "Conv2D"]
        assert (done.returncode, done.stderr.replace("summary: note", "predict")) == (0, says)
        assert sorted((int(row[2][:-1]), int(row[-1])) for row in rows) == sorted(
            (len(weight), weight.size + len(weight)) for weight in weights), layout


# ---- descriptions of other networks: (layer, parameter, value, what is said)
OTHERS = [
    (1, "strides", [2, 2], ["block1_conv1", "has strides of 2x2, expected 1x1"]),
    (1, "kernel_size", [5, 5], ["block1_conv1", "has kernel_size of 5x5, expected 3x3 or 1x1"]),
    (1, "padding", "causal", ["block1_conv1", 'has padding "causal", expected "same" or "valid"']),
    (1, "padding", "valid", ["takes 96 features", "--input 66 to 97"]),
    (1, "activation", "gelu", ["block1_conv1", "gelu"]),
    (1, "data_format", "channels_first",
     ['has data_format "channels_first", expected "channels_last"']),
    (3, "pool_size", [3, 3], ["block1_pool", "has pool_size of 3x3, expected 2x2"]),
    (3, "padding", "same", ["block1_pool", 'has padding "same", expected "valid"']),
    (-2, "activation", "sigmoid", ["predictions", "follows a softmax or sigmoid"]),
    (-2, "activation", "tanh", ["fc2", "tanh"]),
    (-1, "name", 7, ["Dense"]),
]


@pytest.mark.parametrize("at,key,value,says", OTHERS)
def test_other_networks(at, key, value, says, tmp_path):
    net = like_d()
    described = made.config(net)
    described["config"]["layers"][at]["config"][key] = value
    made.write_keras(tmp_path / "model.keras", net, described)
    if key == "name":
        vgg("summary", tmp_path / "model.keras")
        return
    line = refused("summary", tmp_path / "model.keras")
    assert all(word in line for word in [str(tmp_path / "model.keras"), *says]), line


@pytest.mark.parametrize("kind, says", [
    ("GlobalAveragePooling2D", "follows a Flatten or a global pool"),
    ("DepthwiseConv2D", "no layer of a VGG network"), ("LeakyReLU", "no layer of a VGG network"),
    ("Add", "stands behind a convolution"), ("Rescaling", "stands behind a convolution")])
def test_other_layers(kind, says, tmp_path):
    net = like_d()
    described = made.config(net)
    described["config"]["layers"].insert(5, {"class_name": kind, "config": {"name": "x"}})
    made.write_whole(tmp_path / "model.h5", net, described=described)
    line = refused("summary", tmp_path / "model.h5")
    assert says in line and (kind in line or kind == "GlobalAveragePooling2D")


def test_inspect(tmp_path):
    """Each tensor under both names."""
    made.write_old(tmp_path / "model.h5", like_d())
    found = inspected(tmp_path / "model.h5", *told(like_d()))
    assert (found["format"], found["preprocess_origin"]) == ("keras", "convention")
    assert (found["graph"], found["network_origin"]) == (False, "told")
    assert found["softmax"] is False and found["problems"] == []
    names = {t["stored_name"]: t["name"] for t in found["tensors"]}
    assert len(names) == 32 and names["fc1/fc1_W_1:0"] == "classifier.0.weight"
    made.write_whole(tmp_path / "model.h5", like_d())
    found = inspected(tmp_path / "model.h5")
    assert (found["graph"], found["network_origin"], found["softmax"]) == (True, "graph", True)


def test_inspect_refused(tmp_path):
    """What is no VGG network is listed as it lies in the file, whether or not it is described."""
    net = like_d()
    described = made.config(net)
    described["config"]["layers"].insert(5, {"class_name": "Add", "config": {"name": "x"}})
    made.write_keras(tmp_path / "add.keras", net, described)
    with h5py.File(tmp_path / "other.h5", "w") as file:
        file["lstm/recurrent"] = np.ones((2, 5), "f4")
        file["lstm/steps"] = np.arange(3)
    for name, says, count in (("add.keras", '"x" (Add)', 32), ("other.h5", "lstm/recurrent", 1)):
        found = inspected(tmp_path / name, status=4)
        assert found["network"] is None and says in found["network_reason"]
        assert len(found["tensors"]) == count
        assert [p["kind"] for p in found["problems"]] == ["network"]
    assert found["tensors"][0]["shape"] == [2, 5] and found["tensors"][0]["mean"] == 1
    assert "lstm/recurrent" in refused("summary", tmp_path / "other.h5")


def test_not_written(tmp_path):
    made.write_new(tmp_path / "model.h5", like_d())
    assert '"keras"' in refused("convert", tmp_path / "model.h5", tmp_path / "out.h5", *told(like_d()))


def test_summary_of_d(tmp_path):
    """The real VGG-16, of which the values stay holes in the file."""
    path = tmp_path / "d.h5"
    widths = [64, 64, "M", 128, 128, "M", 256, 256, 256, "M", 512, 512, 512, "M", 512, 512, 512, "M"]
    block, member, channels, shapes = 1, 0, 3, []
    for width in widths:
        if width == "M":
            block, member = block + 1, 0
            continue
        member += 1
        shapes.append((f"block{block}_conv{member}", (3, 3, channels, width)))
        channels = width
    shapes += [("fc1", (25088, 4096)), ("fc2", (4096, 4096)), ("predictions", (4096, 1000))]
    with h5py.File(path, "w") as file:
        file.attrs["layer_names"] = made.texts(name for name, _ in shapes)
        for name, shape in shapes:
            inner = file.create_group(name)
            names = [f"{name}_W_1:0", f"{name}_b_1:0"]
            inner.attrs["weight_names"] = made.texts(names)
            for full, size in zip(names, (shape, shape[-1:])):
                plan = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
                plan.set_alloc_time(h5py.h5d.ALLOC_TIME_EARLY)
                plan.set_fill_time(h5py.h5d.FILL_TIME_NEVER)
                h5py.h5d.create(inner.id, full.encode(), h5py.h5t.IEEE_F32LE,
                                h5py.h5s.create_simple(size), plan)
    done = subprocess.run([PROGRAM, "summary", path, "--format", "json"], capture_output=True,
                          text=True, timeout=60, check=True)
    found = json.loads(done.stdout)
    assert (found["arch"], found["input"], found["parameters"]) == ("D", [3, 224, 224], 138357544)
