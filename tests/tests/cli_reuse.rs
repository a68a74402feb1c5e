//! Answers that another evaluation of the project has are taken from there, the same bytes as if they were generated; and where
//! anything that they follow from differs, nothing is taken.

use end_to_end::{Finished, Settings, copy_files, golden, golden_pairs, told_as_json};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// What is asked, of whom.
#[derive(Clone)]
struct Asked {
    model: PathBuf,
    adapter: PathBuf,
    /// Which side makes answers.
    side: String,
    prompts: Vec<&'static str>,
    /// An option that is another than usual.
    other: Option<[&'static str; 2]>,
}

/// How tokens are chosen, unless something else is said.
const USUAL: [[&str; 2]; 3] = [["--max-new-tokens", "8"], ["--temperature", "0.9"], ["--seed", "3"]];

struct Place {
    folder: TempDir,
    made: std::cell::Cell<usize>,
}

impl Place {
    fn project(&self) -> PathBuf {
        self.folder.path().join("project")
    }

    fn adapter(&self, rate: &str) -> PathBuf {
        let folder = self.folder.path().join(format!("trained-{rate}"));
        std::fs::create_dir_all(&folder).expect("a folder");
        let settings = Settings::new(&folder).set("max_steps", "4").set("learning_rate", rate);
        let _ = Finished::run(&mut settings.train()).well();
        settings.output_dir().join("adapter")
    }

    /// Evaluates in a folder; answers how many answers were taken, and those of the side that makes them.
    fn asked_in(&self, evals: &Path, asked: &Asked) -> (Vec<String>, Vec<Value>) {
        self.made.set(self.made.get() + 1);
        let output_dir = evals.join(format!("e{}", self.made.get()));
        let prompt = |text: &&str| json!([{"role": "user", "content": text}]);
        let line = |text: &&str| json!({"prompt": prompt(text)}).to_string() + "\n";
        let given = |text: &&str| json!({"prompt": prompt(text), "answer": "No."}).to_string() + "\n";
        let file = |name: &str, text: String| {
            let path = self.folder.path().join(name);
            std::fs::write(&path, text).expect("the temporary folder can be written");
            path
        };
        let prompts = file("prompts.jsonl", asked.prompts.iter().map(line).collect());
        let answers = file("answers.jsonl", asked.prompts.iter().map(given).collect());
        let mut eval = told_as_json(self.folder.path(), "eval");
        eval.arg("--model").arg(&asked.model).arg("--adapter").arg(&asked.adapter).arg("--prompts").arg(prompts);
        eval.args(["--side-a", &asked.side, "--side-b", &format!("answers:{}", answers.display())]);
        let is_other = |usual: &&[&str; 2]| asked.other.is_none_or(|other| other[0] != usual[0]);
        eval.args(USUAL.iter().filter(is_other).chain(&asked.other).flatten());
        let reply = Finished::run(eval.args(["--judge", "shorter", "--output-dir"]).arg(&output_dir)).well();
        let reused = reply.json().pop().expect("a reply")["reused"].clone();
        let reused: Vec<String> = serde_json::from_value(reused).unwrap_or_default();
        let text = std::fs::read_to_string(output_dir.join("answers.jsonl")).expect("answers");
        let lines = text.lines().map(|line| serde_json::from_str::<Value>(line).expect("an answer"));
        let mut own: Vec<Value> = lines.filter(|answer| answer["side"] == "tuned").collect();
        own.sort_by_key(|answer| answer["id"].as_u64());
        (reused, own)
    }

    fn asked(&self, asked: &Asked) -> (Vec<String>, Vec<Value>) {
        self.asked_in(&self.project().join("evals"), asked)
    }

    /// The same where no other evaluation is.
    fn generated(&self, asked: &Asked) -> Vec<Value> {
        let (reused, answers) = self.asked_in(&self.folder.path().join(format!("alone-{}", self.made.get())), asked);
        assert!(reused.is_empty(), "{reused:?}");
        answers
    }

