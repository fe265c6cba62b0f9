"""What `vgg predict` does, in Python with ONNX Runtime and Pillow. Arguments: MODEL.onnx PICTURE
THREADS SIZE TOP. Prints the likeliest classes with their logits as JSON."""
import json
import sys

import numpy as np
import onnxruntime
from PIL import Image

path, picture, threads, size, top = sys.argv[1], sys.argv[2], *map(int, sys.argv[3:6])
image = Image.open(picture).convert("RGB")
short, least = round(size * 256 / 224), min(image.size)
image = image.resize([side * short // least for side in image.size], Image.Resampling.BILINEAR)
left, upper = (round((side - size) / 2) for side in image.size)
image = image.crop((left, upper, left + size, upper + size))
x = np.asarray(image, np.float32) / np.float32(255)
x = (x - np.float32([0.485, 0.456, 0.406])) / np.float32([0.229, 0.224, 0.225])
x = np.ascontiguousarray(x.transpose(2, 0, 1)[None])
options = onnxruntime.SessionOptions()
options.intra_op_num_threads = threads
options.log_severity_level = 3
session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
logits = session.run(None, {"x": x})[0][0]
order = np.argsort(-logits)[:top]
print(json.dumps([{"index": int(k), "logit": float(logits[k])} for k in order]))
