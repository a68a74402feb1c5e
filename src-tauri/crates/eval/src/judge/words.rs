//! A verdict read from what a judging model says.
//!
//! A reading is taken only where no other is possible; everything else is no verdict. What counts:
//!
//! - between double square brackets, wherever it stands: `[[A]]`, `[[B]]`, `[[C]]` for a tie (MT-Bench), `[[A>>B]]` to
//!   `[[B>>A]]` (Arena-Hard);
//! - a JSON object with a `winner`, `verdict`, `choice`, `preferred`, `better` or `decision`;
//! - a line that is called a verdict: "Verdict: A", "The winner is answer B.";
//! - and at the end a line of its own, or a whole sentence, that says nothing else: `a`, "**B**", "It's a tie.", "A > B",
//!   "Answer A is better than answer B.".
//!
//! Two of these that differ, a negation, an "or", a question: no verdict. What a model thinks before it speaks does not count.

use serde_json::Value;

use super::{Choice, Decision};

/// What an answer may be called.
const NOUNS: [&str; 10] =
    ["answer", "response", "assistant", "option", "model", "output", "completion", "candidate", "reply", "text"];

/// What may be said before a statement without changing it.
const LEADS: [&str; 17] = [
    "overall",
    "therefore",
    "thus",
    "so",
    "hence",
    "finally",
    "in conclusion",
    "in summary",
    "to conclude",
    "in my opinion",
    "in my view",
    "i think that",
    "i think",
    "i believe that",
    "i believe",
    "all in all",
    "based on this",
];

/// What makes a line a verdict, wherever it stands.
const VERDICTS: [&str; 9] = [
    "final verdict",
    "verdict",
    "overall winner",
    "winner",
    "final decision",
    "final judgment",
    "final judgement",
    "judgment",
    "judgement",
];

/// What may stand before a verdict at the end.
const TITLES: [&str; 14] = [
    "final answer",
    "final choice",
    "final preference",
    "preferred answer",
    "preferred response",
    "better answer",
    "better response",
    "best answer",
    "answer",
    "choice",
    "decision",
    "preference",
    "result",
    "conclusion",
];

/// Ways to say that neither is better, without what the answers are called.
const TIES: [&str; 28] = [
    "tie",
    "a tie",
    "tied",
    "draw",
    "a draw",
    "equal",
    "it's a tie",
    "it is a tie",
    "this is a tie",
    "it's a draw",
    "it is a draw",
    "neither",
    "neither is better",
    "neither a nor b",
    "neither a nor b is better",
    "both",
    "both are equal",
    "both are equally good",
    "both are equally bad",
    "both are good",
    "both are bad",
    "both are good : tie",
    "both are bad : tie",
    "they are equal",
    "they are equally good",
    "a and b",
    "a and b are equal",
    "a and b are equally good",
];

/// How much better, which does not change who is.
const DEGREES: [&str; 12] = [
    "much",
    "far",
    "slightly",
    "significantly",
    "clearly",
    "marginally",
    "somewhat",
    "definitely",
    "considerably",
    "a bit",
    "a little",
    "overall",
];

/// Words beside a verdict in brackets that turn it round or leave it open.
const AGAINST: [&str; 10] = ["not", "never", "neither", "nor", "no", "cannot", "without", "or", "if", "unless"];