    /// A copy of the model with one file changed.
    fn changed(&self, name: &str, change: impl FnOnce(Vec<u8>) -> Vec<u8>) -> PathBuf {
        let folder = self.folder.path().join(format!("model-{}-{}", name.replace('.', "-"), self.made.get()));
        copy_files(&golden("llama"), &folder);
        let path = folder.join(name);
        let bytes = std::fs::read(&path).expect("a file of the model");
        std::fs::write(&path, change(bytes)).expect("the copy can be written");
        folder
    }
}

fn replaced(text: &str, by: &str) -> impl FnOnce(Vec<u8>) -> Vec<u8> {
    let (text, by) = (text.to_owned(), by.to_owned());
    move |bytes| {
        let before = String::from_utf8(bytes).expect("text");
        assert!(before.contains(&text), "{text} is not in {before}");
        before.replacen(&text, &by, 1).into_bytes()
    }
}

#[test]
fn answers_are_taken_where_all_is_the_same_and_nowhere_else() {
    let place = Place { folder: tempfile::tempdir().expect("a temporary folder"), made: 0.into() };
    let mut import = told_as_json(place.folder.path(), "import");
    let _ = Finished::run(import.arg(golden_pairs()).arg("--project").arg(place.project())).well();
    let adapter = place.adapter("1e-2");
    let first = Asked {
        model: golden("llama"),
        adapter: adapter.clone(),
        side: "adapter".into(),
        prompts: vec!["Say one", "Say two", "Say three", "Say four"],
        other: None,
    };
    let base = Asked { side: "base".into(), ..first.clone() };
    for asked in [&first, &base] {
        let (reused, answers) = place.asked(asked);
        assert!(reused.is_empty() && answers.len() == 4, "{reused:?}");
        // Taken, they are what would be generated, to the last byte.
        let (reused, again) = place.asked(asked);
        assert_eq!(reused.len(), 1);
        assert!(reused[0].starts_with("4 of the 4 answers of ") && reused[0].contains("evaluation e"), "{reused:?}");
        assert_eq!((&answers, &answers), (&again, &place.generated(asked)));
    }
    // The base alone, as another model, is the same model.
    let of_model = |model: &Path| Asked { side: format!("model:{}", model.display()), ..base.clone() };
    let (reused, _) = place.asked(&of_model(&golden("llama")));
    assert_eq!(reused.len(), 1, "{reused:?}");

    let anew = |what: &str, asked: Asked| {
        let (reused, answers) = place.asked(&asked);
        assert!(reused.is_empty(), "{what} differs, and {reused:?}");
        assert_eq!(answers, place.generated(&asked), "{what}");
    };
    let flipped = |mut bytes: Vec<u8>| {
        let last = bytes.len() - 3;
        bytes[last] ^= 0x10;
        bytes
    };
    anew("the base", of_model(&place.changed("model.safetensors", flipped)));
    let template = replaced("{%", " {%");
    anew("the template", of_model(&place.changed("chat_template.jinja", template)));
    anew("the adapter", Asked { adapter: place.adapter("5e-3"), ..first.clone() });
    let scaled = place.folder.path().join("scaled");
    copy_files(&adapter, &scaled);
    // As an adapter of another program, which says nothing of where it is from.
    std::fs::remove_file(scaled.join("origin.json")).expect("its record");
    let settings = scaled.join("adapter_config.json");
    let text = std::fs::read(&settings).expect("the adapter's settings");
    let text = String::from_utf8(text).expect("text");
    let alpha =
        text.split("\"lora_alpha\":").nth(1).and_then(|rest| rest.split([',', '\n', '}']).next()).expect("alpha");
    std::fs::write(&settings, text.replace(&format!("\"lora_alpha\":{alpha}"), "\"lora_alpha\": 4")).expect("a file");
    anew("the adapter's settings", Asked { adapter: scaled, ..first.clone() });
    for other in [
        ["--seed", "4"],
        ["--temperature", "0.8"],
        ["--temperature", "0"],
        ["--top-p", "0.9"],
        ["--max-new-tokens", "7"],
        ["--max-new-tokens", "9"],
        ["--dtype", "bf16"],
    ] {
        anew(&other.join(" "), Asked { other: Some(other), ..first.clone() });
    }
    anew("a prompt", Asked { prompts: vec!["Say one", "Say two", "Say three", "Say five"], ..first.clone() });
    anew("the order", Asked { prompts: vec!["Say two", "Say one", "Say three", "Say four"], ..first.clone() });
    anew("what stands beside", Asked { prompts: vec!["Say one", "Say two", "Say three"], ..first.clone() });
}

#[test]
fn answers_that_were_changed_or_are_in_the_bin_are_not_taken() {
    let place = Place { folder: tempfile::tempdir().expect("a temporary folder"), made: 0.into() };
    let mut import = told_as_json(place.folder.path(), "import");
    let _ = Finished::run(import.arg(golden_pairs()).arg("--project").arg(place.project())).well();
    let adapter = place.adapter("1e-2");
    let prompts = vec!["Say one", "Say two"];
    let asked = Asked { model: golden("llama"), adapter, side: "base".into(), prompts, other: None };
    let (_, answers) = place.asked(&asked);
    let source = place.project().join("evals/e1");
    let path = source.join("answers.jsonl");
    let whole = std::fs::read_to_string(&path).expect("answers");
    let said = answers[0]["text"].to_string();
    std::fs::write(&path, whole.replacen(&said, "\"changed\"", 1)).expect("a file");
    let (reused, again) = place.asked(&asked);
    assert_eq!((reused.len(), &again), (0, &answers), "a changed answer was taken");

    // From the newer one, which was made anew.
    let (reused, _) = place.asked(&asked);
    assert!(reused[0].contains("evaluation e2"), "{reused:?}");
    for name in ["e1", "e2", "e3"] {
        let mut delete = told_as_json(place.folder.path(), "items");
        delete.args(["delete", &format!("evaluation:{name}"), "--project"]).arg(place.project());
        let _ = Finished::run(&mut delete).well();
    }
    let (reused, again) = place.asked(&asked);
    assert_eq!((reused.len(), again), (0, answers), "what is in the bin was taken");
}
