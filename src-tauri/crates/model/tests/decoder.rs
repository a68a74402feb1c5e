//! The whole decoder against finite differences, against itself with every saving on and off, and against
//! candle-transformers' own Llama on the same weights.
#![allow(clippy::unwrap_used, missing_docs)]

use candle_core::{DType, Device, Tensor};
use candle_nn::VarBuilder;
use kernels::dispatch::is_plain;
use kernels::profile::Work;
use model::config::Config;
use model::{Batch, Decoder, ForwardOptions, Gradients, KvCache, Lora, LoraConfig, Patterns, TargetModules};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde_json::{Value, json};
use std::collections::HashMap;
use std::path::Path;

fn read(config: &Value) -> Config {
    Config::from_json(&config.to_string(), Path::new("config.json")).unwrap()
}

fn llama(tied: bool, biases: bool) -> Value {
    json!({
        "model_type": "llama", "vocab_size": 13, "hidden_size": 10, "intermediate_size": 7, "num_hidden_layers": 2,
        "num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 6, "rms_norm_eps": 1e-5,
        "tie_word_embeddings": tied, "attention_bias": biases, "mlp_bias": biases, "max_position_embeddings": 64
    })
}

fn config(tied: bool, biases: bool) -> Config {
    read(&llama(tied, biases))
}

/// A model of each family with what it alone has, in odd sizes: windows shorter than the sequences, caps low enough to bend
/// the scores, sequences on both sides of a long rope's border.
fn families() -> Vec<Config> {
    let shape = json!({
        "vocab_size": 13, "hidden_size": 10, "intermediate_size": 7, "num_hidden_layers": 3, "num_attention_heads": 4,
        "num_key_value_heads": 2, "max_position_embeddings": 64
    });
    let families = [
        json!({"model_type": "smollm3", "hidden_size": 16, "no_rope_layer_interval": 2}),
        json!({"model_type": "mistral", "head_dim": 6, "sliding_window": 3}),
        json!({"model_type": "qwen2", "hidden_size": 16, "tie_word_embeddings": true}),
        json!({
            "model_type": "qwen2", "hidden_size": 16, "use_sliding_window": true, "sliding_window": 2,
            "max_window_layers": 1
        }),
        json!({"model_type": "qwen3", "head_dim": 6}),
        json!({"model_type": "qwen3", "head_dim": 6, "attention_bias": true}),
        json!({
            "model_type": "gemma2", "head_dim": 6, "query_pre_attn_scalar": 2, "sliding_window": 3,
            "attn_logit_softcapping": 1.5, "final_logit_softcapping": 2.0
        }),
        json!({
            "model_type": "gemma3_text", "head_dim": 6, "query_pre_attn_scalar": 3, "sliding_window": 2,
            "sliding_window_pattern": 2, "rope_local_base_freq": 10.0
        }),
        json!({"model_type": "phi3", "hidden_size": 16, "sliding_window": 4}),
        json!({
            "model_type": "phi3", "hidden_size": 32, "original_max_position_embeddings": 5,
            "partial_rotary_factor": 0.75,
            "rope_scaling": {"type": "longrope", "short_factor": [1.0, 1.25, 1.5], "long_factor": [1.5, 4.0, 32.5]}
        }),
    ];
    let with = |family: Value| {
        let mut fields = shape.as_object().unwrap().clone();
        fields.extend(family.as_object().unwrap().clone());
        read(&Value::Object(fields))
    };
    families.map(with).into()
}

fn weights(config: &Config, dtype: DType) -> HashMap<String, Tensor> {
    let mut rng = ChaCha8Rng::seed_from_u64(5);
    let random = |shape: &[usize], rng: &mut ChaCha8Rng| {
        let centre = if shape.len() == 1 { 1.0 } else { 0.0 };
        let data: Vec<f64> = (0..shape.iter().product()).map(|_| centre + rng.random_range(-0.5..0.5)).collect();
        Tensor::from_vec(data, shape, &Device::Cpu)
            .unwrap()
            .to_dtype(dtype)
            .unwrap()
            .to_device(testkit::device_for(dtype))
            .unwrap()
    };
    config.tensors().into_iter().map(|(name, shape)| (name, random(&shape, &mut rng))).collect()
}

