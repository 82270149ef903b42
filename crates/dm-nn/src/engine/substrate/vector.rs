//! SIMD vectors with operators, so that vector code reads like formulas.
//!
//! `F<S>` is a vector `S::f32s` together with the zero-sized token of its instruction set. All functions are inlined
//! into the loop that was dispatched for `S`. Functions such as exp are in [`math`](super::math).

use std::ops::{Add, Mul, Neg, Sub};

use pulp::Simd;

/// A vector of `S::F32_LANES` floats.
#[derive(Clone, Copy)]
pub(crate) struct F<S: Simd>(pub S, pub S::f32s);

impl<S: Simd> F<S> {
    /// `value` in every lane.
    #[inline(always)]
    pub fn splat(simd: S, value: f32) -> Self {
        Self(simd, simd.splat_f32s(value))
    }

    /// Zero in every lane.
    #[inline(always)]
    pub fn zero(simd: S) -> Self {
        Self::splat(simd, 0.0)
    }

    /// self * b + c, rounded once if the instruction set has fused multiply-add.
    #[inline(always)]
    pub fn mul_add(self, b: Self, c: Self) -> Self {
        Self(self.0, self.0.mul_add_e_f32s(self.1, b.1, c.1))
    }

    /// c - self * b, rounded once if the instruction set has fused multiply-add.
    #[inline(always)]
    pub fn neg_mul_add(self, b: Self, c: Self) -> Self {
        Self(self.0, self.0.negate_mul_add_e_f32s(self.1, b.1, c.1))
    }

    /// self / b.
    #[inline(always)]
    pub fn div(self, b: Self) -> Self {
        Self(self.0, self.0.div_f32s(self.1, b.1))
    }

    /// The smaller of self and b in each lane.
    #[inline(always)]
    pub fn min(self, b: Self) -> Self {
        Self(self.0, self.0.min_f32s(self.1, b.1))
    }

    /// The larger of self and b in each lane.
    #[inline(always)]
    pub fn max(self, b: Self) -> Self {
        Self(self.0, self.0.max_f32s(self.1, b.1))
    }
}

impl<S: Simd> Add for F<S> {
    type Output = Self;
    #[inline(always)]
    fn add(self, b: Self) -> Self {
        Self(self.0, self.0.add_f32s(self.1, b.1))
    }
}

impl<S: Simd> Sub for F<S> {
    type Output = Self;
    #[inline(always)]
    fn sub(self, b: Self) -> Self {
        Self(self.0, self.0.sub_f32s(self.1, b.1))
    }
}

impl<S: Simd> Mul for F<S> {
    type Output = Self;
    #[inline(always)]
    fn mul(self, b: Self) -> Self {
        Self(self.0, self.0.mul_f32s(self.1, b.1))
    }
}

impl<S: Simd> Neg for F<S> {
    type Output = Self;
    #[inline(always)]
    fn neg(self) -> Self {
        Self(self.0, self.0.neg_f32s(self.1))
    }
}

/// Returns `f`. Rust allows `#[inline(always)]` on a closure only where the closure is an argument; this function is
/// for closures that need the attribute and a name.
#[inline(always)]
pub(crate) fn inlined<A, R, G: Fn(A) -> R>(f: G) -> G {
    f
}

/// A vector of complex numbers: one vector of real parts and one of imaginary parts.
#[derive(Clone, Copy)]
pub(crate) struct C<S: Simd> {
    /// Real parts.
    pub re: F<S>,
    /// Imaginary parts.
    pub im: F<S>,
}

impl<S: Simd> C<S> {
    /// re + i im.
    #[inline(always)]
    pub fn new(re: F<S>, im: F<S>) -> Self {
        Self { re, im }
    }

    /// 0.
    #[inline(always)]
    pub fn zero(simd: S) -> Self {
        Self::new(F::zero(simd), F::zero(simd))
    }

    /// Real and imaginary parts exchanged, which is i times the complex conjugate.
    #[inline(always)]
    pub fn swap(self) -> Self {
        Self::new(self.im, self.re)
    }
}

impl<S: Simd> Add for C<S> {
    type Output = Self;
    #[inline(always)]
    fn add(self, b: Self) -> Self {
        Self::new(self.re + b.re, self.im + b.im)
    }
}

impl<S: Simd> Sub for C<S> {
    type Output = Self;
    #[inline(always)]
    fn sub(self, b: Self) -> Self {
        Self::new(self.re - b.re, self.im - b.im)
    }
}
