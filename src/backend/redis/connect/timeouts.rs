//! The time limits of a connection.

use std::time::Duration;

/// The time limits for answers of the server.
#[derive(Debug, Clone, Copy)]
pub(in crate::backend::redis) struct Timeouts {
    pub(in crate::backend::redis) connect: Duration,
    pub(in crate::backend::redis) response: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self { connect: Duration::from_secs(1), response: Duration::from_secs(2) }
    }
}
