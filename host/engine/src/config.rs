//! The operator's settings of the engine: `[engine]` and the per-app parts of `bandstand.toml`.

use host_core::access::ModelGrants;
use host_core::budget::Limits;
use host_core::grants::Grants;
use host_core::quota::Quota;
use serde::{Deserialize, Serialize};

/// `[engine]`: what all apps share.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct EngineConfig {
    /// Core wasm instances that may exist at once. An app of the SDK takes 1 to 3 for each request in flight, a Python
    /// one about 14.
    pub core_instances: u32,
    /// The largest linear memory that any app may be given, in bytes: the upper bound of every `limits.memory_bytes`.
    pub memory_bytes: u64,
    /// Requests that may wait for a free instance; one more is answered 503 at once.
    pub queue: u32,
    /// How long one may wait, in milliseconds.
    pub queue_ms: u64,
    /// Processor time in milliseconds after which a request goes on at idle priority, so that it only takes what its
    /// neighbours leave.
    pub cpu_slice_ms: u64,
    /// Bounds of the process that compiles components.
    pub compile: CompileConfig,
}

impl Default for EngineConfig {
    fn default() -> Self {
        Self {
            core_instances: 512,
            memory_bytes: 256 << 20,
            queue: 1_024,
            queue_ms: 2_000,
            cpu_slice_ms: 5,
            compile: CompileConfig::default(),
        }
    }
}

/// `[engine.compile]`: a component is compiled in a process of its own, one at a time, since a compiler can be made to
/// eat minutes and gigabytes by a small file, and nothing inside a process can stop it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct CompileConfig {
    /// Address space of that process in bytes.
    pub memory_bytes: u64,
    /// Its processor time in seconds.
    pub cpu_s: u64,
    /// Its wall-clock time in seconds.
    pub wall_s: u64,
}

impl Default for CompileConfig {
    fn default() -> Self {
        // A 20 MB Python component takes about 10 s and 700 MB.
        Self { memory_bytes: 1_536 << 20, cpu_s: 60, wall_s: 120 }
    }
}

/// `[apps.NAME.reuse]`: whether an instance serves more than one request.
///
/// A fresh instance for each request is the default, because then nothing can leak from one visitor to the next.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Reuse {
    /// Requests that one instance serves before it is thrown away; 1 means fresh for each.
    pub count: u32,
    /// Requests that one instance serves at the same time. More than 1 needs less memory for apps that mostly wait, and
    /// lets a trap or a spinning request take its neighbours in the same instance with it.
    pub concurrency: u32,
    /// Milliseconds after which an idle instance is thrown away.
    pub idle_ms: u64,
}

impl Default for Reuse {
    fn default() -> Self {
        Self { count: 1, concurrency: 1, idle_ms: 10_000 }
    }
}

/// What the operator decided for one app.
#[derive(Debug, Clone, PartialEq)]
pub struct AppConfig {
    /// Where it is mounted: `/polls/`, or `/`.
    pub mount: String,
    /// What it may do.
    pub grants: Grants,
    /// Tables that it may use besides those that begin with its name.
    pub tables: Vec<String>,
    /// Those of `tables` that its models change as they change. All others stay as whoever made them left them.
    pub manage: Vec<String>,
    /// What it may do with the models of other apps.
    pub models: ModelGrants,
    /// What a request of it may cost.
    pub limits: Limits,
    /// What all of its requests together may take of the database.
    pub quota: Quota,
    /// Whether its instances serve more than one request.
    pub reuse: Reuse,
}
