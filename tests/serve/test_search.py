"""POST /search and the pictures of an index."""
import concurrent.futures
import io
import json
import shutil
import subprocess
import threading
import time

import pytest
from conftest import ENVIRONMENT, PROGRAM, TIMEOUT, Server, vgg
from test_running import large_picture


@pytest.fixture(scope="module")
def photos(pictograms, models, tmp_path_factory):
    """A folder of pictures with an index by `wide`, and what is no picture of the index beside it."""
    folder = tmp_path_factory.mktemp("photos")
    shutil.copytree(pictograms / "train", folder / "all")
    vgg("index", folder / "all", "-o", folder / "photos.index", "--model", models / "wide")
    (folder / "secret.png").write_bytes((folder / "all/heart/0000.png").read_bytes())
    return folder


@pytest.fixture(scope="module")
def server(models, photos):
    running = Server("--model", models / "small", "--model", f"big={models}/wide", "--index", photos / "photos.index")
    yield running
    running.stop()


def found(server, picture, query=""):
    answer = server.post(f"/search{query}", picture)
    assert answer.status == 200, answer.body
    [row] = answer.json
    return row["matches"]


@pytest.mark.parametrize("top", [1, 7, 1000])
def test_those_of_the_program(server, models, photos, pictures, tmp_path, top):
    """With names below the folder that all lie in."""
    path = tmp_path / "picture.png"
    path.write_bytes(pictures["heart0001.png"])
    [right] = json.loads(vgg("search", photos / "photos.index", path, "--model", models / "wide", "--top", top,
                             "--format", "json"))
    matches = found(server, pictures["heart0001.png"], f"?top={top}")
    assert [(f"{photos}/all/{row['image']}", row["similarity"]) for row in matches] == \
        [(row["image"], row["similarity"]) for row in right["matches"]]
    assert len(matches) == min(top, 30)
    assert str(photos) not in json.dumps(matches)


def test_what_there_is_to_say(server):
    assert server.get("/v2/models/big").json["parameters"]["index"] == {"pictures": 30}
    assert server.get("/v2/models/small").json["parameters"]["index"] is None


def test_pictures(server, photos, pictures):
    Image = pytest.importorskip("PIL.Image", reason="Pillow is not installed")
    for row in found(server, pictures["heart0001.png"], "?top=5"):
        answer = server.get("/" + row["thumbnail"])
        assert answer.status == 200 and answer.headers["Content-Type"] == "image/jpeg"
        shown = Image.open(io.BytesIO(answer.body)).convert("L")
        right = Image.open(photos / "all" / row["image"]).convert("L")
        assert shown.size == right.size
        far = sum(abs(a - b) for a, b in zip(shown.tobytes(), right.tobytes())) / len(right.tobytes())
        assert far < 12


@pytest.mark.parametrize("path", ["1-30", "1-x", "1-", "1", "-", "2-0", "0-0", "1-0-0", "01-0", "1-00000000000000000000",
                                  "1-4294967296", "1-%2e%2e", "..%2fsecret.png", "1-0/../../secret.png", "secret.png"])
def test_nothing_but_pictures_of_the_index(server, path):
    answer = server.get(f"/pictures/{path}")
    assert answer.status == 404 and "error" in answer.json, answer.body


def test_large_gone_and_replaced_pictures(start, models, tmp_path):
    """Small pictures alone are sent, and of a file that is another by now nothing but its pixels."""
    Image = pytest.importorskip("PIL.Image", reason="Pillow is not installed")
    folder = tmp_path / "all"
    folder.mkdir()
    for number, name in enumerate(("a.png", "b.png", "c.png", "d.png", "e.png")):
        Image.new("RGB", (1000, 400), (40 * number, 90, 200)).save(folder / name)
    vgg("index", folder, "-o", tmp_path / "i", "--model", models / "small")
    (folder / "b.png").unlink()
    (folder / "c.png").unlink()
    (folder / "c.png").symlink_to("/etc/passwd")
    (folder / "d.png").unlink()
    (folder / "d.png").mkdir()
    Image.new("RGB", (3000, 3000)).save(folder / "e.png")
    server = start("--model", models / "small", "--index", tmp_path / "i", "--max-pixels", 1)
    answers = [server.get(f"/pictures/1-{number}") for number in range(5)]
    assert answers[0].status == 200 and Image.open(io.BytesIO(answers[0].body)).size == (256, 102)
    for answer, name, text in zip(answers[1:], "bcde", ("is not there any more", "is not a picture", "is not there any more",
                                                        "pixels")):
        assert answer.status == 404 and text in answer.json["error"] and answer.json["error"].startswith(f"{name}.png")
        assert str(tmp_path) not in answer.json["error"] and "root" not in answer.json["error"]


@pytest.mark.parametrize("query,body,status,text", [
    ("?top=0", None, 400, 'top: found "0", expected a whole number from 1 to 1000'), ("?top=1001", None, 400, "top"),
    ("?model=big", None, 400, "unknown parameter model, expected top"), ("", b"", 400, "is empty"),
    ("", b"nothing", 400, "is not a picture")])
