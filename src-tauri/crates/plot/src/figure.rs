//! A figure: what to draw, how large, in which theme; and the two files it can become.

use std::path::Path;

use plotters::prelude::{BitMapBackend, DrawingBackend, IntoDrawingArea, SVGBackend};

use crate::axis::AxisMapping;
use crate::canvas::{Canvas, Medium};
use crate::histogram::{self, Histogram};
use crate::lines::{self, Lines};
use crate::outcomes::{self, Outcomes};
use crate::scatter::{self, Scatter};
use crate::theme::Theme;
use crate::win_rate::{self, WinRate};

/// Backend pixels per figure pixel in SVG: coordinates get one decimal.
const SVG_SCALE: u32 = 10;
/// Pixels of a PNG per figure pixel, so that it stays sharp in print and on dense screens.
const PNG_PIXELS: u32 = 2;
/// Each PNG pixel is the mean of this many drawn ones, squared.
const PNG_OVERSAMPLING: u32 = 2;

/// Why a figure could not be made.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The asked-for size leaves no room to draw in, or is larger than a backend's coordinates.
    #[error("a figure of {width}×{height} pixels cannot be drawn; choose between 240×160 and 4000×4000")]
    Size {
        /// Width asked for.
        width: u32,
        /// Height asked for.
        height: u32,
    },
    /// The drawing library refused.
    #[error("the figure could not be drawn: {detail}")]
    Drawing {
        /// What it said.
        detail: String,
    },
    /// The file could not be written.
    #[error("the figure could not be written to {path}: {source}; check that the folder exists and has room")]
    Write {
        /// The file.
        path: String,
        /// What the system said.
        source: std::io::Error,
    },
}

#[derive(Debug, Clone, PartialEq)]
enum Content {
    Lines(Lines),
    Histogram(Histogram),
    Outcomes(Outcomes),
    Scatter(Scatter),
    WinRate(WinRate),
}

/// A figure, ready to be drawn.
#[derive(Debug, Clone, PartialEq)]
pub struct Figure {
    content: Content,
    size: (u32, u32),
    theme: Theme,
}

/// A figure that was drawn.
#[derive(Debug, Clone, PartialEq)]
pub struct Drawing {
    /// The drawing; see [`Figure::svg`].
    pub svg: String,
    /// How data maps to figure pixels in it.
    pub axes: AxisMapping,
    /// See [`Figure::description`].
    pub description: String,
}

impl From<Lines> for Figure {
    /// A line figure of 640×360 in the light theme.
    fn from(lines: Lines) -> Self {
        Self { content: Content::Lines(lines), size: (640, 360), theme: Theme::Light }
    }
}

impl From<Histogram> for Figure {
    /// A histogram of 640×360 in the light theme.
    fn from(histogram: Histogram) -> Self {
        Self { content: Content::Histogram(histogram), size: (640, 360), theme: Theme::Light }
    }
}

impl From<Outcomes> for Figure {
    /// An outcome figure of 640×360 in the light theme.
    fn from(outcomes: Outcomes) -> Self {
        Self { content: Content::Outcomes(outcomes), size: (640, 360), theme: Theme::Light }
    }
}

impl From<Scatter> for Figure {
    /// A scatter figure of 640×360 in the light theme.
    fn from(scatter: Scatter) -> Self {
        Self { content: Content::Scatter(scatter), size: (640, 360), theme: Theme::Light }
    }
}

impl From<WinRate> for Figure {
    /// A win-rate figure 640 wide and as tall as its rows need, in the light theme.
    fn from(win_rate: WinRate) -> Self {
        let height = win_rate::natural_height(&win_rate);
        Self { content: Content::WinRate(win_rate), size: (640, height), theme: Theme::Light }
    }
}

impl Figure {
    /// The same figure in another theme.
    #[must_use]
    pub fn with_theme(mut self, theme: Theme) -> Self {
        self.theme = theme;
        self
    }

    /// The same figure in another size, in figure pixels.
    #[must_use]
    pub fn with_size(mut self, width: u32, height: u32) -> Self {
        self.size = (width, height);
        self
    }

    /// Width and height in figure pixels.
    pub fn size(&self) -> (u32, u32) {
        self.size
    }

    /// What the figure shows, in one sentence: its title and the numbers a reader would take from it.
    pub fn description(&self) -> String {
        match &self.content {
            Content::Lines(lines) => lines::description(lines),
            Content::Histogram(histogram) => histogram::description(histogram),
            Content::Outcomes(outcomes) => outcomes::description(outcomes),
            Content::Scatter(scatter) => scatter::description(scatter),
            Content::WinRate(win_rate) => win_rate::description(win_rate),
        }
    }

