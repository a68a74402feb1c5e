//! Decoding against candle's own quantised example, on the same GGUF file, in turns: one sequence by candle
//! (`candle_transformers::models::quantized_llama`, token by token, as its example `quantized` has it), one and sixteen
//! sequences by [`generate`], with products in f32 and in bf16. Greedy, no token ends an answer, and every measurement is a
//! process of its own, so that no pool of threads waits beside another.
//!
//! `tests/compare/decode.sh`, which also builds candle for this very processor, as its own repository does; or
//! `cargo bench --locked --workspace --profile dev --bench decode`. `TIEBREAK_BENCH_MODEL` names a GGUF file of the Llama
//! family with its tokenizer in it, in place of the demo's model; `TIEBREAK_BENCH_ROUNDS` how many turns there are;
//! `TIEBREAK_BENCH_CANDLE` a build of this program that stands in for candle's side.
#![allow(clippy::unwrap_used, missing_docs)]

use candle_core::quantized::gguf_file;
use candle_core::{Device, Tensor};
use candle_transformers::generation::{LogitsProcessor, Sampling as CandleSampling};
use candle_transformers::models::quantized_llama::ModelWeights;
use generate::{Event, Flow, Request, Sampling, generate_each};
use kernels::product::Kernel;
use kernels::profile::{Work, record};
use model::{BaseDtype, Decoder, Products};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

/// Tokens of each prompt, and of each answer.
const PROMPT: usize = 64;
const NEW: usize = 64;
/// Sequences that are decoded at once, where it is not one.
const MANY: usize = 16;
const ROUNDS: usize = 7;

/// What the prompts are cut from, each from another place on.
const TEXT: &str = "The lighthouse stood at the end of the long stone pier, and every evening its keeper climbed the narrow \
    stairs to light the lamp. Ships from distant harbours passed by the rocks, carrying salt, timber, cloth and letters. In \
    winter the storms came without warning, and the waves rose high enough to wash over the windows of the lower rooms. The \
    keeper wrote down the weather, the name of each ship, and the hour at which it passed. When he was asked why he wrote all \
    of it down, he said that a night that nobody remembers is a night that never was. The children of the village came on \
    Sundays to hear his stories, and he told them which stars sailors follow when the clouds are thin.";

/// What one process found.
#[derive(Serialize, Deserialize)]
struct Found {
    /// Until the first token of each answer is there, and from then on.
    prompt_seconds: f64,
    decode_seconds: f64,
    /// Of all threads, while decoding; none where the system does not say.
    decode_cpu: Option<f64>,
    /// Of the first prompt.
    tokens: Vec<u32>,
    /// Shares of the time by kind of work, ours alone.
    work: Vec<(String, f64)>,
    features: String,
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| !argument.starts_with("--")).collect();
    let Some(model) = model() else {
        println!("left out: no model (TIEBREAK_BENCH_MODEL is not set, and `tiebreak demo --fetch-only` was not run)");
        return;
    };
    let found = match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["candle"] => by_candle(&model),
        ["ours", products, sequences] => ours(&model, products.parse().unwrap(), sequences.parse().unwrap()),
        _ => return compare(&model),
    };
    println!("{}", serde_json::to_string(&found).unwrap());
}

fn model() -> Option<PathBuf> {
    let file = ".cache/tiebreak/models/smollm2-135m-instruct/SmolLM2-135M-Instruct.Q4_1.gguf";
    let named = |name| std::env::var_os(name).map(PathBuf::from);
    let home = || named("HOME").map(|home| home.join(file)).filter(|path| path.is_file());
    named("TIEBREAK_BENCH_MODEL").or_else(|| named("TIEBREAK_DEMO_MODEL")).or_else(home)
}

fn prompts(model: &Path, count: usize) -> Vec<Vec<u32>> {
    let ids = chat::Tokenizer::open(model).unwrap().encode(TEXT).unwrap();
    let step = (ids.len() - PROMPT) / MANY;
    (0..count).map(|i| ids[i * step..][..PROMPT].to_vec()).collect()
}

/// As candle's example does it: the prompt at once, then a token at a time.
fn by_candle(model: &Path) -> Found {
    let prompt = prompts(model, 1).swap_remove(0);
    let mut file = std::fs::File::open(model).unwrap();
    let content = gguf_file::Content::read(&mut file).unwrap();
    let mut weights = ModelWeights::from_gguf(content, &mut file, &Device::Cpu).unwrap();
    let mut choice = LogitsProcessor::from_sampling(0, CandleSampling::ArgMax);
    let mut next = |tokens: &[u32], before: usize| {
        let input = Tensor::new(tokens, &Device::Cpu).unwrap().unsqueeze(0).unwrap();
        choice.sample(&weights.forward(&input, before).unwrap().squeeze(0).unwrap()).unwrap()
    };
    let warm = next(&prompt, 0);
    next(&[warm], PROMPT);

    let began = Instant::now();
    let mut tokens = vec![next(&prompt, 0)];
    let (prompt_seconds, decoding, cpu) = (began.elapsed().as_secs_f64(), Instant::now(), cpu_seconds());
    while tokens.len() < NEW {
        let token = next(&tokens[tokens.len() - 1..], PROMPT + tokens.len() - 1);
        tokens.push(token);
    }
    let decode_seconds = decoding.elapsed().as_secs_f64();
    Found { prompt_seconds, decode_seconds, decode_cpu: since(cpu), tokens, work: Vec::new(), features: features() }
}

