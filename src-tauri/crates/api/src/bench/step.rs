//! A training step, as a run takes it: pack, forward, loss, backward, clipping, `AdamW`.

use super::busy::Used;
use super::shapes::Shape;
use super::spread::Spread;
use super::table::{self, PeakRates, ProductsRow, Taken, WorkRow};
use crate::context::Context;
use crate::error::{Error, Result};
use crate::open::find_model;
use candle_core::DType;
use chat::PairIds;
use kernels::dispatch::is_plain;
use kernels::product::Kernel;
use kernels::profile::{Profile, Work, record};
use model::memory::{AdapterSize, Estimate, PROCESS_BYTES, available_bytes, peak_resident_bytes};
use model::weights::{self, Source};
use model::{BaseDtype, Decoder, DeviceChoice, Gradients, LoraConfig, Products};
use numbers::size;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;
use std::time::Instant;
use train::Settings;
use train::data::{Example, pack};
use train::dpo::Dpo;
use train::memory::{Left, recomputes};
use train::reference::ReferenceLogps;
use train::step::Policy;

/// Steps that are taken, and not measured, first.
const WARM_UP: usize = 2;
/// Steps that are measured whatever the time.
pub(super) const LEAST_STEPS: usize = 3;

/// A model to measure.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BenchModel {
    /// A folder with safetensors, a GGUF file, or a name from the catalogue.
    Named(PathBuf),
    /// One of random weights.
    Random(Shape),
}

/// A step of LoRA DPO on synthetic pairs.
#[derive(Debug, Clone, PartialEq)]
pub struct StepRequest {
    /// The model.
    pub model: BenchModel,
    /// Where to compute.
    pub device: DeviceChoice,
    /// What the weights are kept as.
    pub dtype: BaseDtype,
    /// What products with them are computed in.
    pub products: Products,
    /// Rank of the adapter, which is on all linears.
    pub rank: usize,
    /// Pairs of the step.
    pub pairs: usize,
    /// Tokens of a prompt with one of its answers, at least 2: half are the prompt's, which both answers share.
    pub length: usize,
    /// Whether each layer is computed again in the backward; none to decide as a run does, by the memory that is free.
    pub recompute: Option<bool>,
    /// Steps that are measured.
    pub steps: usize,
    /// Seconds after which no more are begun, once there are three; none for no limit.
    pub seconds: Option<f64>,
}

/// A measured step.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StepReply {
    /// The model.
    pub model: String,
    /// Where it was computed.
    pub device: String,
    /// What the weights are kept as.
    pub dtype: BaseDtype,
    /// What products are computed in, and by what.
    pub products: Products,
    /// What computes the products.
    pub products_by: String,
    /// Kinds of work that `TIEBREAK_KERNELS` leaves to plain tensor operations.
    pub plain_kernels: Vec<String>,
    /// Rank of the adapter.
    pub rank: usize,
    /// Numbers of the adapter.
    pub adapter_parameters: u64,
    /// Pairs of a step.
    pub pairs: usize,
    /// Tokens of a prompt with one of its answers.
    pub length: usize,
    /// Tokens of a step as they are packed: each prompt once.
    pub tokens: usize,
    /// Of them, tokens of answers, which are predicted.
    pub targets: usize,
    /// Whether each layer is computed again in the backward.
    pub recompute: bool,
    /// Steps that were measured, after two of warm-up.
    pub steps: usize,
    /// Seconds of a step.
    pub seconds: Spread,
    /// Seconds that all threads of this process ran in a step, where the system tells: other processes hardly move them.
    pub processor_seconds: Option<Spread>,
    /// Pairs per second.
    pub pairs_per_second: Spread,
    /// Packed tokens per second.
    pub tokens_per_second: Spread,
    /// The most memory that the process held, in bytes, where the system tells.
    pub peak_bytes: Option<u64>,
    /// Pages of memory that the system handed out in a step, on average, where it tells.
    pub page_faults: Option<f64>,
    /// What the formula says that it takes at most.
    pub formula_bytes: u64,
    /// The share of all cores that other processes took meanwhile, where the system tells.
    pub others: Option<f64>,
    /// The step of the median time by kind of work; empty where it is not the CPU that computes.
    pub work: Vec<WorkRow>,
    /// All products of that step together.
    pub matrix_products: Option<ProductsRow>,
}

