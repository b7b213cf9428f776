//! What users did, beside what they were served: OpenFeature's tracking.

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

/// Something that a user did, and that flags may have had an effect on.
///
/// What the user was served is not in it, but `flags` answer it: the same user gets the same
/// answer.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct TrackingEvent {
    /// What happened, such as `order_placed`.
    pub name: String,
    /// How much of it, such as the amount.
    pub value: Option<f64>,
    /// When it happened.
    pub time: SystemTime,
    /// The flags at that time, and who did it.
    pub flags: RequestFlags,
}

/// The stream of [`TrackingEvent`]s, made by [`Flags::tracking_events`].
///
/// It holds 1,024 events for a slow receiver, and then loses the oldest and counts them. It ends
/// when the last [`Flags`] is dropped or shut down.
pub struct TrackingEvents {
    events: BroadcastStream<TrackingEvent>,
    missed: u64,
}

/// How many events a receiver may be behind.
const CAPACITY: usize = 1024;

/// Where events are told. All generations of the same flags share one.
#[derive(Debug)]
pub(super) struct Tracker {
    clock: Clock,
    /// `None` until somebody wants to know, and after a shutdown.
    channel: ArcSwapOption<broadcast::Sender<TrackingEvent>>,
}

impl Tracker {
    pub(super) fn new(clock: Clock) -> Self {
        Self { clock, channel: ArcSwapOption::empty() }
    }

    fn is_followed(&self) -> bool {
        self.channel.load().is_some()
    }

    fn tell(&self, name: &str, value: Option<f64>, flags: &RequestFlags) {
        if let Some(channel) = &*self.channel.load() {
            let (time, flags) = (self.clock.now(), flags.clone());
            // Nobody listening any more is fine.
            let _ = channel.send(TrackingEvent { name: name.into(), value, time, flags });
        }
    }

    /// Only one at a time calls this.
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

    /// Ends the streams. What they have not been asked for yet remains to be read.
    pub(super) fn close(&self) {
        // Their end wakes those who receive, and this also runs in a destructor.
        foreign::call(|| self.channel.store(None));
    }
}

impl Flags {
    /// Tells that the user of `context` did something, such as placing an order of this `value`,
    /// so that it can be compared between those who were served one thing or another.
    ///
    /// It never waits. If nobody follows [`tracking_events`](Self::tracking_events), it costs
    /// next to nothing.
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

    /// What users do from now on, as [`track`](Self::track) tells it.
    #[must_use]
    pub fn tracking_events(&self) -> TrackingEvents {
        TrackingEvents { events: BroadcastStream::new(self.subscribe_tracking()), missed: 0 }
    }
}

impl RequestFlags {
    /// Tells that the user of this request did something: see [`Flags::track`].
    pub fn track(&self, name: &str, value: impl Into<Option<f64>>) {
        self.pinned.snapshot.tracker.tell(name, value.into(), self);
    }
}

/// Tells that the user of the request that is being handled did something: see [`Flags::track`].
///
/// Outside a request the event is lost, with a warning for each event and place in the code.
#[track_caller]
pub fn track(name: &str, value: impl Into<Option<f64>>) {
    let value = value.into();
    let told = Scope::with(|scope| {
        scope.flags.as_ref()?.track(name, value);
        Some(())
    });
    if told.flatten().is_none() {
        outside::tracked(name, Location::caller());
    }
}

impl TrackingEvents {
    /// Waits for the next event; `None` once the flags are gone.
    ///
    /// It is cancel safe.
    pub async fn next(&mut self) -> Option<TrackingEvent> {
        std::future::poll_fn(|cx| Pin::new(&mut *self).poll_next(cx)).await
    }

    /// How many events this receiver has lost by being too slow.
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
