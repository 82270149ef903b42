//! The arguments of a degradation besides the image: timestep and noise.

/// A timestep t of the process, from 0 (the clean image) to T (the prior). Values above T are outside the domain of every
/// degradation; tables are indexed by t.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestep(pub usize);

/// All random numbers of one degraded image, for every timestep.
///
/// Each degradation decides what the numbers are: standard normals, uniforms, the centre of a mask. A degradation without
/// randomness has empty noise.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Noise(pub Vec<f32>);
