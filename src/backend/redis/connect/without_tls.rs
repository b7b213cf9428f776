//! Stand-in without TLS: URLs that ask for TLS are refused before.

use std::{error::Error, io};

use tokio::net::TcpStream;

use crate::backend::redis::error::Remedy;

#[derive(Debug, Clone, Default)]
pub(super) struct Tls {}

impl Tls {
    pub(super) async fn wrap(&self, _host: &str, _stream: TcpStream) -> io::Result<TcpStream> {
        Err(io::ErrorKind::Unsupported.into())
    }
}

pub(super) fn remedy(_: &(dyn Error + 'static)) -> Remedy {
    Remedy::OfKind
}
