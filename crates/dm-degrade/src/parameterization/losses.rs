//! The losses of a batch as one operation of candle's graph: one parallel pass over the images forward and one backward,
//! where candle's own elementwise operations would pass over the batch a dozen times.

use std::sync::Arc;

use candle_core::{CpuStorage, CustomOp2, Device, Layout, Result, Shape, Tensor, bail};
use dm_nn::image::ImageShape;
use rayon::prelude::*;

use super::definition::Parameterization;

/// The loss of each image, `[B]`, from the network's output and the targets, both [B, C, H, W]. Gradients flow to the output
/// only. On a device other than the CPU the loss is computed on copies on the host, which takes little time beside a network.
///
/// # Errors
/// If the shapes do not fit.
pub fn losses(
    parameterization: &Arc<dyn Parameterization>,
    output: &Tensor,
    target: &Tensor,
) -> Result<Tensor> {
    let (_, channels, height, width) = output.dims4()?;
    if output.dims() != target.dims() {
        bail!("losses: found targets {:?}, expected the output's {:?}", target.dims(), output.dims());
    }
    let op = PerImage {
        parameterization: parameterization.clone(),
        shape: ImageShape::new(channels, height, width),
    };
    let host = |tensor: &Tensor| tensor.to_device(&Device::Cpu)?.contiguous();
    host(output)?.apply_op2(&host(target)?, op)?.to_device(output.device())
}

/// Output and target, [B, C, H, W] each, to the loss of each image, `[B]`.
struct PerImage {
    parameterization: Arc<dyn Parameterization>,
    shape: ImageShape,
}

impl CustomOp2 for PerImage {
    fn name(&self) -> &'static str {
        "loss of each image"
    }

    fn cpu_fwd(
        &self,
        output: &CpuStorage,
        output_layout: &Layout,
        target: &CpuStorage,
        target_layout: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let output = values(output, output_layout)?.par_chunks_exact(self.shape.len());
        let target = values(target, target_layout)?.par_chunks_exact(self.shape.len());
        let loss = |(output, target)| self.parameterization.loss(self.shape, output, target);
        let losses: Vec<f32> = output.zip(target).map(loss).collect();
        let shape = Shape::from(losses.len());
        Ok((CpuStorage::F32(losses), shape))
    }

    fn bwd(
        &self,
        output: &Tensor,
        target: &Tensor,
        _losses: &Tensor,
        grad: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>)> {
        let host = |tensor: &Tensor| tensor.flatten_all()?.to_vec1::<f32>();
        let (scales, outputs, targets) = (host(grad)?, host(output)?, host(target)?);
        let len = self.shape.len();
        let mut gradient = vec![0.0; outputs.len()];
        let slots = gradient.par_chunks_exact_mut(len).zip(&scales);
        let images = outputs.par_chunks_exact(len).zip(targets.par_chunks_exact(len));
        slots.zip(images).for_each(|((gradient, &scale), (output, target))| {
            self.parameterization.loss_gradient(self.shape, output, target, scale, gradient);
        });
        Ok((Some(Tensor::from_vec(gradient, output.shape(), output.device())?), None))
    }
}

/// The floats of a contiguous tensor.
fn values<'a>(storage: &'a CpuStorage, layout: &Layout) -> Result<&'a [f32]> {
    match layout.contiguous_offsets() {
        Some((start, end)) => Ok(&storage.as_slice::<f32>()?[start..end]),
        None => bail!("losses: found a strided tensor, expected a contiguous one"),
    }
}
