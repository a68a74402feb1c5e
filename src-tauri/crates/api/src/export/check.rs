//! Whether a merged model is the run's model: both are asked for the log-probabilities of the same pairs, the merged one
//! after it was read from the disk.

use super::StoredType;
use crate::context::Context;
use crate::error::{Error, Result};
use crate::open::Opened;
use chat::{Limits, Tokenizer};
use model::{Batch, Decoder, FloatType, GgufType, Lora};
use prefs::{Pair, jsonl};
use serde::Serialize;
use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::time::{Instant, SystemTime};
use train::data::{self, Example};
use train::folder::{EVAL_PAIRS, PAIRS};

/// Pairs that both models are asked about.
const ASKED: usize = 4;

/// What was found when a merged model was read again. Differences are in nats, without sign.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[allow(missing_docs)]
pub struct MergedCheck {
    /// What the weights are stored as.
    pub dtype: StoredType,
    /// Pairs that both models were asked about.
    pub pairs: usize,
    /// Whether these were held out of the run's training.
    pub held_out: bool,
    /// Tokens of their answers.
    pub tokens: usize,
    /// Largest difference in a token's log-probability.
    pub largest_difference_per_token: f64,
    /// Mean difference in a token's log-probability.
    pub mean_difference_per_token: f64,
    /// Largest difference in an answer's log-probability, the sum over its tokens.
    pub largest_difference_per_answer: f64,
    /// What is taken for rounding, per token; beyond it the export fails.
    pub tolerance_per_token: f64,
    /// Largest difference per token between the run's model and its reference: what training did, to compare with.
    pub adapter_difference_per_token: f64,
    pub words: String,
}

impl MergedCheck {
    /// Whether the weights are rounded, and that does about as much as training did.
    pub(crate) fn warns(&self) -> bool {
        self.is_rounded() && 2.0 * self.largest_difference_per_token >= self.adapter_difference_per_token
    }

    fn is_rounded(&self) -> bool {
        self.dtype != StoredType::Float(FloatType::F32)
    }
}

/// The pairs of a run that both models are asked about.
pub(super) struct AskedPairs {
    path: PathBuf,
    pairs: Vec<Pair>,
    held_out: bool,
    limits: Limits,
    /// What a chat template that writes the date is told, both times.
    time: SystemTime,
    examples: Vec<Example>,
}

/// Log-probabilities of the tokens of each answer.
type TokenLogps = Vec<Vec<f64>>;

/// What the run's model, and its base alone, make of the pairs.
pub(crate) struct RunLogps {
    tuned: TokenLogps,
    base: TokenLogps,
}

impl AskedPairs {
    /// The first held-out pairs of the run, or where there are none the first that it trained on.
    pub(super) fn of_run(run: &Path, base: &Path) -> Result<Self> {
        let limits = runs::prepared(run)?.settings.limits();
        let time = SystemTime::now();
        let mut tokenizer = Tokenizer::open(base)?;
        tokenizer.set_time(time);
        for (name, held_out) in [(EVAL_PAIRS, true), (PAIRS, false)] {
            let path = run.join(name);
            if !path.is_file() {
                continue;
            }
            let pairs = jsonl::read_pairs(&path)?.into_pairs();
            let examples = first_examples(&path, &pairs, &tokenizer, &limits)?;
            if !examples.is_empty() {
                return Ok(Self { path, pairs, held_out, limits, time, examples });
            }
        }
        Err(Error::new(
            "no_pairs",
            format!(
                "no pair of the run in {} fits its limits, so that the merged model could not be checked",
                run.display()
            ),
            "Export the adapter instead.",
        ))
    }

    pub(super) fn live(&self, opened: &Opened, context: &mut Context) -> Result<RunLogps> {
        let tuned = self.logps(&opened.decoder, opened.lora.as_ref(), "ask the run's model", context)?;
        let base = self.logps(&opened.decoder, opened.reference.as_ref(), "ask the reference", context)?;
        Ok(RunLogps { tuned, base })
    }

