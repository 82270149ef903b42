"""Runs networks in ONNX Runtime: run_onnx.py CASE...

Each case is a folder. It reads model.onnx and inputs.safetensors, and writes the outputs to outputs.safetensors. If the package
onnx is there, it also checks the file.
"""

import pathlib
import sys

import numpy
import onnxruntime
from safetensors.numpy import load_file, save_file

try:
    import onnx
except ImportError:
    onnx = None

for case in map(pathlib.Path, sys.argv[1:]):
    if onnx:
        model = onnx.load(case / "model.onnx")
        onnx.checker.check_model(model, full_check=True)
        assert [opset.version for opset in model.opset_import] == [17]
        assert [(entry.key, entry.value) for entry in model.metadata_props] == [("name", "a name")]
    session = onnxruntime.InferenceSession(case / "model.onnx", providers=["CPUExecutionProvider"])
    inputs = load_file(case / "inputs.safetensors")
    if "classes" in inputs:
        inputs["classes"] = inputs["classes"].astype(numpy.int64)
    assert {i.name for i in session.get_inputs()} == set(inputs)
    assert all(i.shape[0] == "batch" for i in session.get_inputs() + session.get_outputs())
    names = [output.name for output in session.get_outputs()]
    outputs = dict(zip(names, session.run(names, inputs)))
    # An image's output does not depend on the others of its batch, and the size of the batch may change.
    first = dict(zip(names, session.run(names, {name: value[:1] for name, value in inputs.items()})))
    assert all(numpy.abs(first[name] - outputs[name][:1]).max() < 1e-4 for name in names)
    save_file(outputs, case / "outputs.safetensors")
