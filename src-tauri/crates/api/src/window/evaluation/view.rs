//! Evaluations as the page shows them.

use super::super::housekeeping::{name_of, notes_of};
use super::super::types::{
    AccuracyView, BothView, EvalItem, EvalItems, EvalItemsOf, EvalState, EvalSummary, EvalView, GroupView, InProject,
    ItemFilter, ItemKind, Notes, ShowEvaluation, SideNames, Winner,
};
use super::super::{Backend, OpenProject, figures, overview};
use super::{About, folder, job, modified, run_name};
use crate::error::{Error, Result};
use crate::evaluate::accuracy_of;
use crate::reuse;
use eval::answers::Side;
use eval::degeneration;
use eval::evaluation::{Ancestry, Contents, Evaluation, Item, Names, PromptOutcome, Summary};
use eval::judge::Judge;
use eval::people::{HOW_PEOPLE_COUNT, Judged, several_judged, who_judges};
use eval::statistics::{Interval, Tally, WHY_55, sign_test};
use plot::{WinRate, WinRateRow};
use std::path::Path;

/// Items that cross to the page at once.
const MOST_ITEMS: usize = 200;

/// An evaluation's folder, read.
pub(super) struct Read {
    pub(super) name: String,
    pub(super) about: About,
    /// The name of its run now, where that is still there.
    pub(super) run_name: String,
    notes: Notes,
    pub(super) judge: Judge,
    contents: Option<Contents>,
    /// What its own judge says so far, once all answers are there.
    pub(super) evaluation: Option<Evaluation>,
    job: Option<u64>,
}

impl Read {
    pub(super) fn of(backend: &Backend, project: &OpenProject, folder: &Path) -> Result<Self> {
        let name = folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let about = About::read(folder)?;
        let judge = about.judge(folder)?;
        let contents = Contents::read(folder)?;
        // Before all answers are there, there is nothing to sum up.
        let evaluation = contents.as_ref().and_then(|contents| contents.so_far(&judge).ok());
        let job = job(backend, project, &name);
        let (run_name, notes) = (run_name(backend, project, &about), notes_of(ItemKind::Evaluation, folder)?);
        Ok(Self { name, about, run_name, notes, judge, contents, evaluation, job })
    }

    /// What its judge does; of people, whether they judged blind.
    pub(super) fn judge_in_words(&self) -> String {
        match self.judge {
            Judge::People => who_judges(self.said()).to_owned(),
            _ => self.judge.description(),
        }
    }

    /// What people said of it.
    fn said(&self) -> &[Judged] {
        self.contents.as_ref().map_or(&[], Contents::said)
    }

    fn prompts(&self) -> usize {
        self.contents.as_ref().map_or(0, |contents| contents.setup().prompts.len())
    }

    /// What the sides are called; before they are recorded, as they were asked for.
    fn names(&self) -> SideNames {
        let names = self.contents.as_ref().map(|contents| contents.setup().ancestry.names()).unwrap_or_default();
        match &self.about.sides {
            Some([tuned, base]) if self.contents.is_none() => SideNames {
                tuned: tuned.name.clone(),
                base: base.name.clone(),
                tuned_title: tuned.name.clone(),
                base_title: base.name.clone(),
                of_training: false,
            },
            _ => SideNames {
                tuned: names.short(Side::Tuned),
                base: names.short(Side::Base),
                tuned_title: names.title(Side::Tuned),
                base_title: names.title(Side::Base),
                of_training: names.is_of_training(),
            },
        }
    }

    /// What is evaluated: a run by its name now, or one side against the other.
    fn title(&self) -> String {
        if self.about.sides.is_some() { self.about.title() } else { self.run_name.clone() }
    }

    fn state(&self) -> EvalState {
        let Some(evaluation) = &self.evaluation else {
            return if self.job.is_some() { EvalState::Answering } else { EvalState::BrokenOff };
        };
        if self.judge == Judge::People {
            return if self.contents.as_ref().map_or(0, Contents::waiting) == 0 {
                EvalState::Done
            } else {
                EvalState::Judging
            };
        }
        let Summary { all, same_answers, not_judged, .. } = &evaluation.summary;
        // A judge that gave no verdict at all was never at work.
        let has_failed = all.tally.no_verdict > 0 && all.tally.judged() == *same_answers;
        if *not_judged == 0 && !has_failed {
            EvalState::Done
        } else if self.job.is_some() {
            EvalState::Judging
        } else {
            EvalState::BrokenOff
        }
    }

