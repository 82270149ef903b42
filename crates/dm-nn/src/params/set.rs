//! Named parameters of a network, in the order in which the network asks for them.
//!
//! Building a network walks through a [`Path`]: each `get` finds the parameter of this name, or creates it from a random
//! stream of its own. The same code thus initialises a network, loads it and builds it a second time. The order is fixed,
//! so that files and optimiser states are reproducible; candle's `VarMap` has no fixed order.

use std::collections::HashMap;

use candle_core::{Device, Tensor, Var};

use super::file::TensorFile;
use crate::error::{Error, Result};
use crate::rng::{INIT, Seed};

/// How many values a network may ask for beyond twice those of its file; see [`Params::for_file`].
const SLACK: usize = 1 << 20;

/// The initial value of a parameter.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Init {
    /// The same number for every element.
    Const(f32),
    /// Uniform on [-1/sqrt(fan_in), 1/sqrt(fan_in)]: PyTorch's default for the weights and biases of linear and
    /// convolution layers.
    FanIn(usize),
}

/// The named parameters of one network.
pub struct Params {
    seed: Seed,
    device: Device,
    vars: Vec<(String, Var)>,
    index: HashMap<String, usize>,
    /// How many values may still be created.
    left: usize,
}

/// A place in the tree of parameter names, from which a layer takes its parameters.
pub struct Path<'a> {
    params: &'a mut Params,
    prefix: String,
    trainable: bool,
}

impl Params {
    /// An empty set. The parameters that a network asks for are drawn from `seed` and stored on `device`.
    pub fn new(seed: Seed, device: &Device) -> Self {
        Self { seed, device: device.clone(), vars: Vec::new(), index: HashMap::new(), left: usize::MAX }
    }

    /// An empty set for the parameters of a network that will be loaded from `file`. A network that asks for more than twice
    /// as many values as the file has, and a million more, is refused before they take memory: a small file cannot ask for a
    /// huge network. Below that, [`Self::load`] names the parameters that are missing.
    pub fn for_file(file: &TensorFile, seed: Seed, device: &Device) -> Self {
        let left = file.count().saturating_mul(2).saturating_add(SLACK);
        Self { left, ..Self::new(seed, device) }
    }

    /// The root of the names, for a network that will be trained: its operations are recorded for the backward pass.
    pub fn trainable(&mut self) -> Path<'_> {
        Path { params: self, prefix: String::new(), trainable: true }
    }

    /// The root of the names, for a network that will only be evaluated: its operations are not recorded, so that memory
    /// use does not grow. The network follows later changes of the parameters, such as an EMA update or [`Self::load`].
    pub fn frozen(&mut self) -> Path<'_> {
        Path { params: self, prefix: String::new(), trainable: false }
    }

    /// Names and variables in the order of creation.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&str, &Var)> {
        self.vars.iter().map(|(name, var)| (name.as_str(), var))
    }

    /// Number of values in all parameters together.
    pub fn count(&self) -> usize {
        self.vars.iter().map(|(_, var)| var.elem_count()).sum()
    }

    /// The device that stores the parameters.
    pub fn device(&self) -> &Device {
        &self.device
    }

    /// A copy that shares no memory with this set.
    ///
    /// # Errors
    /// If candle cannot copy a tensor.
    pub fn deep_copy(&self) -> Result<Self> {
        let copy = |(name, var): &(String, Var)| Ok((name.clone(), Var::from_tensor(&var.copy()?)?));
        let vars = self.vars.iter().map(copy).collect::<Result<_>>()?;
        let (device, index) = (self.device.clone(), self.index.clone());
        Ok(Self { seed: self.seed, device, vars, index, left: self.left })
    }

    /// Sets every parameter from the tensors of `file` whose names begin with `prefix`.
    ///
    /// # Errors
    /// If a tensor is missing, unknown to the network or of another shape. The parameters are then unchanged.
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
                "a tensor that the network does not have",
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
    /// The place `name` below this one. Names on the way are separated by dots.
    pub fn pp(&mut self, name: impl std::fmt::Display) -> Path<'_> {
        let prefix =
            if self.prefix.is_empty() { name.to_string() } else { format!("{}.{name}", self.prefix) };
        Path { params: self.params, prefix, trainable: self.trainable }
    }

    /// Whether the network that is being built will be trained.
    pub fn is_trainable(&self) -> bool {
        self.trainable
    }

    /// The parameter `name` at this place. If the set does not have it, it is created with the initial value `init`.
    ///
    /// # Errors
    /// If the parameter exists with another shape, or the set is for a file with fewer values.
    pub fn get(&mut self, name: &str, shape: &[usize], init: Init) -> Result<Tensor> {
        let full = if self.prefix.is_empty() { name.to_owned() } else { format!("{}.{name}", self.prefix) };
        let at = match self.params.index.get(&full) {
            Some(&at) => at,
            None => self.create(full.clone(), shape, init)?,
        };
        let Some((_, var)) = self.params.vars.get(at) else {
            return Err(Error::invalid(full, "no parameter", format!("{shape:?}")));
        };
        if var.dims() != shape {
            return Err(Error::invalid(full, format!("{:?}", var.dims()), format!("{shape:?}")));
        }
        Ok(if self.trainable { var.as_tensor().clone() } else { var.as_detached_tensor() })
    }

    fn create(&mut self, name: String, shape: &[usize], init: Init) -> Result<usize> {
        let at = self.params.vars.len();
        let count = shape.iter().try_fold(1usize, |n, &d| n.checked_mul(d));
        let Some((count, left)) = count.and_then(|n| Some((n, self.params.left.checked_sub(n)?))) else {
            let expected = "a network of the size of its file";
            return Err(Error::invalid(name, format!("a parameter of shape {shape:?}"), expected));
        };
        self.params.left = left;
        let mut values = vec![0.0; count];
        match init {
            Init::Const(value) => values.fill(value),
            Init::FanIn(fan_in) => {
                let bound = 1.0 / (fan_in.max(1) as f32).sqrt();
                self.params.seed.stream(INIT, at as u64, 0).fill_uniform(&mut values);
                values.iter_mut().for_each(|v| *v = (2.0 * *v - 1.0) * bound);
            }
        }
        let var = Var::from_vec(values, shape, &self.params.device)?;
        self.params.index.insert(name.clone(), at);
        self.params.vars.push((name, var));
        Ok(at)
    }
}
