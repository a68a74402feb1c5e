#![allow(clippy::unwrap_used, clippy::float_cmp)]

use super::*;
use crate::judge::{Command, Rule};
use crate::statistics::{Tally, Verdict};
use prefs::prompts::Prompt;

fn setup(count: usize) -> Setup {
    let prompt = |id: usize| Prompt {
        prompt: format!("Question {id}?").as_str().into(),
        category: id.is_multiple_of(2).then(|| "even".to_owned()),
    };
    let ancestry = Ancestry { model: "tiny".into(), seed: 1, order_seed: 2, ..Ancestry::default() };
    Setup { ancestry, prompts: (0..count).map(prompt).collect() }
}

fn answer(id: usize, side: Side, text: &str) -> Answer {
    Answer { id, side, text: text.to_owned(), tokens: Some(text.len()), truncated: false }
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
    assert_eq!(outcomes, [PromptOutcome::Tuned, PromptOutcome::Base, PromptOutcome::Tie, PromptOutcome::Tuned]);
    let firsts: Vec<_> = evaluation.items.iter().map(|item| item.shown_first).collect();
    assert_eq!(firsts, crate::judge::shown_first(2, 4));
    assert!(firsts.contains(&Side::Base) && firsts.contains(&Side::Tuned), "the seed must try both orders");
    assert_eq!(evaluation.summary.all.tally, Tally { wins: 2, ties: 1, losses: 1, no_verdict: 0 });
    assert_eq!(evaluation.summary.all.win_rate, Some(0.625));
    assert_eq!(evaluation.summary.categories["even"].win_rate, Some(0.75));
    let of_all: usize = evaluation.summary.categories.values().map(|group| group.tally.judged()).sum();
    assert_eq!(of_all, 4, "prompts without a category have a row of their own: {:?}", evaluation.summary.categories);
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
    assert!(judgements.iter().all(|judgement| !matches!(judgement.outcome, PromptOutcome::NoVerdict(_))));
}

#[test]
fn a_failing_judge_gives_no_verdict_not_a_tie() {
    let place = tempfile::tempdir().unwrap();
    let mut folder = answered(place.path());
    let judge = Judge::Command(Command::new("no-such-judge-here", vec![]));
    let error = judge.try_out("Question?", &AtomicBool::new(false)).unwrap_err().to_string();
    assert!(error.starts_with("the judge cannot work (program \"no-such-judge-here\"): no-such"), "{error}");
    // One that was there when it was tried out, and then was not.
    let error = judged(&mut folder, &judge).unwrap_err().to_string();
    assert!(
        error.starts_with("the judge gave no verdict on any of the 4 prompts that it was asked about: no-such"),
        "{error}"
    );
    assert_eq!(Evaluation::read(place.path()).unwrap(), None, "it was called finished");
    let evaluation = folder.finish(&judge).unwrap();
    assert_eq!(evaluation.summary.all.tally, Tally { no_verdict: 4, ..Tally::default() });
    assert_eq!((evaluation.summary.all.win_rate, evaluation.summary.verdict), (None, Verdict::NothingJudged));
    assert!(
        matches!(&evaluation.items[0].outcome, PromptOutcome::NoVerdict(why) if why.contains("could not be started"))
    );
}

