//! Behaviour through the public API, in one binary.

#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

mod contract;
mod definition;
mod docs;
mod env;
mod facade;
mod file;
mod http;
mod layers;
mod log;
mod messages;
mod support;
mod testing;
mod vectors;
