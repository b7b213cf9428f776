//! Tracking of what users do, as OpenFeature defines it.

use std::{
    fmt,
    panic::Location,
    pin::Pin,
    sync::Arc,
    task::{self, Poll, ready},
    time::SystemTime,
};

use arc_swap::ArcSwapOption;
use futures_core::Stream;
use tokio::sync::broadcast;
use tokio_stream::wrappers::{BroadcastStream, errors::BroadcastStreamRecvError};

use super::{Flags, RequestFlags, Scope, clock::Clock, outside};
use crate::{foreign, model::Context};

/// An action of a user, on which flags may have had an effect.
///
/// The event does not contain the variants that the user was served. `flags` returns them: the same
/// user gets the same answer.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct TrackingEvent {
    /// The name of the action, such as `order_placed`.
    pub name: String,
    /// A number for the action, such as the amount of an order.
    pub value: Option<f64>,
    /// The time of the action.
    pub time: SystemTime,
    /// The flags at that time, with the context of the user.
    pub flags: RequestFlags,
}

/// The stream of [`TrackingEvent`]s, made by [`Flags::tracking_events`].
///
/// The stream holds 1,024 events for a slow receiver. After that it loses the oldest ones and
/// counts them. It ends when the last [`Flags`] is dropped or shut down.
pub struct TrackingEvents {
    events: BroadcastStream<TrackingEvent>,
    missed: u64,
}

/// The number of events that a receiver may be behind.
const CAPACITY: usize = 1024;

/// The sender of events. All generations of the same flags share one.
#[derive(Debug)]
pub(super) struct Tracker {
    clock: Clock,
    /// The channel; `None` before the first subscription, and after a shutdown.
    channel: ArcSwapOption<broadcast::Sender<TrackingEvent>>,
}

impl Tracker {
    pub(super) fn new(clock: Clock) -> Self {
        Self { clock, channel: ArcSwapOption::empty() }
    }

    fn is_followed(&self) -> bool {
        self.channel.load().is_some()
    }

    fn record(&self, name: &str, value: Option<f64>, flags: &RequestFlags) {
        if let Some(channel) = &*self.channel.load() {
            let (time, flags) = (self.clock.now(), flags.clone());
            // An event without a receiver is dropped.
            let _ = channel.send(TrackingEvent { name: name.into(), value, time, flags });
        }
    }

    /// Returns a receiver of events. Only one caller at a time calls this.
    pub(super) fn subscribe(&self) -> broadcast::Receiver<TrackingEvent> {
        match &*self.channel.load() {
            Some(channel) => channel.subscribe(),
            None => {
                let (channel, receiver) = broadcast::channel(CAPACITY);
                self.channel.store(Some(Arc::new(channel)));
                receiver
            }
        }
    }

    /// Ends the streams. Receivers can still read the events that they have not read yet.
    pub(super) fn close(&self) {
        // The end of the streams wakes receivers, and this also runs in a destructor.
        foreign::call(|| self.channel.store(None));
    }
}

impl Flags {
    /// Tracks an action of the user of `context`, such as placing an order of this `value`. An
    /// analysis can compare the actions of users who were served different variants.
    ///
    /// The method never waits. It costs next to nothing while no receiver follows
    /// [`tracking_events`](Self::tracking_events).
    ///
    /// # Example
    ///
    /// ```
    /// use flagstaff::{Context, Definition, Flags, Memory};
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    /// let page = Definition::new().variants([("control", 50), ("higher_price", 50)]);
    /// let flags = Flags::builder().source(Memory::new().with("pricing_page", page)).start().await?;
    /// let mut events = flags.tracking_events();
    ///
    /// flags.track("order_placed", &Context::user("ana"), 49.9);
    /// flags.track("order_cancelled", &Context::user("ana"), None);
    ///
    /// let order = events.next().await.expect("the flags are there");
    /// assert_eq!((&*order.name, order.value), ("order_placed", Some(49.9)));
    /// assert_eq!(order.flags.variant("pricing_page", "none").value, "higher_price");
    /// # Ok(())
    /// # }
    /// ```
    pub fn track(&self, name: &str, context: &Context<'_>, value: impl Into<Option<f64>>) {
        if self.cell.with(|snapshot| snapshot.tracker.is_followed()) {
            self.pin(context.clone()).track(name, value);
        }
    }

