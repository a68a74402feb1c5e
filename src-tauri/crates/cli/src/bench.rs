//! `tiebreak bench`: its arguments, and its reply in words.

use crate::arguments::Computing;
use api::{
    BenchModel, BenchReply, BenchRequest, GrowthReply, GrowthRequest, Machine, Rates, Shape, StepReply, StepRequest,
};
use clap::{Args, ValueEnum};
use std::ffi::OsString;
use std::fmt::Write;
use std::path::PathBuf;
use std::process::Command;

/// The catalogue's model that is measured where none is named.
const MODEL: &str = "smollm2-135m-instruct";

/// What is measured.
#[derive(Debug, Args)]
pub(crate) struct BenchArguments {
    /// A folder with safetensors, a GGUF file, or a name of the catalogue or the Hugging Face hub
    #[arg(long, default_value = MODEL)]
    model: PathBuf,
    /// Instead of a model from a file, one of this size with random weights
    #[arg(long, value_enum, conflicts_with = "model")]
    shape: Option<Size>,
    #[command(flatten)]
    computing: Computing,
    /// Rank of the adapter, which is on all linears
    #[arg(long, default_value_t = 16)]
    rank: usize,
    /// Pairs of a step
    #[arg(long, default_value_t = 2)]
    pairs: usize,
    /// Tokens of a prompt with one of its answers; half are the prompt's, which both answers share
    #[arg(long, default_value_t = 256)]
    length: usize,
    /// Whether each layer is computed again in the backward: less memory, a third more work [default: false where half of
    /// the free memory is enough, as a run has it]
    #[arg(long, value_name = "true|false")]
    recompute: Option<bool>,
    /// Steps that are measured, after two of warm-up; 0 for the machine alone
    #[arg(long, default_value_t = 8)]
    steps: usize,
    /// Begin no more steps after so many seconds, once there are three
    #[arg(long)]
    seconds: Option<f64>,
    /// Measure only the step, not what the machine does
    #[arg(long)]
    step_only: bool,
    /// Measure how a step grows with length, pairs, rank and model size (models of random weights, from --shape on, or else
    /// from 135m), and write a table and figures into this folder
    #[arg(long, value_name = "DIR", conflicts_with_all = ["model", "rank", "pairs", "length", "recompute", "steps", "seconds", "step_only"])]
    growth: Option<PathBuf>,
    /// Minutes that --growth may take: what does not fit is left out, and told
    #[arg(long, default_value_t = 15.0, requires = "growth")]
    budget: f64,
}

/// A size of model, as a published one of that size has it.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum Size {
    /// So small that a step takes milliseconds, to try this with
    #[value(name = "tiny")]
    Tiny,
    /// SmolLM2-135M
    #[value(name = "135m")]
    Of135M,
    /// Gemma 3 270M
    #[value(name = "270m")]
    Of270M,
    /// Qwen2.5-0.5B
    #[value(name = "0.5b")]
    Of500M,
    /// Llama 3.2 1B
    #[value(name = "1b")]
    Of1B,
}

impl From<Size> for Shape {
    fn from(size: Size) -> Self {
        match size {
            Size::Tiny => Self::Tiny,
            Size::Of135M => Self::Of135M,
            Size::Of270M => Self::Of270M,
            Size::Of500M => Self::Of500M,
            Size::Of1B => Self::Of1B,
        }
    }
}

