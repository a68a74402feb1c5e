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
", "
-- How the file rates the two answers; null where it does not.
ALTER TABLE pairs ADD COLUMN rating_chosen REAL;
ALTER TABLE pairs ADD COLUMN rating_rejected REAL;
ALTER TABLE pairs ADD COLUMN rating_order TEXT;  -- RatingOrder; null: not known
-- Labels that somebody looked at and found right, or took that back; the newest row of a content counts.
CREATE TABLE confirmations (
    id INTEGER PRIMARY KEY,
    hash TEXT NOT NULL,            -- Pair::content_hash as it was looked at
    pair INTEGER NOT NULL,         -- a pair's number, or minus the number of a labelled item
    at INTEGER NOT NULL,
    who TEXT NOT NULL,
    confirmed INTEGER NOT NULL
) STRICT;
CREATE INDEX confirmations_by_hash ON confirmations (hash);
CREATE INDEX confirmations_by_pair ON confirmations (pair);
CREATE TRIGGER confirmations_stay BEFORE DELETE ON confirmations BEGIN SELECT RAISE(ABORT, 'confirmations are never deleted'); END;
CREATE TRIGGER confirmations_keep BEFORE UPDATE ON confirmations BEGIN SELECT RAISE(ABORT, 'confirmations are never changed'); END;
", "
-- Whether what others said of the item was in view when it was judged: a vote, but not one that shows how far people agree.
ALTER TABLE judgements ADD COLUMN votes_seen INTEGER NOT NULL DEFAULT 0;
-- What annotators are to go by, in Markdown; a row is a version.
CREATE TABLE guidelines (
    id INTEGER PRIMARY KEY,        -- its version, from 1
    at INTEGER NOT NULL,
    who TEXT NOT NULL,
    text TEXT NOT NULL
) STRICT;
CREATE TRIGGER guidelines_stay BEFORE DELETE ON guidelines BEGIN SELECT RAISE(ABORT, 'guidelines are never deleted'); END;
CREATE TRIGGER guidelines_keep BEFORE UPDATE ON guidelines BEGIN SELECT RAISE(ABORT, 'guidelines are never changed'); END;
-- The version that stood when it was judged; null: there was none.
ALTER TABLE judgements ADD COLUMN guideline INTEGER REFERENCES guidelines;
-- What files say of two answers beyond their order: labels, ratings, ranks. They are no votes.
CREATE TABLE file_labels (
    id INTEGER PRIMARY KEY,
    import INTEGER NOT NULL REFERENCES imports,
    line INTEGER NOT NULL,
    row INTEGER,
    pair INTEGER REFERENCES pairs, -- what it is said of: a pair, its chosen answer being the first,
    item INTEGER REFERENCES items, -- or an item
    annotator TEXT NOT NULL,       -- who says it: by a column of the file, or the file's name
    raw TEXT NOT NULL,             -- what stands there
    meaning TEXT NOT NULL          -- Meaning
) STRICT;
CREATE UNIQUE INDEX file_labels_by_pair ON file_labels (pair, annotator, raw, meaning) WHERE pair IS NOT NULL;
CREATE UNIQUE INDEX file_labels_by_item ON file_labels (item, annotator, raw, meaning) WHERE item IS NOT NULL;
CREATE TRIGGER file_labels_stay BEFORE DELETE ON file_labels BEGIN SELECT RAISE(ABORT, 'labels of files are never deleted'); END;
CREATE TRIGGER file_labels_keep BEFORE UPDATE ON file_labels BEGIN SELECT RAISE(ABORT, 'labels of files are never changed'); END;
-- What somebody decided where annotators differ. It counts instead of their votes, for the texts it was given on.
CREATE TABLE decisions (
    id INTEGER PRIMARY KEY,
    item INTEGER NOT NULL REFERENCES items,
    item_revision INTEGER REFERENCES item_revisions, -- the answers as they were shown; null: as they came in
    annotator INTEGER NOT NULL REFERENCES annotators,
    left TEXT NOT NULL CHECK (left IN ('first', 'second')),
    verdict TEXT NOT NULL,         -- what was pressed (Verdict)
    meaning TEXT NOT NULL,         -- which answer that is (Meaning)
    milliseconds INTEGER NOT NULL,
    note TEXT,
    at INTEGER NOT NULL,
    guideline INTEGER REFERENCES guidelines
) STRICT;
CREATE INDEX decisions_by_item ON decisions (item);
CREATE TABLE undone_decisions (
    decision INTEGER PRIMARY KEY REFERENCES decisions,
    at INTEGER NOT NULL
) STRICT;
-- Pairs of files that are labelled again, blind, to see how far people agree with the files. Their items are asked in their audit
-- alone, and what is said of them changes no pair.
CREATE TABLE audits (
    id INTEGER PRIMARY KEY,
    who TEXT NOT NULL,
    at INTEGER NOT NULL,
    wanted TEXT NOT NULL           -- JSON: AuditOf
) STRICT;
CREATE TABLE audit_items (         -- in the order in which they are asked
    audit INTEGER NOT NULL REFERENCES audits,
    item INTEGER NOT NULL REFERENCES items,
    UNIQUE (audit, item)
) STRICT;
CREATE INDEX audit_items_by_item ON audit_items (item);
CREATE TABLE audit_acts (          -- what was done to pairs because of what annotators said of them
    id INTEGER PRIMARY KEY,
    audit INTEGER NOT NULL REFERENCES audits,
    at INTEGER NOT NULL,
    who TEXT NOT NULL,
    choice TEXT NOT NULL,          -- AuditChoice
    pairs TEXT NOT NULL,           -- JSON: their numbers
    undoes INTEGER UNIQUE REFERENCES audit_acts
) STRICT;
CREATE TRIGGER audits_stay BEFORE DELETE ON audits BEGIN SELECT RAISE(ABORT, 'audits are never deleted'); END;
CREATE TRIGGER audits_keep BEFORE UPDATE ON audits BEGIN SELECT RAISE(ABORT, 'audits are never changed'); END;
CREATE TRIGGER audit_items_stay BEFORE DELETE ON audit_items BEGIN SELECT RAISE(ABORT, 'audits are never changed'); END;
CREATE TRIGGER audit_items_keep BEFORE UPDATE ON audit_items BEGIN SELECT RAISE(ABORT, 'audits are never changed'); END;
CREATE TRIGGER audit_acts_stay BEFORE DELETE ON audit_acts BEGIN SELECT RAISE(ABORT, 'what was done stays done'); END;
CREATE TRIGGER audit_acts_keep BEFORE UPDATE ON audit_acts BEGIN SELECT RAISE(ABORT, 'what was done stays done'); END;
CREATE TRIGGER decisions_stay BEFORE DELETE ON decisions BEGIN SELECT RAISE(ABORT, 'decisions are never deleted'); END;
CREATE TRIGGER decisions_keep BEFORE UPDATE ON decisions BEGIN SELECT RAISE(ABORT, 'decisions are never changed'); END;
CREATE TRIGGER undone_decisions_stay BEFORE DELETE ON undone_decisions BEGIN SELECT RAISE(ABORT, 'what was undone stays undone'); END;
CREATE TRIGGER undone_decisions_keep BEFORE UPDATE ON undone_decisions BEGIN SELECT RAISE(ABORT, 'what was undone stays undone'); END;
", "
-- What was decided of an import after it came in. The newest row counts.
CREATE TABLE import_changes (
    id INTEGER PRIMARY KEY,
    import INTEGER NOT NULL REFERENCES imports,
    at INTEGER NOT NULL,
    who TEXT NOT NULL,
    name TEXT,                     -- null: it is called as what was imported
    held_out INTEGER NOT NULL,     -- its pairs are never trained on
    taken_back INTEGER NOT NULL    -- what it alone brought counts as not there
) STRICT;
CREATE INDEX import_changes_by_import ON import_changes (import);
-- A row whose content was there already, with what it is. Imports of earlier versions only counted these.
CREATE TABLE repeats (
    id INTEGER PRIMARY KEY,
    import INTEGER REFERENCES imports,             -- null: it came again, and from no file
    line INTEGER,
    row INTEGER,
    pair INTEGER REFERENCES pairs,
    item INTEGER REFERENCES items,
    single INTEGER REFERENCES single_answers
) STRICT;
CREATE INDEX repeats_by_import ON repeats (import);
CREATE INDEX repeats_by_pair ON repeats (pair) WHERE pair IS NOT NULL;
CREATE INDEX repeats_by_item ON repeats (item) WHERE item IS NOT NULL;
CREATE INDEX repeats_by_single ON repeats (single) WHERE single IS NOT NULL;
CREATE INDEX pairs_by_import ON pairs (import);
CREATE INDEX items_by_import ON items (import) WHERE import IS NOT NULL;
-- Categories that were given later. The newest row counts.
CREATE TABLE category_changes (
    id INTEGER PRIMARY KEY,
    pair INTEGER NOT NULL,         -- as in the listing
    at INTEGER NOT NULL,
    who TEXT NOT NULL,
    category TEXT                  -- null: none
) STRICT;
CREATE INDEX category_changes_by_pair ON category_changes (pair);
-- Sets of pairs. The newest version counts.
CREATE TABLE set_versions (
    id INTEGER PRIMARY KEY,
    pair_set INTEGER NOT NULL,     -- its number, from 1
    at INTEGER NOT NULL,
    who TEXT NOT NULL,
    name TEXT NOT NULL,
    definition TEXT NOT NULL,      -- JSON: SetDefinition
    removed INTEGER NOT NULL
) STRICT;
CREATE INDEX set_versions_by_set ON set_versions (pair_set);
-- Pairs that were put into a set, or taken out, one by one. The newest row of a pair counts.
CREATE TABLE set_members (
    id INTEGER PRIMARY KEY,
    pair_set INTEGER NOT NULL,
    pair INTEGER NOT NULL,         -- as in the listing
    at INTEGER NOT NULL,
    who TEXT NOT NULL,
    member INTEGER NOT NULL
) STRICT;
CREATE INDEX set_members_by_set ON set_members (pair_set, pair);
CREATE TRIGGER import_changes_stay BEFORE DELETE ON import_changes BEGIN SELECT RAISE(ABORT, 'decisions on imports are never deleted'); END;
CREATE TRIGGER import_changes_keep BEFORE UPDATE ON import_changes BEGIN SELECT RAISE(ABORT, 'decisions on imports are never changed'); END;
CREATE TRIGGER repeats_stay BEFORE DELETE ON repeats BEGIN SELECT RAISE(ABORT, 'repeated rows are never deleted'); END;
CREATE TRIGGER repeats_keep BEFORE UPDATE ON repeats BEGIN SELECT RAISE(ABORT, 'repeated rows are never changed'); END;
CREATE TRIGGER category_changes_stay BEFORE DELETE ON category_changes BEGIN SELECT RAISE(ABORT, 'categories are never deleted'); END;
CREATE TRIGGER category_changes_keep BEFORE UPDATE ON category_changes BEGIN SELECT RAISE(ABORT, 'categories are never changed'); END;
CREATE TRIGGER set_versions_stay BEFORE DELETE ON set_versions BEGIN SELECT RAISE(ABORT, 'sets are never deleted'); END;
CREATE TRIGGER set_versions_keep BEFORE UPDATE ON set_versions BEGIN SELECT RAISE(ABORT, 'sets are never changed'); END;
CREATE TRIGGER set_members_stay BEFORE DELETE ON set_members BEGIN SELECT RAISE(ABORT, 'members of sets are never deleted'); END;
CREATE TRIGGER set_members_keep BEFORE UPDATE ON set_members BEGIN SELECT RAISE(ABORT, 'members of sets are never changed'); END;
-- What pairs are sorted and filtered by, derived as the rest of the listing is.
ALTER TABLE listing ADD COLUMN import INTEGER;  -- the one that brought it first
ALTER TABLE listing ADD COLUMN at INTEGER NOT NULL DEFAULT 0;  -- when it came in, or was last edited or judged
ALTER TABLE listing ADD COLUMN prompt_length INTEGER NOT NULL DEFAULT 0;  -- characters, as are the next two
ALTER TABLE listing ADD COLUMN chosen_length INTEGER NOT NULL DEFAULT 0;
ALTER TABLE listing ADD COLUMN rejected_length INTEGER NOT NULL DEFAULT 0;
ALTER TABLE listing ADD COLUMN disputed INTEGER;  -- whether its annotators differ; null: nobody has judged it
DROP INDEX listing_in_order;
-- All that a page needs but the texts, which would have to be passed over.
CREATE INDEX listing_in_order ON listing
    (id, source, category, import, at, prompt_length, chosen_length, rejected_length, disputed);
