//! The search for flags that can be removed, and for code that still names them.

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
