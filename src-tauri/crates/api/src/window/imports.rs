//! What is decided of a file after it came in: its name, that it is held out, that it is taken back.

use super::Backend;
use super::training::composition::{by_import, compose, listed, pairs_in_words};
use super::training::says_of_all;
use super::types::{ChangeImport, ImportChanged};
use super::who::signed;
use super::words::counted;
use crate::error::Result;
use prefs::store::{ImportChange, ImportChanged as Changed};

/// Decides something of an import, and says what that did.
pub(super) fn change_import(backend: &Backend, request: ChangeImport) -> Result<ImportChanged> {
    let ChangeImport { project, import, who, change } = request;
    let project = backend.project(&project)?;
    // A large import takes seconds: labelling goes on meanwhile.
    let mut store = project.another_store()?;
    let changed = store.change_import(import, &signed(&who)?, &change)?;
    let says = match &change {
        ImportChange::Name(_) => Vec::new(),
        ImportChange::HeldOut(true) => compose(&store, 0.0, 0, None)?.record.says,
        ImportChange::HeldOut(false) => {
            vec!["its pairs are trained on again, where no other mark holds them out".into()]
        }
        ImportChange::TakenBack(taken_back) => in_words(*taken_back, &changed),
    };
    backend.changed(&project);
    let of_runs = match &change {
        ImportChange::Name(_) => Vec::new(),
        ImportChange::HeldOut(_) | ImportChange::TakenBack(_) => says_of_all(backend, &project)?,
    };
    Ok(ImportChanged { says: says.into_iter().chain(of_runs).collect() })
}

fn in_words(taken_back: bool, changed: &Changed) -> Vec<String> {
    let Changed { pairs, items, single_answers, labelled, elsewhere } = changed;
    let parts = [
        (*pairs > 0).then(|| pairs_in_words(*pairs)),
        (*items > 0).then(|| counted(*items, "item to label", "items to label")),
        (*single_answers > 0).then(|| counted(*single_answers, "single answer", "single answers")),
    ]
    .into_iter()
    .flatten()
    .collect::<Vec<String>>();
    let named: Vec<&str> = parts.iter().map(String::as_str).collect();
    let what = if parts.is_empty() { "nothing".to_owned() } else { listed(&named) };
    let alone = pairs + items + single_answers == 1 || parts.is_empty();
    let mut says = vec![match (taken_back, alone) {
        (true, true) => format!("{what} is taken back"),
        (true, false) => format!("{what} are taken back"),
        (false, true) => format!("{what} is back"),
        (false, false) => format!("{what} are back"),
    }];
    if *labelled > 0 {
        let (are, labels) = if *labelled == 1 { ("is", "its label") } else { ("are", "their labels") };
        let number = numbers::count(*labelled);
        says.push(if taken_back {
            format!("{number} of them {are} labelled: {labels} went along, and will count again when the import is brought back")
        } else {
            format!("{number} of them {are} labelled, and {labels} count again")
        });
    }
    if !elsewhere.is_empty() {
        let stay = if taken_back { "stays" } else { "was there all the time" };
        says.push(format!("what other imports brought as well {stay}: {}", by_import(elsewhere)));
    }
    says
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stays_is_named() {
        let changed =
            Changed { pairs: 2, items: 1, elsewhere: [("a.jsonl".to_owned(), 1)].into(), ..Changed::default() };
        assert_eq!(
            in_words(true, &changed),
            ["2 pairs and 1 item to label are taken back", "what other imports brought as well stays: 1 with a.jsonl"]
        );
        assert_eq!(in_words(false, &Changed { pairs: 1, ..Changed::default() }), ["1 pair is back"]);
        assert_eq!(in_words(true, &Changed::default()), ["nothing is taken back"]);
        let labelled = Changed { pairs: 3, items: 1, labelled: 2, ..Changed::default() };
        assert_eq!(
            in_words(true, &labelled)[1],
            "2 of them are labelled: their labels went along, and will count again when the import is brought back"
        );
        assert_eq!(in_words(false, &labelled)[1], "2 of them are labelled, and their labels count again");
    }
}
