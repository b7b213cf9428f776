//! Numbers on the command line, and the errors of other values.

use std::{num::NonZeroUsize, str::FromStr};

use flagstaff::Percentage;

use crate::paste;

/// Parses a revision of the log.
pub(crate) fn revision(text: &str) -> Result<u64, String> {
    whole(text).map_err(|_| {
        let history = paste::command("history", "");
        format!("expected the number of a revision, such as 42; {history} lists them")
    })
}

/// Returns a percentage as a number from 0 to 100.
pub(crate) fn percent(percentage: Percentage) -> f64 {
    f64::from(percentage.ten_thousandths()) / 10_000.0
}

/// Returns a percentage as a share from 0 to 1.
pub(crate) fn share(percentage: Percentage) -> f64 {
    f64::from(percentage.ten_thousandths()) / 1e6
}

/// Parses the maximum number of items.
pub(crate) fn limit(text: &str) -> Result<NonZeroUsize, String> {
    whole(text)
}

/// Parses a number of users.
pub(crate) fn users(text: &str) -> Result<u64, String> {
    whole::<u64>(text).and_then(|number| match number {
        0 => Err(expected()),
        number => Ok(number),
    })
}

/// Parses the seed of made-up users.
pub(crate) fn seed(text: &str) -> Result<u32, String> {
    text.parse().map_err(|_| "expected a whole number from 0 upwards".to_owned())
}

fn whole<T: FromStr>(text: &str) -> Result<T, String> {
    text.parse().map_err(|_| expected())
}

fn expected() -> String {
    "expected a whole number from 1 upwards".to_owned()
}
