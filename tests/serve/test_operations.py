"""What keeps a server running for months: figures, a log, models that change, keys, TLS, and bounds on what
clients may hold."""
import concurrent.futures
import http.client
import json
import os
import re
import shutil
import signal
import socket
import ssl
import subprocess
import time

import pytest
from conftest import ENVIRONMENT, PROGRAM, form, vgg


def wait_for(what, seconds=30):
    end = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < end
        time.sleep(0.02)


# ---- figures and log
def metrics(server, **more):
    answer = server.get("/metrics", **more)
    assert answer.status == 200 and answer.headers["Content-Type"].startswith("text/plain; version=0.0.4")
    found, kinds = {}, {}
    for line in answer.body.decode().splitlines():
        if line.startswith("#"):
            _, word, name, *rest = line.split(" ", 3)
            assert word in ("HELP", "TYPE") and rest
            if word == "TYPE":
                assert name not in kinds
                kinds[name] = rest[0]
            continue
        sample, value = line.rsplit(" ", 1)
        name = re.fullmatch(r'([a-z_]+)(\{([a-z]+="[^"\n]*",?)*\})?', sample)[1]
        family = re.sub(r"_(bucket|sum|count)$", "", name) if name not in kinds else name
        assert (kinds[family] == "counter") == family.endswith("_total")
        assert sample not in found
        found[sample] = float(value)
    return found


def test_metrics(start, models, pictures):
    server = start("--model", models / "small", "--model", models / "wide")
    content = pictures["heart0001.png"]
    for _ in range(3):
        server.post("/predict", *form(("a", content), ("b", content)))
    server.post("/predict?model=wide", content)
    server.post("/predict", b"nothing")
    server.get("/nowhere")
    found = metrics(server)
    assert found['vgg_requests_total{code="200"}'] == 4
    assert found['vgg_requests_total{code="400"}'] == found['vgg_requests_total{code="404"}'] == 1
    assert found['vgg_pictures_total{model="small"}'] == 6 and found['vgg_pictures_total{model="wide"}'] == 1
    assert 3 <= found['vgg_batches_total{model="small"}'] <= 6
    assert found['vgg_pictures_failed_total{model="small"}'] == 1
    assert found['vgg_pictures_waiting{model="small"}'] == 0 and found["vgg_requests_open"] == 1
    assert found['vgg_queue_duration_seconds_count{model="small"}'] == 6
    assert found['vgg_read_duration_seconds_bucket{model="small",le="+Inf"}'] == 7
    assert found["vgg_request_duration_seconds_count"] == 6
    assert found["process_resident_memory_bytes"] > 1e6 and found["vgg_connections"] == 1
    assert found['vgg_model_version{model="wide"}'] == 1


def test_access_log(start, pictures):
    server = start()
    server.post("/predict", pictures["heart0001.png"], {"X-Request-Id": "one"})
    server.get("/no%C3%A9where%22")
    with socket.create_connection(server.host_port) as raw:  # goes away in the middle
        raw.sendall(b"POST /predict HTTP/1.1\r\nHost: x\r\nX-Request-Id: gone\r\nContent-Length: 9\r\n\r\nx")
        wait_for(lambda: metrics(server)["vgg_requests_open"] == 2)
    wait_for(lambda: any('"gone"' in line for line in server.log))
    lines = {line["id"]: line for line in map(json.loads, server.log)}
    one = lines["one"]
    assert (one["method"], one["path"], one["status"], one["model"]) == ("POST", "/predict", 200, "builtin")
    assert one["client"] == "127.0.0.1" and one["pictures"] == 1 and one["complete"] is True
    assert one["received"] == len(pictures["heart0001.png"]) and 0 < one["seconds"] < 30
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", one["time"])
    assert lines["gone"]["complete"] is False and lines["gone"]["status"] == 0
    with socket.create_connection(server.host_port) as raw:  # a method that is no text
        raw.sendall(b"G\xffT /health HTTP/1.1\r\nHost: x\r\nX-Request-Id: odd\r\n\r\n")
        assert raw.recv(100).startswith(b"HTTP/1.1 405")
    wait_for(lambda: any('"odd"' in line for line in server.log), 5)
    assert [line["status"] for line in lines.values() if line["path"] == '/no\u00e9where"'] == [404]
    quiet = start("--no-access-log")
    quiet.get("/health")
    quiet.stop()
    assert not quiet.log


