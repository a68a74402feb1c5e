//! Numbers in sentences of the window, as the page writes them.

use eval::statistics::grouped;

/// A name with its number, in the plural where that is due: `1 run`, `12,345 runs`.
pub(crate) fn counted(count: usize, one: &str, several: &str) -> String {
    format!("{} {}", grouped(count as u64), if count == 1 { one } else { several })
}
