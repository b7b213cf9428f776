//! The environment variables that the command reads.

use std::{
    env::{self, VarError},
    ffi::OsString,
};

use crate::{failure::Failure, text::clean};

/// All variables. `USER` belongs to the system: one that cannot be read counts as unset.
const VARIABLES: &[&str] = &[
    "FLAGSTAFF_AT",
    "FLAGSTAFF_AUTHOR",
    "FLAGSTAFF_ENVIRONMENT",
    "FLAGSTAFF_ENV_PREFIX",
    "FLAGSTAFF_OUTPUT",
    "REDIS_SENTINELS",
    "REDIS_URL",
];

/// Refuses variables whose values are not UTF-8, which would otherwise count as missing.
pub(crate) fn check() -> Result<(), Failure> {
    let is_bad = |name: &&&str| matches!(env::var(name), Err(VarError::NotUnicode(_)));
    match VARIABLES.iter().find(is_bad) {
        Some(name) => Err(bad(name, "it is not UTF-8")),
        None => Ok(()),
    }
}

/// Returns the value of a variable; an empty one counts as unset.
pub(crate) fn value(name: &str) -> Option<String> {
    env::var(name).ok().filter(|value| !value.is_empty())
}

/// Returns the path that a variable names, which need not be UTF-8.
pub(crate) fn path(name: &str) -> Option<OsString> {
    env::var_os(name).filter(|value| !value.is_empty())
}

/// Returns the failure of a variable whose value is not valid.
pub(crate) fn bad(name: &str, why: &str) -> Failure {
    Failure::usage(format!("environment variable `{name}` cannot be used: {}", clean(why)))
}
