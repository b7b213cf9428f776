//! Follows redirects between the nodes of a cluster.

use redis::cmd;

use super::{
    connection::{Connection, OnPush},
    hint::{Owner, redirect},
    node::Node,
    opening::Opening,
};
use crate::backend::redis::error::{RedisError, RedisErrorKind};

/// The number of redirects that one connect follows.
const MAX_HOPS: usize = 5;

/// Connects to the node that has the key. Tries the last known node first, else the first of
/// `seeds` that works, and follows redirects.
pub(super) async fn connect(
    opening: &Opening<'_>,
    seeds: &[Node],
    push: Option<OnPush>,
) -> Result<Connection, RedisError> {
    let hint = opening.hint.take();
    let tried = hint.as_ref().map(|owner| owner.node.address.clone());
    let seeds = seeds.iter().filter(|node| Some(&node.address) != tried.as_ref());
    let seeds = seeds.map(|node| Owner { node: node.clone(), asking: false });
    let mut last = None;
    for owner in hint.into_iter().chain(seeds) {
        match follow(opening, owner, push.clone()).await {
            Ok(connection) => return Ok(connection),
            Err(error) => last = Some(error),
        }
    }
    Err(last.expect("a target has a node"))
}

async fn follow(
    opening: &Opening<'_>,
    mut owner: Owner,
    push: Option<OnPush>,
) -> Result<Connection, RedisError> {
    for _ in 0..=MAX_HOPS {
        let mut connection = opening.open(&owner.node, push.clone()).await?;
        connection.conn.asking = owner.asking;
        // `HLEN` is allowed to every reader, cheap, and redirected by nodes that do not have the
        // key.
        let answer = cmd("HLEN").arg(opening.key).exec_async(&mut connection.conn).await;
        let Err(error) = answer else {
            opening.hint.set(owner);
            return Ok(connection);
        };
        match redirect(&error, &owner.node) {
            Some(next) => owner = next,
            None => {
                let error = RedisError::of(&error, &connection.place);
                return match error.kind() {
                    // This is the right node. Reading the key will report the error.
                    RedisErrorKind::WrongType | RedisErrorKind::Permission => {
                        opening.hint.set(owner);
                        Ok(connection)
                    }
                    _ => Err(error),
                };
            }
        }
    }
    let detail = format!("redirected more than {MAX_HOPS} times");
    Err(RedisError::new(RedisErrorKind::ClusterDown, &opening.place(&owner.node), Some(detail)))
}