    /// The figure as one `<svg>` element, without an XML prologue: to be put into a page or saved as a file. It scales
    /// with its container, refers to nothing outside, and carries its [`description`](Self::description) for screen readers.
    ///
    /// # Errors
    /// When the size cannot be drawn.
    pub fn svg(&self) -> Result<String, Error> {
        Ok(self.drawing()?.svg)
    }

    /// The [`svg`](Self::svg) together with how data maps to figure pixels in it, for a read-out under the cursor.
    ///
    /// # Errors
    /// When the size cannot be drawn.
    pub fn drawing(&self) -> Result<Drawing, Error> {
        let (width, height) = self.checked_size()?;
        let mut drawn = String::new();
        let axes;
        {
            let area = SVGBackend::with_string(&mut drawn, (width * SVG_SCALE, height * SVG_SCALE)).into_drawing_area();
            let canvas = Canvas::new(&area, f64::from(SVG_SCALE), Medium::Vector, self.theme.palette())?;
            // The layout depends on measured text, so the axes are known once it is drawn.
            axes = self.draw(&canvas)?;
            area.present().map_err(|error| Error::Drawing { detail: error.to_string() })?;
        }
        // plotters' own opening tag has the size of the enlarged drawing. Joints and ends are inherited by every line.
        let body = drawn.split_once('>').map_or("", |(_, body)| body);
        let description = escaped(&self.description());
        let (inner_width, inner_height) = (width * SVG_SCALE, height * SVG_SCALE);
        let svg = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" \
             viewBox=\"0 0 {inner_width} {inner_height}\" role=\"img\" aria-label=\"{description}\" \
             stroke-linejoin=\"round\" stroke-linecap=\"round\">{body}"
        );
        Ok(Drawing { svg, axes, description: self.description() })
    }

    /// Writes the figure as a PNG of twice its size in figure pixels. The file appears whole or not at all.
    ///
    /// # Errors
    /// When the size cannot be drawn or the file cannot be written.
    pub fn png(&self, path: &Path) -> Result<(), Error> {
        let (size, pixels) = self.pixels()?;
        write_png(path, size, &pixels)
    }

    /// Width, height and RGB bytes of the PNG.
    fn pixels(&self) -> Result<((u32, u32), Vec<u8>), Error> {
        let (width, height) = self.checked_size()?;
        let scale = PNG_PIXELS * PNG_OVERSAMPLING;
        let (drawn_width, drawn_height) = (width * scale, height * scale);
        let mut drawn = vec![0_u8; 3 * drawn_width as usize * drawn_height as usize];
        {
            let area = BitMapBackend::with_buffer(&mut drawn, (drawn_width, drawn_height)).into_drawing_area();
            let canvas = Canvas::new(&area, f64::from(scale), Medium::Bitmap, self.theme.palette())?;
            self.draw(&canvas)?;
            area.present().map_err(|error| Error::Drawing { detail: error.to_string() })?;
        }
        let pixels = averaged(&drawn, drawn_width as usize, PNG_OVERSAMPLING as usize);
        Ok(((width * PNG_PIXELS, height * PNG_PIXELS), pixels))
    }

    fn draw<DB: DrawingBackend>(&self, canvas: &Canvas<'_, DB>) -> Result<AxisMapping, Error> {
        let size = (f64::from(self.size.0), f64::from(self.size.1));
        match &self.content {
            Content::Lines(lines) => lines::draw(lines, canvas, size),
            Content::Histogram(histogram) => histogram::draw(histogram, canvas, size),
            Content::Outcomes(outcomes) => outcomes::draw(outcomes, canvas, size),
            Content::Scatter(scatter) => scatter::draw(scatter, canvas, size),
            Content::WinRate(win_rate) => win_rate::draw(win_rate, canvas, size),
        }
    }

    fn checked_size(&self) -> Result<(u32, u32), Error> {
        let (width, height) = self.size;
        if (240..=4000).contains(&width) && (160..=4000).contains(&height) {
            Ok((width, height))
        } else {
            Err(Error::Size { width, height })
        }
    }
}

