//! Lost sources, and the setting `on_stale`. Time is paused.

use std::time::Duration;

use flagstaff::{
    Context, Definition, Flags, Memory, Percentage, Reason,
    answer::{Cause, FlagState},
    definition::OnStale,
    event::{ChangeCause, Event, Events},
};
use tokio::{sync::mpsc::UnboundedSender, time};

use crate::support::{Act, Scripted};

const PATIENCE: Duration = Duration::from_secs(300);

/// Returns a flag that is declared on for `bob` and overridden on for all users by a source that is lost.
async fn lost(on_stale: OnStale) -> (UnboundedSender<Act>, Flags) {
    let declared = Definition::new()
        .percentage(Percentage::ZERO)
        .allowed_users(["bob".to_owned()])
        .stale_after(PATIENCE)
        .on_stale(on_stale);
    let (script, source) = Scripted::new();
    for flag in ["_gone", "a"] {
        script.send(Act::Publish([(flag, true)].into_iter().collect())).unwrap();
    }
    let below = Memory::new().with("a", declared).with("patient", true);
    let flags = Flags::builder().source(source).source(below).start().await.unwrap();
    script.send(Act::Fail("connection refused")).unwrap();
    (script, flags)
}

fn ask(flags: &Flags, user: &'static str) -> (bool, Reason) {
    let answer = flags.boolean("a", &Context::user(user), false);
    (answer.value, answer.reason)
}

#[tokio::test(start_paused = true)]
async fn the_last_values_of_a_lost_source_stay_in_force_until_stale_after() {
    let (_script, flags) = lost(OnStale::Off).await;

    time::sleep(PATIENCE - Duration::from_millis(10)).await;
    assert_eq!(ask(&flags, "ana"), (true, Reason::Static));

    time::sleep(Duration::from_millis(20)).await;
    assert_eq!(ask(&flags, "ana"), (false, Reason::Stale));
    assert_eq!(flags.boolean("a", &Context::anonymous(), false).cause, Cause::Stale);
    assert_eq!(flags.boolean("patient", &Context::anonymous(), false).reason, Reason::Static);
}