    /// Compares what was written and read again with the run's model, or what its adapter makes of another base.
    pub(super) fn check(
        &self,
        merged: &Opened,
        live: &RunLogps,
        (dtype, on_other_base): (StoredType, bool),
        context: &mut Context,
    ) -> Result<MergedCheck> {
        let mut tokenizer = Tokenizer::open(&merged.path)?;
        tokenizer.set_time(self.time);
        if first_examples(&self.path, &self.pairs, &tokenizer, &self.limits)? != self.examples {
            let message = "the tokenizer that was written makes other tokens of the run's pairs than the base's own";
            return Err(Error::new("merged_differs", message, DIFFERS_HINT));
        }
        let found = self.logps(&merged.decoder, merged.lora.as_ref(), "ask the merged model", context)?;
        let (per_token, per_answer) = largest_differences(&found, &live.tuned);
        let (adapter, _) = largest_differences(&live.tuned, &live.base);
        let mean = mean_difference(&found, &live.tuned);
        if per_token.is_nan() || per_token > tolerance(dtype) || mean > most_in_the_mean(dtype) {
            return Err(differs(dtype, per_token, mean));
        }
        let mut check = MergedCheck {
            dtype,
            pairs: self.examples.len(),
            held_out: self.held_out,
            tokens: found.iter().map(Vec::len).sum(),
            largest_difference_per_token: per_token,
            mean_difference_per_token: mean,
            largest_difference_per_answer: per_answer,
            tolerance_per_token: tolerance(dtype),
            adapter_difference_per_token: adapter,
            words: String::new(),
        };
        check.words = words(&check, if on_other_base { ON_OTHER_BASE } else { RUNS });
        Ok(check)
    }

    fn logps(&self, decoder: &Decoder, lora: Option<&Lora>, stage: &str, context: &mut Context) -> Result<TokenLogps> {
        let start = Instant::now();
        let mut answers = Vec::with_capacity(2 * self.examples.len());
        for (done, example) in self.examples.iter().enumerate() {
            context.check()?;
            context.progress(stage, start, done as u64, self.examples.len() as u64);
            let batch = data::pack(std::iter::once(example));
            answers.extend(by_sequence(&batch, &decoder.token_logps(lora, &batch)?));
        }
        context.progress(stage, start, self.examples.len() as u64, self.examples.len() as u64);
        Ok(answers)
    }
}

/// What a merged model is compared with, in words.
const RUNS: &str = "the run's model";
const ON_OTHER_BASE: &str = "the run's adapter on this base, which is another than the run was trained on,";

const DIFFERS_HINT: &str = "Report this as a fault, with the run's config.toml; the adapter can be exported instead.";

/// What was written is another model. Types of few bits may be too coarse for what a run learned: llama.cpp's own
/// quantiser loses as much of an adapter that moves tokens by tens of nats.
fn differs(dtype: StoredType, per_token: f64, mean: f64) -> Error {
    let message = format!(
        "the merged model that was written is not the run's: a token's log-probability differs by {}, by {} in the mean, \
         where at most {} and {} are taken for rounding to {}; the files were removed",
        rounded(per_token),
        rounded(mean),
        tolerance(dtype),
        most_in_the_mean(dtype),
        dtype.in_words()
    );
    let finer = match dtype {
        StoredType::Gguf(GgufType::Q4K | GgufType::AsBase) => "q8_0 or f16",
        StoredType::Gguf(GgufType::Q8_0) => "f16",
        StoredType::Float(FloatType::Bf16) => "f32",
        StoredType::Float(FloatType::F16 | FloatType::F32) | StoredType::Gguf(GgufType::F16) => {
            return Error::new("merged_differs", message, DIFFERS_HINT);
        }
    };
    let hint = format!(
        "This type may be too coarse for what the run learned: choose {finer}; if that differs too, report it as a fault, with \
         the run's config.toml."
    );
    Error::new("merged_differs", message, hint)
}

