"""PyTorch's files that are broken, absurd or would like to run something, through vgg summary."""

import struct
import zipfile
import zlib

import pth_files as made
import pytest
from conftest import fails, run
from mutate import check_mutations

GOOD = {
    "zip": (made.zip_network(), made.zip_boundaries),
    "deflated": (made.zip_network(zipfile.ZIP_DEFLATED), made.zip_boundaries),
    "legacy": (made.legacy_network(), made.legacy_boundaries),
    "whole": (made.whole_network(), made.zip_boundaries),
}


TOLD = ("--arch", "2/4", "--layout", "torchvision", "--input", 16)


@pytest.mark.parametrize("kind", GOOD)
def test_good_one(kind, tmp_path):
    path = tmp_path / "model.pth"
    path.write_bytes(GOOD[kind][0])
    status, out, err = run("summary", path, *TOLD)
    assert (status, err) == (0, "")
    assert "Linear-" in out


@pytest.mark.parametrize("kind", GOOD)
def test_mutations(kind, tmp_path):
    """Damaged values may go unseen."""
    data, boundaries = GOOD[kind]
    check_mutations(tmp_path / "model.pth", data, boundaries(data), *TOLD, refused=100, seed=1)


# ---- pickles that would run something: (opcodes, what is said)
def call(module, name, arguments=b"(" + made.text("touch /tmp/owned") + b"t"):
    return f"c{module}\n{name}\n".encode() + arguments + b"R"


def stacked(module, name):
    return b"\x8c" + bytes([len(module)]) + module.encode() + b"\x8c" + bytes([len(name)]) + \
        name.encode() + b"\x93)R"


CALLS = {
    "system": (call("os", "system"), ["calls os.system", "GLOBAL", "byte 2"]),
    "posix": (call("posix", "system"), ["calls posix.system", "GLOBAL"]),
    "eval": (call("builtins", "eval"), ["calls builtins.eval", "GLOBAL"]),
    "exec": (call("__builtin__", "exec"), ["calls __builtin__.exec", "GLOBAL"]),
    "getattr": (call("builtins", "getattr"), ["calls builtins.getattr"]),
    "stacked": (stacked("os", "system"), ["calls os.system", "STACK_GLOBAL", "byte 14"]),
    "newobj": (b"csubprocess\nPopen\n)\x81", ["calls subprocess.Popen"]),
    "inst": (b"(" + made.text("ls") + b"ios\nsystem\n", ["opcode INST at byte 10"]),
    "obj": (b"(ccollections\nOrderedDict\no", ["opcode OBJ at byte 28"]),
    "extension": (b"\x82\1", ["opcode EXT1 at byte 2"]),
    "buffer": (b"\x97", ["opcode NEXT_BUFFER at byte 2"]),
    "text-protocol": (b"I7\n", ["opcode INT at byte 2"]),
    "no-opcode": (b"\xee", ["opcode 0xee at byte 2"]),
    "module": (call("torch.nn.modules.container", "Sequential", b")"),
               ["whole network", "torch.nn.modules.container.Sequential", "state_dict()"]),
    "torchvision": (call("torchvision.models.vgg", "VGG", b")"),
                    ["whole network", "torchvision.models.vgg.VGG", "state_dict()"]),
    "own-class": (call("__main__", "Net", b")"), ["whole network", "__main__.Net"]),
    "storage-called": (call("torch", "FloatStorage"), ["calls torch.FloatStorage", "REDUCE"]),
    "dict-called": (b"}" + b")R", ["calls a value that has no name"]),
    "no-arguments": (b"ccollections\nOrderedDict\nNR", ["without a tuple"]),
    "persistent": (made.text("key") + b"Q", ["refers to something outside", "BINPERSID"]),
    "long-name": (b"c" + b"x" * 5000 + b"\ny\n", ["xxxx"]),
    "control": (b"ca\x1b[31m\rb\nc\n", ["calls a?[31m?b.c"]),
    "protocol-9": (b"\x80\x09", ["protocol 9", "expected 2 to 5"]),
}


@pytest.mark.parametrize("name", CALLS)
def test_calls(name, tmp_path):
    opcodes, says = CALLS[name]
    path = tmp_path / "model.pth"
    path.write_bytes(made.zipped(made.pickled(opcodes), []))
    fails("summary", path, says=[path, "of archive/data.pkl", *says])
    path.write_bytes(made.legacy(made.pickled(opcodes), []))
    fails("summary", path, says=[path, says[0].partition(" at byte")[0]])
    path.write_bytes(made.pickled(opcodes))
    fails("summary", path, says=[path, *says])


