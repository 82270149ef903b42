//! Arithmetic on parameters in place, for the optimiser and the average of the weights.
//!
//! On the CPU each operation is one pass over the parameter. candle's own operations would write a new tensor for every
//! term, and from 64k elements on would wake a pool of spinning threads beside the engine's; elsewhere they are used.

use candle_core::{CpuStorage, InplaceOp2, InplaceOp3, Layout, Result, Tensor, Var, bail};

/// x <- keep x + add f(y), f the identity or the square.
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
}

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

/// x <- keep x - rate m / (root sqrt(v) + eps).
///
/// # Errors
/// If the shapes differ.
pub fn descend(x: &Var, keep: f64, rate: f64, m: &Var, v: &Var, root: f64, eps: f64) -> Result<()> {
    if x.device().is_cpu() {
        let step = Descend { keep: keep as f32, rate: rate as f32, root: root as f32, eps: eps as f32 };
        return x.inplace_op3(m, v, &step);
    }
    let direction = (m.as_detached_tensor() / ((v.as_detached_tensor().sqrt()? * root)? + eps)?)?;
    x.set(&((x.as_detached_tensor() * keep)? - (direction * rate)?)?)
}

/// The contiguous f32 values of a CPU tensor.
fn values<'a>(storage: &'a CpuStorage, layout: &Layout) -> Result<&'a [f32]> {
    let (CpuStorage::F32(values), Some((start, end))) = (storage, layout.contiguous_offsets()) else {
        bail!("parameters and their gradients are contiguous and f32")
    };
    Ok(&values[start..end])
}

/// As [`values`], to be changed.
fn values_mut<'a>(storage: &'a mut CpuStorage, layout: &Layout) -> Result<&'a mut [f32]> {
    let (CpuStorage::F32(values), Some((start, end))) = (storage, layout.contiguous_offsets()) else {
        bail!("parameters and their gradients are contiguous and f32")
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
            bail!("blend: {} values and {}", x.len(), y.len())
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
            bail!("descend: {} values, moments of {} and {}", x.len(), m.len(), v.len())
        }
        for ((x, m), v) in x.iter_mut().zip(m).zip(v) {
            *x = self.keep * *x - self.rate * (m / (self.root * v.sqrt() + self.eps));
        }
        Ok(())
    }
}