fn ours(model: &Path, products: Products, sequences: usize) -> Found {
    let prompts = prompts(model, sequences);
    let mut decoder = Decoder::load(model, &Device::Cpu, BaseDtype::Auto).unwrap();
    decoder.set_products(products).unwrap();
    let answer = |tokens, on_event: &mut dyn FnMut(Event) -> Flow| {
        let sampling = Sampling { max_new_tokens: tokens, ..Sampling::default() };
        let request = Request { prompts: &prompts, sampling: &sampling, stop: &[], batch: sequences };
        generate_each(&decoder, None, request, on_event).unwrap()
    };
    answer(2, &mut |_| Flow::Continue);

    let (mut first, mut all) = (None, 0);
    let began = Instant::now();
    let (answers, profile) = record(|| {
        answer(NEW, &mut |event| {
            if let Event::Token { .. } = event {
                all += 1;
                if all == sequences {
                    first = Some((began.elapsed().as_secs_f64(), Instant::now(), cpu_seconds()));
                }
            }
            Flow::Continue
        })
    });
    let (prompt_seconds, decoding, cpu) = first.unwrap();
    let decode_seconds = decoding.elapsed().as_secs_f64();
    let share = |work: Work| (work.name().to_owned(), profile.seconds(work) / profile.total());
    Found {
        prompt_seconds,
        decode_seconds,
        decode_cpu: since(cpu),
        tokens: answers[0].ids.clone(),
        work: Work::ALL.into_iter().map(share).filter(|(_, share)| *share > 0.0).collect(),
        features: features(),
    }
}

/// Of this process and all its threads, in steps of a hundredth.
fn cpu_seconds() -> Option<f64> {
    let stat = std::fs::read_to_string("/proc/self/stat").ok()?;
    let mut fields = stat.rsplit(')').next()?.split_whitespace().skip(11);
    let mut ticks = || fields.next()?.parse::<f64>().ok();
    Some((ticks()? + ticks()?) / 100.0)
}

fn since(cpu: Option<f64>) -> Option<f64> {
    Some(cpu_seconds()? - cpu?)
}

/// What this program was compiled for.
fn features() -> String {
    let features = [
        ("avx2", cfg!(target_feature = "avx2")),
        ("fma", cfg!(target_feature = "fma")),
        ("avx512f", cfg!(target_feature = "avx512f")),
        ("neon", cfg!(target_feature = "neon")),
    ];
    let names: Vec<&str> = features.into_iter().filter_map(|(name, on)| on.then_some(name)).collect();
    if names.is_empty() { "no more than every processor of its kind has".into() } else { names.join(" ") }
}

/// Who decodes.
const SIDES: [(&str, &[&str], usize); 5] = [
    ("candle, 1 sequence", &["candle"], 1),
    ("f32, 1 sequence", &["ours", "f32", "1"], 1),
    ("bf16, 1 sequence", &["ours", "bf16", "1"], 1),
    ("f32, 16 sequences", &["ours", "f32", "16"], MANY),
    ("bf16, 16 sequences", &["ours", "bf16", "16"], MANY),
];

fn compare(model: &Path) {
    let rounds = std::env::var("TIEBREAK_BENCH_ROUNDS").map_or(ROUNDS, |rounds| rounds.parse().unwrap());
    let this = std::env::current_exe().unwrap();
    let candle = std::env::var_os("TIEBREAK_BENCH_CANDLE").map_or_else(|| this.clone(), PathBuf::from);
    let sides: Vec<_> =
        SIDES.into_iter().filter(|(_, how, _)| !how.contains(&"bf16") || Kernel::of_processor().is_some()).collect();
    let mut found: Vec<Vec<Found>> = sides.iter().map(|_| Vec::new()).collect();
    for _ in 0..rounds {
        for ((_, how, _), found) in sides.iter().zip(&mut found) {
            let program = if how[0] == "candle" { &candle } else { &this };
            let output = Command::new(program).args(*how).env("TIEBREAK_BENCH_MODEL", model).output().unwrap();
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
            found.push(serde_json::from_slice(&output.stdout).unwrap());
        }
    }
    report(model, rounds, &sides, &found);
}

