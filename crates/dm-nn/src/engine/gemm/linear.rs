//! Linear layers whose result for an image does not depend on the batch, to the last bit.
//!
//! candle's matrix product sums in a different order if there are few rows. It also asks the operating system for the
//! number of cores in every call, which for most matrices here takes longer than the product.

#![allow(unsafe_code, reason = "`outer` takes rows and columns as pointers")]

use candle_core::{CpuStorage, CustomOp3, Device, Layout, Result, Shape, Tensor};
use pulp::{Simd, WithSimd};
use rayon::prelude::*;

use super::outer::{Sums, add_products};
use crate::engine::autograd::{slice, with_slice};
use crate::engine::substrate::pool::Buffer;
use crate::engine::substrate::simd::{dispatch, lanes};

/// The number of rows of a task if each row takes `products` products: about a million products per task, rounded up to
/// whole blocks of rows. Smaller tasks are not worth distributing over threads; a layer with a hundred images and channels
/// is a single task.
fn rows_per_task(products: usize) -> usize {
    ((1 << 20) / products.max(1)).max(1).next_multiple_of(48)
}

/// x W^T + b of f32 tensors on the CPU: `x` [B, I], `weight` [O, I], `bias` `[O]` -> [B, O].
///
/// # Errors
/// If shapes or types do not fit together, or I or O is 0.
pub fn linear(x: &Tensor, weight: &Tensor, bias: &Tensor) -> Result<Tensor> {
    let ((_, inputs), (outputs, columns)) = (x.dims2()?, weight.dims2()?);
    if columns != inputs || bias.dims() != [outputs] || inputs * outputs == 0 {
        candle_core::bail!(
            "linear: {:?} with a weight {:?} and a bias {:?}",
            x.shape(),
            weight.shape(),
            bias.shape()
        );
    }
    x.contiguous()?.apply_op3(&weight.contiguous()?, &bias.contiguous()?, Linear)
}

/// A matrix whose rows are padded to whole vectors. The padding has no defined content.
struct Matrix {
    values: Buffer,
    /// Floats of a row.
    row: usize,
}

impl Matrix {
    fn recycled(rows: usize, columns: usize) -> Self {
        let row = columns.max(1).next_multiple_of(lanes());
        Self { values: Buffer::recycled(rows * row), row }
    }

    /// A copy of a matrix [rows, columns].
    fn new(values: &[f32], columns: usize) -> Self {
        let mut matrix = Self::recycled(values.len() / columns, columns);
        for (to, from) in matrix.rows_mut().zip(values.chunks_exact(columns)) {
            to[..columns].copy_from_slice(from);
        }
        matrix
    }

    /// The transpose [columns, rows] of a matrix [rows, columns].
    fn transposed(values: &[f32], columns: usize) -> Self {
        let rows = values.len() / columns;
        let mut matrix = Self::recycled(columns, rows);
        for (c, to) in matrix.rows_mut().enumerate() {
            to.iter_mut().zip(values.iter().skip(c).step_by(columns)).for_each(|(to, from)| *to = *from);
        }
        matrix
    }

    fn rows(&self) -> impl Iterator<Item = &[f32]> {
        self.values.chunks_exact(self.row)
    }

    fn rows_mut(&mut self) -> impl Iterator<Item = &mut [f32]> {
        self.values.chunks_exact_mut(self.row)
    }
}

/// The matrix product [R, C] of `rows` [R, P] and `columns` [P, C], where P is `count` and rows are `step` floats
/// apart.
struct Product<'a> {
    rows: &'a [f32],
    step: usize,
    count: usize,
    columns: &'a Matrix,
}

impl WithSimd for Product<'_> {
    type Output = Matrix;

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> Matrix {
        let Self { rows, step, count, columns } = self;
        let row = columns.row;
        let rows: Vec<*const f32> = rows.chunks_exact(step).map(<[f32]>::as_ptr).collect();
        assert!(count <= step && count * row <= columns.values.len());
        let mut result = Matrix { values: Buffer::recycled(rows.len() * row), row };
        let sums = Sums { start: result.values.as_mut_ptr(), row, overwrite: true };
        // SAFETY: rows have `count` floats and `columns` has as many rows (asserted above). Buffers are aligned, and
        // rows are whole vectors.
        unsafe { add_products(simd, &rows, 0, columns.values.as_ptr(), count, sums) };
        result
    }
}

