//! The table, as a page in Markdown.

use super::super::machine::{Machine, Rates, Versions};
use super::super::step::StepReply;
use super::super::table::PeakRates;
use super::{Cell, CellOutcome, GrowthReply, GrowthRequest, LENGTH, PAIR, RANK, SECONDS, STEPS, Sweep, figures};
use std::fmt::Write;

/// The page with a table and figures for each sweep.
pub(super) fn of(reply: &GrowthReply, request: &GrowthRequest, sweeps: &[Sweep]) -> String {
    let mut page = String::from("# How a training step grows\n\n");
    let shape = request.shape;
    page += &about(&reply.machine, &reply.versions);
    let _ = write!(
        page,
        "\n\n{} with LoRA on all linears; a step of DPO on {PAIR} pair of {LENGTH} tokens (a prompt with one of its answers; \
         half are the prompt's, which both answers share), rank {RANK}, where nothing else is said. Weights kept as `{}`, \
         products `{}`{}. Each row is a process of its own: two steps of warm-up, then up to {STEPS}, none begun after {SECONDS} \
         seconds once there are three. Times are medians, with quartiles in brackets. Tokens are counted as they are packed. \
         \"Processor s\" is what all threads of the process ran in a step, which other processes hardly move. Beside the rate of a \
         step's matrix products stands its share of the machine's on registers, and then the same by the time that threads ran. \
         \"More\" is the memory for each token more than in the row above of the same kind. \"Others\" is the share of all \
         cores that other processes took meanwhile. All of it took {} s.\n",
        sentence(shape.words()),
        request.dtype,
        request.products,
        computed_by(reply),
        number(reply.seconds, 0),
    );
    for sweep in sweeps {
        let _ = write!(page, "\n## {}\n\n", sweep.title);
        table(&mut page, reply, sweep);
        for (name, _) in figures::of(reply, sweep) {
            let _ = write!(page, "\n![{}]({name}.svg)\n", name.replace('-', ": "));
        }
    }
    page
}

