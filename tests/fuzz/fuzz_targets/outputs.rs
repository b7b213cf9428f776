//! Any strings as a flag's key, description, owner, reason, variant and user: they are data in every output.
//!
//! The strings are separated by the byte 0xff, which no UTF-8 has.

#![no_main]

#[path = "../../it/outputs/check.rs"]
mod check;

use libfuzzer_sys::fuzz_target;

use crate::check::{Strings, check};

fuzz_target!(|bytes: &[u8]| {
    let mut strings = bytes.split(|&byte| byte == 0xff).map(String::from_utf8_lossy);
    let mut next = || strings.next().unwrap_or_default().into_owned();
    check(&Strings {
        key: next(),
        description: next(),
        owner: next(),
        reason: next(),
        name: next(),
        user: next(),
    });
});
