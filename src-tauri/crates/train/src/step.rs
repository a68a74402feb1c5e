//! A training step: microbatches forward and backward, then one update of the adapter.

use crate::error::{Error, Result};
use crate::optimizer::{AdamW, clip_coefficient, sum_of_squares};
use candle_core::Tensor;
use kernels::profile::{Work, during};
use model::{Batch, Decoder, ForwardOptions, Gradients, Lora, TokenScores};

/// What a step changes, and what it reads for it: the policy, a frozen model with the adapter that is trained.
pub struct Policy<'a> {
    /// The model.
    pub decoder: &'a Decoder,
    /// The adapter.
    pub lora: Lora,
    /// The optimiser of the adapter's parameters, in their order.
    pub optimizer: AdamW,
    /// Whether layers are computed again in the backward.
    pub recompute: bool,
    /// Gradients are scaled down to this norm; 0 for no limit.
    pub max_grad_norm: f64,
}

impl<'a> Policy<'a> {
    /// With an optimiser that has taken no step.
    ///
    /// # Errors
    /// When the device runs out of memory.
    pub fn new(
        decoder: &'a Decoder,
        lora: Lora,
        weight_decay: f64,
        recompute: bool,
        max_grad_norm: f64,
    ) -> Result<Self> {
        let parameters: Vec<_> = lora.parameters().into_iter().map(|(_, parameter)| parameter).collect();
        let optimizer = AdamW::new(&parameters, weight_decay)?;
        Ok(Self { decoder, lora, optimizer, recompute, max_grad_norm })
    }

    /// Takes a microbatch forward and backward, and adds its gradients to those of the step.
    ///
    /// `objective` is what is trained for. It is given the log-probabilities of the tokens that are predicted, in the order of
    /// [`Batch::targets`], and answers with what is to be known of them and with the gradient of the step's loss by each of
    /// them: of a mean over microbatches, this one's share. `dropout` is the seed of what is left out.
    ///
    /// # Errors
    /// When the objective refuses the numbers, or the device runs out of memory.
    pub fn microbatch<T>(
        &self,
        batch: &Batch,
        dropout: Option<u64>,
        gradients: &mut Gradients,
        objective: impl FnOnce(&TokenScores) -> Result<(T, Vec<f32>)>,
    ) -> Result<T> {
        let options = ForwardOptions { recompute: self.recompute, dropout };
        let trace = self.decoder.forward(&self.lora, batch, options)?;
        let (known, d_tokens) = objective(trace.tokens())?;
        self.decoder.backward_tokens(&self.lora, trace, &d_tokens, gradients)?;
        Ok(known)
    }

    /// Updates the adapter by the gradients of step number `step`, scaled down where they are too large. Answers their norm
    /// before that.
    ///
    /// # Errors
    /// When a gradient is not finite or missing; the error names the parameter, and nothing has changed.
    pub fn update(&mut self, gradients: &Gradients, learning_rate: f64, step: u64) -> Result<f64> {
        let grad_norm = check(&self.lora.parameters(), &gradients.tensors, step)?;
        let scale = clip_coefficient(grad_norm, self.max_grad_norm);
        let parameters: Vec<_> = self.lora.parameters().into_iter().map(|(_, parameter)| parameter).collect();
        let updated =
            during(Work::Optimizer, || self.optimizer.step(&parameters, &gradients.tensors, learning_rate, scale))?;
        for (parameter, updated) in self.lora.parameters_mut().into_iter().zip(updated) {
            *parameter = updated;
        }
        Ok(grad_norm)
    }
}

