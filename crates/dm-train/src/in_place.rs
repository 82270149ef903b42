//! In-place arithmetic on parameters for the optimizer and the moving average of the weights, the norm of gradients, and the search
//! for numbers that are not finite.
//!
//! On the CPU each operation is one pass over the parameter. candle's own operations would write a new tensor for every term,
//! and for 64k elements or more they would start a second pool of threads, which spin beside the engine's threads. On other
//! devices candle's operations are used.

use std::sync::atomic::{AtomicBool, Ordering};

use candle_core::{CpuStorage, InplaceOp2, InplaceOp3, Layout, Result, Storage, Tensor, Var, bail};

/// x <- keep x + add f(y), where f is the identity or the square.
struct Blend {
    keep: f32,
    add: f32,
    square: bool,
}

/// x <- keep x - rate m / (root sqrt(v) + eps).
struct Descend {
    keep: f32,
    rate: f32,
    root: f32,
    eps: f32,
    /// Becomes false if an element of x, m or v is infinite or not a number after the update.
    finite: AtomicBool,
}

/// The bits of a float without those of its sign. They are less than [`INFINITE`] exactly if the float is finite.
const MAGNITUDE: u32 = 0x7FFF_FFFF;
/// The bits of infinity.
const INFINITE: i32 = 0x7F80_0000;

/// x <- keep x + add y.
///
/// # Errors
/// If the shapes differ.
pub fn blend(x: &Var, keep: f64, add: f64, y: &Tensor) -> Result<()> {
    if x.device().is_cpu() {
        return x.inplace_op2(y, &Blend { keep: keep as f32, add: add as f32, square: false });
    }
    x.set(&((x.as_detached_tensor() * keep)? + (y.detach() * add)?)?)
}

/// x <- x + y, for tensors on the CPU that are contiguous.
///
/// # Errors
/// If the shapes differ.
pub fn add(x: &Tensor, y: &Tensor) -> Result<()> {
    x.inplace_op2(y, &Blend { keep: 1.0, add: 1.0, square: false })
}

/// x <- keep x + add y^2.
///
/// # Errors
/// If the shapes differ.
pub fn blend_square(x: &Var, keep: f64, add: f64, y: &Tensor) -> Result<()> {
    if x.device().is_cpu() {
        return x.inplace_op2(y, &Blend { keep: keep as f32, add: add as f32, square: true });
    }
    x.set(&((x.as_detached_tensor() * keep)? + (y.detach().sqr()? * add)?)?)
}

/// x <- keep x - rate m / (root sqrt(v) + eps). Returns whether x, m and v are finite after the update.
///
/// # Errors
/// If the shapes differ.
pub fn descend(x: &Var, keep: f64, rate: f64, m: &Var, v: &Var, root: f64, eps: f64) -> Result<bool> {
    if x.device().is_cpu() {
        let (keep, rate, root, eps) = (keep as f32, rate as f32, root as f32, eps as f32);
        let step = Descend { keep, rate, root, eps, finite: AtomicBool::new(true) };
        x.inplace_op3(m, v, &step)?;
        return Ok(step.finite.into_inner());
    }
    let direction = (m.as_detached_tensor() / ((v.as_detached_tensor().sqrt()? * root)? + eps)?)?;
    x.set(&((x.as_detached_tensor() * keep)? - (direction * rate)?)?)?;
    // Zero for finite elements, and not a number for all others.
    let zeros = [x, m, v].map(|var| (var.as_detached_tensor() * 0.0)?.sum_all()?.to_scalar::<f32>());
    zeros.into_iter().try_fold(true, |finite, zero| Ok(finite && zero? == 0.0))
}

/// The first element of `x` that is infinite or not a number, with its index in row-major order.
///
/// # Errors
/// If the tensor library fails.
pub fn first_not_finite(x: &Tensor) -> Result<Option<(usize, f32)>> {
    let find = |values: &[f32]| values.iter().copied().enumerate().find(|(_, value)| !value.is_finite());
    if !x.device().is_cpu() {
        return Ok(find(&x.flatten_all()?.to_vec1()?));
    }
    with_values(x, find)
}

/// The sum of the squares of `x`.
///
/// # Errors
/// If the tensor library fails.
pub fn sum_of_squares(x: &Tensor) -> Result<f64> {
    if !x.device().is_cpu() {
        return x.sqr()?.sum_all()?.to_scalar::<f32>().map(f64::from);
    }
    with_values(x, |values| {
        let (eights, rest) = values.as_chunks::<8>();
        // Eight independent sums, because in a single sum each addition waits for the previous one.
        let mut sums = [0.0; 8];
        for eight in eights {
            sums.iter_mut().zip(eight).for_each(|(sum, x)| *sum += f64::from(*x) * f64::from(*x));
        }
        sums.iter().sum::<f64>() + rest.iter().map(|x| f64::from(*x).powi(2)).sum::<f64>()
    })
}

/// Applies `f` to the values of `x`, a tensor on the CPU of any layout, in row-major order.
fn with_values<R>(x: &Tensor, f: impl FnOnce(&[f32]) -> R) -> Result<R> {
    let x = x.contiguous()?;
    let (storage, layout) = x.storage_and_layout();
    let Storage::Cpu(storage) = &*storage else {
        bail!("parameters and gradients: found a tensor of another device, expected one of the CPU")
    };
    Ok(f(values(storage, layout)?))
}

