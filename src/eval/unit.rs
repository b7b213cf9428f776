//! The unit that a bucket is drawn by.

use std::{io::Write, num::NonZeroU64};

use xxhash_rust::xxh3::xxh3_64;

use crate::model::{Attribute, Cause, Context, UnitName, Value};

/// Returns the hash of the unit: an attribute that is a string, a whole number or a boolean, the
/// request, or else the targeting key. `None` if the context lacks it.
#[inline]
pub(super) fn unit(context: &Context<'_>, bucket_by: Option<&Attribute>) -> Option<u64> {
    match bucket_by {
        None | Some(Attribute::TargetingKey) => {
            let user = context.targeting_key()?;
            Some(context.hash_of(user))
        }
        // The number of a request is as random as a hash.
        Some(Attribute::Request) => context.request().map(NonZeroU64::get),
        Some(attribute) => hash_attribute(context, attribute),
    }
}

/// Returns the cause of an answer for a context without the unit.
pub(super) fn missing(bucket_by: Option<&Attribute>) -> Cause {
    match bucket_by {
        None | Some(Attribute::TargetingKey) => Cause::NoTargetingKey,
        Some(attribute) => Cause::NoUnit(UnitName::keep(attribute.path())),
    }
}

#[inline(never)]
fn hash_attribute(context: &Context<'_>, attribute: &Attribute) -> Option<u64> {
    match super::attribute::find(attribute, context)? {
        Value::String(text) => Some(xxh3_64(text.as_bytes())),
        Value::Bool(true) => Some(xxh3_64(b"true")),
        Value::Bool(false) => Some(xxh3_64(b"false")),
        Value::Integer(number) => {
            let mut digits = [0; "-9223372036854775808".len()];
            let mut free = &mut digits[..];
            write!(free, "{number}").ok()?;
            let free = free.len();
            let end = digits.len() - free;
            Some(xxh3_64(&digits[..end]))
        }
        // A float has more than one spelling, and the others have none.
        Value::Float(_) | Value::List(_) | Value::Table(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_attribute_is_hashed_as_its_string() {
        let context = Context::user("ana")
            .attribute("id", i64::MIN)
            .attribute("zero", 0)
            .attribute("text", "0")
            .attribute("paid", true)
            .attribute("share", 0.5)
            .attribute("company", [("id", Value::from(7))].into_iter().collect::<Value<'_>>());
        let by = |path: &str| unit(&context, Some(&Attribute::new(path.to_owned())));
        let hash = |text: &str| Some(xxh3_64(text.as_bytes()));

        assert_eq!(unit(&context, None), hash("ana"));
        assert_eq!(by("targeting_key"), hash("ana"));
        assert_eq!(by("id"), hash("-9223372036854775808"));
        assert_eq!(by("zero"), hash("0"));
        assert_eq!(by("text"), by("zero"));
        assert_eq!(by("paid"), hash("true"));
        assert_eq!(by("company.id"), hash("7"));
        for path in ["share", "company", "missing", "groups", "company.name"] {
            assert_eq!(by(path), None, "{path}");
        }
        assert_eq!(unit(&Context::anonymous(), None), None);
    }
}