/// Steps that were taken, before they are held against the machine's rates.
pub(super) struct Measured {
    reply: StepReply,
    taken: Option<Vec<Taken>>,
}

impl Measured {
    pub(super) fn on_cpu(&self) -> bool {
        self.taken.is_some()
    }

    pub(super) fn products(&self) -> Products {
        self.reply.products
    }

    pub(super) fn reply(mut self, peak_rates: Option<PeakRates>) -> StepReply {
        if let Some(taken) = &self.taken {
            self.reply.work = table::rows(taken, peak_rates);
            self.reply.matrix_products = Some(table::products(taken, peak_rates));
        }
        self.reply
    }
}

pub(super) fn measure(request: &StepRequest, context: &mut Context) -> Result<Measured> {
    let too_small = [("pairs", request.pairs, 1), ("length", request.length, 2), ("rank", request.rank, 1)];
    for (what, value, least) in too_small {
        if value < least {
            return Err(Error::new("bench", format!("{what} is {value}"), format!("Give {least} or more.")));
        }
    }
    let found = request.device.open()?;
    if request.device == DeviceChoice::Auto {
        context.note(format!("computes on {found}"));
    }
    let (model, source) = open(request, &found.device, context)?;
    let config = LoraConfig { r: request.rank, lora_alpha: 2.0 * request.rank as f64, ..LoraConfig::default() };
    let examples = examples(request, source.config.vocab_size);
    let batch = pack(examples.iter());
    let (tokens, targets) = (batch.tokens() as u64, batch.targets().len() as u64);
    let available = available_bytes();
    let recompute = if let Some(recompute) = request.recompute {
        recompute
    } else {
        let per_device_train_batch_size = request.pairs;
        let run = Settings { lora: config.clone(), per_device_train_batch_size, ..Settings::default() };
        let (tokens, targets) = (tokens / request.pairs as u64, targets / request.pairs as u64);
        let pairs = vec![Left { tokens, targets, ..Left::default() }; request.pairs];
        recomputes(&run, &source.size(), &pairs, available)?
    };
    let adapter = AdapterSize::of(&config, &source.config)?;
    let estimate = Estimate::of_step(&source.size(), adapter, tokens, targets, recompute);
    let formula_bytes = estimate.total() + PROCESS_BYTES;
    fits(formula_bytes, available)?;

    let mut decoder = Decoder::from_source(&source)?;
    decoder.set_products(request.products)?;
    for note in decoder.notes() {
        context.note(note);
    }
    context.check()?;
    let mut training = StepState::new(&decoder, &config, examples, recompute)?;
    let (profiles, meanwhile) = steps(&mut training, request, context)?;

    let seconds: Vec<f64> = profiles.iter().map(Profile::total).collect();
    let spread = Spread::of(&seconds);
    let ran = |profile: &Profile| Work::ALL.map(|work| profile.processor_seconds(work)).iter().sum();
    let ran: Vec<f64> = profiles.iter().map(ran).collect();
    let reply = StepReply {
        model,
        device: found.name,
        dtype: decoder.base_dtype(),
        products: decoder.products(),
        products_by: products_by(&decoder),
        plain_kernels: Work::ALL.into_iter().filter(|&work| is_plain(work)).map(|it| it.name().to_owned()).collect(),
        rank: request.rank,
        adapter_parameters: training.policy.lora.parameters().iter().map(|(_, it)| it.elem_count() as u64).sum(),
        pairs: request.pairs,
        length: request.length,
        tokens: batch.tokens(),
        targets: batch.targets().len(),
        recompute,
        steps: seconds.len(),
        seconds: spread,
        processor_seconds: ran.iter().all(|&ran| ran > 0.0).then(|| Spread::of(&ran)),
        pairs_per_second: spread.over(request.pairs as f64),
        tokens_per_second: spread.over(batch.tokens() as f64),
        peak_bytes: peak_resident_bytes(),
        page_faults: meanwhile.map(|it| it.page_faults),
        formula_bytes,
        others: meanwhile.map(|it| it.others),
        work: Vec::new(),
        matrix_products: None,
    };
    // Other devices go on while the program does, so that there no moment belongs to a kind of work.
    let taken = decoder.device().is_cpu().then(|| table::taken(&profiles[middle(&seconds)]));
    Ok(Measured { reply, taken })
}

