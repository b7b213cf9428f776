//! The switch: two services, one flag.

mod future;
mod service;

pub(super) use self::future::Edit;
pub use self::{
    future::SwitchFuture,
    service::{FlagSwitch, FlagSwitchLayer},
};
