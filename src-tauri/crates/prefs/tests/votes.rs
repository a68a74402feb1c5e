//! Where annotators differ, what counts of an item; audits of what files say; and the guideline that a judgement was given by.
#![allow(clippy::unwrap_used, missing_docs)]

use std::path::Path;

use prefs::jsonl::read_pairs_from;
use prefs::mapping::guess;
use prefs::store::{
    Among, Audit, AuditChoice, AuditOf, Considered, ItemAnswer, Judging, LabelItem, LabelledQuery, Majority,
    PairSource, Project, SaidAs, Side, Standing, Verdict,
};
use prefs::table::Table;
use prefs::{Content, Error};

/// A project with items `p0`, `p1`, … whose answers are `first 0` and `second 0`, ….
fn project(folder: &Path, items: usize) -> Project {
    let rows: Vec<String> = (0..items).map(|i| format!("p{i},first {i},second {i}\n")).collect();
    let text = format!("prompt,response_a,response_b\n{}", rows.concat());
    let table = Table::from_bytes(text.as_bytes()).unwrap();
    let mut project = Project::open_or_create(folder).unwrap();
    project.import_table(&table, &guess(&table), "items.csv").unwrap();
    project
}

/// A project with pairs `p0`, `p1`, … of a file that prefers `first 0`, `first 1`, ….
fn of_pairs(folder: &Path, pairs: usize) -> Project {
    let row = |i: usize| format!("{{\"prompt\": \"p{i}\", \"chosen\": \"first {i}\", \"rejected\": \"second {i}\"}}\n");
    let lines: String = (0..pairs).map(row).collect();
    let mut project = Project::open_or_create(folder).unwrap();
    project.add_import(&read_pairs_from(lines.as_bytes()).unwrap(), "pairs.jsonl").unwrap();
    project
}

const FIRST: Option<ItemAnswer> = Some(ItemAnswer::First);
const SECOND: Option<ItemAnswer> = Some(ItemAnswer::Second);
const TIE: Option<ItemAnswer> = None;

fn next(project: &mut Project, annotator: &str, among: Option<Among>) -> Option<LabelItem> {
    project.label_state_among(annotator, 1, among).unwrap().queue.pop()
}

/// Judges the next item so that `better` is what is meant, wherever it stands.
fn prefer(project: &mut Project, annotator: &str, among: Option<Among>, better: Option<ItemAnswer>) -> i64 {
    let LabelItem { item, showing, left, .. } = next(project, annotator, among).unwrap();
    let verdict = match better {
        Some(better) if (better == ItemAnswer::First) == left.starts_with("first") => Verdict::Left,
        Some(_) => Verdict::Right,
        None => Verdict::TieGood,
    };
    let annotator = annotator.to_owned();
    project.judge(&Judging { annotator, item, showing, verdict, milliseconds: 1500, note: None }).unwrap();
    item
}

fn considered(annotator: &str, item: i64, verdict: Verdict) -> Considered {
    let note = Some(" the guideline says so ".to_owned());
    let annotator = annotator.to_owned();
    Considered { annotator, item, revision: None, left: ItemAnswer::First, verdict, milliseconds: 900, note }
}

fn all(project: &Project) -> Vec<(i64, Standing, Option<Majority>)> {
    let page = project.labelled(&LabelledQuery { limit: 100, ..LabelledQuery::default() }).unwrap();
    page.rows.into_iter().map(|row| (row.item, row.standing, row.outcome)).collect()
}

/// The answer that is trained on as the chosen one, by item.
fn chosen(project: &Project) -> Vec<(i64, String)> {
    let pairs = project.training_pairs().unwrap();
    pairs.into_iter().map(|pair| (-pair.id, pair.pair.chosen.as_text().unwrap().to_owned())).collect()
}