# ---- pickles that lead the machine astray
ASTRAY = {
    "nothing": (b"", ["empty stack", "STOP"]),
    "underflow": (b"R", ["empty stack", "REDUCE"]),
    "through-mark": (b"}(s", ["empty stack", "SETITEM"]),
    "no-mark": (b"}u", ["mark that was not set", "SETITEMS"]),
    "odd": (b"}(Nu", ["a key without a value"]),
    "append-to-dict": (b"}Na", ["no list"]),
    "set-in-list": (b"]NNs", ["no dict"]),
    "build-list": (b"]}b", ["attributes"]),
    "memo-unread": (b"h\7", ["place 7 of a memo of 0", "BINGET"]),
    "memo-jump": (b"}r\xff\xff\xff\xff", ["place 4294967295 of a memo of 0", "LONG_BINPUT"]),
    "memo-mark": (b"(q\0", ["empty stack", "BINPUT"]),
    "text-2^63": (b"\x8d" + b"\xff" * 7 + b"\x7f", ["truncated", "BINUNICODE8"]),
    "text-2^64": (b"\x8d" + b"\xff" * 8, ["truncated"]),
    "text-2^31": (b"T" + struct.pack("<i", -1), ["truncated", "BINSTRING"]),
    "long-2^31": (b"\x8b" + struct.pack("<i", -1), ["truncated", "LONG4"]),
    "name-cut": (b"cos", ["truncated", "GLOBAL"]),
    "pairs": (b"ccollections\nOrderedDict\n(]N" + b"at" + b"R", ["no pairs"]),
    "values": (b"N" * (1 << 21) + b"N", ["2097152 entries"]),
    "marks": (b"(" * (1 << 21) + b"(", ["2097152 entries"]),
    "items": (b"](" + b"N" * 1000 + b"tq\0" + b"h\0\x85" * 5, ["holds a tuple"]),
    "self": (b"]q\0h\0a", ["holds a list"]),
    "dict-in-itself": (b"}q\0" + (made.text("model") + b"h\0s") * 9, ["no tensors", "model"]),
    "number": (b"K\7", ["holds a single value"]),
    "empty-dict": (b"}", ["no tensors", "nothing"]),
    "keys": (b"}(" + made.text("weights") + b"N" + made.text("epoch") + b"K\1u",
             ["no tensors", '"weights", "epoch"']),
}


@pytest.mark.parametrize("name", ASTRAY)
def test_astray(name, tmp_path):
    opcodes, says = ASTRAY[name]
    path = tmp_path / "model.pth"
    stop = b"" if name in ("text-2^63", "text-2^64", "text-2^31", "long-2^31", "name-cut") else b"."
    path.write_bytes(made.zipped(b"\x80\x02" + opcodes + stop, []))
    fails("summary", path, says=[path, *says])


def test_billion_laughs(little_memory, tmp_path):
    """Each list holds the one before ten times: 10^200 items for who copies them."""
    opcodes = b"]q\0"
    for depth in range(200):
        opcodes += b"](" + bytes([ord("h"), depth]) * 10 + b"eq" + bytes([depth + 1])
    path = tmp_path / "model.pth"
    path.write_bytes(made.zipped(made.pickled(opcodes), []))
    fails("summary", path, says=[path, "holds a list"], limits=little_memory)
    path.write_bytes(made.zipped(made.pickled(b"]" * 100000 + b"a" * 99999), []))
    fails("summary", path, says=[path, "holds a list"], limits=little_memory)


