"""The page at /, in Debian's chromium with its driver and selenium; axe-core-python by scripts/venv.sh."""
import json
import shutil
import sys
import time

import pytest
from conftest import REPOSITORY, Server, vgg


@pytest.fixture(scope="module")
def index(models, pictograms, tmp_path_factory):
    """By `wide`."""
    path = tmp_path_factory.mktemp("index") / "photos.index"
    vgg("index", pictograms / "train", "-o", path, "--model", models / "wide")
    return path


@pytest.fixture(scope="module")
def server(models, index):
    running = Server("--model", models / "small", "--model", f"big={models}/wide/best.safetensors", "--index", index)
    yield running
    running.stop()


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    webdriver = pytest.importorskip("selenium.webdriver", reason="selenium is not installed: scripts/packages.sh browser")
    program, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if program is None or driver is None:
        pytest.skip("chromium and its driver are not installed: scripts/packages.sh browser")
    from selenium.webdriver.chrome.service import Service
    options = webdriver.ChromeOptions()
    options.binary_location = program
    for word in ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--hide-scrollbars",
                 "--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream"):
        options.add_argument(word)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    chrome = webdriver.Chrome(service=Service(driver), options=options)
    chrome.downloads = tmp_path_factory.mktemp("downloads")
    chrome.execute_cdp_cmd("Browser.setDownloadBehavior", {"behavior": "allow", "downloadPath": str(chrome.downloads)})
    yield chrome
    chrome.quit()


@pytest.fixture(scope="module")
def files(pictures, tmp_path_factory):
    folder = tmp_path_factory.mktemp("files")
    for name in sorted(pictures)[:6]:
        (folder / name).write_bytes(pictures[name])
    (folder / 'a "b", c.png').write_bytes(pictures[sorted(pictures)[0]])
    return sorted(folder.iterdir())


def show(browser, server, width=1400, theme="light"):
    browser.set_window_size(width, 1000)
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [
        {"name": "prefers-color-scheme", "value": theme}, {"name": "prefers-reduced-motion", "value": "reduce"}]})
    browser.get_log("browser")
    browser.get(server.address + "/")
    wait(browser, lambda: browser.execute_script("return document.querySelectorAll('#model option').length") > 0)


def wait(browser, what, seconds=30):
    end = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < end, browser.page_source[-3000:]
        time.sleep(0.02)


def find(browser, selector):
    from selenium.webdriver.common.by import By
    return browser.find_elements(By.CSS_SELECTOR, selector)


def choose(browser, paths):
    find(browser, "#files")[0].send_keys("\n".join(map(str, paths)))


def rows(browser):
    return browser.execute_script("return [...document.querySelectorAll('#rows tr')].map(r => "
                                  "[...r.cells].map(c => c.textContent))")


def answered(browser, count):
    wait(browser, lambda: len(rows(browser)) == count)


def quiet(browser):
    assert [entry for entry in browser.get_log("browser") if entry["level"] in ("SEVERE", "WARNING")] == []


def right(models, path, folder="small"):
    [row] = json.loads(vgg("predict", "--model", models / folder, "--format", "json", path))
    return row["predictions"]


# ---- what is handed out
def test_what_is_handed_out(server):
    total = 0
    for path, kind in (("/", "text/html"), ("/serve.css", "text/css"), ("/serve.js", "text/javascript"),
                       ("/serve_inside.js", "text/javascript")):
        answer = server.get(path)
        assert answer.status == 200 and answer.headers["Content-Type"] == f"{kind}; charset=utf-8"
        assert b"http://" not in answer.body and b"https://" not in answer.body and b"onclick" not in answer.body
        total += len(answer.body)
    assert total < 300_000
    policy = server.get("/").headers["Content-Security-Policy"]
    assert policy.startswith("default-src 'none'; script-src 'self'; style-src 'self'")
    assert "unsafe" not in policy and "*" not in policy and "frame-ancestors 'none'" in policy


# ---- in a browser
def test_many_pictures_at_once(browser, server, models, files):
    show(browser, server)
    choose(browser, files)
    answered(browser, len(files))
    found = {name: (label, percent) for name, _, label, percent, _ in rows(browser)}
    for path in files:
        best = right(models, path)[0]
        assert found[path.name] == (best["label"], f"{100 * best['probability']:.1f} %")
    assert len(find(browser, ".result .bars li")) == 5 * len(files)
    assert find(browser, "#count")[0].text == f"{len(files)} pictures"
    wait(browser, lambda: find(browser, "#news")[0].get_attribute("textContent") != "")
    quiet(browser)