/// Reads a verdict.
pub(super) fn decision(reply: &str) -> Option<Decision> {
    let spoken = spoken(reply)?.trim();
    let (written, outside) = match json(spoken) {
        Some((written, outside)) => (Some(written), outside),
        None => (None, spoken.to_owned()),
    };
    let lines = lines(&outside);
    let mut strong: Vec<Option<Choice>> = written.iter().map(|written| written.choice).collect();
    strong.extend(marked(&outside));
    strong.extend((0..lines.len()).filter_map(|at| called_a_verdict(&lines, at)));
    let at_the_end = last_statement(&lines);
    let choice = if let Some(first) = strong.first() {
        // "[[A]]", and then "On reflection: B is better."
        let last_line = lines.last().and_then(|line| statement(&tokens(&line.text)));
        let mut others = at_the_end.into_iter().chain(last_line).map(Some);
        let agreed = strong.iter().all(|other| other == first) && others.all(|other| other == *first);
        (*first)?.into_if(agreed)?
    } else {
        let end = at_the_end?;
        let earlier = lines.iter().filter(|line| !line.opens).filter_map(|line| bare(&tokens(&line.text)));
        end.into_if(earlier.into_iter().all(|other| other == end))?
    };
    let said = written.and_then(|written| written.reason);
    // A bare word is no reason; what leads to a verdict is, and shows how it was read.
    let reason = said.or_else(|| (spoken.split_whitespace().nth(3).is_some()).then(|| spoken.to_owned()));
    Some(Decision { choice, reason })
}

impl Choice {
    fn into_if(self, holds: bool) -> Option<Self> {
        holds.then_some(self)
    }

    fn of(letter: &str) -> Option<Self> {
        match letter {
            "a" => Some(Self::A),
            "b" => Some(Self::B),
            _ => None,
        }
    }

    fn other(self) -> Self {
        match self {
            Self::A => Self::B,
            Self::B => Self::A,
            Self::Tie => Self::Tie,
        }
    }
}

/// What a model says after it has thought; none where it was cut off while it was thinking.
fn spoken(reply: &str) -> Option<&str> {
    let mut rest = reply;
    for (begin, end) in [("<think>", "</think>"), ("<thinking>", "</thinking>")] {
        rest = rest.rsplit_once(end).map_or(rest, |(_, after)| after);
        if rest.contains(begin) {
            return None;
        }
    }
    Some(rest)
}

/// A verdict as JSON.
struct Written {
    /// None where the object has no verdict that can be read, or two.
    choice: Option<Choice>,
    reason: Option<String>,
}

/// The one JSON object in a text that is about a verdict, and the text around it.
fn json(text: &str) -> Option<(Written, String)> {
    let (begin, end) = (text.find('{')?, text.rfind('}')? + 1);
    let object = text.get(begin..end).and_then(|part| serde_json::from_str::<Value>(part).ok())?;
    let keys = ["winner", "verdict", "choice", "preferred", "better", "decision"];
    let mut values: Vec<&Value> = keys.iter().filter_map(|key| object.get(key)).collect();
    if values.is_empty() {
        values.extend(object.get("answer"));
    }
    let mut said = values.into_iter().map(|value| {
        let value = value.as_str()?;
        if value.contains("[[") { marked(value).first().copied()? } else { statement(&tokens(value)) }
    });
    let first = said.next()?;
    let choice = if said.all(|other| other == first) { first } else { None };
    let reason = ["reason", "reasoning", "explanation"].iter().find_map(|key| object.get(key)?.as_str());
    let around = format!("{}\n\n{}", &text[..begin], &text[end..]).replace("```json", "").replace("```", "");
    Some((Written { choice, reason: reason.map(str::to_owned) }, around))
}

/// What stands between double brackets: each a verdict, or none where it says something else or the words around it take
/// it back.
fn marked(text: &str) -> Vec<Option<Choice>> {
    let mut found = Vec::new();
    let mut from = 0;
    while let Some(begin) = text[from..].find("[[").map(|at| from + at) {
        let Some(end) = text[begin..].find("]]").map(|at| begin + at) else { break };
        from = end + 2;
        let inside = tokens(&text[begin + 2..end]);
        let choice = if inside == ["c"] { Some(Choice::Tie) } else { bare_or_named(&inside) };
        let before = text[..begin].rsplit(['.', '!', '?', '\n']).next().unwrap_or_default();
        let after_end = text[from..].find(['.', '!', '?', '\n']).map_or(text.len(), |at| from + at);
        let after = &text[from..after_end];
        let asked = text[after_end..].starts_with('?');
        found.push(choice.filter(|choice| !asked && !taken_back(before, after, *choice)));
    }
    found
}

