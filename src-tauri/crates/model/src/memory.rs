//! Memory of a training step: the formula that is stated, and what the process really took.

use crate::config::{Config, LinearShape};
use crate::error::Result;
use crate::head::response_logps::CHUNK;
use crate::lora::adapter::Lora;
use crate::lora::config::LoraConfig;
use crate::model_size::ModelSize;
use kernels::batch::Batch;

/// What a process of training takes beside [`Estimate`]: code, stacks of the thread pool, packing buffers of the matrix
/// products, the data, and what the allocator keeps for reuse.
pub const PROCESS_BYTES: u64 = 64 << 20;

/// How large an adapter is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct AdapterSize {
    /// Its largest rank.
    pub rank: u64,
    /// Numbers in it.
    pub parameters: u64,
    /// With DoRA, numbers that a layer keeps of each token besides: the outputs of its adapted linears.
    pub dora_outputs: u64,
}

impl AdapterSize {
    /// Of the adapter that these settings give a model.
    ///
    /// # Errors
    /// As [`LoraConfig::resolve`].
    pub fn of(lora: &LoraConfig, config: &Config) -> Result<Self> {
        let linears = config.linears();
        let adapted = lora.resolve(&linears)?;
        Ok(Self::over(lora, config, adapted.into_iter().map(|place| &linears[place])))
    }

    fn over<'a>(lora: &LoraConfig, config: &Config, adapted: impl Iterator<Item = &'a LinearShape>) -> Self {
        let mut size = Self::default();
        for linear in adapted {
            let (rank, out) = (lora.rank_of(&linear.name) as u64, linear.out_features as u64);
            size.rank = size.rank.max(rank);
            size.parameters += rank * (linear.in_features as u64 + out);
            if lora.use_dora {
                size.parameters += out;
                size.dora_outputs += out;
            }
        }
        size.dora_outputs = size.dora_outputs.div_ceil(config.num_hidden_layers.max(1) as u64);
        size
    }
}

/// Bytes by what they hold. Activations in f32.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Estimate {
    /// The frozen weights.
    pub weights: u64,
    /// The adapter, its gradients, both moments of AdamW, and as much again while they are updated.
    pub adapter: u64,
    /// What is kept between forward and backward.
    pub kept: u64,
    /// What one layer, or the vocabulary projection, needs while it is computed.
    pub transient: u64,
}

impl Estimate {
    /// The formula for one forward and backward of this batch.
    pub fn training(model: &ModelSize, lora: &Lora, batch: &Batch, recompute: bool) -> Self {
        let linears = model.config.linears();
        let adapted = lora.weights().iter().filter_map(|w| linears.iter().find(|linear| linear.name == w.name));
        let adapter = AdapterSize::over(lora.config(), &model.config, adapted);
        Self::of_step(model, adapter, batch.tokens() as u64, batch.targets().len() as u64, recompute)
    }

