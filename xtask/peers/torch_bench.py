"""The PyTorch program of `cargo xtask bench`: the same networks, batches and optimizers as in Rust.

Usage: torch_bench.py VARIANT, one of eager, channels_last, compiled, compiled_channels_last; protocol.py has the protocol.
"""

import copy
import math
import sys
import time

import protocol

INSTALL = "python3 -m venv target/torch && target/torch/bin/pip install torch numpy, then --python target/torch/bin/python"

try:
    import torch
    import torch.nn as nn
    import torch.nn.functional as F
    from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn
except ImportError as error:
    protocol.missing("PyTorch", INSTALL, error)


def mlp(widths, activation):
    pairs = list(zip(widths, widths[1:]))
    layers = [layer for a, b in pairs for layer in (nn.Linear(a, b), activation())]
    return nn.Sequential(*layers[:-1])


class RefCnn(nn.Module):
    """The starter notebook's network, LayerNorm over (C, 28, 28); crates/dm-nn/src/nets/ref_cnn.rs."""

    def __init__(self):
        super().__init__()
        channels = [1, 16, 32, 32, 16]
        pairs = list(zip(channels, channels[1:]))
        self.convs = nn.ModuleList(nn.Conv2d(a, b, 7, padding=3) for a, b in pairs)
        self.norms = nn.ModuleList(nn.LayerNorm((b, 28, 28)) for _, b in pairs)
        self.last = nn.Conv2d(16, 1, 3, padding=1)
        self.time = mlp([32, 128, 128, 128, 16], nn.GELU)
        frequencies = [0.0] + [2 * math.pi * 1.5**i for i in range(15)]
        self.register_buffer("frequencies", torch.tensor(frequencies))

    def forward(self, x, t):
        phase = t[:, None] * self.frequencies
        time_code = self.time(torch.cat([phase.sin(), phase.cos() - 1], 1))
        for i, (conv, norm) in enumerate(zip(self.convs, self.norms)):
            x = F.gelu(norm(conv(x)))
            if i == 0:
                x = x + time_code[:, :, None, None]
        return self.last(x)


class Residual(nn.Module):
    def __init__(self, a, b, time=128, groups=8):
        super().__init__()
        self.norm1, self.conv1 = nn.GroupNorm(groups, a), nn.Conv2d(a, b, 3, padding=1)
        self.time = nn.Linear(time, b)
        self.norm2, self.conv2 = nn.GroupNorm(groups, b), nn.Conv2d(b, b, 3, padding=1)
        self.skip = nn.Conv2d(a, b, 1) if a != b else nn.Identity()

    def forward(self, x, time):
        h = self.conv1(F.silu(self.norm1(x))) + self.time(time)[:, :, None, None]
        return self.conv2(F.silu(self.norm2(h))) + self.skip(x)


class UNet(nn.Module):
    """The U-Net of data/configs/ddpm-unet.toml; crates/dm-nn/src/nets/unet.rs."""

    def __init__(self, channels):
        super().__init__()
        c0, c1, c2 = 32, 64, 64
        self.time = nn.Sequential(mlp([64, 128, 128], nn.SiLU), nn.SiLU())
        self.register_buffer("frequencies", torch.logspace(0, 3, 32))
        self.input = nn.Conv2d(channels, c0, 3, padding=1)
        self.down = nn.ModuleList([Residual(c0, c0), Residual(c0, c1), Residual(c1, c2)])
        self.shrink = nn.ModuleList(nn.Conv2d(c, c, 3, stride=2, padding=1) for c in (c0, c1))
        self.middle = Residual(c2, c2)
        self.up = nn.ModuleList([Residual(2 * c0, c0), Residual(2 * c1, c1), Residual(2 * c2, c2)])
        self.grow = nn.ModuleList([nn.Conv2d(c1, c0, 3, padding=1), nn.Conv2d(c2, c1, 3, padding=1)])
        self.norm, self.output = nn.GroupNorm(8, c0), nn.Conv2d(c0, channels, 3, padding=1)

    def forward(self, x, t):
        phase = t[:, None] * self.frequencies
        time_code = self.time(torch.cat([phase.sin(), phase.cos()], 1))
        h0 = self.down[0](self.input(x), time_code)
        h1 = self.down[1](self.shrink[0](h0), time_code)
        h2 = self.down[2](self.shrink[1](h1), time_code)
        h = self.up[2](torch.cat([self.middle(h2, time_code), h2], 1), time_code)
        h = self.grow[1](F.interpolate(h, scale_factor=2.0, mode="nearest"))
        h = self.up[1](torch.cat([h, h1], 1), time_code)
        h = self.grow[0](F.interpolate(h, scale_factor=2.0, mode="nearest"))
        h = self.up[0](torch.cat([h, h0], 1), time_code)
        return self.output(F.silu(self.norm(h)))