fn decoder(config: &Config, dtype: DType) -> Decoder {
    let vars = VarBuilder::from_tensors(weights(config, dtype), dtype, testkit::device_for(dtype));
    Decoder::new(config.clone(), &vars).unwrap()
}

/// An adapter whose `B` is not zero.
fn lora(decoder: &Decoder, targets: TargetModules, dropout: f64) -> Lora {
    let config =
        LoraConfig { r: 3, lora_alpha: 4.5, lora_dropout: dropout, target_modules: targets, ..LoraConfig::default() };
    moved(decoder, &config)
}

/// An adapter none of whose parameters is at its start.
fn moved(decoder: &Decoder, config: &LoraConfig) -> Lora {
    let mut rng = ChaCha8Rng::seed_from_u64(6);
    let mut lora = decoder.start_lora(config, &mut rng, decoder.dtype()).unwrap();
    for parameter in lora.parameters_mut() {
        let noise: Vec<f64> = (0..parameter.elem_count()).map(|_| rng.random_range(-0.3..0.3)).collect();
        let noise = Tensor::from_vec(noise, parameter.shape(), &Device::Cpu).unwrap();
        let noise = noise.to_dtype(parameter.dtype()).unwrap().to_device(decoder.device()).unwrap();
        *parameter = (&*parameter + noise).unwrap();
    }
    lora
}

fn everything() -> TargetModules {
    of(&config(true, false))
}

/// Every linear of a model, the output head too.
fn of(config: &Config) -> TargetModules {
    TargetModules::Names(config.linears().into_iter().map(|linear| linear.name).collect())
}

fn batch() -> Batch {
    let mut batch = Batch::new();
    batch.push_pair(&[1, 4, 7], &[5, 9, 2], &[6, 2]);
    batch.push_sequence(&[3], &[8, 11, 2]);
    batch
}

/// Weights of the sequences' log-probabilities in the sum that is differentiated.
const D_LOGPS: [f32; 3] = [0.7, -1.3, 0.4];

fn gradients(
    decoder: &Decoder,
    lora: &Lora,
    batch: &Batch,
    options: ForwardOptions,
    d: &[f32],
) -> (Vec<f64>, Gradients) {
    let mut gradients = Gradients::zeros(lora).unwrap();
    let trace = decoder.forward(lora, batch, options).unwrap();
    let logps = trace.logps().to_vec();
    decoder.backward(lora, trace, d, &mut gradients).unwrap();
    (logps, gradients)
}

fn flat(tensor: &Tensor) -> Vec<f64> {
    tensor.to_device(&Device::Cpu).unwrap().to_dtype(DType::F64).unwrap().flatten_all().unwrap().to_vec1().unwrap()
}

fn relative_difference(a: &Gradients, b: &Gradients) -> f64 {
    let (mut difference, mut norm) = (0.0, 0.0);
    for (a, b) in a.tensors.iter().zip(&b.tensors) {
        for (x, y) in flat(a).into_iter().zip(flat(b)) {
            difference += (x - y).powi(2);
            norm += y * y;
        }
    }
    (difference / norm).sqrt()
}

fn check_finite_differences(config: &Config, targets: TargetModules, dropout: f64, recompute: bool) {
    let decoder = decoder(config, DType::F64);
    let lora = lora(&decoder, targets, dropout);
    check_differences(&decoder, &lora, ForwardOptions { recompute, dropout: (dropout > 0.0).then_some(77) });
}

