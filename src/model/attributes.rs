//! What a context knows about who asks, beside the user and the groups.

use std::borrow::Cow;

use super::Value;

/// Attributes by name. Without any it is one empty word, so that the contexts of services that use
/// none cost nothing more.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Attributes<'a>(Option<Box<List<'a>>>);

/// A context has few attributes, and comparing a few prints is cheaper than hashing a name.
type List<'a> = Vec<Attribute<'a>>;

#[derive(Debug, Clone, PartialEq)]
struct Attribute<'a> {
    print: Print,
    name: Cow<'a, str>,
    value: Value<'a>,
}

/// A name in one word: all of it, if it has at most seven bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Print(u64);

impl Print {
    #[inline]
    pub(crate) fn of(name: &str) -> Self {
        let len = name.len() as u64;
        let start = name.bytes().take(7).fold(0, |word, byte| word << 8 | u64::from(byte));
        Self(start << 8 | len.min(u64::from(u8::MAX)))
    }

    /// Whether names with the same print are the same name.
    #[inline]
    fn is_whole(self) -> bool {
        self.0 & 0xff <= 7
    }
}

impl<'a> Attributes<'a> {
    #[inline]
    pub(crate) fn set(&mut self, name: Cow<'a, str>, value: Value<'a>) {
        let print = Print::of(&name);
        let list = self.0.get_or_insert_with(|| Box::new(Vec::with_capacity(4)));
        match list.iter_mut().find(|known| known.is(print, &name)) {
            Some(known) => known.value = value,
            None => list.push(Attribute { print, name, value }),
        }
    }

    #[inline]
    pub(crate) fn find(&self, print: Print, name: &str) -> Option<&Value<'a>> {
        let list = self.0.as_ref()?;
        list.iter().find(|known| known.is(print, name)).map(|known| &known.value)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, &Value<'a>)> {
        self.0.iter().flat_map(|list| list.iter()).map(|known| (&*known.name, &known.value))
    }

    pub(crate) fn into_owned(self) -> Attributes<'static> {
        let own = |Attribute { print, name, value }: Attribute<'a>| Attribute {
            print,
            name: Cow::Owned(name.into_owned()),
            value: value.into_owned(),
        };
        Attributes(self.0.map(|list| Box::new(list.into_iter().map(own).collect())))
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
        let find = |name| owned.find(Print::of(name), name);
        assert_eq!(find("plan_of_country"), Some(&Value::from("none")));
        assert_eq!(find("plan_of_nothing"), None);
        assert_eq!(find("Plan"), None);
        assert_eq!(attributes, owned);
    }
}
