//! Failures that must not stop the flags silently: foreign code that panics, tasks that end, runtimes that stop.

use std::{
    fs,
    panic::panic_any,
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
    },
    task,
    time::{Duration, SystemTime},
};

use flagstaff::{
    Backend, Context, Definition, File, Flags, Memory, Percentage,
    answer::FlagState,
    definition::Active,
    event::{ChangeCause, Event},
    source::{BackendError, BoxFuture, IntoBackend, Offer, RedisHandle, Sink, SourceKind, Status},
};
use metrics::{
    Counter, Gauge, Histogram, Key, KeyName, Metadata, Recorder, SharedString, Unit,
    set_default_local_recorder,
};
use tokio::{runtime, sync::Notify, time::timeout};
use tracing::{Level, Subscriber, subscriber::DefaultGuard};
use tracing_subscriber::{
    layer::{Context as Scope, Layer, SubscriberExt},
    registry,
};

use crate::{
    log::{Log, discard_elsewhere},
    redis::server::{Server, patient},
    support::{Act, BOUND, Scripted, next},
};

/// Foreign code that panics the first few times that it is called.
#[derive(Clone)]
struct Panics {
    left: Arc<AtomicUsize>,
    calls: Arc<AtomicUsize>,
}

const ONCE: usize = 1;
const ALWAYS: usize = usize::MAX;

impl Panics {
    fn times(left: usize) -> Self {
        Self { left: Arc::new(left.into()), calls: Arc::default() }
    }

    fn call(&self) {
        self.calls.fetch_add(1, Ordering::Relaxed);
        let less = self.left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| {
            if left == ALWAYS { Some(left) } else { left.checked_sub(1) }
        });
        if less.is_ok() {
            panic_any("as the test wants it");
        }
    }

    /// Checks that it was called, so that the test has tested something.
    fn was_called(&self) {
        assert!(self.calls.load(Ordering::Relaxed) > 0);
    }
}

impl<S: Subscriber> Layer<S> for Panics {
    fn on_event(&self, _: &tracing::Event<'_>, _: Scope<'_, S>) {
        self.call();
    }
}

impl Recorder for Panics {
    fn describe_counter(&self, _: KeyName, _: Option<Unit>, _: SharedString) {
        self.call();
    }

    fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {
        self.call();
    }

    fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {
        self.call();
    }

    fn register_counter(&self, _: &Key, _: &Metadata<'_>) -> Counter {
        self.call();
        Counter::noop()
    }

    fn register_gauge(&self, _: &Key, _: &Metadata<'_>) -> Gauge {
        self.call();
        Gauge::noop()
    }

    fn register_histogram(&self, _: &Key, _: &Metadata<'_>) -> Histogram {
        self.call();
        Histogram::noop()
    }
}

/// Sends the log of this thread to foreign code. The tasks of the sources run in this thread, too.
fn log_to(panics: &Panics) -> DefaultGuard {
    discard_elsewhere();
    tracing::subscriber::set_default(registry().with(panics.clone()))
}

fn is_on(flags: &Flags, key: &str) -> bool {
    flags.is_enabled(key, &Context::user("ana"))
}

/// Waits until a flag is in this state.
async fn becomes(flags: &Flags, key: &str, state: FlagState) {
    let mut watch = flags.watch(key);
    let reached = timeout(BOUND, watch.wait_for(|now| *now == state)).await;
    reached.expect("within the bound").expect("the flags are alive");
}

/// Checks that a file is followed: through a good edit, a bad one, and one that repairs it.
async fn follows_a_file() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("flags.toml");
    fs::write(&path, "[flags]\na = false\n").unwrap();
    let flags = Flags::builder().source(File::open(&path).unwrap()).start().await.unwrap();
    let mut events = flags.events();

    fs::write(&path, "[flags]\na = true\n").unwrap();
    assert!(matches!(next(&mut events).await, Event::Changed { .. }));
    fs::write(&path, "[flags]\na = 25\n").unwrap();
    assert!(matches!(next(&mut events).await, Event::Failed { kind: "invalid", .. }));
    assert!(is_on(&flags, "a"));
    fs::write(&path, "[flags]\na = false\n").unwrap();
    becomes(&flags, "a", FlagState::Off).await;

    // An unknown flag is logged.
    assert!(!is_on(&flags, "b"));
    assert!(flags.health().is_ready(), "{:?}", flags.health());
}

#[tokio::test]
async fn a_log_subscriber_that_panics_loses_only_its_own_events() {
    for times in [ONCE, ALWAYS] {
        let panics = Panics::times(times);
        let _guard = log_to(&panics);

        follows_a_file().await;

        panics.was_called();
    }
}

