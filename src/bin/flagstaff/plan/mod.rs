//! The blast radius of a change: how many users it is another flag for, and why.

mod change;
mod count;
mod fail_on;
mod made_up;
mod progress;
mod report;
mod share;
#[cfg(test)]
mod tests;
mod users;

pub(crate) use self::{
    change::Change,
    count::{Counting, Counts, count},
    fail_on::FailOn,
    made_up::MadeUp,
    progress::Progress,
    report::Report,
    users::UserArgs,
};
