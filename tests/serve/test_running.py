"""Starting and stopping a server, and what it does with more than it can do at once."""
import http.client
import json
import resource
import signal
import socket
import struct
import subprocess
import threading
import time
import zlib

import pytest
from conftest import ENVIRONMENT, PROGRAM, TIMEOUT, form, vgg


def refused(*arguments, status=1):
    done = subprocess.run([PROGRAM, "serve", *map(str, arguments)], capture_output=True, text=True,
                          env=ENVIRONMENT, timeout=30, check=False)
    assert done.returncode == status and done.stdout == ""
    return done.stderr.splitlines()[-1]


# ---- the command line
@pytest.mark.parametrize("arguments,text", [
    (["--model", "a b.pth"], "give it a name of up to 64 of the letters"),
    (["--model", "x/.pth"], "give it a name"),
    (["--model", "n="], "names no file"),
    (["--model", "a/m.pth", "--model", "b/m.onnx"], "two models are called m; name one"),
])
def test_names(arguments, text):
    assert text in refused(*arguments, status=2)


@pytest.mark.parametrize("where,text", [
    ("foo", "expected HOST:PORT"), ("8080", "expected HOST:PORT"), ("127.0.0.1:", "expected HOST:PORT"), ("::1:80", "expected HOST:PORT"),
    ("127.0.0.1:99999999", "expected HOST:PORT"), ("127.0.0.1:65536", "expected HOST:PORT"),
    ("unix:", "expected unix: and a path"), ("unix:" + "x" * 108, "expected unix: and a path"),
])
def test_what_is_no_address(where, text):
    assert text in refused("--listen", where, status=2)


@pytest.mark.parametrize("where,text", [
    ("unix:/nowhere/at/all", "No such file"), ("no.such.host.invalid:80", "--listen no.such.host.invalid:80: "),
])
def test_addresses_that_cannot_be_had(where, text):
    assert text in refused("--listen", where)


def test_a_file_that_is_no_model(tmp_path):
    (tmp_path / "m.pth").write_bytes(b"nothing")
    assert str(tmp_path / "m.pth") in refused("--listen", "127.0.0.1:0", "--model", tmp_path / "m.pth")
    assert "missing.pth" in refused("--listen", "127.0.0.1:0", "--model", tmp_path / "missing.pth")


def test_an_address_that_is_taken(start):
    server = start()
    assert "Address already in use" in refused("--listen", "%s:%d" % server.host_port)


def test_a_file_with_an_equals_sign(start, models, tmp_path):
    (tmp_path / "lr=0.1.safetensors").write_bytes((models / "small/best.safetensors").read_bytes())
    server = start("--model", "m=lr=0.1.safetensors", "--model", "a=b=c.safetensors", cwd=tmp_path, wait=False)
    server.line("a: b=c.safetensors|b=c.safetensors: ")
    server = start("--model", "lr=0.1.safetensors", cwd=tmp_path, wait=False)
    server.line("give it a name")


# ---- the box, sockets
def test_without_a_model(start, pictures):
    server = start()
    server.line(r"builtin: 10 classes, pictures of 3x\d+x\d+$")
    server.line(r"memory: limits of [\d.]+ [MG]B in all: weights .*, batches .*, explaining .*, index 0.0 MB, queues .*, JSON ")
    content = pictures["heart0001.png"]
    assert server.post("/predict", content).body == vgg("predict", "--format", "json", "-", stdin=content)
    server.stop()


def test_a_socket_in_a_folder(start, tmp_path, pictures):
    place = tmp_path / "vgg.sock"
    for stopped_by in (signal.SIGKILL, signal.SIGTERM):  # the second finds what the first has left
        server = start(listen=f"unix:{place}", wait=False)
        server.line(f"listening at unix:{place}")
        connection = http.client.HTTPConnection("x")
        connection.sock = socket.socket(socket.AF_UNIX)
        connection.sock.connect(str(place))
        connection.request("POST", "/predict", pictures["heart0001.png"])
        assert json.loads(connection.getresponse().read())[0]["image"] == "-"
        connection.close()
        assert "Address already in use" in refused("--listen", f"unix:{place}")
        server.stop(stopped_by, -9 if stopped_by == signal.SIGKILL else 0)
    assert not place.exists()


