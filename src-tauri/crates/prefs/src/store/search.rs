//! Searching all texts of a project.
//!
//! The texts are held in memory from the first search on, in blocks that are compressed, and each search looks through all of
//! them on all cores. What is written later is read by itself: the database keeps a log of the lines that were. An index of
//! trigrams (FTS5) finds words of three letters or more at once, but took longer to build than all the rest of an import, and
//! does nothing for shorter words. docs/scale.md has what was measured.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::num::NonZero;

use memchr::memmem::Finder;
use rusqlite::{Connection, Row, params};

use super::pairs::{FILTERS, PairQuery, PairSource};
use super::sql::damaged;

/// Bytes of text in a block.
const BLOCK: usize = 1 << 20;

/// Bytes of text that are held in memory, where they take about half; a project with more is read anew for each search.
const MOST_BYTES: i64 = 2 << 30;

/// Bytes of text that were written since the blocks were made. With more, the blocks are made anew.
const MOST_NEWER: usize = 16 << 20;

/// The texts of a project as they are, and what was last found in them.
#[derive(Debug, Default)]
pub(super) struct Texts {
    /// The last line of the log that is in here.
    change: i64,
    /// In the order of their lines' numbers.
    blocks: Vec<Block>,
    /// Lines that were written after the blocks were made, in place of those there; none for one that was deleted.
    newer: BTreeMap<i64, Option<Newer>>,
    newer_bytes: usize,
    categories: Categories,
    found: Option<(PairQuery, Vec<i64>)>,
}

/// Texts one after the other, compressed.
#[derive(Debug)]
struct Block {
    packed: Vec<u8>,
    entries: Vec<Entry>,
}

#[derive(Debug)]
struct Entry {
    id: i64,
    /// Where its text ends.
    end: usize,
    about: About,
}

#[derive(Debug)]
struct Newer {
    text: String,
    about: About,
}

/// What a search may be narrowed by.
#[derive(Debug, Clone, Copy)]
struct About {
    source: PairSource,
    /// Its place among [`Categories`].
    category: Option<usize>,
}

#[derive(Debug, Default)]
struct Categories {
    places: HashMap<String, usize>,
}

impl Categories {
    fn place(&mut self, name: &str) -> usize {
        if let Some(place) = self.places.get(name) {
            return *place;
        }
        let place = self.places.len();
        self.places.insert(name.to_owned(), place);
        place
    }

    fn about(&mut self, row: &Row) -> rusqlite::Result<About> {
        let category = row.get_ref(2)?.as_str_or_null()?.map(|name| self.place(name));
        Ok(About { source: row.get(1)?, category })
    }
}

const NO_PLACE: usize = usize::MAX;

/// What lets a line through, whatever its text is.
#[derive(Clone, Copy)]
struct Filter {
    source: Option<PairSource>,
    /// All that are trained on, where no source is named; else all.
    only_trained_on: bool,
    /// The place of a category; [`NO_PLACE`] where no line has it.
    category: Option<usize>,
}

impl Filter {
    fn lets_through(self, about: About) -> bool {
        let by_default = !self.only_trained_on || about.source.is_trained_on();
        let category = self.category.is_none_or(|wanted| about.category == Some(wanted));
        self.source.map_or(by_default, |source| about.source == source) && category
    }
}

impl Texts {
    /// Reads all texts; `None` where they are too many to be held.
    pub(super) fn read(db: &Connection) -> rusqlite::Result<Option<Self>> {
        Self::read_in_blocks(db, BLOCK)
    }

