"""The clients in examples/serve/ ask, and what systemd and Kubernetes are told makes sense to them."""
import json
import re
import shutil
import subprocess
import sys

import pytest
from conftest import REPOSITORY, vgg

EXAMPLES = REPOSITORY / "examples" / "serve"


@pytest.fixture(scope="module")
def server():
    from conftest import Server
    running = Server()
    yield running
    running.stop()


@pytest.fixture
def picture(pictures, tmp_path):
    path = tmp_path / "photo.png"
    path.write_bytes(pictures["heart0001.png"])
    return path


@pytest.fixture(scope="module")
def best(pictures):
    [row] = json.loads(vgg("predict", "--format", "json", "--top", 3, "-", stdin=pictures["heart0001.png"]))
    return row["predictions"]


def run(*command, **options):
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, timeout=60,
                          check=False, **options)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_c(server, picture, best, tmp_path):
    shutil.copy(EXAMPLES / "classify.c", tmp_path)
    [compile_it, run_it] = re.findall(r"^ \*   (.*)$", (EXAMPLES / "classify.c").read_text(), re.MULTILINE)
    run(*compile_it.split(), "-Wall", "-Wextra", "-Wpedantic", "-Werror", cwd=tmp_path)
    assert run_it == "./classify 127.0.0.1 8080 photo.jpg"
    out = run(tmp_path / "classify", *server.host_port, picture)
    assert json.loads(out)[0]["predictions"] == best
    assert subprocess.run([tmp_path / "classify", *map(str, server.host_port), __file__], capture_output=True,
                          check=False).returncode == 1


def test_python(server, picture, best):
    out = run(sys.executable, EXAMPLES / "classify.py", server.address, picture, picture)
    line = f"{picture}: {best[0]['label']}, {100 * best[0]['probability']:.0f} %\n"
    assert out == 2 * line
    failed = subprocess.run([sys.executable, EXAMPLES / "classify.py", server.address, __file__], capture_output=True,
                            text=True, check=False)
    assert failed.returncode == 1 and "is not a picture" in failed.stderr


def test_shell(server, picture, best):
    if shutil.which("curl") is None:
        pytest.skip("curl is not installed")
    rows = json.loads(run(EXAMPLES / "classify.sh", server.address, picture, picture))
    assert [row["predictions"] for row in rows] == [best[:1]] * 2
    assert rows[0]["image"] == picture.name


def test_units(tmp_path):
    if shutil.which("systemd-analyze") is None:
        pytest.skip("systemd-analyze is not installed")
    for name in ("vgg-serve.service", "vgg-serve.socket"):
        text = (EXAMPLES / name).read_text().replace("/usr/bin/vgg", "/bin/true").replace("/bin/kill", "/bin/true")
        (tmp_path / name).write_text(text)
    done = subprocess.run(["systemd-analyze", "verify", "--man=no", tmp_path / "vgg-serve.service",
                           tmp_path / "vgg-serve.socket"], capture_output=True, text=True, timeout=60, check=False)
    assert not [line for line in done.stderr.splitlines() if "vgg-serve" in line], done.stderr


def test_options_of_the_examples_exist():
    text = "".join(path.read_text() for path in EXAMPLES.iterdir())
    options = set(re.findall(r"(?<=[ \[])--(model|listen|grace|timeout|max-[a-z]+)\b", text))
    known = vgg("serve", "--help").decode()
    assert options and all(f"--{name}" in known for name in options)


def test_kubernetes():
    yaml = pytest.importorskip("yaml")
    deployment, service = yaml.safe_load_all((EXAMPLES / "kubernetes.yaml").read_text())
    [container] = deployment["spec"]["template"]["spec"]["containers"]
    assert container["args"][0] == "serve" and service["spec"]["selector"] == {"app": "vgg"}
    for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
        assert container[probe]["httpGet"]["path"] in ("/v2/health/ready", "/v2/health/live")
    grace = int(container["args"][container["args"].index("--grace") + 1])
    assert grace + 5 < deployment["spec"]["template"]["spec"]["terminationGracePeriodSeconds"]
