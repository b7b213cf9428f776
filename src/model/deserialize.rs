//! Deserialization of values into the types of the caller.

use std::borrow::Cow;

use serde::{
    Deserializer,
    de::{
        IntoDeserializer, Visitor,
        value::{
            CowStrDeserializer, Error, MapAccessDeserializer, MapDeserializer, SeqDeserializer,
        },
    },
    forward_to_deserialize_any,
};

use super::Value;

/// Deserializes a float with a whole value, such as `3.0`, where the type asks for an integer: JSON
/// has one kind of number.
macro_rules! deserialize_whole {
    ($($method:ident)+) => {
        $(
            fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
                match self.whole() {
                    Some(number) => visitor.visit_i64(number),
                    None => self.deserialize_any(visitor),
                }
            }
        )+
    };
}

impl<'de> Deserializer<'de> for &'de Value<'_> {
    type Error = Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self {
            Value::Bool(value) => visitor.visit_bool(*value),
            Value::Integer(value) => visitor.visit_i64(*value),
            Value::Float(value) => visitor.visit_f64(*value),
            Value::String(text) => visitor.visit_borrowed_str(text),
            Value::List(list) => visitor.visit_seq(SeqDeserializer::new(list.iter())),
            Value::Table(table) => visitor.visit_map(entries(table)),
        }
    }

    deserialize_whole! {
        deserialize_i8 deserialize_i16 deserialize_i32 deserialize_i64 deserialize_i128
        deserialize_u8 deserialize_u16 deserialize_u32 deserialize_u64 deserialize_u128
    }

    // A value is never null.
    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Error> {
        visitor.visit_newtype_struct(self)
    }

    // As in JSON: a string is the name of a variant, and a table with one entry is a variant with
    // its content.
    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        match self {
            Value::Table(table) => visitor.visit_enum(MapAccessDeserializer::new(entries(table))),
            Value::String(text) => {
                visitor.visit_enum(CowStrDeserializer::new(Cow::Borrowed(&**text)))
            }
            _ => self.deserialize_any(visitor),
        }
    }

    forward_to_deserialize_any! {
        bool f32 f64 char str string bytes byte_buf unit
        unit_struct seq tuple tuple_struct map struct identifier ignored_any
    }
}

fn entries<'de>(
    table: &'de std::collections::BTreeMap<Cow<'_, str>, Value<'_>>,
) -> MapDeserializer<'de, impl Iterator<Item = (&'de str, &'de Value<'de>)>, Error> {
    MapDeserializer::new(table.iter().map(|(name, value)| (&**name, value)))
}

impl<'de> IntoDeserializer<'de, Error> for &'de Value<'_> {
    type Deserializer = Self;

    fn into_deserializer(self) -> Self {
        self
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use serde::Deserialize;

    use super::*;

    #[derive(Debug, Deserialize, PartialEq)]
    struct Ranking {
        model: Model,
        boosts: Vec<f32>,
        limit: Option<u8>,
        #[serde(default)]
        fresh: bool,
    }

    #[derive(Debug, Deserialize, PartialEq)]
    #[serde(rename_all = "lowercase")]
    enum Model {
        Plain,
        Deep { sources: usize },
    }

    fn table<'a>(entries: impl IntoIterator<Item = (&'a str, Value<'a>)>) -> Value<'a> {
        entries.into_iter().collect()
    }

    #[test]
    fn tables_become_structs() {
        let value = table([
            ("model", table([("deep", table([("sources", Value::from(3))]))])),
            ("boosts", Value::from([1.5, 2.0])),
            ("limit", Value::from(10)),
        ]);

        let ranking = Ranking::deserialize(&value).unwrap();

        let model = Model::Deep { sources: 3 };
        assert_eq!(
            ranking,
            Ranking { model, boosts: vec![1.5, 2.0], limit: Some(10), fresh: false }
        );
        assert!(HashMap::<String, serde_json::Value>::deserialize(&value).is_ok());
    }

    #[test]
    fn an_operand_that_does_not_fit_its_operator_is_an_error() {
        assert_eq!(Model::deserialize(&Value::from("plain")).unwrap(), Model::Plain);
        assert_eq!(f64::deserialize(&Value::from(2)).unwrap(), 2.0);
        assert!(Model::deserialize(&Value::from("other")).is_err());
        assert!(Model::deserialize(&Value::from(1)).is_err());
        assert!(u8::deserialize(&Value::from(-1)).is_err());
        assert!(String::deserialize(&Value::from(true)).is_err());
        assert!(Ranking::deserialize(&table([])).is_err());
    }
}
