"""Model files taken apart and put together again wrongly."""

import json
import struct


def read(path):
    """The header, a dictionary, and the bytes of all tensors."""
    data = path.read_bytes()
    (size,) = struct.unpack("<Q", data[:8])
    return json.loads(data[8 : 8 + size]), data[8 + size :]


def write(path, header, body):
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    path.write_bytes(struct.pack("<Q", len(text)) + text + body)


def lay_out(tensors, metadata=None):
    """The header and the bytes of tensors (name, type, shape, bytes), one behind the other."""
    header = {} if metadata is None else {"__metadata__": metadata}
    body = b""
    for name, kind, shape, data in tensors:
        offsets = [len(body), len(body) + len(data)]
        header[name] = {"dtype": kind, "shape": shape, "data_offsets": offsets}
        body += data
    return header, body


def tensors_of(header, body):
    """What lay_out takes."""
    described = [(name, entry) for name, entry in header.items() if name != "__metadata__"]
    described.sort(key=lambda item: item[1]["data_offsets"])
    return [
        (name, entry["dtype"], entry["shape"], body[slice(*entry["data_offsets"])])
        for name, entry in described
    ]
