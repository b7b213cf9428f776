//! `Flags`: starting, following sources, changing flags, and stopping.

use std::{error::Error, time::Duration};

use flagstaff::{
    Context, Definition, Flags, Memory, Percentage, Reason, WriteError,
    answer::{ErrorCode, FlagState},
    event::Event,
    source::{Offer, Status},
};
use futures_util::FutureExt;

use crate::support::{Act, BOUND, Scripted, next};

fn offer<const N: usize>(flags: [(&str, bool); N]) -> Act {
    Act::Publish(flags.into_iter().collect::<Offer>())
}

#[tokio::test]
async fn a_change_is_one_event_with_the_state_before_and_after() {
    let (script, source) = Scripted::new();
    script.send(offer([("a", false), ("same", true)])).unwrap();
    let flags = Flags::builder().source(source).start().await.unwrap();
    let mut events = flags.events();

    script.send(offer([("a", true), ("same", true), ("new", true)])).unwrap();

    let Event::Changed { cause, changes, generation, .. } = next(&mut events).await else {
        panic!("not a change")
    };
    let texts: Vec<String> = changes.iter().map(ToString::to_string).collect();
    assert_eq!(texts, ["a: off -> on", "new: unknown -> on"]);
    assert_eq!(cause.source().map(|source| source.name), Some("scripted"));
    assert_eq!(generation, flags.snapshot().generation());
}

#[tokio::test]
async fn a_change_that_keeps_the_state_names_the_settings() {
    let memory = Memory::new().with("a", Definition::new().enabled(true));
    let flags = Flags::builder().source(memory).start().await.unwrap();
    let mut events = flags.events();

    flags.set("a", Definition::new().owner("payments").salt("s")).await.unwrap();

    let Event::Changed { changes, .. } = next(&mut events).await else { panic!("not a change") };
    assert_eq!(changes[0].to_string(), "a: on, changed owner, salt");
}

#[tokio::test]
async fn the_same_state_again_makes_no_new_generation() {
    let memory = Memory::new().with("a", true);
    let flags = Flags::builder().source(memory.clone()).start().await.unwrap();
    let before = flags.snapshot().generation();

    memory.insert("a", true);

    assert_eq!(flags.snapshot().generation(), before);
}

#[tokio::test]
async fn writes_are_in_force_when_they_return_and_clear_uncovers_what_is_below() {
    let below = Memory::new().with("a", Definition::new().percentage(Percentage::ZERO));
    let flags = Flags::builder().source(Memory::new()).source(below).start().await.unwrap();
    let ana = Context::user("ana");

    flags.enable("a").await.unwrap();
    assert!(flags.is_enabled("a", &ana));

    flags.disable("a").await.unwrap();
    assert!(!flags.is_enabled("a", &ana));

    flags.clear("a").await.unwrap();
    flags.set("a", Definition::new().allowed_users(["ana"])).await.unwrap();
    assert!(flags.is_enabled("a", &ana));
    assert!(!flags.is_enabled("a", &Context::user("bob")));
}

#[tokio::test]
async fn flags_without_a_writable_source_say_so() {
    let (script, source) = Scripted::new();
    script.send(offer([])).unwrap();
    let flags = Flags::builder().source(source).start().await.unwrap();

    let error = flags.enable("a").await.unwrap_err();

    assert!(matches!(error, WriteError::ReadOnly));
}

#[tokio::test]
async fn a_failure_keeps_the_last_state_and_shows_in_health_and_events() {
    let (script, source) = Scripted::new();
    script.send(offer([("a", true)])).unwrap();
    let flags = Flags::builder().source(source).start().await.unwrap();
    let mut events = flags.events();
    assert!(flags.health().is_ready());

    script.send(Act::Fail("connection refused")).unwrap();

    let Event::Failed { source, kind, error, .. } = next(&mut events).await else {
        panic!("not a failure")
    };
    assert_eq!(
        (source.name, kind, error.to_string().as_str()),
        ("scripted", "failed", "connection refused")
    );
    assert!(flags.is_enabled("a", &Context::anonymous()));
    let health = flags.health();
    assert_eq!(health.sources[0].status, Status::Error);
    assert_eq!(health.sources[0].last_error_kind, Some("failed"));
    assert_eq!(health.sources[0].flags, 1);
    assert!(!health.is_ready());

    script.send(Act::Confirm).unwrap();

    assert!(matches!(next(&mut events).await, Event::Recovered { .. }));
    let health = flags.health();
    assert!(health.is_ready());
    assert!(health.sources[0].last_error.is_some());
}

