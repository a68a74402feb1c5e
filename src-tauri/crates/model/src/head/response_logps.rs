//! Log-probabilities of response tokens, and their gradient, without ever holding `tokens × vocabulary`.
//!
//! `log p(t) = z_t − log Σ exp z` with `z = W h`. Its gradient by `h`, `W_t − Σ_j p_j W_j`, does not depend on the
//! loss, which only scales it. So it is taken in the forward while the logits of a chunk are at hand, and the
//! backward needs no second projection.

use crate::error::Result;
use candle_core::{D, Tensor};
use kernels::buffers::cpu_slice;
use kernels::dispatch::fused;
use kernels::profile::{Work, during};
use kernels::weight::Weight;
use kernels::{softcap, wide};
use rayon::prelude::*;

/// Rows whose logits are held at once.
pub const CHUNK: usize = 128;

/// What the model makes of each predicted token. One entry per token in either list.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct TokenScores {
    /// `log p(t)` of the token that stands there, nats.
    pub logps: Vec<f64>,
    /// `log Σ p²` over the vocabulary at its place: how sure the model is there, whatever it says.
    pub log_sum_squares: Vec<f64>,
}

impl TokenScores {
    /// Adds what stands after these tokens.
    pub(crate) fn extend(&mut self, other: Self) {
        self.logps.extend(other.logps);
        self.log_sum_squares.extend(other.log_sum_squares);
    }
}

/// `hidden` `[rows, width]`, `head` `[vocabulary, width]`, one target id per row; `cap` is the soft cap on the logits, where
/// the model has one. Returns each row's scores and, where `gradient` is asked for, the gradient of its log-probability by
/// `hidden`, `[rows, width]`.
///
/// # Errors
/// On shapes that do not fit each other, and when memory runs out.
pub fn forward(
    hidden: &Tensor,
    head: &Weight,
    targets: &[u32],
    cap: Option<f64>,
    gradient: bool,
) -> Result<(TokenScores, Option<Tensor>)> {
    let rows = hidden.dim(0)?;
    let (mut scores, mut gradients) = (TokenScores::default(), Vec::new());
    for first in (0..rows).step_by(CHUNK) {
        let count = CHUNK.min(rows - first);
        let logits = head.product(&hidden.narrow(0, first, count)?)?;
        let targets = &targets[first..first + count];
        let (chunk, residual) = of_logits(&logits, targets, cap, gradient)?;
        scores.extend(chunk);
        if let Some(residual) = residual {
            gradients.push(head.backward(&residual)?);
        }
    }
    let gradient = match gradients.len() {
        0 => None,
        1 => gradients.pop(),
        _ => Some(Tensor::cat(&gradients, 0)?),
    };
    Ok((scores, gradient))
}

/// Scores of `targets` under `logits` `[rows, vocabulary]` once they are capped, and where asked for the gradient of
/// their log-probabilities by the logits before.
pub(crate) fn of_logits(
    logits: &Tensor,
    targets: &[u32],
    cap: Option<f64>,
    gradient: bool,
) -> Result<(TokenScores, Option<Tensor>)> {
    during(Work::Logps, || {
        let Some(cap) = cap else { return of_capped(logits, targets, gradient) };
        let capped = softcap::forward(logits, cap)?;
        let (scores, residual) = of_capped(&capped, targets, gradient)?;
        Ok((scores, residual.map(|residual| softcap::backward(&residual, &capped, cap)).transpose()?))
    })
}

/// As [`of_logits`]; the gradient is one at the target minus the probabilities.
fn of_capped(logits: &Tensor, targets: &[u32], gradient: bool) -> Result<(TokenScores, Option<Tensor>)> {
    if !fused(logits, Work::Logps) {
        return plain::of_capped(logits, targets, gradient);
    }
    let (rows, vocabulary) = logits.dims2()?;
    let guard = cpu_slice(logits);
    let logits_slice = guard.get()?;
    let mut residual = vec![0f32; if gradient { rows * vocabulary } else { 0 }];
    let mut scores = vec![(0f64, 0f64); rows];
    let row = |i: usize| (&logits_slice[i * vocabulary..][..vocabulary], targets[i] as usize);
    if gradient {
        scores.par_iter_mut().zip(residual.par_chunks_mut(vocabulary)).enumerate().for_each(
            |(i, (score, residual))| {
                let (z, target) = row(i);
                let max = wide::maximum(z);
                let (mut sum, mut squares) = (0f64, 0f64);
                for (z, residual) in z.chunks(1024).zip(residual.chunks_mut(1024)) {
                    let (part, part_squares) = wide::exponentials_of(z, max, residual);
                    sum += f64::from(part);
                    squares += f64::from(part_squares);
                }
                let scale = (-1.0 / sum) as f32;
                wide::scale(residual, scale);
                residual[target] += 1.0;
                *score = (f64::from(z[target]) - f64::from(max) - sum.ln(), squares.ln() - 2.0 * sum.ln());
            },
        );
    } else {
        scores.par_iter_mut().enumerate().for_each(|(i, score)| {
            let (z, target) = row(i);
            let max = wide::maximum(z);
            let (mut sum, mut squares) = (0f64, 0f64);
            for z in z.chunks(1024) {
                let (part, part_squares) = wide::sums_of_exponentials(z, max);
                sum += f64::from(part);
                squares += f64::from(part_squares);
            }
            *score = (f64::from(z[target]) - f64::from(max) - sum.ln(), squares.ln() - 2.0 * sum.ln());
        });
    }
    let residual = gradient.then(|| Tensor::from_vec(residual, (rows, vocabulary), logits.device())).transpose()?;
    let (logps, log_sum_squares) = scores.into_iter().unzip();
    Ok((TokenScores { logps, log_sum_squares }, residual))
}

