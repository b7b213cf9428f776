//! Behaviour through the public API, in one binary.

mod allocations;
mod contract;
mod definition;
mod env;
mod facade;
mod file;
mod http;
mod layers;
mod stale;
mod support;
mod vectors;
