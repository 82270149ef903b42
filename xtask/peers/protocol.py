"""The protocol of the programs that `cargo xtask bench` compares: a request is a line `WORK NETWORK COUNT REPEATS` on standard
input, the answer a line of JSON, {"ms": [..], ..} or {"error": ".."}. The first line of a program names it.
crates/dm-train/benches/against_torch is the same in Rust.
"""

import json
import os
import sys
import time

# Pause before each measurement: idle threads of another program may still occupy a core each while they wait for work.
PAUSE_S = 0.2


def say(answer):
    print(json.dumps(answer), flush=True)


def missing(package, install, error):
    """Says that a package is missing and how to install it, and ends."""
    say({"error": f"{package} is missing in {sys.executable} ({error}); to install it: {install}"})
    sys.exit(0)


def threads():
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()


def shape(name):
    """Network, and height, width and channels of its images: those of MNIST, or those that the name gives, as in unet-32x32x3."""
    network, _, sizes = name.partition("-")
    height, width, channels = (int(size) for size in sizes.split("x")) if sizes else (28, 28, 1)
    return network, height, width, channels


def measure(work, repeats):
    time.sleep(PAUSE_S)
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        work()
        times.append((time.perf_counter() - start) * 1e3)
    return times


def serve(name, make):
    """Answers requests. `make(network, count)` returns an object with a method for each kind of work that the program can do, and
    its number of `parameters`, None if it is not known. The last object is kept."""
    say({"name": name, "threads": threads()})
    kept, made = None, None
    for line in sys.stdin:
        try:
            work, network, count, repeats = line.split()
            if kept != (network, count):
                kept, made = (network, count), make(network, int(count))
            run = getattr(made, work, None)
            if run is None:
                raise ValueError(f"this program cannot do the work {work}")
            say({"ms": measure(run, int(repeats)), "parameters": made.parameters})
        except Exception as error:  # Any failure is an answer, so that the benchmark can leave this program out.
            kept = None
            say({"error": f"{type(error).__name__}: {error}".splitlines()[0]})
