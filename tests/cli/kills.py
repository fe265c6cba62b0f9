#!/usr/bin/python3
"""Trainings that are killed and resumed must end in the bytes of one that was not. A sample of this is
test_kills.py; as a program it is all of it (`make kills`):

    VGG=build/vgg VGG_BUILD=build tests/cli/kills.py [calls] [moments N]

calls: SIGKILL on entry to every call of a file that a run makes, one run for each.
moments N: N SIGKILLs at random moments of runs that mostly write checkpoints.
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
MODELS = ("best.safetensors", "last.safetensors", "state.safetensors")
NAMES = {*MODELS, "log.jsonl", "checkpoint.txt", ".lock", "results.csv", "tensorboard"}
TIMEOUT = 60
# Saved after every step.
ALWAYS = ("--save-minutes", "1e-9", "--threads", "1", "--seed", "5")
SMALL = ("--arch", "4,M/8", "--batch", "16", "--epochs", "2", *ALWAYS)
# Weights and momentum of 2 MB each, and hardly anything to compute.
HEAVY = ("--arch", "4,M/1024", "--batch", "10", "--epochs", "3", *ALWAYS)


class Trial:
    """Trainings with some options on some data, and the run that no other may differ from."""

    def __init__(self, folder, options):
        self.folder, self.options = pathlib.Path(folder), options
        self.data = self.folder / "data"
        if not self.data.exists():
            self.vgg("generate", self.data, "--train", "4", "--validation", "2", "--size", "16")
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
        return {name: (run / name).read_bytes() for name in MODELS}, log

    def finish(self, run):
        """Resumes, or begins again where nothing was begun, and compares."""
        done = self.vgg(*self.resume(run), status=None)
        if done.returncode != 0:
            assert done.returncode == 1 and "holds no run" in done.stderr, done.stderr
            self.vgg(*self.start(run))
        self.compare(run)

    def compare(self, run):
        models, log = self.outcome(run)
        for name in MODELS:
            assert models[name] == self.expected[0][name], f"{run}: another {name}"
        assert log == self.expected[1], f"{run}: another log"
        assert {path.name for path in run.iterdir()} == NAMES, sorted(run.iterdir())

    def calls(self):
        """How many calls of files a run makes."""
        count = self.folder / "count"
        run = self.folder / "counted"
        self.vgg(*self.start(run), env=self.failing(0, count))
        shutil.rmtree(run)
        return int(count.read_text())

    @staticmethod
    def failing(number, count=""):
        return {"LD_PRELOAD": str(LIBRARY), "FAIL_CALLS": "files", "FAIL_AT": str(number),
                "FAIL_HOW": "kill", "FAIL_COUNT_TO": str(count)}

    def kill_at_call(self, number, again=0):
        """Kills a run at a call, and what resumes it at call `again`; compares. False: it ended before."""
        run = self.folder / f"call-{number}-{again}"
        killed = self.vgg(*self.start(run), status=None, env=self.failing(number)).returncode
        assert killed in (0, -signal.SIGKILL)
        if again:
            self.vgg(*self.resume(run), status=None, env=self.failing(again))
        self.finish(run)
        shutil.rmtree(run)
        return killed != 0

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


def main(words):
    words = words or ["calls", "moments", "1000"]
    with tempfile.TemporaryDirectory(prefix="vgg-kills-") as folder, \
            concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as threads:
        if "calls" in words:
            every_call(folder, threads)
        if "moments" in words:
            moments(folder, threads, int(words[words.index("moments") + 1]))


if __name__ == "__main__":
    main(sys.argv[1:])
