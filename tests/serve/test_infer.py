"""The Open Inference Protocol v2: what `vgg predict` says, in JSON and as binary tensors; and what tritonclient
and schemathesis (PyPI's, by scripts/venv.sh) make of it."""
import base64
import json
import os
import pathlib
import struct
import subprocess

import pytest
from conftest import REPOSITORY, Server, vgg

PEERS = REPOSITORY / "build-peers" / "bin"


@pytest.fixture(scope="module")
def server(models):
    running = Server("--model", models / "small", "--model", f"big={models}/wide/best.safetensors",
                     "--max-pictures", 25, "--max-body", 8)
    yield running
    running.stop()


@pytest.fixture(scope="module")
def right(models, pictures):
    """Index, logit and probability of all classes, likeliest first, by picture, of the model big."""
    def predicted(content, *options):
        [row] = json.loads(vgg("predict", "--model", models / "wide", "--format", "json", "--top", 100, *options,
                               "-", stdin=content))
        return row["predictions"]
    return {name: [{**a, **b} for a, b in zip(predicted(content), predicted(content, "--logits"))]
            for name, content in pictures.items()}


def elements(contents):
    return b"".join(struct.pack("<I", len(content)) + content for content in contents)


def image(contents):
    return {"name": "image", "datatype": "BYTES", "shape": [len(contents)],
            "data": [base64.b64encode(content).decode() for content in contents]}


def infer(server, request, binary=b"", path="/v2/models/big/infer", headers=None):
    text = json.dumps(request).encode()
    if binary or headers:
        return server.post(path, text + binary, headers or {"Inference-Header-Content-Length": str(len(text))})
    return server.post(path, text)


def outputs(answer):
    """The tensors of an answer by their names, as lists of their elements."""
    assert answer.status == 200, answer.body
    length = answer.headers["Inference-Header-Content-Length"]
    root = json.loads(answer.body[:int(length)] if length else answer.body)
    rest, found = answer.body[int(length):] if length else b"", {}
    for tensor in root["outputs"]:
        size = tensor.get("parameters", {}).get("binary_data_size")
        data = tensor.get("data")
        if size is not None:
            part, rest = rest[:size], rest[size:]
            if tensor["datatype"] == "FP32":
                data = list(struct.unpack(f"<{size // 4}f", part))
            else:
                data = []
                while part:
                    [length] = struct.unpack("<I", part[:4])
                    data.append(part[4:4 + length].decode())
                    part = part[4 + length:]
        count = 1
        for side in tensor["shape"]:
            count *= side
        assert len(data) == count
        found[tensor["name"]] = data
    assert rest == b""
    return root, found


def bits(value):
    return struct.pack("<f", value)


def check(found, names, right):
    classes = len(right[names[0]])
    assert found["label"] == [right[name][0]["label"] for name in names]
    for i, name in enumerate(names):
        for row in right[name]:
            place = i * classes + row["index"]
            assert bits(found["logits"][place]) == bits(row["logit"])
            assert bits(found["probabilities"][place]) == bits(row["probability"])


# ---- what there is
def test_metadata(server):
    about = server.get("/v2").json
    assert about["name"] == "vgg" and "binary_tensor_data" in about["extensions"]
    assert server.get("/v2/health/live").status == server.get("/v2/health/ready").status == 200
    small, big = server.get("/v2/models").json
    assert big == server.get("/v2/models/big").json == server.get("/v2/models/big/versions/1").json
    assert small["name"] == "small" and big["versions"] == ["1"]
    assert {tensor["name"]: (tensor["datatype"], tensor["shape"]) for tensor in big["inputs"]} == \
        {"image": ("BYTES", [-1]), "input": ("FP32", [-1, 3, 24, 24])}
    assert {tensor["name"]: tensor["shape"] for tensor in big["outputs"]} == \
        {"probabilities": [-1, 10], "logits": [-1, 10], "label": [-1]}
    assert len(big["parameters"]["labels"]) == 10 and big["parameters"]["multi_label"] is False
    assert server.get("/v2/models/big/ready").status == server.get("/v2/models/big/versions/1/ready").status == 200
    for path in ("/v2/models/other", "/v2/models/big/versions/2", "/v2/models/big/versions/01/ready",
                 "/v2/models/bi/ready", "/v2/models//ready", "/v2/", "/v3"):
        assert server.get(path).status == 404


# ---- inference
@pytest.mark.parametrize("binary_out", [False, True])
@pytest.mark.parametrize("binary_in", [False, True])
def test_pictures(server, pictures, right, binary_in, binary_out):
    names = sorted(pictures)
    contents = [pictures[name] for name in names]
    tensor, bytes_of = image(contents), b""
    if binary_in:
        bytes_of = elements(contents)
        tensor["parameters"] = {"binary_data_size": len(bytes_of)}
        del tensor["data"]
    request = {"id": "my \u00efd", "inputs": [tensor], "parameters": {"binary_data_output": binary_out}}
    answer = infer(server, request, bytes_of)
    root, found = outputs(answer)
    assert root["id"] == "my \u00efd" and root["model_name"] == "big" and root["model_version"] == "1"
    assert answer.headers["Content-Type"] == f"application/{'octet-stream' if binary_out else 'json'}"
    check(found, names, right)


