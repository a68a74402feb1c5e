//! How a model reads pairs and how many tokens they have, found out once for each pair and model while the program runs.

use super::locked;
use crate::error::{Error, Result};
use chat::{Boundary, Oddities, Tokenizer};
use prefs::Pair;
use prefs::store::SourcedPair;
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use train::base::Stamps;
use train::memory::Length;

/// A pair as a model reads it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Read {
    /// Its tokens.
    pub(crate) length: Length,
    /// What is read otherwise than it looks.
    pub(crate) oddities: Oddities,
    /// Whether its prompt ends otherwise before an answer than alone.
    pub(crate) is_broken: bool,
}

/// Pairs by their content, of the model that was asked for last.
#[derive(Default)]
pub(crate) struct Lengths {
    known: Mutex<(Option<Counted>, HashMap<String, Read>)>,
}

/// The model that lengths were counted with: its place, and what the system said of its files.
type Counted = (PathBuf, Option<Stamps>);

impl Lengths {
    /// All pairs as they are read, in their order. Those not known are counted on all cores.
    ///
    /// # Errors
    /// When the tokenizer or the template refuses a pair; the error says which.
    pub(crate) fn of(&self, model: &Path, tokenizer: &Tokenizer, pairs: &[SourcedPair]) -> Result<Vec<Read>> {
        let model = Some((model.to_path_buf(), Stamps::of(model).ok()));
        let hashes: Vec<String> = pairs.iter().map(|sourced| sourced.pair.content_hash()).collect();
        let missing: Vec<usize> = {
            let mut known = locked(&self.known);
            if known.0 != model {
                *known = (model.clone(), HashMap::new());
            }
            (0..pairs.len()).filter(|&place| !known.1.contains_key(&hashes[place])).collect()
        };
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let share = missing.len().div_ceil(cores).max(1);
        let counted: Vec<Result<Vec<(usize, Read)>>> = std::thread::scope(|scope| {
            let count = |places: &[usize]| {
                places.iter().map(|&place| Ok((place, read(tokenizer, pairs[place].id, &pairs[place].pair)?))).collect()
            };
            let threads: Vec<_> = missing.chunks(share).map(|places| scope.spawn(move || count(places))).collect();
            let fault = |_| Err(Error::new("fault", "counting tokens ended by a fault of the program", "Report it."));
            threads.into_iter().map(|thread| thread.join().unwrap_or_else(fault)).collect()
        });
        let mut known = locked(&self.known);
        // Another plan may have asked for another model meanwhile: what was counted is for this one alone.
        let mut own = HashMap::new();
        let lengths = if known.0 == model { &mut known.1 } else { &mut own };
        for counted in counted {
            for (place, read) in counted? {
                lengths.insert(hashes[place].clone(), read);
            }
        }
        let missing = || Error::new("fault", "the model was changed while pairs were counted", "Try again.");
        hashes.iter().map(|hash| lengths.get(hash).cloned().ok_or_else(missing)).collect()
    }
}

fn read(tokenizer: &Tokenizer, id: i64, pair: &Pair) -> Result<Read> {
    let encoded = chat::encode_pair(tokenizer, pair).map_err(|error| {
        Error::new("text", format!("pair {id}: {error}"), "Edit this pair, or take it out of the project.")
    })?;
    Ok(Read {
        length: Length::of(&encoded),
        oddities: Oddities::of(tokenizer, pair, &encoded),
        is_broken: encoded.boundary != Boundary::Clean,
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use prefs::store::PairSource;

    #[test]
    fn lengths_are_those_of_the_encoding_and_are_counted_once() {
        let folder = tempfile::tempdir().unwrap();
        testkit::TinyLlama::default().write_folder(folder.path()).unwrap();
        let tokenizer = Tokenizer::open(folder.path()).unwrap();
        let pairs: Vec<SourcedPair> = testkit::pairs(9, 1)
            .into_iter()
            .enumerate()
            .map(|(at, pair)| SourcedPair { id: at as i64 + 1, source: PairSource::Imported, pair })
            .collect();
        let lengths = Lengths::default();
        let counted = lengths.of(folder.path(), &tokenizer, &pairs).unwrap();
        let encoded = chat::encode_pair(&tokenizer, &pairs[4].pair).unwrap();
        assert_eq!(counted[4].length.whole(), encoded.prompt.len() + encoded.chosen.len().max(encoded.rejected.len()));
        assert_eq!(lengths.known.lock().unwrap().1.len(), 9);
        assert_eq!(lengths.of(folder.path(), &tokenizer, &pairs[..3]).unwrap(), counted[..3]);
        let other = lengths.of(Path::new("/other"), &tokenizer, &pairs[..2]).unwrap();
        assert_eq!(other, counted[..2]);
        assert_eq!(lengths.known.lock().unwrap().1.len(), 2, "only one model's lengths are kept");
    }
}
