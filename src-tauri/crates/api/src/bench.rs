//! What this machine does, and what a training step makes of it.

mod busy;
mod growth;
mod machine;
mod shapes;
mod spread;
mod step;
mod table;

pub use growth::{Cell, CellOutcome, CellReply, GrowthReply, GrowthRequest, growth};
pub use machine::{Machine, Rates, Versions};
pub use shapes::Shape;
pub use spread::Spread;
pub use step::{BenchModel, StepReply, StepRequest};
pub use table::{ProductsRow, WorkRow};

use crate::context::Context;
use crate::error::Result;
use machine::Arithmetic;
use serde::{Deserialize, Serialize};

/// What is to be measured.
#[derive(Debug, Clone)]
pub struct BenchRequest {
    /// A training step; none for the machine alone.
    pub step: Option<StepRequest>,
    /// Whether to measure the machine's rates.
    pub rates: bool,
}

/// What was measured.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct BenchReply {
    /// The machine and its rates.
    pub machine: Machine,
    /// What is measured.
    pub versions: Versions,
    /// The training step.
    pub step: Option<StepReply>,
}

/// Measures this machine and a training step on it.
///
/// # Errors
/// When the model cannot be used, when a step does not fit into memory, or when a setting has no meaning.
pub fn bench(request: &BenchRequest, context: &mut Context) -> Result<BenchReply> {
    let mut machine = Machine::describe();
    // Before the step and after it, since a machine does not always do the same; its memory only after it, so that the
    // step's peak is its own.
    let before = request.rates.then(Arithmetic::measure);
    let measured = match &request.step {
        Some(step) => Some(step::measure(step, context)?),
        None => None,
    };
    if let Some(before) = before {
        context.note("measures the machine");
        machine.rates = Some(Rates::measure(before.or_better(Arithmetic::measure()))?);
    }
    let step = measured.map(|measured| {
        let rates = machine.rates.filter(|_| measured.on_cpu());
        let peak_rates = rates.map(|rates| rates.of(measured.products()));
        measured.reply(peak_rates)
    });
    Ok(BenchReply { machine, versions: Versions::of_build(), step })
}