def test_inputs(server, pictograms, models, right, tmp_path):
    """Floats as the network takes them: nested, flat and binary are the same."""
    names = ["heart0001.png", "star0000.png"]
    values = []
    for name in names:
        path = tmp_path / name
        path.write_bytes((pictograms / "validation" / name[:-8] / name[-8:]).read_bytes())
        values.append(preprocessed(path, models / "wide"))
    flat = [value for picture in values for value in picture]
    nested = [[[picture[c * 576 + y * 24:c * 576 + y * 24 + 24] for y in range(24)] for c in range(3)]
              for picture in values]
    tensor = {"name": "input", "datatype": "FP32", "shape": [2, 3, 24, 24]}
    _, found = outputs(infer(server, {"inputs": [{**tensor, "data": flat}]}))
    for name, i in zip(names, range(2)):
        for row in right[name]:
            assert abs(found["logits"][i * 10 + row["index"]] - row["logit"]) < 1e-5
    assert outputs(infer(server, {"inputs": [{**tensor, "data": nested}]}))[1] == found
    packed = struct.pack(f"<{len(flat)}f", *flat)
    tensor["parameters"] = {"binary_data_size": len(packed)}
    assert outputs(infer(server, {"inputs": [tensor]}, packed))[1] == found
    shown = outputs(infer(server, {"inputs": [tensor], "outputs": [
        {"name": "logits", "parameters": {"binary_data": True}}]}, packed))[1]
    assert list(shown) == ["logits"] and list(map(bits, shown["logits"])) == list(map(bits, found["logits"]))


def preprocessed(path, run):
    """The floats that a picture of the network's own size becomes, by its file's figures."""
    Image = pytest.importorskip("PIL.Image")
    about = json.loads(vgg("inspect", run / "best.safetensors", "--format", "json"))["preprocess"]
    pixels = Image.open(path).convert("RGB")
    assert pixels.size == (24, 24)
    data, values = list(pixels.getdata()), []
    for c in range(3):
        values += [(pixel[c] * about["scale"] - about["mean"][c]) / about["deviation"][c] for pixel in data]
    return values


def test_classification(server, pictures, right):
    name = "heart0001.png"
    for binary in (False, True):
        request = {"inputs": [image([pictures[name]])], "outputs": [
            {"name": "probabilities", "parameters": {"classification": 3, "binary_data": binary}},
            {"name": "logits", "parameters": {"classification": 100}}, {"name": "label"}]}
        root, found = outputs(infer(server, request))
        assert [tensor["shape"] for tensor in root["outputs"]] == [[1, 3], [1, 10], [1]]
        for kind, of, count in (("probabilities", "probability", 3), ("logits", "logit", 10)):
            for text, row in zip(found[kind], right[name][:count], strict=True):
                value, index, label = text.split(":")
                assert (int(index), label) == (row["index"], row["label"])
                assert abs(float(value) - row[of]) <= 1e-8 * max(1, abs(row[of]))


# ---- what is not answered
PICTURE = (REPOSITORY / "tests/golden/data/image/exif1.jpg").read_bytes()
GOOD = {"inputs": [image([PICTURE])]}
ZEROS = {"name": "input", "datatype": "FP32", "shape": [1, 3, 24, 24], "data": [0] * 1728}


def changed(base, **changes):
    return {"inputs": [{**base, **changes}]}


