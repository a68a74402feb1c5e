#![allow(clippy::unwrap_used, clippy::float_cmp)]

use super::*;
use crate::judge::{Command, Rule};

fn setup(count: usize) -> Setup {
    let prompt = |id: usize| Prompt {
        prompt: format!("Question {id}?").as_str().into(),
        category: id.is_multiple_of(2).then(|| "even".to_owned()),
    };
    let ancestry = Ancestry { model: "tiny".into(), seed: 1, order_seed: 2, ..Ancestry::default() };
    Setup { ancestry, prompts: (0..count).map(prompt).collect() }
}

fn answer(id: usize, side: Side, text: &str) -> Answer {
    Answer { id, side, text: text.to_owned(), tokens: text.len(), truncated: false }
}

fn judged(folder: &mut Folder, judge: &Judge) -> Result<(), Error> {
    let flow = folder.judge(judge, &AtomicBool::new(false), &mut |_, _| {})?;
    assert!(flow.is_continue());
    Ok(())
}

/// Four prompts: tuned shorter, base shorter, alike, tuned shorter.
fn answered(path: &Path) -> Folder {
    let mut folder = Folder::open(path, setup(4)).unwrap();
    let texts = [("a b c", "a"), ("a", "a b c"), ("a b", "c d"), ("a b c d", "a")];
    for (id, (base, tuned)) in texts.into_iter().enumerate() {
        folder.add(vec![answer(id, Side::Base, base), answer(id, Side::Tuned, tuned)]).unwrap();
    }
    folder
}

#[test]
fn verdicts_are_mapped_back_to_the_models_whoever_was_shown_first() {
    let place = tempfile::tempdir().unwrap();
    let mut folder = answered(place.path());
    let judge = Judge::Rule(Rule::Shorter);
    judged(&mut folder, &judge).unwrap();
    let evaluation = folder.finish(&judge).unwrap();
    let outcomes: Vec<_> = evaluation.items.iter().map(|item| item.outcome.clone()).collect();
    assert_eq!(outcomes, [Outcome::Tuned, Outcome::Base, Outcome::Tie, Outcome::Tuned]);
    let firsts: Vec<_> = evaluation.items.iter().map(|item| item.shown_first).collect();
    assert_eq!(firsts, shown_first(2, 4));
    assert!(firsts.contains(&Side::Base) && firsts.contains(&Side::Tuned), "the seed must try both orders");
    assert_eq!(evaluation.summary.all.tally, Tally { wins: 2, ties: 1, losses: 1, no_verdict: 0 });
    assert_eq!(evaluation.summary.all.win_rate, Some(0.625));
    assert_eq!(evaluation.summary.categories["even"].win_rate, Some(0.75));
    assert_eq!(evaluation.summary.base.mean_words, 2.5);
    assert_eq!(Evaluation::read(place.path()).unwrap().unwrap(), evaluation);
    let json: serde_json::Value = files::read_json(&place.path().join("evaluation.json")).unwrap().unwrap();
    assert_eq!(json["summary"]["win_rate"], 0.625);
    assert_eq!(json["summary"]["win_rate_interval"].as_array().unwrap().len(), 2);
}

#[test]
fn a_killed_evaluation_goes_on_where_it_stopped() {
    let place = tempfile::tempdir().unwrap();
    let mut folder = Folder::open(place.path(), setup(3)).unwrap();
    folder.add(vec![answer(0, Side::Base, "zero"), answer(2, Side::Base, "two")]).unwrap();
    drop(folder);
    let log = place.path().join("answers.jsonl");
    let whole = std::fs::read(&log).unwrap();
    // Killed while a line was being written, at every possible byte.
    for cut in 0..whole.len() {
        std::fs::write(&log, &whole[..cut]).unwrap();
        let mut folder = Folder::open(place.path(), setup(3)).unwrap();
        let lines = whole[..cut].split(|byte| *byte == b'\n').count() - 1;
        assert_eq!(folder.missing(Side::Base).len(), 3 - lines);
        folder.add(vec![answer(1, Side::Base, "one")]).unwrap();
        let folder = Folder::open(place.path(), setup(3)).unwrap();
        assert_eq!(folder.missing(Side::Base).len(), 2 - lines);
        assert_eq!(folder.missing(Side::Tuned), [0, 1, 2]);
    }
}

#[test]
fn a_judge_is_not_asked_twice_and_another_judge_is() {
    let place = tempfile::tempdir().unwrap();
    let judge = Judge::Rule(Rule::Shorter);
    let mut folder = answered(place.path());
    let stop = AtomicBool::new(false);
    let mut stop_after_two = |done: usize, _: usize| stop.store(done == 2, Ordering::Relaxed);
    assert!(folder.judge(&judge, &stop, &mut stop_after_two).unwrap().is_break());
    drop(folder);
    let mut folder = Folder::open(place.path(), setup(4)).unwrap();
    let mut asked = Vec::new();
    let mut note = |done: usize, all: usize| asked.push((done, all));
    assert!(folder.judge(&judge, &AtomicBool::new(false), &mut note).unwrap().is_continue());
    assert_eq!(asked, [(2, 4), (3, 4), (4, 4)]);
    judged(&mut folder, &Judge::Rule(Rule::Longer)).unwrap();
    let lines = std::fs::read_to_string(place.path().join("judgements.jsonl")).unwrap().lines().count();
    assert_eq!(lines, 8);
    assert_eq!(folder.finish(&judge).unwrap().summary.all.tally.wins, 2);
    assert_eq!(folder.finish(&Judge::Rule(Rule::Longer)).unwrap().summary.all.tally.wins, 1);
}

