//! A frozen linear with an adapter beside it, computed plainly: on any device, in any float type, with all that an adapter may
//! ask for.
//!
//! With LoRA (arXiv 2106.09685, eq. 3) `y = x Wᵀ + h Bᵀ`, where `h = s · dropout(x) Aᵀ` are the adapter's hidden activations;
//! DoRA (arXiv 2402.09353, eq. 5) then scales each row of the adapted weight.

use crate::error::Result;
use crate::lora::adapter::Lora;
use crate::lora::gradients::Gradients;
use crate::lora::weight::{LoraWeight, RowScale};
use candle_core::Tensor;
use kernels::profile::{self, Work};
use kernels::weight::Weight;
use kernels::{dropout, sums};
use std::sync::OnceLock;

/// What accompanies a batch through the model: the adapter, when it is on, and the key of its dropout, when training.
#[derive(Clone, Copy)]
pub(crate) struct Pass<'a> {
    pub(crate) lora: Option<&'a Lora>,
    pub(crate) dropout: Option<u64>,
    /// Whether every row is the one new token of a sequence.
    pub(crate) single: bool,
}

impl Pass<'_> {
    /// Whether what an adapter reads goes through dropout.
    pub(crate) fn drops(self) -> bool {
        self.dropout.is_some() && self.lora.is_some_and(|lora| lora.config().lora_dropout > 0.0)
    }
}

pub(crate) struct Linear {
    /// `[out, in]`, frozen.
    pub(crate) weight: Weight,
    pub(crate) bias: Option<Tensor>,
    /// Place in the model's list of linears.
    pub(crate) place: usize,
    /// Squared norm of each row of the weight, `[out]`, once DoRA asked for it.
    row_squares: OnceLock<Tensor>,
}

/// What the backward of a linear with an adapter needs beside its input.
pub(crate) struct LinearActivations {
    /// The adapter's hidden activations `h = s · dropout(x) Aᵀ`, `[rows, r]`, so that `y = x Wᵀ + h Bᵀ`.
    pub(super) hidden: Tensor,
    /// With DoRA, `W dropout(x) + h Bᵀ`, `[rows, out]`: what is multiplied by the gain.
    unscaled: Option<Tensor>,
}

impl LinearActivations {
    pub(super) fn without_dora(hidden: Tensor) -> Self {
        Self { hidden, unscaled: None }
    }
}

impl Linear {
    pub(crate) fn new(weight: Weight, bias: Option<Tensor>, place: usize) -> Self {
        Self { weight, bias, place, row_squares: OnceLock::new() }
    }

    /// `x` `[rows, in]` to `[rows, out]`, and what the backward needs where there is an adapter.
    pub(crate) fn forward(&self, x: &Tensor, pass: Pass) -> Result<(Tensor, Option<LinearActivations>)> {
        let frozen = self.times(x)?;
        let hidden = self.lora_hidden(x, pass)?;
        let (Some(hidden), Some((_, w))) = (hidden, self.adapter(pass)) else {
            return Ok((self.biased(frozen)?, None));
        };
        let through = times(&hidden, &w.b.t()?)?;
        let Some(RowScale { gain, .. }) = self.row_scale(w)? else {
            return Ok((sums::add(&self.biased(frozen)?, &through)?, Some(LinearActivations::without_dora(hidden))));
        };
        // PEFT leaves the frozen part outside of dropout, and what the gain changes of it inside.
        let (outside, inside) = match self.mask(x, pass)? {
            None => (None, frozen),
            Some(mask) => {
                let inside = self.times(&(x * mask)?)?;
                (Some((frozen - &inside)?), inside)
            }
        };
        let unscaled = (inside + through)?;
        let mut y = unscaled.broadcast_mul(gain)?;
        if let Some(outside) = outside {
            y = (y + outside)?;
        }
        Ok((self.biased(y)?, Some(LinearActivations { hidden, unscaled: Some(unscaled) })))
    }

    /// The gradient of the input `[rows, in]`; adds those of the adapter.
    pub(crate) fn backward(
        &self,
        dy: &Tensor,
        x: &Tensor,
        saved: Option<&LinearActivations>,
        pass: Pass,
        gradients: &mut Gradients,
    ) -> Result<Tensor> {
        let (Some(LinearActivations { hidden, unscaled }), Some((index, w))) = (saved, self.adapter(pass)) else {
            return self.times_back(dy);
        };
        // The norm counts as a constant: arXiv 2402.09353, section 4.3, and PEFT.
        let row_scale = self.row_scale(w)?;
        let inner = match row_scale {
            Some(RowScale { gain, .. }) => dy.broadcast_mul(gain)?,
            None => dy.clone(),
        };
        let dx = match (row_scale, self.mask(x, pass)?) {
            (None, _) | (_, None) => self.times_back(&inner)?,
            (Some(_), Some(mask)) => {
                let inside = (self.times_back(&(&inner - dy)?)? * mask)?;
                (self.times_back(dy)? + inside)?
            }
        };
        let d_magnitude = match (row_scale, unscaled) {
            (Some(RowScale { norm, .. }), Some(unscaled)) => Some((dy * unscaled)?.sum(0)?.div(norm)?),
            _ => None,
        };
        let db = times(&inner.t()?, hidden)?;
        let d_hidden = (times(&inner, &w.b)? * w.scale)?;
        let (da, through) = self.backward_lora_hidden(&d_hidden, x, &w.a, pass)?;
        gradients.add(index, &da, &db, d_magnitude.as_ref())?;
        Ok(sums::add(&dx, &through)?)
    }

