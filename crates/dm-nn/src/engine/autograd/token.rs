//! Tokens, the one-element tensors that stand for feature maps in candle's graph, and access to the values of tensors.

use candle_core::{CpuStorage, DType, Device, Layout, Result, Shape, Storage, Tensor, bail};

/// Storage and shape of a token: what `cpu_fwd` of every operation on feature maps returns.
pub(crate) fn token() -> (CpuStorage, Shape) {
    (CpuStorage::F32(vec![0.0]), Shape::from(1))
}

/// Gradient of a token: a zero that makes candle's backward pass go on to the operation that made the token.
pub(crate) fn token_grad() -> Result<Option<Tensor>> {
    Tensor::zeros(1, DType::F32, &Device::Cpu).map(Some)
}

const EXPECTED: &str = "the engine takes f32 tensors on the CPU";

/// The values of a contiguous f32 tensor.
pub(crate) fn slice<'a>(storage: &'a CpuStorage, layout: &Layout) -> Result<&'a [f32]> {
    let CpuStorage::F32(values) = storage else { bail!("{EXPECTED}") };
    let Some((start, end)) = layout.contiguous_offsets() else {
        bail!("expected a contiguous tensor, found {layout:?}")
    };
    Ok(&values[start..end])
}

/// Runs `f` on the values of an f32 tensor on the CPU, which are copied first if they are not contiguous.
pub(crate) fn with_slice<R>(tensor: &Tensor, f: impl FnOnce(&[f32]) -> Result<R>) -> Result<R> {
    let tensor = tensor.contiguous()?;
    let (storage, layout) = tensor.storage_and_layout();
    let Storage::Cpu(storage) = &*storage else { bail!("{EXPECTED}") };
    f(slice(storage, layout)?)
}
