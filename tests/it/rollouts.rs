//! Staged rollouts and active windows, as time passes. Time is paused, and the clock follows it.

use std::{
    sync::{Arc, Mutex},
    time::{Duration, SystemTime},
};

use flagstaff::{
    Context, Definition, Flags, Memory, Percentage, Reason,
    answer::{Cause, FlagState},
    definition::{Active, Rollout, Stage},
    event::{ChangeCause, Event, Events},
    source::SourceKind,
};
use tokio::time::{self, Instant};

const HOUR: Duration = Duration::from_secs(3600);

fn epoch() -> SystemTime {
    SystemTime::UNIX_EPOCH + 500_000 * HOUR
}

fn whole(percent: u32) -> Percentage {
    Percentage::whole(percent).unwrap()
}

/// 1 % for two hours, 25 % for twelve, then all users.
fn stages() -> Rollout {
    Rollout::new([
        Stage::new(whole(1)).lasting(2 * HOUR),
        Stage::new(whole(25)).lasting(12 * HOUR),
        Stage::new(whole(100)),
    ])
}

/// Starts flags with one source, at the time `epoch()`.
async fn flags(definitions: impl IntoIterator<Item = (&'static str, Definition)>) -> Flags {
    let memory = Memory::new();
    for (key, definition) in definitions {
        memory.insert(key, definition);
    }
    let start = Instant::now();
    let flags = Flags::builder().source(memory).clock(move || epoch() + start.elapsed());
    flags.start().await.unwrap()
}

/// Returns the next change, within a bound of paused time for a broken test.
async fn changes(events: &mut Events) -> (ChangeCause, Vec<String>) {
    match time::timeout(1000 * HOUR, events.next()).await.expect("a change").expect("flags") {
        Event::Changed { cause, changes, .. } => {
            (cause, changes.iter().map(ToString::to_string).collect())
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test(start_paused = true)]
async fn each_stage_is_in_force_and_reported_on_time() {
    let checkout = Definition::new().rollout(stages().start(epoch() + HOUR));
    let flags = flags([("new_checkout", checkout)]).await;
    let mut events = flags.events();
    let began = Instant::now();

    for (after, told) in [
        (HOUR, "new_checkout: off -> 1%"),
        (3 * HOUR, "new_checkout: 1% -> 25%"),
        (15 * HOUR, "new_checkout: 25% -> on"),
    ] {
        // Only the timers of the flags advance the paused time here.
        assert_eq!(changes(&mut events).await, (ChangeCause::Time, vec![told.to_owned()]));
        let late = began.elapsed() - after;
        assert!(late <= Duration::from_millis(2), "{late:?}");
    }
    assert_eq!(flags.boolean("new_checkout", &Context::anonymous(), false).reason, Reason::Static);
}

#[tokio::test(start_paused = true)]
async fn boundaries_at_the_same_instant_make_one_generation() {
    let rollout = || Definition::new().rollout(stages().start(epoch() + HOUR));
    let flags = flags([("a", rollout()), ("b", rollout()), ("c", Definition::new())]).await;
    let mut events = flags.events();

    let (_, told) = changes(&mut events).await;

    assert_eq!(told, ["a: off -> 1%", "b: off -> 1%"]);
}

#[tokio::test(start_paused = true)]
async fn a_growing_stage_keeps_the_users_of_the_stages_before_and_of_a_percentage() {
    let users: Vec<_> = (0..1000).map(|n| format!("user-{n}")).collect();
    let inside = |flags: &Flags| -> Vec<bool> {
        users.iter().map(|user| flags.is_enabled("a", &Context::user(user))).collect()
    };
    let rolling = flags([("a", Definition::new().rollout(stages().start(epoch())))]).await;
    let first = inside(&rolling);
    let mut a = rolling.watch("a");
    a.changed().await.unwrap();

    let second = inside(&rolling);

    assert!(first.iter().zip(&second).all(|(before, after)| after >= before));
    assert!(first.contains(&true) && first < second);
    let plain = flags([("a", Definition::new().percentage(whole(25)))]).await;
    assert_eq!(second, inside(&plain));
}

#[tokio::test(start_paused = true)]
async fn a_flag_is_off_outside_of_its_window() {
    let window = Active::new().from(epoch() + HOUR).until(epoch() + 3 * HOUR);
    let sale = Definition::new().active(window).allowed_users(["ana"]);
    let flags = flags([("sale", sale)]).await;
    let mut events = flags.events();
    let ask = || flags.boolean("sale", &Context::user("ana"), false);

    assert_eq!(
        (ask().value, ask().reason, ask().cause),
        (false, Reason::Disabled, Cause::Inactive)
    );
    assert_eq!(changes(&mut events).await.1, ["sale: off -> on"]);
    assert!(ask().value);
    assert_eq!(changes(&mut events).await.1, ["sale: on -> off"]);
    assert_eq!(ask().cause, Cause::Inactive);
}

#[tokio::test(start_paused = true)]
async fn deny_and_allow_lists_hold_in_every_stage() {
    let rollout =
        Definition::new().rollout(stages()).allowed_users(["ana"]).denied_users(["mallory"]);
    let flags = flags([("a", rollout)]).await;

    assert!(flags.is_enabled("a", &Context::user("ana")));
    assert!(!flags.is_enabled("a", &Context::user("bob")));
    assert!(!flags.is_enabled("a", &Context::user("mallory")));
}

#[tokio::test(start_paused = true)]
async fn a_percentage_of_a_stronger_source_beats_the_rollout() {
    let declared = Memory::new().with("a", Definition::new().rollout(stages()));
    let flags = Flags::builder().source(Memory::new()).source(declared).start().await.unwrap();
    assert_eq!(*flags.watch("a").borrow(), FlagState::Off);

    flags.set("a", Definition::new().percentage(whole(100))).await.unwrap();
    assert_eq!(*flags.watch("a").borrow(), FlagState::On);
    let drift = flags.drift();
    assert_eq!(drift[0].fields.len(), 2, "{drift:?}");

    flags.clear("a").await.unwrap();
    assert_eq!(*flags.watch("a").borrow(), FlagState::Off);
    flags.enable("a").await.unwrap();
    assert!(flags.is_enabled("a", &Context::anonymous()));
}

#[tokio::test(start_paused = true)]
async fn a_clock_that_is_set_is_noticed_within_half_a_minute() {
    let clock = Arc::new(Mutex::new(epoch()));
    let read = Arc::clone(&clock);
    let memory = Memory::new().with("a", Definition::new().rollout(stages().start(epoch() + HOUR)));
    let flags = Flags::builder().source(memory).clock(move || *read.lock().unwrap());
    let flags = flags.start().await.unwrap();
    let mut a = flags.watch("a");

    for (jump, state) in [(4 * HOUR, "25%"), (2 * HOUR, "1%"), (99 * HOUR, "on"), (HOUR / 2, "off")]
    {
        let before = Instant::now();
        *clock.lock().unwrap() = epoch() + jump;

        a.changed().await.unwrap();

        assert_eq!(a.borrow_and_update().to_string(), state);
        assert!(before.elapsed() <= Duration::from_secs(31), "{:?}", before.elapsed());
    }
}

#[tokio::test(start_paused = true)]
async fn a_rollout_that_is_added_later_runs_too() {
    let memory = Memory::new();
    let start = Instant::now();
    let flags = Flags::builder().source(memory.clone()).clock(move || epoch() + start.elapsed());
    let flags = flags.start().await.unwrap();
    time::sleep(HOUR).await;
    let mut events = flags.events();

    memory.insert("a", Definition::new().rollout(stages().start(epoch())));

    let (cause, told) = changes(&mut events).await;
    assert!(matches!(cause, ChangeCause::Source(source) if source.kind == SourceKind::Memory));
    assert_eq!(told, ["a: unknown -> 1%"]);
    assert_eq!(changes(&mut events).await, (ChangeCause::Time, vec!["a: 1% -> 25%".to_owned()]));
    assert!(start.elapsed() >= 2 * HOUR);
}