/// Text for an attribute value; control characters, which XML forbids, become spaces.
fn escaped(text: &str) -> String {
    let text: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

/// An RGB image `width` wide, shrunk by `factor` in both directions: each pixel is the mean of the ones it covers.
fn averaged(pixels: &[u8], width: usize, factor: usize) -> Vec<u8> {
    let height = pixels.len() / 3 / width;
    let mut small = Vec::with_capacity(pixels.len() / (factor * factor));
    for row in 0..height / factor {
        for column in 0..width / factor {
            for channel in 0..3 {
                let mut sum = 0;
                for down in 0..factor {
                    let start = ((row * factor + down) * width + column * factor) * 3 + channel;
                    sum +=
                        pixels[start..].iter().step_by(3).take(factor).map(|value| usize::from(*value)).sum::<usize>();
                }
                small.push((sum / (factor * factor)) as u8);
            }
        }
    }
    small
}

fn write_png(path: &Path, size: (u32, u32), pixels: &[u8]) -> Result<(), Error> {
    let failed = |source: std::io::Error| Error::Write { path: path.display().to_string(), source };
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    // plotters chooses the format by the file's ending.
    let mut builder = tempfile::Builder::new();
    builder.suffix(".png");
    // A saved figure is an ordinary file: readable as the user's umask says, not only by its owner.
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
    let temporary = builder.tempfile_in(folder).map_err(failed)?;
    {
        let mut backend = BitMapBackend::new(temporary.path(), size);
        let written = backend.blit_bitmap((0, 0), size, pixels).and_then(|()| backend.present());
        written.map_err(|error| failed(std::io::Error::other(error.to_string())))?;
    }
    temporary.as_file().sync_all().map_err(failed)?;
    temporary.persist(path).map_err(|error| failed(error.error))?;
    Ok(())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::histogram::Limit;
    use crate::scatter::Points;
    use crate::win_rate::WinRateRow;
    use crate::{Series, loss, margins};
    use plotters::style::RGBColor;

    fn points(count: usize, value: impl Fn(f64) -> f64) -> Vec<(f64, f64)> {
        (1..=count).map(|step| (step as f64, value(step as f64))).collect()
    }

    fn row(name: &str) -> WinRateRow {
        let (rate, low, high) = (0.7125, 0.558, 0.829);
        WinRateRow { name: name.into(), rate, low, high, wins: 27, ties: 3, losses: 10, no_verdict: 2 }
    }

    fn lengths(values: &[usize], limits: &[usize]) -> Figure {
        let limits = limits.iter().map(|&x| Limit { x: x as f64, name: "max_length".repeat(20) }).collect();
        let sets = [("prompt and longer answer", values), ("a name too long for any legend, by far", values)];
        Histogram::of("Lengths of the pairs", "tokens", "pairs", &sets, limits).into()
    }

    fn scattered(points: Vec<(f64, f64)>, diagonal: &str) -> Figure {
        let set = |name: &str, points| Points { name: name.to_owned(), points };
        let sets = vec![set("trained on", points.clone()), set("a name too long for any legend, by far", points)];
        let (title, x_label) = ("Rewards".into(), "reward of the rejected answer (nats × beta)".into());
        Scatter { title, x_label, y_label: "chosen".into(), sets, diagonal: Some(diagonal.into()) }.into()
    }

    fn awkward() -> Vec<(&'static str, Figure)> {
        let long = "a name that is far too long for any legend ".repeat(20);
        let mut named = loss(points(9, f64::sqrt), points(3, f64::cos));
        named.title.clone_from(&long);
        named.y_label.clone_from(&long);
        named.series[0].name.clone_from(&long);
        named.series[1].name = long.clone();
        let huge = points(30, |x| if x < 15.0 { -1e299 } else { 1e299 });
        vec![
            ("empty", loss(vec![], vec![]).into()),
            ("one point", loss(vec![(7.0, 0.69)], vec![]).into()),
            ("constant", loss(points(50, |_| 0.25), vec![]).into()),
            ("zero", loss(points(50, |_| 0.0), vec![]).into()),
            ("only NaN", loss(points(50, |_| f64::NAN), vec![]).into()),
            ("gaps", margins(points(99, |x| if x % 7.0 == 0.0 { f64::NAN } else { x }), vec![]).into()),
            ("infinities", margins(points(9, |x| if x > 5.0 { f64::INFINITY } else { x }), vec![]).into()),
            ("huge", margins(huge, vec![]).into()),
            ("tiny", margins(points(30, |x| x * 1e-300), vec![]).into()),
            ("ten thousand", margins(points(10_000, |x| (x * 12.9).sin() * 1e5), vec![]).into()),
            ("late steps", loss(points(5, |x| x).into_iter().map(|(x, y)| (x + 1e7, y)).collect(), vec![]).into()),
            ("long names", named.into()),
            ("no lengths", lengths(&[], &[])),
            ("one length", lengths(&[7], &[7])),
            ("lengths", lengths(&(0..900).map(|x| x * x % 777).collect::<Vec<_>>(), &[300, 512, 100_000])),
            ("huge lengths", lengths(&[1, 2, 1 << 40], &[1 << 20])),
            ("no points", scattered(vec![], "same")),
            ("a point", scattered(vec![(0.0, 0.0)], &long)),
            ("points far from the diagonal", scattered(points(99, |x| x * 1e6), "same")),
            ("points", scattered(points(200, |x| 40.0 * x.sin()), &long)),
            ("points that are none", scattered(vec![(f64::NAN, 1.0), (1.0, f64::INFINITY), (2.0, 3.0)], "same")),
            ("no rows", WinRate { title: "Win rate".into(), rows: vec![] }.into()),
            ("rows", WinRate { title: long.clone(), rows: vec![row("All prompts"), row(&long)] }.into()),
            ("many rows", WinRate { title: "Win rate".into(), rows: vec![row("category"); 300] }.into()),
        ]
    }

    #[test]
    fn awkward_series_are_drawn_inside_the_figure_with_nothing_cut_off() {
        for (name, figure) in awkward() {
            for figure in [figure.clone(), figure.clone().with_size(640, 360), figure.with_size(320, 200)] {
                let svg = figure.svg().unwrap();
                assert!(svg.len() < 200_000, "{name}: {} bytes", svg.len());
                assert!(!svg.contains("NaN") && !svg.contains("inf,"), "{name}: {svg}");
                let ((width, height), pixels) = figure.pixels().unwrap();
                let (width, height) = (width as usize, height as usize);
                let is_background = |x: usize, y: usize| pixels[(y * width + x) * 3..][..3] == [0xff, 0xff, 0xff];
                for x in 0..width {
                    assert!(is_background(x, 0) && is_background(x, height - 1), "{name}: cut off at x = {x}");
                }
                for y in 0..height {
                    assert!(is_background(0, y) && is_background(width - 1, y), "{name}: cut off at y = {y}");
                }
                assert!(pixels.iter().any(|value| *value < 0x60), "{name}: nothing was drawn");
            }
        }
    }

    #[test]
    fn the_axes_say_where_a_point_was_drawn() {
        let figure = Figure::from(loss(points(30, |x| x * x), vec![]));
        let Drawing { svg, axes, .. } = figure.drawing().unwrap();
        let (px, py) = axes.to_pixel(30.0, 900.0);
        let drawn = format!("{},{} ", (px * 10.0).round(), (py * 10.0).round());
        assert!(svg.contains(&drawn), "{drawn} not in {svg}");
        assert!(px <= 640.0 && py >= 0.0);
    }

    #[test]
    fn both_themes_use_their_own_background() {
        let figure = Figure::from(loss(points(30, f64::sqrt), vec![]));
        for theme in [Theme::Light, Theme::Dark] {
            let figure = figure.clone().with_theme(theme);
            let RGBColor(red, green, blue) = theme.palette().background;
            assert_eq!(figure.pixels().unwrap().1[..3], [red, green, blue]);
            assert!(figure.svg().unwrap().contains(&format!("#{red:02X}{green:02X}{blue:02X}")));
        }
    }

    #[test]
    fn names_cannot_break_out_of_the_svg() {
        let mut hostile = loss(vec![], vec![]);
        hostile.title = "\"><script>alert(1)</script>\u{0}\n&".into();
        hostile.series = vec![Series::new("<img src=x onerror=alert(1)>", points(3, |x| x))];
        let svg = Figure::from(hostile).svg().unwrap();
        assert!(!svg.contains("<script") && !svg.contains("<img") && !svg.contains('\0'), "{svg}");
        assert_eq!(svg.matches("<svg").count(), 1);
        assert!(svg.trim_end().ends_with("</svg>"));
        assert!(svg.contains("font-family=\"sans-serif\""));
    }

    #[test]
    fn the_description_says_the_numbers() {
        let text = Figure::from(WinRate { title: "Win rate".into(), rows: vec![row("All prompts")] }).description();
        let expected = "71.3 % (55.8 to 82.9 %) (40 prompts: 27 wins, 3 ties, 10 losses; 2 without a verdict)";
        assert!(text.contains(expected), "{text}");
        let text = Figure::from(loss(vec![(1.0, 0.5), (2.0, f64::NAN)], vec![])).description();
        assert!(text.contains("from 0.5 at 1 to 0.5 at 1"), "{text}");
    }

    #[test]
    fn a_png_is_written_whole_and_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("loss.png");
        let figure = Figure::from(loss(points(30, f64::sqrt), vec![]));
        for _ in 0..2 {
            figure.png(&path).unwrap();
            let bytes = std::fs::read(&path).unwrap();
            assert!(bytes.starts_with(b"\x89PNG") && bytes.ends_with(b"IEND\xaeB\x60\x82"));
            assert_eq!(bytes[16..24], [0, 0, 5, 0, 0, 0, 2, 208], "1280 by 720");
        }
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "no temporary file is left");
    }

    #[test]
    fn what_cannot_be_drawn_or_written_is_said() {
        let figure = Figure::from(loss(vec![], vec![]));
        let error = figure.png(Path::new("/no/such/folder/loss.png")).unwrap_err();
        assert!(error.to_string().contains("loss.png"), "{error}");
        assert!(matches!(figure.with_size(0, 100_000).svg(), Err(Error::Size { width: 0, height: 100_000 })));
    }
}