    fn read_in_blocks(db: &Connection, size: usize) -> rusqlite::Result<Option<Self>> {
        let bytes: i64 = db
            .prepare_cached("SELECT coalesce(sum(octet_length(text)), 0) FROM listing")?
            .query_row([], |row| row.get(0))?;
        if bytes > MOST_BYTES {
            return Ok(None);
        }
        let mut texts = Self { change: newest(db)?, ..Self::default() };
        let (mut text, mut entries) = (String::with_capacity(size), Vec::new());
        let mut statement = db.prepare_cached("SELECT id, source, category, text FROM listing ORDER BY id")?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            text.push_str(row.get_ref(3)?.as_str()?);
            entries.push(Entry { id: row.get(0)?, end: text.len(), about: texts.categories.about(row)? });
            if text.len() >= size {
                texts.pack(&mut text, &mut entries);
            }
        }
        texts.pack(&mut text, &mut entries);
        Ok(Some(texts))
    }

    fn pack(&mut self, text: &mut String, entries: &mut Vec<Entry>) {
        if entries.is_empty() {
            return;
        }
        let mut packed = lz4_flex::block::compress(text.as_bytes());
        packed.shrink_to_fit();
        self.blocks.push(Block { packed, entries: std::mem::take(entries) });
        text.clear();
    }

    /// Reads what was written since, by whomever. False where that is so much that all is better read anew.
    pub(super) fn catch_up(&mut self, db: &Connection) -> rusqlite::Result<bool> {
        let newest = newest(db)?;
        if newest == self.change {
            return Ok(true);
        }
        self.found = None;
        let mut statement =
            db.prepare_cached("SELECT DISTINCT id FROM listing_changes WHERE change > ? AND change <= ?")?;
        let mut line = db.prepare_cached("SELECT id, source, category, text FROM listing WHERE id = ?")?;
        let mut changed = statement.query([self.change, newest])?;
        while let Some(row) = changed.next()? {
            let id = row.get(0)?;
            let mut found = line.query([id])?;
            let newer = match found.next()? {
                Some(row) => Some(Newer { text: row.get(3)?, about: self.categories.about(row)? }),
                None => None,
            };
            self.newer_bytes += newer.as_ref().map_or(0, |newer| newer.text.len());
            self.newer.insert(id, newer);
            if self.newer_bytes > MOST_NEWER {
                return Ok(false);
            }
        }
        self.change = newest;
        Ok(true)
    }

    /// The pairs that match, in order. The next page of the same search need not search again.
    ///
    /// # Errors
    /// When a block does not unpack to what it was made of.
    pub(super) fn matching(&mut self, query: &PairQuery) -> rusqlite::Result<&[i64]> {
        let query = PairQuery { text: query.text.to_lowercase(), offset: 0, limit: 0, ..query.clone() };
        let known = self.found.take().filter(|(before, _)| *before == query);
        let found = if let Some(known) = known {
            known
        } else {
            let ids = self.search(&query)?;
            (query, ids)
        };
        Ok(&self.found.insert(found).1)
    }

    fn search(&self, query: &PairQuery) -> rusqlite::Result<Vec<i64>> {
        let (filter, finder) = (self.filter(query, true), Finder::new(query.text.as_bytes()));
        let in_blocks = |blocks: &[Block]| {
            let (mut text, mut found) = (Vec::new(), Vec::new());
            for block in blocks {
                block.unpack(&mut text)?;
                block.matching(&text, &finder, |entry| {
                    if filter.lets_through(entry.about) && !self.newer.contains_key(&entry.id) {
                        found.push(entry.id);
                    }
                });
            }
            Ok::<_, rusqlite::Error>(found)
        };
        let cores = std::thread::available_parallelism().map_or(1, NonZero::get);
        let share = self.blocks.len().div_ceil(cores).max(1);
        let parts = std::thread::scope(|scope| {
            let working: Vec<_> =
                self.blocks.chunks(share).map(|blocks| scope.spawn(move || in_blocks(blocks))).collect();
            let done =
                working.into_iter().map(|part| part.join().map_err(|_| damaged(3, "a search was broken off"))?);
            done.collect::<rusqlite::Result<Vec<_>>>()
        })?;
        let mut found = parts.concat();
        let newer = self.newer.iter().filter_map(|(id, newer)| Some((*id, newer.as_ref()?)));
        let matches =
            newer.filter(|(_, newer)| filter.lets_through(newer.about) && finder.find(newer.text.as_bytes()).is_some());
        let before = found.len();
        found.extend(matches.map(|(id, _)| id));
        if found.len() > before {
            found.sort_unstable();
        }
        Ok(found)
    }

    /// Those of `ids` that match, in their order; of any source where the query names none.
    ///
    /// # Errors
    /// As [`Texts::matching`].
    pub(super) fn among(&self, ids: &[i64], query: &PairQuery) -> rusqlite::Result<Vec<i64>> {
        let text = query.text.to_lowercase();
        let (filter, finder) = (self.filter(query, false), Finder::new(text.as_bytes()));
        let (mut matching, mut by_block) = (HashSet::new(), BTreeMap::<usize, Vec<&Entry>>::new());
        for id in ids {
            if let Some(newer) = self.newer.get(id) {
                let matches =
                    |newer: &Newer| filter.lets_through(newer.about) && finder.find(newer.text.as_bytes()).is_some();
                matching.extend(newer.as_ref().is_some_and(matches).then_some(*id));
            } else if let Some((block, entry)) = self.entry(*id)
                && filter.lets_through(entry.about)
            {
                by_block.entry(block).or_default().push(entry);
            }
        }
        let mut text = Vec::new();
        for (block, entries) in by_block {
            let block = &self.blocks[block];
            block.unpack(&mut text)?;
            let wanted: HashSet<i64> = entries.into_iter().map(|entry| entry.id).collect();
            block.matching(&text, &finder, |entry| matching.extend(wanted.contains(&entry.id).then_some(entry.id)));
        }
        Ok(ids.iter().copied().filter(|id| matching.contains(id)).collect())
    }

    fn entry(&self, id: i64) -> Option<(usize, &Entry)> {
        let first = |block: &Block| block.entries.first().map_or(i64::MAX, |entry| entry.id);
        let at = self.blocks.partition_point(|block| first(block) <= id).checked_sub(1)?;
        let place = self.blocks[at].entries.binary_search_by_key(&id, |entry| entry.id).ok()?;
        Some((at, &self.blocks[at].entries[place]))
    }

    fn filter(&self, query: &PairQuery, only_trained_on: bool) -> Filter {
        let place = |name: &String| self.categories.places.get(name).copied().unwrap_or(NO_PLACE);
        let category = query.category.as_ref().map(place);
        Filter { source: query.source, only_trained_on, category }
    }
}

