//! What judging models really write, and how each is to be read.

use super::*;

const A: Option<Choice> = Some(Choice::A);
const B: Option<Choice> = Some(Choice::B);
const TIE: Option<Choice> = Some(Choice::Tie);
const NONE: Option<Choice> = None;

#[track_caller]
fn reads(forms: &[(&str, Option<Choice>)]) {
    for (said, expected) in forms {
        assert_eq!(decision(said).map(|decision| decision.choice), *expected, "{said:?}");
    }
}

#[test]
fn the_word_that_was_asked_for() {
    reads(&[
        ("a", A),
        ("b", B),
        ("tie", TIE),
        ("A", A),
        ("B\n", B),
        ("Tie.", TIE),
        (" **B**.\n", B),
        ("`a`", A),
        ("\"B\"", B),
        ("'b'", B),
        ("“A”", A),
        ("(A)", A),
        ("[B]", B),
        ("b)", B),
        ("A!", A),
        ("_tie_", TIE),
    ]);
}

#[test]
fn double_brackets_of_mt_bench() {
    reads(&[
        ("[[A]]", A),
        ("[[B]]", B),
        ("[[C]]", TIE),
        ("[[Tie]]", TIE),
        ("[[a]]", A),
        ("**[[B]]**", B),
        ("Assistant A gives more detail. Assistant B does not answer the question. Therefore, [[A]]", A),
        ("Both answer the question, but B cites a source.\n\nFinal verdict: [[B]]", B),
        ("My final verdict is:\n[[A]]", A),
        ("Neither is better [[C]]", TIE),
        ("[[A]] because it is shorter. Thank you!", A),
        ("[[A]]\n[[B]]", NONE),
        ("I have to choose between [[A]], [[B]] and [[C]].\n\n[[B]]", NONE),
        ("[[A]] or [[B]]", NONE),
        ("The better answer is not [[A]].", NONE),
        ("[[A]] is not the better one.", NONE),
        ("I don't think [[B]] is right.", NONE),
        ("[[A]]?", NONE),
        ("[[A]] if assistant A is better.", NONE),
        ("[[D]]", NONE),
        ("Rating: [[7]]", NONE),
        ("[[A or B]]", NONE),
        ("[[not A]]", NONE),
        ("[[A]]\n\nOn reflection:\nB is better.", NONE),
    ]);
}

#[test]
fn comparisons_of_arena_hard() {
    reads(&[
        ("A > B", A),
        ("A>B", A),
        ("A>>B", A),
        ("A >> B", A),
        ("B > A", B),
        ("B>>A", B),
        ("A = B", TIE),
        ("A=B", TIE),
        ("A < B", B),
        ("A << B", B),
        ("[[A>>B]]", A),
        ("[[A>B]]", A),
        ("[[A=B]]", TIE),
        ("[[B>A]]", B),
        ("[[B>>A]]", B),
        ("My final verdict is tie: [[A=B]]", TIE),
        ("My final verdict is: Assistant A is slightly better: [[A>B]]", A),
        ("Assistant A is more exact.\n\nMy final verdict is: [[A>B]] and, once more, [[A>>B]].", A),
        ("Answer A > Answer B", A),
        ("Assistant B >> Assistant A", B),
        ("My final verdict is: Assistant B is slightly better: [[A>B]]", NONE),
        ("[[A>B]] [[B>A]]", NONE),
        ("A >= B", NONE),
        ("A > B > C", NONE),
        ("A > A", NONE),
        ("A>B?", NONE),
    ]);
}

