//! Where the rows of a table come from: files that are read from their beginning each time, so that none need be held whole.

use std::fs::Metadata;
use std::io::{BufRead, Read};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use serde_json::{Map, Value};

use super::columns::{self, Columns, Found};
use super::compression::Compression;
use super::delimited::{self, Delimited};
use super::json::Layout;
use super::shards::Shards;
use super::{Format, binary, compression, encoding, json, parquet};
use crate::array::{self, Members};
use crate::jsonl::encoding as encoding_of;
use crate::{Error, Place};

/// Bytes at the beginning of a file by which its kind is told.
const LOOKED_AT: u64 = 1 << 20;

/// What a file holds next.
pub(super) enum Item {
    Row(Place, Map<String, Value>),
    /// A row that could not be read, and why.
    Refused(Place, String),
    /// This many lines with nothing in them.
    Blank(usize),
}

/// Takes what a file holds, one after the other, until it has enough.
pub(super) type Take<'a> = dyn FnMut(Item) -> ControlFlow<()> + 'a;

/// Opens a text at a place in it.
pub(super) type Open<'a> = dyn Fn(u64) -> std::io::Result<Box<dyn BufRead + 'a>> + 'a;

/// How a file is read.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Form {
    JsonLines,
    JsonArray,
    /// One object that holds the rows under a key, by its place among [`json::ROWS`].
    JsonRows(usize),
    /// Values over several lines: one, which is an object, or several.
    JsonValues {
        is_one: bool,
    },
    /// One object of columns.
    JsonColumns(Arc<Columns>),
    JsonDisordered,
    /// One object whose members are the rows.
    JsonMembers,
    /// One object that cannot be read, and why.
    Refused(Arc<str>),
    Delimited(Delimited),
    Parquet,
}

/// A file of a data set.
#[derive(Debug, Clone)]
struct Shard {
    path: PathBuf,
    form: Form,
    stamp: Stamp,
}

/// By which a file is known to be the one that was read before.
type Stamp = (u64, Option<SystemTime>);

fn stamp(metadata: &Metadata) -> Stamp {
    (metadata.len(), metadata.modified().ok())
}

/// The files of a data set, all of one form.
#[derive(Debug, Clone)]
pub(super) struct Source {
    shards: Vec<Shard>,
    /// What lies beside them, or in them beside the rows, and is not read, as sentences.
    pub(super) left_out: Vec<String>,
}

impl Source {
    /// The files that a path names, and how they are read.
    ///
    /// # Errors
    /// When one cannot be read, or is of a kind that no reader knows.
    pub(super) fn of(path: &Path) -> Result<Self, Error> {
        let Shards { files, left_out } = Shards::of(path)?;
        let mut left_out: Vec<String> = left_out.into_iter().collect();
        let shards = files.into_iter().map(|path| {
            let metadata = std::fs::metadata(&path).map_err(Error::io("open", &path))?;
            // A pipe can be read once, and a device need not end.
            if !metadata.is_file() {
                let reason = "this is no regular file; save what it gives to one".to_owned();
                return Err(Error::Choice { path, reason });
            }
            // Neither Parquet nor what compresses is ever so short.
            let is_packed = ["parquet", "gz", "zst"].iter().any(|end| path.extension().is_some_and(|own| own == *end));
            if metadata.len() == 0 && is_packed {
                let reason = "the file has no bytes, as a download that broke off leaves it; fetch it again".to_owned();
                return Err(Error::Choice { path, reason });
            }
            let (form, beside) = form_of(&path)?;
            left_out.extend(beside);
            Ok(Shard { path, form, stamp: stamp(&metadata) })
        });
        let shards = shards.collect::<Result<_, Error>>()?;
        Ok(Self { shards, left_out })
    }

    /// The files, in the order in which they are read.
    pub(super) fn files(&self) -> Vec<PathBuf> {
        self.shards.iter().map(|shard| shard.path.clone()).collect()
    }

