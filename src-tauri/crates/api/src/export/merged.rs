//! A run's adapter merged into its base: written, read again, and compared with the run's model before it appears.
//!
//! A model is in memory once at a time. First the run's model says what it makes of a few pairs; then it is let go of,
//! the weights go from file to file, and what was written is loaded and asked the same.

use super::check::{AskedPairs, Live};
use super::{Exported, WholeFolder, adapter_of};
use crate::context::Context;
use crate::error::{Error, Result};
use crate::open::{ModelChoice, Opened, find_model, open};
use model::{BaseDtype, FloatType, merge};
use std::path::{Path, PathBuf};
use std::time::Instant;

/// The folder of the merged model, and the name of what it is.
pub(crate) const MERGED: &str = "merged";

const MEGABYTE: u64 = 1_000_000;

/// What weights are stored as where nothing else is known: most models are published so.
const USUAL: FloatType = FloatType::Bf16;

/// Merges a run's adapter into its base, as a Hugging Face folder `merged` in `output_dir`.
pub(super) fn merged(
    run: &Path,
    dtype: Option<FloatType>,
    output_dir: &Path,
    context: &mut Context,
) -> Result<Exported> {
    let config = runs::prepared(run)?;
    let base = find_model(&config.model, context)?;
    let dtype = match dtype {
        Some(dtype) => dtype,
        None => merge::stored_type(&base)?.unwrap_or(USUAL),
    };
    let merging = Merging::begin(run, &base, config.dtype, dtype, output_dir)?;
    let choice = ModelChoice { adapter: Some(merging.adapter.clone()), dtype: config.dtype, ..in_f32(&base) };
    let opened = open(&choice, context)?;
    let live = merging.live(&opened, context)?;
    drop(opened);
    merging.finish(&live, context)
}

/// A merge under way.
pub(crate) struct Merging {
    base: PathBuf,
    /// What the run keeps the base's weights as.
    kept: BaseDtype,
    adapter: PathBuf,
    dtype: FloatType,
    pairs: AskedPairs,
    folder: WholeFolder,
}

impl Merging {
    /// Begins to merge the adapter of the run in the folder `run` into the model at `base`, whose weights the run keeps as
    /// `kept`.
    ///
    /// # Errors
    /// When the run has no adapter or no pairs, or the merged folder is there already or cannot be made.
    pub(crate) fn begin(run: &Path, base: &Path, kept: BaseDtype, dtype: FloatType, output_dir: &Path) -> Result<Self> {
        let adapter = adapter_of(run)?;
        let pairs = AskedPairs::of_run(run, base)?;
        let folder = WholeFolder::begin(&output_dir.join(MERGED))?;
        Ok(Self { base: base.to_path_buf(), kept, adapter, dtype, pairs, folder })
    }

    /// What the run's model, base and adapter, makes of the pairs.
    ///
    /// # Errors
    /// When the user stops it or the model fails.
    pub(crate) fn live(&self, opened: &Opened, context: &mut Context) -> Result<Live> {
        self.pairs.live(opened, context)
    }

    /// Writes the merged model, reads it again, compares it with the run's, and gives it its name.
    ///
    /// # Errors
    /// When the user stops it, it cannot be written, or it is not the model that the run has. Nothing is left then.
    pub(crate) fn finish(self, live: &Live, context: &mut Context) -> Result<Exported> {
        let to = self.folder.partial();
        let (start, mut told) = (Instant::now(), None);
        let mut progress = |done: u64, total: u64| {
            let (done, total) = (done.div_ceil(MEGABYTE), total.div_ceil(MEGABYTE));
            if told.replace(done) != Some(done) {
                context.progress("write the merged weights, MB", start, done, total);
            }
            !context.stopped()
        };
        if !merge::write(&self.base, self.kept, &self.adapter, self.dtype, to, &mut progress)? {
            return Err(Error::cancelled());
        }
        chat::write_tokenizer(&self.base, to)?;
        let opened = open(&in_f32(to), context)?;
        let check = self.pairs.check(&opened, live, self.dtype, context)?;
        drop(opened);
        let path = self.folder.path().to_path_buf();
        self.folder.finish()?;
        // A relative path would look like a name of the hub.
        let shown = std::path::absolute(&path).unwrap_or_else(|_| path.clone()).display().to_string();
        let load = format!(
            "# transformers\npath = {shown:?}\nmodel = AutoModelForCausalLM.from_pretrained(path, dtype=\"auto\")\n\
             tokenizer = AutoTokenizer.from_pretrained(path)\n# vLLM\nvllm serve {shown:?}\n# Tiebreak\n\
             tiebreak generate --model {shown:?} --prompt \"...\""
        );
        Ok(Exported { what: MERGED.into(), path, load, check: Some(check) })
    }
}

fn in_f32(model: &Path) -> ModelChoice {
    ModelChoice { model: model.to_path_buf(), adapter: None, device: "cpu".into(), dtype: BaseDtype::F32 }
}