/// The same on candle tensors.
mod plain {
    use super::{D, Result, Tensor, TokenScores};
    use candle_core::{DType, Device};

    pub(super) fn of_capped(logits: &Tensor, targets: &[u32], gradient: bool) -> Result<(TokenScores, Option<Tensor>)> {
        let ids = Tensor::from_slice(targets, (targets.len(), 1), logits.device())?;
        let shifted = logits.broadcast_sub(&logits.max_keepdim(D::Minus1)?)?;
        let exp = shifted.exp()?;
        let sum = exp.sum_keepdim(D::Minus1)?;
        let logps = (shifted.gather(&ids, 1)? - sum.log()?)?.squeeze(1)?;
        let squares = exp.sqr()?.sum_keepdim(D::Minus1)?;
        let log_sum_squares = (squares.log()? - (sum.log()? * 2.0)?)?.squeeze(1)?;
        let residual = if gradient {
            let negative = exp.broadcast_div(&sum)?.neg()?;
            Some(negative.scatter_add(&ids, &ids.to_dtype(logits.dtype())?.ones_like()?, 1)?)
        } else {
            None
        };
        // In this order: not every device has f64.
        let numbers = |tensor: Tensor| tensor.to_device(&Device::Cpu)?.to_dtype(DType::F64)?.to_vec1();
        Ok((TokenScores { logps: numbers(logps)?, log_sum_squares: numbers(log_sum_squares)? }, residual))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use testkit::checks::{difference, f32, finite_difference, random};

    #[test]
    fn chunks_equal_finite_differences_in_both_versions() {
        let (rows, width, vocabulary) = (CHUNK + 3, 5, 11);
        let hidden = random(&[rows, width], 1);
        let floats = (random(&[vocabulary, width], 2) * 3.0).unwrap();
        let (double, single) = (Weight::floats(&floats).unwrap(), Weight::floats(&f32(&floats)).unwrap());
        let targets: Vec<u32> = (0..rows as u32).map(|i| i * 7 % vocabulary as u32).collect();
        for cap in [None, Some(2.5)] {
            let (scores, gradient) = forward(&hidden, &double, &targets, cap, true).unwrap();
            let weight = hidden.sum(1).unwrap().ones_like().unwrap();
            let expected = finite_difference(&hidden, &weight, |h| {
                Tensor::from_vec(forward(h, &double, &targets, cap, false).unwrap().0.logps, rows, h.device())
            });
            assert!(difference(&gradient.unwrap(), &expected) < 1e-8);

            let (scores32, gradient32) = forward(&f32(&hidden), &single, &targets, cap, true).unwrap();
            let close = |a: &[f64], b: &[f64]| a.len() == b.len() && a.iter().zip(b).all(|(a, b)| (a - b).abs() < 2e-6);
            assert!(close(&scores.logps, &scores32.logps));
            assert!(difference(&gradient32.unwrap(), &expected) < 2e-6);
            let (without, none) = forward(&f32(&hidden), &single, &targets, cap, false).unwrap();
            assert!(none.is_none() && close(&scores.logps, &without.logps));
            // The sum of squared probabilities, word for word.
            let logits = hidden.matmul(&floats.t().unwrap()).unwrap().to_vec2::<f64>().unwrap();
            let plainly = |z: &Vec<f64>| {
                let exp = z.iter().map(|z| cap.map_or(*z, |cap| cap * (z / cap).tanh()).exp());
                let sum: f64 = exp.clone().sum();
                exp.map(|e| (e / sum).powi(2)).sum::<f64>().ln()
            };
            let plain: Vec<f64> = logits.iter().map(plainly).collect();
            for found in [&scores, &scores32, &without] {
                assert!(close(&found.log_sum_squares, &plain));
            }
        }
    }
}
