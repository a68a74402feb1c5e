//! A run's adapter, or its base with the adapter merged in: written, read again, and compared with the run's model before
//! it appears.
//!
//! A model is in memory once at a time. First the run's model says what it makes of a few pairs; then it is let go of,
//! the weights go from file to file, and what was written is loaded and asked the same.

use super::check::{AskedPairs, RunLogps};
use super::modelfile::{self, MODELFILE};
use super::{Exported, Form, WholeFolder, adapter_of, sliding_window};
use crate::context::Context;
use crate::error::{Error, Result};
use crate::evaluate::write_json;
use crate::open::{ModelChoice, Opened, find_model, open, open_quietly};
use crate::provenance;
use chat::Tokenizer;
use model::write::{lora_gguf, merge, merge_gguf};
use model::{BaseDtype, DeviceChoice, FloatType, Products};
use serde::Serialize;
use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Instant;
use train::base::Base;
use train::origin::AdapterOrigin;

/// Beside what was exported: what it was made from.
const ORIGIN: &str = "origin.json";

const MEGABYTE: u64 = 1_000_000;

/// What weights are stored as where nothing else is known: most models are published so.
const USUAL: FloatType = FloatType::Bf16;

/// Merges a run's adapter into its base, as a Hugging Face folder `merged` in `output_dir`.
pub(super) fn merged(
    run: &Path,
    dtype: Option<FloatType>,
    output_dir: &Path,
    allowed: bool,
    context: &mut Context,
) -> Result<Exported> {
    let config = runs::prepared(run)?;
    let base = find_model(&config.model, context)?;
    let dtype = match dtype {
        Some(dtype) => dtype,
        None => merge::stored_type(&base)?.unwrap_or(USUAL),
    };
    in_form(run, Form::Merged(dtype), output_dir, allowed, context)
}

/// Exports a run's weights in the form `form`, in a folder of its name in `output_dir`; where that is `allowed`, also on
/// another base than the run was trained on.
pub(super) fn in_form(
    run: &Path,
    form: Form,
    output_dir: &Path,
    allowed: bool,
    context: &mut Context,
) -> Result<Exported> {
    let config = runs::prepared(run)?;
    let base = find_model(&config.model, context)?;
    let merging = Merging::begin(run, (&base, config.settings.dtype), form, output_dir, allowed, context)?;
    let choice = ModelChoice {
        adapter: Some(merging.adapter.clone()),
        dtype: config.settings.dtype,
        allow_changed_base: allowed,
        ..in_f32(&base)
    };
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
    form: Form,
    pairs: AskedPairs,
    folder: WholeFolder,
    origin: MergedOrigin,
    /// Whether the base is another than the run was trained on.
    on_other_base: bool,
}

/// What was exported comes from: a file beside it.
#[derive(Debug, Clone, Serialize)]
struct MergedOrigin {
    run: PathBuf,
    /// What its adapter was made from; absent for runs of an earlier version.
    #[serde(skip_serializing_if = "Option::is_none")]
    adapter: Option<AdapterOrigin>,
    /// The model that it was computed on, read whole.
    base_model: PathBuf,
    base: Base,
    /// Says so where that is another than the run was trained on.
    #[serde(skip_serializing_if = "Option::is_none")]
    other_base: Option<String>,
    /// The version of the program.
    version: &'static str,
}

impl Merging {
    /// Begins to export the adapter of the run in the folder `run`, or what it makes of the model at `base`, whose weights
    /// the run keeps as `kept`. The model is read whole.
    ///
    /// # Errors
    /// When the run's rows, its adapter or, unless that is `allowed`, the model have changed, or the run has no adapter or no
    /// pairs, or pairs that whoever reads the form would read otherwise, or the form's folder is there already or cannot be
    /// made.
    pub(crate) fn begin(
        run: &Path,
        (base, kept): (&Path, BaseDtype),
        form: Form,
        output_dir: &Path,
        allowed: bool,
        context: &mut Context,
    ) -> Result<Self> {
        let adapter = adapter_of(run)?;
        provenance::check_rows(run, context)?;
        let digests = provenance::digests();
        let read = provenance::base(base, &digests.clone().whole(), context)?;
        let ground = provenance::check(&adapter, base, &digests, allowed, context)?;
        let origin = MergedOrigin {
            run: run.to_path_buf(),
            adapter: AdapterOrigin::of(&adapter)?,
            base_model: base.to_path_buf(),
            base: read,
            other_base: ground.sentence(),
            version: env!("CARGO_PKG_VERSION"),
        };
        if let Form::Gguf(_) | Form::LoraGguf = form {
            sliding_window::refuse_longer_pairs(run, base)?;
        }
        let pairs = AskedPairs::of_run(run, base)?;
        let folder = WholeFolder::begin(&output_dir.join(form.folder()))?;
        let on_other_base = ground.other.is_some();
        Ok(Self { base: base.to_path_buf(), kept, adapter, form, pairs, folder, origin, on_other_base })
    }

    /// What the run's model, base and adapter, makes of the pairs.
    ///
    /// # Errors
    /// When the user stops it or the model fails.
    pub(crate) fn live(&self, opened: &Opened, context: &mut Context) -> Result<RunLogps> {
        self.pairs.live(opened, context)
    }