/// The largest difference per token that is taken for rounding, in nats.
///
/// In f32 the two models differ by the order of sums alone. Each sum errs by some 1e-7 of its value; tens of layers and
/// thousands of summands make that 1e-6 to 1e-5 of logits that are tens of nats large, so 1e-4 would be a lot and ten
/// times as much is allowed. A wrong scale, a tensor left out or rows in another order move tokens by far more than that
/// wherever the adapter does anything.
///
/// Stored in 16 bits, each weight is off by up to 2⁻⁸ (bf16) or 2⁻¹¹ (f16) of itself, eight times as much in one as in
/// the other. These errors are independent and mostly cancel out: a few hundredths of a nat are usual in bf16, and some
/// tenths at unlikely tokens of small models. The limits stand well above that, and below the several nats of a model
/// whose weights are in disorder.
///
/// Blocks of 8 bits err like bf16 (2⁻⁸ of the largest weight of a block), blocks of 4 bits sixteen times as much. At single
/// unlikely tokens that comes near what disorder does, but not in the mean, for which there is a limit of its own.
fn tolerance(dtype: StoredType) -> f64 {
    match dtype {
        StoredType::Float(FloatType::F32) => 1e-3,
        StoredType::Float(FloatType::F16) | StoredType::Gguf(GgufType::F16) => 0.25,
        StoredType::Float(FloatType::Bf16) | StoredType::Gguf(GgufType::Q8_0) => 2.0,
        StoredType::Gguf(GgufType::Q4K | GgufType::AsBase) => 10.0,
    }
}

/// The largest mean difference per token that is taken for rounding, in nats. Models of 4 bits lose some hundredths to a
/// tenth of a nat per token, the smallest several tenths; a model in disorder guesses, and is several nats off.
fn most_in_the_mean(dtype: StoredType) -> f64 {
    match dtype {
        StoredType::Gguf(GgufType::Q4K | GgufType::AsBase) => 1.0,
        other => tolerance(other),
    }
}

/// The first pairs within the limits.
fn first_examples(path: &Path, pairs: &[Pair], tokenizer: &Tokenizer, limits: &Limits) -> Result<Vec<Example>> {
    let mut examples = Vec::new();
    for few in pairs.chunks(ASKED) {
        if let Some(set) =
            data::encode(data::Input::of(path, few), tokenizer, limits, data::Identical::Keep, &mut |_| Ok(true))?
        {
            examples.extend(set.examples);
        }
        if examples.len() >= ASKED {
            break;
        }
    }
    examples.truncate(ASKED);
    Ok(examples)
}

fn by_sequence(batch: &Batch, token_logps: &[f64]) -> TokenLogps {
    let mut sequences = vec![Vec::new(); batch.sequences()];
    for (target, &logp) in batch.targets().iter().zip(token_logps) {
        sequences[target.sequence as usize].push(logp);
    }
    sequences
}

/// Per token, and per answer.
fn largest_differences(one: &TokenLogps, other: &TokenLogps) -> (f64, f64) {
    // Unlike `f64::max`, keeps what is not a number.
    let larger = |a: f64, b: f64| if a >= b || a.is_nan() { a } else { b };
    let (mut per_token, mut per_answer) = (0.0, 0.0);
    for (one, other) in one.iter().zip(other) {
        let differences = one.iter().zip(other).map(|(a, b)| (a - b).abs());
        per_token = differences.fold(per_token, larger);
        per_answer = larger(per_answer, (one.iter().sum::<f64>() - other.iter().sum::<f64>()).abs());
    }
    (per_token, per_answer)
}

/// Over all tokens.
fn mean_difference(one: &TokenLogps, other: &TokenLogps) -> f64 {
    let differences = one.iter().flatten().zip(other.iter().flatten()).map(|(a, b)| (a - b).abs());
    let (sum, count) = differences.fold((0.0, 0u32), |(sum, count), difference| (sum + difference, count + 1));
    sum / f64::from(count.max(1))
}

/// The finding in words; `whose` is the model that was compared with.
fn words(check: &MergedCheck, whose: &str) -> String {
    let MergedCheck { largest_difference_per_token: token, adapter_difference_per_token: adapter, .. } = *check;
    let kind = if check.held_out { "held-out" } else { "training" };
    let pairs = if check.pairs == 1 { format!("one {kind} pair") } else { format!("{} {kind} pairs", check.pairs) };
    let mut words = format!(
        "Reloaded: log-probabilities of {pairs} differ from {whose} by at most {} per token and {} per answer.",
        rounded(token),
        rounded(check.largest_difference_per_answer)
    );
    if check.is_rounded() {
        let mean = rounded(check.mean_difference_per_token);
        let _ = write!(words, " That is the rounding to {}, {mean} per token in the mean.", check.dtype.in_words());
    }
    let _ = write!(words, " The adapter moves them by up to {} per token.", rounded(adapter));
    if check.warns() {
        let finer = if let StoredType::Gguf(_) = check.dtype { "a finer type" } else { "f32" };
        let _ =
            write!(words, " The rounding does about as much as the adapter: choose {finer} to keep what was trained.");
    }
    words
}

