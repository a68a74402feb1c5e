//! Files of foreign form on the command line: what could be taken for something else is said, asked or refused.

use end_to_end::{Finished, Settings, golden, tiebreak, told_as_json};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

fn file(folder: &Path, name: &str, rows: &[Value]) -> PathBuf {
    let path = folder.join(name);
    let text: Vec<String> = rows.iter().map(|row| format!("{row}\n")).collect();
    let text = text.concat();
    std::fs::write(&path, text).expect("the temporary folder can be written");
    path
}

fn imported(folder: &Path, file: &Path, more: &[&str]) -> (Value, Vec<Value>) {
    let project = folder.join(format!("{}.project", file.file_name().expect("a name").to_string_lossy()));
    let mut import = told_as_json(folder, "import");
    let said = Finished::run(import.arg(file).arg("--project").arg(&project).args(more)).well();
    let out = folder.join("out");
    let mut export = told_as_json(folder, "export");
    let _ = Finished::run(export.arg("--replace").arg("--project").arg(&project).arg("--output-dir").arg(&out)).well();
    let pairs = std::fs::read_to_string(out.join("pairs.jsonl")).expect("pairs were exported");
    let rows = pairs.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    (said.json().pop().expect("a reply"), rows)
}

#[test]
fn a_system_column_and_calls_of_tools_come_in_whole() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let row = |system: &str| json!({ "system": system, "prompt": "Why?", "chosen": "So.", "rejected": "No." });
    let pairs = file(folder.path(), "system.jsonl", &[row("Be brief."), row("Be kind.")]);
    let (said, rows) = imported(folder.path(), &pairs, &[]);
    assert_eq!((&said["added"], &said["duplicates"]), (&json!(2), &json!(0)), "{said}");
    assert_eq!(rows[0]["prompt"][0], json!({ "role": "system", "content": "Be brief." }));

    let call = |city: &str| json!([{ "role": "assistant", "content": null, "tool_calls": [{ "name": "w", "arguments": { "city": city } }] }]);
    let row = |city: &str| {
        json!({ "prompt": [{ "role": "user", "content": "Rain?" }], "chosen": call(city), "rejected": call("Rome"),
                "tools": [{ "name": "w" }], "score": 1 })
    };
    let pairs = file(folder.path(), "calls.jsonl", &[row("Oslo"), row("Lima")]);
    let (said, rows) = imported(folder.path(), &pairs, &[]);
    assert_eq!((&said["added"], &said["duplicates"]), (&json!(2), &json!(0)), "{said}");
    // As text, so that a column has one type whatever its first rows hold.
    let tools = json!(rows[1]["tools"].as_str().expect("a text"));
    assert_eq!((&tools, &rows[1]["chosen"]), (&json!(r#"[{"name":"w"}]"#), &call("Lima")));
    assert!(said["notices"].to_string().contains("Not used: `score` (2 rows)"), "{said}");
}

#[test]
fn numbers_that_could_mean_two_things_are_refused_with_the_choices_that_decide() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let row = |preference: i32| json!({ "prompt": "Why?", "response_a": format!("one {preference}"), "response_b": "other", "preference": preference });
    let ones = file(folder.path(), "ones.jsonl", &[row(1), row(1)]);
    let mut import = told_as_json(folder.path(), "import");
    let project = folder.path().join("project");
    let refused = Finished::run(import.arg(&ones).arg("--project").arg(&project));
    let _ = refused.refused(&["preference_scheme=counts_from_one", "preference_scheme=counts_from_zero", "--map"]);
    let (_, rows) = imported(folder.path(), &ones, &["--map", "preference_scheme=counts_from_zero"]);
    assert_eq!(rows[0]["chosen"], "other");
}

#[test]
fn a_file_of_which_no_row_can_be_taken_is_an_error() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let row = json!({ "prompt": " ", "chosen": "So.", "rejected": "No." });
    let pairs = file(folder.path(), "bad.jsonl", &[row.clone(), row]);
    for name in ["import", "check", "score"] {
        let mut command = told_as_json(folder.path(), name);
        let command = match name {
            "import" => command.arg(&pairs).arg("--project").arg(folder.path().join("project")),
            "check" => command.arg("--pairs").arg(&pairs),
            _ => command.arg("--pairs").arg(&pairs).arg("--model").arg(golden("llama")),
        };
        let said = Finished::run(command);
        assert_eq!(said.code, Some(1), "{name}: {}{}", said.stdout, said.stderr);
        assert!(said.stdout.contains("no row could be taken, 2 were refused; line 1"), "{name}: {}", said.stdout);
    }
}

