//! What a mapping says beside the columns' names, and setting it by name.

use serde::{Deserialize, Serialize};

use super::only::Only;
use super::{ColumnMapping, ImportKind, Pairing, PreferenceScheme, RatingOrder};

/// How plain text is given to a model that has a chat template.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ts_rs::TS)]
#[serde(rename_all = "snake_case")]
pub enum PlainText {
    /// A prompt becomes a user's message, an answer the assistant's.
    AsUserMessage,
    /// The text stands as it is.
    AsIs,
}

impl PlainText {
    /// Its name, as [`ColumnMapping::set`] takes it.
    pub fn name(self) -> &'static str {
        Named::name(self)
    }
}

/// Where the prompt is, when no column holds it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ts_rs::TS)]
#[serde(rename_all = "snake_case")]
pub enum PromptFrom {
    /// It is what both answers begin with.
    SharedBeginning,
}

/// What becomes of a prompt that stands once more at the beginning of the answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ts_rs::TS)]
#[serde(rename_all = "snake_case")]
pub enum RepeatedPrompt {
    /// It is taken off the answers; where only one of them repeats it, the row is refused.
    TakeOff,
    /// It belongs to the answers.
    Keep,
}

/// What becomes of rows with columns that change what a model reads and that cannot be kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ts_rs::TS)]
#[serde(rename_all = "snake_case")]
pub enum LeftOut {
    /// They come in without them.
    Accept,
}

/// A choice that has a name in a file of settings, on the command line and in the window.
pub(super) trait Named: Sized + Copy + PartialEq + 'static {
    const ALL: &'static [(&'static str, Self)];

    fn name(self) -> &'static str {
        Self::ALL.iter().find(|(_, choice)| *choice == self).map_or("", |(name, _)| name)
    }

    fn named(key: &str, name: &str) -> Result<Self, String> {
        let found = Self::ALL.iter().find(|(known, _)| *known == name);
        found.map(|(_, choice)| *choice).ok_or_else(|| {
            let known: Vec<&str> = Self::ALL.iter().map(|(name, _)| *name).collect();
            format!("`{key}` is one of {}, not `{name}`", known.join(", "))
        })
    }
}

impl ImportKind {
    /// The kind's name, as it is stored and as [`ColumnMapping::set`] takes it.
    pub fn name(self) -> &'static str {
        Named::name(self)
    }

    pub(crate) fn from_name(name: &str) -> Option<Self> {
        Self::ALL.iter().find(|(known, _)| *known == name).map(|(_, kind)| *kind)
    }
}

impl Named for ImportKind {
    const ALL: &'static [(&'static str, Self)] = &[
        ("pairs", Self::Pairs),
        ("candidates", Self::Candidates),
        ("prompts", Self::Prompts),
        ("demonstrations", Self::Demonstrations),
    ];
}

impl Named for PlainText {
    const ALL: &'static [(&'static str, Self)] = &[("as_user_message", Self::AsUserMessage), ("as_is", Self::AsIs)];
}

impl Named for PromptFrom {
    const ALL: &'static [(&'static str, Self)] = &[("shared_beginning", Self::SharedBeginning)];
}

impl Named for RepeatedPrompt {
    const ALL: &'static [(&'static str, Self)] = &[("take_off", Self::TakeOff), ("keep", Self::Keep)];
}

impl Named for LeftOut {
    const ALL: &'static [(&'static str, Self)] = &[("accept", Self::Accept)];
}

impl Named for PreferenceScheme {
    const ALL: &'static [(&'static str, Self)] = &[
        ("named", Self::Named),
        ("counts_from_zero", Self::CountsFromZero),
        ("counts_from_one", Self::CountsFromOne),
        ("one_is_first", Self::OneIsFirst),
        ("negative_is_first", Self::NegativeIsFirst),
        ("positive_is_first", Self::PositiveIsFirst),
        ("one_hot", Self::OneHot),
    ];
}

/// The keys that name a column.
pub const COLUMN_KEYS: [&str; 17] = [
    "prompt",
    "chosen",
    "rejected",
    "answer_a",
    "answer_b",
    "preference",
    "answers",
    "ratings",
    "rating_a",
    "rating_b",
    "system",
    "history",
    "context",
    "tools",
    "chat_template_kwargs",
    "category",
    "annotator",
];

/// The keys that name a choice.
pub const CHOICE_KEYS: [&str; 10] = [
    "kind",
    "preference_scheme",
    "rating_order",
    "pairing",
    "least_margin",
    "only",
    "plain_text",
    "prompt_from",
    "repeated_prompt",
    "left_out",
];

