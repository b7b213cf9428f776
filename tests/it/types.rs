//! Each flag has one type of values, over all sources.

use flagstaff::{
    Context, Definition, Flags, Memory, WriteError,
    definition::{Prerequisite, Variant, Variants},
    event::Event,
    source::Status,
};

use crate::support::next;

fn ana() -> Context<'static> {
    Context::user("ana")
}

fn number(value: i64) -> Definition {
    Definition::new().value(value)
}

/// Returns flags with two sources, both of which can be changed.
async fn stacked(above: &Memory, below: &Memory) -> Flags {
    Flags::builder().source(above.clone()).source(below.clone()).start().await.unwrap()
}

#[tokio::test]
async fn a_value_of_another_type_keeps_the_last_good_one_of_its_source() {
    let (above, below) = (Memory::new().with("a", number(60)), Memory::new().with("a", number(50)));
    let flags = stacked(&above, &below).await;
    let mut events = flags.events();
    let value = || flags.integer("a", &ana(), -1).value;

    above.insert("a", Definition::new().value("x"));

    assert_eq!(value(), 60);
    let Event::Failed { source, kind, .. } = &next(&mut events).await else { panic!() };
    assert_eq!((source.position, *kind), (0, "invalid"));
    let health = flags.health();
    assert_eq!([0, 1].map(|at| health.sources[at].status), [Status::Error, Status::Ready]);
    assert_eq!(health.sources[0].former, 1);

    above.insert("a", number(70));
    assert_eq!(value(), 70);
    assert!(matches!(next(&mut events).await, Event::Changed { .. } | Event::Recovered { .. }));
    assert_eq!(flags.health().sources[0].status, Status::Ready);
}

/// The order in which sources publish makes no difference.
#[tokio::test]
async fn a_change_of_the_type_below_rejects_what_is_above() {
    let (above, below) = (Memory::new().with("a", number(60)), Memory::new().with("a", number(50)));
    let flags = stacked(&above, &below).await;

    below.insert("a", Definition::new().value("fifty"));

    let answer = flags.string("a", &ana(), "default");
    assert_eq!(
        (answer.value.as_str(), flags.health().sources[0].status),
        ("default", Status::Error)
    );
    above.remove("a");
    assert_eq!(flags.string("a", &ana(), "default").value, "fifty");
    assert_eq!(flags.health().sources[0].status, Status::Ready);
}

/// The rejected value may have been on. So a requirement that the flag is off is not met.
#[tokio::test]
async fn without_a_good_value_the_flag_is_off_for_callers_and_not_for_other_flags() {
    let needing = Definition::new().requires([Prerequisite::off("a")]);
    let above = Memory::new().with("a", Definition::new().value(["x"]));
    let below = Memory::new().with("a", number(50)).with("needs_it_off", needing);
    let flags = stacked(&above, &below).await;

    assert!(!flags.is_enabled("a", &ana()) && !flags.is_enabled("needs_it_off", &ana()));

    let killed = Definition::new().value(["x"]).enabled(false);
    above.insert("a", killed);
    assert!(!flags.is_enabled("a", &ana()) && flags.is_enabled("needs_it_off", &ana()));
}

#[tokio::test]
async fn a_change_to_another_type_is_refused() {
    let above = Memory::new();
    let fast = Variants::new().with("fast", Variant::new().weight(1).value(200));
    let below = Memory::new().with("a", number(50)).with("v", Definition::new().variants(fast));
    let flags = stacked(&above, &below).await;

    for (flag, patch) in [
        ("a", Definition::new().value("x")),
        ("v", Definition::new().variants([("slow", Variant::new().weight(1).value("x"))])),
        ("v", Definition::new().variants([("slow", 1)])),
    ] {
        let refused = flags.set(flag, patch).await;
        assert!(matches!(refused, Err(WriteError::Failed { .. })), "{flag}: {refused:?}");
    }
    flags.set("a", number(60)).await.unwrap();
    flags.set("v", Definition::new().variants([("fast", 5)])).await.unwrap();
    flags.set("new", Definition::new().value("x")).await.unwrap();
    assert_eq!(flags.integer("a", &ana(), -1).value, 60);
}