/// The first `width` columns of a [`Product`], [R, width], computed by several tasks.
fn parallel_product(rows: &[f32], step: usize, count: usize, columns: &Matrix, width: usize) -> Vec<f32> {
    let mut result = vec![0.0; rows.len() / step * width];
    let task_rows = rows_per_task(count * width);
    let tasks = result.par_chunks_mut(task_rows * width).zip(rows.par_chunks(task_rows * step));
    tasks.for_each(|(result, rows)| {
        let y = dispatch(Product { rows, step, count, columns });
        for (to, y) in result.chunks_exact_mut(width).zip(y.rows()) {
            to.copy_from_slice(&y[..width]);
        }
    });
    result
}

struct Linear;

impl CustomOp3 for Linear {
    fn name(&self) -> &'static str {
        "linear"
    }

    fn cpu_fwd(
        &self,
        x: &CpuStorage,
        x_layout: &Layout,
        weight: &CpuStorage,
        weight_layout: &Layout,
        bias: &CpuStorage,
        bias_layout: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let (x, weight, bias) =
            (slice(x, x_layout)?, slice(weight, weight_layout)?, slice(bias, bias_layout)?);
        let (rows, inputs) = x_layout.shape().dims2()?;
        let outputs = bias.len();
        let mut result = vec![0.0; rows * outputs];
        let task_rows = rows_per_task(inputs * outputs);
        let tasks = result.par_chunks_mut(task_rows * outputs).zip(x.par_chunks(task_rows * inputs));
        tasks.for_each(|(result, x)| {
            let columns = Matrix::transposed(x, inputs);
            let y = dispatch(Product { rows: weight, step: inputs, count: inputs, columns: &columns });
            for (o, (y, bias)) in y.rows().zip(bias).enumerate() {
                result.iter_mut().skip(o).step_by(outputs).zip(y).for_each(|(to, y)| *to = y + bias);
            }
        });
        Ok((CpuStorage::F32(result), Shape::from((rows, outputs))))
    }

    fn bwd(
        &self,
        x: &Tensor,
        weight: &Tensor,
        bias: &Tensor,
        _: &Tensor,
        grad: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>, Option<Tensor>)> {
        let (outputs, inputs) = weight.dims2()?;
        with_slice(grad, |grad| {
            let x_grad = if x.track_op() {
                let columns = with_slice(weight, |weight| Ok(Matrix::new(weight, inputs)))?;
                let x_grad = parallel_product(grad, outputs, outputs, &columns, inputs);
                Some(Tensor::from_vec(x_grad, x.shape(), &Device::Cpu)?)
            } else {
                None
            };
            let count = grad.len() / outputs;
            let by_output = Matrix::transposed(grad, outputs);
            let weight_grad = if weight.track_op() {
                let columns = with_slice(x, |x| Ok(Matrix::new(x, inputs)))?;
                let weight_grad = parallel_product(&by_output.values, by_output.row, count, &columns, inputs);
                Some(Tensor::from_vec(weight_grad, weight.shape(), &Device::Cpu)?)
            } else {
                None
            };
            let bias_grad = if bias.track_op() {
                let sums: Vec<f32> = by_output.rows().map(|row| row[..count].iter().sum()).collect();
                Some(Tensor::from_vec(sums, outputs, &Device::Cpu)?)
            } else {
                None
            };
            Ok((x_grad, weight_grad, bias_grad))
        })
    }
}

#[cfg(test)]
mod tests {
    use candle_core::Var;

    use super::*;

    fn integers(shape: &[usize], seed: usize) -> Var {
        let len = shape.iter().product();
        let values = Buffer::test_integers(1, len, seed).remove(0)[..len].to_vec();
        Var::from_vec(values, shape, &Device::Cpu).unwrap()
    }

