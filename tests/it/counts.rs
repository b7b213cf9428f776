//! Counts of evaluations.

use std::{sync::Barrier, thread, time::Duration};

use allocation_counter::measure;
use flagstaff::{
    Context, Definition, Env, FlagGate, FlagName, Flags, Memory, Percentage, Reason,
    answer::{ErrorCode, VariantEnum},
    gate::Requirement,
    observe::{Counts, OutcomeCount},
};
use http::Request;
use metrics::set_default_local_recorder;
use metrics_util::debugging::{DebuggingRecorder, Snapshotter};
use serde_json::{Value, json};
use tower::{Layer, Service, service_fn};

use crate::metrics::counted;

fn memory() -> Memory {
    let half = Percentage::whole(50).unwrap();
    Memory::new()
        .with("on", true)
        .with("off", false)
        .with("half", Definition::new().percentage(half))
        .with("page", Definition::new().variants([("blue", 50), ("red", 50)]))
        .with("limit", Definition::new().value(50))
        .with("needs", Definition::new().requires(["on"]))
}

async fn start(memory: Memory) -> Flags {
    Flags::builder().source(memory).counts().start().await.unwrap()
}

fn counts(flags: &Flags) -> Counts {
    flags.counts().expect("they are on")
}

fn total(flags: &Flags, key: &str) -> u64 {
    counts(flags).flag(key).map_or(0, |flag| flag.total())
}

