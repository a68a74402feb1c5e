use std::path::Path;

use prefs::Message;
use serde_json::{Value, json};

use super::{CHATML, byte_level};
use crate::{Error, Tokenizer};

/// A folder with a `tokenizer.json` that puts nothing around text, and these other files.
fn folder(files: &[(&str, Value)]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let tokenizer = Tokenizer::from_gguf(&byte_level("smollm", &["a b"])).unwrap();
    std::fs::write(folder.path().join("tokenizer.json"), tokenizer.inner.to_string(false).unwrap()).unwrap();
    for (name, content) in files {
        let text = content.as_str().map_or_else(|| content.to_string(), str::to_owned);
        std::fs::write(folder.path().join(name), text).unwrap();
    }
    folder
}

fn open(files: &[(&str, Value)]) -> Tokenizer {
    Tokenizer::open(folder(files).path()).unwrap()
}

fn refusal(files: &[(&str, Value)]) -> String {
    match Tokenizer::open(folder(files).path()) {
        Ok(_) => panic!("the folder was accepted"),
        Err(error) => error.to_string(),
    }
}

fn rendered(tokenizer: &Tokenizer) -> Result<String, Error> {
    tokenizer.render(&[Message::new("user", "Hi")], false)
}

#[test]
fn a_folder_reads_like_the_file_it_came_from() {
    let tokenizer = open(&[
        (
            "tokenizer_config.json",
            json!({ "eos_token": { "content": "<|im_end|>" }, "pad_token": null, "added_tokens_decoder": {} }),
        ),
        ("special_tokens_map.json", json!({ "bos_token": "<|im_start|>", "pad_token": "<|endoftext|>" })),
        ("chat_template.jinja", json!("{{ bos_token }}{{ pad_token }}{{ messages[0].content }}{{ eos_token }}\n")),
        ("generation_config.json", json!({ "eos_token_id": [0, 2] })),
        ("config.json", json!({ "eos_token_id": 1 })),
    ]);
    assert_eq!(tokenizer.encode("ab1<think>").unwrap(), [260, u32::from(b'1') + 4, 3]);
    assert_eq!(rendered(&tokenizer).unwrap(), "<|im_start|>Hi<|im_end|>");
    assert_eq!(tokenizer.stop_ids(), [0, 1, 2]);
    assert_eq!(tokenizer.eos_token(), Some("<|im_end|>"));
    let bare = open(&[]);
    assert_eq!((bare.eos_token(), bare.has_template(), bare.stop_ids().len()), (None, false, 0));
}

