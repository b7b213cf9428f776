//! What errors look like to whoever did not print them on purpose.

use std::{error::Error, fmt};

/// Writes an error and its causes as one sentence, and causes of several lines below it.
pub(crate) fn write_chain(error: &dyn Error, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    write!(f, "{error}")?;
    let mut cause = error.source();
    while let Some(error) = cause {
        match error.to_string() {
            text if text.contains('\n') => write!(f, ":\n\n{}", text.trim_end())?,
            text => write!(f, ": {text}")?,
        }
        cause = error.source();
    }
    Ok(())
}

/// Makes the `Debug` of an error its message, as jiff's is: a `main` that returns the error prints
/// that, and `unwrap` panics with it.
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