def test_export(browser, server, files):
    show(browser, server)
    choose(browser, files)
    answered(browser, len(files))
    find(browser, "#export")[0].click()
    path = browser.downloads / "answers.csv"
    wait(browser, path.exists)
    import csv
    with open(path, newline="", encoding="utf-8") as file:
        table = list(csv.reader(file))
    assert table[0] == ["image", "model", "label", "probability", "seconds"]
    assert sorted(row[0] for row in table[1:]) == sorted(path.name for path in files)
    assert all(0 < float(row[3]) <= 1 for row in table[1:])
    find(browser, "#clear")[0].click()
    assert rows(browser) == [] and not find(browser, ".result") and find(browser, "#empty")[0].is_displayed()
    path.unlink()
    quiet(browser)


def test_two_models(browser, server, models, files):
    show(browser, server)
    browser.execute_script("const other = document.getElementById('other'); other.value = 'big';"
                           "other.dispatchEvent(new Event('change'))")
    assert len(find(browser, "#cards .panel")) == 2
    choose(browser, files[:2])
    answered(browser, 4)
    for name, model, label, *_ in rows(browser):
        folder = {"small": "small", "big": "wide"}[model]
        [path] = [path for path in files if path.name == name]
        assert label == right(models, path, folder)[0]["label"]
    wait(browser, lambda: all(state.text in ("Both say the same.", "They do not agree.")
                              for state in find(browser, ".result .state")))
    quiet(browser)


def test_names_with_commas(browser, server, files):
    """Two answers that begin with the same word are not the same."""
    show(browser, server)
    browser.execute_script("""
        const other = document.getElementById('other'), read = Response.prototype.json;
        other.value = 'big';
        other.dispatchEvent(new Event('change'));
        Response.prototype.json = async function () {
          const answer = await read.call(this);
          if (Array.isArray(answer))
            answer[0].predictions[0].label = 'crane, a ' + (this.url.includes('model=big') ? 'bird' : 'machine');
          return answer;
        };""")
    choose(browser, files[:1])
    answered(browser, 2)
    assert sorted(row[2] for row in rows(browser)) == ["crane, a bird", "crane, a machine"]
    wait(browser, lambda: find(browser, ".state")[0].text == "They do not agree.")
    quiet(browser)


def test_why(browser, server, files):
    """The map is laid over the picture, as strong as the slider says, which the keyboard moves."""
    from selenium.webdriver import ActionChains
    from selenium.webdriver.common.keys import Keys
    show(browser, server)
    choose(browser, files[1:2])
    answered(browser, 1)
    [button] = find(browser, ".why")
    assert button.get_attribute("aria-label").startswith("Why ")
    button.click()
    wait(browser, lambda: len(find(browser, ".stack img")) == 2 and not find(browser, ".why"))
    wait(browser, lambda: browser.execute_script(
        "return [...document.querySelectorAll('.stack img')].every(i => i.complete && i.naturalWidth > 0)"))
    ActionChains(browser).send_keys(Keys.HOME).perform()
    assert browser.execute_script("return getComputedStyle(document.querySelector('.stack').lastChild).opacity") == "0"
    assert find(browser, "figcaption")[0].text.startswith("What speaks for ")
    quiet(browser)


def select(browser, selector, value):
    browser.execute_script("const one = document.querySelector(arguments[0]); one.value = arguments[1];"
                           "one.dispatchEvent(new Event('change'))", selector, value)


def pixels(browser, selector):
    """Of a picture that the page shows."""
    return browser.execute_script("""
        const from = document.querySelector(arguments[0]), canvas = document.createElement('canvas');
        canvas.width = from.naturalWidth ?? from.width;
        canvas.height = from.naturalHeight ?? from.height;
        canvas.getContext('2d').drawImage(from, 0, 0);
        return [canvas.width, canvas.height, ...canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data];
        """, selector)


def test_why_of_a_class_and_layer(browser, server, files):
    """The map is the one that the server draws for them."""
    import io
    Image = pytest.importorskip("PIL.Image", reason="Pillow is not installed")
    show(browser, server)
    choose(browser, files[1:2])
    answered(browser, 1)
    find(browser, ".why")[0].click()
    wait(browser, lambda: find(browser, ".choices"))
    labels = server.get("/v2/models/small").json["parameters"]["labels"]
    options = [option.text for option in find(browser, ".choices label:first-child option")]
    assert sorted(options) == sorted(labels)
    select(browser, ".choices label:first-child select", "4")
    wait(browser, lambda: find(browser, "figcaption")[0].text == f"What speaks for {labels[4]}")
    answer = server.post("/explain?model=small&class=4&layer=features.1", files[1].read_bytes())
    select(browser, ".choices label:last-child select", "features.1")
    right = Image.open(io.BytesIO(answer.body)).convert("RGBA")
    wait(browser, lambda: pixels(browser, ".stack img:last-child") ==
         [*right.size, *right.tobytes()])
    quiet(browser)


