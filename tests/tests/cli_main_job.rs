//! The main job by its parts: import, check, train, generate, eval, report, export.

use end_to_end::{Finished, Settings, golden, golden_pairs, told_as_json};
use serde_json::Value;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

/// A file with the prompts of the first `count` golden pairs.
fn prompts(folder: &Path, count: usize) -> PathBuf {
    let text = std::fs::read_to_string(golden_pairs()).expect("the golden set is there");
    let mut prompts = String::new();
    for line in text.lines().take(count) {
        let pair: Value = serde_json::from_str(line).expect("a pair is JSON");
        writeln!(prompts, "{}", serde_json::json!({ "prompt": pair["prompt"] })).expect("a string can be written to");
    }
    let path = folder.join("prompts.jsonl");
    std::fs::write(&path, prompts).expect("the temporary folder can be written");
    path
}

fn trained(folder: &Path) -> Settings {
    let settings = Settings::new(folder).set("max_steps", "4").path("data.eval", &golden_pairs());
    let _ = Finished::run(&mut settings.train()).well();
    settings
}

fn last(finished: &Finished) -> Value {
    finished.json().pop().expect("the reply is the last line")
}

#[test]
fn pairs_are_imported_once_and_handed_out_again() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let project = folder.path().join("project");
    let import = || {
        Finished::run(told_as_json(folder.path(), "import").arg(golden_pairs()).arg("--project").arg(&project)).well()
    };
    let first = last(&import());
    assert_eq!((&first["rows"], &first["added"]), (&Value::from(40), &Value::from(40)), "{first}");
    let second = last(&import());
    assert_eq!((&second["added"], &second["duplicates"]), (&Value::from(0), &Value::from(40)), "{second}");

    let out = folder.path().join("out");
    let mut export = told_as_json(folder.path(), "export");
    let _ = Finished::run(export.arg("--project").arg(&project).arg("--output-dir").arg(&out)).well();
    let rows = |path: &Path| -> Vec<Value> {
        let text = std::fs::read_to_string(path).expect("a file of pairs");
        text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
    };
    let exported = rows(&out.join("pairs.jsonl"));
    for (number, (row, golden)) in exported.iter().zip(rows(&golden_pairs())).enumerate() {
        for column in ["prompt", "chosen", "rejected"] {
            assert_eq!(row[column], golden[column]);
        }
        let from = (&row["origin"], &row["import_file"], &row["import_line"]);
        assert_eq!(from, (&"imported".into(), &"pairs.jsonl".into(), &(number + 1).into()), "{row}");
        assert_eq!((&row["votes_chosen"], &row["judgements"]), (&0.into(), &"[]".into()), "{row}");
    }
    assert_eq!(exported.len(), 40);
}

#[test]
fn pairs_of_a_run_become_a_queue_by_how_much_speaks_against_them() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let settings = trained(folder.path());
    let queue = folder.path().join("queue.jsonl");
    let suspects = |more: &[&str]| {
        let mut suspects = told_as_json(folder.path(), "suspects");
        Finished::run(suspects.arg("--run").arg(settings.output_dir()).arg("--output").arg(&queue).args(more))
    };
    let finished = suspects(&["--first", "3"]).well();
    let lines = finished.json();
    let shown: Vec<&Value> = lines.iter().filter(|line| line["type"] == "suspect").collect();
    assert_eq!(shown.len(), 3);
    assert!(shown[0]["margin"].as_f64() <= shown[1]["margin"].as_f64());
    // Forty to train on, and the same forty held out; one of them is too long.
    let reply = last(&finished);
    assert_eq!((&reply["against"]["of"], &reply["too_long"]), (&Value::from(78), &Value::from(2)), "{reply}");
    assert_eq!(reply["known"], false);
    assert_eq!(std::fs::read_to_string(&queue).expect("the queue is written").lines().count(), 78);
    assert_eq!(last(&suspects(&["--order", "loss"]).well())["known"], true);

    // Divided by prompt: a pair and the same one held out are in one part.
    let folded = last(&suspects(&["--folds", "2"]).well());
    assert_eq!((&folded["against"]["of"], &folded["folds"]), (&Value::from(78), &Value::from(2)), "{folded}");
    let text = std::fs::read_to_string(&queue).expect("the queue is written");
    let mut parts = std::collections::BTreeMap::new();
    for line in text.lines() {
        let row: Value = serde_json::from_str(line).expect("JSON");
        let part = parts.entry(row["prompt"].to_string()).or_insert_with(|| row["fold"].clone());
        assert_eq!(*part, row["fold"], "one prompt, one part");
    }
    let mut refused = told_as_json(folder.path(), "suspects");
    let refused = refused.args(["--folds", "1", "--run"]).arg(settings.output_dir());
    let _ = Finished::run(refused).refused(&["the number of parts is 1", "from 2 to 20"]);
}

