#!/usr/bin/python3
"""Each call of the system, of a thread or of memory that a command makes, failing, and a disk that is
full after so many bytes: what the program does then, and that a training can be resumed afterwards. A sample of it is test_failing_calls.py; as a program this is all of it (`make failing-calls`):

    VGG=build/vgg VGG_BUILD=build tests/faults/failing_calls.py [--most N] [--seed K] [WORD...]

with the commands and kinds whose names contain one of the words; --most: of each command and kind only so
many, which --seed picks."""

import argparse
import collections
import concurrent.futures
import dataclasses
import errno
import itertools
import os
import pathlib
import queue
import random
import re
import shutil
import subprocess
import sys
import tempfile

from failing_commands import BUILD, PROGRAM, ROOT, TIMEOUT, commands, environment_of, make
from failing_requests import Client, wrong_answers

sys.path.insert(0, str(ROOT / "tests" / "support"))

from forks import Forks  # noqa: E402

LIBRARY = BUILD / "tests" / "fail_calls.so"
# Kinds of calls, each with the error that it fails with.
KINDS = {"open": errno.EMFILE, "read": errno.EIO, "write": errno.ENOSPC, "mmap": errno.ENOMEM,
         "rename": errno.EACCES, "sync": errno.EIO, "close": errno.EIO, "unlink": errno.EACCES,
         "truncate": errno.ENOSPC, "mkdir": errno.ENOSPC, "chmod": errno.EPERM, "lock": errno.ENOLCK,
         "thread": errno.EAGAIN, "allocate": errno.ENOMEM, "look": errno.EIO, "list": errno.EIO,
         "room": errno.ENOSPC}
# Sizes at which a disk is full, of each command.
ROOMS = 60
# Files with times in them, and pictures without their letters where Cairo fails.
TIMED = ("log.jsonl", "checkpoint.txt", ".lock", "results.csv", "run.json", "report.html", "results.png",
         "confusion.png", "views.png", "why.png", "maps.png", "top.png")
# Left out without a word where Cairo or its process fails.
DRAWN = ("results.png", "confusion.png")
# What a dependency of ours does without memory: docs/reliability.md.
ARCHIVE = "Fatal Internal Error in libarchive: "


def contents(folder):
    """What is under the folder: bytes by name. A log has times in it, and is looked at alone."""
    return {str(path.relative_to(folder)): path.read_bytes()
            for path in sorted(folder.rglob("*")) if path.is_file()}


@dataclasses.dataclass
class Place:
    """A folder of inputs for one run at a time, and what the command does when nothing fails."""
    folder: pathlib.Path
    good: dict = dataclasses.field(default_factory=dict)
    allocations: dict = dataclasses.field(default_factory=dict)
    answers: list = dataclasses.field(default_factory=list)

    def __post_init__(self):
        self.program = Forks(LIBRARY)

    def vgg(self, *words, stdin=None, **settings):
        """The exit status and what was printed; -1000 when it took too long. stdin: a file, None for nothing."""
        given = (self.folder / stdin).read_bytes() if stdin else None
        try:
            done = self.program.run([os.fsencode(word) for word in (PROGRAM, *words)], given, self.folder,
                                    {**environment_of(self.folder), **settings}, TIMEOUT)
        except subprocess.TimeoutExpired:
            return -1000, "", ""
        return done.returncode, *(text.decode(errors="replace") for text in (done.stdout, done.stderr))

    def run(self, command, **settings):
        out = self.folder / "out"
        shutil.rmtree(out)
        out.mkdir()
        for name in command.before:
            source = self.folder / "before" / name
            (shutil.copytree if source.is_dir() else shutil.copy)(source, out / name)
        before = contents(out)
        client = Client(out / "socket", [self.folder / name for name in command.asks]) if command.asks else None
        outcome = self.vgg(*command.words, stdin=command.stdin, **command.settings, **settings)
        self.answers = client.end() if client else []
        return before, outcome, contents(out)

    def count(self, command):
        """How many calls of each kind it makes, and how many bytes it writes ("room")."""
        file, counts = self.folder / "count", collections.Counter()
        for kinds in (",".join(kind for kind in KINDS if kind != "room"), "room"):
            _, (status, printed, complaint), after = self.run(
                command, FAIL_CALLS=kinds, FAIL_COUNT_TO=str(file),
                **({} if kinds == "room" else {"FAIL_COUNT_EACH": "1"}))
            assert status == 0, complaint
            self.good[command.words] = (printed, after, self.answers)
            for line in file.read_text().splitlines():
                kind, number = line.split() if kinds != "room" else ("room", line)
                counts[kind] += int(number)
        self.allocations[command.words] = self.places(command) if command.places else None
        return counts

    def places(self, command):
        """The numbers of allocations of which each is the first or the last that a chain of calls makes."""
        file, first, last = self.folder / "places", {}, {}
        _, (status, _, complaint), _ = self.run(command, FAIL_CALLS="allocate", FAIL_PLACES_TO=str(file))
        assert status == 0, complaint
        for number, place in enumerate(file.read_text().split(), 1):
            first.setdefault(place, number)
            last[place] = number
        return sorted({*first.values(), *last.values()})


