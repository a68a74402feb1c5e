//! What a run would do and take, before it is started.
//!
//! Counts are those that training itself would come to: the same split, the same encoding, the same limits, the same
//! order of the pairs. Memory is the formula of `model::memory` at the largest microbatch of the run.

mod advice;

use super::training::check::on_share;
use super::training::composition::{Composed, compose, refuse_nothing};
use super::training::measure;
use super::training::start::{adapter_settings, model_path, others_hold_out, usual_eval_steps, with_adapters};
use super::types::{FigureView, PlanRun, RunPlan, Theme};
use super::{Backend, figures};
use crate::error::{Error, Result};
use crate::lineage;
use chat::{Limits, OddPairs};
use model::DeviceChoice;
use model::memory::available_bytes;
use plot::{Histogram, Limit};
use prefs::Pair;
use std::collections::HashSet;
use std::path::Path;
use train::Settings;
use train::cuts::{Cuts, TooLong};
use train::memory::{self, Left, Length, order};
use train::settings::{Checkpointing, refuse_first};

/// Numbers of pairs that are cut or dropped which cross to the page.
const MOST_NUMBERS: usize = 1_000;
/// Width and height of the histogram.
const HISTOGRAM: (u32, u32) = (480, 240);

pub(super) fn plan_run(backend: &Backend, request: PlanRun) -> Result<RunPlan> {
    let PlanRun { request, theme } = request;
    let project = backend.project(&request.project)?;
    let mut plan = nothing(theme, &request.settings)?;
    let mut settings = request.settings.clone();
    plan.problems.extend(refuse_first(settings.remarks()).err().map(Error::from));
    let store = project.another_store()?;
    let remark = on_share(request.held_out_share, &settings, others_hold_out(&store, &request)?);
    plan.problems.extend(refuse_first(remark).err().map(Error::from));
    let mut is_new = true;
    match with_adapters(backend, &request).and_then(|request| adapter_settings(&request.settings)) {
        Ok(Some(lora)) => (settings.lora, is_new) = (lora, false),
        Ok(None) => {}
        Err(error) => plan.problems.push(error),
    }
    let made = compose(&store, request.held_out_share, request.settings.seed, request.data.as_ref());
    let composed = match made {
        Ok(composed) => {
            // With a share that is none, it is no news that nothing is left.
            if (0.0..1.0).contains(&request.held_out_share) {
                plan.problems.extend(refuse_nothing(&composed).err());
            }
            composed
        }
        Err(error) => {
            plan.problems.push(error);
            Composed::default()
        }
    };
    plan.data_says.clone_from(&composed.record.says);
    let held_out: Vec<&Pair> = composed.held_out.iter().map(|&row| &composed.pairs[row].pair).collect();
    match lineage::warns(&settings, &held_out, &composed.asked) {
        Ok(warns) => plan.notes = warns,
        Err(error) => plan.problems.push(error),
    }
    let model = match model_path(backend, &request.model) {
        Ok(path) => Some(path),
        Err(error) => {
            plan.problems.push(error);
            None
        }
    };
    let (Some(model), true) = (model, plan.problems.is_empty()) else { return Ok(plan) };

    let Some(tokenizer) = backend.tokenizer(&request.model)? else { return Ok(plan) };
    let pairs = &composed.pairs;
    let read = backend.0.lengths.of(&model, &tokenizer, pairs)?;
    plan.held_out = composed.held_out.len();
    if composed.held_out.is_empty() && request.held_out_share > 0.0 {
        let message = "no pair can be held out: all pairs have the same prompt";
        plan.problems.push(Error::new(
            "no_held_out",
            message,
            "Set held_out_share to 0, or add pairs with other prompts.",
        ));
    }
    let mut odd = OddPairs::default();
    composed.train.iter().for_each(|&row| odd.add(&read[row].oddities));
    let lengths_of =
        |rows: &[usize]| -> Vec<(i64, Length)> { rows.iter().map(|&row| (pairs[row].id, read[row].length)).collect() };
    let (trained, looked_at) = (lengths_of(&composed.train), lengths_of(&composed.held_out));
    if tokenizer.has_template() {
        let plain_text = composed.train.iter().filter(|&&row| !pairs[row].pair.is_conversational()).count();
        plan.conversations = trained.len() - plain_text;
        if plain_text > 0 {
            let remedy = "import the file again as users' messages and take these pairs out";
            plan.plain_text_note = Some(odd.rendered.plain_text(plain_text, "pairs", remedy));
        }
    }
    let limits = settings.limits();
    let kept = count(&mut plan, &trained, &limits);
    let held_out_cuts = cut(&looked_at, &limits);
    let held_out_say =
        held_out_cuts.sentences(&limits, "pair").into_iter().map(|said| format!("of the held-out pairs, {said}"));
    plan.limits_say.extend(held_out_say);
    for (cuts, pairs, name) in
        [(cut(&trained, &limits), trained.len(), "training pairs"), (held_out_cuts, looked_at.len(), "held-out pairs")]
    {
        plan.problems.extend(cuts.refuse(&limits, Path::new(name), pairs, "pair").err().map(Error::from));
    }
    plan.histogram = histogram(&trained, &settings, theme)?;
    if kept.is_empty() {
        let message = format!(
            "none of {} pairs is left to train on: {} are too long, of {} both answers are the same tokens once they are cut",
            trained.len(),
            plan.dropped,
            plan.identical
        );
        plan.problems.push(Error::new("no_pairs", message, "Raise max_length."));
        return Ok(plan);
    }
    let order = order(&settings, kept.len());
    plan.steps_per_epoch = order.steps_per_epoch();
    plan.steps = order.total_steps(settings.max_steps, settings.num_train_epochs);
    plan.usual_eval_steps = usual_eval_steps(plan.steps);
    plan.met = order.seen(plan.steps).len();
    let tokens: u64 = kept.iter().map(|pair| pair.tokens).sum();
    plan.tokens_per_step = tokens as f64 / plan.steps_per_epoch as f64;
    let source = model::weights::open(&model, settings.dtype, &candle_core::Device::Cpu)?;
    let notes = tokenizer.notes().iter().cloned().chain(source.notes()).chain(odd.sentences(&tokenizer));
    plan.notes.extend(notes.collect::<Vec<_>>());
    let size = source.size();
    if is_new {
        settings.lora.check_patterns(&size.config.linears())?;
    }
    // The formula is that of the CPU's kernels and memory.
    plan.memory_free = if backend.device() == DeviceChoice::Cpu { available_bytes() } else { None };
    let recompute = memory::recomputes(&settings, &size, &kept, plan.memory_free)?;
    let gradient_checkpointing = if recompute { Checkpointing::On } else { Checkpointing::Off };
    plan.memory_needed = memory::needed(&Settings { gradient_checkpointing, ..settings.clone() }, &size, &kept)?;
    plan.fits = plan.memory_free.is_none_or(|free| plan.memory_needed <= free);
    let lengths: Vec<Length> = trained.iter().map(|(_, length)| *length).collect();
    plan.advice = match plan.memory_free {
        Some(free) if !plan.fits => Some(memory::to_fit(&settings, &size, &lengths, free)?),
        _ => advice::to_keep(&settings, &lengths, &plan),
    };
    plan.seconds_estimate = measure::estimate(backend, &model, &settings, &plan, tokens, recompute);
    Ok(plan)
}

