//! The few system functions that the standard library always wants, answered by the app's own imports.
//!
//! An app that prints nothing still links the code that would print its panic, and through it the C library's files,
//! terminals and environment: nine WASI interfaces, which cost every instantiation 1.4 µs and the image 15 KB. The linker
//! takes the C library's version of a function only where nobody else defines it. These definitions are also the honest ones: an app
//! has no files, no environment and no terminal. Code that asks for more (`std::fs`, `std::env::vars`) links the C library's
//! parts again, and gets WASI's empty answers from the host.

use core::ffi::{c_char, c_int, c_long, c_void};

use crate::bindings::bandstand::app::{environment, log};

/// File descriptors, as the C library numbers them.
const STDOUT: c_int = 1;
const STDERR: c_int = 2;

fn log_bytes(fd: c_int, bytes: &[u8]) {
    let level = if fd == STDERR { log::Level::Warn } else { log::Level::Info };
    let text = String::from_utf8_lossy(bytes);
    let text = text.trim_end_matches('\n');
    if !text.is_empty() {
        log::log(level, text);
    }
}

/// What is printed goes to the log.
///
/// # Safety
/// As `write(2)`: `bytes` points to `count` readable bytes.
#[unsafe(no_mangle)]
unsafe extern "C" fn write(fd: c_int, bytes: *const c_void, count: usize) -> isize {
    if !matches!(fd, STDOUT | STDERR) || bytes.is_null() {
        return -1;
    }
    // SAFETY: the caller's promise.
    log_bytes(fd, unsafe { core::slice::from_raw_parts(bytes.cast(), count) });
    count.cast_signed()
}

/// Ends the instance: the host answers 500 and says so in the log.
#[unsafe(no_mangle)]
extern "C" fn abort() -> ! {
    core::arch::wasm32::unreachable()
}

/// The same under its other name: a member of the C library is taken whole or not at all, so all its names are defined here.
#[unsafe(no_mangle)]
extern "C" fn _exit(_: c_int) -> ! {
    core::arch::wasm32::unreachable()
}

/// An app can't choose its exit: leaving in the midst of a request is a fault.
#[unsafe(no_mangle)]
extern "C" fn _Exit(_: c_int) -> ! {
    core::arch::wasm32::unreachable()
}

/// The environment is empty.
#[unsafe(no_mangle)]
extern "C" fn getenv(_: *const c_char) -> *mut c_char {
    core::ptr::null_mut()
}

/// A moment as the C library has it.
#[repr(C)]
struct Timespec {
    seconds: i64,
    nanoseconds: c_long,
}

/// All clocks are the host's: it stands still where the host lets it, and a test can set it. `Instant` counts on from
/// 1970, which nobody can tell.
///
/// # Safety
/// As `clock_gettime(3)`: `time` points to a writable `timespec`.
#[unsafe(no_mangle)]
unsafe extern "C" fn clock_gettime(_: *const c_void, time: *mut Timespec) -> c_int {
    const MICROS: i64 = 1_000_000;
    let now = environment::now();
    // A remainder of a million fits, times a thousand too.
    let nanoseconds = c_long::try_from(now.rem_euclid(MICROS) * 1_000).unwrap_or(0);
    // SAFETY: the caller's promise.
    unsafe { time.write(Timespec { seconds: now.div_euclid(MICROS), nanoseconds }) };
    0
}

/// The same under its other name.
///
/// # Safety
/// As [`clock_gettime`].
#[unsafe(no_mangle)]
unsafe extern "C" fn __clock_gettime(clock: *const c_void, time: *mut Timespec) -> c_int {
    // SAFETY: the caller's promise.
    unsafe { clock_gettime(clock, time) }
}
