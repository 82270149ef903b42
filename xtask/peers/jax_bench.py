"""JAX for `cargo xtask bench --against-peers`: training steps of the same networks, compiled as a whole.

Usage: jax_bench.py jax; protocol.py has the protocol.
"""

import math
import sys

import protocol

try:
    import jax
    import jax.numpy as jnp
except ImportError as error:
    protocol.missing("JAX", "pip install jax", error)


class Parameters:
    """Makes random parameters on a network's first call, and returns them in the same order on all others."""

    def __init__(self, values=None):
        self.values, self.new, self.at = values or [], values is None, 0

    def take(self, shape, fan_in=None):
        if self.new:
            bound = 1 / math.sqrt(fan_in) if fan_in else None
            key = jax.random.key(len(self.values))
            ones = jnp.ones(shape)
            self.values.append(jax.random.uniform(key, shape, minval=-bound, maxval=bound) if bound else ones)
        self.at += 1
        return self.values[self.at - 1]

    def conv(self, x, out, kernel, stride=1):
        fan_in = x.shape[1] * kernel * kernel
        weight = self.take((out, x.shape[1], kernel, kernel), fan_in)
        pad = [(kernel // 2, kernel // 2)] * 2
        return jax.lax.conv_general_dilated(x, weight, (stride, stride), pad) + self.take((out, 1, 1), fan_in)

    def linear(self, x, out):
        weight = self.take((x.shape[-1], out), x.shape[-1])
        return x @ weight + self.take((out,), x.shape[-1])

    def mlp(self, x, widths, activation):
        for i, width in enumerate(widths):
            x = self.linear(x if i == 0 else activation(x), width)
        return x

    def norm(self, x, groups):
        b, c, h, w = x.shape
        y = x.reshape(b, groups, -1)
        y = (y - y.mean(-1, keepdims=True)) / jnp.sqrt(y.var(-1, keepdims=True) + 1e-5)
        return y.reshape(x.shape) * self.take((c, 1, 1)) + self.take((c, 1, 1))

    def layer_norm(self, x):
        y = (x - x.mean((1, 2, 3), keepdims=True)) / jnp.sqrt(x.var((1, 2, 3), keepdims=True) + 1e-5)
        return y * self.take(x.shape[1:]) + self.take(x.shape[1:])

    def residual(self, x, out, time):
        h = self.conv(jax.nn.silu(self.norm(x, 8)), out, 3) + self.linear(time, out)[:, :, None, None]
        h = self.conv(jax.nn.silu(self.norm(h, 8)), out, 3)
        return h + (x if x.shape[1] == out else self.conv(x, out, 1))


def ref_cnn(p, x, t):
    """crates/dm-nn/src/nets/ref_cnn.rs."""
    gelu = lambda x: jax.nn.gelu(x, approximate=False)
    phase = t[:, None] * jnp.array([0.0] + [2 * math.pi * 1.5**i for i in range(15)])
    time = p.mlp(jnp.concatenate([jnp.sin(phase), jnp.cos(phase) - 1], 1), [128, 128, 128, 16], gelu)
    for i, out in enumerate([16, 32, 32, 16]):
        x = gelu(p.layer_norm(p.conv(x, out, 7)))
        if i == 0:
            x = x + time[:, :, None, None]
    return p.conv(x, 1, 3)


def unet(p, x, t):
    """The U-Net of data/configs/ddpm-unet.toml; crates/dm-nn/src/nets/unet.rs."""
    phase = t[:, None] * jnp.logspace(0, 3, 32)
    time = jax.nn.silu(p.mlp(jnp.concatenate([jnp.sin(phase), jnp.cos(phase)], 1), [128, 128], jax.nn.silu))
    double = lambda x: x.repeat(2, 2).repeat(2, 3)
    both = lambda a, b: jnp.concatenate([a, b], 1)
    h0 = p.residual(p.conv(x, 32, 3), 32, time)
    h1 = p.residual(p.conv(h0, 32, 3, 2), 64, time)
    h2 = p.residual(p.conv(h1, 64, 3, 2), 64, time)
    h = p.residual(both(p.residual(h2, 64, time), h2), 64, time)
    h = p.residual(both(p.conv(double(h), 64, 3), h1), 64, time)
    h = p.residual(both(p.conv(double(h), 32, 3), h0), 32, time)
    return p.conv(jax.nn.silu(p.norm(h, 8)), x.shape[1], 3)


class Steps:
    """A network, its optimizer and one batch, as data/configs says: Adam, or AdamW with clipping and a moving average."""

    def __init__(self, name, count):
        network, height, width, channels = protocol.shape(name)
        net = {"ref_cnn": ref_cnn, "unet": unet}[network]
        keys = jax.random.split(jax.random.key(7), 3)
        self.x, target = (jax.random.normal(key, (count, channels, height, width)) for key in keys[:2])
        self.t = jax.random.uniform(keys[2], (count,))
        first = Parameters()
        net(first, self.x[:1], self.t[:1])
        self.parameters = sum(value.size for value in first.values)
        copies = lambda factor: [factor * value for value in first.values]
        self.state = (copies(1.0), copies(0.0), copies(0.0), copies(1.0), jnp.zeros(()))
        is_unet = network == "unet"
        rate, decay = (1e-3, 0.01) if is_unet else (2e-4, 0.0)

        def loss(values, x, t, target):
            return jnp.mean((net(Parameters(values), x, t) - target) ** 2)

        def step(state, x, t, target):
            values, means, squares, average, n = state
            error, grads = jax.value_and_grad(loss)(values, x, t, target)
            if is_unet:
                length = jnp.sqrt(sum((grad**2).sum() for grad in grads))
                grads = [grad * jnp.minimum(1.0, 1.0 / (length + 1e-6)) for grad in grads]
            n = n + 1
            means = [0.9 * m + 0.1 * g for m, g in zip(means, grads)]
            squares = [0.999 * s + 0.001 * g * g for s, g in zip(squares, grads)]
            update = lambda v, m, s: v - rate * (m / (1 - 0.9**n) / (jnp.sqrt(s / (1 - 0.999**n)) + 1e-8) + decay * v)
            values = [update(v, m, s) for v, m, s in zip(values, means, squares)]
            average = [0.999 * a + 0.001 * v for a, v in zip(average, values)] if is_unet else average
            return (values, means, squares, average, n), error

        self.step, self.target = jax.jit(step, donate_argnums=0), target

    def train(self):
        self.state, error = self.step(self.state, self.x, self.t, self.target)
        if not math.isfinite(float(error)):
            raise ArithmeticError("the loss is no longer a number")


if sys.argv[1:] != ["jax"]:
    sys.exit(__doc__)
protocol.serve(f"JAX {jax.__version__}", Steps)
