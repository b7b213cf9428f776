//! Calls of foreign code, which a program plugs in: its log, its metrics recorder, its clock.
//!
//! Such code may panic. A panic there must not end a task that follows a source, leave a state half
//! changed, or unwind through an evaluation. So it is caught at the call. The panic hook has
//! reported it by then.

use std::{
    any::Any,
    error::Error,
    future::poll_fn,
    mem,
    panic::{AssertUnwindSafe, catch_unwind},
    task::Poll,
};

/// A panic that was caught, with its message.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("it panicked: {0}")]
pub(crate) struct Panicked(String);

/// Calls foreign code. Returns `None` if it panics.
pub(crate) fn call<R>(code: impl FnOnce() -> R) -> Option<R> {
    attempt(code).ok()
}

/// Calls foreign code, for a caller that handles a panic.
pub(crate) fn attempt<R>(code: impl FnOnce() -> R) -> Result<R, Panicked> {
    catch_unwind(AssertUnwindSafe(code)).map_err(|payload| {
        let panicked = Panicked(message(&*payload));
        // The payload of a panic may panic when it is dropped.
        if let Err(another) = catch_unwind(AssertUnwindSafe(|| drop(payload))) {
            mem::forget(another);
        }
        panicked
    })
}

/// Runs a foreign future, which is dropped before this function returns.
pub(crate) async fn run<F: Future>(future: F) -> Result<F::Output, Panicked> {
    let mut future = Box::pin(future);
    let ended = poll_fn(|cx| match attempt(|| future.as_mut().poll(cx)) {
        Ok(Poll::Pending) => Poll::Pending,
        Ok(Poll::Ready(output)) => Poll::Ready(Ok(output)),
        Err(panicked) => Poll::Ready(Err(panicked)),
    });
    let ended = ended.await;
    attempt(|| drop(future)).and(ended)
}

/// Returns the kind of an error of this module; `None` for other errors.
pub(crate) fn kind_of(error: &(dyn Error + 'static)) -> Option<&'static str> {
    error.is::<Panicked>().then_some("panicked")
}

fn message(payload: &(dyn Any + Send)) -> String {
    let text = payload.downcast_ref::<&str>().copied();
    let text = text.or_else(|| payload.downcast_ref::<String>().map(String::as_str));
    text.unwrap_or("it has no message").to_owned()
}

/// Writes an event to the log of the program.
macro_rules! log {
    ($level:ident, $($event:tt)+) => {
        // As in `tracing`, an event that is disabled calls nothing.
        if tracing::Level::$level <= tracing::level_filters::LevelFilter::current() {
            $crate::foreign::call(|| tracing::event!(tracing::Level::$level, $($event)+));
        }
    };
}

macro_rules! error_event { ($($event:tt)+) => { $crate::foreign::log!(ERROR, $($event)+) } }
macro_rules! warn_event { ($($event:tt)+) => { $crate::foreign::log!(WARN, $($event)+) } }
macro_rules! info_event { ($($event:tt)+) => { $crate::foreign::log!(INFO, $($event)+) } }
#[cfg(feature = "file")]
macro_rules! debug_event { ($($event:tt)+) => { $crate::foreign::log!(DEBUG, $($event)+) } }
#[cfg(any(feature = "file", feature = "http"))]
macro_rules! trace_event { ($($event:tt)+) => { $crate::foreign::log!(TRACE, $($event)+) } }

// Under other names, since `warn` is an attribute of the language.
#[cfg(feature = "file")]
pub(crate) use debug_event as debug;
#[cfg(any(feature = "file", feature = "http"))]
pub(crate) use trace_event as trace;
pub(crate) use {error_event as error, info_event as info, log, warn_event as warn};

#[cfg(test)]
mod tests {
    use super::*;

    /// Panics when it is dropped.
    struct Bomb;

    impl Drop for Bomb {
        fn drop(&mut self) {
            panic!("dropped");
        }
    }

    #[test]
    fn a_panic_has_its_message() {
        let nothing = 0;

        assert_eq!(attempt(|| 1), Ok(1));
        assert_eq!(attempt(|| panic!("plain")), Err::<(), _>(Panicked("plain".to_owned())));
        let formatted = Panicked("formatted 0".to_owned());
        assert_eq!(attempt(|| panic!("formatted {nothing}")), Err::<(), _>(formatted));
    }

    #[test]
    fn a_panic_that_carries_something_that_panics_is_caught() {
        let panicked = attempt(|| std::panic::panic_any(Bomb));

        assert_eq!(panicked, Err::<(), _>(Panicked("it has no message".to_owned())));
    }

    #[tokio::test]
    async fn a_future_that_panics_when_it_is_dropped_is_caught() {
        let mut kept = Some(Bomb);
        let ended = run(poll_fn(move |_| {
            let _ = &mut kept;
            Poll::Ready(1)
        }));

        assert_eq!(ended.await, Err(Panicked("dropped".to_owned())));
    }
}
