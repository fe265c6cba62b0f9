"""The plain protocol: what `vgg predict --format json` prints, to the same bytes, whoever asks for what at
the same time; and what is answered to those who ask for what there is not."""
import concurrent.futures
import json
import socket
import struct
import zlib

import pytest
from conftest import form, vgg


@pytest.fixture(scope="module")
def server(models):
    from conftest import Server
    running = Server("--model", models / "small", "--model", f"big={models}/wide/best.safetensors",
                     "--max-body", 1, "--max-pictures", 25, "--max-pixels", 0.1)
    yield running
    running.stop()


def predicted(model, content, *options):
    return vgg("predict", "--model", model, "--format", "json", *options, "-", stdin=content)


# ---- answers
def test_one_picture(server, models, pictures):
    for content in pictures.values():
        answer = server.post("/predict", content)
        assert answer.status == 200 and answer.headers["Content-Type"] == "application/json"
        assert answer.body == predicted(models / "small", content)


def test_precision(start, pictures):
    server = start("--precision", "bf16")
    content = pictures["heart0001.png"]
    rounded = predicted("builtin", content, "--precision", "bf16", "--logits")
    assert server.post("/predict?logits=true", content).body == rounded
    assert rounded != predicted("builtin", content, "--logits")
    server.stop()


@pytest.mark.parametrize("query,options", [
    ("top=1", ("--top", 1)), ("top=1000000", ("--top", 1000)), ("logits=true", ("--logits",)),
    ("logits=false&top=2", ("--top", 2)), ("model=small", ())])
def test_options(server, models, pictures, query, options):
    for name, folder in (("", "small"), ("&model=big", "wide")):
        if name and "model" in query:
            continue
        content = pictures["heart0001.png"]
        assert server.post(f"/predict?{query}{name}", content).body == \
            predicted(models / folder, content, *options)


def test_forms(server, models, pictograms, tmp_path):
    paths = sorted((pictograms / "validation").glob("*/*.png"))
    files = [(f"ev\u00efl \\\" {i}.png", path.read_bytes()) for i, path in enumerate(paths)]
    answer = server.post("/predict?top=3", *form(*files))
    rows = json.loads(vgg("predict", "--model", models / "small", "--format", "json", "--top", 3, *paths))
    for i, row in enumerate(rows):
        row["image"] = f'ev\u00efl " {i}.png'
    assert answer.json == rows
    body, headers = form(("x.png", files[0][1]))
    for changed in (body.replace(b"form-data; ", b'form-data;'), b"preamble\r\n" + body + b"epilogue"):
        assert server.post("/predict", changed, headers).json[0]["image"] == "x.png"
    quoted = {"Content-Type": 'Multipart/Form-Data; charset=utf-8; boundary="----7e2f"'}
    assert server.post("/predict", body, quoted).status == 200


def test_everybody_at_once(server, models, pictures):
    """Batches of all sizes, both models, several requests on a connection: the bits of each alone."""
    names = sorted(pictures)
    right = {(model, name): predicted(models / folder, pictures[name])
             for model, folder in (("small", "small"), ("big", "wide")) for name in names}

    def client(number):
        connection, wrong = server.connect(), 0
        for i in range(30):
            model, name = ("small", "big")[(number + i) % 2], names[(7 * number + i) % len(names)]
            answer = server.post(f"/predict?model={model}", pictures[name], connection=connection)
            wrong += answer.body != right[model, name]
        connection.close()
        return wrong

    with concurrent.futures.ThreadPoolExecutor(16) as clients:
        assert not any(clients.map(client, range(16)))


def test_health_and_identifiers(server):
    assert server.get("/health").json == {"status": "ok"}
    assert server.ask("HEAD", "/health").status == 200
    found = {server.get("/health").headers["X-Request-Id"] for _ in range(5)}
    assert len(found) == 5
    assert server.get("/health", headers={"X-Request-Id": "Mine_1.a-b"}).headers["X-Request-Id"] == "Mine_1.a-b"
    for strange in ("a b", "x" * 65, "<a>"):
        assert server.get("/health", headers={"X-Request-Id": strange}).headers["X-Request-Id"] != strange


# ---- what is not answered
def png_of(width, height):
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunk = b"IHDR" + header
    return b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + chunk + struct.pack(">I", zlib.crc32(chunk))


