//! Tasks that are started again when they end.

use std::{sync::Arc, time::Duration};

use tokio::time::{Instant, sleep};

use super::{Backend, BackendError, BoxFuture, Sink};
use crate::foreign::{self, Panicked, warn};

/// The pause before a task is started again: the first one and the longest. The pause doubles each
/// time.
const PAUSES: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(30));

/// The future of a source's [`Backend::run`].
pub(crate) type Run = BoxFuture<'static, Result<(), BackendError>>;

/// A source returned although it had published nothing.
#[derive(Debug, thiserror::Error)]
#[error("the source ended without having published anything")]
struct Silent;

/// Calls [`Backend::run`], which may publish before it returns.
pub(crate) fn run(backend: &Arc<dyn Backend>, sink: &Sink) -> Result<Run, Panicked> {
    foreign::attempt(|| Arc::clone(backend).run(sink.clone()))
}

/// Runs a source until it never changes again. `first` is its first run. `failed` is called with
/// the reason whenever a run ends otherwise.
pub(crate) async fn follow(
    source: &'static str,
    backend: Arc<dyn Backend>,
    sink: Sink,
    first: Result<Run, Panicked>,
    mut failed: impl FnMut(BackendError),
) {
    let mut first = Some(first);
    let start = || first.take().unwrap_or_else(|| run(&backend, &sink));
    let is_done = || sink.is_closed() || sink.in_force().is_some();
    let failed = |error, pause| {
        failed(error);
        warn!(source, ?pause, "the task of the source has ended, starting it again");
    };
    supervise(start, failed, is_done).await;
}

/// Runs a task until it returns `Ok`, and again after a pause when it ends otherwise. The pauses are short again once
/// the task has run for longer than the longest pause. So a task that works for a moment and then fails, again and
/// again, is not started ten times a second.
pub(crate) async fn supervise(
    mut start: impl FnMut() -> Result<Run, Panicked>,
    mut failed: impl FnMut(BackendError, Duration),
    is_done: impl Fn() -> bool,
) {
    let (shortest, longest) = PAUSES;
    let mut pause = shortest;
    loop {
        let since = Instant::now();
        let ended = match start() {
            Ok(run) => foreign::run(run).await,
            Err(panicked) => Err(panicked),
        };
        let error = match ended {
            Ok(Ok(())) if is_done() => return,
            Ok(Ok(())) => Silent.into(),
            Ok(Err(error)) => error,
            Err(panicked) => panicked.into(),
        };
        if since.elapsed() > longest {
            pause = shortest;
        }
        failed(error, pause);
        sleep(pause).await;
        pause = longest.min(pause * 2);
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use super::*;

    /// Supervises a task that ends in these ways, one after the other. Returns the errors and pauses.
    async fn failures(ends: impl IntoIterator<Item = fn() -> Run>) -> Vec<(String, u64)> {
        let (mut ends, failures) = (ends.into_iter(), RefCell::new(Vec::new()));
        let start = || foreign::attempt(ends.next().expect("it has ended"));
        let failed = |error: BackendError, pause: Duration| {
            let pause = u64::try_from(pause.as_millis()).unwrap();
            failures.borrow_mut().push((error.to_string(), pause));
        };
        supervise(start, failed, || true).await;
        failures.into_inner()
    }

    #[tokio::test(start_paused = true)]
    async fn a_task_that_panics_or_fails_is_started_again_until_it_is_done() {
        let ends: [fn() -> Run; 4] = [
            || panic!("at the start"),
            || Box::pin(async { panic!("later") }),
            || Box::pin(async { Err("not there".into()) }),
            || Box::pin(async { Ok(()) }),
        ];

        let failures = failures(ends).await;

        let at = ["it panicked: at the start", "it panicked: later", "not there"];
        let expected = at.iter().map(ToString::to_string).zip([100, 200, 400]);
        assert_eq!(failures, expected.collect::<Vec<_>>());
    }

    #[tokio::test(start_paused = true)]
    async fn pauses_are_bounded_and_short_again_after_a_long_life() {
        let dies: fn() -> Run = || Box::pin(async { Err("dead".into()) });
        let lives: fn() -> Run = || {
            Box::pin(async {
                sleep(Duration::from_secs(31)).await;
                Err("dead".into())
            })
        };
        let done: fn() -> Run = || Box::pin(async { Ok(()) });

        let failures = failures([vec![dies; 12], vec![lives, dies, done]].concat()).await;

        let pauses: Vec<_> = failures.into_iter().map(|(_, pause)| pause).collect();
        let doubled = [100, 200, 400, 800, 1_600, 3_200, 6_400, 12_800, 25_600];
        assert_eq!(pauses[..9], doubled);
        assert_eq!(pauses[9..], [30_000, 30_000, 30_000, 100, 200]);
    }
}