class Steps:
    """A network, its optimiser and one batch, as data/configs says: Adam, or AdamW with clipping and a moving average of the weights."""

    def __init__(self, name, variant, count):
        torch.manual_seed(0)
        network, height, width, channels = protocol.shape(name)
        self.network = RefCnn() if network == "ref_cnn" else UNet(channels)
        self.parameters = sum(p.numel() for p in self.network.parameters())
        self.layout = torch.channels_last if variant.endswith("channels_last") else torch.contiguous_format
        self.network = self.network.to(memory_format=self.layout)
        self.call = torch.compile(self.network) if variant.startswith("compiled") else self.network
        self.is_unet = network == "unet"
        images = lambda: torch.randn(count, channels, height, width).contiguous(memory_format=self.layout)
        self.x, self.target, self.t = images(), images(), torch.rand(count)
        self.average = None
        self.optimizer = None

    def prepare_training(self):
        """Chooses the faster of the fused and the foreach optimiser. Both are timed on a copy of the network."""
        if self.is_unet:
            self.average = AveragedModel(self.network, multi_avg_fn=get_ema_multi_avg_fn(0.999))
        times = {kind: self.time_optimizer(kind) for kind in ("fused", "foreach")}
        best = min(times, key=times.get)
        self.optimizer = self.make_optimizer(self.network, best)

    def make_optimizer(self, network, kind):
        options = {kind: True}
        if self.is_unet:
            return torch.optim.AdamW(network.parameters(), lr=1e-3, weight_decay=0.01, **options)
        return torch.optim.Adam(network.parameters(), lr=2e-4, **options)

    def time_optimizer(self, kind):
        network = copy.deepcopy(self.network)
        for parameter in network.parameters():
            parameter.grad = torch.randn_like(parameter)
        optimizer, times = self.make_optimizer(network, kind), []
        for _ in range(5):
            start = time.perf_counter()
            optimizer.step()
            times.append(time.perf_counter() - start)
        return min(times)

    def train(self):
        if self.optimizer is None:
            self.prepare_training()
        self.optimizer.zero_grad(set_to_none=True)
        loss = F.mse_loss(self.call(self.x, self.t), self.target)
        loss.backward()
        if self.is_unet:
            nn.utils.clip_grad_norm_(self.network.parameters(), 1.0, foreach=True)
        self.optimizer.step()
        if self.average is not None:
            self.average.update_parameters(self.network)
        if not math.isfinite(loss.item()):
            raise ArithmeticError("the loss is no longer a number")

    def forward(self):
        with torch.inference_mode():
            self.call(self.x, self.t)


def main():
    variant = sys.argv[1] if len(sys.argv) == 2 else ""
    if variant not in ("eager", "channels_last", "compiled", "compiled_channels_last"):
        sys.exit(__doc__)
    torch.set_num_threads(protocol.threads())
    protocol.serve(f"PyTorch {torch.__version__}", lambda name, count: Steps(name, variant, count))


if __name__ == "__main__":
    main()