/// Whether the rest of the sentence takes a verdict in brackets back.
fn taken_back(before: &str, after: &str, choice: Choice) -> bool {
    let ends = |c: char| matches!(c, ',' | ':' | ';' | '(' | ')' | '–' | '—' | '-');
    let near_before = tokens(before.rsplit(ends).next().unwrap_or_default());
    let near_after = tokens(after.split(ends).next().unwrap_or_default());
    let mut near = near_before.iter().rev().take(3).chain(near_after.iter().take(2)).map(String::as_str);
    let clauses = before.split(':').chain(after.split(':'));
    // "Neither is better [[C]]" does not.
    let of_a_tie = |word: &str| choice == Choice::Tie && ["neither", "nor", "or", "no"].contains(&word);
    near.any(|word| (AGAINST.contains(&word) || word.ends_with("n't")) && !of_a_tie(word))
        || clauses.filter_map(|clause| statement(&tokens(clause))).any(|other| other != choice)
}

/// A line that is called a verdict: what it says, or none where that cannot be read.
#[allow(clippy::option_option)] // no such line, one that says nothing clear, and one that does
fn called_a_verdict(lines: &[Line], at: usize) -> Option<Option<Choice>> {
    let line = &lines[at];
    if line.text.contains("[[") {
        return None;
    }
    let tokens = tokens(&line.text);
    let after = after_any(without_article(without_lead(&tokens)), &VERDICTS)?;
    let said = match after {
        [is, colon, said @ ..] if is == "is" && colon == ":" => said,
        [sign, said @ ..] if [":", "is"].contains(&sign.as_str()) => said,
        _ => return None,
    };
    if !said.is_empty() {
        return Some(statement(said));
    }
    let below = lines.get(at + 1)?;
    (!below.text.contains("[[")).then(|| statement(&self::tokens(&below.text)))
}

/// What the last line says, where it says nothing else.
fn last_statement(lines: &[Line]) -> Option<Choice> {
    let (last, before) = lines.split_last()?;
    let mut text = last.text.clone();
    let mut began_apart = last.apart;
    for line in before.iter().rev() {
        // What a line leads up to belongs to it: "The worse answer is:", "## Worse answer".
        if !line.opens && !line.is_heading && (began_apart || line.ends) {
            break;
        }
        text = format!("{} {text}", line.text);
        began_apart = line.apart;
    }
    if text.contains("[[") || text.ends_with('?') {
        return None;
    }
    let whole = tokens(&text);
    if let Some(choice) = statement(&whole) {
        return Some(choice);
    }
    let sentences = text.trim_end_matches(['.', '!']);
    let (_, sentence) = sentences.rsplit_once(['.', '!', '?'])?;
    let sentence = tokens(sentence);
    // A letter at the end of a line may belong to the words before it, and "The answer is B." to the prompt.
    let said = without_lead(&sentence);
    self::sentence(said).or_else(|| titled(said, &[&VERDICTS]))
}

/// A line with something on it.
#[allow(clippy::struct_excessive_bools)] // each is a mark of its own
struct Line {
    /// Without its mark-up.
    text: String,
    /// It begins a paragraph.
    apart: bool,
    /// It is a heading or all bold.
    is_heading: bool,
    /// It leads up to what follows.
    opens: bool,
    /// It ends a sentence.
    ends: bool,
}

fn lines(text: &str) -> Vec<Line> {
    let mut lines = Vec::new();
    let mut apart = true;
    for raw in text.lines() {
        let raw = raw.trim();
        if raw.is_empty() {
            apart = true;
            continue;
        }
        let bold = raw.len() > 4 && raw.starts_with("**") && raw.ends_with("**") && raw.matches("**").count() == 2;
        let text = raw.trim_start_matches('#').replace(['*', '`', '"', '“', '”', '«', '»'], "").trim().to_owned();
        lines.push(Line {
            is_heading: raw.starts_with('#') || bold,
            opens: text.ends_with(':'),
            ends: text.ends_with(['.', '!', '?']),
            apart: std::mem::take(&mut apart),
            text,
        });
    }
    lines
}

