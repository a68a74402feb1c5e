use gguf::Value;
use prefs::{Content, Message, Pair};
use serde_json::json;

use super::{CHATML, byte_level, with, with_template, without};
use crate::{Boundary, Error, Tokenizer, encode_pair, encode_prompt};

fn said(role: &str, content: &str) -> Content {
    vec![Message::new(role, content)].into()
}

fn pair(prompt: Content, chosen: Content, rejected: Content) -> Pair {
    Pair { prompt, chosen, rejected, category: None }
}

fn spoken() -> Pair {
    pair(said("user", "Why?"), said("assistant", "So."), said("assistant", ""))
}

#[test]
fn a_conversation_is_split_after_the_generation_prompt() {
    let tokenizer = with_template(CHATML);
    let encoded = encode_pair(&tokenizer, &spoken()).unwrap();
    let decode = |ids: &[u32]| tokenizer.decode(ids, false).unwrap();
    assert_eq!(decode(&encoded.prompt), "<|im_start|>user\nWhy?<|im_end|>\n<|im_start|>assistant\n");
    assert_eq!(decode(&encoded.chosen), "So.<|im_end|>\n");
    assert_eq!(decode(&encoded.rejected), "<|im_end|>\n");
    assert_eq!(encoded.boundary, Boundary::Clean);
    assert_eq!(encode_prompt(&tokenizer, &spoken().prompt).unwrap(), encoded.prompt);
}

#[test]
fn a_template_that_breaks_the_boundary_is_reported_with_the_text_lost() {
    let thinking = CHATML.replace("'<|im_start|>assistant\n' }}", "'<|im_start|>assistant\n<think>\n\n' }}");
    let tokenizer = with_template(&thinking);
    let encoded = encode_pair(&tokenizer, &spoken()).unwrap();
    assert_eq!(encoded.boundary, Boundary::Broken { dropped_text: "<think>\n\n".to_owned() });
    assert_eq!(tokenizer.decode(&encoded.chosen, false).unwrap(), "So.<|im_end|>\n");
}

#[test]
fn a_template_without_a_generation_prompt_leaves_the_header_to_the_answer() {
    let silent = CHATML.split("{%- if add").next().unwrap();
    let tokenizer = with_template(silent);
    let encoded = encode_pair(&tokenizer, &spoken()).unwrap();
    assert_eq!(encoded.boundary, Boundary::Clean);
    assert_eq!(tokenizer.decode(&encoded.chosen, false).unwrap(), "<|im_start|>assistant\nSo.<|im_end|>\n");
}

#[test]
fn text_answers_end_with_the_end_of_sequence_token_once() {
    let tokenizer = with_template(CHATML);
    let text = pair("Q:".into(), " yes".into(), " no<|im_end|>".into());
    let encoded = encode_pair(&tokenizer, &text).unwrap();
    assert_eq!(tokenizer.decode(&encoded.chosen, false).unwrap(), " yes<|im_end|>");
    assert_eq!(tokenizer.decode(&encoded.rejected, false).unwrap(), " no<|im_end|>");

    let merging = Tokenizer::from_gguf(&byte_level("gpt-2", &["a b"])).unwrap();
    let encoded = encode_pair(&merging, &pair("xa".into(), "b".into(), "a".into())).unwrap();
    assert_eq!(encoded.boundary, Boundary::Broken { dropped_text: "a".to_owned() });
    assert_eq!(merging.decode(&encoded.rejected, false).unwrap(), "aa<|im_end|>");

    let nameless = Tokenizer::from_gguf(&without(byte_level("gpt-2", &[]), "tokenizer.ggml.eos_token_id")).unwrap();
    assert!(matches!(encode_pair(&nameless, &text), Err(Error::NoEos)));
}

#[test]
fn special_tokens_in_what_a_user_says_are_special() {
    let tokenizer = with_template(CHATML);
    let prompt = said("user", "<|im_end|>");
    let ids = encode_prompt(&tokenizer, &prompt).unwrap();
    assert_eq!(ids.iter().filter(|&&id| id == 2).count(), 2);
}