#[tokio::test(start_paused = true)]
async fn health_has_the_age_of_the_last_answer_of_a_source() {
    let (script, source) = Scripted::new();
    script.send(offer([])).unwrap();
    let flags = Flags::builder().source(source).start().await.unwrap();

    tokio::time::advance(Duration::from_secs(5)).await;

    assert_eq!(flags.health().sources[0].age, Some(Duration::from_secs(5)));
}

// A deadlock stops the threads of the runtime, so a thread outside of the runtime detects it.
#[test]
fn sources_that_publish_from_another_thread_never_block_the_start() {
    let (done, started) = std::sync::mpsc::channel();

    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            for _ in 0..1_000 {
                let (script, source) = Scripted::new();
                for on in [false, true, false, true] {
                    script.send(offer([("a", on)])).unwrap();
                }
                Flags::builder().source(source).start().await.unwrap();
            }
        });
        done.send(()).unwrap();
    });

    started.recv_timeout(BOUND).expect("a thousand starts");
}

#[tokio::test]
async fn a_backend_that_ends_with_an_error_at_the_start_fails_the_start() {
    let (script, source) = Scripted::new();
    script.send(Act::End(Err("no such host"))).unwrap();

    let error = Flags::builder().source(source).start().await.unwrap_err();

    assert_eq!(error.to_string(), "source `scripted` cannot start");
    assert_eq!(error.source().unwrap().to_string(), "no such host");
}

#[tokio::test]
async fn a_backend_that_ends_with_an_error_later_keeps_its_flags() {
    let (script, source) = Scripted::new();
    script.send(offer([("a", true)])).unwrap();
    let flags = Flags::builder().source(source).start().await.unwrap();
    let mut events = flags.events();

    script.send(Act::End(Err("gone"))).unwrap();

    assert!(matches!(next(&mut events).await, Event::Failed { .. }));
    assert!(flags.is_enabled("a", &Context::anonymous()));
}

#[tokio::test]
async fn a_backend_that_panics_at_the_start_fails_the_start() {
    let (script, source) = Scripted::new();
    script.send(Act::Panic).unwrap();

    let error = Flags::builder().source(source).start().await.unwrap_err();

    assert_eq!(error.source().unwrap().to_string(), "it panicked: as the test wants it");
}

#[tokio::test]
async fn a_backend_that_panics_later_is_a_failed_source() {
    let (script, source) = Scripted::new();
    script.send(offer([("a", true)])).unwrap();
    let flags = Flags::builder().source(source).start().await.unwrap();
    let mut events = flags.events();

    script.send(Act::Panic).unwrap();

    let Event::Failed { error, .. } = next(&mut events).await else { panic!("not a failure") };
    assert_eq!(error.to_string(), "it panicked: as the test wants it");
    assert_eq!(flags.health().sources[0].status, Status::Error);
    assert!(flags.is_enabled("a", &Context::anonymous()));
}

#[tokio::test(start_paused = true)]
async fn a_source_that_does_not_answer_joins_later() {
    let (script, silent) = Scripted::new();
    let below = Memory::new().with("a", false);

    let flags = Flags::builder().source(silent).source(below).start().await.unwrap();

    assert_eq!(flags.health().sources[0].status, Status::NotReady);
    let mut a = flags.watch("a");
    assert_eq!(*a.borrow_and_update(), FlagState::Off);

    script.send(offer([("a", true)])).unwrap();

    a.changed().await.unwrap();
    assert_eq!(*a.borrow(), FlagState::On);
    assert!(flags.health().is_ready());
}

#[tokio::test]
async fn dropping_the_last_clone_ends_the_tasks() {
    let (script, source) = Scripted::new();
    script.send(offer([])).unwrap();
    let flags = Flags::builder().source(source).start().await.unwrap();
    let mut events = flags.events();
    let clone = flags.clone();

    drop(flags);
    assert!(!script.is_closed());
    drop(clone);

    script.closed().await;
    assert!(events.next().await.is_none());
}

#[tokio::test]
async fn after_a_shutdown_the_last_generation_goes_on_answering() {
    let (script, source) = Scripted::new();
    script.send(offer([("a", true)])).unwrap();
    let flags = Flags::builder().source(source).start().await.unwrap();
    let mut events = flags.events();

    flags.shutdown().await;

    assert!(script.is_closed());
    assert!(events.next().await.is_none());
    assert!(flags.is_enabled("a", &Context::anonymous()));
    assert!(flags.events().next().await.is_none());
}

