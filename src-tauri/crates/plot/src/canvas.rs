//! Drawing in figure pixels on any plotters backend.

use std::sync::OnceLock;

use plotters::coord::Shift;
use plotters::prelude::{Circle, DrawingArea, DrawingBackend, IntoFont, PathElement, Rectangle};
use plotters::style::text_anchor::{HPos, Pos, VPos};
use plotters::style::{Color, FontStyle, FontTransform, RGBColor, TextStyle, register_font};

use crate::figure::Error;
use crate::theme::Palette;

/// Size of labels, in figure pixels.
pub(crate) const LABEL: f64 = 12.0;
/// Room that is left free at the edges of a figure.
pub(crate) const EDGE: f64 = 16.0;

/// The generic CSS family. The embedded font is registered under this name, so a PNG is drawn with the embedded font
/// and an SVG with whatever the page's reader has.
const FAMILY: &str = "sans-serif";
static FONT: &[u8] = include_bytes!("../assets/fonts/DejaVuSans-subset.ttf");

/// What the two backends want differently.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Medium {
    /// SVG: a path is one element.
    Vector,
    /// PNG: a path is drawn segment by segment with round joints, because plotters fills a thick path as one polygon,
    /// which breaks where the path turns sharply or crosses itself.
    Bitmap,
}

impl Medium {
    /// What to multiply a text size with so that plotters draws an em of that size: it writes `size / 1.24` into SVG, and
    /// takes the size as ascent plus descent in bitmaps, which in `DejaVu` Sans is 1.164 em.
    fn size_per_em(self) -> f64 {
        match self {
            Medium::Vector => 1.24,
            Medium::Bitmap => 1.164,
        }
    }

    /// How far below plotters' "vertically centred" a text must be put, in em, for its digits to look centred.
    fn centring(self) -> f64 {
        match self {
            Medium::Vector => 0.07,
            Medium::Bitmap => 0.24,
        }
    }
}

/// Where a text stands relative to its point.
#[derive(Clone, Copy)]
pub(crate) enum Align {
    Left,
    Centre,
    Right,
}

pub(crate) struct Canvas<'a, DB: DrawingBackend> {
    area: &'a DrawingArea<DB, Shift>,
    /// Backend pixels per figure pixel.
    scale: f64,
    medium: Medium,
    pub(crate) palette: Palette,
}

type Point = (f64, f64);

fn failed<E: std::fmt::Display>(error: E) -> Error {
    Error::Drawing { detail: error.to_string() }
}

impl<'a, DB: DrawingBackend> Canvas<'a, DB> {
    /// A canvas on `area`, filled with the palette's background.
    pub(crate) fn new(
        area: &'a DrawingArea<DB, Shift>,
        scale: f64,
        medium: Medium,
        palette: Palette,
    ) -> Result<Self, Error> {
        static REGISTERED: OnceLock<bool> = OnceLock::new();
        if !REGISTERED.get_or_init(|| register_font(FAMILY, FontStyle::Normal, FONT).is_ok()) {
            return Err(Error::Drawing { detail: "the embedded font cannot be read".to_owned() });
        }
        area.fill(&palette.background).map_err(failed)?;
        Ok(Self { area, scale, medium, palette })
    }

    fn at(&self, (x, y): Point) -> (i32, i32) {
        ((x * self.scale).round() as i32, (y * self.scale).round() as i32)
    }

    fn thickness(&self, width: f64) -> u32 {
        ((width * self.scale).round() as u32).max(1)
    }

    /// A straight line.
    pub(crate) fn line(&self, from: Point, to: Point, color: RGBColor, width: f64) -> Result<(), Error> {
        let style = color.stroke_width(self.thickness(width));
        self.area.draw(&PathElement::new(vec![self.at(from), self.at(to)], style)).map_err(failed)
    }

    /// A straight line in dashes of 5 with gaps of 4.
    pub(crate) fn dashed(&self, from: Point, to: Point, color: RGBColor, width: f64) -> Result<(), Error> {
        let length = (to.0 - from.0).hypot(to.1 - from.1);
        let along = |distance: f64| {
            let share = (distance / length).min(1.0);
            (from.0 + (to.0 - from.0) * share, from.1 + (to.1 - from.1) * share)
        };
        let mut start = 0.0;
        while start < length {
            self.line(along(start), along(start + 5.0), color, width)?;
            start += 9.0;
        }
        Ok(())
    }

    /// A line through points; none for fewer than two.
    pub(crate) fn path(&self, points: &[Point], color: RGBColor, width: f64) -> Result<(), Error> {
        if points.len() < 2 {
            return Ok(());
        }
        match self.medium {
            Medium::Vector => {
                let style = color.stroke_width(self.thickness(width));
                let path: Vec<_> = points.iter().map(|point| self.at(*point)).collect();
                self.area.draw(&PathElement::new(path, style)).map_err(failed)
            }
            Medium::Bitmap => {
                for ends in points.windows(2) {
                    self.line(ends[0], ends[1], color, width)?;
                    self.dot(ends[1], width / 2.0, color)?;
                }
                Ok(())
            }
        }
    }

