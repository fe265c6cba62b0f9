"""PyTorch's files, made by the standard library alone, right and wrong."""

import io
import math
import pickletools
import struct
import zipfile

WIDTHS = {"FloatStorage": 4, "HalfStorage": 2, "BFloat16Storage": 2, "DoubleStorage": 8,
          "LongStorage": 8}


def text(string):
    data = string.encode()
    return b"X" + struct.pack("<I", len(data)) + data


def integer(number):
    return b"J" + struct.pack("<i", number)


def sizes(numbers):
    return b"(" + b"".join(integer(n) for n in numbers) + b"t"


def steps_of(shape):
    return [math.prod(shape[i + 1:]) for i in range(len(shape))]


def storage(kind, key, count, legacy=False):
    return (b"(" + text("storage") + b"ctorch\n" + kind.encode() + b"\n" + text(key) + text("cpu")
            + integer(count) + (b"N" if legacy else b"") + b"tQ")


NEW_DICT = b"ccollections\nOrderedDict\n)R"


def tensor(store, shape, offset=0, steps=None):
    return (b"ctorch._utils\n_rebuild_tensor_v2\n(" + store + integer(offset) + sizes(shape)
            + sizes(steps_of(shape) if steps is None else steps) + b"\x89" + NEW_DICT + b"tR")


def state(tensors, legacy=False):
    """The opcodes of a state dict of tensors (name, kind of storage, shape, bytes); the storage of
    the first has the key "0" and so on."""
    items = b"".join(
        text(name) + tensor(storage(kind, str(i), len(data) // WIDTHS[kind], legacy), shape)
        for i, (name, kind, shape, data) in enumerate(tensors))
    return NEW_DICT + b"(" + items + b"u"


def pickled(opcodes, protocol=2):
    return b"\x80" + bytes([protocol]) + opcodes + b"."


def zipped(pickle, storages, method=zipfile.ZIP_STORED, more=()):
    """The bytes of an archive; `more` are pairs of a name and bytes."""
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as archive:
        records = [("data.pkl", pickle), *((f"data/{i}", d) for i, d in enumerate(storages)),
                   *more, ("version", b"3\n")]
        for name, data in records:
            info = zipfile.ZipInfo(f"archive/{name}")
            info.compress_type = method
            archive.writestr(info, data)
    return made.getvalue()


MAGIC = b"\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19."
PROLOGUE = (MAGIC + pickled(b"M\xe9\x03")
            + pickled(b"}(" + text("little_endian") + b"\x88u"))


def legacy(pickle, storages, prologue=PROLOGUE):
    """storages: pairs of a count of values and the bytes."""
    keys = pickled(b"](" + b"".join(text(str(i)) for i in range(len(storages))) + b"e")
    return prologue + pickle + keys + b"".join(struct.pack("<q", n) + d for n, d in storages)


def network(kind="FloatStorage"):
    """The tensors of a network small enough to be broken in hundreds of ways."""
    def some(*shape):
        width, count = WIDTHS[kind], math.prod(shape)
        return shape, bytes(i * 37 % 251 if i % width < width - 1 else 0x3C
                            for i in range(count * width))

    layers = {"features.0": (2, 3, 3, 3), "classifier.0": (4, 98), "classifier.3": (3, 4)}
    return [(f"{layer}.{field}", kind, *some(*shape))
            for layer, weight in layers.items()
            for field, shape in (("weight", weight), ("bias", weight[:1]))]


def zip_network(method=zipfile.ZIP_STORED, wrap=lambda opcodes: opcodes, more=()):
    tensors = network()
    return zipped(pickled(wrap(state(tensors))), [data for *_, data in tensors], method, more)


def legacy_network():
    tensors = network()
    return legacy(pickled(state(tensors, legacy=True)),
                  [(len(data) // WIDTHS[kind], data) for _, kind, _, data in tensors])


def module(place, name, parameters=b"", parts=b"", **attributes):
    """The opcodes of an object of torch.nn.modules.<place>.<name>; what it has are opcodes too."""
    def entry(key, opcodes):
        return text(key) + opcodes

    state = (entry("training", b"\x89") + entry("_parameters", b"}(" + parameters + b"u")
             + entry("_buffers", b"}") + entry("_modules", b"}(" + parts + b"u")
             + b"".join(entry(key, integer(value)) for key, value in attributes.items()))
    return b"ctorch.nn.modules." + f"{place}\n{name}\n".encode() + b")\x81}(" + state + b"ub"


def whole_network():
    """The same network as torch.save(model) pickles it."""
    tensors = network()

    def weights(first):
        return b"".join(text(field) + tensor(storage(kind, str(i), len(data) // WIDTHS[kind]), shape)
                        for i, field in ((first, "weight"), (first + 1, "bias"))
                        for _, kind, shape, data in [tensors[i]])

    layers = [module("conv", "Conv2d", weights(0), kernel_size=3, stride=1, padding=1), module("activation", "ReLU"),
              module("pooling", "AdaptiveAvgPool2d", output_size=7), module("flatten", "Flatten", start_dim=1),
              module("linear", "Linear", weights(2)), module("dropout", "Dropout", p=0), module("activation", "ReLU"),
              module("linear", "Linear", weights(4))]
    made = module("container", "Sequential", parts=b"".join(text(str(i)) + layer for i, layer in enumerate(layers)))
    return zipped(pickled(made), [data for *_, data in tensors])


# ---- where parts begin
def pickle_boundaries(data, start=0):
    """Where the opcodes of a pickle stand, and where it ends."""
    places = [start + at for _, _, at in pickletools.genops(data[start:])]
    return [*places, places[-1] + 1]


def zip_boundaries(data):
    places = [0, len(data)]
    for signature in (b"PK\3\4", b"PK\1\2", b"PK\5\6"):
        at = data.find(signature)
        while at >= 0:
            places += [at, at + 8, at + 14, at + 18, at + 22, at + 26, at + 30, at + 42]
            at = data.find(signature, at + 1)
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        record = archive.infolist()[0]
        if record.compress_type == zipfile.ZIP_STORED:
            start = record.header_offset + 30 + len(record.filename)
            places += pickle_boundaries(data, start)
    return places


def legacy_boundaries(data):
    places, start = [], 0
    for _ in range(5):
        places += pickle_boundaries(data, start)
        start = places[-1]
    for _, kind, _, values in network():
        places += [start, start + 8]
        start += 8 + len(values)
    return [*places, len(data)]
