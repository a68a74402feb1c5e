//! All that was compared in a project, side by side: only verdicts of the same judge on the same prompts stand together.

use super::super::training::run_identity;
use super::super::types::{Cell, EvalState, InProject, Leaderboard, LeaderboardGroup, LeftOutEvaluation, Ranked};
use super::super::{Backend, OpenProject, overview};
use super::view::{Read, ends};
use crate::error::Result;
use eval::answers::Side;
use eval::evaluation::{Evaluation, PromptOutcome};
use eval::statistics::{Tally, wilson};
use prefs::Content;
use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use train::base::short;

/// What the evaluations of a project come to together.
pub(in crate::window) fn leaderboard(backend: &Backend, request: InProject) -> Result<Leaderboard> {
    let project = backend.project(&request.project)?;
    let (mut groups, mut left_out, mut counted) = (Vec::<Group>::new(), Vec::new(), 0);
    let mut all = Vec::new();
    for folder in overview::evaluations(&project)? {
        match Read::of(backend, &project, &folder) {
            Ok(read) => all.push(read),
            Err(error) => {
                let name = folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
                left_out.push(LeftOutEvaluation { evaluation: name.clone(), title: name, why: error.message });
            }
        }
    }
    // The newest first: of the same comparison made twice it is the one that counts.
    all.sort_by(|a, b| b.about.created_at.cmp(&a.about.created_at).then_with(|| b.name.cmp(&a.name)));
    for read in &all {
        let mut leave_out = |why: String| {
            left_out.push(LeftOutEvaluation { evaluation: read.name.clone(), title: read.about.title(), why });
        };
        let summary = read.summary();
        let (Some(evaluation), Some(asked)) = (&read.evaluation, &summary.asked) else {
            leave_out("not all answers are there".to_owned());
            continue;
        };
        if summary.state != EvalState::Done || summary.judged == 0 {
            leave_out(format!("{} of {} prompts are judged", summary.judged, summary.prompts));
            continue;
        }
        let judge = read.judge_in_words();
        let place = groups.iter().position(|group| group.judge == judge && group.asked == *asked);
        let place = place.unwrap_or_else(|| {
            let (asked, prompts_from) = (asked.clone(), summary.prompts_from.clone());
            groups.push(Group { judge, asked, prompts_from, ..Group::default() });
            groups.len() - 1
        });
        match groups[place].take(read, evaluation, names(backend, &project, read, evaluation)) {
            Ok(()) => counted += 1,
            Err(why) => leave_out(why),
        }
    }
    Ok(Leaderboard { groups: groups.into_iter().map(Group::shown).collect(), counted, left_out })
}

/// What both sides are called: a run by its name now, the model that a run was trained on by its own, since runs share it.
fn names(backend: &Backend, project: &OpenProject, read: &Read, evaluation: &Evaluation) -> [String; 2] {
    let ancestry = &evaluation.ancestry;
    let Some(sides) = &read.about.sides else {
        let model = ancestry.model.rsplit(['/', '\\']).find(|part| !part.is_empty()).unwrap_or(&ancestry.model);
        let base = match &ancestry.reference_adapter_sha256 {
            Some(_) => format!("the reference of {}", read.run_name),
            None => format!("{model}, untrained"),
        };
        return [read.run_name.clone(), base];
    };
    let mut names = [Side::Tuned, Side::Base].map(|side| ancestry.side(side).name);
    for (name, side) in names.iter_mut().zip(sides) {
        // A step of a run goes by the name that it was given then.
        let run = side
            .choice
            .strip_prefix("run:")
            .map(|path| Path::new(path).file_name().unwrap_or_default().to_string_lossy());
        if let Some(run) = run.and_then(|run| run_identity(backend, project, &run).ok()) {
            *name = run.name;
        }
    }
    names
}

/// Who has been compared by one judge on the same prompts.
#[derive(Default)]
struct Group {
    judge: String,
    asked: String,
    prompts_from: String,
    /// Digest and name of each.
    models: Vec<(String, String)>,
    /// By the places of two models, the smaller first: the first one's score on each prompt, and what all came to.
    compared: BTreeMap<(usize, usize), Compared>,
}

