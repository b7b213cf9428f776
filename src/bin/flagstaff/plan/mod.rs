//! The blast radius of a change: the number of users whose answers change, and the reasons.

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
