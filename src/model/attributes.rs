//! The attributes of a context.

use std::{borrow::Cow, ops::Deref};

use super::{Printed, Value, seldom::Seldom};

/// Attributes by name. An empty set is three words, so that contexts without attributes cost next
/// to nothing more.
#[derive(Debug, Clone, Default)]
pub(crate) struct Attributes<'a> {
    /// A slice that the caller lends, which costs nothing to keep.
    lent: &'a [(&'a str, Value<'a>)],
    own: Seldom<Box<List<'a>>>,
}

#[derive(Debug, Clone)]
struct List<'a> {
    attributes: Vec<Attribute<'a>>,
    /// For each hash of a name, the index of the first attribute with that hash, or an index before
    /// it. Without them, W4 by handle takes 655 instructions rather than 586.
    starts: [u8; 1 << HASH_BITS],
}

/// Enough for a few dozen attributes. Beyond that several attributes share a hash, and a search
/// finds the right one.
const HASH_BITS: u32 = 6;

#[derive(Debug, Clone)]
struct Attribute<'a> {
    name: Printed<Cow<'a, str>>,
    value: Value<'a>,
}

impl<'a> Attributes<'a> {
    #[inline]
    pub(crate) fn set(&mut self, name: Cow<'a, str>, value: Value<'a>) {
        let name = Printed::new(name);
        let list = self.own.get_or_insert_with(Box::default);
        let start = list.start(&name);
        let behind = list.attributes.get_mut(start..).unwrap_or_default();
        match behind.iter_mut().find(|known| known.name.is_printed(&name)) {
            Some(known) => known.value = value,
            None => list.push(Attribute { name, value }),
        }
    }

    pub(crate) fn lend(&mut self, list: &'a [(&'a str, Value<'a>)]) {
        self.lent = list;
    }

    #[inline]
    pub(crate) fn find(&self, name: &Printed<impl Deref<Target = str>>) -> Option<&Value<'a>> {
        let Some(own) = &*self.own else { return self.search_lent(name) };
        match own.attributes.get(own.start(name)) {
            Some(known) if known.name.is_printed(name) => Some(&known.value),
            _ => self.search(own, name),
        }
    }

    // Functions of their own, since most attributes are where their hash points.
    #[inline(never)]
    fn search<'s>(
        &'s self,
        own: &'s List<'a>,
        name: &Printed<impl Deref<Target = str>>,
    ) -> Option<&'s Value<'a>> {
        let mut behind = own.attributes.get(own.start(name)..).unwrap_or_default().iter();
        match behind.find(|known| known.name.is_printed(name)) {
            Some(known) => Some(&known.value),
            None => self.search_lent(name),
        }
    }

    #[inline(never)]
    fn search_lent(&self, name: &Printed<impl Deref<Target = str>>) -> Option<&Value<'a>> {
        self.lent.iter().find_map(|(known, value)| name.is(known).then_some(value))
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, &Value<'a>)> {
        let own = || self.own.iter().flat_map(|list| &list.attributes);
        let lent = self.lent.iter().map(|(name, value)| (*name, value));
        let lent = lent.filter(move |&(name, _)| own().all(|known| **known.name.text() != *name));
        lent.chain(own().map(|known| (&**known.name.text(), &known.value)))
    }

    /// Returns true if no string of a value takes more than `bytes`.
    #[cfg(feature = "http")]
    #[inline]
    pub(crate) fn fit(&self, bytes: usize) -> bool {
        (self.lent.is_empty() || self.lent_fit(bytes))
            && self.own.as_ref().is_none_or(|list| list.fits(bytes))
    }

    // A function of its own, here and below, since most contexts of requests have no attributes.
    #[cfg(feature = "http")]
    #[inline(never)]
    fn lent_fit(&self, bytes: usize) -> bool {
        self.lent.iter().all(|(_, value)| value.fits(bytes))
    }

    /// Removes the attributes that do not [fit](Self::fit), and passes their names to `removed`.
    #[cfg(feature = "http")]
    pub(crate) fn remove_longer(&mut self, bytes: usize, mut removed: impl FnMut(&str)) {
        let mut kept = Attributes::default();
        for (name, value) in self.iter() {
            if value.fits(bytes) {
                kept.set(Cow::Owned(name.to_owned()), value.clone());
            } else {
                removed(name);
            }
        }
        *self = kept;
    }

    pub(crate) fn into_owned(self) -> Attributes<'static> {
        if self.lent.is_empty() {
            let own = self.own.into_inner().map(|list| Box::new(list.into_owned())).into();
            return Attributes { lent: &[], own };
        }
        let mut owned = Attributes::default();
        for (name, value) in self.iter() {
            owned.set(Cow::Owned(name.to_owned()), value.clone().into_owned());
        }
        owned
    }
}

