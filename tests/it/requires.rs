//! Flags that require other flags.

use flagstaff::{
    Context, Definition, Flags, Memory, Percentage, Reason,
    answer::{Cause, ErrorCode, FlagState},
    definition::Prerequisite,
    event::Event,
    source::Status,
    testing::with_overrides,
};

use crate::support::next;

fn requires<const N: usize>(flags: [&str; N]) -> Definition {
    Definition::new().requires(flags)
}

async fn start(memory: &Memory) -> Flags {
    Flags::builder().source(memory.clone()).start().await.unwrap()
}

#[tokio::test]
async fn a_flag_is_on_for_users_with_all_required_flags_on() {
    let only = |user| Definition::new().percentage(Percentage::ZERO).allowed_users([user, "both"]);
    let memory = Memory::new()
        .with("a", only("ana"))
        .with("b", only("bob"))
        .with("c", requires(["a", "b"]))
        .with("d", requires(["c"]));
    let flags = start(&memory).await;

    for key in ["c", "d"] {
        for user in ["ana", "bob", "eve"] {
            let answer = flags.boolean(key, &Context::user(user), false);

            assert_eq!(
                (answer.value, answer.reason),
                (false, Reason::TargetingMatch),
                "{key} {user}"
            );
            assert_eq!(answer.cause, Cause::Prerequisite, "{key} {user}");
        }
        assert!(flags.is_enabled(key, &Context::user("both")), "{key}");
    }
}

#[tokio::test]
async fn the_kill_switch_comes_first_and_prerequisites_before_all_lists() {
    let memory = Memory::new()
        .with("off", false)
        .with("killed", requires(["off"]).enabled(false))
        .with("allowed", requires(["off"]).allowed_users(["ana"]));
    let flags = start(&memory).await;
    let ana = Context::user("ana");

    assert_eq!(flags.boolean("killed", &ana, false).cause, Cause::Disabled);
    assert_eq!(flags.boolean("allowed", &ana, false).cause, Cause::Prerequisite);
}

#[tokio::test]
async fn a_required_variant_has_to_be_served_by_a_flag_that_is_on() {
    let prices = || Definition::new().variants([("control", 1), ("higher_price", 1)]);
    let needs = |name| Definition::new().requires([Prerequisite::variant("prices", name)]);
    let memory = Memory::new()
        .with("prices", prices())
        .with("control", needs("control"))
        .with("higher", needs("higher_price"))
        .with("none", needs("none"));
    let flags = start(&memory).await;

    for n in 0..100 {
        let user = Context::user(format!("user-{n}"));
        let variant = flags.variant("prices", &user, "").value;

        assert_eq!(flags.is_enabled("control", &user), variant == "control");
        assert_eq!(flags.is_enabled("higher", &user), variant == "higher_price");
        assert!(!flags.is_enabled("none", &user));
    }

    // While `prices` is off, it serves `control` to all users, which does not meet the requirement.
    memory.insert("prices", prices().enabled(false));
    assert!(!flags.is_enabled("control", &Context::user("user-1")));
}

#[tokio::test]
async fn a_flag_with_an_unmet_prerequisite_serves_its_off_variant() {
    let prices = requires(["unknown"]).variants([("higher_price", 1), ("control", 1)]);
    let flags = start(&Memory::new().with("prices", prices)).await;

    let answer = flags.variant("prices", &Context::user("ana"), "none");

    assert_eq!((answer.value, answer.cause), ("control", Cause::Prerequisite));
}

#[tokio::test]
async fn a_change_of_a_required_flag_is_seen_at_once() {
    let memory = Memory::new().with("c", requires(["b"])).with("b", requires(["a"]));
    let flags = start(&memory).await;
    let is_on = || flags.is_enabled("c", &Context::anonymous());
    assert!(!is_on(), "no source has `a`");

    memory.insert("a", true);
    assert!(is_on());
    let before = flags.snapshot();

    memory.insert("a", false);
    assert!(!is_on());
    assert!(before.is_enabled("c", &Context::anonymous()), "one snapshot, one truth");

    memory.insert("b", true);
    assert!(is_on());
    memory.insert("b", requires(["d"]));
    assert!(!is_on());
    memory.insert("d", true);
    assert!(is_on());
}

#[tokio::test]
async fn a_forced_on_needs_no_prerequisites() {
    let declared = Memory::new().with("a", requires(["unknown"]));
    let flags = Flags::builder().source(Memory::new()).source(declared).start().await.unwrap();
    assert!(!flags.is_enabled("a", &Context::anonymous()));

    flags.enable("a").await.unwrap();

    assert!(flags.is_enabled("a", &Context::anonymous()));
}

#[tokio::test]
async fn a_cycle_over_several_sources_is_off_and_reported() {
    let (above, below) = (Memory::new(), Memory::new());
    below.insert("a", requires(["b"]));
    below.insert("b", Definition::new());
    below.insert("behind", requires(["a"]));
    let flags = Flags::builder().source(above.clone()).source(below).start().await.unwrap();
    let mut events = flags.events();
    let ask = |key: &str| flags.boolean(key, &Context::user("ana"), false);
    assert!(ask("behind").value);

    above.insert("b", requires(["a"]));

    for key in ["a", "b"] {
        let answer = ask(key);
        assert_eq!((answer.value, answer.reason), (false, Reason::Error), "{key}");
        assert_eq!(answer.error_code, Some(ErrorCode::General), "{key}");
    }
    assert_eq!((ask("behind").value, ask("behind").cause), (false, Cause::Prerequisite));
    assert!(matches!(next(&mut events).await, Event::Changed { .. }));
    let failed = next(&mut events).await;
    assert!(matches!(failed, Event::Failed { .. }), "{failed:?}");
    assert!(failed.to_string().contains("`b` -> `a` -> `b`"), "{failed}");
    assert_eq!(flags.health().sources[0].last_error_kind, Some("prerequisites"));

    // A change outside of the cycle does not resolve the failure.
    above.insert("other", true);
    assert_eq!(flags.health().sources[0].status, Status::Error);

    above.remove("b");
    assert!(ask("behind").value);
    assert!(flags.health().is_ready());
    while !matches!(next(&mut events).await, Event::Recovered { .. }) {}
}

#[tokio::test]
async fn a_flag_that_requires_too_many_is_off() {
    let memory = Memory::new();
    for n in 0..1_000 {
        memory.insert(format!("flag-{n}"), requires([&*format!("flag-{}", n + 1)]));
    }
    memory.insert("flag-1000", true);
    let flags = start(&memory).await;

    let answer = flags.boolean("flag-0", &Context::anonymous(), false);

    assert_eq!((answer.value, answer.cause), (false, Cause::InvalidPrerequisites));
    assert!(flags.is_enabled("flag-900", &Context::anonymous()));
}

#[tokio::test]
async fn a_test_override_reaches_flags_that_require_the_flag() {
    let flags = Flags::for_test().off("a").with("b", requires(["a"])).start();

    let inside =
        with_overrides([("a", true)], async { flags.is_enabled("b", &Context::anonymous()) });

    assert!(inside.await);
    assert!(!flags.is_enabled("b", &Context::anonymous()));
}

#[test]
fn what_a_flag_requires_is_a_part_of_its_state() {
    let flags = Flags::for_test().on("a").with("b", requires(["a"])).start();

    let state = flags.snapshot().info("b").unwrap().state();

    assert!(matches!(state, FlagState::Partial { required: 1, .. }), "{state:?}");
    assert_eq!(state.to_string(), "100%, 1 required");
}
