//! The helpers for tests of services: `Flags::for_test`, overrides and assertions.

use std::time::SystemTime;

use flagstaff::{
    Context, Definition, Flags, Memory, WithCurrentFlags,
    answer::Cause,
    definition::{Prerequisite, Variant, Variants},
    testing::{Overrides, Sides, assert_evaluated, both, with_overrides},
};

fn ana() -> Context<'static> {
    Context::user("ana")
}

#[test]
#[should_panic(expected = "flag `new_chekout` was asked for, and the test did not set it")]
fn a_flag_that_the_test_did_not_set_panics_with_its_name() {
    let flags = Flags::for_test().on("new_checkout").start();

    flags.is_enabled("new_chekout", &ana());
}

#[test]
fn on_off_and_for_a_user_are_as_set() {
    let flags = Flags::for_test().on("a").off("b").on_for("c", "ana").on_for("c", "bob").start();

    let seen =
        |user: &'static str| ["a", "b", "c"].map(|key| flags.is_enabled(key, &Context::user(user)));

    assert_eq!(seen("ana"), [true, false, true]);
    assert_eq!(seen("bob"), [true, false, true]);
    assert_eq!(seen("eve"), [true, false, false]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn overrides_hold_for_their_future_alone_however_many_run_at_once() {
    let flags = Flags::for_test().off("a").start();
    let mut tasks = tokio::task::JoinSet::new();

    for n in 0..100 {
        let flags = flags.clone();
        tasks.spawn(async move {
            let on = n % 2 == 0;
            let asks = async {
                for _ in 0..20 {
                    assert_eq!(flags.is_enabled("a", &ana()), on);
                    tokio::task::yield_now().await;
                }
            };
            with_overrides([("a", on)], asks).await;
            assert!(!flags.is_enabled("a", &ana()));
        });
    }

    while let Some(task) = tasks.join_next().await {
        task.unwrap();
    }
}

#[tokio::test]
async fn an_inner_override_beats_an_outer_one_and_both_reach_spawned_tasks() {
    let flags = Flags::for_test().off("a").off("b").start();
    let asks = async {
        let task = async move { ["a", "b"].map(|key| flags.is_enabled(key, &ana())) };
        tokio::spawn(task.with_current_flags()).await.unwrap()
    };

    let inner = async { with_overrides([("b", false)], asks).await };
    let seen = with_overrides([("a", true), ("b", true)], inner).await;

    assert_eq!(seen, [true, false]);
}

#[tokio::test]
async fn overrides_and_requests_nest_in_any_order() {
    let flags = Flags::for_test().off("a").off("b").on("c").start();
    let seen = || ["a", "b", "c"].map(flagstaff::is_enabled);

    // The inner future is made before the outer scope begins.
    let inner = with_overrides([("b", true)], async { seen() });
    let request = flags.pin(ana()).scope(inner);
    let outer = with_overrides([("a", true), ("b", false)], request);

    assert_eq!(outer.await, [true, true, true]);
}

#[tokio::test]
async fn overrides_hold_for_all_flags_at_once_too() {
    let flags = Flags::for_test().off("a").start();

    let all = with_overrides([("a", true)], async { flags.all(&ana()) }).await;

    assert!(all[0].1.value);
}

#[tokio::test]
async fn an_override_is_a_variant_or_a_value_too() {
    let prices = Definition::new().variants([("control", 100), ("high", 0)]);
    let timeout = Variants::new()
        .with("fast", Variant::new().weight(1).value(200))
        .with("slow", Variant::new().value(800));
    let timeout = Definition::new().variants(timeout);
    let flags = Flags::for_test().with("price", prices).with("timeout", timeout).start();
    let ask = || {
        let price = flags.variant("price", &ana(), "none");
        let timeout = flags.integer("timeout", &ana(), 0);
        (price.value, timeout.value, timeout.variant.unwrap())
    };

    assert_eq!(ask(), ("control", 200, "fast"));
    let names = with_overrides([("price", "high"), ("timeout", "slow")], async { ask() }).await;
    assert_eq!(names, ("high", 800, "slow"));
    let known = with_overrides([("timeout", 800)], async { ask() }).await;
    assert_eq!(known, ("control", 800, "slow"));
    let values = Overrides::new().variant("price", "high").value("timeout", 5).run(ask);
    assert_eq!(values, ("high", 5, "test"));
    let off = Overrides::new().off("price").run(|| flags.boolean("price", &ana(), false));
    assert_eq!((off.value, off.variant, off.cause), (false, Some("control"), Cause::Test));
}

#[test]
fn an_override_of_a_constant_is_a_value_without_a_variant() {
    let flags = Flags::for_test().with("limit", Definition::new().value(50)).start();
    let ask = || {
        let limit = flags.integer("limit", &ana(), 0);
        (limit.value, limit.variant)
    };

    assert_eq!(ask(), (50, None));
    assert_eq!(Overrides::new().value("limit", 60).run(ask), (60, None));
    assert_eq!(Overrides::new().value("limit", 50).run(ask), (50, None));
    assert_eq!(Overrides::new().off("limit").run(ask), (0, None));
}

#[test]
fn an_override_with_a_variant_holds_for_a_flag_that_requires_it() {
    let prices = Definition::new().variants([("control", 100), ("high", 0)]);
    let banner = Definition::new().requires([Prerequisite::variant("price", "high")]);
    let flags = Flags::for_test().with("price", prices).with("banner", banner).start();
    let ask = || flags.is_enabled("banner", &ana());

    assert!(!ask());
    assert!(Overrides::new().variant("price", "high").run(ask));
}

#[test]
#[should_panic(
    expected = "overrides flag `price` with the variant `hihg`, which it does not have: \
                           its variants are `control`, `high`"
)]
fn an_override_with_a_variant_that_the_flag_lacks_panics() {
    let prices = Definition::new().variants([("control", 100), ("high", 0)]);
    let flags = Flags::for_test().with("price", prices).start();

    Overrides::new().variant("price", "hihg").run(|| flags.is_enabled("price", &ana()));
    Overrides::new().variant("price", "hihg").run(|| flags.variant("price", &ana(), "none"));
}

