//! Whether the program was started without a standard output, as by `dm ... >&-` in a shell.
//!
//! Before `main`, Rust's runtime opens /dev/null in place of a closed descriptor, so that every result would be lost without an
//! error. Therefore, on Linux, the section `.init_array` names a function of this file, which the C library calls before Rust's
//! runtime begins.

#![allow(unsafe_code, reason = "the linker is told to place a pointer in a section of its own")]

#[cfg(target_os = "linux")]
use std::fs::symlink_metadata;
use std::sync::atomic::{AtomicBool, Ordering};

static IS_CLOSED: AtomicBool = AtomicBool::new(false);

#[cfg(target_os = "linux")]
extern "C" fn look() {
    let is_there = |path: &str| symlink_metadata(path).is_ok();
    IS_CLOSED.store(is_there("/proc/self/fd") && !is_there("/proc/self/fd/1"), Ordering::Relaxed);
}

// SAFETY: the section holds pointers to functions, each of which is called once before `main`. A function that takes no arguments
// ignores those that are passed. The function uses nothing that Rust's runtime prepares.
#[cfg(target_os = "linux")]
#[used]
#[unsafe(link_section = ".init_array")]
static LOOK: extern "C" fn() = look;

/// Whether standard output was closed when the program started. Always false on systems other than Linux.
pub fn is_closed() -> bool {
    IS_CLOSED.load(Ordering::Relaxed)
}