def unreadable(place, files):
    """The names of models, pictures and logs that are not whole."""
    for name, data in files.items():
        if name.endswith(".png") and not data.endswith(b"IEND\xae\x42\x60\x82"):
            yield name
        if name.endswith(".jsonl") and data and not data.endswith(b"}\n"):
            yield name
        if name.endswith((".safetensors", ".pth", ".onnx")) and data != b"what was there before":
            # What an optimiser keeps looks like dead weights, a problem of those.
            readable = (0, 4) if "/state" in name else (0,)
            if place.vgg("inspect", f"out/{name}")[0] not in readable:
                yield name


def difference(good, found):
    """The first line of a text that is not as in the good one."""
    for one, other in zip(good.splitlines() + ["(the end)"], found.splitlines() + ["(the end)"]):
        if one != other:
            return f"{other!r} in place of {one!r}"
    return "more lines"


def outline(command, page):
    """The parts of a page, and how many pictures it has; a training makes as many as there is time for."""
    parts = re.findall(rb'<(?:section|table|figure|dialog|script|img)[^>]*? (?:id|class)="([^"]*)"', page)
    return parts, page.count(b"<img") if command.words[0] != "train" else None


def left_out(command, good, found):
    """Files that are not there, and pages that lack a part, among those that have times in them."""
    for name, data in good.items():
        page = name.endswith(".html")
        if name not in found and not name.endswith(DRAWN) and "/tensorboard/" not in name:
            yield name
        if page and name in found and outline(command, found[name]) != outline(command, data):
            yield f"parts of {name}"


def is_listed(name, files):
    """Whether it is a file of a run's last checkpoint that has not got its name yet, or of the one before
    it, while that can be taken back: whoever opens the run gives it its name or removes it."""
    folder, _, last = name.rpartition("/")
    found = re.fullmatch(r"\.checkpoint-(\d+)-(.+)", last)
    record = files.get(f"{folder}/checkpoint.txt")
    return bool(found and record and any(f"\n{listing}file.{found[2]} {found[1]} ".encode() in record
                                         for listing in ("", "former.")))


def resumed(place, command):
    """What is wrong with the run of a training that failed, when it is resumed, or begun again where
    nothing was recorded."""
    words = command.words
    if words[0] != "train" or "-o" not in words:
        return
    again = words if "--resume" in words else (*words[:4], "--resume", "--threads", "2", "--no-report",
                                               "--quiet")
    status, _, complaint = place.vgg(*again)
    if status == 1 and "holds no run" in complaint:
        status, _, complaint = place.vgg(*words)
    if status != 0:
        yield f"cannot go on: {complaint}"
        return
    found, good = contents(place.folder / "out"), place.good[words][1]
    other = [name for name in {*found, *good}
             if not name.endswith(TIMED) and "/tensorboard/" not in name and found.get(name) != good.get(name)]
    if other:
        yield f"goes on to other files: {sorted(other)}"


