//! Prompts that are nearly the same, found without comparing each with each.
//!
//! A prompt is the set of its runs of three words. `MinHash` (A. Broder 1997, On the resemblance and containment of documents)
//! gives each set a signature of 80 numbers, of which two sets share about as many as Jaccard's index says; two prompts are
//! looked at together where one of 16 bands of five numbers is the same (P. Indyk and R. Motwani 1998). Of two prompts with an
//! index of 0.8 this misses two in a thousand, of those with 0.9 none in a million. What is found was then compared exactly.
//!
//! An index would give back all that is alike, which for many prompts that are all alike is their square. Here a band is a sort,
//! and a prompt is compared with few others in it: n log n in time, 220 bytes a prompt in memory.

use super::text::{asked_in_all, fingerprint_of_asked, jaccard, shingles, words};
use crate::Content;
use std::collections::HashMap;

/// The least Jaccard's index of two prompts that are nearly the same.
pub(super) const NEAR: f64 = 0.8;

/// Shorter prompts differ in what they ask when they differ at all.
const FEWEST_WORDS: usize = 12;

const HASHES: usize = 80;
const BAND: usize = 5;

/// Three standard deviations of the estimate below [`NEAR`]: what is estimated to be less alike is not compared.
const ESTIMATED: f64 = 0.66;

/// Prompts of a band that another is compared with.
const MOST_COMPARED: usize = 4;

/// A prompt that is nearly an earlier one.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Link {
    /// Which one.
    pub(super) to: usize,
    /// Jaccard's index of the two.
    pub(super) jaccard: f32,
}

/// One of the hash functions of a signature: two odd factors, with a shift in between. A factor alone is not enough: its least
/// values are not spread evenly, and estimates come out too high.
type Function = (u64, u64);

