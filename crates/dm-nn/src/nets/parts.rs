//! A batch in parts: threads work side by side, each through the whole network, and do not wait for one another at the end
//! of every loop.
//!
//! Parts do not depend on the number of threads, so that results do not; a thread without a part helps with the loops of
//! the others'.

use std::ops::Range;

use candle_core::{Result, Tensor};
use rayon::prelude::*;

use super::Network;

/// Images of a part. Several full registers of every machine: a part transforms the weights for itself.
const PART: usize = 64;

/// The places of a batch of `count` images, part by part.
pub fn parts(count: usize) -> Vec<Range<usize>> {
    (0..count).step_by(PART).map(|start| start..count.min(start + PART)).collect()
}

/// The rows of `tensor` in `part`.
///
/// # Errors
/// If it has fewer.
pub fn rows(tensor: &Tensor, part: &Range<usize>) -> Result<Tensor> {
    tensor.narrow(0, part.start, part.len())
}

/// A network that is only evaluated: a batch on the CPU goes through it in parts.
pub(super) struct InParts(pub Box<dyn Network>);

/// What `network` says of the parts of `x`, put together.
fn in_parts(x: &Tensor, network: impl Fn(&Range<usize>) -> Result<Tensor> + Sync + Send) -> Result<Tensor> {
    let count = x.dim(0)?;
    if count <= PART || !x.device().is_cpu() {
        return network(&(0..count));
    }
    let outputs = parts(count).par_iter().map(network).collect::<Result<Vec<_>>>()?;
    Tensor::cat(&outputs, 0)
}

impl Network for InParts {
    fn forward(&self, x: &Tensor, t: &Tensor) -> Result<Tensor> {
        in_parts(x, |part| self.0.forward(&rows(x, part)?, &rows(t, part)?))
    }

    fn forward_class(&self, x: &Tensor, t: &Tensor, classes: &[u8]) -> Result<Tensor> {
        if classes.len() != x.dim(0)? {
            // Not to be taken apart: the network says what is wrong.
            return self.0.forward_class(x, t, classes);
        }
        in_parts(x, |part| self.0.forward_class(&rows(x, part)?, &rows(t, part)?, &classes[part.clone()]))
    }
}