WRONG = {
    "nothing": (b"", "is empty, expected JSON"),
    "no JSON": (b"{", "the JSON cannot be read: byte 1"),
    "an array": (b"[]", "the JSON is no object"),
    "no inputs": ({}, '"inputs": expected an array of one object'),
    "two inputs": ({"inputs": [GOOD["inputs"][0], ZEROS]}, "expected an array of one object"),
    "a name twice": (b'{"id": "a", "id": "b"}', "duplicate"),
    "an id of numbers": ({**GOOD, "id": 3}, '"id" is no string'),
    "another input": (changed(ZEROS, name="pixels"), "there is no input pixels, expected image or input"),
    "another type": (changed(ZEROS, datatype="FP64"), "input: found the datatype FP64, expected FP32"),
    "no data": (changed(ZEROS, data=None), '"data" is no array'),
    "a number for data": (changed(ZEROS, data=0), '"data" is no array'),
    "strings for floats": (changed(ZEROS, data=["a"]), "expected an array of numbers"),
    "words for floats": (b'{"inputs": [{"data": [1, true]}]}', "has something among its numbers that is none"),
    "an open array": (b'{"inputs": [{"data": [1, 2', '"data" is no array of numbers'),
    "holes": (b'{"inputs": [{"data": [1,, 2]}]}', "among its numbers"),
    "a comma too many": (b'{"inputs": [{"data": [1, 2,]}]}', '"data" is no array of numbers'),
    "a long number": (b'{"inputs": [{"data": [' + b"1" * 65 + b"]}]}", "among its numbers"),
    "an octal number": (b'{"inputs": [{"data": [01]}]}', "among its numbers"),
    "too few numbers": (changed(ZEROS, data=[0] * 1727), "not the 1728 numbers of its shape"),
    "another shape": (changed(ZEROS, shape=[1, 24, 24, 3]), "expected the shape [N, 3, 24, 24]"),
    "no shape": (changed(ZEROS, shape=[]), "expected the shape"),
    "a shape of 0": (changed(ZEROS, shape=[0, 3, 24, 24]), "N being 1 or more"),
    "a huge shape": (changed(ZEROS, shape=[2 ** 62, 3, 24, 24]), "expected at most 25"),
    "binary and not": (changed(ZEROS, parameters={"binary_data_size": 4}), "not both"),
    "no binary": ({"inputs": [{k: v for k, v in ZEROS.items() if k != "data"}
                              | {"parameters": {"binary_data_size": 6912}}]},
                  "found 6912, expected the 0 bytes that follow"),
    "no base64": (changed(GOOD["inputs"][0], data=["%"]), "expected strings of base64"),
    "numbers for pictures": (changed(GOOD["inputs"][0], data=[1]), "as many strings of base64"),
    "an empty picture": (changed(GOOD["inputs"][0], data=[""]), "picture 0 is empty"),
    "no picture": (changed(GOOD["inputs"][0], data=["aGVsbG8="]), "picture 0: is not a picture"),
    "fewer pictures": (changed(GOOD["inputs"][0], shape=[2]), "as many strings of base64 as its shape says"),
    "another output": ({**GOOD, "outputs": [{"name": "softmax"}]}, "there is no output softmax"),
    "an output twice": ({**GOOD, "outputs": [{"name": "label"}] * 2}, "is asked for twice"),
    "no outputs": ({**GOOD, "outputs": {}}, '"outputs": expected an array'),
    "classes of labels": ({**GOOD, "outputs": [{"name": "label", "parameters": {"classification": 1}}]},
                          "for probabilities or logits"),
    "no classes": ({**GOOD, "outputs": [{"name": "logits", "parameters": {"classification": 0}}]},
                   "a whole number from 1 on"),
    "a flag": ({**GOOD, "parameters": {"binary_data_output": 1}}, "binary_data_output: expected true or false"),
    "deep JSON": (b'{"id": ' + b"[" * 1000, "nests too deep"),
    "deep numbers": (b'{"data": ' + b"[" * 1000 + b"1", "nests too deep"),
    "many values": (b'{"id": [' + b"0," * 200_000 + b"0]}", "has too many values"),
    "many tensors": (b"{" + b'"data": [1],' * 9 + b'"x": 0}', "too many tensors"),
    "many numbers": (changed(ZEROS, data=[0] * (27 * 1728)), "more numbers than pictures of a request can have"),
}


@pytest.mark.parametrize("case", WRONG)
def test_wrong_requests(server, case):
    body, text = WRONG[case]
    answer = server.post("/v2/models/big/infer", body if isinstance(body, bytes) else json.dumps(body))
    assert answer.status in (400, 413) and list(answer.json) == ["error"]
    assert text in answer.json["error"]


@pytest.mark.parametrize("value,text", [("x", 'found "x"'), ("1000000000", "up to the"), ("-1", 'found "-1"'),
                                        ("", 'found ""'), ("0", "is empty")])
def test_wrong_header(server, value, text):
    answer = infer(server, GOOD, headers={"Inference-Header-Content-Length": value})
    assert answer.status == 400 and text in answer.json["error"]


def test_wrong_elements(server):
    good = elements([PICTURE])
    for part, text in ((good[:3], "end before its last element"), (good[:-1], "longer than what follows"),
                       (good + b"x", "behind its last element"), (b"\xff\xff\xff\xff" + good, "longer")):
        tensor = {"name": "image", "datatype": "BYTES", "shape": [1],
                  "parameters": {"binary_data_size": len(part)}}
        answer = infer(server, {"inputs": [tensor]}, part)
        assert answer.status == 400 and text in answer.json["error"]
    assert server.post("/v2/models/big/infer", b"{}", {"Content-Encoding": "gzip"}).status == 415
    answer = server.post("/v2/models/big/infer", json.dumps(changed(GOOD["inputs"][0], shape=[26])))
    assert answer.status == 413 and "26 pictures, expected at most 25" in answer.json["error"]
    assert server.post("/v2/models/other/infer", b"{}").status == 404
    assert server.get("/v2/models/big/infer").headers["Allow"] == "POST"