fn check_differences(decoder: &Decoder, lora: &Lora, options: ForwardOptions) {
    let batch = batch();
    let (_, gradients) = gradients(decoder, lora, &batch, options, &D_LOGPS);
    let value = |lora: &Lora| -> f64 {
        let trace = decoder.forward(lora, &batch, options).unwrap();
        trace.logps().iter().zip(D_LOGPS).map(|(l, d)| l * f64::from(d)).sum()
    };
    let step = 1e-5;
    for (i, gradient) in gradients.tensors.iter().enumerate() {
        let gradient = flat(gradient);
        let shifted = |element: usize, by: f64| {
            let mut lora = lora.clone();
            let parameter = lora.parameters_mut().swap_remove(i);
            let mut data = flat(parameter);
            data[element] += by;
            *parameter = Tensor::from_vec(data, parameter.shape(), decoder.device()).unwrap();
            value(&lora)
        };
        for element in [0, gradient.len() / 2, gradient.len() - 1] {
            // The five-point rule: soft caps and norms bend too much for two points.
            let (one, two) = (
                shifted(element, step) - shifted(element, -step),
                shifted(element, 2.0 * step) - shifted(element, -2.0 * step),
            );
            let expected = (8.0 * one - two) / (12.0 * step);
            let name = &lora.parameters()[i].0;
            let found = gradient[element];
            let what = format!("{:?} {name}[{element}]: {found} against {expected}", decoder.config().architecture);
            assert!((found - expected).abs() < 1e-7 * (1.0 + expected.abs()), "{what}");
        }
    }
}

#[test]
fn gradients_equal_finite_differences() {
    check_finite_differences(&config(false, false), TargetModules::AllLinear, 0.0, true);
    check_finite_differences(&config(true, true), everything(), 0.0, false);
    check_finite_differences(&config(false, true), everything(), 0.4, true);
    check_finite_differences(&config(true, false), TargetModules::Names(vec!["down_proj".into()]), 0.0, true);
}

/// Ranks and scales that differ from linear to linear.
fn uneven(use_dora: bool) -> LoraConfig {
    LoraConfig {
        r: 3,
        lora_alpha: 4.0,
        use_rslora: true,
        use_dora,
        rank_pattern: Patterns(vec![("layers.0.*_proj".into(), 2)]),
        alpha_pattern: Patterns(vec![("up_proj".into(), 9.0)]),
        ..LoraConfig::default()
    }
}

#[test]
fn ranks_and_scales_of_their_own_have_gradients_that_equal_finite_differences() {
    let decoder = decoder(&config(false, true), DType::F64);
    check_differences(&decoder, &moved(&decoder, &uneven(false)), ForwardOptions::default());
}

#[test]
fn dora_is_the_same_in_f32_and_f64_with_and_without_recomputation() {
    let config = config(true, true);
    let (single, double) = (decoder(&config, DType::F32), decoder(&config, DType::F64));
    let (lora32, lora64) = (moved(&single, &uneven(true)), moved(&double, &uneven(true)));
    for recompute in [false, true] {
        let options = ForwardOptions { recompute, dropout: None };
        let (logps32, gradients32) = gradients(&single, &lora32, &batch(), options, &D_LOGPS);
        let (logps64, gradients64) = gradients(&double, &lora64, &batch(), options, &D_LOGPS);
        assert!(logps32.iter().zip(&logps64).all(|(a, b)| (a - b).abs() < 1e-5), "{logps32:?} {logps64:?}");
        assert!(relative_difference(&gradients32, &gradients64) < 1e-5);
    }
    let untrained = single.untrained(&lora32).unwrap();
    assert_eq!(single.logps(Some(&untrained), &batch()).unwrap(), single.logps(None, &batch()).unwrap());
}

#[test]
fn a_reference_that_is_mixed_goes_from_its_own_parameters_to_the_policys() {
    let decoder = decoder(&config(true, false), DType::F32);
    let policy = moved(&decoder, &uneven(true));
    let start = decoder.untrained(&policy).unwrap();
    let mut mixed = start.clone();
    mixed.mix(&policy, 0.25).unwrap();
    for (((_, mixed), (_, policy)), (name, start)) in
        mixed.parameters().iter().zip(policy.parameters()).zip(start.parameters())
    {
        for ((m, p), s) in flat(mixed).into_iter().zip(flat(policy)).zip(flat(start)) {
            assert!((m - (0.75 * s + 0.25 * p)).abs() < 1e-6, "{name}");
        }
    }
    let mut whole = start;
    whole.mix(&policy, 1.0).unwrap();
    assert_eq!(decoder.logps(Some(&whole), &batch()).unwrap(), decoder.logps(Some(&policy), &batch()).unwrap());
}