#[tokio::test(start_paused = true)]
async fn each_on_stale_answers_as_documented() {
    for (on_stale, ana, bob) in [
        (OnStale::Keep, true, true),
        (OnStale::Declared, false, true),
        (OnStale::On, true, true),
        (OnStale::Off, false, false),
        (OnStale::Unavailable, false, false),
    ] {
        let (_script, flags) = lost(on_stale).await;

        time::sleep(PATIENCE * 2).await;

        assert_eq!(ask(&flags, "ana"), (ana, Reason::Stale), "{on_stale}");
        assert_eq!(ask(&flags, "bob"), (bob, Reason::Stale), "{on_stale}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_source_that_is_back_decides_again() {
    let (script, flags) = lost(OnStale::Off).await;
    time::sleep(PATIENCE * 2).await;
    let mut a = flags.watch("a");
    assert_eq!(*a.borrow_and_update(), FlagState::Off);

    script.send(Act::Confirm).unwrap();

    a.changed().await.unwrap();
    assert_eq!(*a.borrow(), FlagState::On);
    assert_eq!(ask(&flags, "ana"), (true, Reason::Static));
}

/// Returns the cause of the next change, the name of its source, and its text.
async fn next_change(events: &mut Events) -> (&'static str, Option<&'static str>, String) {
    let next = async {
        loop {
            let event = events.next().await.expect("the flags are alive");
            if let Event::Changed { cause, .. } = &event {
                return (cause.as_str(), cause.source().map(|it| it.name), event.to_string());
            }
        }
    };
    // A bound of the paused time, for a broken test.
    time::timeout(PATIENCE * 100, next).await.expect("a change")
}

#[tokio::test(start_paused = true)]
async fn a_change_by_stale_after_is_not_reported_as_one_of_the_lost_source() {
    for (on_stale, gone, back) in [
        (OnStale::Off, "a: on -> off", "a: off -> on"),
        // The value stays, but its reason changes.
        (OnStale::Keep, "a: on", "a: on"),
    ] {
        let (script, flags) = lost(on_stale).await;
        let mut events = flags.events();
        let told = |cause, line, end| {
            (cause, Some("scripted"), format!("{line}, since source `scripted` is {end}"))
        };

        assert_eq!(next_change(&mut events).await, told("source_lost", gone, "lost"));
        script.send(Act::Confirm).unwrap();

        assert_eq!(next_change(&mut events).await, told("source_back", back, "back"));
    }
}

#[tokio::test(start_paused = true)]
async fn of_two_lost_sources_each_is_named_for_what_its_absence_changes() {
    let patient = Definition::new().stale_after(PATIENCE).on_stale(OnStale::Declared);
    let (upper, above) = Scripted::new();
    let (lower, below) = Scripted::new();
    upper.send(Act::Publish([("a", false)].into_iter().collect())).unwrap();
    lower.send(Act::Publish([("a", true)].into_iter().collect())).unwrap();
    let declared = Memory::new().with("a", patient.percentage(Percentage::ZERO));
    let flags =
        Flags::builder().source(above).source(below).source(declared).start().await.unwrap();
    let mut events = flags.events();

    upper.send(Act::Fail("gone")).unwrap();
    let first = next_change(&mut events).await;
    lower.send(Act::Fail("gone")).unwrap();
    let second = next_change(&mut events).await;
    upper.send(Act::Confirm).unwrap();
    let third = next_change(&mut events).await;

    assert_eq!((first.0, first.1), ("source_lost", Some("scripted")));
    assert_eq!((second.0, second.1), ("source_lost", Some("scripted#2")));
    assert_eq!((third.0, third.1), ("source_back", Some("scripted")));
    assert_eq!(third.2, "a: off, changed enabled, since source `scripted` is back");
}

#[tokio::test(start_paused = true)]
async fn a_new_value_of_a_source_that_is_back_is_its_change() {
    let (script, flags) = lost(OnStale::Off).await;
    let mut events = flags.events();
    next_change(&mut events).await;

    script.send(Act::Publish([("_gone", true), ("a", false)].into_iter().collect())).unwrap();

    assert_eq!(
        next_change(&mut events).await.0,
        ChangeCause::Source(flags.sources_of("_gone")[0].source).as_str()
    );
}

#[tokio::test(start_paused = true)]
async fn a_source_that_never_answered_is_lost_from_the_start() {
    let declared = Definition::new().stale_after(PATIENCE).on_stale(OnStale::Off);
    let (_script, silent) = Scripted::new();
    let below = Memory::new().with("a", declared);
    let flags = Flags::builder().source(silent).source(below).start().await.unwrap();
    assert_eq!(ask(&flags, "ana"), (true, Reason::Static));

    time::sleep(PATIENCE).await;

    assert_eq!(ask(&flags, "ana"), (false, Reason::Stale));
}

#[tokio::test(start_paused = true)]
async fn sources_below_the_one_that_declares_it_do_not_matter() {
    let declared = Definition::new().stale_after(PATIENCE).on_stale(OnStale::Off);
    let (_script, silent) = Scripted::new();
    let above = Memory::new().with("a", declared);
    let flags = Flags::builder().source(above).source(silent).start().await.unwrap();

    time::sleep(PATIENCE * 2).await;

    assert_eq!(ask(&flags, "ana"), (true, Reason::Static));
}

#[tokio::test(start_paused = true)]
async fn a_gate_on_an_unavailable_flag_responds_with_503() {
    use http::{Request, Response};
    use tower::{Layer, ServiceExt, service_fn};

    let (_script, flags) = lost(OnStale::Unavailable).await;
    time::sleep(PATIENCE * 2).await;
    let inner = service_fn(async |_: Request<String>| {
        Ok::<_, std::convert::Infallible>(Response::new(String::new()))
    });

    for gate in [flags.gate("a"), flags.gate("a").inverted()] {
        let response = gate.layer(inner).oneshot(Request::default()).await.unwrap();

        assert_eq!(response.status(), 503);
        assert_eq!(response.headers()["retry-after"], "5");
        assert_eq!(response.headers()["cache-control"], "no-store");
    }
}
