//! As much of Go's `text/template` as `ollama` writes: `if`, `else if`, `else`, `end`, `range` over the messages, and fields,
//! rendered as Ollama does for a conversation.

use std::borrow::Cow;

use prefs::Message;

/// A template in pieces.
enum Node {
    Text(String),
    /// `.System`, `.Role` or `.Content`.
    Field(String),
    /// Conditions with what is under them; the last may have none, the `else`.
    If(Vec<(Option<String>, Vec<Node>)>),
    Range(Vec<Node>),
}

/// Renders `template` for `messages`; the error says what of the template is not known.
pub(super) fn render(template: &str, messages: &[Message]) -> Result<String, String> {
    let mut rest = template;
    let (nodes, end) = parse(&mut rest)?;
    if end != Stop::Template {
        return Err("an end too many".into());
    }
    let systems: Vec<_> =
        messages.iter().filter(|message| message.role == "system").map(|message| message.text()).collect();
    let scope = Scope { system: systems.join("\n\n"), messages, at: None };
    let mut text = String::new();
    scope.write(&nodes, &mut text)?;
    Ok(text)
}

/// What a list of nodes ended with.
#[derive(Debug, PartialEq, Eq)]
enum Stop {
    Template,
    End,
    /// `else`, with the condition of an `else if`.
    Else(Option<String>),
}

fn parse(rest: &mut &str) -> Result<(Vec<Node>, Stop), String> {
    let mut nodes = Vec::new();
    loop {
        let Some((text, after)) = rest.split_once("{{") else {
            nodes.push(Node::Text((*rest).to_string()));
            *rest = "";
            return Ok((nodes, Stop::Template));
        };
        nodes.push(Node::Text(text.to_string()));
        let (action, after) = after.split_once("}}").ok_or("an action without an end")?;
        *rest = after;
        let action = action.trim();
        if action == "end" {
            return Ok((nodes, Stop::End));
        } else if action == "else" {
            return Ok((nodes, Stop::Else(None)));
        } else if let Some(condition) = action.strip_prefix("else if ") {
            return Ok((nodes, Stop::Else(Some(condition.to_string()))));
        } else if let Some(condition) = action.strip_prefix("if ") {
            let mut arms = Vec::new();
            let mut condition = Some(condition.to_string());
            loop {
                let (body, end) = parse(rest)?;
                arms.push((condition, body));
                match end {
                    Stop::Else(next) => condition = next,
                    Stop::End => break,
                    Stop::Template => return Err("an if without an end".into()),
                }
            }
            nodes.push(Node::If(arms));
        } else if action == "range $i, $_ := .Messages" {
            let (body, end) = parse(rest)?;
            if end != Stop::End {
                return Err("a range without an end".into());
            }
            nodes.push(Node::Range(body));
        } else if [".System", ".Role", ".Content"].contains(&action) {
            nodes.push(Node::Field(action.to_string()));
        } else {
            return Err(format!("the action {action:?} is not known"));
        }
    }
}

struct Scope<'a> {
    system: String,
    messages: &'a [Message],
    /// The message of the round, in a `range`.
    at: Option<usize>,
}

impl Scope<'_> {
    fn write(&self, nodes: &[Node], text: &mut String) -> Result<(), String> {
        for node in nodes {
            match node {
                Node::Text(piece) => text.push_str(piece),
                Node::Field(name) => text.push_str(&self.field(name)?),
                Node::If(arms) => {
                    for (condition, body) in arms {
                        if condition.as_deref().map_or(Ok(true), |condition| self.holds(condition))? {
                            self.write(body, text)?;
                            break;
                        }
                    }
                }
                Node::Range(body) => {
                    for at in 0..self.messages.len() {
                        let round = Scope { system: self.system.clone(), messages: self.messages, at: Some(at) };
                        round.write(body, text)?;
                    }
                }
            }
        }
        Ok(())
    }

    fn field(&self, name: &str) -> Result<Cow<'_, str>, String> {
        match (name, self.at.map(|at| &self.messages[at])) {
            (".System", None) => Ok(self.system.as_str().into()),
            (".Role", Some(message)) => Ok(message.role.as_str().into()),
            (".Content", Some(message)) => Ok(message.text()),
            _ => Err(format!("the field {name} is not there")),
        }
    }

    fn holds(&self, condition: &str) -> Result<bool, String> {
        let at = self.at.ok_or("a condition outside of a range");
        let left = |at: usize| self.messages.len() - at;
        match condition {
            ".System" => Ok(!self.field(".System")?.is_empty()),
            "eq .Role \"user\"" => Ok(self.field(".Role")? == "user"),
            "eq .Role \"assistant\"" => Ok(self.field(".Role")? == "assistant"),
            "eq (len (slice $.Messages $i)) 1" => Ok(left(at?) == 1),
            "gt (len (slice $.Messages $i)) 1" => Ok(left(at?) > 1),
            other => Err(format!("the condition {other:?} is not known")),
        }
    }
}
