//! Suspected mislabels: what the queue holds, what it is made from, and that it is made anew when that changes.
#![allow(clippy::unwrap_used)]

use api::{Context, Suspect, SuspectOrder, SuspectsReply, SuspectsRequest};
use prefs::{Pair, jsonl};
use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use testkit::TinyLlama;

/// A finished run on pairs of which every fifth is labelled the wrong way round.
struct Place {
    folder: tempfile::TempDir,
    flipped: HashSet<String>,
}

const PAIRS: usize = 60;

impl Place {
    fn new(more: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let place = Self { flipped: HashSet::new(), folder };
        TinyLlama::default().write_folder(&place.path("model")).unwrap();
        let mut pairs = testkit::pairs(PAIRS + 20, 3);
        let held_out = pairs.split_off(PAIRS);
        let mut flipped = HashSet::new();
        for pair in pairs.iter_mut().step_by(5) {
            std::mem::swap(&mut pair.chosen, &mut pair.rejected);
            flipped.insert(pair.content_hash());
        }
        jsonl::write_pairs(&place.path("pairs.jsonl"), &pairs).unwrap();
        jsonl::write_pairs(&place.path("held_out.jsonl"), &held_out).unwrap();
        let config = format!(
            "model = 'model'\noutput_dir = 'run'\ndevice = '{}'\nlearning_rate = 1e-2\nnum_train_epochs = 2\nsave_steps = 2\n\
             per_device_train_batch_size = 4\nseed = 3\nloss_type = ['sigmoid', 'sft']\n{more}\n[data]\ntrain = 'pairs.jsonl'\n\
             eval = 'held_out.jsonl'\n[lora]\nr = 4\nlora_alpha = 8\n",
            testkit::device_name()
        );
        std::fs::write(place.path("run.toml"), config).unwrap();
        api::train(
            &place.path("run.toml"),
            false,
            &mut Context { observer: &mut |_| {}, stop: &AtomicBool::new(false) },
        )
        .unwrap();
        Self { flipped, ..place }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn request(&self, folds: Option<usize>, order: SuspectOrder) -> SuspectsRequest {
        let output = Some(self.path("queue.jsonl"));
        SuspectsRequest { run: self.path("run"), folds, order, output, allow_changed_base: false }
    }

    fn ask(&self, folds: Option<usize>, order: SuspectOrder) -> SuspectsReply {
        asked(&self.request(folds, order)).unwrap()
    }

    /// How many of the first fifth of the queue are labelled the wrong way round.
    fn found(&self, reply: &SuspectsReply) -> usize {
        let trained = reply.suspects.iter().filter(|suspect| !suspect.scored.held_out);
        trained.take(PAIRS / 5).filter(|suspect| self.flipped.contains(&suspect.pair.content_hash())).count()
    }
}

fn asked(request: &SuspectsRequest) -> api::Result<SuspectsReply> {
    api::suspects(request, &mut Context { observer: &mut |_| {}, stop: &AtomicBool::new(false) })
}

fn by_pair(reply: &SuspectsReply) -> BTreeMap<String, &Suspect> {
    reply.suspects.iter().map(|suspect| (suspect.pair.content_hash(), suspect)).collect()
}

/// As `tiebreak score` computes it.
fn scored_by_hand(run: &Path, model: &Path) -> HashMap<usize, api::PairScore> {
    let choice = api::ModelChoice {
        model: model.to_path_buf(),
        adapter: Some(run.join("adapter")),
        device: testkit::device_name().parse().unwrap(),
        dtype: api::BaseDtype::Auto,
        products: api::Products::F32,
        allow_changed_base: false,
    };
    let limits = api::Limits { max_length: Some(1024), ..api::Limits::default() };
    let request =
        api::ScoreRequest { choice, pairs: run.join("pairs.jsonl"), choices: api::Choices::default(), limits };
    let reply = api::score(&request, &mut Context { observer: &mut |_| {}, stop: &AtomicBool::new(false) }).unwrap();
    reply.scores.into_iter().map(|score| (score.place.line, score)).collect()
}

#[test]
fn every_pair_is_in_the_queue_once_with_the_margin_that_score_gives() {
    let place = Place::new("beta = 0.3");
    let reply = place.ask(None, SuspectOrder::Margin);
    assert_eq!((reply.suspects.len(), by_pair(&reply).len(), reply.known), (PAIRS + 20, PAIRS + 20, false));
    assert!(reply.suspects.windows(2).all(|two| two[0].margin <= two[1].margin));
    assert!(reply.suspects.iter().enumerate().all(|(at, suspect)| suspect.place == at + 1));
    let by_hand = scored_by_hand(&place.path("run"), &place.path("model"));
    for suspect in reply.suspects.iter().filter(|suspect| !suspect.scored.held_out) {
        let score = &by_hand[&suspect.scored.line].logps;
        let margin = 0.3
            * ((score.chosen_logps - score.reference_chosen_logps)
                - (score.rejected_logps - score.reference_rejected_logps));
        assert!((margin - suspect.margin).abs() < 1e-3, "{margin} {}", suspect.margin);
        assert!((suspect.probability - 1.0 / (1.0 + (-margin).exp())).abs() < 1e-3);
        // sigmoid, and the mean over the tokens of the chosen answer.
        let sft = -score.chosen_logps / score.chosen_tokens as f64;
        let loss = (1.0 + (-margin).exp()).ln() + sft;
        assert!((loss - suspect.scored.score.loss).abs() < 1e-3, "{loss} {}", suspect.scored.score.loss);
    }
    assert_eq!(reply.against.count, reply.suspects.iter().filter(|suspect| suspect.margin < 0.0).count());

    // The other orders are of the same scores, which are not computed again.
    let by_loss = place.ask(None, SuspectOrder::Loss);
    assert!(by_loss.known);
    assert!(by_loss.suspects.windows(2).all(|two| two[0].scored.score.loss >= two[1].scored.score.loss));
    let undecided = place.ask(None, SuspectOrder::Uncertainty);
    assert!(undecided.suspects.windows(2).all(|two| two[0].margin.abs() <= two[1].margin.abs()));
    let same = |other: &SuspectsReply| {
        by_pair(other).values().zip(by_pair(&reply).values()).all(|(one, other)| one.scored == other.scored)
    };
    assert!(same(&by_loss) && same(&undecided));

    // What is written is read again as pairs, in the order of the queue.
    let written = jsonl::read_pairs(&place.path("queue.jsonl")).unwrap().into_pairs();
    assert_eq!(written, undecided.suspects.iter().map(|suspect| suspect.pair.clone()).collect::<Vec<Pair>>());
}

#[test]
fn scores_of_something_else_are_not_used() {
    let place = Place::new("max_steps = 6");
    let run = place.path("run");
    assert!(!place.ask(None, SuspectOrder::Margin).known);
    assert!(place.ask(None, SuspectOrder::Margin).known);
    // Half a line, as a crash of another program may leave: computed anew.
    let kept = run.join("pair_scores/run.jsonl");
    let text = std::fs::read_to_string(&kept).unwrap();
    std::fs::write(&kept, &text[..text.len() - 20]).unwrap();
    assert!(!place.ask(None, SuspectOrder::Margin).known);
    // Another adapter.
    let other = text.replacen("adapter_model.safetensors\":\"", "adapter_model.safetensors\":\"0", 1);
    assert_ne!(other, text);
    std::fs::write(&kept, other).unwrap();
    assert!(!place.ask(None, SuspectOrder::Margin).known);

    // Rows that were changed are refused, not scored.
    let pairs = std::fs::read_to_string(run.join("pairs.jsonl")).unwrap();
    std::fs::write(run.join("pairs.jsonl"), pairs.replacen("apples", "pears", 1)).unwrap();
    let refused = asked(&place.request(None, SuspectOrder::Margin)).unwrap_err();
    assert!(refused.message.contains("pairs.jsonl"), "{refused:?}");
    std::fs::write(run.join("pairs.jsonl"), pairs).unwrap();

    // Another base is refused by name, unless it is allowed.
    TinyLlama { seed: 99, ..TinyLlama::default() }.write_folder(&place.path("model")).unwrap();
    let refused = asked(&place.request(None, SuspectOrder::Margin)).unwrap_err();
    assert_eq!(refused.code, "changed_base", "{refused:?}");
    let allowed = SuspectsRequest { allow_changed_base: true, ..place.request(None, SuspectOrder::Margin) };
    assert!(!asked(&allowed).unwrap().known);

    // A run without an adapter.
    std::fs::remove_dir_all(run.join("adapter")).unwrap();
    assert_eq!(asked(&allowed).unwrap_err().code, "unfinished");
    assert!(asked(&SuspectsRequest { run: place.path("model"), ..allowed }).unwrap_err().message.contains("no run"));
}

#[test]
fn models_that_have_not_seen_a_pair_find_what_is_labelled_the_wrong_way_round() {
    let place = Place::new("load_best_model_at_end = true\neval_steps = 5");
    let alone = place.ask(None, SuspectOrder::Margin);
    let reply = place.ask(Some(4), SuspectOrder::Margin);
    assert_eq!((reply.suspects.len(), by_pair(&reply).len()), (PAIRS + 20, PAIRS + 20));
    let folds: BTreeMap<_, usize> = reply.suspects.iter().fold(BTreeMap::new(), |mut folds, suspect| {
        *folds.entry(suspect.scored.fold.unwrap()).or_default() += 1;
        folds
    });
    assert_eq!(folds, (1..=4).map(|fold| (fold, 20)).collect());
    // By chance a fifth of the twelve would be.
    let (folded, single) = (place.found(&reply), place.found(&alone));
    assert!(folded >= 9, "{folded} of 12 with folds, {single} with the run's own model");
    // The parts' own runs are not kept, the scores are.
    assert!(!place.path("run/pair_scores/4-folds").exists());
    assert!(place.ask(Some(4), SuspectOrder::Loss).known);
    assert!(!place.ask(Some(3), SuspectOrder::Loss).known);
    for (folds, code) in [(1, "folds"), (21, "folds")] {
        assert_eq!(asked(&place.request(Some(folds), SuspectOrder::Margin)).unwrap_err().code, code);
    }
}

#[test]
fn parts_that_were_broken_off_go_on_to_the_same_scores() {
    let place = Place::new("max_steps = 6");
    let whole = place.ask(Some(3), SuspectOrder::Margin);
    std::fs::remove_file(place.path("run/pair_scores/3-folds.jsonl")).unwrap();
    // Stopped in the training of the second part, and again while pairs are scored.
    for stage in ["train without part 2 of 3", "score the pairs of part 2 of 3", "train without part 3 of 3"] {
        let stop = AtomicBool::new(false);
        let mut observer = |update: &api::Update| {
            if let api::Update::Progress { stage: now, done, .. } = update
                && now == stage
                && *done >= 2
            {
                stop.store(true, Ordering::Relaxed);
            }
        };
        let ended = api::suspects(
            &place.request(Some(3), SuspectOrder::Margin),
            &mut Context { observer: &mut observer, stop: &stop },
        );
        assert!(ended.unwrap_err().is_cancelled(), "{stage}");
        // No part trains on what the run holds out.
        let read = |path: &str| jsonl::read_pairs(&place.path(path)).unwrap().into_pairs();
        let (trained, held_out) = (read("run/pair_scores/3-folds/1/pairs.jsonl"), read("held_out.jsonl"));
        assert!(!trained.is_empty() && !trained.iter().any(|pair| held_out.contains(pair)));
        assert!(!place.path("run/pair_scores/3-folds.jsonl").exists());
    }
    let resumed = place.ask(Some(3), SuspectOrder::Margin);
    for ((_, one), (_, other)) in by_pair(&whole).into_iter().zip(by_pair(&resumed)) {
        assert_eq!(one.scored, other.scored);
    }
}
