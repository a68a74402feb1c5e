//! Light and dark colours, told apart by people with any of the common kinds of colour blindness.

use plotters::style::RGBColor;

/// Whether a figure is drawn for a light or a dark page.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Theme {
    /// Dark ink on white.
    #[default]
    Light,
    /// Light ink on near-black.
    Dark,
}

/// The colours of one theme. All are opaque: fainter ones are mixed with the background beforehand, so that
/// overlapping segments do not darken each other.
pub(crate) struct Palette {
    pub(crate) background: RGBColor,
    pub(crate) ink: RGBColor,
    pub(crate) muted: RGBColor,
    pub(crate) grid: RGBColor,
    /// Okabe and Ito's blue, vermilion, green and purple ("Color Universal Design", 2008), lightened for dark pages; then
    /// their sky blue and orange and a grey and a red, for charts that compare many runs.
    pub(crate) series: [RGBColor; 8],
}

impl Theme {
    pub(crate) fn palette(self) -> Palette {
        match self {
            Theme::Light => Palette {
                background: RGBColor(0xff, 0xff, 0xff),
                ink: RGBColor(0x1b, 0x1f, 0x24),
                muted: RGBColor(0x57, 0x60, 0x6a),
                grid: RGBColor(0xe4, 0xe7, 0xeb),
                series: [
                    RGBColor(0x00, 0x72, 0xb2),
                    RGBColor(0xd5, 0x5e, 0x00),
                    RGBColor(0x00, 0x8a, 0x64),
                    RGBColor(0x8e, 0x4a, 0x9e),
                    RGBColor(0x3d, 0xa0, 0xdb),
                    RGBColor(0xb8, 0x7a, 0x00),
                    RGBColor(0x6e, 0x76, 0x80),
                    RGBColor(0xa3, 0x1f, 0x4f),
                ],
            },
            Theme::Dark => Palette {
                background: RGBColor(0x19, 0x1b, 0x20),
                ink: RGBColor(0xe8, 0xea, 0xed),
                muted: RGBColor(0xa3, 0xab, 0xb6),
                grid: RGBColor(0x2d, 0x33, 0x3d),
                series: [
                    RGBColor(0x56, 0xb4, 0xe9),
                    RGBColor(0xf0, 0x9a, 0x3e),
                    RGBColor(0x3c, 0xcb, 0x9b),
                    RGBColor(0xd6, 0x9b, 0xd8),
                    RGBColor(0x2b, 0x83, 0xc4),
                    RGBColor(0xe6, 0xd3, 0x5a),
                    RGBColor(0xb4, 0xbc, 0xc6),
                    RGBColor(0xe8, 0x6a, 0x8e),
                ],
            },
        }
    }
}

impl Palette {
    /// `color` at `strength` (0 to 1) over the background.
    pub(crate) fn faint(&self, color: RGBColor, strength: f64) -> RGBColor {
        let mix =
            |front: u8, back: u8| (f64::from(front) * strength + f64::from(back) * (1.0 - strength)).round() as u8;
        RGBColor(mix(color.0, self.background.0), mix(color.1, self.background.1), mix(color.2, self.background.2))
    }
}
