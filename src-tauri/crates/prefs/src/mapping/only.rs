//! Which rows come in, where not all are to: `lang=en`, or several such conditions joined by `&`.

use serde_json::Value;

use crate::table::{TableRow, shown};

/// Conditions that all must hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Only(Vec<(String, String)>);

impl Only {
    /// Reads conditions.
    ///
    /// # Errors
    /// Says how they are written.
    pub(super) fn of(conditions: &str) -> Result<Self, String> {
        let condition = |text: &str| {
            let (column, value) = text.split_once('=').filter(|(column, _)| !column.trim().is_empty())?;
            Some((column.trim().to_owned(), value.trim().to_owned()))
        };
        let read: Option<Vec<_>> = conditions.split('&').map(condition).collect();
        read.map(Self).ok_or_else(|| {
            format!("`only` is COLUMN=VALUE, or several of these joined by `&` (lang=en&depth=1), not `{conditions}`")
        })
    }

    /// The columns that are looked at.
    pub(super) fn columns(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|(column, _)| column.as_str())
    }

    /// The first condition that a row does not meet, as what was done to the row.
    pub(super) fn excludes(&self, row: &TableRow) -> Option<String> {
        let meets = |(column, value): &&(String, String)| match row.get(column) {
            None => value.is_empty(),
            Some(Value::String(text)) => text.trim() == value,
            Some(other) => shown(other) == *value,
        };
        let (column, value) = self.0.iter().find(|condition| !meets(condition))?;
        Some(format!("left out, as `{column}` is not `{value}`"))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn rows_meet_all_conditions_or_the_first_that_fails_is_named() {
        let only = Only::of("lang = en & depth=1").expect("it can be read");
        let row = |value: Value| TableRow {
            file: 0,
            place: crate::Place::line(1),
            values: value.as_object().cloned().unwrap_or_default(),
        };
        assert_eq!(only.excludes(&row(json!({"lang": "en", "depth": 1}))), None);
        let left_out = only.excludes(&row(json!({"lang": "de", "depth": 2})));
        assert_eq!(left_out.as_deref(), Some("left out, as `lang` is not `en`"));
        let left_out = only.excludes(&row(json!({"lang": "en"})));
        assert_eq!(left_out.as_deref(), Some("left out, as `depth` is not `1`"));
        assert!(Only::of("lang").is_err() && Only::of("=en").is_err());
    }
}