    /// The same before there is an adapter or a batch: for `tokens` packed tokens of which `targets` are predicted.
    ///
    /// With `T` packed tokens, `N` response tokens, `L` layers, widths `d` (residual), `q` and `k` (query and key heads)
    /// and `m` (MLP), and `V` the vocabulary, one layer saves `S = T (5 d + 2 q + 2 k + 3 m + heads + 7 r)` numbers.
    /// Kept are `L T d` with recomputation, `L S` without, and `4 N d` for the head. While a layer runs backward,
    /// `S + T (4 d + 3 q + 3 k + 3 m)` more, and while the head runs, `2 C V` for its chunk of `C` rows and as much of
    /// the same shape for the product that forms them. In either a piece of a weight is expanded, where weights are kept in
    /// fewer bits than f32 has.
    ///
    /// What some families have is added: norms over queries and keys keep `T (q + k + heads + key heads)`, norms after
    /// attention and MLP `T (2 d + 2)`, a soft cap on the logits needs `2 C V` more, and fused projections `T (q + 2 k + 2 m)`
    /// while they are cut up. DoRA keeps the outputs of a layer's adapted linears, and needs as much again while the layer
    /// runs backward.
    pub fn of_step(model: &ModelSize, adapter: AdapterSize, tokens: u64, targets: u64, recompute: bool) -> Self {
        let config = &model.config;
        let (layers, width) = (config.num_hidden_layers as u64, config.hidden_size as u64);
        let query = (config.num_attention_heads * config.head_dim) as u64;
        let key = (config.num_key_value_heads * config.head_dim) as u64;
        let (inner, vocabulary) = (config.intermediate_size as u64, config.vocab_size as u64);
        let AdapterSize { rank, parameters, dora_outputs } = adapter;
        let (heads, key_heads) = (config.num_attention_heads as u64, config.num_key_value_heads as u64);
        let only_if = |has: bool, numbers: u64| if has { numbers } else { 0 };
        let family = config.architecture;
        let norms = only_if(family.norms_queries_and_keys(), query + key + heads + key_heads)
            + only_if(family.layer_norms().mlp_output.is_some(), 2 * width + 2);
        let cut = only_if(family.fuses_projections(), query + 2 * key + 2 * inner);
        let saved = tokens * (5 * width + 2 * query + 2 * key + 3 * inner + heads + 7 * rank + norms + dora_outputs);
        let running = tokens * (4 * width + 3 * query + 3 * key + 3 * inner + cut + dora_outputs);
        let kept = layers * if recompute { tokens * width } else { saved } + 4 * targets * width;
        let chunk = (CHUNK as u64).min(targets) * vocabulary;
        Self {
            weights: model.weights,
            adapter: 4 * 6 * parameters,
            kept: 4 * kept,
            transient: 4 * (saved + running).max((4 + only_if(config.logit_softcap.is_some(), 2)) * chunk)
                + model.expanded,
        }
    }

    /// All of it.
    pub fn total(&self) -> u64 {
        self.weights + self.adapter + self.kept + self.transient
    }
}

/// The most memory this process has held at once, in bytes; `None` where the system does not tell.
#[cfg(target_os = "linux")]
pub fn peak_resident_bytes() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|l| l.strip_prefix("VmHWM:"))?;
    let kilobytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kilobytes * 1024)
}

/// The most memory this process has held at once, in bytes; `None` where the system does not tell.
#[cfg(not(target_os = "linux"))]
pub fn peak_resident_bytes() -> Option<u64> {
    None
}

/// The memory that can still be taken, in bytes: what the system says is available, or where that is less, what the control
/// group of this process or its own limit (`ulimit -v`) has left. `None` where the system does not tell.
#[cfg(target_os = "linux")]
pub fn available_bytes() -> Option<u64> {
    let read = |path| std::fs::read_to_string(path).unwrap_or_default();
    let free = available_of(&read("/proc/meminfo"))?;
    let groups = group_folders(&read("/proc/self/cgroup"));
    let own = left_of_limit(&read("/proc/self/limits"), &read("/proc/self/status"));
    Some(groups.iter().filter_map(|folder| left_in(folder)).chain(own).fold(free, u64::min))
}

/// The memory that can still be taken, in bytes; `None` where the system does not tell.
#[cfg(not(target_os = "linux"))]
pub fn available_bytes() -> Option<u64> {
    None
}

/// `MemAvailable` of `/proc/meminfo`.
#[cfg(target_os = "linux")]
fn available_of(meminfo: &str) -> Option<u64> {
    let line = meminfo.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?;
    Some(line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()? * 1024)
}

/// What a process may still map: its limit of address space (from `/proc/self/limits`) less what it has mapped (from
/// `/proc/self/status`); nothing where it has no limit.
#[cfg(target_os = "linux")]
fn left_of_limit(limits: &str, status: &str) -> Option<u64> {
    let limit = limits.lines().find_map(|line| line.strip_prefix("Max address space"))?;
    let limit: u64 = limit.split_whitespace().next()?.parse().ok()?;
    let mapped = status.lines().find_map(|line| line.strip_prefix("VmSize:"))?;
    let mapped: u64 = mapped.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(limit.saturating_sub(mapped * 1024))
}