/// The contiguous f32 values of a CPU tensor.
fn values<'a>(storage: &'a CpuStorage, layout: &Layout) -> Result<&'a [f32]> {
    let (CpuStorage::F32(values), Some((start, end))) = (storage, layout.contiguous_offsets()) else {
        bail!(
            "parameters and gradients: found a strided tensor or one of another type, expected contiguous f32 values"
        )
    };
    Ok(&values[start..end])
}

/// The contiguous f32 values of a CPU tensor, mutable.
fn values_mut<'a>(storage: &'a mut CpuStorage, layout: &Layout) -> Result<&'a mut [f32]> {
    let (CpuStorage::F32(values), Some((start, end))) = (storage, layout.contiguous_offsets()) else {
        bail!(
            "parameters and gradients: found a strided tensor or one of another type, expected contiguous f32 values"
        )
    };
    Ok(&mut values[start..end])
}

impl InplaceOp2 for Blend {
    fn name(&self) -> &'static str {
        "blend"
    }

    fn cpu_fwd(
        &self,
        x: &mut CpuStorage,
        x_layout: &Layout,
        y: &CpuStorage,
        y_layout: &Layout,
    ) -> Result<()> {
        let (x, y) = (values_mut(x, x_layout)?, values(y, y_layout)?);
        if x.len() != y.len() {
            bail!("blend: found {} values, expected {}", y.len(), x.len())
        }
        let pairs = x.iter_mut().zip(y);
        if self.square {
            pairs.for_each(|(x, y)| *x = self.keep * *x + self.add * (y * y));
        } else {
            pairs.for_each(|(x, y)| *x = self.keep * *x + self.add * y);
        }
        Ok(())
    }
}

impl InplaceOp3 for Descend {
    fn name(&self) -> &'static str {
        "descend"
    }

    fn cpu_fwd(
        &self,
        x: &mut CpuStorage,
        x_layout: &Layout,
        m: &CpuStorage,
        m_layout: &Layout,
        v: &CpuStorage,
        v_layout: &Layout,
    ) -> Result<()> {
        let (x, m, v) = (values_mut(x, x_layout)?, values(m, m_layout)?, values(v, v_layout)?);
        if x.len() != m.len() || x.len() != v.len() {
            bail!("descend: found moments of {} and {} values, expected {}", m.len(), v.len(), x.len())
        }
        let bits = |value: f32| (value.to_bits() & MAGNITUDE).cast_signed();
        let mut largest = 0;
        for ((x, m), v) in x.iter_mut().zip(m).zip(v) {
            *x = self.keep * *x - self.rate * (m / (self.root * v.sqrt() + self.eps));
            largest = largest.max(bits(*x)).max(bits(*m)).max(bits(*v));
        }
        self.finite.store(largest < INFINITE, Ordering::Relaxed);
        Ok(())
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use candle_core::Device;

    use super::*;

    #[test]
    fn a_descent_says_whether_everything_stayed_finite() {
        let var = |value: f32| Var::new(&[0.5f32, value, 1.0], &Device::Cpu).unwrap();
        let descend = |x: f32, m: f32, v: f32, rate: f64| {
            descend(&var(x), 1.0, rate, &var(m), &var(v), 1.0, 1e-8).unwrap()
        };
        assert!(descend(-3.0, -1.0, 2.0, 0.1) && descend(f32::MAX, 0.0, f32::MAX, 0.1));
        assert!(!descend(f32::INFINITY, 1.0, 1.0, 0.1) && !descend(1.0, f32::NAN, 1.0, 0.1));
        assert!(
            !descend(1.0, 1.0, f32::INFINITY, 0.1),
            "the update of an infinite moment is zero, but finite"
        );
        assert!(!descend(-f32::MAX, 1.0, 1.0, 1e38), "the update overflows");
    }

    #[test]
    fn the_first_element_that_is_not_finite_is_found() {
        let x = Tensor::new(&[[0.0f32, 1.0], [f32::NEG_INFINITY, f32::NAN]], &Device::Cpu).unwrap();
        assert_eq!(first_not_finite(&x).unwrap(), Some((2, f32::NEG_INFINITY)));
        assert_eq!(first_not_finite(&x.narrow(0, 0, 1).unwrap()).unwrap(), None);
        let (at, value) = first_not_finite(&x.t().unwrap().narrow(0, 1, 1).unwrap()).unwrap().unwrap();
        assert!(at == 1 && value.is_nan());
    }

    #[test]
    fn squares_are_summed_whatever_the_count_and_the_layout() {
        for count in [1, 7, 8, 83, 1000] {
            let x = Tensor::arange(0f32, count as f32, &Device::Cpu).unwrap();
            let expected: f64 = (0..count).map(|i| f64::from(i).powi(2)).sum();
            assert_eq!(sum_of_squares(&x).unwrap(), expected);
        }
        let x = Tensor::arange(0f32, 12.0, &Device::Cpu).unwrap().reshape((3, 4)).unwrap();
        let part = x.t().unwrap().narrow(0, 1, 2).unwrap();
        assert_eq!(sum_of_squares(&part).unwrap(), f64::from(1 + 25 + 81 + 4 + 36 + 100));
    }
}