    /// Writes it, reads it again, compares it with the run's model, and gives it its name.
    ///
    /// # Errors
    /// When the user stops it, it cannot be written, or it is not the model that the run has. Nothing is left then.
    pub(crate) fn finish(self, live: &RunLogps, context: &mut Context) -> Result<Exported> {
        let folder = self.folder.partial();
        match self.form {
            Form::Merged(dtype) => {
                told(context, |progress| merge::write(&self.base, self.kept, &self.adapter, dtype, folder, progress))?;
                chat::write_tokenizer(&self.base, folder)?;
            }
            Form::Gguf(stored) => {
                let tokenizer = self.gguf_tokenizer()?;
                let path = folder.join(self.form.file());
                told(context, |progress| {
                    merge_gguf::write(&self.base, self.kept, &self.adapter, stored, &tokenizer, &path, progress)
                })?;
                let text = modelfile::of_model(&self.form.file(), &Tokenizer::open(&path)?);
                write_text(&folder.join(MODELFILE), &text)?;
            }
            Form::LoraGguf => {
                lora_gguf::write(&self.base, &self.adapter, &folder.join(self.form.file()))?;
                let tokenizer = Tokenizer::open(&self.base)?;
                write_text(&folder.join(MODELFILE), &modelfile::of_adapter(&self.form.file(), &self.base, &tokenizer))?;
            }
        }
        let opened = self.open_written(context)?;
        let other_base = self.origin.other_base.clone();
        let check = self.pairs.check(&opened, live, (self.form.stored(), self.on_other_base), context)?;
        if let (Form::Gguf(_) | Form::LoraGguf, Some(border)) = (self.form, opened.decoder.config().rope.border()) {
            context.note(format!(
                "this model rotates sequences longer than {border} tokens by other frequencies (LongRoPE); here each text goes by \
                 its own length, while llama.cpp goes by the size of the context that it is started with (-c, in Ollama num_ctx): \
                 above {border} it takes the frequencies of long texts for short ones too"
            ));
        }
        write_json(&folder.join(ORIGIN), &self.origin)?;
        drop(opened);
        let path = self.folder.path().to_path_buf();
        let form = self.form;
        self.folder.finish()?;
        Ok(Exported {
            what: form.folder().into(),
            load: how_to_load(form, &path, &self.base),
            path,
            check: Some(check),
            other_base,
        })
    }

    /// The metadata of the tokenizer, where the base is no GGUF file, which has it already.
    fn gguf_tokenizer(&self) -> Result<BTreeMap<String, gguf::Value>> {
        if !self.base.is_dir() {
            return Ok(BTreeMap::new());
        }
        let config = model::Config::from_folder(&self.base)?;
        Ok(chat::gguf_tokenizer(&self.base, config.architecture.gguf_name(), config.vocab_size)?)
    }

    /// Loads what was written, as whoever uses it will.
    fn open_written(&self, context: &mut Context) -> Result<Opened> {
        let folder = self.folder.partial();
        match self.form {
            Form::Merged(_) => open_quietly(&in_f32(folder), context),
            Form::Gguf(_) => open_quietly(&in_f32(&folder.join(self.form.file())), context),
            Form::LoraGguf => {
                let mut opened = open_quietly(&ModelChoice { dtype: self.kept, ..in_f32(&self.base) }, context)?;
                let config = opened.decoder.config();
                opened.lora = Some(lora_gguf::read(&folder.join(self.form.file()), config, opened.decoder.device())?);
                Ok(opened)
            }
        }
    }
}

/// Writes, and tells how far it is.
fn told(
    context: &mut Context,
    write: impl FnOnce(&mut dyn FnMut(u64, u64) -> bool) -> model::Result<bool>,
) -> Result<()> {
    let (start, mut told) = (Instant::now(), None);
    let mut progress = |done: u64, total: u64| {
        let (done, total) = (done.div_ceil(MEGABYTE), total.div_ceil(MEGABYTE));
        if told.replace(done) != Some(done) {
            context.progress("write the merged weights, MB", start, done, total);
        }
        !context.stopped()
    };
    if write(&mut progress)? { Ok(()) } else { Err(Error::cancelled()) }
}

/// How other programs load what lies at `path`.
fn how_to_load(form: Form, path: &Path, base: &Path) -> String {
    // A relative path would look like a name of the hub.
    let absolute = |path: &Path| std::path::absolute(path).unwrap_or_else(|_| path.to_path_buf()).display().to_string();
    let is_folder = base.is_dir();
    let (shown, file, base) =
        (absolute(path), absolute(&path.join(form.file())), absolute(&modelfile::first_part(base)));
    match form {
        Form::Merged(_) => format!(
            "# transformers\npath = {shown:?}\nmodel = AutoModelForCausalLM.from_pretrained(path, dtype=\"auto\")\n\
             tokenizer = AutoTokenizer.from_pretrained(path)\n# vLLM\nvllm serve {shown:?}\n# Tiebreak\n\
             tiebreak generate --model {shown:?} --prompt \"...\""
        ),
        Form::Gguf(_) => format!(
            "# llama.cpp\nllama-cli -m {file:?}\n# Ollama\nollama create NAME -f {:?}\n# Tiebreak\n\
             tiebreak generate --model {file:?} --prompt \"...\"",
            absolute(&path.join(MODELFILE))
        ),
        Form::LoraGguf => {
            let base_file = if is_folder { "BASE.gguf".into() } else { format!("{base:?}") };
            format!(
                "# llama.cpp\nllama-cli -m {base_file} --lora {file:?}\n# Ollama\nollama create NAME -f {:?}",
                absolute(&path.join(MODELFILE))
            )
        }
    }
}

/// Writes a file that is then on the disk.
fn write_text(path: &Path, text: &str) -> Result<()> {
    let save = || -> std::io::Result<()> {
        let mut file = std::fs::File::create(path)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()
    };
    save().map_err(Error::file(path))
}

fn in_f32(model: &Path) -> ModelChoice {
    ModelChoice {
        model: model.to_path_buf(),
        adapter: None,
        device: DeviceChoice::Auto,
        dtype: BaseDtype::F32,
        products: Products::F32,
        allow_changed_base: false,
    }
}