def test_feature_maps(browser, server, models, files, tmp_path):
    """Those of `vgg features`, the strongest channel first, in colours from its least to its most."""
    np = pytest.importorskip("numpy", reason="NumPy is not installed")
    show(browser, server)
    select(browser, "#model", "big")
    choose(browser, files[1:2])
    answered(browser, 1)
    find(browser, "button.inside")[0].click()
    wait(browser, lambda: len(find(browser, ".maps li")) == 16)
    for layer, channels in (("features.0", 16), ("features.4", 64)):
        vgg("features", "--model", models / "wide", "--layer", layer, "--pool", "none", "--overwrite",
            "-o", tmp_path / "out.npy", files[1])
        right = np.load(tmp_path / "out.npy")[0]
        most = right.max(axis=(1, 2))
        order = np.argsort(-most, kind="stable")
        select(browser, ".inside select", layer)
        wait(browser, lambda channels=channels: find(browser, "figure.inside figcaption")[0].text ==
             f"{channels} channels, the strongest first: 1 to {min(channels, 48)}")
        names = [canvas.get_attribute("aria-label") for canvas in find(browser, ".maps canvas")]
        assert [int(name.split()[1][:-1]) for name in names] == order[:48].tolist()
        assert abs(float(names[0].split()[-1]) - most[order[0]]) < 0.01 * abs(most[order[0]])
        width, height, *data = pixels(browser, ".maps canvas")
        shown = np.array(data).reshape(height, width, 4)[:, :, :3] @ np.array([0.21, 0.72, 0.07])
        assert (height, width) == right.shape[1:]
        strongest = right[order[0]]
        assert np.corrcoef(shown.ravel(), strongest.ravel())[0, 1] > 0.95
    before, after, close = find(browser, "figure.inside button")
    assert not before.is_enabled()
    after.click()
    assert len(find(browser, ".maps li")) == 16 and not after.is_enabled() and before.is_enabled()
    close.click()
    assert not find(browser, "figure.inside") and find(browser, "button.inside")[0].is_displayed()
    quiet(browser)


def test_similar_pictures(browser, start, server, models, index, files, tmp_path):
    """Those of the index, the nearest first, some more each time; by the model that it was made with alone."""
    (tmp_path / "keys").write_text("secret\n")
    other = start("--model", models / "small", "--model", f"big={models}/wide", "--index", index,
                  "--api-key-file", tmp_path / "keys")
    browser.get_log("browser")
    browser.get(other.address + "/")
    wait(browser, lambda: find(browser, "#key-form")[0].is_displayed())
    find(browser, "#key")[0].send_keys("secret\n")
    wait(browser, lambda: not find(browser, "#key-form")[0].is_displayed())
    browser.get_log("browser")  # of the request without a key
    select(browser, "#other", "big")
    choose(browser, files[1:2])
    answered(browser, 2)
    [button] = find(browser, "button.similar")
    button.click()
    wait(browser, lambda: len(find(browser, ".found li")) == 12)
    wait(browser, lambda: browser.execute_script(
        "return [...document.querySelectorAll('.found img')].every(i => i.complete && i.naturalWidth > 0)"))
    right = other.post("/search?top=30", files[1].read_bytes(), {"Authorization": "Bearer secret"}).json[0]["matches"]

    def shown():
        return [[span.text for span in item.find_elements("css selector", "span")] for item in find(browser, ".found li")]

    assert shown() == [[row["image"], f"{row['similarity']:.3f}"] for row in right[:12]]
    more, close = find(browser, "figure.alike button")
    for count in (24, 30):
        more.click()
        wait(browser, lambda count=count: len(find(browser, ".found li")) == count)
    wait(browser, lambda: find(browser, "figure.alike figcaption")[0].text.startswith("The 30 most similar of 30 pictures"))
    assert not more.is_enabled() and shown()[29][0] == right[29]["image"]
    close.click()
    assert not find(browser, "figure.alike")
    assert browser.switch_to.active_element == find(browser, "button.similar")[0]
    quiet(browser)
    show(browser, server)