/// What is asked for.
pub(crate) enum Asked {
    /// One step, or the machine alone.
    Once(BenchRequest),
    /// How a step grows.
    Growth(GrowthRequest<'static>),
}

impl BenchArguments {
    pub(crate) fn asked(self) -> Asked {
        let Computing { device, dtype, products } = self.computing;
        if let Some(output_dir) = self.growth {
            let shape = self.shape.map_or(Shape::Of135M, Into::into);
            let budget = 60.0 * self.budget;
            return Asked::Growth(GrowthRequest {
                output_dir,
                shape,
                device,
                dtype,
                products,
                budget,
                process: &process_for,
            });
        }
        let step = StepRequest {
            model: self.shape.map_or(BenchModel::Named(self.model), |shape| BenchModel::Random(shape.into())),
            device,
            dtype,
            products,
            rank: self.rank,
            pairs: self.pairs,
            length: self.length,
            recompute: self.recompute,
            steps: self.steps,
            seconds: self.seconds,
        };
        Asked::Once(BenchRequest { step: (self.steps > 0).then_some(step), rates: !self.step_only })
    }
}

/// This program, to measure this step.
fn process_for(step: &StepRequest) -> Command {
    // The system knows where the program is, unless it was moved meanwhile; then it is told that it cannot be started.
    let mut command = Command::new(std::env::current_exe().unwrap_or_else(|_| "tiebreak".into()));
    command.args(["bench", "--json", "--step-only"]);
    let (named, value): (&str, OsString) = match &step.model {
        BenchModel::Named(path) => ("--model", path.into()),
        BenchModel::Random(shape) => ("--shape", shape.name().into()),
    };
    command.arg(named).arg(value);
    let StepRequest { device, dtype, products, rank, pairs, length, recompute, steps, seconds, .. } = step;
    for (name, value) in [
        ("--device", device.to_string()),
        ("--dtype", dtype.to_string()),
        ("--products", products.to_string()),
        ("--rank", rank.to_string()),
        ("--pairs", pairs.to_string()),
        ("--length", length.to_string()),
        ("--steps", steps.to_string()),
    ] {
        command.args([name, &value]);
    }
    if let Some(recompute) = recompute {
        command.args(["--recompute", &recompute.to_string()]);
    }
    if let Some(seconds) = seconds {
        command.args(["--seconds", &seconds.to_string()]);
    }
    command
}

pub(crate) fn words(reply: &BenchReply) -> String {
    let versions = &reply.versions;
    let mut words = machine(&reply.machine);
    let _ = write!(words, "\ntiebreak {}, candle {}, gemm {}", versions.tiebreak, versions.candle, versions.gemm);
    if let Some(step) = &reply.step {
        words += "\n\n";
        words += &of_step(step);
    }
    words
}

fn machine(machine: &Machine) -> String {
    let Machine { processor, features, system, cores, threads, rates } = machine;
    let mut words = format!("{processor}, {system}, {cores} cores, {threads} threads, {}", features.join(" "));
    if let Some(Rates { f32_arithmetic, bf16_arithmetic, f32_product, bf16_product, memory, .. }) = rates {
        let rate = |rate: Option<f64>| rate.map_or_else(|| "-".into(), |rate| format!("{rate:.0}"));
        let _ = write!(
            words,
            "\n{:36} {:>7} {:>7}\n{:36} {:>7} {:>7}\n{:36} {:>7} {:>7}\nmemory, read: {memory:.1} GB/s",
            "GFLOP/s of all threads",
            "f32",
            "bf16",
            "multiply-adds on registers",
            rate(Some(*f32_arithmetic)),
            rate(*bf16_arithmetic),
            "a product, 1024 × 1024 × 4096",
            rate(Some(*f32_product)),
            rate(*bf16_product),
        );
    }
    words
}

fn of_step(step: &StepReply) -> String {
    let layers = if step.recompute { "recomputed" } else { "kept" };
    let mut words = format!(
        "a step of LoRA DPO: {}, rank {} ({:.1} million numbers), {} of {} tokens ({} packed), layers {layers}\n\
         on {}, weights {}, products {} by {}",
        step.model,
        step.rank,
        step.adapter_parameters as f64 * 1e-6,
        if step.pairs == 1 { "1 pair".into() } else { format!("{} pairs", step.pairs) },
        step.length,
        step.tokens,
        step.device,
        step.dtype,
        step.products,
        step.products_by,
    );
    if step.plain_kernels.is_empty() {
        words += ", every kernel on";
    } else {
        let _ = write!(words, ", turned off by TIEBREAK_KERNELS: {}", step.plain_kernels.join(", "));
    }
    let (seconds, pairs, tokens) = (step.seconds, step.pairs_per_second, step.tokens_per_second);
    let _ = write!(
        words,
        "\n{} steps, median [quartiles]: {:.3} [{:.3}, {:.3}] s, {:.3} [{:.3}, {:.3}] pairs/s, {:.1} [{:.1}, {:.1}] tokens/s",
        step.steps,
        seconds.middle,
        seconds.low,
        seconds.high,
        pairs.middle,
        pairs.low,
        pairs.high,
        tokens.middle,
        tokens.low,
        tokens.high,
    );
    if let Some(ran) = step.processor_seconds {
        let _ = write!(words, "\nall threads ran {:.3} [{:.3}, {:.3}] s in a step", ran.middle, ran.low, ran.high);
    }
    if let Some(peak) = step.peak_bytes {
        let _ = write!(
            words,
            "\npeak memory: {}, by the formula at most {}",
            megabytes(peak),
            megabytes(step.formula_bytes)
        );
    }
    if let Some(pages) = step.page_faults {
        let _ = write!(words, "\npages of memory that the system handed out: {pages:.0} a step");
    }
    if let Some(others) = step.others {
        let _ = write!(words, "\nother processes took {:.0} % of the cores meanwhile", 100.0 * others);
    }
    if step.work.is_empty() {
        words += "\nby kind of work only the CPU is measured";
        return words;
    }
    let percent = |share: Option<f64>| share.map_or_else(String::new, |share| format!("{:.0} %", 100.0 * share));
    let _ = write!(
        words,
        "\n\n{:45}{:>24}   by processor time, of all threads\n{:12} {:>9} {:>8} {:>8} {:>13} {:>11}   {:>9} {:>8} {:>13}",
        "", "", "work", "seconds", "share", "GFLOP/s", "of registers", "of product", "seconds", "share", "of registers"
    );
    for row in &step.work {
        let line = format!(
            "{:12} {:>9.4} {:>6.1} % {:>8} {:>13} {:>11}   {:>9} {:>8} {:>13}",
            row.work,
            row.seconds,
            100.0 * row.share,
            row.gflops.map_or_else(String::new, |rate| format!("{rate:.0}")),
            percent(row.of_arithmetic),
            percent(row.of_product),
            row.processor_seconds.map_or_else(String::new, |seconds| format!("{seconds:.4}")),
            row.processor_share.map_or_else(String::new, |share| format!("{:.1} %", 100.0 * share)),
            percent(row.of_arithmetic_by_processor),
        );
        let _ = write!(words, "\n{}", line.trim_end());
    }
    if let Some(products) = step.matrix_products {
        let share = 100.0 * products.share;
        let _ = write!(words, "\n\nmatrix products: {share:.0} % of the step, at {:.0} GFLOP/s", products.gflops);
        if let (Some(arithmetic), Some(product)) = (products.of_arithmetic, products.of_product) {
            let (arithmetic, product) = (100.0 * arithmetic, 100.0 * product);
            let _ = write!(
                words,
                ": {arithmetic:.0} % of the machine's rate on registers, {product:.0} % of a large product's"
            );
        }
        if let Some(share) = products.processor_share {
            let _ = write!(
                words,
                "\nby processor time, which other processes hardly move: {:.0} % of the step",
                100.0 * share
            );
        }
        if let Some(arithmetic) = products.of_arithmetic_by_processor {
            let _ = write!(words, ", at {:.0} % of the machine's rate on registers", 100.0 * arithmetic);
        }
    }
    words
}

fn megabytes(bytes: u64) -> String {
    format!("{:.0} MB", bytes as f64 * 1e-6)
}

pub(crate) fn growth_words(reply: &GrowthReply) -> String {
    let measured = reply.cells.iter().filter(|it| matches!(it.outcome, api::CellOutcome::Measured(_))).count();
    format!(
        "{measured} of {} settings measured in {:.0} s; table and {} figures: {}",
        reply.cells.len(),
        reply.seconds,
        reply.figures.len(),
        reply.table.display()
    )
}
