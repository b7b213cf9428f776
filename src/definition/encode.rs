//! JSON values of settings, in the form that [`Decode`](super::value::Decode) reads.

use std::time::{Duration, SystemTime};

use serde_json::{Map, Value, json};

use super::condition::{ALL, ANY, AS, ATTRIBUTES, FLAG, IGNORE_CASE, NOT, NUMBER, UNLESS, WORDS};
use crate::{
    model::{
        self, Active, BucketBy, Case, Comparison, Condition, Constant, DEFAULT, Metadata,
        MetadataValue, OnStale, Operator, Percentage, Prerequisite, RequiredState, Rollout, Rule,
        Rules, Serve, Setting, Stage, Variant, Variants, Weight,
    },
    text::{self, exact_instant},
};

/// A type that a setting can have.
pub(crate) trait Encode {
    /// The paths of members that are dates, which are strings in JSON. `*` is any element.
    #[cfg(feature = "edit")]
    const DATES: &[&[&str]] = &[];

    fn encode(&self) -> Value;
}

impl Encode for bool {
    fn encode(&self) -> Value {
        (*self).into()
    }
}

impl Encode for String {
    fn encode(&self) -> Value {
        self.as_str().into()
    }
}

impl Encode for u32 {
    fn encode(&self) -> Value {
        (*self).into()
    }
}

impl<T: Encode> Encode for Vec<T> {
    fn encode(&self) -> Value {
        self.iter().map(Encode::encode).collect()
    }
}

/// Encodes a number, which is an integer if possible: `10` or `0.5`.
impl Encode for Percentage {
    fn encode(&self) -> Value {
        decimal(self.ten_thousandths().into())
    }
}

impl Encode for Weight {
    fn encode(&self) -> Value {
        decimal(self.ten_thousandths())
    }
}

fn decimal(ten_thousandths: u64) -> Value {
    match (ten_thousandths / 10_000, ten_thousandths % 10_000) {
        (whole, 0) => whole.into(),
        // The shortest decimal string of this quotient has at most four decimals.
        _ => (ten_thousandths as f64 / 10_000.0).into(),
    }
}

/// Encodes an RFC 3339 string in UTC. RFC 3339 has the years 0 to 9999 only.
impl Encode for SystemTime {
    #[cfg(feature = "edit")]
    const DATES: &[&[&str]] = &[&[]];

    fn encode(&self) -> Value {
        exact_instant(*self).into()
    }
}

/// Encodes numbers with units: `1h 30m`.
impl Encode for Duration {
    fn encode(&self) -> Value {
        text::duration(*self).into()
    }
}

/// Encodes `"payments_v3"`, `{"flag": "maintenance", "on": false}`, or `{"flag": "pricing_page",
/// "variant": "higher_price"}`, where several variants are a list.
impl Encode for Prerequisite {
    fn encode(&self) -> Value {
        match &self.state {
            RequiredState::On => self.flag.encode(),
            RequiredState::Off => json!({ "flag": self.flag, "on": false }),
            RequiredState::Variants(names) => match &**names {
                [name] => json!({ "flag": self.flag, "variant": name }),
                names => json!({ "flag": self.flag, "variant": names }),
            },
        }
    }
}

impl Encode for BucketBy {
    fn encode(&self) -> Value {
        self.as_str().into()
    }
}

impl Encode for OnStale {
    fn encode(&self) -> Value {
        self.as_str().into()
    }
}

/// Encodes `{"control": 34, "treatment": {"weight": 66, "value": true}, "former": null}`.
impl Encode for Variants {
    fn encode(&self) -> Value {
        let entry = |(name, variant): (&str, &Setting<Variant>)| {
            (name.to_owned(), member(variant).unwrap_or_default())
        };
        self.settings().map(entry).collect::<Map<_, _>>().into()
    }
}

