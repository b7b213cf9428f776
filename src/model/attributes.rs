//! What a context knows about who asks, beside the user and the groups.

use std::borrow::Cow;

use super::{Print, Value};

/// Attributes by name. Without any it is three words, so that the contexts of services that use none
/// cost next to nothing more.
#[derive(Debug, Clone, Default)]
pub(crate) struct Attributes<'a> {
    /// Somebody else's, which cost nothing to keep.
    lent: &'a [(&'a str, Value<'a>)],
    own: Option<Box<List<'a>>>,
}

/// A context has few attributes, and comparing a few prints is cheaper than hashing a name.
type List<'a> = Vec<Attribute<'a>>;

#[derive(Debug, Clone)]
struct Attribute<'a> {
    print: Print,
    name: Cow<'a, str>,
    value: Value<'a>,
}

impl<'a> Attributes<'a> {
    #[inline]
    pub(crate) fn set(&mut self, name: Cow<'a, str>, value: Value<'a>) {
        let print = Print::of(&name);
        let list = self.own.get_or_insert_with(|| Box::new(Vec::with_capacity(4)));
        match list.iter_mut().find(|known| known.is(print, &name)) {
            Some(known) => known.value = value,
            None => list.push(Attribute { print, name, value }),
        }
    }

    pub(crate) fn lend(&mut self, list: &'a [(&'a str, Value<'a>)]) {
        self.lent = list;
    }

    #[inline]
    pub(crate) fn find(&self, print: Print, name: &str) -> Option<&Value<'a>> {
        if let Some(list) = &self.own
            && let Some(known) = list.iter().find(|known| known.is(print, name))
        {
            return Some(&known.value);
        }
        self.lent.iter().find(|(known, _)| *known == name).map(|(_, value)| value)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, &Value<'a>)> {
        let own = || self.own.iter().flat_map(|list| list.iter());
        let lent = self.lent.iter().map(|(name, value)| (*name, value));
        let lent = lent.filter(move |&(name, _)| own().all(|known| *known.name != *name));
        lent.chain(own().map(|known| (&*known.name, &known.value)))
    }

    pub(crate) fn into_owned(self) -> Attributes<'static> {
        let mut owned = Attributes::default();
        for (name, value) in self.iter() {
            owned.set(Cow::Owned(name.to_owned()), value.clone().into_owned());
        }
        owned
    }
}

impl PartialEq for Attributes<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.iter().eq(other.iter())
    }
}

impl Attribute<'_> {
    #[inline]
    fn is(&self, print: Print, name: &str) -> bool {
        self.print == print && (print.is_whole() || *self.name == *name)
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
        attributes.set("plan_of_company".into(), "team".into());
        attributes.set("plan_of_country".into(), "none".into());

        let owned = attributes.clone().into_owned();
        let all: Vec<_> = owned.iter().collect();
        assert_eq!(
            all,
            [
                ("plan", &Value::from("pro")),
                ("seats", &Value::from(12)),
                ("plan_of_company", &Value::from("team")),
                ("plan_of_country", &Value::from("none")),
            ]
        );
        let lent = [("seats", Value::from(1)), ("os", "ios".into())];
        attributes.lend(&lent);
        assert_eq!(attributes.find(Print::of("os"), "os"), Some(&"ios".into()));
        assert_eq!(attributes.find(Print::of("seats"), "seats"), Some(&12.into()));
        assert_eq!(attributes.iter().count(), 5);
        assert_eq!(attributes.clone().into_owned(), attributes);
        assert_ne!(attributes, owned);
        let find = |name| owned.find(Print::of(name), name);
        assert_eq!(find("plan_of_country"), Some(&Value::from("none")));
        assert_eq!(find("plan_of_nothing"), None);
        assert_eq!(find("Plan"), None);
    }
}