    pub(super) fn summary(&self) -> EvalSummary {
        let prompts = self.prompts();
        let answered =
            self.contents.as_ref().map_or(0, |contents| (0..prompts).filter(|id| contents.is_answered(*id)).count());
        let tally = self.evaluation.as_ref().map(|evaluation| evaluation.summary.all.tally).unwrap_or_default();
        let state = self.state();
        EvalSummary {
            evaluation: self.name.clone(),
            name: self.notes.name.clone().unwrap_or_else(|| self.title()),
            notes: self.notes.clone(),
            run: self.about.run.clone(),
            run_name: self.run_name.clone(),
            names: self.names(),
            judge: self.judge_in_words(),
            prompts_from: self.about.prompts.clone(),
            key_for: match &self.judge {
                Judge::Endpoint(endpoint) if endpoint.key_from.is_some() => Some(endpoint.origin()),
                _ => None,
            },
            asked: self.contents.as_ref().map(|contents| contents.setup().asked()),
            created_at: self.about.created_at,
            state,
            prompts,
            answered,
            judged: tally.judged(),
            waiting: self.contents.as_ref().map_or(0, Contents::waiting),
            win_rate: tally.win_rate(),
            win_rate_interval: tally.interval().map(ends),
            verdict: tally.verdict().code().to_owned(),
            words: match (state, &self.evaluation) {
                (EvalState::Answering, _) => "Both sides are answering.".to_owned(),
                (_, None) => "It was broken off before all answers were there.".to_owned(),
                (_, Some(evaluation)) => evaluation.summary.words.clone(),
            },
        }
    }
}

/// All evaluations of a project, the newest first.
pub(in crate::window) fn evaluations(backend: &Backend, request: InProject) -> Result<Vec<EvalSummary>> {
    let project = backend.project(&request.project)?;
    let mut all = Vec::new();
    for folder in overview::evaluations(&project)? {
        let read = Read::of(backend, &project, &folder);
        all.push(read.map_or_else(|error| damaged(&folder, &error), |read| read.summary()));
    }
    all.sort_by(|a, b| b.created_at.cmp(&a.created_at).then_with(|| b.evaluation.cmp(&a.evaluation)));
    Ok(all)
}

/// An evaluation that cannot be read, by the name of its folder.
fn damaged(folder: &Path, error: &Error) -> EvalSummary {
    let name = folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let [tuned, base] = ["tuned", "base"].map(str::to_owned);
    let (tuned_title, base_title) = (tuned.clone(), base.clone());
    EvalSummary {
        evaluation: name.clone(),
        name,
        notes: Notes::of_damaged(error),
        run: String::new(),
        run_name: String::new(),
        names: SideNames { tuned, base, tuned_title, base_title, of_training: true },
        judge: String::new(),
        key_for: None,
        prompts_from: String::new(),
        asked: None,
        created_at: modified(folder),
        state: EvalState::BrokenOff,
        prompts: 0,
        answered: 0,
        judged: 0,
        waiting: 0,
        win_rate: None,
        win_rate_interval: None,
        verdict: Tally::default().verdict().code().to_owned(),
        words: "It cannot be read.".to_owned(),
    }
}

