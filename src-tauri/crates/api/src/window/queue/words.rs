//! Why a run waits, and what became of one that failed, as sentences without a full stop.

use numbers::size;
use runs::{State, Wait};

/// Why the first run waits, beside those that train.
pub(super) fn why(wait: Option<&Wait>, training: &[String]) -> String {
    let names = joined(training);
    match wait {
        None => "begins in a moment".into(),
        Some(Wait::Others { at_most: 1, .. }) => format!("waits for {names}"),
        Some(Wait::Others { training, at_most }) => {
            format!("waits for one of {names}: {training} train, and at most {at_most} may at once")
        }
        Some(Wait::Memory { needed, left }) => {
            format!(
                "waits for memory: it needs {}, and {names} will leave {} of what is free",
                size(*needed),
                size(*left)
            )
        }
        Some(Wait::UnknownMemory) => {
            format!("waits for {names}: whether both fit into memory is not known")
        }
    }
}

fn joined(names: &[String]) -> String {
    match names {
        [] => "another run".into(),
        [one] => one.clone(),
        [others @ .., last] => format!("{} and {last}", others.join(", ")),
    }
}

/// What became of a run that the queue began, where it did not go well.
pub(super) fn failure(state: State, refused: Option<&str>) -> Option<String> {
    match (state, refused) {
        (State::Failed, _) => Some("failed".into()),
        (State::Interrupted, _) => Some("was broken off: its process is gone".into()),
        (State::Prepared, Some(why)) => Some(format!("could not be begun: {why}")),
        (State::Prepared, None) => Some("could not be begun".into()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_reason_names_what_is_waited_for() {
        let one = ["first".to_owned()];
        let two = ["first".to_owned(), "second".to_owned()];
        assert_eq!(why(None, &[]), "begins in a moment");
        assert_eq!(why(Some(&Wait::Others { training: 1, at_most: 1 }), &one), "waits for first");
        let limit = why(Some(&Wait::Others { training: 2, at_most: 2 }), &two);
        assert_eq!(limit, "waits for one of first and second: 2 train, and at most 2 may at once");
        let memory = why(Some(&Wait::Memory { needed: 3_000_000_000, left: 2_000_000_000 }), &one);
        assert_eq!(memory, "waits for memory: it needs 3.0 GB, and first will leave 2.0 GB of what is free");
        assert!(why(Some(&Wait::UnknownMemory), &one).contains("not known"));
    }

    #[test]
    fn a_run_that_went_well_is_no_failure() {
        assert_eq!(failure(State::Finished, None), None);
        assert_eq!(failure(State::Paused, None), None);
        assert_eq!(failure(State::Prepared, Some("no room")).as_deref(), Some("could not be begun: no room"));
    }
}