#[test]
fn what_does_not_belong_is_refused() {
    let place = tempfile::tempdir().unwrap();
    let mut folder = Folder::open(place.path(), setup(2)).unwrap();
    let error = folder.add(vec![answer(2, Side::Base, "x")]).unwrap_err();
    assert!(error.to_string().contains("no prompt 2"), "{error}");
    folder.add(vec![answer(0, Side::Base, "x"), answer(1, Side::Base, "x"), answer(0, Side::Tuned, "x")]).unwrap();
    let error = folder.add(vec![answer(1, Side::Base, "y")]).unwrap_err();
    assert!(error.to_string().contains("the side base has answered prompt 1"), "{error}");
    let error = judged(&mut folder, &Judge::Rule(Rule::Shorter)).unwrap_err();
    assert!(error.to_string().starts_with("1 answers are missing, the first of the side tuned to prompt 1"), "{error}");
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
    use crate::people::{Given, Verdict};
    let place = tempfile::tempdir().unwrap();
    assert!(Contents::read(place.path()).unwrap().is_none());
    let mut folder = answered(place.path());
    let mut people = People::open(place.path(), 4).unwrap();
    for id in [0, 1] {
        let left = Contents::read(place.path()).unwrap().unwrap().shown_left("ann", id);
        let verdict = if left == Side::Tuned { Verdict::Left } else { Verdict::Right };
        people.judge("ann", Given { id, shown_left: left, verdict, milliseconds: 5, seen: id == 0 }).unwrap();
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
    // Who had seen whose answers they are is told beside the numbers.
    let people = contents.so_far(&Judge::People).unwrap().people.unwrap();
    assert_eq!(people.annotators[0].seen, 1);
    let words = people.annotators[0].words(&Names::default());
    assert!(words.contains("1 verdict was given after the answers had been shown with their authors"), "{words}");
}

/// Judges by shell script; `$id` is the prompt's number and `$line` all it reads.
#[cfg(unix)]
fn shell(script: &str) -> Judge {
    let script = format!("read -r line; id=${{line#*:}}; id=${{id%%,*}}; {script}");
    Judge::Command(Command::new("sh", vec!["-c".to_owned(), script]))
}

/// As many prompts, and their answers: different ones, but the same one on each `same`th.
fn many(path: &Path, count: usize, same: usize) -> Folder {
    let mut folder = Folder::open(path, setup(count)).unwrap();
    let tuned = |id: usize| if (id + 1).is_multiple_of(same) { "base" } else { "tuned" };
    for id in 0..count {
        folder.add(vec![answer(id, Side::Base, "base"), answer(id, Side::Tuned, tuned(id))]).unwrap();
    }
    folder
}

#[cfg(unix)]
#[test]
fn a_judge_that_always_says_a_sets_no_two_models_apart_and_its_liking_is_told() {
    let place = tempfile::tempdir().unwrap();
    let mut folder = many(place.path(), 40, 1000);
    let judge = shell("echo a");
    judged(&mut folder, &judge).unwrap();
    let summary = folder.finish(&judge).unwrap().summary;
    assert_eq!(summary.all.tally, Tally { wins: 20, ties: 0, losses: 20, no_verdict: 0 });
    let first = summary.shown_first.unwrap();
    assert_eq!((first.first, first.decided, first.base_first), (40, 40, 20));
    assert!(
        summary.words.contains("The judge likes the answer shown first: 100.0 % (95 % interval 91.2 to"),
        "{}",
        summary.words
    );
    // A rule has no eye for places, whatever chance makes of it.
    let rule = Judge::Rule(Rule::Longer);
    judged(&mut folder, &rule).unwrap();
    assert_eq!(folder.finish(&rule).unwrap().summary.shown_first, None);
}

#[cfg(unix)]
#[test]
fn answers_that_are_the_same_are_ties_that_nobody_is_asked_about() {
    let place = tempfile::tempdir().unwrap();
    let asked = place.path().join("asked");
    let mut folder = many(place.path(), 75, 3);
    let judge = shell(&format!("echo $id >>'{}'; echo a", asked.display()));
    judged(&mut folder, &judge).unwrap();
    let evaluation = folder.finish(&judge).unwrap();
    assert_eq!(std::fs::read_to_string(&asked).unwrap().lines().count(), 50);
    // Either model stood first before it as often as the other, though every third prompt was passed over.
    assert_eq!(evaluation.summary.all.tally, Tally { wins: 25, ties: 25, losses: 25, no_verdict: 0 });
    assert_eq!(evaluation.summary.same_answers, 25);
    assert!(evaluation.summary.words.contains("25 of 75 answers were the same and count as ties."));
    assert!(evaluation.items.iter().all(|item| item.same == (item.id + 1).is_multiple_of(3)));
    // Models that answer alike throughout need no judge at all.
    let alike = tempfile::tempdir().unwrap();
    let mut folder = many(alike.path(), 75, 1);
    let broken = shell("exit 3");
    judged(&mut folder, &broken).unwrap();
    let summary = folder.finish(&broken).unwrap().summary;
    assert_eq!((summary.all.tally.ties, summary.same_answers, summary.all.win_rate), (75, 75, Some(0.5)));
}

#[cfg(unix)]
#[test]
fn an_evaluation_of_before_keeps_its_verdicts_and_the_sides_they_were_given_on() {
    let place = tempfile::tempdir().unwrap();
    drop(many(place.path(), 12, 4));
    let judge = shell("echo a");
    // Three verdicts with the base model's answer first, one of them on answers that are the same, and a failure.
    let line = |id: usize, outcome: PromptOutcome| Judgement {
        id,
        judge: judge.clone(),
        shown_first: Side::Base,
        outcome,
        reason: None,
    };
    let failed = PromptOutcome::NoVerdict("sh failed".to_owned());
    let given =
        [line(0, PromptOutcome::Base), line(1, PromptOutcome::Base), line(3, PromptOutcome::Base), line(4, failed)];
    let log = given.iter().map(|line| serde_json::to_string(line).unwrap() + "\n").collect::<String>();
    std::fs::write(place.path().join("judgements.jsonl"), log).unwrap();
    let mut folder = Folder::open(place.path(), setup(12)).unwrap();
    judged(&mut folder, &judge).unwrap();
    let items = folder.finish(&judge).unwrap().items;
    for id in [0, 1, 3, 4] {
        assert_eq!((items[id].shown_first, &items[id].outcome), (Side::Base, &PromptOutcome::Base), "{id}");
    }
    assert!(!items[3].same && items[7].same && items[11].same);
    // An evaluation.json of before lacks what is new, and is read.
    let mut json: serde_json::Value = files::read_json(&place.path().join("evaluation.json")).unwrap().unwrap();
    let summary = json["summary"].as_object_mut().unwrap();
    for key in ["same_answers", "not_judged", "no_verdict_reason", "shown_first"] {
        summary.remove(key);
    }
    files::write_json(&place.path().join("evaluation.json"), &json).unwrap();
    assert_eq!(Evaluation::read(place.path()).unwrap().unwrap().summary.same_answers, 0);
}

#[cfg(unix)]
#[test]
fn a_judge_that_is_gone_is_not_asked_to_the_end_and_the_most_frequent_reason_is_told() {
    let place = tempfile::tempdir().unwrap();
    let mut folder = many(place.path(), 40, 1000);
    // It works for eight prompts, then its server is gone; two pairs it cannot judge at all.
    let up = place.path().join("up");
    std::fs::write(&up, "").unwrap();
    let script = format!(
        "if [ $id = 2 ]; then echo 'too long'; exit; fi; [ $id -lt 8 ] || [ -e '{}' ] || {{ echo no server for $id >&2; exit 7; }}; echo a",
        up.display()
    );
    let judge = shell(&script);
    std::fs::remove_file(&up).unwrap();
    let error = judged(&mut folder, &judge).unwrap_err().to_string();
    assert!(
        error.starts_with("the judge gave no verdict on 5 prompts in a row, and was not asked further: sh failed"),
        "{error}"
    );
    assert!(error.contains("no server for 8") && error.contains("resume the evaluation"), "{error}");
    let summary = folder.contents.so_far(&judge).unwrap().summary;
    assert_eq!((summary.all.tally.judged(), summary.all.tally.no_verdict, summary.not_judged), (7, 33, 27));
    let reason = summary.no_verdict_reason.unwrap();
    assert!(reason.prompts == 5 && reason.text.contains("no server for 8"), "{reason:?}");
    assert!(
        summary.words.contains(
            "33 of 40 prompts have no verdict and do not count. Why, most often (5 times), such as: sh failed"
        ),
        "{}",
        summary.words
    );
    // The server is back: what was never asked comes first, then what failed.
    std::fs::write(&up, "").unwrap();
    judged(&mut folder, &judge).unwrap();
    let evaluation = folder.finish(&judge).unwrap();
    assert_eq!(evaluation.summary.all.tally.no_verdict, 1);
    assert!(
        matches!(&evaluation.items[2].outcome, PromptOutcome::NoVerdict(why) if why.contains("answered \"too long\""))
    );
    let ids: Vec<usize> = folder.contents.verdicts(&judge).keys().copied().collect();
    assert_eq!(ids, (0..40).collect::<Vec<_>>());
}

#[cfg(unix)]
#[test]
fn prompts_that_a_judge_cannot_judge_do_not_keep_an_evaluation_from_its_end() {
    let place = tempfile::tempdir().unwrap();
    let mut folder = many(place.path(), 30, 1000);
    let judge = shell("[ $id -lt 10 ] || [ $id -ge 20 ] || exit 1; echo b");
    assert!(judged(&mut folder, &judge).is_err());
    assert!(judged(&mut folder, &judge).is_err(), "five more of the ten");
    judged(&mut folder, &judge).unwrap();
    assert_eq!(folder.finish(&judge).unwrap().summary.all.tally.no_verdict, 10);
    // Words that are no verdict stop a judge only while it has given none.
    let refuses = shell("[ $id = 0 ] && echo a || echo 'I would rather not'");
    judged(&mut folder, &refuses).unwrap();
    assert_eq!(folder.finish(&refuses).unwrap().summary.all.tally.no_verdict, 29);
    let never = shell("echo \"I would rather not, $id\"");
    let error = judged(&mut folder, &never).unwrap_err().to_string();
    assert!(error.contains("on 10 prompts in a row") && error.contains("I would rather not, 0"), "{error}");
}

#[test]
fn what_people_said_and_how_far_the_judge_agrees_is_part_of_the_result() {
    use crate::people::{Given, Verdict};
    let place = tempfile::tempdir().unwrap();
    // Tuned is longer on all but every fifth, where both are the same.
    let mut folder = many(place.path(), 20, 5);
    let judge = Judge::Rule(Rule::Longer);
    let mut people = People::open(place.path(), 20).unwrap();
    let mut lead = 0_i32;
    for id in (0..12).filter(|id| !folder.contents.is_same(*id)) {
        let left = folder.contents.shown_left("ann", id);
        lead += if left == Side::Base { 1 } else { -1 };
        assert!(lead.abs() <= 1, "the base model stood on the left {lead} times more often");
        let verdict = if id == 3 { Verdict::Skip } else { Verdict::Left };
        people.judge("ann", Given { id, shown_left: left, verdict, milliseconds: 5, seen: false }).unwrap();
    }
    judged(&mut folder, &judge).unwrap();
    let evaluation = folder.finish(&judge).unwrap();
    let said = evaluation.people.as_ref().unwrap();
    // Ten of the twelve pairs differ, and one of these was skipped; the two that are the same they have come past.
    assert_eq!(
        said.all.tally,
        Tally { wins: said.all.tally.wins, ties: 2, losses: 9 - said.all.tally.wins, no_verdict: 9 }
    );
    let ann = &said.annotators[0];
    assert_eq!((ann.judged, ann.skipped), (9, 1));
    assert!(
        ann.shown_left
            .as_ref()
            .unwrap()
            .words("ann", ("on the left", "on the right"), &Names::default())
            .starts_with("ann likes the answer shown on the left: 100.0 %")
    );
    let both = said.with_judge.unwrap();
    assert_eq!(both.items, 9, "what nobody was asked about is agreed on by nobody");
    assert_eq!(
        both.percent,
        evaluation.items.iter().filter(|item| !item.same && item.people.as_ref() == Some(&item.outcome)).count() as f64
            / 9.0
    );
    assert_eq!(said.verdicts.len(), 10);
    let json: serde_json::Value = files::read_json(&place.path().join("evaluation.json")).unwrap().unwrap();
    assert!(json["people"]["with_judge"]["kappa"].is_number() && json["people"]["win_rate"].is_number(), "{json:#}");
    assert_eq!(json["items"][0]["people"], json["people"]["verdicts"][0]["shown_left"]);
    // Where people judge alone, an evaluation that they have not begun says nothing.
    let fresh = tempfile::tempdir().unwrap();
    let folder = many(fresh.path(), 20, 5);
    assert_eq!(
        folder.contents.so_far(&Judge::People).unwrap().summary.all.tally,
        Tally { no_verdict: 20, ..Tally::default() }
    );
}

#[test]
fn a_prompt_that_nobody_was_asked_about_is_read_from_files_of_all_versions() {
    let written = serde_json::to_string(&PromptOutcome::NotJudged).unwrap();
    assert_eq!(written, r#"{"no_verdict":"not judged"}"#);
    assert_eq!(serde_json::from_str::<PromptOutcome>(&written).unwrap(), PromptOutcome::NotJudged);
    let failed = PromptOutcome::NoVerdict("it was too long".to_owned());
    assert_eq!(serde_json::from_str::<PromptOutcome>(&serde_json::to_string(&failed).unwrap()).unwrap(), failed);
    assert_eq!(serde_json::from_str::<PromptOutcome>("\"tie\"").unwrap(), PromptOutcome::Tie);
}