    /// On small integers, whose products and sums are exact in any order.
    #[test]
    fn values_and_gradients_are_those_of_candle() {
        for (rows, inputs, outputs) in
            [(1, 1, 1), (3, 5, 2), (10, 32, 128), (16, 128, 16), (33, 7, 70), (64, 12, 9)]
        {
            let (x, weight, bias) =
                (integers(&[rows, inputs], 0), integers(&[outputs, inputs], 1), integers(&[outputs], 2));
            let slopes = integers(&[rows, outputs], 3);
            let expected = x.matmul(&weight.t().unwrap()).unwrap().broadcast_add(&bias).unwrap();
            let found = linear(&x, &weight, &bias).unwrap();
            let flat = |t: &Tensor| t.flatten_all().unwrap().to_vec1::<f32>().unwrap();
            assert_eq!(flat(&found), flat(&expected), "{rows}x{inputs} to {outputs}");
            let grads = |y: &Tensor| (y * slopes.as_tensor()).unwrap().sum_all().unwrap().backward().unwrap();
            let (found, expected) = (grads(&found), grads(&expected));
            for (name, of) in [("x", &x), ("weight", &weight), ("bias", &bias)] {
                let (found, expected) = (found.get(of).unwrap(), expected.get(of).unwrap());
                assert_eq!(found.dims(), expected.dims(), "{name}");
                assert_eq!(flat(found), flat(expected), "{name}: {rows}x{inputs} to {outputs}");
            }
        }
    }

    #[test]
    fn a_row_is_the_same_in_every_batch() {
        let scale = |v: &Var| (v.as_tensor() * 0.1).unwrap();
        let (x, weight) = (scale(&integers(&[67, 45], 0)), scale(&integers(&[19, 45], 1)));
        let bias = scale(&integers(&[19], 2));
        let bits = |x: &Tensor| -> Vec<u32> {
            let y = linear(x, &weight, &bias).unwrap();
            y.flatten_all().unwrap().to_vec1::<f32>().unwrap().into_iter().map(f32::to_bits).collect()
        };
        let all = bits(&x);
        for rows in [1, 2, 15, 16, 17, 40] {
            assert_eq!(bits(&x.narrow(0, 3, rows).unwrap()), all[3 * 19..][..rows * 19], "{rows} rows");
        }
    }

    #[test]
    fn an_empty_batch_works() {
        let (x, weight) = (integers(&[0, 3], 0), integers(&[2, 3], 1));
        let y = linear(&x, &weight, &integers(&[2], 2)).unwrap();
        assert_eq!(y.dims(), [0, 2]);
        let grads = y.sum_all().unwrap().backward().unwrap();
        assert_eq!(grads.get(&x).unwrap().dims(), [0, 3]);
        assert_eq!(grads.get(&weight).unwrap().to_vec2::<f32>().unwrap(), [[0.0; 3]; 2]);
    }

    #[test]
    fn rows_in_several_tasks_are_those_in_one() {
        let (x, weight, bias) = (integers(&[300, 128], 0), integers(&[150, 128], 1), integers(&[150], 2));
        assert!(rows_per_task(128 * 150) < 150, "each product should take several tasks");
        let expected = x.matmul(&weight.t().unwrap()).unwrap().broadcast_add(&bias).unwrap();
        let found = linear(&x, &weight, &bias).unwrap();
        assert_eq!(found.to_vec2::<f32>().unwrap(), expected.to_vec2::<f32>().unwrap());
        let [found, expected] = [found, expected].map(|y| {
            let grads = y.sum_all().unwrap().backward().unwrap();
            [&x, &weight].map(|of| grads.get(of).unwrap().to_vec2::<f32>().unwrap())
        });
        assert_eq!(found, expected);
    }

    #[test]
    fn tensors_need_not_be_contiguous() {
        let (x, weight, bias) = (integers(&[5, 7], 0), integers(&[5, 3], 1), integers(&[1], 2));
        let x = x.t().unwrap().narrow(0, 1, 4).unwrap();
        let (weight, bias) = (weight.t().unwrap(), bias.broadcast_as(3).unwrap());
        let expected =
            x.contiguous().unwrap().matmul(&weight.t().unwrap()).unwrap().broadcast_add(&bias).unwrap();
        let found = linear(&x, &weight, &bias).unwrap();
        assert_eq!(found.to_vec2::<f32>().unwrap(), expected.to_vec2::<f32>().unwrap());
    }

    #[test]
    fn shapes_that_do_not_fit_are_refused() {
        let (x, weight, bias) = (integers(&[3, 5], 0), integers(&[2, 4], 1), integers(&[2], 2));
        let error = linear(&x, &weight, &bias).unwrap_err().to_string();
        assert!(error.contains("linear: [3, 5] with a weight [2, 4] and a bias [2]"), "{error}");
        let double = integers(&[2, 5], 1).to_dtype(candle_core::DType::F64).unwrap();
        let error = linear(&x, &double, &bias).unwrap_err().to_string();
        assert!(error.contains("f32 tensors on the CPU"), "{error}");
    }
}
