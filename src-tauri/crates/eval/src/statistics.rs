//! How sure one can be of a win rate: interval, test, and a verdict in words.

use crate::answers::Side;
use crate::evaluation::Names;
use numbers::{count, counted};
use serde::{Deserialize, Serialize};
use ts_rs::TS;

/// The standard normal's 97.5 % quantile: 95 % of a normal lies within this many standard deviations.
pub const Z_95: f64 = 1.959_963_984_540_054;
/// A win rate above this is said to work, when its interval is above 50 % too.
pub const WORKS_ABOVE: f64 = 0.55;
/// What [`WORKS_ABOVE`] is, for whoever reads a verdict: no statistics, but a choice.
pub const WHY_55: &str = "Training is said to work from 55 % on, eleven wins to nine losses: less than that is hard to notice. \
                          This line is a choice of Tiebreak's; whether the model got better at all is told by the interval, \
                          which must be above 50 % whole.";

/// An interval of shares or means; written as `[low, high]`.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, TS)]
#[serde(from = "[f64; 2]", into = "[f64; 2]")]
#[ts(type = "[number, number]")]
pub struct Interval {
    /// Lower end.
    pub low: f64,
    /// Upper end.
    pub high: f64,
}

impl From<[f64; 2]> for Interval {
    fn from([low, high]: [f64; 2]) -> Self {
        Self { low, high }
    }
}

impl From<Interval> for (f64, f64) {
    fn from(interval: Interval) -> Self {
        (interval.low, interval.high)
    }
}

impl From<Interval> for [f64; 2] {
    fn from(interval: Interval) -> Self {
        [interval.low, interval.high]
    }
}

/// The Wilson score 95 % interval of a share of `n` (Wilson 1927, "Probable Inference, the Law of Succession, and
/// Statistical Inference"): the shares that a score test at 5 % would not reject.
///
/// `share` need not be a whole number of successes: ties count as half a success each, with all `n` items in the
/// denominator. An item that scores 0, ½ or 1 with mean p varies by at most p(1 − p), the variance of a plain success,
/// so with ties the interval is, if anything, wider than it need be. `[0, 1]` for `n = 0`.
pub fn wilson(share: f64, n: usize) -> Interval {
    if n == 0 {
        return Interval { low: 0.0, high: 1.0 };
    }
    let n = n as f64;
    let z2 = Z_95 * Z_95;
    let centre = (share + z2 / (2.0 * n)) / (1.0 + z2 / n);
    let half = Z_95 / (1.0 + z2 / n) * (share * (1.0 - share) / n + z2 / (4.0 * n * n)).sqrt();
    // At 0 and 1 the ends are exact, but for rounding.
    Interval {
        low: if share <= 0.0 { 0.0 } else { (centre - half).max(0.0) },
        high: if share >= 1.0 { 1.0 } else { (centre + half).min(1.0) },
    }
}

/// The exact two-sided sign test (Dixon and Mood 1946): how likely a split at least as uneven as `wins` to `losses` is
/// when both are equally likely. Ties say nothing about direction and are left out. 1 when there is nothing to split.
pub fn sign_test(wins: usize, losses: usize) -> f64 {
    let n = wins + losses;
    // C(n, k) / 2^n for k = 0, 1, …, as logarithms so that large n does not underflow.
    let mut log_term = -(n as f64) * std::f64::consts::LN_2;
    let mut tail = log_term.exp();
    for k in 0..wins.min(losses) {
        log_term += ((n - k) as f64).ln() - ((k + 1) as f64).ln();
        tail += log_term.exp();
    }
    (2.0 * tail).min(1.0)
}

/// How many prompts it takes in all until the Wilson interval of `share` no longer holds 50 %; `None` at 50 % itself,
/// where no number is enough.
///
/// The interval excludes ½ exactly when |share − ½| > z · √(¼ / n).
pub fn prompts_to_tell(share: f64) -> Option<u64> {
    let distance = (share - 0.5).abs();
    let n = Z_95 * Z_95 * 0.25 / (distance * distance);
    n.is_finite().then(|| n.floor() as u64 + 1)
}

