//! The machine: what it is, and its measured rates.

use super::table::PeakRates;
use crate::error::Result;
use kernels::product::Kernel;
use kernels::rates;
use model::Products;
use serde::{Deserialize, Serialize};

/// A machine, in words that name nobody.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Machine {
    /// The processor, as it calls itself.
    pub processor: String,
    /// What of it matters to the speed of products, as Linux spells it.
    pub features: Vec<String>,
    /// Operating system and architecture.
    pub system: String,
    /// Cores that this process may use.
    pub cores: usize,
    /// Threads that are computed on.
    pub threads: usize,
    /// What it was measured to do.
    pub rates: Option<Rates>,
}

/// Measured rates of all threads together.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[allow(missing_docs)]
pub struct Rates {
    /// 10⁹ multiplications and additions per second in f32, on registers.
    pub f32_arithmetic: f64,
    /// The same of bf16, where the processor multiplies in it.
    pub bf16_arithmetic: Option<f64>,
    /// The same of a large product by the engine, in f32.
    pub f32_product: f64,
    /// The same in bf16.
    pub bf16_product: Option<f64>,
    /// 10⁹ bytes per second that are read from memory.
    pub memory: f64,
    pub threads: usize,
}

/// Versions of what is measured.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Versions {
    /// This program.
    pub tiebreak: String,
    /// The tensor library.
    pub candle: String,
    /// Its products of f32.
    pub gemm: String,
}

/// As Cargo.lock has them, which a test holds.
const CANDLE: &str = "0.11.1";
const GEMM: &str = "0.19.0";

impl Versions {
    pub(super) fn of_build() -> Self {
        Self { tiebreak: env!("CARGO_PKG_VERSION").into(), candle: CANDLE.into(), gemm: GEMM.into() }
    }
}

impl Machine {
    pub(super) fn describe() -> Self {
        Self {
            processor: processor().unwrap_or_else(|| std::env::consts::ARCH.to_owned()),
            features: features().into_iter().map(str::to_owned).collect(),
            system: format!("{} {}", std::env::consts::OS, std::env::consts::ARCH),
            cores: std::thread::available_parallelism().map_or(1, usize::from),
            threads: rates::threads(),
            rates: None,
        }
    }
}

/// Rates of arithmetic on registers, 10⁹ operations per second.
#[derive(Debug, Clone, Copy)]
pub(super) struct Arithmetic {
    f32: f64,
    bf16: Option<f64>,
}

impl Arithmetic {
    pub(super) fn measure() -> Self {
        Self { f32: rates::f32_arithmetic() * 1e-9, bf16: rates::bf16_arithmetic().map(|rate| rate * 1e-9) }
    }

    /// The higher of each.
    pub(super) fn or_better(self, other: Self) -> Self {
        let bf16 = self.bf16.zip(other.bf16).map(|(a, b)| a.max(b));
        Self { f32: self.f32.max(other.f32), bf16 }
    }
}

impl Rates {
    pub(super) fn measure(arithmetic: Arithmetic) -> Result<Self> {
        let product = |kernel| Ok::<_, model::Error>(rates::product(kernel)? * 1e-9);
        Ok(Self {
            f32_arithmetic: arithmetic.f32,
            bf16_arithmetic: arithmetic.bf16,
            f32_product: product(None)?,
            bf16_product: Kernel::of_processor().map(|kernel| product(Some(kernel))).transpose()?,
            memory: rates::memory() * 1e-9,
            threads: rates::threads(),
        })
    }

    /// What products in this type are held against.
    pub(super) fn of(&self, products: Products) -> PeakRates {
        let threads = self.threads;
        match (products, self.bf16_arithmetic, self.bf16_product) {
            (Products::Bf16, Some(arithmetic), Some(product)) => PeakRates { arithmetic, product, threads },
            _ => PeakRates { arithmetic: self.f32_arithmetic, product: self.f32_product, threads },
        }
    }
}

#[cfg(target_os = "linux")]
fn processor() -> Option<String> {
    let text = std::fs::read_to_string("/proc/cpuinfo").ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("model name"))?;
    Some(line.split_once(':')?.1.trim().to_owned())
}

#[cfg(target_os = "macos")]
fn processor() -> Option<String> {
    let output =
        std::process::Command::new("/usr/sbin/sysctl").args(["-n", "machdep.cpu.brand_string"]).output().ok()?;
    let name = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    (!name.is_empty()).then_some(name)
}

#[cfg(not(any(target_os = "linux", target_os = "macos")))]
fn processor() -> Option<String> {
    std::env::var("PROCESSOR_IDENTIFIER").ok()
}

#[cfg(target_arch = "x86_64")]
fn features() -> Vec<&'static str> {
    let all = [
        ("avx2", is_x86_feature_detected!("avx2")),
        ("fma", is_x86_feature_detected!("fma")),
        ("avx512f", is_x86_feature_detected!("avx512f")),
        ("avx512_bf16", is_x86_feature_detected!("avx512bf16")),
    ];
    all.into_iter().filter(|(_, there)| *there).map(|(name, _)| name).collect()
}

#[cfg(target_arch = "aarch64")]
fn features() -> Vec<&'static str> {
    // Part of the architecture.
    let mut found = vec!["neon"];
    if std::arch::is_aarch64_feature_detected!("bf16") {
        found.push("bf16");
    }
    found
}

#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
fn features() -> Vec<&'static str> {
    Vec::new()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_those_of_the_lock_file() {
        let lock = include_str!("../../../../../Cargo.lock").replace("\r\n", "\n");
        for (name, version) in [("candle-core", CANDLE), ("gemm", GEMM)] {
            assert!(lock.contains(&format!("name = \"{name}\"\nversion = \"{version}\"\n")), "{name} is not {version}");
        }
    }

    #[test]
    fn products_in_bf16_are_held_against_bf16_where_it_has_a_rate() {
        let mut rates = Rates {
            f32_arithmetic: 200.0,
            bf16_arithmetic: Some(400.0),
            f32_product: 150.0,
            bf16_product: Some(300.0),
            memory: 20.0,
            threads: 2,
        };
        assert_eq!(rates.of(Products::Bf16), PeakRates { arithmetic: 400.0, product: 300.0, threads: 2 });
        assert_eq!(rates.of(Products::F32), PeakRates { arithmetic: 200.0, product: 150.0, threads: 2 });
        rates.bf16_arithmetic = None;
        assert_eq!(rates.of(Products::Bf16), PeakRates { arithmetic: 200.0, product: 150.0, threads: 2 });
    }
}
