//! The threads that compute.

use crate::kept_memory;
use rayon::{ThreadPool, ThreadPoolBuilder};
use std::sync::OnceLock;

/// Makes this thread one of those that compute what it asks for, as long as it lives: for the main thread of a program that
/// computes.
///
/// It hands work to the others without waiting until one takes it up. The tensors that it makes are in the memory of the main
/// thread, which glibc's allocator has in one piece; that of any other thread it has in pieces of 64 MB, of which a step
/// needs nearly twice as many. What a step frees is kept for the next one, so that this is not for a process that goes on
/// when it has computed.
///
/// A second thread that asks for this computes as it did before.
pub fn compute_on_this_thread() {
    // The pool ends with its owner.
    static POOL: OnceLock<Option<ThreadPool>> = OnceLock::new();
    kept_memory::keep();
    POOL.get_or_init(|| ThreadPoolBuilder::new().use_current_thread().build().ok());
}
