#![allow(clippy::unwrap_used)]
use proptest::prelude::*;

use super::*;
use crate::Message;

fn text(prompt: &str, chosen: &str, rejected: &str) -> Pair {
    Pair { prompt: prompt.into(), chosen: chosen.into(), rejected: rejected.into(), category: None }
}

fn spoken(prompt: &str, chosen: &str, rejected: &str) -> Pair {
    let say = |role, text| Content::from(vec![Message::new(role, text)]);
    let (chosen, rejected) = (say("assistant", chosen), say("assistant", rejected));
    Pair { prompt: say("user", prompt), chosen, rejected, category: None }
}

fn rows(checks: &Checks, code: Code) -> Vec<usize> {
    checks.finding(code).map(|finding| finding.rows.clone()).unwrap_or_default()
}

#[test]
fn a_clean_set_has_no_findings() {
    let pairs: Vec<Pair> =
        (0..40).map(|i| spoken(&format!("q{i}"), &"a".repeat(1 + i % 2), &"b".repeat(2 - i % 2))).collect();
    let checks = check(&pairs, Some(&[spoken("other", "a", "b")]));
    assert_eq!(checks.findings, []);
    assert_eq!((checks.pairs, checks.prompts, checks.conversational), (40, 40, 40));
    assert_eq!((checks.chosen_longer.count, checks.chosen_longer.of), (20, 40));
}

#[test]
fn each_oddity_is_found_at_its_rows() {
    let mut pairs = vec![
        spoken("one", "yes", "no"),
        spoken("One ", "no", "yes"),
        spoken("two", "same", "same"),
        spoken("three", " ", "b"),
        spoken("four", "a", ""),
        spoken("five", "a", "b"),
        spoken("five", "a", "b"),
        text("four and two are six", "Four and  two are six: yes.", "b"),
        spoken("eight", "a", "b"),
    ];
    pairs[8].rejected = vec![Message::new("user", "b")].into();
    pairs.extend([text("nine", "None", "b"), text("ten", "None of them.", "b"), spoken("eleven", "a", "b")]);
    pairs[11].prompt = vec![Message::new("q", "eleven")].into();
    let eval = [spoken("fresh", "a", "b"), text("FIVE", "a", "b")];
    let checks = check(&pairs, Some(&eval));
    assert_eq!(rows(&checks, Code::Contradiction), [0, 1]);
    let known = [spoken("three", "b", " "), spoken("ONE", "no", "yes"), spoken("two", "same", "same")];
    assert_eq!(contradicting(&pairs, &known), [0, 3]);
    assert_eq!(rows(&checks, Code::SameAnswers), [2]);
    assert_eq!(rows(&checks, Code::EmptyChosen), [3]);
    assert_eq!(rows(&checks, Code::EmptyRejected), [4]);
    assert_eq!(rows(&checks, Code::Duplicate), [6]);
    assert_eq!(rows(&checks, Code::RepeatsPrompt), [7]);
    assert_eq!(rows(&checks, Code::MixedForms), [7, 9, 10]);
    assert_eq!(rows(&checks, Code::Placeholder), [9]);
    assert_eq!(rows(&checks, Code::UnknownRole), [11]);
    assert!(checks.finding(Code::UnknownRole).unwrap().message.starts_with("In 1 pair a message is by `q`,"));
    assert_eq!(rows(&checks, Code::NotAssistant), [8]);
    assert_eq!(rows(&checks, Code::PromptLeak), [5, 6]);
    assert_eq!(checks.finding(Code::PromptLeak).unwrap().eval_rows, [1]);
    assert_eq!(checks.finding(Code::PlainText), None);
    assert!(checks.findings.is_sorted_by_key(|finding| finding.severity));
    let json = serde_json::to_string(&checks).unwrap();
    assert!(json.contains("\"code\":\"prompt_leak\",\"severity\":\"error\""), "{json}");
    assert_eq!(serde_json::from_str::<Checks>(&json).unwrap(), checks);
}

