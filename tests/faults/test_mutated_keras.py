"""Keras's files that are broken, absurd or lead elsewhere, through vgg summary."""

import json
import struct
import zipfile

import pytest
from conftest import fails, run
from mutate import check_mutations

np = pytest.importorskip("numpy")
h5py = pytest.importorskip("h5py")

import keras_files as made  # noqa: E402


def tiny(**options):
    return made.Net([2, "M"], [4], 3, 4, **options)


def write_many(path):
    """A group of so many links that they lie in a heap of several blocks below a tree of two levels."""
    made.write_new(path, made.Net([2] * 60 + ["M"], [4], 3, 4), libver="latest")


KINDS = {
    "old": lambda path: made.write_old(path, tiny()),
    "new": lambda path: made.write_new(path, tiny(batch_norm=True), libver="v108"),
    "heap": write_many,
    "whole": lambda path: made.write_whole(path, tiny()),
    "weights-3": lambda path: made.write_weights_3(path, tiny(), libver="latest"),
    "keras": lambda path: made.write_keras(path, tiny()),
    "deflated": lambda path: made.write_keras(path, tiny(), method=zipfile.ZIP_DEFLATED),
}


def told(kind):
    """What files of weights do not say."""
    if kind in ("whole", "keras", "deflated"):
        return ()
    return "--arch", (60 * "2," if kind == "heap" else "2,") + "M/4", "--input", 4


SIGNATURES = [b"TREE", b"SNOD", b"HEAP", b"GCOL", b"OHDR", b"OCHK", b"FRHP", b"FHIB", b"FHDB",
              b"BTHD", b"BTIN", b"BTLF", b"PK\1\2", b"PK\5\6"]


def boundaries(data):
    """Where parts of the file begin, and steps on from there into what they hold."""
    places = [0, 8, 16, 24, 40, 56, 64, len(data)]
    for signature in SIGNATURES:
        at = data.find(signature)
        while at >= 0:
            places += [at + step for step in (0, 8, 16, 24, 40, 64, 96)]
            at = data.find(signature, at + 1)
    # The headers of the older kind: version 1, then a count of messages and one of references.
    for at in range(0, len(data) - 16, 8):
        if data[at:at + 2] == b"\1\0" and data[at + 4:at + 8] == b"\1\0\0\0":
            places += [at + step for step in (0, 8, 16, 24, 40, 64, 96)]
    return [place for place in places if place <= len(data)]


@pytest.mark.parametrize("kind", KINDS)
def test_good_one(kind, tmp_path):
    path = tmp_path / "model.h5"
    KINDS[kind](path)
    assert kind != "heap" or all(s in path.read_bytes() for s in (b"FRHP", b"FHIB", b"BTIN"))
    status, out, err = run("summary", path, *told(kind))
    assert (status, err) == (0, "")
    assert "Linear-" in out


@pytest.mark.parametrize("kind", KINDS)
def test_mutations(kind, tmp_path):
    """Damaged values may go unseen."""
    path = tmp_path / "model.h5"
    KINDS[kind](path)
    data = path.read_bytes()
    check_mutations(path, data, boundaries(data), *told(kind), refused=100, seed=2)


# ---- groups and data sets that no Keras file has: (what is done to a good one, what is said)
def soft(file):
    file["fc9"] = h5py.SoftLink("/fc1")


def external(file):
    file["fc9"] = h5py.ExternalLink("/etc/passwd", "/")


def circle(file):
    file["fc1/again"] = file["/"]


def replaced(**options):
    def change(file):
        values = file["fc1/fc1/kernel:0"][()]
        del file["fc1/fc1/kernel:0"]
        file["fc1/fc1"].create_dataset("kernel:0", data=values, **options)
    return change


def with_kernel(layer, values):
    def change(file):
        del file[f"{layer}/{layer}/kernel:0"]
        file[f"{layer}/{layer}"].create_dataset("kernel:0", data=values)
    return change


def elsewhere(file):
    del file["fc1/fc1/kernel:0"]
    file["fc1/fc1"].create_dataset("kernel:0", (8, 4), "f4", external=[("/etc/passwd", 0, 128)])


def virtual(file):
    del file["fc1/fc1/kernel:0"]
    layout = h5py.VirtualLayout((8, 4), "f4")
    layout[:] = h5py.VirtualSource("/etc/passwd", "x", (8, 4))
    file["fc1/fc1"].create_virtual_dataset("kernel:0", layout)


