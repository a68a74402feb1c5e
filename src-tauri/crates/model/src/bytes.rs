//! Sizes in the words of messages.

/// Bytes as people say them, in powers of 1000.
pub fn size(bytes: u64) -> String {
    let megabytes = bytes as f64 / 1e6;
    if megabytes < 999.5 { format!("{megabytes:.0} MB") } else { format!("{:.1} GB", megabytes / 1e3) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_said_in_powers_of_1000() {
        assert_eq!([0, 999_499_999, 999_600_000, 1_460_000_000].map(size), ["0 MB", "999 MB", "1.0 GB", "1.5 GB"]);
    }
}
