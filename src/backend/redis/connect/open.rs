//! Opens a connection to an address, and logs in.

use std::sync::Arc;

use redis::{
    AsyncConnectionConfig, ErrorKind, ProtocolVersion, ServerErrorKind,
    aio::{MultiplexedConnection, SendError},
};
use tokio::time::{Instant, timeout_at};

use super::{
    allowance::{Allowance, Limited},
    connection::{Connection, OnPush},
    node::Node,
    opening::Opening,
    stream::{self, Failure},
    tls,
};
use crate::backend::redis::error::{RedisError, RedisErrorKind};

/// The maximum number of bytes of the answers to a greeting.
const GREETING: usize = 64 * 1024;

enum Refusal {
    /// The server, or a proxy before it, does not support RESP3.
    Resp3,
    Error(RedisError),
}

impl Opening<'_> {
    /// Connects to one server, with RESP3 if it can.
    pub(super) async fn open(
        &self,
        node: &Node,
        push: Option<OnPush>,
    ) -> Result<Connection, RedisError> {
        // The library defaults to RESP2, over which a server accepts tracking and never pushes
        // anything.
        match self.greet(node, push, ProtocolVersion::RESP3).await {
            Ok(connection) => Ok(connection),
            Err(Refusal::Error(error)) => Err(error),
            Err(Refusal::Resp3) => {
                let connection = self.greet(node, None, ProtocolVersion::RESP2).await;
                connection.map_err(|refusal| match refusal {
                    Refusal::Error(error) => error,
                    Refusal::Resp3 => unreachable!("RESP2 was asked for"),
                })
            }
        }
    }

    async fn greet(
        &self,
        node: &Node,
        push: Option<OnPush>,
        protocol: ProtocolVersion,
    ) -> Result<Connection, Refusal> {
        let place = self.place(node);
        let fail = |kind, cause| Refusal::Error(RedisError::new(kind, &place, Some(cause)));
        let late = |_| {
            let kind = RedisErrorKind::ConnectTimeout;
            Refusal::Error(RedisError::timeout(kind, &place, self.timeouts.connect))
        };
        let deadline = Instant::now() + self.timeouts.connect;

        let stream = timeout_at(deadline, stream::open(node, self.tls)).await.map_err(late)?;
        let stream = stream.map_err(|failure| match failure {
            Failure::Connect(error) => fail(RedisErrorKind::Unreachable, error.to_string()),
            Failure::Tls(error) => {
                Refusal::Error(RedisError::tls(&error, tls::remedy(&error), &place))
            }
        })?;

        let allowance = Arc::new(Allowance::new(GREETING));
        let stream = Limited { stream, allowance: Arc::clone(&allowance) };

        // `CLIENT SETINFO` would fill the server's log of denied commands if we have few rights.
        let login = node.login.clone().set_protocol(protocol).set_skip_set_lib_name();
        let mut config =
            AsyncConnectionConfig::new().set_response_timeout(Some(self.timeouts.response));
        if let Some(push) = push {
            config = config.set_push_sender(move |info| {
                push(info);
                Ok::<(), SendError>(())
            });
        }
        let greeting = MultiplexedConnection::new_with_config(&login, stream, config);
        match timeout_at(deadline, greeting).await.map_err(late)? {
            Ok((conn, driver)) => {
                let resp3 = protocol == ProtocolVersion::RESP3;
                Ok(Connection::new(self, node, resp3, allowance, conn, driver))
            }
            Err(error) if protocol == ProtocolVersion::RESP3 && refuses_resp3(&error) => {
                Err(Refusal::Resp3)
            }
            Err(error) if error.is_connection_dropped() => {
                Err(fail(RedisErrorKind::HungUp, error.to_string()))
            }
            // With TLS 1.3, the server checks our certificate after the handshake.
            Err(error) if node.tls && error.is_io_error() => {
                Err(Refusal::Error(RedisError::tls(&error, tls::remedy(&error), &place)))
            }
            Err(error) => Err(Refusal::Error(RedisError::of(&error, &place))),
        }
    }
}

/// Returns `true` if the server, or a proxy before it, supports only RESP2. Each reports that in
/// its own way.
fn refuses_resp3(error: &redis::RedisError) -> bool {
    match error.kind() {
        ErrorKind::RESP3NotSupported => true,
        ErrorKind::Server(ServerErrorKind::ResponseError) => {
            // The code is `ERR` for anything, so only the words distinguish an unknown command.
            let detail = error.detail().unwrap_or_default();
            detail.contains("command") && !detail.contains("permission")
        }
        _ => error.code() == Some("NOPROTO"),
    }
}