/// On or off, the variant, the reason, the error, and the count of an outcome.
type Row = (bool, Option<&'static str>, Reason, Option<ErrorCode>, u64);

fn outcomes(flags: &Flags, key: &str) -> Vec<Row> {
    let all = counts(flags);
    let outcomes = all.flag(key).map_or(&[][..], |flag| &flag.outcomes[..]);
    let row = |it: &OutcomeCount| (it.on, it.variant, it.reason, it.error_code, it.count);
    outcomes.iter().map(row).collect()
}

#[derive(Clone, Copy)]
struct Blue;

impl VariantEnum for Blue {
    const FLAG: FlagName = FlagName::new("page");

    fn from_name(name: &str) -> Option<Self> {
        (name == "blue").then_some(Self)
    }
}

#[tokio::test]
async fn flags_count_nothing_unless_they_are_told_to() {
    let flags = Flags::builder().source(memory()).start().await.unwrap();

    flags.is_enabled("on", &Context::user("ana"));

    assert_eq!(flags.counts(), None);
}

/// Each way to ask for a flag counts it once.
#[tokio::test]
async fn every_way_to_ask_counts_once() {
    let flags = start(memory()).await;
    let (ana, handle) = (Context::user("ana"), flags.flag("on"));
    let (snapshot, request) = (flags.snapshot(), flags.pin(Context::user("ana")));
    let ways: &[(&str, &str, &dyn Fn())] = &[
        ("is_enabled", "on", &|| {
            let _ = flags.is_enabled("on", &ana);
        }),
        ("a handle", "on", &|| {
            let _ = flags.is_enabled(&handle, &ana);
        }),
        ("boolean", "on", &|| {
            let _ = flags.boolean("on", &ana, false);
        }),
        ("string", "page", &|| {
            let _ = flags.string("page", &ana, "");
        }),
        ("integer", "limit", &|| {
            let _ = flags.integer("limit", &ana, 0);
        }),
        ("float", "limit", &|| {
            let _ = flags.float("limit", &ana, 0.0);
        }),
        ("value", "limit", &|| {
            let _ = flags.value("limit", &ana, 0_u8);
        }),
        ("variant", "page", &|| {
            let _ = flags.variant("page", &ana, "");
        }),
        ("variant_of", "page", &|| {
            let _ = flags.variant_of(&ana, Blue);
        }),
        ("all", "off", &|| {
            let _ = flags.all(&ana);
        }),
        ("a snapshot", "on", &|| {
            let _ = snapshot.is_enabled("on", &ana);
        }),
        ("all of a snapshot", "on", &|| snapshot.all(&ana).for_each(drop)),
        ("a request", "on", &|| {
            let _ = request.is_enabled("on");
        }),
        ("boolean of a request", "half", &|| {
            let _ = request.boolean("half", true);
        }),
        ("the scope", "on", &|| {
            let _ = request.sync_scope(|| flagstaff::is_enabled("on"));
        }),
    ];

    for &(way, key, ask) in ways {
        let before = total(&flags, key);
        ask();
        assert_eq!(total(&flags, key), before + 1, "{way}");
    }
}

#[tokio::test]
async fn what_is_not_an_answer_for_a_caller_is_not_counted() {
    let flags = start(memory()).await;
    let ana = Context::user("ana");

    let explanation = flags.explain("on", &ana);
    let watched = flags.watch("on");
    flags.is_enabled("needs", &ana);

    drop((explanation, watched));
    assert_eq!((total(&flags, "on"), total(&flags, "needs")), (0, 1));
}

#[tokio::test]
async fn gates_and_switches_count_each_request_once() {
    let flags = start(memory()).await;
    let inner = service_fn(async |_: Request<()>| {
        Ok::<_, std::convert::Infallible>(http::Response::new(String::new()))
    });
    let gates = [
        FlagGate::new("on"),
        FlagGate::new("off"),
        FlagGate::new(Requirement::off("on")),
        FlagGate::all(["on", "half"]),
        FlagGate::new("nothing"),
    ];
    let expected = [("on", 1), ("off", 1), ("on", 1), ("half", 1), ("(unknown)", 1)];

    for (gate, (key, once)) in gates.into_iter().zip(expected) {
        let mut service = gate.flags(&flags).layer(inner);
        for _ in 0..3 {
            let before = total(&flags, key);
            // Polling decides nothing for a request.
            std::future::poll_fn(|cx| Service::<Request<()>>::poll_ready(&mut service, cx))
                .await
                .unwrap();
            assert_eq!(total(&flags, key), before, "{key}");
            let _ = service.call(Request::new(())).await.unwrap();
            assert_eq!(total(&flags, key), before + once, "{key}");
        }
    }
}

#[tokio::test]
async fn outcomes_have_the_variant_the_reason_and_the_error() {
    let flags = start(memory()).await;
    let (ana, nobody) = (Context::user("ana"), Context::anonymous());

    for _ in 0..2 {
        flags.is_enabled("page", &ana);
    }
    flags.is_enabled("page", &nobody);
    flags.integer("page", &ana, 0);
    flags.boolean("off", &ana, true);
    flags.boolean("no_such_flag", &ana, true);

    let variant = flags.snapshot().variant("page", &ana, "").variant;
    let (split, error) = (Reason::Split, Reason::Error);
    let missing = Some(ErrorCode::TargetingKeyMissing);
    let mismatch = Some(ErrorCode::TypeMismatch);
    assert_eq!(
        outcomes(&flags, "page"),
        [
            (true, variant, split, None, 3),
            (false, None, error, missing, 1),
            (false, None, error, mismatch, 1),
        ]
    );
    assert_eq!(outcomes(&flags, "off"), [(false, None, Reason::Disabled, None, 1)]);
    let unknown = (false, None, error, Some(ErrorCode::FlagNotFound), 1);
    assert_eq!(outcomes(&flags, "(unknown)"), [unknown]);
}

#[tokio::test]
async fn a_variant_that_the_enum_lacks_counts_as_a_mismatch() {
    let page = Definition::new().variants([("green", 1)]);
    let flags = start(Memory::new().with("page", page)).await;

    flags.variant_of(&Context::user("ana"), Blue);

    let mismatch = (false, None, Reason::Error, Some(ErrorCode::TypeMismatch), 1);
    assert_eq!(outcomes(&flags, "page"), [mismatch]);
}

#[tokio::test]
async fn a_million_unknown_keys_take_one_cell() {
    let env = Env::with_prefix("FEATURE_").variables([("FEATURE_BETA", "on")]);
    let flags = Flags::builder().source(env).source(memory()).counts().start().await.unwrap();
    let ana = Context::user("ana");

    for n in 0..1_000 {
        flags.is_enabled(format!("nothing_{n}"), &ana);
    }

    let all = counts(&flags);
    let keys: Vec<_> = all.flags.iter().map(|flag| (&*flag.key, flag.total())).collect();
    assert_eq!(keys, [("(unknown)", 1_000)]);
    assert_eq!(all.dropped, 0);
}

#[tokio::test]
async fn flags_that_come_later_are_counted_from_their_first_evaluation() {
    let memory = memory();
    let flags = start(memory.clone()).await;
    let ana = Context::user("ana");
    flags.is_enabled("half", &ana);
    let old = flags.snapshot();

    for n in 0..100 {
        memory.insert(format!("later_{n}"), true);
        flags.is_enabled(format!("later_{n}"), &ana);
        flags.is_enabled("half", &ana);
    }
    old.is_enabled("half", &ana);

    let all = counts(&flags);
    assert_eq!(all.flag("half").map(|half| (half.total(), half.distinct_units)), Some((102, 1)));
    assert!((0..100).all(|n| all.flag(format!("later_{n}")).is_some_and(|it| it.total() == 1)));
}

#[tokio::test]
async fn units_are_estimated_for_draws_alone() {
    let half = Percentage::whole(50).unwrap();
    let by_company = Definition::new().percentage(half).bucket_by("company");
    let some = Definition::new().percentage(half).allowed_users(["user1"]);
    let flags = start(memory().with("companies", by_company).with("some", some)).await;

    for n in 0..10_000 {
        let company = format!("company{}", n % 100);
        let user = Context::user(format!("user{n}")).attribute("company", company);
        for flag in ["on", "half", "page", "companies"] {
            flags.is_enabled(flag, &user);
        }
    }
    flags.is_enabled("some", &Context::user("user1"));

    let all = counts(&flags);
    let units = |key| all.flag(key).unwrap().distinct_units;
    for flag in ["half", "page"] {
        assert!(units(flag).abs_diff(10_000) < 1_300, "{flag}: {}", units(flag));
    }
    assert!(units("companies").abs_diff(100) < 13, "{}", units("companies"));
    assert_eq!((units("on"), units("some")), (0, 0));
}

#[tokio::test]
async fn threads_count_together_and_threads_that_are_gone_stay_counted() {
    let flags = start(memory()).await;
    let barrier = Barrier::new(8);

    for _ in 0..10 {
        thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    barrier.wait();
                    for _ in 0..1_000 {
                        flags.is_enabled("on", &Context::user("ana"));
                    }
                });
            }
        });
    }

    assert_eq!((total(&flags, "on"), counts(&flags).dropped), (80_000, 0));
}

