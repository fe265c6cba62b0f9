"""A server under test: `vgg serve` on a free port, or with whatever options, and requests to it."""
import http.client
import json
import os
import pathlib
import queue
import re
import signal
import subprocess
import sys
import threading
import time

import pytest

REPOSITORY = pathlib.Path(__file__).resolve().parents[2]
PROGRAM = os.path.abspath(os.environ.get("VGG", REPOSITORY / "build" / "vgg"))
sys.path.insert(0, str(REPOSITORY / "tests" / "support"))

import forks  # noqa: E402

ENVIRONMENT = {**os.environ, "LC_ALL": "C"}
TIMEOUT = 60 if "VGG_TEST_QUICK" not in os.environ else 300  # sanitizers take several times as long

if b"VGG_WITH_SERVE" in subprocess.run([PROGRAM, "serve", "--help"], capture_output=True,
                                       check=False).stderr:
    collect_ignore_glob = ["test_*"]


def vgg(*arguments, stdin=b""):
    done = forks.run(arguments, input=stdin, env=ENVIRONMENT, timeout=TIMEOUT)
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout


class Answer:
    def __init__(self, response):
        self.status, self.headers, self.body = response.status, response.headers, response.read()

    @property
    def json(self):
        return json.loads(self.body)


class Server:
    """Runs until it is stopped; its lines on standard error are `lines`."""

    def __init__(self, *arguments, cwd=None, environment=None, wait=True, listen="127.0.0.1:0"):
        self.process = subprocess.Popen(
            [PROGRAM, "serve", *(["--listen", listen] if listen else []), *map(str, arguments)],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=cwd, text=True,
            env={**ENVIRONMENT, **(environment or {})})
        self.lines, self.log, self._news = [], [], queue.Queue()
        self._readers = [threading.Thread(target=self._read, args=pair, daemon=True)
                         for pair in ((self.process.stderr, self.lines), (self.process.stdout, self.log))]
        for reader in self._readers:
            reader.start()
        self.address = self.line(r"vgg serve: listening at (\S+)")[1] if wait else None

    def _read(self, stream, kept):
        for line in stream:
            kept.append(line.rstrip("\n"))
            self._news.put(None)
        self._news.put(None)

    def line(self, pattern, begin=0, within=TIMEOUT):
        """The first line on standard error, from number `begin` on, that the pattern is in."""
        end = time.monotonic() + within
        while True:
            for line in list(self.lines)[begin:]:
                found = re.search(pattern, line)
                if found:
                    return found
            if time.monotonic() > end or (self.process.poll() is not None
                                          and not any(r.is_alive() for r in self._readers)):
                raise AssertionError(f"no line {pattern}:\n" + "\n".join(self.lines))
            try:
                self._news.get(timeout=0.1)
            except queue.Empty:
                pass

    @property
    def host_port(self):
        host, port = re.fullmatch(r"https?://(.*):(\d+)", self.address).groups()
        return host.strip("[]"), int(port)

    def connect(self, timeout=TIMEOUT):
        return http.client.HTTPConnection(*self.host_port, timeout=timeout)

    def ask(self, method, path, body=None, headers=None, connection=None):
        own = connection or self.connect()
        try:
            own.request(method, path, body, headers or {})
            return Answer(own.getresponse())
        finally:
            if connection is None:
                own.close()

    def get(self, path, **more):
        return self.ask("GET", path, **more)

    def post(self, path, body, headers=None, **more):
        return self.ask("POST", path, body, headers, **more)

    def stop(self, number=signal.SIGTERM, status=0):
        if self.process.poll() is None:
            self.process.send_signal(number)
        assert self.process.wait(TIMEOUT) == status, "\n".join(self.lines)
        for reader in self._readers:
            reader.join(TIMEOUT)


def form(*pictures, name="image", boundary="----7e2f"):
    """A form of (file name, bytes), and its header."""
    parts = [f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"; filename="{file}"\r\n'
             "Content-Type: image/png\r\n\r\n".encode() + content + b"\r\n" for file, content in pictures]
    return (b"".join(parts) + f"--{boundary}--\r\n".encode(),
            {"Content-Type": f"multipart/form-data; boundary={boundary}"})


@pytest.fixture
def start():
    """Starts servers that are stopped at the end of the test, whatever becomes of it."""
    servers = []

    def begin(*arguments, **options):
        servers.append(Server(*arguments, **options))
        return servers[-1]

    yield begin
    for server in servers:
        if server.process.poll() is None:
            server.process.kill()
            server.process.wait(TIMEOUT)


@pytest.fixture(scope="session")
def pictograms(tmp_path_factory):
    folder = tmp_path_factory.mktemp("data") / "pictograms"
    vgg("generate", folder, "--train", 3, "--validation", 2, "--size", 24, "--seed", 3)
    return folder


@pytest.fixture(scope="session")
def pictures(pictograms):
    """Twenty encoded pictures by name, one of them a JPEG."""
    found = {path.parent.name + path.name: path.read_bytes()
             for path in sorted((pictograms / "validation").glob("*/*.png"))}
    found["jpeg.jpg"] = (REPOSITORY / "tests/golden/data/image/exif1.jpg").read_bytes()
    return found


@pytest.fixture(scope="session")
def models(pictograms, tmp_path_factory):
    """Two runs."""
    folder = tmp_path_factory.mktemp("models")
    for name, arch in (("small", "4,M/8"), ("wide", "16,M,64,M,64/16")):
        vgg("train", pictograms, "-o", folder / name, "--arch", arch, "--epochs", 1, "--no-report")
    return folder
