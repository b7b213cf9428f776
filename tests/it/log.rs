//! The events in the log, and the data that must not be in it.

use std::{
    convert::Infallible,
    fs,
    io::{self, Write},
    sync::{Arc, Mutex},
};

use flagstaff::{
    Context, Definition, Env, File, FlagGate, FlagSwitch, Flags, Memory, Percentage,
    TrustedHeaders,
    context::context_fn,
    definition::{Variant, Variants},
    event::Event,
};
use http::{Request, Response};
use tower::{ServiceBuilder, ServiceExt};
use tracing::{
    Level, Metadata, Subscriber,
    span::{Attributes, Id, Record},
    subscriber::{DefaultGuard, Interest},
};

use crate::support::{Act, Scripted, next};

/// The log of this thread, as text.
#[derive(Clone, Default)]
pub(crate) struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A subscriber that discards all events, and never caches that a callsite is disabled.
///
/// A callsite that is first reached in one thread while another thread sets its subscriber can stay
/// disabled for good: tracing-core computes its interest before it lists the callsite. With this
/// subscriber for all other threads, no callsite is ever disabled for good.
struct Discard;

impl Subscriber for Discard {
    fn register_callsite(&self, _: &'static Metadata<'static>) -> Interest {
        Interest::sometimes()
    }