fn open(request: &StepRequest, device: &candle_core::Device, context: &mut Context) -> Result<(String, Source)> {
    match &request.model {
        BenchModel::Named(named) => {
            let path = find_model(named, context)?;
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            Ok((name, weights::open(&path, request.dtype, device)?))
        }
        BenchModel::Random(shape) => {
            let source = weights::random(shape.config()?, request.dtype, device)?;
            Ok((shape.words().to_owned(), source))
        }
    }
}

/// Refuses what needs more than there is.
fn fits(needed: u64, available: Option<u64>) -> Result<()> {
    match available {
        Some(available) if needed > available => {
            let message = format!("not enough memory: {} are needed, {} are free", size(needed), size(available));
            let hint = "Measure fewer pairs, a smaller length, a smaller model or a dtype in fewer bits.";
            Err(Error::new("out_of_memory", message, hint))
        }
        _ => Ok(()),
    }
}

/// What multiplies with the frozen weights.
fn products_by(decoder: &Decoder) -> String {
    match (decoder.device().is_cpu(), decoder.products(), Kernel::of_processor()) {
        (true, Products::Bf16, Some(kernel)) => format!("the kernel {kernel:?}"),
        (true, ..) => "gemm".into(),
        (false, ..) => "the device's library".into(),
    }
}

/// Pairs of tokens that mean nothing, no two sequences the same.
fn examples(request: &StepRequest, vocabulary: usize) -> Vec<Example> {
    let prompt = request.length / 2;
    let answer = request.length - prompt;
    let ids = |count: usize, seed: usize| -> Vec<u32> {
        (0..count).map(|at| ((at * 97 + seed * 31 + 1) % vocabulary.max(1)) as u32).collect()
    };
    let example = |row: usize| {
        let prompt = ids(prompt, 3 * row);
        let (chosen, rejected) = (ids(answer, 3 * row + 1), ids(answer, 3 * row + 2));
        Example { row, ids: PairIds { chosen_prompt: prompt.clone(), chosen, rejected_prompt: prompt, rejected } }
    };
    (0..request.pairs).map(example).collect()
}

/// The place of the median; of the lower of two.
fn middle(seconds: &[f64]) -> usize {
    let mut places: Vec<usize> = (0..seconds.len()).collect();
    places.sort_by(|&a, &b| seconds[a].total_cmp(&seconds[b]));
    places[(places.len() - 1) / 2]
}

/// What the system says of the measured steps.
#[derive(Debug, Clone, Copy)]
struct Interference {
    /// The share of the cores that others took.
    others: f64,
    /// Of a step.
    page_faults: f64,
}

/// Steps without those of warm-up, and what else went on.
fn steps(
    training: &mut StepState,
    request: &StepRequest,
    context: &mut Context,
) -> Result<(Vec<Profile>, Option<Interference>)> {
    for _ in 0..WARM_UP {
        context.check()?;
        training.step()?;
    }
    let (mut profiles, used, began) = (Vec::new(), Used::now(), Instant::now());
    let total = request.steps.max(1);
    while profiles.len() < total {
        context.check()?;
        let late = request.seconds.is_some_and(|most| began.elapsed().as_secs_f64() > most);
        if late && profiles.len() >= LEAST_STEPS {
            break;
        }
        let (done, profile) = record(|| training.step());
        done?;
        profiles.push(profile);
        context.progress("steps", began, profiles.len() as u64, total as u64);
    }
    let meanwhile = used.zip(Used::now()).map(|(then, now)| Interference {
        others: now.others_since(then),
        page_faults: now.pages_since(then) as f64 / profiles.len() as f64,
    });
    Ok((profiles, meanwhile))
}

/// What a run has in memory between two steps.
struct StepState<'a> {
    policy: Policy<'a>,
    dpo: Dpo,
    learning_rate: f64,
    examples: Vec<Example>,
    references: Vec<ReferenceLogps>,
    steps: u64,
}