#[test]
fn what_cannot_be_encoded_says_why() {
    let tokenizer = with_template(CHATML);
    let mixed = pair(said("user", "Why?"), "So.".into(), "No.".into());
    assert!(matches!(encode_pair(&tokenizer, &mixed), Err(Error::MixedPair)));
    assert!(matches!(encode_prompt(&tokenizer, &Content::from(Vec::new())), Err(Error::NoMessages)));
    let plain = Tokenizer::from_gguf(&without(byte_level("gpt-2", &[]), "tokenizer.chat_template")).unwrap();
    assert!(matches!(encode_pair(&plain, &spoken()), Err(Error::NoTemplate)));

    let strict = with_template(
        "{% if messages[0].role != 'system' %}{{ raise_exception('a system message must come first') }}{% endif %}",
    );
    match encode_pair(&strict, &spoken()) {
        Err(Error::Refused(message)) => assert_eq!(message, "a system message must come first"),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_model_whose_template_cannot_be_used_still_reads_text() {
    let broken = with(byte_level("gpt-2", &[]), "tokenizer.chat_template", Value::String("{% nonsense %}".to_owned()));
    let tokenizer = Tokenizer::from_gguf(&broken).unwrap();
    assert!(tokenizer.has_template());
    assert_eq!(tokenizer.encode("a").unwrap().len(), 1);
    match encode_pair(&tokenizer, &spoken()) {
        Err(Error::Template(message)) => assert!(message.contains("nonsense"), "{message}"),
        other => panic!("{other:?}"),
    }
}

/// A template that reads calls of tools, tools and an argument, but no thoughts and no parts.
const TOOLS: &str = "{% for tool in tools or [] %}{{ tool.name }};{% endfor %}{% for m in messages %}[{{ m.role }}] \
     {{- m.content if m.content is string }}{% for call in m.tool_calls or [] %}<{{ call.name }}>{% endfor %}{% endfor %}\
     {% if add_generation_prompt %}[assistant]{{ '!' if loud }}{% endif %}";

fn conversation(value: serde_json::Value) -> Content {
    serde_json::from_value(value).unwrap()
}

#[test]
fn calls_tools_and_arguments_reach_the_template_and_what_it_does_not_read_is_named() {
    let tokenizer = with_template(TOOLS);
    let asked = json!({ "messages": [{ "role": "user", "content": "Rain?" }], "tools": [{ "name": "weather" }],
                        "chat_template_kwargs": { "loud": true, "colour": "red" } });
    let answer = |call: &str| json!([{ "role": "assistant", "content": null, "tool_calls": [{ "name": call }], "reasoning_content": "Hm." }]);
    let pair = pair(conversation(asked.clone()), conversation(answer("here")), conversation(answer("there")));
    let encoded = encode_pair(&tokenizer, &pair).unwrap();
    let decode = |ids: &[u32]| tokenizer.decode(ids, false).unwrap();
    assert_eq!(decode(&encoded.prompt), "weather;[user]Rain?[assistant]");
    assert_eq!((decode(&encoded.chosen), decode(&encoded.rejected)), ("<here>".into(), "<there>".into()));
    assert_eq!(encoded.boundary, Boundary::Broken { dropped_text: "!".to_owned() });
    let unread: Vec<String> = crate::pair::unread(&tokenizer, &pair).into_iter().collect();
    assert_eq!(unread, ["chat_template_kwargs.colour", "reasoning_content"]);
    let plain = crate::pair::unread(&tokenizer, &spoken());
    assert!(plain.is_empty());
}

#[test]
fn parts_of_text_are_read_by_any_template_and_other_parts_are_refused_by_name() {
    let say = |content: serde_json::Value| conversation(json!([{ "role": "user", "content": content }]));
    let parts = say(json!([{ "type": "text", "text": "one " }, { "type": "text", "text": "two" }]));
    let reads = CHATML.replace(
        "message['content']",
        "(message['content'] if message['content'] is string else (message['content'] | map(attribute='text') | join('+')))",
    );
    for (template, text) in [(CHATML, "one two"), (reads.as_str(), "one +two")] {
        let tokenizer = with_template(template);
        let ids = encode_prompt(&tokenizer, &parts).unwrap();
        let rendered = tokenizer.decode(&ids, false).unwrap();
        assert!(rendered.contains(&format!("user\n{text}<")), "{rendered}");
        let picture = say(json!([{ "type": "image_url", "image_url": "x" }]));
        let refused = encode_prompt(&tokenizer, &picture).unwrap_err();
        assert!(matches!(&refused, Error::Part(kind) if kind == "image_url"), "{refused}");
    }
}
