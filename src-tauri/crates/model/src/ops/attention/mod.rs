//! Causal grouped-query attention over packed segments (arXiv 1706.03762, eq. 1; arXiv 2305.13245), with the prompt of
//! a pair shared by its two answers.
//!
//! Scores are held for one tile of query rows at a time, so memory is linear in the length. The backward recomputes
//! them from the log-sum-exp of each row (FlashAttention-2, arXiv 2307.08691, algorithm 2).

mod cpu;
mod plain;

use super::fused;
use crate::batch::Batch;
use candle_core::{Result, Tensor};
use std::ops::Range;

/// The sizes that attention needs to know.
#[derive(Debug, Clone, Copy)]
pub struct Heads {
    /// Query heads.
    pub query: usize,
    /// Key and value heads; divides `query`.
    pub key_value: usize,
    /// Width of a head.
    pub dim: usize,
}

impl Heads {
    fn group(self) -> usize {
        self.query / self.key_value
    }

    fn scale(self) -> f64 {
        1.0 / (self.dim as f64).sqrt()
    }
}

/// `q` `[rows, query · dim]`, `k` and `v` `[rows, key_value · dim]`. Returns the output, shaped like `q`, and the
/// log-sum-exp of each row's scaled scores, `[rows, query]`.
pub fn forward(q: &Tensor, k: &Tensor, v: &Tensor, batch: &Batch, heads: Heads) -> Result<(Tensor, Tensor)> {
    if fused(q) { cpu::forward(q, k, v, batch, heads) } else { plain::forward(q, k, v, batch, heads) }
}

/// What [`forward`] was given and returned.
#[derive(Debug, Clone, Copy)]
pub struct Saved<'a> {
    /// Queries.
    pub q: &'a Tensor,
    /// Keys.
    pub k: &'a Tensor,
    /// Values.
    pub v: &'a Tensor,
    /// Output.
    pub out: &'a Tensor,
    /// Log-sum-exp.
    pub lse: &'a Tensor,
}

/// Gradients of `q`, `k` and `v` from that of the output.
pub fn backward(d_out: &Tensor, saved: Saved, batch: &Batch, heads: Heads) -> Result<(Tensor, Tensor, Tensor)> {
    if fused(d_out) { cpu::backward(d_out, saved, batch, heads) } else { plain::backward(d_out, saved, batch, heads) }
}

/// New tokens of several sequences against each sequence's own cache. Rows `new[i]` of `q` are the last tokens of
/// sequence `i`; `caches[i]` holds its keys and values `[length, key_value · dim]`, those of the new tokens included.
pub fn extend(q: &Tensor, new: &[Range<usize>], caches: &[(Tensor, Tensor)], heads: Heads) -> Result<Tensor> {
    if fused(q) { cpu::extend(q, new, caches, heads) } else { plain::extend(q, new, caches, heads) }
}

#[cfg(test)]
mod tests {
    use super::super::checks::{difference, f32, finite_difference, random};
    use super::*;

    /// A lone sequence, a pair with a shared prompt, a pair without a prompt, and rows beyond one tile.
    fn batch(long: bool) -> Batch {
        let ids = |n: usize| vec![0u32; n];
        let mut batch = Batch::new();
        batch.push_sequence(&ids(2), &ids(3));
        batch.push_pair(&ids(4), &ids(3), &ids(1));
        batch.push_pair(&[], &ids(2), &ids(2));
        if long {
            batch.push_pair(&ids(70), &ids(131), &ids(65));
        }
        batch
    }

    fn inputs(batch: &Batch, heads: Heads) -> [Tensor; 4] {
        let rows = batch.tokens();
        let (wide, narrow) = (heads.query * heads.dim, heads.key_value * heads.dim);
        [random(&[rows, wide], 1), random(&[rows, narrow], 2), random(&[rows, narrow], 3), random(&[rows, wide], 4)]
    }