#[test]
fn plain_text_is_said_to_pass_by_the_chat_template_and_passes_through_it_where_asked() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let rows: Vec<Value> =
        (0..4).map(|at| json!({ "question": format!("Why {at}?"), "chosen": "So.", "rejected": "No!" })).collect();
    let pairs = file(folder.path(), "pairs.jsonl", &rows);
    let settings = Settings::new(folder.path()).path("data.train", &pairs).set("max_steps", "1");
    let said = Finished::run(&mut settings.train()).well();
    assert!(said.stderr.contains("4 pairs are plain text and stand as they are"), "{}", said.stderr);
    assert!(said.stderr.contains("prompt = question"), "{}", said.stderr);

    let asked = Settings::new(folder.path())
        .path("data.train", &pairs)
        .path("output_dir", &folder.path().join("other"))
        .set("data.map", "{ plain_text = \"as_user_message\" }")
        .set("max_steps", "1");
    let said = Finished::run(&mut asked.train()).well();
    assert!(!said.stderr.contains("plain text"), "{}", said.stderr);
    let kept = std::fs::read_to_string(folder.path().join("other/pairs.jsonl")).expect("the run's pairs");
    let first: Value = serde_json::from_str(kept.lines().next().expect("a pair")).expect("JSON");
    assert_eq!(first["prompt"], json!([{ "role": "user", "content": "Why 0?" }]));

    let evaluate = |run: &str, more: &[&str]| {
        let run = folder.path().join(run);
        let name = format!("eval-{}-{}", run.file_name().expect("a name").to_string_lossy(), more.len());
        let mut command = told_as_json(folder.path(), "eval");
        command.arg("--model").arg(golden("llama")).arg("--adapter").arg(run.join("adapter")).arg("--run").arg(&run);
        command.arg("--prompts").arg(&pairs).args(["--judge", "shorter", "--max-new-tokens", "2"]).args(more);
        let out = folder.path().join(name);
        Finished::run(command.arg("--output-dir").arg(out)).well().stdout
    };
    let otherwise = "prompts are asked as plain text, and of the 4 pairs that the run was trained on none are such";
    assert!(evaluate("other", &[]).contains(otherwise));
    assert!(evaluate("run", &[]).contains("the run was trained on 4 of the 4 prompts"));
    assert!(!evaluate("other", &["--map", "plain_text=as_user_message"]).contains(otherwise));
    assert!(evaluate("run", &["--map", "plain_text=as_user_message"]).contains(
        "prompts are asked in the model's chat template, and of the 4 pairs that the run was trained on none are such"
    ));
}

#[test]
fn text_that_was_rendered_already_is_told_as_such_with_what_stands_in_it_twice() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let row = |bird: &str| {
        json!({ "prompt": "<|im_start|>user\nName a bird.<|im_end|>\n<|im_start|>assistant\n",
                "chosen": format!("{bird}<|im_end|>\n"), "rejected": "A stone.<|im_end|>\n" })
    };
    let pairs = file(folder.path(), "rendered.jsonl", &[row("A wren."), row("A rook.")]);
    let mut check = tiebreak();
    check.arg("check").arg("--pairs").arg(&pairs).arg("--model").arg(golden("llama"));
    let said = Finished::run(&mut check).well();
    assert!(
        said.stderr.contains("They hold special tokens of the model (`<|im_end|>`, `<|im_start|>`)"),
        "{}",
        said.stderr
    );
    assert!(said.stdout.contains("2 pairs have an answer that ends with `<|im_end|>` twice"), "{}", said.stdout);
    let settings = Settings::new(folder.path()).path("data.train", &pairs).set("max_steps", "1");
    let said = Finished::run(&mut settings.train()).well();
    assert!(said.stderr.contains("and were rendered already, it seems"), "{}", said.stderr);
    assert!(said.stderr.contains("2 pairs have an answer that ends with `<|im_end|>` twice"), "{}", said.stderr);
}

