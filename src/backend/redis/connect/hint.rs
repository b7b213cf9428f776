//! The node of a cluster that has the key, as far as it is known.

use std::sync::{Mutex, PoisonError};

use redis::{ErrorKind, ServerErrorKind};

use super::node::{Address, Node};

/// The node that had the key last, or that a redirect has named.
#[derive(Debug, Default)]
pub(super) struct Hint(Mutex<Option<Owner>>);

#[derive(Debug, Clone)]
pub(super) struct Owner {
    pub(super) node: Node,
    /// True if the slot is still moving there.
    pub(super) asking: bool,
}

impl Hint {
    /// Remembers the node that the answer of `from` names, if it names one.
    pub(super) fn note(&self, error: &redis::RedisError, from: &Node) {
        if let Some(owner) = redirect(error, from) {
            self.set(owner);
        }
    }

    pub(super) fn set(&self, owner: Owner) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(owner);
    }

    pub(super) fn take(&self) -> Option<Owner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

/// Returns the node that an error names; `None` for other errors than a redirect.
pub(super) fn redirect(error: &redis::RedisError, from: &Node) -> Option<Owner> {
    let (address, _slot) = error.redirect_node()?;
    let (host, port) = address.rsplit_once(':')?;
    let host = match (host, &from.address) {
        // A node without a name of its own means the host by which we reached it.
        ("" | "?", Address::Tcp { host, .. }) => host.clone(),
        ("" | "?", Address::Unix(_)) => return None,
        (host, _) => host.to_owned(),
    };
    let address = Address::Tcp { host, port: port.parse().ok()? };
    let asking = error.kind() == ErrorKind::Server(ServerErrorKind::Ask);
    Some(Owner { node: Node { address, ..from.clone() }, asking })
}
