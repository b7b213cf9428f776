//! Compiled flags and how they are evaluated. Pure: time and context are arguments, nothing is
//! read, written or spawned here.

pub(crate) mod bucket;
mod name_set;
mod names;
mod plan;

pub(crate) use self::{
    names::{Names, Slot, hash_name},
    plan::{Plan, Verdict},
};