impl ColumnMapping {
    /// Sets a field by its name: `chosen` to the name of a column, `kind` or `preference_scheme` to one of their choices.
    /// Nothing, or `none`, takes back what was set. Naming answers also says what the rows become.
    ///
    /// # Errors
    /// Says which keys, or which values of a key, there are.
    pub fn set(&mut self, key: &str, value: &str) -> Result<(), String> {
        let chosen = Some(value).filter(|value| !value.is_empty() && *value != "none");
        match key {
            "kind" => {
                self.kind = ImportKind::named(key, value)?;
                match self.kind {
                    ImportKind::Pairs => {}
                    ImportKind::Candidates => self.forget_ratings(),
                    ImportKind::Prompts => self.forget_pairs(),
                    ImportKind::Demonstrations => {
                        // The better answers are what one imitates.
                        let answers = self.answers.take().or_else(|| self.chosen.take());
                        self.forget_pairs();
                        self.answers = answers;
                    }
                }
            }
            "preference_scheme" => {
                self.preference_scheme = chosen.map(|name| PreferenceScheme::named(key, name)).transpose()?;
            }
            "rating_order" => self.rating_order = chosen.map(|name| RatingOrder::named(key, name)).transpose()?,
            "pairing" => self.pairing = chosen.map(|name| Pairing::named(key, name)).transpose()?,
            "least_margin" => {
                let is_number =
                    |text: &str| text.parse::<f64>().is_ok_and(|margin| margin.is_finite() && margin >= 0.0);
                if let Some(text) = chosen.filter(|text| !is_number(text)) {
                    return Err(format!("`least_margin` is a number of 0 or more, not `{text}`"));
                }
                self.least_margin = chosen.map(str::to_owned);
            }
            "only" => {
                chosen.map(Only::of).transpose()?;
                self.only = chosen.map(str::to_owned);
            }
            "plain_text" => self.plain_text = chosen.map(|name| PlainText::named(key, name)).transpose()?,
            "prompt_from" => self.prompt_from = chosen.map(|name| PromptFrom::named(key, name)).transpose()?,
            "repeated_prompt" => {
                self.repeated_prompt = chosen.map(|name| RepeatedPrompt::named(key, name)).transpose()?;
            }
            "left_out" => self.left_out = chosen.map(|name| LeftOut::named(key, name)).transpose()?,
            _ => {
                let Some(column) = self.column(key) else {
                    return Err(format!(
                        "there is no `{key}` to set: columns are {}; choices are {}",
                        COLUMN_KEYS.join(", "),
                        CHOICE_KEYS.join(", ")
                    ));
                };
                *column = chosen.map(str::to_owned);
                self.follow(key);
            }
        }
        Ok(())
    }

    /// What a column's naming says about the rest.
    fn follow(&mut self, key: &str) {
        match key {
            "chosen" | "rejected" if self.chosen.is_some() && self.rejected.is_some() => {
                self.forget_answers();
                self.kind = ImportKind::Pairs;
            }
            "answer_a" | "answer_b" | "preference" => {
                // How numbers are read was said of other columns.
                self.preference_scheme = None;
                if self.answer_a.is_some() && self.answer_b.is_some() {
                    (self.chosen, self.rejected) = (None, None);
                    self.forget_answers();
                    let is_said = self.preference.is_some();
                    self.kind = if is_said { ImportKind::Pairs } else { ImportKind::Candidates };
                }
            }
            "answers" | "ratings" => {
                (self.rating_order, self.pairing) = (None, None);
                if self.answers.is_some() {
                    (self.chosen, self.rejected, self.answer_a, self.answer_b) = (None, None, None, None);
                    (self.rating_a, self.rating_b) = (None, None);
                    self.kind = ImportKind::Pairs;
                }
            }
            "rating_a" | "rating_b" => self.rating_order = None,
            _ => {}
        }
    }

    /// Takes back what was said of answers and of which is better.
    pub(crate) fn forget_pairs(&mut self) {
        (self.chosen, self.rejected, self.answer_a, self.answer_b) = (None, None, None, None);
        (self.preference, self.preference_scheme) = (None, None);
        self.forget_ratings();
    }

    /// Takes back what was said of ratings.
    fn forget_ratings(&mut self) {
        self.forget_answers();
        (self.rating_a, self.rating_b, self.rating_order, self.least_margin) = (None, None, None, None);
    }

    /// Takes back what was said of several rated answers.
    fn forget_answers(&mut self) {
        (self.answers, self.ratings, self.pairing) = (None, None, None);
    }

    /// The columns that were chosen, by key.
    pub(crate) fn chosen_columns(&self) -> impl Iterator<Item = (&'static str, String)> + '_ {
        let mut own = self.clone();
        COLUMN_KEYS.into_iter().filter_map(move |key| Some((key, own.column(key)?.clone()?)))
    }

    fn column(&mut self, key: &str) -> Option<&mut Option<String>> {
        Some(match key {
            "prompt" => &mut self.prompt,
            "chosen" => &mut self.chosen,
            "rejected" => &mut self.rejected,
            "answer_a" => &mut self.answer_a,
            "answer_b" => &mut self.answer_b,
            "preference" => &mut self.preference,
            "answers" => &mut self.answers,
            "ratings" => &mut self.ratings,
            "rating_a" => &mut self.rating_a,
            "rating_b" => &mut self.rating_b,
            "system" => &mut self.system,
            "history" => &mut self.history,
            "context" => &mut self.context,
            "tools" => &mut self.tools,
            "chat_template_kwargs" => &mut self.chat_template_kwargs,
            "category" => &mut self.category,
            "annotator" => &mut self.annotator,
            _ => return None,
        })
    }
}
