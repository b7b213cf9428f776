//! The byte stream to one server.

use std::{io, time::Duration};

use redis::io::tcp::socket2::{SockRef, TcpKeepalive};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpStream, lookup_host},
    task::JoinSet,
};

use super::{
    node::{Address, Node},
    tls::Tls,
};

pub(super) trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}

impl<S: AsyncRead + AsyncWrite + Unpin + Send> Stream for S {}

/// A failure to connect.
pub(super) enum Failure {
    Connect(io::Error),
    Tls(io::Error),
}

pub(super) async fn open(node: &Node, tls: &Tls) -> Result<Box<dyn Stream>, Failure> {
    match &node.address {
        Address::Tcp { host, port } => {
            let stream = tcp(host, *port).await.map_err(Failure::Connect)?;
            if !node.tls {
                return Ok(Box::new(stream));
            }
            Ok(Box::new(tls.wrap(host, stream).await.map_err(Failure::Tls)?))
        }
        #[cfg(unix)]
        Address::Unix(path) => {
            let stream = tokio::net::UnixStream::connect(path).await;
            Ok(Box::new(stream.map_err(Failure::Connect)?))
        }
        #[cfg(not(unix))]
        Address::Unix(_) => Err(Failure::Connect(io::ErrorKind::Unsupported.into())),
    }
}

/// Connects by TCP. The system notices dropped packets within seconds. It does not notice a server
/// that hangs, whose system goes on acknowledging.
async fn tcp(host: &str, port: u16) -> io::Result<TcpStream> {
    let stream = first_to_answer(host, port).await?;
    let second = Duration::from_secs(1);
    stream.set_nodelay(true)?;
    let socket = SockRef::from(&stream);
    let probes = TcpKeepalive::new().with_time(second).with_interval(second).with_retries(2);
    socket.set_tcp_keepalive(&probes)?;
    #[cfg(target_os = "linux")]
    socket.set_tcp_user_timeout(Some(3 * second))?;
    Ok(stream)
}

/// Tries all addresses of a name at once, so that one that drops all packets does not use up the
/// time of the others.
async fn first_to_answer(host: &str, port: u16) -> io::Result<TcpStream> {
    let mut attempts = JoinSet::new();
    for address in lookup_host((host, port)).await? {
        attempts.spawn(TcpStream::connect(address));
    }
    let mut failure = io::Error::other("the name has no address");
    while let Some(attempt) = attempts.join_next().await {
        match attempt? {
            Ok(stream) => return Ok(stream),
            Err(error) => failure = error,
        }
    }
    Err(failure)
}
