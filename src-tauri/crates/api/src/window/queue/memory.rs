//! What a run is going to take of the memory.

use super::super::training::run_identity;
use super::super::training::start::adapter_settings;
use super::super::{Backend, OpenProject};
use crate::error::Result;
use model::DeviceChoice;
use model::memory::available_bytes;
use prefs::store::{PairSource, SourcedPair};
use train::folder::Begun;
use train::memory::{self, Length};
use train::settings::Checkpointing;
use train::{RunConfig, Settings};

/// Bytes at the peak of a run of the project; nothing where that cannot be told. Training itself says why, when it begins.
pub(super) fn needed(backend: &Backend, project: &OpenProject, run: &str) -> Option<u64> {
    // The formula is that of the CPU's kernels and memory.
    if backend.device() != DeviceChoice::Cpu {
        return None;
    }
    estimate(backend, project, run).ok().flatten()
}

fn estimate(backend: &Backend, project: &OpenProject, run: &str) -> Result<Option<u64>> {
    let run = run_identity(backend, project, run)?;
    let Some(tokenizer) = backend.tokenizer(&run.model)? else { return Ok(None) };
    let RunConfig { model, mut settings, .. } = run.config;
    if let Some(lora) = adapter_settings(&settings)? {
        settings.lora = lora;
    }
    let pairs = Begun::read(&run.folder)?.train.pairs.into_iter();
    let sourced = |(place, pair)| SourcedPair { id: place as i64 + 1, source: PairSource::Imported, pair };
    let pairs: Vec<SourcedPair> = pairs.enumerate().map(sourced).collect();
    let lengths: Vec<Length> =
        backend.0.lengths.of(&model, &tokenizer, &pairs)?.iter().map(|read| read.length).collect();
    let kept = memory::left(&lengths, &settings.limits());
    if kept.is_empty() {
        return Ok(None);
    }
    let size = model::weights::open(&model, settings.dtype, &candle_core::Device::Cpu)?.size();
    let recompute = memory::recomputes(&settings, &size, &kept, available_bytes())?;
    let gradient_checkpointing = if recompute { Checkpointing::On } else { Checkpointing::Off };
    Ok(Some(memory::needed(&Settings { gradient_checkpointing, ..settings }, &size, &kept)?))
}