/// How often the answer that stood first was found better, of all verdicts that find one better: half the time, where a
/// judge has no liking for a place.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct FirstShare {
    /// The answer that stood first was better.
    pub first: usize,
    /// Verdicts that find one of the two better.
    pub decided: usize,
    /// The first of these by the second.
    pub share: f64,
    /// Its Wilson 95 % interval.
    pub interval: Interval,
    /// Exact two-sided sign test against half.
    pub p: f64,
    /// Of these verdicts, those where the answer of [`Side::Base`] stood first.
    pub base_first: usize,
}

impl FirstShare {
    /// From verdicts that find one of two answers better: whether the one that stood first is, and whether that of
    /// [`Side::Base`] stood first. `None` where there are none.
    pub fn of(verdicts: impl IntoIterator<Item = (bool, bool)>) -> Option<Self> {
        let (mut first, mut base_first, mut decided) = (0, 0, 0);
        for (first_is_better, base_is_first) in verdicts {
            first += usize::from(first_is_better);
            base_first += usize::from(base_is_first);
            decided += 1;
        }
        let share = first as f64 / decided as f64;
        let (interval, p) = (wilson(share, decided), sign_test(first, decided - first));
        (decided > 0).then_some(Self { first, decided, share, interval, p, base_first })
    }

    /// Whether the share is further from half than chance explains (p below 5 %).
    pub fn is_a_liking(&self) -> bool {
        self.p < 0.05
    }

    /// The share with its interval, and what it means where it is a liking. `who` is who judged, and `place` what first
    /// and second place are called.
    pub fn words(&self, who: &str, (first, second): (&str, &str), names: &Names) -> String {
        let numbers = format!(
            "{} of the {} decided verdicts are for the answer shown {first}",
            numbers::share(self.share, self.interval.into()),
            count(self.decided)
        );
        if !self.is_a_liking() {
            return format!("{numbers}.");
        }
        let place = if self.share > 0.5 { first } else { second };
        let even = self.decided.abs_diff(2 * self.base_first) <= 2;
        let follows = if even {
            "Either side stood there about as often, so this favours neither, but it hides what sets them apart."
                .to_owned()
        } else {
            format!(
                "{}'s answer stood {first} in {} of them, so the win rate leans with it.",
                names.opening(Side::Base),
                self.base_first
            )
        };
        format!("{who} likes the answer shown {place}: {numbers}, where 50 % would be no liking. {follows}")
    }
}

/// Wins of [`Side::Tuned`], ties, losses, and prompts on which the judge gave no verdict.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Tally {
    /// The answer of [`Side::Tuned`] was better.
    pub wins: usize,
    /// Neither was better.
    pub ties: usize,
    /// The answer of [`Side::Base`] was better.
    pub losses: usize,
    /// The judge failed or answered something else; in no rate.
    pub no_verdict: usize,
}

impl Tally {
    /// How many prompts have a verdict.
    pub fn judged(&self) -> usize {
        self.wins + self.ties + self.losses
    }

    /// The share of judged prompts that [`Side::Tuned`] wins, ties as half; `None` when nothing was judged.
    pub fn win_rate(&self) -> Option<f64> {
        let judged = self.judged();
        (judged > 0).then(|| (self.wins as f64 + 0.5 * self.ties as f64) / judged as f64)
    }

    /// The Wilson 95 % interval of [`Tally::win_rate`]; see [`wilson`] for ties.
    pub fn interval(&self) -> Option<Interval> {
        self.win_rate().map(|rate| wilson(rate, self.judged()))
    }

    /// What the numbers allow to say.
    pub fn verdict(&self) -> Verdict {
        let (Some(rate), Some(interval)) = (self.win_rate(), self.interval()) else {
            return Verdict::NothingJudged;
        };
        if interval.low > 0.5 {
            if rate > WORKS_ABOVE { Verdict::TrainingWorks } else { Verdict::SlightlyBetter }
        } else if interval.high < 0.5 {
            Verdict::Worse
        } else {
            let more = prompts_to_tell(rate).map(|all| all.saturating_sub(self.judged() as u64).max(1));
            Verdict::NotYetKnown { more_prompts: more }
        }
    }

