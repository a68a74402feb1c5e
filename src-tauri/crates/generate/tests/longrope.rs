//! A model that rotates long sequences by other frequencies (LongRoPE): an answer depends on its own length, not on the
//! limit on new tokens nor on what is decoded beside it.
#![allow(clippy::unwrap_used, missing_docs)]

use generate::{Request, Sampling, generate};
use model::{BaseDtype, Decoder, KvCache};
use serde_json::Value;
use std::path::Path;

/// Tokens up to which the short factors count; prompts have 24, 92 and 57.
const BORDER: usize = 34;

/// The golden model with another border, and its prompts.
fn model() -> (Decoder, Vec<Vec<u32>>) {
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../tests/golden/phi3_longrope");
    let read = |name: &str| -> Value { serde_json::from_slice(&std::fs::read(golden.join(name)).unwrap()).unwrap() };
    let folder = tempfile::tempdir().unwrap();
    let mut config = read("config.json");
    config["original_max_position_embeddings"] = BORDER.into();
    config["rope_parameters"]["original_max_position_embeddings"] = BORDER.into();
    std::fs::write(folder.path().join("config.json"), config.to_string()).unwrap();
    std::fs::copy(golden.join("model.safetensors"), folder.path().join("model.safetensors")).unwrap();
    let expected = read("expected.json");
    let ids =
        |row: &Value| row["prompt_ids"].as_array().unwrap().iter().map(|id| id.as_u64().unwrap() as u32).collect();
    let prompts = expected["greedy"].as_array().unwrap().iter().map(ids).collect();
    (Decoder::load(folder.path(), testkit::device(), BaseDtype::F32).unwrap(), prompts)
}

/// Greedy without a cache: the whole sequence is read anew for each token.
fn step_by_step(decoder: &Decoder, prompt: &[u32], tokens: usize) -> Vec<u32> {
    let mut ids = prompt.to_vec();
    for _ in 0..tokens {
        let mut cache = KvCache::new(decoder.config(), 1, 1);
        let logits = decoder.extend(None, &mut cache, &[(0, &ids)]).unwrap();
        let logits: Vec<f32> = logits.flatten_all().unwrap().to_vec1().unwrap();
        let best = (0..logits.len()).max_by(|&a, &b| logits[a].total_cmp(&logits[b])).unwrap();
        ids.push(best as u32);
    }
    ids.split_off(prompt.len())
}

#[test]
fn an_answer_depends_on_its_own_length_alone() {
    let (decoder, prompts) = model();
    let answers = |prompts: &[Vec<u32>], max_new_tokens: usize, batch: usize| -> Vec<Vec<u32>> {
        let sampling = Sampling { max_new_tokens, ..Sampling::default() };
        let request = Request { prompts, sampling: &sampling, stop: &[], batch };
        generate(&decoder, None, request, |_, _| generate::Flow::Continue).unwrap().into_iter().map(|a| a.ids).collect()
    };
    // The first answer crosses the border after ten tokens, the others begin beyond it.
    let expected: Vec<Vec<u32>> = prompts.iter().map(|prompt| step_by_step(&decoder, prompt, 24)).collect();
    for max_new_tokens in [4, 10, 11, 24] {
        for batch in [1, 2, 3] {
            for (found, expected) in answers(&prompts, max_new_tokens, batch).iter().zip(&expected) {
                assert_eq!(found, &expected[..max_new_tokens], "{max_new_tokens} tokens, {batch} at once");
            }
        }
        assert_eq!(answers(&prompts[..1], max_new_tokens, 1)[0], expected[0][..max_new_tokens], "alone");
    }
    assert_eq!(answers(&prompts[..1], 300, 1)[0][..24], expected[0], "a limit beyond the border");
}
