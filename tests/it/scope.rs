//! Scopes: the flags, the context and the overrides of a request stay together.

use std::{
    sync::{Arc, Mutex},
    thread,
};

use flagstaff::{
    Context, FlagName, Flags, Memory, RequestFlags, WithCurrentFlags,
    request::{Scope, current_scope},
    testing::{Overrides, with_overrides},
};

fn ana() -> Context<'static> {
    Context::user("ana")
}

#[tokio::test]
async fn a_closure_on_another_thread_finds_flags_context_and_overrides() {
    let flags = Flags::for_test().on_for("vip", "ana").off("beta").start();
    let ask = || [flagstaff::is_enabled("vip"), flagstaff::is_enabled("beta")];

    let handler = async {
        let scope = current_scope();
        let blocking = tokio::task::spawn_blocking({
            let scope = scope.clone();
            move || scope.in_scope(ask)
        });
        let thread = thread::spawn(move || scope.in_scope(ask));
        (blocking.await.unwrap(), thread.join().unwrap())
    };
    let request = flags.pin(ana());
    let seen = with_overrides([("beta", true)], request.scope(handler)).await;

    assert_eq!(seen, ([true; 2], [true; 2]));
}

#[tokio::test]
async fn the_flags_of_a_request_keep_its_overrides_wherever_they_are_asked() {
    let flags = Flags::for_test().off("beta").with("price", prices()).start();
    let request = flags.pin(ana());
    let overrides = Overrides::new().on("beta").variant("price", "high");

    let carried: RequestFlags =
        with_overrides(overrides, request.scope(async { flagstaff::current().unwrap() })).await;
    let pinned = Overrides::new().on("beta").run(|| flags.pin(ana()));

    let seen = thread::spawn(move || {
        assert!(carried.is_enabled("beta"));
        assert_eq!(carried.variant("price", "none").value, "high");
        assert!(carried.explain("beta").answer.value);
        assert!(carried.sync_scope(|| flagstaff::is_enabled("beta")));
        assert!(pinned.is_enabled("beta"));
        flagstaff::current().is_none()
    });
    assert!(seen.join().unwrap(), "the scope is over");
    assert!(!request.is_enabled("beta"), "it was pinned outside");
}

fn prices() -> flagstaff::Definition {
    flagstaff::Definition::new().variants([("control", 100), ("high", 0)])
}

#[test]
fn an_override_further_in_beats_those_that_travel_with_a_request() {
    let flags = Flags::for_test().off("a").off("b").start();

    let seen = Overrides::new().on("a").on("b").run(|| {
        let request = flags.pin(ana());
        let scope = current_scope();
        Overrides::new().off("a").run(|| {
            let ask = || ["a", "b"].map(flagstaff::is_enabled);
            let asked = ["a", "b"].map(|key| request.is_enabled(key));
            [asked, request.sync_scope(ask), scope.in_scope(ask)]
        })
    });

    assert_eq!(seen, [[false, true]; 3]);
}

#[test]
fn an_override_that_both_share_stays_outside_of_the_others() {
    let flags = Flags::for_test().off("a").off("b").start();

    let seen = Overrides::new().on("a").run(|| {
        let request = Overrides::new().on("b").run(|| flags.pin(ana()));
        Overrides::new().off("a").run(|| ["a", "b"].map(|key| request.is_enabled(key)))
    });

    assert_eq!(seen, [false, true]);
}

#[test]
fn an_empty_scope_takes_nothing_away() {
    let empty = current_scope();

    let on = Overrides::new().on("a").run(|| empty.in_scope(|| flagstaff::is_enabled("a")));

    assert!(on);
    assert!(Scope::default().in_scope(flagstaff::current).is_none());
}

#[test]
fn a_scope_ends_with_a_panic() {
    let panics = || Overrides::new().on("a").run(|| panic!("as the test wants it"));

    let panicked = std::panic::catch_unwind(panics);

    assert!(panicked.is_err());
    assert!(flagstaff::current().is_none());
}

/// A value that records the scope when it is dropped.
struct Notes(Arc<Mutex<Vec<bool>>>);

impl Drop for Notes {
    fn drop(&mut self) {
        self.0.lock().unwrap().push(flagstaff::is_enabled("a"));
    }
}

#[tokio::test]
async fn a_future_is_dropped_in_its_scope_whether_it_has_ended_or_not() {
    let flags = Flags::builder().source(Memory::new().with("a", true)).start().await.unwrap();
    let (request, seen) = (flags.pin(ana()), Arc::default());
    let holding = |ends: bool| {
        let notes = Notes(Arc::clone(&seen));
        request.scope(async move {
            if !ends {
                std::future::pending::<()>().await;
            }
            drop(notes);
        })
    };

    holding(true).await;
    let task = tokio::spawn(holding(false));
    tokio::task::yield_now().await;
    task.abort();
    assert!(task.await.unwrap_err().is_cancelled());
    drop(holding(false));
    drop(request.scope(holding(true)).with_current_flags());

    assert_eq!(*seen.lock().unwrap(), [true; 4]);
}

#[tokio::test]
async fn constants_name_flags_in_every_function_of_a_test() {
    const BETA: FlagName = FlagName::new("beta");
    const VIP: FlagName = FlagName::new("vip");
    const PRICE: FlagName = FlagName::new("price");
    let flags = Flags::for_test().on(BETA).off("old").on_for(VIP, "ana").with(PRICE, prices());
    let flags = flags.start();
    let old = flags.flag("old");

    assert!(flags.is_enabled(BETA, &ana()) && flags.is_enabled(VIP, &ana()));
    with_overrides([(&old, true)], async { assert!(flags.is_enabled(&old, &ana())) }).await;
    Overrides::new().off(BETA).on(&old).variant(PRICE, "high").run(|| {
        assert!(!flags.is_enabled(BETA, &ana()));
        assert_eq!(flags.variant(PRICE, &ana(), "none").value, "high");
        flagstaff::testing::assert_evaluated(PRICE);
    });
    let sides = flagstaff::testing::both(BETA).run(|| flagstaff::is_enabled(BETA));
    assert_eq!((sides.on, sides.off), (true, false));
    flags.assert_evaluated(VIP);
}
