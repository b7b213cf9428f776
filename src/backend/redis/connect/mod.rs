//! Connections: to the server, or the node, that has the flags.

mod node;
mod stream;

use std::{fmt, sync::Arc, time::Duration};

use redis::{
    AsyncConnectionConfig, ErrorKind, ProtocolVersion, PushInfo, ServerErrorKind,
    aio::{MultiplexedConnection, SendError},
};
use tokio::{
    task::JoinHandle,
    time::{Instant, timeout_at},
};

pub use self::node::InvalidRedis;
use self::node::Node;
use super::error::{Place, RedisError, RedisErrorKind};

/// Where the server is. `Debug` and `Display` show no password.
#[derive(Debug, Clone)]
pub(super) struct Target {
    node: Node,
}

/// How long to wait for the server.
#[derive(Debug, Clone, Copy)]
pub(super) struct Timeouts {
    pub(super) connect: Duration,
    pub(super) response: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self { connect: Duration::from_secs(1), response: Duration::from_secs(2) }
    }
}

/// What is told of pushes, and of the end of the connection. It runs in the connection's task, so
/// it must not wait.
pub(super) type OnPush = Arc<dyn Fn(PushInfo) + Send + Sync>;

/// A connection to the server, or the node, that has the flags. Dropping it closes it.
pub(super) struct Connection {
    /// To send commands through; clones share the connection.
    pub(super) conn: MultiplexedConnection,
    /// Whether the server speaks RESP3, without which there are no pushes.
    pub(super) resp3: bool,
    pub(super) place: Place,
    driver: JoinHandle<()>,
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { conn: _, resp3, place, driver: _ } = self;
        f.debug_struct("Connection").field("resp3", resp3).field("place", place).finish()
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.driver.abort();
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.node.address.fmt(f)
    }
}

impl Target {
    /// One server, by its URL.
    pub(super) fn parse(url: &str) -> Result<Self, InvalidRedis> {
        Ok(Self { node: Node::parse(url)? })
    }

    /// Connects to the server that has `key`.
    pub(super) async fn connect(
        &self,
        key: &str,
        timeouts: &Timeouts,
        push: Option<OnPush>,
    ) -> Result<Connection, RedisError> {
        open(&self.node, key, timeouts, push).await
    }

    /// Whether `connection` still leads to the server that has the flags.
    pub(super) async fn is_current(
        &self,
        _connection: &mut Connection,
    ) -> Result<bool, RedisError> {
        Ok(true)
    }
}

impl Target {
    /// Takes note of an error that says which server has the flags. Returns whether it did.
    pub(super) fn note(&self, _error: &redis::RedisError) -> bool {
        false
    }
}

impl Connection {
    /// What an error of a command means.
    pub(super) fn error(&self, error: &redis::RedisError) -> RedisError {
        RedisError::of(error, &self.place)
    }
}

/// Connects to one server, with RESP3 if it can.
async fn open(
    node: &Node,
    key: &str,
    timeouts: &Timeouts,
    push: Option<OnPush>,
) -> Result<Connection, RedisError> {
    let place = Place {
        node: node.address.to_string().into(),
        user: node.login.username().map(Into::into),
        key: key.into(),
    };
    match greet(node, &place, timeouts, push, ProtocolVersion::RESP3).await {
        Err(Refusal::Protocol) => {
            let connection = greet(node, &place, timeouts, None, ProtocolVersion::RESP2).await;
            connection.map_err(|refusal| match refusal {
                Refusal::Error(error) => error,
                Refusal::Protocol => RedisError::new(RedisErrorKind::Protocol, &place, None),
            })
        }
        Err(Refusal::Error(error)) => Err(error),
        Ok(connection) => Ok(connection),
    }
}

enum Refusal {
    /// The server, or a proxy before it, does not know RESP3.
    Protocol,
    Error(RedisError),
}

async fn greet(
    node: &Node,
    place: &Place,
    timeouts: &Timeouts,
    push: Option<OnPush>,
    protocol: ProtocolVersion,
) -> Result<Connection, Refusal> {
    let deadline = Instant::now() + timeouts.connect;
    let late = |_| {
        let kind = RedisErrorKind::ConnectTimeout;
        Refusal::Error(RedisError::timeout(kind, place, timeouts.connect))
    };

    let stream = timeout_at(deadline, stream::open(&node.address)).await.map_err(late)?;
    let stream = stream.map_err(|error| {
        let kind = RedisErrorKind::Unreachable;
        Refusal::Error(RedisError::new(kind, place, Some(error.to_string())))
    })?;

    // `CLIENT SETINFO` would fill the log of denied commands of a server that gives us few rights.
    let login = node.login.clone().set_protocol(protocol).set_skip_set_lib_name();
    let mut config = AsyncConnectionConfig::new().set_response_timeout(Some(timeouts.response));
    if let Some(push) = push {
        config = config.set_push_sender(move |info| {
            push(info);
            Ok::<(), SendError>(())
        });
    }
    let greeting = MultiplexedConnection::new_with_config(&login, stream, config);
    let (conn, driver) =
        timeout_at(deadline, greeting).await.map_err(late)?.map_err(|error| match protocol {
            ProtocolVersion::RESP3 if refuses_resp3(&error) => Refusal::Protocol,
            _ => Refusal::Error(RedisError::of(&error, place)),
        })?;
    Ok(Connection {
        conn,
        resp3: protocol == ProtocolVersion::RESP3,
        place: place.clone(),
        driver: tokio::spawn(driver),
    })
}

/// Whether the server may know RESP2 only. Servers and proxies differ in what they say to a `HELLO`
/// that they do not know.
fn refuses_resp3(error: &redis::RedisError) -> bool {
    matches!(
        error.kind(),
        ErrorKind::RESP3NotSupported | ErrorKind::Server(ServerErrorKind::ResponseError)
    ) || error.code() == Some("NOPROTO")
}