#[test]
fn gradients_of_every_family_equal_finite_differences() {
    for config in families() {
        check_finite_differences(&config, of(&config), 0.3, true);
    }
}

#[test]
fn the_fused_f32_model_equals_the_plain_f64_model() {
    for config in families().into_iter().chain([config(true, true)]) {
        let (single, double) = (decoder(&config, DType::F32), decoder(&config, DType::F64));
        let (lora32, lora64) = (lora(&single, of(&config), 0.0), lora(&double, of(&config), 0.0));
        let options = ForwardOptions { recompute: true, dropout: None };
        let (logps32, gradients32) = gradients(&single, &lora32, &batch(), options, &D_LOGPS);
        let (logps64, gradients64) = gradients(&double, &lora64, &batch(), options, &D_LOGPS);
        assert!(logps32.iter().zip(&logps64).all(|(a, b)| (a - b).abs() < 2e-5), "{config:?} {logps32:?} {logps64:?}");
        let apart = relative_difference(&gradients32, &gradients64);
        assert!(apart < 2e-5, "{config:?}: {apart}");
    }
}

/// What a cache gives token by token is what the text so far gives as a whole: the log-probability of each token by the
/// logits after those before it. A long rope's border lies within the longer text, whose beginning is then read again.
#[test]
fn a_cache_gives_every_family_the_logits_of_the_whole_text() {
    for config in families() {
        let decoder = decoder(&config, DType::F32);
        let lora = lora(&decoder, of(&config), 0.0);
        let texts: [&[u32]; 2] = [&[1, 5, 9, 3, 3, 12, 4, 4], &[7, 2, 0]];
        for text in texts {
            // Rotated for the length that the text has with the last token whose logits are asked for.
            let whole = |end: usize| {
                let mut cache = KvCache::new(&config, 1, 2);
                flat(&decoder.extend(Some(&lora), &mut cache, &[(0, &text[..end])]).unwrap())
            };
            let mut batch = Batch::new();
            batch.push_sequence(&text[..1], &text[1..]);
            let logps = decoder.token_logps(Some(&lora), &batch).unwrap();
            let likely = decoder.most_likely(Some(&lora), &batch, 4).unwrap();
            assert_eq!(likely.len(), logps.len());
            let border = config.rope.border().unwrap_or(0);
            let mut cache = KvCache::new(&config, 1, 2);
            for end in 2..=text.len() {
                // The first two at once, then one by one.
                let start = if end == 2 { 0 } else { end - 1 };
                let logits = flat(&decoder.extend(Some(&lora), &mut cache, &[(0, &text[start..end])]).unwrap());
                assert_eq!(cache.len(0), end);
                for (found, expected) in logits.iter().zip(whole(end)) {
                    assert!((found - expected).abs() < 2e-5, "{config:?} after {end}: {found} {expected}");
                }
                // A whole text that is scored is rotated for its own length.
                if end < text.len() && (end > border) == (text.len() > border) {
                    let sum: f64 = logits.iter().map(|z| z.exp()).sum();
                    let (found, expected) = (logits[text[end] as usize] - sum.ln(), logps[end - 1]);
                    assert!((found - expected).abs() < 2e-5, "{config:?} token {end}: {found} {expected}");
                    let mut sorted: Vec<usize> = (0..logits.len()).collect();
                    sorted.sort_by(|a, b| logits[*b].total_cmp(&logits[*a]));
                    assert_eq!(likely[end - 1].len(), 4);
                    for (likely, &id) in likely[end - 1].iter().zip(&sorted) {
                        // Ties may stand either way round.
                        assert!((logits[likely.id as usize] - logits[id]).abs() < 2e-5, "{config:?} token {end}");
                        assert!((likely.logp - (logits[id] - sum.ln())).abs() < 2e-5, "{config:?} token {end}");
                    }
                }
            }
        }
    }
}

