//! The one type that the values of a flag have.

use super::{Definition, Value};

/// The error of a patch that gives a flag values of another type than it has.
///
/// The code that asks for a flag expects one type, whichever source has the value. Numbers are one type. A variant
/// without a value has its name for a value, which is a string.
///
/// # Example
///
/// ```
/// use flagstaff::Definition;
///
/// let declared = Definition::new().value(50);
///
/// let error = declared.check_type(&Definition::new().value("fifty")).unwrap_err();
///
/// assert_eq!(error.to_string(), "the values of the flag are numbers, and this one is a string");
/// ```
#[derive(Clone, PartialEq, Eq, thiserror::Error)]
#[error("the values of the flag are {}, and this one is {}", .before.all, .after.one)]
#[non_exhaustive]
pub struct OtherType {
    /// The variant that would have the value; `None` for the value of the flag itself.
    pub variant: Option<String>,
    before: Words,
    after: Words,
}

crate::error::debug_is_message!(OtherType);

impl OtherType {
    /// Returns the type that the flag has, with its article: `a number`.
    #[must_use]
    pub const fn before(&self) -> &'static str {
        self.before.one
    }

    /// Returns the type of the new value, with its article: `a string`.
    #[must_use]
    pub const fn after(&self) -> &'static str {
        self.after.one
    }
}

/// The words for a type.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Words {
    one: &'static str,
    all: &'static str,
}

const NUMBERS: Words = Words { one: "a number", all: "numbers" };
const INTEGERS: Words = Words { one: "an integer", all: "integers" };
const FLOATS: Words = Words { one: "a float", all: "floats" };
/// An integer among floats that is rounded as a float.
const ROUNDED: Words =
    Words { one: "an integer that no float is exactly", all: "integers that no float is exactly" };

/// Returns the type of a value, with one type for all numbers.
const fn type_of(value: &Value<'_>) -> Words {
    let (one, all) = match value {
        Value::Bool(_) => ("a boolean", "booleans"),
        Value::Integer(_) | Value::Float(_) => return NUMBERS,
        Value::String(_) => ("a string", "strings"),
        Value::List(_) => ("a list", "lists"),
        Value::Table(_) => ("a table", "tables"),
    };
    Words { one, all }
}

/// Returns the types of a flag's numbers and of a new one, if the new one does not fit. JSON and TOML
/// write many floats as integers, so an integer that is exactly a float fits among floats. A float
/// does not fit among integers, since code that asks for an integer gets its default then.
fn other_number(are_integers: bool, value: &Value<'_>) -> Option<(Words, Words)> {
    match *value {
        Value::Float(_) if are_integers => Some((INTEGERS, FLOATS)),
        Value::Integer(number) if !are_integers && !is_exact(number) => Some((FLOATS, ROUNDED)),
        _ => None,
    }
}

/// Returns `true` if a float is exactly this integer.
#[inline]
pub(crate) const fn is_exact(number: i64) -> bool {
    // Wider than an `i64`, whose largest value is rounded up to 2^63 and back down.
    number as f64 as i128 == number as i128
}

impl Definition {
    /// Checks that a patch on top of this leaves all values of the flag in the type that they have.
    ///
    /// A flag without values takes any type. A flag of floats takes the integers that a float is
    /// exactly, and a flag of integers takes no float.
    ///
    /// # Errors
    ///
    /// Returns the first value of another type.
    ///
    /// # Example
    ///
    /// ```
    /// use flagstaff::{Definition, definition::{Variant, Variants}};
    ///
    /// let slow = Variants::new().with("slow", Variant::new().weight(1).value(800));
    /// let declared = Definition::new().variants(slow);
    ///
    /// assert!(declared.check_type(&Definition::new().value(200)).is_ok());
    /// assert!(declared.check_type(&Definition::new().value(0.5)).is_err());
    /// assert!(declared.check_type(&Definition::new().value("slow")).is_err());
    /// assert!(Definition::new().check_type(&Definition::new().value("slow")).is_ok());
    /// ```
    pub fn check_type(&self, patch: &Self) -> Result<(), OtherType> {
        if !patch.has_values() || !self.has_values() {
            return Ok(());
        }
        let mut merged = self.clone();
        merged.overlay(patch);
        self.check_type_of(&merged)
    }

