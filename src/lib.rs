//! x

mod backend;