/// A pair's log-probabilities do not depend on the pairs packed beside it, on whichever side of a long rope's border these
/// are; nor on whether its prompt is shared.
#[test]
fn a_pair_s_log_probabilities_do_not_depend_on_the_pairs_beside() {
    let pairs: [[&[u32]; 3]; 3] =
        [[&[1, 5], &[9], &[3, 3]], [&[1, 5, 2], &[9, 4], &[3, 3, 12, 4]], [&[7, 7, 7, 1, 2, 3], &[1, 1], &[2]]];
    for config in families() {
        let decoder = decoder(&config, DType::F32);
        let logps = |chosen: &[usize], apart: bool| {
            let mut batch = Batch::new();
            for &place in chosen {
                let [prompt, chosen, rejected] = pairs[place];
                if apart {
                    batch.push_pair_apart((prompt, chosen), (prompt, rejected));
                } else {
                    batch.push_pair(prompt, chosen, rejected);
                }
            }
            decoder.logps(None, &batch).unwrap()
        };
        let alone: Vec<f64> = (0..3).flat_map(|place| logps(&[place], false)).collect();
        for apart in [false, true] {
            let together = logps(&[0, 1, 2], apart);
            assert!(
                together.iter().zip(&alone).all(|(a, b)| (a - b).abs() < 2e-5),
                "{config:?} {together:?} {alone:?}"
            );
        }
    }
}

/// Bit for bit, with an adapter and without, also where another sequence's prompt is read meanwhile.
#[test]
fn a_new_token_s_logits_do_not_depend_on_the_sequences_beside() {
    if !testkit::device().is_cpu() || is_plain(Work::Frozen) || is_plain(Work::Attention) {
        eprintln!("left out: the same bits beside other sequences, which only fused kernels promise");
        return;
    }
    for config in families() {
        let decoder = decoder(&config, DType::F32);
        let lora = lora(&decoder, of(&config), 0.0);
        for lora in [None, Some(&lora)] {
            let logits = |others: usize| -> Vec<f32> {
                let mut cache = KvCache::new(&config, 20, 8);
                decoder.extend(lora, &mut cache, &[(2, &[1, 5, 9])]).unwrap();
                for other in (3..20).take(others) {
                    decoder.extend(lora, &mut cache, &[(other, &[3, 4][..=other % 2])]).unwrap();
                }
                let mut new: Vec<(usize, &[u32])> = vec![(2, &[12])];
                new.extend((3..20).take(others).map(|other| (other, &[7][..])));
                if others > 0 {
                    new.insert(0, (0, &[6, 0, 4]));
                    new.insert(1, (1, &[6]));
                }
                let row = new.iter().position(|(place, _)| *place == 2).unwrap();
                decoder.extend(lora, &mut cache, &new).unwrap().get(row).unwrap().to_vec1().unwrap()
            };
            let alone = logits(0);
            for others in [1, 4, 17] {
                assert_eq!(logits(others), alone, "{config:?} beside {others}");
            }
        }
    }
}

#[test]
fn sharing_packing_and_recomputation_change_nothing() {
    let decoder = decoder(&config(false, false), DType::F32);
    let lora = lora(&decoder, everything(), 0.0);
    let d = [0.5, -0.2, 1.1, 0.3];
    let pairs: [(&[u32], &[u32], &[u32]); 2] = [(&[1, 4, 7, 7], &[5, 9, 2], &[6, 2]), (&[3], &[8, 8, 8, 11, 2], &[2])];
    let mut shared = Batch::new();
    let mut apart = Batch::new();
    let mut one_by_one = Gradients::zeros(&lora).unwrap();
    let mut logps_one_by_one = Vec::new();
    for (i, (prompt, chosen, rejected)) in pairs.iter().enumerate() {
        shared.push_pair(prompt, chosen, rejected);
        apart.push_sequence(prompt, chosen);
        apart.push_sequence(prompt, rejected);
        for (j, completion) in [chosen, rejected].into_iter().enumerate() {
            let mut alone = Batch::new();
            alone.push_sequence(prompt, completion);
            let trace = decoder.forward(&lora, &alone, ForwardOptions::default()).unwrap();
            logps_one_by_one.extend_from_slice(trace.logps());
            decoder.backward(&lora, trace, &d[2 * i + j..][..1], &mut one_by_one).unwrap();
        }
    }
    assert!(shared.tokens() < apart.tokens());
    for batch in [&shared, &apart] {
        for recompute in [false, true] {
            let options = ForwardOptions { recompute, dropout: None };
            let (logps, gradients) = gradients(&decoder, &lora, batch, options, &d);
            assert!(logps.iter().zip(&logps_one_by_one).all(|(a, b)| (a - b).abs() < 1e-5));
            assert!(relative_difference(&gradients, &one_by_one) < 1e-5);
        }
        let same = decoder.logps(Some(&lora), batch).unwrap();
        assert!(same.iter().zip(&logps_one_by_one).all(|(a, b)| (a - b).abs() < 1e-5));
    }
}