#[tokio::test]
async fn a_metrics_recorder_that_panics_loses_only_its_own_values() {
    for times in [ONCE, ALWAYS] {
        let panics = Panics::times(times);
        let _guard = set_default_local_recorder(&panics);

        follows_a_file().await;

        panics.was_called();
    }
}

/// A waker that panics when it wakes.
struct Alarm(Panics);

impl task::Wake for Alarm {
    fn wake(self: Arc<Self>) {
        self.0.call();
    }
}

/// A source that hands its sink to the test, which publishes.
struct Handed(std::sync::mpsc::Sender<Sink>);

impl Backend for Handed {
    fn name(&self) -> &'static str {
        "handed"
    }

    fn run(self: Arc<Self>, sink: Sink) -> BoxFuture<'static, Result<(), BackendError>> {
        self.0.send(sink).unwrap();
        Box::pin(std::future::pending())
    }
}

#[tokio::test]
async fn a_waker_that_waits_for_the_start_and_panics_does_not_reach_the_source() {
    let panics = Panics::times(ALWAYS);
    let waker = task::Waker::from(Arc::new(Alarm(panics.clone())));
    let (send, sink) = std::sync::mpsc::channel();
    let mut start = pin!(Flags::builder().source(Handed(send)).max_wait(BOUND).start());
    let sink = loop {
        assert!(start.as_mut().poll(&mut task::Context::from_waker(&waker)).is_pending());
        if let Ok(sink) = sink.try_recv() {
            break sink;
        }
        tokio::task::yield_now().await;
    };

    sink.publish(Offer::from_iter([("a", true)]));

    panics.was_called();
    assert!(is_on(&start.await.unwrap(), "a"));
}

#[tokio::test]
async fn redis_is_followed_through_an_outage_while_log_and_recorder_panic() {
    let panics = Panics::times(ALWAYS);
    let _guards = (log_to(&panics), set_default_local_recorder(&panics));
    let mut server = Server::start();
    let redis = patient(&server.url());
    let directory = tempfile::tempdir().unwrap();
    // A directory cannot be replaced by a file, so keeping the overrides fails, which is logged.
    let redis = redis.keep_at(directory.path());
    let flags = Flags::builder().source(redis).start().await.unwrap();
    let mut events = flags.events();

    server.cli(&["HSET", "feature_flags", "a", "1"]);
    becomes(&flags, "a", FlagState::On).await;
    server.kill();
    while !matches!(next(&mut events).await, Event::Failed { .. }) {}
    server.restart();
    server.cli(&["HSET", "feature_flags", "b", "1"]);
    becomes(&flags, "b", FlagState::On).await;

    drop(flags);
    panics.was_called();
}

#[tokio::test(start_paused = true)]
async fn a_clock_that_panics_stands_still_until_it_works_again() {
    let start = SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000);
    let hour = Duration::from_secs(3_600);
    for times in [ONCE, ALWAYS] {
        let (panics, hours) = (Panics::times(0), Arc::new(AtomicU64::new(0)));
        let sale = Definition::new().active(Active::new().from(start + hour));
        let (clock, reading) = (panics.clone(), Arc::clone(&hours));
        let flags = Flags::builder().source(Memory::new().with("sale", sale)).clock(move || {
            clock.call();
            start + hour * u32::try_from(reading.load(Ordering::Relaxed)).unwrap()
        });
        let flags = flags.start().await.unwrap();
        let mut events = flags.events();
        panics.left.store(times, Ordering::Relaxed);
        hours.store(2, Ordering::Relaxed);

        // Settings that depend on the date are checked every 30 seconds at least.
        tokio::time::sleep(Duration::from_secs(31)).await;
        assert!(times != ALWAYS || !is_on(&flags, "sale"));
        panics.left.store(0, Ordering::Relaxed);

        assert!(matches!(next(&mut events).await, Event::Changed { cause: ChangeCause::Time, .. }));
        assert!(is_on(&flags, "sale"));
        assert!(flags.health().is_ready());
    }
}

#[tokio::test(start_paused = true)]
async fn a_clock_that_has_never_worked_is_replaced_by_that_of_the_system() {
    let began = Active::new().from(SystemTime::now() - Duration::from_secs(3_600));
    let memory = Memory::new().with("sale", Definition::new().active(began));

    let flags = Flags::builder().source(memory).clock(|| panic!("as the test wants it"));
    let flags = flags.start().await.unwrap();

    assert!(is_on(&flags, "sale"));
}

