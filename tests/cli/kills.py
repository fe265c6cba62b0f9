#!/usr/bin/python3
"""Trainings that are killed and resumed must end in the bytes of one that was not. A sample of this is
test_kills.py; as a program it is all of it (`make kills`):

    VGG=build/vgg VGG_BUILD=build tests/cli/kills.py [calls] [moments N] [features N] [room N] [disks N]

calls: SIGKILL on entry to every call of a file that a run makes, one run for each.
moments N: N SIGKILLs at random moments of runs that mostly write checkpoints.
features N: N SIGKILLs at random calls, and N at random moments, of each of the runs that have all that a
training can have between them.
room N: each of these runs on a disk that is full after so many bytes, at N sizes.
disks N: each of them on file systems in memory with room for N sizes, and for N numbers of files, which are
made larger before the run is resumed; needs the right to mount them.
"""
import concurrent.futures
import json
import os
import pathlib
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("VGG_BUILD", ROOT / "build")).absolute()
PROGRAM = os.path.abspath(os.environ.get("VGG", BUILD / "vgg"))
LIBRARY = BUILD / "tests" / "fail_calls.so"
# Left out of a run that was killed while it was drawn, or by a program without Cairo.
DRAWN = {"views.png", "results.png", "confusion.png"}
# Charts take ten times as long as all else, in a process that is not started then; "moments" has them.
UNDRAWN = {"LD_PRELOAD": str(LIBRARY), "FAIL_FORK": "1"}
TIMEOUT = 60
# Saved after every step.
ALWAYS = ("--save-minutes", "1e-9", "--threads", "1", "--seed", "5")
SMALL = ("--arch", "4,M/8", "--batch", "16", "--epochs", "2", *ALWAYS)
# Together all methods, views and rules; a run each. START is a trained model.
START = "START"
NORMED = ("--arch", "4,M,4,M/8", "--batch-norm", "--batch", "16", "--epochs", "3", *ALWAYS)
FEATURES = {
    "averages": (*NORMED, "--optimizer", "adamw", "--ema", "0.9", "--lookahead", "3", "--lookahead-ramp",
                 "--schedule", "plateau", "--patience", "0", "--warmup-epochs", "1", "--label-smoothing", "0.1",
                 "--clip-grad", "1", "--lr", "0.01", "--early-stop", "2"),
    "views": (*NORMED, "--optimizer", "nesterov", "--schedule", "one-cycle", "--resized-crop", "0.3",
              "--rotate", "10", "--translate", "2", "--policy", "trivial", "--color-jitter", "0.3",
              "--pca-shift", "0.1", "--random-erasing", "0.5", "--flip", "alternate", "--mixup", "0.4",
              "--cutmix", "0.6", "--balanced-sampling", "--class-weights", "balanced", "--workers", "1"),
    "trained": ("--from", START, "--batch", "16", "--epochs", "3", *ALWAYS, "--freeze", "features.0",
                "--head-rate", "5", "--logit-scale", "0.5", "--bias-rate", "2", "--no-decay-norm",
                "--schedule", "cosine", "--warmup-epochs", "1", "--scale-jitter", "1.5", "--lookahead", "2"),
    "whitened": (*NORMED, "--init", "whiten", "--freeze", "features.0", "--schedule", "triangle",
                 "--logit-scale", "0.11", "--fix-bn-scale", "--bn-momentum", "0.4", "--ema", "0.8",
                 "--early-stop", "1", "--micro-batch", "8", "--dropout", "0.3"),
    "constant": (*SMALL, "--schedule", "step", "--step-epochs", "1", "--init", "dirac", "--no-shuffle",
                 "--no-augment", "--check-data", "--validation-split", "0.3"),
}
# Weights and momentum of 2 MB each, and hardly anything to compute.
HEAVY = ("--arch", "4,M/1024", "--batch", "10", "--epochs", "3", *ALWAYS)


def can_mount():
    with tempfile.TemporaryDirectory(prefix="vgg-kills-") as folder:
        mounted = subprocess.run(["mount", "-t", "tmpfs", "none", folder], capture_output=True, check=False)
        return mounted.returncode == 0 and subprocess.run(["umount", folder], check=True).returncode == 0


