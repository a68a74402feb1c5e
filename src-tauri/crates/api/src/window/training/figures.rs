//! Figures of one run, or of several in one chart.

use super::super::types::{FigureName, FigureView, Figures, Theme};
use super::super::{Backend, figures, locked};
use super::run_folder;
use crate::error::{Error, Result};
use eval::degeneration::words;
use plot::{Lines, Series};
use train::events::{EvalMetrics, Event, Line, StepMetrics};

/// Runs in one chart: beyond that, curves cannot be told apart.
const MOST_RUNS: usize = 8;

type Points = Vec<(f64, f64)>;

/// The figures asked for, in that order.
pub(in crate::window) fn run_figures(backend: &Backend, request: Figures) -> Result<Vec<FigureView>> {
    let project = backend.project(&request.project)?;
    if request.runs.is_empty() || request.runs.len() > MOST_RUNS {
        let message = format!("{} runs cannot be drawn in one chart", request.runs.len());
        return Err(Error::new("runs", message, format!("Choose one to {MOST_RUNS} runs.")));
    }
    let mut curves = Vec::with_capacity(request.runs.len());
    for run in &request.runs {
        let run = backend.training().known(&project.name_of_folder(), &run_folder(&project, run)?)?;
        let run = locked(&run);
        curves.push(Curves::of(run.title(), run.events.lines()));
    }
    request.figures.iter().map(|&name| draw(name, &curves, request.theme, (request.width, request.height))).collect()
}

/// What the figures of a run are drawn from.
struct Curves {
    name: String,
    steps: Vec<StepMetrics>,
    evals: Vec<EvalMetrics>,
    /// Mean words of the sample answers, by step.
    lengths: Points,
}

impl Curves {
    fn of(name: &str, lines: &[Line]) -> Self {
        let (mut steps, mut evals, mut lengths) = (Vec::new(), Vec::new(), Points::new());
        for line in lines {
            match &line.event {
                Event::Step(step) => steps.push(step.clone()),
                Event::Eval(eval) => evals.push(eval.clone()),
                Event::Samples(samples) if !samples.answers.is_empty() => {
                    let all: usize = samples.answers.iter().map(|answer| words(&answer.text).len()).sum();
                    lengths.retain(|point| point.0 < samples.step as f64);
                    lengths.push((samples.step as f64, all as f64 / samples.answers.len() as f64));
                }
                _ => {}
            }
        }
        Self { name: name.to_owned(), steps, evals, lengths }
    }

    fn training(&self, metric: fn(&StepMetrics) -> f64) -> Points {
        self.steps.iter().map(|step| (step.step as f64, metric(step))).collect()
    }

    fn held_out(&self, metric: fn(&EvalMetrics) -> f64) -> Points {
        self.evals.iter().map(|eval| (eval.step as f64, metric(eval))).collect()
    }
}

fn draw(name: FigureName, runs: &[Curves], theme: Theme, size: (u32, u32)) -> Result<FigureView> {
    let (code, lines) = match runs {
        [run] => of_one(name, run),
        runs => of_many(name, runs),
    };
    figures::lines(code, lines, theme, size)
}

/// One curve for each run, of its held-out pairs.
fn of_held_out(runs: &[Curves], metric: fn(&EvalMetrics) -> f64) -> Vec<Series> {
    runs.iter().map(|run| Series::new(&run.name, run.held_out(metric))).collect()
}

fn of_one(name: FigureName, run: &Curves) -> (&'static str, Lines) {
    let alone = std::slice::from_ref(run);
    match name {
        FigureName::HeldOutLoss => ("held_out_loss", plot::held_out_loss(of_held_out(alone, |e| e.eval_loss))),
        FigureName::HeldOutAccuracy => {
            ("held_out_accuracy", plot::held_out_accuracy(of_held_out(alone, |e| e.accuracies)))
        }
        FigureName::HeldOutMargins => ("held_out_margins", plot::held_out_margins(of_held_out(alone, |e| e.margins))),
        FigureName::Loss => ("loss", plot::loss(run.training(|s| s.loss), run.held_out(|e| e.eval_loss))),
        FigureName::Rewards => {
            ("rewards", plot::rewards(run.training(|s| s.rewards.chosen), run.training(|s| s.rewards.rejected)))
        }
        FigureName::Margins => {
            ("margins", plot::margins(run.training(|s| s.rewards.margins), run.held_out(|e| e.margins)))
        }
        FigureName::Accuracy => {
            ("accuracy", plot::accuracy(run.training(|s| s.rewards.accuracies), run.held_out(|e| e.accuracies)))
        }
        FigureName::GradNorm => ("grad_norm", plot::grad_norm(run.training(|s| s.grad_norm))),
        FigureName::LearningRate => ("learning_rate", plot::learning_rate(run.training(|s| s.learning_rate))),
        FigureName::Lengths => ("lengths", plot::sample_lengths(run.lengths.clone())),
    }
}