/// The folders of a process's memory control groups (from `/proc/self/cgroup`) and of those above them.
#[cfg(target_os = "linux")]
fn group_folders(cgroup: &str) -> Vec<std::path::PathBuf> {
    let mut folders = Vec::new();
    for line in cgroup.lines() {
        let mut parts = line.splitn(3, ':').skip(1);
        let (Some(controllers), Some(path)) = (parts.next(), parts.next()) else { continue };
        let root = match controllers {
            "" => "/sys/fs/cgroup",
            list if list.split(',').any(|name| name == "memory") => "/sys/fs/cgroup/memory",
            _ => continue,
        };
        let root = std::path::Path::new(root);
        // In a container the path is often that of the host, and the group itself lies at the root.
        let inside = path.trim_start_matches('/');
        folders.extend(root.join(inside).ancestors().take_while(|folder| folder.starts_with(root)).map(Into::into));
    }
    folders.dedup();
    folders
}

/// What a control group has left: its limit less what is in use, where files that can be dropped do not count.
#[cfg(target_os = "linux")]
fn left_in(folder: &std::path::Path) -> Option<u64> {
    let number = |name: &str| std::fs::read_to_string(folder.join(name)).ok()?.trim().parse::<u64>().ok();
    let limit = number("memory.max").or_else(|| number("memory.limit_in_bytes"))?;
    let used = number("memory.current").or_else(|| number("memory.usage_in_bytes"))?;
    let statistics = std::fs::read_to_string(folder.join("memory.stat")).unwrap_or_default();
    let files = statistics.lines().find_map(|line| {
        let value = line.strip_prefix("inactive_file ").or_else(|| line.strip_prefix("total_inactive_file "))?;
        value.trim().parse::<u64>().ok()
    });
    Some(limit.saturating_sub(used.saturating_sub(files.unwrap_or(0))))
}

#[cfg(all(test, target_os = "linux"))]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use std::fs;
    use std::path::PathBuf;

    #[test]
    fn what_is_free_is_read_from_the_system() {
        assert_eq!(available_of("MemTotal: 9 kB\nMemAvailable:    1024 kB\n"), Some(1 << 20));
        assert_eq!(available_of("MemTotal: 9 kB\n"), None);
        assert!(available_bytes().unwrap() > 1 << 20);
    }

    #[test]
    fn a_limit_of_address_space_counts_less_what_is_mapped() {
        let status = "Name: x\nVmSize:\t     100 kB\n";
        let limits = |soft: &str| format!("Limit  Soft\nMax address space         {soft}   unlimited   bytes\n");
        assert_eq!(left_of_limit(&limits("204800"), status), Some(102_400));
        assert_eq!(left_of_limit(&limits("1000"), status), Some(0));
        assert_eq!(left_of_limit(&limits("unlimited"), status), None);
    }

    #[test]
    fn control_groups_of_either_version_and_all_above_them_are_looked_at() {
        let second: Vec<PathBuf> = ["/sys/fs/cgroup/a/b", "/sys/fs/cgroup/a", "/sys/fs/cgroup"].map(Into::into).into();
        assert_eq!(group_folders("0::/a/b\n"), second);
        let first: Vec<PathBuf> = ["/sys/fs/cgroup/memory/x", "/sys/fs/cgroup/memory"].map(Into::into).into();
        assert_eq!(group_folders("5:cpu:/x\n4:memory,hugetlb:/x\nnonsense\n"), first);
    }

    #[test]
    fn a_group_has_left_its_limit_less_what_cannot_be_dropped() {
        let folder = std::env::temp_dir().join(format!("tiebreak-cgroup-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let write = |name: &str, text: &str| fs::write(folder.join(name), text).unwrap();
        write("memory.max", "max\n");
        write("memory.current", "300\n");
        assert_eq!(left_in(&folder), None, "no limit");
        write("memory.max", "1000\n");
        assert_eq!(left_in(&folder), Some(700));
        write("memory.stat", "anon 100\ninactive_file 200\n");
        assert_eq!(left_in(&folder), Some(900));
        write("memory.current", "2000\n");
        assert_eq!(left_in(&folder), Some(0));
        fs::remove_dir_all(&folder).unwrap();
    }
}
