//! The command line's words.

mod exports;
mod items;
mod queue;
mod sweep;

pub(crate) use exports::{ExportArguments, PushArguments};
pub(crate) use items::{ItemsArguments, ItemsCommand, Named};
pub(crate) use queue::{QueueArguments, QueueCommand};
pub(crate) use sweep::{SweepArguments, SweepCommand, SweepStart};

use crate::bench::BenchArguments;
use api::{
    BaseDtype, CHOICE_KEYS, COLUMN_KEYS, CheckRequest, Choices, Code, DeviceChoice, EvalRequest, GenerateRequest,
    ImportRequest, ModelChoice, Products, Sampling, ScoreRequest, SideChoice, SuspectOrder, SuspectsRequest,
    Truncation,
};
use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{Args, Parser, Subcommand, ValueEnum};
use std::path::PathBuf;

/// Make a language model prefer better answers: preference pairs in, LoRA DPO, win rate out.
#[derive(Debug, Parser)]
#[command(name = "tiebreak", version, about, propagate_version = true)]
pub(crate) struct Arguments {
    /// One JSON object per line on standard output; everything else goes to standard error
    #[arg(long, global = true)]
    pub(crate) json: bool,
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Bring preference pairs, answers to label or prompts into a project
    Import(ImportArguments),
    /// Say what is odd about pairs: duplicates, contradictions, leaks, lengths against the limits
    Check(CheckArguments),
    /// Log-probabilities of pairs under policy and reference
    Score(ScoreArguments),
    /// Train a LoRA by DPO as a settings file says
    Train {
        /// The settings: flat keys under TRL's names, tables [data] and [lora]
        #[arg(long)]
        config: PathBuf,
        #[command(flatten)]
        allow: Allow,
    },
    /// Pairs of a run that its model thinks are labelled the wrong way round, the most suspicious first
    Suspects(SuspectsArguments),
    /// The runs of a project that wait for one another: list, add, move, remove, run until none is left
    Queue(QueueArguments),
    /// Runs that are alike but for some settings: start them, and compare what they came to
    Sweep(SweepArguments),
    /// The runs, evaluations and exports of a project: what they take on the disk, names, notes, archive, bin
    Items(ItemsArguments),
    /// Answer prompts
    Generate(GenerateArguments),
    /// Compare base and tuned model on held-out prompts
    Eval(Box<EvalArguments>),
    /// Let another judge decide on the answers of an evaluation; nothing is generated
    Judge {
        /// The evaluation's folder, with all its answers
        #[arg(long, value_name = "FOLDER")]
        answers: PathBuf,
        /// As for `tiebreak eval`
        #[arg(long)]
        judge: String,
        /// Where the new evaluation goes; one that was broken off is resumed
        #[arg(long)]
        output_dir: PathBuf,
    },
    /// Write one HTML page about a run and its evaluation
    Report {
        /// A run's folder
        #[arg(long)]
        run: Option<PathBuf>,
        /// An evaluation's folder
        #[arg(long)]
        eval: Option<PathBuf>,
        /// Where the page and its figures go
        #[arg(long)]
        output_dir: PathBuf,
    },
    /// Export a run's adapter or merged weights, or a project's pairs
    Export(ExportArguments),
    /// Push a run's adapter or merged weights, or a project's pairs, to the Hugging Face hub
    Push(PushArguments),
    /// Keep an access token of the Hugging Face hub in the system's keyring; it is typed, or comes from standard input
    Login {
        /// Instead of the hub's token, the key of a judge at this address, such as <https://api.openai.com/v1>; the judge is
        /// then written endpoint:URL MODEL @keyring
        #[arg(long, value_name = "URL")]
        judge: Option<String>,
    },
    /// Forget the access token in the system's keyring
    Logout {
        /// Instead of the hub's token, the key of a judge at this address
        #[arg(long, value_name = "URL")]
        judge: Option<String>,
    },
    /// The whole main job on the built-in demo project
    Demo {
        /// Where the demo works; one that was broken off is resumed
        #[arg(long, default_value = "tiebreak-demo")]
        output_dir: PathBuf,
        /// What products with the model's weights are computed in: f32, bf16, or auto
        #[arg(long, default_value_t)]
        products: Products,
        /// Only fetch the demo's model and print where it is
        #[arg(long)]
        fetch_only: bool,
    },
    /// Measure this machine and a training step on it
    Bench(BenchArguments),
    /// The window's page in a browser of this machine, or through an SSH tunnel
    Serve {
        /// Port on 127.0.0.1; 0 for any that is free
        #[arg(long, default_value_t = 0)]
        port: u16,
        /// Where projects lie; no other folder can be opened [default: Tiebreak in the documents folder]
        #[arg(long)]
        projects: Option<PathBuf>,
        /// A folder with models and adapters that may be used although they lie elsewhere; can be given several times
        #[arg(long, value_name = "DIR")]
        models: Vec<PathBuf>,
        /// A project to show first; it may lie elsewhere
        #[arg(long)]
        open: Option<PathBuf>,
        /// Where models compute: auto, cpu, cuda, cuda:N or metal
        #[arg(long, default_value_t)]
        device: DeviceChoice,
    },
    /// Begin what waits for the run in a folder: what the program starts when a run has ended
    #[command(hide = true)]
    Next {
        /// The run's folder
        run: PathBuf,
    },
    /// Begin or resume the run in a folder: what the program starts for a run in a process of its own
    Worker {
        /// The run's folder
        run: PathBuf,
        #[command(flatten)]
        allow: Allow,
    },
}

