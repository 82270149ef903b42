//! Layers that several networks use, as ONNX operations. The parameters of a layer are those below its name.

use std::f32::consts::FRAC_1_SQRT_2;

use super::graph::{Graph, Value, signed};
use super::proto::Attribute::{Float, Int, Ints, Text};
use crate::error::Result;

/// Added to a variance before its root is taken, as in all networks of this crate.
const EPSILON: f32 = 1e-5;

impl Graph<'_> {
    /// A convolution [B, C_in, H, W] -> [B, C_out, H', W'] with an odd kernel, zero padding of half its size, and a stride.
    ///
    /// # Errors
    /// If a parameter is missing.
    pub fn conv(&mut self, name: &str, x: &Value, stride: i64) -> Result<Value> {
        let weight = format!("{name}.weight");
        let side = self.shape(&weight)?.last().map_or(0, |&side| signed(side));
        let (weight, bias) = (self.parameter(&weight)?, self.parameter(&format!("{name}.bias"))?);
        let attributes = [
            ("kernel_shape", Ints(&[side, side])),
            ("pads", Ints(&[side / 2; 4])),
            ("strides", Ints(&[stride, stride])),
        ];
        Ok(self.apply("Conv", &[x, &weight, &bias], &attributes))
    }

    /// A linear layer [B, I] -> [B, O].
    ///
    /// # Errors
    /// If a parameter is missing.
    pub fn linear(&mut self, name: &str, x: &Value) -> Result<Value> {
        let weight = self.parameter(&format!("{name}.weight"))?;
        let bias = self.parameter(&format!("{name}.bias"))?;
        Ok(self.apply("Gemm", &[x, &weight, &bias], &[("transB", Int(1))]))
    }

    /// SiLU(GroupNorm(x)) of feature maps [B, C, H, W].
    ///
    /// # Errors
    /// If a parameter is missing.
    pub fn group_norm_silu(&mut self, name: &str, x: &Value, groups: usize) -> Result<Value> {
        let (gamma, beta) = (format!("{name}.weight"), format!("{name}.bias"));
        let channels = self.shape(&gamma)?.iter().product();
        let gamma = self.parameter_as(&gamma, &[channels, 1, 1])?;
        let beta = self.parameter_as(&beta, &[channels, 1, 1])?;
        // The opset has no GroupNorm. A group is a single channel of InstanceNormalization.
        let by_group = self.reshape(x, &[0, signed(groups), -1]);
        let (one, zero) =
            (self.constant(&[groups], &vec![1.0; groups]), self.constant(&[groups], &vec![0.0; groups]));
        let normal =
            self.apply("InstanceNormalization", &[&by_group, &one, &zero], &[("epsilon", Float(EPSILON))]);
        let shape = self.apply("Shape", &[x], &[]);
        let normal = self.apply("Reshape", &[&normal, &shape], &[]);
        let scaled = self.apply("Mul", &[&normal, &gamma], &[]);
        let y = self.apply("Add", &[&scaled, &beta], &[]);
        Ok(self.silu(&y))
    }

    /// LayerNorm of feature maps [B, C, H, W] over the last axes, as many as the scale has.
    ///
    /// # Errors
    /// If a parameter is missing.
    pub fn layer_norm(&mut self, name: &str, x: &Value) -> Result<Value> {
        let weight = format!("{name}.weight");
        let axis = 4 - signed(self.shape(&weight)?.len());
        let (weight, bias) = (self.parameter(&weight)?, self.parameter(&format!("{name}.bias"))?);
        let attributes = [("axis", Int(axis)), ("epsilon", Float(EPSILON))];
        Ok(self.apply("LayerNormalization", &[x, &weight, &bias], &attributes))
    }

    /// x sigmoid(x).
    pub fn silu(&mut self, x: &Value) -> Value {
        let gate = self.apply("Sigmoid", &[x], &[]);
        self.apply("Mul", &[x, &gate], &[])
    }

    /// x (1 + erf(x / sqrt(2))) / 2.
    pub fn gelu(&mut self, x: &Value) -> Value {
        let root = self.constant(&[1], &[FRAC_1_SQRT_2]);
        let (one, half) = (self.constant(&[1], &[1.0]), self.constant(&[1], &[0.5]));
        let erf = self.apply("Mul", &[x, &root], &[]);
        let erf = self.apply("Erf", &[&erf], &[]);
        let gate = self.apply("Add", &[&erf, &one], &[]);
        let y = self.apply("Mul", &[x, &gate], &[]);
        self.apply("Mul", &[&y, &half], &[])
    }

    /// Feature maps [B, C, H, W] plus one number per image and channel, [B, C].
    pub fn add_channels(&mut self, x: &Value, channels: &Value) -> Value {
        let axes = self.integers(&[2, 3]);
        let channels = self.apply("Unsqueeze", &[channels, &axes], &[]);
        self.apply("Add", &[x, &channels], &[])
    }

    /// Nearest-neighbour upsampling by two: [B, C, H, W] -> [B, C, 2H, 2W].
    pub fn upsample2(&mut self, x: &Value) -> Value {
        let scales = self.constant(&[4], &[1.0, 1.0, 2.0, 2.0]);
        let attributes = [
            ("mode", Text("nearest")),
            ("coordinate_transformation_mode", Text("asymmetric")),
            ("nearest_mode", Text("floor")),
        ];
        self.apply("Resize", &[x, &Self::absent(), &scales], &attributes)
    }

    /// Sine and cosine of the times `t` `[B]` times each of the frequencies: two values [B, F].
    pub fn phases(&mut self, t: &Value, frequencies: &[f32]) -> (Value, Value) {
        let frequencies = self.constant(&[1, frequencies.len()], frequencies);
        let axis = self.integers(&[1]);
        let t = self.apply("Unsqueeze", &[t, &axis], &[]);
        let phase = self.apply("Mul", &[&t, &frequencies], &[]);
        (self.apply("Sin", &[&phase], &[]), self.apply("Cos", &[&phase], &[]))
    }

    /// The first value, then the second one, along axis 1.
    pub fn concat(&mut self, a: &Value, b: &Value) -> Value {
        self.apply("Concat", &[a, b], &[("axis", Int(1))])
    }

    /// `x` in the shape `dims`, in which 0 keeps a size and -1 takes what is left.
    pub fn reshape(&mut self, x: &Value, dims: &[i64]) -> Value {
        let dims = self.integers(dims);
        self.apply("Reshape", &[x, &dims], &[])
    }
}