impl<'a> StepState<'a> {
    fn new(decoder: &'a Decoder, config: &LoraConfig, examples: Vec<Example>, recompute: bool) -> Result<Self> {
        let settings = Settings::default();
        let lora = decoder.start_lora(config, &mut ChaCha8Rng::seed_from_u64(settings.seed), DType::F32)?;
        let policy = Policy::new(decoder, lora, settings.weight_decay, recompute, settings.max_grad_norm)?;
        let dpo = Dpo { objective: settings.objective(), counting: settings.counting() };
        let batch = pack(examples.iter());
        let references = dpo.counting.references(&batch, &decoder.token_logps(None, &batch)?);
        Ok(Self { policy, dpo, learning_rate: settings.learning_rate, examples, references, steps: 0 })
    }

    /// Takes a step and answers its loss.
    fn step(&mut self) -> Result<f64> {
        let batch = pack(self.examples.iter());
        let pairs = self.examples.iter().zip(&self.references);
        let mut gradients = Gradients::zeros(&self.policy.lora)?;
        let loss = self.policy.microbatch(&batch, None, &mut gradients, |tokens| {
            let (scores, evaluation) = self.dpo.evaluate(&batch, tokens, pairs);
            Ok((evaluation.loss, scores.d_tokens(&evaluation, 1.0)))
        })?;
        self.steps += 1;
        self.policy.update(&gradients, self.learning_rate, self.steps)?;
        if !loss.is_finite() {
            let message = "the step gave numbers that are not finite";
            return Err(Error::new("bench", message, "Choose another dtype, or report this as a fault."));
        }
        self.policy.decoder.device().synchronize().map_err(model::Error::from)?;
        Ok(loss)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn request() -> StepRequest {
        StepRequest {
            model: BenchModel::Random(Shape::Tiny),
            device: DeviceChoice::Cpu,
            dtype: BaseDtype::Auto,
            products: Products::F32,
            rank: 4,
            pairs: 3,
            length: 21,
            recompute: None,
            steps: 5,
            seconds: None,
        }
    }

    #[test]
    fn pairs_have_the_length_that_is_asked_for_and_differ() {
        let examples = examples(&request(), 512);
        let batch = pack(examples.iter());
        // A prompt of 10, answers of 11.
        assert_eq!((batch.tokens(), batch.targets().len()), (3 * 32, 3 * 22));
        let ids: Vec<_> = examples.iter().flat_map(|it| [&it.ids.chosen, &it.ids.rejected]).collect();
        assert!((0..6).all(|i| (0..i).all(|j| ids[i] != ids[j])));
    }

    #[test]
    fn the_steps_train() {
        let request = request();
        let config = Shape::Tiny.config().unwrap();
        let source = weights::random(config, request.dtype, &candle_core::Device::Cpu).unwrap();
        let decoder = Decoder::from_source(&source).unwrap();
        let examples = examples(&request, 512);
        let mut training = StepState::new(&decoder, &LoraConfig::default(), examples, true).unwrap();
        training.learning_rate = 1e-2;
        let losses: Vec<f64> = (0..8).map(|_| training.step().unwrap()).collect();
        // With a new adapter the policy is the reference.
        assert!((losses[0] - 2f64.ln()).abs() < 1e-6 && losses[7] < 0.9 * losses[0], "{losses:?}");
    }

    #[test]
    fn the_median_is_found_among_steps_in_any_order() {
        assert_eq!(middle(&[5.0]), 0);
        assert_eq!(middle(&[5.0, 1.0, 3.0]), 2);
        assert_eq!(middle(&[5.0, 1.0, 3.0, 2.0]), 3);
    }

    #[test]
    fn what_does_not_fit_is_refused_with_what_to_do() {
        assert!(fits(10, Some(10)).is_ok() && fits(10, None).is_ok());
        let error = fits(3_000_000_000, Some(2_000_000_000)).unwrap_err();
        assert!(error.message.contains("3.0 GB") && error.hint.contains("fewer pairs"), "{error:?}");
    }
}
