//! Named parameters of a network, in the order the network asks for them.
//!
//! A network is built by walking a [`Path`]: each `get` finds the parameter of that name or creates it from its own
//! random stream. The same code thus initialises, loads and rebuilds. Order is fixed, so files and optimiser states are
//! reproducible; candle's `VarMap` has neither property.

pub mod file;
pub mod pth;

use std::collections::HashMap;

use candle_core::{Device, Tensor, Var};

use crate::error::{Error, Result};
use crate::rng::{Seed, Stream};
use file::TensorFile;

/// How a parameter starts.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Init {
    /// Every element the same.
    Const(f32),
    /// Uniform on [-1/sqrt(fan_in), 1/sqrt(fan_in)]: PyTorch's default for linear and convolution layers, weights and
    /// biases alike.
    FanIn(usize),
}

/// The named parameters of one network.
pub struct Params {
    seed: Seed,
    device: Device,
    vars: Vec<(String, Var)>,
    index: HashMap<String, usize>,
}

/// A place in the tree of parameter names, from which layers take theirs.
pub struct Path<'a> {
    params: &'a mut Params,
    prefix: String,
    trainable: bool,
}

impl Params {
    /// No parameters yet; those a network asks for are drawn from `seed` and live on `device`.
    pub fn new(seed: Seed, device: &Device) -> Self {
        Self { seed, device: device.clone(), vars: Vec::new(), index: HashMap::new() }
    }

    /// The root of names, for a network that will be trained: its operations are recorded for the backward pass.
    pub fn trainable(&mut self) -> Path<'_> {
        Path { params: self, prefix: String::new(), trainable: true }
    }

    /// The root of names, for a network that is only evaluated: nothing is recorded, memory stays flat. Later changes of
    /// the parameters (an EMA update, a load) are seen by the network.
    pub fn frozen(&mut self) -> Path<'_> {
        Path { params: self, prefix: String::new(), trainable: false }
    }

    /// Names and variables in the order of creation.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&str, &Var)> {
        self.vars.iter().map(|(name, var)| (name.as_str(), var))
    }

    /// Number of scalars in all parameters.
    pub fn count(&self) -> usize {
        self.vars.iter().map(|(_, var)| var.elem_count()).sum()
    }

    /// Where the parameters live.
    pub fn device(&self) -> &Device {
        &self.device
    }

    /// An independent copy, value by value.
    ///
    /// # Errors
    /// If the tensor library fails.
    pub fn deep_copy(&self) -> Result<Self> {
        let copy = |(name, var): &(String, Var)| Ok((name.clone(), Var::from_tensor(&var.copy()?)?));
        let vars = self.vars.iter().map(copy).collect::<Result<_>>()?;
        Ok(Self { seed: self.seed, device: self.device.clone(), vars, index: self.index.clone() })
    }

    /// Sets every parameter from the tensors of `file` whose names begin with `prefix`.
    ///
    /// # Errors
    /// A tensor that is missing, extra, misshapen or not finite; then no parameter has changed.
    pub fn load(&self, file: &TensorFile, prefix: &str) -> Result<()> {
        let mut staged = Vec::with_capacity(self.vars.len());
        for (name, var) in &self.vars {
            let full = format!("{prefix}{name}");
            let values = file.expect(&full, var.dims())?;
            staged.push(Tensor::from_slice(values, var.dims(), &self.device)?);
        }
        let known = |name: &str| name.strip_prefix(prefix).is_none_or(|name| self.index.contains_key(name));
        if let Some(extra) = file.names().find(|name| !known(name)) {
            return Err(Error::format(
                file.path(),
                extra,
                "a tensor the network does not have",
                "no such tensor",
            ));
        }
        for ((_, var), value) in self.vars.iter().zip(&staged) {
            var.set(value)?;
        }
        Ok(())
    }
}

impl Path<'_> {
    /// The place `name` below this one.
    pub fn pp(&mut self, name: impl std::fmt::Display) -> Path<'_> {
        let prefix =
            if self.prefix.is_empty() { name.to_string() } else { format!("{}.{name}", self.prefix) };
        Path { params: self.params, prefix, trainable: self.trainable }
    }

    /// Whether the network that is built here will be trained.
    pub fn is_trainable(&self) -> bool {
        self.trainable
    }

    /// The parameter `name` here, created by `init` if the set does not have it.
    ///
    /// # Errors
    /// If it exists with another shape.
    pub fn get(&mut self, name: &str, shape: &[usize], init: Init) -> Result<Tensor> {
        let full = if self.prefix.is_empty() { name.to_owned() } else { format!("{}.{name}", self.prefix) };
        let at = match self.params.index.get(&full) {
            Some(&at) => at,
            None => self.create(full.clone(), shape, init)?,
        };
        let var = &self.params.vars[at].1;
        if var.dims() != shape {
            return Err(Error::invalid(full, format!("{:?}", var.dims()), format!("{shape:?}")));
        }
        Ok(if self.trainable { var.as_tensor().clone() } else { var.as_detached_tensor() })
    }

    fn create(&mut self, name: String, shape: &[usize], init: Init) -> Result<usize> {
        let at = self.params.vars.len();
        let mut values = vec![0.0; shape.iter().product()];
        match init {
            Init::Const(value) => values.fill(value),
            Init::FanIn(fan_in) => {
                let bound = 1.0 / (fan_in.max(1) as f32).sqrt();
                self.params.seed.stream(Stream::Init, at as u64, 0).fill_uniform(&mut values);
                values.iter_mut().for_each(|v| *v = (2.0 * *v - 1.0) * bound);
            }
        }
        let var = Var::from_vec(values, shape, &self.params.device)?;
        self.params.index.insert(name.clone(), at);
        self.params.vars.push((name, var));
        Ok(at)
    }
}