/// Every way in which three can vote, and what counts then: more than half, where ties are votes; else nothing.
#[test]
fn what_more_than_half_say_counts() {
    let ways = [FIRST, SECOND, TIE];
    let folder = tempfile::tempdir().unwrap();
    let mut project = project(folder.path(), 27);
    let votes = |item: usize| [ways[item % 3], ways[item / 3 % 3], ways[item / 9]];
    for item in 0..27 {
        for (annotator, vote) in ["Ada", "Ben", "Cy"].into_iter().zip(votes(item)) {
            prefer(&mut project, annotator, None, vote);
        }
    }
    let all = all(&project);
    for item in 0..27 {
        let votes = votes(item);
        let most = ways.into_iter().find(|way| votes.iter().filter(|vote| *vote == way).count() >= 2);
        let expected = match most {
            None => (Standing::Open, Majority::None),
            Some(way) => {
                let outcome = match way {
                    FIRST => Majority::First,
                    SECOND => Majority::Second,
                    TIE => Majority::Tie,
                };
                let alike = votes.iter().all(|vote| *vote == way);
                (if alike { Standing::Agreed } else { Standing::Outvoted }, outcome)
            }
        };
        let (_, standing, outcome) = all.iter().find(|(id, ..)| *id == item as i64 + 1).unwrap();
        assert_eq!((*standing, outcome.unwrap()), expected, "{votes:?}");
    }
    // Those that are open come first, then those that were outvoted.
    let order: Vec<Standing> = all.into_iter().map(|(_, standing, _)| standing).collect();
    assert!(order.is_sorted(), "{order:?}");
}

#[test]
fn a_decision_counts_instead_of_the_votes_until_it_is_taken_back() {
    let folder = tempfile::tempdir().unwrap();
    let mut project = project(folder.path(), 3);
    for better in [FIRST, FIRST, FIRST] {
        prefer(&mut project, "Ada", None, better);
    }
    for better in [SECOND, FIRST] {
        prefer(&mut project, "Ben", None, better);
    }
    assert_eq!(all(&project)[0], (1, Standing::Open, Some(Majority::None)));
    assert_eq!(chosen(&project), [(2, "first 1".to_owned()), (3, "first 2".to_owned())]);

    // What is undecided can be decided, and so can what is not: the decision counts.
    let decision = project.decide(&considered("Cy", 1, Verdict::Right)).unwrap();
    project.decide(&considered("Cy", 2, Verdict::RightMuch)).unwrap();
    let expected = [(1, "second 0".to_owned()), (2, "second 1".to_owned()), (3, "first 2".to_owned())];
    assert_eq!(chosen(&project), expected);
    let item = project.labelled_item(1).unwrap();
    assert_eq!((item.standing, item.outcome), (Standing::Decided, Some(Majority::Second)));
    let said: Vec<(SaidAs, &str, bool)> =
        item.said.iter().map(|said| (said.kind, said.annotator.as_str(), said.counts)).collect();
    assert_eq!(said, [(SaidAs::Vote, "Ada", true), (SaidAs::Vote, "Ben", true), (SaidAs::Decision, "Cy", true)]);
    assert_eq!(item.said[2].note.as_deref(), Some("the guideline says so"));
    let history = project.pair(-1).unwrap().history;
    assert!(history[0].what.starts_with("Decided: the chosen answer is better."), "{history:?}");

    // A newer decision takes its place; a tie gives no pair; one that is taken back leaves the one before it.
    let tie = project.decide(&considered("Di", 1, Verdict::TieGood)).unwrap();
    assert_eq!(chosen(&project)[0].0, 2);
    assert!(project.take_back_decision(tie).unwrap() && !project.take_back_decision(tie).unwrap());
    assert_eq!(chosen(&project)[0].1, "second 0");
    assert!(project.take_back_decision(decision).unwrap());
    assert_eq!(all(&project)[0], (1, Standing::Open, Some(Majority::None)));

    // A decision is no vote: of nobody's queue, and in nobody's agreement.
    assert_eq!(project.label_state("Cy", 5).unwrap().queue.len(), 3);
    assert!(project.votes().unwrap().iter().all(|vote| vote.annotator != "Cy"));
    // It leaves with the project, told apart.
    let judgements = project.judgements().unwrap();
    assert_eq!(judgements.iter().filter(|row| row.decides).count(), 3);
    let exported = project.exported_pairs(true).unwrap();
    let of_two = exported.pairs.iter().find(|pair| pair.sourced.id == -2).unwrap();
    assert_eq!((of_two.votes().chosen, of_two.votes().rejected), (0, 2));
    assert!(of_two.judgements.iter().any(|judgement| judgement.decides && !judgement.counts));
    // All of it follows from the rows.
    drop(project);
    assert_eq!(chosen(&Project::open(folder.path()).unwrap())[0], (2, "second 1".to_owned()));
}

