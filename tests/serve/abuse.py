#!/usr/bin/python3
"""Asks a server for everything that a network brings: good requests, whose answers are compared, among slow,
half, wrong, huge and broken ones, clients that go away, and models that are swapped meanwhile.

    abuse.py [--no-memory] [REQUESTS] [SEED]

It fails when the server ends or stops answering, when a good request has another answer than `vgg predict` gives,
or when memory keeps growing, unless --no-memory says that it may, as under a sanitizer. Requests are 100,000 by default; VGG is the program."""
import collections
import concurrent.futures
import http.client
import json
import random
import re
import shutil
import signal
import socket
import sys
import tempfile
import threading
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
from conftest import Server, form, vgg  # noqa: E402

CLIENTS = 16
# Memory may grow by this share between a fifth of the requests and their end. Its last part is what allocators keep.
GROWTH = 0.02


class Abuse:
    def __init__(self, server, right, bodies, seed):
        self.server, self.right, self.bodies, self.seed = server, right, bodies, seed
        self.counts, self.lock, self.local = collections.Counter(), threading.Lock(), threading.local()

    # ---- a request of each kind; each returns how it ended
    def good(self, dice):
        """Must be answered rightly; a busy server is asked again."""
        name = dice.choice(sorted(self.bodies))
        for _ in range(50):
            connection = getattr(self.local, "connection", None) or self.server.connect()
            self.local.connection = connection
            try:
                answer = self.server.post("/predict?top=3", self.bodies[name], connection=connection)
            except (OSError, http.client.HTTPException):  # closed between two requests, as servers may
                connection.close()
                self.local.connection = None
                continue
            if answer.status == 503:
                time.sleep(0.05)
                continue
            assert answer.status == 200 and answer.body in self.right[name], (answer.status, answer.body[:300])
            return "right"
        raise AssertionError("a good request was not answered")

    def several(self, dice):
        names = [dice.choice(sorted(self.bodies)) for _ in range(dice.randint(1, 8))]
        answer = self.server.post("/predict?top=3", *form(*[(name, self.bodies[name]) for name in names]))
        assert answer.status in (200, 503), answer.body
        if answer.status == 200:
            assert [row["image"] for row in answer.json] == names
        return answer.status

    def wrong(self, dice):
        method, path, body = dice.choice([
            ("GET", "/predict", None), ("POST", "/nowhere", b"x"), ("POST", "/predict?top=x", b"x"),
            ("POST", "/predict", b"no picture"), ("POST", "/predict?model=none", b"x"), ("DELETE", "/", None),
            ("POST", "/v2/models/m/infer", b"{"), ("POST", "/v2/models/m/infer", b'{"inputs": []}'),
            ("PUT", "/health", b"x" * 1000)])
        answer = self.server.ask(method, path, body)
        assert 400 <= answer.status < 500 or answer.status == 503, answer.status
        assert "error" in answer.json
        return answer.status

    def huge(self, dice):
        with socket.create_connection(self.server.host_port, timeout=30) as raw:
            size = dice.choice([2_000_000, 10**9, 10**18, 2**64 + 1])
            raw.sendall(b"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % size)
            try:
                for _ in range(dice.randint(0, 40)):
                    raw.sendall(bytes(50_000))
                return "refused" if raw.recv(100) else "closed"
            except OSError:
                return "closed"

    def slow(self, dice):
        body = self.bodies[dice.choice(sorted(self.bodies))]
        head = b"POST /predict HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: %d\r\n\r\n" % len(body)
        with socket.create_connection(self.server.host_port, timeout=30) as raw:
            for part in (head[:20], head[20:], body[:100], body[100:]):
                raw.sendall(part)
                time.sleep(dice.random() / 20)
            answer = raw.recv(20)
        assert answer[:13] in (b"HTTP/1.1 200 ", b"HTTP/1.1 503 "), answer
        return "answered"

    def half(self, dice):
        body = self.bodies[dice.choice(sorted(self.bodies))]
        text = b"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % len(body) + body
        with socket.create_connection(self.server.host_port, timeout=30) as raw:
            raw.sendall(text[:dice.randint(0, len(text))])
        return "left"

    def gone(self, dice):
        """All of it is sent, and nobody waits for the answer; the connection is reset."""
        body = self.bodies[dice.choice(sorted(self.bodies))]
        raw = socket.create_connection(self.server.host_port, timeout=30)
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        raw.sendall(b"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
        raw.close()
        return "left"

    def broken(self, dice):
        """A good request of any protocol with some bytes changed."""
        body = self.bodies[dice.choice(sorted(self.bodies))]
        kind = dice.randrange(3)
        if kind == 0:
            path, headers = b"/predict", b""
        elif kind == 1:
            body, given = form(("a.png", body), ("b.png", body))
            path, headers = b"/predict", b"Content-Type: " + given["Content-Type"].encode() + b"\r\n"
        else:
            text = json.dumps({"inputs": [{"name": "image", "datatype": "BYTES", "shape": [1],
                                           "parameters": {"binary_data_size": len(body) + 4}}]}).encode()
            headers = b"Inference-Header-Content-Length: %d\r\n" % len(text)
            body, path = text + len(body).to_bytes(4, "little") + body, b"/v2/models/m/infer"
        request = bytearray(b"POST " + path + b" HTTP/1.1\r\nHost: x\r\nConnection: close\r\n" + headers
                            + b"Content-Length: %d\r\n\r\n" % len(body) + body)
        spread = dice.choice([len(request), min(len(request), 300)])
        for _ in range(dice.choice([1, 3, 20])):
            request[dice.randrange(spread)] = dice.randrange(256)
        with socket.create_connection(self.server.host_port, timeout=30) as raw:
            try:
                raw.sendall(request)
                raw.shutdown(socket.SHUT_WR)
                answer = raw.recv(13)
            except OSError:
                return "closed"
        assert not answer.startswith(b"HTTP/1.1 500"), request
        return answer[9:12].decode(errors="replace") if answer else "closed"

    KINDS = ("good", "good", "good", "good", "several", "wrong", "huge", "slow", "half", "gone", "broken")

    def ask(self, number):
        dice = random.Random(self.seed * 1_000_003 + number)
        kind = "broken" if number % 10 == 0 else dice.choice(self.KINDS)
        outcome = getattr(self, kind)(dice)
        with self.lock:
            self.counts[kind, outcome] += 1

    # ---- all of them
    def memory(self):
        return int(float(re.search(r"^process_resident_memory_bytes (\S+)$", self.server.get("/metrics").body.decode(),
                                   re.MULTILINE)[1]))

    def run(self, first, last, clients):
        for done in clients.map(self.ask, range(first, last)):
            assert done is None
        assert self.server.process.poll() is None, "the server has ended"


def swap(server, file, versions, ended):
    """Until then the model is swapped every second."""
    number = 0
    while not ended.wait(1):
        number += 1
        shutil.copy(versions[number % 2], file.with_suffix(".next"))
        file.with_suffix(".next").rename(file)
        server.process.send_signal(signal.SIGHUP)
    return number


def abuse(requests, seed, folder, swaps=True):
    """The counts by kind and outcome, and the memory at a fifth and at the end."""
    folder = Path(folder)
    vgg("generate", folder / "data", "--train", 3, "--validation", 2, "--size", 24)
    for name, arch in (("one", "4,M/8"), ("two", "8,M,16,M/16")):
        vgg("train", folder / "data", "-o", folder / name, "--arch", arch, "--epochs", 1, "--no-report")
    versions = [folder / name / "best.safetensors" for name in ("one", "two")]
    bodies = {path.parent.name + path.name: path.read_bytes() for path in (folder / "data/validation").glob("*/*.png")}
    right = {name: {vgg("predict", "--model", version, "--format", "json", "--top", 3, "-", stdin=body)
                    for version in versions[:2 if swaps else 1]} for name, body in bodies.items()}
    file = folder / "m.safetensors"
    shutil.copy(versions[0], file)
    server = Server("--model", file, "--max-body", 1, "--queue", 64, "--header-timeout", 5, "--idle-timeout", 10,
                    "--no-access-log")
    all_of_it, ended = Abuse(server, right, bodies, seed), threading.Event()
    try:
        with concurrent.futures.ThreadPoolExecutor(CLIENTS) as clients, \
                concurrent.futures.ThreadPoolExecutor(1) as swapper:
            swapping = swapper.submit(swap, server, file, versions, ended) if swaps else None
            try:
                all_of_it.run(0, requests // 5, clients)
                begun = all_of_it.memory()
                all_of_it.run(requests // 5, requests, clients)
            finally:
                ended.set()
        all_of_it.counts["swap", "done"] = swapping.result() if swapping else 0
        memory = all_of_it.memory()
        server.stop()
    finally:
        server.process.kill()
    return all_of_it.counts, begun, memory


def main():
    given = [word for word in sys.argv[1:] if word != "--no-memory"]
    requests = int(given[0]) if given else 100_000
    seed = int(given[1]) if len(given) > 1 else 1
    begun_at = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        counts, begun, ended = abuse(requests, seed, folder)
    for (kind, outcome), count in sorted(counts.items(), key=str):
        print(f"{kind:8} {outcome!s:10} {count}")
    print(f"{requests} requests in {time.monotonic() - begun_at:.0f} s; memory {begun / 1e6:.1f} MB at a fifth, "
          f"{ended / 1e6:.1f} MB at the end")
    if ended > begun * (1 + GROWTH) and "--no-memory" not in sys.argv:
        sys.exit("memory has grown by more than 2 %")


if __name__ == "__main__":
    main()
