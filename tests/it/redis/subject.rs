//! Flags that follow a server while a test disturbs it.

use std::{
    error::Error,
    time::{Duration, Instant},
};

use flagstaff::{
    Context, Flags, Memory,
    answer::FlagState,
    event::{Event, Events},
    source::{IntoBackend, RedisError, RedisErrorKind, SourceKind, Status},
};

use super::{
    asking::Asking,
    server::{Server, patient},
};
use crate::support::{BOUND, next};

/// Flags with a Redis source over declared flags: `kept` is declared off and overridden on,
/// `below` is declared on. A thread evaluates both all the time.
pub(crate) struct Subject {
    pub(crate) flags: Flags,
    pub(crate) events: Events,
    asking: Option<Asking>,
    since: Instant,
}

impl Subject {
    /// Follows a server, after storing the override there.
    pub(crate) async fn on(server: &Server) -> Self {
        server.cli(&["HSET", "feature_flags", "kept", "1"]);
        Self::with(patient(&server.url())).await
    }

    /// Follows a server that has the override.
    pub(crate) async fn with(redis: impl IntoBackend) -> Self {
        let flags = start(redis, BOUND).await;
        let events = flags.events();
        let health = &flags.health().sources[0];
        assert_eq!(health.status, Status::Ready, "{:?}", health.last_error);
        let asking = Some(Asking::start(&flags, &["kept", "below"]));
        Self { flags, events, asking, since: Instant::now() }
    }

    pub(crate) fn is_on(&self, key: &str) -> bool {
        self.flags.is_enabled(key, &Context::user("ana"))
    }

    /// Returns the way in which the source follows the server, from its health.
    pub(crate) fn mode(&self) -> Option<&'static str> {
        self.flags.health().sources[0].mode
    }

    /// Waits for failures of these kinds, in this order, possibly with others in between. No flag
    /// changes meanwhile, and health shows the last failure. Returns its message with all causes.
    pub(crate) async fn fails(&mut self, kinds: &[RedisErrorKind]) -> String {
        self.since = Instant::now();
        let mut message = String::new();
        for &kind in kinds {
            message = fails(&mut self.events, kind).await;
            println!("{kind} after {:?}: {message}", self.since.elapsed());
        }
        let health = &self.flags.health().sources[0];
        assert_eq!(health.status, Status::Error);
        let error = health.last_error.as_ref().and_then(|error| error.downcast_ref::<RedisError>());
        assert_eq!(error.map(RedisError::kind).as_ref(), kinds.last());
        assert!(self.is_on("kept"));
        message
    }

    /// Waits until the source is healthy again. No flag changes meanwhile, none has had another
    /// answer since the start, and changes are followed again.
    pub(crate) async fn recovers(mut self, server: &Server, fault: &str) {
        self.is_well_again(fault).await;

        server.cli(&["HSET", "feature_flags", "kept", "0"]);
        self.becomes("kept", FlagState::Off).await;
    }

    /// Waits until the source is healthy again. No flag changes meanwhile, and none has had another answer
    /// since the start.
    pub(crate) async fn is_well_again(&mut self, fault: &str) {
        self.since = Instant::now();
        loop {
            match next(&mut self.events).await {
                Event::Recovered { source, .. } if source.kind == SourceKind::Redis => break,
                event => assert!(leaves_answers_alone(&event), "{event:?}"),
            }
        }
        println!("{fault}: recovered after {:?}", self.since.elapsed());
        assert_eq!(self.flags.health().sources[0].status, Status::Ready);
        self.is_undisturbed(fault);
    }

    /// Checks that no evaluation has had another answer since the start.
    pub(crate) fn is_undisturbed(&mut self, fault: &str) {
        self.asking.take().expect("asked for once").stop(fault);
    }

    /// Waits until a flag is in this state, which it may be already.
    pub(crate) async fn becomes(&self, key: &str, wanted: FlagState) {
        becomes(&self.flags, key, wanted).await;
    }
}

/// Waits until a flag is in this state, which it may be already.
pub(crate) async fn becomes(flags: &Flags, key: &str, wanted: FlagState) {
    let mut state = flags.watch(key);
    let reached = tokio::time::timeout(BOUND, state.wait_for(|state| *state == wanted)).await;
    reached.expect("the state within the bound").expect("the flags are alive");
    assert_eq!(flags.is_enabled(key, &Context::user("ana")), wanted == FlagState::On);
}

/// Returns true if the event changes none of the evaluated flags.
fn leaves_answers_alone(event: &Event) -> bool {
    match event {
        Event::Failed { .. } | Event::Warned { .. } => true,
        Event::Changed { changes, .. } => {
            changes.iter().all(|change| !matches!(&*change.key, "kept" | "below"))
        }
        _ => false,
    }
}

/// Starts the flags of a [`Subject`], with a server that may not answer.
pub(crate) async fn start(redis: impl IntoBackend, max_wait: Duration) -> Flags {
    let declared = Memory::new().with("kept", false).with("below", true);
    let builder = Flags::builder().source(redis).source(declared);
    builder.max_wait(max_wait).start().await.unwrap()
}

/// Starts flags of a store over those of a declared source.
pub(crate) async fn over(redis: impl IntoBackend, declared: impl IntoBackend) -> Flags {
    let builder = Flags::builder().source(redis).source(declared);
    builder.max_wait(BOUND).start().await.unwrap()
}

/// Waits for a failure of this kind, possibly after others. Returns its message with all causes.
pub(crate) async fn fails(events: &mut Events, kind: RedisErrorKind) -> String {
    loop {
        match next(events).await {
            Event::Failed { source, error, .. } if source.kind == SourceKind::Redis => {
                let error = error.downcast_ref::<RedisError>().expect("an error of the source");
                if error.kind() == kind {
                    return match error.source() {
                        Some(cause) => format!("{error}: {cause}"),
                        None => error.to_string(),
                    };
                }
            }
            event => assert!(leaves_answers_alone(&event), "{event:?} instead of {kind}"),
        }
    }
}