def test_a_file_that_is_no_socket(start, tmp_path):
    """It stays, and so does whatever has taken the place of a server's socket."""
    place = tmp_path / "notes.txt"
    place.write_text("kept")
    assert "Address already in use" in refused("--listen", f"unix:{place}")
    assert place.read_text() == "kept"
    server = start(listen=f"unix:{tmp_path}/vgg.sock", wait=False)
    server.line("listening at")
    place.rename(tmp_path / "vgg.sock")
    server.stop()
    assert (tmp_path / "vgg.sock").read_text() == "kept"


def test_version_six(start, pictures):
    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind(("::1", 0))
    except OSError:
        pytest.skip("this machine has no IPv6")
    server = start(listen="[::1]:0")
    assert server.post("/predict", pictures["heart0001.png"]).status == 200


# ---- ending
def in_background(server, path, body, headers=None):
    """A request whose answer is in the list when the thread has ended."""
    answers = []
    thread = threading.Thread(target=lambda: answers.append(server.post(path, body, headers)))
    thread.start()
    return thread, answers


def waiting(server, seconds=0.3):
    """Time for a request to come to where it waits."""
    time.sleep(seconds)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_what_has_come_in_is_answered(start, pictures, number):
    server = start("--max-delay", 1500)
    thread, answers = in_background(server, "/predict", pictures["heart0001.png"])
    idle = server.connect()
    server.ask("GET", "/health", connection=idle)
    waiting(server)
    server.process.send_signal(number)
    server.line("answering what has come in")
    with pytest.raises(OSError):
        server.connect(5).connect()
    answer = server.ask("GET", "/health", connection=idle)
    assert answer.status == 503 and answer.headers["Connection"] == "close"
    thread.join()
    assert answers[0].status == 200 and answers[0].headers["Connection"] == "close"
    server.stop()


def test_the_time_for_that_is_bounded(start, pictures):
    server = start("--max-delay", 20000, "--grace", 0.2)
    thread, answers = in_background(server, "/predict", pictures["heart0001.png"])
    with socket.create_connection(server.host_port) as slow:
        slow.sendall(b"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nx")
        waiting(server)
        begun = time.monotonic()
        server.stop()
    thread.join()
    assert answers[0].status == 503 and "is being stopped" in answers[0].json["error"]
    assert "Retry-After" not in answers[0].headers
    assert time.monotonic() - begun < 10
    server.line("2 requests had no answer in the end")


