//! Helpers for types that serialize as objects.
//!
//! The members of objects are spelled as in the JSON of the command. They are written by hand
//! rather than derived, since few of them are fields of the type.

use std::time::SystemTime;

use jiff::Timestamp;
use serde::{Serialize, Serializer};

/// Serializes an object with these members, in this order.
macro_rules! object {
    ($serializer:expr, $name:literal, { $($member:literal: $value:expr),+ $(,)? }) => {{
        use serde::ser::SerializeStruct as _;

        let members = [$($member),+].len();
        let mut object = $serializer.serialize_struct($name, members)?;
        $(object.serialize_field($member, &$value)?;)+
        object.end()
    }};
}

pub(crate) use object;

/// An instant as an RFC 3339 string in UTC, to the second; null beyond the calendar.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Instant(pub(crate) SystemTime);

impl Serialize for Instant {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match Timestamp::try_from(self.0) {
            Ok(instant) => serializer.collect_str(&instant.strftime("%Y-%m-%dT%H:%M:%SZ")),
            Err(_) => serializer.serialize_none(),
        }
    }
}
