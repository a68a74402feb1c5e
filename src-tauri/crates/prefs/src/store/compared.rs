//! What people keep of answers that they saw elsewhere than in the queue: two answers with the better one, or a prompt.

use rusqlite::params;

use super::derived::current_item;
use super::imports::insert_item;
use super::labels::known_annotator;
use super::sql::now;
use super::verdict::{ItemAnswer, Verdict};
use super::{Project, derived};
use crate::mapping::{Candidates, MappedContent};
use crate::prompts::Prompt;
use crate::{Content, Error, Pair};

/// Two answers to a prompt, as somebody saw them side by side, and which one is better.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Compared {
    /// What was asked.
    pub prompt: Content,
    /// The answer that stood on the left.
    pub left: Content,
    /// The answer that stood on the right.
    pub right: Content,
    /// Which one is better.
    pub left_is_better: bool,
    /// Who says so.
    pub annotator: String,
    /// How long it took.
    pub milliseconds: u64,
    /// What there is to say about it, such as whose answers they are.
    pub note: String,
}

/// What became of two answers that were kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeptPair {
    /// The number of the pair that they make among the project's; none where others judge them otherwise.
    pub pair: Option<i64>,
    /// Whether the project had these answers already.
    pub was_there: bool,
    /// The number of the judgement.
    pub judgement: i64,
}

impl Project {
    /// Keeps two answers as an item, with the judgement, which knows that the names of both were in view. The left answer is the
    /// item's first.
    ///
    /// # Errors
    /// When the texts make no pair, the annotator's name is no name, the annotator has judged these answers before, or it
    /// cannot be written.
    pub fn add_compared(&mut self, compared: &Compared) -> Result<KeptPair, Error> {
        let Compared { prompt, left, right, left_is_better, annotator, milliseconds, note } = compared;
        let pair = Pair { prompt: prompt.clone(), chosen: left.clone(), rejected: right.clone(), category: None };
        pair.validate().map_err(|reason| Error::NotAPair { reason })?;
        if left == right {
            return Err(Error::NotAPair { reason: "the two answers are the same".into() });
        }
        if prompt.is_blank() {
            return Err(Error::EmptyPrompt);
        }
        let (first, second) = (left.clone(), right.clone());
        let content = MappedContent::Candidates(Candidates { prompt: prompt.clone(), first, second, category: None });
        let (item, was_there, judgement) = self.write(|transaction| {
            let annotator = known_annotator(transaction, annotator)?;
            let was_there = insert_item(transaction, &content, None)? == 0;
            let item = transaction
                .prepare_cached("SELECT id FROM items WHERE hash = ?")?
                .query_row([content.content_hash()], |row| row.get::<_, i64>(0))?;
            // It may be there with its answers the other way round, or with other texts by now.
            let current = current_item(transaction, item)?.ok_or(Error::NoItem { item })?;
            let left_is = match (current.answer(ItemAnswer::First), current.answer(ItemAnswer::Second)) {
                (Some(first), Some(second)) if (first, second) == (left, right) => ItemAnswer::First,
                (Some(first), Some(second)) if (first, second) == (right, left) => ItemAnswer::Second,
                _ => return Err(Error::NotAPair { reason: "these answers were edited on Label since".into() }.into()),
            };
            let judged = "SELECT 1 FROM judgements WHERE item = ? AND annotator = ?
                          AND NOT EXISTS (SELECT 1 FROM undone WHERE judgement = judgements.id)";
            if transaction.prepare_cached(judged)?.exists([item, annotator])? {
                return Err(Error::AlreadyJudged { item }.into());
            }
            transaction
                .prepare_cached(
                    "INSERT INTO showings (item, item_revision, annotator, second_pass, left, at) VALUES (?, ?, ?, 0, ?, ?)",
                )?
                .execute(params![item, current.revision, annotator, left_is, now()])?;
            let showing = transaction.last_insert_rowid();
            let verdict = if *left_is_better { Verdict::Left } else { Verdict::Right };
            transaction
                .prepare_cached(
                    "INSERT INTO judgements
                         (showing, item, annotator, second_pass, verdict, meaning, milliseconds, note, at, names_seen, guideline)
                     VALUES (?, ?, ?, 0, ?, ?, ?, ?, ?, 1, (SELECT max(id) FROM guidelines))",
                )?
                .execute(params![
                    showing,
                    item,
                    annotator,
                    verdict,
                    verdict.meaning(left_is),
                    i64::try_from(*milliseconds).unwrap_or(i64::MAX),
                    Some(note.trim()).filter(|note| !note.is_empty()),
                    now(),
                ])?;
            let judgement = transaction.last_insert_rowid();
            derived::refresh_task(transaction, annotator, item, false)?;
            derived::refresh_item(transaction, item)?;
            Ok((item, was_there, judgement))
        })?;
        let is_pair = self.read(|db| db.prepare_cached("SELECT 1 FROM listing WHERE id = ?")?.exists([-item]))?;
        Ok(KeptPair { pair: is_pair.then_some(-item), was_there, judgement })
    }

