//! A bound on the likelihood: its value, its parts, and the sum over steps from which it is made.

use dm_degrade::Timestep;
use serde::Serialize;

use crate::interval::{mean, t_interval};
use crate::score::{Direction, Quantity, Score};

/// The cost of the step from timestep t to timestep s < t.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Term {
    /// The timestep where the step starts.
    pub t: usize,
    /// The timestep where the step ends. If it is 0, the term is that of the decoder.
    pub s: usize,
    /// Mean over the images, in bits per dimension.
    pub bits: f64,
}

/// A part of the bound that does not belong to a step.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Part {
    /// Name of the part.
    pub name: &'static str,
    /// Mean over the images, in bits per dimension.
    pub bits: f64,
}

/// An upper bound on the negative log-likelihood, in bits per dimension. An image has C * H * W dimensions.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Bound {
    /// The quantity, which names the bound.
    #[serde(flatten)]
    pub quantity: Quantity,
    /// Mean over the images: the sum of all parts and terms.
    pub total: f64,
    /// 95 % confidence interval of this mean over images; `None` for a single image.
    pub interval: Option<[f64; 2]>,
    /// Number of images.
    pub n: usize,
    /// Mean over the images of the bits per dimension that no model can save, if they are known.
    #[serde(rename = "floor")]
    pub irreducible: Option<f64>,
    /// The parts that do not belong to a step; the prior first.
    pub parts: Vec<Part>,
    /// The cost of each step, from T down to the decoder.
    pub terms: Vec<Term>,
    /// The total of each image, `[n]`.
    #[serde(skip)]
    pub images: Vec<f64>,
}

impl Bound {
    /// The bound as a score.
    pub fn score(&self) -> Score {
        self.quantity.score(self.total, self.n, 0, format!("{} steps", self.terms.len()))
    }
}

/// The quantity of a bound: in bits per dimension, where lower is better.
pub(super) const fn quantity(name: &'static str, source: &'static str) -> Quantity {
    Quantity { name, unit: "bits/dim", direction: Direction::Lower, source }
}

/// Adds up the parts and terms of a bound, image by image.
pub(super) struct BoundBuilder {
    quantity: Quantity,
    /// Dimensions of an image.
    dimensions: usize,
    /// Bits per dimension of each image so far.
    images: Vec<f64>,
    irreducible: Option<f64>,
    parts: Vec<Part>,
    terms: Vec<Term>,
}

impl BoundBuilder {
    /// A bound for `n` images of `dimensions` values each, without any parts yet.
    pub(super) fn new(quantity: Quantity, n: usize, dimensions: usize) -> Self {
        let (parts, terms) = (Vec::new(), Vec::new());
        Self { quantity, dimensions, images: vec![0.0; n], irreducible: None, parts, terms }
    }

    /// Adds a part that does not belong to a step, from the nats of each image.
    pub(super) fn add_part(&mut self, name: &'static str, nats: &[f64]) {
        let bits = self.add(nats);
        self.parts.push(Part { name, bits });
    }

    /// Adds the step from `t` to `s`, from the nats of each image.
    pub(super) fn add_term(&mut self, t: Timestep, s: Timestep, nats: &[f64]) {
        let bits = self.add(nats);
        self.terms.push(Term { t: t.0, s: s.0, bits });
    }

    /// States the nats of each image that no model can save. They are not added to the bound, which contains them already.
    pub(super) fn set_irreducible(&mut self, nats: &[f64]) {
        self.irreducible = Some(self.mean_bits(nats));
    }

    /// The bound.
    pub(super) fn finish(mut self) -> Bound {
        self.terms.sort_by_key(|term| std::cmp::Reverse(term.t));
        Bound {
            quantity: self.quantity,
            total: mean(&self.images),
            interval: t_interval(&self.images),
            n: self.images.len(),
            irreducible: self.irreducible,
            parts: self.parts,
            terms: self.terms,
            images: self.images,
        }
    }

    /// Adds the nats of each image to its total. Returns their mean in bits per dimension.
    fn add(&mut self, nats: &[f64]) -> f64 {
        let bits: Vec<f64> = nats.iter().map(|&nats| self.mean_bits(&[nats])).collect();
        self.images.iter_mut().zip(bits).for_each(|(total, bits)| *total += bits);
        self.mean_bits(nats)
    }

    /// The mean of `nats` over images, in bits per dimension.
    fn mean_bits(&self, nats: &[f64]) -> f64 {
        mean(nats) / std::f64::consts::LN_2 / self.dimensions as f64
    }
}
