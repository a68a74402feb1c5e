//! What the names of columns say of ratings: whether a column rates answers, and whether high or low is better.

use super::RatingOrder;
use super::preference::normal;

/// Words by which a column is called that rates answers, the highest being the best.
const SCORES: [&str; 20] = [
    "score",
    "scores",
    "rating",
    "ratings",
    "reward",
    "rewards",
    "grade",
    "label",
    "labels",
    "desirable",
    "kto",
    "likes",
    "upvotes",
    "votes",
    "liked",
    "helpfulness",
    "correctness",
    "quality",
    "honesty",
    "truthfulness",
];

/// Words beside these that do not turn them round.
const BESIDE_SCORES: [&str; 10] = [
    "tag",
    "helpful",
    "correct",
    "coherence",
    "instruction",
    "following",
    "preference",
    "accuracy",
    "usefulness",
    "up",
];

/// Words by which a column is called that rates answers, the lowest being the best.
const RANKS: [&str; 3] = ["rank", "ranks", "position"];

/// Words that say nothing of it.
const NEUTRAL: [&str; 22] = [
    "annotations",
    "annotation",
    "metadata",
    "meta",
    "info",
    "extra",
    "average",
    "avg",
    "mean",
    "overall",
    "fine",
    "grained",
    "total",
    "final",
    "human",
    "user",
    "model",
    "response",
    "answer",
    "completion",
    "value",
    "thumbs",
];

/// The words of a column's name, of a path with `*` those behind it.
pub(super) fn words_of(column: &str) -> Vec<String> {
    let own = match column.split_once(".*") {
        Some((list, "")) => list.rsplit('.').next().unwrap_or(list),
        Some((_, rest)) => rest,
        None => column,
    };
    normal(own).split('_').map(str::to_owned).collect()
}

/// Whether a column is called like one that rates answers.
pub(super) fn rates(column: &str) -> bool {
    words_of(column).iter().any(|word| SCORES.contains(&word.as_str()) || RANKS.contains(&word.as_str()))
}

/// What the name of a column of ratings says about their order. A word that nobody knows may turn it round (`toxicity_score`):
/// then it is asked.
pub(super) fn order_of(column: &str) -> Option<RatingOrder> {
    order_of_words(&words_of(column))
}

pub(super) fn order_of_words(words: &[String]) -> Option<RatingOrder> {
    let says: Vec<&str> = words.iter().map(String::as_str).filter(|word| !NEUTRAL.contains(word)).collect();
    let all = |known: &[&[&str]]| !says.is_empty() && says.iter().all(|word| known.concat().contains(word));
    if all(&[&RANKS]) {
        Some(RatingOrder::LowerIsBetter)
    } else if all(&[&SCORES, &BESIDE_SCORES]) {
        Some(RatingOrder::HigherIsBetter)
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_say_which_ratings_are_better_or_it_is_asked() {
        let high = [
            "completions.*.overall_score",
            "completions.*.annotations.helpfulness.Rating",
            "label",
            "scores.*",
            "avg_rating",
            "completions.*.fine-grained_score",
            "metadata.score",
        ];
        for name in high {
            assert_eq!(order_of(name), Some(RatingOrder::HigherIsBetter), "{name}");
        }
        for name in ["answers.*.rank", "ranks.*"] {
            assert_eq!(order_of(name), Some(RatingOrder::LowerIsBetter), "{name}");
        }
        let open = [
            "unhelpful",
            "not_helpful",
            "toxicity_score",
            "harmfulness_rating",
            "loss_score",
            "spam_label",
            "rejected_votes",
            "answers.*.annotations.toxicity.Rating",
            "rank_score",
            "refusal_score",
            "cost_rating",
            "bad_votes",
            "downvotes",
        ];
        for name in open {
            assert_eq!(order_of(name), None, "{name}");
        }
    }
}
