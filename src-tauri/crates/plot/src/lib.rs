//! Figures for runs and reports, by plotters: one drawing for SVG and PNG.
//!
//! A [`Figure`] is what to draw ([`Lines`], [`Histogram`], [`Outcomes`], [`Scatter`] or [`WinRate`]), its size and its [`Theme`]. [`Figure::svg`] and
//! [`Figure::png`] send the same drawing to two backends, so a figure on screen and in a saved file agree. Sizes are in
//! *figure pixels* (640×360 by default); both backends draw at a multiple of that and scale back, because plotters'
//! coordinates are whole numbers and a curve rounded to whole pixels looks jagged.
//!
//! Text in PNG is drawn with an embedded subset of `DejaVu` Sans; text in SVG names the generic family `sans-serif`, so a
//! page shows it in its own font. Layout is measured with the embedded font, which is wider than the usual system ones.

mod axis;
mod canvas;
mod decimate;
mod figure;
mod histogram;
mod lines;
mod outcomes;
mod scatter;
mod theme;
mod training;
mod win_rate;

pub use axis::{Area, AxisMapping};
pub use decimate::decimated;
pub use figure::{Drawing, Error, Figure};
pub use histogram::{Bars, Histogram, Limit};
pub use lines::{Lines, ReferenceLine, Series};
pub use outcomes::{Outcome, Outcomes, Scale};
pub use scatter::{Points, Scatter};
pub use theme::Theme;
pub use training::{
    accuracy, curve, grad_norm, held_out_accuracy, held_out_loss, held_out_margins, learning_rate, loss, margins,
    rewards, sample_lengths,
};
pub use win_rate::{WinRate, WinRateRow};
