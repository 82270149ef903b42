//! A batch in parts: threads work side by side, each through the whole network, and do not wait for one another at the end
//! of every loop.
//!
//! Parts do not depend on the number of threads, so that results do not; a thread without a part helps with the loops of
//! the others'.

use std::ops::Range;

use candle_core::{Device, Result, Tensor};
use rayon::prelude::*;

use super::Network;

/// Images of a part, at most: several full registers of every machine, for in training a part transforms the weights for
/// itself.
const PART: usize = 64;
/// Parts are multiples of it: images of the widest register.
const LANES: usize = 16;

/// The places of a batch of `count` images, part by part, about as many in each; in one on devices other than the CPU.
pub fn parts(count: usize, device: &Device) -> Vec<Range<usize>> {
    if count <= PART || !device.is_cpu() {
        return std::iter::once(0..count).collect();
    }
    let size = count.div_ceil(count.div_ceil(PART)).next_multiple_of(LANES);
    (0..count).step_by(size).map(|start| start..count.min(start + size)).collect()
}

/// The images in `part` of `tensor` [B, ...].
///
/// # Errors
/// If it has fewer.
pub fn rows(tensor: &Tensor, part: &Range<usize>) -> Result<Tensor> {
    tensor.narrow(0, part.start, part.len())
}

/// A network that is only evaluated: a batch on the CPU goes through it in parts.
pub(super) struct InParts(pub Box<dyn Network>);

/// What `network` says of the parts of `x` [B, C, 28, 28] and `t` `[B]`, put together.
fn in_parts(
    x: &Tensor,
    t: &Tensor,
    network: impl Fn(&Tensor, &Tensor, Range<usize>) -> Result<Tensor> + Sync,
) -> Result<Tensor> {
    let count = x.dim(0)?;
    let parts = parts(count, x.device());
    // Times that do not fit the images are not taken apart: the network says what is wrong.
    if parts.len() == 1 || t.dims() != [count] {
        return network(x, t, 0..count);
    }
    let one = |part: Range<usize>| network(&rows(x, &part)?, &rows(t, &part)?, part);
    Tensor::cat(&parts.into_par_iter().map(one).collect::<Result<Vec<_>>>()?, 0)
}

impl Network for InParts {
    fn forward(&self, x: &Tensor, t: &Tensor) -> Result<Tensor> {
        in_parts(x, t, |x, t, _| self.0.forward(x, t))
    }

    fn forward_class(&self, x: &Tensor, t: &Tensor, classes: &[u8]) -> Result<Tensor> {
        if classes.len() != x.dim(0)? {
            return self.0.forward_class(x, t, classes);
        }
        in_parts(x, t, |x, t, part| self.0.forward_class(x, t, &classes[part]))
    }
}
