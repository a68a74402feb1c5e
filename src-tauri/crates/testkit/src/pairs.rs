//! Synthetic preference pairs that a model of a few thousand weights can learn to tell apart.

use prefs::{Content, Message, Pair};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

const THINGS: [&str; 8] = ["apples", "boats", "coins", "doors", "eggs", "flags", "gates", "hats"];
const SURE: [&str; 3] = ["It is", "That is", "You get"];
const UNSURE: [&str; 3] = ["Who knows? Say", "Hm, could be", "Not sure, try"];

/// `n` conversational pairs of one turn. The chosen answer states the right number plainly; the rejected one wavers
/// and is wrong. No prompt repeats among the first few hundred, and all texts are short in bytes.
pub fn pairs(n: usize, seed: u64) -> Vec<Pair> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let answer = |text: String| Content::from(vec![Message::new("assistant", text)]);
    (0..n)
        .map(|place| {
            // Counting through the things and the first number keeps the prompts apart.
            let thing = THINGS[place % THINGS.len()];
            let first = place / THINGS.len() + 1;
            let second = rng.random_range(1..9usize);
            let wrong = first + second + rng.random_range(1..5usize);
            let sure = SURE[rng.random_range(0..SURE.len())];
            let unsure = UNSURE[rng.random_range(0..UNSURE.len())];
            Pair {
                prompt: Content::from(vec![Message::new("user", format!("{first} and {second} {thing}?"))]),
                chosen: answer(format!("{sure} {}.", first + second)),
                rejected: answer(format!("{unsure} {wrong}")),
                category: None,
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs_follow_from_the_seed_and_do_not_repeat() {
        let some = pairs(200, 7);
        assert_eq!(some, pairs(200, 7));
        assert_ne!(some, pairs(200, 8));
        assert_eq!(some[..50], pairs(50, 7));
        let prompts: std::collections::BTreeSet<_> = some.iter().map(|pair| pair.prompt.last_text()).collect();
        assert_eq!(prompts.len(), some.len());
        assert!(some.iter().all(|pair| pair.validate().is_ok() && pair.is_conversational()));
    }
}