def test_wrong_requests(server, pictures, query, body, status, text):
    answer = server.post(f"/search{query}", pictures["heart0001.png"] if body is None else body)
    assert answer.status == status and text in answer.json["error"]


def test_without_an_index(start, pictures):
    server = start()
    for answer in (server.post("/search", pictures["heart0001.png"]), server.get("/pictures/1-0")):
        assert answer.status == 404 and answer.json["error"] == "there is no index to search in: --index"


def test_keys(start, models, photos, tmp_path, pictures):
    (tmp_path / "keys").write_text("secret\n")
    server = start("--model", models / "wide", "--index", photos / "photos.index", "--api-key-file", tmp_path / "keys")
    assert server.post("/search", pictures["heart0001.png"]).status == 401
    assert server.get("/pictures/1-0").status == 401
    assert server.get("/pictures/1-0", headers={"Authorization": "Bearer secret"}).status == 200


def test_an_index_that_is_of_no_use(models, photos, tmp_path):
    (tmp_path / "none").write_bytes(b"nothing")
    for path, text in ((photos / "photos.index", "another model"), (tmp_path / "none", "none: "),
                       (tmp_path / "missing", "missing: ")):
        done = subprocess.run([PROGRAM, "serve", "--listen", "127.0.0.1:0", "--model", models / "small", "--index", path],
                              capture_output=True, text=True, env=ENVIRONMENT, timeout=30, check=False)
        assert done.returncode == 1 and text in done.stderr.splitlines()[-1], done.stderr


def test_an_index_and_models_that_change(start, models, photos, tmp_path, pictures):
    """It is opened anew, its numbers are others, and with a model that it was not made with the old one stays."""
    index, model = tmp_path / "photos.index", tmp_path / "m.safetensors"
    shutil.copy(photos / "photos.index", index)
    shutil.copy(models / "wide/best.safetensors", model)
    server = start("--model", model, "--index", index)
    first = found(server, pictures["heart0001.png"], "?top=3")
    vgg("index", photos / "all/heart", "-o", tmp_path / "next", "--model", model)
    (tmp_path / "next").rename(index)
    server.line("3 pictures to search in")
    second = found(server, pictures["heart0001.png"])
    assert len(second) == 3 and all(row["thumbnail"].startswith("pictures/2-") for row in second)
    assert server.get("/" + first[0]["thumbnail"]).status == 404
    shutil.copy(models / "small/best.safetensors", tmp_path / "next")
    (tmp_path / "next").rename(model)
    server.line("m: is at version 2")
    server.line("photos.index: stays as it was, with m as it was")
    assert found(server, pictures["heart0001.png"]) == second
    server.stop()
    assert sum("stays as it was" in line for line in server.lines) == 1


def test_another_model_that_changes(start, models, photos, tmp_path, pictures):
    """The index is not opened anew for a model that it has nothing to do with."""
    index, other = tmp_path / "photos.index", tmp_path / "other.safetensors"
    shutil.copy(photos / "photos.index", index)
    shutil.copy(models / "small/best.safetensors", other)
    server = start("--model", f"own={models}/wide", "--model", other, "--index", index)
    first = found(server, pictures["heart0001.png"])
    shutil.copy(models / "wide/best.safetensors", tmp_path / "next")
    (tmp_path / "next").rename(other)
    server.line("other: is at version 2")
    time.sleep(1.5)  # it is looked for twice in that time
    assert found(server, pictures["heart0001.png"]) == first
    server.stop()
    assert sum("pictures to search in" in line for line in server.lines) == 1


def test_many_at_once(server, pictures):
    """They wait for each other, and no answer is another's."""
    right = {name: found(server, content, "?top=4") for name, content in pictures.items()}
    with concurrent.futures.ThreadPoolExecutor(8) as clients:
        for name, matches in clients.map(lambda name: (name, found(server, pictures[name], "?top=4")), list(pictures) * 4):
            assert matches == right[name]


def test_more_than_can_wait(start, models, photos, pictures):
    """Whoever comes while there is no room hears when to come back; predictions do not wait."""
    server = start("--model", models / "wide", "--index", photos / "photos.index", "--queue", 1, "--workers", 1)
    enough, statuses, large = threading.Event(), [], large_picture(2500, 2500)
    last = time.monotonic() + TIMEOUT

    def fill():  # until somebody else was refused
        while time.monotonic() < last and not (enough.is_set() and 200 in statuses):
            statuses.append(server.post("/search", large).status)

    thread = threading.Thread(target=fill)
    thread.start()
    try:
        refused = server.get("/pictures/1-0")
        while refused.status == 200 and time.monotonic() < last:
            refused = server.get("/pictures/1-0")
        assert refused.status == 503 and refused.headers["Retry-After"] == "1"
        assert refused.json["error"] == "too many searches wait already; come back later"
        assert server.post("/predict", pictures["heart0001.png"]).status == 200
    finally:
        enough.set()
        thread.join()
    assert 200 in statuses and set(statuses) <= {200, 503}