    /// [`Tally::verdict`] in sentences with its numbers, and how many prompts have no verdict.
    pub fn words(&self, names: &Names) -> String {
        let all = self.judged() + self.no_verdict;
        match self.no_verdict {
            0 => self.rate_in_words(names),
            _ if self.judged() == 0 => self.rate_in_words(names),
            1 => format!("{} 1 of {all} prompts has no verdict and does not count.", self.rate_in_words(names)),
            none => format!("{} {none} of {all} prompts have no verdict and do not count.", self.rate_in_words(names)),
        }
    }

    fn rate_in_words(&self, names: &Names) -> String {
        let of_training = names.is_of_training();
        let numbers = match (self.win_rate(), self.interval()) {
            (Some(rate), Some(interval)) => {
                let against = if of_training { String::new() } else { format!(" against {}", names.long(Side::Base)) };
                format!(
                    "{}'s win rate{against} is {} over {}",
                    names.long(Side::Tuned),
                    numbers::share(rate, interval.into()),
                    counted(self.judged(), "prompt", "prompts")
                )
            }
            _ => String::new(),
        };
        match self.verdict() {
            Verdict::TrainingWorks | Verdict::SlightlyBetter if !of_training => format!("Better: {numbers}."),
            Verdict::Worse if !of_training => format!("Worse: {numbers}."),
            Verdict::TrainingWorks => format!("Training works: {numbers}."),
            Verdict::SlightlyBetter => format!(
                "Better, but by little: {numbers}. That is above 50 %, but not above 55 %, eleven wins to nine losses, from \
                 where on Tiebreak says that training works."
            ),
            Verdict::Worse => format!("The model got worse: check the data and beta. {}.", capitalised(&numbers)),
            Verdict::NotYetKnown { more_prompts: Some(more) } => {
                let more = usize::try_from(if more == 1 { 1 } else { rounded(more) }).unwrap_or(usize::MAX);
                let prompts = counted(more, "more prompt", "more prompts");
                format!(
                    "Not yet known: {numbers}. If the rate stayed as it is, about {prompts} would tell; with more verdicts it \
                     will move, so this is a guess."
                )
            }
            Verdict::NotYetKnown { more_prompts: None } => {
                format!(
                    "Not yet known: {numbers}. So far neither is ahead: more prompts would narrow the interval, and may \
                     move the rate to either side."
                )
            }
            Verdict::NothingJudged if self.no_verdict > 0 => {
                format!("Nothing is known: the judge gave no verdict on any of {} prompts.", self.no_verdict)
            }
            Verdict::NothingJudged => "Nothing is known: there were no prompts.".to_owned(),
        }
    }
}

pub(crate) fn capitalised(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map_or(String::new(), |first| first.to_uppercase().chain(chars).collect())
}

/// Two leading digits, rounded up: an estimate should not look exact.
fn rounded(count: u64) -> u64 {
    let unit = 10_u64.pow(count.max(1).ilog10().saturating_sub(1));
    count.div_ceil(unit) * unit
}

/// What a win rate and its interval allow to say.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "code", rename_all = "snake_case")]
pub enum Verdict {
    /// The interval lies above 50 % and the rate above 55 %.
    TrainingWorks,
    /// The interval lies above 50 %, but the rate is not above 55 %.
    SlightlyBetter,
    /// The interval lies below 50 %.
    Worse,
    /// The interval holds 50 %.
    NotYetKnown {
        /// How many more prompts would tell if the rate stays what it is; `None` at exactly 50 %.
        more_prompts: Option<u64>,
    },
    /// No prompt has a verdict.
    NothingJudged,
}

impl Verdict {
    /// A stable name for scripts, the same as in the serialised form.
    pub fn code(self) -> &'static str {
        match self {
            Verdict::TrainingWorks => "training_works",
            Verdict::SlightlyBetter => "slightly_better",
            Verdict::Worse => "worse",
            Verdict::NotYetKnown { .. } => "not_yet_known",
            Verdict::NothingJudged => "nothing_judged",
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::float_cmp)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn tally(wins: usize, ties: usize, losses: usize) -> Tally {
        Tally { wins, ties, losses, no_verdict: 0 }
    }

