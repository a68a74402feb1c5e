//! How a training step grows: with the length of its pairs, their number, the adapter's rank and the size of the model.
//!
//! Each cell is measured by a process of its own, so that its peak of memory is its own, cheapest first. What would take
//! longer than there is time for is left out, and said to be.

mod figures;
mod page;

use super::machine::{Machine, Versions};
use super::shapes::Shape;
use super::step::{BenchModel, LEAST_STEPS, StepReply, StepRequest};
use super::{BenchReply, BenchRequest, bench};
use crate::context::Context;
use crate::error::{Error, Result};
use crate::evaluate::write_whole;
use model::{BaseDtype, DeviceChoice, Products};
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Tokens of a prompt with an answer.
const LENGTHS: [usize; 6] = [128, 256, 512, 1024, 2048, 4096];
/// Pairs of a step.
const PAIRS: [usize; 4] = [1, 2, 4, 8];
/// Ranks of the adapter.
const RANKS: [usize; 5] = [4, 8, 16, 32, 64];

/// What the others have while one of them varies.
const LENGTH: usize = 256;
const PAIR: usize = 1;
const RANK: usize = 16;

/// Steps of a cell, and the seconds after which it begins no more.
const STEPS: usize = 12;
const SECONDS: f64 = 5.0;

/// How often a process is looked at, and the user's wish to stop.
const LOOK: Duration = Duration::from_millis(20);

/// What is to be measured.
pub struct GrowthRequest<'a> {
    /// Where the table and the figures go.
    pub output_dir: PathBuf,
    /// The model whose length, pairs and rank are varied; larger ones follow it.
    pub shape: Shape,
    /// Where to compute.
    pub device: DeviceChoice,
    /// What the weights are kept as.
    pub dtype: BaseDtype,
    /// What products are computed in.
    pub products: Products,
    /// Seconds that all of it may take.
    pub budget: f64,
    /// A process that measures this step, and not the machine, and prints its [`BenchReply`] as the last line of JSON.
    pub process: &'a dyn Fn(&StepRequest) -> Command,
}

/// One setting of a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cell {
    /// The model.
    pub shape: Shape,
    /// Tokens of a prompt with one of its answers.
    pub length: usize,
    /// Pairs of the step.
    pub pairs: usize,
    /// Rank of the adapter.
    pub rank: usize,
    /// Whether layers are computed again in the backward.
    pub recompute: bool,
}

/// What came of a cell.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs)]
pub enum CellOutcome {
    Measured(Box<StepReply>),
    /// There was no time for it: it would have taken about so many seconds.
    LeftOut(f64),
    /// It could not be measured, and why.
    Failed(String),
}

/// A cell and what came of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[allow(missing_docs)]
pub struct CellReply {
    /// The setting.
    pub cell: Cell,
    pub outcome: CellOutcome,
}

/// All cells.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[allow(missing_docs)]
pub struct GrowthReply {
    /// The machine and its rates.
    pub machine: Machine,
    /// What is measured.
    pub versions: Versions,
    /// Seconds that all of it took.
    pub seconds: f64,
    /// In the order in which they were measured.
    pub cells: Vec<CellReply>,
    pub table: PathBuf,
    /// The figures, SVG.
    pub figures: Vec<PathBuf>,
}