    /// The columns that the headers of files of cells name; none where every row names its own.
    ///
    /// # Errors
    /// When a file cannot be read.
    pub(super) fn header(&self) -> Result<Option<Vec<String>>, Error> {
        let mut columns: Option<Vec<String>> = None;
        for shard in &self.shards {
            let Form::Delimited(how) = shard.form else { continue };
            let own = compression::open_text(&shard.path, 0).and_then(|input| header(input, how));
            let own = own.map_err(Error::io("read", &shard.path))?;
            let columns = columns.get_or_insert_default();
            let new: Vec<String> = own.into_iter().filter(|name| !columns.contains(name)).collect();
            columns.extend(new);
        }
        Ok(columns)
    }

    /// Hands what the files hold to `take`, with the number of the file from 0, and returns what kind of files they are.
    ///
    /// # Errors
    /// When a file cannot be read or is not any more what it was when the source was made.
    pub(super) fn scan(&self, take: &mut dyn FnMut(usize, Item) -> ControlFlow<()>) -> Result<Option<Format>, Error> {
        let mut format = None;
        for (at, shard) in self.shards.iter().enumerate() {
            let (own, flow) = shard.scan(&mut |item| take(at, item))?;
            format = format.or(Some(own));
            if flow.is_break() {
                break;
            }
        }
        Ok(format)
    }
}

impl Shard {
    fn scan(&self, take: &mut Take) -> Result<(Format, ControlFlow<()>), Error> {
        let path = &self.path;
        let now = std::fs::metadata(path).map_err(Error::io("read", path))?;
        if self.stamp != stamp(&now) {
            return Err(Error::Choice {
                path: path.clone(),
                reason: "the file was changed while it was read; try again when nothing writes to it".to_owned(),
            });
        }
        if self.form == Form::Parquet {
            let flow = parquet::scan(path, take).map_err(|reason| Error::Choice { path: path.clone(), reason })?;
            return Ok((Format::Parquet, flow));
        }
        self.form.scan(&|from| compression::open_text(path, from), take).map_err(Error::io("read", path))
    }
}

impl Form {
    /// Hands what a text holds to `take`.
    fn scan(&self, open: &Open, take: &mut Take) -> std::io::Result<(Format, ControlFlow<()>)> {
        Ok(match self {
            Self::JsonLines => (Format::JsonLines, json::lines(open(0)?, take)?),
            Self::JsonArray => (Format::JsonArray, json::lines(open(0)?, take)?),
            Self::JsonRows(key) => (Format::JsonObject, json::rows_under(open(0)?, json::ROWS[*key], take)?),
            Self::JsonValues { is_one } => {
                let format = if *is_one { Format::JsonObject } else { Format::JsonObjects };
                (format, json::values(open(0)?, take)?)
            }
            Self::JsonColumns(columns) => (Format::JsonObject, columns.scan(open, take)?),
            Self::JsonDisordered => (Format::JsonObject, columns::scan_disordered(open(0)?, take)?),
            Self::JsonMembers => (Format::JsonObject, columns::scan_rows(open(0)?, take)?),
            Self::Refused(reason) => (Format::JsonObject, take(Item::Refused(Place::line(1), reason.to_string()))),
            Self::Delimited(how) => (how.format(), delimited::scan(open(0)?, *how, take)?),
            Self::Parquet => (Format::Parquet, ControlFlow::Continue(())),
        })
    }
}

fn header(mut input: impl BufRead, how: Delimited) -> std::io::Result<Vec<String>> {
    Ok(delimited::header(&beginning(&mut input)?, how))
}

/// Hands what the bytes of a file hold to `take`, and returns what kind of file it is and the columns of its header.
pub(super) fn scan_bytes(bytes: &[u8], take: &mut Take) -> std::io::Result<(Format, Option<Vec<String>>)> {
    let open = |from: u64| {
        let (mut input, _) = encoding::decoded(Box::new(bytes))?;
        std::io::copy(&mut input.by_ref().take(from), &mut std::io::sink())?;
        std::io::Result::Ok(input)
    };
    let (form, _) = form_of_text(&open, true)?;
    let (format, _) = form.scan(&open, take)?;
    let header = if let Form::Delimited(how) = form { Some(header(open(0)?, how)?) } else { None };
    Ok((format, header))
}

