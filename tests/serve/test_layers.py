"""Outputs by the names of layers, of the Open Inference Protocol v2: what `vgg features --pool none` writes."""
import json
import socket
import struct
import subprocess
import threading

import pytest
from conftest import Server, vgg
from test_infer import PEERS, bits, elements, image, infer, outputs

np = pytest.importorskip("numpy", reason="NumPy is not installed")


@pytest.fixture(scope="module")
def server(models):
    running = Server("--model", models / "small", "--model", f"big={models}/wide/best.safetensors",
                     "--max-pictures", 25, "--max-body", 8)
    yield running
    running.stop()


@pytest.fixture(scope="module")
def features(models, pictures, tmp_path_factory):
    """What a layer of the model big gives for pictures, in the order of their names: (N, C, H, W) or (N, C)."""
    folder = tmp_path_factory.mktemp("features")
    (folder / "pictures").mkdir()
    for name, content in pictures.items():
        (folder / "pictures" / name).write_bytes(content)

    def of(layer):
        vgg("features", "--model", models / "wide", "--layer", layer, "--pool", "none", "--overwrite",
            "-o", folder / "out.npy", folder / "pictures")
        return np.load(folder / "out.npy")
    return of


def wanted(*layers, **parameters):
    return {"outputs": [{"name": layer, "parameters": parameters} for layer in layers]}


def same(found, right):
    """Numbers of an answer, in whatever form, have the bits of an array."""
    return np.asarray(found, np.float32).tobytes() == right.astype(np.float32).tobytes()


# ---- values
@pytest.mark.parametrize("binary", [False, True])
def test_layers(server, pictures, features, binary):
    names = sorted(pictures)
    layers = ("relu2_1", "features.0", "fc4")
    request = {"inputs": [image([pictures[name] for name in names])], **wanted(*layers, binary_data=binary)}
    root, found = outputs(infer(server, request))
    assert [tensor["name"] for tensor in root["outputs"]] == list(layers) and len(names) > 8
    assert [tensor["datatype"] for tensor in root["outputs"]] == ["FP32"] * 3
    for tensor in root["outputs"]:
        right = features(tensor["name"])
        assert tensor["shape"] == list(right.shape) and same(found[tensor["name"]], right)


def test_beside_classes(server, pictures, features):
    """What the classes are does not depend on the layers that are asked for, not in one bit."""
    contents = [pictures[name] for name in sorted(pictures)]
    request = {"inputs": [image(contents)]}
    usual = outputs(infer(server, {**request, **wanted("logits", binary_data=True)}))[1]["logits"]
    asked = {"outputs": [{"name": "relu2_1"}, {"name": "logits", "parameters": {"binary_data": True}},
                         {"name": "label"}]}
    root, found = outputs(infer(server, {**request, **asked}))
    assert [tensor["name"] for tensor in root["outputs"]] == ["relu2_1", "logits", "label"]
    assert list(map(bits, found["logits"])) == list(map(bits, usual))
    assert same(found["relu2_1"], features("relu2_1")) and len(found["label"]) == len(contents)


def test_numbers(server, pictures, features):
    """Pictures that were preprocessed elsewhere: of zeros the first convolution gives its bias."""
    packed = struct.pack("<3456f", *[0.0] * 3456)
    tensor = {"name": "input", "datatype": "FP32", "shape": [2, 3, 24, 24],
              "parameters": {"binary_data_size": len(packed)}}
    answer = infer(server, {"inputs": [tensor], **wanted("conv1_1")}, packed)
    found = np.asarray(outputs(answer)[1]["conv1_1"], np.float32).reshape(2, 16, 24 * 24)
    assert (found == found[:, :, :1]).all() and (found[0] == found[1]).all() and len(set(found[0, :, 0])) == 16


def test_many_at_once(server, pictures, features):
    """Clients that ask for other layers than each other, and for none."""
    names = sorted(pictures)[:6]
    content = [pictures[name] for name in names]
    order = sorted(pictures)
    right = {layer: features(layer) for layer in ("relu2_1", "pool1", "drop4")}
    wrong = []

    def ask(layer, i):
        name = names[i % len(names)]
        request = {"inputs": [image([content[i % len(names)]])], **(wanted(layer, binary_data=True) if layer else {})}
        found = outputs(infer(server, request))[1]
        if layer and not same(found[layer], right[layer][order.index(name)]):
            wrong.append((layer, name))

    def client(layer):
        for i in range(12):
            ask(layer, i)
    threads = [threading.Thread(target=client, args=(layer,)) for layer in (*right, None) * 2]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_metadata(server, pictures):
    layers = server.get("/v2/models/big").json["parameters"]["layers"]
    assert {"name": "features.0", "datatype": "FP32", "shape": [-1, 16, 24, 24], "paper_name": "conv1_1"} in layers
    assert layers[-1]["shape"] == [-1, 10] and len({layer["name"] for layer in layers}) == len(layers) > 8
    asked = [layer["name"] for layer in layers]
    root, _ = outputs(infer(server, {"inputs": [image([pictures["heart0001.png"]])], **wanted(*asked)}))
    assert [tensor["shape"][1:] for tensor in root["outputs"]] == [layer["shape"][1:] for layer in layers]