def large_picture(width=5000, height=5000):
    """A PNG that takes a while to read."""
    def part(kind, content):
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    rows = zlib.compress(bytes((1 + 3 * width) * height), 1)
    return (b"\x89PNG\r\n\x1a\n" + part(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
            + part(b"IDAT", rows) + part(b"IEND", b""))


def test_a_request_that_ends_with_the_server(start):
    """Its body comes when nobody is waited for any more: it gets 503 at once, and the server ends well."""
    server = start("--grace", 0)
    content = large_picture()
    with socket.create_connection(server.host_port) as raw:
        raw.sendall(b"POST /explain?method=occlusion HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n"
                    % len(content) + content[:1000])
        waiting(server)
        server.process.send_signal(signal.SIGTERM)
        server.line("1 request had no answer in the end")
        time.sleep(0.25)
        raw.sendall(content[1000:])
        answer = b"".join(iter(lambda: raw.recv(1000), b""))
        assert b" 503 " in answer and b"the server is being stopped" in answer
    server.stop()


# ---- more than can be done at once
def test_a_full_queue(start, pictures):
    server = start("--max-delay", 1500, "--queue", 2)
    content = pictures["heart0001.png"]
    thread, answers = in_background(server, "/predict", *form(("a", content), ("b", content)))
    waiting(server)
    answer = server.post("/predict", content)
    assert answer.status == 503 and answer.headers["Retry-After"] == "1"
    assert "too many pictures wait for builtin" in answer.json["error"]
    thread.join()
    assert answers[0].status == 200
    assert server.post("/predict", *form(("a", content), ("b", content))).status == 200
    answer = server.post("/predict", *form(("a", content), ("b", content), ("c", content)))
    assert answer.status == 413 and "more than 2 parts" in answer.json["error"]


def test_a_deadline(start, pictures):
    server = start("--max-delay", 30000, "--timeout", 0.3)
    begun = time.monotonic()
    answer = server.post("/predict", pictures["heart0001.png"])
    assert answer.status == 504 and "within the 0.3 seconds" in answer.json["error"]
    assert time.monotonic() - begun < 10


def test_bodies_in_sum(start, pictures):
    """What is being received is counted together."""
    server = start("--max-bodies", 0.3, "--max-body", 0.2)
    with socket.create_connection(server.host_port) as slow:
        slow.sendall(b"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Length: 200000\r\n\r\n" + bytes(190000))
        waiting(server)
        answer = server.post("/predict", bytes(190000))
        assert answer.status == 503 and answer.headers["Retry-After"] == "1"
        assert "all that there is for them" in answer.json["error"]
        assert server.post("/predict", pictures["heart0001.png"]).status == 200
    for _ in range(100):
        if server.post("/predict", bytes(190000)).status == 400:
            return
        time.sleep(0.05)
    raise AssertionError("a closed connection keeps its bytes")


def test_a_refused_body_takes_no_room(start):
    """Though its client goes on with it."""
    server = start("--max-bodies", 0.3, "--max-body", 0.2)
    with socket.create_connection(server.host_port) as slow:
        slow.sendall(b"POST /predict HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
                     + b"%x\r\n" % 210_000 + bytes(210_000))
        waiting(server)
        assert server.post("/predict", bytes(190_000)).status == 400


def test_out_of_memory(start, pictures):
    """As long as it lasts; clients come back."""
    server = start()
    assert server.post("/predict", pictures["heart0001.png"]).status == 200
    with open(f"/proc/{server.process.pid}/status", encoding="ascii") as status:
        size = next(1024 * int(line.split()[1]) for line in status if line.startswith("VmSize"))
    if size > 1 << 40:
        pytest.skip("a sanitizer has taken the address space")
    resource.prlimit(server.process.pid, resource.RLIMIT_AS, (size + 40_000_000, resource.RLIM_INFINITY))
    answer = server.post("/predict", large_picture())
    assert answer.status == 503 and answer.headers["Retry-After"] == "1"
    assert server.post("/predict", pictures["heart0001.png"]).status == 200


def many_inputs(count):
    """As tensors, which nobody need read."""
    size = count * 3 * 24 * 24 * 4
    tensor = {"name": "input", "datatype": "FP32", "shape": [count, 3, 24, 24], "parameters": {"binary_data_size": size}}
    head = json.dumps({"inputs": [tensor], "outputs": [{"name": "label"}]}).encode()
    return head + bytes(size), {"Inference-Header-Content-Length": str(len(head))}


@pytest.mark.parametrize("encoded", [True, False], ids=["pictures", "inputs"])
def test_a_model_with_many_clients_does_not_hold_up_another(start, models, pictures, encoded):
    """Of two models one has a long queue: the other's picture is answered before its end."""
    server = start("--model", models / "wide", "--model", models / "small", "--max-batch", 1, "--queue", 1000,
                   "--max-pictures", 600, "--timeout", TIMEOUT, "--threads", 1, "--workers", 1)
    content = pictures["heart0001.png"]
    path, asked = (("/predict?model=wide", form(*[("a", content)] * 600)) if encoded else
                   ("/v2/models/wide/infer", many_inputs(600)))
    thread, answers = in_background(server, path, *asked)
    waiting(server, 0.02)
    assert server.post("/predict?model=small", content).status == 200
    assert not answers
    thread.join()
    assert answers[0].status == 200
    assert (answers[0].json if encoded else answers[0].json["outputs"][0]["data"])[599:]
    server.stop()