pub(in crate::window) fn evaluation(backend: &Backend, request: ShowEvaluation) -> Result<EvalView> {
    let project = backend.project(&request.project)?;
    let folder = folder(&project, &request.evaluation)?;
    let read = Read::of(backend, &project, &folder)?;
    let own = read.evaluation.as_ref();
    let names = &read.contents.as_ref().map(|contents| contents.setup().ancestry.names()).unwrap_or_default();
    let people = own.and_then(|own| own.people.as_ref());
    let human = match (people, &read.contents) {
        (Some(people), _) => Some(group("People", &people.all.tally, names)),
        // Before all answers are there, people may have judged the first.
        (None, Some(contents)) if !contents.said().is_empty() => {
            Some(group("People", &contents.people_outcomes().values().collect(), names))
        }
        _ => None,
    };
    let auto =
        own.filter(|_| read.judge != Judge::People).map(|own| group("All prompts", &own.summary.all.tally, names));
    let categories = own.map(|own| &own.summary.categories).into_iter().flatten();
    let categories: Vec<GroupView> = categories.map(|(name, summary)| group(name, &summary.tally, names)).collect();
    let mut rows: Vec<&GroupView> = auto.iter().chain(&human).collect();
    rows.extend(&categories);
    let figure = if rows.is_empty() { None } else { Some(figures::win_rate(drawn(&rows, names), request.theme)?) };
    // In the figure there is room for a short name.
    let human = human.map(|human| GroupView { name: who_judges(read.said()).to_owned(), ..human });
    let how_people_count = several_judged(read.said()).then(|| HOW_PEOPLE_COUNT.to_owned());
    let accuracy = accuracy_of(&folder)?;
    let of_judge = own.filter(|_| read.judge != Judge::People).and_then(Evaluation::places_in_words);
    let of_people = people.into_iter().flat_map(|people| &people.annotators).map(|annotator| annotator.words(names));
    let both = people.and_then(|people| people.with_judge);
    // Who knows which side is long-winded knows whose answers are whose.
    let is_blind = read.judge == Judge::People && read.contents.as_ref().is_some_and(|contents| contents.waiting() > 0);
    let texts_of = |own: &Evaluation| degeneration::rows(&own.summary.base, &own.summary.tuned);
    let answers_of = read.about.answers_of.clone();
    let answers_of = answers_of.and_then(|name| Some((name.clone(), super::folder(&project, &name).ok()?)));
    Ok(EvalView {
        summary: read.summary(),
        both: both.map(|both| BothView { items: both.items, percent: both.percent, kappa: both.kappa }),
        auto,
        human,
        places: of_judge.into_iter().chain(how_people_count).chain(of_people).collect(),
        categories,
        texts: own.filter(|_| !is_blind).map(texts_of).unwrap_or_default(),
        accuracy: accuracy.map(|it| AccuracyView { pairs: it.pairs, rows: it.rows().to_vec() }),
        figure,
        why_55: if names.is_of_training() { WHY_55.to_owned() } else { String::new() },
        how_asked: read.contents.as_ref().map(|contents| contents.setup().ancestry.how_asked()).unwrap_or_default(),
        reused: reuse::told(&folder),
        other_base: read.contents.as_ref().and_then(|contents| contents.setup().ancestry.other_base.clone()),
        ancestry: read.contents.as_ref().map(|contents| ancestry(&contents.setup().ancestry)).unwrap_or_default(),
        job: read.job,
        answers_of_name: answers_of
            .as_ref()
            .map(|(_, folder)| name_of(backend, &project, ItemKind::Evaluation, folder)),
        answers_of: answers_of.map(|(name, _)| name),
    })
}

/// Items of an evaluation, those under a filter.
pub(in crate::window) fn eval_items(backend: &Backend, request: EvalItemsOf) -> Result<EvalItems> {
    let project = backend.project(&request.project)?;
    let read = Read::of(backend, &project, &folder(&project, &request.evaluation)?)?;
    let people_judge = read.judge == Judge::People;
    let items = read.evaluation.map(|evaluation| evaluation.items).unwrap_or_default();
    let rows = items.into_iter().map(|item| {
        let human = winner(item.people.as_ref());
        let auto = if people_judge { Winner::None } else { winner(Some(&item.outcome)) };
        (auto, human, item)
    });
    let wanted = |auto: Winner, human: Winner| {
        let own = if people_judge { human } else { auto };
        match request.filter {
            ItemFilter::All => true,
            ItemFilter::Tuned => own == Winner::Tuned,
            ItemFilter::Base => own == Winner::Base,
            ItemFilter::Tie => own == Winner::Tie,
            ItemFilter::None => own == Winner::None,
            ItemFilter::Disagree => auto != Winner::None && human != Winner::None && auto != human,
        }
    };
    let rows: Vec<_> = rows.filter(|(auto, human, _)| wanted(*auto, *human)).collect();
    let total = rows.len();
    let part = rows.into_iter().skip(request.offset).take(request.limit.min(MOST_ITEMS));
    let rows = part.map(|(auto, human, item)| eval_item(auto, human, item)).collect();
    Ok(EvalItems { total, rows })
}

