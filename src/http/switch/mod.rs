//! The switch: two services, one flag.

mod future;
mod layer;
mod service;

pub(super) use self::future::Edit;
pub use self::{future::SwitchFuture, layer::FlagSwitch, service::Switched};