#[test]
fn a_prompt_that_ends_with_the_assistant_is_found() {
    let mut pairs = [spoken("one", "a", "b"), spoken("two", "a", "b")];
    pairs[1].prompt = vec![Message::new("user", "two"), Message::new("assistant", "Well, ")].into();
    assert_eq!(rows(&check(&pairs, None), Code::PrefilledPrompt), [1]);
}

#[test]
fn rows_that_contradict_each_other_stand_together() {
    let pairs = [
        text("one", "a", "b"),
        text("two", "a", "b"),
        text("three", "a", "b"),
        text("two", "b", "a"),
        text("one", "b", "a"),
        text("One", "a", "b"),
    ];
    assert_eq!(rows(&check(&pairs, None), Code::Contradiction), [0, 4, 5, 1, 3]);
}

#[test]
fn length_bias_needs_more_than_chance() {
    let longer = |n: usize, of: usize| -> Vec<Pair> {
        (0..of).map(|i| if i < n { text("p", "long", "no") } else { text("p", "no", "long") }).collect()
    };
    assert!(check(&longer(3, 4), None).finding(Code::LengthBias).is_none(), "4 pairs show nothing");
    assert!(check(&longer(55, 100), None).finding(Code::LengthBias).is_none());
    let long = check(&longer(80, 100), None);
    assert!(long.finding(Code::LengthBias).unwrap().message.starts_with("In 80.0 % of the pairs (71.1 to 86.7 %)"));
    let short = check(&longer(20, 100), None);
    assert!(short.finding(Code::LengthBias).unwrap().message.contains("the shorter one"));
}

#[test]
fn an_empty_set_and_a_text_set_say_so() {
    assert!(check::<Pair>(&[], None).finding(Code::NoPairs).is_some());
    assert!(check(&[text("p", "a", "b")], None).finding(Code::PlainText).is_some());
}

const PROSE: &str = "Water boils at one hundred degrees at the level of the sea and at less than that on high mountains, since the \
                     pressure of the air is lower there and bubbles form more easily than they do below.";
const GERMAN: &str = "Wasser siedet auf Meereshöhe bei hundert Grad und auf hohen Bergen bei weniger, weil der Druck der Luft dort \
                      geringer ist und sich die Blasen leichter bilden als weiter unten im Tal.";

/// What one pair shows.
fn codes(pair: Pair) -> Vec<Code> {
    let codes: Vec<Code> = check(&[pair], None).findings.iter().map(|finding| finding.code).collect();
    codes.into_iter().filter(|code| *code != Code::PlainText).collect()
}

#[test]
fn what_is_as_it_should_be_is_left_alone() {
    for (prompt, chosen, rejected) in [
        ("What is 2 + 2?", "4", "5"),
        ("What is 2 + 2?", "4", "The answer is 5, I think."),
        ("Capital of France?", "Paris.", "The capital of France is Paris."),
        ("Why does water boil?", PROSE, "It gets hot."),
        ("Sort a list in Python.", "```python\nxs.sort()\n```", "```python\nxs = sorted(xs, key=lambda x: x@W)\n```"),
        ("Fix: if (a < b) return b;", "if (a > b) return a;", "if (a < b) return a;"),
        ("A table of squares", "| n | n² |\n|---|---|\n| 2 | 4 |", "| n | n² |\n|---|---|\n| 2 | 5 |"),
        ("Strike it through in HTML", "<p><s>old</s> new</p>", "<p><del>old</del> new</p>"),
        (
            "Translate to German: water boils at one hundred degrees, as everybody knows who has ever made tea",
            GERMAN,
            "Wasser.",
        ),
        ("Say sorry", "I can't believe I did that. Sorry!", "Sorry, friend, it was me who did."),
    ] {
        assert_eq!(codes(spoken(prompt, chosen, rejected)), [], "{prompt}");
    }
    // Rendered on purpose: plain text whose prompt holds the template's tokens, and answers that end their turn.
    let rendered =
        text("<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n", "Hello.<|im_end|>", "Go away.<|im_end|>");
    assert_eq!(codes(rendered), []);
}

