//! What imports that are held out ask. A mark is about a file: each of its rows holds its prompt out, also one that is no pair to
//! train on: a prompt, candidates that nobody has labelled, a single answer, a pair that was removed or is to be judged again.

use std::collections::{BTreeMap, HashSet};

use rusqlite::Connection;

use super::Project;
use super::import_changes::{HeldOutImport, PAIRS_OF_IMPORT, brought_again, held_out_imports, import_gone, pairs_of};
use super::pairs::{PairSource, listed};
use super::sql::{content, damaged};
use crate::checks::fingerprint;

/// Prompts, as [`fingerprint`] tells them apart.
pub type Prompts = HashSet<u128>;

impl Project {
    /// Whether pairs that could be trained on are held out, as an import of theirs is.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn holds_out_pairs(&self) -> Result<bool, crate::Error> {
        self.read(|db| {
            let source = "SELECT source FROM listing WHERE id = ?";
            let mut is_trained_on = db.prepare_cached(source)?;
            for held_out in held_out_imports(db)? {
                let again = Again::of(db, &held_out)?;
                for id in pairs_of(db, held_out.import)? {
                    let mut found = is_trained_on.query([id])?;
                    let Some(row) = found.next()? else { continue };
                    if row.get::<_, PairSource>(0)?.is_trained_on() && again.holds_out(id) {
                        return Ok(true);
                    }
                }
            }
            Ok(false)
        })
    }

    /// The prompts of each import that is held out, by its number, but for those of pairs that are trained on as they came in: these
    /// are [`Project::held_out_by_imports`]. Where a prompt was changed, both that which came in and the new one.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn held_out_prompts(&self) -> Result<BTreeMap<i64, Prompts>, crate::Error> {
        self.read(|db| {
            let mut all = BTreeMap::new();
            for held_out in held_out_imports(db)? {
                let prompts = prompts_of(db, &held_out)?;
                if !prompts.is_empty() {
                    all.insert(held_out.import, prompts);
                }
            }
            Ok(all)
        })
    }

    /// The prompts of pairs as they are now, whether or not these are trained on.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn prompts_of_pairs(&self, ids: &[i64]) -> Result<Prompts, crate::Error> {
        self.read(|db| {
            let pairs = ids.iter().map(|id| listed(db, *id));
            let pairs = pairs.collect::<rusqlite::Result<Vec<_>>>()?;
            Ok(pairs.into_iter().flatten().map(|(pair, _)| fingerprint(&pair.prompt)).collect())
        })
    }
}

/// Of an import that was taken back, what others have brought again; `None` of one that is there.
struct Again(Option<HashSet<i64>>);

impl Again {
    fn of(db: &Connection, held_out: &HeldOutImport) -> rusqlite::Result<Self> {
        Ok(Self(held_out.taken_back.then(|| brought_again(db, held_out.import)).transpose()?))
    }

    fn holds_out(&self, id: i64) -> bool {
        self.0.as_ref().is_none_or(|again| again.contains(&id))
    }
}

fn prompts_of(db: &Connection, held_out: &HeldOutImport) -> rusqlite::Result<Prompts> {
    let (again, import) = (Again::of(db, held_out)?, held_out.import);
    let query = format!(
        "WITH brought AS ({PAIRS_OF_IMPORT})
         SELECT prompt, pairs.id FROM brought JOIN pairs ON pairs.id = brought.id LEFT JOIN listing ON listing.id = brought.id
         WHERE listing.source IS NOT 'imported'
         UNION ALL SELECT prompt, pair FROM brought JOIN pair_revisions ON pair = brought.id
         WHERE pair_revisions.id = (SELECT max(id) FROM pair_revisions WHERE pair = brought.id AND prompt IS NOT NULL)
         UNION ALL SELECT prompt, -items.id FROM brought JOIN items ON items.id = -brought.id
         UNION ALL SELECT prompt, -item FROM brought JOIN item_revisions ON item = -brought.id
         WHERE item_revisions.id = (SELECT max(id) FROM item_revisions WHERE item = -brought.id AND prompt IS NOT NULL)"
    );
    let mut prompts = Prompts::new();
    let mut statement = db.prepare_cached(&query)?;
    let mut rows = statement.query(&[(":import", &import)])?;
    while let Some(row) = rows.next()? {
        if again.holds_out(row.get(1)?) {
            prompts.insert(fingerprint(&content(row, 0)?.ok_or_else(|| damaged(0, "a row has no prompt"))?));
        }
    }
    let singles = concat!(
        "SELECT prompt FROM single_answers WHERE ?2 AND import = ?1
         UNION ALL SELECT prompt FROM single_answers JOIN repeats ON single = single_answers.id
         WHERE ?2 AND repeats.import = ?1
         UNION ALL SELECT prompt FROM single_answers
         WHERE NOT ?2 AND (import = ?1 OR id IN (SELECT single FROM repeats WHERE import = ?1))
           AND id IN (SELECT single FROM repeats WHERE import > ?1 AND NOT ",
        import_gone!("repeats.import"),
        ")"
    );
    let mut statement = db.prepare_cached(singles)?;
    let mut rows = statement.query((import, again.0.is_none()))?;
    while let Some(row) = rows.next()? {
        prompts.insert(fingerprint(&content(row, 0)?.ok_or_else(|| damaged(0, "an answer has no prompt"))?));
    }
    Ok(prompts)
}
