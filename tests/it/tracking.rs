//! Tracking: events of users, with the variants that they were served.

use std::time::{Duration, SystemTime};

use flagstaff::{Context, Definition, Flags, Memory};

fn prices() -> Definition {
    Definition::new().variants([("control", 50), ("higher_price", 50)])
}

async fn start() -> Flags {
    Flags::builder().source(Memory::new().with("price", prices())).start().await.unwrap()
}

#[tokio::test]
async fn an_event_has_the_variants_that_its_user_was_served() {
    let (flags, before) = (start().await, start().await);
    let mut events = flags.tracking_events();
    let users: Vec<_> = (0..20).map(|n| Context::user(format!("user-{n}"))).collect();

    for user in &users {
        flags.track("order_placed", user, 49.9);
    }
    flags.set("price", Definition::new().enabled(false)).await.unwrap();

    for user in users {
        let event = events.next().await.unwrap();
        assert_eq!((&*event.name, event.value), ("order_placed", Some(49.9)));
        assert_eq!(event.flags.context().targeting_key(), user.targeting_key());
        let served = event.flags.variant("price", "none");
        assert_eq!(served.value, before.variant("price", &user, "none").value);
    }
}

#[tokio::test]
async fn a_request_tracks_for_its_user_from_anywhere() {
    let flags = start().await;
    let mut events = flags.tracking_events();
    let request = flags.pin(Context::user("ana"));

    request.track("seen", None);
    request.sync_scope(|| flagstaff::track("bought", 2.5));
    flagstaff::track("lost", None);
    request.track("left", None);

    for (name, value) in [("seen", None), ("bought", Some(2.5)), ("left", None)] {
        let event = events.next().await.unwrap();
        assert_eq!((&*event.name, event.value), (name, value));
        assert_eq!(event.flags.context().targeting_key(), Some("ana"));
    }
}

#[tokio::test]
async fn the_time_is_that_of_the_clock() {
    let noon = SystemTime::UNIX_EPOCH + Duration::from_secs(12 * 3600);
    let flags = Flags::builder().clock(move || noon).start().await.unwrap();
    let mut events = flags.tracking_events();

    flags.track("seen", &Context::anonymous(), None);

    assert_eq!(events.next().await.unwrap().time, noon);
}

#[tokio::test]
async fn a_slow_receiver_loses_the_oldest_events_and_gets_their_number() {
    let flags = start().await;
    let (mut slow, mut quick) = (flags.tracking_events(), flags.tracking_events());

    for n in 0..1_034 {
        flags.track("seen", &Context::anonymous(), f64::from(n));
        assert_eq!(quick.next().await.unwrap().value, Some(f64::from(n)));
    }

    assert_eq!(slow.next().await.unwrap().value, Some(10.0));
    assert_eq!((slow.missed(), quick.missed()), (10, 0));
}

#[tokio::test]
async fn the_stream_ends_with_the_flags() {
    let dropped = start().await;
    let mut events = dropped.tracking_events();
    dropped.track("seen", &Context::anonymous(), None);
    let shut_down = start().await;
    let mut others = shut_down.tracking_events();

    drop(dropped);
    shut_down.shutdown().await;
    shut_down.track("late", &Context::anonymous(), None);

    assert!(events.next().await.is_some(), "what was told before");
    assert!(events.next().await.is_none());
    assert!(others.next().await.is_none());
    assert!(shut_down.tracking_events().next().await.is_none());
}

#[tokio::test]
async fn without_a_follower_nothing_is_kept() {
    let flags = start().await;

    let told = allocation_counter::measure(|| {
        flags.track("seen", &Context::user("ana"), None);
    });

    assert_eq!(told.count_total, 0);
}
