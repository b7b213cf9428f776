//! The switch, which sends each request to one of two services.

mod future;
mod layer;
mod service;

pub(super) use self::future::Edit;
pub use self::{future::SwitchFuture, layer::FlagSwitch, service::Switched};
