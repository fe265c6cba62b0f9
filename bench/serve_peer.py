"""What `vgg serve` does at POST /predict, with ONNX Runtime behind an ASGI server (uvicorn and Starlette):
reads the picture with Pillow, preprocesses it, computes it together with what else waits, and answers the five
likeliest classes as JSON. The settings are a JSON object in the environment variable SERVE_PEER: model,
threads (that compute), readers (threads that read pictures), batch (the most at once), size, resize, mean and
deviation."""
import asyncio
import concurrent.futures
import io
import json
import os

import numpy as np
import onnxruntime
from PIL import Image
from starlette.applications import Starlette
from starlette.responses import JSONResponse
from starlette.routing import Route

GIVEN = json.loads(os.environ["SERVE_PEER"])
TOP = 5


def make_session():
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = GIVEN["threads"]
    options.inter_op_num_threads = 1
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(GIVEN["model"], options, providers=["CPUExecutionProvider"])


session = make_session()
name = session.get_inputs()[0].name
readers = concurrent.futures.ThreadPoolExecutor(GIVEN["readers"])
computing = concurrent.futures.ThreadPoolExecutor(1)
scale = np.float32(1 / 255) / np.float32(GIVEN["deviation"])
shift = np.float32(GIVEN["mean"]) / np.float32(GIVEN["deviation"])
waiting = []
busy = False


def read(content):
    size = GIVEN["size"]
    image = Image.open(io.BytesIO(content)).convert("RGB")
    least = min(image.size)
    image = image.resize([side * GIVEN["resize"] // least for side in image.size], Image.Resampling.BILINEAR)
    left, upper = (round((side - size) / 2) for side in image.size)
    image = image.crop((left, upper, left + size, upper + size))
    return (np.asarray(image, np.float32) * scale - shift).transpose(2, 0, 1)


def compute(inputs):
    logits = session.run(None, {name: np.ascontiguousarray(np.stack(inputs))})[0]
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)


async def compute_what_waits():
    """Batches of whatever is ready, one after the other."""
    global busy
    busy = True
    while waiting:
        batch = waiting[:GIVEN["batch"]]
        del waiting[:GIVEN["batch"]]
        rows = await asyncio.get_running_loop().run_in_executor(computing, compute, [one for one, _ in batch])
        for (_, answer), row in zip(batch, rows):
            answer.set_result(row)
    busy = False


async def predict(request):
    loop = asyncio.get_running_loop()
    ready = await loop.run_in_executor(readers, read, await request.body())
    answer = loop.create_future()
    waiting.append((ready, answer))
    if not busy:
        asyncio.ensure_future(compute_what_waits())
    row = await answer
    best = np.argsort(-row)[:TOP]
    return JSONResponse([{"image": "-", "predictions": [{"index": int(i), "probability": float(row[i])}
                                                        for i in best]}])


app = Starlette(routes=[Route("/predict", predict, methods=["POST"])])
