"""The processes that bench/compare and bench/gpu measure, how they take turns, and how far what they
give is from ours."""
import ctypes
import json
import os
import pathlib
import select
import signal
import subprocess
from array import array

ROOT = pathlib.Path(__file__).resolve().parents[1]
HELD_TO_AVX2 = {"VGG_CPU": "avx2", "ONEDNN_MAX_CPU_ISA": "AVX2", "DNNL_MAX_CPU_ISA": "AVX2",
                "ATEN_CPU_CAPABILITY": "avx2"}


def die_with_parent():
    """A stopped worker must not outlive a parent that was killed."""
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG


class Worker:
    """A process that runs bench/worker.py, stopped whenever it has no order."""

    def __init__(self, python, job, row):
        environment = dict(os.environ, OMP_NUM_THREADS=str(row.threads),
                           PYTHONDONTWRITEBYTECODE="1", **(HELD_TO_AVX2 if row.held else {}))
        environment.pop("VIRTUAL_ENV", None)
        log = open(pathlib.Path(job["folder"]) / "workers.log", "ab")
        self.process = subprocess.Popen(
            [python, ROOT / "bench/worker.py"], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=log, env=environment, preexec_fn=die_with_parent)
        log.close()
        self.facts = self.ask(job)

    def ask(self, order, limit=300):
        self.process.send_signal(signal.SIGCONT)
        try:
            self.process.stdin.write((json.dumps(order) + "\n").encode())
            self.process.stdin.flush()
        except BrokenPipeError:
            return {"error": "ended"}
        if not select.select([self.process.stdout], [], [], limit)[0]:
            return {"error": f"no answer in {limit} s"}
        line = self.process.stdout.readline()
        if not line:
            return {"error": f"ended with status {self.process.wait()}"}
        self.process.send_signal(signal.SIGSTOP)
        return json.loads(line)

    def close(self):
        self.process.kill()
        self.process.communicate()


def take_turns(workers, rounds, runs, warm):
    """Each round begins with another program, so that none always follows the same one alone."""
    times = {name: [] for name in workers}
    names, failed = list(workers), {}
    for number in range(rounds):
        shift = number % len(names)
        for name in names[shift:] + names[:shift]:
            if name in failed:
                continue
            answer = workers[name].ask({"time": {"warm": warm, "runs": runs}})
            if "error" in answer:
                failed[name] = answer["error"]
            else:
                times[name] += answer["ms"]
    return times, failed


def read_logits(path):
    values = array("f")
    values.frombytes(pathlib.Path(path).read_bytes())
    return values


def largest_difference(ours, theirs):
    """max|difference| / max|our logit|."""
    if len(ours) != len(theirs):
        return float("inf")
    return max(abs(a - b) for a, b in zip(ours, theirs)) / max(map(abs, ours))


def loss_difference(ours, theirs):
    """Of the first steps' losses, the largest relative one."""
    return max(abs(a - b) / a for a, b in zip(ours, theirs))
