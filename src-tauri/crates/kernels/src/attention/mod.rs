//! Causal grouped-query attention over packed segments (arXiv 1706.03762, eq. 1; arXiv 2305.13245), with the prompt of
//! a pair shared by its two answers.
//!
//! Scores are held for one tile of query rows at a time, so memory is linear in the length. The backward recomputes
//! them from the log-sum-exp of each row (FlashAttention-2, arXiv 2307.08691, algorithm 2).

mod cpu;
mod plain;

use crate::batch::Batch;
use crate::dispatch::fused;
use crate::profile::Work;
use candle_core::{Result, Tensor};
use std::ops::Range;

/// What attention needs to know of a layer.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Attention {
    /// Query heads.
    pub query: usize,
    /// Key and value heads; divides `query`.
    pub key_value: usize,
    /// Width of a head.
    pub dim: usize,
    /// What the products of queries and keys are multiplied by.
    pub scale: f64,
    /// Soft cap on the scaled scores ([`super::softcap`]).
    pub softcap: Option<f64>,
    /// Tokens that a token sees, itself and those before it; all where absent (arXiv 2004.05150, section 3.1).
    pub window: Option<usize>,
}

impl Attention {
    /// With scores divided by the root of the head's width, without cap or window.
    pub fn plain(query: usize, key_value: usize, dim: usize) -> Self {
        Self { query, key_value, dim, scale: 1.0 / (dim as f64).sqrt(), softcap: None, window: None }
    }

    fn group(self) -> usize {
        self.query / self.key_value
    }

    /// The positions that the token at `position` sees.
    fn seen(self, position: usize) -> Range<usize> {
        let end = position + 1;
        self.window.map_or(0, |window| end.saturating_sub(window))..end
    }
}

/// `q` `[rows, query · dim]`, `k` and `v` `[rows, key_value · dim]`. Returns the output, shaped like `q`, and the
/// log-sum-exp of each row's scaled scores, `[rows, query]`.
pub fn forward(q: &Tensor, k: &Tensor, v: &Tensor, batch: &Batch, how: Attention) -> Result<(Tensor, Tensor)> {
    if fused(q, Work::Attention) { cpu::forward(q, k, v, batch, how) } else { plain::forward(q, k, v, batch, how) }
}

/// What [`forward`] was given (`q`, `k`, `v`) and returned (`out`, and `lse`, the log-sum-exp of each row's scaled scores).
#[derive(Debug, Clone, Copy)]
#[allow(missing_docs)]
pub struct AttentionActivations<'a> {
    pub q: &'a Tensor,
    pub k: &'a Tensor,
    pub v: &'a Tensor,
    pub out: &'a Tensor,
    pub lse: &'a Tensor,
}

/// Gradients of `q`, `k` and `v` from that of the output.
pub fn backward(
    d_out: &Tensor,
    saved: AttentionActivations,
    batch: &Batch,
    how: Attention,
) -> Result<(Tensor, Tensor, Tensor)> {
    if fused(d_out, Work::Attention) {
        cpu::backward(d_out, saved, batch, how)
    } else {
        plain::backward(d_out, saved, batch, how)
    }
}