    fn enabled(&self, _: &Metadata<'_>) -> bool {
        false
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, _: &tracing::Event<'_>) {}

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

/// Makes all callsites check the subscriber of their thread.
pub(crate) fn discard_elsewhere() {
    // An error means that another test has set it already.
    let _ = tracing::subscriber::set_global_default(Discard);
}

impl Log {
    pub(crate) fn start(level: Level) -> (Self, DefaultGuard) {
        discard_elsewhere();
        let log = Self::default();
        let writer = log.clone();
        let subscriber = tracing_subscriber::fmt()
            .with_ansi(false)
            .with_max_level(level)
            .with_writer(move || writer.clone())
            .finish();
        (log, tracing::subscriber::set_default(subscriber))
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }

    /// Returns the lines that contain `what`.
    pub(crate) fn lines(&self, what: &str) -> Vec<String> {
        self.text().lines().filter(|line| line.contains(what)).map(str::to_owned).collect()
    }
}

#[tokio::test]
async fn an_unknown_flag_is_warned_about_once_with_the_nearest_name() {
    let (log, _guard) = Log::start(Level::INFO);
    let flags = Flags::builder().source(Memory::new().with("new_checkout", true)).start();
    let flags = flags.await.unwrap();
    let ana = Context::user("ana");

    for _ in 0..3 {
        assert!(!flags.is_enabled("new_chekout", &ana));
        assert!(!flags.boolean("new_chekout", &ana, false).value);
        assert!(!flags.pin(ana.clone()).is_enabled("new_chekout"));
        assert!(!flags.is_enabled("zzz", &ana));
    }

    let [typo, other] = &log.lines("no source has this flag")[..] else {
        panic!("{}", log.text());
    };
    assert!(typo.contains(" WARN "), "{typo}");
    assert!(typo.ends_with(r#"flag="new_chekout" similar="new_checkout""#), "{typo}");
    assert!(other.ends_with(r#"flag="zzz""#), "{other}");
}

#[tokio::test]
async fn a_bad_edit_is_logged_with_file_line_and_column() {
    let (log, _guard) = Log::start(Level::INFO);
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("flags.toml");
    fs::write(&path, "[flags]\nbeta = true\n").unwrap();
    let flags = Flags::builder().source(File::open(&path).unwrap()).start().await.unwrap();
    let mut events = flags.events();

    fs::write(&path, "[flags]\nbeta = 25\n").unwrap();

    assert!(matches!(next(&mut events).await, Event::Failed { .. }));
    let text = log.text();
    assert!(text.contains(r#"ERROR"#), "{text}");
    assert!(
        text.contains(r#"source="file" kind="invalid" error=error[ambiguous-number]"#),
        "{text}"
    );
    assert!(text.contains(&format!(" --> {}:2:8\n", path.display())), "{text}");
}

#[tokio::test]
async fn a_change_is_logged_with_flag_before_after_and_source() {
    let (log, _guard) = Log::start(Level::INFO);
    let flags = Flags::builder().source(Memory::new().with("beta", false)).start().await.unwrap();
    assert_eq!(log.lines("flag changed"), Vec::<String>::new());

    flags.enable("beta").await.unwrap();

    let [changed] = &log.lines("flag changed")[..] else { panic!("{}", log.text()) };
    let fields = r#"flag="beta" before=off after=on fields="enabled" source="memory""#;
    assert!(changed.ends_with(fields), "{changed}");
}

#[tokio::test]
async fn a_change_that_leaves_the_state_alone_is_logged_with_the_fields_that_changed() {
    let (log, _guard) = Log::start(Level::INFO);
    let memory = Memory::new().with("beta", Definition::new().owner("web"));
    let flags = Flags::builder().source(memory.clone()).start().await.unwrap();
    let mut events = flags.events();

    memory.insert("beta", Definition::new().owner("search").description("Find things"));

    assert!(matches!(next(&mut events).await, Event::Changed { .. }));
    let [changed] = &log.lines("flag changed")[..] else { panic!("{}", log.text()) };
    assert!(changed.contains(r#"before=on after=on fields="description,owner""#), "{changed}");
}

#[tokio::test(start_paused = true)]
async fn a_change_by_patience_or_time_is_not_logged_as_one_by_a_source() {
    use std::time::{Duration, SystemTime};

    use flagstaff::definition::{Active, OnStale};
    use tokio::time::{self, Instant};

    let (log, _guard) = Log::start(Level::INFO);
    let (epoch, start) = (SystemTime::UNIX_EPOCH, Instant::now());
    let minutes = |n: u64| Duration::from_secs(60 * n);
    let patient = Definition::new().stale_after(minutes(5)).on_stale(OnStale::Off);
    let sale = Definition::new().active(Active::new().from(epoch + minutes(10)));
    let (script, source) = Scripted::new();
    script.send(Act::Publish([("a", true)].into_iter().collect())).unwrap();
    let declared = Memory::new().with("a", patient).with("sale", sale);
    let flags =
        Flags::builder().source(source).source(declared).clock(move || epoch + start.elapsed());
    let _flags = flags.start().await.unwrap();

    script.send(Act::Fail("connection refused")).unwrap();
    time::sleep(minutes(11)).await;
    script.send(Act::Confirm).unwrap();
    time::sleep(minutes(1)).await;

    let lines = log.lines("INFO flagstaff::flags::publisher::log: flag ");
    let told: Vec<_> = lines.iter().map(|line| line.split_once("log: ").unwrap().1).collect();
    assert_eq!(
        told,
        [
            r#"flag changed, its source is lost flag="a" before=on after=off source="scripted""#,
            r#"flag changed at its time flag="sale" before=off after=on source="clock""#,
            r#"flag changed, its source is back flag="a" before=off after=on source="scripted""#,
        ]
    );
}

#[tokio::test]
async fn a_start_is_logged_with_the_sources_their_flags_and_the_path() {
    let (log, _guard) = Log::start(Level::INFO);
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("flags.toml");
    fs::write(&path, "[flags]\na = true\nb = true\n").unwrap();

    let memory = Memory::new().with("beta", true);
    let file = File::open(&path).unwrap();
    let _flags = Flags::builder().source(memory).source(file).start().await.unwrap();

    let ready = log.lines("source is ready");
    let [memory, file] = &ready[..] else { panic!("{}", log.text()) };
    assert!(memory.ends_with(r#"source="memory" flags=1"#), "{memory}");
    let where_from = format!(r#"source="file" flags=2 location="{}""#, path.display());
    assert!(file.ends_with(&where_from), "{file}");
    let [started] = &log.lines("flags are started")[..] else { panic!("{}", log.text()) };
    assert!(started.contains(" INFO ") && started.ends_with("sources=2 flags=3"), "{started}");
}

#[tokio::test]
async fn a_start_names_the_environment_and_what_is_wrong_in_others() {
    let (log, _guard) = Log::start(Level::INFO);
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("flags.toml");
    fs::write(&path, "[flags]\na = true\n[environments.staging]\n[environments.x]\na = 1\n")
        .unwrap();

    let file = File::open(&path).unwrap().environment("staging");
    let _flags = Flags::builder().source(file).start().await.unwrap();

    let [ready] = &log.lines("source is ready")[..] else { panic!("{}", log.text()) };
    let location = format!(r#"location="{}, environment `staging`""#, path.display());
    assert!(ready.ends_with(&location), "{ready}");
    let [problems] = &log.lines("problems in other environments")[..] else {
        panic!("{}", log.text())
    };
    assert!(problems.contains(" WARN ") && problems.contains("in environment `x`"), "{problems}");
}

#[tokio::test]
async fn the_user_is_never_logged() {
    let (log, _guard) = Log::start(Level::TRACE);
    let few = Definition::new().percentage(Percentage::ZERO).allowed_users(["bob"]);
    let flags = Flags::builder().source(Memory::new().with("beta", few)).start().await.unwrap();
    let service = ServiceBuilder::new()
        .layer(flags.request_layer(TrustedHeaders::default()))
        .layer(FlagGate::new("beta"))
        .service_fn(async |_: Request<String>| {
            Ok::<_, std::convert::Infallible>(Response::new(String::new()))
        });

    let request = Request::get("/").header("x-user-id", "mallory").header("x-user-groups", "guild");
    let response = service.oneshot(request.body(String::new()).unwrap()).await.unwrap();

    assert_eq!(response.status(), 404);
    let text = log.text();
    assert!(text.contains("gate is closed"), "{text}");
    assert!(!text.contains("mallory") && !text.contains("guild"), "{text}");
}

/// A subscriber that reads the health of the flags on every event.
struct Curious(Flags);

impl<S: tracing::Subscriber> tracing_subscriber::Layer<S> for Curious {
    fn on_event(&self, _: &tracing::Event<'_>, _: tracing_subscriber::layer::Context<'_, S>) {
        assert_eq!(self.0.health().sources.len(), 1);
    }
}

#[tokio::test]
async fn a_log_subscriber_may_read_the_health_of_the_flags() {
    use tracing_subscriber::layer::SubscriberExt;

    let memory = Memory::new().with("a", true);
    let flags = Flags::builder().source(memory.clone()).start().await.unwrap();
    let subscriber = tracing_subscriber::registry().with(Curious(flags));
    let (done, finished) = std::sync::mpsc::channel();

    // A deadlock would hold up this thread only.
    std::thread::spawn(move || {
        tracing::subscriber::with_default(subscriber, || memory.insert("a", false));
        done.send(()).unwrap();
    });

    finished.recv_timeout(crate::support::BOUND).expect("no deadlock");
}

/// A subscriber that changes a flag of the source whose change is logged.
struct Meddling(Memory);

impl<S: tracing::Subscriber> tracing_subscriber::Layer<S> for Meddling {
    fn on_event(&self, _: &tracing::Event<'_>, _: tracing_subscriber::layer::Context<'_, S>) {
        self.0.insert("b", true);
    }
}

#[tokio::test]
async fn a_log_subscriber_may_change_the_source_of_the_event() {
    use tracing_subscriber::layer::SubscriberExt;

    let memory = Memory::new().with("a", true);
    let start = || Flags::builder().source(memory.clone()).start();
    let (first, second) = (start().await.unwrap(), start().await.unwrap());
    let subscriber = tracing_subscriber::registry().with(Meddling(memory.clone()));
    let (done, finished) = std::sync::mpsc::channel();

    // A deadlock would hold up this thread only.
    std::thread::spawn(move || {
        tracing::subscriber::with_default(subscriber, || memory.insert("a", false));
        done.send(()).unwrap();
    });

    finished.recv_timeout(crate::support::BOUND).expect("no deadlock");
    for flags in [first, second] {
        let is_on = |key| flags.is_enabled(key, &Context::anonymous());
        assert_eq!((is_on("a"), is_on("b")), (false, true));
    }
}

#[tokio::test]
async fn a_flag_outside_a_request_is_warned_about_once_for_each_place() {
    let (log, _guard) = Log::start(Level::WARN);

    for _ in 0..3 {
        assert!(!flagstaff::is_enabled("outside"));
        assert!(!flagstaff::is_enabled("outside_too"));
        // A second call site.
        assert!(!flagstaff::is_enabled("outside"));
        flagstaff::track("outside_told", None);
    }

    let warnings = log.lines("outside a request: add a request layer, or spawn the task with");
    assert_eq!(warnings.len(), 4, "{}", log.text());
    assert!(warnings.iter().all(|line| line.contains("`.with_current_flags()`")));
    let places = log.lines(r#"flag="outside" at=tests/it/log.rs:"#);
    assert_eq!(places.len(), 2, "{}", log.text());
    assert!(log.text().contains(r#"event="outside_told" at=tests/it/log.rs:"#), "{}", log.text());
}

#[tokio::test]
async fn a_gate_without_flags_is_warned_about_once_with_the_remedy() {
    let (log, _guard) = Log::start(Level::WARN);
    let open = tower::service_fn(async |_: Request<()>| {
        Ok::<_, std::convert::Infallible>(Response::new(String::new()))
    });
    let gate = ServiceBuilder::new().layer(FlagGate::new("ungated")).service(open);
    let switch = ServiceBuilder::new().layer(FlagSwitch::new("ungated", open)).service(open);

    for _ in 0..3 {
        gate.clone().oneshot(Request::new(())).await.unwrap();
        switch.clone().oneshot(Request::new(())).await.unwrap();
    }

    let [gate, switch] = &log.lines("has no request layer around it")[..] else {
        panic!("{}", log.text());
    };
    let remedy = "add `.layer(flags.request_layer(…))` further out, or give it flags with \
                  `.flags(&flags)` flag=\"ungated\" at=tests/it/log.rs:";
    assert!(gate.contains("gate `ungated` has no request layer around it: "), "{gate}");
    assert!(switch.contains("switch `ungated` has no request layer around it: "), "{switch}");
    assert!(gate.contains(remedy) && switch.contains(remedy), "{gate}");
}

#[tokio::test]
async fn each_gate_and_switch_without_flags_is_warned_about_with_the_line_that_made_it() {
    let (log, _guard) = Log::start(Level::WARN);
    let open = tower::service_fn(async |_: Request<()>| {
        Ok::<_, std::convert::Infallible>(Response::new(String::new()))
    });
    let first = line!() + 2;
    let gates = [
        FlagGate::new("unlayered"),
        FlagGate::new("unlayered").inverted(),
        FlagGate::all(["unlayered"]),
        FlagGate::any(["unlayered"]),
        FlagGate::try_all(["unlayered"]).unwrap(),
        FlagGate::try_any(["unlayered"]).unwrap(),
    ];
    let switch = FlagSwitch::new("unlayered", open);
    let another = FlagSwitch::new("unlayered", open);

    for _ in 0..2 {
        for gate in gates.clone() {
            let service = ServiceBuilder::new().layer(gate).service(open);
            service.oneshot(Request::new(())).await.unwrap();
        }
        for switch in [switch.clone(), another.clone()] {
            let service = ServiceBuilder::new().layer(switch).service(open);
            service.oneshot(Request::new(())).await.unwrap();
        }
    }

    let lines = log.lines("`unlayered` has no request layer around it");
    let places: Vec<_> = lines.iter().map(|line| line.split(" at=").last().unwrap()).collect();
    let numbers = (first..first + 6).chain([first + 7, first + 8]);
    let expected: Vec<_> = numbers.map(|line| format!("tests/it/log.rs:{line}:")).collect();
    assert_eq!(places.len(), expected.len(), "{}", log.text());
    assert!(places.iter().zip(&expected).all(|(at, line)| at.starts_with(&**line)), "{places:?}");
}

#[tokio::test]
async fn a_string_that_is_too_long_is_warned_about_once_without_the_string() {
    let (log, _guard) = Log::start(Level::TRACE);
    let flags = Flags::builder().source(Memory::new()).start().await.unwrap();
    let by_agent = context_fn(|head| {
        let agent = head.headers.get("user-agent").and_then(|agent| agent.to_str().ok());
        Context::anonymous().attribute("agent_of_the_log", agent)
    });
    let service = ServiceBuilder::new().layer(flags.request_layer(by_agent)).service_fn(
        async |_: Request<()>| Ok::<_, std::convert::Infallible>(Response::new(String::new())),
    );

    for _ in 0..3 {
        let request = Request::get("/").header("user-agent", "z".repeat(9_000));
        service.clone().oneshot(request.body(()).unwrap()).await.unwrap();
    }

    let lines = log.lines("is longer than 8 KiB and counts as missing");
    assert_eq!(lines.len(), 1, "{}", log.text());
    assert!(lines[0].contains(r#"attribute="agent_of_the_log""#), "{}", lines[0]);
    assert!(!log.text().contains("zzz"));
}

#[tokio::test]
async fn a_question_for_another_type_is_warned_about_once_per_flag_and_type_without_the_value() {
    let (log, _guard) = Log::start(Level::WARN);
    let limits = Variants::new().with("small", Variant::new().weight(1).value("secret"));
    let memory = Memory::new().with("limit", Definition::new().variants(limits)).with("a", true);
    let flags = Flags::builder().source(memory).start().await.unwrap();
    let ana = Context::user("ana");

    for _ in 0..3 {
        assert_eq!(flags.integer("limit", &ana, 7).value, 7);
        assert_eq!(flags.pin(ana.clone()).integer("limit", 7).value, 7);
        assert!(flags.value("limit", &ana, true).value);
        assert_eq!(flags.string("a", &ana, "none").value, "none");
        assert_eq!(flags.string("limit", &ana, "none").value, "secret");
    }

    let [integer, boolean, string] = &log.lines("a flag was asked for another type")[..] else {
        panic!("{}", log.text());
    };
    assert!(integer.ends_with(r#"flag="limit" expected="integer" found=string"#), "{integer}");
    assert!(boolean.ends_with(r#"flag="limit" expected="bool" found=string"#), "{boolean}");
    assert!(string.ends_with(r#"flag="a" expected="string" found=boolean"#), "{string}");
    assert!(!log.text().contains("secret"), "{}", log.text());
}

#[tokio::test]
async fn a_value_that_is_neither_on_nor_off_is_logged_once() {
    let (log, _guard) = Log::start(Level::WARN);
    let env = Env::with_prefix("FEATURE_").variables([("FEATURE_A", "25%")]);
    let memory = Memory::new().with("a", true);
    let flags = Flags::builder().source(env).source(memory.clone()).start().await.unwrap();

    memory.insert("a", Definition::new().owner("web"));
    memory.insert("b", true);

    let [line] = &log.lines("a value has another effect than expected")[..] else {
        panic!("{}", log.text());
    };
    let fields = r#"flag="a" source="env" kind="neither_on_nor_off" problem="`25%` is neither"#;
    assert!(line.contains(fields), "{line}");
    drop(flags);
}

#[tokio::test]
async fn a_name_in_a_message_cannot_start_a_line() {
    let (log, _guard) = Log::start(Level::INFO);
    let gate = FlagGate::new("a\n2026-11-21 ERROR flagstaff: faked\u{202e}");
    let service = ServiceBuilder::new()
        .layer(gate)
        .service_fn(|_: Request<()>| async { Ok::<_, Infallible>(Response::new(())) });

    service.oneshot(Request::new(())).await.unwrap();

    let text = log.text();
    assert_eq!(text.lines().count(), 1, "{text}");
    assert!(
        text.contains(r"gate `a\n2026-11-21 ERROR flagstaff: faked\u{202e}` has no request layer"),
        "{text}"
    );
}
