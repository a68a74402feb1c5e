//! The whole report, from hostile text and from nothing.

use std::sync::atomic::AtomicBool;

use prefs::prompts::Prompt;

use super::*;
use crate::accuracy::{Logps, PairLogps, preference_accuracy};
use crate::answers::{Answer, Side};
use crate::evaluation::{Ancestry, Folder, Setup};
use crate::judge::Judge;

const HOSTILE: [&str; 5] = [
    "</p></article><script>alert(1)</script>",
    "<img src=x onerror=\"alert(1)\"> & 'quotes'",
    "\u{202e}gnirts desrever\u{202c} שלום עולם",
    "emoji 🧑‍🔬🙂 and control \u{0}\u{1b}[31m",
    "</style><style>*{display:none}</style><svg onload=alert(1)>",
];

fn step(step: u64) -> StepMetrics {
    let x = step as f64;
    StepMetrics {
        step,
        loss: Some(0.69 / x.sqrt()),
        grad_norm: Some(f64::NAN),
        learning_rate: Some(1e-5),
        rewards_chosen: Some(x / 10.0),
        rewards_rejected: Some(-x / 10.0),
        rewards_margins: Some(x / 5.0),
        rewards_accuracies: None,
    }
}

fn prompts() -> Vec<Prompt> {
    HOSTILE.iter().map(|text| Prompt { prompt: (*text).into(), category: Some((*text).to_owned()) }).collect()
}

fn full(folder: &Path) -> ReportInput {
    let ancestry = Ancestry { model: HOSTILE[0].into(), run: Some(HOSTILE[1].into()), ..Ancestry::default() };
    let mut evaluation = Folder::open(folder, Setup { ancestry, prompts: prompts() }).unwrap();
    let answer = |id, side, text: &str| Answer { id, side, text: text.to_owned(), tokens: Some(3), truncated: id == 1 };
    for (id, text) in HOSTILE.iter().enumerate() {
        evaluation.add(vec![answer(id, Side::Base, text), answer(id, Side::Tuned, "")]).unwrap();
    }
    let judge = Judge::parse("contains:<script>").unwrap();
    assert!(evaluation.judge(&judge, &AtomicBool::new(false), &mut |_, _| {}).unwrap().is_continue());
    let base = Logps { chosen: -2.0, rejected: -1.0 };
    let after = Logps { chosen: -1.0, rejected: -2.0 };
    let pair = PairLogps { reference: base, before: base, after, chosen_tokens: 3, rejected_tokens: 4 };
    ReportInput {
        title: HOSTILE[4].into(),
        evaluation: Some(evaluation.finish(&judge).unwrap()),
        accuracy: preference_accuracy(&[pair; 9], 0.1).unwrap(),
        configuration: vec![(HOSTILE[0].into(), HOSTILE[1].into())],
        data: vec![("rows refused".into(), HOSTILE[0].into())],
        steps: (1..60).map(step).collect(),
        held_out: vec![step(30)],
        stage_seconds: vec![(HOSTILE[1].into(), 61.5), ("evaluate".into(), 2.0)],
        machine: HOSTILE[4].into(),
    }
}

#[test]
fn untrusted_text_stays_text() {
    let place = tempfile::tempdir().unwrap();
    let report = write(&full(&place.path().join("eval")), place.path()).unwrap();
    let html = std::fs::read_to_string(report.html).unwrap();
    for tag in ["<script", "<img", "onload=alert(1)>", "</style><style>"] {
        assert!(!html.contains(tag), "{tag} got through");
    }
    assert_eq!(html.matches("</style>").count(), 1);
    assert_eq!(html.matches("<article ").count(), html.matches("</article>").count());
    assert_eq!(html.matches("<article ").count(), HOSTILE.len());
    assert!(!html.contains(['\0', '\u{1b}']));
    assert!(
        html.contains("&lt;script&gt;alert(1)&lt;/script&gt;") && html.contains("🧑‍🔬🙂") && html.contains("שלום עולם")
    );
    // Every tag of the page is one that the report writes itself.
    let ours = [
        "html", "head", "meta", "title", "style", "body", "main", "h1", "h2", "h3", "bdi", "section", "p", "strong",
        "span", "figure", "div", "svg", "line", "polyline", "circle", "rect", "text", "polygon", "table", "thead",
        "tbody", "tr", "th", "td", "input", "label", "article", "header", "small", "em", "code", "!doctype",
    ];
    for tag in html.split('<').skip(1) {
        let name: String =
            tag.trim_start_matches('/').chars().take_while(|c| !c.is_whitespace() && *c != '>').collect();
        assert!(ours.contains(&name.as_str()), "<{name}");
    }
}

