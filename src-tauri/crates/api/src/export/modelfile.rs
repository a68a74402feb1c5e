//! An Ollama Modelfile beside a GGUF file: what it is made from, the chat template in Go's words, and where answers end.

use chat::Tokenizer;
use model::weights::gguf_files;
use std::fmt::Write;
use std::path::{Path, PathBuf};

/// The name of the file.
pub(super) const MODELFILE: &str = "Modelfile";

/// The Modelfile of a merged model in the file `gguf`, which lies beside it.
pub(super) fn of_model(gguf: &str, tokenizer: &Tokenizer) -> String {
    let from = format!("FROM ./{gguf}\n");
    from + &conversation(tokenizer)
}

/// The Modelfile of an adapter in the file `gguf`, which lies beside it, for the model at `base`.
pub(super) fn of_adapter(gguf: &str, base: &Path, tokenizer: &Tokenizer) -> String {
    let first = first_part(base);
    let split = if gguf_files(base).len() > 1 {
        "# Its parts are joined by llama.cpp's `llama-gguf-split --merge FIRST-PART.gguf WHOLE.gguf`, where Ollama wants one file.\n"
    } else {
        ""
    };
    let base = std::path::absolute(&first).unwrap_or(first);
    let from =
        format!("# The base that the adapter was trained on.\n{split}FROM {}\nADAPTER ./{gguf}\n", base.display());
    from + &conversation(tokenizer)
}

/// The file of a GGUF model that other programs are given: of one that was split, the first part.
pub(super) fn first_part(base: &Path) -> PathBuf {
    let first = if base.is_dir() { None } else { gguf_files(base).into_iter().next() };
    first.unwrap_or_else(|| base.to_path_buf())
}

/// How conversations are written, and where answers end.
fn conversation(tokenizer: &Tokenizer) -> String {
    let mut text = match chat::ollama_template(tokenizer) {
        Ok(template) => format!("TEMPLATE \"\"\"{template}\"\"\"\n"),
        Err(why) => format!(
            "# There is no TEMPLATE here: {why}. Ollama takes the chat template in the GGUF file, if it knows it.\n"
        ),
    };
    for token in tokenizer.stop_tokens() {
        // A quotation mark would end the word, and a line break the line.
        if !token.contains(['"', '\n', '\r']) {
            let _ = writeln!(text, "PARAMETER stop \"{token}\"");
        }
    }
    text
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use testkit::TinyLlama;

    #[test]
    fn a_modelfile_says_where_the_model_is_how_it_is_spoken_to_and_where_it_ends() {
        let folder = tempfile::tempdir().unwrap();
        TinyLlama::default().write_folder(&folder.path().join("base")).unwrap();
        let tokenizer = Tokenizer::open(&folder.path().join("base")).unwrap();
        let text = of_model("model-q8_0.gguf", &tokenizer);
        assert!(text.starts_with("FROM ./model-q8_0.gguf\nTEMPLATE \"\"\""), "{text}");
        assert!(text.contains("{{ range $i, $_ := .Messages }}") && text.contains("PARAMETER stop \""), "{text}");
        let text = of_adapter("adapter.gguf", &folder.path().join("base"), &tokenizer);
        let base = folder.path().join("base").display().to_string();
        assert!(text.contains(&format!("FROM {base}\nADAPTER ./adapter.gguf\n")), "{text}");
        for name in ["chat_template.jinja", "tokenizer_config.json"] {
            let _ = std::fs::remove_file(folder.path().join("base").join(name));
        }
        let bare = Tokenizer::open(&folder.path().join("base")).unwrap();
        assert!(
            of_model("model-f16.gguf", &bare).contains("# There is no TEMPLATE here: the model has no chat template.")
        );
    }
}
