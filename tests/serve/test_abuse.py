"""A short sample of abuse.py, which `make abuse` runs at length."""
from abuse import abuse


def test_a_sample(tmp_path):
    counts, _, _ = abuse(800, 1, tmp_path)
    assert counts["good", "right"] > 150 and counts["swap", "done"] >= 1
    assert sum(count for (kind, _), count in counts.items() if kind == "broken") >= 80