/// Measures how a step grows, and writes a table and figures.
///
/// # Errors
/// When the folder cannot be written or no process can be started.
pub fn growth(request: &GrowthRequest, context: &mut Context) -> Result<GrowthReply> {
    let folder = &request.output_dir;
    std::fs::create_dir_all(folder).map_err(Error::file(folder))?;
    let began = Instant::now();
    let BenchReply { machine, versions, .. } = bench(&BenchRequest { step: None, rates: true }, context)?;
    let order = by_cost(cells(request.shape))?;
    let (mut cells, mut pace) = (Vec::new(), None);
    for (place, (cell, cost)) in order.iter().enumerate() {
        context.progress("cells", began, place as u64, order.len() as u64);
        // The first is measured whatever the time, since it tells what the others take.
        let expected = pace.map(|pace: f64| pace * cost);
        let late = expected.filter(|expected| began.elapsed().as_secs_f64() + expected > request.budget);
        let outcome = if let Some(expected) = late {
            CellOutcome::LeftOut(expected)
        } else {
            let cell_began = Instant::now();
            let outcome = measure(*cell, request, context)?;
            if matches!(outcome, CellOutcome::Measured(_)) {
                pace = Some(pace_of(&outcome, cell_began.elapsed().as_secs_f64(), *cost));
            }
            outcome
        };
        cells.push(CellReply { cell: *cell, outcome });
    }
    context.progress("cells", began, order.len() as u64, order.len() as u64);
    let mut reply = GrowthReply {
        machine,
        versions,
        seconds: began.elapsed().as_secs_f64(),
        cells,
        table: folder.join("README.md"),
        figures: Vec::new(),
    };
    let sweeps = sweeps(request.shape)?;
    for sweep in &sweeps {
        for (name, figure) in figures::of(&reply, sweep) {
            let path = folder.join(format!("{name}.svg"));
            write_whole(&path, figure.svg()?.as_bytes())?;
            reply.figures.push(path);
        }
    }
    write_whole(&reply.table, page::of(&reply, request, &sweeps).as_bytes())?;
    Ok(reply)
}

/// One cell where everything is as usual, and those in which one thing differs, with and without recomputation.
fn cells(shape: Shape) -> Vec<Cell> {
    let usual = Cell { shape, length: LENGTH, pairs: PAIR, rank: RANK, recompute: true };
    let mut cells = Vec::new();
    for cell in LENGTHS
        .map(|length| Cell { length, ..usual })
        .into_iter()
        .chain(PAIRS.map(|pairs| Cell { pairs, ..usual }))
        .chain(RANKS.map(|rank| Cell { rank, ..usual }))
        .chain(larger(shape).into_iter().map(|shape| Cell { shape, ..usual }))
    {
        for recompute in [true, false] {
            let cell = Cell { recompute, ..cell };
            if !cells.contains(&cell) {
                cells.push(cell);
            }
        }
    }
    cells
}

/// This model and those that are larger; the tiny one is for trying and has none.
fn larger(shape: Shape) -> Vec<Shape> {
    match shape {
        Shape::Tiny => vec![shape],
        _ => Shape::ALL.into_iter().skip_while(|it| *it != shape).collect(),
    }
}

/// Cells by what a step of them costs: token times weight, a third more where layers are computed twice.
fn by_cost(cells: Vec<Cell>) -> Result<Vec<(Cell, f64)>> {
    let cost = |cell: Cell| {
        let tokens = cell.pairs * (2 * cell.length - cell.length / 2);
        let again = if cell.recompute { 4.0 / 3.0 } else { 1.0 };
        Ok((cell, tokens as f64 * cell.shape.weights()? as f64 * again))
    };
    let mut cells = cells.into_iter().map(cost).collect::<Result<Vec<_>>>()?;
    cells.sort_by(|a, b| a.1.total_cmp(&b.1));
    Ok(cells)
}

/// Seconds of a cell by its cost, if it takes no more steps than it has to.
fn pace_of(outcome: &CellOutcome, seconds: f64, cost: f64) -> f64 {
    let more = match outcome {
        CellOutcome::Measured(step) => step.steps.saturating_sub(LEAST_STEPS) as f64 * step.seconds.middle,
        _ => 0.0,
    };
    (seconds - more).max(0.0) / cost
}

fn measure(cell: Cell, request: &GrowthRequest, context: &Context) -> Result<CellOutcome> {
    let step = StepRequest {
        model: BenchModel::Random(cell.shape),
        device: request.device,
        dtype: request.dtype,
        products: request.products,
        rank: cell.rank,
        pairs: cell.pairs,
        length: cell.length,
        recompute: Some(cell.recompute),
        steps: STEPS,
        seconds: Some(SECONDS),
    };
    let mut command = (request.process)(&step);
    let program = PathBuf::from(command.get_program());
    let child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
    let output = ended(child.map_err(Error::file(&program))?, &program, context)?;
    let said = String::from_utf8_lossy(&output.stdout);
    let reply = said.lines().rev().find_map(|line| serde_json::from_str::<BenchReply>(line).ok()?.step);
    Ok(match reply {
        Some(step) if output.status.success() => CellOutcome::Measured(Box::new(step)),
        _ => {
            let words = String::from_utf8_lossy(&output.stderr);
            let error = words.lines().find_map(|line| line.strip_prefix("error: "));
            CellOutcome::Failed(
                error.map_or_else(|| format!("the process ended with {}", output.status), str::to_owned),
            )
        }
    })
}

