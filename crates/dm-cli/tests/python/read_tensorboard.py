"""Prints what TensorBoard reads in a run folder, as JSON: `read_tensorboard.py FOLDER`.

The events are read twice: as they were written, and as TensorBoard's pages show them, by plugin.
"""

import json
import sys

from tensorboard.backend.event_processing import event_accumulator, plugin_event_accumulator
from tensorboard.util import tensor_util

HISTOGRAM = ("min", "max", "num", "sum", "bucket_limit", "bucket")

# A size of 0 keeps every event.
everything = {kind: 0 for kind in event_accumulator.DEFAULT_SIZE_GUIDANCE}
events = event_accumulator.EventAccumulator(sys.argv[1], size_guidance=everything)
events.Reload()
pages = plugin_event_accumulator.EventAccumulator(sys.argv[1])
pages.Reload()


def histogram(value):
    return {name: list(field) if name.startswith("bucket") else field for name in HISTOGRAM for field in [getattr(value, name)]}


def text(tensor):
    return tensor_util.make_ndarray(tensor).item().decode()


tags = events.Tags()
result = {
    "scalars": {tag: [(e.step, e.value, e.wall_time) for e in events.Scalars(tag)] for tag in tags["scalars"]},
    "images": {
        tag: [(e.step, e.width, e.height, list(e.encoded_image_string)) for e in events.Images(tag)]
        for tag in tags["images"]
    },
    "histograms": {
        tag: [(e.step, histogram(e.histogram_value)) for e in events.Histograms(tag)] for tag in tags["histograms"]
    },
    "texts": {tag: [(e.step, text(e.tensor_proto)) for e in events.Tensors(tag)] for tag in tags["tensors"]},
    "plugins": {plugin: sorted(pages.PluginTagToContent(plugin)) for plugin in pages.ActivePlugins()},
}
print(json.dumps(result))