#[cfg(unix)]
#[test]
fn a_judge_that_is_stopped_at_work_has_not_failed_and_is_asked_again() {
    let place = tempfile::tempdir().unwrap();
    let mut folder = answered(place.path());
    // Slow at the third prompt, at which it is stopped.
    let script = "grep -q '\"id\":2' && sleep 30; echo a";
    let judge = Judge::Command(Command::new("sh", vec!["-c".to_owned(), script.to_owned()]));
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let at_work = scope.spawn(|| folder.judge(&judge, &stop, &mut |_, _| {}));
        std::thread::sleep(std::time::Duration::from_secs(1));
        stop.store(true, Ordering::Relaxed);
        assert!(at_work.join().unwrap().unwrap().is_break());
    });
    let judgements: Vec<Judgement> = files::read_lines(&place.path().join("judgements.jsonl")).unwrap();
    let ids: Vec<_> = judgements.iter().map(|judgement| judgement.id).collect();
    assert_eq!(ids, [0, 1]);
    assert!(judgements.iter().all(|judgement| !matches!(judgement.outcome, Outcome::NoVerdict(_))));
}

#[test]
fn a_failing_judge_gives_no_verdict_not_a_tie() {
    let place = tempfile::tempdir().unwrap();
    let mut folder = answered(place.path());
    let judge = Judge::Command(Command::new("no-such-judge-here", vec![]));
    judged(&mut folder, &judge).unwrap();
    let evaluation = folder.finish(&judge).unwrap();
    assert_eq!(evaluation.summary.all.tally, Tally { no_verdict: 4, ..Tally::default() });
    assert_eq!((evaluation.summary.all.win_rate, evaluation.summary.verdict), (None, Verdict::NothingJudged));
    assert!(matches!(&evaluation.items[0].outcome, Outcome::NoVerdict(why) if why.contains("could not be started")));
}

#[test]
fn what_does_not_belong_is_refused() {
    let place = tempfile::tempdir().unwrap();
    let mut folder = Folder::open(place.path(), setup(2)).unwrap();
    let error = folder.add(vec![answer(2, Side::Base, "x")]).unwrap_err();
    assert!(error.to_string().contains("no prompt 2"), "{error}");
    folder.add(vec![answer(0, Side::Base, "x"), answer(1, Side::Base, "x"), answer(0, Side::Tuned, "x")]).unwrap();
    let error = folder.add(vec![answer(1, Side::Base, "y")]).unwrap_err();
    assert!(error.to_string().contains("base model has answered prompt 1"), "{error}");
    let error = judged(&mut folder, &Judge::Rule(Rule::Shorter)).unwrap_err();
    assert!(
        error.to_string().starts_with("1 answers are missing, the first of the tuned model to prompt 1"),
        "{error}"
    );
    let mut other = setup(2);
    other.ancestry.seed = 9;
    let error = Folder::open(place.path(), other).unwrap_err();
    assert!(error.to_string().contains("(not the same: the seed)"), "{error}");
    std::fs::write(place.path().join("answers.jsonl"), "{\"id\":0}\n").unwrap();
    let error = Folder::open(place.path(), setup(2)).unwrap_err();
    assert!(error.to_string().contains("answers.jsonl, line 1"), "{error}");
}

#[test]
fn people_judge_the_same_answers_and_a_reader_disturbs_nobody() {
    use crate::people::{People, Verdict, shown_left};
    let place = tempfile::tempdir().unwrap();
    assert!(Contents::read(place.path()).unwrap().is_none());
    let mut folder = answered(place.path());
    let mut people = People::open(place.path(), 4).unwrap();
    for id in [0, 1] {
        let left = shown_left(2, "ann", id);
        let verdict = if left == Side::Tuned { Verdict::Left } else { Verdict::Right };
        people.judge(2, "ann", id, verdict, 5).unwrap();
    }
    // Somebody is writing a line just now.
    let log = place.path().join("answers.jsonl");
    let before = std::fs::read(&log).unwrap();
    std::fs::write(&log, [&before[..], b"{\"id\": 3"].concat()).unwrap();
    let contents = Contents::read(place.path()).unwrap().unwrap();
    assert_eq!(std::fs::read(&log).unwrap().len(), before.len() + 8, "reading cut nothing off");
    assert!(contents.is_answered(3) && contents.answer(3, Side::Tuned).is_some());
    let tally = contents.so_far(&Judge::People).unwrap().summary.all.tally;
    assert_eq!(tally, Tally { wins: 2, ties: 0, losses: 0, no_verdict: 2 });
    assert_eq!(folder.finish(&Judge::People).unwrap().summary.all.tally, tally);
    assert_eq!(Evaluation::read(place.path()).unwrap().unwrap().judge, Judge::People);
    assert_eq!(contents.so_far(&Judge::Rule(Rule::Shorter)).unwrap().summary.all.tally.no_verdict, 4);
}
