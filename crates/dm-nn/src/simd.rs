//! The instruction set of all vector loops: the best one of this machine, or the one that the environment variable `DM_SIMD`
//! names. Outputs of networks differ by rounding from one to another.

use std::sync::LazyLock;

use pulp::Arch;

use crate::error::{Error, Result};

/// The environment variable that chooses the instruction set, `avx512`, `avx2`, `neon` or `scalar`.
pub const VARIABLE: &str = "DM_SIMD";

/// The instruction set of all vector loops. A choice that [`check`] refuses has no effect.
#[inline]
pub fn arch() -> Arch {
    static ARCH: LazyLock<Arch> = LazyLock::new(|| chosen().ok().flatten().unwrap_or_default());
    *ARCH
}

/// Checks the value of [`VARIABLE`].
///
/// # Errors
/// If it names no instruction set that this machine has.
pub fn check() -> Result<()> {
    chosen().map(drop)
}

/// The instruction set that [`VARIABLE`] names; none without the variable.
fn chosen() -> Result<Option<Arch>> {
    let Some(name) = std::env::var_os(VARIABLE) else { return Ok(None) };
    let (name, sets) = (name.to_string_lossy(), available());
    let found = sets.iter().find(|(set, _)| *set == name).map(|&(_, arch)| Some(arch));
    let names = || sets.iter().map(|(set, _)| *set).collect::<Vec<_>>().join(", ");
    found.ok_or_else(|| {
        Error::invalid(VARIABLE, format!("`{name}`"), format!("one that this machine has: {}", names()))
    })
}

/// The instruction sets of this machine.
fn available() -> Vec<(&'static str, Arch)> {
    let mut sets = Vec::new();
    #[cfg(target_arch = "x86_64")]
    {
        sets.extend(pulp::x86::V4::try_new().map(|simd| ("avx512", Arch::V4(simd))));
        sets.extend(pulp::x86::V3::try_new().map(|simd| ("avx2", Arch::V3(simd))));
    }
    #[cfg(target_arch = "aarch64")]
    sets.extend(pulp::aarch64::Neon::try_new().map(|simd| ("neon", Arch::Neon(simd))));
    sets.push(("scalar", Arch::Scalar));
    sets
}