def faults(place, command, kind, at, once):
    """What is wrong with what the program does when the call `at` of a kind fails, in words."""
    settings = {"FAIL_CALLS": kind, "FAIL_AT": at, "FAIL_HOW": KINDS[kind]}
    if once:
        settings["FAIL_ONCE"] = 1
    before, (status, printed, complaint), after = place.run(command, **settings)
    good_printed, good_files, good_answers = place.good[command.words]
    names, known = set(after), set(before) | set(good_files)
    if status == -1000:
        yield "hangs"
        return
    yield from wrong_answers(good_answers, place.answers, once)
    if status not in command.statuses:
        yield f"status {status}: {complaint}"
        return
    lines = complaint.splitlines()
    if status != 0 and not any(line.startswith(("vgg", ARCHIVE)) for line in lines):
        yield f"status {status} without a message: {complaint}"
    if status == 0 and command.same:
        stable = {name for name in good_files if not name.endswith(TIMED) and "/tensorboard/" not in name}
        if printed != good_printed:
            yield f"status 0, but other output: {difference(good_printed, printed)} {complaint}"
        if {n: after.get(n) for n in stable} != {n: good_files[n] for n in stable}:
            yield f"status 0, but other files: {complaint}"
        lacking = list(left_out(command, good_files, after))
        if lacking and not complaint:
            yield f"status 0, but lacks {lacking} without a word"
    # An evaluation goes on from scores.npz.part.
    left = {name for name in names - known
            if not is_listed(name, after) and not name.endswith(".part") and "/tensorboard/" not in name}
    if left and kind not in ("unlink", "list"):
        yield f"leaves {sorted(left)}"
    for name in before:
        if command.words[0] == "convert" and after.get(name) not in (before[name], good_files[name]):
            yield f"{name} is neither what it was nor what it becomes"
    changed = {name: data for name, data in after.items()
               if name in known and data != good_files.get(name)}
    for name in unreadable(place, changed):
        yield f"{name} cannot be read"
    # Who goes on learns of all pictures again.
    if status == 1 and "skipped" not in complaint:
        yield from resumed(place, command)


def tries(place, chosen, words=(), most=None, seed=0):
    """(name, kind, at, once) of all calls of the commands, or so many of each command and kind."""
    draw = random.Random(seed)
    for name, command in chosen:
        counts = place.count(command)
        for kind in KINDS:
            if not any(word in f"{name}:{kind}" for word in words or [""]):
                continue
            count = counts[kind]
            step = max(count // ROOMS, 1) if kind == "room" else 1
            numbers = place.allocations[command.words] if kind == "allocate" else None
            numbers = numbers or range(1, count + 1, step)
            ways = [(name, kind, at, once) for at in numbers for once in (True, False)]
            yield from ways if most is None or len(ways) <= most else draw.sample(ways, most)


def sweep(base, words=(), most=None, seed=0):
    """Yields (name, kind, number of tries, faults) of all commands and kinds, each when it is done."""
    makers = [Place(base / str(i)) for i in range(os.cpu_count() or 1)]
    make(makers[0].folder)
    for other in makers[1:]:
        shutil.copytree(makers[0].folder, other.folder)
    table = commands(makers[0].folder)
    free, done = collections.deque(makers), queue.SimpleQueue()

    def one(name):
        place = free.pop()
        try:
            ways = tries(place, [(name, table[name])], words, most, seed)
            for kind, group in itertools.groupby(ways, lambda way: way[1]):
                group = list(group)
                found = [(at, once, fault) for _, _, at, once in group
                         for fault in faults(place, table[name], kind, at, once)]
                done.put((name, kind, len(group), found))
        finally:
            free.append(place)
            done.put(None)

    chosen = [name for name in table if not words or any(word in f"{name}:{kind}" for word in words for kind in KINDS)]
    with concurrent.futures.ThreadPoolExecutor(len(makers)) as threads:
        futures = [threads.submit(one, name) for name in chosen]
        left = len(futures)
        while left:
            result = done.get()
            left -= result is None
            if result is not None:
                yield result
        for future in futures:
            future.result()
    for place in makers:
        place.program.stop()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--most", type=int)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("words", nargs="*", metavar="WORD")
    told = parser.parse_args()
    total, bad = 0, 0
    with tempfile.TemporaryDirectory(dir="/dev/shm" if os.path.isdir("/dev/shm") else None) as base:
        for name, kind, count, found in sweep(pathlib.Path(base), told.words, told.most, told.seed):
            print(f"{name:24} {kind:10} {count:6} tries, {len(found)} faults", flush=True)
            for at, once, fault in found:
                print(f"    {kind} {at}{' alone' if once else ' and later'}: {fault}".rstrip(), flush=True)
            total, bad = total + count, bad + len(found)
    print(f"{total} calls that failed, {bad} faults")
    return 1 if bad or not total else 0


if __name__ == "__main__":
    sys.exit(main())
