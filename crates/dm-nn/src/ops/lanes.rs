//! The batch-lane layout and its place in candle's autograd.
//!
//! A batch of feature maps [B, C, H, W] is stored as [B/LANES, C, H, W, LANES]: the innermost axis is LANES images, so a
//! kernel works on whole SIMD vectors with weights broadcast, without shuffles or horizontal sums. A last block that is
//! not full is padded with zeros; padded lanes are computed and never read.
//!
//! The planes themselves are not candle tensors. Each [`LanePlanes`] owns a one-element *token* tensor that stands for it
//! in candle's graph: an operation is a candle custom operation from tokens (and parameter tensors) to a token, so
//! candle decides the order of the backward pass, while activations and their gradients travel beside it in pooled
//! buffers. The reason is cost: for every edge of the graph candle's backward pass allocates a tensor of zeros and adds
//! the gradient to it on one thread, which for these networks takes longer than all convolutions together.
//!
//! The contract of an operation: in its `bwd`, take the output's gradient from its [`GradSlot`], add each input's
//! gradient to that input's slot, and return [`token_grad`] for input tokens and real gradients for parameters.

use std::sync::{Arc, Mutex, PoisonError};

use candle_core::{CpuStorage, CustomOp1, Device, Layout, Result, Shape, Storage, Tensor};
use rayon::prelude::*;

use super::plane_data::PlaneData;
use super::pool::Buffer;
use super::simd::lanes;

/// Meaning of a lane buffer: a batch of feature maps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct LaneShape {
    /// Images, padding not counted.
    pub batch: usize,
    /// Channels.
    pub channels: usize,
    /// Rows.
    pub height: usize,
    /// Columns.
    pub width: usize,
}

impl LaneShape {
    /// Lane blocks: the batch in units of LANES images, rounded up.
    pub fn blocks(&self) -> usize {
        self.batch.div_ceil(lanes())
    }

    /// Pixels of one plane.
    pub fn pixels(&self) -> usize {
        self.height * self.width
    }

    /// Floats of one (block, channel) plane: pixels x LANES.
    pub fn plane(&self) -> usize {
        self.pixels() * lanes()
    }

    /// Floats of the whole buffer, padding included.
    pub fn len(&self) -> usize {
        self.blocks() * self.channels * self.plane()
    }

    /// Twice the height and width.
    pub fn doubled(self) -> Self {
        Self { height: 2 * self.height, width: 2 * self.width, ..self }
    }

    /// Half the height and width, which are even.
    pub fn halved(self) -> Self {
        Self { height: self.height / 2, width: self.width / 2, ..self }
    }

    /// The same batch with other channels.
    pub fn with_channels(self, channels: usize) -> Self {
        Self { channels, ..self }
    }
}

/// Where the gradient of one [`LanePlanes`] gathers during the backward pass. A gradient that is the same for several
/// planes (both terms of a sum) is shared until someone changes it; most are only read.
#[derive(Default)]
pub(crate) struct GradSlot(Mutex<Option<Arc<PlaneData>>>);

impl GradSlot {
    /// Adds `grad` (a [`Buffer`], or planes still to be computed); the first one is moved in.
    pub fn accumulate(&self, grad: impl Into<PlaneData>) {
        self.accumulate_shared(Arc::new(grad.into()));
    }

    /// Adds `grad`, which others may hold too.
    pub fn accumulate_shared(&self, grad: Arc<PlaneData>) {
        let mut slot = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *slot = Some(match slot.take() {
            None => grad,
            Some(sum) => {
                // Into the one that may be changed, if there is one; a sum does not depend on the order of its terms.
                let changeable = |data: &Arc<PlaneData>| Arc::strong_count(data) == 1 && data.is_buffer();
                let (sum, other) =
                    if changeable(&grad) && !changeable(&sum) { (grad, sum) } else { (sum, grad) };
                let mut sum = own(sum);
                other.add_to(&mut sum);
                Arc::new(sum.into())
            }
        });
    }

    /// Takes what has gathered, to be changed; `None` if nothing depends on these planes.
    pub fn take(&self) -> Option<Buffer> {
        self.take_data().map(own)
    }

