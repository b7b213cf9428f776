//! Outcomes of evaluations, packed into one word.

use crate::model::{ErrorCode, Reason, variant_name_at};

/// The part of an answer that is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Outcome {
    pub(crate) on: bool,
    pub(crate) variant: Option<&'static str>,
    pub(crate) reason: Reason,
    pub(crate) error_code: Option<ErrorCode>,
}

/// An outcome in one word, which is never 0: the address of the variant's name, and a byte for the rest.
///
/// A process keeps one copy of each name of a variant, for as long as it lives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Packed(pub(super) u64);

const MARK: u64 = 1 << 7;
const ON: u64 = 1 << 6;
const REASON: u32 = 3;
const ERROR: u64 = 0b111;

const REASONS: [Reason; 7] = [
    Reason::Static,
    Reason::Default,
    Reason::TargetingMatch,
    Reason::Split,
    Reason::Disabled,
    Reason::Stale,
    Reason::Error,
];

const ERRORS: [ErrorCode; 6] = [
    ErrorCode::FlagNotFound,
    ErrorCode::TargetingKeyMissing,
    ErrorCode::ParseError,
    ErrorCode::TypeMismatch,
    ErrorCode::ProviderNotReady,
    ErrorCode::General,
];

impl Outcome {
    #[inline]
    pub(super) fn pack(self) -> Packed {
        let Self { on, variant, reason, error_code } = self;
        let variant = variant.map_or(0, |name| name.as_ptr().addr() as u64);
        let error = error_code.map_or(0, |code| 1 + code as u64);
        let on = if on { ON } else { 0 };
        Packed(variant << 8 | MARK | on | (reason as u64) << REASON | error)
    }
}

impl Packed {
    pub(super) fn unpack(self) -> Outcome {
        let Self(word) = self;
        let reason = (word & 0b111 << REASON) >> REASON;
        let error = (word & ERROR) as usize;
        Outcome {
            on: word & ON != 0,
            variant: variant_name_at((word >> 8) as usize),
            reason: REASONS[reason as usize],
            error_code: error.checked_sub(1).map(|error| ERRORS[error]),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::keep_variant_name;

    #[test]
    fn every_outcome_is_unpacked_as_it_was_packed() {
        let errors = [None].into_iter().chain(ERRORS.map(Some));
        let names = [None, Some("control"), Some("treatment")];
        let names = names.map(|name| name.map(|name| keep_variant_name(name).unwrap()));
        for error_code in errors {
            for reason in REASONS {
                for (on, variant) in
                    [true, false].into_iter().flat_map(|on| names.map(|it| (on, it)))
                {
                    let outcome = Outcome { on, variant, reason, error_code };

                    assert_eq!(outcome.pack().unpack(), outcome);
                }
            }
        }
    }

    #[test]
    fn reasons_and_errors_are_in_the_order_of_their_declarations() {
        assert!(REASONS.iter().enumerate().all(|(at, &reason)| reason as usize == at));
        assert!(ERRORS.iter().enumerate().all(|(at, &error)| error as usize == at));
    }
}
