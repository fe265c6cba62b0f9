"""Runs the program as subprocess.run does, but starts it once for many runs: support/forks.c lets a copy of
it go on from its main for each. What this cannot do in the same way is a start of its own."""

import os
import pathlib
import selectors
import signal
import socket
import struct
import subprocess
import threading
import time

REPOSITORY = pathlib.Path(__file__).resolve().parents[2]
PROGRAM = os.path.abspath(os.environ.get("VGG", REPOSITORY / "build" / "vgg"))
LIBRARY = pathlib.Path(PROGRAM).parent / "tests" / "forks.so"
# What a pipe holds before anybody reads it.
MOST_INPUT = 1 << 16
# Variables that are read while a program is loaded.
LOADING = ("LD_", "ASAN_", "LSAN_", "UBSAN_", "MALLOC_", "GLIBC_")


class Forks:
    """The program, with libraries that it loads too, stopped before its main. One copy of it at a time."""

    def __init__(self, *libraries):
        self.busy = threading.Lock()
        self.socket, theirs = socket.socketpair()
        # The sanitizers want to be loaded first, for what a library before them might allocate.
        options = ":".join(filter(None, (os.environ.get("ASAN_OPTIONS"), "verify_asan_link_order=0")))
        self.process = subprocess.Popen(
            [PROGRAM], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, pass_fds=[theirs.fileno()],
            env={**os.environ, "LD_PRELOAD": ":".join(map(str, (LIBRARY, *libraries))), "ASAN_OPTIONS": options,
                 "VGG_FORKS": str(theirs.fileno())})
        theirs.close()

    def ask(self, arguments, folder, environment, files):
        """Starts a copy with the files as its standard input, output and error; its number."""
        settings = (os.fsencode(f"{name}={value}") for name, value in environment.items())
        text = b"".join(word + b"\0" for word in (os.fsencode(folder), *arguments, *settings))
        socket.send_fds(self.socket, [struct.pack("=II", len(text), len(arguments))], files)
        self.socket.sendall(text)
        return self.answer()

    def answer(self):
        data = self.socket.recv(4, socket.MSG_WAITALL)
        assert len(data) == 4, f"{PROGRAM} does not start"
        return struct.unpack("=i", data)[0]

    def run(self, arguments, given, folder, environment, timeout):
        """As `run` below; one at a time."""
        end = time.monotonic() + timeout
        stdin, (out, stdout), (err, stderr) = standard_input(given), os.pipe(), os.pipe()
        process = self.ask(arguments, folder, environment, [stdin, stdout, stderr])
        for file in (stdin, stdout, stderr):
            os.close(file)
        texts = read_all([out, err], end)
        if texts is None:
            os.kill(process, signal.SIGKILL)
        status = os.waitstatus_to_exitcode(self.answer())
        if texts is None:
            raise subprocess.TimeoutExpired(arguments, timeout)
        return subprocess.CompletedProcess(arguments, status, *texts)

    def stop(self):
        self.socket.close()
        self.process.wait()


def standard_input(given):
    if given is None:
        return os.open(os.devnull, os.O_RDONLY)
    stdin, end = os.pipe()
    os.write(end, given)
    os.close(end)
    return stdin


def read_all(files, end):
    """What is written into each pipe until it is closed; nothing, when that takes longer. Closes them."""
    texts = {file: b"" for file in files}
    with selectors.DefaultSelector() as waiting:
        for file in files:
            waiting.register(file, selectors.EVENT_READ)
        while waiting.get_map() and (ready := waiting.select(max(end - time.monotonic(), 0))):
            for key, _ in ready:
                data = os.read(key.fd, 1 << 16)
                texts[key.fd] += data
                if not data:
                    waiting.unregister(key.fd)
        late = bool(waiting.get_map())
    for file in files:
        os.close(file)
    return None if late else texts.values()


def loading(environment):
    return {name: value for name, value in environment.items() if name.startswith(LOADING)}


FORKS = []


def run(words, *, input=None, cwd=None, env=None, timeout=120, **options):
    """Runs the program with the words and returns what subprocess.run does, with the output as bytes. Without
    input it reads an empty file; other options are those of subprocess.run."""
    environment = {**(os.environ if env is None else env)}
    arguments = [os.fsencode(word if isinstance(word, bytes) else str(word)) for word in (PROGRAM, *words)]
    alike = not options and len(input or b"") <= MOST_INPUT and loading(environment) == loading(os.environ)
    if alike and LIBRARY.exists():
        FORKS.extend([] if FORKS else [Forks()])
        if FORKS[0].busy.acquire(blocking=False):
            try:
                return FORKS[0].run(arguments, input, cwd or os.getcwd(), environment, timeout)
            finally:
                FORKS[0].busy.release()
    given = {"stdin": subprocess.DEVNULL} if input is None else {"input": input}
    return subprocess.run(arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=cwd, env=environment,
                          timeout=timeout, check=False, **{**given, **options})
