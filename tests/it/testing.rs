//! What tests of services lean on.

use flagstaff::{Context, Flags, WithCurrentFlags, testing::with_overrides};

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