    #[test]
    fn plain_equals_finite_differences() {
        let heads = Heads { query: 4, key_value: 2, dim: 3 };
        let batch = batch(false);
        let [q, k, v, d_out] = inputs(&batch, heads);
        let (out, lse) = plain::forward(&q, &k, &v, &batch, heads).unwrap();
        let saved = Saved { q: &q, k: &k, v: &v, out: &out, lse: &lse };
        let (dq, dk, dv) = plain::backward(&d_out, saved, &batch, heads).unwrap();
        let value = |q: &Tensor, k: &Tensor, v: &Tensor| Ok(plain::forward(q, k, v, &batch, heads)?.0);
        assert!(difference(&dq, &finite_difference(&q, &d_out, |q| value(q, &k, &v))) < 1e-8);
        assert!(difference(&dk, &finite_difference(&k, &d_out, |k| value(&q, k, &v))) < 1e-8);
        assert!(difference(&dv, &finite_difference(&v, &d_out, |v| value(&q, &k, v))) < 1e-8);
    }

    #[test]
    fn fused_equals_plain() {
        for (heads, long) in [
            (Heads { query: 4, key_value: 2, dim: 3 }, true),
            (Heads { query: 9, key_value: 3, dim: 16 }, true),
            (Heads { query: 1, key_value: 1, dim: 5 }, false),
            (Heads { query: 5, key_value: 1, dim: 20 }, true),
        ] {
            let batch = batch(long);
            let [q, k, v, d_out] = inputs(&batch, heads);
            let (out, lse) = plain::forward(&q, &k, &v, &batch, heads).unwrap();
            let saved = Saved { q: &q, k: &k, v: &v, out: &out, lse: &lse };
            let (dq, dk, dv) = plain::backward(&d_out, saved, &batch, heads).unwrap();

            let [q, k, v, d_out] = [f32(&q), f32(&k), f32(&v), f32(&d_out)];
            let (out32, lse32) = forward(&q, &k, &v, &batch, heads).unwrap();
            assert!(difference(&out32, &out) < 3e-6, "{heads:?}");
            assert!(difference(&lse32, &lse) < 3e-6, "{heads:?}");
            let saved = Saved { q: &q, k: &k, v: &v, out: &out32, lse: &lse32 };
            let (dq32, dk32, dv32) = backward(&d_out, saved, &batch, heads).unwrap();
            assert!(difference(&dq32, &dq) < 2e-5, "{heads:?}");
            assert!(difference(&dk32, &dk) < 2e-5, "{heads:?}");
            assert!(difference(&dv32, &dv) < 2e-5, "{heads:?}");
        }
    }

    #[test]
    fn extending_a_cache_equals_the_whole_sequence() {
        let heads = Heads { query: 6, key_value: 2, dim: 4 };
        let ids = |n: usize| vec![0u32; n];
        let mut batch = Batch::new();
        batch.push_sequence(&[], &ids(5));
        batch.push_sequence(&[], &ids(90));
        let [q, k, v, _] = inputs(&batch, heads).map(|t| f32(&t));
        let (whole, _) = forward(&q, &k, &v, &batch, heads).unwrap();
        // The first sequence brings one new token, the second eighty.
        let q_new = Tensor::cat(&[q.narrow(0, 4, 1).unwrap(), q.narrow(0, 15, 80).unwrap()], 0).unwrap();
        let cache = |start, len| (k.narrow(0, start, len).unwrap(), v.narrow(0, start, len).unwrap());
        let caches = [cache(0, 5), cache(5, 90)];
        let expected = Tensor::cat(&[whole.narrow(0, 4, 1).unwrap(), whole.narrow(0, 15, 80).unwrap()], 0).unwrap();
        let fused = extend(&q_new, &[0..1, 1..81], &caches, heads).unwrap();
        let plain = plain::extend(&q_new, &[0..1, 1..81], &caches, heads).unwrap();
        assert!(difference(&fused, &expected) < 2e-6);
        assert!(difference(&plain, &expected) < 2e-6);
    }
}
