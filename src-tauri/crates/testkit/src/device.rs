//! Where tests of the engine compute.

use candle_core::{DType, Device};
use std::sync::OnceLock;

/// The name of the device that tests of the engine run on: `TIEBREAK_TEST_DEVICE` (`cpu`, `cuda` or `metal`), else the CPU.
///
/// # Panics
/// When it names none of them.
pub fn device_name() -> &'static str {
    static NAME: OnceLock<&'static str> = OnceLock::new();
    NAME.get_or_init(|| match std::env::var("TIEBREAK_TEST_DEVICE").as_deref() {
        Err(_) | Ok("" | "cpu") => "cpu",
        Ok("cuda") => "cuda",
        Ok("metal") => "metal",
        Ok(other) => panic!("TIEBREAK_TEST_DEVICE is \"{other}\"; choose one of cpu, cuda, metal"),
    })
}

/// That device. It is opened once in a process: tensors of a device opened twice do not meet.
///
/// # Panics
/// When this build or this machine does not have it: a test that silently ran elsewhere would say nothing.
pub fn device() -> &'static Device {
    static DEVICE: OnceLock<Device> = OnceLock::new();
    DEVICE.get_or_init(|| match device_name() {
        "cuda" => Device::new_cuda(0).unwrap_or_else(|error| panic!("no CUDA device: {error}")),
        "metal" => Device::new_metal(0).unwrap_or_else(|error| panic!("no Metal device: {error}")),
        _ => Device::Cpu,
    })
}

/// The device for a test in this type: Metal has no f64, whose tests run on the CPU there.
pub fn device_for(dtype: DType) -> &'static Device {
    if dtype == DType::F64 && device().is_metal() { &Device::Cpu } else { device() }
}
