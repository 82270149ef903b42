"""The networks of `dm` in PyTorch, with the same names of parameters. Needs Python 3.11, torch and
safetensors.

    from dm_torch import load, save

    network = load("data/models/ink-unet.safetensors")      # any model or classifier of dm
    y = network(x, t)                                       # x [B, C, H, W], t [B] = timestep / T
    y = network(x, t, classes)                              # a network with classes; classes [B], int64
    save(network, "mine.safetensors", like="data/models/ink-unet.safetensors")     # dm sample mine.safetensors

What x and y mean is up to the model: `dm info MODEL` prints its degradation and its parameterization.
"""

import json
import math
import sys
import tomllib

import torch
import torch.nn.functional as F
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import nn


class RefCnn(nn.Module):
    """The starter notebook's network: 7x7 convolutions with LayerNorm over channels and pixels, or over each plane."""

    def __init__(self, image=(1, 28, 28), outputs=1, channels=(16, 32, 32, 16), joint_norm=True):
        super().__init__()
        widths = [image[0], *channels]
        self.blocks = nn.ModuleList(
            [self.block(a, b, image[1:], joint_norm) for a, b in zip(widths, widths[1:])]
            + [nn.Conv2d(channels[-1], outputs, 3, padding=1)]
        )
        widths = [32, 128, 128, 128, channels[0]]
        layers = [layer for a, b in zip(widths, widths[1:]) for layer in (nn.Linear(a, b), nn.GELU())]
        self.time_embed = nn.Sequential(*layers[:-1])
        frequencies = [0.0] + [2 * math.pi * 1.5**i for i in range(15)]
        self.register_buffer("frequencies", torch.tensor(frequencies), persistent=False)

    @staticmethod
    def block(inputs, outputs, size, joint_norm):
        norm = nn.LayerNorm((outputs, *size) if joint_norm else tuple(size))
        block = nn.Module()
        block.net = nn.Sequential(nn.Conv2d(inputs, outputs, 7, padding=3), norm, nn.GELU())
        return block

    def forward(self, x, t):
        phase = t[:, None] * self.frequencies
        time = self.time_embed(torch.cat([phase.sin(), phase.cos() - 1], dim=1))
        for i, block in enumerate(self.blocks[:-1]):
            x = block.net(x)
            if i == 0:
                x = x + time[:, :, None, None]
        return self.blocks[-1](x)


class Attention(nn.Module):
    """Self-attention over pixels, as a residual branch."""

    def __init__(self, channels, groups):
        super().__init__()
        self.norm = nn.GroupNorm(groups, channels)
        self.qkv, self.out = nn.Linear(channels, 3 * channels), nn.Linear(channels, channels)

    def forward(self, x):
        h = F.silu(self.norm(x)).flatten(2).transpose(1, 2)
        q, k, v = self.qkv(h).chunk(3, dim=2)
        h = self.out(F.scaled_dot_product_attention(q, k, v))
        return x + h.transpose(1, 2).reshape(x.shape)


class Residual(nn.Module):
    """A residual block with a time embedding and, at levels that have it, self-attention after it."""

    def __init__(self, inputs, outputs, groups, time_embed_dim, attention=False):
        super().__init__()
        self.norm1, self.conv1 = nn.GroupNorm(groups, inputs), nn.Conv2d(inputs, outputs, 3, padding=1)
        self.time = nn.Linear(time_embed_dim, outputs)
        self.norm2, self.conv2 = nn.GroupNorm(groups, outputs), nn.Conv2d(outputs, outputs, 3, padding=1)
        self.skip = nn.Conv2d(inputs, outputs, 1) if inputs != outputs else nn.Identity()
        self.attention = Attention(outputs, groups) if attention else nn.Identity()

    def forward(self, x, time):
        h = self.conv1(F.silu(self.norm1(x))) + self.time(time)[:, :, None, None]
        return self.attention(self.conv2(F.silu(self.norm2(h))) + self.skip(x))


class UNet(nn.Module):
    """A U-Net with one residual block per level and direction. `attention` lists the levels that have it."""

    def __init__(
        self, inputs=1, outputs=1, channels=(32, 64, 64), groups=8, time_embed_dim=128, attention=(), num_classes=0
    ):
        super().__init__()
        c, last = channels, len(channels) - 1
        residual = lambda a, b, level: Residual(a, b, groups, time_embed_dim, level in attention and level < last)
        self.time = nn.ModuleList([nn.Linear(64, time_embed_dim), nn.Linear(time_embed_dim, time_embed_dim)])
        self.input = nn.Conv2d(inputs, c[0], 3, padding=1)
        self.down = nn.ModuleList([residual(c[max(i - 1, 0)], c[i], i) for i in range(len(c))])
        self.shrink = nn.ModuleList([nn.Conv2d(a, a, 3, stride=2, padding=1) for a in c[:-1]])
        self.middle = Residual(c[last], c[last], groups, time_embed_dim)
        self.attention = Attention(c[last], groups) if last in attention else nn.Identity()
        self.up = nn.ModuleList([residual(2 * c[i], c[i], i) for i in range(len(c))])
        self.grow = nn.ModuleList([nn.Conv2d(b, a, 3, padding=1) for a, b in zip(c, c[1:])])
        self.norm, self.output = nn.GroupNorm(groups, c[0]), nn.Conv2d(c[0], outputs, 3, padding=1)
        self.num_classes = num_classes
        if num_classes:  # The last row stands for "class not given".
            self.add_module("class", nn.Embedding(num_classes + 1, time_embed_dim))
        frequencies = [math.exp(math.log(1000) / 31 * i) for i in range(32)]
        self.register_buffer("frequencies", torch.tensor(frequencies), persistent=False)

    def forward(self, x, t, classes=None):
        phase = t[:, None] * self.frequencies
        time = self.time[1](F.silu(self.time[0](torch.cat([phase.sin(), phase.cos()], dim=1))))
        if self.num_classes:
            none = torch.full((len(t),), self.num_classes, device=t.device)
            time = time + getattr(self, "class")(none if classes is None else classes)
        time, h, skips = F.silu(time), self.input(x), []
        for i, down in enumerate(self.down):
            h = down(h, time)
            skips.append(h)
            if i < len(self.shrink):
                h = self.shrink[i](h)
        h = self.attention(self.middle(h, time))
        for i in reversed(range(len(self.up))):
            if i < len(self.grow):
                h = self.grow[i](F.interpolate(h, scale_factor=2.0, mode="nearest"))
            h = self.up[i](torch.cat([h, skips[i]], dim=1), time)
        return self.output(F.silu(self.norm(h)))