#[test]
fn what_is_odd_about_pairs_is_found() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let row = |prompt: &str, chosen: &str, rejected: &str| {
        serde_json::json!({ "prompt": prompt, "chosen": chosen, "rejected": rejected }).to_string()
    };
    let (train, eval) = (folder.path().join("train.jsonl"), folder.path().join("eval.jsonl"));
    let rows = [row("a", "x", "y"), row("a", "x", "y"), row("b", "x", "y"), row("b", "y", "x"), row("c", "z", "z")];
    std::fs::write(&train, rows.join("\n")).expect("the temporary folder can be written");
    std::fs::write(&eval, row("a", "other", "words")).expect("the temporary folder can be written");
    let check = |more: &[&str]| {
        let mut check = told_as_json(folder.path(), "check");
        Finished::run(check.arg("--pairs").arg(&train).arg("--eval").arg(&eval).args(more))
    };
    let reply = last(&check(&[]).well());
    let lines = |code: &str| {
        let findings = reply["checks"]["findings"].as_array().expect("findings");
        let found = findings.iter().find(|finding| finding["code"] == code).expect(code);
        (found["count"].clone(), found["lines"].to_string(), found["eval_lines"].to_string())
    };
    assert_eq!(lines("duplicate"), (1.into(), "[2]".into(), "null".into()));
    assert_eq!(lines("contradiction"), (2.into(), "[3,4]".into(), "null".into()));
    assert_eq!(lines("same_answers"), (1.into(), "[5]".into(), "null".into()));
    assert_eq!(lines("prompt_leak"), (2.into(), "[1,2]".into(), "[1]".into()));

    // The rest is written, and what was left out is counted and named.
    let output = folder.path().join("rest.jsonl");
    let rest = output.to_str().expect("a path in UTF-8");
    let left_out =
        &last(&check(&["--leave-out", "duplicate,same_answers,empty_chosen", "--output", rest]).well())["left_out"];
    assert_eq!((&left_out["written"], &left_out["left_out"]), (&Value::from(3), &Value::from(2)));
    let by = serde_json::json!([
        { "code": "duplicate", "pairs": 1 }, { "code": "same_answers", "pairs": 1 }, { "code": "empty_chosen", "pairs": 0 }
    ]);
    assert_eq!(left_out["by_finding"], by);
    let written = std::fs::read_to_string(&output).expect("the rest");
    assert_eq!(written.lines().collect::<Vec<_>>(), [&rows[0], &rows[2], &rows[3]]);
    let again = ["--leave-out", "duplicate", "--output", rest];
    let _ = check(&again).refused(&["rest.jsonl is there already"]);
    let other = folder.path().join("other.jsonl");
    let other = other.to_str().expect("a path in UTF-8");
    let all = ["--leave-out", "prompt_leak,contradiction,same_answers", "--output", other];
    let _ = check(&all).refused(&["all 5 pairs would be left out"]);
    let _ = check(&["--leave-out", "length_bias", "--output", other]).refused(&["it is about all pairs together"]);
    let _ = check(&["--leave-out", "cut_one_side", "--output", other]).refused(&["--model"]);
    assert!(!std::path::Path::new(other).exists());
    assert_eq!(check(&["--leave-out", "duplicates", "--output", other]).code, Some(2), "no finding is called so");
    assert_eq!(check(&["--leave-out", "duplicate"]).code, Some(2), "the others are to be written somewhere");
}