#[test]
fn a_report_refers_to_nothing_outside_itself() {
    let place = tempfile::tempdir().unwrap();
    let report = write(&full(&place.path().join("eval")), place.path()).unwrap();
    let html = std::fs::read_to_string(&report.html).unwrap();
    let without_names = html.replace("http://www.w3.org/2000/svg", "");
    for reference in ["http:", "https:", " src=", " href=", "url(", "@import"] {
        let found: Vec<_> = without_names.match_indices(reference).map(|(at, _)| &without_names[at..at + 40]).collect();
        // The hostile answer's `src=x` is text.
        assert!(found.iter().all(|text| text.starts_with(" src=x onerror=&quot;")), "{found:?}");
    }
    assert!(html.contains("default-src 'none'"));
    let names: Vec<_> = report.figures.iter().map(|path| path.file_name().unwrap().to_str().unwrap()).collect();
    for name in ["win_rate", "loss", "rewards", "margins", "accuracy", "grad_norm", "learning_rate"] {
        assert!(names.contains(&format!("{name}.svg").as_str()) && names.contains(&format!("{name}.png").as_str()));
        assert!(
            std::fs::read_to_string(place.path().join(format!("figures/{name}.svg")))
                .unwrap()
                .starts_with("<svg xmlns")
        );
    }
    assert!(report.figures.iter().all(|path| path.is_file()));
}

#[test]
fn the_page_says_the_verdict_first_and_what_zero_means() {
    let place = tempfile::tempdir().unwrap();
    let input = full(&place.path().join("eval"));
    let html = page::page(&input, &figures::of(&input)).unwrap();
    let words = &input.evaluation.as_ref().unwrap().summary.words;
    let at = |text: &str| html.find(text).unwrap_or_else(|| panic!("no {text}"));
    assert!(at(&html::escaped(words)) < at("<figure>"));
    assert!(at("Before training it is 0, since") > at("rewards/accuracies"));
    assert!(html.contains("<td>0 % by definition</td><td>100.0 % (70.1 to 100.0 %)</td>"));
    assert!(html.contains("62 s") && html.contains("1 of 5"));
}

#[test]
fn people_stand_beside_the_judge_and_numbers_have_their_names() {
    use crate::people::{Given, People, Verdict};
    let place = tempfile::tempdir().unwrap();
    let folder = place.path().join("eval");
    let input = full(&folder);
    let names = [
        "by reward, rewards/accuracies",
        "by log-probability, logps_accuracy",
        "by log-probability per token, logps_acc",
    ];
    let html = page::page(&input, &figures::of(&input)).unwrap();
    let places: Vec<usize> = names.iter().map(|name| html.find(name).unwrap()).collect();
    assert!(places.is_sorted(), "{places:?}");
    assert!(!html.contains("Verdicts of people"), "nobody has judged");

    let mut people = People::open(&folder, HOSTILE.len()).unwrap();
    for id in 0..3 {
        let given = Given { id, shown_left: Side::Base, verdict: Verdict::Left, milliseconds: 1, seen: false };
        people.judge("<b>ann</b>", given).unwrap();
    }
    let judge = Judge::parse("contains:<script>").unwrap();
    let setup = Setup { ancestry: input.evaluation.as_ref().unwrap().ancestry.clone(), prompts: prompts() };
    let evaluation = Folder::open(&folder, setup).unwrap().finish(&judge).unwrap();
    let both = evaluation.people.as_ref().unwrap().with_judge.unwrap();
    let input = ReportInput { evaluation: Some(evaluation), ..input };
    let html = page::page(&input, &figures::of(&input)).unwrap();
    assert!(
        html.contains("<h2>Verdicts of people</h2>")
            && html.contains(">The judge</th>")
            && html.contains(">People, blind</th>")
    );
    assert!(html.contains(&html::escaped(&both.words())), "{both:?}");
    assert!(html.contains("&lt;b&gt;ann&lt;/b&gt;: 3 judged.") && html.contains("People: base won"));
}

#[test]
fn a_report_of_nothing_is_a_page() {
    let place = tempfile::tempdir().unwrap();
    let report = write(&ReportInput { title: "Empty".into(), ..ReportInput::default() }, place.path()).unwrap();
    assert_eq!(report.figures, Vec::<PathBuf>::new());
    let html = std::fs::read_to_string(report.html).unwrap();
    assert!(html.contains("<h1><bdi>Empty</bdi></h1>") && !html.contains("<section"));
}

#[test]
fn a_step_is_read_from_a_line_of_events() {
    let line = r#"{"type":"step","step":3,"loss":0.5,"rewards/margins":0.25,"grad_norm":null,"tokens_per_second":9.0}"#;
    let step: StepMetrics = serde_json::from_str(line).unwrap();
    let expected = StepMetrics { step: 3, loss: Some(0.5), rewards_margins: Some(0.25), ..StepMetrics::default() };
    assert_eq!(step, expected);
}
