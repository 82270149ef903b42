//! The descriptions of tensors in the pickled part of a PyTorch checkpoint.
//!
//! candle's pickle reader only builds data structures; nothing in the file is executed. A tensor appears as a call of
//! `torch._utils._rebuild_tensor_v2` with a storage, an offset, a shape and strides.

use candle_core::DType;
use candle_core::pickle::Object;

/// A tensor in a checkpoint: where its values are.
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
    /// The tensor that `object` describes, or `None` if `object` is not a tensor.
    pub fn of(object: &Object) -> Option<Self> {
        let Object::Reduce { callable, args } = object else { return None };
        let arguments = tuple(args)?;
        match class(callable)? {
            ("torch._utils", "_rebuild_tensor_v2") => Self::rebuild(arguments),
            ("torch._utils", "_rebuild_parameter") => Self::of(arguments.first()?),
            ("torch._tensor", "_rebuild_from_type_v2") => {
                let [callable, _, args, ..] = arguments else { return None };
                let call =
                    Object::Reduce { callable: Box::new(callable.clone()), args: Box::new(args.clone()) };
                Self::of(&call)
            }
            _ => None,
        }
    }

    /// The arguments of `_rebuild_tensor_v2`: storage, offset, shape and strides.
    fn rebuild(arguments: &[Object]) -> Option<Self> {
        let [Object::PersistentLoad(storage), offset, shape, strides, ..] = arguments else { return None };
        let [_, storage_class, Object::Unicode(storage), ..] = tuple(storage)? else { return None };
        let item = match class(storage_class)?.1 {
            "FloatStorage" => ItemType::Float(DType::F32),
            "DoubleStorage" => ItemType::Float(DType::F64),
            "HalfStorage" => ItemType::Float(DType::F16),
            "BFloat16Storage" => ItemType::Float(DType::BF16),
            other => ItemType::Other(other.to_owned()),
        };
        let (shape, strides) = (sizes(shape)?, sizes(strides)?);
        let offset = size(offset)?;
        (shape.len() == strides.len()).then(|| Self {
            item,
            storage: storage.clone(),
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

    /// The values in row-major order. The storage must reach to [`Self::last`].
    pub fn gather(&self, storage: &[f32]) -> Vec<f32> {
        let mut indices = vec![self.offset];
        for (&size, &stride) in self.shape.iter().zip(&self.strides) {
            let steps = |start: usize| (0..size).map(move |i| start + i * stride);
            indices = indices.into_iter().flat_map(steps).collect();
        }
        indices.into_iter().filter_map(|i| storage.get(i).copied()).collect()
    }
}

/// The dictionary that `object` is.
pub(super) fn dictionary(object: &Object) -> Option<&[(Object, Object)]> {
    match object {
        Object::Dict(entries) => Some(entries),
        _ => None,
    }
}

fn class(object: &Object) -> Option<(&str, &str)> {
    match object {
        Object::Class { module_name, class_name } => Some((module_name, class_name)),
        _ => None,
    }
}

fn tuple(object: &Object) -> Option<&[Object]> {
    match object {
        Object::Tuple(items) => Some(items),
        _ => None,
    }
}

fn size(object: &Object) -> Option<usize> {
    match object {
        Object::Int(value) => usize::try_from(*value).ok(),
        Object::Long(value) => usize::try_from(*value).ok(),
        _ => None,
    }
}

fn sizes(object: &Object) -> Option<Vec<usize>> {
    tuple(object)?.iter().map(size).collect()
}