#[test]
fn every_parameter_gets_a_gradient_and_an_untrained_adapter_changes_nothing() {
    let decoder = decoder(&config(true, false), DType::F32);
    let trained = lora(&decoder, everything(), 0.0);
    let (_, gradients) = gradients(&decoder, &trained, &batch(), ForwardOptions::default(), &D_LOGPS);
    for ((name, _), gradient) in trained.parameters().iter().zip(&gradients.tensors) {
        let gradient = flat(gradient);
        assert!(gradient.iter().all(|g| g.is_finite()) && gradient.iter().any(|&g| g != 0.0), "{name}");
    }
    let mut rng = ChaCha8Rng::seed_from_u64(0);
    for use_dora in [false, true] {
        let config = LoraConfig { use_dora, ..LoraConfig::default() };
        let fresh = decoder.start_lora(&config, &mut rng, DType::F32).unwrap();
        assert_eq!(decoder.logps(Some(&fresh), &batch()).unwrap(), decoder.logps(None, &batch()).unwrap());
    }
}

#[test]
fn a_cache_gives_the_same_logits_as_candle_transformers_on_the_whole_text() {
    use candle_transformers::models::llama as reference;
    for tied in [false, true] {
        let mut config = config(tied, false);
        // candle-transformers derives the head width from the hidden size.
        (config.hidden_size, config.head_dim, config.rotary_dim, config.attention_scale) = (16, 4, 4, 0.5);
        let theirs = reference::Config {
            hidden_size: 16,
            intermediate_size: 7,
            vocab_size: 13,
            num_hidden_layers: 2,
            num_attention_heads: 4,
            num_key_value_heads: 2,
            use_flash_attn: false,
            rms_norm_eps: 1e-5,
            rope_theta: 10_000.0,
            bos_token_id: None,
            eos_token_id: None,
            rope_scaling: None,
            max_position_embeddings: 64,
            tie_word_embeddings: tied,
        };
        let vars = VarBuilder::from_tensors(weights(&config, DType::F32), DType::F32, testkit::device());
        let llama = reference::Llama::load(vars, &theirs).unwrap();
        let decoder = decoder(&config, DType::F32);
        let texts: [&[u32]; 2] = [&[1, 5, 9, 3, 3, 12], &[7, 2, 0]];
        let mut cache = KvCache::new(&config, 2, 2);
        decoder.extend(None, &mut cache, &[(0, &texts[0][..4]), (1, &texts[1][..1])]).unwrap();
        decoder.extend(None, &mut cache, &[(1, &texts[1][1..2])]).unwrap();
        let last = decoder.extend(None, &mut cache, &[(0, &texts[0][4..]), (1, &texts[1][2..])]).unwrap();
        for (i, text) in texts.iter().enumerate() {
            let mut whole = reference::Cache::new(false, DType::F32, &theirs, testkit::device()).unwrap();
            let input = Tensor::new(*text, testkit::device()).unwrap().unsqueeze(0).unwrap();
            let expected = flat(&llama.forward(&input, 0, &mut whole).unwrap());
            let found = flat(&last.get(i).unwrap());
            assert!(found.iter().zip(&expected).all(|(a, b)| (a - b).abs() < 2e-5), "{found:?} {expected:?}");
        }
    }
}
