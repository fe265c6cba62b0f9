"""vgg probe: the optimum against scikit-learn's, and the model that comes out."""
import csv
import io
import json
import shutil

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="needs PyTorch (python3-torch)")
pytest.importorskip("PIL", reason="needs Pillow (python3-pil)")

from PIL import Image  # noqa: E402

from program import STRUCTURE, draw, make_model, vgg  # noqa: E402

PRESET = ("--preprocess", "torchvision", "--input", 48, "--resize", 48)
CLASSES, EACH = 3, 8


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    folder = tmp_path_factory.mktemp("probe")
    make_model(folder / "model.pth")
    for part, first in (("train", 0), ("validation", 500)):
        for label in range(CLASSES):
            (folder / "data" / part / f"c{label}").mkdir(parents=True)
            for i in range(EACH):
                draw(folder / "data" / part / f"c{label}" / f"{i}.png", first + label * EACH + i)
    return folder


def probe(place, out, *more, layer="relu5_3", **options):
    return vgg("probe", place / "data", "--model", place / "model.pth", *STRUCTURE, *PRESET, "--layer", layer, "-o",
               out, *more, **options)


def features(place, tmp_path, layer, pool):
    vgg("features", place / "data" / "train", "--model", place / "model.pth", *STRUCTURE, *PRESET, "--layer", layer,
        "--pool", pool, "-o", tmp_path / "f.npy", "--overwrite")
    rows = np.load(tmp_path / "f.npy").astype(np.float64)
    return rows.reshape(len(rows), -1), np.repeat(np.arange(CLASSES), EACH)


def standardised(rows):
    mean, deviation = rows.mean(0), rows.std(0)
    scale = np.divide(1, deviation, out=np.zeros_like(deviation), where=deviation > 0)
    return (rows - mean) * scale, mean, deviation


def classifier(path):
    """The weights and biases of the last layer."""
    values = list(torch.load(path).values())
    return values[-2].double().numpy(), values[-1].double().numpy()


def hinge(rows, truth, weights, biases, c):
    signs = np.where(truth[:, None] == np.arange(CLASSES), 1, -1)
    gaps = np.maximum(0, 1 - signs * (rows @ weights.T + biases))
    return ((weights ** 2).sum() + (biases ** 2).sum()) / 2 + c * (gaps ** 2).sum()


def softmax(rows, truth, weights, biases, c):
    scores = rows @ weights.T + biases
    losses = np.log(np.exp(scores - scores.max(1, keepdims=True)).sum(1)) + scores.max(1)
    return (weights ** 2).sum() / 2 + c * (losses - scores[np.arange(len(rows)), truth]).sum()


@pytest.mark.parametrize("kind,c", [("svm", 0.001), ("svm", 1), ("softmax", 0.01), ("softmax", 10)])
def test_the_optimum_is_scikit_learns(place, tmp_path, kind, c):
    pytest.importorskip("sklearn", reason="needs scikit-learn (python3-sklearn)")
    from sklearn.linear_model import LogisticRegression
    from sklearn.svm import LinearSVC
    probe(place, tmp_path / "p.pth", "--classifier", kind, "--c", c)
    rows, truth = features(place, tmp_path, "relu5_3", "avg")
    rows, mean, deviation = standardised(rows)
    weights, biases = classifier(tmp_path / "p.pth")
    ours = weights * deviation, biases + weights @ mean
    theirs = (LinearSVC(C=c, dual=False, tol=1e-10, max_iter=100000) if kind == "svm" else
              LogisticRegression(C=c, tol=1e-10, max_iter=100000, multi_class="multinomial")).fit(rows, truth)
    objective = hinge if kind == "svm" else softmax
    least = objective(rows, truth, theirs.coef_, theirs.intercept_, c)
    assert objective(rows, truth, *ours, c) == pytest.approx(least, rel=1e-4)