#[derive(Debug, Args)]
pub(crate) struct ImportArguments {
    /// Files, folders of shards or patterns in quotation marks: JSON, JSON Lines, CSV, TSV (also with .gz or .zst) or Parquet;
    /// or a data set of the Hugging Face hub as `hf:datasets/owner/name`
    #[arg(required = true)]
    files: Vec<PathBuf>,
    #[command(flatten)]
    reading: Reading,
    /// What the rows become; guessed from the columns where it is not said
    #[arg(long, value_enum)]
    kind: Option<Kind>,
    /// The project's folder; made where it is not there
    #[arg(long)]
    project: PathBuf,
    /// Say what would come in, show three rows of it, and bring in nothing
    #[arg(long)]
    dry_run: bool,
    /// A model by whose template and tokenizer these rows are shown
    #[arg(long, requires = "dry_run")]
    model: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Kind {
    /// Two answers, and which is better
    Pairs,
    /// Two answers to be labelled
    Candidates,
    /// Prompts alone
    Prompts,
    /// A prompt and an answer to be imitated
    Demonstrations,
}

impl ImportArguments {
    pub(crate) fn request(self) -> ImportRequest {
        let Self { files, reading, kind, project, dry_run, model } = self;
        let mut choices = reading.choices();
        let kind = kind.and_then(|kind| kind.to_possible_value());
        choices.extend(kind.map(|kind| ("kind".to_owned(), kind.get_name().to_owned())));
        ImportRequest { files, choices, project, dry_run, model }
    }
}

#[derive(Debug, Args)]
pub(crate) struct CheckArguments {
    /// Pairs to train on
    #[arg(long)]
    pairs: PathBuf,
    /// Held-out pairs
    #[arg(long)]
    eval: Option<PathBuf>,
    #[command(flatten)]
    reading: Reading,
    /// A model whose tokenizer and template are tried on the pairs
    #[arg(long)]
    model: Option<PathBuf>,
    #[command(flatten)]
    limits: Limits,
    /// Findings whose pairs are left out of `--output`, by name, separated by commas
    #[arg(long, value_name = "FINDING", value_delimiter = ',', value_parser = finding(), requires = "output")]
    leave_out: Vec<Code>,
    /// The file, not there yet, that the other pairs are written to
    #[arg(long, value_name = "FILE", requires = "leave_out")]
    output: Option<PathBuf>,
}

/// A finding by its name; the help lists them.
fn finding() -> impl TypedValueParser<Value = Code> {
    let named =
        |name: String| Code::ALL.iter().copied().find(|code| code.name() == name).ok_or("no finding is called so");
    PossibleValuesParser::new(Code::ALL.iter().map(|code| code.name())).try_map(named)
}

impl CheckArguments {
    pub(crate) fn request(self) -> CheckRequest {
        let Self { pairs, eval, reading, model, limits, leave_out, output } = self;
        let leave_out = output.map(|output| (leave_out, output));
        CheckRequest { pairs, eval, choices: reading.choices(), model, limits: limits.into(), leave_out }
    }
}

#[derive(Debug, Args)]
pub(crate) struct ScoreArguments {
    #[command(flatten)]
    choice: Choice,
    /// Pairs to score
    #[arg(long)]
    pairs: PathBuf,
    #[command(flatten)]
    reading: Reading,
    #[command(flatten)]
    limits: Limits,
}

impl ScoreArguments {
    pub(crate) fn request(self) -> ScoreRequest {
        let Self { choice, pairs, reading, limits } = self;
        ScoreRequest { choice: choice.into(), pairs, choices: reading.choices(), limits: limits.into() }
    }
}

#[derive(Debug, Args)]
pub(crate) struct SuspectsArguments {
    /// The run's folder
    #[arg(long)]
    run: PathBuf,
    /// Score each pair by a model that was trained without it: divide the pairs by prompt into so many parts, 2 to 20, and train
    /// as often. Without it, the run's own model scores the pairs it was trained on
    #[arg(long)]
    folds: Option<usize>,
    /// What comes first: the lowest margin of the rewards, the highest loss, or the margin nearest to 0
    #[arg(long, value_enum, default_value_t = Order::Margin)]
    order: Order,
    /// How many pairs are printed
    #[arg(long, default_value_t = 20)]
    pub(crate) first: usize,
    /// A file for all pairs in this order, as JSON Lines with their scores
    #[arg(long)]
    output: Option<PathBuf>,
    #[command(flatten)]
    allow: Allow,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Order {
    Margin,
    Loss,
    Uncertainty,
}

impl SuspectsArguments {
    pub(crate) fn request(self) -> SuspectsRequest {
        let Self { run, folds, order, output, allow, first: _ } = self;
        let order = match order {
            Order::Margin => SuspectOrder::Margin,
            Order::Loss => SuspectOrder::Loss,
            Order::Uncertainty => SuspectOrder::Uncertainty,
        };
        SuspectsRequest { run, folds, order, output, allow_changed_base: allow.allow_changed_base }
    }
}

#[derive(Debug, Args)]
pub(crate) struct GenerateArguments {
    #[command(flatten)]
    choice: Choice,
    /// A prompt as text; may be given several times
    #[arg(long = "prompt")]
    texts: Vec<String>,
    /// A file of prompts
    #[arg(long)]
    prompts: Option<PathBuf>,
    #[command(flatten)]
    reading: Reading,
    #[command(flatten)]
    sampling: SamplingArguments,
}

impl GenerateArguments {
    pub(crate) fn request(self) -> GenerateRequest {
        let Self { choice, texts, prompts, reading, sampling } = self;
        let (choice, choices, sampling) = (choice.into(), reading.choices(), sampling.into());
        GenerateRequest { choice, prompts, choices, texts, sampling }
    }
}

#[derive(Debug, Args)]
pub(crate) struct EvalArguments {
    /// As of the other commands; not needed where neither side is adapter or base
    #[arg(long, required_unless_present_all = ["side_a", "side_b"])]
    model: Option<PathBuf>,
    /// A PEFT adapter's folder
    #[arg(long)]
    adapter: Option<PathBuf>,
    #[command(flatten)]
    computing: Computing,
    #[command(flatten)]
    allow: Allow,
    /// What the win rate is of: adapter, base, run:DIR (its adapter), checkpoint:DIR (of a run), model:MODEL, answers:FILE
    /// (JSON Lines with a prompt and an answer, as `tiebreak --json generate` writes) or chosen (the chosen answers of --pairs)
    #[arg(long, value_name = "SIDE", default_value = "adapter")]
    side_a: SideChoice,
    /// What it is compared with, in the same words
    #[arg(long, value_name = "SIDE", default_value = "base")]
    side_b: SideChoice,
    /// Held-out prompts
    #[arg(long)]
    prompts: PathBuf,
    #[command(flatten)]
    reading: Reading,
    /// Held-out pairs for the preference accuracy, which is measured where the sides are adapter and base
    #[arg(long)]
    pairs: Option<PathBuf>,
    /// As --map, for the held-out pairs
    #[arg(long, value_name = "KEY=VALUE", value_delimiter = ',', value_parser = key_and_value, requires = "pairs")]
    pairs_map: Vec<(String, String)>,
    /// plain[:WORDS], shorter, longer, contains:TEXT, lacks:TEXT, command:PROGRAM ARGUMENTS, endpoint:URL MODEL KEY (the last
    /// only where one is needed: the name of its environment variable, or @keyring), or people. Programs and endpoints are asked once before
    /// anything is loaded
    #[arg(long)]
    judge: String,
    /// Folder of answers, verdicts and result; one that was broken off is resumed
    #[arg(long)]
    output_dir: PathBuf,
    /// The run that made the adapter, for the record
    #[arg(long)]
    run: Option<PathBuf>,
    /// Beta of the rewards
    #[arg(long, default_value_t = 0.1)]
    beta: f64,
    /// Seed of the sides on which answers are shown to the judge
    #[arg(long, default_value_t = 0)]
    order_seed: u64,
    #[command(flatten)]
    sampling: SamplingArguments,
    #[command(flatten)]
    limits: Limits,
}

impl EvalArguments {
    pub(crate) fn request(self) -> EvalRequest {
        let Computing { device, dtype, products } = self.computing;
        EvalRequest {
            choice: ModelChoice {
                // Without one, both sides say themselves what answers.
                model: self.model.unwrap_or_default(),
                adapter: self.adapter,
                device,
                dtype,
                products,
                allow_changed_base: self.allow.allow_changed_base,
            },
            sides: Some([self.side_a.into(), self.side_b.into()]),
            prompts: self.prompts,
            choices: Some(self.reading.choices()),
            pairs: self.pairs,
            pairs_choices: Some(self.pairs_map.into_iter().collect()),
            limits: self.limits.into(),
            beta: self.beta,
            judge: self.judge,
            sampling: self.sampling.into(),
            order_seed: self.order_seed,
            output_dir: self.output_dir,
            run: self.run,
        }
    }
}

/// Whether another model than before may be used.
#[derive(Debug, Args)]
pub(crate) struct Allow {
    /// Go on although the model's files are not those that the run or the adapter was computed on; the record keeps it
    #[arg(long)]
    pub(crate) allow_changed_base: bool,
}

/// How a file is read where it does not say it itself.
#[derive(Debug, Args)]
pub(crate) struct Reading {
    #[arg(long, value_name = "KEY=VALUE", value_delimiter = ',', value_parser = key_and_value, help = map_help())]
    map: Vec<(String, String)>,
}

impl Reading {
    pub(crate) fn choices(self) -> Choices {
        self.map.into_iter().collect()
    }
}

/// What `--map` takes: every key that the reader knows.
fn map_help() -> String {
    format!(
        "Which column is what ({}), and how it is read ({}): prompt=question,chosen=better or plain_text=as_user_message; none as \
         a value leaves a column out. Before what is guessed from the columns' names",
        COLUMN_KEYS.join(", "),
        CHOICE_KEYS.join(", ")
    )
}

fn key_and_value(text: &str) -> Result<(String, String), String> {
    let (key, value) = text.split_once('=').ok_or("expected KEY=VALUE, such as prompt=question")?;
    Ok((key.trim().to_owned(), value.trim().to_owned()))
}

/// Model, adapter, and how they are computed.
#[derive(Debug, Args)]
pub(crate) struct Choice {
    /// A folder with safetensors, a GGUF file, or a name: of the catalogue, or of the Hugging Face hub as `owner/name` or
    /// `hf:owner/name@revision:file.gguf`
    #[arg(long)]
    model: PathBuf,
    /// A PEFT adapter's folder
    #[arg(long)]
    adapter: Option<PathBuf>,
    #[command(flatten)]
    computing: Computing,
    #[command(flatten)]
    allow: Allow,
}

impl From<Choice> for ModelChoice {
    fn from(choice: Choice) -> Self {
        let Choice { model, adapter, computing: Computing { device, dtype, products }, allow } = choice;
        Self { model, adapter, device, dtype, products, allow_changed_base: allow.allow_changed_base }
    }
}

/// How a model is computed.
#[derive(Debug, Args)]
pub(crate) struct Computing {
    /// auto (CUDA or Metal where this build and this machine have it, else the CPU), cpu, cuda, cuda:N or metal
    #[arg(long, default_value_t)]
    pub(crate) device: DeviceChoice,
    /// What the weights are kept as: auto (as the file has them), f32, bf16, f16, q8 or q4
    #[arg(long, default_value_t)]
    pub(crate) dtype: BaseDtype,
    /// What products with the weights are computed in on the CPU: f32, bf16, or auto (bf16 where the processor has it and the
    /// weights are kept in fewer bits than f32)
    #[arg(long, default_value_t)]
    pub(crate) products: Products,
}

/// Limits on tokens.
#[derive(Debug, Args)]
pub(crate) struct Limits {
    /// Longest prompt and answer together, in tokens; 0 for no limit
    #[arg(long, default_value_t = 1024)]
    max_length: usize,
    /// Longest prompt, in tokens; longer ones lose their beginning, or are too long with drop and refuse
    #[arg(long)]
    max_prompt_length: Option<usize>,
    /// What becomes of a pair that is too long
    #[arg(long, value_enum, default_value_t = IfTooLong::KeepStart)]
    truncation: IfTooLong,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
#[value(rename_all = "snake_case")]
enum IfTooLong {
    /// The end of its answers is cut off, as TRL does
    KeepStart,
    /// The beginning of its prompt and then of its answers is cut off, as TRL does
    KeepEnd,
    /// The beginning of its prompt is cut off; answers stay whole
    PromptLeft,
    /// It is left out
    Drop,
    /// Nothing is computed
    Refuse,
}

impl From<Limits> for api::Limits {
    fn from(limits: Limits) -> Self {
        Self {
            max_length: (limits.max_length > 0).then_some(limits.max_length),
            max_prompt_length: limits.max_prompt_length,
            truncation: match limits.truncation {
                IfTooLong::KeepStart => Truncation::KeepStart,
                IfTooLong::KeepEnd => Truncation::KeepEnd,
                IfTooLong::PromptLeft => Truncation::PromptLeft,
                IfTooLong::Drop => Truncation::Drop,
                IfTooLong::Refuse => Truncation::Refuse,
            },
        }
    }
}

/// How tokens are chosen.
#[derive(Debug, Args)]
pub(crate) struct SamplingArguments {
    /// 0 takes the most likely token
    #[arg(long, default_value_t = 0.0)]
    temperature: f64,
    /// Only this many of the most likely tokens; 0 for all
    #[arg(long, default_value_t = 0)]
    top_k: usize,
    /// Only the most likely tokens whose probabilities add up to this
    #[arg(long, default_value_t = 1.0)]
    top_p: f64,
    /// Only tokens at least this fraction as likely as the most likely one
    #[arg(long, default_value_t = 0.0)]
    min_p: f64,
    /// Above 1 makes tokens that were seen less likely
    #[arg(long, default_value_t = 1.0)]
    repetition_penalty: f64,
    /// Seed of the random choice
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Tokens after which an answer is cut
    #[arg(long, default_value_t = 256)]
    max_new_tokens: usize,
}

impl From<SamplingArguments> for Sampling {
    fn from(a: SamplingArguments) -> Self {
        Self {
            temperature: a.temperature,
            top_k: a.top_k,
            top_p: a.top_p,
            min_p: a.min_p,
            repetition_penalty: a.repetition_penalty,
            seed: a.seed,
            max_new_tokens: a.max_new_tokens,
        }
    }
}
