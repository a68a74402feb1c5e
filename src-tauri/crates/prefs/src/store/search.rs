//! Searching all texts of a project.
//!
//! The texts are held in memory from the first search on. Measured on 100,000 pairs of 1.4 kB and two busy cores: reading
//! them from the database for each search took 150 to 250 ms, searching them in memory takes 30 to 85 ms. An index of
//! trigrams (FTS5) finds words of three letters or more in 3 to 20 ms, but took 20 s to build, more than all the rest of an
//! import, and does nothing for shorter words.

use rusqlite::{Connection, params};

use super::pairs::{FILTERS, PairQuery, PairSource};
use super::sql::data_version;

/// Bytes of text that are held in memory; a project with more is read anew for each search.
const MOST_BYTES: i64 = 512 << 20;

/// The texts of a project as they were when read, and what was last found in them.
#[derive(Debug)]
pub(super) struct Texts {
    /// [`data_version`] at that time.
    version: i64,
    /// All texts, one after the other.
    text: String,
    entries: Vec<Entry>,
    categories: Vec<String>,
    found: Option<(PairQuery, Vec<i64>)>,
}

#[derive(Debug)]
struct Entry {
    id: i64,
    /// Where its text ends.
    end: usize,
    source: PairSource,
    /// Position in `categories`.
    category: Option<usize>,
}

impl Texts {
    /// Reads all texts; `None` where they are too many to be held.
    pub(super) fn read(db: &Connection) -> rusqlite::Result<Option<Self>> {
        let bytes: i64 = db
            .prepare_cached("SELECT coalesce(sum(octet_length(text)), 0) FROM listing")?
            .query_row([], |row| row.get(0))?;
        if bytes > MOST_BYTES {
            return Ok(None);
        }
        let mut texts = Self {
            version: data_version(db)?,
            text: String::with_capacity(bytes as usize),
            entries: Vec::new(),
            categories: Vec::new(),
            found: None,
        };
        let mut places = std::collections::HashMap::new();
        let mut statement = db.prepare_cached("SELECT id, source, category, text FROM listing ORDER BY id")?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            texts.text.push_str(row.get_ref(3)?.as_str()?);
            let category = row.get_ref(2)?.as_str_or_null()?.map(|name| {
                places.get(name).copied().unwrap_or_else(|| {
                    let place = texts.categories.len();
                    texts.categories.push(name.to_owned());
                    places.insert(name.to_owned(), place);
                    place
                })
            });
            texts.entries.push(Entry { id: row.get(0)?, end: texts.text.len(), source: row.get(1)?, category });
        }
        Ok(Some(texts))
    }

    pub(super) fn is_current(&self, db: &Connection) -> rusqlite::Result<bool> {
        Ok(self.version == data_version(db)?)
    }

    /// The pairs that match, in order. The next page of the same search need not search again.
    pub(super) fn matching(&mut self, query: &PairQuery) -> &[i64] {
        let query = PairQuery { text: query.text.to_lowercase(), offset: 0, limit: 0, ..query.clone() };
        let known = self.found.take().filter(|(before, _)| *before == query);
        let (_, ids) = self.found.insert(known.unwrap_or_else(|| {
            let ids = search(&self.text, &self.entries, &self.categories, &query);
            (query, ids)
        }));
        ids
    }

    /// Those of `ids` that match, in their order; of any source where the query names none.
    pub(super) fn among(&self, ids: &[i64], query: &PairQuery) -> Vec<i64> {
        let text = query.text.to_lowercase();
        let matches = |id: &i64| {
            let Ok(place) = self.entries.binary_search_by_key(id, |entry| entry.id) else { return false };
            let entry = &self.entries[place];
            let begin = place.checked_sub(1).map_or(0, |before| self.entries[before].end);
            let category = entry.category.map(|place| &self.categories[place]);
            query.source.is_none_or(|source| source == entry.source)
                && query.category.as_ref().is_none_or(|wanted| category == Some(wanted))
                && self.text[begin..entry.end].contains(&text)
        };
        ids.iter().copied().filter(matches).collect()
    }
}

fn search(text: &str, entries: &[Entry], categories: &[String], query: &PairQuery) -> Vec<i64> {
    let category = query.category.as_ref().map(|wanted| categories.iter().position(|name| name == wanted));
    let mut begin = 0;
    let mut found = Vec::new();
    for entry in entries {
        let own = &text[begin..entry.end];
        begin = entry.end;
        let source = query.source.map_or(entry.source.is_trained_on(), |source| entry.source == source);
        // A category that is in no pair is in none of the list, and no entry without a category is in it.
        let category = category.is_none_or(|wanted| wanted.is_some() && entry.category == wanted);
        if source && category && own.contains(&query.text) {
            found.push(entry.id);
        }
    }
    found
}

