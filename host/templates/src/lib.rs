//! host-templates.
