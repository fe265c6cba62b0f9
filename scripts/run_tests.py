#!/usr/bin/python3
"""Runs the tests that ctest knows of a build folder and prints one closing line that counts them.

An entry is a cmocka program or a pytest folder with many tests of its own; the line counts those. An
entry that fails, or ends without saying how many it ran, counts as one failure at least.
"""
import argparse
import concurrent.futures
import json
import os
import re
import signal
import subprocess
import sys
import time

CMOCKA = {
    "passed": re.compile(r"\[  PASSED  \] (\d+) test\(s\)\."),
    "failed": re.compile(r"\[  FAILED  \] (\d+) test\(s\),"),
    "skipped": re.compile(r"\[  SKIPPED \] (\d+) test\(s\),"),
}
PYTEST_END = re.compile(r"^=*\s*((?:\d+ \w+,? ?)+) in [\d.]+s", re.MULTILINE)
PYTEST = re.compile(r"(\d+) (passed|failed|skipped|errors?)\b")
VALGRIND = ["valgrind", "-q", "--error-exitcode=9", "--leak-check=full",
            "--errors-for-leak-kinds=definite,indirect,possible"]


def entries(build, label):
    """The commands, environments and time limits that ctest would use."""
    out = subprocess.run(["ctest", "--test-dir", build, "--show-only=json-v1",
                          *(["-L", label] if label else [])],
                         capture_output=True, text=True, check=True).stdout
    for test in json.loads(out)["tests"]:
        properties = {p["name"]: p["value"] for p in test.get("properties", [])}
        yield {"name": test["name"], "command": test["command"],
               "folder": properties.get("WORKING_DIRECTORY", build),
               "environment": dict(v.split("=", 1) for v in properties.get("ENVIRONMENT", [])),
               "limit": properties.get("TIMEOUT", 1200), "cost": properties.get("COST", 0)}


def run(entry, prefix):
    begun = time.monotonic()
    try:
        result = subprocess.run(prefix + entry["command"], cwd=entry["folder"], text=True,
                                env={**os.environ, **entry["environment"]}, errors="replace",
                                stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                timeout=entry["limit"])
        # 5 is pytest's word for a folder whose modules were all skipped.
        skipped = result.returncode == 5 and PYTEST_END.search(result.stdout)
        output, good = result.stdout, result.returncode == 0 or skipped
    except subprocess.TimeoutExpired as expired:
        output, good = f"{expired.stdout}\ndid not end within {entry['limit']} s", False
    return entry["name"], output, good, time.monotonic() - begun


def count(output, good):
    counts = {"passed": 0, "failed": 0, "skipped": 0}
    for outcome, pattern in CMOCKA.items():
        counts[outcome] += sum(int(number) for number in pattern.findall(output))
    for end in PYTEST_END.findall(output):
        for number, outcome in PYTEST.findall(end):
            counts["failed" if outcome.startswith("error") else outcome] += int(number)
    if not good and counts["failed"] == 0 or good and sum(counts.values()) == 0:
        counts["failed"] = 1
    return counts


def stop_handing_on_ignored_signals():
    """Under nohup or in the background some are ignored, which programs inherit, and so would what
    the tests start; a handler is not inherited, and one that does nothing leaves this as it was."""
    for number in (signal.SIGHUP, signal.SIGINT):
        if signal.getsignal(number) == signal.SIG_IGN:
            signal.signal(number, lambda *_: None)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("build")
    parser.add_argument("--label", help="only the entries with this label")
    parser.add_argument("--valgrind", action="store_true", help="run the programs under valgrind")
    arguments = parser.parse_args()

    stop_handing_on_ignored_signals()
    totals = {"passed": 0, "failed": 0, "skipped": 0}
    prefix = VALGRIND if arguments.valgrind else []
    # One more than there are processors: a fifth of the time tests wait for something.
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count() + 1) as threads:
        # Those that take longest first, as ctest has it: what is left for the end is short.
        waiting = [threads.submit(run, entry, prefix)
                   for entry in sorted(entries(arguments.build, arguments.label), key=lambda entry: -entry["cost"])]
        for future in concurrent.futures.as_completed(waiting):
            name, output, good, seconds = future.result()
            counts = count(output, good)
            if counts["failed"]:
                print(output)
            for outcome, number in counts.items():
                totals[outcome] += number
            print(f"{name:24} {'; '.join(f'{n} {o}' for o, n in counts.items() if n)}, "
                  f"{seconds:.1f} s", flush=True)
    print(f"{totals['passed']} passed, {totals['failed']} failed, {totals['skipped']} skipped")
    return 1 if totals["failed"] or not sum(totals.values()) else 0


if __name__ == "__main__":
    sys.exit(main())