class Classifier(nn.Module):
    """The classifier of `dm eval`: images [B, C, H, W] in [0, 1] -> features and logits."""

    def __init__(self, image=(1, 28, 28), channels=(16, 32, 64), hidden=(), features=64, num_classes=10):
        super().__init__()
        pairs = list(zip(channels, channels[1:]))
        self.input = nn.Conv2d(image[0], channels[0], 3, padding=1) if channels else None
        self.shrink = nn.ModuleList([nn.Conv2d(a, b, 3, stride=2, padding=1) for a, b in pairs])
        self.convs = nn.ModuleList([nn.Conv2d(b, b, 3, padding=1) for _, b in pairs])
        height, width = (math.ceil(side / 2 ** len(pairs)) for side in image[1:])
        widths = [(channels[-1] if channels else image[0]) * height * width, *hidden]
        self.hidden = nn.ModuleList([nn.Linear(a, b) for a, b in zip(widths, hidden)])
        self.features = nn.Linear(widths[-1], features)
        self.classes = nn.Linear(features, num_classes)

    def forward(self, x):
        h = F.relu(self.input(x)) if self.input else x
        for shrink, conv in zip(self.shrink, self.convs):
            h = F.relu(conv(F.relu(shrink(h))))
        h = h.flatten(1)
        for hidden in self.hidden:
            h = F.relu(hidden(h))
        features = self.features(h)
        return features, self.classes(F.relu(features))


def metadata(path):
    """The entries that `dm` keeps in a file beside the parameters."""
    with safe_open(path, "pt") as file:
        return json.loads(file.metadata()["dm"])


def build(weights, entries):
    """The network whose parameters are `weights`, a dictionary of tensors, of a file with these metadata entries."""
    shape = lambda name: tuple(weights[name].shape)
    count = lambda prefix, suffix: sum(name.startswith(prefix) and name.endswith(suffix) for name in weights)
    if "blocks.0.net.0.weight" in weights:
        blocks = count("blocks.", ".net.0.weight")
        norm, inputs = shape("blocks.0.net.1.weight"), shape("blocks.0.net.0.weight")[1]
        channels = [shape(f"blocks.{i}.net.0.weight")[0] for i in range(blocks)]
        outputs = shape(f"blocks.{blocks}.weight")[0]
        return RefCnn((inputs, *norm[-2:]), outputs, channels, joint_norm=len(norm) == 3)
    if "features.weight" in weights:
        entry = json.loads(entries.get("image", "{}"))
        image = (entry.get("channels", 1), entry.get("height", 28), entry.get("width", 28))
        convs = ["input"] * ("input.weight" in weights) + [f"shrink.{i}" for i in range(count("shrink.", ".weight"))]
        hidden = [shape(f"hidden.{i}.weight")[0] for i in range(count("hidden.", ".weight"))]
        channels = [shape(f"{name}.weight")[0] for name in convs]
        return Classifier(image, channels, hidden, *reversed(shape("classes.weight")))
    levels = 1 + count("shrink.", ".weight")
    attention = [i for i in range(levels - 1) if f"down.{i}.attention.qkv.weight" in weights]
    attention += [levels - 1] if "attention.qkv.weight" in weights else []
    return UNet(
        inputs=shape("input.weight")[1],
        outputs=shape("output.weight")[0],
        channels=[shape(f"down.{i}.conv1.weight")[0] for i in range(levels)],
        groups=tomllib.loads(entries["config"])["network"].get("groups", 8),
        time_embed_dim=shape("time.0.weight")[0],
        attention=attention,
        num_classes=shape("class.weight")[0] - 1 if "class.weight" in weights else 0,
    )


def load(path):
    """The network of the model or classifier at `path`."""
    weights = load_file(path)
    network = build(weights, metadata(path))
    network.load_state_dict(weights, strict=True)
    return network.eval()


def save(network, path, like):
    """Writes the network's parameters as a file of `dm`, with the config of the file `like`."""
    entries = metadata(like)
    entries.pop("checksum", None)
    entries.pop("checksum_value", None)
    weights = {name: tensor.detach().float().cpu().contiguous() for name, tensor in network.state_dict().items()}
    save_file(weights, path, metadata={"dm": json.dumps(entries)})


if __name__ == "__main__":
    for name in sys.argv[1:]:
        network = load(name)
        print(name, type(network).__name__, sum(p.numel() for p in network.parameters()), "parameters")