def test_a_log_that_nobody_reads(pictures):
    """Lines are left out and counted, and requests are answered."""
    process = subprocess.Popen([PROGRAM, "serve", "--listen", "127.0.0.1:0"], stdout=subprocess.PIPE,
                               stderr=subprocess.PIPE, text=True, env=ENVIRONMENT)
    try:
        address = next(line for line in process.stderr if "listening" in line).split("//")[1].strip()
        connection = http.client.HTTPConnection(address)
        for _ in range(600):
            connection.request("GET", "/health")
            assert connection.getresponse().read()
        connection.request("GET", "/metrics")
        lost = re.search(r"^vgg_log_lines_lost_total (\d+)$", connection.getresponse().read().decode(), re.MULTILINE)
        assert int(lost[1]) > 0
    finally:
        process.kill()
        process.communicate()


# ---- models that change
def answers_of(models, content):
    return {name: vgg("predict", "--model", models / name, "--format", "json", "-", stdin=content)
            for name in ("small", "wide")}


def test_swaps_under_load(start, models, pictures, tmp_path):
    """Fifty times while four clients ask: no request fails, and each answer is one of one of the models."""
    content = pictures["heart0001.png"]
    right, file = answers_of(models, content), tmp_path / "m.safetensors"
    shutil.copy(models / "small/best.safetensors", file)
    server = start("--model", file)
    ended = []

    def client(_):
        connection, seen = server.connect(), []
        while not ended:
            answer = server.post("/predict", content, connection=connection)
            assert answer.status == 200
            seen.append(answer.body)
        connection.close()
        return seen

    with concurrent.futures.ThreadPoolExecutor(4) as clients:
        running = clients.map(client, range(4))
        try:
            for number in range(2, 52):
                shutil.copy(models / ("wide", "small")[number % 2] / "best.safetensors", tmp_path / "next")
                (tmp_path / "next").rename(file)
                server.process.send_signal(signal.SIGHUP)
                server.line(rf"m: is at version {number}, 10 classes")
        finally:
            ended.append(True)
        seen = [body for bodies in running for body in bodies]
    assert set(seen) == set(right.values()) and len(seen) > 50
    assert server.get("/v2/models/m/versions/51/ready").status == 200
    assert server.get("/v2/models/m/versions/50/ready").status == 404


def test_a_file_that_changes(start, models, pictures, tmp_path):
    """Copied over, as anybody does; and one that is broken, and mended."""
    content = pictures["heart0001.png"]
    right, file = answers_of(models, content), tmp_path / "m.safetensors"
    shutil.copy(models / "small/best.safetensors", file)
    server = start("--model", file)
    shutil.copy(models / "wide/best.safetensors", file)
    server.line("m: is at version 2")
    assert server.post("/predict", content).body == right["wide"]
    file.write_bytes(b"broken")
    server.line("m: stays at version 2")
    assert str(file) in "\n".join(server.lines)
    assert server.post("/predict", content).body == right["wide"]
    file.unlink()
    server.process.send_signal(signal.SIGHUP)
    wait_for(lambda: sum("stays at version 2" in line for line in server.lines) == 2)
    shutil.copy(models / "small/best.safetensors", file)
    server.line("m: is at version 3")
    assert server.post("/predict", content).body == right["small"]
    found = metrics(server)
    assert found['vgg_model_loads_total{model="m"}'] == 3
    assert found['vgg_model_load_failures_total{model="m"}'] == 2


def test_a_version_that_is_named_answers(start, models, tmp_path):
    """Even if another was loaded while the body came."""
    file = tmp_path / "m.safetensors"
    shutil.copy(models / "small/best.safetensors", file)
    server = start("--model", file)
    tensor = {"name": "input", "datatype": "FP32", "shape": [1, 3, 24, 24], "data": [0] * 1728}
    body = json.dumps({"inputs": [tensor], "outputs": [{"name": "logits"}]}).encode()
    right = server.post("/v2/models/m/infer", body).json["outputs"]
    connection = server.connect()
    connection.putrequest("POST", "/v2/models/m/versions/1/infer")
    connection.putheader("Content-Length", str(len(body)))
    connection.endheaders(body[:100])
    wait_for(lambda: metrics(server)["vgg_requests_open"] == 2)
    shutil.copy(models / "wide/best.safetensors", file)
    server.line("m: is at version 2")
    connection.send(body[100:])
    answer = connection.getresponse()
    assert answer.status == 200 and json.loads(answer.read())["outputs"] == right
    connection.close()
    assert server.post("/v2/models/m/infer", body).json["outputs"] != right


