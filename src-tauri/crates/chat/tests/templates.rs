//! Chat templates of well-known models, rendered here and by transformers.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use chat::Tokenizer;
use prefs::Message;
use serde_json::json;

/// Templates that loop over the tools even where there are none: transformers fails at them, minijinja loops over
/// nothing.
const NEED_TOOLS: [&str; 3] = [
    "CohereForAI-c4ai-command-r-plus-tool_use.jinja",
    "NousResearch-Hermes-2-Pro-Llama-3-8B-tool_use.jinja",
    "NousResearch-Hermes-3-Llama-3.1-8B-tool_use.jinja",
];

fn conversations() -> Vec<Vec<Message>> {
    let all: &[&[(&str, &str)]] = &[
        &[("user", "Hello")],
        &[("user", "Hello"), ("assistant", "Hi there. ")],
        &[("system", "Be brief.\n"), ("user", " naïve \"café\" 🦀\n"), ("assistant", "\n\nYes\u{1f}")],
        &[("system", ""), ("user", ""), ("assistant", "")],
        &[
            ("user", "one <|im_end|> {{ 7 * 7 }}"),
            ("assistant", "<think>\nhm\n</think>\n\ntwo"),
            ("user", "three"),
            ("assistant", "<think>again</think>four"),
        ],
        &[("system", "S"), ("user", "1"), ("assistant", "2"), ("user", "3"), ("assistant", "4"), ("user", "5")],
        &[("user", "1"), ("user", "2")],
        &[("assistant", "first")],
    ];
    all.iter().map(|messages| messages.iter().map(|(role, content)| Message::new(*role, *content)).collect()).collect()
}

#[test]
fn templates_render_as_in_transformers() {
    let folder = std::env::var_os("TIEBREAK_SHARED").map(|shared| PathBuf::from(shared).join("data/chat-templates"));
    let (Some(folder), Some(python)) = (folder, std::env::var_os("TIEBREAK_PYTHON")) else {
        eprintln!(
            "left out: templates_render_as_in_transformers: it needs TIEBREAK_SHARED (a folder with \
             data/chat-templates) and TIEBREAK_PYTHON (a Python with transformers)"
        );
        return;
    };
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let cases: Vec<_> = conversations().into_iter().flat_map(|case| [(case.clone(), false), (case, true)]).collect();
    let special_tokens = json!({ "bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>" });
    let mut child = Command::new(python)
        .args([here.join("tests/render_templates.py"), folder.clone()])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let asked = json!({ "special_tokens": special_tokens, "conversations": cases });
    child.stdin.take().unwrap().write_all(asked.to_string().as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success());
    let expected: BTreeMap<String, Vec<Option<String>>> = serde_json::from_slice(&output.stdout).unwrap();
    assert!(expected.len() >= 50, "{} templates", expected.len());

    let mut wrong = Vec::new();
    let mut equal = 0;
    for (name, expected) in &expected {
        let model = tempfile::tempdir().unwrap();
        std::fs::copy(here.join("../../../tests/golden/llama/tokenizer.json"), model.path().join("tokenizer.json"))
            .unwrap();
        std::fs::copy(folder.join(name), model.path().join("chat_template.jinja")).unwrap();
        std::fs::write(model.path().join("tokenizer_config.json"), special_tokens.to_string()).unwrap();
        let tokenizer = Tokenizer::open(model.path()).unwrap();
        for ((messages, generate), expected) in cases.iter().zip(expected) {
            match (tokenizer.render(messages, *generate), expected) {
                (Ok(ours), Some(theirs)) if ours == *theirs => equal += 1,
                (Err(_), None) => equal += 1,
                (Ok(_), None) if NEED_TOOLS.contains(&name.as_str()) => {}
                (ours, theirs) => {
                    wrong.push(format!("{name}, {messages:?}, {generate}:\n ours: {ours:?}\n theirs: {theirs:?}"));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{} differ, {equal} are equal:\n{}", wrong.len(), wrong.join("\n"));
}