#[tokio::test]
async fn counting_allocates_nothing_after_the_first_evaluation_of_a_thread() {
    let flags = start(memory()).await;
    let (ana, handle) = (Context::user("ana"), flags.flag("half"));
    let ask = || {
        flags.is_enabled("on", &ana);
        flags.is_enabled(&handle, &ana);
        flags.boolean("page", &ana, false);
        flags.variant("page", &ana, "none");
        flags.is_enabled("no_such_flag", &ana);
    };
    ask();

    assert_eq!(measure(ask).count_total, 0);
}

#[tokio::test(start_paused = true)]
async fn the_last_evaluation_is_known_to_within_ten_seconds() {
    let (start, clock) = (std::time::SystemTime::UNIX_EPOCH, tokio::time::Instant::now());
    let flags = Flags::builder()
        .source(memory())
        .clock(move || start + clock.elapsed())
        .counts()
        .start()
        .await
        .unwrap();
    let last = || counts(&flags).flag("on").and_then(|on| on.last_evaluated);

    tokio::time::sleep(Duration::from_secs(3_600)).await;
    flags.is_enabled("on", &Context::user("ana"));
    tokio::time::sleep(Duration::from_secs(3_600)).await;

    let age = last().unwrap().duration_since(start).unwrap().as_secs();
    assert!((3_600..=3_610).contains(&age), "{age}");
    assert_eq!(counts(&flags).since, start);
}

#[tokio::test]
async fn counts_are_json() {
    let flags = start(memory()).await;

    flags.is_enabled("on", &Context::user("ana"));
    flags.boolean("no_such_flag", &Context::user("ana"), false);

    let mut json = serde_json::to_value(counts(&flags)).unwrap();
    for time in ["/since", "/flags/0/lastEvaluated", "/flags/1/lastEvaluated"] {
        let time = json.pointer_mut(time).unwrap();
        assert!(time.as_str().unwrap().ends_with('Z'), "{time}");
        *time = "2026-11-30T08:00:00Z".into();
    }
    let time = "2026-11-30T08:00:00Z";
    let outcome = json!({ "on": true, "reason": "STATIC", "count": 1 });
    let error = "FLAG_NOT_FOUND";
    let unknown = json!({ "on": false, "reason": "ERROR", "errorCode": error, "count": 1 });
    let flag = |key: &str, on: u64, outcome: &Value| {
        json!({
            "key": key,
            "total": 1,
            "on": on,
            "lastEvaluated": time,
            "distinctUnits": 0,
            "outcomes": [outcome],
        })
    };
    let expected = [flag("(unknown)", 0, &unknown), flag("on", 1, &outcome)];
    assert_eq!(json, json!({ "since": time, "flags": expected, "dropped": 0 }));
}

fn evaluations(metrics: &Snapshotter) -> Vec<(String, f64)> {
    counted(metrics, "flagstaff_evaluations_total")
}

#[tokio::test(start_paused = true)]
async fn metrics_have_what_was_gathered_and_a_shutdown_reports_the_rest() {
    let recorder = DebuggingRecorder::new();
    let (metrics, _guard) = (recorder.snapshotter(), set_default_local_recorder(&recorder));
    let flags = start(memory()).await;
    let ana = Context::user("ana");

    flags.is_enabled("on", &ana);
    flags.is_enabled("on", &ana);
    flags.is_enabled("nothing", &ana);
    assert!(evaluations(&metrics).is_empty());
    tokio::time::sleep(Duration::from_secs(11)).await;
    let gathered = evaluations(&metrics);
    flags.variant("page", &ana, "");
    flags.shutdown().await;

    let row = |flag: &str, variant: &str, reason: &str, count: f64| {
        let labels = format!("flag={flag:?},variant={variant:?},reason={reason:?}");
        (format!("flagstaff_evaluations_total{{{labels}}}"), count)
    };
    assert_eq!(gathered, [row("(unknown)", "off", "ERROR", 1.0), row("on", "on", "STATIC", 2.0)]);
    let variant = flags.variant("page", &ana, "").value;
    assert_eq!(evaluations(&metrics), [row("page", variant, "SPLIT", 1.0)]);
}