    /// Like [`Self::take`], to be read.
    pub fn take_data(&self) -> Option<Arc<PlaneData>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

/// The values as a buffer of one's own: the one they are in, or a copy while somebody else holds it.
fn own(data: Arc<PlaneData>) -> Buffer {
    match Arc::try_unwrap(data) {
        Ok(data) => data.into_buffer(),
        Err(shared) => {
            let mut copy = Buffer::stale(shared.len());
            let chunks = copy.par_chunks_mut(CHUNK).zip(shared.par_chunks(CHUNK));
            chunks.for_each(|(copy, shared)| copy.copy_from_slice(shared));
            copy
        }
    }
}

/// Floats of an elementwise task: 128 KB, so that its operands stay in L2.
pub(crate) const CHUNK: usize = 1 << 15;

/// Feature maps in the batch-lane layout.
#[derive(Clone)]
pub struct LanePlanes {
    /// One-element tensor that stands for these planes in candle's graph.
    pub(crate) token: Tensor,
    /// What the buffer means.
    pub(crate) shape: LaneShape,
    /// Values [blocks, C, H, W, LANES].
    pub(crate) data: Arc<PlaneData>,
    /// Gradient of the loss with respect to `data`.
    pub(crate) grad: Arc<GradSlot>,
}

/// The storage and shape of a token: what `cpu_fwd` of every lane operation returns.
pub(crate) fn token() -> (CpuStorage, Shape) {
    (CpuStorage::F32(vec![0.0]), Shape::from(1))
}

/// The gradient of a token: a zero that keeps candle's backward pass going.
pub(crate) fn token_grad() -> Result<Option<Tensor>> {
    Tensor::zeros(1, candle_core::DType::F32, &Device::Cpu).map(Some)
}

const EXPECTED: &str = "the engine takes f32 tensors on the CPU";

/// The content of a contiguous f32 tensor.
pub(crate) fn slice<'a>(storage: &'a CpuStorage, layout: &Layout) -> Result<&'a [f32]> {
    let CpuStorage::F32(values) = storage else { candle_core::bail!("{EXPECTED}") };
    let Some((start, end)) = layout.contiguous_offsets() else {
        candle_core::bail!("expected a contiguous tensor, found {layout:?}")
    };
    Ok(&values[start..end])
}

/// Runs `f` on the contiguous f32 content of a CPU tensor.
pub(crate) fn with_slice<R>(tensor: &Tensor, f: impl FnOnce(&[f32]) -> Result<R>) -> Result<R> {
    let tensor = tensor.contiguous()?;
    let (storage, layout) = tensor.storage_and_layout();
    let Storage::Cpu(storage) = &*storage else { candle_core::bail!("{EXPECTED}") };
    f(slice(storage, layout)?)
}

/// [B, C, H, W] -> lane buffer.
fn to_lanes(values: &[f32], shape: LaneShape) -> Buffer {
    let l = lanes();
    let image = shape.channels * shape.pixels();
    let mut out = Buffer::stale(shape.len());
    out.par_chunks_mut(shape.plane()).enumerate().for_each(|(i, plane)| {
        let (block, channel) = (i / shape.channels, i % shape.channels);
        if (block + 1) * l > shape.batch {
            plane.fill(0.0);
        }
        for lane in 0..l.min(shape.batch - block * l) {
            let start = (block * l + lane) * image + channel * shape.pixels();
            let source = &values[start..start + shape.pixels()];
            plane[lane..].iter_mut().step_by(l).zip(source).for_each(|(o, v)| *o = *v);
        }
    });
    out
}

/// Lane buffer -> [B, C, H, W].
fn from_lanes(buffer: &[f32], shape: LaneShape) -> Vec<f32> {
    let l = lanes();
    let mut out = vec![0.0; shape.batch * shape.channels * shape.pixels()];
    out.par_chunks_mut(shape.pixels()).enumerate().for_each(|(i, target)| {
        let (image, channel) = (i / shape.channels, i % shape.channels);
        let plane = (image / l * shape.channels + channel) * shape.plane();
        let source = buffer[plane + image % l..plane + shape.plane()].iter().step_by(l);
        target.iter_mut().zip(source).for_each(|(o, v)| *o = *v);
    });
    out
}

impl LanePlanes {
    /// Enters the layout from an f32 CPU tensor [B, C, H, W].
    ///
    /// # Errors
    /// If it is of another rank, type or device, or its images have nothing in them.
    pub fn enter(images: &Tensor) -> Result<Self> {
        let (batch, channels, height, width) = images.dims4()?;
        if channels * height * width == 0 {
            candle_core::bail!(
                "expected planes [B, C, H, W] with C, H and W above 0, found {:?}",
                images.shape()
            );
        }
        let shape = LaneShape { batch, channels, height, width };
        let data = with_slice(images, |values| Ok(to_lanes(values, shape)))?;
        let grad = Arc::<GradSlot>::default();
        let token = images.apply_op1(Enter { shape, grad: grad.clone() })?;
        Ok(Self::new(token, shape, data, grad))
    }

    /// Leaves the layout: a tensor [B, C, H, W].
    ///
    /// # Errors
    /// If the tensor library fails.
    pub fn leave(&self) -> Result<Tensor> {
        self.token.apply_op1(Leave {
            shape: self.shape,
            data: Mutex::new(Some(self.data.clone())),
            grad: self.grad.clone(),
        })
    }

    /// New planes of the result of an operation; `token` is what the operation returned for `grad`.
    pub(crate) fn new(
        token: Tensor,
        shape: LaneShape,
        data: impl Into<PlaneData>,
        grad: Arc<GradSlot>,
    ) -> Self {
        Self { token, shape, data: Arc::new(data.into()), grad }
    }
}

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
        // Taken, not kept: the backward pass does not need the values.
        let data = self.data.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(data) = data else { candle_core::bail!("lanes-leave runs once") };
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
