//! What can go: flags that have had their time, and code that still asks for them.

mod branch;
mod code;
mod finding;
mod forms;
mod history;

pub(crate) use self::{
    branch::branch,
    code::{Place, Search},
    finding::{Finding, Fixed, Since, Source},
    history::{Commit, History, last_mentions},
};