    /// A line through points of rising x that is broken by a pattern of lengths along x, drawn and left out by turns; whole where
    /// there is no pattern.
    pub(crate) fn patterned(
        &self,
        points: &[Point],
        color: RGBColor,
        width: f64,
        pattern: &[f64],
    ) -> Result<(), Error> {
        if pattern.is_empty() {
            return self.path(points, color, width);
        }
        let Some(&first) = points.first() else { return Ok(()) };
        let (mut place, mut left) = (0, pattern[0]);
        let mut part = vec![first];
        for ends in points.windows(2) {
            let ((mut x, mut y), (to_x, to_y)) = (ends[0], ends[1]);
            while to_x - x > left {
                (x, y) = (x + left, y + (to_y - y) * left / (to_x - x));
                part.push((x, y));
                if place % 2 == 0 {
                    self.path(&part, color, width)?;
                }
                part = vec![(x, y)];
                place += 1;
                left = pattern[place % pattern.len()];
            }
            left -= to_x - x;
            part.push((to_x, to_y));
        }
        if place % 2 == 0 { self.path(&part, color, width) } else { Ok(()) }
    }

    /// A filled circle.
    pub(crate) fn dot(&self, centre: Point, radius: f64, color: RGBColor) -> Result<(), Error> {
        let radius = (radius * self.scale).round() as i32;
        self.area.draw(&Circle::new(self.at(centre), radius, color.filled())).map_err(failed)
    }

    /// A circle that is not filled.
    pub(crate) fn ring(&self, centre: Point, radius: f64, color: RGBColor) -> Result<(), Error> {
        let (radius, style) = ((radius * self.scale).round() as i32, color.stroke_width(self.thickness(1.5)));
        self.area.draw(&Circle::new(self.at(centre), radius, style)).map_err(failed)
    }

    /// A filled rectangle.
    pub(crate) fn block(&self, from: Point, to: Point, color: RGBColor) -> Result<(), Error> {
        self.area.draw(&Rectangle::new([self.at(from), self.at(to)], color.filled())).map_err(failed)
    }

    fn style(&self, size: f64, medium: Medium) -> TextStyle<'static> {
        (FAMILY, size * medium.size_per_em() * self.scale).into_font().into()
    }

    /// One line of text, vertically centred on the point's y.
    pub(crate) fn text(
        &self,
        text: &str,
        (x, y): Point,
        align: Align,
        size: f64,
        color: RGBColor,
    ) -> Result<(), Error> {
        let horizontal = match align {
            Align::Left => HPos::Left,
            Align::Centre => HPos::Center,
            Align::Right => HPos::Right,
        };
        let style = self.style(size, self.medium).color(&color).pos(Pos::new(horizontal, VPos::Center));
        let style = style.transform(FontTransform::None);
        self.area.draw_text(text, &style, self.at((x, y + size * self.medium.centring()))).map_err(failed)
    }

    /// How wide a text is in the embedded font, in figure pixels.
    pub(crate) fn width(&self, text: &str, size: f64) -> Result<f64, Error> {
        // The same for both media, so that their layouts agree.
        let style = self.style(size, Medium::Bitmap);
        let (width, _) = self.area.estimate_text_size(text, &style).map_err(failed)?;
        Ok(f64::from(width) / self.scale)
    }

    /// An axis label between the left edge and `right`: of `chosen reward (nats)` only the unit where there is no room for
    /// more, cut where it must be, left out where nearly nothing would stay.
    pub(crate) fn label_at_the_left(&self, text: &str, y: f64, right: f64) -> Result<(), Error> {
        const LEAST: f64 = 60.0;
        let room = right - EDGE;
        if room < LEAST.min(self.width(text, LABEL)?) {
            return Ok(());
        }
        let unit = text.split_once('(').and_then(|(_, unit)| unit.strip_suffix(')'));
        let text = match unit {
            Some(unit) if self.width(text, LABEL)? > room => unit,
            _ => text,
        };
        self.text(&self.shortened(text, LABEL, room)?, (EDGE, y), Align::Left, LABEL, self.palette.muted)
    }

    /// `text` cut at the end, with an ellipsis, to at most `room` figure pixels.
    pub(crate) fn shortened(&self, text: &str, size: f64, room: f64) -> Result<String, Error> {
        // A figure label is one line; line breaks and other controls would be drawn as boxes.
        let clean: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
        // No figure has room for more, and measuring is quadratic below.
        let mut kept: Vec<char> = clean.chars().take(200).collect();
        if kept.len() == clean.chars().count() && self.width(&clean, size)? <= room {
            return Ok(clean);
        }
        while !kept.is_empty() {
            let candidate: String = kept.iter().collect::<String>().trim_end().to_owned() + "…";
            if self.width(&candidate, size)? <= room {
                return Ok(candidate);
            }
            kept.pop();
        }
        Ok("…".to_owned())
    }
}
