//! A model's chat template in the template language of Go, as an Ollama Modelfile has it.
//!
//! Nothing is translated: what the Jinja template writes around the messages is found by rendering conversations with
//! marked contents, a Go template is put together of these pieces, and it counts only if it renders a set of conversations
//! to the same text (`go_template` renders the few words of the language that are used here). So every format of the usual
//! build comes out right (`ChatML`, Llama 3, Gemma, Mistral, Phi-3, Zephyr, …), and others are refused with a reason.

mod go_template;

use prefs::Message;

use crate::Tokenizer;

/// A Go template that does what the chat template does to alternating conversations, with or without a system message
/// where that is allowed, and the beginning of an answer after them; or why there is none, as a sentence without full stop.
///
/// The beginning-of-sequence token is left out where the tokenizer adds it on its own, as Ollama has it added too.
///
/// # Errors
/// The reason, when the model has no template or one that cannot be said in Go's words.
pub fn ollama_template(tokenizer: &Tokenizer) -> Result<String, String> {
    if !tokenizer.has_template() {
        return Err("the model has no chat template".into());
    }
    if tokenizer.reads_clock() {
        return Err("the chat template writes the date, which a Modelfile cannot".into());
    }
    let bos =
        if tokenizer.adds_bos() { tokenizer.special_tokens.get("bos_token").map_or("", String::as_str) } else { "" };
    let render = |messages: &[Message], generate: bool| -> Result<String, String> {
        let text = tokenizer.render(messages, generate).map_err(|error| error.to_string())?;
        Ok(text.strip_prefix(bos).map(str::to_string).unwrap_or(text))
    };
    let pieces = Pieces::find(&render).ok_or("the chat template is of no build that Go's words are known for")?;
    let template = pieces.template();
    if pieces.all().iter().any(|piece| piece.contains("{{") || piece.contains("}}") || piece.contains("\"\"\"")) {
        return Err("the chat template writes signs that a Modelfile cannot hold".into());
    }
    for (messages, has_system) in conversations() {
        if has_system && pieces.system.is_none() {
            continue;
        }
        let expected = render(&messages, true).map_err(|error| format!("the chat template fails: {error}"))?;
        let found = go_template::render(&template, &messages)?;
        if found != expected {
            return Err("the chat template does more than Go's words for it could repeat".into());
        }
    }
    Ok(template)
}

/// Conversations to compare by: those that Ollama sends. Contents have no white space around them, which many templates
/// remove and Ollama keeps.
fn conversations() -> Vec<(Vec<Message>, bool)> {
    let turns =
        ["Hello", "Hi! How can I help?", "What is 2+2?", "4.\n\nAnything else?", "naïve 🦀 <b>\"no\"</b>", "Yes", "ok"];
    let mut all = Vec::new();
    for system in [None, Some("Be brief."), Some("Two\n\nlines")] {
        for count in [1, 3, 5, 7] {
            let mut messages: Vec<Message> = system.iter().map(|&text| Message::new("system", text)).collect();
            let roles = ["user", "assistant"].into_iter().cycle();
            messages.extend(turns[..count].iter().zip(roles).map(|(text, role)| Message::new(role, *text)));
            all.push((messages, system.is_some()));
        }
    }
    all
}

/// What a chat template writes around contents, in conversations in which user and assistant take turns.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Pieces {
    /// Before the first user's content, where there is no system message.
    first: String,
    /// Before the system message, and between it and the first user's content; nothing where there can be none.
    system: Option<(String, String)>,
    user_to_assistant: String,
    assistant_to_user: String,
    /// From the last user's content to the beginning of an answer.
    answer: String,
}

impl Pieces {
    fn find(render: &dyn Fn(&[Message], bool) -> Result<String, String>) -> Option<Self> {
        const USER: &str = "Quokka";
        const ASSISTANT: &str = "Wombat";
        const SECOND: &str = "Numbat";
        const SYSTEM: &str = "Bilby";
        let user = Message::new("user", USER);
        let conversation = [user.clone(), Message::new("assistant", ASSISTANT), Message::new("user", SECOND)];
        let all = render(&conversation, true).ok()?;
        let (first, rest) = all.split_once(USER)?;
        let (user_to_assistant, rest) = rest.split_once(ASSISTANT)?;
        let (assistant_to_user, answer) = rest.split_once(SECOND)?;
        let system = render(&[Message::new("system", SYSTEM), user], true).ok().and_then(|text| {
            let (before, rest) = text.split_once(SYSTEM)?;
            let (between, _) = rest.split_once(USER)?;
            Some((before.to_string(), between.to_string()))
        });
        let [first, user_to_assistant, assistant_to_user, answer] =
            [first, user_to_assistant, assistant_to_user, answer].map(str::to_string);
        Some(Self { first, system, user_to_assistant, assistant_to_user, answer })
    }

    fn all(&self) -> Vec<&str> {
        let mut all: Vec<&str> = vec![&self.first, &self.user_to_assistant, &self.assistant_to_user, &self.answer];
        all.extend(self.system.iter().flat_map(|(before, after)| [before.as_str(), after]));
        all
    }

    fn template(&self) -> String {
        let Self { first, system, user_to_assistant, assistant_to_user, answer } = self;
        let head = match system {
            Some((before, after)) => {
                format!("{{{{ if .System }}}}{before}{{{{ .System }}}}{after}{{{{ else }}}}{first}{{{{ end }}}}")
            }
            None => first.clone(),
        };
        format!(
            "{head}{{{{ range $i, $_ := .Messages }}}}{{{{ if eq .Role \"user\" }}}}{{{{ .Content }}}}\
             {{{{ if eq (len (slice $.Messages $i)) 1 }}}}{answer}{{{{ else }}}}{user_to_assistant}{{{{ end }}}}\
             {{{{ else if eq .Role \"assistant\" }}}}{{{{ .Content }}}}\
             {{{{ if gt (len (slice $.Messages $i)) 1 }}}}{assistant_to_user}{{{{ end }}}}{{{{ end }}}}{{{{ end }}}}"
        )
    }
}

#[cfg(test)]
mod tests;