def test_a_file_that_is_not_watched(start, models, tmp_path):
    file = tmp_path / "m.safetensors"
    shutil.copy(models / "small/best.safetensors", file)
    server = start("--model", file, "--no-watch")
    shutil.copy(models / "wide/best.safetensors", file)
    time.sleep(1.3)
    assert server.get("/v2/models/m").json["versions"] == ["1"]
    server.process.send_signal(signal.SIGHUP)
    server.line("m: is at version 2")


# ---- keys, TLS, other origins
def test_keys(start, pictures, tmp_path):
    keys = tmp_path / "keys"
    keys.write_text("# two of them\n\n  first-key  \r\nsecond key\n")
    server = start("--api-key-file", keys)
    for path in ("/health", "/v2/health/live", "/v2/health/ready", "/openapi.json"):
        assert server.get(path).status == 200
    for path in ("/metrics", "/v2", "/v2/models/builtin"):
        assert server.get(path).status == 401
    content = pictures["heart0001.png"]
    for header, status in ((None, 401), ("Bearer first-key", 200), ("bearer second key", 200), ("Bearer first-ke", 401),
                           ("Bearer first-key2", 401), ("Bearer ", 401), ("first-key", 401), ("Bearer # two of them", 401),
                           ("Basic Zmlyc3Qta2V5", 401)):
        answer = server.post("/predict", content, {"Authorization": header} if header else {})
        assert answer.status == status
        if status == 401:
            assert answer.headers["WWW-Authenticate"] == "Bearer" and "error" in answer.json
    keys.write_text("# none\n")
    for file, text in ((keys, "has no key"), (tmp_path / "missing", "No such file"), (tmp_path, "Is a directory")):
        done = subprocess.run([PROGRAM, "serve", "--listen", "127.0.0.1:0", "--api-key-file", file],
                              capture_output=True, text=True, env=ENVIRONMENT, timeout=30, check=False)
        assert done.returncode == 1 and text in done.stderr


def test_tls(start, pictures, tmp_path):
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not installed")
    certificate, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
                    "-keyout", key, "-out", certificate, "-days", "2", "-subj", "/CN=localhost", "-addext",
                    "subjectAltName=DNS:localhost"], check=True, capture_output=True)
    server = start("--tls-cert", certificate, "--tls-key", key)
    assert server.address.startswith("https://127.0.0.1:")
    context = ssl.create_default_context(cafile=certificate)
    port = server.host_port[1]
    connection = http.client.HTTPSConnection("localhost", port, context=context, timeout=30)
    for content in pictures.values():
        connection.request("POST", "/predict", content)
        assert connection.getresponse().read() == vgg("predict", "--format", "json", "-", stdin=content)
    connection.close()
    with pytest.raises((OSError, http.client.HTTPException)):
        server.get("/health")
    server.stop()
    refused = [("--tls-cert", certificate), ("--tls-cert", certificate, "--tls-key", certificate)]
    for arguments, status in zip(refused, (2, 1)):
        done = subprocess.run([PROGRAM, "serve", "--listen", "127.0.0.1:0", *arguments], capture_output=True, text=True,
                              env=ENVIRONMENT, timeout=30, check=False)
        assert done.returncode == status and "--tls-" in done.stderr.splitlines()[-1]


def test_other_origins(start):
    server = start()
    answer = server.get("/health", headers={"Origin": "https://a.example"})
    assert answer.status == 200 and not [h for h in answer.headers if h.startswith("Access-Control")]
    assert server.ask("OPTIONS", "/predict", headers={"Origin": "https://a.example"}).status == 405
    server = start("--cors", "https://a.example", "--cors", "https://b.example")
    for origin, allowed in (("https://a.example", True), ("https://b.example", True), ("https://c.example", False)):
        answer = server.get("/health", headers={"Origin": origin})
        assert answer.headers["Access-Control-Allow-Origin"] == (origin if allowed else None)
        assert answer.headers["Vary"] == "Origin"
        asked = server.ask("OPTIONS", "/predict", headers={"Origin": origin, "Access-Control-Request-Method": "POST"})
        assert asked.status == (204 if allowed else 405)
        assert (asked.headers["Access-Control-Allow-Methods"] == "GET, POST") == allowed


