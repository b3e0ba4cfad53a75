//! Chance; the clock is in [`time`](crate::time). Both come from the host, so that a test can set them.

use crate::bindings::bandstand::app::environment;

/// What the host gives in one call.
const AT_ONCE: u32 = 1_024;

/// `count` bytes from the host's secure generator.
pub fn random_bytes(count: usize) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(count);
    while bytes.len() < count {
        let missing = u32::try_from(count - bytes.len()).unwrap_or(AT_ONCE).min(AT_ONCE);
        let more = environment::random(missing);
        // Too few bytes would be worse than none: they may become a key.
        assert!(!more.is_empty(), "the host gave no random bytes");
        bytes.extend_from_slice(&more);
    }
    bytes
}