    /// Newcombe 1998, "Two-sided confidence intervals for the single proportion", table I, method 3.
    #[test]
    fn wilson_matches_published_intervals() {
        for (successes, n, low, high) in [
            (81.0, 263, 0.2553, 0.3662),
            (15.0, 148, 0.0624, 0.1605),
            (0.0, 20, 0.0, 0.1611),
            (1.0, 29, 0.0061, 0.1718),
        ] {
            let interval = wilson(successes / n as f64, n);
            assert!((interval.low - low).abs() < 5e-5, "{successes}/{n}: {interval:?}");
            assert!((interval.high - high).abs() < 5e-5, "{successes}/{n}: {interval:?}");
        }
        assert_eq!(wilson(1.0, 40).high, 1.0);
        assert_eq!(wilson(0.5, 0), Interval { low: 0.0, high: 1.0 });
    }

    #[test]
    fn the_sign_test_is_exact() {
        // 2 · (1 + 10 + 45) / 1024 and 2 · (1 + 10) / 1024.
        assert!((sign_test(8, 2) - 0.109_375).abs() < 1e-12);
        assert!((sign_test(1, 9) - 0.021_484_375).abs() < 1e-12);
        assert_eq!(sign_test(5, 5), 1.0);
        assert_eq!(sign_test(0, 0), 1.0);
        assert!((sign_test(3, 0) - 0.25).abs() < 1e-12);
        // 2 · Σ C(5000, k ≤ 2400) / 2^5000, summed with whole numbers.
        assert!((sign_test(2600, 2400) - 0.004_883_649_737_517).abs() < 1e-9, "{}", sign_test(2600, 2400));
    }

    #[test]
    fn verdicts_follow_rate_and_interval() {
        assert_eq!(tally(30, 0, 10).verdict(), Verdict::TrainingWorks);
        assert_eq!(tally(10, 0, 30).verdict(), Verdict::Worse);
        assert_eq!(tally(5400, 0, 4600).verdict(), Verdict::SlightlyBetter);
        assert_eq!(tally(0, 10, 0).verdict(), Verdict::NotYetKnown { more_prompts: None });
        // At 60 % it takes more than 1.96² · 0.25 / 0.01 = 96.04 prompts.
        assert_eq!(tally(24, 0, 16).verdict(), Verdict::NotYetKnown { more_prompts: Some(57) });
        // Below 50 % with an interval across it is not called worse.
        assert_eq!(tally(16, 0, 24).verdict(), Verdict::NotYetKnown { more_prompts: Some(57) });
        assert_eq!(Tally { no_verdict: 3, ..tally(0, 0, 0) }.verdict(), Verdict::NothingJudged);
    }

    #[test]
    fn words_hold_the_numbers() {
        let words = tally(27, 3, 10).words(&Names::default());
        assert_eq!(
            words,
            "Training works: the tuned model's win rate is 71.3 % (95 % interval 55.9 to 82.9 %) over 40 prompts."
        );
        assert!(
            tally(10, 0, 30)
                .words(&Names::default())
                .starts_with("The model got worse: check the data and beta. The tuned")
        );
        assert!(
            tally(24, 0, 16)
                .words(&Names::default())
                .contains("If the rate stayed as it is, about 57 more prompts would tell;")
        );
        assert!(tally(5050, 0, 4950).words(&Names::default()).contains("about 29,000 more prompts would tell;"));
        let even = tally(0, 4, 0).words(&Names::default());
        assert!(even.ends_with("may move the rate to either side.") && !even.contains("no number"), "{even}");
        let little = tally(5400, 0, 4600).words(&Names::default());
        assert!(little.contains("not above 55 %, eleven wins to nine losses"), "{little}");
        let some = Tally { no_verdict: 4, ..tally(4, 0, 0) }.words(&Names::default());
        assert!(some.ends_with("over 4 prompts. 4 of 8 prompts have no verdict and do not count."), "{some}");
        let one = Tally { no_verdict: 1, ..tally(0, 4, 0) }.words(&Names::default());
        assert!(one.ends_with("side. 1 of 5 prompts has no verdict and does not count."), "{one}");
        assert_eq!(
            Tally { no_verdict: 3, ..tally(0, 0, 0) }.words(&Names::default()),
            "Nothing is known: the judge gave no verdict on any of 3 prompts."
        );
    }