# ---- limits
@pytest.mark.parametrize("layers,text", [
    (("relu9_9",), "there is no output relu9_9"), (("relu2_1", "relu2_1"), "asked for twice"),
    (("conv1_1", "features.0"), "asked for twice"), (("",), "there is no output ,"),
    (("label",) * 20, "expected an array"), (("x" * 200,), "there is no output xxx")])
def test_wrong_layers(server, pictures, layers, text):
    answer = infer(server, {"inputs": [image([pictures["heart0001.png"]])], **wanted(*layers)})
    assert answer.status == 400 and text in answer.json["error"]


def test_classes_of_a_layer(server, pictures):
    request = {"inputs": [image([pictures["heart0001.png"]])], **wanted("pool1", classification=1)}
    answer = infer(server, request)
    assert answer.status == 400 and "for probabilities or logits" in answer.json["error"]


def test_answers_that_are_too_long(start, models, pictures):
    """They are refused before anything is computed."""
    server = start("--model", models / "wide", "--max-body", 0.25, "--max-bodies", 0.5)
    request = {"inputs": [image([pictures["heart0001.png"]] * 5)]}
    path = "/v2/models/wide/infer"
    answer = infer(server, {**request, **wanted("conv1_1", "relu1_1", binary_data=True)}, path=path)
    assert answer.status == 413 and "takes 368640 bytes, expected at most 250000" in answer.json["error"]
    assert infer(server, {**request, **wanted("pool1", binary_data=True)}, path=path).status == 200
    answer = infer(server, {**request, **wanted("pool1")}, path=path)
    assert answer.status == 413 and "takes 1105920 bytes, expected at most 500000" in answer.json["error"]
    assert b'vgg_pictures_total{model="wide"} 5' in server.get("/metrics").body


def test_answers_that_nobody_fetches(start, models, pictures):
    """They count among what requests take together, until they are fetched."""
    server = start("--model", models / "wide", "--max-pictures", 200, "--max-body", 10, "--max-bodies", 40)
    request = json.dumps({"inputs": [image([pictures["heart0001.png"]] * 200)],
                          **wanted("relu1_1", binary_data=True)}).encode()
    with socket.socket() as slow:
        slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        slow.connect(server.host_port)
        slow.sendall(b"POST /v2/models/wide/infer HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" %
                     len(request) + request)
        assert slow.recv(17) == b"HTTP/1.1 200 OK\r\n"
        answer = server.post("/v2/models/wide/infer", request)
        assert answer.status == 503 and answer.headers["Retry-After"] == "1"
        assert "take 40000000 bytes together" in answer.json["error"]
    while b"vgg_requests_open 1" not in server.get("/metrics").body:
        pass
    assert server.post("/v2/models/wide/infer", request).status == 200


def test_damaged_models(start, models, pictures, tmp_path):
    """Numbers that are not finite are answered as such."""
    content = bytearray((models / "small/best.safetensors").read_bytes())
    begin = 8 + struct.unpack("<Q", content[:8])[0]
    about = json.loads(content[8:begin])["features.0.bias"]["data_offsets"]
    content[begin + about[0]:begin + about[0] + 4] = struct.pack("<f", float("nan"))
    (tmp_path / "damaged.safetensors").write_bytes(content)
    server = start("--model", tmp_path / "damaged.safetensors")
    answer = infer(server, {"inputs": [image([pictures["heart0001.png"]])], **wanted("conv1_1")},
                   path="/v2/models/damaged/infer")
    assert answer.status == 500 and "not a finite number" in answer.json["error"]


# ---- programs of others
TRITON = """
import sys, json, numpy as np, tritonclient.http as http
address, picture = sys.argv[1:]
client = http.InferenceServerClient(address)
tensor = http.InferInput("image", [3], "BYTES")
tensor.set_data_from_numpy(np.array([open(picture, "rb").read()] * 3, dtype=np.object_), binary_data=True)
found = []
for binary in (True, False):
    asked = [http.InferRequestedOutput(name, binary_data=binary) for name in ("relu2_1", "fc4", "logits")]
    result = client.infer("big", [tensor], outputs=asked)
    found.append({name: result.as_numpy(name) for name in ("relu2_1", "fc4", "logits")})
assert all((found[0][name] == found[1][name]).all() for name in found[0])
np.save(sys.stdout.buffer, found[0]["relu2_1"])
"""


def test_tritonclient(server, pictures, features, tmp_path):
    python = PEERS / "python"
    if not python.exists() or subprocess.run([python, "-c", "import tritonclient.http"], capture_output=True,
                                             check=False).returncode != 0:
        pytest.skip("tritonclient[http] is not there; scripts/venv.sh installs it")
    path = tmp_path / "picture.png"
    path.write_bytes(pictures["heart0001.png"])
    done = subprocess.run([python, "-c", TRITON, "%s:%d" % server.host_port, path], stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, timeout=120, check=False)
    assert done.returncode == 0, done.stderr.decode()
    (tmp_path / "found.npy").write_bytes(done.stdout)
    right = features("relu2_1")[sorted(pictures).index("heart0001.png")]
    assert same(np.load(tmp_path / "found.npy"), np.stack([right] * 3))
