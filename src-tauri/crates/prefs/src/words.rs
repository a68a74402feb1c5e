//! Numbers in sentences.

pub use numbers::counted;

/// `1 pair`, `2 pairs`
pub fn pairs(count: usize) -> String {
    counted(count, "pair", "pairs")
}
