//! Another flag that a flag depends on, and the state that it has to be in.

use crate::model::{Names, Prerequisite, RequiredState, Slot, hash_name, variant_name};

/// Another flag, and the state that it has to be in.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Need {
    pub(crate) slot: Slot,
    pub(crate) state: State,
}

/// The state that a flag has to be in, with names of variants that an answer can be compared with.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum State {
    On,
    Off,
    Variants(Box<[&'static str]>),
}

impl Need {
    /// Resolves a prerequisite. A name that is not among `names` is that of a flag which no source
    /// has.
    pub(crate) fn of(prerequisite: &Prerequisite, names: &Names) -> Self {
        let slot = names.find(hash_name(&prerequisite.flag), &prerequisite.flag);
        let state = match &prerequisite.state {
            RequiredState::On => State::On,
            RequiredState::Off => State::Off,
            RequiredState::Variants(variants) => {
                State::Variants(variants.iter().map(|name| variant_name(name)).collect())
            }
        };
        Self { slot: slot.unwrap_or(Slot::MAX), state }
    }
}

impl State {
    /// Returns the one variant that has to be served, or `None` for on; an error for all other states.
    pub(super) fn simple(&self) -> Result<Option<&'static str>, ()> {
        match self {
            Self::On => Ok(None),
            Self::Variants(names) if names.len() == 1 => Ok(Some(names[0])),
            Self::Off | Self::Variants(_) => Err(()),
        }
    }

    /// Returns the state in the form that definitions have.
    pub(crate) fn required(&self) -> RequiredState {
        match self {
            Self::On => RequiredState::On,
            Self::Off => RequiredState::Off,
            Self::Variants(names) => {
                RequiredState::Variants(names.iter().map(|&name| name.to_owned()).collect())
            }
        }
    }
}

/// A flag that has to be on, and the variant that it has to serve.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Step {
    pub(crate) slot: Slot,
    pub(crate) variant: Option<&'static str>,
}
