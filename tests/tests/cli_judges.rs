//! Judges as the command line has them: places that favour nobody, words that are read one way only, and those that cannot
//! work, refused before anything is generated.

use end_to_end::{Finished, Settings, golden, golden_pairs, told_as_json};
use serde_json::{Value, json};
use std::io::{Read, Write};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, channel};

fn prompts(folder: &Path, count: usize) -> PathBuf {
    let line = |n: usize| json!({"prompt": [{"role": "user", "content": format!("Say {n}")}]}).to_string() + "\n";
    let path = folder.join("prompts.jsonl");
    std::fs::write(&path, (0..count).map(line).collect::<String>()).expect("the temporary folder can be written");
    path
}

/// An adapter that was trained at such a rate.
fn trained(folder: &Path, learning_rate: &str) -> PathBuf {
    let settings = Settings::new(folder).set("max_steps", "4").set("learning_rate", learning_rate);
    let _ = Finished::run(&mut settings.train()).well();
    settings.output_dir().join("adapter")
}

fn evaluate(folder: &Path, adapter: &Path, count: usize, judge: &str, more: &[&str]) -> Finished {
    let mut eval = told_as_json(folder, "eval");
    eval.arg("--model").arg(golden("llama")).arg("--adapter").arg(adapter).arg("--prompts").arg(prompts(folder, count));
    eval.args(["--judge", judge, "--max-new-tokens", "6"]).arg("--output-dir").arg(folder.join("eval")).args(more);
    Finished::run(&mut eval)
}

/// An OpenAI-compatible server that answers so, one question after the other, the first of them the trial; and how often
/// it was asked.
fn server(replies: Vec<(u16, String)>) -> (String, Receiver<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let url = format!("http://{}/v1", listener.local_addr().expect("an address"));
    let (sender, asked) = channel();
    std::thread::spawn(move || {
        for (status, said) in replies {
            let (mut stream, _) = listener.accept().expect("a connection");
            let (mut bytes, mut buffer) = (Vec::new(), [0; 4096]);
            loop {
                let read = stream.read(&mut buffer).expect("a question");
                bytes.extend_from_slice(&buffer[..read]);
                let end = bytes.windows(4).position(|four| four == b"\r\n\r\n");
                if end.is_some_and(|end| serde_json::from_slice::<Value>(&bytes[end + 4..]).is_ok()) {
                    break;
                }
            }
            sender.send(()).expect("somebody counts");
            let body = json!({"choices": [{"message": {"role": "assistant", "content": said}}]}).to_string();
            let head = format!("HTTP/1.1 {status} X\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", body.len());
            stream.write_all((head + &body).as_bytes()).expect("an answer can be sent");
        }
    });
    (url, asked)
}

#[test]
fn two_models_that_answer_alike_are_a_tie_whatever_the_judge_likes() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    // So slow that nothing moved.
    let adapter = trained(folder.path(), "1e-30");
    let (url, asked) = server(vec![(200, "a".into())]);
    let reply = evaluate(folder.path(), &adapter, 75, &format!("endpoint:{url} judge"), &[]).well();
    let summary = reply.json().pop().expect("a reply")["summary"].clone();
    assert_eq!(
        (&summary["ties"], &summary["same_answers"], &summary["win_rate"]),
        (&json!(75), &json!(75), &json!(0.5))
    );
    assert!(summary["words"].to_string().contains("75 of 75 answers were the same and count as ties."), "{summary}");
    assert_eq!(asked.try_iter().count(), 1, "it was asked about answers that are the same");
}

#[test]
fn what_a_model_says_is_read_one_way_or_not_at_all_and_its_liking_for_a_place_is_told() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let adapter = trained(folder.path(), "5e-2");
    let said = ["Yes.", "A > B", "[[A]]", "a", "Verdict: A", "A>>B", "**A**", "A or B", "not B", "It's a tie."];
    let replies = said.iter().chain(std::iter::repeat_n(&"a", 90)).map(|said| (200, (*said).to_owned())).collect();
    let (url, _asked) = server(replies);
    let more = ["--pairs", &golden_pairs().display().to_string(), "--max-length", "96"];
    let reply = evaluate(folder.path(), &adapter, 60, &format!("endpoint:{url} judge"), &more).well();
    let reply = reply.json().pop().expect("a reply");
    let summary = &reply["summary"];
    let count = |key: &str| summary[key].as_u64().unwrap_or_else(|| panic!("no {key} in {summary}"));
    assert_eq!((count("no_verdict"), count("ties")), (2, 1 + count("same_answers")), "{summary}");
    // Everything else was for the answer shown first, which is either model's as often as not.
    let first = &summary["shown_first"];
    assert_eq!(
        (&first["first"], first["decided"].as_u64()),
        (&first["decided"], Some(count("wins") + count("losses")))
    );
    assert!(count("wins").abs_diff(count("losses")) <= 4, "{summary}");
    let words = summary["words"].as_str().expect("words");
    assert!(words.contains(
        "2 of 60 prompts have no verdict and do not count. Why, most often (2 times), such as: judge answered"
    ));
    assert!(words.contains("The judge likes the answer shown first: 100.0 % (95 % interval "), "{words}");
    let judgements = std::fs::read_to_string(folder.path().join("eval/judgements.jsonl")).expect("judgements");
    for kept in ["answered \\\"A or B\\\" instead", "answered \\\"not B\\\" instead"] {
        assert!(judgements.contains(kept), "{kept} is not kept");
    }

    // The same in words, with the three accuracies under their names.
    let mut told = end_to_end::tiebreak();
    told.current_dir(folder.path()).arg("eval").arg("--model").arg(golden("llama")).arg("--adapter").arg(&adapter);
    told.arg("--prompts").arg(prompts(folder.path(), 60)).args(["--judge", &format!("endpoint:{url} judge")]);
    told.args(["--max-new-tokens", "6", "--output-dir"]).arg(folder.path().join("eval")).args(more);
    let told = Finished::run(&mut told).well();
    let names = [
        "by reward, rewards/accuracies: 0 % by definition",
        "by log-probability, logps_accuracy: ",
        "by log-probability per token, logps_accuracy_per_token: ",
    ];
    let places: Vec<usize> = names
        .iter()
        .map(|name| {
            told.stdout
                .find(&format!("held-out accuracy {name}"))
                .unwrap_or_else(|| panic!("no {name}: {}", told.stdout))
        })
        .collect();
    assert!(places.is_sorted(), "{}", told.stdout);
}

