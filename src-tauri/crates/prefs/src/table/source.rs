//! Where the rows of a table come from: files that are read from their beginning each time, so that none need be held whole.

use std::fs::Metadata;
use std::io::{BufRead, Read};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use serde_json::{Map, Value};

use super::compression::Compression;
use super::delimited::{self, Delimited};
use super::shards::Shards;
use super::{Format, binary, compression, json, parquet};
use crate::Error;
use crate::array::{self, Members};
use crate::jsonl::encoding;
use crate::rows::without_mark;

/// Bytes at the beginning of a file by which its kind is told.
const LOOKED_AT: u64 = 1 << 20;

/// Largest file of one JSON object or of objects over several lines, which are held in memory while they are read.
const MOST_WHOLE: u64 = 1 << 30;

/// What a file holds next.
pub(super) enum Item {
    /// A row, with the line that it begins on.
    Row(usize, Map<String, Value>),
    /// A row that could not be read, with its line and the reason.
    Refused(usize, String),
    /// This many lines with nothing in them.
    Blank(usize),
}

/// Takes what a file holds, one after the other, until it has enough.
pub(super) type Take<'a> = dyn FnMut(Item) -> ControlFlow<()> + 'a;

/// How a file is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    JsonLines,
    JsonArray,
    /// One object that holds the rows under a key, by its place among [`json::ROWS`].
    JsonRows(usize),
    /// Objects over several lines, or one that holds the rows in another way.
    JsonWhole,
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
            let own = compression::open(&shard.path).and_then(|(input, _)| header(input, how));
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
        let (input, _) = compression::open(path).map_err(Error::io("read", path))?;
        self.form.scan(input, take, path).map_err(Error::io("read", path))
    }
}

impl Form {
    /// Hands what a text holds to `take`.
    fn scan(
        self,
        input: Box<dyn BufRead + '_>,
        take: &mut Take,
        path: &Path,
    ) -> std::io::Result<(Format, ControlFlow<()>)> {
        let input = without_mark(input)?;
        Ok(match self {
            Self::JsonLines => (Format::JsonLines, json::lines(input, take)?),
            Self::JsonArray => (Format::JsonArray, json::lines(input, take)?),
            Self::JsonRows(key) => (Format::JsonObject, json::rows_under(input, json::ROWS[key], take)?),
            Self::JsonWhole => {
                let mut text = Vec::new();
                input.take(MOST_WHOLE + 1).read_to_end(&mut text)?;
                if text.len() as u64 > MOST_WHOLE {
                    return Err(std::io::Error::other(format!(
                        "{} is one JSON object, or objects over several lines, of more than {} MiB; save it with one object \
                         per line (JSON Lines)",
                        path.display(),
                        MOST_WHOLE >> 20
                    )));
                }
                json::whole(&text, take)
            }
            Self::Delimited(how) => (how.format(), delimited::scan(input, how, take)?),
            Self::Parquet => (Format::Parquet, ControlFlow::Continue(())),
        })
    }
}

fn header(input: impl BufRead, how: Delimited) -> std::io::Result<Vec<String>> {
    let mut input = without_mark(input)?;
    Ok(delimited::header(&beginning(&mut input)?, how))
}

/// Hands what the bytes of a file hold to `take`, and returns what kind of file it is and the columns of its header.
pub(super) fn scan_bytes(bytes: &[u8], take: &mut Take) -> std::io::Result<(Format, Option<Vec<String>>)> {
    let (form, _) = form_of_text(&mut || Ok(Box::new(bytes)))?;
    let (format, _) = form.scan(Box::new(bytes), take, Path::new(""))?;
    let header = if let Form::Delimited(how) = form { Some(header(bytes, how)?) } else { None };
    Ok((format, header))
}

/// How a file is read, and what is left out of it, as a sentence.
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
    if let Some(encoding) = encoding(&start) {
        return Err(Error::Encoding { path: path.to_path_buf(), encoding });
    }
    form_of_text(&mut || Ok(compression::open(path)?.0)).map_err(Error::io("read", path))
}

fn beginning(input: &mut dyn BufRead) -> std::io::Result<Vec<u8>> {
    let mut start = Vec::new();
    input.take(LOOKED_AT).read_to_end(&mut start)?;
    Ok(start)
}

/// The form of a text, which is opened anew for each look at it, and what is left out of it.
fn form_of_text<'a>(
    open: &mut dyn FnMut() -> std::io::Result<Box<dyn BufRead + 'a>>,
) -> std::io::Result<(Form, Option<String>)> {
    let start = beginning(&mut open()?)?;
    let start = start.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(&start);
    let is_json = match start.trim_ascii_start().first() {
        // A shard that holds nothing names no columns.
        None => return Ok((Form::JsonLines, None)),
        Some(b'[') => return Ok((Form::JsonArray, None)),
        Some(b'{') => true,
        Some(b'"') => json::first_lines_are_json(start),
        _ => false,
    };
    let mut open = || without_mark(open()?);
    if !is_json {
        return Ok((Form::Delimited(Delimited::of(start, &mut open)?), None));
    }
    if json::are_lines(open()?)? {
        return Ok((Form::JsonLines, None));
    }
    let Members { rows, others } = array::members(open()?, &json::ROWS)?.unwrap_or_default();
    // Which of several is meant is not known.
    let [only] = rows.as_slice() else { return Ok((Form::JsonWhole, None)) };
    let key = json::ROWS.iter().position(|name| name == only);
    let beside = (!others.is_empty()).then(|| {
        let named: Vec<String> = others.iter().take(8).map(|name| format!("`{name}`")).collect();
        let more = if others.len() > 8 { format!(" and {} more", others.len() - 8) } else { String::new() };
        format!("Beside the rows under `{only}` the file holds {}{more}: that is left out.", named.join(", "))
    });
    Ok((key.map_or(Form::JsonWhole, Form::JsonRows), beside))
}