fn report(model: &Path, rounds: usize, sides: &[(&str, &[&str], usize)], found: &[Vec<Found>]) {
    println!("{}, {} threads", processor(), rayon::current_num_threads());
    println!("{}", versions());
    println!("candle's side compiled for: {}; ours for: {}", found[0][0].features, features());
    let name = model.file_name().unwrap().to_string_lossy();
    println!("{name}, greedy, {PROMPT} tokens of prompt and {NEW} new ones, {rounds} rounds in turns");
    println!("median [least, most] over rounds; CPU time is of all threads\n");
    let decoded = |sequences: usize, found: &Found| ((NEW - 1) * sequences) as f64 / found.decode_seconds;
    let prompted = |sequences: usize, found: &Found| (PROMPT * sequences) as f64 / found.prompt_seconds;

    println!("| | new tokens/s | CPU ms a new token | prompt tokens/s |\n|---|---|---|---|");
    for ((what, _, sequences), found) in sides.iter().zip(found) {
        let cpu = |found: &Found| Some(1e3 * found.decode_cpu? / ((NEW - 1) * sequences) as f64);
        let cpu: Option<Vec<f64>> = found.iter().map(cpu).collect();
        println!(
            "| {what} | {} | {} | {} |",
            spread(found.iter().map(|found| decoded(*sequences, found)), 1),
            cpu.map_or_else(|| "unknown".into(), |cpu| spread(cpu.into_iter(), 1)),
            spread(found.iter().map(|found| prompted(*sequences, found)), 0),
        );
    }

    println!("\n| times candle's | new tokens/s | CPU time a new token | prompt tokens/s |\n|---|---|---|---|");
    for ((what, _, sequences), ours) in sides.iter().zip(found).skip(1) {
        let pairs = || ours.iter().zip(&found[0]);
        let cpu = |(ours, candle): (&Found, &Found)| Some(ours.decode_cpu? / *sequences as f64 / candle.decode_cpu?);
        let cpu: Option<Vec<f64>> = pairs().map(cpu).collect();
        println!(
            "| {what} | {} | {} | {} |",
            spread(pairs().map(|(ours, candle)| decoded(*sequences, ours) / decoded(1, candle)), 2),
            cpu.map_or_else(|| "unknown".into(), |cpu| spread(cpu.into_iter(), 2)),
            spread(pairs().map(|(ours, candle)| prompted(*sequences, ours) / prompted(1, candle)), 2),
        );
    }

    println!("\n| share of the time | work |\n|---|---|");
    for ((what, _, _), found) in sides.iter().zip(found).skip(1) {
        let mut all: BTreeMap<&str, Vec<f64>> = BTreeMap::new();
        for (work, share) in found.iter().flat_map(|found| &found.work) {
            all.entry(work).or_default().push(*share);
        }
        let mut all: Vec<(f64, &str)> = all.into_iter().map(|(work, shares)| (median(shares), work)).collect();
        all.sort_by(|a, b| b.0.total_cmp(&a.0));
        let listed = all.into_iter().map(|(share, work)| format!("{work} {:.0} %", 100.0 * share));
        println!("| {what} | {} |", listed.collect::<Vec<_>>().join(", "));
    }

    println!();
    for ((what, _, _), ours) in sides.iter().zip(found).skip(1) {
        let (ours, candle) = (&ours[0].tokens, &found[0][0].tokens);
        match ours.iter().zip(candle).position(|(a, b)| a != b) {
            Some(place) => println!("{what}: the first prompt's answer parts from candle's at token {}", place + 1),
            None => println!("{what}: the first prompt's answer is candle's, all {} tokens", ours.len()),
        }
    }
}

fn median(mut numbers: Vec<f64>) -> f64 {
    numbers.sort_by(f64::total_cmp);
    numbers[numbers.len() / 2]
}

fn spread(numbers: impl Iterator<Item = f64>, digits: usize) -> String {
    let numbers: Vec<f64> = numbers.collect();
    let (least, most) = numbers.iter().fold((f64::MAX, f64::MIN), |(least, most), &n| (least.min(n), most.max(n)));
    format!("{:.digits$} [{least:.digits$}, {most:.digits$}]", median(numbers))
}

fn processor() -> String {
    let info = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let name = info.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    let name = name.map_or("a processor that does not say its name", |(_, name)| name);
    let mut has = vec![name];
    #[cfg(target_arch = "x86_64")]
    for (feature, there) in [
        ("avx2", is_x86_feature_detected!("avx2")),
        ("avx512f", is_x86_feature_detected!("avx512f")),
        ("avx512_vnni", is_x86_feature_detected!("avx512vnni")),
        ("avx512_bf16", is_x86_feature_detected!("avx512bf16")),
    ] {
        if there {
            has.push(feature);
        }
    }
    has.join(" ")
}

/// Those that were built with.
fn versions() -> String {
    let lock = include_str!("../../../../Cargo.lock");
    let version = |name: &str| {
        let after = lock.split_once(&format!("name = \"{name}\"\nversion = \""))?.1;
        Some(format!("{name} {}", after.split_once('"')?.0))
    };
    let own = format!("tiebreak {}", env!("CARGO_PKG_VERSION"));
    let all = ["candle-core", "candle-transformers", "gemm", "rayon"].into_iter().filter_map(version);
    [own].into_iter().chain(all).collect::<Vec<_>>().join(", ")
}