fn sentence(words: &str) -> String {
    let mut letters = words.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

fn about(machine: &Machine, versions: &Versions) -> String {
    let Machine { processor, features, system, cores, threads, rates } = machine;
    let features = features.join(" ");
    let mut text = format!("{processor}, {system}, {cores} cores, {threads} threads, {features}; ");
    let Versions { tiebreak, candle, gemm } = versions;
    let _ = write!(text, "tiebreak {tiebreak}, candle {candle}, gemm {gemm}.");
    if let Some(Rates { f32_arithmetic, bf16_arithmetic, f32_product, bf16_product, memory, .. }) = rates {
        let bf16 = |rate: &Option<f64>| rate.map_or_else(|| "none".into(), |rate| number(rate, 0));
        let _ = write!(
            text,
            " GFLOP/s on registers: f32 {}, bf16 {}; of a large product: f32 {}, bf16 {}. Memory: {} GB/s.",
            number(*f32_arithmetic, 0),
            bf16(bf16_arithmetic),
            number(*f32_product, 0),
            bf16(bf16_product),
            number(*memory, 1),
        );
    }
    text
}

/// What the first measured cell says of that.
fn computed_by(reply: &GrowthReply) -> String {
    let measured = reply.cells.iter().find_map(|it| match &it.outcome {
        CellOutcome::Measured(step) => Some(step),
        _ => None,
    });
    let Some(step) = measured else { return String::new() };
    let plain = match &step.plain_kernels[..] {
        [] => String::new(),
        kernels => format!("; plain instead of a kernel: {}", kernels.join(", ")),
    };
    format!(" ({} by {}{plain})", step.products, step.products_by)
}

fn table(page: &mut String, reply: &GrowthReply, sweep: &Sweep) {
    let _ = writeln!(
        page,
        "| {} | layers | tokens | seconds | processor s | tokens/s | in products | their GFLOP/s | by processor | peak MB | more, kB a token | others |\n\
         |---:|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|",
        sweep.name
    );
    for recompute in [true, false] {
        let mut above: Option<&StepReply> = None;
        for (value, _, cell) in &sweep.cells {
            let cell = Cell { recompute, ..*cell };
            let layers = if recompute { "recomputed" } else { "kept" };
            let outcome = reply.cells.iter().find(|it| it.cell == cell).map(|it| &it.outcome);
            let cells = match outcome {
                Some(CellOutcome::Measured(step)) => {
                    let cells = measured(step, above.filter(|_| sweep.name != "size"), reply.machine.rates);
                    above = Some(step);
                    cells
                }
                Some(CellOutcome::LeftOut(seconds)) => {
                    format!(
                        "| left out: about {} s more than there was time for | | | | | | | | | |",
                        number(*seconds, 0)
                    )
                }
                Some(CellOutcome::Failed(why)) => {
                    format!("| not measured: {} | | | | | | | | | |", why.replace('|', "/"))
                }
                None => continue,
            };
            let _ = writeln!(page, "| {value} | {layers} {cells}");
        }
    }
}

fn measured(step: &StepReply, above: Option<&StepReply>, rates: Option<Rates>) -> String {
    let (seconds, speed) = (step.seconds, step.tokens_per_second);
    let digits = if seconds.middle < 1.0 { 4 } else { 2 };
    let unknown = || String::from("unknown");
    let percent = |share: f64| format!("{} %", number(100.0 * share, 0));
    let peak_rates = rates.map(|rates| rates.of(step.products));
    let (share, rate, by_processor) = match step.matrix_products {
        Some(products) => {
            let of_registers = peak_rates.map(|it| format!(" ({})", percent(products.gflops / it.arithmetic)));
            let by_processor = peak_rates.and_then(|it| by_processor(step, it));
            let rate = number(products.gflops, 0) + &of_registers.unwrap_or_default();
            (percent(products.share), rate, by_processor.map_or_else(unknown, percent))
        }
        None => (unknown(), unknown(), unknown()),
    };
    format!(
        "| {} | {} [{}, {}] | {} | {} [{}, {}] | {} | {} | {} | {} | {} | {} |",
        step.tokens,
        number(seconds.middle, digits),
        number(seconds.low, digits),
        number(seconds.high, digits),
        step.processor_seconds.map_or_else(unknown, |it| number(it.middle, digits)),
        number(speed.middle, 0),
        number(speed.low, 0),
        number(speed.high, 0),
        share,
        rate,
        by_processor,
        step.peak_bytes.map_or_else(unknown, |bytes| number(bytes as f64 * 1e-6, 0)),
        above.and_then(|above| bytes_a_token(above, step)).map_or_else(String::new, |bytes| number(bytes * 1e-3, 1)),
        step.others.map_or_else(unknown, percent),
    )
}

/// The share of the machine's rate on registers that a step's products reach, by the time that threads ran for them. A cell's
/// own process did not measure the machine.
fn by_processor(step: &StepReply, peak_rates: PeakRates) -> Option<f64> {
    let products = step.work.iter().filter(|row| row.gflops.is_some());
    let (mut operations, mut ran) = (0.0, 0.0);
    for row in products {
        operations += row.gflops? * 1e9 * row.seconds;
        ran += row.processor_seconds?;
    }
    (ran > 0.0).then(|| peak_rates.by_processor(operations, ran))
}

/// Bytes for each token that one step has more than another; none where it has not.
fn bytes_a_token(less: &StepReply, more: &StepReply) -> Option<f64> {
    let tokens = more.tokens.checked_sub(less.tokens).filter(|&tokens| tokens > 0)?;
    Some((more.peak_bytes? as f64 - less.peak_bytes? as f64) / tokens as f64)
}

fn number(value: f64, digits: usize) -> String {
    format!("{value:.digits$}")
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::super::{CellReply, sweeps};
    use super::*;
    use crate::bench::{ProductsRow, Shape, Spread, WorkRow};
    use model::{BaseDtype, DeviceChoice, Products};
    use std::path::PathBuf;
    use std::process::Command;

    fn step(length: usize, recompute: bool, peak: u64) -> StepReply {
        let spread = |middle: f64| Spread { low: 0.9 * middle, middle, high: 1.1 * middle };
        StepReply {
            model: "tiny".into(),
            device: "CPU".into(),
            dtype: BaseDtype::Auto,
            products: Products::F32,
            products_by: "gemm".into(),
            plain_kernels: vec!["rope".into()],
            rank: RANK,
            adapter_parameters: 1,
            pairs: PAIR,
            length,
            tokens: length + length / 2,
            targets: length,
            recompute,
            steps: 3,
            seconds: spread(2.0),
            processor_seconds: Some(spread(3.0)),
            pairs_per_second: spread(0.5),
            tokens_per_second: spread(96.0),
            peak_bytes: Some(peak),
            formula_bytes: 1,
            page_faults: Some(12.0),
            others: Some(0.25),
            work: vec![WorkRow {
                work: "frozen".into(),
                seconds: 1.4,
                share: 0.7,
                gflops: Some(120.0),
                of_arithmetic: None,
                of_product: None,
                processor_seconds: Some(2.1),
                processor_share: Some(0.7),
                of_arithmetic_by_processor: None,
            }],
            matrix_products: Some(ProductsRow {
                share: 0.7,
                gflops: 120.0,
                of_arithmetic: None,
                of_product: None,
                processor_share: Some(0.7),
                of_arithmetic_by_processor: None,
            }),
        }
    }

    fn reply() -> GrowthReply {
        let cell = |length, recompute| Cell { shape: Shape::Tiny, length, pairs: PAIR, rank: RANK, recompute };
        let measured = |length, recompute, peak| CellReply {
            cell: cell(length, recompute),
            outcome: CellOutcome::Measured(Box::new(step(length, recompute, peak))),
        };
        GrowthReply {
            machine: Machine {
                processor: "Made up".into(),
                features: vec!["avx2".into(), "fma".into()],
                system: "linux x86_64".into(),
                cores: 2,
                threads: 2,
                rates: Some(Rates {
                    f32_arithmetic: 200.0,
                    bf16_arithmetic: None,
                    f32_product: 150.0,
                    bf16_product: None,
                    memory: 20.0,
                    threads: 2,
                }),
            },
            versions: Versions { tiebreak: "1".into(), candle: "2".into(), gemm: "3".into() },
            seconds: 60.0,
            cells: vec![
                measured(128, true, 10_000_000),
                measured(256, true, 29_200_000),
                CellReply { cell: cell(512, true), outcome: CellOutcome::LeftOut(42.4) },
                CellReply { cell: cell(512, false), outcome: CellOutcome::Failed("a | b".into()) },
            ],
            table: PathBuf::new(),
            figures: Vec::new(),
        }
    }

    #[test]
    fn the_page_names_the_machine_and_what_was_left_out_and_memory_by_token() {
        let process = |_: &crate::StepRequest| Command::new("nothing");
        let request = GrowthRequest {
            output_dir: PathBuf::new(),
            shape: Shape::Tiny,
            device: DeviceChoice::Cpu,
            dtype: BaseDtype::Auto,
            products: Products::Auto,
            budget: 1.0,
            process: &process,
        };
        let page = of(&reply(), &request, &sweeps(Shape::Tiny).unwrap());
        for words in [
            "Made up, linux x86_64, 2 cores, 2 threads, avx2 fma; tiebreak 1, candle 2, gemm 3.",
            "f32 200, bf16 none; of a large product: f32 150, bf16 none",
            "products `auto` (f32 by gemm; plain instead of a kernel: rope)",
            // 19.2 MB for 192 tokens; 168e9 operations in 2.1 seconds of two threads, which do 200e9 a second.
            "| 256 | recomputed | 384 | 2.00 [1.80, 2.20] | 3.00 | 96 [86, 106] | 70 % | 120 (60 %) | 80 % | 29 | 100.0 | 25 % |",
            "| 512 | recomputed | left out: about 42 s",
            "| 512 | kept | not measured: a / b |",
            "(length-memory.svg)",
        ] {
            assert!(page.contains(words), "`{words}` is not in:\n{page}");
        }
        assert!(!page.contains("NaN"), "{page}");
        let mut tables = page.lines().filter(|line| line.starts_with('|'));
        assert!(tables.all(|line| line.matches('|').count() == 13), "twelve columns:\n{page}");
    }

    #[test]
    fn figures_are_drawn_of_what_was_measured_alone() {
        let reply = reply();
        let drawn: Vec<String> = sweeps(Shape::Tiny)
            .unwrap()
            .iter()
            .flat_map(|sweep| figures::of(&reply, sweep))
            .map(|(name, figure)| {
                assert!(figure.svg().unwrap().contains("layers recomputed"));
                name
            })
            .collect();
        // The cell of 256 tokens stands in every sweep.
        let all =
            ["length", "pairs", "rank", "size"].map(|sweep| ["speed", "memory"].map(|what| format!("{sweep}-{what}")));
        assert_eq!(drawn, all.concat());
    }
}
