//! Flags in Redis, shared by all instances of a service.

#[expect(dead_code, reason = "the session connects through it")]
mod connect;
#[expect(dead_code, reason = "the session reports through it")]
mod error;

pub use self::{
    connect::InvalidRedis,
    error::{RedisError, RedisErrorKind},
};