    #[test]
    fn a_liking_for_a_place_is_told_where_chance_does_not_explain_it() {
        assert_eq!(FirstShare::of([]), None);
        let places = ("first", "second");
        let of = |first: usize, decided: usize, base_first: usize| {
            FirstShare::of((0..decided).map(|n| (n < first, n < base_first))).unwrap()
        };
        let even = of(32, 60, 30);
        assert_eq!((even.first, even.decided, even.base_first), (32, 60, 30));
        assert_eq!((even.interval, even.p), (wilson(32.0 / 60.0, 60), sign_test(32, 28)));
        assert_eq!(
            even.words("The judge", places, &Names::default()),
            "53.3 % (95 % interval 40.9 to 65.4 %) of the 60 decided verdicts are for the answer shown first."
        );
        let always = of(60, 60, 30).words("The judge", places, &Names::default());
        assert!(always.starts_with("The judge likes the answer shown first: 100.0 % (95 % interval 94.0 to 100.0 %)"));
        assert!(always.ends_with("so this favours neither, but it hides what sets them apart."), "{always}");
        assert!(
            of(5, 60, 30)
                .words("Ann", places, &Names::default())
                .starts_with("Ann likes the answer shown second: 8.3 %")
        );
        // As in evaluations from before sides were balanced.
        assert!(
            of(60, 60, 45)
                .words("The judge", places, &Names::default())
                .contains("stood first in 45 of them, so the win rate leans")
        );
        // Five of five are not enough: chance alone does that once in sixteen times.
        assert!(!of(5, 5, 2).is_a_liking() && of(6, 6, 3).is_a_liking());
    }

    #[test]
    fn a_verdict_and_an_interval_keep_their_written_form() {
        let verdict = serde_json::to_value(Verdict::NotYetKnown { more_prompts: Some(57) }).unwrap();
        assert_eq!(verdict, serde_json::json!({"code": "not_yet_known", "more_prompts": 57}));
        assert_eq!(verdict["code"], Verdict::NotYetKnown { more_prompts: None }.code());
        assert_eq!(serde_json::to_string(&Interval { low: 0.25, high: 0.5 }).unwrap(), "[0.25,0.5]");
    }

    proptest! {
        #[test]
        fn intervals_hold_the_rate_and_mirror(wins in 0..200usize, ties in 0..200usize, losses in 0..200usize) {
            prop_assume!(wins + ties + losses > 0);
            let (this, mirrored) = (tally(wins, ties, losses), tally(losses, ties, wins));
            let (rate, interval) = (this.win_rate().unwrap(), this.interval().unwrap());
            prop_assert!(0.0 <= interval.low && interval.low <= rate && rate <= interval.high && interval.high <= 1.0);
            let other = mirrored.interval().unwrap();
            prop_assert!((interval.low - (1.0 - other.high)).abs() < 1e-12);
            prop_assert_eq!(sign_test(wins, losses), sign_test(losses, wins));
            prop_assert_eq!(this.verdict() == Verdict::Worse, interval.high < 0.5);
        }

        #[test]
        fn so_many_prompts_tell_and_one_fewer_does_not(share in 0.0..1.0f64) {
            prop_assume!((share - 0.5).abs() > 1e-3);
            let n = prompts_to_tell(share).unwrap() as usize;
            let tells = |n| { let i = wilson(share, n); i.low > 0.5 || i.high < 0.5 };
            prop_assert!(tells(n));
            prop_assert!(n == 1 || !tells(n - 1));
        }
    }
}