#[test]
fn what_is_odd_about_one_pair_is_told() {
    let near = [PROSE, &PROSE.replace("Water", "Milk").to_uppercase().to_lowercase()].join(" ");
    let refusal = "I'm sorry, but I can't help with that.";
    for (prompt, chosen, rejected, expected) in [
        ("q", "It is  SO.", "it is so.", Code::NearlySameAnswers),
        ("q", near.as_str(), &near.replacen("below", "beneath", 1), Code::NearlySameAnswers),
        ("q", PROSE, &format!("{PROSE} And so on."), Code::Contained),
        ("Why is it?", "Because", "Short waves scatter more than long ones.", Code::OneWord),
        ("q", "Sure.<|im_end|>", "No.", Code::TemplateLeftovers),
        ("q", "<s> <s>Sure.", "No.", Code::DoubledToken),
        ("Who is it?", "Write to jane.doe@posteo.de about it.", "Nobody.", Code::PersonalData),
        ("How do I sharpen a knife?", refusal, "Use a whetstone.", Code::RefusalPreferred),
        ("How do I sharpen a knife?", refusal, refusal, Code::Refusals),
        (PROSE, GERMAN, "No.", Code::OtherLanguage),
    ] {
        let found = codes(spoken(prompt, chosen, rejected));
        assert!(found.contains(&expected), "{expected:?} is not in {found:?}");
    }
    let personal = check(&[spoken("q", "Write to jane.doe@posteo.de.", "no")], None);
    assert!(!serde_json::to_string(&personal).unwrap().contains("jane.doe"), "it is never repeated");
}

#[test]
fn what_is_odd_beside_other_pairs_is_told_with_the_other() {
    let near = PROSE.replace("mountains", "summits");
    let pairs = [
        text(PROSE, "a", "b"),
        text("q", "Yes, it is.", "No, it is not."),
        text(&near, "c", "d"),
        text("Q", "no,  it is not.", "YES, it is."),
        text("q", "something else", "b"),
        text("q ", "yes, it is.", "no, it is not."),
    ];
    let eval = [text(&PROSE.replace("air", "wind"), "a", "b"), text("other", "a", "b")];
    let checks = check(&pairs, Some(&eval));
    assert_eq!(rows(&checks, Code::Contradiction), [1, 3, 5]);
    assert_eq!(rows(&checks, Code::Duplicate), [5]);
    assert_eq!(rows(&checks, Code::SamePrompt), [3, 4]);
    assert_eq!(rows(&checks, Code::NearPrompt), [2]);
    let shown = &checks.finding(Code::NearPrompt).unwrap().shown[0];
    assert_eq!((shown.row, shown.other), (2, Some(0)));
    assert!(shown.jaccard.unwrap() > 0.8 && shown.jaccard.unwrap() < 0.95, "{shown:?}");
    let leak = checks.finding(Code::NearPromptLeak).unwrap();
    assert_eq!((&leak.rows[..], &leak.eval_rows[..]), (&[0][..], &[0][..]));
    assert_eq!(checks.finding(Code::PromptLeak), None);
    assert_eq!(checks.prompts, 3);
}

#[test]
fn other_languages_than_most_are_told() {
    let mut pairs: Vec<Pair> = (0..5).map(|i| spoken(&format!("{i} {PROSE}"), "a", "b")).collect();
    assert_eq!(check(&pairs, None).finding(Code::LanguageMix), None);
    pairs.push(spoken(GERMAN, "a", "b"));
    let checks = check(&pairs, None);
    assert_eq!(rows(&checks, Code::LanguageMix), [5]);
    let message = &checks.finding(Code::LanguageMix).unwrap().message;
    assert!(message.contains("(English 5, German 1)"), "{message}");
}

#[test]
fn a_system_message_that_all_prompts_share_makes_none_of_them_near() {
    let pairs: Vec<Pair> = (0..10)
        .map(|i| {
            let prompt = vec![Message::new("system", PROSE), Message::new("user", format!("What is {i} times nine?"))];
            Pair { prompt: prompt.into(), ..spoken("", &"a".repeat(1 + i % 2), &"b".repeat(2 - i % 2)) }
        })
        .collect();
    assert_eq!(check(&pairs, None).findings, []);
}

