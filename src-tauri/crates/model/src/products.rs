//! What products with the frozen weights are computed in: the setting `products`.

use crate::device::DeviceChoice;
use crate::error::{Error, Result};
use crate::model_size::ModelSize;
use crate::named::written_as_its_name;
use kernels::product::Kernel;
use std::fmt;
use std::str::FromStr;
use ts_rs::TS;

/// The type that both sides of a product with a frozen weight are in, on the CPU. Sums are f32, and so is all else: the
/// adapter's products, norms, attention, the loss.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, TS)]
#[ts(rename_all = "lowercase")]
pub enum Products {
    /// f32.
    F32,
    /// bf16, which moves each side of a product by at most 1/256 of itself.
    Bf16,
    /// bf16 where the processor multiplies in it and the weights are kept in fewer bits than f32, so that rounding them loses
    /// little; else f32.
    #[default]
    Auto,
}

impl Products {
    /// All of them, in the order in which they are listed.
    pub const ALL: [Self; 3] = [Self::F32, Self::Bf16, Self::Auto];

    /// As settings spell it.
    pub fn name(self) -> &'static str {
        match self {
            Self::F32 => "f32",
            Self::Bf16 => "bf16",
            Self::Auto => "auto",
        }
    }

    /// The names of all, for a message.
    pub fn names() -> String {
        Self::ALL.map(Self::name).join(", ")
    }

    /// What it comes to on this device for this model: never [`Products::Auto`]. Numbers differ between the two others.
    #[must_use]
    pub fn on(self, device: DeviceChoice, model: &ModelSize) -> Self {
        match self {
            Self::Auto if !model.is_f32() && Self::has_bf16(device) => Self::Bf16,
            Self::Auto => Self::F32,
            chosen => chosen,
        }
    }

    /// What multiplies in bf16, where it is to.
    ///
    /// # Errors
    /// When bf16 is asked for and the device cannot.
    pub(crate) fn kernel(self, device: DeviceChoice, model: &ModelSize) -> Result<Option<Kernel>> {
        match self.on(device, model) {
            Self::Bf16 => Self::has_kernel(device).map(Some).ok_or(Error::NoBf16Products),
            _ => Ok(None),
        }
    }

    /// Whether this device multiplies in bf16 by a kernel of ours.
    pub fn has_bf16(device: DeviceChoice) -> bool {
        Self::has_kernel(device).is_some()
    }

    fn has_kernel(device: DeviceChoice) -> Option<Kernel> {
        if device == DeviceChoice::Cpu { Kernel::of_processor() } else { None }
    }
}

impl fmt::Display for Products {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A name that is no [`Products`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("products is \"{0}\"; choose one of {names}", names = Products::names())]
pub struct UnknownProducts(pub String);

impl FromStr for Products {
    type Err = UnknownProducts;

    fn from_str(name: &str) -> std::result::Result<Self, UnknownProducts> {
        Self::ALL.into_iter().find(|it| it.name() == name).ok_or_else(|| UnknownProducts(name.to_owned()))
    }
}

written_as_its_name!(Products);

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::config::Config;
    use std::path::Path;

    #[test]
    fn names_are_read_back_and_others_are_refused_with_the_choices() {
        for products in Products::ALL {
            assert_eq!(products.name().parse(), Ok(products));
        }
        let error = "tf32".parse::<Products>().unwrap_err().to_string();
        assert_eq!(error, "products is \"tf32\"; choose one of f32, bf16, auto");
    }

    #[test]
    fn auto_is_what_the_processor_has_and_bf16_is_refused_where_it_has_not() {
        let has = Kernel::of_processor().is_some();
        let cpu = DeviceChoice::Cpu;
        let config = testkit::TinyLlama::default().config().to_string();
        let floats = ModelSize::in_f32(&Config::from_json(&config, Path::new("config.json")).unwrap());
        let auto = ModelSize { expanded: 1 << 20, ..floats.clone() };
        assert_eq!(Products::Auto.on(cpu, &auto), if has { Products::Bf16 } else { Products::F32 });
        assert_eq!(Products::Auto.kernel(cpu, &auto).unwrap().is_some(), has);
        assert_eq!(Products::F32.kernel(cpu, &auto).unwrap(), None);
        assert_eq!(Products::Auto.on(cpu, &floats), Products::F32);
        assert_eq!(Products::Auto.on(DeviceChoice::Cuda(0), &auto), Products::F32);
        assert!(Products::Bf16.kernel(DeviceChoice::Metal, &auto).is_err());
        match Products::Bf16.kernel(cpu, &floats) {
            Ok(kernel) => assert!(has && kernel.is_some()),
            Err(error) => assert!(!has && error.to_string().contains("auto")),
        }
    }
}
