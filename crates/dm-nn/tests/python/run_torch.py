"""Runs networks in PyTorch: run_torch.py FOLDER_OF_DM_TORCH CASE...

Each case is a folder. It reads model.safetensors and inputs.safetensors, and writes the outputs to outputs.safetensors. Then it
changes the parameters, writes them to changed.safetensors, and writes their outputs to changed_outputs.safetensors.
"""

import pathlib
import sys

import torch
from safetensors.torch import load_file, save_file

sys.path.append(sys.argv[1])
from dm_torch import load, save


def run(network, inputs):
    arguments = [inputs["x"]] + [inputs[name] for name in ("t",) if name in inputs]
    arguments += [inputs["classes"].long()] if "classes" in inputs else []
    with torch.no_grad():
        y = network(*arguments)
    return dict(zip(("features", "logits"), y)) if isinstance(y, tuple) else {"y": y}


for case in map(pathlib.Path, sys.argv[2:]):
    network, inputs = load(case / "model.safetensors"), load_file(case / "inputs.safetensors")
    save_file(run(network, inputs), case / "outputs.safetensors")
    for parameter in network.parameters():
        parameter.data += 0.01
    save(network, case / "changed.safetensors", like=case / "model.safetensors")
    save_file(run(network, inputs), case / "changed_outputs.safetensors")
