//! Behaviour through the public API, in one binary.

mod allocations;
mod codegen;
mod contract;
mod definition;
mod docs;
mod env;
mod examples;
mod facade;
mod file;
mod http;
mod json;
mod layers;
mod log;
mod messages;
mod redis;
mod requires;
mod rollout_control;
mod rollouts;
mod rules;
mod schema;
mod stale;
mod support;
mod testing;
mod variants;
mod vectors;
mod writes;
