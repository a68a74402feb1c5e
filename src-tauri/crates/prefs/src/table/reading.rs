//! A table while its rows come in: all are kept, or the first where they are many.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::sync::Mutex;

use serde_json::{Map, Value};

use super::labelled::{self, Looked};
use super::messages::{Messages, TakeJoined};
use super::names::Names;
use super::sample::Sample;
use super::source::{Item, Source};
use super::{Format, HEAD_ROWS, Table, TableRow, cells, in_file, mt_bench, potato, trees};
use crate::{Place, Refused};

/// Bytes of the first rows that are kept of larger files.
const HEAD: usize = 16 << 20;

/// What is said of a row after which a file cannot be read further.
const REST: &str = "the rest of the file";

/// Refused rows that are kept one by one; more are counted.
const REFUSED: usize = 10_000;

/// A table while its rows come in.
pub(super) struct Reading {
    files: Vec<PathBuf>,
    most_bytes: usize,
    names: Names,
    sample: Sample,
    kept: Vec<TableRow>,
    bytes: usize,
    /// Rows of each file, whether or not they can be read.
    rows_in: Vec<usize>,
    /// Rows after the kept ones are only counted.
    is_cut: bool,
    rows: usize,
    refused: Vec<Refused>,
    refused_in: Vec<(usize, usize)>,
    refused_count: usize,
    blank: usize,
    /// The first row after which a file could not be read further.
    broken_off: Option<(usize, Place)>,
    opened: Opened,
}

/// What files hold in another form than rows of columns, opened, with the account of it.
#[derive(Default)]
pub(super) struct Opened {
    as_text: BTreeMap<String, usize>,
    trees: trees::Counts,
    messages: Messages,
    annotations: labelled::Annotations,
    labelled: labelled::Counts,
    potato: potato::Counts,
    mt_bench: mt_bench::Counts,
}

impl Opened {
    /// The rows that one row of a file is: of a tree one for each question, with the conversations in their cells opened. One
    /// message of a tree, or one of the annotations of a task, is held until all were read. A record that this program wrote for
    /// a labeller is the pair itself.
    ///
    /// # Errors
    /// Why the row cannot be read.
    pub(super) fn rows(
        &mut self,
        file: usize,
        place: Place,
        values: Map<String, Value>,
    ) -> Result<Vec<Map<String, Value>>, String> {
        if let Some(held) = self.messages.add(file, place, &values) {
            return held.map(|()| Vec::new());
        }
        match self.annotations.add(file, place, values)? {
            Some(values) => self.opened(values),
            None => Ok(Vec::new()),
        }
    }

    fn opened(&mut self, values: Map<String, Value>) -> Result<Vec<Map<String, Value>>, String> {
        let mut rows = match trees::open(&values, &mut self.trees) {
            Some(questions) => questions,
            None => match labelled::open(values, &mut self.labelled)? {
                Looked::Foreign(row) => vec![potato::open(row, &mut self.potato)?],
                Looked::Own(row) => return Ok(vec![row]),
            },
        };
        for row in &mut rows {
            cells::open(row, &mut self.as_text);
        }
        rows.into_iter().map(|row| mt_bench::open(row, &mut self.mt_bench)).collect()
    }

    /// Whether rows have other columns than the file: the questions that messages are joined into, the texts of a labeller.
    fn has_other_columns(&self) -> bool {
        self.trees.messages > 0 || self.labelled.any() || self.potato.any()
    }

    /// What is to be said of all that was opened, as sentences.
    fn sentences(&self) -> Vec<String> {
        let said = [self.trees.sentence(), self.labelled.sentence(), self.potato.sentence(), self.mt_bench.sentence()];
        said.into_iter().flatten().collect()
    }

    /// Hands on the rows that the annotations and the messages are that were held, each with its file and place.
    pub(super) fn rest(&mut self, take: &mut TakeJoined) -> ControlFlow<()> {
        let tasks: Vec<labelled::Joined> = std::mem::take(&mut self.annotations).join(&mut self.labelled).collect();
        for (file, place, row) in tasks {
            match self.opened(row) {
                Ok(rows) => rows.into_iter().try_for_each(|row| take(file, place, Ok(row)))?,
                Err(reason) => take(file, place, Err(reason))?,
            }
        }
        let messages = std::mem::take(&mut self.messages);
        self.trees.messages = messages.count();
        let Self { as_text, trees, .. } = self;
        messages.join(trees, &mut |file, place, row| {
            let row = row.map(|mut row| {
                cells::open(&mut row, as_text);
                row
            });
            take(file, place, row)
        })
    }
}

impl Reading {
    pub(super) fn new(files: Vec<PathBuf>, most_bytes: usize) -> Self {
        Self {
            rows_in: vec![0; files.len()],
            files,
            most_bytes,
            names: Names::default(),
            sample: Sample::default(),
            kept: Vec::new(),
            bytes: 0,
            is_cut: false,
            rows: 0,
            refused: Vec::new(),
            refused_in: Vec::new(),
            refused_count: 0,
            blank: 0,
            broken_off: None,
            opened: Opened::default(),
        }
    }