#[test]
fn json_and_forms_of_alpaca_eval() {
    reads(&[
        (r#"{"winner": "a"}"#, A),
        (r#"{"winner": "B", "reason": "It answers. A is better written."}"#, B),
        (r#"{"winner": "tie"}"#, TIE),
        ("```json\n{\n  \"verdict\": \"Answer B\"\n}\n```", B),
        ("Here it is:\n```json\n{\"choice\": \"A\", \"explanation\": \"shorter\"}\n```", A),
        (r#"{"winner": "model_a"}"#, A),
        (r#"{"answer": "B"}"#, B),
        (r#"{"reason": "B rambles", "better": "[[A]]"}"#, A),
        ("Output (a)", A),
        ("Output (b)", B),
        (r#"{"winner": "c"}"#, NONE),
        (r#"{"winner": null}"#, NONE),
        (r#"{"winner": "a", "verdict": "b"}"#, NONE),
        (r#"{"winner": "a or b"}"#, NONE),
        (r#"{"winner": "a"} {"winner": "b"}"#, NONE),
        ("{\"winner\": \"a\"}\n\nB", NONE),
        (r#"{"a": 8, "b": 6}"#, NONE),
        (r#"[{"model": "model_1", "rank": 1}, {"model": "model_2", "rank": 2}]"#, NONE),
        ("m", NONE),
        ("8 6", NONE),
    ]);
}

#[test]
fn plain_words() {
    reads(&[
        ("Verdict: A", A),
        ("**Verdict:** B", B),
        ("Final verdict: tie", TIE),
        ("Answer: A", A),
        ("Answer A", A),
        ("Response B", B),
        ("Final answer: b.", B),
        ("Winner: Assistant A", A),
        ("The winner is B.", B),
        ("My verdict is A.", A),
        ("The better answer is B.", B),
        ("The better response is answer A.", A),
        ("Answer A is better.", A),
        ("Assistant B is slightly better than Assistant A.", B),
        ("A is much better than the other.", A),
        ("A is the better answer.", A),
        ("B wins.", B),
        ("I prefer answer B.", B),
        ("Both name the year. Overall, the winner is A.", A),
        ("Overall, A is better.", A),
        ("I think B is better.", B),
        ("Overall: B", B),
        ("They differ in tone.\n\nVerdict: a", A),
        ("Answer A is short. Answer B is long and wrong in two places. Answer A is better.", A),
        ("## Reasons\n\n- A is short\n- B is long\n\n## Verdict\n\nA", A),
        ("**Answer A**\nShort.\n\n**Answer B**\nLong.\n\n**Final verdict:**\nB", B),
        ("Verdict: B\n\nIt names the year, which the other one does not.", B),
        ("It's a tie.", TIE),
        ("It’s a tie", TIE),
        ("This is a tie.", TIE),
        ("A tie", TIE),
        ("Neither", TIE),
        ("Neither is better.", TIE),
        ("Neither answer A nor answer B is better.", TIE),
        ("Both are good: tie", TIE),
        ("Both answers are equally good.", TIE),
        ("A and B", TIE),
    ]);
}

#[test]
fn what_a_model_thinks_does_not_count() {
    reads(&[
        ("<think>a or b? tie? Verdict: b</think>\n\nTie", TIE),
        ("<think>\n[[B]] at first sight\n</think>\n[[A]]", A),
        ("so the first one is better</think>A", A),
        ("<thinking>b</thinking>a", A),
        ("<think>a", NONE),
        ("<think>Verdict: A", NONE),
        ("<think>short</think>", NONE),
        ("a <think> wait", NONE),
    ]);
}

#[test]
fn what_could_be_read_two_ways_is_no_verdict() {
    reads(&[
        ("", NONE),
        ("\n", NONE),
        ("c", NONE),
        ("A or B", NONE),
        ("not B", NONE),
        ("Not A.", NONE),
        ("A/B", NONE),
        ("A, B", NONE),
        ("A B", NONE),
        ("A\nB", NONE),
        ("A\n\nB", NONE),
        ("A?", NONE),
        ("Maybe A", NONE),
        ("B is not better.", NONE),
        ("A isn't better than B.", NONE),
        ("It is not a tie.", NONE),
        ("It depends on the reader: A or B.", NONE),
        ("Verdict: A\nVerdict: B", NONE),
        ("Verdict: A\n\nB is better.", NONE),
        ("Verdict: A or B", NONE),
        ("Verdict: not B", NONE),
        ("Winner: unclear\n\nA", NONE),
        ("The worse answer is:\n\nA", NONE),
        ("## Worse answer\n\nA", NONE),
        ("It would be wrong to say that\nanswer A is better.", NONE),
        ("The one that I would not choose is\nA", NONE),
        ("A is better than A.", NONE),
        ("For tone I prefer A, for facts B.", NONE),
        ("The correct option in the question is A", NONE),
        ("The better one is answer a, I would say, but b has its merits", NONE),
        ("Reply with one word: a if answer A is better, b if answer B is better, tie if neither is.", NONE),
        ("I would rather not", NONE),
        ("I'm sorry, but I can't judge this.", NONE),
        ("Answer A picks the second option, which is wrong. The answer is B.", NONE),
        ("Vitamin A", NONE),
        ("Plan b", NONE),
        // Other languages than the one that was asked for.
        ("Antwort B ist besser.", NONE),
        ("Empate", NONE),
        ("更好的回答是：A", NONE),
        // A Cyrillic А and a full-width Ｂ are other letters.
        ("А", NONE),
        ("Ｂ", NONE),
        // A letter first and prose after it: it may turn round.
        ("A\n\nAnswer B is more exact, though.", NONE),
        ("B. It is shorter.", NONE),
    ]);
}

#[test]
fn what_leads_to_a_verdict_is_kept_as_its_reason() {
    let reason = |said: &str| decision(said).and_then(|decision| decision.reason);
    assert_eq!(reason("a"), None);
    assert_eq!(reason("Verdict: **A**"), None);
    assert_eq!(reason(r#"{"winner": "a", "reason": "shorter"}"#).as_deref(), Some("shorter"));
    let said = "They differ in tone alone.\n\nVerdict: a";
    assert_eq!(reason(&format!("<think>hm</think>\n{said}")).as_deref(), Some(said));
}
