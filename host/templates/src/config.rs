//! What rendering may cost.

use host_templates_sandbox::Limits;

/// Limits of one page. The defaults fit pages that people read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TemplateConfig {
    /// Steps: one for an operation, one for 64 bytes of text. A table of 1,000 rows with 10 columns takes some 100,000.
    pub fuel: u64,
    /// Milliseconds of processor time. Fuel is used up in less than a tenth of it; this ends what fuel doesn't count.
    pub millis: u64,
    /// Bytes of memory for the engine, the templates and the page.
    pub memory_bytes: usize,
    /// Bytes of the page.
    pub output_bytes: usize,
    /// Bytes of the context.
    pub context_bytes: usize,
}

impl Default for TemplateConfig {
    fn default() -> Self {
        let limits = Limits::default();
        Self {
            fuel: limits.fuel,
            millis: 1_000,
            memory_bytes: 64 << 20,
            output_bytes: limits.output,
            context_bytes: limits.context,
        }
    }
}

impl TemplateConfig {
    pub(crate) fn limits(&self) -> Limits {
        Limits { fuel: self.fuel, output: self.output_bytes, context: self.context_bytes }
    }
}
