//! Connections to a store.

mod acl;
mod cluster;
mod login;
mod sentinel;
mod tls;

use std::time::Instant;

use flagstaff::{
    Flags, Redis,
    answer::FlagState,
    source::{IntoBackend, RedisError, RedisErrorKind, SourceHealth, Status},
};
use tokio::time::timeout;

use crate::support::BOUND;

/// Returns flags that follow a store, after checking that it can be read.
async fn follow(redis: impl IntoBackend) -> Flags {
    let flags = Flags::builder().source(redis).max_wait(BOUND).start().await.unwrap();
    let source = health(&flags);
    assert_eq!(source.status, Status::Ready, "{:?}", source.last_error);
    flags
}

fn health(flags: &Flags) -> SourceHealth {
    flags.health().sources.swap_remove(0)
}

/// Waits until a flag is on, and prints the time that this takes after `fault`.
async fn recovers(fault: &str, flags: &Flags, flag: &str) {
    let since = Instant::now();
    becomes(flags, flag, FlagState::On).await;
    println!("{fault}: followed after {:?}", since.elapsed());
}

/// Waits until a flag is in this state.
async fn becomes(flags: &Flags, flag: &str, state: FlagState) {
    let mut watch = flags.watch(flag);
    let met = timeout(BOUND, watch.wait_for(|now| *now == state)).await;
    assert!(met.is_ok(), "`{flag}` is {}: {:?}", *flags.watch(flag).borrow(), health(flags));
}

/// Returns the error of a store that cannot be reached. Checks that it does not contain the password `secret`.
async fn refusal(redis: Redis) -> (RedisErrorKind, String) {
    let error: RedisError = redis.handle().fleet().await.unwrap_err();
    let message = format!("{error:?}");
    assert!(!message.contains("secret"), "{message}");
    (error.kind(), message)
}
