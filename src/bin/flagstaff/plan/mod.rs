//! The blast radius of a change: how many users it is another flag for, and why.

mod change;
mod count;
mod progress;
mod report;
mod share;
#[cfg(test)]
mod tests;
mod users;

pub(crate) use self::{
    change::{Change, Definitions},
    count::{Counts, count},
    progress::Progress,
    report::Report,
    users::UserArgs,
};
