//! Where is computed: the setting `device`, and what a device is and has.
//!
//! A device other than the CPU runs the plain versions of the [`kernels`]. CUDA and Metal are features of the build.

use crate::error::{Error, Result};
use crate::named::written_as_its_name;
use candle_core::Device;
use std::fmt;
use std::str::FromStr;

/// Where to compute.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum DeviceChoice {
    /// The first CUDA device, or the Metal device, where this build and this machine have one; else the CPU.
    #[default]
    Auto,
    /// The CPU.
    Cpu,
    /// The CUDA device of this number.
    Cuda(usize),
    /// The Metal device.
    Metal,
}

/// A device that can be computed on.
#[derive(Debug, Clone)]
pub struct ComputeDevice {
    /// The device.
    pub device: Device,
    /// How settings name it; never [`DeviceChoice::Auto`].
    pub choice: DeviceChoice,
    /// What it is, such as `CPU, 8 cores` or `NVIDIA H100 (cuda:0)`.
    pub name: String,
    /// Why it is the CPU, where that was not asked for: a clause, such as `this build has neither CUDA nor Metal`.
    pub reason: Option<String>,
}

impl fmt::Display for ComputeDevice {
    /// Its name, and the reason where there is one.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.reason {
            Some(reason) => write!(f, "{} ({reason})", self.name),
            None => f.write_str(&self.name),
        }
    }
}

impl DeviceChoice {
    /// Opens the device. [`DeviceChoice::Auto`] always finds one.
    ///
    /// # Errors
    /// When this build or this machine does not have the device that is asked for.
    pub fn open(self) -> Result<ComputeDevice> {
        match self {
            Self::Cpu => Ok(cpu(None)),
            Self::Cuda(number) => cuda(number).map_err(|what| self.refused(what)),
            Self::Metal => metal().map_err(|what| self.refused(what)),
            Self::Auto if cfg!(feature = "cuda") => Ok(cuda(0).unwrap_or_else(|what| cpu(Some(what)))),
            Self::Auto if cfg!(feature = "metal") => Ok(metal().unwrap_or_else(|what| cpu(Some(what)))),
            Self::Auto => Ok(cpu(Some("this build has neither CUDA nor Metal".into()))),
        }
    }

    /// How settings name this device.
    pub fn of(device: &Device) -> Self {
        match device.location() {
            candle_core::DeviceLocation::Cpu => Self::Cpu,
            candle_core::DeviceLocation::Cuda { gpu_id } => Self::Cuda(gpu_id),
            candle_core::DeviceLocation::Metal { .. } => Self::Metal,
        }
    }

    fn refused(self, what: String) -> Error {
        let hint = "Set device to \"cpu\", or to \"auto\" for whatever is there".into();
        Error::Device { device: self.to_string(), what, hint }
    }
}

/// What a device is, such as `CPU, 8 cores` or `NVIDIA H100 (cuda:0)`.
pub fn name(device: &Device) -> String {
    match DeviceChoice::of(device) {
        DeviceChoice::Metal => "Metal GPU".into(),
        choice @ DeviceChoice::Cuda(_) => {
            format!("{} ({choice})", cuda_name(device).unwrap_or_else(|| "CUDA device".into()))
        }
        DeviceChoice::Cpu | DeviceChoice::Auto => {
            let cores = std::thread::available_parallelism().map_or(1, usize::from);
            format!("CPU, {cores} core{}", if cores == 1 { "" } else { "s" })
        }
    }
}

impl ComputeDevice {
    fn new(device: Device, reason: Option<String>) -> Self {
        Self { choice: DeviceChoice::of(&device), name: name(&device), device, reason }
    }
}

fn cpu(reason: Option<String>) -> ComputeDevice {
    ComputeDevice::new(Device::Cpu, reason)
}

fn cuda(number: usize) -> std::result::Result<ComputeDevice, String> {
    if cfg!(not(feature = "cuda")) {
        return Err("this build has no CUDA".into());
    }
    let device = Device::new_cuda(number)
        .map_err(|error| format!("CUDA device {number} cannot be used: {}", first_line(&error)))?;
    Ok(ComputeDevice::new(device, None))
}