def deep(file):
    file.create_group("/".join("a" * 40))


def unlisted(file):
    file.create_group("more").create_dataset("kernel:0", data=np.ones((3, 3), "f4"))


def listed_twice(file):
    file.attrs["layer_names"] = made.texts(["fc1", *file.attrs["layer_names"].astype(str)])


CHANGES = {
    "soft": (soft, ["fc9", "link"]),
    "external-link": (external, ["fc9", "link"]),
    "circle": (circle, ["nested too deeply"]),
    "deep": (deep, ["nested too deeply"]),
    "chunks": (replaced(chunks=(2, 2)), ["fc1/fc1/kernel:0", "in chunks", "h5repack"]),
    "compressed": (replaced(compression="gzip"), ["fc1/fc1/kernel:0", "compressed"]),
    "elsewhere": (elsewhere, ["other files"]),
    "virtual": (virtual, ["elsewhere"]),
    "big-endian": (replaced(dtype=">f4"), ["fc1/fc1/kernel:0", "type of number"]),
    "integers": (replaced(dtype="i4"), ["fc1/fc1/kernel:0", "F32, F16"]),
    "empty": (with_kernel("fc1", np.ones((0, 4), "f4")), ["is empty"]),
    "3-D": (with_kernel("fc1", np.ones((2, 2, 2), "f4")), ["tensors of layer", "fc1/fc1"]),
    "large-kernel": (with_kernel("block1_conv1", np.ones((5, 5, 3, 2), "f4")), ["5x5", "3x3"]),
    "rows": (with_kernel("fc1", np.ones((7, 4), "f4")), ["fc1", "7 inputs", "multiple", "2"]),
    "columns": (with_kernel("fc1", np.ones((8, 5), "f4")), ["predictions", "4 inputs", "5"]),
    "unlisted": (unlisted, ["more", "no place"]),
    "order": (listed_twice, ["fc1"]),
    "no-layers": (lambda file: [file.pop(name) for name in list(file)], ["without weights"]),
}


@pytest.mark.parametrize("name", CHANGES)
def test_changes(name, tmp_path):
    change, says = CHANGES[name]
    path = tmp_path / "model.h5"
    made.write_new(path, tiny())
    with h5py.File(path, "r+") as file:
        change(file)
    fails("summary", path, says=[path, *says])


def test_same_values_many_times(little_memory, tmp_path):
    """Thousands of layers that share one tensor would need more memory than the file has bytes."""
    path = tmp_path / "model.h5"
    with h5py.File(path, "w") as file:
        values = file.create_dataset("a/kernel:0", data=np.ones((3, 3, 512, 512), "f4"))
        for i in range(300):
            file[f"a{i}/kernel:0"] = values
        file.attrs["layer_names"] = made.texts(["a", *(f"a{i}" for i in range(300))])
        for name in file:
            file[name].attrs["weight_names"] = made.texts(["kernel:0"])
        file.create_group("pool")
        file.attrs["layer_names"] = made.texts([*file.attrs["layer_names"].astype(str), "pool"])
    fails("summary", path, says=[path, "transposed tensor", "more than a file of"],
          limits=little_memory)


# ---- archives
ARCHIVES = {
    "no-weights": ({"config.json": "{}"}, ["without config.json and model.weights.h5"]),
    "no-config": ({"model.weights.h5": ""}, ["without config.json and model.weights.h5"]),
    "empty": ({"config.json": "{}", "model.weights.h5": ""}, ["model.weights.h5", "signature"]),
    "cut": ({"config.json": "{}", "model.weights.h5": "\x89HDF\r\n\x1a\n"}, ["HDF5"]),
    "no-json": ({"config.json": "{", "model.weights.h5": ""}, ["description", "byte"]),
    "lists": ({"config.json": "[" * 100000, "model.weights.h5": ""}, ["description", "byte"]),
}


@pytest.mark.parametrize("name", ARCHIVES)
def test_archive(name, tmp_path):
    records, says = ARCHIVES[name]
    path = tmp_path / "model.keras"
    with zipfile.ZipFile(path, "w") as archive:
        for record, data in records.items():
            archive.writestr(record, data.encode("latin-1"))
    fails("summary", path, says=[path, *says])


