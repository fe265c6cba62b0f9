"""The peers that multiply in int8. Each calibrates itself once, on pictures that are not measured,
and keeps what it made beside the model."""
import pathlib

import numpy as np

from peers import Ncnn, OnnxRuntime, OpenVino, write_ncnn, write_onnx


def calibration(job):
    """Pictures, each a batch of one."""
    shape = (-1, 1, 3, job["size"], job["size"])
    return np.fromfile(job["calibration"], np.float32).reshape(shape)


class OnnxRuntimeInt8(OnnxRuntime):
    settings = "static: activations of 8 bits by their extremes, weights per channel, as QDQ"

    def model(self, job):
        path = pathlib.Path(job["folder"]) / "model-int8.onnx"
        if path.exists():
            return path
        from onnxruntime import quantization
        inputs = iter([{"x": picture} for picture in calibration(job)])

        class Reader(quantization.CalibrationDataReader):
            def get_next(self):
                return next(inputs, None)

        quantization.quantize_static(
            write_onnx(job), path, Reader(), quant_format=quantization.QuantFormat.QDQ,
            per_channel=True, activation_type=quantization.QuantType.QUInt8,
            weight_type=quantization.QuantType.QInt8, use_external_data_format=True)
        return path


class OpenVinoInt8(OpenVino):
    def model(self, core, job):
        path = pathlib.Path(job["folder"]) / "model-int8.xml"
        if not path.exists():
            import nncf
            import openvino
            pictures = list(calibration(job))
            model = super().model(core, job)
            model.reshape([1, 3, job["size"], job["size"]])
            openvino.save_model(
                nncf.quantize(model, nncf.Dataset(pictures), subset_size=len(pictures)), path,
                compress_to_fp16=False)
        return core.read_model(path)

    def demand(self, job, usual):
        return usual, f"quantised by NNCF with its defaults, {usual} where it is not"


def greatest_values(job):
    """{blob: the greatest absolute value that flows there}, in float32."""
    peer = Ncnn({**job, "variant": "fp32"})
    most = {"x": 0}
    for (image,) in calibration(job):
        extractor = peer.net.create_extractor()
        extractor.input("x", peer.ncnn.Mat(image))
        most["x"] = max(most["x"], np.abs(image).max())
        for blob in peer.blobs:
            status, out = extractor.extract(blob)
            if status:
                raise RuntimeError(f"ncnn: extract returned {status}")
            most[blob] = max(most.get(blob, 0), np.abs(np.array(out)).max())
    return most


class NcnnInt8(Ncnn):
    note = "scales by the greatest values, weights per channel"

    def files(self, job):
        param, values = (pathlib.Path(job["folder"]) / f"network-int8.{end}"
                         for end in ("param", "bin"))
        if not param.exists():
            write_ncnn(job, param, values, greatest_values(job))
        return param, values


QUANTISED = {"ONNX Runtime": OnnxRuntimeInt8, "OpenVINO": OpenVinoInt8, "ncnn": NcnnInt8}