impl Block {
    fn unpack(&self, text: &mut Vec<u8>) -> rusqlite::Result<()> {
        let length = self.entries.last().map_or(0, |entry| entry.end);
        text.resize(length, 0);
        let unpacked = lz4_flex::block::decompress_into(&self.packed, text).map_err(|error| damaged(3, error))?;
        if unpacked == length { Ok(()) } else { Err(damaged(3, "a block of texts is shorter than it was")) }
    }

    /// Hands the entries whose text holds what is looked for to `take`, in order.
    fn matching<'a>(&'a self, text: &[u8], finder: &Finder, mut take: impl FnMut(&'a Entry)) {
        let (mut from, mut at) = (0, 0);
        while at < self.entries.len() {
            let Some(place) = text.get(from..).and_then(|rest| finder.find(rest)).map(|place| place + from) else {
                return;
            };
            let end = place + finder.needle().len();
            // An empty text at the very end of an entry is in it, and in the next one, too.
            at += self.entries[at..].partition_point(|entry| entry.end < end);
            let Some(entry) = self.entries.get(at) else { return };
            let begin = at.checked_sub(1).map_or(0, |before| self.entries[before].end);
            if place >= begin {
                take(entry);
                at += 1;
                from = entry.end;
            } else {
                // It begins in one text and ends in another.
                from = place + 1;
            }
        }
    }
}

/// The last line of the log of what was written to the listing.
fn newest(db: &Connection) -> rusqlite::Result<i64> {
    db.prepare_cached("SELECT coalesce(max(change), 0) FROM listing_changes")?.query_row([], |row| row.get(0))
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
    use crate::store::{Project, derived};

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
                    let query =
                        PairQuery { text: text.to_owned(), source, category, limit: 100, ..PairQuery::default() };
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

    /// Every text that stands somewhere, across the borders of pairs and of blocks too, and after every kind of change.
    #[test]
    fn blocks_and_what_was_written_since_give_what_the_database_gives() {
        let folder = tempfile::tempdir().unwrap();
        let mut project = Project::open_or_create(folder.path()).unwrap();
        let row = |i: usize| format!(r#"{{"prompt": "p{i} abab", "chosen": "ÄB{i}", "rejected": "aba{}"}}"#, i % 7);
        let lines: Vec<String> = (0..60).map(row).collect();
        project.add_import(&read_pairs_from(lines.join("\n").as_bytes()).unwrap(), "x").unwrap();
        for size in [1, 40, 100, BLOCK] {
            let mut texts = Texts::read_in_blocks(&project.db, size).unwrap().unwrap();
            let agree = |texts: &mut Texts, project: &Project| {
                assert!(texts.catch_up(&project.db).unwrap());
                for text in ["ab", "aba", "ba", "b1\naba", "3\n", "3\np", "6\np10 ", "äb5", "new", "\n", "p", "zz"] {
                    for source in [None, Some(PairSource::Edited), Some(PairSource::Removed)] {
                        let query = PairQuery { text: text.to_owned(), source, ..PairQuery::default() };
                        let expected = in_database(&project.db, &query).unwrap();
                        assert_eq!(texts.matching(&query).unwrap(), expected, "{size} {query:?}");
                        let some: Vec<i64> = (1..=62).rev().step_by(3).collect();
                        let among = among_in_database(&project.db, &some, &query).unwrap();
                        assert_eq!(texts.among(&some, &query).unwrap(), among, "{size} {query:?}");
                    }
                }
            };
            agree(&mut texts, &project);
            let mut other = Project::open(folder.path()).unwrap();
            other.edit_pair(9, "Ada", format!("new {size}").as_str().into(), "ab".into(), "b".into()).unwrap();
            project.remove_pair(11, "Ada", true).unwrap();
            agree(&mut texts, &project);
            project.remove_pair(11, "Ada", false).unwrap();
            let more = format!(r#"{{"prompt": "new too {size}", "chosen": "ab", "rejected": "b"}}"#);
            project.add_import(&read_pairs_from(more.as_bytes()).unwrap(), "y").unwrap();
            agree(&mut texts, &project);
            // A line that is gone.
            project.db.execute("DELETE FROM listing WHERE id = 20", []).unwrap();
            agree(&mut texts, &project);
            derived::refresh_pair(&project.db, 20).unwrap();
            agree(&mut texts, &project);
        }
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
