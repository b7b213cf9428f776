//! A limit on the bytes that a server may send, which holds before the bytes are kept.

use std::{
    io,
    pin::Pin,
    sync::Arc,
    sync::atomic::{AtomicBool, AtomicUsize, Ordering},
    task::{Context, Poll, ready},
};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// The bytes that may still come over a connection. Each question sets the limit to the length that
/// its answer may have.
///
/// The library collects an answer until it is complete, however long it is. The only way to stop
/// that is to end the connection, which also frees the rest of the answer at the server.
#[derive(Debug)]
pub(in crate::backend::redis) struct Allowance {
    left: AtomicUsize,
    is_exceeded: AtomicBool,
}

impl Allowance {
    pub(super) fn new(bytes: usize) -> Self {
        Self { left: AtomicUsize::new(bytes), is_exceeded: AtomicBool::new(false) }
    }

    /// Sets the limit to so many bytes from now on.
    pub(in crate::backend::redis) fn set(&self, bytes: usize) {
        self.left.store(bytes, Ordering::Relaxed);
    }

    /// Raises the limit to so many bytes if it is lower, while another answer may be on its way.
    pub(in crate::backend::redis) fn set_at_least(&self, bytes: usize) {
        self.left.fetch_max(bytes, Ordering::Relaxed);
    }

    /// Returns `true` if more bytes came than allowed, which has ended the connection.
    pub(in crate::backend::redis) fn is_exceeded(&self) -> bool {
        self.is_exceeded.load(Ordering::Relaxed)
    }

    fn take(&self, bytes: usize) -> io::Result<()> {
        let rest = |left: usize| left.checked_sub(bytes);
        if self.left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, rest).is_ok() {
            return Ok(());
        }
        self.is_exceeded.store(true, Ordering::Relaxed);
        Err(io::Error::other("the answer is larger than was allowed"))
    }
}

/// A stream that ends with an error when more bytes come than allowed.
pub(super) struct Limited<S> {
    pub(super) stream: S,
    pub(super) allowance: Arc<Allowance>,
}

impl<S: AsyncRead + Unpin> AsyncRead for Limited<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(context, buffer))?;
        Poll::Ready(self.allowance.take(buffer.filled().len() - before))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Limited<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    #[tokio::test]
    async fn a_connection_ends_when_more_comes_than_is_allowed() {
        let (mut server, stream) = tokio::io::duplex(64);
        let allowance = Arc::new(Allowance::new(4));
        let mut limited = Limited { stream, allowance: Arc::clone(&allowance) };

        server.write_all(b"1234").await.unwrap();
        limited.read_exact(&mut [0; 4]).await.unwrap();
        allowance.set(4);
        server.write_all(b"5678").await.unwrap();
        limited.read_exact(&mut [0; 4]).await.unwrap();
        assert!(!allowance.is_exceeded());

        server.write_all(b"9").await.unwrap();
        limited.read_exact(&mut [0; 1]).await.unwrap_err();
        assert!(allowance.is_exceeded());
    }
}