/// Words in lower case, runs of `<`, `=` and `>`, and every other sign by itself.
fn tokens(text: &str) -> Vec<String> {
    let mut tokens: Vec<String> = Vec::new();
    let mut kind_before = ' ';
    for c in text.chars() {
        let c = if c == '’' { '\'' } else { c };
        let kind = match c {
            _ if c.is_alphanumeric() || c == '\'' => 'w',
            '<' | '=' | '>' => '>',
            _ if c.is_whitespace() || matches!(c, '_' | '*' | '`' | '"' | '“' | '”') => ' ',
            _ => '.',
        };
        match tokens.last_mut() {
            Some(last) if kind == kind_before && matches!(kind, 'w' | '>') => last.extend(c.to_lowercase()),
            _ if kind != ' ' => tokens.push(c.to_lowercase().collect()),
            _ => {}
        }
        kind_before = kind;
    }
    // Quotation marks, not those of "it's".
    let mut tokens: Vec<String> = tokens.iter().map(|token| token.trim_matches('\'').to_owned()).collect();
    tokens.retain(|token| !token.is_empty());
    let begins = tokens.iter().take_while(|token| matches!(token.as_str(), "(" | "[")).count();
    tokens.drain(..begins);
    while tokens.last().is_some_and(|token| matches!(token.as_str(), ")" | "]" | "." | "!" | "," | ";")) {
        tokens.pop();
    }
    tokens
}

/// What a statement says that says nothing else.
fn statement(tokens: &[String]) -> Option<Choice> {
    let said = without_lead(tokens);
    let said = match said {
        [that, said @ ..] if that == "that" => said,
        _ => said,
    };
    bare_or_named(said).or_else(|| sentence(said)).or_else(|| titled(said, &[&VERDICTS, &TITLES]))
}

/// "a", "tie", "A > B".
fn bare(tokens: &[String]) -> Option<Choice> {
    if let [letter] = tokens
        && let Some(choice) = Choice::of(letter)
    {
        return Some(choice);
    }
    compared(tokens).or_else(|| tie(tokens))
}

/// The same, or "answer A".
fn bare_or_named(tokens: &[String]) -> Option<Choice> {
    bare(tokens).or_else(|| named(tokens).filter(|(_, rest)| rest.is_empty()).map(|(choice, _)| choice))
}

/// An answer by its letter, with or without what it is called, and what follows: "A", "answer A", "output (a)".
fn named(tokens: &[String]) -> Option<(Choice, &[String])> {
    let tokens = without_article(tokens);
    match tokens {
        [noun, open, letter, close, rest @ ..] if is_noun(noun) && open == "(" && close == ")" => {
            Some((Choice::of(letter)?, rest))
        }
        // A closing bracket at the very end was taken off.
        [noun, open, letter] if is_noun(noun) && open == "(" => Some((Choice::of(letter)?, &[])),
        [noun, letter, rest @ ..] if is_noun(noun) => Some((Choice::of(letter)?, rest)),
        [letter, rest @ ..] => Some((Choice::of(letter)?, rest)),
        [] => None,
    }
}

/// "A >> B", "Answer A = Answer B".
fn compared(tokens: &[String]) -> Option<Choice> {
    let (one, rest) = named(tokens)?;
    let (sign, rest) = rest.split_first()?;
    let (other, rest) = named(rest)?;
    if one == other || !rest.is_empty() {
        return None;
    }
    match sign.as_str() {
        ">" | ">>" => Some(one),
        "<" | "<<" => Some(other),
        "=" | "==" => Some(Choice::Tie),
        _ => None,
    }
}

fn tie(tokens: &[String]) -> Option<Choice> {
    let is_named = |word: &str| is_noun(word) || word.strip_suffix('s').is_some_and(is_noun) || word == "the";
    let words: Vec<&str> = tokens.iter().map(String::as_str).filter(|word| !is_named(word)).collect();
    TIES.contains(&words.join(" ").as_str()).then_some(Choice::Tie)
}