#[test]
fn names_are_those_of_the_json() {
    for code in Code::ALL {
        assert_eq!(serde_json::to_value(code).unwrap(), code.name());
        assert!(code.remedy().ends_with('.'), "{code:?}");
    }
}

fn any_text() -> impl Strategy<Value = String> {
    let pieces = [
        "a",
        "B",
        " ",
        "\n",
        "4",
        "no",
        PROSE,
        GERMAN,
        "<s>",
        "<|im_end|>",
        "\n\nHuman:",
        "`",
        "```",
        "@",
        "a@b.de",
        "+49 30 901820",
        "4111 1111 1111 1111",
        "I cannot help",
        "é",
        "北京",
        "\u{301}",
        "🙂",
        "İ",
        "None",
        "ß",
        "1.2.3.4",
        "DE",
        "::",
        "(212)",
    ];
    let piece = prop_oneof![prop::sample::select(pieces.to_vec()).prop_map(str::to_owned), any::<String>()];
    prop::collection::vec(piece, 0..6).prop_map(|pieces| pieces.concat())
}

fn any_pair() -> impl Strategy<Value = Pair> {
    (any::<bool>(), any_text(), any_text(), any_text()).prop_map(|(is_text, prompt, chosen, rejected)| {
        if is_text { text(&prompt, &chosen, &rejected) } else { spoken(&prompt, &chosen, &rejected) }
    })
}

proptest! {
    #[test]
    fn every_set_is_looked_at_and_the_counts_add_up(
        pairs in prop::collection::vec(any_pair(), 0..12), again in prop::collection::vec(any::<prop::sample::Index>(), 0..6),
        eval in prop::option::of(prop::collection::vec(any_pair(), 0..4)),
    ) {
        let mut pairs = pairs;
        for index in again.iter().filter(|_| !pairs.is_empty()).collect::<Vec<_>>() {
            let Pair { prompt, chosen, rejected, category } = pairs[index.index(pairs.len())].clone();
            pairs.push(Pair { prompt, chosen: rejected, rejected: chosen, category });
        }
        let checks = check(&pairs, eval.as_deref());
        prop_assert_eq!(checks.pairs, pairs.len());
        prop_assert!(checks.prompts <= pairs.len() && checks.chosen_longer.of <= pairs.len());
        prop_assert!(checks.findings.is_sorted_by_key(|finding| finding.severity));
        let codes: HashSet<Code> = checks.findings.iter().map(|finding| finding.code).collect();
        prop_assert_eq!(codes.len(), checks.findings.len(), "each code once");
        for finding in &checks.findings {
            let rows: HashSet<usize> = finding.rows.iter().copied().collect();
            prop_assert_eq!(rows.len(), finding.rows.len(), "each row once");
            prop_assert!(rows.iter().all(|row| *row < pairs.len()));
            prop_assert_eq!(finding.shown.len(), finding.rows.len().min(MOST_SHOWN));
            prop_assert!(finding.shown.iter().zip(&finding.rows).all(|(shown, row)| shown.row == *row));
            prop_assert!(finding.shown.iter().all(|shown| shown.other != Some(shown.row)));
            let pairs_said = format!("{} pair", finding.rows.len());
            prop_assert!(rows.is_empty() || finding.message.contains(&pairs_said), "{}", finding.message);
        }
        let same = pairs.iter().filter(|pair| pair.chosen == pair.rejected).count();
        prop_assert_eq!(rows(&checks, Code::SameAnswers).len(), same);
        // Without what is said to come again or to contradict, nothing comes again and nothing contradicts.
        let out: HashSet<usize> = [Code::Duplicate, Code::Contradiction].iter().flat_map(|code| rows(&checks, *code)).collect();
        let left: Vec<&Pair> = pairs.iter().enumerate().filter(|(row, _)| !out.contains(row)).map(|(_, pair)| pair).collect();
        let again = check(&left, None);
        prop_assert_eq!(again.finding(Code::Duplicate), None);
        prop_assert_eq!(again.finding(Code::Contradiction), None);
    }
}
