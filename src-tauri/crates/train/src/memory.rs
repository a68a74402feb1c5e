//! Most memory this process has held.

/// High-water mark of the resident set, in bytes (`VmHWM` of `/proc/self/status`).
#[cfg(target_os = "linux")]
pub fn peak_bytes() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kibibytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kibibytes * 1024)
}

/// Largest resident set seen at any call: these systems tell the high-water mark only through unsafe calls.
#[cfg(not(target_os = "linux"))]
pub fn peak_bytes() -> Option<u64> {
    use std::sync::atomic::{AtomicU64, Ordering};
    static PEAK: AtomicU64 = AtomicU64::new(0);
    let now = memory_stats::memory_stats()?.physical_mem as u64;
    Some(PEAK.fetch_max(now, Ordering::Relaxed).max(now))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    #[test]
    fn the_peak_covers_what_was_held() {
        let held = vec![1u8; 64 << 20];
        let during = super::peak_bytes().unwrap();
        assert!(held.iter().map(|&b| u64::from(b)).sum::<u64>() == 64 << 20);
        drop(held);
        // The system counts pages by thread and adds them up now and then: a few may be missing.
        let after = super::peak_bytes().unwrap();
        assert!(during > 60 << 20 && after > 60 << 20, "{during} {after}");
    }
}