#[test]
#[should_panic(expected = "flag `betta` was asked for, and the test did not set it")]
fn an_ambient_flag_that_the_test_did_not_override_panics() {
    Overrides::new().on("beta").run(|| flagstaff::is_enabled("betta"));
}

#[test]
#[should_panic(expected = "did not set it (a similar one is `beta`)")]
fn an_ambient_flag_that_the_flags_in_scope_lack_panics() {
    let flags = Flags::for_test().on("beta").start();

    flags.pin(ana()).sync_scope(|| flagstaff::boolean("betta", false));
}

#[tokio::test]
async fn real_flags_in_scope_answer_for_what_is_not_overridden() {
    let flags = Flags::builder().source(Memory::new().with("a", true)).start().await.unwrap();

    let asks = async { ["a", "b", "c"].map(flagstaff::is_enabled) };
    let seen = with_overrides([("b", true)], flags.pin(ana()).scope(asks)).await;

    assert_eq!(seen, [true, true, false]);
}

#[tokio::test]
async fn both_sides_of_a_flag_run() {
    let flags = Flags::for_test().off("a").off("b").start();
    let ask = || ["a", "b"].map(|key| flags.is_enabled(key, &ana()));

    let sides = both("a").run(ask);
    let nested = both("a").run_async(async || both("b").run_async(async || ask()).await).await;

    assert_eq!(sides, Sides { on: [true, false], off: [false, false] });
    assert_eq!(nested.on, Sides { on: [true, true], off: [true, false] });
    assert_eq!(nested.off, Sides { on: [false, true], off: [false, false] });
}

/// Returns the message of a panic.
fn message(test: impl FnOnce()) -> String {
    let panic = std::panic::catch_unwind(std::panic::AssertUnwindSafe(test)).unwrap_err();
    *panic.downcast::<String>().unwrap()
}

#[test]
fn the_side_that_fails_is_named() {
    let ran = std::cell::Cell::new(0);
    let fails = |side: fn() -> bool| {
        message(|| {
            both("a").run(|| {
                ran.set(ran.get() + 1);
                assert!(side(), "oh");
            });
        })
    };

    let on = fails(|| !flagstaff::is_enabled("a"));
    assert_eq!(on, "the test fails while flag `a` is on, and passes while it is off: oh");
    let off = fails(|| flagstaff::is_enabled("a"));
    assert_eq!(off, "the test fails while flag `a` is off, and passes while it is on: oh");
    let both = fails(|| false);
    assert_eq!(both, "the test fails while flag `a` is on, and while it is off: oh; oh");
    assert_eq!(ran.get(), 6, "the second side runs, too");
}