# ---- tensors: (opcodes of one, what is said); its storage "0" has 54 floats
FLOATS = made.storage("FloatStorage", "0", 54)
SHAPE = (2, 3, 3, 3)
TENSORS = {
    "offset": (made.tensor(FLOATS, SHAPE, 1), ["from value 1 on", "storage of 54 values"]),
    "negative-offset": (made.tensor(FLOATS, SHAPE, -1), ["storage, an offset"]),
    "negative-size": (made.tensor(FLOATS, (2, -3, 3, 3)), ["size or stride"]),
    "negative-stride": (made.tensor(FLOATS, SHAPE, 0, (27, 9, -3, 1)), ["size or stride"]),
    "stride": (made.tensor(FLOATS, SHAPE, 0, (28, 9, 3, 1)), ["2x3x3x3", "54 values"]),
    "strides": (made.tensor(FLOATS, SHAPE, 0, (27, 9, 3)), ["not as many strides as sizes"]),
    "huge-stride": (made.tensor(FLOATS, SHAPE, 0, [2**31 - 1] * 4), ["beyond"]),
    "overflow": (made.tensor(FLOATS, [2**31 - 1] * 4, 0, [0] * 4), ["more values than memory"]),
    "expanded": (made.tensor(FLOATS, (2**31 - 1, 2**27), 0, (0, 0)), ["more than a file of"]),
    "dimensions": (made.tensor(FLOATS, [1] * 9), ["more than 8 dimensions"]),
    "large": (made.tensor(FLOATS, (2, 3, 3, 4)), ["2x3x3x4", "54 values"]),
    "no-storage": (made.tensor(b"N", SHAPE), ["not described by a storage"]),
    "few-arguments": (b"ctorch._utils\n_rebuild_tensor_v2\n(" + FLOATS + b"tR",
                      ["not described by a storage"]),
    "missing-record": (made.tensor(made.storage("FloatStorage", "7", 54), SHAPE),
                       ["archive/data/7", "lacks"]),
    "long-key": (made.tensor(made.storage("FloatStorage", "7" * 500, 54), SHAPE), ["lacks"]),
    "count": (made.tensor(made.storage("FloatStorage", "0", 55), SHAPE),
              ["archive/data/0", "216 bytes", "expected 220"]),
    "negative-count": (made.tensor(made.storage("FloatStorage", "0", -54), SHAPE),
                       ["describes a storage wrongly"]),
    "type": (made.tensor(made.storage("DoubleStorage", "0", 54), SHAPE), ["expected 432", "F64"]),
    "unknown-type": (made.tensor(made.storage("QInt8Storage", "0", 54), SHAPE),
                     ["torch.QInt8Storage"]),
    "long-count": (made.tensor(FLOATS.replace(made.integer(54), b"\x8a\x08" + b"\xff" * 7 + b"\x7f"),
                               SHAPE), ["more than memory has addresses"]),
}


@pytest.mark.parametrize("name", TENSORS)
def test_tensors(name, tmp_path):
    opcodes, says = TENSORS[name]
    path = tmp_path / "model.pth"
    named = b"}" + made.text("features.0.weight") + opcodes + b"s"
    path.write_bytes(made.zipped(made.pickled(named), [bytes(216)]))
    fails("summary", path, says=[path, *says])


def test_name_twice(tmp_path):
    path = tmp_path / "model.pth"
    one = made.text("features.0.weight") + made.tensor(FLOATS, SHAPE) + b"s"
    path.write_bytes(made.zipped(made.pickled(b"}" + one + one), [bytes(216)]))
    fails("summary", path, says=[path, "two tensors", "features.0.weight"])


# ---- archives
def test_zip_bomb(little_memory, tmp_path):
    """A gigabyte of zeros in a megabyte; 54 floats of it are wanted."""
    packer = zlib.compressobj(9, wbits=-15)
    packed = b"".join(packer.compress(bytes(1 << 20)) for _ in range(1024)) + packer.flush()
    crc = 0
    for _ in range(1024):
        crc = zlib.crc32(bytes(1 << 20), crc)
    count = 1 << 28
    whole = made.tensor(made.storage("FloatStorage", "0", count), SHAPE)
    pickle = made.pickled(b"}" + made.text("features.0.weight") + whole + b"s")
    path = tmp_path / "model.pth"
    path.write_bytes(with_record(made.zipped(pickle, []), "archive/data/0", packed, crc, 1 << 30))
    fails("summary", path, says=[path, "compressed record", str(1 << 30), "more than a file of"],
          limits=little_memory)
    path.write_bytes(with_record(made.zipped(b"", []), "x/data.pkl", packed, crc, 1 << 30))
    fails("summary", path, says=[path], limits=little_memory)


