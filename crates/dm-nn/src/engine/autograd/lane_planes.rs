//! Feature maps in the batch-lane layout, and the conversions to and from this layout.

use std::sync::{Arc, Mutex, PoisonError};

use candle_core::{CpuStorage, CustomOp1, Layout, Result, Shape, Tensor, bail};

use super::gradients::GradSlot;
use super::layout::{LaneShape, from_lanes, to_lanes};
use super::plane_data::PlaneData;
use super::token::{token, token_grad, with_slice};

/// Feature maps in the batch-lane layout.
#[derive(Clone)]
pub struct LanePlanes {
    /// The one-element tensor that stands for these feature maps in candle's graph.
    pub(crate) token: Tensor,
    /// Shape of the feature maps.
    pub(crate) shape: LaneShape,
    /// Values [blocks, C, H, W, LANES].
    pub(crate) data: Arc<PlaneData>,
    /// Gradient of the loss with respect to `data`.
    pub(crate) grad: Arc<GradSlot>,
}

impl LanePlanes {
    /// Converts an f32 tensor [B, C, H, W] on the CPU to the batch-lane layout.
    ///
    /// # Errors
    /// If the tensor has another rank, type or device, or if C, H or W is 0.
    pub fn enter(images: &Tensor) -> Result<Self> {
        let (batch, channels, height, width) = images.dims4()?;
        if channels * height * width == 0 {
            bail!("expected planes [B, C, H, W] with C, H and W above 0, found {:?}", images.shape());
        }
        let shape = LaneShape { batch, channels, height, width };
        let data = with_slice(images, |values| Ok(to_lanes(values, shape)))?;
        let grad = Arc::<GradSlot>::default();
        let token = images.apply_op1(Enter { shape, grad: grad.clone() })?;
        Ok(Self::new(token, shape, data, grad))
    }

    /// Converts back to an f32 tensor [B, C, H, W].
    ///
    /// # Errors
    /// If candle cannot apply the operation.
    pub fn leave(&self) -> Result<Tensor> {
        self.token.apply_op1(Leave {
            shape: self.shape,
            data: Mutex::new(Some(self.data.clone())),
            grad: self.grad.clone(),
        })
    }

    /// The result of an operation. `token` is what candle returned for the operation that adds to `grad`.
    pub(crate) fn new(
        token: Tensor,
        shape: LaneShape,
        data: impl Into<PlaneData>,
        grad: Arc<GradSlot>,
    ) -> Self {
        Self { token, shape, data: Arc::new(data.into()), grad }
    }
}

/// [B, C, H, W] -> batch-lane layout.
struct Enter {
    shape: LaneShape,
    grad: Arc<GradSlot>,
}

impl CustomOp1 for Enter {
    fn name(&self) -> &'static str {
        "lanes-enter"
    }

    fn cpu_fwd(&self, _: &CpuStorage, _: &Layout) -> Result<(CpuStorage, Shape)> {
        Ok(token())
    }

    fn bwd(&self, arg: &Tensor, _: &Tensor, _: &Tensor) -> Result<Option<Tensor>> {
        let Some(grad) = self.grad.take_data() else { return Ok(None) };
        Tensor::from_vec(from_lanes(&grad, self.shape), arg.shape(), arg.device()).map(Some)
    }
}

/// Batch-lane layout -> [B, C, H, W].
struct Leave {
    shape: LaneShape,
    data: Mutex<Option<Arc<PlaneData>>>,
    grad: Arc<GradSlot>,
}

impl CustomOp1 for Leave {
    fn name(&self) -> &'static str {
        "lanes-leave"
    }

    fn cpu_fwd(&self, _: &CpuStorage, _: &Layout) -> Result<(CpuStorage, Shape)> {
        // The values are taken so that they are freed early: the backward pass does not need them.
        let data = self.data.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(data) = data else { bail!("lanes-leave: the forward pass runs once") };
        let LaneShape { batch, channels, height, width } = self.shape;
        let shape = Shape::from((batch, channels, height, width));
        Ok((CpuStorage::F32(from_lanes(&data, self.shape)), shape))
    }

    fn bwd(&self, _: &Tensor, _: &Tensor, grad_res: &Tensor) -> Result<Option<Tensor>> {
        let grad = with_slice(grad_res, |values| Ok(to_lanes(values, self.shape)))?;
        self.grad.accumulate(grad);
        token_grad()
    }
}
