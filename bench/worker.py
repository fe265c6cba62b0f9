"""One program with one setting, in a process of its own. The first line of standard input is a job,
a JSON object: peer, variant, library, model, folder, layers, size, batch, threads, isa, inputs. The
answer tells version and note, or an error. Further lines are orders, each answered by a line:

    {"time": {"warm": 1, "runs": 3}}    {"ms": [...]}
    {"logits": PATH}                    {"values": ...}, how many float32 it wrote there
    {"memory": true}                    {"rss_mb": ...}, the most so far
    {"machine": true}                   {"peak_gflops": ..., "read_gbps": ...}, vgg only
"""
import json
import os
import resource
import sys
import time

import numpy as np

from peers import PEERS


def measure(peer, x, warm, runs):
    for _ in range(warm):
        peer.run(x)
    times = []
    for _ in range(runs):
        begun = time.perf_counter()
        peer.run(x)
        times.append((time.perf_counter() - begun) * 1e3)
    return {"ms": times}


def obey(order, job, peer, x):
    if "time" in order:
        return measure(peer, x, **order["time"])
    if "logits" in order:
        logits = np.asarray(peer.run(x), np.float32)
        logits.tofile(order["logits"])
        return {"values": logits.size}
    if "memory" in order:
        return {"rss_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}
    return peer.machine(job["threads"])


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
        peer = PEERS[job["peer"]](job)
        peer.run(x)
        answer({"version": peer.version, "note": peer.note})
        for line in sys.stdin:
            answer(obey(json.loads(line), job, peer, x))
    except Exception as error:  # whatever a peer raises is this row's result
        answer({"error": f"{type(error).__name__}: {error}".splitlines()[0]})


if __name__ == "__main__":
    main()