/// What is said where nothing can be counted.
fn nothing(theme: Theme, settings: &Settings) -> Result<RunPlan> {
    Ok(RunPlan {
        pairs: 0,
        held_out: 0,
        data_says: Vec::new(),
        dropped: 0,
        identical: 0,
        conversations: 0,
        plain_text_note: None,
        cut_prompts: 0,
        cut_answers: 0,
        limits_say: Vec::new(),
        cut_pairs: Vec::new(),
        steps: 0,
        steps_per_epoch: 0,
        usual_eval_steps: 1,
        met: 0,
        tokens_per_step: 0.0,
        histogram: histogram(&[], settings, theme)?,
        memory_needed: 0,
        memory_free: available_bytes(),
        fits: true,
        advice: None,
        notes: Vec::new(),
        reference_note: settings.reference_note(),
        problems: Vec::new(),
        seconds_estimate: None,
    })
}

/// Which of the pairs the limits touch.
fn cut(pairs: &[(i64, Length)], limits: &Limits) -> Cuts {
    let mut cuts = Cuts::default();
    for (id, length) in pairs {
        let limited = length.limited(limits);
        if limited.is_some_and(|left| left.identical) {
            continue;
        }
        cuts.add_over(*id, length.over(limits));
        match limited {
            Some(left) => cuts.add(*id, left.cut_prompt, left.cut_answer),
            None => cuts.too_long.push(TooLong::of(*id, length)),
        }
    }
    cuts
}