#[test]
fn a_decision_is_of_the_texts_it_was_given_on() {
    let folder = tempfile::tempdir().unwrap();
    let mut project = project(folder.path(), 2);
    let missing = project.decide(&considered("Cy", 1, Verdict::Left));
    assert!(matches!(missing, Err(Error::NotJudged { item: 1 })), "nobody has judged it");
    prefer(&mut project, "Ada", None, FIRST);
    let skip = project.decide(&considered("Cy", 1, Verdict::Skip));
    assert!(matches!(skip, Err(Error::NotJudged { .. })));
    project.decide(&considered("Cy", 1, Verdict::Right)).unwrap();
    let shown = next(&mut project, "Ben", None).unwrap();
    project.edit_answer("Ben", 1, shown.showing, Side::Left, "mended").unwrap();
    assert_eq!(all(&project), [(1, Standing::Nothing, None)]);
    assert!(chosen(&project).is_empty());
    let stale = project.decide(&considered("Cy", 1, Verdict::Right));
    assert!(matches!(stale, Err(Error::TextsChanged { item: 1 })));
}

#[test]
fn a_verdict_that_was_changed_with_others_in_view_is_a_vote_and_shows_no_agreement() {
    let folder = tempfile::tempdir().unwrap();
    let mut project = project(folder.path(), 1);
    prefer(&mut project, "Ada", None, FIRST);
    prefer(&mut project, "Ben", None, SECOND);
    project.judge_again(&considered("Ben", 1, Verdict::LeftMuch)).unwrap();
    assert_eq!(all(&project), [(1, Standing::Agreed, Some(Majority::First))]);
    let agreement = prefs::agreement::agreement(&project.votes().unwrap());
    assert_eq!((agreement.items_shared, agreement.votes_seen), (1, 1));
    assert_eq!(agreement.percent, Some(0.0), "blind they differed");
    // What he had said before stands beside it.
    let rows = project.judgements().unwrap();
    assert_eq!(
        rows.iter().map(|row| (row.undone.is_some(), row.votes_seen)).collect::<Vec<_>>(),
        [(false, false), (false, false), (false, true)]
    );
    assert!(next(&mut project, "Ben", None).is_none());
    // Once more, and back: each undo takes back one, and at the end what was said blind is the vote again.
    project.judge_again(&considered("Ben", 1, Verdict::TieGood)).unwrap();
    assert_eq!(all(&project), [(1, Standing::Open, Some(Majority::None))]);
    project.undo("Ben").unwrap();
    assert_eq!(all(&project), [(1, Standing::Agreed, Some(Majority::First))]);
    project.undo("Ben").unwrap();
    assert_eq!(all(&project), [(1, Standing::Open, Some(Majority::None))]);
    assert!(next(&mut project, "Ben", None).is_none(), "it is judged, as it was");
    let agreement = prefs::agreement::agreement(&project.votes().unwrap());
    assert_eq!((agreement.items_shared, agreement.percent, agreement.votes_seen), (1, Some(0.0), 0));
}

#[test]
fn a_third_vote_is_asked_blind_where_two_differ() {
    let folder = tempfile::tempdir().unwrap();
    let mut project = project(folder.path(), 4);
    for better in [FIRST, FIRST, SECOND, TIE] {
        prefer(&mut project, "Ada", None, better);
    }
    for better in [FIRST, SECOND, SECOND, SECOND] {
        prefer(&mut project, "Ben", None, better);
    }
    let third = Some(Among::Disagreements);
    let state = project.label_state_among("Cy", 5, third).unwrap();
    assert_eq!((state.total, state.done), (2, 0));
    assert_eq!(state.queue.iter().map(|item| item.item).collect::<Vec<_>>(), [2, 4]);
    assert!(next(&mut project, "Ada", third).is_none(), "who has judged them is not asked");
    assert_eq!(prefer(&mut project, "Cy", third, FIRST), 2);
    assert_eq!(all(&project)[0].1, Standing::Open);
    // First, tie and second: still open, and for a fourth.
    assert_eq!(prefer(&mut project, "Cy", third, FIRST), 4);
    assert!(next(&mut project, "Cy", third).is_none());
    assert_eq!(next(&mut project, "Di", third).unwrap().item, 4);
    let of_two = project.labelled_item(2).unwrap();
    assert_eq!((of_two.standing, of_two.outcome), (Standing::Outvoted, Some(Majority::First)));
    assert!(of_two.said.iter().all(|said| !said.votes_seen));
    // Taking it back brings it back.
    project.undo("Cy").unwrap();
    assert_eq!(next(&mut project, "Cy", third).unwrap().item, 4);
}