WRONG = {
    "an empty body": ("/predict", b"", {}, 400, "is empty, expected a picture"),
    "no picture": ("/predict", b"hello", {}, 400, "-: is not a picture"),
    "half a picture": ("/predict", png_of(10, 10), {}, 400, "is cut short"),
    "many pixels": ("/predict", png_of(400, 300), {}, 415, "400 x 300 pixels, more than the limits"),
    "an animation": ("/predict", None, {}, 415, "animated"),
    "JSON": ("/predict", b"{}", {"Content-Type": "application/json"}, 415, "/v2/models/small/infer"),
    "no such model": ("/predict?model=other", b"x", {}, 404, "there is no model other"),
    "no such path": ("/predictions", b"x", {}, 404, "nothing is served at /predictions"),
    "a zero in a path": ("/predict%00x", b"x", {}, 404, "nothing is served at /predict%00x"),
    "a zero in a name": ("/predict?model=small%00x", b"x", {}, 404, "there is no model small%00x"),
    "a wrong top": ("/predict?top=0", b"x", {}, 400, 'top: found "0", expected a whole number'),
    "a top of letters": ("/predict?top=five", b"x", {}, 400, 'top: found "five"'),
    "a top that is none": ("/predict?top", b"x", {}, 400, 'top: found ""'),
    "wrong logits": ("/predict?logits=1", b"x", {}, 400, "expected true or false"),
    "a parameter": ("/predict?k=3", b"x", {}, 400, "unknown parameter k"),
    "a large body": ("/predict", bytes(1_000_001), {}, 413, "has 1000001 bytes, expected at most 1000000"),
}


@pytest.mark.parametrize("case", WRONG)
def test_wrong_requests(server, case):
    path, body, headers, status, text = WRONG[case]
    if body is None:
        from conftest import REPOSITORY
        body = (REPOSITORY / "tests/golden/data/image/animated.webp").read_bytes()
    answer = server.post(path, body, headers)
    assert answer.status == status and list(answer.json) == ["error"]
    assert text in answer.json["error"]


@pytest.mark.parametrize("method,path,allow", [("GET", "/predict", "POST"), ("DELETE", "/health", "GET, HEAD"),
                                               ("PUT", "/predict", "POST")])
def test_wrong_methods(server, method, path, allow):
    answer = server.ask(method, path)
    assert answer.status == 405 and answer.headers["Allow"] == allow
    assert answer.json["error"] == f"{path} takes {allow}, not {method}"


def broken_forms():
    good, headers = form(("a.png", b"picture"))
    kind = "multipart/form-data"
    yield "no boundary", good, {"Content-Type": kind}, "names no boundary"
    yield "an empty boundary", good, {"Content-Type": f"{kind}; boundary="}, "names no boundary"
    yield "a long boundary", good, {"Content-Type": f"{kind}; boundary={'x' * 71}"}, "names no boundary"
    yield "an endless quote", good, {"Content-Type": f'{kind}; boundary="x'}, "names no boundary"
    yield "another boundary", good, {"Content-Type": f"{kind}; boundary=zzz"}, "is nowhere in it"
    yield "no end", good[:-10], headers, "has no boundary behind it"
    yield "half a header", good[:40], headers, "the header of a part has no end"
    yield "something behind a boundary", good.replace(b"7e2f\r\n", b"7e2fx\r\n", 1), headers, "has neither a line break"
    yield "no parts", b"------7e2f--\r\n", headers, "has no parts"
    yield "a zero", good.replace(b"image/png", b"image\0png"), headers, "the header of a part has no end"
    yield "another field", *form(("a.png", b"x"), name="data"), "has a part data, expected pictures as: image"
    yield "no name", good.replace(b'name="image"; ', b""), headers, "has a part without a name"


@pytest.mark.parametrize("case", list(broken_forms()), ids=lambda case: case[0])
def test_broken_forms(server, case):
    _, body, headers, text = case
    answer = server.post("/predict", body, headers)
    assert answer.status == 400 and text in answer.json["error"]


def test_forms_with_too_much(server, pictures):
    content = pictures["heart0001.png"]
    assert server.post("/predict", *form(*[("a.png", content)] * 25)).status == 200
    answer = server.post("/predict", *form(*[("a.png", content)] * 26))
    assert answer.status == 413 and "more than 25 parts" in answer.json["error"]
    answer = server.post("/predict", *form(("a.png", content), ("b.png", b"nothing")))
    assert answer.status == 400 and answer.json["error"].startswith("b.png: is not a picture")


def test_endless_bodies(server):
    """Without a length: answered when it ends, and cut off where it does not."""
    connection = server.connect()
    connection.request("POST", "/predict", iter([bytes(1 << 20)] * 2), encode_chunked=True)
    response = connection.getresponse()
    assert response.status == 413 and b"more than 1000000 bytes" in response.read()
    with socket.create_connection(server.host_port, timeout=20) as raw:
        raw.sendall(b"POST /predict HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")
        with pytest.raises(OSError):
            for _ in range(1000):
                raw.sendall(b"10000\r\n" + bytes(1 << 16) + b"\r\n")
    assert server.get("/health").status == 200
