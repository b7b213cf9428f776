//! What a context knows about who asks, beside the user and the groups.

use std::borrow::Cow;

use super::Value;

/// Attributes by name. Without any it is one empty word, so that the contexts of services that use
/// none cost nothing more.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Attributes<'a>(Option<Box<List<'a>>>);

/// A context has few attributes, and comparing a few names is cheaper than hashing one.
type List<'a> = Vec<(Cow<'a, str>, Value<'a>)>;

impl<'a> Attributes<'a> {
    pub(crate) fn set(&mut self, name: Cow<'a, str>, value: Value<'a>) {
        let list = self.0.get_or_insert_with(|| Box::new(Vec::with_capacity(4)));
        match list.iter_mut().find(|(known, _)| *known == name) {
            Some((_, known)) => *known = value,
            None => list.push((name, value)),
        }
    }

    #[inline]
    pub(crate) fn find(&self, name: &str) -> Option<&Value<'a>> {
        let list = self.0.as_ref()?;
        list.iter().find(|(known, _)| **known == *name).map(|(_, value)| value)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, &Value<'a>)> {
        self.0.iter().flat_map(|list| list.iter()).map(|(name, value)| (&**name, value))
    }

    pub(crate) fn into_owned(self) -> Attributes<'static> {
        let own = |(name, value): (Cow<'a, str>, Value<'a>)| {
            (Cow::Owned(name.into_owned()), value.into_owned())
        };
        Attributes(self.0.map(|list| Box::new(list.into_iter().map(own).collect())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_has_the_value_that_it_was_given_last() {
        let mut attributes = Attributes::default();
        assert_eq!(attributes.iter().count(), 0);

        attributes.set("plan".into(), "free".into());
        attributes.set("seats".into(), 12.into());
        attributes.set("plan".into(), "pro".into());

        let owned = attributes.clone().into_owned();
        let all: Vec<_> = owned.iter().collect();
        assert_eq!(all, [("plan", &Value::from("pro")), ("seats", &Value::from(12))]);
        assert_eq!(attributes, owned);
    }
}