/// What a process leaves, which is ended where the user stops.
fn ended(mut child: Child, program: &Path, context: &Context) -> Result<std::process::Output> {
    // What it says before its reply is a few lines, which a pipe holds.
    while child.try_wait().map_err(Error::file(program))?.is_none() {
        if context.stopped() {
            let _ = child.kill();
            let _ = child.wait();
            return Err(Error::cancelled());
        }
        std::thread::sleep(LOOK);
    }
    child.wait_with_output().map_err(Error::file(program))
}

impl GrowthReply {
    /// The measured step of a cell.
    fn step(&self, cell: Cell) -> Option<&StepReply> {
        match &self.cells.iter().find(|it| it.cell == cell)?.outcome {
            CellOutcome::Measured(step) => Some(step),
            _ => None,
        }
    }
}

/// What is varied, and the cells in which it is, those with recomputation; the others differ in that alone.
struct Sweep {
    /// A word for files.
    name: &'static str,
    title: &'static str,
    /// What varies, for a column and an axis.
    label: &'static str,
    /// What it is in each cell, as is written and as is drawn.
    cells: Vec<(String, f64, Cell)>,
}

fn sweeps(shape: Shape) -> Result<Vec<Sweep>> {
    let usual = Cell { shape, length: LENGTH, pairs: PAIR, rank: RANK, recompute: true };
    let number = |value: usize, cell: Cell| (value.to_string(), value as f64, cell);
    let by_size = larger(shape)
        .into_iter()
        .map(|shape| {
            let millions = (shape.weights()? as f64 * 1e-5).round() / 10.0;
            Ok((shape.name().to_owned(), millions, Cell { shape, ..usual }))
        })
        .collect::<Result<Vec<_>>>()?;
    let sweep = |name, title, label, cells| Sweep { name, title, label, cells };
    Ok(vec![
        sweep(
            "length",
            "Sequence length",
            "tokens of a prompt with an answer",
            LENGTHS.map(|it| number(it, Cell { length: it, ..usual })).to_vec(),
        ),
        sweep("pairs", "Pairs per batch", "pairs", PAIRS.map(|it| number(it, Cell { pairs: it, ..usual })).to_vec()),
        sweep("rank", "Rank", "rank", RANKS.map(|it| number(it, Cell { rank: it, ..usual })).to_vec()),
        sweep("size", "Model size", "millions of weights", by_size),
    ])
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn every_cell_of_every_sweep_is_measured_once() {
        let all = cells(Shape::Of135M);
        // Six lengths, four numbers of pairs, five ranks and four sizes share one cell; each with and without.
        assert_eq!(all.len(), 2 * (6 + 4 + 5 + 4 - 3));
        for sweep in sweeps(Shape::Of135M).unwrap() {
            for (_, _, cell) in sweep.cells {
                for recompute in [true, false] {
                    assert_eq!(all.iter().filter(|it| **it == Cell { recompute, ..cell }).count(), 1);
                }
            }
        }
        assert!(cells(Shape::Tiny).iter().all(|cell| cell.shape == Shape::Tiny));
    }

    #[test]
    fn the_cheapest_come_first() {
        let order = by_cost(cells(Shape::Of135M)).unwrap();
        assert!(order.windows(2).all(|two| two[0].1 <= two[1].1));
        assert_eq!((order[0].0.length, order[0].0.recompute), (128, false));
        // 128 tokens: a prompt of 64, answers of 64.
        assert!((order[0].1 - 192.0 * 134_515_008.0).abs() < 1.0);
    }
}
