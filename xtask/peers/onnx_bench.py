"""ONNX Runtime and OpenVINO for `cargo xtask bench --against-peers`: forward passes of the networks that our program exported to
the folder DM_BENCH_ONNX, with every size fixed, as both programs prefer.

Usage: onnx_bench.py onnxruntime or onnx_bench.py openvino; protocol.py has the protocol.
"""

import os
import sys

import protocol


def inputs(name, count):
    """The file of the network, and a batch."""
    import numpy

    _, height, width, channels = protocol.shape(name)
    generator = numpy.random.default_rng(0)
    x = generator.standard_normal((count, channels, height, width), dtype=numpy.float32)
    t = generator.random(count, dtype=numpy.float32)
    return os.path.join(os.environ["DM_BENCH_ONNX"], f"{name}.onnx"), x, t


class OnnxRuntime:
    parameters = None

    def __init__(self, name, count):
        path, x, t = inputs(name, count)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = protocol.threads()
        options.add_free_dimension_override_by_name("batch", count)
        self.session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        self.inputs = {"x": x, "t": t}

    def forward(self):
        self.session.run(None, self.inputs)


class OpenVino:
    parameters = None

    def __init__(self, name, count):
        path, x, t = inputs(name, count)
        core = openvino.Core()
        model = core.read_model(path)
        model.reshape({"x": list(x.shape), "t": list(t.shape)})
        # As exact as the others: OpenVINO otherwise computes in bf16 where the processor has it.
        options = {"PERFORMANCE_HINT": "LATENCY", "INFERENCE_NUM_THREADS": protocol.threads(), "INFERENCE_PRECISION_HINT": "f32"}
        self.request = core.compile_model(model, "CPU", options).create_infer_request()
        self.inputs = {"x": x, "t": t}

    def forward(self):
        self.request.infer(self.inputs)


variant = sys.argv[1] if len(sys.argv) == 2 else ""
try:
    if variant == "onnxruntime":
        import onnxruntime

        protocol.serve(f"ONNX Runtime {onnxruntime.__version__}", OnnxRuntime)
    elif variant == "openvino":
        import openvino

        protocol.serve(f"OpenVINO {openvino.__version__}", OpenVino)
    else:
        sys.exit(__doc__)
except ImportError as error:
    protocol.missing(variant, f"pip install {variant} numpy", error)