/// To a figure or two.
fn rounded(number: f64) -> String {
    match number {
        0.0 => "0".into(),
        small if small < 1e-3 => format!("{small:.0e}"),
        small if small < 0.1 => format!("{small:.3}"),
        other => format!("{other:.2}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(dtype: FloatType, token: f64, adapter: f64) -> MergedCheck {
        let dtype = StoredType::Float(dtype);
        MergedCheck {
            dtype,
            mean_difference_per_token: token / 4.0,
            pairs: 4,
            held_out: true,
            tokens: 100,
            largest_difference_per_token: token,
            largest_difference_per_answer: 3.0 * token,
            tolerance_per_token: tolerance(dtype),
            adapter_difference_per_token: adapter,
            words: String::new(),
        }
    }

    #[test]
    fn the_finding_is_told_in_words() {
        assert_eq!(
            words(&check(FloatType::F32, 2e-6, 0.8125), RUNS),
            "Reloaded: log-probabilities of 4 held-out pairs differ from the run's model by at most 2e-6 per token and \
             6e-6 per answer. The adapter moves them by up to 0.81 per token."
        );
        let half = words(&check(FloatType::Bf16, 0.04, 1.5), RUNS);
        assert!(half.contains("0.040 per token") && half.contains("0.12 per answer"), "{half}");
        assert!(half.contains("the rounding to bf16") && !half.contains("choose f32"), "{half}");
        let drowned = words(&check(FloatType::F16, 0.04, 0.05), RUNS);
        assert!(drowned.contains("choose f32"), "{drowned}");
        let blocks = MergedCheck { dtype: StoredType::Gguf(GgufType::Q4K), ..check(FloatType::F16, 0.4, 0.5) };
        let blocks = words(&blocks, RUNS);
        assert!(
            blocks.contains("rounding to Q4_K, 0.10 per token in the mean") && blocks.contains("finer"),
            "{blocks}"
        );
        let one = words(&MergedCheck { pairs: 1, held_out: false, ..check(FloatType::F32, 0.0, 0.0) }, RUNS);
        assert!(one.contains("one training pair differ from the run's model by at most 0 per token"), "{one}");
    }

    #[test]
    fn what_differs_is_a_fault_where_no_type_is_finer() {
        let hint = |dtype| differs(dtype, 36.79, 5.54).hint;
        for coarse in [GgufType::Q4K, GgufType::AsBase] {
            assert!(hint(StoredType::Gguf(coarse)).contains("too coarse for what the run learned: choose q8_0 or f16"));
        }
        assert!(hint(StoredType::Gguf(GgufType::Q8_0)).contains("choose f16;"));
        assert!(hint(StoredType::Float(FloatType::Bf16)).contains("choose f32;"));
        for fine in [StoredType::Float(FloatType::F32), StoredType::Gguf(GgufType::F16)] {
            assert!(hint(fine).starts_with("Report this as a fault"));
        }
        let message = differs(StoredType::Gguf(GgufType::Q4K), 36.79, 5.54).message;
        assert!(message.contains("36.79, by 5.54 in the mean, where at most 10 and 1 are taken for rounding to Q4_K"));
    }

    #[test]
    fn differences_are_the_largest_and_keep_what_is_not_a_number() {
        let one = vec![vec![-1.0, -2.0], vec![-3.0]];
        let other = vec![vec![-1.25, -1.5], vec![-3.5]];
        assert_eq!(largest_differences(&one, &other), (0.5, 0.5));
        assert_eq!(largest_differences(&one, &one), (0.0, 0.0));
        for broken in [vec![vec![f64::NAN, -2.0], vec![-3.0]], vec![vec![-1.0, -2.0], vec![f64::NAN]]] {
            let (per_token, _) = largest_differences(&broken, &one);
            assert!(per_token.is_nan(), "{per_token}");
        }
    }
}