def test_size_that_lies(tmp_path):
    """The list says less than there is, and more."""
    packed = zlib.compress(bytes(216))[2:-4]
    whole = made.pickled(b"}" + made.text("features.0.weight") + made.tensor(FLOATS, SHAPE) + b"s")
    for size in (216 - 4, 216 + 4):
        crc = zlib.crc32(bytes(size))
        path = tmp_path / "model.pth"
        count = made.storage("FloatStorage", "0", size // 4)
        path.write_bytes(with_record(made.zipped(whole.replace(FLOATS, count), []),
                                     "archive/data/0", packed, crc, size))
        fails("summary", path, says=[path])


def with_record(archive, name, packed, crc, size):
    """The archive with a deflated record behind the others, of which its header may say anything."""
    end = archive.rindex(b"PK\5\6")
    count, _, list_size, start = struct.unpack("<HHII", archive[end + 8:end + 20])
    header = struct.pack("<HHHHHIIIHH", 20, 0, 8, 0, 33, crc, len(packed), size, len(name), 0)
    local = b"PK\3\4" + header + name.encode() + packed
    listed = b"PK\1\2" + struct.pack("<H", 20) + header + struct.pack("<HHHII", 0, 0, 0, 0, start)
    listed += name.encode()
    tail = struct.pack("<HHIIH", count + 1, count + 1, list_size + len(listed), start + len(local), 0)
    return (archive[:start] + local + archive[start:start + list_size] + listed
            + b"PK\5\6\0\0\0\0" + tail)



ARCHIVES = {
    "script": ({"a/data.pkl": made.pickled(b"}"), "a/constants.pkl": b"", "a/code/a.py": b""},
               ["TorchScript"]),
    "pictures": ({"a/1.png": b"", "a/2.png": b""}, ["zip archive without data.pkl"]),
    "no-folder": ({"data.pkl": made.pickled(b"}")}, ["zip archive without data.pkl"]),
    "deep": ({"a/b/data.pkl": made.pickled(b"}")}, ["zip archive without data.pkl"]),
    "no-name": ({"": b""}, ["zip archive"]),
    "big-endian": ({"a/data.pkl": made.pickled(b"}"), "a/byteorder": b"big"}, ['"big"', "little"]),
    "metadata": ({"a/data.pkl": made.pickled(b"}"), "a/extra/vgg.json": b"[]"}, ["vgg.json"]),
    "metadata-cut": ({"a/data.pkl": made.pickled(b"}"), "a/extra/vgg.json": b"{"},
                     ["vgg.json", "byte"]),
    "metadata-number": ({"a/data.pkl": made.pickled(b"}"), "a/extra/vgg.json": b'{"lr": 1}'},
                        ["vgg.json", "lr", "string"]),
    "no-pickle": ({"a/data.pkl": b""}, ["truncated", "byte 0"]),
}


@pytest.mark.parametrize("name", ARCHIVES)
def test_archive(name, tmp_path):
    records, says = ARCHIVES[name]
    path = tmp_path / "model.pth"
    with zipfile.ZipFile(path, "w") as archive:
        for record, data in records.items():
            archive.writestr(zipfile.ZipInfo(record), data)
    fails("summary", path, says=[path, *says])


# ---- files of the older kind
BIG_ENDIAN = made.PROLOGUE.replace(b"\x88u.", b"\x89u.")
LEGACY = {
    "magic": (made.pickled(b"K\1"), ["not one of torch.save"]),
    "version": (made.PROLOGUE.replace(b"M\xe9\x03", b"M\xea\x03"), ["1001"]),
    "big-endian": (BIG_ENDIAN, ["big-endian"]),
    "no-machine": (made.MAGIC + made.pickled(b"M\xe9\x03") + made.pickled(b"K\1"), ["no dict"]),
    "no-keys": (made.PROLOGUE + made.pickled(b"}") + made.pickled(b"}"), ["no list of storages"]),
    "strange-key": (made.PROLOGUE + made.pickled(b"}") + made.pickled(b"]" + made.text("9") + b"a"),
                    ["does not use"]),
    "longer": (GOOD["legacy"][0] + b"12345", ["5 bytes follow the last storage"]),
    "cut": (GOOD["legacy"][0][:-1], ["truncated at byte"]),
    "cut-size": (GOOD["legacy"][0][:-15], ["truncated at byte"]),
    "negative": (made.legacy(made.pickled(made.state(made.network(), True)),
                             [(-1, data) for *_, data in made.network()]),
                 ["18446744073709551615 values", "expected 54"]),
    "fewer-keys": (made.legacy(made.pickled(made.state(made.network(), True)), []),
                   ["lacks the storage"]),
}


@pytest.mark.parametrize("name", LEGACY)
def test_legacy(name, tmp_path):
    data, says = LEGACY[name]
    path = tmp_path / "model.pth"
    path.write_bytes(data)
    fails("summary", path, says=[path, *says])
