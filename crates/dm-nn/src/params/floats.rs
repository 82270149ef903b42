//! Floating-point numbers of any type as f32.

use candle_core::{DType, Device, Tensor};

/// The items of type `item` in `bytes`, in little-endian order, as f32. Bytes after the last whole item are left out.
///
/// # Errors
/// A message, if candle cannot convert the type.
pub(super) fn to_f32(bytes: &[u8], item: DType) -> Result<Vec<f32>, String> {
    let size = item.size_in_bytes().max(1);
    let count = bytes.len() / size;
    if count == 0 {
        return Ok(Vec::new());
    }
    let whole = bytes.get(..count * size).unwrap_or_default();
    Tensor::from_raw_buffer(whole, item, &[count], &Device::Cpu)
        .and_then(|values| values.to_dtype(DType::F32)?.to_vec1::<f32>())
        // candle appends a backtrace.
        .map_err(|e| e.to_string().lines().next().unwrap_or_default().to_owned())
}
