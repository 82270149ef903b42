//! Evaluating a batch in parts: each thread takes one part through the whole network.
//!
//! Threads that share every loop of a network wait for one another at the end of each loop. Threads with parts of their
//! own do not. The division into parts does not depend on the number of threads, and therefore neither do the results. A
//! thread without a part helps with the loops of the others; if there is only one part, it is kept awake for them.

use std::ops::Range;

use candle_core::{Device, Result, Tensor};
use rayon::prelude::*;

use super::network::Network;
use crate::threads::on_awake_threads;

/// The largest number of images in a part. A part should fill several SIMD registers, because in training every part
/// transforms the weights again.
const PART: usize = 64;
/// The number of images in a part is a multiple of the number of lanes of the widest SIMD register.
const LANES: usize = 16;

/// Divides a batch of `count` images into consecutive parts of about equal size. On devices other than the CPU the whole
/// batch is one part.
pub fn parts(count: usize, device: &Device) -> Vec<Range<usize>> {
    if count <= PART || !device.is_cpu() {
        return std::iter::once(0..count).collect();
    }
    let size = count.div_ceil(count.div_ceil(PART)).next_multiple_of(LANES);
    (0..count).step_by(size).map(|start| start..count.min(start + size)).collect()
}

/// The rows `part` of `tensor` [B, ...].
///
/// # Errors
/// If the tensor has fewer rows.
pub fn rows(tensor: &Tensor, part: &Range<usize>) -> Result<Tensor> {
    tensor.narrow(0, part.start, part.len())
}

/// Wraps a network that will not be trained so that it evaluates each batch in parallel [`parts`]. A network that will be
/// trained is returned as it is.
pub fn in_parts(network: impl Network + 'static, trainable: bool) -> Box<dyn Network> {
    if trainable { Box::new(network) } else { Box::new(InParts(network)) }
}

/// A network that evaluates each batch in parallel parts.
struct InParts<N>(N);

/// Applies `network` to the parts of `x` [B, C, H, W] and `t` `[B]` and concatenates the results.
fn forward_parts(
    x: &Tensor,
    t: &Tensor,
    network: impl Fn(&Tensor, &Tensor, Range<usize>) -> Result<Tensor> + Sync,
) -> Result<Tensor> {
    let count = x.dim(0)?;
    let parts = parts(count, x.device());
    // If times and images differ in number, the network itself reports the error.
    if parts.len() == 1 || t.dims() != [count] {
        let whole = || network(x, t, 0..count);
        return if x.device().is_cpu() { on_awake_threads(whole) } else { whole() };
    }
    let one = |part: Range<usize>| network(&rows(x, &part)?, &rows(t, &part)?, part);
    Tensor::cat(&parts.into_par_iter().map(one).collect::<Result<Vec<_>>>()?, 0)
}

impl<N: Network> Network for InParts<N> {
    fn forward(&self, x: &Tensor, t: &Tensor) -> Result<Tensor> {
        forward_parts(x, t, |x, t, _| self.0.forward(x, t))
    }

    fn forward_class(&self, x: &Tensor, t: &Tensor, classes: &[u8]) -> Result<Tensor> {
        if classes.len() != x.dim(0)? {
            return self.0.forward_class(x, t, classes);
        }
        forward_parts(x, t, |x, t, part| self.0.forward_class(x, t, &classes[part]))
    }
}