class Trial:
    """Trainings with some options on some data, and the run that no other may differ from."""

    def __init__(self, folder, options):
        self.folder, self.options = pathlib.Path(folder), options
        self.data = self.folder / "data"
        if not self.data.exists():
            self.vgg("generate", self.data, "--train", "4", "--validation", "2", "--size", "16")
        if START in options:
            first = self.folder / "start"
            if not first.exists():
                self.vgg("train", self.data, "-o", first, *NORMED)
            self.options = [first / "last.safetensors" if word == START else word for word in options]
        self.whole = self.folder / f"whole-{len(list(self.folder.iterdir()))}"
        begun = time.monotonic()
        self.vgg(*self.start(self.whole))
        self.seconds = time.monotonic() - begun
        self.expected = self.outcome(self.whole)

    def start(self, run):
        return ("train", self.data, "-o", run, *self.options)

    def resume(self, run):
        return ("train", self.data, "-o", run, "--resume", "--threads", "2")

    @staticmethod
    def vgg(*words, status=0, env=None):
        done = subprocess.run([PROGRAM, *map(str, words)], stdin=subprocess.DEVNULL, timeout=TIMEOUT,
                              stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, check=False,
                              env={**os.environ, **(env or {})})
        if status is not None:
            assert done.returncode == status, f"status {done.returncode}: {done.stderr}"
        return done

    @staticmethod
    def outcome(run):
        """What must be the same: the models, and what the log says but for times."""
        timed = ("images_per_s", "waited")
        lines = [json.loads(line) for line in (run / "log.jsonl").read_text().splitlines()]
        log = [{key: value for key, value in line.items() if key not in timed} for line in lines]
        return {path.name: path.read_bytes() for path in run.glob("*.safetensors")}, log

    def finish(self, run, env=None):
        """Resumes, or begins again where nothing was begun, and compares."""
        done = self.vgg(*self.resume(run), status=None, env=env)
        if done.returncode != 0:
            assert done.returncode == 1 and "holds no run" in done.stderr, done.stderr
            self.vgg(*self.start(run), env=env)
        self.compare(run)

    def compare(self, run):
        models, log = self.outcome(run)
        for name, expected in self.expected[0].items():
            assert models[name] == expected, f"{run}: another {name}"
        assert log == self.expected[1], f"{run}: another log"
        names = [{path.name for path in folder.iterdir()} - DRAWN for folder in (run, self.whole)]
        assert names[0] == names[1], f"{run}: {sorted(names[0])}"

    def calls(self, kind="files"):
        """How many calls of files a run makes at least, or how many bytes it writes into them. Its page, without
        which they are counted, makes as many more as there is time for."""
        count = self.folder / "count"
        run = self.folder / "counted"
        self.vgg(*self.start(run), "--no-report", env=self.failing(0, count, kind))
        shutil.rmtree(run)
        return int(count.read_text())

    @staticmethod
    def failing(number, count="", kind="files"):
        how = {"files": {"FAIL_HOW": "kill"}, "room": {}}[kind]
        return {**UNDRAWN, "FAIL_CALLS": kind, "FAIL_AT": str(number),
                "FAIL_COUNT_TO": str(count), **how}

    def kill_at_call(self, number, again=0):
        """Kills a run at a call, and what resumes it at call `again`; compares. False: it ended before."""
        run = self.folder / f"call-{number}-{again}"
        killed = self.vgg(*self.start(run), status=None, env=self.failing(number)).returncode
        assert killed in (0, -signal.SIGKILL)
        if again:
            self.vgg(*self.resume(run), status=None, env=self.failing(again))
        self.finish(run, UNDRAWN)
        shutil.rmtree(run)
        return killed != 0

    def fill_disk(self, room):
        """A run on a disk with room for so many bytes ends with a message and with nothing half written,
        and goes on when there is more."""
        run = self.folder / f"room-{room}"
        done = self.vgg(*self.start(run), status=1, env=self.failing(room, kind="room"))
        assert "No space left on device" in done.stderr, done.stderr
        if run.exists():
            names = {path.name for path in run.iterdir()}
            assert not [name for name in names if name.startswith(".vgg-")], names
            log = run / "log.jsonl"
            assert not log.exists() or all(json.loads(line) for line in log.read_text().splitlines())
        self.finish(run, UNDRAWN)
        shutil.rmtree(run)

    def fill_file_system(self, limit):
        """The same on a file system of its own, whose limit ("size=64k", "nr_inodes=5") is taken away before
        the run goes on."""
        disk = self.folder / f"disk-{limit}"
        disk.mkdir()
        subprocess.run(["mount", "-t", "tmpfs", "-o", limit, "none", disk], check=True)
        try:
            run = disk / "run"
            done = self.vgg(*self.start(run), status=None)
            assert done.returncode == 0 or "No space left on device" in done.stderr, done.stderr
            names = {path.name for path in run.iterdir()} if run.exists() else set()
            assert not [name for name in names if name.startswith(".vgg-")], names
            subprocess.run(["mount", "-o", "remount,size=1g,nr_inodes=100k", disk], check=True)
            self.finish(run)
        finally:
            subprocess.run(["umount", disk], check=True)
            disk.rmdir()
        return done.returncode != 0

    def kill_at_moment(self, number, numbers):
        """Kills a run at a random moment, and sometimes what resumes it; compares. How often it was."""
        run = self.folder / f"moment-{number}"
        kills, words = 0, self.start(run)
        while kills == 0 or numbers.random() < 0.3:
            process = subprocess.Popen([PROGRAM, *map(str, words)], stdin=subprocess.DEVNULL,
                                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            time.sleep(numbers.uniform(0, self.seconds))
            process.kill()
            kills += process.wait(TIMEOUT) == -signal.SIGKILL
            if not run.exists():
                continue
            if kills == 0:
                shutil.rmtree(run)
                continue
            words = self.resume(run)
        self.finish(run)
        shutil.rmtree(run)
        return kills


def every_call(folder, threads):
    trial = Trial(folder, SMALL)
    count = trial.calls()
    done = sum(threads.map(trial.kill_at_call, range(1, count + 1)))
    print(f"calls: {done} of {count} calls of files were ends of a run; all were resumed to the same "
          "bytes")


def moments(folder, threads, wanted):
    trial = Trial(folder, HEAVY)
    lock, kills, runs = threading.Lock(), 0, 0

    def one(number):
        nonlocal kills, runs
        with lock:
            if kills >= wanted:
                return
        more = trial.kill_at_moment(number, random.Random(number))
        with lock:
            kills, runs = kills + more, runs + 1

    list(threads.map(one, range(2 * wanted)))
    print(f"moments: {kills} kills of {runs} runs of {trial.seconds:.2f} s; all were resumed to the "
          "same bytes")


def features(folder, threads, wanted):
    for name, options in FEATURES.items():
        trial = Trial(folder, options)
        count, draw = trial.calls(), random.Random(name)
        numbers = [draw.randint(1, count) for _ in range(wanted)]
        done = sum(threads.map(trial.kill_at_call, numbers))
        kills = sum(threads.map(lambda n, t=trial: t.kill_at_moment(n, random.Random(n)), range(wanted)))
        print(f"features: {name}: {done} kills at calls, of {count}, and {kills} at moments; all were "
              "resumed to the same bytes", flush=True)


def room(folder, threads, sizes):
    for name, options in {"small": SMALL, **FEATURES}.items():
        trial = Trial(folder, options)
        count = trial.calls("room")
        list(threads.map(trial.fill_disk, sorted({1 + i * (count - 1) // sizes for i in range(sizes)})))
        print(f"room: {name}: {sizes} sizes up to {count} bytes; all were said and resumed to the same bytes",
              flush=True)


def disks(folder, threads, sizes):
    for name, options in {"small": SMALL, **FEATURES}.items():
        trial = Trial(folder, options)
        held = sum(path.stat().st_size + 4095 >> 12 for path in trial.whole.rglob("*") if path.is_file())
        limits = [f"size={4 * (1 + i * held // sizes)}k" for i in range(sizes)]
        limits += [f"nr_inodes={2 + i}" for i in range(min(sizes, 24))]
        full = sum(threads.map(trial.fill_file_system, dict.fromkeys(limits)))
        print(f"disks: {name}: {full} of {len(limits)} runs found no room on file systems of up to {4 * held} KB, "
              f"or of up to {1 + len(limits) - sizes} files; all were said and resumed to the same bytes", flush=True)


def main(words):
    words = words or ["calls", "moments", "1000", "features", "100", "room", "100", "disks", "40"]
    with tempfile.TemporaryDirectory(prefix="vgg-kills-") as folder, \
            concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as threads:
        if "calls" in words:
            every_call(folder, threads)
        if "moments" in words:
            moments(folder, threads, int(words[words.index("moments") + 1]))
        if "features" in words:
            features(folder, threads, int(words[words.index("features") + 1]))
        if "room" in words:
            room(folder, threads, int(words[words.index("room") + 1]))
        if "disks" in words:
            disks(folder, threads, int(words[words.index("disks") + 1]))


if __name__ == "__main__":
    main(sys.argv[1:])