    /// The adapter's hidden activations `s · dropout(x) Aᵀ`, `[rows, r]`.
    pub(crate) fn lora_hidden(&self, x: &Tensor, pass: Pass) -> Result<Option<Tensor>> {
        let Some((_, w)) = self.adapter(pass) else { return Ok(None) };
        let dropped = match self.mask(x, pass)? {
            Some(mask) => (x * mask)?,
            None => x.clone(),
        };
        Ok(Some((times(&dropped, &w.a.t()?)? * w.scale)?))
    }

    /// From the gradient of `dropout(x) Aᵀ`: that of `A`, and that of `x` through the adapter.
    pub(crate) fn backward_lora_hidden(
        &self,
        d_hidden: &Tensor,
        x: &Tensor,
        a: &Tensor,
        pass: Pass,
    ) -> Result<(Tensor, Tensor)> {
        let through = times(d_hidden, a)?;
        Ok(match self.mask(x, pass)? {
            Some(mask) => (times(&d_hidden.t()?, &(x * &mask)?)?, (through * mask)?),
            None => (times(&d_hidden.t()?, x)?, through),
        })
    }

    pub(crate) fn adapter<'a>(&self, pass: Pass<'a>) -> Option<(usize, &'a LoraWeight)> {
        pass.lora.and_then(|lora| lora.on(self.place))
    }

    /// Norm of each row of the weight, `[out]`: the magnitudes that DoRA starts from.
    pub(crate) fn row_norms(&self) -> Result<Tensor> {
        Ok(self.row_squares()?.sqrt()?)
    }

    fn row_squares(&self) -> Result<&Tensor> {
        if let Some(squares) = self.row_squares.get() {
            return Ok(squares);
        }
        let squares = self.weight.row_squares()?;
        Ok(self.row_squares.get_or_init(|| squares))
    }

    /// With DoRA: norm and gain of each row of `W + s · B A`, without forming that matrix:
    /// `‖w + s b A‖² = ‖w‖² + 2 s b · (A w) + s² b (A Aᵀ) bᵀ` for its rows `w` and `b`.
    fn row_scale<'a>(&self, w: &'a LoraWeight) -> Result<Option<&'a RowScale>> {
        let Some(magnitude) = &w.magnitude else { return Ok(None) };
        if let Some(known) = w.row_scale.get() {
            return Ok(Some(known));
        }
        let cross = ((&w.b * self.times(&w.a)?.t()?)?.sum(1)? * (2.0 * w.scale))?;
        let own = ((w.b.matmul(&w.a.matmul(&w.a.t()?)?)? * &w.b)?.sum(1)? * (w.scale * w.scale))?;
        let norm = ((self.row_squares()? + cross)? + own)?.sqrt()?;
        let gain = (magnitude / &norm)?;
        Ok(Some(w.row_scale.get_or_init(|| RowScale { norm, gain })))
    }

    /// `x Wᵀ`.
    fn times(&self, x: &Tensor) -> Result<Tensor> {
        Ok(self.weight.product(x)?)
    }

    /// `dy W`.
    fn times_back(&self, dy: &Tensor) -> Result<Tensor> {
        Ok(self.weight.backward(dy)?)
    }

    fn biased(&self, y: Tensor) -> Result<Tensor> {
        match &self.bias {
            Some(bias) => Ok(y.broadcast_add(bias)?),
            None => Ok(y),
        }
    }

    fn mask(&self, x: &Tensor, pass: Pass) -> Result<Option<Tensor>> {
        let rate = pass.lora.map_or(0.0, |lora| lora.config().lora_dropout);
        match pass.dropout {
            Some(key) if rate > 0.0 => {
                let key = dropout::splitmix(key ^ (self.place as u64 + 1));
                Ok(Some(dropout::mask(key, rate, x.dims2()?, x.dtype(), x.device())?))
            }
            _ => Ok(None),
        }
    }
}