impl<'a> List<'a> {
    fn push(&mut self, attribute: Attribute<'a>) {
        let start = &mut self.starts[hash(&attribute.name)];
        let position = u8::try_from(self.attributes.len()).unwrap_or(u8::MAX);
        *start = position.min(*start);
        self.attributes.push(attribute);
    }

    #[cfg(feature = "http")]
    #[inline(never)]
    fn fits(&self, bytes: usize) -> bool {
        self.attributes.iter().all(|attribute| attribute.value.fits(bytes))
    }

    fn into_owned(self) -> List<'static> {
        let own = |attribute: Attribute<'a>| Attribute {
            name: attribute.name.map(|name| Cow::Owned(name.into_owned())),
            value: attribute.value.into_owned(),
        };
        List { attributes: self.attributes.into_iter().map(own).collect(), starts: self.starts }
    }

    /// Returns the first index at which an attribute of that name can be.
    #[inline]
    fn start(&self, name: &Printed<impl Deref<Target = str>>) -> usize {
        self.starts[hash(name)].into()
    }
}

#[inline]
fn hash(name: &Printed<impl Deref<Target = str>>) -> usize {
    (name.print().hash() >> (u64::BITS - HASH_BITS)) as usize
}

impl Default for List<'_> {
    fn default() -> Self {
        Self { attributes: Vec::with_capacity(4), starts: [u8::MAX; 1 << HASH_BITS] }
    }
}

impl PartialEq for Attributes<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.iter().eq(other.iter())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_has_the_value_that_it_was_given_last() {
        let lent = [("seats", Value::from(1)), ("os", "ios".into())];
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
        attributes.lend(&lent);
        assert_eq!(attributes.find(&Printed::new("os")), Some(&"ios".into()));
        assert_eq!(attributes.find(&Printed::new("seats")), Some(&12.into()));
        assert_eq!(attributes.iter().count(), 5);
        assert_eq!(attributes.clone().into_owned(), attributes);
        assert_ne!(attributes, owned);
        let find = |name| owned.find(&Printed::new(name));
        assert_eq!(find("plan_of_country"), Some(&Value::from("none")));
        assert_eq!(find("plan_of_nothing"), None);
        assert_eq!(find("Plan"), None);
    }

    #[test]
    fn each_of_many_names_has_its_value() {
        // More names than there are hashes, and more than a byte can count.
        for count in [1, 5, 64, 65, 255, 256, 1_000] {
            let name = |n: usize| format!("attribute {n} of {count}");
            let mut attributes = Attributes::default();

            for value in [0, 1] {
                for n in 0..count {
                    attributes.set(name(n).into(), (n + value).to_string().into());
                }
            }

            assert_eq!(attributes.iter().count(), count);
            for n in 0..count {
                let value = attributes.find(&Printed::new(&*name(n)));
                assert_eq!(value, Some(&(n + 1).to_string().into()), "{n} of {count}");
            }
            assert_eq!(attributes.find(&Printed::new(&*name(count))), None);
        }
    }
}
