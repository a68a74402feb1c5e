//! Memory that a step frees is kept for the next one.
//!
//! Left to itself, glibc's allocator gives the end of what is free back to the system, and a step then asks for most of its
//! tensors' memory page by page, each of which is set to zero first.
#![allow(unsafe_code)]

/// Tensors of fewer bytes are kept. Those above it are few, and their memory would be hard to use for anything else.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
const KEPT: i32 = 32 << 20;

/// Keeps what is freed from now on, until the process ends.
pub(crate) fn keep() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    // SAFETY: the allocator takes these settings at any time, under its own lock, and refuses what it cannot do. Without
    // them memory is given back as before.
    unsafe {
        // Nothing free at the end is too much.
        libc::mallopt(libc::M_TRIM_THRESHOLD, -1);
        // Set, or else the allocator stays at 128 KiB from the moment that the other is.
        libc::mallopt(libc::M_MMAP_THRESHOLD, KEPT);
    }
}