#[tokio::test]
async fn a_lookup_or_a_location_that_panics_is_none() {
    let (script, source) = Scripted::new();
    let lookup = |key: &str| -> Option<bool> {
        assert_ne!(key, "b", "as the test wants it");
        (key == "c").then_some(true)
    };
    let offer = Offer::from_iter([("a", true)]);
    let offer = offer.with_lookup(lookup).with_places(|_, _| panic!("as the test wants it"));
    script.send(Act::Publish(offer)).ok().unwrap();
    let below = Memory::new().with("b", true);

    let flags = Flags::builder().source(source).source(below.clone()).start().await.unwrap();

    assert_eq!(["a", "b", "c", "d"].map(|key| is_on(&flags, key)), [true, true, true, false]);
    assert!(flags.explain("a", &Context::user("ana")).to_string().contains("scripted"));
    below.insert("b", false);
    assert!(!is_on(&flags, "b"));
}

#[tokio::test(start_paused = true)]
async fn a_source_whose_task_ends_is_started_again_and_says_so() {
    let (log, _guard) = Log::start(Level::WARN);
    for (end, kind) in [(Act::Panic, "panicked"), (Act::End(Err("gone")), "failed")] {
        let (script, source) = Scripted::new();
        let publish = |on| Act::Publish(Offer::from_iter([("a", on)]));
        script.send(publish(true)).ok().unwrap();
        let flags = Flags::builder().source(source).start().await.unwrap();
        let mut events = flags.events();

        script.send(end).ok().unwrap();

        let event = next(&mut events).await;
        assert!(matches!(&event, Event::Failed { kind: is, .. } if *is == kind), "{event:?}");
        let health = &flags.health().sources[0];
        assert_eq!((health.status, health.last_error_kind), (Status::Error, Some(kind)));
        assert!(is_on(&flags, "a"));

        script.send(publish(false)).ok().unwrap();

        let recovers = [next(&mut events).await, next(&mut events).await];
        assert!(matches!(recovers, [Event::Recovered { .. }, Event::Changed { .. }]));
        assert!(!is_on(&flags, "a"));
        assert!(flags.health().is_ready());
    }
    let again = log.lines("the task of the source has ended, starting it again");
    assert_eq!(again.len(), 2, "{}", log.text());
    assert!(again[0].ends_with(r#"source="scripted" pause=100ms"#), "{}", again[0]);
}

#[tokio::test]
async fn a_source_that_returns_without_having_published_fails_the_start() {
    let (script, source) = Scripted::new();
    script.send(Act::End(Ok(()))).ok().unwrap();

    let error = Flags::builder().source(source).start().await.unwrap_err();

    assert!(format!("{error:?}").contains("ended without having published anything"), "{error:?}");
}

/// A source whose task can be made to panic.
struct Fragile<B> {
    inside: Arc<B>,
    breaks: Arc<Notify>,
}

impl<B: Backend> Fragile<B> {
    fn new(inside: B) -> (Arc<Notify>, Self) {
        let breaks = Arc::new(Notify::new());
        (Arc::clone(&breaks), Self { inside: Arc::new(inside), breaks })
    }
}

impl<B: Backend> Backend for Fragile<B> {
    fn name(&self) -> &'static str {
        self.inside.name()
    }

    fn kind(&self) -> SourceKind {
        self.inside.kind()
    }

    fn run(self: Arc<Self>, sink: Sink) -> BoxFuture<'static, Result<(), BackendError>> {
        let run = Arc::clone(&self.inside).run(sink);
        Box::pin(async move {
            tokio::select! {
                ended = run => ended,
                () = self.breaks.notified() => panic!("as the test wants it"),
            }
        })
    }
}

#[tokio::test]
async fn a_file_that_is_started_again_keeps_the_last_good_definitions() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("flags.toml");
    fs::write(&path, "[flags]\na = true\nb = false\n").unwrap();
    let (breaks, file) = Fragile::new(File::open(&path).unwrap());
    let flags = Flags::builder().source(file).start().await.unwrap();
    let mut events = flags.events();
    fs::write(&path, "[flags]\na = 25\nb = false\n").unwrap();
    assert!(matches!(next(&mut events).await, Event::Failed { kind: "invalid", .. }));

    breaks.notify_one();
    assert!(matches!(next(&mut events).await, Event::Failed { kind: "panicked", .. }));
    assert!(matches!(next(&mut events).await, Event::Failed { kind: "invalid", .. }));
    assert!(is_on(&flags, "a"));

    fs::write(&path, "[flags]\na = 25\nb = true\n").unwrap();
    becomes(&flags, "b", FlagState::On).await;
    assert!(is_on(&flags, "a"));
    fs::write(&path, "[flags]\na = true\nb = true\n").unwrap();
    while !matches!(next(&mut events).await, Event::Recovered { .. }) {}
    assert!(flags.health().is_ready());
}