fn eval_item(auto: Winner, human: Winner, item: Item) -> EvalItem {
    let why = item.outcome.why_not().map(str::to_owned).or(item.reason);
    EvalItem {
        id: item.id,
        prompt: item.prompt,
        category: item.category,
        base: item.base.text,
        tuned: item.tuned.text,
        base_tokens: item.base.tokens,
        tuned_tokens: item.tuned.tokens,
        auto,
        auto_reason: why.filter(|_| !item.same && (auto != Winner::None || human == Winner::None)),
        human,
        same: item.same,
    }
}

fn winner(outcome: Option<&PromptOutcome>) -> Winner {
    match outcome {
        Some(PromptOutcome::Tuned) => Winner::Tuned,
        Some(PromptOutcome::Base) => Winner::Base,
        Some(PromptOutcome::Tie) => Winner::Tie,
        Some(PromptOutcome::NotJudged | PromptOutcome::NoVerdict(_)) | None => Winner::None,
    }
}

fn group(name: &str, tally: &Tally, names: &Names) -> GroupView {
    GroupView {
        name: name.to_owned(),
        wins: tally.wins,
        ties: tally.ties,
        losses: tally.losses,
        no_verdict: tally.no_verdict,
        win_rate: tally.win_rate(),
        interval: tally.interval().map(ends),
        p: (tally.judged() > 0).then(|| sign_test(tally.wins, tally.losses)),
        words: tally.words(names),
    }
}

pub(super) fn ends(interval: Interval) -> (f64, f64) {
    (interval.low, interval.high)
}

fn drawn(rows: &[&GroupView], names: &Names) -> WinRate {
    let row = |group: &&GroupView| WinRateRow {
        name: group.name.clone(),
        rate: group.win_rate.unwrap_or(0.5),
        low: group.interval.map_or(0.0, |interval| interval.0),
        high: group.interval.map_or(1.0, |interval| interval.1),
        wins: group.wins,
        ties: group.ties,
        losses: group.losses,
        no_verdict: group.no_verdict,
    };
    WinRate { title: names.figure_title(), rows: rows.iter().map(row).collect() }
}

fn ancestry(ancestry: &Ancestry) -> Vec<(String, String)> {
    let mut rows = Vec::new();
    for side in ancestry.sides.iter().flat_map(|sides| [&sides.tuned, &sides.base]) {
        rows.extend(side.rows().into_iter().map(|(name, value)| (format!("{}: {name}", side.name), value)));
    }
    if ancestry.sides.is_none() {
        rows.push(("model".to_owned(), ancestry.model.clone()));
    }
    let mut row = |name: &str, value: Option<String>| rows.extend(value.map(|value| (name.to_owned(), value)));
    row("model SHA-256", ancestry.model_sha256.clone());
    let told = |words: &String| (!words.is_empty()).then(|| words.clone());
    row("dtype", told(&ancestry.dtype));
    row("products", told(&ancestry.products));
    row("adapter", ancestry.adapter.clone());
    row("adapter SHA-256", ancestry.adapter_sha256.clone());
    row("base: the model with the adapter of SHA-256", ancestry.reference_adapter_sha256.clone());
    row("run", ancestry.run.clone());
    row("training pairs SHA-256", ancestry.pairs_sha256.clone());
    row("prompts", Some(ancestry.prompts.clone()));
    row("prompts SHA-256", Some(ancestry.prompts_sha256.clone()));
    row("seed of the answers", Some(ancestry.seed.to_string()));
    row("seed of the sides", Some(ancestry.order_seed.to_string()));
    for (name, value) in &ancestry.sampling {
        row(name, Some(value.to_string()));
    }
    row("version", Some(ancestry.version.clone()));
    rows
}
