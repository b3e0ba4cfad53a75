//! Whose turn it is on a busy processor: threads that compute for long come after those that are soon done, and leave one
//! processor to them.
//!
//! Where the kernel refuses, a thread keeps what it has, and only fairness suffers. Elsewhere than on Linux these do nothing. Turns
//! of a length of their own are Linux 6.12's (sched(7), `sched_setattr(2)`); older kernels heed the niceness alone.

/// How many processors this process may use: 1 where that can't be found out.
pub fn processors() -> usize {
    std::thread::available_parallelism().map_or(1, std::num::NonZero::get)
}

/// Gives the current thread the scheduler's idle class: it computes when nobody else wants to, and gets next to nothing where
/// somebody always does.
pub fn idle() {
    #[cfg(target_os = "linux")]
    {
        let parameters = libc::sched_param { sched_priority: 0 };
        // SAFETY: plain values and a pointer that is valid for the call; 0 is the current thread.
        let refused = unsafe { libc::sched_setscheduler(0, libc::SCHED_IDLE, &raw const parameters) } != 0;
        note(refused);
    }
}

/// Gives the current thread a smaller share of the processor (`nice`, 0 to 19, where it isn't nicer yet), and that in long
/// turns: so who wakes up takes the processor away from it at once, instead of waiting for its turn's end. What it does goes
/// on also where others compute.
pub fn patient(nice: i32) {
    #[cfg(target_os = "linux")]
    take_turns(nice, LONG_TURN);
    #[cfg(not(target_os = "linux"))]
    let _ = nice;
}

/// Gives the current thread short turns, and with them a place before others when it wakes up: for what computes little, and
/// for which many wait.
pub fn brisk() {
    #[cfg(target_os = "linux")]
    take_turns(LEAST_NICE, SHORT_TURN);
}

/// Keeps the current thread away from one of the processors that it may run on, where there are several. Together, threads
/// that compute for long leave that one to those that are soon done: who wakes up elsewhere may have to wait for the
/// scheduler's next tick, which is some milliseconds away, whatever turns they have.
pub fn leave_one_processor() {
    #[cfg(target_os = "linux")]
    {
        use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};
        let left = sched_getaffinity(None).and_then(|mut processors| {
            let first = (0..CpuSet::MAX_CPU).find(|number| processors.is_set(*number));
            if let Some(first) = first.filter(|_| processors.count() > 1) {
                processors.unset(first);
            }
            sched_setaffinity(None, &processors)
        });
        note(left.is_err());
    }
}

#[cfg(target_os = "linux")]
const LEAST_NICE: i32 = -20;

/// Many times the scheduler's usual turn, which is a few milliseconds. It takes up to 100 ms.
#[cfg(target_os = "linux")]
const LONG_TURN: std::time::Duration = std::time::Duration::from_millis(50);

/// The shortest that it takes.
#[cfg(target_os = "linux")]
const SHORT_TURN: std::time::Duration = std::time::Duration::from_micros(100);

#[cfg(target_os = "linux")]
fn take_turns(nice: i32, turn: std::time::Duration) {
    // SAFETY: plain values; 0 is the current thread.
    let (own, policy) = unsafe { (libc::getpriority(libc::PRIO_PROCESS, 0), libc::sched_getscheduler(0)) };
    // Elsewhere there are no turns, or the operator wanted others.
    if ![libc::SCHED_OTHER, libc::SCHED_BATCH].contains(&policy) {
        return;
    }
    let attributes = libc::sched_attr {
        size: u32::try_from(size_of::<libc::sched_attr>()).unwrap_or_default(),
        sched_policy: policy.cast_unsigned(),
        sched_flags: 0,
        sched_nice: own.max(nice),
        sched_priority: 0,
        sched_runtime: turn.subsec_nanos().into(),
        sched_deadline: 0,
        sched_period: 0,
    };
    // SAFETY: plain values and a pointer to as many bytes as `size` says, valid for the call; 0 is the current thread.
    let refused = unsafe { libc::syscall(libc::SYS_sched_setattr, 0, &raw const attributes, 0) } != 0;
    note(refused);
}

#[cfg(target_os = "linux")]
fn note(refused: bool) {
    if refused {
        tracing::debug!("the kernel keeps a thread at its usual priority, or on all processors");
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    /// This thread's.
    fn niceness_and_policy() -> (i32, i32) {
        // SAFETY: plain values; 0 is the current thread.
        unsafe { (libc::getpriority(libc::PRIO_PROCESS, 0), libc::sched_getscheduler(0)) }
    }

    #[test]
    fn a_thread_gets_what_it_asks_for_and_no_other_thread_does() {
        let before = niceness_and_policy();
        let after = |set: fn()| {
            let thread = std::thread::spawn(move || {
                set();
                niceness_and_policy()
            });
            thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        };
        assert_eq!(after(|| patient(19)), (19, libc::SCHED_OTHER));
        assert_eq!(after(idle).1, libc::SCHED_IDLE);
        assert_eq!(after(brisk), before);
        assert_eq!(niceness_and_policy(), before);
    }

    #[test]
    fn one_processor_is_left_to_others() {
        let processors = || rustix::thread::sched_getaffinity(None).expect("this thread's processors").count();
        let before = processors();
        let after = std::thread::spawn(move || {
            leave_one_processor();
            processors()
        });
        assert_eq!(after.join().expect("no panic"), if before > 1 { before - 1 } else { 1 });
        assert_eq!(processors(), before);
    }
}
