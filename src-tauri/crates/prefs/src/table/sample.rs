//! The rows by which it is guessed what columns hold: the first ones, and of each column that is empty there the first that are
//! filled, however late they come.

use super::TableRow;
use crate::table::reading::bytes_of;

/// So many rows of the beginning.
const FIRST: usize = 200;

/// So many in which a column is filled that is empty in the first rows.
const OF_LATE_COLUMN: usize = 50;

/// At most so many rows in all, and so many bytes of the first and of all of them.
const MOST: usize = 1000;
const BYTES_OF_FIRST: usize = 12 << 20;
const BYTES: usize = 16 << 20;

#[derive(Default)]
pub(super) struct Sample {
    pub(super) rows: Vec<TableRow>,
    bytes: usize,
    /// The first rows are all there.
    is_past_first: bool,
    /// Columns that were looked at.
    columns: usize,
    /// Columns that are hardly filled so far, with how many rows of each are still wanted.
    late: Vec<(String, usize)>,
}

impl Sample {
    /// Looks at the next row, once `columns` knows what is in it.
    pub(super) fn look(&mut self, row: &TableRow, columns: &[String]) {
        self.is_past_first |= self.rows.len() >= FIRST || self.bytes >= BYTES_OF_FIRST;
        if !self.is_past_first {
            self.take(row);
            return;
        }
        for name in &columns[self.columns..] {
            if !self.rows.iter().any(|row| row.holds(name)) {
                self.late.push((name.clone(), OF_LATE_COLUMN));
            }
        }
        self.columns = columns.len();
        if self.late.is_empty() || self.rows.len() >= MOST || self.bytes >= BYTES {
            return;
        }
        let mut is_wanted = false;
        self.late.retain_mut(|(name, left)| {
            if row.holds(name) {
                *left -= 1;
                is_wanted = true;
            }
            *left > 0
        });
        if is_wanted {
            self.take(row);
        }
    }

    fn take(&mut self, row: &TableRow) {
        self.bytes += row.values.iter().map(|(key, value)| key.len() + bytes_of(value)).sum::<usize>();
        self.rows.push(row.clone());
    }
}