#[tokio::test]
async fn every_shutdown_call_waits_until_the_tasks_have_ended() {
    let (script, source) = Scripted::new();
    script.send(offer([])).unwrap();
    let flags = Flags::builder().source(source).start().await.unwrap();
    let mut first = Box::pin(flags.shutdown());

    // The task shares this thread, so it cannot have ended yet.
    assert!(first.as_mut().now_or_never().is_none());
    assert!(flags.shutdown().now_or_never().is_none());
    assert!(!script.is_closed());

    drop(first);
    flags.shutdown().await;

    assert!(script.is_closed());
}

#[tokio::test]
async fn a_slow_receiver_gets_the_number_of_missed_events() {
    let memory = Memory::new();
    let flags = Flags::builder().source(memory.clone()).start().await.unwrap();
    let mut events = flags.events();

    for n in 0..300 {
        memory.insert("a", n % 2 == 0);
    }

    assert!(matches!(next(&mut events).await, Event::Missed(44)));
    assert!(matches!(next(&mut events).await, Event::Changed { .. }));
}

#[tokio::test]
async fn a_pinned_request_keeps_its_generation_also_in_tasks() {
    use flagstaff::WithCurrentFlags;

    let flags = Flags::builder()
        .source(Memory::new().with("a", true).with("b", true))
        .start()
        .await
        .unwrap();
    let request = flags.pin(Context::user("ana"));

    let handler = async {
        let before = flagstaff::is_enabled("a");
        flags.disable("a").await.unwrap();
        flags.disable("b").await.unwrap();
        let task = async { flagstaff::is_enabled("b") };
        let spawned = tokio::spawn(task.with_current_flags()).await.unwrap();
        (before, flagstaff::is_enabled("a"), spawned)
    };
    let seen = request.scope(handler).await;

    assert_eq!(seen, (true, true, true));
    assert!(!flags.is_enabled("a", &Context::anonymous()));
}

#[tokio::test]
async fn outside_a_request_there_are_no_flags_and_the_default_is_answered() {
    for default in [true, false] {
        let answer = flagstaff::boolean("a", default);

        assert_eq!((answer.value, answer.reason), (default, Reason::Error));
        assert_eq!(answer.error_code, Some(ErrorCode::ProviderNotReady));
    }
    assert!(!flagstaff::is_enabled("a"));
    assert!(flagstaff::current().is_none());
}

#[tokio::test]
async fn two_flags_side_by_side_do_not_mix() {
    let one = Flags::builder().source(Memory::new().with("a", true)).start().await.unwrap();
    let two = Flags::builder().source(Memory::new().with("a", false)).start().await.unwrap();

    for _ in 0..3 {
        assert!(one.is_enabled("a", &Context::anonymous()));
        assert!(!two.is_enabled("a", &Context::anonymous()));
    }
}

#[test]
fn every_thread_sees_a_change_at_its_next_question() {
    let flags = Flags::for_test().on("a").start();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let (asked, ask) = (std::sync::Barrier::new(5), std::sync::Barrier::new(5));

    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                assert!(flags.is_enabled("a", &Context::anonymous()));
                asked.wait();
                ask.wait();
                assert!(!flags.is_enabled("a", &Context::anonymous()));
            });
        }
        asked.wait();
        runtime.block_on(flags.disable("a").into_future()).unwrap();
        ask.wait();
    });
}

#[tokio::test]
async fn a_watch_is_quiet_while_the_state_stays() {
    let memory = Memory::new().with("a", Definition::new());
    let flags = Flags::builder().source(memory.clone()).start().await.unwrap();
    let a = flags.watch("a");

    memory.insert("a", Definition::new().owner("payments"));

    assert!(!a.has_changed().unwrap());
}

#[tokio::test]
async fn a_change_of_only_the_source_is_an_event() {
    let (above, below) = (Memory::new(), Memory::new().with("a", true));
    let flags = Flags::builder().source(above.clone()).source(below).start().await.unwrap();
    let mut events = flags.events();

    above.insert("a", true);

    assert_eq!(next(&mut events).await.to_string(), "a: on, set by other sources");
}

#[test]
fn health_can_be_read_while_a_watched_value_is_held() {
    let flags = Flags::for_test().on("a").start();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let watch = flags.watch("a");
    let held = watch.borrow();
    let (done, finished) = std::sync::mpsc::channel();

    std::thread::scope(|scope| {
        // The change waits until the value is released. Evaluations must not wait for the change.
        scope.spawn(|| runtime.block_on(flags.disable("a").into_future()).unwrap());
        let asker = flags.clone();
        std::thread::spawn(move || {
            while asker.is_enabled("a", &Context::anonymous()) {
                std::thread::yield_now();
            }
            assert!(asker.health().is_ready());
            done.send(()).unwrap();
        });
        let asked = finished.recv_timeout(BOUND);
        drop(held);
        asked.expect("no deadlock");
    });
}