/// A product of the adapter.
pub(crate) fn times(a: &Tensor, b: &Tensor) -> Result<Tensor> {
    let operations = 2 * a.elem_count() * b.dims().last().unwrap_or(&0);
    Ok(profile::products(Work::Adapter, operations, || a.matmul(b))?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::LinearShape;
    use crate::lora::config::LoraConfig;
    use candle_core::DType;
    use rand::SeedableRng;
    use testkit::checks::{difference, finite_difference, random};

    const ROWS: usize = 5;
    const IN: usize = 7;
    const OUT: usize = 3;

    /// A linear with a bias, and a DoRA adapter none of whose parameters is at its start.
    fn scene(dropout: f64) -> (Linear, Lora) {
        let weight = Weight::floats(&random(&[OUT, IN], 1)).unwrap();
        let linear = Linear::new(weight, Some(random(&[OUT], 2)), 0);
        let shape = LinearShape { name: "q_proj".into(), in_features: IN, out_features: OUT };
        let config =
            LoraConfig { r: 2, lora_alpha: 3.0, lora_dropout: dropout, use_dora: true, ..LoraConfig::default() };
        let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(3);
        let norms = linear.row_norms().unwrap();
        let mut lora =
            Lora::start(&config, &[shape], &mut rng, DType::F64, norms.device(), |_| Ok(Some(norms.clone()))).unwrap();
        for (seed, parameter) in lora.parameters_mut().into_iter().enumerate() {
            *parameter = (&*parameter + random(parameter.dims(), 4 + seed as u64)).unwrap();
        }
        (linear, lora)
    }

    #[test]
    fn dora_is_a_weight_of_its_own_direction_and_length() {
        let (linear, lora) = scene(0.0);
        let x = random(&[ROWS, IN], 9);
        let (y, _) = linear.forward(&x, Pass { lora: Some(&lora), dropout: None, single: false }).unwrap();
        // Equation 5 word for word: m (W + s B A) / ‖W + s B A‖, the norm of each row.
        let w = &lora.weights()[0];
        let adapted = (random(&[OUT, IN], 1) + (w.b.matmul(&w.a).unwrap() * 1.5).unwrap()).unwrap();
        let norm = adapted.sqr().unwrap().sum_keepdim(1).unwrap().sqrt().unwrap();
        let gain = w.magnitude.as_ref().unwrap().unsqueeze(1).unwrap().div(&norm).unwrap();
        let weight = adapted.broadcast_mul(&gain).unwrap();
        let plain = x.matmul(&weight.t().unwrap()).unwrap().broadcast_add(linear.bias.as_ref().unwrap()).unwrap();
        assert!(difference(&y, &plain) < 1e-12);
    }

    /// PEFT and section 4.3 of the paper take the norm for a constant, so that here it stays what it was while a parameter
    /// moves.
    #[test]
    fn gradients_of_dora_equal_finite_differences_at_a_norm_that_stays() {
        for dropout in [0.0, 0.4] {
            let (linear, lora) = scene(dropout);
            let x = random(&[ROWS, IN], 9);
            let key = (dropout > 0.0).then_some(11);
            let dy = random(&[ROWS, OUT], 10);
            let pass = Pass { lora: Some(&lora), dropout: key, single: false };
            let (_, saved) = linear.forward(&x, pass).unwrap();
            let mut gradients = Gradients::zeros(&lora).unwrap();
            let dx = linear.backward(&dy, &x, saved.as_ref(), pass, &mut gradients).unwrap();
            let norm = lora.weights()[0].row_scale.get().unwrap().norm.clone();
            let expected = finite_difference(&x, &dy, |x| Ok(linear.forward(x, pass).unwrap().0));
            assert!(difference(&dx, &expected) < 1e-8, "x, dropout {dropout}");
            for (place, (name, parameter)) in lora.parameters().into_iter().enumerate() {
                let expected = finite_difference(parameter, &dy, |moved| {
                    let mut lora = lora.clone();
                    *lora.parameters_mut().swap_remove(place) = moved.clone();
                    let w = &lora.weights()[0];
                    let gain = (w.magnitude.as_ref().unwrap() / &norm)?;
                    w.row_scale.set(RowScale { norm: norm.clone(), gain }).unwrap();
                    Ok(linear.forward(&x, Pass { lora: Some(&lora), dropout: key, single: false }).unwrap().0)
                });
                assert!(difference(&gradients.tensors[place], &expected) < 1e-8, "{name}, dropout {dropout}");
            }
        }
    }

    #[test]
    fn the_norm_follows_every_update() {
        let (linear, mut lora) = scene(0.0);
        let x = random(&[ROWS, IN], 9);
        let forward =
            |lora: &Lora| linear.forward(&x, Pass { lora: Some(lora), dropout: None, single: false }).unwrap().0;
        let before = forward(&lora);
        for parameter in lora.parameters_mut() {
            *parameter = (&*parameter * 2.0).unwrap();
        }
        let mut afresh = lora.clone();
        afresh.parameters_mut();
        assert_eq!(difference(&forward(&lora), &forward(&afresh)).to_bits(), 0f64.to_bits());
        assert!(difference(&before, &forward(&lora)) > 1e-3);
    }
}
