#![allow(clippy::unwrap_used)]

use super::*;
use crate::tests::{byte_level, with, with_template};
use gguf::Value;

fn own(name: &str) -> String {
    std::fs::read_to_string(format!("{}/tests/templates/{name}.jinja", env!("CARGO_MANIFEST_DIR"))).unwrap()
}

fn messages(turns: &[(&str, &str)]) -> Vec<Message> {
    turns.iter().map(|(role, content)| Message::new(*role, *content)).collect()
}

#[test]
fn the_usual_formats_are_said_in_gos_words() {
    for name in ["chatml", "chatml_with_default_system", "llama3", "gemma", "mistral", "phi3", "zephyr"] {
        let tokenizer = with_template(&own(name));
        let template = ollama_template(&tokenizer).unwrap_or_else(|why| panic!("{name}: {why}"));
        let conversation = messages(&[("user", "one"), ("assistant", "two"), ("user", "three")]);
        let with_system = [messages(&[("system", "S")]), conversation.clone()].concat();
        let cases = if name == "mistral" { vec![conversation] } else { vec![conversation, with_system] };
        for case in cases {
            assert_eq!(
                go_template::render(&template, &case).unwrap(),
                tokenizer.render(&case, true).unwrap(),
                "{name}"
            );
        }
    }
}

#[test]
fn chatml_reads_as_people_write_it() {
    let template = ollama_template(&with_template(&own("chatml"))).unwrap();
    assert_eq!(
        template,
        "{{ if .System }}<|im_start|>system\n{{ .System }}<|im_end|>\n<|im_start|>user\n{{ else }}<|im_start|>user\n\
         {{ end }}{{ range $i, $_ := .Messages }}{{ if eq .Role \"user\" }}{{ .Content }}\
         {{ if eq (len (slice $.Messages $i)) 1 }}<|im_end|>\n<|im_start|>assistant\n{{ else }}<|im_end|>\n\
         <|im_start|>assistant\n{{ end }}{{ else if eq .Role \"assistant\" }}{{ .Content }}\
         {{ if gt (len (slice $.Messages $i)) 1 }}<|im_end|>\n<|im_start|>user\n{{ end }}{{ end }}{{ end }}"
    );
}

#[test]
fn a_beginning_that_is_added_anyway_is_not_written_twice() {
    let header = with(byte_level("gpt-2", &[]), "tokenizer.chat_template", Value::String(own("llama3")));
    let plain = Tokenizer::from_gguf(&header).unwrap();
    assert!(!plain.adds_bos());
    assert!(ollama_template(&plain).unwrap().contains("{{ else }}<|im_start|><|start_header_id|>"));
    let adding = with(header, "tokenizer.ggml.add_bos_token", Value::Bool(true));
    let adding = ollama_template(&Tokenizer::from_gguf(&adding).unwrap()).unwrap();
    assert!(adding.contains("{{ else }}<|start_header_id|>") && !adding.contains("<|im_start|>"), "{adding}");
}

#[test]
fn what_cannot_be_said_is_refused_with_a_reason() {
    for (template, reason) in [
        ("{{ strftime_now('%d') }}{% for m in messages %}{{ m.content }}{% endfor %}", "date"),
        ("always the same", "of no build"),
        ("{{ messages[0].nothing.at.all }}", "of no build"),
        ("{% for m in messages %}<{{ loop.index }}>{{ m.content }}</>{% endfor %}", "more than"),
        ("{% for m in messages %}{{ '{{' }}{{ m.content }};{% endfor %}", "signs"),
        ("{% for m in messages %}{{ m.content | upper }}{% endfor %}", "of no build"),
    ] {
        let why = ollama_template(&with_template(template)).unwrap_err();
        assert!(why.contains(reason), "{template}: {why}");
    }
    assert!(go_template::render("{{ .Prompt }}", &[]).unwrap_err().contains(".Prompt"));
    assert!(go_template::render("{{ if .System }}", &[]).unwrap_err().contains("without an end"));
    assert!(go_template::render("{{ end }}", &[]).unwrap_err().contains("too many"));
}
