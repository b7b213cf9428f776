//! A connection to the server that has the flags.

use std::{fmt, sync::Arc};

use redis::{
    Cmd, FromRedisValue, Pipeline, PushInfo, RedisFuture, Value,
    aio::{ConnectionLike, MultiplexedConnection},
    cmd,
};
use tokio::task::JoinHandle;

use super::{allowance::Allowance, hint::Hint, node::Node, opening::Opening, timeouts::Timeouts};
use crate::backend::redis::error::{Place, RedisError, RedisErrorKind};

/// The callback for pushes, and for the end of the connection. It runs in the task of the
/// connection, so it must not wait.
pub(in crate::backend::redis) type OnPush = Arc<dyn Fn(PushInfo) + Send + Sync>;

/// A connection to the server, or the node, that has the flags. Dropping it closes the connection,
/// also for the clones of `conn`.
pub(in crate::backend::redis) struct Connection {
    /// The handle to send commands through.
    pub(in crate::backend::redis) conn: Commands,
    /// True if the server speaks RESP3, without which there are no pushes.
    pub(in crate::backend::redis) resp3: bool,
    pub(in crate::backend::redis) place: Place,
    /// The bytes that the server may still send.
    pub(in crate::backend::redis) allowance: Arc<Allowance>,
    pub(super) node: Node,
    pub(super) timeouts: Timeouts,
    hint: Arc<Hint>,
    driver: JoinHandle<()>,
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_struct("Connection");
        debug.field("resp3", &self.resp3).field("place", &self.place).finish_non_exhaustive()
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.driver.abort();
    }
}

impl Connection {
    /// Returns `true` if the connection has broken.
    pub(in crate::backend::redis) fn is_over(&self) -> bool {
        self.driver.is_finished()
    }

    pub(super) fn new(
        opening: &Opening<'_>,
        node: &Node,
        resp3: bool,
        allowance: Arc<Allowance>,
        conn: MultiplexedConnection,
        driver: impl Future<Output = ()> + Send + 'static,
    ) -> Self {
        Self {
            conn: Commands { conn, asking: false },
            resp3,
            place: opening.place(node),
            allowance,
            node: node.clone(),
            timeouts: *opening.timeouts,
            hint: Arc::clone(opening.hint),
            driver: tokio::spawn(driver),
        }
    }

    /// Sends a command and waits for its answer.
    pub(in crate::backend::redis) async fn query<T: FromRedisValue>(
        &mut self,
        command: &Cmd,
    ) -> Result<T, RedisError> {
        let answer = command.query_async(&mut self.conn).await;
        answer.map_err(|error| self.error(&error))
    }

    /// Returns the failure for an error of a command on `conn`. If the error names another node,
    /// the next connection goes there.
    pub(in crate::backend::redis) fn error(&self, error: &redis::RedisError) -> RedisError {
        if self.allowance.is_exceeded() {
            return RedisError::new(RedisErrorKind::TooLarge, &self.place, None);
        }
        self.hint.note(error, &self.node);
        RedisError::of(error, &self.place)
    }
}

/// The target of commands.
#[derive(Clone)]
pub(in crate::backend::redis) struct Commands {
    conn: MultiplexedConnection,
    /// True while the slot of the key moves to this node, which serves the slot early only after
    /// `ASKING`.
    pub(super) asking: bool,
}

impl ConnectionLike for Commands {
    fn req_packed_command<'a>(&'a mut self, command: &'a Cmd) -> RedisFuture<'a, Value> {
        if !self.asking {
            return self.conn.req_packed_command(command);
        }
        Box::pin(async move {
            let mut asking = redis::pipe();
            asking.add_command(cmd("ASKING")).add_command(command.clone());
            let answers = self.conn.req_packed_commands(&asking, 1, 1).await?;
            Ok(answers.into_iter().next().unwrap_or(Value::Nil))
        })
    }

    fn req_packed_commands<'a>(
        &'a mut self,
        commands: &'a Pipeline,
        offset: usize,
        count: usize,
    ) -> RedisFuture<'a, Vec<Value>> {
        if !self.asking {
            return self.conn.req_packed_commands(commands, offset, count);
        }
        Box::pin(async move {
            let mut asking = redis::pipe();
            for command in commands.cmd_iter() {
                asking.add_command(cmd("ASKING")).add_command(command.clone());
            }
            let answers = self.conn.req_packed_commands(&asking, 0, 2 * (offset + count)).await?;
            Ok(answers.into_iter().skip(1).step_by(2).skip(offset).collect())
        })
    }

    fn get_db(&self) -> i64 {
        self.conn.get_db()
    }
}
