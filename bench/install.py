"""The virtual environment of bench/compare, and which interpreter each peer runs under."""
import pathlib
import subprocess
import sys

VENV = pathlib.Path(__file__).resolve().parent / "venv"
PYTHON = VENV / "bin/python"
DEBIAN = pathlib.Path("/usr/bin/python3")
PURE = "filelock typing_extensions sympy mpmath networkx jinja2 markupsafe fsspec".split()
CPU_INDEX = "https://download.pytorch.org/whl/cpu"


def last_line(text):
    return (text.strip().splitlines() or ["no message"])[-1]


def pip(*words):
    return subprocess.run([PYTHON, "-m", "pip", "--disable-pip-version-check", *words],
                          capture_output=True, text=True)


def imports(python, module):
    """None when it can be imported, else why not."""
    try:
        result = subprocess.run([python, "-c", f"import {module}"], capture_output=True, text=True)
    except OSError as error:
        return str(error)
    return None if result.returncode == 0 else last_line(result.stderr)


def ensure(module, *packages):
    """None, or why the module is not to be had."""
    if imports(PYTHON, module) is None:
        return None
    print(f"installing {' '.join(packages)} ...", flush=True)
    result = pip("install", *packages)
    if result.returncode:
        return last_line(result.stderr)
    return imports(PYTHON, module)


def pytorch(whole):
    """(interpreter, why not). PyPI's wheel for x86-64 is linked against CUDA: PyTorch's own index
    of CPU wheels is asked first; then that wheel without CUDA's packages, in case it suffices;
    then Debian's python3-torch."""
    tried = VENV / "pytorch-tried"
    if imports(PYTHON, "torch") is None:
        return PYTHON, None
    if whole:
        why = ensure("torch", "torch")
        return (PYTHON, None) if why is None else (None, why)
    why = "the wheels were tried before"
    if not tried.exists():
        print("installing PyTorch ...", flush=True)
        pip("install", "--retries", "0", "--timeout", "20", "--index-url", CPU_INDEX, "torch")
        if imports(PYTHON, "torch") is None:
            return PYTHON, None
        pip("install", "--no-deps", "torch", *PURE)
        why = imports(PYTHON, "torch")
        if why is None:
            return PYTHON, None
        pip("uninstall", "--yes", "torch")
        tried.write_text(why + "\n")
    if imports(DEBIAN, "torch, numpy") is None:
        return DEBIAN, None
    return None, tried.read_text().strip() or why


def install(whole_pytorch):
    """{peer: (interpreter or None, why it is missing or None)}."""
    if not PYTHON.exists():
        subprocess.run([sys.executable, "-m", "venv", VENV], check=True)
    why = ensure("numpy, PIL", "numpy", "pillow")
    if why:
        sys.exit(f"bench/compare: NumPy and Pillow cannot be installed: {why}")
    onnx = ensure("onnx", "onnx")
    found = {"vgg": None, "ONNX Runtime": onnx or ensure("onnxruntime", "onnxruntime"),
             "OpenVINO": onnx or ensure("openvino", "openvino"), "ncnn": ensure("ncnn", "ncnn")}
    peers = {name: (PYTHON if why is None else None, why) for name, why in found.items()}
    peers["PyTorch"] = pytorch(whole_pytorch)
    return peers