#[test]
fn what_was_labelled_is_found_by_annotator_verdict_standing_and_words() {
    let folder = tempfile::tempdir().unwrap();
    let mut project = project(folder.path(), 12);
    for item in 0..12 {
        prefer(&mut project, "Ada", None, [FIRST, SECOND, TIE][item % 3]);
    }
    for _ in 0..2 {
        prefer(&mut project, "Ben", None, FIRST);
    }
    let found = |query: LabelledQuery| {
        let page = project.labelled(&LabelledQuery { limit: 50, ..query }).unwrap();
        page.rows.iter().map(|row| row.item).collect::<Vec<_>>()
    };
    let all = LabelledQuery::default;
    assert_eq!(found(all()), [2, 1, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3]);
    assert_eq!(found(LabelledQuery { annotator: Some("Ben".into()), ..all() }), [2, 1]);
    assert_eq!(found(LabelledQuery { verdict: Some(Majority::Tie), ..all() }), [12, 9, 6, 3]);
    let of_ben = LabelledQuery { annotator: Some("Ben".into()), verdict: Some(Majority::Second), ..all() };
    assert_eq!(found(of_ben), [] as [i64; 0]);
    assert_eq!(found(LabelledQuery { standing: Some(Standing::Open), ..all() }), [2]);
    assert_eq!(found(LabelledQuery { text: "SECOND 1".into(), ..all() }), [2, 12, 11]);
    let page = project.labelled(&LabelledQuery { offset: 1, limit: 2, ..all() }).unwrap();
    assert_eq!((page.total, page.rows.len(), page.rows[0].item, page.open), (12, 2, 1, 1));
    assert_eq!(page.annotators, ["Ada", "Ben"]);
}

fn audit_of(project: &mut Project, count: Option<usize>) -> Audit {
    let id = project.start_audit("Ada", &AuditOf { count, seed: 7, ..AuditOf::default() }).unwrap();
    project.audit(id).unwrap()
}

#[test]
fn an_audit_says_how_far_people_agree_with_the_file_and_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let mut project = of_pairs(folder.path(), 30);
    let before = project.training_pairs().unwrap();
    let Audit { audit, pairs, .. } = audit_of(&mut project, Some(12));
    assert_eq!(pairs, 12);
    let among = Some(Among::Audit(audit));
    // It is asked in its own queue alone.
    let everything = project.label_state("Ada", 5).unwrap();
    assert_eq!((everything.total, everything.queue.len()), (0, 0));
    assert_eq!(project.counts().unwrap().items, 0);
    assert_eq!(project.label_state_among("Ada", 1, among).unwrap().total, 12);

    let mut asked = Vec::new();
    for better in [FIRST, FIRST, FIRST, FIRST, FIRST, FIRST, SECOND, SECOND, TIE, TIE] {
        asked.push(prefer(&mut project, "Ada", among, better));
    }
    let everything = project.label_state("Ada", 5).unwrap();
    assert_eq!((everything.total, everything.done), (0, 0), "what was judged in an audit is counted there");
    let shown = next(&mut project, "Ada", among).unwrap();
    assert!(matches!(
        project.edit_answer("Ada", shown.item, shown.showing, Side::Left, "x"),
        Err(Error::AuditedItem { .. })
    ));
    let decided = project.decide(&considered("Ada", asked[6], Verdict::Left));
    assert!(matches!(decided, Err(Error::AuditedItem { .. })));
    assert_eq!(project.training_pairs().unwrap(), before, "nothing becomes of a pair");

    let [ada] = <[_; 1]>::try_from(project.audit(audit).unwrap().annotators).unwrap();
    assert_eq!((ada.agree, ada.differ, ada.ties, ada.skipped, ada.unchanged), (6, 2, 2, 0, 2));
    // By hand, Wilson's interval of 6 of 8: 0.4093 to 0.9285.
    let [low, high] = ada.interval.unwrap();
    assert!((low - 0.4093).abs() < 1e-4 && (high - 0.9285).abs() < 1e-4 && ada.rate == Some(0.75), "{low} {high}");

    // Both on what the page calls "not as the file says".
    let query = LabelledQuery { audit: Some(audit), verdict: Some(Majority::Second), limit: 9, ..Default::default() };
    let differing = project.labelled(&query).unwrap();
    assert_eq!(differing.rows.iter().map(|row| row.item).collect::<Vec<_>>(), [asked[7], asked[6]]);
    assert!(differing.rows.iter().all(|row| row.audited));
}

