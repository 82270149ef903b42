//! The descriptions of tensors in the pickled part of a PyTorch checkpoint.
//!
//! A tensor appears as a call of `torch._utils._rebuild_tensor_v2` with a storage, an offset, a shape and strides. The call
//! is read and not executed.

use candle_core::DType;

use super::pickle::{Id, Object, Pickle};

/// The largest number of dimensions of a tensor.
const MAX_DIMENSIONS: usize = 8;
/// The largest number of nested calls around a tensor, such as the call that makes a parameter of it.
const MAX_WRAPPERS: usize = 4;

/// The location of a tensor's values in a checkpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct TensorPlace {
    /// Type of the items.
    pub item: ItemType,
    /// Name of the storage in the archive.
    pub storage: String,
    /// The first item of the tensor in its storage.
    pub offset: usize,
    /// Sizes of the dimensions.
    pub shape: Vec<usize>,
    /// Distance in items between neighbours along each dimension.
    pub strides: Vec<usize>,
}

/// The type of the items of a tensor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum ItemType {
    /// A type of floating-point numbers.
    Float(DType),
    /// Any other type, by the name of its storage in PyTorch.
    Other(String),
}

impl TensorPlace {
    /// The tensor that the object `id` of `pickle` describes, or `None` if it is not a tensor.
    pub fn of(pickle: &Pickle<'_>, id: Id) -> Option<Self> {
        let mut id = id;
        for _ in 0..MAX_WRAPPERS {
            let &Object::Call(function, arguments) = pickle.get(id) else { return None };
            let (function, arguments) = (global(pickle, function)?, tuple(pickle, arguments)?);
            match (function, arguments) {
                (("torch._utils", "_rebuild_tensor_v2"), _) => return Self::rebuild(pickle, arguments),
                (("torch._utils", "_rebuild_parameter"), [tensor, ..]) => id = *tensor,
                (("torch._tensor", "_rebuild_from_type_v2"), [function, _, arguments, ..]) => {
                    return (global(pickle, *function)? == ("torch._utils", "_rebuild_tensor_v2"))
                        .then(|| Self::rebuild(pickle, tuple(pickle, *arguments)?))
                        .flatten();
                }
                _ => return None,
            }
        }
        None
    }

    /// The arguments of `_rebuild_tensor_v2`: storage, offset, shape and strides.
    fn rebuild(pickle: &Pickle<'_>, arguments: &[Id]) -> Option<Self> {
        let [storage, offset, shape, strides, ..] = arguments else { return None };
        let &Object::Persistent(storage) = pickle.get(*storage) else { return None };
        let [_, storage_class, storage, ..] = tuple(pickle, storage)? else { return None };
        let &Object::Text(storage) = pickle.get(*storage) else { return None };
        let item = match global(pickle, *storage_class)?.1 {
            "FloatStorage" => ItemType::Float(DType::F32),
            "DoubleStorage" => ItemType::Float(DType::F64),
            "HalfStorage" => ItemType::Float(DType::F16),
            "BFloat16Storage" => ItemType::Float(DType::BF16),
            other => ItemType::Other(other.to_owned()),
        };
        let (shape, strides) = (sizes(pickle, *shape)?, sizes(pickle, *strides)?);
        let offset = size(pickle, *offset)?;
        (shape.len() == strides.len()).then(|| Self {
            item,
            storage: storage.to_owned(),
            offset,
            shape,
            strides,
        })
    }

    /// The number of values, or `None` if it does not fit a `usize`.
    pub fn count(&self) -> Option<usize> {
        self.shape.iter().try_fold(1usize, |n, &d| n.checked_mul(d))
    }

    /// The index of the last item in the storage, or `None` if it does not fit a `usize`.
    pub fn last(&self) -> Option<usize> {
        let dimensions = self.shape.iter().zip(&self.strides);
        dimensions
            .filter(|(size, _)| **size > 0)
            .try_fold(self.offset, |last, (&size, &stride)| last.checked_add((size - 1).checked_mul(stride)?))
    }

    /// Collects the values in row-major order. The storage must include item [`Self::last`], and [`Self::count`] values must
    /// fit into memory.
    pub fn gather(&self, storage: &[f32]) -> Vec<f32> {
        let count = self.count().unwrap_or(0);
        let mut values = Vec::with_capacity(count);
        let mut index = vec![0; self.shape.len()];
        for _ in 0..count {
            let places = index.iter().zip(&self.strides).map(|(&i, &stride)| i * stride);
            values.extend(storage.get(self.offset + places.sum::<usize>()).copied());
            for (i, &size) in index.iter_mut().zip(&self.shape).rev() {
                *i += 1;
                if *i < size {
                    break;
                }
                *i = 0;
            }
        }
        values
    }
}

/// The entries of the dictionary `id` whose keys are strings; `None` if the object is not a dictionary.
pub(super) fn named_entries<'p>(pickle: &'p Pickle<'p>, id: Id) -> Option<Vec<(&'p str, Id)>> {
    let Object::Dict(entries) = pickle.get(id) else { return None };
    let named = |&(key, value): &(Id, Id)| match pickle.get(key) {
        Object::Text(key) => Some((*key, value)),
        _ => None,
    };
    Some(entries.iter().filter_map(named).collect())
}

fn global<'p>(pickle: &'p Pickle<'_>, id: Id) -> Option<(&'p str, &'p str)> {
    match pickle.get(id) {
        Object::Global(module, name) => Some((module, name)),
        _ => None,
    }
}

fn tuple<'p>(pickle: &'p Pickle<'_>, id: Id) -> Option<&'p [Id]> {
    match pickle.get(id) {
        Object::Tuple(items) => Some(items),
        _ => None,
    }
}

fn size(pickle: &Pickle<'_>, id: Id) -> Option<usize> {
    match pickle.get(id) {
        Object::Int(value) => usize::try_from(*value).ok(),
        _ => None,
    }
}

fn sizes(pickle: &Pickle<'_>, id: Id) -> Option<Vec<usize>> {
    let items = tuple(pickle, id)?;
    if items.len() > MAX_DIMENSIONS {
        return None;
    }
    items.iter().map(|&item| size(pickle, item)).collect()
}