def test_similar_pictures_of_an_index_that_changes(browser, start, server, models, index, pictograms, files, tmp_path):
    """No list has pictures of two; a similarity that is no number is none."""
    path = shutil.copy(index, tmp_path / "photos.index")
    other = start("--model", f"big={models}/wide", "--index", path)
    show(browser, other)
    choose(browser, files[1:2])
    answered(browser, 1)
    find(browser, "button.similar")[0].click()
    wait(browser, lambda: len(find(browser, ".found li")) == 12)
    vgg("index", pictograms / "train/heart", "-o", tmp_path / "next", "--model", models / "wide")
    (tmp_path / "next").rename(path)
    other.line("3 pictures to search in")
    find(browser, "figure.alike button")[0].click()
    wait(browser, lambda: find(browser, "figure.alike figcaption")[0].text.startswith("The 3 most similar pictures, "))
    assert len(find(browser, ".found li")) == 3 and browser.execute_async_script(
        "thumbnailOf({ image: 'a.png', similarity: null, thumbnail: 'pictures/2-0' })"
        ".then(item => arguments[0](item.textContent));") == "a.pngno number"
    show(browser, server)


def test_the_report_of_a_training(browser, start, pictograms, tmp_path):
    """It is there as soon as the training has written one, and anew as long as it is followed."""
    run = tmp_path / "run"
    run.mkdir()
    server = start("--run", run)
    assert server.get("/report.html").status == 404
    show(browser, server)
    wait(browser, lambda: find(browser, "#run-empty")[0].is_displayed())
    assert find(browser, "#run-name")[0].text == run.name

    def heading(text):
        """Whether the report that is shown says so; it may be replaced at this moment."""
        from selenium.common.exceptions import WebDriverException
        browser.switch_to.frame(find(browser, "#run-frame")[0])
        try:
            return text in browser.execute_script("return document.body.innerText")
        except WebDriverException:
            return False
        finally:
            browser.switch_to.default_content()

    vgg("train", pictograms, "-o", tmp_path / "made", "--arch", "4,M/8", "--epochs", 1)
    report = (tmp_path / "made/report.html").read_text()
    place = report.index("</main>")

    def write(text):
        (tmp_path / "next").write_text(report[:place] + f"<p>{text}</p>" + report[place:])
        (tmp_path / "next").rename(run / "report.html")

    write("the first report")
    wait(browser, lambda: find(browser, "#run-frame")[0].is_displayed() and heading("the first report"))
    write("the second report")
    wait(browser, lambda: heading("the second report"))
    find(browser, "#follow")[0].click()
    write("the third report")
    wait(browser, lambda: find(browser, "#newer")[0].is_displayed())
    assert heading("the second report")
    find(browser, "#newer")[0].click()
    wait(browser, lambda: heading("the third report"))
    assert browser.switch_to.active_element.get_attribute("id") == "follow"
    quiet(browser)
    answer = server.get("/report.html")
    assert answer.headers["Content-Security-Policy"] == "sandbox allow-scripts; frame-ancestors 'self'"
    (tmp_path / "keys").write_text("secret\n")
    closed = start("--run", run, "--api-key-file", tmp_path / "keys")
    assert closed.get("/report.html").status == 401 and closed.get("/page.json").json == {"run": None}
    assert closed.get("/report.html", headers={"Authorization": "Bearer secret"}).body == answer.body


