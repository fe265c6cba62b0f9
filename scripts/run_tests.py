#!/usr/bin/python3
"""Runs the tests of a build folder with ctest and prints one closing line that counts them.

A ctest entry is a cmocka program or a pytest folder with many tests of its own; the line counts
those. An entry that ends without saying how many it ran counts as one failure.
"""
import argparse
import os
import re
import subprocess
import sys

CMOCKA = {
    "passed": re.compile(r"\[  PASSED  \] (\d+) test\(s\)\."),
    "failed": re.compile(r"\[  FAILED  \] (\d+) test\(s\),"),
    "skipped": re.compile(r"\[  SKIPPED \] (\d+) test\(s\),"),
}
PYTEST = re.compile(r"(\d+) (passed|failed|skipped|errors?)\b")
PYTEST_END = re.compile(r"^=*\s*((?:\d+ \w+,? ?)+) in [\d.]+s", re.MULTILINE)


def count(output):
    """The numbers of passed, failed and skipped tests in one entry's output."""
    counts = {"passed": 0, "failed": 0, "skipped": 0}
    for outcome, pattern in CMOCKA.items():
        counts[outcome] += sum(int(number) for number in pattern.findall(output))
    for end in PYTEST_END.findall(output):
        for number, outcome in PYTEST.findall(end):
            counts["failed" if outcome.startswith("error") else outcome] += int(number)
    return counts


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("build")
    parser.add_argument("--label", help="only the entries with this label")
    parser.add_argument("--valgrind", action="store_true", help="run programs under valgrind")
    arguments = parser.parse_args()

    command = ["ctest", "--test-dir", arguments.build, "-j", str(os.cpu_count()), "-V"]
    if arguments.label:
        command += ["-L", arguments.label]
    if arguments.valgrind:
        command += ["-T", "memcheck", "--overwrite", "MemoryCheckCommandOptions=--error-exitcode=9 "
                    "--leak-check=full --errors-for-leak-kinds=definite,indirect,possible -q"]
    totals = {"passed": 0, "failed": 0, "skipped": 0}
    outputs, names = {}, {}
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                               errors="replace")
    for line in process.stdout:
        begun = re.match(r"^\s*Start\s+(\d+): (\S+)", line)
        said = re.match(r"^(\d+): ?(.*)", line, re.DOTALL)
        ended = re.match(r"^\s*\d+/\d+ (?:MemCheck|Test)\s+#(\d+): (\S+) \.*(.*)", line)
        if begun:
            names[begun.group(1)] = begun.group(2)
        elif said:
            outputs.setdefault(said.group(1), []).append(said.group(2))
        elif ended:
            output = "".join(outputs.get(ended.group(1), []))
            good = "Passed" in line
            counts = count(output)
            if not good and counts["failed"] == 0 or good and counts["passed"] == 0:
                counts["failed"] += 1
            if counts["failed"]:
                print(output)
            for outcome, number in counts.items():
                totals[outcome] += number
            print(f"{ended.group(2):24} {counts['passed']:4} passed {ended.group(3).strip()}",
                  flush=True)
    process.wait()
    if process.returncode != 0 and totals["failed"] == 0:
        totals["failed"] = 1
    print(f"{totals['passed']} passed, {totals['failed']} failed, {totals['skipped']} skipped")
    return 1 if totals["failed"] else 0


if __name__ == "__main__":
    sys.exit(main())