", "
-- How the file rates the two answers of a pair as it is now; null where it does not.
ALTER TABLE listing ADD COLUMN score_chosen REAL;
ALTER TABLE listing ADD COLUMN score_rejected REAL;
ALTER TABLE listing ADD COLUMN margin REAL;  -- by how much the chosen one is rated better; null: the order is not known
DROP INDEX listing_in_order;
-- All that a page needs but the texts, which would have to be passed over.
CREATE INDEX listing_in_order ON listing
    (id, source, category, import, at, prompt_length, chosen_length, rejected_length, disputed, score_chosen, score_rejected, margin);
-- Ratings that a later file has of a pair that came without any. The newest counts.
CREATE TABLE later_ratings (
    id INTEGER PRIMARY KEY,
    pair INTEGER NOT NULL REFERENCES pairs,
    import INTEGER NOT NULL REFERENCES imports,
    rating_chosen REAL NOT NULL,
    rating_rejected REAL NOT NULL,
    rating_order TEXT              -- RatingOrder; null: not known
) STRICT;
CREATE INDEX later_ratings_by_pair ON later_ratings (pair);
CREATE TRIGGER later_ratings_stay BEFORE DELETE ON later_ratings BEGIN SELECT RAISE(ABORT, 'ratings are never deleted'); END;
CREATE TRIGGER later_ratings_keep BEFORE UPDATE ON later_ratings BEGIN SELECT RAISE(ABORT, 'ratings are never changed'); END;
CREATE INDEX listing_rated ON listing (id) WHERE score_chosen IS NOT NULL;
", "
-- A pair that has the texts again that it came in with is as it came in, and dated so: the listing is made anew.
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
