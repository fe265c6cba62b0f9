"""The arrows of docs/architecture.md: which room may include what."""
import pathlib
import re

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
INCLUDE = re.compile(r'^\s*#\s*include\s+([<"])([^>"]+)[>"]', re.MULTILINE)

# The rooms whose private headers a room may include, besides its own.
BELOW = {
    "base": set(),
    "kernels": {"base"},
    "nn": {"kernels", "base"},
    "image": {"base"},
    "data": {"base"},
    "formats": {"nn", "kernels", "base"},
    "model": {"formats", "nn", "kernels", "base"},
    "scores": {"formats", "nn", "kernels", "base"},
    "train": {"nn", "kernels", "base"},
    "eval": {"nn", "kernels", "base"},
    "features": {"formats", "nn", "kernels", "base"},
    "search": {"kernels", "base"},
    "probe": {"nn", "kernels", "base"},
    "inside": {"formats", "nn", "kernels", "base"},
    "cuda": {"nn"},
}
# The public headers that a room may see: its own, and those of the rooms below. Siblings meet here.
NETWORK = {"status.h", "device.h", "network.h", "plan.h", "loss.h", "calibrate.h"}
PICTURES = {"status.h", "image.h", "stream.h"}
MODEL = NETWORK | PICTURES | {"model.h", "inspect.h"}
USE = MODEL | {"data.h", "predict.h", "scores.h"}
PUBLIC = {
    "base": {"status.h", "file.h", "memory.h", "stream.h", "threads.h"},
    "kernels": {"status.h"},
    "nn": NETWORK,
    "image": PICTURES,
    "data": PICTURES | {"data.h"},
    "formats": {"status.h", "network.h", "stream.h"},
    "model": MODEL,
    "scores": {"status.h", "loss.h", "scores.h"},
    "train": USE | {"run.h", "train.h"},
    "eval": USE | {"features.h", "explain.h"},
    "features": USE | {"features.h"},
    "search": USE | {"features.h", "index.h"},
    "probe": USE | {"features.h", "probe.h"},
    "inside": MODEL | {"distance.h", "style.h"},
    "cuda": {"status.h"},
}
# A container sees what its bytes lie in and nothing else of the formats.
CONTAINERS_SEE = {"storage.h", "containers"}


def includes(path):
    return INCLUDE.findall(path.read_text())


def sources(folder):
    return sorted(p for p in folder.rglob("*") if p.suffix in (".c", ".h"))


def test_every_room_is_known():
    rooms = {p.name for p in (ROOT / "src").iterdir() if p.is_dir()}
    assert rooms == set(BELOW)


@pytest.mark.parametrize("room", sorted(BELOW))
def test_room(room):
    wrong = []
    for path in sources(ROOT / "src" / room):
        for kind, name in includes(path):
            first, _, rest = name.partition("/")
            if first == "vgg":
                allowed = rest in PUBLIC[room]
            elif first in BELOW:
                allowed = first == room or first in BELOW[room]
            else:
                allowed = kind == "<"
            if not allowed:
                wrong.append(f"{path.relative_to(ROOT)} includes {name}")
    assert not wrong


def test_containers_see_storage_only():
    wrong = [f"{path.relative_to(ROOT)} includes {name}"
             for path in sources(ROOT / "src" / "formats" / "containers")
             for kind, name in includes(path)
             if name.startswith("formats/") and name.split("/")[1] not in CONTAINERS_SEE]
    assert not wrong


def test_program_sees_the_public_api_only():
    wrong = [f"{path.relative_to(ROOT)} includes {name}"
             for path in sources(ROOT / "cli") + sources(ROOT / "examples")
             for kind, name in includes(path)
             if kind == '"' and name.partition("/")[0] not in ("vgg", "cli")]
    assert not wrong


def test_server_sees_little_of_the_program():
    seen = {"json.h", "predict_json.h", "predict_output.h", "message.h", "model_source.h", "command.h",
            "heat_picture.h", "memory_stream.h", "small_picture.h"}
    wrong = [f"{path.relative_to(ROOT)} includes {name}" for path in sources(ROOT / "cli" / "serve")
             for kind, name in includes(path)
             if name.startswith("cli/") and not name.startswith("cli/serve/") and name[4:] not in seen]
    assert not wrong


def test_public_headers_stand_alone():
    wrong = [f"{path.name} includes {name}" for path in sources(ROOT / "include")
             for kind, name in includes(path) if kind == '"' and not name.startswith("vgg/")]
    assert not wrong


def test_intrinsics_stay_in_the_kernels():
    wrong = [str(path.relative_to(ROOT)) for path in sources(ROOT / "src") + sources(ROOT / "cli")
             if "kernels" not in path.parts and path.name != "threads.c"
             and re.search(r"mmintrin|immintrin|vector_size", path.read_text())]
    assert not wrong