#[tokio::test]
async fn redis_that_is_started_again_is_followed_and_announces_itself() {
    let server = Server::start();
    let redis: RedisHandle = patient(&server.url()).instance("web-1").into_backend();
    let (breaks, source) = Fragile::new(redis.clone());
    let flags = Flags::builder().source(source).start().await.unwrap();
    let mut events = flags.events();

    breaks.notify_one();
    assert!(matches!(next(&mut events).await, Event::Failed { kind: "panicked", .. }));
    // The instance may announce itself before or after this.
    redis.forget("web-1").await.unwrap();
    assert!(matches!(next(&mut events).await, Event::Recovered { .. }));

    server.cli(&["HSET", "feature_flags", "a", "1"]);
    becomes(&flags, "a", FlagState::On).await;
    let announced = async { while redis.fleet().await.unwrap().instances.is_empty() {} };
    timeout(BOUND, announced).await.expect("it is announced within the bound");
}

fn statuses(flags: &Flags) -> Vec<Status> {
    let health = flags.health();
    assert_eq!(health.is_ready(), health.sources.iter().all(|it| it.status == Status::Ready));
    health.sources.iter().map(|source| source.status).collect()
}

fn runtime() -> runtime::Runtime {
    runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

#[test]
fn sources_are_stopped_once_their_runtime_is_gone_and_go_on_answering() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("flags.toml");
    fs::write(&path, "[flags]\na = true\n").unwrap();
    let runtime = runtime();
    let start = Flags::builder().source(Memory::new()).source(File::open(&path).unwrap()).start();
    let flags = runtime.block_on(start).unwrap();
    assert_eq!(statuses(&flags), [Status::Ready, Status::Ready]);

    drop(runtime);

    assert_eq!(statuses(&flags), [Status::Stopped, Status::Stopped]);
    assert!(is_on(&flags, "a"));
    let health = serde_json::to_value(flags.health()).unwrap();
    assert_eq!(
        (&health["ready"], &health["sources"][0]["status"]),
        (&false.into(), &"STOPPED".into())
    );
}

#[test]
fn flags_with_a_thread_of_their_own_outlive_the_runtime_they_were_started_in() {
    let runtime = runtime();
    let memory = Memory::new().with("a", true);
    let start = || Flags::builder().source(memory.clone()).start_blocking().unwrap();
    let flags = runtime.block_on(async { start() });

    drop(runtime);
    assert_eq!(statuses(&flags), [Status::Ready]);

    self::runtime().block_on(flags.shutdown());
    assert_eq!(statuses(&flags), [Status::Stopped]);
    assert!(is_on(&flags, "a"));
}

#[tokio::test]
async fn sources_are_stopped_after_a_shutdown_also_in_metrics() {
    let recorder = metrics_util::debugging::DebuggingRecorder::new();
    let (metrics, _guard) = (recorder.snapshotter(), set_default_local_recorder(&recorder));
    let tenth = Definition::new().percentage(Percentage::whole(10).unwrap());
    for flags in [
        Flags::builder().source(Memory::new().with("a", tenth)).start().await.unwrap(),
        Flags::for_test().start(),
    ] {
        assert_eq!(statuses(&flags), [Status::Ready]);

        flags.shutdown().await;

        assert_eq!(statuses(&flags), [Status::Stopped]);
        let status = crate::metrics::counted(&metrics, "flagstaff_source_status");
        let stopped = r#"flagstaff_source_status{source="memory",status="STOPPED"}"#;
        assert_eq!(status, [(stopped.to_owned(), 1.0)]);
    }
}

/// A source that panics when it is shut down.
struct Rude(Arc<AtomicBool>);

impl Backend for Rude {
    fn name(&self) -> &'static str {
        "rude"
    }

    fn run(self: Arc<Self>, sink: Sink) -> BoxFuture<'static, Result<(), BackendError>> {
        sink.publish(Offer::new());
        Box::pin(async { Ok(()) })
    }

    fn leave(&self) -> BoxFuture<'_, ()> {
        Box::pin(async {
            assert!(self.0.swap(true, Ordering::Relaxed), "as the test wants it");
        })
    }
}

#[tokio::test]
async fn a_source_that_panics_at_its_leave_keeps_no_other_one_from_it() {
    let was_asked = Arc::new(AtomicBool::new(false));
    let start = Flags::builder().source(Rude(Arc::clone(&was_asked))).source(Rude(was_asked));
    let flags = start.start().await.unwrap();

    flags.shutdown().await;

    assert_eq!(statuses(&flags), [Status::Stopped, Status::Stopped]);
}
