"""Writes libraries that stand in for the CUDA driver and libraries when dm is linked:  cuda_stubs.py FOLDER

candle calls CUDA through the crate cudarc, which declares every function that it may call. Each stub library defines the functions
of one folder of cudarc's bindings; they return -1. The real libraries take their place where the program runs.
"""

import os
import pathlib
import re
import subprocess
import sys

# Folder of the bindings: name of the library for the linker, and the name that the program looks for when it starts.
LIBRARIES = {
    "driver": ("cuda", "libcuda.so.1"),
    "nvrtc": ("nvrtc", "libnvrtc.so.13"),
    "curand": ("curand", "libcurand.so.10"),
    "cublas": ("cublas", "libcublas.so.13"),
    "cublaslt": ("cublasLt", "libcublasLt.so.13"),
    "cudnn": ("cudnn", "libcudnn.so.9"),
}


def main() -> None:
    out = pathlib.Path(sys.argv[1])
    out.mkdir(parents=True, exist_ok=True)
    home = pathlib.Path(os.environ.get("CARGO_HOME", pathlib.Path.home() / ".cargo"))
    found = sorted(home.glob("registry/src/*/cudarc-*/src"))
    if not found:
        sys.exit("found no cudarc in cargo's registry, expected it after `cargo fetch`")
    for folder, (name, soname) in LIBRARIES.items():
        text = "".join(path.read_text() for path in (found[-1] / folder / "sys").glob("*.rs"))
        functions = sorted(set(re.findall(r"\bfn ((?:cu|nvrtc)\w+)\s*\(", text)))
        code = "".join(f"int {function}(void) {{ return -1; }}\n" for function in functions)
        target = out / f"lib{name}.so"
        command = ["gcc", "-shared", "-fPIC", "-x", "c", "-", f"-Wl,-soname,{soname}", "-o", str(target)]
        subprocess.run(command, input=code.encode(), check=True)
        print(f"{target}: {len(functions)} functions")


if __name__ == "__main__":
    main()