/// Searches in the database itself.
pub(super) fn in_database(db: &Connection, query: &PairQuery) -> rusqlite::Result<Vec<i64>> {
    let sql = format!("SELECT id, text FROM listing WHERE {FILTERS} ORDER BY id");
    let text = query.text.to_lowercase();
    let mut statement = db.prepare_cached(&sql)?;
    let mut rows = statement.query(params![query.source, query.category])?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        if row.get_ref(1)?.as_str()?.contains(&text) {
            found.push(row.get(0)?);
        }
    }
    Ok(found)
}

/// Looks some pairs up in the database itself, as [`Texts::among`].
pub(super) fn among_in_database(db: &Connection, ids: &[i64], query: &PairQuery) -> rusqlite::Result<Vec<i64>> {
    let text = query.text.to_lowercase();
    let mut statement = db.prepare_cached(
        "SELECT text FROM listing WHERE id = ?3 AND (?1 IS NULL OR source = ?1) AND (?2 IS NULL OR category = ?2)",
    )?;
    let mut found = Vec::new();
    for id in ids {
        let mut rows = statement.query(params![query.source, query.category, id])?;
        if let Some(row) = rows.next()?
            && row.get_ref(0)?.as_str()?.contains(&text)
        {
            found.push(*id);
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::jsonl::read_pairs_from;
    use crate::store::Project;

    #[test]
    fn memory_and_database_find_the_same() {
        let folder = tempfile::tempdir().unwrap();
        let mut project = Project::open_or_create(folder.path()).unwrap();
        let row = |i: usize| {
            let category = if i < 17 { String::new() } else { format!(", \"category\": \"c{}\"", i % 3) };
            format!(
                "{{\"prompt\": \"Straße {i}\\n\\\"x\\\"\", \"chosen\": \"ÄB{i}\", \"rejected\": \"no %_\"{category}}}"
            )
        };
        let lines: Vec<String> = (0..50).map(row).collect();
        project.add_import(&read_pairs_from(lines.join("\n").as_bytes()).unwrap(), "x").unwrap();
        project.remove_pair(4, "Ada", true).unwrap();
        project.edit_pair(5, "Ada", "new".into(), "äb new".into(), "no".into()).unwrap();
        let some = |name: &str| Some(name.to_owned());
        let (mut seen, mut among_seen) = (0, 0);
        for text in ["", "straße 1", "äb", "ÄB4", "\n\"X\"", "% ", "%_", "new", "nowhere"] {
            let sources = [PairSource::Imported, PairSource::Edited, PairSource::Removed, PairSource::ToJudge];
            for source in [None].into_iter().chain(sources.map(Some)) {
                for category in [None, some("c1"), some("c2"), some("none such")] {
                    let query = PairQuery { text: text.to_owned(), source, category, offset: 0, limit: 100 };
                    let expected = in_database(&project.db, &query).unwrap();
                    let page = project.page(&query).unwrap();
                    assert_eq!(page.rows.iter().map(|row| row.id).collect::<Vec<_>>(), expected, "{query:?}");
                    assert_eq!(page.total, expected.len());
                    seen += expected.len();
                    let some = [7, 5, 4, 60, 30, 1];
                    let among = among_in_database(&project.db, &some, &query).unwrap();
                    let page = project.page_of(&some, &query).unwrap();
                    assert_eq!(page.rows.iter().map(|row| row.id).collect::<Vec<_>>(), among, "{query:?}");
                    if source.is_some() {
                        let of_all: Vec<i64> = some.iter().filter(|id| expected.contains(id)).copied().collect();
                        assert_eq!(among, of_all, "{query:?}");
                    }
                    among_seen += among.len();
                }
            }
        }
        assert!(seen > 200 && among_seen > 30);
    }

    #[test]
    fn what_is_written_is_found_whoever_wrote_it() {
        let folder = tempfile::tempdir().unwrap();
        let mut project = Project::open_or_create(folder.path()).unwrap();
        let file = "{\"prompt\": \"p\", \"chosen\": \"a\", \"rejected\": \"b\"}";
        project.add_import(&read_pairs_from(file.as_bytes()).unwrap(), "x").unwrap();
        let query = PairQuery { text: "BETTER".to_owned(), limit: 10, ..PairQuery::default() };
        assert_eq!(project.page(&query).unwrap().total, 0);
        project.edit_pair(1, "Ada", "p".into(), "better".into(), "b".into()).unwrap();
        assert_eq!(project.page(&query).unwrap().total, 1);
        let mut other = Project::open(folder.path()).unwrap();
        other.edit_pair(1, "Ben", "p".into(), "a".into(), "b".into()).unwrap();
        assert_eq!(project.page(&query).unwrap().total, 0);
    }
}