/// One curve for each run: of its held-out pairs where the figure says so, else of those trained on; of the rewards two.
fn of_many(name: FigureName, runs: &[Curves]) -> (&'static str, Lines) {
    let empty = Curves::of("", &[]);
    let (code, lines) = of_one(name, &empty);
    let curve = |run: &Curves, metric: fn(&StepMetrics) -> f64| plot::curve(&run.name, run.training(metric));
    let each = |metric: fn(&StepMetrics) -> f64| runs.iter().map(|run| curve(run, metric)).collect::<Vec<Series>>();
    let series = match name {
        FigureName::Loss => each(|s| s.loss),
        FigureName::Rewards => {
            let both = |run: &Curves| {
                let named = |what: &str, metric| plot::curve(&format!("{} {what}", run.name), run.training(metric));
                [named("chosen", |s| s.rewards.chosen), named("rejected", |s| s.rewards.rejected)]
            };
            runs.iter().flat_map(both).collect()
        }
        FigureName::Margins => each(|s| s.rewards.margins),
        FigureName::Accuracy => each(|s| s.rewards.accuracies),
        FigureName::GradNorm => each(|s| s.grad_norm),
        FigureName::LearningRate => each(|s| s.learning_rate),
        FigureName::Lengths => runs.iter().map(|run| Series::new(&run.name, run.lengths.clone())).collect(),
        FigureName::HeldOutLoss => of_held_out(runs, |e| e.eval_loss),
        FigureName::HeldOutAccuracy => of_held_out(runs, |e| e.accuracies),
        FigureName::HeldOutMargins => of_held_out(runs, |e| e.margins),
    };
    (code, Lines { series, ..lines })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::window::doctor::log::RunLog;
    use std::time::{Duration, Instant};

    const ALL: [FigureName; 10] = [
        FigureName::Loss,
        FigureName::Rewards,
        FigureName::Margins,
        FigureName::Accuracy,
        FigureName::GradNorm,
        FigureName::LearningRate,
        FigureName::Lengths,
        FigureName::HeldOutLoss,
        FigureName::HeldOutAccuracy,
        FigureName::HeldOutMargins,
    ];

    #[test]
    fn a_figure_of_ten_thousand_steps_is_drawn_in_less_than_100_ms() {
        let log = RunLog::healthy(10_000);
        let curves = Curves::of("long", &log.lines());
        // The first drawing registers the font.
        draw(FigureName::Loss, &[Curves::of("short", &RunLog::healthy(3).lines())], Theme::Light, (640, 360)).unwrap();
        let runs = [curves];
        for name in ALL {
            // The best of three: other tests run beside this one.
            let times = [(); 3].map(|()| {
                let began = Instant::now();
                (draw(name, &runs, Theme::Light, (800, 400)).unwrap(), began.elapsed())
            });
            let (figure, took) = times.into_iter().min_by_key(|(_, took)| *took).unwrap();
            println!("{}: {took:?}, {} bytes", figure.name, figure.svg.len());
            assert!(took < Duration::from_millis(100), "{}: {took:?}", figure.name);
            assert!(figure.axes.series.iter().all(|series| series.points.len() <= 2_000));
        }
    }

    #[test]
    fn several_runs_share_a_chart_by_their_names() {
        let runs = ["a", "b", "c"].map(|name| Curves::of(name, &RunLog::healthy(30).lines()));
        let names = |figure: &FigureView| -> Vec<String> {
            figure.axes.series.iter().map(|series| series.name.clone()).collect()
        };
        assert_eq!(names(&draw(FigureName::Margins, &runs, Theme::Dark, (640, 360)).unwrap()), ["a", "b", "c"]);
        assert_eq!(names(&draw(FigureName::Rewards, &runs, Theme::Dark, (640, 360)).unwrap()).len(), 6);
        assert_eq!(names(&draw(FigureName::Lengths, &runs, Theme::Dark, (640, 360)).unwrap()), ["a", "b", "c"]);
        let held_out = draw(FigureName::HeldOutAccuracy, &runs, Theme::Dark, (640, 360)).unwrap();
        assert_eq!(names(&held_out), ["a", "b", "c"]);
        let evals = RunLog::healthy(30).lines().iter().filter(|line| matches!(line.event, Event::Eval(_))).count();
        assert!(evals > 0 && held_out.axes.series.iter().all(|series| series.points.len() == evals));
        let one = draw(FigureName::Loss, &runs[..1], Theme::Dark, (640, 360)).unwrap();
        assert_eq!(names(&one), ["training", "held-out"]);
    }
}
