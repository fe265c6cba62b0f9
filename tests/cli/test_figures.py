"""Figures are those of scikit-learn and SciPy, on stored predictions."""

import json
import math
import shutil

import pytest
from conftest import vgg

np = pytest.importorskip("numpy")
metrics = pytest.importorskip("sklearn.metrics")
calibration = pytest.importorskip("sklearn.calibration")
stats = pytest.importorskip("scipy.stats")
optimize = pytest.importorskip("scipy.optimize")

CLASSES = 8
NAMES = [f"class {c}" for c in range(CLASSES)]


def softmax(logits):
    e = np.exp(logits - logits.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


@pytest.fixture(scope="module")
def scored():
    """Truth and float32 logits: class 6 has no pictures, class 7 is never predicted."""
    random = np.random.default_rng(5)
    truth = random.choice([0, 1, 2, 3, 4, 5, 7], 400, p=[.4, .2, .1, .1, .1, .05, .05])
    logits = random.normal(0, 2, (400, CLASSES))
    logits[np.arange(400), truth] += 2.5
    logits[:, 7] = logits.min(axis=1) - 1
    return truth, logits.astype(np.float32)


def score(path, *options):
    return json.loads(vgg("score", path, "--format", "json", *options).out)


def write_csv(path, truth, rows, word):
    lines = [",".join(["file", "label", *(f"{word}{name}" for name in NAMES)])]
    lines += [",".join([f"p{i}.png", NAMES[t], *(f"{v:.9g}" for v in row)])
              for i, (t, row) in enumerate(zip(truth, rows))]
    path.write_text("\n".join(lines) + "\n")


def check_figures(found, truth, logits):
    labels = list(range(CLASSES))
    p = softmax(logits.astype(np.float64))
    predicted = p.argmax(axis=1)
    close = lambda value: pytest.approx(value, rel=1e-6, abs=1e-9)
    assert found["images"] == len(truth) and found["skipped"] == 0
    assert found["top1"] == close(metrics.accuracy_score(truth, predicted))
    assert found["top5"] == close(metrics.top_k_accuracy_score(truth, p, k=5, labels=labels))
    assert found["loss"] == close(metrics.log_loss(truth, p, labels=labels))
    assert found["balanced_accuracy"] == close(metrics.recall_score(
        truth, predicted, labels=sorted(set(truth)), average="macro", zero_division=0))
    assert found["brier"] == close(((p - np.eye(CLASSES)[truth]) ** 2).sum(axis=1).mean())
    assert found["confusion"] == metrics.confusion_matrix(truth, predicted, labels=labels).tolist()
    check_macro(found, truth, predicted, close)
    check_classes(found["classes"], truth, predicted, close)
    check_intervals(found, truth, predicted, p, close)
    check_calibration(found, predicted == truth, p.max(axis=1), close)


def check_macro(found, truth, predicted, close):
    precision, recall, f1, _ = metrics.precision_recall_fscore_support(
        truth, predicted, average="macro", zero_division=0)
    assert found["macro_precision"] == close(precision)
    assert found["macro_recall"] == close(recall)
    assert found["macro_f1"] == close(f1)


def check_classes(found, truth, predicted, close):
    precision, recall, f1, support = metrics.precision_recall_fscore_support(
        truth, predicted, labels=range(CLASSES), zero_division=0)
    for c, row in enumerate(found):
        assert row["images"] == support[c] and row["predicted"] == (predicted == c).sum()
        assert row["accuracy"] == (close(recall[c]) if support[c] else None)
        assert row["precision"] == (close(precision[c]) if row["predicted"] else None)
        assert (row["f1"] or 0) == close(f1[c])


def check_intervals(found, truth, predicted, p, close):
    def wilson(right, of):
        interval = stats.binomtest(int(right), int(of)).proportion_ci(method="wilson")
        return [close(interval.low), close(interval.high)]

    top5 = (p.argsort(axis=1)[:, -5:] == truth[:, None]).any(axis=1)
    assert found["top1_interval"] == wilson((truth == predicted).sum(), len(truth))
    assert found["top5_interval"] == wilson(top5.sum(), len(truth))
    for c, row in enumerate(found["classes"]):
        if row["images"]:
            assert row["accuracy_interval"] == wilson(row["right"], row["images"])


def check_calibration(found, right, confidence, close):
    """Of the bins that hold something, as scikit-learn gives them; the error by its definition."""
    accuracies, confidences = calibration.calibration_curve(right, confidence, n_bins=15)
    bins = [b for b in found["reliability"] if b["images"]]
    assert [b["accuracy"] for b in bins] == [close(a) for a in accuracies]
    assert [b["confidence"] for b in bins] == [close(c) for c in confidences]
    edges = np.linspace(0, 1, 16)
    error = sum(abs(right[inside].sum() - confidence[inside].sum())
                for inside in ((confidence > low) & (confidence <= high)
                               for low, high in zip(edges, edges[1:])))
    assert found["calibration_error"] == close(error / len(right))
    assert found["confidence"] == close(confidence.mean())


@pytest.mark.parametrize("word", ["logit:", "prob:", "", "score_"])
def test_csv_of_others(scored, word, tmp_path):
    truth, logits = scored
    p = softmax(logits.astype(np.float64))
    rows = p if word in ("prob:", "") else logits
    write_csv(tmp_path / "scores.csv", truth, rows, word)
    check_figures(score(tmp_path / "scores.csv"), truth, logits)


@pytest.mark.parametrize("kind", ["logits", "float16", "probabilities", "fortran", "compressed"])
def test_npz_of_others(scored, kind, tmp_path):
    truth, logits = scored
    path = tmp_path / "scores.npz"
    if kind == "float16":
        logits = logits.astype(np.float16)
        np.savez(path, logits=logits, y_true=truth.astype(np.int32))
    elif kind == "probabilities":
        np.savez(path, probs=softmax(logits.astype(np.float64)), labels=truth.astype(np.uint8))
    elif kind == "fortran":
        np.savez(path, scores=np.asfortranarray(logits), labels=truth, classes=np.array(NAMES))
    elif kind == "compressed":
        np.savez_compressed(path, logits=logits, labels=np.array(NAMES)[truth],
                            class_names=np.array(NAMES), files=[f"ä{i}" for i in range(400)])
    else:
        np.savez(path, logits=logits, labels=truth)
    found = score(path, "--hardest", 1)
    check_figures(found, truth, logits)
    hardest = softmax(logits.astype(np.float64))[np.arange(400), truth].argmin()
    name = f"ä{hardest}" if kind == "compressed" else f"picture {hardest}"
    assert found["hardest"][0]["image"] == name


def test_predicted_alone(scored, tmp_path):
    truth, logits = scored
    predicted = logits.argmax(axis=1)
    path = tmp_path / "scores.csv"
    path.write_text("truth,predicted\n" + "".join(f"{t},{p}\n" for t, p in zip(truth, predicted)))
    found = score(path)
    assert found["confusion"] == metrics.confusion_matrix(
        truth, predicted, labels=range(CLASSES)).tolist()
    assert found["top1"] == pytest.approx((truth == predicted).mean())
    assert found["loss"] is None and found["top5"] is None and found["reliability"] is None


def test_probable_label_errors(scored, tmp_path):
    """By their definition: against the mean probability of each class on its own pictures."""
    truth, logits = scored
    write_csv(tmp_path / "scores.csv", truth, logits, "logit:")
    found = score(tmp_path / "scores.csv", "--hardest", 400)
    p = softmax(logits.astype(np.float64))
    own = p[np.arange(400), truth]
    threshold = np.array([own[truth == c].mean() if (truth == c).any() else np.inf
                          for c in range(CLASSES)])
    top, best = p.argmax(axis=1), p.max(axis=1)
    expected = {i for i in range(400) if top[i] != truth[i] and best[i] >= threshold[top[i]]
                and own[i] < threshold[truth[i]]}
    assert 0 < len(expected) < (top != truth).sum()
    assert {int(e["image"][1:-4]) for e in found["label_errors"]} == expected
    assert found["label_error_count"] == len(expected)
    losses = [e["loss"] for e in found["hardest"]]
    assert losses == sorted(losses, reverse=True) and len(losses) == 400


def test_mcnemar(scored, tmp_path):
    truth, logits = scored
    other = logits + np.random.default_rng(7).normal(0, 1.5, logits.shape).astype(np.float32)
    order = np.random.default_rng(8).permutation(400)
    names = np.array([f"{i}.png" for i in range(400)])
    np.savez(tmp_path / "a.npz", logits=logits, labels=truth, names=names)
    np.savez(tmp_path / "b.npz", logits=other[order], labels=truth[order], names=names[order])
    found = json.loads(vgg("score", tmp_path / "a.npz", tmp_path / "b.npz", "--format=json").out)
    left, right = logits.argmax(axis=1), other.argmax(axis=1)
    b = int(((left == truth) & (right != truth)).sum())
    c = int(((left != truth) & (right == truth)).sum())
    assert (found["first_right"], found["second_right"]) == (b, c) and b > 0 and c > 0
    assert found["disagree"] == (left != right).sum()
    chi_square = (abs(b - c) - 1) ** 2 / (b + c)
    assert found["mcnemar_p"] == pytest.approx(stats.binomtest(min(b, c), b + c, 0.5).pvalue)
    assert found["mcnemar_chi_square"] == pytest.approx(chi_square)
    assert found["mcnemar_chi_square_p"] == pytest.approx(stats.chi2.sf(chi_square, 1))
    assert len(found["pictures"]) == b + c


def test_temperature(pictograms, trained, tmp_path):
    """The least loss is where SciPy finds it."""
    model, out = tmp_path / "model.safetensors", tmp_path / "scores.npz"
    shutil.copy(trained / "last.safetensors", model)
    vgg("eval", "--model", model, pictograms, "--predictions", out)
    scores = np.load(out)
    logits, truth = scores["logits"].astype(np.float64), scores["labels"]

    def loss(log_temperature):
        return metrics.log_loss(truth, softmax(logits / math.exp(log_temperature)),
                                labels=range(10))

    best = optimize.minimize_scalar(loss, bounds=(math.log(0.01), math.log(100)),
                                    method="bounded", options={"xatol": 1e-9})
    vgg("eval", "--model", model, pictograms, "--fit-temperature")
    found = json.loads(vgg("eval", "--model", model, pictograms, "--format", "json").out)
    assert found["loss"] == pytest.approx(best.fun, rel=1e-6)
    assert math.log(found["temperature"]) == pytest.approx(best.x, abs=1e-3)
