//! Where a row stands in its file, and how that is said.

use std::fmt;

use rusqlite::Row;
use serde::{Deserialize, Serialize};

/// Where a row begins in its file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ts_rs::TS)]
pub struct Place {
    /// Its line, from 1; of Parquet, which has no lines, the number of the row.
    pub line: usize,
    /// Its number, from 1, where several rows may stand on one line: in a JSON array or object, and in Parquet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub row: Option<usize>,
}

impl Place {
    /// A line that is a row of its own.
    pub fn line(line: usize) -> Self {
        Self { line, row: None }
    }

    /// A row of many that may stand on one line.
    pub fn row(row: usize, line: usize) -> Self {
        Self { line, row: Some(row) }
    }

    /// What tells the rows of this file apart, and the number of this one.
    pub fn counted(self) -> (&'static str, usize) {
        match self.row {
            Some(row) => ("row", row),
            None => ("line", self.line),
        }
    }

    /// Reads what [`Place::columns`] wrote.
    pub(crate) fn from_columns(row: &Row, line: usize) -> rusqlite::Result<Self> {
        let number = |at: usize| row.get::<_, Option<i64>>(at).map(|number| number.map(|number| number as usize));
        Ok(Self { line: number(line)?.unwrap_or_default(), row: number(line + 1)? })
    }

    /// The values of the columns `line` and `row` of a project.
    pub(crate) fn columns(self) -> (i64, Option<i64>) {
        (self.line as i64, self.row.map(|row| row as i64))
    }
}

impl fmt::Display for Place {
    fn fmt(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
        match self.row {
            None => write!(formatter, "line {}", self.line),
            Some(row) if row == self.line => write!(formatter, "row {row}"),
            Some(row) => write!(formatter, "row {row} (line {})", self.line),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_said_by_what_tells_rows_apart() {
        assert_eq!(Place::line(5).to_string(), "line 5");
        assert_eq!(Place::row(17, 1).to_string(), "row 17 (line 1)");
        assert_eq!(Place::row(5, 5).to_string(), "row 5", "of Parquet there are no lines");
        let written = serde_json::to_string(&[Place::line(5), Place::row(17, 1)]).expect("it can be written");
        assert_eq!(written, r#"[{"line":5},{"line":1,"row":17}]"#);
    }
}