/// Encodes a variant without a value as its weight, a number.
impl Encode for Variant {
    fn encode(&self) -> Value {
        match (member(&self.weight), member(&self.value)) {
            (Some(weight @ Value::Number(_)), None) => weight,
            (weight, value) => object([("weight", weight), ("value", value)]).into(),
        }
    }
}

/// Encodes a number that JSON does not have as `null`.
impl Encode for model::Value<'_> {
    fn encode(&self) -> Value {
        match self {
            Self::Bool(value) => (*value).into(),
            Self::Integer(number) => (*number).into(),
            Self::Float(number) => (*number).into(),
            Self::String(text) => (&**text).into(),
            Self::List(list) => list.encode(),
            Self::Table(table) => {
                let entries = table.iter().map(|(name, value)| (name.to_string(), value.encode()));
                entries.collect::<Map<_, _>>().into()
            }
        }
    }
}

impl Encode for Constant {
    fn encode(&self) -> Value {
        self.as_value().encode()
    }
}

/// Encodes `{"issue": "PAY-412", "former": null}`.
impl Encode for Metadata {
    fn encode(&self) -> Value {
        let entry = |(name, value): (&str, &Setting<MetadataValue>)| {
            (name.to_owned(), member(value).unwrap_or_default())
        };
        self.settings().map(entry).collect::<Map<_, _>>().into()
    }
}

impl Encode for MetadataValue {
    fn encode(&self) -> Value {
        self.clone().into_value().encode()
    }
}

impl Encode for Rollout {
    #[cfg(feature = "edit")]
    const DATES: &[&[&str]] =
        &[&["start"], &["stage_started"], &["paused_at"], &["stages", "*", "at"]];

    fn encode(&self) -> Value {
        let members = [
            ("start", member(&self.start)),
            ("stages", member(&self.stages)),
            ("stage", member(&self.stage)),
            ("stage_started", member(&self.stage_started)),
            ("paused_at", member(&self.paused_at)),
        ];
        object(members).into()
    }
}

impl Encode for Stage {
    fn encode(&self) -> Value {
        let members = [
            ("percentage", Some(self.percentage.encode())),
            ("for", self.duration.map(|duration| duration.encode())),
            ("at", self.at.map(|instant| instant.encode())),
            ("auto", (!self.auto).then(|| self.auto.encode())),
        ];
        object(members).into()
    }
}

impl Encode for Active {
    #[cfg(feature = "edit")]
    const DATES: &[&[&str]] = &[&["from"], &["until"]];

    fn encode(&self) -> Value {
        object([("from", member(&self.from)), ("until", member(&self.until))]).into()
    }
}

impl Encode for Rules {
    fn encode(&self) -> Value {
        self.iter().map(Encode::encode).collect()
    }
}

impl Encode for Rule {
    fn encode(&self) -> Value {
        let bucket_by = Some(&self.bucket_by).filter(|&unit| *unit != BucketBy::default());
        let is_for_all = matches!(&self.when, Condition::All(parts) if parts.is_empty());
        let when = (!is_for_all || self.unless.is_none()).then(|| self.when.encode());
        let members = [
            ("name", self.name.as_ref().map(Encode::encode)),
            ("when", when),
            (UNLESS, self.unless.as_ref().map(Encode::encode)),
            ("serve", Some(self.serve.encode())),
            ("bucket_by", bucket_by.map(Encode::encode)),
        ];
        object(members).into()
    }
}

impl Encode for Serve {
    fn encode(&self) -> Value {
        match self {
            Self::On => true.into(),
            Self::Off => false.into(),
            Self::Variant(name) => name.encode(),
            Self::Default => DEFAULT.into(),
            Self::Percentage(percentage) => percentage.to_string().into(),
            Self::Split(split) => {
                let arms = split.iter().map(|(name, weight)| (name.clone(), weight.encode()));
                arms.collect::<Map<_, _>>().into()
            }
        }
    }
}

