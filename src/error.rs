//! The display of errors for callers that print them with `Debug`.

use std::{error::Error, fmt};

use crate::text::Untrusted;

/// Writes an error and its causes as one sentence, and causes of several lines below it.
pub(crate) fn write_chain(error: &dyn Error, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    write!(f, "{}", fit(error))?;
    let mut cause = error.source();
    while let Some(error) = cause {
        match fit(error) {
            text if text.contains('\n') => write!(f, ":\n\n{}", text.trim_end())?,
            text => write!(f, ": {text}")?,
        }
        cause = error.source();
    }
    Ok(())
}

/// Returns the message of an error from any crate, without hidden characters.
fn fit(error: &dyn Error) -> String {
    Untrusted::new(&error.to_string()).report().into_owned()
}

/// Makes the `Debug` of an error its message, as jiff does: a `main` that returns the error prints
/// the message, and `unwrap` panics with it.
macro_rules! debug_is_message {
    ($error:ty) => {
        impl std::fmt::Debug for $error {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                $crate::error::write_chain(self, f)
            }
        }
    };
}

pub(crate) use debug_is_message;
