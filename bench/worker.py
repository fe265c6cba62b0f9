"""One program with one setting, in a process of its own. The first line of standard input is a job,
a JSON object: peer, variant, library, model, folder, layers, size, batch, threads, isa, inputs; to
train also train: {labels, last, choice}. The answer tells version and note, when it trains also the
losses of the first steps and the choice that it made if it got none; or an error. Further lines are
orders, each answered by a line:

    {"time": {"warm": 1, "runs": 3}}    {"ms": [...]}
    {"logits": PATH}                    {"values": ...}, how many float32 it wrote there
    {"memory": true}                    {"rss_mb": ...}, the most so far
    {"machine": true}                   {"peak_gflops": ..., "read_gbps": ...}, vgg only
    {"inside": true}                    {"ms": ...}, of the GPU alone, and with a job's device only

A job with a device is one of gpu_peers.py.
"""
import json
import os
import sys
import time

import numpy as np

import gpu_peers
from peers import PEERS
from quantised import QUANTISED

LOSSES = 3  # from a forward pass alone, from a gradient, and with momentum


def measure(peer, x, warm, runs):
    for _ in range(warm):
        peer.run(x)
    times = []
    for _ in range(runs):
        begun = time.perf_counter()
        peer.run(x)
        times.append((time.perf_counter() - begun) * 1e3)
    return {"ms": times}


def most_memory():
    """In MB. Not getrusage's figure, which may be that of the process that started this one."""
    with open("/proc/self/status") as file:
        (line,) = [line for line in file if line.startswith("VmHWM:")]
    return int(line.split()[1]) / 1024


def obey(order, job, peer, x):
    if "time" in order:
        return measure(peer, x, **order["time"])
    if "logits" in order:
        logits = np.asarray(peer.run(x), np.float32)
        logits.tofile(order["logits"])
        return {"values": logits.size}
    if "memory" in order:
        return {"rss_mb": most_memory()}
    if "inside" in order:
        return {"ms": peer.inside(x)}
    return peer.machine(job["threads"])


def start(job, x):
    """(peer, what there is to say of it), after its first runs."""
    if "train" not in job:
        classes = {**PEERS, **QUANTISED} if job["variant"] == "int8" else PEERS
        classes = gpu_peers.PEERS if "device" in job else classes
        peer = classes[job["peer"]](job)
        peer.run(x)
        return peer, {"version": peer.version, "note": peer.note}
    from training import TRAINING
    peer = (gpu_peers.TRAINING if "device" in job else TRAINING)[job["peer"]](job)
    facts = {"version": peer.version, "note": peer.note,
             "losses": [float(peer.run(x)[0]) for _ in range(LOSSES)]}
    if hasattr(peer, "choice"):
        facts["choice"] = peer.choice
    return peer, facts


def main():
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)  # what libraries print must not mix with the answers

    def answer(value):
        answers.write(json.dumps(value) + "\n")

    job = json.loads(sys.stdin.readline())
    try:
        shape = (-1, 3, job["size"], job["size"])
        x = np.fromfile(job["inputs"], np.float32).reshape(shape)
        x = np.ascontiguousarray(np.resize(x, (job["batch"], *x.shape[1:])))
        peer, facts = start(job, x)
        answer(facts)
        for line in sys.stdin:
            answer(obey(json.loads(line), job, peer, x))
    except Exception as error:  # whatever a peer raises is this row's result
        answer({"error": f"{type(error).__name__}: {error}".splitlines()[0]})


if __name__ == "__main__":
    main()