def test_what_is_no_run(tmp_path):
    import subprocess
    from conftest import PROGRAM
    (tmp_path / "file").write_text("")
    for path, text in ((tmp_path / "none", "No such file"), (tmp_path / "file", "is not the folder of a run")):
        done = subprocess.run([PROGRAM, "serve", "--run", path], capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 2 and text in done.stderr


def test_what_is_no_picture(browser, server, files, tmp_path):
    (tmp_path / "notes.txt").write_text("nothing")
    show(browser, server)
    choose(browser, [tmp_path / "notes.txt", files[1]])
    answered(browser, 1)
    wait(browser, lambda: any("is not a picture" in state.text for state in find(browser, ".result .state.bad")))


def test_drop_and_paste(browser, server, files):
    import base64
    show(browser, server)
    content = base64.b64encode(files[1].read_bytes()).decode()
    for kind, member in (("drop", "dataTransfer"), ("paste", "clipboardData")):
        browser.execute_script("""
            const [kind, member, text] = arguments, data = new DataTransfer();
            const bytes = Uint8Array.from(atob(text), c => c.charCodeAt(0));
            data.items.add(new File([bytes], kind + '.png', {type: 'image/png'}));
            const event = kind === 'paste' ? new ClipboardEvent(kind, {clipboardData: data, bubbles: true})
                                           : new DragEvent(kind, {dataTransfer: data, bubbles: true});
            document.body.dispatchEvent(event);""", kind, member, content)
    answered(browser, 2)
    assert {row[0] for row in rows(browser)} == {"drop.png", "paste.png"}
    quiet(browser)


def test_the_camera(browser, server):
    show(browser, server)
    find(browser, "#photograph")[0].click()
    wait(browser, lambda: browser.execute_script("return document.getElementById('video').videoWidth") > 0)
    find(browser, "#shoot")[0].click()
    answered(browser, 1)
    assert rows(browser)[0][0] == "photograph-1.jpg"
    assert browser.execute_script("return document.getElementById('video').srcObject === null")
    quiet(browser)


def test_keyboard_alone(browser, server, files):
    """From the top of the page: models, choosing, the table and clearing are reached by Tab and used."""
    from selenium.webdriver import ActionChains
    from selenium.webdriver.common.keys import Keys
    show(browser, server)
    choose(browser, files[:1])
    answered(browser, 1)
    browser.execute_script("document.activeElement.blur(); window.scrollTo(0, 0)")
    reached = []

    def press(key):
        ActionChains(browser).send_keys(key).perform()

    press(Keys.TAB)
    for _ in range(14):
        focused = browser.switch_to.active_element
        reached.append(focused.get_attribute("id") or focused.get_attribute("class") or focused.tag_name)
        if reached[-1] == "other":
            press(Keys.ARROW_DOWN)
        if focused.tag_name == "summary":
            press(Keys.ENTER)
        press(Keys.TAB)
    for name in ("skip", "model", "other", "files", "photograph", "export", "clear", "scroll"):
        assert name in reached, reached
    assert find(browser, "#list")[0].get_attribute("open") is not None
    assert find(browser, "#other")[0].get_attribute("value") != ""
    browser.execute_script("document.getElementById('clear').focus()")
    press(Keys.SPACE)
    wait(browser, lambda: rows(browser) == [])


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", [400, 1400])
def test_axe_finds_nothing_serious(browser, server, files, width, theme):
    sys.path.extend(str(path) for path in (REPOSITORY / "build-peers").glob("lib/python3*/site-packages"))
    axe = pytest.importorskip("axe_core_python.base", reason="axe-core-python is not installed: scripts/venv.sh")
    from pathlib import Path
    show(browser, server, width, theme)
    browser.execute_script("const other = document.getElementById('other'); other.value = 'big';"
                           "other.dispatchEvent(new Event('change'))")
    choose(browser, files[:3])
    answered(browser, 6)
    browser.execute_script("document.querySelectorAll('details').forEach(d => { d.open = true; })")
    find(browser, ".why")[0].click()
    wait(browser, lambda: len(find(browser, ".stack img")) == 2)
    find(browser, "button.inside")[0].click()
    wait(browser, lambda: find(browser, ".maps canvas"))
    find(browser, "button.similar")[0].click()
    wait(browser, lambda: len(find(browser, ".found li")) == 12)
    browser.execute_cdp_cmd("Runtime.evaluate", {
        "expression": (Path(axe.__file__).parent / "axe.min.js").read_text()})
    found = browser.execute_async_script("const done = arguments[0]; axe.run().then(done);")
    assert len(found["passes"]) > 20
    assert [(v["id"], v["impact"], v["nodes"][0]["html"][:200]) for v in found["violations"]
            if v["impact"] in ("serious", "critical")] == []
    assert browser.execute_script("return document.documentElement.scrollWidth") <= width


def test_keys(browser, start, tmp_path, files):
    """The page itself needs none, and asks for one."""
    (tmp_path / "keys").write_text("secret\n")
    server = start("--api-key-file", tmp_path / "keys")
    browser.get(server.address + "/")
    wait(browser, lambda: find(browser, "#key-form")[0].is_displayed())
    for word in ("wrong", "secret"):
        find(browser, "#key")[0].clear()
        find(browser, "#key")[0].send_keys(word + "\n")
        if word == "wrong":
            wait(browser, lambda: find(browser, "#key-wrong")[0].is_displayed())
    wait(browser, lambda: not find(browser, "#key-form")[0].is_displayed())
    choose(browser, files[:1])
    answered(browser, 1)
