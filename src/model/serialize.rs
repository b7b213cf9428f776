//! Serialization of words, numbers and values in JSON and other formats.

use serde::{Serialize, Serializer};

use super::{
    Cause, ErrorCode, Field, FlagState, OnStale, Operator, Percentage, Reason, RolloutStatus,
    Serve, Value, Weight, variant_name::DEFAULT,
};
use crate::serialize::object;

/// Serializes each type as its word in the rest of the crate.
macro_rules! words {
    ($($type:ty),+ $(,)?) => {
        $(
            impl Serialize for $type {
                fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                    serializer.serialize_str(self.as_str())
                }
            }
        )+
    };
}

words!(Cause, ErrorCode, Field, OnStale, Operator, Reason, RolloutStatus);

/// Serializes as the word and a summary: `{"state": "partial", "summary": "25%, 3 allowed"}`.
impl Serialize for FlagState {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let (state, summary) = (self.as_str(), format_args!("{self}"));
        object!(serializer, "FlagState", { "state": state, "summary": summary })
    }
}

/// Serializes as a number from 0 to 100, whole if it can be: `10` or `0.5`.
impl Serialize for Percentage {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        decimal(self.ten_thousandths().into(), serializer)
    }
}

/// Serializes as a number, whole if it can be.
impl Serialize for Weight {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        decimal(self.ten_thousandths(), serializer)
    }
}

fn decimal<S: Serializer>(ten_thousandths: u64, serializer: S) -> Result<S::Ok, S::Error> {
    match (ten_thousandths / 10_000, ten_thousandths % 10_000) {
        (whole, 0) => serializer.serialize_u64(whole),
        // The shortest decimal string of this quotient has the four decimals and no more.
        _ => serializer.serialize_f64(ten_thousandths as f64 / 10_000.0),
    }
}

/// Serializes as `true` or `false`, the name of a variant or `"default"`, a percentage such as
/// `"25%"`, or the weights of variants.
impl Serialize for Serve {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::On => serializer.serialize_bool(true),
            Self::Off => serializer.serialize_bool(false),
            Self::Variant(name) => serializer.serialize_str(name),
            Self::Default => serializer.serialize_str(DEFAULT),
            Self::Percentage(percentage) => serializer.collect_str(percentage),
            Self::Split(split) => {
                serializer.collect_map(split.iter().map(|(name, weight)| (name, weight)))
            }
        }
    }
}

/// Serializes as the plain value. A float that JSON lacks, such as not-a-number, is `null` there.
impl Serialize for Value<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Bool(value) => serializer.serialize_bool(*value),
            Self::Integer(number) => serializer.serialize_i64(*number),
            Self::Float(number) => serializer.serialize_f64(*number),
            Self::String(text) => serializer.serialize_str(text),
            Self::List(list) => serializer.collect_seq(list),
            Self::Table(table) => serializer.collect_map(table),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{json, to_value};

    use super::*;
    use crate::model::value::sample;

    #[test]
    fn values_serialize_as_json_has_them_and_come_back_the_same() {
        let json = to_value(sample()).unwrap();

        let expected =
            json!({"plan": "pro", "seats": 12, "share": 0.5, "paid": true, "tags": ["a", "b"]});
        assert_eq!(json, expected);
        assert_eq!(to_value(Value::from(f64::NAN)).unwrap(), json!(null));
    }

    #[test]
    fn what_a_rule_serves_serializes_as_the_file_writes_it() {
        let weight = |text: &str| text.parse::<Weight>().unwrap();
        let split = vec![("a".to_owned(), weight("1")), ("b".to_owned(), weight("2.5"))];

        assert_eq!(to_value(Serve::On).unwrap(), json!(true));
        assert_eq!(to_value(Serve::Variant("a".to_owned())).unwrap(), json!("a"));
        let half = Percentage::whole(50).unwrap();
        assert_eq!(to_value(Serve::Percentage(half)).unwrap(), json!("50%"));
        assert_eq!(to_value(Serve::Split(split)).unwrap(), json!({"a": 1, "b": 2.5}));
    }
}