DESCRIPTIONS = {
    "no-layers": ({"class_name": "Sequential", "config": {}}, ["no layers"]),
    "nothing": ({}, ["no layers"]),
    "text": ({"config": {"layers": ["Conv2D"]}}, ["no layer of a VGG"]),
    "no-weights": ({"config": [{"class_name": "Conv2D", "config": {"name": n, "padding": "same",
                                                                  "activation": "relu"}}
                               for n in "ab"]}, ['"b" (Conv2D)', "no weights"]),
    "control": ({"config": [{"class_name": "a\x1b[31m\rb", "config": {"name": "\n"}}]}, ["a?[31m?b"]),
}


@pytest.mark.parametrize("name", DESCRIPTIONS)
def test_description(name, tmp_path):
    described, says = DESCRIPTIONS[name]
    path = tmp_path / "model.h5"
    made.write_whole(path, tiny(), described=described or {"class_name": None})
    fails("summary", path, says=[path, *says])


def test_named_groups_in_named_groups(tmp_path):
    """Each has the name of a layer only for itself; under AddressSanitizer none is lost."""
    path = tmp_path / "model.weights.h5"
    made.write_weights_3(path, tiny())
    with h5py.File(path, "r+") as file:
        group = file["layers/conv2d/vars"]
        for name in ("inner", "innermost"):
            group = group.create_group("vars")
            group.attrs["name"] = name
            group.create_dataset("9", data=np.zeros(3, "f4"))
    fails("summary", path, says=[path, "layers/conv2d/vars/vars/9"])


def test_models_in_models(tmp_path):
    described = {"layers": []}
    for _ in range(100):
        described = {"layers": [{"class_name": "Functional", "config": described}]}
    path = tmp_path / "model.h5"
    made.write_whole(path, tiny(), described={"config": described})
    fails("summary", path, says=[path, "nested too deeply"])


# ---- numbers that lead astray
def test_superblock(tmp_path):
    path = tmp_path / "model.h5"
    made.write_new(path, tiny())
    data = path.read_bytes()
    for at, value, says in [(8, b"\x09", ["version 9"]), (13, b"\4", ["offsets of 4 bytes"]),
                            (24, b"\1", ["from its start"]),
                            (40, struct.pack("<Q", len(data) + 1), ["truncated", str(len(data))]),
                            (64, b"\xff" * 8, ["beyond its end"]), (64, bytes(8), ["no object"])]:
        path.write_bytes(data[:at] + value + data[at + len(value):])
        fails("summary", path, says=[path, *says])
    path.write_bytes(data[:-1])
    fails("summary", path, says=[path, "truncated", f"expected {len(data)} bytes"])
    for size in (8, 9, 40, 95):
        path.write_bytes(data[:size])
        fails("summary", path, says=[path, f"truncated at byte {size}"])


def test_tree_in_circles(tmp_path):
    """A node whose only child is itself."""
    path = tmp_path / "model.h5"
    made.write_new(path, tiny())
    data = bytearray(path.read_bytes())
    at = data.index(b"TREE")
    data[at + 5] = 1
    data[at + 32:at + 40] = struct.pack("<Q", at)
    path.write_bytes(data)
    fails("summary", path, says=[path, "broken group"])


def test_long_description(tmp_path):
    """One that does not fit an attribute is looked for elsewhere, and the names are read."""
    path = tmp_path / "model.h5"
    made.write_whole(path, tiny())
    with h5py.File(path, "r+") as file:
        text = json.loads(file.attrs["model_config"])
        file.attrs["model_config"] = json.dumps(text | {"x": "y" * 200000}).encode()
    assert run("summary", path)[0] == 0


@pytest.mark.parametrize("tensor", ["conv2d_W", "moving_mean"])
def test_scalar(tensor, tmp_path):
    """Layers with numbers for names are told apart by how many outputs their tensors have, of which a scalar has
    none."""
    path = tmp_path / "model.h5"
    made.write_old(path, tiny(batch_norm=True, names="numbered"))
    with h5py.File(path, "r+") as file:
        places = []
        file.visititems(lambda name, what: places.append(name) if tensor in name and
                        isinstance(what, h5py.Dataset) else None)
        del file[places[0]]
        file[places[0]] = np.float32(1)
    fails("summary", path, *told("old"), says=places[0].rpartition("/")[0].split("/")[0])
