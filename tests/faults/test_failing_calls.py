"""Some of the calls of the system, of threads and of memory that each command makes, failing. All of them
are tried by `make failing-calls`."""

import dataclasses
import errno

import failing_calls
import pytest

pytestmark = pytest.mark.skipif(not failing_calls.LIBRARY.exists(),
                                reason="calls are caught on Linux, without sanitizers")

# Of each command and kind; another seed picks others.
SOME = 2


def test_some_calls_of_each_kind(tmp_path):
    found, tried = [], 0
    for name, kind, count, faults in failing_calls.sweep(tmp_path, most=SOME, seed=20):
        tried += count
        found += [f"{name}: {kind} {at}{' alone' if once else ' and later'}: {fault}"
                  for at, once, fault in faults]
    assert not found, "\n".join(found)
    assert tried > 300


def test_a_picture_that_whitening_skips_is_in_the_status(tmp_path):
    """Also when it can be read again afterwards; with --strict it ends the training."""
    place = failing_calls.Place(tmp_path / "0")
    failing_calls.make(place.folder)
    command = failing_calls.commands(place.folder)["train-rich"]
    strict = dataclasses.replace(command, words=(*command.words, "--strict"))
    try:
        for at in range(30, place.count(command)["read"]):
            failing = {"FAIL_CALLS": "read", "FAIL_AT": at, "FAIL_ONCE": 1, "FAIL_HOW": errno.EIO}
            status, _, complaint = place.run(command, **failing)[1]
            if "--init whiten: skipped" in complaint:
                break
        assert status == 3 and "--init whiten: 1 picture could not be read" in complaint
        status, _, complaint = place.run(strict, **failing)[1]
        assert status == 1 and len(complaint.splitlines()) == 1 and "cannot read" in complaint
    finally:
        place.program.stop()


def test_pages_have_all_their_parts_or_are_not_written(tmp_path):
    """The last allocations of an evaluation are those of its page."""
    place = failing_calls.Place(tmp_path / "0")
    failing_calls.make(place.folder)
    command = failing_calls.commands(place.folder)["eval-page"]
    try:
        count = place.count(command)["allocate"]
        found = [(at, fault) for at in range(count - 90, count + 1)
                 for fault in failing_calls.faults(place, command, "allocate", at, True)]
    finally:
        place.program.stop()
    assert not found, found
