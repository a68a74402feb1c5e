//! What the system says of a time that was measured: how much of the machine other processes took meanwhile, without which
//! it says little on a machine that is shared, and how much memory it handed out.

/// What was used since the system and this process began; times in ticks of the system.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Used {
    /// Of all cores, idle or not.
    all: u64,
    idle: u64,
    own: u64,
    /// Pages of memory that the system handed to this process, since it began.
    pages: u64,
}

impl Used {
    /// Up to now; none where the system does not tell.
    #[cfg(target_os = "linux")]
    pub(super) fn now() -> Option<Self> {
        let read = |path| std::fs::read_to_string(path).ok();
        Self::of(&read("/proc/stat")?, &read("/proc/self/stat")?)
    }

    #[cfg(not(target_os = "linux"))]
    pub(super) fn now() -> Option<Self> {
        None
    }

    /// From `/proc/stat` and `/proc/self/stat`.
    #[cfg(any(target_os = "linux", test))]
    fn of(system: &str, process: &str) -> Option<Self> {
        let line = system.lines().next()?.strip_prefix("cpu ")?;
        let counts: Vec<u64> = line.split_whitespace().map_while(|it| it.parse().ok()).collect();
        // User, nice, system, idle, waiting for a disk, interrupts (two), and what the host gave to others; a guest's time
        // counts as a user's already.
        let idle = counts.get(3)? + counts.get(4)?;
        // A program's name may hold spaces, and ends with the last parenthesis.
        let fields: Vec<&str> = process.rsplit_once(')')?.1.split_whitespace().collect();
        let own = fields.get(11)?.parse::<u64>().ok()? + fields.get(12)?.parse::<u64>().ok()?;
        let pages = fields.get(7)?.parse().ok()?;
        Some(Self { all: counts.iter().take(8).sum(), idle, own, pages })
    }

    /// The share of all cores that was taken since then, by others than this process.
    pub(super) fn others_since(self, then: Self) -> f64 {
        let all = self.all.saturating_sub(then.all);
        let known = self.idle.saturating_sub(then.idle) + self.own.saturating_sub(then.own);
        all.saturating_sub(known) as f64 / all.max(1) as f64
    }

    /// Pages that this process was handed since then.
    pub(super) fn pages_since(self, then: Self) -> u64 {
        self.pages.saturating_sub(then.pages)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn used(system: &str, own: &str, pages: u64) -> Used {
        let process = format!("7 (a (b) c) R 1 7 7 0 -1 0 {pages} 0 0 0 {own} 0 0 20 0 1 0 5");
        Used::of(&format!("cpu  {system}\ncpu0 1 2 3\n"), &process).unwrap()
    }

    #[test]
    fn what_is_neither_idle_nor_ours_was_taken_by_others_and_pages_are_our_own() {
        let then = used("100 0 50 1000 10 0 0 5 0 0", "20 10", 400);
        let now = used("160 0 60 1110 20 0 0 15 60 0", "60 15", 430);
        // 200 in all: 120 idle or waiting, 45 of ours.
        assert!((now.others_since(then) - 35.0 / 200.0).abs() < 1e-12);
        assert_eq!(now.pages_since(then), 30);
        // Clocks of the two files are not read at once.
        assert!(then.others_since(then).abs() < 1e-12);
        assert_eq!(Used::of("cpu  1 2\n", "7 (x) R"), None);
    }
}