fn metal() -> std::result::Result<ComputeDevice, String> {
    if cfg!(not(feature = "metal")) {
        return Err("this build has no Metal".into());
    }
    // candle looks for the device in a list, and panics where the list is empty.
    let device = std::panic::catch_unwind(|| Device::new_metal(0))
        .map_err(|_| "there is no Metal device".to_string())?
        .map_err(|error| format!("the Metal device cannot be used: {}", first_line(&error)))?;
    Ok(ComputeDevice::new(device, None))
}

/// What went wrong, without the trace that candle appends where traces are asked for.
fn first_line(error: &candle_core::Error) -> String {
    error.to_string().lines().next().unwrap_or_default().to_owned()
}

/// Whether the device can hold bf16 and make f32 of it. CUDA's begins with compute capability 8.0 (Ampere).
pub(crate) fn has_bf16(device: &Device) -> bool {
    capability(device).is_none_or(|(major, _)| major >= 8)
}

#[cfg(feature = "cuda")]
fn capability(device: &Device) -> Option<(i32, i32)> {
    device.as_cuda_device().ok()?.cuda_stream().context().compute_capability().ok()
}

#[cfg(feature = "cuda")]
fn cuda_name(device: &Device) -> Option<String> {
    device.as_cuda_device().ok()?.cuda_stream().context().name().ok()
}

#[cfg(not(feature = "cuda"))]
fn capability(_: &Device) -> Option<(i32, i32)> {
    None
}

#[cfg(not(feature = "cuda"))]
fn cuda_name(_: &Device) -> Option<String> {
    None
}

impl fmt::Display for DeviceChoice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Auto => f.write_str("auto"),
            Self::Cpu => f.write_str("cpu"),
            Self::Cuda(number) => write!(f, "cuda:{number}"),
            Self::Metal => f.write_str("metal"),
        }
    }
}

/// A name that is no [`DeviceChoice`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("device is \"{0}\"; choose one of auto, cpu, cuda, cuda:N, metal")]
pub struct UnknownDevice(pub String);

impl FromStr for DeviceChoice {
    type Err = UnknownDevice;

    fn from_str(name: &str) -> std::result::Result<Self, UnknownDevice> {
        match name {
            "auto" => Ok(Self::Auto),
            "cpu" => Ok(Self::Cpu),
            "cuda" => Ok(Self::Cuda(0)),
            "metal" => Ok(Self::Metal),
            _ => {
                let number = name.strip_prefix("cuda:").and_then(|number| number.parse().ok());
                number.map(Self::Cuda).ok_or_else(|| UnknownDevice(name.to_owned()))
            }
        }
    }
}

written_as_its_name!(DeviceChoice);

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_back_and_others_are_refused_with_the_choices() {
        for choice in
            [DeviceChoice::Auto, DeviceChoice::Cpu, DeviceChoice::Cuda(0), DeviceChoice::Cuda(3), DeviceChoice::Metal]
        {
            assert_eq!(choice.to_string().parse(), Ok(choice));
        }
        assert_eq!("cuda".parse(), Ok(DeviceChoice::Cuda(0)));
        for unknown in ["gpu", "cuda:", "cuda:-1", "CPU"] {
            let error = unknown.parse::<DeviceChoice>().unwrap_err().to_string();
            assert_eq!(error, format!("device is \"{unknown}\"; choose one of auto, cpu, cuda, cuda:N, metal"));
        }
    }

    #[test]
    fn auto_always_finds_a_device_and_the_cpu_has_a_reason() {
        let found = DeviceChoice::Auto.open().unwrap();
        assert_eq!(found.choice, DeviceChoice::of(&found.device));
        assert_eq!(found.reason.is_some(), found.device.is_cpu(), "{found}");
        assert_eq!(DeviceChoice::Cpu.open().unwrap().reason, None);
    }

    #[test]
    fn a_device_that_is_not_there_is_refused_with_what_to_do() {
        // No machine has so many, and without the feature none has any.
        let error = DeviceChoice::Cuda(4096).open().unwrap_err().to_string();
        assert_eq!(error.lines().count(), 1, "{error}");
        assert!(error.contains("cuda:4096") && error.contains("\"cpu\""), "{error}");
    }
}
