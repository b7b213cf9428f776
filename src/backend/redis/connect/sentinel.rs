//! The master that sentinels have chosen.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use redis::{Value, cmd};
use tokio::{sync::Mutex, time::timeout};

use super::{
    connection::{Connection, OnPush},
    node::{Address, Node},
    opening::Opening,
};
use crate::backend::redis::error::{RedisError, RedisErrorKind};

/// The time within which a sentinel has to confirm the address of the master. A sentinel that hangs
/// must not hide that the master hangs, too.
const PATIENCE: Duration = Duration::from_secs(1);

#[derive(Debug, Clone)]
pub(super) struct Sentinels {
    /// The sentinels' name of the master.
    pub(super) name: String,
    /// The login at the master. The sentinels name its address.
    pub(super) master: Node,
    pub(super) nodes: Vec<Node>,
    /// The index of the next node to ask.
    next: Arc<AtomicUsize>,
    /// The sentinel that answered last, which confirms that a connection still leads to the master.
    answering: Arc<Mutex<Option<Connection>>>,
}

impl Sentinels {
    pub(super) fn new(name: String, master: Node, nodes: Vec<Node>) -> Self {
        Self { name, master, nodes, next: Arc::default(), answering: Arc::default() }
    }

    /// Connects to the master.
    pub(super) async fn connect(
        &self,
        opening: &Opening<'_>,
        push: Option<OnPush>,
    ) -> Result<Connection, RedisError> {
        let mut last = None;
        for _ in &self.nodes {
            match self.ask_next(opening).await {
                Ok((sentinel, address)) => {
                    let node = Node { address, ..self.master.clone() };
                    let mut connection = opening.open(&node, push).await?;
                    self.verify(&mut connection).await?;
                    *self.answering.lock().await = Some(sentinel);
                    return Ok(connection);
                }
                Err(error) => last = Some(error),
            }
        }
        Err(last.expect("a target has a sentinel"))
    }

    /// Returns `true` if the master still is at this address.
    ///
    /// After a planned failover, the former master accepts connections and reports the role of a
    /// master for seconds, so only the sentinels are reliable. While none answers, the connection
    /// is kept.
    pub(super) async fn is_current(&self, opening: &Opening<'_>, address: &Address) -> bool {
        let mut answering = self.answering.lock().await;
        let ask = async {
            if let Some(sentinel) = &mut *answering {
                return self.ask(sentinel).await;
            }
            // Ask one sentinel at a time, so that a change does not wait for all of them.
            let (sentinel, address) = self.ask_next(opening).await?;
            *answering = Some(sentinel);
            Ok(address)
        };
        match timeout(PATIENCE, ask).await {
            Ok(Ok(master)) => master == *address,
            Ok(Err(_)) | Err(_) => {
                *answering = None;
                true
            }
        }
    }

    async fn ask_next(&self, opening: &Opening<'_>) -> Result<(Connection, Address), RedisError> {
        // Count before asking, since the question may be cancelled: the next one goes to another
        // sentinel.
        let next = self.next.fetch_add(1, Ordering::Relaxed);
        let answer = self.ask_at(&self.nodes[next % self.nodes.len()], opening).await;
        if answer.is_ok() {
            self.next.store(next, Ordering::Relaxed);
        }
        answer
    }

    async fn ask_at(
        &self,
        node: &Node,
        opening: &Opening<'_>,
    ) -> Result<(Connection, Address), RedisError> {
        let mut sentinel = opening.open(node, None).await?;
        let address = self.ask(&mut sentinel).await?;
        Ok((sentinel, address))
    }

    /// Asks one sentinel for the address of the master. `SENTINEL MASTERS`, which the library would
    /// send, is seconds late.
    async fn ask(&self, sentinel: &mut Connection) -> Result<Address, RedisError> {
        let mut question = cmd("SENTINEL");
        question.arg("GET-MASTER-ADDR-BY-NAME").arg(&self.name);
        let address: Option<(String, u16)> = sentinel.query(&question).await?;
        let (host, port) = address.ok_or_else(|| {
            let detail = format!("`{}` is unknown", self.name);
            RedisError::new(RedisErrorKind::NoMaster, &sentinel.place, Some(detail))
        })?;
        Ok(Address::Tcp { host, port })
    }

    /// Checks the role of the server: a sentinel that was cut off from the others may name the
    /// former master.
    async fn verify(&self, connection: &mut Connection) -> Result<(), RedisError> {
        match connection.query::<Vec<Value>>(&cmd("ROLE")).await {
            Ok(role) if matches!(role.first(), Some(Value::BulkString(role)) if role != b"master") =>
            {
                let detail = format!("the sentinels name it as the master `{}`", self.name);
                Err(RedisError::new(RedisErrorKind::ReadOnly, &connection.place, Some(detail)))
            }
            Ok(_) => Ok(()),
            // The role is useful to check, but not worth requiring a right.
            Err(error) if error.kind() == RedisErrorKind::Permission => Ok(()),
            Err(error) => Err(error),
        }
    }
}
