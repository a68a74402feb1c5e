//! What cards are made of: a header of YAML, which the hub reads, and Markdown.

use std::fmt::Write;

/// Where the program comes from, in the words of every card.
pub(super) const MADE_WITH: &str = concat!("Tiebreak ", env!("CARGO_PKG_VERSION"));

/// The header and the text of a card.
pub(super) struct Card {
    header: String,
    text: String,
}

impl Card {
    /// A card with this title.
    pub(super) fn new(title: &str) -> Self {
        Self { header: String::new(), text: format!("# {}\n", plain(title)) }
    }

    /// A key of the header.
    pub(super) fn key(&mut self, key: &str, value: &str) {
        let _ = writeln!(self.header, "{key}: {}", quoted(value));
    }

    /// A key that has a list.
    pub(super) fn list(&mut self, key: &str, values: &[&str]) {
        let _ = writeln!(self.header, "{key}:");
        for value in values {
            let _ = writeln!(self.header, "- {}", quoted(value));
        }
    }

    /// Lines of the header as they stand.
    pub(super) fn header(&mut self, lines: &str) {
        self.header += lines;
    }

    pub(super) fn section(&mut self, title: &str) {
        let _ = write!(self.text, "\n## {title}\n");
    }

    pub(super) fn paragraph(&mut self, text: &str) {
        let _ = write!(self.text, "\n{text}\n");
    }

    pub(super) fn items<S: AsRef<str>>(&mut self, items: impl IntoIterator<Item = S>) {
        self.text.push('\n');
        for item in items {
            let _ = writeln!(self.text, "- {}", item.as_ref());
        }
    }

    pub(super) fn code(&mut self, language: &str, code: &str) {
        let _ = write!(self.text, "\n```{language}\n{code}\n```\n");
    }

    pub(super) fn table(&mut self, headings: &[&str], rows: &[Vec<String>]) {
        let line = |cells: &mut dyn Iterator<Item = String>| format!("| {} |\n", cells.collect::<Vec<_>>().join(" | "));
        self.text.push('\n');
        self.text += &line(&mut headings.iter().map(|cell| plain(cell)));
        self.text += &line(&mut headings.iter().map(|_| "---".to_owned()));
        for row in rows {
            self.text += &line(&mut row.iter().map(|cell| plain(cell)));
        }
    }

    /// The whole file.
    pub(super) fn finish(self) -> String {
        format!("---\n{}---\n\n{}", self.header, self.text)
    }
}

/// A text as YAML and JSON both have it.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// A name of the user's in Markdown: it makes no markup, ends no cell, and begins no line.
pub(super) fn plain(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\n' | '\r' | '\t' => safe.push(' '),
            '\\' | '`' | '*' | '<' | '>' | '|' | '[' | ']' | '#' | '&' => {
                safe.push('\\');
                safe.push(c);
            }
            c if c.is_control() => {}
            c => safe.push(c),
        }
    }
    safe
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_users_call_things_breaks_no_card() {
        let mut card = Card::new("a|b\n# c");
        card.key("license", "x\": y\nz");
        card.table(&["name"], &[vec!["<script>|`".to_owned()]]);
        let text = card.finish();
        assert!(text.starts_with("---\nlicense: \"x\\\": y\\nz\"\n---\n\n# a\\|b \\# c\n"), "{text}");
        assert!(text.contains("| \\<script\\>\\|\\` |\n"), "{text}");
    }
}