#[tokio::test]
#[should_panic(expected = "the test fails while flag `a` is off, and passes while it is on: oh")]
async fn the_side_of_a_future_that_fails_is_named() {
    let test = async || {
        tokio::task::yield_now().await;
        assert!(flagstaff::is_enabled("a"), "oh");
    };

    both("a").run_async(test).await;
}

#[tokio::test]
async fn a_flag_that_was_asked_for_was_evaluated() {
    let flags = Flags::for_test().on("a").off("b").start();
    let b = flags.flag("b");

    let test = async {
        let task = async { flagstaff::is_enabled("c") };
        tokio::spawn(task.with_current_flags()).await.unwrap();
        let inner = async { flags.is_enabled("a", &ana()) };
        with_overrides([("x", true)], inner).await;
        assert!(!flags.is_enabled(&b, &ana()));
        for key in ["a", "b", "c"] {
            assert_evaluated(key);
        }
    };
    with_overrides([("c", true)], test).await;

    flags.assert_evaluated("a");
    flags.assert_evaluated(&b);
    let unasked = message(|| flags.assert_evaluated("c"));
    assert_eq!(unasked, "flag `c` was not evaluated, only `a`, `b`");
}

#[test]
fn a_flag_that_another_one_requires_was_evaluated() {
    let needs = Definition::new().requires(["a"]);
    let flags = Flags::for_test().on("a").with("b", needs).start();

    assert!(flags.is_enabled("b", &ana()));

    flags.assert_evaluated("a");
}

#[test]
fn an_assertion_without_recording_panics_with_the_reason() {
    let unasked = message(|| Overrides::new().on("a").run(|| assert_evaluated("a")));
    assert_eq!(unasked, "flag `a` was not evaluated, and neither was any other");

    let outside = std::panic::catch_unwind(|| assert_evaluated("a")).unwrap_err();
    let outside = outside.downcast::<String>().unwrap();
    assert!(outside.starts_with("no overrides are in force"), "{outside}");
}

#[tokio::test]
#[should_panic(expected = "these flags do not record evaluations")]
async fn flags_of_services_record_no_evaluations() {
    let flags = Flags::builder().source(Memory::new().with("a", true)).start().await.unwrap();
    assert!(flags.is_enabled("a", &ana()));

    flags.assert_evaluated("a");
}

const DECLARED: &str = r#"
[flags.sale]
active = { from = 2026-12-24, until = 2026-12-27 }

[flags.quiet]
percentage = 0
denied_users = ["mallory"]

[flags.beta]
percentage = 0
allowed_users = ["ana"]

[[flags.beta.tests]]
user = "ana"
expect = true
"#;

fn time(text: &str) -> SystemTime {
    text.parse::<jiff::Timestamp>().unwrap().try_into().unwrap()
}

#[test]
fn the_flags_of_a_file_are_as_at_the_time_of_the_test() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("flags.toml");
    std::fs::write(&path, DECLARED).unwrap();
    let at = |when| Flags::for_test().file(&path).at(time(when)).start();

    assert!(at("2026-12-25T00:00:00Z").is_enabled("sale", &ana()));
    assert!(!at("2026-12-28T00:00:00Z").is_enabled("sale", &ana()));
    assert!(at("2026-12-28T00:00:00Z").is_enabled("beta", &ana()));
}

#[test]
fn what_a_test_sets_overrides_its_file_wherever_it_stands() {
    let at = time("2026-12-28T00:00:00Z");
    let before = Flags::for_test().off("beta").on("quiet").toml(DECLARED).at(at).start();
    let after = Flags::for_test().toml(DECLARED).off("beta").on("quiet").at(at).start();

    for flags in [before, after] {
        assert!(!flags.is_enabled("beta", &ana()));
        // The value acts as an override at run time: the deny-list of the file holds.
        assert!(flags.is_enabled("quiet", &ana()));
        assert!(!flags.is_enabled("quiet", &Context::user("mallory")));
    }
}

#[test]
#[should_panic(expected = "the flags of the test have errors:\nerror[failed-test]")]
fn a_file_whose_own_tests_fail_panics() {
    let text = DECLARED.replace("expect = true", "expect = false");

    drop(Flags::for_test().toml(&text).start());
}

#[test]
#[should_panic(expected = "cannot read the flags of the test from `no/flags.toml`")]
fn a_file_that_is_missing_panics() {
    drop(Flags::for_test().file("no/flags.toml").start());
}
