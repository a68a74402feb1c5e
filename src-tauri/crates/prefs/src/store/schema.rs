//! The tables, and how a database of an earlier version comes to have them.

use std::path::Path;

use rusqlite::{Connection, TransactionBehavior};

use super::derived;
use crate::Error;

/// Marks our files (`PRAGMA application_id`): `TieB`.
const APPLICATION_ID: i32 = 0x5469_6542;

/// From each version (`PRAGMA user_version`) to the next. Only ever appended to: files of every version are out there.
pub(super) const MIGRATIONS: &[&str] = &["
CREATE TABLE imports (
    id INTEGER PRIMARY KEY,
    source TEXT NOT NULL,
    imported_at INTEGER NOT NULL,  -- milliseconds since 1970
    added INTEGER NOT NULL,
    duplicates INTEGER NOT NULL,
    refused INTEGER NOT NULL,
    blank INTEGER NOT NULL,
    ignored_keys TEXT NOT NULL     -- JSON: key to count
) STRICT;
CREATE TABLE refused (
    import INTEGER NOT NULL REFERENCES imports,
    line INTEGER NOT NULL,
    reason TEXT NOT NULL
) STRICT;
CREATE INDEX refused_by_import ON refused (import);
CREATE TABLE pairs (
    id INTEGER PRIMARY KEY,
    hash TEXT NOT NULL UNIQUE,     -- Pair::content_hash
    import INTEGER NOT NULL REFERENCES imports,
    line INTEGER NOT NULL,
    prompt TEXT NOT NULL,          -- JSON, as are the answers: a string or a list of messages
    chosen TEXT NOT NULL,
    rejected TEXT NOT NULL,
    category TEXT
) STRICT;
CREATE TRIGGER imports_stay BEFORE DELETE ON imports BEGIN SELECT RAISE(ABORT, 'imports are never deleted'); END;
CREATE TRIGGER imports_keep BEFORE UPDATE ON imports BEGIN SELECT RAISE(ABORT, 'imports are never changed'); END;
CREATE TRIGGER refused_stay BEFORE DELETE ON refused BEGIN SELECT RAISE(ABORT, 'refused rows are never deleted'); END;
CREATE TRIGGER refused_keep BEFORE UPDATE ON refused BEGIN SELECT RAISE(ABORT, 'refused rows are never changed'); END;
CREATE TRIGGER pairs_stay BEFORE DELETE ON pairs BEGIN SELECT RAISE(ABORT, 'pairs are never deleted'); END;
CREATE TRIGGER pairs_keep BEFORE UPDATE ON pairs BEGIN SELECT RAISE(ABORT, 'pairs are never changed'); END;
", "
ALTER TABLE imports ADD COLUMN kind TEXT NOT NULL DEFAULT 'pairs';  -- ImportKind

-- What became of a pair after it came in. The newest row with a prompt is its content, the newest row says whether it is
-- removed.
CREATE TABLE pair_revisions (
    id INTEGER PRIMARY KEY,
    pair INTEGER NOT NULL REFERENCES pairs,
    at INTEGER NOT NULL,
    who TEXT NOT NULL,
    prompt TEXT,                   -- all three, or none where only `removed` changes
    chosen TEXT,
    rejected TEXT,
    removed INTEGER NOT NULL
) STRICT;
CREATE INDEX pair_revisions_by_pair ON pair_revisions (pair);

-- A prompt whose two answers are to be labelled.
CREATE TABLE items (
    id INTEGER PRIMARY KEY,
    hash TEXT NOT NULL UNIQUE,     -- MappedContent::content_hash, or the pair and its revision
    at INTEGER NOT NULL,
    import INTEGER REFERENCES imports,               -- from a file, with its line,
    line INTEGER,
    pair INTEGER REFERENCES pairs,                   -- or a pair that is labelled again, first being its chosen answer
    pair_revision INTEGER REFERENCES pair_revisions, -- null: as it came in
    prompt TEXT NOT NULL,
    first TEXT,                    -- null: not generated yet
    second TEXT,
    category TEXT
) STRICT;
CREATE INDEX items_by_pair ON items (pair) WHERE pair IS NOT NULL;
CREATE TABLE item_revisions (
    id INTEGER PRIMARY KEY,
    item INTEGER NOT NULL REFERENCES items,
    at INTEGER NOT NULL,
    who TEXT NOT NULL,             -- a person, or the model that generated the answers
    is_model INTEGER NOT NULL,
    prompt TEXT,                   -- all three, or none where only `removed` changes
    first TEXT,
    second TEXT,
    removed INTEGER NOT NULL
) STRICT;
CREATE INDEX item_revisions_by_item ON item_revisions (item);

CREATE TABLE annotators (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE COLLATE NOCASE,
    at INTEGER NOT NULL
) STRICT;
CREATE TABLE second_passes (
    id INTEGER PRIMARY KEY,
    annotator INTEGER NOT NULL REFERENCES annotators,
    item INTEGER NOT NULL REFERENCES items,
    share REAL NOT NULL,
    seed INTEGER NOT NULL,
    at INTEGER NOT NULL,
    UNIQUE (annotator, item)
) STRICT;
CREATE TABLE showings (
    id INTEGER PRIMARY KEY,
    item INTEGER NOT NULL REFERENCES items,
    item_revision INTEGER REFERENCES item_revisions, -- the answers as they were shown; null: as they came in
    annotator INTEGER NOT NULL REFERENCES annotators,
    second_pass INTEGER NOT NULL,
    left TEXT NOT NULL CHECK (left IN ('first', 'second')),
    at INTEGER NOT NULL
) STRICT;
CREATE INDEX showings_by_task ON showings (annotator, item, second_pass);
CREATE TABLE judgements (
    id INTEGER PRIMARY KEY,
    showing INTEGER NOT NULL REFERENCES showings,
    item INTEGER NOT NULL REFERENCES items,
    annotator INTEGER NOT NULL REFERENCES annotators,
    second_pass INTEGER NOT NULL,
    verdict TEXT NOT NULL,         -- what was pressed (Verdict)
    meaning TEXT NOT NULL,         -- which answer that is (Meaning)
    milliseconds INTEGER NOT NULL,
    note TEXT,
    at INTEGER NOT NULL
) STRICT;
CREATE INDEX judgements_by_task ON judgements (annotator, item, second_pass);
CREATE INDEX judgements_by_item ON judgements (item);
CREATE INDEX judgements_by_annotator ON judgements (annotator);
CREATE TABLE undone (
    judgement INTEGER PRIMARY KEY REFERENCES judgements,
    at INTEGER NOT NULL
) STRICT;

CREATE TRIGGER pair_revisions_stay BEFORE DELETE ON pair_revisions BEGIN SELECT RAISE(ABORT, 'revisions are never deleted'); END;
CREATE TRIGGER pair_revisions_keep BEFORE UPDATE ON pair_revisions BEGIN SELECT RAISE(ABORT, 'revisions are never changed'); END;
CREATE TRIGGER items_stay BEFORE DELETE ON items BEGIN SELECT RAISE(ABORT, 'items are never deleted'); END;
CREATE TRIGGER items_keep BEFORE UPDATE ON items BEGIN SELECT RAISE(ABORT, 'items are never changed'); END;
CREATE TRIGGER item_revisions_stay BEFORE DELETE ON item_revisions BEGIN SELECT RAISE(ABORT, 'revisions are never deleted'); END;
CREATE TRIGGER item_revisions_keep BEFORE UPDATE ON item_revisions BEGIN SELECT RAISE(ABORT, 'revisions are never changed'); END;
CREATE TRIGGER annotators_stay BEFORE DELETE ON annotators BEGIN SELECT RAISE(ABORT, 'annotators are never deleted'); END;
CREATE TRIGGER annotators_keep BEFORE UPDATE ON annotators BEGIN SELECT RAISE(ABORT, 'annotators are never changed'); END;
CREATE TRIGGER second_passes_stay BEFORE DELETE ON second_passes BEGIN SELECT RAISE(ABORT, 'second passes are never deleted'); END;
CREATE TRIGGER second_passes_keep BEFORE UPDATE ON second_passes BEGIN SELECT RAISE(ABORT, 'second passes are never changed'); END;
CREATE TRIGGER showings_stay BEFORE DELETE ON showings BEGIN SELECT RAISE(ABORT, 'showings are never deleted'); END;
CREATE TRIGGER showings_keep BEFORE UPDATE ON showings BEGIN SELECT RAISE(ABORT, 'showings are never changed'); END;
CREATE TRIGGER judgements_stay BEFORE DELETE ON judgements BEGIN SELECT RAISE(ABORT, 'judgements are never deleted'); END;
CREATE TRIGGER judgements_keep BEFORE UPDATE ON judgements BEGIN SELECT RAISE(ABORT, 'judgements are never changed'); END;
CREATE TRIGGER undone_stay BEFORE DELETE ON undone BEGIN SELECT RAISE(ABORT, 'what was undone stays undone'); END;
CREATE TRIGGER undone_keep BEFORE UPDATE ON undone BEGIN SELECT RAISE(ABORT, 'what was undone stays undone'); END;

-- What follows from the tables above, and may be made anew at any time (store/derived.rs).
CREATE TABLE listing (
    id INTEGER PRIMARY KEY,        -- a pair's number, or minus the number of a labelled item
    source TEXT NOT NULL,          -- PairSource
    category TEXT,
    text TEXT NOT NULL             -- prompt and answers in lower case, to search in
) STRICT;
-- All that a page needs but the texts, which would have to be passed over.
CREATE INDEX listing_in_order ON listing (id, source, category);
CREATE INDEX listing_by_source ON listing (source, category);
CREATE INDEX listing_categories ON listing (category);
CREATE TABLE item_states (
    item INTEGER PRIMARY KEY REFERENCES items,
    revision INTEGER,              -- the newest with content; null: as it came in
    ready INTEGER NOT NULL,        -- has both answers and is not removed
    removed INTEGER NOT NULL,
    outcome TEXT                   -- Outcome; null: nobody has judged it
) STRICT;
CREATE INDEX item_states_by_ready ON item_states (ready);
CREATE INDEX item_states_removed ON item_states (removed) WHERE removed = 1;
CREATE TABLE tasks (               -- what an annotator has been shown or asked a second time
    annotator INTEGER NOT NULL,
    pass INTEGER NOT NULL,         -- 0 or, where asked a second time, 1
    item INTEGER NOT NULL,
    state TEXT NOT NULL,           -- asked, open, skipped, done
    showing INTEGER,
    judgement INTEGER,             -- the newest that was not undone
    undone INTEGER NOT NULL,       -- it is open because its last judgement was undone
    side TEXT,                     -- left or right, where one side was found better
    PRIMARY KEY (annotator, pass, item)
) STRICT, WITHOUT ROWID;
CREATE INDEX tasks_by_state ON tasks (annotator, state, pass, side);
", "
-- A judgement counts for the texts it was given on: what follows from judgements is made anew, and a task may also be
-- `changed`: its texts are not those that were judged.
", "
-- A prompt with one answer: a demonstration, or an answer that was labelled good or bad and makes no pair.
CREATE TABLE single_answers (
    id INTEGER PRIMARY KEY,
    hash TEXT NOT NULL UNIQUE,     -- SingleAnswer::content_hash
    prompt_hash TEXT NOT NULL,     -- SingleAnswer::prompt_hash
    import INTEGER NOT NULL REFERENCES imports,
    line INTEGER NOT NULL,
    prompt TEXT NOT NULL,          -- JSON, as is the answer: a string or a list of messages
    answer TEXT NOT NULL,
    label INTEGER,                 -- 1: good, 0: bad, null: a demonstration
    category TEXT
) STRICT;
CREATE INDEX single_answers_by_label ON single_answers (label IS NULL, id);
CREATE INDEX single_answers_by_prompt ON single_answers (prompt_hash, label);
-- Which lines of the listing were written or deleted, in that order: who holds texts reads these again.
CREATE TABLE listing_changes (
    change INTEGER PRIMARY KEY AUTOINCREMENT,
    id INTEGER NOT NULL
) STRICT;
CREATE TRIGGER listing_written AFTER INSERT ON listing BEGIN INSERT INTO listing_changes (id) VALUES (new.id); END;
CREATE TRIGGER listing_changed AFTER UPDATE ON listing BEGIN INSERT INTO listing_changes (id) VALUES (new.id); END;
CREATE TRIGGER listing_deleted AFTER DELETE ON listing BEGIN INSERT INTO listing_changes (id) VALUES (old.id); END;
CREATE TRIGGER single_answers_stay BEFORE DELETE ON single_answers BEGIN SELECT RAISE(ABORT, 'single answers are never deleted'); END;
CREATE TRIGGER single_answers_keep BEFORE UPDATE ON single_answers BEGIN SELECT RAISE(ABORT, 'single answers are never changed'); END;
", "
-- The number of a row, from 1, in a file whose rows are not told apart by their lines; null: by its line.
ALTER TABLE refused ADD COLUMN row INTEGER;
ALTER TABLE pairs ADD COLUMN row INTEGER;
ALTER TABLE items ADD COLUMN row INTEGER;
ALTER TABLE single_answers ADD COLUMN row INTEGER;
", "
-- Whether it was known whose answers they are when they were judged, as in the playground.
ALTER TABLE judgements ADD COLUMN names_seen INTEGER NOT NULL DEFAULT 0;
"];

/// Refuses databases that are somebody else's or a newer Tiebreak's, before anything in them is touched.
pub(super) fn recognise(db: &Connection, path: &Path) -> Result<(), Error> {
    let number = |pragma: &str| db.query_row(pragma, [], |row| row.get::<_, i64>(0));
    let look = || {
        let id = number("PRAGMA application_id")?;
        let version = number("PRAGMA user_version")?;
        let tables = number("SELECT count(*) FROM sqlite_schema")?;
        Ok((id, version, tables))
    };
    let (id, version, tables) = look().map_err(|source| Error::database("open", path, source))?;
    // A file without id, version and tables is new, or its making was interrupted.
    if id != i64::from(APPLICATION_ID) && (id, version, tables) != (0, 0, 0) {
        return Err(Error::NotOurs { path: path.to_path_buf() });
    }
    let known = MIGRATIONS.len() as i64;
    if version > known {
        return Err(Error::Newer { path: path.to_path_buf(), found: version, known });
    }
    Ok(())
}

/// Brings the database to the version after the last of `migrations`, all in one transaction.
pub(super) fn migrate(db: &mut Connection, migrations: &[&str]) -> rusqlite::Result<()> {
    let version = |db: &Connection| db.query_row("PRAGMA user_version", [], |row| row.get::<_, i64>(0));
    if version(db)? as usize == migrations.len() {
        return Ok(());
    }
    let transaction = db.transaction_with_behavior(TransactionBehavior::Immediate)?;
    // Read again under the lock: another process may have done it meanwhile.
    let done = version(&transaction)? as usize;
    for migration in migrations.iter().skip(done) {
        transaction.execute_batch(migration)?;
    }
    if done < migrations.len() && migrations.len() == MIGRATIONS.len() {
        derived::rebuild(&transaction)?;
    }
    transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
    transaction.pragma_update(None, "user_version", migrations.len().max(done) as i64)?;
    transaction.commit()
}
