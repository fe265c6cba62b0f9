"""The virtual environment of bench/compare, and which interpreter each peer runs under."""
import pathlib
import subprocess
import sys

QUANTISED_PEERS = ("OpenVINO", "ONNX Runtime", "ncnn")  # those of int8, in quantised.py
VENV = pathlib.Path(__file__).resolve().parent / "venv"
PYTHON = VENV / "bin/python"
DEBIAN = pathlib.Path("/usr/bin/python3")


def last_line(text):
    return (text.strip().splitlines() or ["no message"])[-1]


def imports(python, module):
    """None when it can be imported, else why not."""
    try:
        result = subprocess.run([python, "-c", f"import {module}"], capture_output=True, text=True)
    except OSError as error:
        return str(error)
    return None if result.returncode == 0 else last_line(result.stderr)


def ensure(module, *packages, note=""):
    """None, or why the module is not to be had."""
    if imports(PYTHON, module) is None:
        return None
    print(f"installing {' '.join(packages)}{note} ...", flush=True)
    result = subprocess.run([PYTHON, "-m", "pip", "--disable-pip-version-check", "install",
                             *packages], capture_output=True, text=True)
    if result.returncode:
        return last_line(result.stderr)
    return imports(PYTHON, module)


def pytorch(download):
    """(interpreter, why not): the newest, which is linked against CUDA's libraries and comes with
    them; else Debian's python3-torch."""
    why = "it is not installed, and was not to be"
    if download or imports(PYTHON, "torch") is None:
        why = ensure("torch", "torch", note=", about 5 GB with the libraries it is linked against")
        if why is None:
            return PYTHON, None
    if imports(DEBIAN, "torch, numpy") is None:
        return DEBIAN, None
    return None, why


def make_venv():
    """With NumPy and Pillow, which all peers need."""
    if not PYTHON.exists():
        subprocess.run([sys.executable, "-m", "venv", VENV], check=True)
    why = ensure("numpy, PIL", "numpy", "pillow")
    if why:
        sys.exit(f"bench: NumPy and Pillow cannot be installed: {why}")


def install(download_pytorch):
    """{peer: (interpreter or None, why it is missing or None)}."""
    make_venv()
    onnx = ensure("onnx", "onnx")
    found = {"vgg": None, "ONNX Runtime": onnx or ensure("onnxruntime", "onnxruntime"),
             "OpenVINO": onnx or ensure("openvino", "openvino"), "ncnn": ensure("ncnn", "ncnn"),
             "NNCF": ensure("nncf", "nncf")}
    peers = {name: (PYTHON if why is None else None, why) for name, why in found.items()}
    peers["PyTorch"] = pytorch(download_pytorch)
    return peers
