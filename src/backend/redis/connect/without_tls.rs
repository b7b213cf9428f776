//! Stand-in without TLS: URLs that ask for TLS are refused before.

use std::io;

use tokio::net::TcpStream;

#[derive(Debug, Clone, Default)]
pub(super) struct Tls {}

impl Tls {
    pub(super) async fn wrap(&self, _host: &str, _stream: TcpStream) -> io::Result<TcpStream> {
        Err(io::ErrorKind::Unsupported.into())
    }
}
