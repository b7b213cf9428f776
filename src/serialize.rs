//! Helpers for types that serialize as objects.
//!
//! The members of objects are spelled as in the JSON of the command. They are written by hand
//! rather than derived, since few of them are fields of the type.

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