#[test]
fn pairs_that_are_the_same_after_cutting_are_left_out_and_counted() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let long = "the same beginning of an answer ".repeat(20);
    let row = |at: usize, end: &str| {
        let say = |role: &str, text: String| json!([{ "role": role, "content": text }]);
        json!({ "prompt": say("user", format!("Why {at}?")), "chosen": say("assistant", format!("{long}{end}")),
                "rejected": say("assistant", format!("{long}other")) })
    };
    let short = json!({ "prompt": [{ "role": "user", "content": "Who?" }], "chosen": [{ "role": "assistant", "content": "I" }],
                        "rejected": [{ "role": "assistant", "content": "You" }] });
    let pairs = file(folder.path(), "pairs.jsonl", &[row(1, "one"), row(2, "two"), short]);
    let settings =
        Settings::new(folder.path()).path("data.train", &pairs).set("max_steps", "1").set("max_length", "64");
    let said = Finished::run(&mut settings.train()).well();
    assert!(said.stderr.contains("2 pairs were left out: chosen and rejected are the same tokens"), "{}", said.stderr);
    let mut check = tiebreak();
    check.arg("check").arg("--pairs").arg(&pairs).arg("--model").arg(golden("llama")).args(["--max-length", "64"]);
    let said = Finished::run(&mut check).well();
    assert!(said.stdout.contains("2 pairs have two answers of the same tokens"), "{}", said.stdout);
}

#[test]
fn single_labels_and_demonstrations_are_kept_and_come_out_again() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let row = |prompt: &str, completion: &str, label: bool| json!({ "prompt": prompt, "completion": completion, "label": label });
    let alone = [row("One?", "yes", true), row("Two?", "no", false)];
    let rows = [alone[0].clone(), row("Both?", "good", true), alone[1].clone(), row("Both?", "bad", false)];
    let labels = file(folder.path(), "kto.jsonl", &rows);
    let (said, pairs) = imported(folder.path(), &labels, &[]);
    assert_eq!(
        (&said["added"], &said["single_labels"], &said["refused_count"]),
        (&json!(3), &json!(2), &json!(0)),
        "{said}"
    );
    assert!(said["notices"].to_string().contains("By `label`, 2 answers are labelled good and 2 bad."), "{said}");
    assert_eq!((pairs.len(), &pairs[0]["chosen"], &pairs[0]["rejected"]), (1, &json!("good"), &json!("bad")));
    let exported = |name: &str| -> Vec<Value> {
        let text = std::fs::read_to_string(folder.path().join("out").join(name)).expect("it was exported");
        text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
    };
    assert_eq!(exported("single_labels.jsonl"), alone);
    // What was exported comes back as what it was.
    let again = folder.path().join("out/single_labels.jsonl");
    let (said, pairs) = imported(folder.path(), &again, &[]);
    assert_eq!((&said["added"], &said["single_labels"], pairs.len()), (&json!(2), &json!(2), 0), "{said}");
    // A run has no use for them, and says so.
    let mut check = told_as_json(folder.path(), "check");
    let refused = Finished::run(check.arg("--pairs").arg(&again));
    assert!(refused.stdout.contains("has no answer that is labelled the other way"), "{}", refused.stdout);

    let turns = json!([{ "role": "user", "content": "q" }, { "role": "assistant", "content": "a" }]);
    let chats = file(folder.path(), "chats.jsonl", &[json!({ "messages": turns })]);
    let mut dry = told_as_json(folder.path(), "import");
    let dry =
        dry.arg(&chats).args(["--kind", "demonstrations", "--dry-run"]).arg("--project").arg(folder.path().join("p"));
    let said = Finished::run(dry).well().json().pop().expect("a reply");
    assert_eq!((&said["kind"], &said["first"][0]["first"]), (&json!("demonstrations"), &json!([turns[1]])), "{said}");
    let (said, _) = imported(folder.path(), &chats, &["--kind", "demonstrations"]);
    assert_eq!(said["added"], json!(1), "{said}");
    assert_eq!(exported("demonstrations.jsonl"), [json!({ "prompt": [turns[0]], "completion": [turns[1]] })]);
}

#[test]
fn prompts_that_are_asked_more_than_once_are_told_of() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let prompts = file(folder.path(), "prompts.jsonl", &[json!("Why?"), json!("Who?"), json!("Why?")]);
    let mut generate = tiebreak();
    generate.arg("generate").arg("--model").arg(golden("llama")).arg("--prompts").arg(&prompts);
    let said = Finished::run(generate.args(["--max-new-tokens", "1"])).well().stderr;
    assert!(said.contains("Of 3 prompts 2 are different (line 3 asks what line 1 asks)"), "{said}");
}
