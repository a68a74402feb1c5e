//! What files say of two answers beyond their order: kept with its raw value, as the word of an annotator who was not asked here.
//!
//! It is no vote: nobody knows how it was given. It stands beside what people say, and is compared with it.

use rusqlite::{Connection, OptionalExtension, Row, params};

use super::Project;
use super::sql::content;
use super::verdict::Meaning;
use crate::agreement::Vote;
use crate::mapping::{MappedContent, MappedRow};
use crate::{Content, Error, Refused};

/// Of a label `said`: the items that it is about, as SQL. A pair that was edited before it was put up is not what was labelled.
const ITEMS: &str = "SELECT said.id AS label, said.item AS item FROM file_labels AS said WHERE said.item IS NOT NULL
    UNION ALL SELECT said.id, items.id FROM file_labels AS said
    JOIN items ON items.pair = said.pair AND items.pair_revision IS NULL";

/// A label of a file, as it stands beside what people say.
pub(super) struct Labelled {
    pub(super) number: i64,
    pub(super) annotator: String,
    pub(super) raw: String,
    pub(super) meaning: Meaning,
    /// When it came in, in milliseconds since 1970 (UTC).
    pub(super) at: i64,
}

/// A label with the texts that it was given on, the chosen answer of a pair first.
pub(super) struct OfTexts {
    pub(super) label: Labelled,
    /// An imported pair's number, or minus the number of an item.
    pub(super) of: i64,
    pub(super) texts: [Option<Content>; 3],
}

/// Keeps what a row says of the pair or item that it became, also where that is not new. Who is not named is the file.
pub(super) fn add(
    db: &Connection,
    import: i64,
    source: &str,
    row: Result<&MappedRow, &Refused>,
) -> rusqlite::Result<()> {
    let Ok(row) = row else { return Ok(()) };
    if row.labels.is_empty() {
        return Ok(());
    }
    let Some((id, is_pair)) = said_of(db, row, &row.content.content_hash())? else { return Ok(()) };
    let (file, labels, (line, row)) = (file_of(source), &row.labels, row.place.columns());
    for label in labels {
        db.prepare_cached(
            "INSERT INTO file_labels (import, line, row, pair, item, annotator, raw, meaning) VALUES (?, ?, ?, ?, ?, ?, ?, ?)
             ON CONFLICT DO NOTHING",
        )?
        .execute(params![
            import,
            line,
            row,
            is_pair.then_some(id),
            (!is_pair).then_some(id),
            label.annotator.as_deref().unwrap_or(file),
            label.raw,
            label.meaning,
        ])?;
    }
    Ok(())
}

/// Whether a row says something of a pair or an item that is there, which nobody has said of it.
pub(super) fn are_new(db: &Connection, source: &str, row: &MappedRow, hash: &str) -> rusqlite::Result<bool> {
    let Some((id, is_pair)) = said_of(db, row, hash)? else { return Ok(false) };
    let column = if is_pair { "pair" } else { "item" };
    let query = format!("SELECT 1 FROM file_labels WHERE {column} = ? AND annotator = ? AND raw = ? AND meaning = ?");
    let mut known = db.prepare_cached(&query)?;
    for label in &row.labels {
        let annotator = label.annotator.as_deref().unwrap_or(file_of(source));
        if !known.exists(params![id, annotator, label.raw, label.meaning])? {
            return Ok(true);
        }
    }
    Ok(false)
}

/// The pair, or the item, of which a row says something, where that is there: its number, and whether it is a pair.
fn said_of(db: &Connection, row: &MappedRow, hash: &str) -> rusqlite::Result<Option<(i64, bool)>> {
    let (query, is_pair) = match row.content {
        MappedContent::Pair(_) => ("SELECT id FROM pairs WHERE hash = ?", true),
        MappedContent::Candidates(_) => ("SELECT id FROM items WHERE hash = ?", false),
        MappedContent::Single(_) | MappedContent::Prompt(_) => return Ok(None),
    };
    if row.labels.is_empty() {
        return Ok(None);
    }
    let id = db.prepare_cached(query)?.query_row([hash], |row| row.get(0)).optional()?;
    Ok(id.map(|id| (id, is_pair)))
}

fn file_of(source: &str) -> &str {
    source.rsplit(['/', '\\']).find(|part| !part.is_empty()).unwrap_or(source)
}

fn labelled(row: &Row, from: usize) -> rusqlite::Result<Labelled> {
    Ok(Labelled {
        number: row.get(from)?,
        annotator: row.get(from + 1)?,
        raw: row.get(from + 2)?,
        meaning: row.get(from + 3)?,
        at: row.get(from + 4)?,
    })
}

/// What files say of the items that people have judged, or of one item, by the item's number.
pub(super) fn of_items(db: &Connection, only: Option<i64>) -> rusqlite::Result<Vec<(i64, Labelled)>> {
    let query = format!(
        "SELECT of.item, said.id, annotator, raw, meaning, imported_at
         FROM ({ITEMS}) AS of JOIN file_labels AS said ON said.id = label JOIN imports ON imports.id = import
         WHERE CASE WHEN ?1 IS NULL THEN EXISTS (SELECT 1 FROM judgements WHERE judgements.item = of.item)
               ELSE of.item = ?1 END
         ORDER BY said.id"
    );
    let mut statement = db.prepare_cached(&query)?;
    statement.query_map([only], |row| Ok((row.get(0)?, labelled(row, 1)?)))?.collect()
}

/// What files say of a pair, or of an item by minus its number.
pub(super) fn of_pair(db: &Connection, id: i64) -> rusqlite::Result<Vec<Labelled>> {
    let column = if id > 0 { "pair" } else { "item" };
    let query = format!(
        "SELECT file_labels.id, annotator, raw, meaning, imported_at
         FROM file_labels JOIN imports ON imports.id = import WHERE {column} = ? ORDER BY file_labels.id"
    );
    db.prepare_cached(&query)?.query_map([id.abs()], |row| labelled(row, 0))?.collect()
}

impl Project {
    /// What files say of items that people have judged, as votes of annotators who are files.
    pub(super) fn votes_of_files(&self) -> Result<Vec<Vote>, Error> {
        let vote = |(item, label): (i64, Labelled)| Vote {
            annotator: label.annotator,
            item,
            meaning: label.meaning,
            side: None,
            milliseconds: 0,
            second_pass: false,
            votes_seen: false,
            is_file: true,
        };
        self.read(|db| Ok(of_items(db, None)?.into_iter().map(vote).collect()))
    }

    /// All that files say, with the texts that they say it of.
    pub(super) fn labels_of_files(&self) -> Result<Vec<OfTexts>, Error> {
        self.read(|db| {
            let mut statement = db.prepare(
                "SELECT said.id, annotator, raw, meaning, imported_at, coalesce(said.pair, -said.item),
                        coalesce(pairs.prompt, items.prompt), coalesce(chosen, first), coalesce(rejected, second)
                 FROM file_labels AS said JOIN imports ON imports.id = said.import
                 LEFT JOIN pairs ON pairs.id = said.pair LEFT JOIN items ON items.id = said.item ORDER BY said.id",
            )?;
            let label = |row: &Row| {
                let texts = [content(row, 6)?, content(row, 7)?, content(row, 8)?];
                Ok(OfTexts { label: labelled(row, 0)?, of: row.get(5)?, texts })
            };
            statement.query_map([], label)?.collect()
        })
    }
}
