"""The shipped reference network in PyTorch: the starter notebook's layers, weights from data/models/ddpm-reference.safetensors.

Needs torch and safetensors. `python xtask/peers/torch_load.py [MODEL]` prints how many parameters it loaded; with a second
file of tensors x, t and y it prints how far the network's output for (x, t) is from y.
"""

import math
import sys

import torch
from safetensors.torch import load_file
from torch import nn


class Block(nn.Module):
    def __init__(self, inputs, outputs):
        super().__init__()
        conv = nn.Conv2d(inputs, outputs, 7, padding=3)
        self.net = nn.Sequential(conv, nn.LayerNorm((outputs, 28, 28)), nn.GELU())

    def forward(self, x):
        return self.net(x)


class RefCnn(nn.Module):
    """Images z_t [B, 1, 28, 28] in [-0.5, 0.5] plus noise, and t / T [B] -> the noise in them [B, 1, 28, 28]."""

    def __init__(self, channels=(1, 16, 32, 32, 16)):
        super().__init__()
        pairs = list(zip(channels, channels[1:]))
        self.blocks = nn.ModuleList([Block(a, b) for a, b in pairs] + [nn.Conv2d(channels[-1], 1, 3, padding=1)])
        widths = [32, 128, 128, 128, channels[1]]
        layers = [layer for a, b in zip(widths, widths[1:]) for layer in (nn.Linear(a, b), nn.GELU())]
        self.time_embed = nn.Sequential(*layers[:-1])
        frequencies = [0.0] + [2 * math.pi * 1.5**i for i in range(15)]
        self.register_buffer("frequencies", torch.tensor(frequencies), persistent=False)

    def forward(self, x, t):
        phase = t[:, None] * self.frequencies
        time = self.time_embed(torch.cat([phase.sin(), phase.cos() - 1], dim=1))
        for i, block in enumerate(self.blocks):
            x = block(x)
            if i == 0:
                x = x + time[:, :, None, None]
        return x


def load(path="data/models/ddpm-reference.safetensors"):
    network = RefCnn()
    network.load_state_dict(load_file(path), strict=True)
    return network.eval()


if __name__ == "__main__":
    network = load(*sys.argv[1:2])
    print(sum(p.numel() for p in network.parameters()), "parameters")
    if len(sys.argv) > 2:
        pairs = load_file(sys.argv[2])
        with torch.no_grad():
            difference = (network(pairs["x"], pairs["t"]) - pairs["y"]).abs().max().item()
        print("largest difference", difference)
        sys.exit(0 if difference < 1e-4 else 1)