    /// As [`check_type`](Self::check_type), with what the patch makes of this.
    pub(crate) fn check_type_of(&self, merged: &Self) -> Result<(), OtherType> {
        let Some((_, expected)) = self.values().next() else { return Ok(()) };
        let expected = type_of(&expected);
        let are_integers = self.values().all(|(_, value)| matches!(value, Value::Integer(_)));
        let other = merged.values().find_map(|(variant, value)| {
            let (before, after) = match type_of(&value) {
                NUMBERS if expected == NUMBERS => other_number(are_integers, &value)?,
                found if found == expected => return None,
                found => (expected, found),
            };
            Some(OtherType { variant: variant.map(str::to_owned), before, after })
        });
        other.map_or(Ok(()), Err)
    }

    /// Returns true if this sets a value, or variants.
    pub(crate) fn has_values(&self) -> bool {
        let rare = self.rare();
        rare.value.value().is_some() || rare.variants.value().is_some()
    }

    /// Returns the values that the flag can serve, those of variants with their names.
    pub(crate) fn values(&self) -> impl Iterator<Item = (Option<&str>, Value<'static>)> {
        let rare = self.rare();
        let constant = rare.value.value().map(|constant| (None, constant.as_value().clone()));
        let variants = rare.variants.value().into_iter().flat_map(|all| {
            // Without a value, a variant is its name.
            let value = |name: &str| all.value(name).unwrap_or_else(|| name.to_owned().into());
            all.names().map(move |name| (Some(name), value(name)))
        });
        constant.into_iter().chain(variants)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Variant, Variants};

    fn other(below: &Definition, patch: &Definition) -> Option<[&'static str; 2]> {
        below.check_type(patch).err().map(|error| [error.before(), error.after()])
    }

    #[test]
    fn a_flag_keeps_the_type_of_its_values() {
        let limit = Definition::new().value(50);
        let load = Definition::new().variants([("low", Variant::new().value(1))]);

        assert_eq!(other(&limit, &Definition::new().value(60)), None);
        assert_eq!(other(&limit, &Definition::new().owner("ops")), None);
        assert_eq!(other(&Definition::new(), &Definition::new().value("x")), None);
        let string = Some(["a number", "a string"]);
        assert_eq!(other(&limit, &Definition::new().value("50")), string);
        let high = |variant| Definition::new().variants([("high", variant)]);
        assert_eq!(other(&load, &high(Variant::new().value("x"))), string);
        assert_eq!(other(&load, &high(Variant::new().weight(5))), string);
        assert_eq!(other(&load, &high(Variant::new().value(5))), None);
        assert_eq!(other(&load, &Definition::new().value(["a"])), Some(["a number", "a list"]));
    }

    #[test]
    fn a_flag_of_floats_takes_exact_integers_and_a_flag_of_integers_no_float() {
        let (integer, float) = (Definition::new().value(50), Definition::new().value(0.5));
        let mixed = [("a", Variant::new().value(1)), ("b", Variant::new().value(0.5))];
        let mixed = Definition::new().variants(mixed);

        for fraction in [7.5, 7.0] {
            let fraction = Definition::new().value(fraction);
            assert_eq!(other(&integer, &fraction), Some(["an integer", "a float"]));
            assert_eq!(other(&float, &fraction), None);
        }
        assert_eq!(other(&float, &Definition::new().value(7)), None);
        assert_eq!(
            other(&mixed, &Definition::new().variants([("c", Variant::new().value(2.5))])),
            None
        );
        let rounded = Definition::new().value((1_i64 << 53) + 1);
        assert_eq!(
            other(&float, &rounded),
            Some(["a float", "an integer that no float is exactly"])
        );
        assert_eq!(other(&integer, &rounded), None);
    }

    #[test]
    fn variants_that_are_words_for_on_and_off_are_booleans() {
        let switch = Definition::new().variants([("on", 1), ("off", 1)]);

        assert_eq!(other(&switch, &Definition::new().variants([("off", 9)])), None);
        let beta = Definition::new().variants(Variants::from([("beta", 1)]));
        assert_eq!(other(&switch, &beta), Some(["a boolean", "a string"]));
    }
}
