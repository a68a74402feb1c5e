//! Numbers in sentences.

/// A name with its number, in the plural where that is due: `1 pair`, `2 pairs`.
pub fn counted(count: usize, one: &str, several: &str) -> String {
    if count == 1 { format!("1 {one}") } else { format!("{count} {several}") }
}

/// `1 pair`, `2 pairs`
pub fn pairs(count: usize) -> String {
    counted(count, "pair", "pairs")
}
