//! Stopping a run early that does worse than the others of its sweep, by a rule that has a name.

use serde::{Deserialize, Serialize};
use ts_rs::TS;

/// Others that the median is taken of, at least: that of two is a mean.
const FEWEST: usize = 3;

/// By what a run is stopped, on its held-out loss.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum StopRule {
    /// The median stopping rule (Golovin et al. 2017, "Google Vizier", § 3.2.2): a run is stopped at a step where its lowest
    /// loss so far is above the median, over the others that got there, of their mean loss up to that step.
    Median {
        /// Not before this step.
        after: u64,
    },
    /// Asynchronous successive halving (ASHA, Li et al. 2020, arXiv 1810.05934; after Jamieson and Talwalkar 2016): at
    /// `first_step`, and each time that many steps more by a factor of `eta`, a run goes on if its loss is among the best
    /// `1/eta` of all that got there.
    SuccessiveHalving {
        /// What is kept: one of so many.
        eta: u64,
        /// The step of the first rung.
        first_step: u64,
    },
}

/// A run's held-out losses: the step and the loss, the steps rising.
pub type Losses = Vec<(u64, f64)>;

/// That a run is to stop, and by what numbers.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Stopped {
    /// Its step.
    pub step: u64,
    /// Its loss, as the rule takes it.
    pub loss: f64,
    /// What that is above.
    pub bound: f64,
    /// The other runs that got there.
    pub others: usize,
}

impl StopRule {
    /// The rule's name.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Median { .. } => "the median rule",
            Self::SuccessiveHalving { .. } => "successive halving",
        }
    }

    /// Whether a run with these losses, the last one new, is to stop beside the others.
    pub fn judge(&self, own: &[(u64, f64)], others: &[Losses]) -> Option<Stopped> {
        let (step, last) = *own.last()?;
        match *self {
            Self::Median { after } => {
                if step < after {
                    return None;
                }
                let mut means: Vec<f64> = others
                    .iter()
                    .filter(|losses| reaches(losses, step))
                    .map(|losses| mean_until(losses, step))
                    .collect();
                if means.len() < FEWEST {
                    return None;
                }
                means.sort_by(f64::total_cmp);
                let half = means.len() / 2;
                let bound =
                    if means.len() % 2 == 1 { means[half] } else { f64::midpoint(means[half - 1], means[half]) };
                let loss = own.iter().map(|(_, loss)| *loss).fold(f64::INFINITY, f64::min);
                (loss > bound).then_some(Stopped { step, loss, bound, others: means.len() })
            }
            Self::SuccessiveHalving { eta, first_step } => {
                let rung = rung_reached(own, eta, first_step)?;
                let mut losses: Vec<f64> = others.iter().filter_map(|losses| at_rung(losses, rung)).collect();
                let others = losses.len();
                losses.push(last);
                losses.sort_by(f64::total_cmp);
                let kept = (losses.len() / eta.max(2) as usize).max(1);
                let bound = losses[kept - 1];
                (last > bound).then_some(Stopped { step, loss: last, bound, others })
            }
        }
    }
}

fn reaches(losses: &[(u64, f64)], step: u64) -> bool {
    losses.last().is_some_and(|(last, _)| *last >= step)
}

fn mean_until(losses: &[(u64, f64)], step: u64) -> f64 {
    let until: Vec<f64> = losses.iter().filter(|(at, _)| *at <= step).map(|(_, loss)| *loss).collect();
    if until.is_empty() { f64::INFINITY } else { until.iter().sum::<f64>() / until.len() as f64 }
}

/// The rung that the last look is the first one at or beyond, if any: the highest.
fn rung_reached(own: &[(u64, f64)], eta: u64, first_step: u64) -> Option<u64> {
    let (step, _) = *own.last()?;
    let before = own.len().checked_sub(2).map_or(0, |at| own[at].0);
    let rungs = std::iter::successors(Some(first_step.max(1)), |rung| rung.checked_mul(eta.max(2)));
    rungs.take_while(|rung| *rung <= step).filter(|rung| *rung > before).last()
}

/// The loss at the first look at or beyond a rung.
fn at_rung(losses: &[(u64, f64)], rung: u64) -> Option<f64> {
    losses.iter().find(|(step, _)| *step >= rung).map(|(_, loss)| *loss)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_rule_takes_the_lowest_loss_and_the_means_of_others() {
        let rule = StopRule::Median { after: 20 };
        let others = [vec![(10, 0.6), (20, 0.4)], vec![(10, 0.7), (20, 0.5)], vec![(10, 0.7), (20, 0.7)]];
        // Means at step 20: 0.5, 0.6 and 0.7.
        assert_eq!(rule.judge(&[(10, 0.69), (20, 0.6)], &others), None);
        let stopped = rule.judge(&[(10, 0.69), (20, 0.68)], &others);
        assert_eq!(stopped.map(|stopped| (stopped.step, stopped.loss, stopped.others)), Some((20, 0.68, 3)));
        assert!((stopped.map_or(0.0, |stopped| stopped.bound) - 0.6).abs() < 1e-12);
        assert_eq!(rule.judge(&[(10, 0.9)], &others), None, "not before the step that was set");
        assert_eq!(rule.judge(&[(20, 0.9)], &others[..2]), None, "two others are too few");
        assert_eq!(rule.judge(&[(30, 0.9)], &others), None, "nobody else got there");
    }

    #[test]
    fn successive_halving_keeps_the_best_share_at_each_rung_alone() {
        let rule = StopRule::SuccessiveHalving { eta: 3, first_step: 10 };
        assert_eq!(rule.judge(&[(10, 0.9)], &[]), None, "the first one goes on");
        let others = [vec![(10, 0.5), (20, 0.4), (30, 0.2)], vec![(10, 0.6)], vec![(10, 0.7)], vec![(5, 0.1)]];
        // Of four that got to the first rung one is kept.
        assert_eq!(rule.judge(&[(10, 0.45)], &others), None);
        let stopped = Stopped { step: 10, loss: 0.55, bound: 0.5, others: 3 };
        assert_eq!(rule.judge(&[(10, 0.55)], &others), Some(stopped));
        assert_eq!(rule.judge(&[(10, 0.4), (20, 0.9)], &others), None, "between rungs nothing is judged");
        assert!(rule.judge(&[(10, 0.4), (20, 0.3), (30, 0.3)], &others).is_some(), "the second rung is at 30");
        // Looks that lie elsewhere are judged at the first one beyond a rung.
        assert!(rule.judge(&[(8, 0.9), (16, 0.8)], &others).is_some());
        assert_eq!(rule.judge(&[], &others), None);
    }
}
