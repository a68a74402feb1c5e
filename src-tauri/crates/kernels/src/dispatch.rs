//! Which version of a kernel does a piece of work.

use crate::profile::Work;
use candle_core::{DType, Tensor};
use std::sync::OnceLock;

/// Whether this work on this tensor is done by a fused kernel.
pub fn fused(tensor: &Tensor, work: Work) -> bool {
    tensor.device().is_cpu() && tensor.dtype() == DType::F32 && !is_plain(work)
}

/// Whether the CPU is to do this work as every other device does, by plain tensor operations: where `TIEBREAK_KERNELS` is
/// `plain`, which is for all, or names this one, as `plain:attention,rope` does. All tests of the engine pass so too, which
/// is what stands behind devices that are not at hand.
pub fn is_plain(work: Work) -> bool {
    static PLAIN: OnceLock<Vec<Work>> = OnceLock::new();
    let plain = PLAIN.get_or_init(|| plain_in(&std::env::var("TIEBREAK_KERNELS").unwrap_or_default()));
    plain.contains(&work)
}

fn plain_in(setting: &str) -> Vec<Work> {
    match setting.strip_prefix("plain") {
        Some("") => Work::ALL.to_vec(),
        Some(names) => {
            let named = |work: &Work| names.trim_start_matches(':').split(',').any(|name| name == work.name());
            Work::ALL.into_iter().filter(named).collect()
        }
        None => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kernels_are_turned_off_together_or_by_name() {
        assert_eq!(plain_in("plain"), Work::ALL);
        assert_eq!(plain_in("plain:rope,attention"), [Work::Attention, Work::Rope]);
        assert_eq!(plain_in(""), []);
        assert_eq!(plain_in("fused"), []);
    }
}
