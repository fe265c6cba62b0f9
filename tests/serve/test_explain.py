"""POST /explain: the map of `vgg explain`, laid over the picture."""
import io
import os
import threading
import time

import pytest
from conftest import TIMEOUT, Server, vgg

Image = pytest.importorskip("PIL.Image", reason="Pillow is not installed")


@pytest.fixture(scope="module")
def server(models):
    running = Server("--model", models / "small", "--model", f"big={models}/wide/best.safetensors")
    yield running
    running.stop()


def pixels(content):
    return Image.open(io.BytesIO(content)).convert("RGB")


@pytest.mark.parametrize("query,options", [
    ("", ()), ("class=3", ("--class", 3)), ("layer=features.0", ("--layer", "features.0")),
    ("layer=pool1&method=gradcam%2B%2B", ("--layer", "pool1", "--method", "gradcam++")), ("method=layercam", ("--method", "layercam")),
    ("class=0&method=occlusion&model=big", ("--class", 0, "--method", "occlusion"))])
def test_the_map_of_the_program(server, models, pictures, tmp_path, query, options):
    """Beside it the program writes a bar of colours and texts below."""
    (tmp_path / "picture.png").write_bytes(pictures["heart0001.png"])
    run = models / ("wide" if "big" in query else "small")
    vgg("explain", "--model", run, tmp_path / "picture.png", "-o", tmp_path / "out.png", *options)
    answer = server.post(f"/explain?{query}", pictures["heart0001.png"])
    assert answer.status == 200 and answer.headers["Content-Type"] == "image/png", answer.body
    found = pixels(answer.body)
    whole = pixels((tmp_path / "out.png").read_bytes())
    assert found.width == whole.width and found.height < whole.height
    assert found.tobytes() == whole.crop((0, 0, found.width, found.height)).tobytes()


def test_the_picture_without_colours(server, pictures):
    plain = pixels(server.post("/explain?heat=false", pictures["heart0001.png"]).body)
    warm = pixels(server.post("/explain", pictures["heart0001.png"]).body)
    assert plain.size == warm.size and plain.tobytes() != warm.tobytes()


def test_it_is_as_exact_as_the_server(server, start, models, pictures, tmp_path):
    pictures = list(pictures.values())[:4]
    exact = start("--model", models / "wide", "--exact")
    differs = 0
    for number, picture in enumerate(pictures):
        name = tmp_path / f"{number}.png"
        name.write_bytes(picture)
        vgg("explain", "--model", models / "wide", name, "-o", tmp_path / "out.png", "--exact",
            "--method", "guided", "--overwrite")
        found = pixels(exact.post("/explain?method=guided", picture).body)
        whole = pixels((tmp_path / "out.png").read_bytes())
        assert found.tobytes() == whole.crop((0, 0, found.width, found.height)).tobytes()
        usual = pixels(server.post("/explain?method=guided&model=big", picture).body)
        differs += found.tobytes() != usual.tobytes()
    assert differs > 0


@pytest.mark.parametrize("query,body,status,text", [
    ("class=10", None, 400, "class: found 10, expected 0 to 9"), ("class=x", None, 400, 'class: found "x"'),
    ("method=x", None, 400, 'method: found "x"'), ("heat=1", None, 400, "expected true or false"),
    ("layer=relu9_9", None, 400, "relu9_9"), ("layer=fc2", None, 400, "expected a layer of maps"),
    ("layer=" + "features.0" * 4, None, 400, "features.0features.0"),
    ("layer=pool1&method=guided", None, 400, "layer: guided looks at none"),
    ("top=3", None, 400, "unknown parameter top"), ("model=x", None, 404, "there is no model x"),
    ("", b"", 400, "is empty"), ("", b"nothing", 400, "is not a picture")])
def test_wrong_requests(server, pictures, query, body, status, text):
    answer = server.post(f"/explain?{query}", pictures["heart0001.png"] if body is None else body)
    assert answer.status == status and text in answer.json["error"]


# ---- time
def large(size=(4000, 4000)):
    out = io.BytesIO()
    Image.new("RGB", size).save(out, "PNG", compress_level=1)
    return out.getvalue()


def test_time_is_bounded(start):
    answer = start("--timeout", 0.05).post("/explain?method=occlusion", large())
    assert answer.status == 504 and "within the 0.05 seconds" in answer.json["error"]


def test_predictions_do_not_wait_for_it(start, pictures):
    """One thread that reads pictures is free for them."""
    server = start("--workers", 1, "--timeout", TIMEOUT)
    answers = []
    method = "integrated" if "VGG_TEST_QUICK" in os.environ else "occlusion"  # which takes minutes under a sanitizer
    thread = threading.Thread(target=lambda: answers.append(server.post(f"/explain?method={method}", large())))
    thread.start()
    while b"vgg_requests_open 2" not in server.get("/metrics").body:
        assert thread.is_alive()
    time.sleep(0.1)  # until it has come in
    assert server.post("/predict", pictures["heart0001.png"]).status == 200
    assert not answers, "the picture was answered behind the map only"
    busy = server.post("/explain", pictures["heart0001.png"])
    assert busy.status == 503 and busy.headers["Retry-After"] == "1"
    thread.join()
    assert answers[0].status == 200
