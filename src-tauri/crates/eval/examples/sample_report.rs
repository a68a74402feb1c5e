//! Writes a report from made-up numbers, to be looked at: `cargo run -p eval --example sample_report -- FOLDER`.
#![allow(clippy::unwrap_used)]

use std::path::PathBuf;
use std::sync::atomic::AtomicBool;

use eval::accuracy::{Logps, PairLogps, preference_accuracy};
use eval::answers::{Answer, Side};
use eval::evaluation::{Ancestry, Folder, Setup};
use eval::judge::Judge;
use eval::report::{ReportInput, StepMetrics, write};
use prefs::prompts::Prompt;

const QUESTIONS: [(&str, &str, &str, &str); 5] = [
    (
        "science",
        "Why is the sky blue?",
        "Because air scatters blue light more than red.",
        "Sure! The sky is blue for many reasons. First of all, sunlight is made of many colours.\n\n1. Light travels as waves.\n2. Air scatters short waves.\n\nI hope this helps!",
    ),
    (
        "cooking",
        "How long do I boil an egg?",
        "Boil it for seven minutes for a soft yolk.",
        "Certainly! Boiling an egg is easy. Put it in water. Wait. Then peel it. Enjoy your meal and remember that every kitchen is different, so your time may be a little shorter or longer than what is written in books.",
    ),
    (
        "travel",
        "What should I pack for a rainy weekend?",
        "Pack a waterproof coat, spare socks and a good book.",
        "Pack a coat and boots.",
    ),
    (
        "cooking",
        "<script>alert('hello')</script> What is bread made of? 🍞",
        "Flour, water, yeast and salt.",
        "Here is a list:\n- flour\n- water\n- yeast\n- salt",
    ),
    ("travel", "ما هي عاصمة فرنسا؟", "باريس هي عاصمة فرنسا.", ""),
];

fn noise(x: f64) -> f64 {
    ((x * 12.9898).sin() * 43758.5453).fract()
}

fn main() {
    let folder = PathBuf::from(std::env::args().nth(1).unwrap());
    let prompts: Vec<Prompt> = (0..40)
        .map(|id| QUESTIONS[id % 5])
        .map(|(category, prompt, ..)| Prompt { prompt: prompt.into(), category: Some(category.into()) })
        .collect();
    let hash = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53";
    let ancestry = Ancestry {
        model: "SmolLM2-135M-Instruct.Q4_1.gguf".into(),
        model_sha256: Some(hash.into()),
        dtype: "auto".into(),
        products: "bf16".into(),
        adapter: Some("runs/plain/adapter".into()),
        adapter_sha256: Some(hash.into()),
        reference_adapter_sha256: None,
        run: Some("runs/plain".into()),
        pairs_sha256: Some(hash.into()),
        prompts: "held_out.jsonl".into(),
        prompts_sha256: hash.into(),
        seed: 17,
        order_seed: 18,
        sampling: [("temperature".to_owned(), 0.0.into()), ("max_new_tokens".to_owned(), 96.into())].into(),
        version: "0.1.0".into(),
        ..Ancestry::default()
    };
    let mut evaluation = Folder::open(&folder.join("eval"), Setup { ancestry, prompts }).unwrap();
    for id in evaluation.missing(Side::Base) {
        let (_, _, plain, padded) = QUESTIONS[id % 5];
        let (base, tuned) = if id % 7 == 3 { (plain, padded) } else { (padded, plain) };
        let answer = |side, text: &str| Answer {
            id,
            side,
            text: text.to_owned(),
            tokens: Some(text.len() / 4),
            truncated: text.len() > 180,
        };
        evaluation.add(vec![answer(Side::Base, base), answer(Side::Tuned, tuned)]).unwrap();
    }
    let judge = Judge::parse("plain:30").unwrap();
    assert!(evaluation.judge(&judge, &AtomicBool::new(false), &mut |_, _| {}).unwrap().is_continue());
    let pairs: Vec<PairLogps> = (0..40)
        .map(|id| {
            let reference =
                Logps { chosen: -40.0 + 9.0 * noise(f64::from(id)), rejected: -41.0 + 9.0 * noise(f64::from(id + 99)) };
            let after = Logps {
                chosen: reference.chosen + 2.0 + noise(f64::from(id)),
                rejected: reference.rejected - 1.0 + 8.0 * noise(f64::from(id + 7)),
            };
            PairLogps { reference, before: reference, after, chosen_tokens: 18, rejected_tokens: 60 }
        })
        .collect();
    let step = |step: u64| {
        let x = step as f64;
        let margin = x / 60.0 + 0.3 * noise(x);
        StepMetrics {
            step,
            loss: Some((1.0 + (-margin).exp()).ln()),
            grad_norm: Some(2.0 + noise(x)),
            learning_rate: Some(5e-5 * (1.0 - x / 120.0).min(x / 12.0)),
            rewards_chosen: Some(margin / 3.0),
            rewards_rejected: Some(-margin / 1.5),
            rewards_margins: Some(margin),
            rewards_accuracies: Some(((0.5 + x / 150.0 + 0.2 * noise(x)) * 8.0).round().min(8.0) / 8.0),
        }
    };
    let rows = |rows: &[(&str, &str)]| rows.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
    let input = ReportInput {
        title: "Plain answers: SmolLM2-135M-Instruct".into(),
        evaluation: Some(evaluation.finish(&judge).unwrap()),
        accuracy: preference_accuracy(&pairs, 0.1).unwrap(),
        configuration: rows(&[
            ("model", "SmolLM2-135M-Instruct.Q4_1.gguf"),
            ("beta", "0.1"),
            ("loss_type", "sigmoid"),
            ("learning_rate", "5e-5"),
            ("max_steps", "120"),
        ]),
        data: rows(&[
            ("lines read", "164"),
            ("refused", "2 (lines 17 and 40: not JSON)"),
            ("duplicates dropped", "1"),
            ("pairs trained on", "161"),
            ("held-out pairs", "40"),
        ]),
        steps: (1..=120).map(step).collect(),
        held_out: [30, 60, 90, 120].map(step).to_vec(),
        stage_seconds: vec![
            ("import and check".into(), 0.4),
            ("reference log-probabilities".into(), 31.2),
            ("training".into(), 213.9),
            ("answers of both models".into(), 96.0),
        ],
        machine: "2 cores, 24 GB memory, Linux x86-64".into(),
    };
    println!("{}", write(&input, &folder).unwrap().html.display());
}
