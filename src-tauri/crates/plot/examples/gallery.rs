//! Draws one figure of each kind into a folder, to be looked at: `cargo run -p plot --example gallery -- FOLDER`.
#![allow(clippy::unwrap_used)]

use std::path::PathBuf;

use plot::{Figure, Lines, Points, Scatter, Series, Theme, WinRate, WinRateRow};

fn points(count: usize, value: impl Fn(f64) -> f64) -> Vec<(f64, f64)> {
    (1..=count).map(|step| (step as f64, value(step as f64))).collect()
}

fn noise(x: f64) -> f64 {
    (x * 12.9898).sin() * 43758.5453 % 1.0
}

fn row(name: &str, wins: usize, ties: usize, losses: usize, rate: f64, low: f64, high: f64) -> WinRateRow {
    WinRateRow { name: name.into(), rate, low, high, wins, ties, losses, no_verdict: usize::from(ties == 3) }
}

fn main() {
    let folder = PathBuf::from(std::env::args().nth(1).unwrap());
    std::fs::create_dir_all(&folder).unwrap();
    let fall = |x: f64| 0.69 * (-x / 60.0).exp() + 0.05 * noise(x);
    let held_out = vec![(50.0, 0.5), (100.0, 0.3), (150.0, 0.22), (200.0, 0.21)];
    let gaps = points(60, |x| if (20.0..25.0).contains(&x) { f64::NAN } else { fall(x) });
    let blank = |title: &str, series: Vec<(f64, f64)>| Lines {
        title: title.into(),
        x_label: "step".into(),
        y_label: "value".into(),
        series: vec![Series::new("values", series)],
        references: Vec::new(),
        y_range: None,
        from_zero: false,
    };
    let figures: Vec<(&str, Figure)> = vec![
        ("loss", plot::loss(points(200, fall), held_out.clone()).into()),
        (
            "rewards",
            plot::rewards(points(200, |x| x / 90.0 + 0.2 * noise(x)), points(200, |x| -x / 30.0 + 0.4 * noise(x)))
                .into(),
        ),
        ("margins", plot::margins(points(30, |x| x / 10.0 + 0.2 * noise(x)), vec![]).into()),
        (
            "accuracy",
            plot::accuracy(points(200, |x| (0.5 + x / 300.0 + 0.3 * noise(x)).clamp(0.0, 1.0)), held_out).into(),
        ),
        ("grad_norm", plot::grad_norm(points(20, |x| 3.0 + noise(x))).into()),
        ("learning_rate", plot::learning_rate(points(200, |x| 5e-5 * (1.0 - x / 200.0).min(x / 20.0))).into()),
        ("gaps", plot::loss(gaps, vec![]).into()),
        ("empty", plot::loss(vec![], vec![]).into()),
        ("one", plot::loss(vec![(7.0, 0.69)], vec![]).into()),
        ("constant", Figure::from(blank("Constant", points(50, |_| 0.25)))),
        ("many", Figure::from(blank("Ten thousand", points(10_000, |x| x.sqrt() * noise(x) * 1e3)))),
        (
            "scatter",
            Scatter {
                title: "Rewards of 300 pairs".into(),
                x_label: "reward of the rejected answer (nats × beta)".into(),
                y_label: "reward of the chosen answer (nats × beta)".into(),
                sets: vec![
                    Points { name: "trained on".into(), points: points(240, |x| 2.0 * noise(x) + 1.0) },
                    Points { name: "held out".into(), points: points(60, |x| 2.0 * noise(x)) },
                ],
                diagonal: Some("below: prefers the rejected answer".into()),
            }
            .into(),
        ),
        (
            "win_rate",
            WinRate {
                title: "Win rate of the tuned model".into(),
                rows: vec![
                    row("All prompts", 27, 3, 10, 0.7125, 0.556, 0.831),
                    row("facts", 9, 0, 1, 0.9, 0.6, 0.98),
                    row("everyday advice with a rather long name that goes on and on", 8, 2, 5, 0.6, 0.36, 0.8),
                    row("nothing", 0, 0, 0, 0.0, 0.0, 0.0),
                ],
            }
            .into(),
        ),
        (
            "win_rate_one",
            WinRate { title: "Win rate".into(), rows: vec![row("All prompts", 40, 0, 0, 1.0, 0.912, 1.0)] }.into(),
        ),
        ("win_rate_empty", WinRate { title: "Win rate".into(), rows: vec![] }.into()),
    ];
    for (name, figure) in figures {
        for (theme, figure) in [("light", figure.clone()), ("dark", figure.with_theme(Theme::Dark))] {
            figure.png(&folder.join(format!("{name}-{theme}.png"))).unwrap();
            std::fs::write(folder.join(format!("{name}-{theme}.svg")), figure.svg().unwrap()).unwrap();
        }
    }
}