    /// Returns the stream of actions of users from now on, as [`track`](Self::track) emits them.
    ///
    /// The stream gets no events from before the call. A slow receiver loses the oldest events, and
    /// [`missed`](TrackingEvents::missed) counts them.
    ///
    /// # Example
    ///
    /// ```
    /// use flagstaff::{Context, Flags, Memory};
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), flagstaff::StartError> {
    /// let flags = Flags::builder().source(Memory::new()).start().await?;
    /// let mut events = flags.tracking_events();
    ///
    /// flags.track("order_placed", &Context::user("ana"), 49.9);
    /// flags.shutdown().await;
    ///
    /// let order = events.next().await.expect("it was tracked before the shutdown");
    /// assert_eq!(order.flags.context().targeting_key(), Some("ana"));
    /// assert!(events.next().await.is_none());
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn tracking_events(&self) -> TrackingEvents {
        TrackingEvents { events: BroadcastStream::new(self.subscribe_tracking()), missed: 0 }
    }
}

impl RequestFlags {
    /// Tracks an action of the user of this request: see [`Flags::track`].
    ///
    /// # Example
    ///
    /// ```
    /// use flagstaff::{Context, Flags, Memory};
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), flagstaff::StartError> {
    /// let flags = Flags::builder().source(Memory::new()).start().await?;
    /// let mut events = flags.tracking_events();
    ///
    /// flags.pin(Context::user("ana")).track("order_placed", 49.9);
    ///
    /// let order = events.next().await.expect("the flags are there");
    /// assert_eq!((&*order.name, order.value), ("order_placed", Some(49.9)));
    /// # Ok(())
    /// # }
    /// ```
    pub fn track(&self, name: &str, value: impl Into<Option<f64>>) {
        self.pinned.snapshot.tracker.record(name, value.into(), self);
    }
}

/// Tracks an action of the user of the request that is being handled: see [`Flags::track`].
///
/// Outside a request the event is lost, with a warning for each event and line of code.
///
/// # Example
///
/// ```
/// use flagstaff::{Context, Flags, Memory};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), flagstaff::StartError> {
/// let flags = Flags::builder().source(Memory::new()).start().await?;
/// let mut events = flags.tracking_events();
///
/// flags.pin(Context::user("ana")).sync_scope(|| flagstaff::track("order_placed", 49.9));
///
/// let order = events.next().await.expect("the flags are there");
/// assert_eq!((&*order.name, order.value), ("order_placed", Some(49.9)));
/// # Ok(())
/// # }
/// ```
#[track_caller]
pub fn track(name: &str, value: impl Into<Option<f64>>) {
    let value = value.into();
    let recorded = Scope::with(|scope| {
        scope.flags.as_ref()?.track(name, value);
        Some(())
    });
    if recorded.flatten().is_none() {
        outside::tracked(name, Location::caller());
    }
}

impl TrackingEvents {
    /// Waits for the next event; `None` once the flags are gone.
    ///
    /// The method is cancel safe.
    pub async fn next(&mut self) -> Option<TrackingEvent> {
        std::future::poll_fn(|cx| Pin::new(&mut *self).poll_next(cx)).await
    }

    /// Returns the number of events that this receiver has lost by being too slow.
    #[must_use]
    pub fn missed(&self) -> u64 {
        self.missed
    }
}

impl Stream for TrackingEvents {
    type Item = TrackingEvent;

    fn poll_next(
        mut self: Pin<&mut Self>,
        cx: &mut task::Context<'_>,
    ) -> Poll<Option<TrackingEvent>> {
        loop {
            match ready!(Pin::new(&mut self.events).poll_next(cx)) {
                Some(Ok(event)) => return Poll::Ready(Some(event)),
                Some(Err(BroadcastStreamRecvError::Lagged(missed))) => self.missed += missed,
                None => return Poll::Ready(None),
            }
        }
    }
}

impl fmt::Debug for TrackingEvents {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TrackingEvents").field("missed", &self.missed).finish_non_exhaustive()
    }
}