/// Encodes an object, all of whose members have to hold.
impl Encode for Condition {
    fn encode(&self) -> Value {
        // A list of one part is not the same condition as the part itself.
        if let Self::All(parts) = self
            && parts.len() != 1
        {
            let members: Map<_, _> = parts.iter().map(part).collect();
            // Two comparisons of one attribute cannot both be members with its name.
            if members.len() == parts.len() {
                return members.into();
            }
        }
        Value::Object(Map::from_iter([part(self)]))
    }
}

/// Returns a condition as one member of an object. JSON has no segments: they are written out.
fn part(condition: &Condition) -> (String, Value) {
    let (name, value) = match condition {
        Condition::Compare(comparison) => {
            let (attribute, value) = (comparison.attribute(), comparison.encode());
            match WORDS.contains(&attribute) {
                true => (ATTRIBUTES, json!({ (attribute): value })),
                false => (attribute, value),
            }
        }
        Condition::All(parts) => (ALL, parts.encode()),
        Condition::Any(parts) => (ANY, parts.encode()),
        Condition::Not(not) => (NOT, not.condition().encode()),
        Condition::Unless(unless) => (UNLESS, unless.condition().encode()),
        Condition::Flag(flag) => (FLAG, flag.encode()),
        Condition::Segment(segment) => return part(segment.when()),
    };
    (name.to_owned(), value)
}

/// Encodes the right side of a comparison: an operand, or operators.
impl Encode for Comparison {
    fn encode(&self) -> Value {
        let operand = self.operand().encode();
        if self.reads_numbers() {
            return json!({ (self.operator().as_str()): operand, AS: NUMBER });
        }
        match (self.operator(), self.case()) {
            (Operator::Eq | Operator::In, Case::Exact) => operand,
            (operator, Case::Exact) => json!({ (operator.as_str()): operand }),
            (operator, Case::Ignored) => json!({ (operator.as_str()): operand, IGNORE_CASE: true }),
        }
    }
}

/// Returns a setting in JSON; `None` if the setting is left to lower sources.
pub(super) fn member<T: Encode>(setting: &Setting<T>) -> Option<Value> {
    match setting {
        Setting::Inherit => None,
        Setting::Remove => Some(Value::Null),
        Setting::Set(value) => Some(value.encode()),
    }
}

fn object<const LEN: usize>(members: [(&str, Option<Value>); LEN]) -> Map<String, Value> {
    members.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentages_have_no_more_decimals_than_they_need() {
        let written = |text: &str| text.parse::<Percentage>().unwrap().encode().to_string();

        for text in ["0", "10", "0.5", "33.3333", "0.0001", "99.9999", "100"] {
            assert_eq!(written(text), text);
        }
        assert_eq!(written("10.0"), "10");
    }

    #[test]
    fn times_are_written_in_utc() {
        let after = |time: Duration| SystemTime::UNIX_EPOCH + time;

        assert_eq!(after(Duration::from_secs(86_400)).encode(), "1970-01-02T00:00:00Z");
        assert_eq!(after(Duration::from_nanos(1)).encode(), "1970-01-01T00:00:00.000000001Z");
    }

    #[test]
    fn times_beyond_rfc_3339_become_the_nearest() {
        let years = |years: u64| Duration::from_secs(years * 366 * 86_400);

        assert_eq!((SystemTime::UNIX_EPOCH - years(2_000)).encode(), "0000-01-01T00:00:00Z");
        assert_eq!((SystemTime::UNIX_EPOCH - years(20_000)).encode(), "0000-01-01T00:00:00Z");
        assert_eq!(
            (SystemTime::UNIX_EPOCH + years(20_000)).encode(),
            "9999-12-30T22:00:00.999999999Z"
        );
    }

    #[test]
    fn lengths_of_time_are_written_as_in_the_file() {
        assert_eq!(Duration::from_secs(300).encode(), "5m");
        assert_eq!(Duration::from_secs(5_400).encode(), "1h 30m");
        assert_eq!(Duration::ZERO.encode(), "0s");
    }
}