#[test]
fn a_judge_that_cannot_work_is_refused_before_anything_is_generated() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let adapter = folder.path().join("not-even-looked-at");
    let (missing, _asked) = server(vec![(404, "model not found".into())]);
    for (judge, why) in [
        ("command:no-such-judge-here --strict".to_owned(), "no-such-judge-here could not be started"),
        ("endpoint:http://127.0.0.1:9/v1 m".to_owned(), "no answer came"),
        ("endpoint:http://127.0.0.1:9/v1 m TIEBREAK_NO_SUCH_KEY".to_owned(), "TIEBREAK_NO_SUCH_KEY"),
        (format!("endpoint:{missing} m"), "no such address or model there (404)"),
    ] {
        let _ = evaluate(folder.path(), &adapter, 4, &judge, &[]).refused(&["the judge cannot work", why]);
        assert!(!folder.path().join("eval").exists(), "something was made for {judge}");
    }
}

#[test]
fn a_judge_that_is_gone_is_not_asked_to_the_end_and_goes_on_where_it_stopped() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let adapter = trained(folder.path(), "5e-2");
    let some = (0..4).map(|_| (200, "a".to_owned()));
    let (url, _asked) = server(some.chain(std::iter::repeat_n((400, String::new()), 60)).collect());
    let judge = format!("endpoint:{url} judge");
    let _ = evaluate(folder.path(), &adapter, 40, &judge, &[]).refused(&[
        "the judge gave no verdict on 5 prompts in a row, and was not asked further",
        "the server said 400",
        "resume the evaluation",
    ]);
    let lines =
        |name: &str| std::fs::read_to_string(folder.path().join("eval").join(name)).expect("a file").lines().count();
    assert_eq!((lines("judgements.jsonl"), lines("answers.jsonl")), (8, 80));
    assert!(!folder.path().join("eval/evaluation.json").exists(), "it was called finished");
}

#[test]
fn another_judge_decides_on_the_same_answers_without_a_model() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let adapter = trained(folder.path(), "0.05");
    let first = evaluate(folder.path(), &adapter, 6, "longer", &[]).well();
    let judge = |answers: &str, judge: &str, to: &str| {
        let mut again = told_as_json(folder.path(), "judge");
        again.arg("--answers").arg(folder.path().join(answers)).args(["--judge", judge]);
        Finished::run(again.arg("--output-dir").arg(folder.path().join(to)))
    };
    // What made the answers is not needed.
    std::fs::remove_dir_all(&adapter).expect("the adapter can go");
    let before = std::fs::read(folder.path().join("eval/evaluation.json")).expect("the first verdict");
    let again = judge("eval", "shorter", "again").well();
    let same = judge("eval", "longer", "same").well();
    let [first, second, same] = [first, again, same].map(|told| told.json().pop().expect("a reply")["summary"].clone());
    let tally = |told: &Value| ["wins", "losses", "ties"].map(|name| told[name].as_u64().expect("a count"));
    assert_eq!(tally(&first), tally(&same), "the same judge says the same");
    assert_eq!(tally(&first).iter().sum::<u64>(), 6);
    assert_eq!(tally(&second).iter().sum::<u64>(), 6);
    let judged_by = |name: &str| -> Value {
        let text = std::fs::read(folder.path().join(name).join("evaluation.json")).expect("an evaluation");
        serde_json::from_slice::<Value>(&text).expect("JSON")["judge"].clone()
    };
    assert_ne!(judged_by("eval"), judged_by("again"));
    assert_eq!(judged_by("eval"), judged_by("same"));
    let answers = |name: &str| std::fs::read(folder.path().join(name).join("answers.jsonl")).expect("answers");
    let sorted = |name: &str| {
        let mut lines: Vec<String> =
            String::from_utf8(answers(name)).expect("text").lines().map(str::to_owned).collect();
        lines.sort();
        lines
    };
    assert_eq!(sorted("eval"), sorted("again"));
    assert_eq!(std::fs::read(folder.path().join("eval/evaluation.json")).expect("it is still there"), before);

    let _ = judge("eval", "shorter", "eval").refused(&["is the folder of the answers"]);
    let _ = judge("nothing", "shorter", "other").refused(&["holds no evaluation"]);
    let _ = judge("eval", "nobody", "other").refused(&["nobody"]);
}