struct Compared {
    tally: Tally,
    /// 1 where the first is better, 0 where the second is, a half of a tie.
    scores: HashMap<Content, f64>,
    evaluation: String,
}

impl Group {
    /// Takes an evaluation in, unless there is a newer one of the same two.
    fn take(
        &mut self,
        read: &Read,
        evaluation: &Evaluation,
        [tuned_name, base_name]: [String; 2],
    ) -> std::result::Result<(), String> {
        let origin = |side| evaluation.ancestry.side(side);
        let (tuned, base) = (origin(Side::Tuned), origin(Side::Base));
        let places = [self.place(tuned.identity(), tuned_name), self.place(base.identity(), base_name)];
        let turned = places[0] > places[1];
        let key = if turned { (places[1], places[0]) } else { (places[0], places[1]) };
        if let Some(newer) = self.compared.get(&key) {
            return Err(format!("the same two are compared in {}, which is newer", newer.evaluation));
        }
        let tally = evaluation.summary.all.tally;
        let tally = if turned { Tally { wins: tally.losses, losses: tally.wins, ..tally } } else { tally };
        let first = if turned { Side::Base } else { Side::Tuned };
        let score = |outcome: &PromptOutcome| {
            outcome.is_verdict().then(|| outcome.winner().map_or(0.5, |winner| f64::from(u8::from(winner == first))))
        };
        let scores =
            evaluation.items.iter().filter_map(|item| Some((item.prompt.clone(), score(&item.outcome)?))).collect();
        self.compared.insert(key, Compared { tally, scores, evaluation: read.name.clone() });
        Ok(())
    }

    /// The place of a model, by what it is, whatever it was called.
    fn place(&mut self, identity: String, name: String) -> usize {
        if let Some(place) = self.models.iter().position(|(known, _)| *known == identity) {
            return place;
        }
        self.models.push((identity, name));
        self.models.len() - 1
    }

    /// What one came to against another.
    fn cell(&self, one: usize, other: usize) -> Option<Cell> {
        let found = self.compared.get(&(one.min(other), one.max(other)))?;
        let tally = if one < other {
            found.tally
        } else {
            Tally { wins: found.tally.losses, losses: found.tally.wins, ..found.tally }
        };
        Some(Cell {
            evaluation: found.evaluation.clone(),
            wins: tally.wins,
            ties: tally.ties,
            losses: tally.losses,
            win_rate: tally.win_rate(),
            interval: tally.interval().map(ends),
        })
    }

    fn ranked(&self, place: usize, names: &[String]) -> Ranked {
        let opponents: Vec<usize> = (0..names.len()).filter(|other| self.cell(place, *other).is_some()).collect();
        let (mut tally, mut by_prompt) = (Tally::default(), HashMap::<&Content, Vec<f64>>::new());
        for &other in &opponents {
            let Some(found) = self.compared.get(&(place.min(other), place.max(other))) else { continue };
            let cell = self.cell(place, other).unwrap_or_default();
            tally.wins += cell.wins;
            tally.ties += cell.ties;
            tally.losses += cell.losses;
            tally.no_verdict += found.tally.no_verdict;
            for (prompt, score) in &found.scores {
                by_prompt.entry(prompt).or_default().push(if place < other { *score } else { 1.0 - score });
            }
        }
        // An answer that is judged against several is still one answer: each prompt counts once, or the interval would be too
        // narrow.
        let prompts = by_prompt.len();
        let rate: f64 = by_prompt.values().map(|scores| scores.iter().sum::<f64>() / scores.len() as f64).sum();
        let rate = (prompts > 0).then(|| rate / prompts as f64);
        Ranked {
            name: names[place].clone(),
            against: opponents.iter().map(|other| names[*other].clone()).collect(),
            wins: tally.wins,
            ties: tally.ties,
            losses: tally.losses,
            no_verdict: tally.no_verdict,
            prompts,
            win_rate: rate,
            interval: rate.map(|rate| ends(wilson(rate, prompts))),
        }
    }

