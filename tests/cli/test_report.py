"""Pages about runs and evaluations: what is in them, that they stay small, and what a browser makes of
them (Debian's chromium with its driver and selenium; axe-core-python by scripts/venv.sh)."""
import html.parser
import json
import random
import re
import shutil
import signal
import subprocess
import sys
import time

import pytest

from conftest import PROGRAM, REPOSITORY, TINY, complaint, environment, vgg

# Names that would be something else where they are not escaped.
EVIL = '<b onclick=x>"cat" & \'dog\'</b>'
EVIL_FILE = "<!--_-_<img src=x onerror=document.title='x'>.png"


class Page(html.parser.HTMLParser):
    """The elements of a page, the texts in it, and what is not closed."""

    VOID = {"meta", "img", "br", "link", "input"}

    def __init__(self, path):
        super().__init__()
        self.elements, self.texts, self.open, self.errors = [], [], [], []
        self.size = path.stat().st_size
        self.feed(path.read_text())
        self.close()

    def handle_starttag(self, tag, attributes):
        self.elements.append((tag, dict(attributes)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.elements.append((tag, dict(attributes)))

    def handle_endtag(self, tag):
        if not self.open or self.open.pop() != tag:
            self.errors.append(tag)

    def handle_data(self, data):
        self.texts.append(data)

    def all(self, tag, **attributes):
        return [found for name, found in self.elements if name == tag
                and all(found.get(key) == value for key, value in attributes.items())]

    def text(self):
        return " ".join(self.texts)


@pytest.fixture(scope="module")
def evil(pictograms, tmp_path_factory):
    """Pictures of a class with a name like a tag, one of them with such a name too."""
    data = tmp_path_factory.mktemp("evil") / "data"
    shutil.copytree(pictograms, data)
    for part in ("train", "validation"):
        (data / part / "circle").rename(data / part / EVIL.replace("/", "∕"))
    folder = data / "validation" / EVIL.replace("/", "∕")
    (folder / "0000.png").rename(folder / EVIL_FILE)
    return data


@pytest.fixture(scope="module")
def run(evil):
    folder = evil.parent / "run"
    vgg("train", evil, "-o", folder, *TINY, "--epochs", 3, "--lr", 0.01)
    return folder


@pytest.fixture(scope="module")
def pages(evil, run):
    """The page of a run, of an evaluation and of two runs."""
    other, folder = evil.parent / "other run", evil.parent
    vgg("train", evil, "-o", other, *TINY, "--epochs", 2, "--lr", 0.02, "--schedule", "cosine")
    vgg("eval", "--model", run, evil, "--report", folder / "eval.html")
    vgg("report", run, other, "-o", folder / "two.html")
    return {"run": run / "report.html", "eval": folder / "eval.html", "two": folder / "two.html"}


# ---- what is in the pages
def test_pages_are_well_formed_and_load_nothing(pages):
    for path in pages.values():
        page = Page(path)
        assert not page.errors and not page.open, (path, page.errors, page.open)
        for tag, attributes in page.elements:
            for name in ("src", "href", "action", "data"):
                value = attributes.get(name)
                assert value is None or value.startswith(("#", "data:image/")), (tag, attributes)
            assert not [name for name in attributes if name.startswith("on") or name == "style"], attributes
        policy, = page.all("meta", **{"http-equiv": "Content-Security-Policy"})
        assert policy["content"].startswith("default-src 'none'; img-src data:; style-src 'sha256-")
        identifiers = [attributes["id"] for _, attributes in page.elements if "id" in attributes]
        assert len(identifiers) == len(set(identifiers))


def test_names_are_texts(pages, run):
    for name in ("run", "eval"):
        page = Page(pages[name])
        assert EVIL.replace("/", "∕") in page.text() and EVIL_FILE in page.text()
        assert not page.all("b") and "onclick" not in str([a for _, a in page.elements if "onclick" in a])
        assert not [a for a in page.all("img") if a.get("src") == "x"]
    cells = re.search(r'id="cells">(.*?)</script>', pages["run"].read_text(), re.S)[1]
    names = [picture[0] for pictures in json.loads(cells).values() for picture in pictures]
    assert "<" not in cells and any(name.endswith("/" + EVIL_FILE) for name in names)


def test_figures_are_those_of_the_log(pages, run):
    lines = [json.loads(line) for line in (run / "log.jsonl").read_text().splitlines()]
    best = [line for line in lines if line["type"] == "epoch" and line["best"]][-1]
    text = Page(pages["run"]).text()
    assert f"{100 * best['validation_top1']:.1f} %" in text
    assert f"validation, after epoch {best['epoch']}" in text
    assert "vgg train " in text and "learning rate" in text


def test_matrix_counts_every_picture(pages):
    """The cells' buttons, the pictures behind them and the cells of the data agree."""
    page = Page(pages["run"])
    cells = json.loads(re.search(r'id="cells">(.*?)</script>', pages["run"].read_text(), re.S)[1])
    counts = {a["data-cell"]: int(a["aria-label"].split()[0]) for a in page.all("button")
              if "aria-label" in a and "data-cell" in a}
    assert sum(counts.values()) == 20
    assert {cell: len(pictures) for cell, pictures in cells.items()} == counts
    assert sum(len(picture) == 3 for pictures in cells.values() for picture in pictures) > 10


def test_pictures_beside_a_run(run):
    for name, least in (("views.png", 100), ("results.png", 400), ("confusion.png", 200)):
        if name != "views.png" and not (run / name).exists():
            pytest.skip("this program was built without Cairo")
        data = (run / name).read_bytes()
        assert data.startswith(b"\x89PNG") and int.from_bytes(data[16:20], "big") >= least
    assert json.loads((run / "run.json").read_text())["command"].startswith("vgg train ")


def test_a_run_without_a_page(pictograms, tmp_path):
    vgg("train", pictograms, "-o", tmp_path / "run", *TINY, "--epochs", 1, "--no-report")
    names = {path.name for path in (tmp_path / "run").iterdir()}
    assert not names & {"report.html", "run.json", "views.png", "results.png", "confusion.png"}
    vgg("report", tmp_path / "run")
    assert not Page(tmp_path / "run" / "report.html").errors


def test_a_run_without_validation(pictograms, tmp_path):
    vgg("train", pictograms / "train", "-o", tmp_path / "run", *TINY, "--epochs", 1, "--validation-split", 0)
    page = Page(tmp_path / "run" / "report.html")
    assert not page.errors and not page.all("section", id="confusion")


def test_a_run_under_way(pictograms, tmp_path):
    run, out = tmp_path / "run", tmp_path / "out.html"
    with subprocess.Popen([PROGRAM, "train", pictograms, "-o", run, *TINY, "--epochs", "100000"],
                          env=environment(), stdout=subprocess.DEVNULL) as training:
        try:
            deadline = time.monotonic() + 30
            while not (run / "report.html").exists():
                assert time.monotonic() < deadline
                time.sleep(0.05)
            for _ in range(3):
                vgg("report", run, "-o", out, "--overwrite")
                page = Page(out)
                assert not page.errors and page.all("section", id="confusion")
        finally:
            training.send_signal(signal.SIGINT)
    epochs = len((run / "results.csv").read_text().splitlines()) - 1
    assert f"{epochs} of 100000 epochs" in Page(run / "report.html").text()


def test_a_resumed_run_keeps_its_command(pictograms, tmp_path):
    run = tmp_path / "run"
    vgg("train", pictograms, "-o", run, *TINY, "--epochs", 2)
    began = json.loads((run / "run.json").read_text())
    vgg("train", pictograms, "-o", run, "--resume", "--epochs", 3)
    about = json.loads((run / "run.json").read_text())
    assert about["command"] == began["command"] and about["began"] == began["began"]
    assert "3 of 3 epochs" in Page(run / "report.html").text()


def test_wrong_runs(pictograms, evil, tmp_path, run):
    assert "is no run, expected" in complaint("report", pictograms)
    assert "expected -o OUT.html" in complaint("report", run, run, status=2)
    assert "cannot write" in complaint("report", run, "-o", tmp_path / "nowhere" / "out.html")
    (tmp_path / "out.html").write_text("somebody's")
    line = complaint("report", run, "-o", tmp_path / "out.html")
    assert line == f"vgg report: {tmp_path / 'out.html'}: is there already; --overwrite replaces it"
    assert "/dev/full: cannot write" in complaint("eval", "--model", run, evil, "--report", "/dev/full")


def test_a_page_that_is_replaced_keeps_its_permissions_and_links(run, tmp_path):
    page, link = tmp_path / "page.html", tmp_path / "link.html"
    page.write_text("somebody's")
    page.chmod(0o600)
    link.symlink_to(page.name)
    vgg("report", run, "-o", link, "--overwrite")
    assert link.is_symlink() and page.stat().st_mode & 0o777 == 0o600 and not Page(page).errors


def test_ten_thousand_pictures_are_five_megabytes(tmp_path):
    """Of CIFAR's format: noise, about which a small network says anything."""
    numbers = random.Random(5)
    data = tmp_path / "cifar"
    data.mkdir()
    for name, count in ([(f"data_batch_{i}.bin", 10) for i in range(1, 6)] + [("test_batch.bin", 10000)]):
        (data / name).write_bytes(b"".join(bytes([i % 10]) + numbers.randbytes(3072) for i in range(count)))
    vgg("train", data, "-o", tmp_path / "run", *TINY, "--epochs", 1, "--no-report", "--validation-split", 0.2)
    vgg("eval", "--model", tmp_path / "run", data, "--report", tmp_path / "out.html")
    page = Page(tmp_path / "out.html")
    assert 500_000 < page.size <= 5_000_000 and "10,000" in page.text()


# ---- what a browser makes of them
@pytest.fixture(scope="module")
def browser():
    webdriver = pytest.importorskip("selenium.webdriver", reason="selenium is not installed: scripts/packages.sh browser")
    program, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if program is None or driver is None:
        pytest.skip("chromium and its driver are not installed: scripts/packages.sh browser")
    from selenium.webdriver.chrome.service import Service
    options = webdriver.ChromeOptions()
    options.binary_location = program
    for word in ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--hide-scrollbars"):
        options.add_argument(word)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    chrome = webdriver.Chrome(service=Service(driver), options=options)
    yield chrome
    chrome.quit()


def show(browser, path, width=1400, theme="light"):
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", {
        "width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 600})
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {
        "features": [{"name": "prefers-color-scheme", "value": theme}]})
    browser.get(path.resolve().as_uri())


def press(browser, *keys):
    from selenium.webdriver.common.action_chains import ActionChains
    ActionChains(browser).send_keys(*keys).perform()


def focused(browser, script="return document.activeElement"):
    return browser.execute_script(script)


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", [400, 1400])
@pytest.mark.parametrize("name", ["run", "eval", "two"])
def test_browser_has_nothing_to_say(browser, pages, name, width, theme):
    """No error, nothing loaded, nothing wider than the window."""
    show(browser, pages[name], width, theme)
    assert browser.get_log("browser") == []
    assert browser.execute_script("return performance.getEntriesByType('resource').filter("
                                  "entry => !entry.name.startsWith('data:')).length") == 0
    assert browser.execute_script("return document.documentElement.scrollWidth") <= width
    ground = browser.execute_script("return getComputedStyle(document.body).backgroundColor")
    assert (int(re.findall(r"\d+", ground)[0]) < 60) == (theme == "dark")


@pytest.mark.parametrize("name,theme", [("run", "light"), ("run", "dark"), ("eval", "light"), ("two", "dark")])
def test_axe_finds_nothing_serious(browser, pages, name, theme):
    sys.path.extend(str(path) for path in (REPOSITORY / "build-peers").glob("lib/python3*/site-packages"))
    axe = pytest.importorskip("axe_core_python.base", reason="axe-core-python is not installed: scripts/venv.sh")
    script = (REPOSITORY / axe.__file__).parent / "axe.min.js"
    show(browser, pages[name], 1000, theme)
    browser.execute_script("document.querySelectorAll('details').forEach(d => { d.open = true; })")
    # Through the debugger, which the page's policy does not stop.
    browser.execute_cdp_cmd("Runtime.evaluate", {"expression": script.read_text()})
    found = browser.execute_async_script("const done = arguments[0]; axe.run().then(done);")
    assert len(found["passes"]) > 20
    assert [(v["id"], v["impact"], v["nodes"][0]["html"][:200]) for v in found["violations"]
            if v["impact"] in ("serious", "critical")] == []


@pytest.mark.parametrize("name", ["run", "eval"])
def test_clicks_through_the_matrix(browser, pages, name):
    from selenium.webdriver.common.by import By
    show(browser, pages[name])
    buttons = browser.find_elements(By.CSS_SELECTOR, ".matrix td button, .pairs button")
    assert len(buttons) > 5
    for button in buttons[::max(1, len(buttons) // 8)]:
        count = int(re.match(r"\d+", button.text)[0])
        browser.execute_script("arguments[0].scrollIntoView({block: 'center', behavior: 'instant'})", button)
        button.click()
        dialog = browser.find_element(By.ID, "cell")
        assert dialog.is_displayed()
        assert dialog.find_element(By.ID, "cell-heading").text.startswith(f"{count} ")
        assert len(dialog.find_elements(By.CSS_SELECTOR, "li.picture")) == min(count, 40)
        assert browser.execute_script(
            "return [...document.querySelectorAll('#cell img')].every(i => i.complete && i.naturalWidth > 0)")
        dialog.find_element(By.CLASS_NAME, "close").click()
        assert not dialog.is_displayed()
    assert browser.get_log("browser") == []


def test_keyboard_alone(browser, pages):
    """Tab to the matrix, arrows within it, Enter, Escape back; then on to a heading that sorts."""
    from selenium.webdriver.common.by import By
    from selenium.webdriver.common.keys import Keys
    show(browser, pages["run"])
    cell = "return document.activeElement.dataset.cell || null"
    for _ in range(60):
        press(browser, Keys.TAB)
        if focused(browser, cell):
            break
    first = focused(browser, cell)
    assert first
    moved = None
    for key in (Keys.ARROW_DOWN, Keys.ARROW_RIGHT, Keys.ARROW_UP):
        press(browser, key)
        moved = moved or (focused(browser, cell) != first and focused(browser, cell))
    assert moved
    before = focused(browser, cell)
    press(browser, Keys.ENTER)
    dialog = browser.find_element(By.ID, "cell")
    assert dialog.is_displayed() and focused(browser, "return document.activeElement.id") == "cell-heading"
    press(browser, Keys.TAB)
    assert focused(browser, "return document.activeElement.className") == "close"
    press(browser, Keys.ESCAPE)
    assert not dialog.is_displayed() and focused(browser, cell) == before
    press(browser, Keys.TAB)
    assert focused(browser, cell) is None or "pairs" in focused(
        browser, "return document.activeElement.closest('ul').className")
    for _ in range(60):
        press(browser, Keys.TAB)
        if focused(browser, "return document.activeElement.textContent") == "recall":
            break
    recalls = "return [...document.querySelectorAll('.sortable td:nth-child(3)')].map(c => Number(c.dataset.value))"
    press(browser, Keys.ENTER)
    assert browser.execute_script(recalls) == sorted(browser.execute_script(recalls), reverse=True)
    press(browser, Keys.SPACE)
    assert browser.execute_script(recalls) == sorted(browser.execute_script(recalls))
    # What has the focus is seen to have it.
    assert browser.execute_script("return getComputedStyle(document.activeElement).outlineStyle") != "none"


def test_policy_lets_no_other_script_run(browser, pages):
    show(browser, pages["run"])
    browser.execute_script("const s = document.createElement('script'); s.textContent = 'window.ran = 1';"
                           "document.body.append(s);")
    assert browser.execute_script("return window.ran === undefined")
    browser.get_log("browser")


def test_charts_are_read_with_the_pointer(browser, pages):
    from selenium.webdriver.common.action_chains import ActionChains
    from selenium.webdriver.common.by import By
    show(browser, pages["run"])
    chart = browser.find_elements(By.CSS_SELECTOR, ".panel svg.chart")[0]
    browser.execute_script("arguments[0].scrollIntoView({block: 'center', behavior: 'instant'})", chart)
    ActionChains(browser).move_to_element(chart).perform()
    assert re.match(r"epoch 2: [\d.]+", browser.find_element(By.CLASS_NAME, "readout").text)
    lines = [json.loads(line) for line in (pages["run"].parent / "log.jsonl").read_text().splitlines()]
    loss = [line for line in lines if line["type"] == "epoch"][1]["validation_loss"]
    shown = float(re.search(r": ([\d.]+)", browser.find_element(By.CLASS_NAME, "readout").text)[1])
    assert abs(shown - loss) < 0.01


def test_links_lead_to_what_is_there(pictograms, tmp_path):
    """Several runs have no filters, a run without validation has no matrix."""
    run, bare = tmp_path / "run", tmp_path / "bare"
    for folder, split in ((run, []), (bare, ["--validation-split", 0])):
        vgg("train", pictograms if folder == run else pictograms / "train", "-o", folder, *TINY, "--recipe", "none",
            "--epochs", 1, *split)
    vgg("eval", "--model", run, pictograms, "--report", tmp_path / "eval.html")
    vgg("report", run, bare, "-o", tmp_path / "both.html")
    ends = {run / "report.html": ["confusion", "pictures", "classes", "filters", "configuration"],
            bare / "report.html": ["filters", "configuration"],
            tmp_path / "eval.html": ["confusion", "pictures", "classes", "filters", "configuration"],
            tmp_path / "both.html": ["configuration"]}
    for page, expected in ends.items():
        text = page.read_text()
        links = re.findall(r'href="#([^"]*)"', text)
        assert [link for link in links if link not in ("curves", "main")] == expected, page
        assert all(f'id="{link}"' in text for link in links)
