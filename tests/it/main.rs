//! Behaviour through the public API, in one binary.

//mod contract;
mod env;
mod facade;
//mod file;
mod http;
mod layers;
mod support;
mod vectors;