/// Norm of all gradients together, after making sure that each is finite and that none is missing: one that is zero
/// throughout while others are not, although nothing makes it zero. Each `A` stands before its `B`.
fn check(parameters: &[(String, &Tensor)], gradients: &[Tensor], step: u64) -> Result<f64> {
    let squares = gradients.iter().map(sum_of_squares).collect::<Result<Vec<_>>>()?;
    if let Some(bad) = squares.iter().position(|square| !square.is_finite()) {
        return Err(Error::NonFiniteGradient { step, parameter: parameters[bad].0.clone(), before: None });
    }
    let norm = squares.iter().sum::<f64>().sqrt();
    for i in (0..squares.len()).filter(|&i| norm > 0.0 && squares[i] == 0.0) {
        let is_a = parameters[i].0.ends_with("lora_A.weight");
        // A has no gradient while its B is zero, as at the start.
        if !is_a || sum_of_squares(parameters[i + 1].1)? > 0.0 {
            return Err(Error::NoGradient { step, parameter: parameters[i].0.clone() });
        }
    }
    Ok(norm)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use candle_core::{DType, Device};
    use rand_chacha::ChaCha8Rng;
    use rand_chacha::rand_core::SeedableRng;

    /// Supervised fine-tuning's objective, the mean over tokens: nothing here is of pairs.
    #[test]
    fn any_objective_of_the_tokens_log_probabilities_can_be_trained_for() {
        let folder = tempfile::tempdir().unwrap();
        testkit::TinyLlama::default().write_folder(folder.path()).unwrap();
        let decoder = Decoder::load(folder.path(), &Device::Cpu, model::BaseDtype::F32).unwrap();
        let mut generator = ChaCha8Rng::seed_from_u64(3);
        let lora = decoder.start_lora(&model::LoraConfig::default(), &mut generator, DType::F32).unwrap();
        let mut policy = Policy::new(&decoder, lora, 0.0, true, 1.0).unwrap();
        let mut batch = Batch::new();
        batch.push_sequence(&[1, 2, 3], &[4, 5, 6, 7]);
        let mut losses = Vec::new();
        for step in 1..=6 {
            let mut gradients = Gradients::zeros(&policy.lora).unwrap();
            let loss = policy.microbatch(&batch, None, &mut gradients, |tokens| {
                let count = tokens.logps.len() as f64;
                let loss = -tokens.logps.iter().sum::<f64>() / count;
                Ok((loss, vec![-1.0 / count as f32; tokens.logps.len()]))
            });
            losses.push(loss.unwrap());
            assert!(policy.update(&gradients, 1e-2, step).unwrap() > 0.0);
        }
        assert!(losses.windows(2).all(|two| two[1] < two[0]), "{losses:?}");
    }

    fn tensor(values: [f32; 2]) -> Tensor {
        Tensor::new(&values, &Device::Cpu).unwrap()
    }

    /// `A` is one; `b` is `B`. Gradients are of `A`, then of `B`.
    fn checked(b: f32, gradients: [[f32; 2]; 2]) -> Result<f64> {
        let (a, b) = (tensor([1.0, 1.0]), tensor([b, 0.0]));
        check(&[("q.lora_A.weight".into(), &a), ("q.lora_B.weight".into(), &b)], &gradients.map(tensor), 7)
    }

    #[test]
    fn a_gradient_that_is_missing_or_no_number_is_named() {
        assert!((checked(1.0, [[3.0, 0.0], [0.0, 4.0]]).unwrap() - 5.0).abs() < 1e-12);
        let named = |result: Result<f64>, name: &str| {
            let message = result.unwrap_err().to_string();
            assert!(message.contains(name) && message.contains("step 7"), "{message}");
        };
        for bad in [f32::NAN, f32::INFINITY] {
            named(checked(1.0, [[0.0, 1.0], [bad, 0.0]]), "q.lora_B.weight");
        }
        named(checked(1.0, [[1.0, 0.0], [0.0, 0.0]]), "q.lora_B.weight");
        named(checked(1.0, [[0.0, 0.0], [1.0, 0.0]]), "q.lora_A.weight");
    }

    #[test]
    fn a_gradient_may_be_zero_where_b_is_or_where_all_are() {
        assert!((checked(0.0, [[0.0, 0.0], [1.0, 0.0]]).unwrap() - 1.0).abs() < 1e-12);
        assert!(checked(1.0, [[0.0, 0.0], [0.0, 0.0]]).unwrap() == 0.0);
    }
}
