//! The device on which networks compute.

use anyhow::{Result, bail};
use candle_core::Device;
use clap::ValueEnum;

/// A kind of device.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum DeviceKind {
    /// All cores of the CPU.
    Cpu,
    /// The first NVIDIA GPU (needs a build with `--features cuda`).
    Cuda,
    /// The first Apple GPU (needs a build with `--features metal`).
    Metal,
}

/// Opens a device of this kind.
///
/// # Errors
/// If this binary was built without support for the device, or the machine has no such device.
pub fn open(kind: DeviceKind) -> Result<Device> {
    let missing =
        |feature: &str| format!("--device {feature}: this binary was built without --features {feature}");
    match kind {
        DeviceKind::Cpu => Ok(Device::Cpu),
        DeviceKind::Cuda if cfg!(feature = "cuda") => Ok(Device::new_cuda(0)?),
        DeviceKind::Metal if cfg!(feature = "metal") => Ok(Device::new_metal(0)?),
        DeviceKind::Cuda => bail!(missing("cuda")),
        DeviceKind::Metal => bail!(missing("metal")),
    }
}