/// How a file is read, and what is to be said of what is in it, as a sentence.
fn form_of(path: &Path) -> Result<(Form, Option<String>), Error> {
    let (mut input, compression) = compression::open(path).map_err(Error::io("open", path))?;
    let start = beginning(&mut input).map_err(Error::io("read", path))?;
    if start.starts_with(b"PAR1") {
        if compression != Compression::None {
            return Err(Error::Binary {
                path: path.to_path_buf(),
                what: "a Parquet file that was compressed once more",
            });
        }
        return Ok((Form::Parquet, None));
    }
    if let Some(what) = binary(&start) {
        return Err(Error::Binary { path: path.to_path_buf(), what });
    }
    let is_marked = start.starts_with(b"\xFF\xFE") || start.starts_with(b"\xFE\xFF");
    if let Some(encoding) = encoding_of(&start).filter(|_| !is_marked) {
        return Err(Error::Encoding { path: path.to_path_buf(), encoding });
    }
    let look = || {
        let can_be_entered = compression::can_be_entered(path)?;
        form_of_text(&|from| compression::open_text(path, from), can_be_entered)
    };
    look().map_err(Error::io("read", path))
}

fn beginning(input: &mut dyn BufRead) -> std::io::Result<Vec<u8>> {
    let mut start = Vec::new();
    input.take(LOOKED_AT).read_to_end(&mut start)?;
    Ok(start)
}

/// The form of a text, which is opened anew for each look at it, and what is to be said of what is in it.
fn form_of_text(open: &Open, can_be_entered: bool) -> std::io::Result<(Form, Option<String>)> {
    let start = beginning(&mut open(0)?)?;
    let is_json = match start.trim_ascii_start().first() {
        // A shard that holds nothing names no columns.
        None => return Ok((Form::JsonLines, None)),
        Some(b'[') => return Ok((Form::JsonArray, None)),
        Some(b'{') => true,
        Some(b'"') => json::first_lines_are_json(&start),
        _ => false,
    };
    if !is_json {
        return Ok((Form::Delimited(Delimited::of(&start, &mut || open(0))?), None));
    }
    let is_one_line = match json::laid_out(open(0)?)? {
        Layout::Lines => return Ok((Form::JsonLines, None)),
        Layout::OneLine => true,
        Layout::SeveralLines => false,
    };
    let Some(Members { rows, others }) = array::members(open(0)?, &json::ROWS)? else {
        // Several on one line, as old Macintosh files have it, and not one that is broken.
        let are_values = !is_one_line || array::begins_with_value(open(0)?)?;
        let form = if are_values { Form::JsonValues { is_one: false } } else { Form::JsonLines };
        return Ok((form, None));
    };
    if let [only] = rows.as_slice() {
        let key = json::ROWS.iter().position(|name| name == only);
        let beside = (!others.is_empty())
            .then(|| format!("Beside the rows under `{only}` the file holds {}: that is left out.", named(&others)));
        return Ok((key.map_or(Form::JsonValues { is_one: true }, Form::JsonRows), beside));
    }
    if !rows.is_empty() {
        // Which of several is meant is not known.
        let reason = format!(
            "the file is one object that holds several tables ({}); save each in a file of its own",
            named(&rows)
        );
        return Ok((Form::Refused(reason.into()), None));
    }
    Ok(match columns::find(open(0)?, can_be_entered)? {
        Some(Found::Columns(columns)) => {
            let sentence = columns.sentence();
            (Form::JsonColumns(Arc::new(columns)), Some(sentence))
        }
        Some(Found::Disordered) => (Form::JsonDisordered, None),
        Some(Found::Rows) => (Form::JsonMembers, None),
        Some(Found::Refused(reason)) => (Form::Refused(reason.into()), None),
        None if is_one_line => (Form::JsonLines, None),
        None => (Form::JsonValues { is_one: true }, None),
    })
}

/// The first of these names, in words.
fn named(names: &[String]) -> String {
    let shown: Vec<String> = names.iter().take(8).map(|name| format!("`{name}`")).collect();
    let more = if names.len() > 8 { format!(" and {} more", names.len() - 8) } else { String::new() };
    format!("{}{more}", shown.join(", "))
}
