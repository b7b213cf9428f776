//! The settings of new connections.

use std::sync::Arc;

use super::{hint::Hint, node::Node, timeouts::Timeouts, tls::Tls};
use crate::backend::redis::error::Place;

/// The settings that all connections for one key have in common.
pub(super) struct Opening<'a> {
    pub(super) key: &'a str,
    pub(super) timeouts: &'a Timeouts,
    pub(super) tls: &'a Tls,
    pub(super) hint: &'a Arc<Hint>,
}

impl Opening<'_> {
    pub(super) fn place(&self, node: &Node) -> Place {
        Place {
            node: node.to_string().into(),
            user: node.login.username().map(Into::into),
            key: self.key.into(),
        }
    }
}
