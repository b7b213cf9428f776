//! Putting the layers together.

use std::{
    future::poll_fn,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, Weak},
    task::Poll,
    time::Duration,
};

use tokio::{
    sync::mpsc::{self, error::SendError},
    task::JoinSet,
    time,
};
use tracing::warn;

use super::{Flags, Status, publisher::Publisher, snapshot::Strictness};
use crate::backend::{Backend, BackendError, BoxFuture, Sink};

/// Sets up [`Flags`]: which layers, strongest first. Made by [`Flags::builder`].
#[derive(Default)]
#[must_use]
pub struct FlagsBuilder {
    layers: Vec<Arc<dyn Backend>>,
    max_wait: Option<Duration>,
}

impl FlagsBuilder {
    /// Adds a layer beneath those added before: the first one wins.
    pub fn layer(mut self, backend: impl Backend) -> Self {
        self.layers.push(Arc::new(backend));
        self
    }

    /// How long [`start`](Self::start) waits for layers whose source does not answer; 2 seconds
    /// unless set. They join whenever they are ready.
    pub fn max_wait(mut self, max_wait: Duration) -> Self {
        self.max_wait = Some(max_wait);
        self
    }

    /// Loads all layers and follows them from then on, in tasks of the current tokio runtime.
    ///
    /// # Errors
    ///
    /// A layer that cannot start, such as a file that is missing or does not parse, is an error.
    ///
    /// # Panics
    ///
    /// Panics outside a tokio runtime, and with more than 254 layers.
    pub async fn start(self) -> Result<Flags, StartError> {
        assert!(self.layers.len() < usize::from(u8::MAX), "at most 254 layers");
        let names: Vec<_> = self.layers.iter().map(|layer| layer.name()).collect();
        let publisher = Arc::new(Publisher::new(&names, Strictness::Lenient));
        let target: Weak<Publisher> = Arc::downgrade(&publisher);
        let mut tasks = JoinSet::new();
        let (ended, mut failures) = mpsc::unbounded_channel();
        for (layer, backend) in self.layers.iter().enumerate() {
            let sink = Sink::new(target.clone(), layer);
            let run = to_its_end(Arc::clone(backend).run(sink.clone()));
            let ended = ended.clone();
            tasks.spawn(async move {
                if let Err(error) = run.await
                    // Nobody receives after the start.
                    && let Err(SendError((_, error))) = ended.send((layer, error))
                {
                    sink.fail(error);
                }
            });
        }

        let deadline = time::sleep(self.max_wait.unwrap_or(Duration::from_secs(2)));
        tokio::pin!(deadline);
        let mut waiting = true;
        while waiting {
            tokio::select! {
                biased;
                Some((layer, source)) = failures.recv() => {
                    publisher.ended(layer, source)?;
                }
                () = publisher.answered() => waiting = false,
                () = &mut deadline => waiting = false,
            }
        }
        failures.close();
        while let Ok((layer, source)) = failures.try_recv() {
            publisher.ended(layer, source)?;
        }
        for layer in publisher.health().layers {
            if layer.status == Status::NotReady {
                warn!(layer = layer.name, "layer is not ready, starting on the others");
            }
        }
        publisher.started();
        Ok(Flags::new(publisher, self.layers, tasks))
    }
}

/// Makes an error of a panic, which would end a layer without a word.
async fn to_its_end(
    mut run: BoxFuture<'static, Result<(), BackendError>>,
) -> Result<(), BackendError> {
    poll_fn(|cx| {
        let poll = catch_unwind(AssertUnwindSafe(|| run.as_mut().poll(cx)));
        poll.unwrap_or_else(|_| Poll::Ready(Err("the backend panicked".into())))
    })
    .await
}

impl std::fmt::Debug for FlagsBuilder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let layers: Vec<_> = self.layers.iter().map(|layer| layer.name()).collect();
        f.debug_struct("FlagsBuilder").field("layers", &layers).finish_non_exhaustive()
    }
}

/// A layer could not start.
#[derive(Debug, thiserror::Error)]
#[error("layer `{layer}` cannot start")]
pub struct StartError {
    pub(super) layer: &'static str,
    pub(super) source: BackendError,
}

impl StartError {
    /// What the layer is called.
    #[must_use]
    pub fn layer(&self) -> &'static str {
        self.layer
    }
}
