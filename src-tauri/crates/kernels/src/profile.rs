//! Where the time of the engine goes, by kind of work.
//!
//! Work is told of by the thread that asks for it, which waits while other cores help: what is measured is the wall's time,
//! each moment of it counted once, for the innermost work that was going on; and beside it the time that the process itself
//! ran on any core, which other processes hardly move.

use std::cell::Cell;
use std::time::Instant;

/// A kind of work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Work {
    /// Products with frozen weights; and those with an adapter's other factor, where a kernel adds up both.
    Frozen,
    /// Products of the adapter: with its factors, and those that are their gradients.
    Adapter,
    /// Scores, softmax and values, with their backward.
    Attention,
    /// Root-mean-square norms.
    Norm,
    /// Rotary position embedding.
    Rope,
    /// The gate of the MLP.
    Gate,
    /// From logits to log-probabilities and their gradient; the products with the vocabulary are [`Work::Frozen`].
    Logps,
    /// Residuals, and gradients that are added up.
    Sums,
    /// The update of the adapter.
    Optimizer,
    /// All else.
    Other,
}

impl Work {
    /// All of them, in the order in which they are listed.
    pub const ALL: [Self; 10] = [
        Self::Frozen,
        Self::Adapter,
        Self::Attention,
        Self::Norm,
        Self::Rope,
        Self::Gate,
        Self::Logps,
        Self::Sums,
        Self::Optimizer,
        Self::Other,
    ];

    /// The word for it, in tables and in `TIEBREAK_KERNELS`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Frozen => "frozen",
            Self::Adapter => "adapter",
            Self::Attention => "attention",
            Self::Norm => "norm",
            Self::Rope => "rope",
            Self::Gate => "gate",
            Self::Logps => "logps",
            Self::Sums => "sums",
            Self::Optimizer => "optimizer",
            Self::Other => "other",
        }
    }
}

/// What was done, by kind.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Profile {
    nanoseconds: [u64; Work::ALL.len()],
    processor_nanoseconds: [u64; Work::ALL.len()],
    operations: [u64; Work::ALL.len()],
}

impl Profile {
    /// Seconds that this took, of those in which nothing inside it went on.
    pub fn seconds(&self, work: Work) -> f64 {
        self.nanoseconds[work as usize] as f64 * 1e-9
    }

    /// Seconds that all threads of the process ran meanwhile, added up; 0 where the system does not tell. One that waits for
    /// work counts while it looks for some, which is not for long.
    pub fn processor_seconds(&self, work: Work) -> f64 {
        self.processor_nanoseconds[work as usize] as f64 * 1e-9
    }

    /// Multiplications and additions of matrix products.
    pub fn operations(&self, work: Work) -> f64 {
        self.operations[work as usize] as f64
    }

    /// Seconds of all.
    pub fn total(&self) -> f64 {
        self.nanoseconds.iter().sum::<u64>() as f64 * 1e-9
    }
}

#[derive(Clone, Copy)]
struct Running {
    profile: Profile,
    now: Work,
    since: Instant,
    /// What the process had run by then.
    ran: u64,
}

impl Running {
    /// Counts the time up to here, and what comes as `work`.
    fn turn_to(&mut self, work: Work) {
        let (now, ran) = (Instant::now(), processor_nanoseconds());
        self.profile.nanoseconds[self.now as usize] += (now - self.since).as_nanos() as u64;
        self.profile.processor_nanoseconds[self.now as usize] += ran.saturating_sub(self.ran);
        (self.now, self.since, self.ran) = (work, now, ran);
    }
}

/// What all threads of this process have run.
#[cfg(unix)]
fn processor_nanoseconds() -> u64 {
    let ran = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    ran.tv_sec as u64 * 1_000_000_000 + ran.tv_nsec as u64
}

#[cfg(not(unix))]
fn processor_nanoseconds() -> u64 {
    0
}

thread_local! {
    static RUNNING: Cell<Option<Running>> = const { Cell::new(None) };
}

