//! Metrics of the sources.

use std::{collections::BTreeMap, fs, time::SystemTime};

use flagstaff::{Context, File, Flags, Memory, definition::Entry, event::Event, source::Offer};
use metrics::{
    Counter, Gauge, Histogram, Key, KeyName, Metadata, Recorder, SharedString, Unit,
    set_default_local_recorder, with_local_recorder,
};
use metrics_util::debugging::{DebugValue, DebuggingRecorder, Snapshotter};

use crate::{
    redis::server::{Server, patient},
    support::{Act, BOUND, Scripted, next},
};

/// Returns all metrics as Prometheus writes them. Counters restart at 0 with each call.
pub(crate) fn read(snapshotter: &Snapshotter) -> BTreeMap<String, f64> {
    let all = snapshotter.snapshot().into_vec().into_iter();
    all.map(|(key, _, _, value)| {
        let labels = key.key().labels().map(|it| format!("{}={:?}", it.key(), it.value()));
        let labels: Vec<_> = labels.collect();
        let value = match value {
            DebugValue::Counter(count) => f64::from(u32::try_from(count).unwrap()),
            DebugValue::Gauge(value) => value.into_inner(),
            DebugValue::Histogram(_) => panic!("there are no histograms"),
        };
        (format!("{}{{{}}}", key.key().name(), labels.join(",")), value)
    })
    .collect()
}

/// Returns the metrics of this name that are not 0.
pub(crate) fn counted(snapshotter: &Snapshotter, name: &str) -> Vec<(String, f64)> {
    let all = read(snapshotter).into_iter();
    all.filter(|(key, value)| key.starts_with(name) && *value != 0.0).collect()
}

fn one(key: &str) -> Vec<(String, f64)> {
    vec![(key.to_owned(), 1.0)]
}