/// The same functions each time, so that the same prompts are found.
fn functions() -> [Function; HASHES] {
    let mut state = 0x9E37_79B9_7F4A_7C15_u64;
    let mut next = || {
        // SplitMix64 (G. Steele and others 2014).
        state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (state ^ (state >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    };
    std::array::from_fn(|_| (next() | 1, next() | 1))
}

/// The least value of each function over a set of hashed runs of words, of which 16 bits are kept.
fn signature(functions: &[Function; HASHES], set: &[u64]) -> [u16; HASHES] {
    let mut least = [u32::MAX; HASHES];
    for run in set {
        for (least, (first, second)) in least.iter_mut().zip(functions) {
            let mixed = run.wrapping_mul(*first);
            let value = ((mixed ^ (mixed >> 32)).wrapping_mul(*second) >> 32) as u32;
            *least = (*least).min(value);
        }
    }
    least.map(|value| value as u16)
}

/// The share of the numbers that two signatures have in common: about Jaccard's index of their sets.
fn estimate(one: &[u16], other: &[u16]) -> f64 {
    one.iter().zip(other).filter(|(one, other)| one == other).count() as f64 / HASHES as f64
}

/// For each prompt one that it is nearly the same as, or the same but for a system's message. Those before `trained` are linked to an earlier one that is not itself
/// linked, the others to one before `trained`.
pub(super) fn links(prompts: &[&Content], trained: usize) -> Vec<Option<Link>> {
    let set = |prompt: usize| shingles(&words(&asked_in_all(prompts[prompt])));
    let functions = functions();
    let (mut sketched, mut signatures) = (Vec::new(), Vec::with_capacity(prompts.len() * HASHES));
    for (place, prompt) in prompts.iter().enumerate() {
        let words = words(&asked_in_all(prompt));
        if words.len() >= FEWEST_WORDS {
            sketched.push(place);
            signatures.extend(signature(&functions, &shingles(&words)));
        }
    }
    let signature_of = |sketch: u32| &signatures[sketch as usize * HASHES..][..HASHES];
    let mut links = but_for_the_system(prompts, trained);
    for band in 0..HASHES / BAND {
        let key = |sketch: u32| {
            let numbers = &signature_of(sketch)[band * BAND..][..BAND];
            numbers.iter().fold(0_u64, |key, number| key.rotate_left(16).wrapping_mul(31) ^ u64::from(*number))
        };
        let mut keyed: Vec<(u64, u32)> = (0..sketched.len() as u32).map(|sketch| (key(sketch), sketch)).collect();
        keyed.sort_unstable();
        for bucket in keyed.chunk_by(|one, other| one.0 == other.0).filter(|bucket| bucket.len() > 1) {
            let mut others: Vec<(u32, Option<Vec<u64>>)> = Vec::new();
            for &(_, sketch) in bucket {
                let place = sketched[sketch as usize];
                if links[place].is_some() {
                    continue;
                }
                let mut own = None;
                for (other, others_set) in &mut others {
                    if estimate(signature_of(sketch), signature_of(*other)) < ESTIMATED {
                        continue;
                    }
                    let to = sketched[*other as usize];
                    let own = own.get_or_insert_with(|| set(place));
                    let index = jaccard(own, others_set.get_or_insert_with(|| set(to)));
                    if index >= NEAR {
                        links[place] = Some(Link { to, jaccard: index as f32 });
                        break;
                    }
                }
                if place < trained && links[place].is_none() && others.len() < MOST_COMPARED {
                    others.push((sketch, None));
                }
            }
        }
    }
    // A band that came later may have linked what another was linked to.
    for place in 0..trained.min(prompts.len()) {
        if let Some(Link { to, .. }) = links[place]
            && let Some(first) = links[to]
        {
            let index = jaccard(&set(place), &set(first.to));
            links[place] = (index >= NEAR).then_some(Link { to: first.to, jaccard: index as f32 });
        }
    }
    links
}

/// Links of prompts that are the same but for a system's message, however short they are.
fn but_for_the_system(prompts: &[&Content], trained: usize) -> Vec<Option<Link>> {
    let mut firsts: HashMap<u128, usize> = HashMap::new();
    let link = |(place, prompt): (usize, &&Content)| {
        let asked = fingerprint_of_asked(prompt)?;
        let first = firsts.get(&asked).copied();
        if first.is_none() && place < trained {
            firsts.insert(asked, place);
        }
        first.map(|to| Link { to, jaccard: 1.0 })
    };
    prompts.iter().enumerate().map(link).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Over many sets, the estimate is Jaccard's index, and as wide about it as 80 draws are.
    #[test]
    fn an_estimate_is_jaccard_s_index_on_average() {
        let functions = functions();
        for (common, apart) in [(40, 0), (36, 4), (20, 20), (4, 36)] {
            let exact = f64::from(common) / f64::from(common + 2 * apart);
            let (mut sum, mut squares) = (0.0, 0.0);
            for round in 0..400_u64 {
                let run = |at: i32| (round * 1000 + at as u64 + 1).wrapping_mul(0xD6E8_FEB8_6659_FD93).rotate_left(29);
                let set = |own: i32| -> Vec<u64> { (0..common).chain(own..own + apart).map(run).collect() };
                let found = estimate(&signature(&functions, &set(100)), &signature(&functions, &set(300)));
                sum += found;
                squares += (found - exact).powi(2);
            }
            let (mean, deviation) = (sum / 400.0, (squares / 400.0).sqrt());
            let expected = (exact * (1.0 - exact) / HASHES as f64).sqrt();
            assert!((mean - exact).abs() < 0.02, "{mean} of {exact}");
            assert!(deviation < 1.3 * expected + 1e-9, "{deviation}, expected {expected}");
        }
    }

    /// Forty words that follow from a number.
    fn prompt(seed: usize) -> Vec<String> {
        (0..40).map(|at| format!("w{}", (seed * 7919 + at * 104_729 + seed * at) % 9973)).collect()
    }

    fn links_of(texts: &[String], trained: usize) -> Vec<Option<Link>> {
        let contents: Vec<Content> = texts.iter().map(|text| text.as_str().into()).collect();
        links(&contents.iter().collect::<Vec<_>>(), trained)
    }

    #[test]
    fn one_changed_word_of_forty_is_near_and_ten_are_not() {
        let mut texts = Vec::new();
        for seed in 0..200 {
            let words = prompt(seed);
            let mut near = words.clone();
            near[20] = "changed".into();
            let mut far = words.clone();
            (0..10).for_each(|at| far[at * 4] = format!("x{at}"));
            texts.extend([words.join(" "), near.join(" "), far.join(" ")]);
        }
        let links = links_of(&texts, texts.len());
        for (place, link) in links.iter().enumerate() {
            // 38 runs of three words, three of them changed: 35 of 41.
            let expected = (place % 3 == 1).then(|| Link { to: place - 1, jaccard: 35.0 / 41.0 });
            assert_eq!(*link, expected, "{place}");
        }
        // Held-out prompts are linked to trained ones alone.
        let held_out = [texts[1].clone(), texts[3].clone(), texts[4].clone()];
        let found = links_of(&[&texts[..1], &held_out].concat(), 1);
        assert_eq!(found.iter().map(|link| link.map(|link| link.to)).collect::<Vec<_>>(), [None, Some(0), None, None]);
    }

    #[test]
    fn what_is_alike_is_linked_to_one_that_is_kept() {
        let base = prompt(1);
        let variant = |changed: usize| {
            let mut words = base.clone();
            words[changed] = format!("v{changed}");
            words.join(" ")
        };
        let texts: Vec<String> = (0..40).map(variant).collect();
        let links = links_of(&texts, texts.len());
        assert!(links.iter().flatten().count() >= 20, "{links:?}");
        for link in links.iter().flatten() {
            assert!(links[link.to].is_none(), "linked to what is linked itself");
            assert!(f64::from(link.jaccard) >= NEAR - 1e-6);
        }
    }

    #[test]
    fn short_prompts_are_not_near() {
        let texts = ["What is 2 + 3 in the ring?", "What is 2 + 4 in the ring?"].map(str::to_owned);
        assert_eq!(links_of(&texts, 2), [None, None]);
    }
}