#[test]
fn answers_are_the_same_for_the_same_seed() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let prompts = prompts(folder.path(), 5);
    let answers = |arguments: &[&str]| -> Vec<Value> {
        let mut generate = told_as_json(folder.path(), "generate");
        generate.arg("--model").arg(golden("llama")).arg("--prompts").arg(&prompts).args(["--max-new-tokens", "12"]);
        let lines = Finished::run(generate.args(arguments)).well().json();
        lines.into_iter().filter(|line| line["text"].is_string()).collect()
    };
    let greedy = answers(&[]);
    assert_eq!(greedy.len(), 5);
    assert!(greedy.iter().all(|answer| answer["tokens"].as_u64().is_some_and(|tokens| tokens <= 12)), "{greedy:?}");
    assert_eq!(greedy, answers(&["--seed", "9"]), "greedy answers know no seed");
    let sampled = answers(&["--temperature", "1", "--seed", "1"]);
    assert_eq!(sampled, answers(&["--temperature", "1", "--seed", "1"]));
    assert_ne!(sampled, answers(&["--temperature", "1", "--seed", "2"]));
    assert_ne!(sampled, greedy);
}

#[test]
fn the_command_line_answers_a_prompt_given_as_text() {
    let finished = Finished::of([
        "generate".as_ref(),
        "--model".as_ref(),
        golden("llama").as_os_str(),
        "--prompt".as_ref(),
        "Why does bread go stale?".as_ref(),
        "--max-new-tokens".as_ref(),
        "4".as_ref(),
        "--json".as_ref(),
    ])
    .well();
    let answer = last(&finished);
    assert_eq!(answer["prompt"][0]["content"], "Why does bread go stale?", "{answer}");
}

/// A judge that always says `a`, and counts how often it is asked.
#[cfg(unix)]
fn judge(folder: &Path) -> (String, PathBuf) {
    use std::os::unix::fs::PermissionsExt;
    let (script, asked) = (folder.join("judge.sh"), folder.join("asked"));
    let text = format!("#!/bin/sh\ncat >/dev/null\necho once >>'{}'\necho a\n", asked.display());
    std::fs::write(&script, text).expect("the temporary folder can be written");
    std::fs::set_permissions(&script, std::fs::Permissions::from_mode(0o755)).expect("a script can be made executable");
    (format!("command:{}", script.display()), asked)
}

