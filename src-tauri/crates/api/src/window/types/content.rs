//! Prompts and answers, as crate `prefs` has them.

use serde::Serialize;
use ts_rs::TS;

pub use prefs::{Content, Message};

/// The shape of [`Content`] for the page: `prefs`, a leaf, does not know of pages.
#[derive(Debug, Serialize, TS)]
#[serde(untagged)]
#[ts(rename = "Content")]
pub enum Said {
    /// Text as it is.
    Text(String),
    /// Turns of a conversation.
    Messages(Vec<Turn>),
}

/// The shape of [`Message`] for the page.
#[derive(Debug, Serialize, TS)]
#[ts(rename = "Message")]
pub struct Turn {
    /// Who speaks.
    pub role: String,
    /// What is said.
    pub content: String,
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::to_value;

    #[test]
    fn the_shape_for_the_page_is_that_of_the_content() {
        let turn = Turn { role: "user".into(), content: "Hi".into() };
        let content = Content::Messages(vec![Message::new("user", "Hi")]);
        assert_eq!(to_value(Said::Messages(vec![turn])).unwrap(), to_value(content).unwrap());
        assert_eq!(to_value(Said::Text("Hi".into())).unwrap(), to_value(Content::Text("Hi".into())).unwrap());
    }
}