/// Counts what the limits do, and gives what they leave.
fn count(plan: &mut RunPlan, trained: &[(i64, Length)], limits: &Limits) -> Vec<Left> {
    let cuts = cut(trained, limits);
    plan.limits_say = cuts.sentences(limits, "pair");
    (plan.dropped, plan.cut_prompts, plan.cut_answers) = (cuts.too_long.len(), cuts.prompts.len(), cuts.answers.len());
    let left: Vec<Option<Left>> = trained.iter().map(|(_, length)| length.limited(limits)).collect();
    let touched = |left: &Option<Left>| left.is_none_or(|left| left.cut_prompt || left.cut_answer);
    let numbers = trained.iter().zip(&left).filter(|(_, left)| touched(left)).map(|((id, _), _)| *id);
    let mut known = HashSet::new();
    plan.cut_pairs = numbers.filter(|id| known.insert(*id)).take(MOST_NUMBERS).collect();
    let (identical, kept): (Vec<Left>, Vec<Left>) = left.into_iter().flatten().partition(|left| left.identical);
    (plan.identical, plan.pairs) = (identical.len(), kept.len());
    kept
}

fn histogram(trained: &[(i64, Length)], settings: &Settings, theme: Theme) -> Result<FigureView> {
    let whole: Vec<usize> = trained.iter().map(|(_, length)| length.whole()).collect();
    let prompts: Vec<usize> = trained.iter().map(|(_, length)| length.prompt).collect();
    let mut limits = Vec::new();
    if settings.max_length > 0 {
        limits.push(Limit { x: settings.max_length as f64, name: "max_length".into() });
    }
    if let Some(prompt) = settings.max_prompt_length {
        limits.push(Limit { x: prompt as f64, name: "max_prompt_length".into() });
    }
    let sets = [("prompt and longer answer", &whole[..]), ("prompt alone", &prompts[..])];
    let histogram = Histogram::of("Lengths of the pairs", "tokens", "pairs", &sets, limits);
    figures::histogram("lengths", histogram, theme, HISTOGRAM)
}

/// A plan of nothing.
#[cfg(test)]
pub(in crate::window) fn tests_plan() -> RunPlan {
    nothing(Theme::Light, &Settings::default()).expect("an empty figure can be drawn")
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn limits_count_as_in_training() {
        let length = |prompt, chosen, rejected| Length { prompt, chosen, rejected, ..Length::default() };
        let limits = Settings { max_length: 10, ..Settings::default() }.limits();
        let trained = [(1, length(4, 4, 5)), (2, length(4, 8, 5)), (3, length(10, 1, 1)), (-4, length(9, 1, 3))];
        let mut plan = tests_plan();
        let kept = count(&mut plan, &trained, &limits);
        assert!(plan.limits_say[1].ends_with("(pair 2, item 4)"), "{:?}", plan.limits_say);
        assert_eq!((plan.pairs, plan.dropped, plan.cut_prompts, plan.cut_answers), (3, 1, 0, 2));
        assert_eq!(plan.cut_pairs, [2, 3, -4]);
        assert_eq!(kept.iter().map(|left| left.tokens).collect::<Vec<_>>(), [13, 15, 11]);
    }
}