    /// Keeps a prompt whose answers are still to be generated. Answers whether it is new.
    ///
    /// # Errors
    /// When it says nothing, or cannot be written.
    pub fn add_prompt(&mut self, prompt: &Content) -> Result<bool, Error> {
        if prompt.is_blank() {
            return Err(Error::EmptyPrompt);
        }
        let content = MappedContent::Prompt(Prompt { prompt: prompt.clone(), category: None });
        self.write(|transaction| Ok(insert_item(transaction, &content, None)? > 0))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::Message;
    use crate::store::{Judging, PairSource};

    fn said(role: &str, text: &str) -> Content {
        vec![Message::new(role, text)].into()
    }

    fn compared(left: &str, right: &str, left_is_better: bool, annotator: &str) -> Compared {
        Compared {
            prompt: said("user", "Why?"),
            left: said("assistant", left),
            right: said("assistant", right),
            left_is_better,
            annotator: annotator.into(),
            milliseconds: 1200,
            note: "Playground: first preferred over the base model".into(),
        }
    }

    fn project() -> (tempfile::TempDir, Project) {
        let folder = tempfile::tempdir().unwrap();
        let project = Project::open_or_create(folder.path()).unwrap();
        (folder, project)
    }

    #[test]
    fn two_answers_with_the_better_one_are_a_labelled_pair_at_once() {
        let (_folder, mut project) = project();
        let KeptPair { pair, was_there, judgement } =
            project.add_compared(&compared("bad", "good", false, "Ada")).unwrap();
        assert!(!was_there);
        let view = project.pair(pair.unwrap()).unwrap();
        assert_eq!(
            (view.source, view.chosen, view.rejected),
            (PairSource::Labelled, said("assistant", "good"), said("assistant", "bad"))
        );
        let [row] = <[_; 1]>::try_from(project.judgements().unwrap()).unwrap();
        assert_eq!(
            (row.annotator.as_str(), row.milliseconds, row.names_seen, row.judgement),
            ("Ada", 1200, true, judgement)
        );
        assert!(row.note.unwrap().starts_with("Playground"));
        assert_eq!(project.training_pairs().unwrap().len(), 1);
        // Taken back, it is an item to be judged by this annotator again, and no pair.
        assert!(
            project
                .pair(pair.unwrap())
                .unwrap()
                .history
                .iter()
                .any(|change| change.what.starts_with("Judged with the names"))
        );
        // Something else is judged after it: only this one is taken back, and only once.
        let other = project.add_compared(&compared("other", "good", true, "Ada")).unwrap();
        assert!(project.take_back(judgement).unwrap());
        assert!(!project.take_back(judgement).unwrap());
        assert_eq!(project.training_pairs().unwrap().len(), 1);
        assert!(project.take_back(other.judgement).unwrap());
        assert!(project.training_pairs().unwrap().is_empty());
        let next = project.label_state("Ada", 1).unwrap().queue.remove(0);
        assert_eq!(next.left, "bad", "on the side where it was seen");
        let (item, showing) = (next.item, next.showing);
        let judging =
            Judging { annotator: "Ada".into(), item, showing, verdict: Verdict::Left, milliseconds: 5, note: None };
        project.judge(&judging).unwrap();
        assert_eq!(project.pair(-item).unwrap().chosen, said("assistant", "bad"));
    }

    #[test]
    fn the_same_answers_are_one_item_whoever_compares_them_and_on_whichever_side() {
        let (_folder, mut project) = project();
        let KeptPair { pair: first, .. } = project.add_compared(&compared("a", "b", true, "Ada")).unwrap();
        let KeptPair { pair: second, was_there, .. } = project.add_compared(&compared("b", "a", false, "Ben")).unwrap();
        assert!(was_there && first == second, "both prefer a");
        assert_eq!(project.pair(first.unwrap()).unwrap().chosen, said("assistant", "a"));
        // A third who sees it otherwise does not outvote them; two against two is no pair.
        assert_eq!(project.add_compared(&compared("a", "b", false, "Cy")).unwrap().pair, first);
        assert_eq!(project.add_compared(&compared("a", "b", false, "Di")).unwrap().pair, None);
        let again = project.add_compared(&compared("a", "b", false, "Ada")).unwrap_err();
        assert!(matches!(again, Error::AlreadyJudged { .. }), "{again}");
    }

    #[test]
    fn what_makes_no_pair_is_refused_and_prompts_are_kept_once() {
        let (_folder, mut project) = project();
        for wrong in
            [compared("a", "a", true, "Ada"), Compared { prompt: said("user", " "), ..compared("a", "b", true, "Ada") }]
        {
            assert!(matches!(project.add_compared(&wrong), Err(Error::NotAPair { .. } | Error::EmptyPrompt)));
        }
        assert!(matches!(project.add_compared(&compared("a", "b", true, " ")), Err(Error::AnnotatorName { .. })));
        assert!(project.add_prompt(&said("user", "Why?")).unwrap());
        assert!(!project.add_prompt(&said("user", "Why?")).unwrap());
        assert!(project.add_prompt(&said("user", "  ")).is_err());
        assert_eq!(project.items_without_answers(9).unwrap().len(), 1);
        assert_eq!(project.counts().unwrap().pairs, 0);
    }
}