@pytest.mark.parametrize("origin", ["https://a.example/", "a.example", "https://", "https://A.example", "https://a.example "])
def test_what_is_no_origin(origin):
    done = subprocess.run([PROGRAM, "serve", "--listen", "127.0.0.1:0", "--cors", origin], capture_output=True, text=True,
                          env=ENVIRONMENT, timeout=30, check=False)
    assert done.returncode == 2 and f"--cors {origin}: expected" in done.stderr


# ---- what clients may hold
def closed(raw, within=20):
    raw.settimeout(within)
    try:
        return raw.recv(1000) == b""
    except ConnectionError:
        return True


def test_connections_that_say_nothing(start):
    server = start("--header-timeout", 0.5, "--idle-timeout", 1)
    with socket.create_connection(server.host_port) as silent, socket.create_connection(server.host_port) as slow:
        slow.sendall(b"GET /health HTTP/1.1\r\nHost: x\r\n")
        begun = time.monotonic()
        with pytest.raises(OSError):
            while time.monotonic() < begun + 20:
                slow.sendall(b"X-A: b\r\n")
                time.sleep(0.1)
        assert closed(silent)
    with socket.create_connection(server.host_port) as idle:
        idle.sendall(b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n")
        assert idle.recv(1000).startswith(b"HTTP/1.1 200")
        assert closed(idle)
    wait_for(lambda: metrics(server)["vgg_connections"] == 1)


def test_bodies_that_do_not_come(start):
    server = start("--timeout", 0.5, "--idle-timeout", 5)
    with socket.create_connection(server.host_port) as slow:
        slow.sendall(b"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\n")
        with pytest.raises(OSError):
            for _ in range(200):
                slow.sendall(b"x")
                time.sleep(0.1)


def test_connections_of_one_client(start):
    server = start("--max-per-client", 3)
    held = [socket.create_connection(server.host_port) for _ in range(3)]
    wait_for(lambda: closed_at_once(server))
    for raw in held:
        raw.close()
    wait_for(lambda: not closed_at_once(server))


def closed_at_once(server):
    try:
        return server.get("/health").status != 200
    except (OSError, http.client.HTTPException):
        return True


@pytest.mark.parametrize("request_line,header,status", [
    ("GET /health", b"X-Long: " + b"x" * 60_000, 200),
    ("GET /health", b"X-Long: " + b"x" * 70_000, 431),
    ("GET /" + 60_000 * "x", b"X: y", 404),
    ("GET /" + 70_000 * "x", b"X: y", 414),
    ("GET /health", b"no colon", 400),
], ids=["60 KB", "70 KB", "path of 60 KB", "path of 70 KB", "no colon"])
def test_large_and_broken_headers(start, request_line, header, status):
    server = start()
    with socket.create_connection(server.host_port) as raw:
        raw.settimeout(30)
        raw.sendall(f"{request_line} HTTP/1.1\r\nHost: x\r\n".encode() + header + b"\r\n\r\n")
        assert raw.recv(100).startswith(b"HTTP/1.1 %d " % status)
    assert server.get("/health").status == 200
    assert metrics(server)["vgg_requests_refused_total"] == (status in (400, 414, 431))


# ---- systemd
def test_a_socket_that_is_handed_over(start, tmp_path):
    listening = socket.create_server(("127.0.0.1", 0))
    told = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    told.bind(str(tmp_path / "notify"))
    told.settimeout(30)
    script = 'LISTEN_FDS=1 LISTEN_PID=$$ exec "$0" serve'
    process = subprocess.Popen(["sh", "-c", script, PROGRAM], close_fds=False, stderr=subprocess.PIPE, text=True,
                               stdout=subprocess.DEVNULL, preexec_fn=lambda: os.dup2(listening.fileno(), 3),
                               env={**ENVIRONMENT, "NOTIFY_SOCKET": str(tmp_path / "notify")})
    try:
        assert told.recv(100) == b"READY=1"
        host, port = listening.getsockname()
        assert f"listening at http://{host}:{port}" in "".join(process.stderr.readline() for _ in range(3))
        connection = http.client.HTTPConnection(host, port, timeout=30)
        connection.request("GET", "/health")
        assert connection.getresponse().status == 200
        process.terminate()
        assert told.recv(100) == b"STOPPING=1"
        assert process.wait(30) == 0
    finally:
        process.kill()
        process.communicate()
        listening.close()
        told.close()
