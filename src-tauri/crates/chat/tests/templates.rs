//! Chat templates rendered here and by transformers: those of well-known models, where they and transformers are at hand,
//! and a few of our own, whose renderings are kept (`templates/rendered.json`; `TIEBREAK_WRITE_RENDERED=1` makes them anew).
#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use chat::Tokenizer;
use prefs::{Conversation, Message};
use serde_json::{Value, json};

/// Templates that loop over the tools even where there are none: transformers fails at them, minijinja loops over
/// nothing.
const NEED_TOOLS: [&str; 3] = [
    "CohereForAI-c4ai-command-r-plus-tool_use.jinja",
    "NousResearch-Hermes-2-Pro-Llama-3-8B-tool_use.jinja",
    "NousResearch-Hermes-3-Llama-3.1-8B-tool_use.jinja",
];

/// Conversations with what data sets have beside roles and texts.
fn with_more() -> Vec<Conversation> {
    let call = |name: &str, arguments: Value| json!({ "type": "function", "function": { "name": name, "arguments": arguments } });
    let weather = json!({ "type": "function", "function": {
        "name": "weather", "description": "Weather of a place <now>",
        "parameters": { "type": "object", "properties": { "place": { "type": "string" }, "days": { "type": "integer" } },
                        "required": ["place"] } } });
    let asked = json!({ "role": "user", "content": "Rain in Bergen?" });
    let all = [
        // A call as an answer: with text, with an empty one, with null, and without any.
        json!({ "messages": [asked, { "role": "assistant", "content": "I look.", "tool_calls": [call("weather", json!({ "place": "Bergen", "days": 2 }))] }],
                "tools": [weather] }),
        json!({ "messages": [asked, { "role": "assistant", "content": "", "tool_calls": [call("weather", json!({ "place": "Bergen" }))] }],
                "tools": [weather] }),
        json!({ "messages": [asked, { "role": "assistant", "content": null, "tool_calls": [call("weather", json!({ "place": "Bergen" }))] }],
                "tools": [weather] }),
        json!([asked, { "role": "assistant", "tool_calls": [call("weather", json!({ "place": "Bergen" }))] }]),
        // A call in the past, and what it gave.
        json!({ "messages": [asked, { "role": "assistant", "content": "", "tool_calls": [call("weather", json!({ "place": "Bergen" }))] },
                             { "role": "tool", "name": "weather", "content": "rain" }],
                "tools": [weather] }),
        json!({ "messages": [asked], "tools": [weather] }),
        // Thoughts, as two families name them.
        json!([asked, { "role": "assistant", "content": "Yes.", "reasoning_content": "It is Bergen." }]),
        json!([asked, { "role": "assistant", "content": "Yes.", "thinking": "It is Bergen." }, { "role": "user", "content": "Sure?" }]),
        json!({ "messages": [asked], "chat_template_kwargs": { "enable_thinking": false } }),
        json!({ "messages": [asked, { "role": "assistant", "content": "Yes." }],
                "chat_template_kwargs": { "enable_thinking": true, "bos_token": "<start>" } }),
    ];
    all.into_iter().map(|case| serde_json::from_value(case).unwrap()).collect()
}

fn conversations() -> Vec<Conversation> {
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
    let message = |(role, content): &(&str, &str)| Message::new(*role, *content);
    let plain = all.iter().map(|messages| messages.iter().map(message).collect::<Vec<_>>().into());
    plain.chain(with_more()).collect()
}

const SPECIAL_TOKENS: [(&str, &str); 3] = [("bos_token", "<s>"), ("eos_token", "</s>"), ("unk_token", "<unk>")];

/// What transformers makes of each conversation, by template; nothing where it fails.
type Rendered = BTreeMap<String, Vec<Option<String>>>;

fn cases() -> Vec<(Conversation, bool)> {
    conversations().into_iter().flat_map(|case| [(case.clone(), false), (case, true)]).collect()
}

fn rendered_by_transformers(python: &OsStr, folder: &Path) -> Rendered {
    let mut child = Command::new(python)
        .args([&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/render_templates.py"), folder])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let special_tokens: BTreeMap<_, _> = SPECIAL_TOKENS.into();
    let asked = json!({ "special_tokens": special_tokens, "conversations": cases() });
    child.stdin.take().unwrap().write_all(asked.to_string().as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success());
    serde_json::from_slice(&output.stdout).unwrap()
}

fn assert_rendered(folder: &Path, expected: &Rendered) {
    let mut wrong = Vec::new();
    let mut equal = 0;
    for (name, expected) in expected {
        let model = tempfile::tempdir().unwrap();
        let tokenizer = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../tests/golden/llama/tokenizer.json");
        std::fs::copy(tokenizer, model.path().join("tokenizer.json")).unwrap();
        std::fs::copy(folder.join(name), model.path().join("chat_template.jinja")).unwrap();
        let special_tokens: BTreeMap<_, _> = SPECIAL_TOKENS.into();
        std::fs::write(model.path().join("tokenizer_config.json"), json!(special_tokens).to_string()).unwrap();
        let tokenizer = Tokenizer::open(model.path()).unwrap();
        let cases = cases();
        assert_eq!(cases.len(), expected.len());
        for ((messages, generate), expected) in cases.iter().zip(expected) {
            match (tokenizer.render_conversation(messages, *generate), expected) {
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

#[test]
fn templates_of_well_known_models_render_as_in_transformers() {
    let folder = std::env::var_os("TIEBREAK_SHARED").map(|shared| PathBuf::from(shared).join("data/chat-templates"));
    let (Some(folder), Some(python)) = (folder, std::env::var_os("TIEBREAK_PYTHON")) else {
        eprintln!(
            "left out: templates_of_well_known_models_render_as_in_transformers: it needs TIEBREAK_SHARED (a folder with \
             data/chat-templates) and TIEBREAK_PYTHON (a Python with transformers)"
        );
        return;
    };
    let expected = rendered_by_transformers(&python, &folder);
    assert!(expected.len() >= 60, "{} templates", expected.len());
    assert_rendered(&folder, &expected);
}

#[test]
fn our_own_templates_render_as_transformers_rendered_them() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/templates");
    let kept = folder.join("rendered.json");
    if std::env::var_os("TIEBREAK_WRITE_RENDERED").is_some() {
        let python = std::env::var_os("TIEBREAK_PYTHON").expect("TIEBREAK_PYTHON names a Python with transformers");
        let rendered = serde_json::to_string_pretty(&rendered_by_transformers(&python, &folder)).unwrap();
        std::fs::write(&kept, rendered + "\n").unwrap();
    }
    let expected: Rendered = serde_json::from_str(&std::fs::read_to_string(&kept).unwrap()).unwrap();
    let templates = std::fs::read_dir(&folder)
        .unwrap()
        .filter(|entry| entry.as_ref().unwrap().path().extension().is_some_and(|extension| extension == "jinja"));
    assert_eq!(expected.len(), templates.count());
    assert_rendered(&folder, &expected);
}