/// Runs this, and tells what this thread did meanwhile. Not to be used inside itself.
pub fn record<T>(run: impl FnOnce() -> T) -> (T, Profile) {
    let (profile, ran) = (Profile::default(), processor_nanoseconds());
    RUNNING.set(Some(Running { profile, now: Work::Other, since: Instant::now(), ran }));
    let done = run();
    let profile = RUNNING.take().map_or_else(Profile::default, |mut running| {
        running.turn_to(Work::Other);
        running.profile
    });
    (done, profile)
}

/// Runs this as `work`.
pub fn during<T>(work: Work, run: impl FnOnce() -> T) -> T {
    products(work, 0, run)
}

/// Runs this as `work`, which is matrix products of so many multiplications and additions.
pub fn products<T>(work: Work, operations: usize, run: impl FnOnce() -> T) -> T {
    let Some(mut running) = RUNNING.get() else { return run() };
    let outside = running.now;
    running.profile.operations[work as usize] += operations as u64;
    running.turn_to(work);
    RUNNING.set(Some(running));
    let done = run();
    if let Some(mut running) = RUNNING.get() {
        running.turn_to(outside);
        RUNNING.set(Some(running));
    }
    done
}

/// Runs this on one of rayon's threads, where work is handed to the others without waiting to be taken up first; what it
/// does is recorded as this thread's.
pub fn in_pool<T: Send>(run: impl FnOnce() -> T + Send) -> T {
    let running = RUNNING.take();
    let (done, running) = rayon::scope(|_| {
        let outside = RUNNING.replace(running);
        let done = run();
        (done, RUNNING.replace(outside))
    });
    RUNNING.set(running);
    done
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::thread::sleep;
    use std::time::Duration;

    fn wait(milliseconds: u64) {
        sleep(Duration::from_millis(milliseconds));
    }

    #[test]
    fn each_moment_counts_once_for_the_innermost_work() {
        let (answer, profile) = record(|| {
            wait(5);
            during(Work::Attention, || {
                wait(20);
                products(Work::Frozen, 12, || wait(40));
                products(Work::Frozen, 30, || ());
            });
            7
        });
        assert_eq!(answer, 7);
        let (outside, attention, frozen) =
            (profile.seconds(Work::Other), profile.seconds(Work::Attention), profile.seconds(Work::Frozen));
        assert!(outside >= 0.005 && attention >= 0.020 && frozen >= 0.040);
        // Sleeping takes longer than it should, never for two at once.
        assert!((profile.total() - outside - attention - frozen).abs() < 1e-9);
        assert_eq!((profile.operations(Work::Frozen), profile.operations(Work::Attention)), (42.0, 0.0));
    }

    #[test]
    fn what_another_thread_does_meanwhile_is_counted_here() {
        let ((), profile) = record(|| {
            in_pool(|| during(Work::Rope, || wait(20)));
            during(Work::Gate, || wait(10));
        });
        assert!(profile.seconds(Work::Rope) >= 0.020 && profile.seconds(Work::Gate) >= 0.010);
        assert_eq!(in_pool(|| during(Work::Norm, || 4)), 4);
    }

    #[test]
    #[cfg(unix)]
    fn the_processor_runs_while_there_is_work_and_not_while_it_is_waited() {
        let work = || {
            let began = Instant::now();
            while began.elapsed() < Duration::from_millis(60) {
                std::hint::black_box(0);
            }
        };
        let ((), profile) = record(|| during(Work::Gate, work));
        let (seconds, ran) = (profile.seconds(Work::Gate), profile.processor_seconds(Work::Gate));
        assert!(seconds >= 0.06 && ran > 0.0, "{ran} of {seconds}");
        // Other tests run in this process beside this one, but not so much of it that a hundred cores are busy.
        assert!(ran < 100.0 * seconds, "{ran} of {seconds}");
    }

    #[test]
    fn outside_of_a_recording_nothing_is_kept() {
        assert_eq!(during(Work::Norm, || 3), 3);
        assert!(record(|| ()).1.seconds(Work::Norm) < 1e-12);
    }
}
