//! What leaves: exporting, and pushing to the hub.

use super::Allow;
use api::{CurveForm, ExportRequest, FloatType, GgufType, PairForm, PushChoices, PushRequest, PushWhat, Weights};
use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{ArgGroup, Args, ValueEnum};
use std::path::PathBuf;

#[derive(Debug, Args)]
pub(crate) struct ExportArguments {
    #[command(flatten)]
    what: Exports,
    /// The pairs of this set alone, by its name in the project
    #[arg(long, value_name = "NAME", requires = "project")]
    set: Option<String>,
    /// What the pairs are written as: JSON Lines and Parquet for training, and files for labelling in Argilla 2 and in
    /// Label Studio
    #[arg(long, value_delimiter = ',', value_name = "FORMS", requires = "project", value_parser = forms())]
    #[arg(default_value = "jsonl,parquet")]
    pairs_as: Vec<PairForm>,
    /// Instead of the adapter, the run's metrics by step: as CSV, and as events that TensorBoard reads
    #[arg(long, value_enum, value_delimiter = ',', value_name = "FORMS", requires = "run")]
    #[arg(conflicts_with_all = ["merged", "gguf", "lora_gguf"])]
    curves: Vec<Curves>,
    /// Write over files of pairs that lie in the output folder already, such as those of an earlier export
    #[arg(long, requires = "project")]
    replace: bool,
    /// Where it goes
    #[arg(long)]
    output_dir: PathBuf,
}

/// What leaves: of a run, or of a project.
#[derive(Debug, Args)]
struct Exports {
    /// A finished run: its adapter, in PEFT's format
    #[arg(long)]
    run: Option<PathBuf>,
    /// Instead of the adapter, the run's model with the adapter merged in: a folder in Hugging
    /// Face's format, which transformers loads. It is read again, and compared with the run's model, before it appears
    #[arg(long, requires = "run")]
    merged: bool,
    /// What merged weights are stored as [default: as in the base's config.json; bf16 where that is a GGUF file]
    #[arg(long, value_enum, requires = "merged")]
    dtype: Option<StoredType>,
    /// Instead of the adapter, the run's model with the adapter merged in as one GGUF file, which llama.cpp and Ollama
    /// load, with a Modelfile beside it. It is read again and compared like merged weights
    #[arg(long, value_enum, value_name = "TYPE", requires = "run", conflicts_with = "merged")]
    gguf: Option<BlockType>,
    /// The adapter as a GGUF file: --lora of llama.cpp, ADAPTER of the Modelfile beside it
    #[arg(long, requires = "run", conflicts_with_all = ["merged", "gguf"])]
    lora_gguf: bool,
    #[command(flatten)]
    allow: Allow,
    /// A project: its pairs, each with where it came from and what annotators said of it
    #[arg(long)]
    project: Option<PathBuf>,
    /// Name the annotators of the project's pairs; without this they are numbered
    #[arg(long, requires = "project")]
    annotator_names: bool,
}

fn forms() -> impl TypedValueParser<Value = PairForm> {
    let named = |name: String| PairForm::ALL.into_iter().find(|form| form.name() == name).ok_or("no form is called so");
    PossibleValuesParser::new(PairForm::ALL.map(PairForm::name)).try_map(named)
}

impl Exports {
    fn weights(&self) -> Weights {
        match self.gguf {
            Some(stored) => Weights::Gguf(stored.into()),
            None if self.lora_gguf => Weights::LoraGguf,
            None if self.merged => Weights::Merged(self.dtype.map(Into::into)),
            None => Weights::Adapter,
        }
    }
}

impl ExportArguments {
    pub(crate) fn request(self) -> ExportRequest {
        let weights = self.what.weights();
        let Exports { run, project, annotator_names, allow, .. } = self.what;
        let allow_changed_base = allow.allow_changed_base;
        let (set, pairs_as, output_dir, replace) = (self.set, self.pairs_as, self.output_dir, self.replace);
        let curves = self.curves.into_iter().map(Into::into).collect();
        ExportRequest {
            run,
            weights,
            curves,
            project,
            set,
            pairs_as,
            annotator_names,
            replace,
            output_dir,
            allow_changed_base,
        }
    }
}

/// What a run's curves are written as.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum Curves {
    /// A row for each step, under TRL's names
    Csv,
    /// A file of events; `tensorboard --logdir` takes the folder above it
    Tensorboard,
}

impl From<Curves> for CurveForm {
    fn from(form: Curves) -> Self {
        match form {
            Curves::Csv => Self::Csv,
            Curves::Tensorboard => Self::Tensorboard,
        }
    }
}

#[derive(Debug, Args)]
#[command(group = ArgGroup::new("pushed").args(["run", "project"]).required(true))]
pub(crate) struct PushArguments {
    #[command(flatten)]
    what: Exports,
    /// The repository, as owner/name; it is made where it is not there
    #[arg(long, value_name = "OWNER/NAME")]
    repo: String,
    /// Let everybody read it; without this a new repository is private, and a public one is refused
    #[arg(long)]
    public: bool,
    /// Replace files of the repository that have the same names and other contents, its card among them
    #[arg(long)]
    replace: bool,
    /// An evaluation of the run whose result stands on the card, besides those in the run's project; may be given several
    /// times
    #[arg(long = "eval", value_name = "DIR", requires = "run")]
    evals: Vec<PathBuf>,
    /// The licence that the card names, such as apache-2.0
    #[arg(long, value_name = "ID")]
    licence: Option<String>,
    /// Show the card and what would be sent, and send nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
}

impl PushArguments {
    pub(crate) fn request(self) -> (PushRequest, PushChoices) {
        let weights = self.what.weights();
        let Exports { run, project, annotator_names, allow, .. } = self.what;
        let allow_changed_base = allow.allow_changed_base;
        let what = match (run, project) {
            (Some(run), _) => PushWhat::Run { run, weights, evaluations: self.evals, allow_changed_base },
            // One of the two is there, as the group above has it.
            (None, project) => PushWhat::Project { project: project.unwrap_or_default(), annotator_names },
        };
        let choices = PushChoices { public: self.public, replace: self.replace, ..PushChoices::default() };
        (PushRequest { what, repo: self.repo, licence: self.licence, dry_run: self.dry_run }, choices)
    }
}

#[derive(Debug, Clone, Copy, ValueEnum)]
#[value(rename_all = "lower")]
pub(crate) enum StoredType {
    /// Without rounding
    F32,
    /// Half the size, as most models are published
    Bf16,
    /// Half the size, finer than bf16, with a smaller range
    F16,
}

impl From<StoredType> for FloatType {
    fn from(dtype: StoredType) -> Self {
        match dtype {
            StoredType::F32 => Self::F32,
            StoredType::Bf16 => Self::Bf16,
            StoredType::F16 => Self::F16,
        }
    }
}

/// What the tensors of a GGUF file are stored as.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum BlockType {
    /// As they are in the base, which must be a GGUF file; what the adapter does not touch is copied as it lies
    #[value(name = "as_base")]
    AsBase,
    /// 16-bit floats
    F16,
    /// Some 8.5 bits per weight
    #[value(name = "q8_0")]
    Q8_0,
    /// Some 4.8 bits per weight, in llama.cpp's mixture `Q4_K_M`
    #[value(name = "q4_k")]
    Q4K,
}

impl From<BlockType> for GgufType {
    fn from(stored: BlockType) -> Self {
        match stored {
            BlockType::AsBase => Self::AsBase,
            BlockType::F16 => Self::F16,
            BlockType::Q8_0 => Self::Q8_0,
            BlockType::Q4K => Self::Q4K,
        }
    }
}