@pytest.mark.parametrize("layer,pool", [("relu5_3", "avg"), ("relu4_3", "max"), ("pool5", "none"), ("relu7", "avg")])
def test_the_model_gives_the_scores(place, tmp_path, layer, pool):
    probe(place, tmp_path / "p.pth", "--pool", pool, "--c", 0.01, layer=layer)
    probe(place, tmp_path / "p.safetensors", "--pool", pool, "--c", 0.01, "--threads", 1, layer=layer)
    weights, biases = classifier(tmp_path / "p.pth")
    rows, _ = features(place, tmp_path, layer, pool)
    out, _ = vgg("predict", place / "data" / "train", "--model", tmp_path / "p.safetensors", "--logits", "--format", "csv",
                 "--top", CLASSES)
    expected = rows @ weights.T + biases
    found = list(csv.DictReader(io.StringIO(out)))
    assert len(found) == CLASSES * CLASSES * EACH
    largest = np.abs(expected).max()
    for number, row in enumerate(found):
        assert float(row["logit"]) == pytest.approx(
            expected[number // CLASSES][int(row["label"][1:])], abs=1e-4 * largest)


def test_c_by_cross_validation(place, tmp_path):
    out, _ = probe(place, tmp_path / "a.safetensors")
    assert "C " in out and "by cross-validation " in out
    assert probe(place, tmp_path / "b.safetensors", "--threads", 2)[0] == out.replace("a.safetensors", "b.safetensors")
    assert (tmp_path / "a.safetensors").read_bytes() == (tmp_path / "b.safetensors").read_bytes()
    vgg("eval", place / "data", "--model", tmp_path / "a.safetensors")


def test_what_is_refused(place, tmp_path):
    assert "is missing" in vgg("probe", place / "data", "-o", tmp_path / "x.pth", status=2)[1]
    assert "no layer relu9_9" in probe(place, tmp_path / "x.pth", layer="relu9_9", status=2)[1]
    (tmp_path / "x.pth").write_bytes(b"")
    assert "--overwrite" in probe(place, tmp_path / "x.pth", status=1)[1]
    for name in ("x.foo", "x.h5"):
        error = probe(place, tmp_path / name, status=2)[1]
        assert f"its ending {name[1:]} is of no format that is written" in error
    for out, cache in (("x.pth", "x.pth"), ("z.pth", "./z.pth")):
        error = probe(place, tmp_path / out, "--overwrite", "--cache-features", f"{tmp_path}/{cache}", status=2)[1]
        assert f"--cache-features: {tmp_path}/{cache} is OUT, expected another file" in error
    assert (tmp_path / "x.pth").read_bytes() == b""
    assert "cannot write" in probe(place, tmp_path / "nowhere" / "x.pth", status=1)[1]
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "validation").symlink_to(place / "data" / "validation")
    assert "has no train part" in vgg("probe", tmp_path / "data", "--layer", "relu4_1", "-o", tmp_path / "y.pth",
                                      status=1)[1]


def test_a_class_that_cannot_be_read(place, tmp_path):
    shutil.copytree(place / "data", tmp_path / "data")
    for path in (tmp_path / "data" / "train" / "c1").iterdir():
        path.write_bytes(b"no picture")
    error = vgg("probe", tmp_path / "data", "--layer", "relu4_1", "-o", tmp_path / "x.pth", status=1)[1]
    assert error.endswith('vgg probe: class "c1": no picture could be read, expected one or more\n')
    assert not (tmp_path / "x.pth").exists()


def test_no_pool_behind_a_pool(place, tmp_path):
    error = probe(place, tmp_path / "x.pth", layer="avgpool", status=1)[1]
    assert error == "vgg probe: no network has a pool behind avgpool; expected the pool none, or the layer pool5\n"
    probe(place, tmp_path / "x.pth", "--pool", "none", "--c", 0.01, layer="avgpool")


def test_cached_features(place, tmp_path):
    data, model, cache = tmp_path / "data", tmp_path / "a.safetensors", tmp_path / "f.cache"
    shutil.copytree(place / "data", data)
    (data / "train" / "c0" / "3.png").write_bytes(b"no picture")

    def run(*more, layer="relu5_3", cached=True, status=3):
        out, error = vgg("probe", data, "--model", place / "model.pth", *STRUCTURE, *PRESET, "--layer", layer, "-o", model,
                         "--overwrite", "--cache-features", cache, "--c", 0.01, *more, status=status)
        assert ("the features are those of " in out) == cached
        return model.read_bytes(), error

    plain, error = run(cached=False)
    assert "3.png" in error
    again, error = run()
    assert again == plain and error == f"vgg probe: {data}/train/c0/3.png: could not be read when {cache} was made\n"
    run("--classifier", "softmax")
    run("--check-data", cached=False)
    run("--check-data")
    kept = cache.read_bytes()
    run("--pool", "max", cached=False)
    run(layer="relu5_2", cached=False)
    assert run("--check-data", cached=False)[0] == plain
    assert cache.read_bytes() == kept
    draw(data / "train" / "c0" / "3.png", 77)
    run(cached=False, status=0)
    cache.write_bytes(b"mine")
    assert "is no file of cached features" in vgg("probe", data, "--layer", "relu4_1", "-o", model, "--overwrite",
                                                  "--cache-features", cache, status=1)[1]
    assert cache.read_bytes() == b"mine"


def logits(model, folder, *more):
    """Of the pictures of a folder, (N, CLASSES)."""
    out, _ = vgg("predict", folder, "--model", model, "--logits", "--format", "csv", "--top", CLASSES, *more)
    found = np.zeros((CLASSES * EACH, CLASSES))
    for number, row in enumerate(csv.DictReader(io.StringIO(out))):
        found[number // CLASSES, int(row["label"][1:])] = float(row["logit"])
    return found


def log_softmax(rows):
    """What the logits of several views are."""
    return rows - np.log(np.exp(rows - rows.max(1, keepdims=True)).sum(1, keepdims=True)) - rows.max(1, keepdims=True)


def test_one_scale(place, tmp_path):
    for scale in (48, 64):
        path = tmp_path / f"{scale}.safetensors"
        vgg("probe", place / "data", "--layer", "relu4_1", "--scale", scale, "--c", 0.01, "-o", path)
        assert f"3x{scale}x{scale}," in vgg("inspect", path)[0]
        assert f"short side {scale}" in vgg("inspect", path)[0]
    for wrong in "4x", "0", "48,", ",48", "48,0", "30001", ",".join(["48"] * 17):
        assert "expected a size from 1 to" in vgg("probe", place / "data", "--layer", "relu4_1", "--scale", wrong, "-o",
                                                  tmp_path / "x.pth", status=2)[1]
    assert "--scale says what --input and --short-side say" in vgg(
        "probe", place / "data", "--layer", "relu4_1", "--scale", 48, "--input", 48, "-o", tmp_path / "x.pth", status=2)[1]
    assert "no network has the pool gem" in probe(place, tmp_path / "x.pth", "--pool", "gem", status=1)[1]
    assert "averaged, which needs a pool" in vgg("probe", place / "data", "--layer", "relu4_1", "--scale", "48,64", "--pool",
                                                 "none", "-o", tmp_path / "x.pth", status=2)[1]


@pytest.mark.parametrize("layer,pool", [("relu5_3", "avg"), ("relu4_3", "max"), ("relu7", "avg")])
def test_several_scales(place, tmp_path, layer, pool):
    """The features of all are averaged, and by the model the scores, which is the same."""
    common = ("--model", place / "model.pth", *STRUCTURE, "--preprocess", "torchvision", "--layer", layer, "--pool", pool)
    for name in "p.pth", "p.safetensors":
        vgg("probe", place / "data", *common, "--scale", "64,48", "--c", 0.01, "-o", tmp_path / name)
    vgg("features", place / "data" / "train", *common, "--input", 48, "--resize", 48, "--scale", "64,48", "-o",
        tmp_path / "f.npy")
    weights, biases = classifier(tmp_path / "p.pth")
    expected = log_softmax(np.load(tmp_path / "f.npy").astype(np.float64) @ weights.T + biases)
    largest = np.abs(expected).max()
    for model in "p.pth", "p.safetensors":
        assert np.abs(logits(tmp_path / model, place / "data" / "train") - expected).max() < 1e-4 * largest
    one = log_softmax(logits(tmp_path / "p.pth", place / "data" / "train", "--short-side", 48))
    assert np.abs(one - expected).max() > 1e-3 * largest


def test_a_scale_that_is_too_small(place, tmp_path):
    """It is the file's fault, and no picture's."""
    model = tmp_path / "p.safetensors"
    vgg("probe", place / "data", "--layer", "relu4_1", "--scale", "48,64", "--c", 0.01, "-o", model)
    model.write_bytes(model.read_bytes().replace(b"[48,64]", b"[4 ,64]"))
    said = vgg("predict", place / "data" / "train" / "c0", "--model", model, status=1)[1]
    assert said.startswith(f"vgg predict: {model}: input 4x4 is too small") and said.count("\n") == 1


def test_what_becomes_of_several_scales(place, tmp_path):
    model = tmp_path / "p.safetensors"
    vgg("probe", place / "data", "--layer", "relu4_1", "--scale", "48,64", "--c", 0.01, "-o", model)
    assert "the mean of the logits of squares of 48, 64\n" in vgg("inspect", model)[0]
    assert json.loads(vgg("inspect", model, "--format", "json")[0])["preprocess"]["sides"] == [48, 64]
    [said] = json.loads(vgg("predict", place / "data" / "train" / "c0" / "0.png", "--model", model, "--format", "json")[0])
    shares = {row["label"]: row["probability"] for row in said["predictions"]}
    scores = logits(model, place / "data" / "train")
    assert [shares[f"c{label}"] for label in range(CLASSES)] == pytest.approx(np.exp(scores[0]), abs=1e-5)
    flipped = logits(model, place / "data" / "train", "--protocol", "flip")
    mirrored = tmp_path / "mirrored"
    mirrored.mkdir()
    for label in range(CLASSES):
        for i in range(EACH):
            with Image.open(place / "data" / "train" / f"c{label}" / f"{i}.png") as picture:
                picture.transpose(Image.FLIP_LEFT_RIGHT).save(mirrored / f"{label}{i}.png")
    both = log_softmax((scores + logits(model, mirrored)) / 2)
    assert np.abs(flipped - both).max() < 1e-3 * np.abs(both).max()
    for more in (), ("--protocol", "dense"), ("--scale", "56"), ("--fuse", "--model", model):
        vgg("eval", place / "data", "--model", model, *more)
    content = model.read_bytes()
    for wrong in b"[48,-4]", b"{     }", b"[0, 48]", b"[     ]":
        (tmp_path / "wrong.safetensors").write_bytes(content.replace(b"[48,64]", wrong))
        assert "sides" in vgg("predict", place / "data", "--model", tmp_path / "wrong.safetensors", status=1)[1]
    vgg("convert", model, tmp_path / "q.pth")
    assert (logits(tmp_path / "q.pth", place / "data" / "train") == logits(model, place / "data" / "train")).all()
    assert "looks at pictures in 2 sizes, and a server in one; --short-side says which" in vgg(
        "serve", "--model", model, "--listen", "127.0.0.1:0", status=1)[1]