/// "A is much better than B", "B wins", "The better answer is A", "I prefer answer B".
fn sentence(tokens: &[String]) -> Option<Choice> {
    let words: Vec<&str> = tokens.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["i", verb, ..] if ["prefer", "choose", "pick", "select"].contains(verb) => {
            return named(&tokens[2..]).filter(|(_, rest)| rest.is_empty()).map(|(choice, _)| choice);
        }
        ["the", which, rest @ ..] if ["better", "best", "preferred", "superior"].contains(which) => {
            let from = match rest {
                [noun, "is", ..] if is_noun(noun) => 4,
                ["one", "is", ..] => 4,
                ["is", ..] => 3,
                _ => return None,
            };
            return named(&tokens[from..]).filter(|(_, rest)| rest.is_empty()).map(|(choice, _)| choice);
        }
        _ => {}
    }
    let (choice, rest) = named(tokens)?;
    match rest {
        [wins] if wins == "wins" => Some(choice),
        [is, rest @ ..] if is == "is" => {
            let rest = without_degree(without_article(rest));
            let (how, rest) = rest.split_first()?;
            match (how.as_str(), rest) {
                ("better" | "best" | "preferred" | "superior" | "winner", []) => Some(choice),
                ("better" | "best" | "preferred" | "superior", [noun]) if is_noun(noun) || noun == "one" => {
                    Some(choice)
                }
                ("better", [than, other @ ..]) if than == "than" => {
                    let other: Vec<&str> = other.iter().map(String::as_str).collect();
                    let is_the_other = matches!(other.as_slice(), ["the", "other"] | ["the", "other", _]);
                    let letter = named(&tokens[tokens.len() - other.len()..]);
                    let is_named = letter.is_some_and(|(other, rest)| other == choice.other() && rest.is_empty());
                    (is_the_other || is_named).then_some(choice)
                }
                _ => None,
            }
        }
        _ => None,
    }
}

/// "Final answer: A", "Verdict - tie", "Winner B".
fn titled(tokens: &[String], titles: &[&[&str]]) -> Option<Choice> {
    let tokens = without_article(tokens);
    let after = titles.iter().find_map(|titles| after_any(tokens, titles))?;
    let said = match after {
        [is, sign, said @ ..] if is == "is" && sign == ":" => said,
        [sign, said @ ..] if [":", "is", "-", "="].contains(&sign.as_str()) => said,
        said => said,
    };
    bare_or_named(said).or_else(|| sentence(said))
}

fn is_noun(word: &str) -> bool {
    NOUNS.contains(&word)
}

fn without_article(tokens: &[String]) -> &[String] {
    match tokens {
        [article, rest @ ..] if !rest.is_empty() && ["the", "my"].contains(&article.as_str()) => rest,
        _ => tokens,
    }
}

fn without_lead(tokens: &[String]) -> &[String] {
    match after_any(tokens, &LEADS) {
        Some([comma, rest @ ..]) if comma == "," => rest,
        // "Overall: A" has a title.
        Some(rest) if !rest.is_empty() => {
            if rest[0] == ":" {
                &rest[1..]
            } else {
                rest
            }
        }
        _ => tokens,
    }
}

fn without_degree(tokens: &[String]) -> &[String] {
    after_any(tokens, &DEGREES).unwrap_or(tokens)
}

/// What follows one of these phrases, where the tokens begin with it.
fn after_any<'t>(tokens: &'t [String], phrases: &[&str]) -> Option<&'t [String]> {
    phrases.iter().find_map(|phrase| {
        let count = phrase.split(' ').count();
        let begins = tokens.len() >= count && phrase.split(' ').zip(tokens).all(|(word, token)| word == token);
        begins.then(|| &tokens[count..])
    })
}

#[cfg(test)]
mod tests;