#[test]
fn pairs_on_which_the_annotator_differs_are_left_out_or_swapped_when_asked_and_put_back() {
    let folder = tempfile::tempdir().unwrap();
    let mut project = of_pairs(folder.path(), 6);
    let before = project.training_pairs().unwrap();
    let audit = audit_of(&mut project, None).audit;
    let among = Some(Among::Audit(audit));
    for better in [SECOND, FIRST, SECOND, TIE] {
        prefer(&mut project, "Ada", among, better);
    }
    assert_eq!(project.act_on_audit(audit, "Ada", AuditChoice::LeaveOut, "Ada").unwrap(), 2);
    assert_eq!(project.training_pairs().unwrap().len(), 4);
    let view = project.audit(audit).unwrap();
    assert_eq!((view.changed, view.annotators[0].differ, view.annotators[0].unchanged), (2, 2, 0));
    assert_eq!((view.acts[0].pairs, view.acts[0].undone), (2, false));
    assert_eq!(project.undo_audit_act(view.acts[0].act, "Ada").unwrap(), 2);
    assert_eq!(project.training_pairs().unwrap(), before);
    assert!(matches!(project.undo_audit_act(view.acts[0].act, "Ada"), Err(Error::NoAudit)), "it is undone already");

    assert_eq!(project.act_on_audit(audit, "Ada", AuditChoice::Swap, "Ada").unwrap(), 2);
    let pair = project.pair(1).unwrap();
    assert_eq!((pair.source, pair.chosen), (PairSource::Edited, Content::from("second 0")));
    assert_eq!(pair.history[0].what, "Swapped the two answers.");
    assert!(
        pair.history.iter().any(|change| change.what.starts_with("Judged blind, in an audit: the rejected answer"))
    );
    // What somebody changed meanwhile stays as it is now.
    let (prompt, chosen, rejected) = (Content::from("p2"), Content::from("mine"), Content::from("other"));
    project.edit_pair(3, "Ben", prompt, chosen, rejected).unwrap();
    let act = project.audit(audit).unwrap().acts[1].act;
    assert_eq!(project.undo_audit_act(act, "Ada").unwrap(), 1);
    assert_eq!(project.pair(1).unwrap().chosen, Content::from("first 0"));
    assert_eq!(project.pair(3).unwrap().chosen, Content::from("mine"));
    // A skip and nothing said by others: nothing to act on.
    assert_eq!(project.act_on_audit(audit, "Nobody", AuditChoice::Swap, "Ada").unwrap(), 0);
}

#[test]
fn an_audit_draws_the_same_pairs_by_the_same_seed_among_those_that_match() {
    let folder = tempfile::tempdir().unwrap();
    let mut project = of_pairs(folder.path(), 40);
    let drawn = |project: &mut Project, seed: u32| {
        let of = AuditOf { count: Some(10), seed, ..AuditOf::default() };
        let audit = project.start_audit("Ada", &of).unwrap();
        let queue = project.label_state_among("Ada", 50, Some(Among::Audit(audit))).unwrap().queue;
        queue.into_iter().map(|item| item.prompt.last_text()).collect::<std::collections::BTreeSet<_>>()
    };
    let first = drawn(&mut project, 1);
    assert_eq!(first.len(), 10);
    assert_eq!(first, drawn(&mut project, 1), "the same pairs, each an item of its own");
    assert_ne!(first, drawn(&mut project, 2));
    project.remove_pair(1, "Ada", true).unwrap();
    let size = |text: &str| project.audit_size(&AuditOf { text: text.into(), ..AuditOf::default() }).unwrap();
    assert_eq!((size(""), size("FIRST 3"), size("nothing")), (39, 11, 0));
    let none = AuditOf { import: Some(9), ..AuditOf::default() };
    assert!(matches!(project.start_audit("Ada", &none), Err(Error::NothingToAudit)));
}