#[test]
fn the_template_may_stand_in_the_configuration() {
    let one = open(&[("tokenizer_config.json", json!({ "chat_template": CHATML }))]);
    assert_eq!(rendered(&one).unwrap(), "<|im_start|>user\nHi<|im_end|>\n");
    assert_eq!(one.stop_ids(), [2]);
    let list = json!({ "chat_template": [
        { "name": "tool_use", "template": "tools" }, { "name": "default", "template": "plain" }
    ] });
    assert_eq!(rendered(&open(&[("tokenizer_config.json", list.clone())])).unwrap(), "plain");
    let both = open(&[("tokenizer_config.json", list), ("chat_template.jinja", json!("own file"))]);
    assert_eq!(rendered(&both).unwrap(), "own file");
    let nameless = json!({ "chat_template": [{ "name": "rag", "template": "" }] });
    match rendered(&open(&[("tokenizer_config.json", nameless)])) {
        Err(Error::Template(message)) => assert!(message.contains("rag"), "{message}"),
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_configuration_decides_what_is_put_around_text() {
    let config = json!({ "bos_token": "<|im_start|>", "add_bos_token": true, "eos_token": "<|im_end|>" });
    assert_eq!(open(&[("tokenizer_config.json", config)]).encode("").unwrap(), [1]);
    let config = json!({ "bos_token": "<|im_start|>", "add_eos_token": true, "eos_token": "<|im_end|>" });
    assert_eq!(open(&[("tokenizer_config.json", config)]).encode("").unwrap(), [2]);
}

#[test]
fn tokens_that_only_the_configuration_knows_are_added() {
    let added =
        |id: &str, content: &str| json!({ "added_tokens_decoder": { id: { "content": content, "special": true } } });
    let tokenizer = open(&[("tokenizer_config.json", added("261", "<new>"))]);
    assert_eq!(tokenizer.encode("<new>").unwrap(), [261]);
    assert!(refusal(&[("tokenizer_config.json", added("400", "<new>"))]).contains("\"<new>\" should have the id 400"));
    assert!(refusal(&[("tokenizer_config.json", added("no number", "<new>"))]).contains("no number"));
}

/// What `AutoTokenizer` of transformers 5.24 makes of the same files: ids of `<x>` and `<y>`, and which are special.
#[allow(clippy::type_complexity)]
#[test]
fn tokens_of_older_files_are_known_as_in_transformers() {
    let config = |value: Value| ("tokenizer_config.json", value);
    let map = |value: Value| ("special_tokens_map.json", value);
    let added = || ("added_tokens.json", json!({ "<y>": 262, "<x>": 261 }));
    let as_object = json!({ "__type": "AddedToken", "content": "<y>", "lstrip": true });
    let cases: [(&str, Vec<(&str, Value)>, [Option<(u32, bool)>; 2]); 12] = [
        ("with ids", vec![added()], [Some((261, false)), Some((262, false))]),
        (
            "with ids, one named",
            vec![added(), config(json!({ "pad_token": "<y>" }))],
            [Some((261, false)), Some((262, true))],
        ),
        (
            "with ids, listed",
            vec![added(), config(json!({ "additional_special_tokens": ["<x>", "<y>"] }))],
            [Some((261, true)), Some((262, true))],
        ),
        (
            "with ids, listed in the other file",
            vec![added(), map(json!({ "additional_special_tokens": ["<x>"] }))],
            [Some((261, false)), Some((262, false))],
        ),
        (
            "listed",
            vec![config(json!({ "additional_special_tokens": ["<y>", "<x>"] }))],
            [Some((262, true)), Some((261, true))],
        ),
        (
            "listed under the newer name",
            vec![config(json!({ "extra_special_tokens": ["<x>", as_object] }))],
            [Some((261, true)), Some((262, false))],
        ),
        (
            "both names",
            vec![config(json!({ "additional_special_tokens": ["<x>"], "extra_special_tokens": ["<y>"] }))],
            [None, Some((261, true))],
        ),
        (
            "listed in the other file alone",
            vec![map(json!({ "additional_special_tokens": ["<x>"], "pad_token": "<y>" }))],
            [Some((262, true)), Some((261, true))],
        ),
        (
            "a complete configuration",
            vec![added(), config(json!({ "added_tokens_decoder": { "261": { "content": "<y>", "special": true } } }))],
            [None, Some((261, true))],
        ),
        (
            "of the model's own names",
            vec![config(json!({ "extra_special_tokens": { "image_token": "<x>" }, "video_token": "<y>" }))],
            [Some((262, true)), Some((261, true))],
        ),
        ("a name that only this file gives", vec![config(json!({ "pad_token": "<x>" }))], [Some((261, true)), None]),
        ("none", vec![], [None, None]),
    ];
    for (name, files, expected) in cases {
        let tokenizer = open(&files);
        for (text, expected) in ["<x>", "<y>"].into_iter().zip(expected) {
            let ids = tokenizer.encode(text).unwrap();
            let special = |id| tokenizer.inner.get_added_tokens_decoder()[&id].special;
            let found = (ids.len() == 1).then(|| (ids[0], special(ids[0])));
            assert_eq!(found, expected, "{name}: {text}");
        }
        let left_out = matches!(name, "both names" | "a complete configuration");
        assert_eq!(tokenizer.notes().len(), usize::from(left_out), "{name}: {:?}", tokenizer.notes());
    }
    let said = refusal(&[("added_tokens.json", json!({ "<x>": 300 }))]);
    assert!(said.contains("\"<x>\" should have the id 300, as added_tokens.json says"), "{said}");
    assert!(refusal(&[("added_tokens.json", json!({ "<x>": "a" }))]).contains("damaged entry"));
}

#[test]
fn a_token_without_a_row_is_refused_by_its_text() {
    let added = json!({ "additional_special_tokens": ["<x>", "<y>"] });
    let tokenizer = open(&[("tokenizer_config.json", added), ("config.json", json!({ "vocab_size": 262 }))]);
    assert_eq!(tokenizer.encode("<x>").unwrap(), [261]);
    match tokenizer.encode("a <y>") {
        Err(Error::BeyondEmbedding { token, id: 262, rows: 262, .. }) => assert_eq!(token, "<y>"),
        other => panic!("{other:?}"),
    }
    let said = tokenizer.encode_rendered("<y>").unwrap_err().to_string();
    assert!(said.contains("\"<y>\" has the id 262") && said.contains("262 rows, for the ids 0 to 261"), "{said}");
    assert!(tokenizer.notes()[0].contains("1 of them, \"<y>\" (262) the first"), "{:?}", tokenizer.notes());
}

#[test]
fn damaged_folders_are_refused() {
    let empty = tempfile::tempdir().unwrap();
    let said = Tokenizer::open(empty.path()).err().unwrap().to_string();
    assert!(said.contains("no tokenizer.json"), "{said}");
    for name in ["b-00001-of-00002.gguf", "a.txt"] {
        std::fs::write(empty.path().join(name), "GGUF").unwrap();
    }
    let said = Tokenizer::open(empty.path()).err().unwrap().to_string();
    assert!(said.contains("but b-00001-of-00002.gguf") && said.contains("Name the GGUF file itself"), "{said}");
    assert!(refusal(&[("tokenizer.json", json!("{"))]).contains("tokenizer.json"));
    assert!(refusal(&[("tokenizer_config.json", json!("{"))]).contains("not valid JSON"));
    assert!(refusal(&[("config.json", json!([]))]).contains("should be a JSON object"));
    assert!(refusal(&[("tokenizer_config.json", json!({ "chat_template": 1 }))]).contains("chat_template"));
    let said = Tokenizer::open(Path::new("no such model.gguf")).err().unwrap().to_string();
    assert!(said.contains("no such model.gguf"), "{said}");
}

/// Found by feeding damaged files: such a normaliser runs out of bounds in the library on some texts.
#[test]
fn a_normaliser_that_fails_is_an_error() {
    let good = folder(&[]);
    let text = std::fs::read_to_string(good.path().join("tokenizer.json")).unwrap();
    let mut content: Value = serde_json::from_str(&text).unwrap();
    content["normalizer"] = json!([""]);
    let tokenizer = open(&[("tokenizer.json", content)]);
    let tried = ["", " a <|im_end|>\n\nnaïve 🦀 123", "</s><unk>\u{0}"].map(|text| tokenizer.encode(text));
    let said = tried.into_iter().find_map(Result::err).unwrap().to_string();
    assert!(said.contains("normaliser"), "{said}");
}