    fn shown(self) -> LeaderboardGroup {
        // Different ones may be called alike.
        let is_alone = |name: &String| self.models.iter().filter(|(_, other)| other == name).count() == 1;
        let named = |(identity, name): &(String, String)| {
            if is_alone(name) { name.clone() } else { format!("{name} ({})", short(identity)) }
        };
        let names: Vec<String> = self.models.iter().map(named).collect();
        let mut order: Vec<usize> = (0..names.len()).collect();
        let rows: Vec<Ranked> = order.iter().map(|place| self.ranked(*place, &names)).collect();
        let rate = |place: &usize| rows[*place].win_rate.unwrap_or(0.0);
        order.sort_by(|a, b| rate(b).total_cmp(&rate(a)).then_with(|| names[*a].cmp(&names[*b])));
        let pairs = names.len() * (names.len() - 1) / 2;
        let matrix = order.iter().map(|one| order.iter().map(|other| self.cell(*one, *other)).collect()).collect();
        LeaderboardGroup {
            judge: self.judge,
            prompts_from: self.prompts_from,
            evaluations: self.compared.len(),
            every_two: self.compared.len() == pairs,
            rows: order.iter().map(|place| rows[*place].clone()).collect(),
            matrix,
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    /// A group in which these were compared on two prompts: the first one's scores.
    fn group(compared: &[((usize, usize), [f64; 2])], count: usize) -> Group {
        let models = (0..count).map(|place| (format!("{place}"), format!("m{place}"))).collect();
        let mut group = Group { models, ..Group::default() };
        for (key, scores) in compared {
            let count = |wanted: f64| scores.iter().filter(|score| (**score - wanted).abs() < 0.1).count();
            let tally = Tally { wins: count(1.0), ties: count(0.5), losses: count(0.0), no_verdict: 0 };
            let scores = ["p", "q"].into_iter().zip(scores).map(|(prompt, score)| (prompt.into(), *score)).collect();
            group.compared.insert(*key, Compared { tally, scores, evaluation: format!("{key:?}") });
        }
        group
    }

    #[test]
    fn a_rate_says_whom_it_is_against_and_each_prompt_counts_once() {
        let shown = group(&[((0, 1), [1.0, 1.0]), ((0, 2), [1.0, 0.0]), ((1, 2), [0.5, 0.0])], 3).shown();
        let rates: Vec<_> =
            shown.rows.iter().map(|row| (row.name.as_str(), row.win_rate.unwrap(), row.prompts)).collect();
        assert_eq!(rates, [("m0", 0.75, 2), ("m2", 0.625, 2), ("m1", 0.125, 2)]);
        assert!(shown.every_two && shown.evaluations == 3);
        assert_eq!(shown.rows[0].against, ["m1", "m2"]);
        // Four verdicts on two prompts are told as two prompts are.
        assert_eq!(shown.rows[0].interval, Some(ends(wilson(0.75, 2))));
        assert_eq!((shown.rows[0].wins, shown.rows[0].losses), (3, 1));
        let against_second = shown.matrix[0][1].as_ref().unwrap();
        assert_eq!((against_second.wins, against_second.losses), (1, 1));
        let turned = shown.matrix[2][0].as_ref().unwrap();
        assert_eq!((turned.wins, turned.losses), (0, 2));
        assert!(shown.matrix[1][1].is_none());
    }

    #[test]
    fn where_not_every_two_met_that_is_known_and_like_names_are_told_apart() {
        let mut group = group(&[((0, 1), [1.0, 0.5])], 3);
        group.models[2].1 = "m0".into();
        let shown = group.shown();
        assert!(!shown.every_two);
        let names: Vec<_> = shown.rows.iter().map(|row| row.name.as_str()).collect();
        assert!(names.contains(&"m0 (0…)") || names.contains(&"m0 (0)"), "{names:?}");
        assert_eq!(shown.rows.iter().filter(|row| row.win_rate.is_none()).count(), 1);
    }
}