#[test]
fn a_judgement_keeps_the_version_of_the_guideline_that_stood() {
    let folder = tempfile::tempdir().unwrap();
    let mut project = project(folder.path(), 3);
    prefer(&mut project, "Ada", None, FIRST);
    project.save_guideline("Ada", "Prefer plain answers.\n", None).unwrap();
    project.save_guideline("Ada", "Prefer plain answers.", None).unwrap();
    assert_eq!(project.guidelines().unwrap().len(), 1, "the same text is no new version");
    prefer(&mut project, "Ada", None, FIRST);
    let late = project.save_guideline("Ben", "Prefer long answers.", None);
    assert!(matches!(late, Err(Error::GuidelineSaved { version: 1 })), "Ben has not seen Ada's");
    project.save_guideline("Ben", "Prefer plain answers, as in [[pair 1]].", Some(1)).unwrap();
    prefer(&mut project, "Ada", None, FIRST);
    project.decide(&considered("Ben", 1, Verdict::Right)).unwrap();

    let by: Vec<Option<i64>> = project.judgements().unwrap().into_iter().map(|row| row.guideline).collect();
    assert_eq!(by, [None, Some(1), Some(2), Some(2)]);
    let versions = project.guidelines().unwrap();
    let versions: Vec<_> = versions.iter().map(|it| (it.version, it.who.as_str(), it.judgements)).collect();
    assert_eq!(versions, [(2, "Ben", 2), (1, "Ada", 1)]);
    assert_eq!(project.guidelines().unwrap()[1].text, "Prefer plain answers.");
}

#[test]
fn an_audit_is_computed_from_what_was_said_blind_and_acts_by_what_is_said_now() {
    let folder = tempfile::tempdir().unwrap();
    let mut project = of_pairs(folder.path(), 4);
    let audit = audit_of(&mut project, None).audit;
    let among = Some(Among::Audit(audit));
    let asked: Vec<i64> =
        [FIRST, SECOND, SECOND].into_iter().map(|better| prefer(&mut project, "Ada", among, better)).collect();
    let numbers = |project: &Project| {
        let [ada] = <[_; 1]>::try_from(project.audit(audit).unwrap().annotators).unwrap();
        (ada.agree, ada.differ, ada.votes_seen, ada.judged, ada.unchanged)
    };
    assert_eq!(numbers(&project), (1, 2, 0, 3, 2));
    project.judge_again(&considered("Ada", asked[1], Verdict::Left)).unwrap();
    assert_eq!(numbers(&project), (1, 2, 1, 3, 1), "the rate is that of blind verdicts");
    assert_eq!(
        project.act_on_audit(audit, "Ada", AuditChoice::Swap, "Ada").unwrap(),
        1,
        "she does not mean it any more"
    );
    project.undo("Ada").unwrap();
    assert_eq!(numbers(&project), (1, 2, 0, 3, 1));
}

#[test]
fn a_second_audit_of_the_same_pairs_asks_about_all_of_them() {
    let folder = tempfile::tempdir().unwrap();
    let mut project = of_pairs(folder.path(), 4);
    let first = project.start_audit("Ada", &AuditOf::default()).unwrap();
    for _ in 0..4 {
        prefer(&mut project, "Ada", Some(Among::Audit(first)), FIRST);
    }
    let second = project.start_audit("Ada", &AuditOf::default()).unwrap();
    assert_eq!(project.audit(second).unwrap().annotators, [], "nobody has judged in it yet");
    for _ in 0..4 {
        prefer(&mut project, "Ada", Some(Among::Audit(second)), SECOND);
    }
    let judged = |project: &Project, audit| {
        let [ada] = <[_; 1]>::try_from(project.audit(audit).unwrap().annotators).unwrap();
        (ada.agree, ada.differ)
    };
    assert_eq!((judged(&project, first), judged(&project, second)), ((4, 0), (0, 4)));
}
