//! Ids for requests.

use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use host_core::context::RequestId;
use http::HeaderValue;

/// Makes ids: 64 bits that are random for the process, and 64 bits that count, mixed so that nobody reads the traffic
/// from them. They are unique names, not secrets.
#[derive(Debug)]
pub(crate) struct Ids {
    process: u64,
    offset: u64,
    count: AtomicU64,
}

impl Ids {
    pub(crate) fn new() -> Self {
        // The standard library's only door to the system's generator; each state has keys of its own.
        let random = || RandomState::new().hash_one(std::process::id());
        Self { process: random(), offset: random(), count: AtomicU64::new(0) }
    }

    pub(crate) fn next(&self) -> RequestId {
        // The finalizer of SplitMix64 (Steele, Lea, Flood 2014): one-to-one on 64 bits, so no id comes twice.
        let mut low = self.count.fetch_add(1, Relaxed).wrapping_add(self.offset);
        low = (low ^ (low >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        low = (low ^ (low >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        low ^= low >> 31;
        RequestId(u128::from(self.process) << 64 | u128::from(low))
    }
}

/// The id as `x-request-id` has it.
pub(crate) fn header_value(id: RequestId) -> HeaderValue {
    const DIGITS: [u8; 16] = *b"0123456789abcdef";
    let mut text = [0; 32];
    for (at, digit) in text.iter_mut().enumerate() {
        *digit = DIGITS[(id.0 >> (124 - 4 * at)) as usize & 15];
    }
    HeaderValue::from_bytes(&text).unwrap_or_else(|_| HeaderValue::from_static("0"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_differ_and_read_the_same_in_header_and_log() {
        let ids = Ids::new();
        let (a, b) = (ids.next(), ids.next());
        assert_ne!(a, b);
        assert_eq!(header_value(a).to_str().expect("ascii"), a.to_string());
        assert_eq!(header_value(RequestId(1)), "00000000000000000000000000000001");
    }
}