    pub(super) fn add(&mut self, file: usize, item: Item) -> ControlFlow<()> {
        if let Some(rows) = self.rows_in.get_mut(file) {
            *rows += usize::from(!matches!(item, Item::Blank(_)));
        }
        match item {
            Item::Blank(lines) => self.blank += lines,
            Item::Refused(place, reason) => self.refuse(file, place, reason),
            Item::Row(place, values) => match self.opened.rows(file, place, values) {
                Ok(rows) => rows.into_iter().for_each(|values| self.add_row(file, place, values)),
                Err(reason) => self.refuse(file, place, reason),
            },
        }
        ControlFlow::Continue(())
    }

    fn refuse(&mut self, file: usize, place: Place, reason: String) {
        self.refused_count += 1;
        if reason.contains(REST) {
            self.broken_off.get_or_insert((file, place));
        }
        if !self.is_cut || self.refused.len() < REFUSED {
            self.bytes += reason.len() + size_of::<Refused>();
            self.refused.push(Refused { place, reason: in_file(&self.files, file, reason) });
            self.refused_in.push((file, self.rows));
            self.cut();
        }
    }

    fn add_row(&mut self, file: usize, place: Place, values: Map<String, Value>) {
        for (key, value) in values.iter().filter(|(key, _)| *key != labelled::VOTES) {
            self.names.open(key, value, 1);
        }
        self.rows += 1;
        let row = TableRow { file, place, values };
        self.sample.look(&row, &self.names.ordered);
        let is_head = self.kept.len() < HEAD_ROWS && self.bytes <= HEAD;
        if !self.is_cut || is_head {
            self.bytes += row.values.iter().map(|(key, value)| key.len() + bytes_of(value)).sum::<usize>();
            self.kept.push(row);
            self.cut();
        }
    }

    /// Where more rows came than are kept, lets go of all but the first.
    fn cut(&mut self) {
        if self.is_cut || self.bytes <= self.most_bytes {
            return;
        }
        self.is_cut = true;
        self.refused.truncate(REFUSED);
        self.refused_in.truncate(REFUSED);
        let mut bytes = 0;
        let fits = |row: &&TableRow| {
            bytes += row.values.values().map(bytes_of).sum::<usize>();
            bytes <= HEAD
        };
        let head = self.kept.iter().take(HEAD_ROWS).take_while(fits).count().max(1);
        self.kept.truncate(head);
        self.bytes = bytes;
        self.kept.shrink_to_fit();
    }

    /// Names the files of several in which nothing is: one may have been lost on its way.
    fn without_rows(&self) -> Option<String> {
        let name = |(file, _): (&PathBuf, _)| format!("`{}`", file.file_name().unwrap_or_default().to_string_lossy());
        let empty: Vec<String> =
            self.files.iter().zip(&self.rows_in).filter(|(_, rows)| **rows == 0).map(name).collect();
        if self.files.len() < 2 || empty.is_empty() {
            return None;
        }
        let more = if empty.len() > 5 { format!(" and {} more", empty.len() - 5) } else { String::new() };
        let shown = empty.iter().take(5).cloned().collect::<Vec<_>>().join(", ");
        let holds = if empty.len() == 1 { "holds" } else { "hold" };
        Some(format!("Of {} files {shown}{more} {holds} no rows.", self.files.len()))
    }

    pub(super) fn table(mut self, format: Format, header: Option<Vec<String>>, source: Option<Source>) -> Table {
        let mut opened = std::mem::take(&mut self.opened);
        let _ = opened.rest(&mut |file, place, row| {
            match row {
                Ok(values) => self.add_row(file, place, values),
                Err(reason) => self.refuse(file, place, reason),
            }
            ControlFlow::Continue(())
        });
        let mut notices = opened.sentences();
        notices.extend(self.broken_off.take().map(|(file, place)| {
            let sentence = format!("What comes after {place} cannot be read: only what stands before it is there.");
            in_file(&self.files, file, sentence)
        }));
        notices.extend(self.without_rows());
        let header = header.filter(|_| !opened.has_other_columns());
        Table {
            format,
            columns: header.unwrap_or(self.names.ordered),
            row_count: self.rows,
            refused: self.refused,
            refused_in: self.refused_in,
            refused_count: self.refused_count,
            blank: self.blank,
            as_text: opened.as_text,
            notices,
            sample: self.sample.rows,
            kept: self.kept,
            source: source.filter(|_| self.is_cut),
            files: self.files,
            known: Mutex::default(),
        }
    }
}

/// About how many bytes a value takes in memory.
pub(crate) fn bytes_of(value: &Value) -> usize {
    size_of::<Value>()
        + match value {
            Value::String(text) => text.capacity(),
            Value::Array(items) => items.iter().map(bytes_of).sum(),
            // A map that keeps its order holds every key, a hash and a place.
            Value::Object(fields) => fields.iter().map(|(key, value)| key.capacity() + 48 + bytes_of(value)).sum(),
            _ => 0,
        }
}
