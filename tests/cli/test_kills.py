"""A sample of kills.py, which says what it is about."""
import random

import kills
import pytest


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    return kills.Trial(tmp_path_factory.mktemp("small"), kills.SMALL)


@pytest.fixture(scope="module")
def heavy(tmp_path_factory):
    return kills.Trial(tmp_path_factory.mktemp("heavy"), kills.HEAVY)


@pytest.fixture(scope="module")
def cached(tmp_path_factory):
    """With cached features, from a start that all runs share."""
    folder = tmp_path_factory.mktemp("cached")
    start = folder / "start"
    kills.Trial.vgg("generate", folder / "data", "--train", 4, "--validation", 2, "--size", 16)
    kills.Trial.vgg("train", folder / "data", "-o", start, *kills.SMALL)
    return kills.Trial(folder, ("--from", start / "last.safetensors", "--freeze", "1",
                                "--cache-features", "--batch", "16", "--epochs", "2", *kills.ALWAYS))


@pytest.mark.skipif(not kills.LIBRARY.exists(), reason="needs the library that makes calls fail")
def test_killed_at_calls_of_files(small):
    count = small.calls()
    for number in range(11, count + 1, count // 20):
        assert small.kill_at_call(number)
    # What resumes a run is killed as well.
    numbers = random.Random(7)
    for _ in range(5):
        small.kill_at_call(numbers.randint(count // 2, count), numbers.randint(1, count))


@pytest.mark.skipif(not kills.LIBRARY.exists(), reason="needs the library that makes calls fail")
@pytest.mark.parametrize("name", kills.FEATURES)
def test_killed_with_all_features(name, tmp_path):
    trial = kills.Trial(tmp_path, kills.FEATURES[name])
    count = trial.calls()
    for number in range(7, count + 1, count // 6):
        assert trial.kill_at_call(number)
    trial.kill_at_call(count * 2 // 3, count // 3)


@pytest.mark.skipif(not kills.LIBRARY.exists(), reason="needs the library that makes calls fail")
def test_on_a_disk_that_fills(small):
    count = small.calls("room")
    for room in (1, count // 8, count // 3, count // 2, count * 2 // 3, count - 1):
        small.fill_disk(room)


@pytest.mark.skipif(not kills.can_mount(), reason="may not mount file systems")
@pytest.mark.parametrize("limit", ["size=4k", "size=64k", "size=120k", "nr_inodes=2", "nr_inodes=7"])
def test_on_a_full_file_system(small, limit):
    assert small.fill_file_system(limit)


def test_killed_at_random_moments(heavy):
    assert sum(heavy.kill_at_moment(number, random.Random(number)) for number in range(15)) >= 15


@pytest.mark.skipif(not kills.LIBRARY.exists(), reason="needs the library that makes calls fail")
def test_killed_with_cached_features(cached):
    count = cached.calls()
    for number in range(3, count + 1, max(1, count // 8)):
        cached.kill_at_call(number)