/// New tokens of several sequences against each sequence's own cache. Rows `new[i]` of `q` are the last tokens of
/// sequence `i`; `caches[i]` holds its keys and values `[length, key_value · dim]`, those of the new tokens included.
pub fn extend(q: &Tensor, new: &[Range<usize>], caches: &[(Tensor, Tensor)], how: Attention) -> Result<Tensor> {
    if fused(q, Work::Attention) { cpu::extend(q, new, caches, how) } else { plain::extend(q, new, caches, how) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use testkit::checks::{difference, f32, finite_difference, random};

    /// A lone sequence, a pair with a shared prompt, a pair without a prompt, and rows and columns beyond one tile.
    fn batch(long: bool) -> Batch {
        let ids = |n: usize| vec![0u32; n];
        let mut batch = Batch::new();
        batch.push_sequence(&ids(2), &ids(3));
        batch.push_pair(&ids(4), &ids(3), &ids(1));
        batch.push_pair(&[], &ids(2), &ids(2));
        if long {
            batch.push_pair(&ids(70), &ids(331), &ids(65));
        }
        batch
    }

    fn inputs(batch: &Batch, how: Attention) -> [Tensor; 4] {
        let rows = batch.tokens();
        let (wide, narrow) = (how.query * how.dim, how.key_value * how.dim);
        [random(&[rows, wide], 1), random(&[rows, narrow], 2), random(&[rows, narrow], 3), random(&[rows, wide], 4)]
    }

    /// As in Gemma 2: another scale, a cap low enough to bend these scores, and a window.
    fn capped(plain: Attention, window: usize) -> Attention {
        Attention { scale: 0.9, softcap: Some(1.3), window: Some(window), ..plain }
    }

    #[test]
    fn plain_equals_finite_differences() {
        let heads = Attention::plain(4, 2, 3);
        for how in [heads, capped(heads, 3), Attention { window: Some(1), ..heads }] {
            let batch = batch(false);
            let [q, k, v, d_out] = inputs(&batch, how);
            let (out, lse) = plain::forward(&q, &k, &v, &batch, how).unwrap();
            let saved = AttentionActivations { q: &q, k: &k, v: &v, out: &out, lse: &lse };
            let (dq, dk, dv) = plain::backward(&d_out, saved, &batch, how).unwrap();
            let value = |q: &Tensor, k: &Tensor, v: &Tensor| Ok(plain::forward(q, k, v, &batch, how)?.0);
            assert!(difference(&dq, &finite_difference(&q, &d_out, |q| value(q, &k, &v))) < 1e-8);
            assert!(difference(&dk, &finite_difference(&k, &d_out, |k| value(&q, k, &v))) < 1e-8);
            assert!(difference(&dv, &finite_difference(&v, &d_out, |v| value(&q, &k, v))) < 1e-8);
        }
    }

    /// A window sees the token itself and those just before it, in the shared prompt too.
    #[test]
    fn a_window_leaves_out_what_is_further_back() {
        let how = Attention { window: Some(2), ..Attention::plain(1, 1, 2) };
        assert_eq!((how.seen(0), how.seen(1), how.seen(5)), (0..1, 0..2, 4..6));
        let batch = {
            let mut batch = Batch::new();
            batch.push_pair(&[0; 3], &[0; 2], &[0; 2]);
            batch
        };
        let [q, k, v, _] = inputs(&batch, how);
        let out = |v: &Tensor| plain::forward(&q, &k, v, &batch, how).unwrap().0.to_vec2::<f64>().unwrap();
        let changed = |row: usize| {
            let ones: Vec<f64> = (0..7).flat_map(|i| [f64::from(u8::from(i == row)); 2]).collect();
            let other = (&v + Tensor::from_vec(ones, (7, 2), v.device()).unwrap()).unwrap();
            let (before, after) = (out(&v), out(&other));
            (0..7).filter(|&i| before[i] != after[i]).collect::<Vec<_>>()
        };
        assert_eq!(changed(0), [0, 1]);
        assert_eq!(changed(2), [2, 3, 5], "the last token of the prompt, by the first of each answer");
        assert_eq!(changed(3), [3, 4]);
        assert_eq!(changed(5), [5, 6]);
    }

    #[test]
    fn fused_equals_plain() {
        for (how, long) in [
            (Attention::plain(4, 2, 3), true),
            (Attention::plain(9, 3, 16), true),
            (Attention::plain(1, 1, 5), false),
            (Attention::plain(5, 1, 20), true),
            (capped(Attention::plain(4, 2, 6), 3), true),
            (capped(Attention::plain(4, 2, 6), 64), true),
            (capped(Attention::plain(2, 1, 5), 100), true),
            (Attention { window: Some(70), ..Attention::plain(3, 3, 8) }, true),
            (Attention { window: Some(290), ..Attention::plain(2, 2, 8) }, true),
            (Attention { softcap: Some(0.5), ..Attention::plain(3, 1, 7) }, true),
        ] {
            let batch = batch(long);
            let [q, k, v, d_out] = inputs(&batch, how);
            let (out, lse) = plain::forward(&q, &k, &v, &batch, how).unwrap();
            let saved = AttentionActivations { q: &q, k: &k, v: &v, out: &out, lse: &lse };
            let (dq, dk, dv) = plain::backward(&d_out, saved, &batch, how).unwrap();

            let [q, k, v, d_out] = [f32(&q), f32(&k), f32(&v), f32(&d_out)];
            let (out32, lse32) = forward(&q, &k, &v, &batch, how).unwrap();
            assert!(difference(&out32, &out) < 3e-6, "{how:?}");
            assert!(difference(&lse32, &lse) < 3e-6, "{how:?}");
            let saved = AttentionActivations { q: &q, k: &k, v: &v, out: &out32, lse: &lse32 };
            let (dq32, dk32, dv32) = backward(&d_out, saved, &batch, how).unwrap();
            assert!(difference(&dq32, &dq) < 2e-5, "{how:?}");
            assert!(difference(&dk32, &dk) < 2e-5, "{how:?}");
            assert!(difference(&dv32, &dv) < 2e-5, "{how:?}");
        }
    }

    #[test]
    fn the_numbers_do_not_depend_on_how_many_cores_compute() {
        let how = capped(Attention::plain(6, 2, 8), 300);
        let batch = batch(true);
        let [q, k, v, d_out] = inputs(&batch, how).map(|t| f32(&t));
        let on = |threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| {
                let (out, lse) = forward(&q, &k, &v, &batch, how).unwrap();
                let saved = AttentionActivations { q: &q, k: &k, v: &v, out: &out, lse: &lse };
                let (dq, dk, dv) = backward(&d_out, saved, &batch, how).unwrap();
                let bits = |t: Tensor| {
                    t.flatten_all().unwrap().to_vec1::<f32>().unwrap().into_iter().map(f32::to_bits).collect::<Vec<_>>()
                };
                [out.clone(), lse.clone(), dq, dk, dv].map(bits)
            })
        };
        let alone = on(1);
        for threads in [2, 7] {
            assert!(on(threads) == alone, "{threads} threads");
        }
    }

    #[test]
    fn extending_a_cache_equals_the_whole_sequence() {
        let heads = Attention::plain(6, 2, 4);
        for how in [heads, capped(heads, 7), capped(heads, 66), Attention::plain(3, 1, 100)] {
            let ids = |n: usize| vec![0u32; n];
            let mut batch = Batch::new();
            batch.push_sequence(&[], &ids(5));
            batch.push_sequence(&[], &ids(90));
            batch.push_sequence(&[], &ids(77));
            let [q, k, v, _] = inputs(&batch, how).map(|t| f32(&t));
            let (whole, _) = forward(&q, &k, &v, &batch, how).unwrap();
            // The first sequence brings one new token, the second eighty, the third one.
            let new_rows = |t: &Tensor| {
                Tensor::cat(&[(4, 1), (15, 80), (171, 1)].map(|(start, len)| t.narrow(0, start, len).unwrap()), 0)
                    .unwrap()
            };
            let new = [0..1, 1..81, 81..82];
            let cache = |start, len| (k.narrow(0, start, len).unwrap(), v.narrow(0, start, len).unwrap());
            let caches = [cache(0, 5), cache(5, 90), cache(95, 77)];
            let (q_new, expected) = (new_rows(&q), new_rows(&whole));
            let fused = extend(&q_new, &new, &caches, how).unwrap();
            let plain = plain::extend(&q_new, &new, &caches, how).unwrap();
            assert!(difference(&fused, &expected) < 2e-6);
            assert!(difference(&plain, &expected) < 2e-6);
        }
    }
}