#[tokio::test]
async fn a_failure_is_counted_by_kind_and_shows_in_the_status() {
    let recorder = DebuggingRecorder::new();
    let (metrics, _guard) = (recorder.snapshotter(), set_default_local_recorder(&recorder));
    let (script, source) = Scripted::new();
    script.send(Act::Publish(Offer::from_iter([("a", true), ("b", true)]))).unwrap();
    let flags = Flags::builder().source(source).start().await.unwrap();
    let mut events = flags.events();

    let start = read(&metrics);
    assert_eq!(start[r#"flagstaff_source_status{source="scripted",status="READY"}"#], 1.0);
    assert_eq!(start[r#"flagstaff_source_flags{source="scripted"}"#], 2.0);
    assert_eq!(start[r#"flagstaff_generations_total{source="scripted",cause="source"}"#], 1.0);
    let confirmed = start[r#"flagstaff_source_confirmed_timestamp_seconds{source="scripted"}"#];
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs_f64();
    assert!((0.0..60.0).contains(&(now - confirmed)), "{confirmed} {now}");

    script.send(Act::Fail("connection refused")).unwrap();

    assert!(matches!(next(&mut events).await, Event::Failed { kind: "failed", .. }));
    let failed = read(&metrics);
    assert_eq!(failed[r#"flagstaff_source_failures_total{source="scripted",kind="failed"}"#], 1.0);
    assert_eq!(failed[r#"flagstaff_source_status{source="scripted",status="ERROR"}"#], 1.0);
    assert_eq!(failed[r#"flagstaff_source_status{source="scripted",status="READY"}"#], 0.0);
    assert_eq!(failed[r#"flagstaff_generations_total{source="scripted",cause="source"}"#], 0.0);

    script.send(Act::Confirm).unwrap();

    assert!(matches!(next(&mut events).await, Event::Recovered { .. }));
    assert_eq!(read(&metrics)[r#"flagstaff_source_status{source="scripted",status="READY"}"#], 1.0);
}

#[tokio::test]
async fn a_source_that_has_never_spoken_was_never_confirmed() {
    let recorder = DebuggingRecorder::new();
    let (metrics, _guard) = (recorder.snapshotter(), set_default_local_recorder(&recorder));
    let (script, source) = Scripted::new();
    script.send(Act::Fail("connection refused")).unwrap();

    let flags = Flags::builder().source(source).max_wait(std::time::Duration::ZERO).start();
    let mut events = flags.await.unwrap().events();

    assert!(matches!(next(&mut events).await, Event::Failed { .. }));
    let now = read(&metrics);
    assert_eq!(now[r#"flagstaff_source_confirmed_timestamp_seconds{source="scripted"}"#], 0.0);
}

#[tokio::test]
async fn a_bad_flag_and_a_bad_file_are_failures_of_a_kind() {
    let recorder = DebuggingRecorder::new();
    let (metrics, _guard) = (recorder.snapshotter(), set_default_local_recorder(&recorder));
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("flags.toml");
    fs::write(&path, "[flags]\nbeta = true\nother = true\n").unwrap();
    let flags = Flags::builder().source(File::open(&path).unwrap()).start().await.unwrap();
    let mut events = flags.events();
    assert_eq!(counted(&metrics, "flagstaff_source_failures_total"), []);

    fs::write(&path, "[flags]\nbeta = 25\nother = 25\n").unwrap();

    assert!(matches!(next(&mut events).await, Event::Failed { kind: "invalid", .. }));
    let refused = vec![(r#"flagstaff_flags_refused_total{source="file"}"#.to_owned(), 2.0)];
    assert_eq!(counted(&metrics, "flagstaff_flags_refused_total"), refused);

    fs::remove_file(&path).unwrap();

    assert!(matches!(next(&mut events).await, Event::Failed { kind: "unreadable", .. }));
    let unreadable = one(r#"flagstaff_source_failures_total{source="file",kind="unreadable"}"#);
    assert_eq!(counted(&metrics, "flagstaff_source_failures_total"), unreadable);
    assert_eq!(flags.health().sources[0].last_error_kind, Some("unreadable"));
}

/// A recorder that panics when a metric is used.
struct Untouchable;

impl Recorder for Untouchable {
    fn describe_counter(&self, key: KeyName, _: Option<Unit>, _: SharedString) {
        panic!("{key:?}");
    }

    fn describe_gauge(&self, key: KeyName, _: Option<Unit>, _: SharedString) {
        panic!("{key:?}");
    }

    fn describe_histogram(&self, key: KeyName, _: Option<Unit>, _: SharedString) {
        panic!("{key:?}");
    }

    fn register_counter(&self, key: &Key, _: &Metadata<'_>) -> Counter {
        panic!("{key}");
    }

    fn register_gauge(&self, key: &Key, _: &Metadata<'_>) -> Gauge {
        panic!("{key}");
    }

    fn register_histogram(&self, key: &Key, _: &Metadata<'_>) -> Histogram {
        panic!("{key}");
    }
}

#[tokio::test]
async fn an_evaluation_touches_no_metric() {
    let flags = Flags::builder().source(Memory::new().with("beta", true)).start().await.unwrap();
    let ana = Context::user("ana");

    with_local_recorder(&Untouchable, || {
        assert!(flags.is_enabled("beta", &ana));
        assert!(!flags.boolean("unknown", &ana, false).value);
        assert!(flags.pin(ana.clone()).is_enabled("beta"));
        assert!(!flags.health().sources.is_empty());
    });
}

#[tokio::test]
async fn failures_of_redis_are_counted_by_their_kinds() {
    let recorder = DebuggingRecorder::new();
    let (metrics, _guard) = (recorder.snapshotter(), set_default_local_recorder(&recorder));
    let mut server = Server::start();
    server.cli(&["HSET", "feature_flags", "a", "{", "b", "{", "c", "1"]);
    let redis = patient(&server.url());
    let flags = Flags::builder().source(redis).max_wait(BOUND).start().await.unwrap();
    let mut events = flags.events();

    let start = read(&metrics);
    assert_eq!(start[r#"flagstaff_source_failures_total{source="redis",kind="bad_value"}"#], 1.0);
    assert_eq!(start[r#"flagstaff_flags_refused_total{source="redis"}"#], 2.0);

    // A change of another value does not count these again.
    server.cli(&["HSET", "feature_flags", "c", "0"]);
    while !matches!(next(&mut events).await, Event::Changed { .. }) {}
    assert_eq!(counted(&metrics, "flagstaff_flags_refused_total"), []);

    server.kill();
    while !matches!(next(&mut events).await, Event::Failed { kind: "lost", .. }) {}
    let lost = one(r#"flagstaff_source_failures_total{source="redis",kind="lost"}"#);
    assert_eq!(counted(&metrics, "flagstaff_source_failures_total")[..1], lost);
}

#[tokio::test]
async fn values_that_are_neither_on_nor_off_are_counted_when_they_are_new() {
    let recorder = DebuggingRecorder::new();
    let (metrics, _guard) = (recorder.snapshotter(), set_default_local_recorder(&recorder));
    let memory = Memory::new().with("a", Entry::from_text("25%")).with("b", true);

    let _flags = Flags::builder().source(memory.clone()).start().await.unwrap();
    let start = read(&metrics);
    memory.insert("b", Entry::from_text("enabled"));
    let both = read(&metrics);
    memory.insert("b", true);

    let total = r#"flagstaff_warnings_total{source="memory",kind="neither_on_nor_off"}"#;
    let lasting = r#"flagstaff_source_warnings{source="memory"}"#;
    assert_eq!((start[total], start[lasting]), (1.0, 1.0));
    assert_eq!((both[total], both[lasting]), (1.0, 2.0));
    assert_eq!(read(&metrics)[lasting], 1.0);
}

#[tokio::test]
async fn every_question_for_another_type_is_counted_by_flag_and_type() {
    let recorder = DebuggingRecorder::new();
    let (metrics, _guard) = (recorder.snapshotter(), set_default_local_recorder(&recorder));
    let flags = Flags::builder().source(Memory::new().with("beta", true)).start().await.unwrap();
    let ana = Context::user("ana");

    for _ in 0..3 {
        flags.string("beta", &ana, "none");
        flags.integer("beta", &ana, 0);
        flags.boolean("beta", &ana, false);
    }

    assert_eq!(
        counted(&metrics, "flagstaff_type_mismatches_total"),
        [
            (r#"flagstaff_type_mismatches_total{flag="beta",type="integer"}"#.to_owned(), 3.0),
            (r#"flagstaff_type_mismatches_total{flag="beta",type="string"}"#.to_owned(), 3.0),
        ]
    );
}
