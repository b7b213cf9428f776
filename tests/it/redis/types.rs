//! Stored values whose type differs from that of the sources below.

use flagstaff::{
    Context, Definition, Flags, Memory, Redis,
    answer::FlagState,
    source::{Status, WritableBackend},
    write::{Operation, Refusal, Write},
};

use super::{server::Server, subject::becomes};

const LIMIT: &str = "limit";

async fn flags(server: &Server) -> Flags {
    let redis = Redis::open(&server.url()).unwrap();
    let below = Memory::new().with(LIMIT, Definition::new().value(50)).with("probe", false);
    Flags::builder().source(redis).source(below).require_ready().start().await.unwrap()
}

fn limit(flags: &Flags) -> i64 {
    flags.integer(LIMIT, &Context::anonymous(), -1).value
}

/// Waits until a change in the store is in force.
async fn set(server: &Server, flags: &Flags, value: &str) {
    let wanted = if flags.is_enabled("probe", &Context::user("ana")) { "0" } else { "1" };
    server.cli(&["HSET", "feature_flags", LIMIT, value]);
    server.cli(&["HSET", "feature_flags", "probe", wanted]);
    let state = if wanted == "1" { FlagState::On } else { FlagState::Off };
    becomes(flags, "probe", state).await;
}

#[tokio::test]
async fn a_stored_value_of_another_type_is_a_rejected_definition() {
    let server = Server::start();
    server.cli(&["HSET", "feature_flags", LIMIT, r#"{"value": "fifty"}"#]);
    let flags = flags(&server).await;

    let health = &flags.health().sources[0];
    assert_eq!((limit(&flags), health.status, health.former), (-1, Status::Error, 0));
    assert_eq!(health.last_error_kind, Some("invalid"));
    let message = health.last_error.as_ref().unwrap().to_string();
    let place =
        "flag `limit` has values of another type at field `limit` of the hash `feature_flags`";
    assert!(message.starts_with(place) && message.ends_with("a string"), "{message}");
    let problem = flags.sources_of(LIMIT)[0].problem.clone();
    assert_eq!(
        problem.as_deref(),
        Some("the values of the flag are numbers, and this one is a string")
    );

    set(&server, &flags, r#"{"value": 60}"#).await;
    let health = &flags.health().sources[0];
    assert_eq!((limit(&flags), health.status), (60, Status::Ready));

    set(&server, &flags, r#"{"value": ["fifty"]}"#).await;
    let health = &flags.health().sources[0];
    assert_eq!((limit(&flags), health.status, health.former), (60, Status::Error, 1));
    // When the same value is read again, the last good value stays in force.
    set(&server, &flags, r#"{"value": [5]}"#).await;
    assert_eq!(limit(&flags), 60);

    set(&server, &flags, r#"{"value": "fifty", "enabled": false}"#).await;
    assert_eq!(limit(&flags), -1);
}

#[tokio::test]
async fn a_change_to_a_value_of_another_type_is_refused_and_a_kill_switch_is_not() {
    let server = Server::start();
    let redis = Redis::open(&server.url()).unwrap().handle();
    let below = Memory::new().with(LIMIT, Definition::new().value(50));
    let flags = Flags::builder().source(redis.clone()).source(below).require_ready();
    let flags = flags.start().await.unwrap();
    let patch = || Definition::new().value("fifty");

    let written = redis.write(LIMIT, Write::new(Operation::Set(patch()))).await;

    let Err(Refusal::Failed(cause)) = written else { panic!("{written:?}") };
    assert!(cause.to_string().ends_with("this one is a string"), "{cause}");
    assert!(flags.set(LIMIT, patch()).await.is_err());
    assert!(redis.rehearse(LIMIT, &Write::new(Operation::Set(patch()))).await.is_err());
    let stored = redis.store(LIMIT, None, Some(r#"{"value": "fifty"}"#), None, None).await;
    assert!(matches!(stored, Err(Refusal::Failed(_))), "{stored:?}");
    assert_eq!(server.cli(&["HLEN", "feature_flags"]), "0");

    server.cli(&["HSET", "feature_flags", LIMIT, r#"{"value": "fifty"}"#]);
    flags.disable(LIMIT).await.unwrap();
    assert_eq!(limit(&flags), -1);
    assert_eq!(flags.watch(LIMIT).borrow().to_string(), "off");
}
