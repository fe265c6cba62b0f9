"""ONNX models, made by the standard library alone."""

import struct

FLOAT = 1


def varint(value):
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes(out + bytes([value]))


def field(number, value):
    """A field with a number, a text, or the bytes of a message or of packed values."""
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    data = value.encode() if isinstance(value, str) else value
    return varint(number << 3 | 2) + varint(len(data)) + data


def fields(*pairs):
    return b"".join(field(number, value) for number, value in pairs)


def number(data, at):
    """The number of base 128 at `at`, and where it ends."""
    value = shift = 0
    while True:
        value |= (data[at] & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if data[at - 1] < 0x80:
            return value, at


def boundaries(data, inner, message, at=0, end=None):
    """Where the fields of a message, and of those in it, begin. `inner` names the fields that are
    messages, by the message they are in."""
    end = len(data) if end is None else end
    while at < end:
        yield at
        key, at = number(data, at)
        kind, field_number = key & 7, key >> 3
        if kind == 0:
            _, at = number(data, at)
        elif kind == 2:
            size, at = number(data, at)
            yield at
            if field_number in inner.get(message, {}):
                yield from boundaries(data, inner, inner[message][field_number], at, at + size)
            at += size
        else:
            at += {1: 8, 5: 4}[kind]


def tensor(name, shape, data, values=9, kind=FLOAT):
    """`values` is the field that holds the values: 9 for raw_data, 4 for float_data."""
    return fields(*((1, size) for size in shape), (2, kind), (8, name), (values, data))


def external(name, shape, **entries):
    found = [(13, fields((1, key), (2, value))) for key, value in entries.items()]
    return fields(*((1, size) for size in shape), (2, FLOAT), (8, name), *found, (14, 1))


def attribute(name, value):
    if isinstance(value, list):
        return fields((1, name), *((8, number) for number in value), (20, 7))
    if isinstance(value, float):
        return field(1, name) + b"\x15" + struct.pack("<f", value) + field(20, 1)
    return fields((1, name), (3, value), (20, 2))


def node(kind, inputs, output, **attributes):
    return fields(*((1, name) for name in inputs), (2, output), (3, output), (4, kind),
                  *((5, attribute(name, value)) for name, value in attributes.items()))


def value(name, *sizes):
    dims = b"".join(field(1, field(1, size)) for size in sizes)
    return fields((1, name), (2, field(1, fields((1, FLOAT), (2, dims)))))


def model(nodes, tensors, output, metadata=None):
    graph = fields(*((1, n) for n in nodes), *((5, t) for t in tensors),
                   (11, value("input", 1, 3, 224, 224)), (12, value(output, 1, 3)))
    notes = [(14, fields((1, key), (2, text))) for key, text in (metadata or {}).items()]
    return fields((1, 7), (2, "test"), (7, graph), (8, field(2, 13)), *notes)


def network(tensors, more=(), **options):
    """The network of pth_files.network with tensors (name, shape, bytes): one convolution, a pool, two
    linear layers; `more` are nodes behind the last."""
    packed = [tensor(name, shape, data, **options) for name, shape, data in tensors]
    chain = [("Conv", "features.0", {"kernel_shape": [3, 3], "pads": [1, 1, 1, 1]}), ("Relu", "", {}),
             ("MaxPool", "", {"kernel_shape": [2, 2], "strides": [2, 2]}),
             ("AveragePool", "", {"kernel_shape": [16, 16], "strides": [16, 16]}),
             ("Flatten", "", {"axis": 1}), ("Gemm", "classifier.0", {"transB": 1, "alpha": 1.0}),
             ("Relu", "", {}), ("Dropout", "", {}), ("Gemm", "classifier.3", {"transB": 1}), *more]
    nodes, at = [], "input"
    for i, (kind, layer, attributes) in enumerate(chain):
        inputs = [at] + ([f"{layer}.weight", f"{layer}.bias"] if layer else [])
        at = f"v{i}"
        nodes.append(node(kind, inputs, at, **attributes))
    return model(nodes, packed, at)