def test_inputs_that_are_not_finite(server):
    """They are the client's mistake, and so are those that the network makes such of."""
    tensor = {"name": "input", "datatype": "FP32", "shape": [1, 3, 24, 24], "parameters": {"binary_data_size": 6912}}
    for value, text in ((float("nan"), "number 5 of picture 0 is nan"), (float("inf"), "picture 0 is inf"),
                        (float("-inf"), "picture 0 is -inf"), (3e38, "the result for these numbers is not finite")):
        values = [3e38] * 1728 if value == 3e38 else [0.0] * 5 + [value] + [0.0] * 1722
        answer = infer(server, {"inputs": [tensor]}, struct.pack("<1728f", *values))
        assert answer.status == 400 and text in answer.json["error"]
    answer = server.post("/v2/models/big/infer", json.dumps({"inputs": [ZEROS]}).replace("[0, 0, 0", "[1e999, 0, 0", 1))
    assert answer.status == 400 and "number 0 of picture 0 is inf" in answer.json["error"]


# ---- programs of others
TRITON = """
import sys, json, numpy as np, tritonclient.http as http
address, picture = sys.argv[1:]
client = http.InferenceServerClient(address)
assert client.is_server_live() and client.is_server_ready() and client.is_model_ready("big")
assert client.is_model_ready("big", "1") and not client.is_model_ready("other")
assert client.get_server_metadata()["name"] == "vgg"
about = client.get_model_metadata("big")
assert [t["name"] for t in about["inputs"]] == ["image", "input"]
content = np.array([open(picture, "rb").read()] * 3, dtype=np.object_)
found = []
tensor = http.InferInput("image", [3], "BYTES")
tensor.set_data_from_numpy(content, binary_data=True)
for binary in (True, False):
    wanted = [http.InferRequestedOutput(name, binary_data=binary) for name in ("logits", "probabilities")]
    result = client.infer("big", [tensor], outputs=wanted, request_id="7")
    assert result.get_response()["id"] == "7"
    found.append(result.as_numpy("logits"))
assert (found[0] == found[1]).all() and found[0].shape == (3, 10)
for binary in (True, False):
    tensor = http.InferInput("input", [2, 3, 24, 24], "FP32")
    tensor.set_data_from_numpy(np.ones((2, 3, 24, 24), np.float32), binary_data=binary)
    found.append(client.infer("big", [tensor]).as_numpy("logits"))
assert (found[2] == found[3]).all()
top = client.infer("big", [tensor], outputs=[http.InferRequestedOutput("probabilities", class_count=2)])
assert top.as_numpy("probabilities").shape == (2, 2)
print(json.dumps(found[0][0].tolist()))
"""


def test_tritonclient(server, pictures, right, tmp_path):
    python = PEERS / "python"
    if not python.exists() or subprocess.run([python, "-c", "import tritonclient.http"], capture_output=True,
                                             check=False).returncode != 0:
        pytest.skip("tritonclient[http] is not there; scripts/venv.sh installs it")
    path = tmp_path / "picture.png"
    path.write_bytes(pictures["heart0001.png"])
    done = subprocess.run([python, "-c", TRITON, "%s:%d" % server.host_port, path], capture_output=True,
                          text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    logits = json.loads(done.stdout)
    for row in right["heart0001.png"]:
        assert abs(logits[row["index"]] - row["logit"]) < 1e-5


def test_openapi(server):
    document = server.get("/openapi.json").json
    assert document["openapi"] == "3.0.3"
    for path in ("/predict", "/v2/models/{model}/infer", "/health"):
        assert path in document["paths"]
    assert pathlib.Path(REPOSITORY / "web/openapi.json").read_bytes() == server.get("/openapi.json").body


def test_schemathesis(server, tmp_path):
    """A few requests of each kind; `VGG_SCHEMATHESIS=200` makes so many, of every kind that there is. A schema cannot
    say what a picture is, so that bytes that are none may be refused."""
    program = PEERS / "schemathesis"
    if not program.exists():
        pytest.skip("schemathesis is not there; scripts/venv.sh installs it")
    many = os.environ.get("VGG_SCHEMATHESIS")
    phases = "examples,coverage,fuzzing,stateful" if many else "fuzzing"
    done = subprocess.run([program, "run", f"{server.address}/openapi.json", "--max-examples", many or "3",
                           "--phases", phases, "--exclude-checks", "positive_data_acceptance",
                           "--seed", os.environ.get("VGG_TEST_SEED", "1")],
                          capture_output=True, text=True, timeout=1000, check=False, cwd=tmp_path)
    assert done.returncode == 0, done.stdout[-6000:]
