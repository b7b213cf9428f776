//! The tests and the segments of a flags.toml, which definitions do not contain.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};
use toml::de::{DeTable, DeValue};

/// Tests by flag, and segments by name, as JSON.
#[derive(Debug, Default)]
pub(crate) struct Written {
    pub(crate) tests: BTreeMap<String, Value>,
    pub(crate) segments: BTreeMap<String, Map<String, Value>>,
}

impl Written {
    /// Reads the text of a file. Invalid TOML has no tests and no segments; reading its flags reports the error.
    pub(crate) fn of(text: &str) -> Self {
        let mut written = Self::default();
        let text = text.trim_start_matches('\u{feff}');
        let Ok(root) = DeTable::parse(text) else { return written };
        let table = |name: &str| root.get_ref().get(name).and_then(|it| it.get_ref().as_table());
        for (key, flag) in table("flags").into_iter().flatten() {
            let tests = flag.get_ref().as_table().and_then(|flag| flag.get("tests"));
            let tests = tests.map(|tests| value(tests.get_ref()));
            written.tests.extend(tests.map(|tests| (key.get_ref().to_string(), tests)));
        }
        for (key, segment) in table("segments").into_iter().flatten() {
            if let Value::Object(segment) = value(segment.get_ref()) {
                written.segments.insert(key.get_ref().to_string(), segment);
            }
        }
        written
    }
}

/// Returns a value of TOML as JSON.
pub(crate) fn value(value: &DeValue<'_>) -> Value {
    match value {
        DeValue::Boolean(on) => (*on).into(),
        DeValue::Integer(number) => match i64::from_str_radix(number.as_str(), number.radix()) {
            Ok(number) => number.into(),
            Err(_) => number.as_str().into(),
        },
        DeValue::Float(number) => match number.as_str().parse::<f64>() {
            Ok(number) if number.is_finite() => json!(number),
            _ => number.as_str().into(),
        },
        DeValue::String(text) => text.as_ref().into(),
        DeValue::Datetime(time) => time.to_string().into(),
        DeValue::Array(list) => list.iter().map(|one| self::value(one.get_ref())).collect(),
        DeValue::Table(table) => {
            let members = table.iter();
            members
                .map(|(key, one)| (key.get_ref().to_string(), self::value(one.get_ref())))
                .collect()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tests_and_segments_are_read_as_they_are_written() {
        let text = "\u{feff}[flags.a]\ntests = [{ user = \"ana\", expect = true }]\n\
                    [segments.pros]\nwhen = { plan = \"pro\", seats = { ge = 0x10 } }\n";

        let written = Written::of(text);

        assert_eq!(written.tests["a"], json!([{ "user": "ana", "expect": true }]));
        let when = json!({ "plan": "pro", "seats": { "ge": 16 } });
        assert_eq!(written.segments["pros"]["when"], when);
        assert!(Written::of("nonsense").segments.is_empty());
    }
}
