//! What an operator can set about queries.

/// `[db]` in `bandstand.toml`.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DbConfig {
    /// KiB that each app's ready plans may take: about 2 KiB each.
    pub plan_cache_kib: u32,
    /// Thousands of virtual-machine steps that a read may take on the thread that serves the request (a thousand are some
    /// 20 to 50 µs) before it is given to a thread of its own. 0 gives every read away.
    pub inline_kilosteps: u32,
    /// The largest result of one statement in bytes, as long as the request's budget isn't smaller.
    pub max_result_bytes: u64,
    /// Rows that one delete may take with it, all cascades together. They are collected before anything is deleted, so
    /// this bounds memory.
    pub max_delete_rows: usize,
}

impl Default for DbConfig {
    fn default() -> Self {
        Self { plan_cache_kib: 4 << 10, inline_kilosteps: 10, max_result_bytes: 16 << 20, max_delete_rows: 100_000 }
    }
}