#[cfg(unix)]
#[test]
fn a_judge_does_not_learn_whose_answer_it_sees_and_is_not_asked_twice() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let settings = trained(folder.path());
    let (judge, asked) = judge(folder.path());
    let prompts = prompts(folder.path(), 20);
    let out = folder.path().join("eval");
    let evaluate = || {
        let mut eval = told_as_json(folder.path(), "eval");
        eval.arg("--model").arg(golden("llama")).arg("--adapter").arg(settings.output_dir().join("adapter"));
        eval.arg("--run").arg(settings.output_dir()).arg("--prompts").arg(&prompts).arg("--pairs").arg(golden_pairs());
        eval.arg("--judge").arg(&judge).arg("--output-dir").arg(&out).args(["--max-new-tokens", "8"]);
        last(&Finished::run(eval.args(["--max-length", "96"])).well())
    };
    let reply = evaluate();
    let count = |key: &str| reply["summary"][key].as_u64().unwrap_or_else(|| panic!("no {key} in {reply}"));
    // It always takes what it is shown first, which is either model's answer equally often; answers that are the same are
    // ties that it is not asked about.
    let (wins, losses, same) = (count("wins"), count("losses"), count("same_answers"));
    assert_eq!((wins + losses, count("ties"), count("no_verdict")), (20 - same, same, 0), "{reply}");
    assert!(wins + losses >= 6 && wins.abs_diff(losses) <= 1, "{wins} wins, {losses} losses");
    let rate = reply["summary"]["win_rate"].as_f64().expect("a rate");
    assert!((rate - (wins as f64 + same as f64 / 2.0) / 20.0).abs() < 1e-12);
    let interval = &reply["summary"]["win_rate_interval"];
    assert!(interval[0].as_f64() < Some(rate) && Some(rate) < interval[1].as_f64(), "{interval}");

    let judgements = std::fs::read_to_string(out.join("judgements.jsonl")).expect("judgements");
    let mut shown: Vec<String> = judgements
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).expect("JSON")["shown_first"].to_string())
        .collect();
    assert_eq!(shown.iter().filter(|side| *side == "\"tuned\"").count() as u64, wins);
    shown.sort();
    shown.dedup();
    assert_eq!(shown.len(), 2);

    let times = || std::fs::read_to_string(&asked).expect("the judge was asked").lines().count();
    // And once before anything was generated.
    let asked_before = times();
    assert_eq!(asked_before as u64, 1 + wins + losses);
    assert_eq!(evaluate()["summary"], reply["summary"]);
    assert_eq!(times(), asked_before, "the judge was asked again");

    report_of(folder.path(), &settings.output_dir(), &out);
}

#[cfg(unix)]
fn report_of(folder: &Path, run: &Path, eval: &Path) {
    let out = folder.join("report");
    let mut report = told_as_json(folder, "report");
    let reply =
        last(&Finished::run(report.arg("--run").arg(run).arg("--eval").arg(eval).arg("--output-dir").arg(&out)).well());
    let page = std::fs::read_to_string(reply["html"].as_str().expect("the page's path")).expect("the page");
    for outside in ["src=\"http", "href=\"http", "<link", "<script src", "@import", "url(http"] {
        assert!(!page.contains(outside), "the page asks for something outside itself: {outside}");
    }
    assert!(page.contains("<svg"), "the page has no figure");
    let json = std::fs::read(reply["evaluation"].as_str().expect("its path")).expect("the evaluation for programs");
    let json: Value = serde_json::from_slice(&json).expect("JSON");
    assert!(json["summary"]["wins"].is_number() && json["accuracy"]["pairs"].is_number(), "{json}");
    let figures = reply["figures"].as_array().expect("figures");
    for kind in ["svg", "png"] {
        let of_kind = figures.iter().filter_map(Value::as_str).filter(|path| path.ends_with(kind));
        let found = of_kind.inspect(|path| assert!(Path::new(path).is_file(), "{path} is not there")).count();
        assert!(found >= 5, "{found} {kind} figures");
    }
}

#[test]
fn a_finished_run_hands_out_its_adapter() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let settings = trained(folder.path());
    let out = folder.path().join("out");
    let mut export = told_as_json(folder.path(), "export");
    let _ = Finished::run(export.arg("--run").arg(settings.output_dir()).arg("--output-dir").arg(&out)).well();
    for name in ["adapter_config.json", "adapter_model.safetensors"] {
        let read = |folder: &Path| std::fs::read(folder.join("adapter").join(name)).expect("an adapter's file");
        assert!(read(&settings.output_dir()) == read(&out), "{name} is another one");
    }
}

#[test]
fn the_worker_goes_on_with_a_run() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let settings = trained(folder.path());
    let reply = last(&Finished::run(told_as_json(folder.path(), "worker").arg(settings.output_dir())).well());
    assert_eq!(reply["already_finished"], true, "{reply}");
    let empty = folder.path().join("empty");
    std::fs::create_dir(&empty).expect("the temporary folder can be written");
    let _ = Finished::run(told_as_json(folder.path(), "worker").arg(&empty)).refused(&["empty", "config.toml"]);
}
