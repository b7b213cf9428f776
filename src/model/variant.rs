//! Variants, which a flag serves beyond on and off.

use std::{fmt, sync::Arc};

use super::{Setting, Value, Weight};

/// The variants of a flag, as one source gives them: in an order, each with a name.
///
/// The order decides which users are drawn into which variant, so it must not change while an
/// experiment runs.
///
/// As a part of a [`Definition`](super::Definition) this is a JSON merge patch (RFC 7396). It
/// changes the variants that it names, appends new ones, and leaves the rest unchanged.
///
/// # Example
///
/// ```
/// use flagstaff::{definition::{Variant, Variants, Weight}, Definition};
///
/// let prices = Variants::from([("control", 34), ("higher_price", 33), ("lower_price", 33)]);
/// let timeouts = Variants::new()
///     .with("fast", Variant::new().weight(50).value(200))
///     .with("slow", Variant::new().weight(50).value(800));
///
/// assert_eq!(prices.names().collect::<Vec<_>>(), ["control", "higher_price", "lower_price"]);
/// assert_eq!(timeouts.variant("slow").and_then(|slow| slow.weight.value()), Some(&Weight::from(50)));
///
/// let mut flag = Definition::new().variants(prices);
/// flag.merge(&Definition::new().variants([("control", 80)]));
/// assert_eq!(flag.rare().variants.value().map(Variants::len), Some(3));
/// ```
#[derive(Clone, PartialEq, Default)]
pub struct Variants {
    /// Shared, since few flags have variants, and definitions are copied when sources are merged.
    list: Arc<Vec<(Box<str>, Setting<Variant>)>>,
}

/// One variant of a flag: its weight and its value.
#[derive(Debug, Clone, PartialEq, Default)]
#[non_exhaustive]
pub struct Variant {
    /// The weight in the draw, compared with the other variants. Without it, the variant is never
    /// drawn.
    pub weight: Setting<Weight>,
    /// The value of the flag for users who are served this variant. By default it is the variant's
    /// name.
    pub value: Setting<Value<'static>>,
}

impl Variant {
    /// Creates a variant without weight and value.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the weight in the draw, compared with the other variants.
    #[must_use]
    pub fn weight(self, weight: impl Into<Weight>) -> Self {
        Self { weight: Setting::Set(weight.into()), ..self }
    }

    /// Sets the value of the flag for users who are served this variant.
    #[must_use]
    pub fn value(self, value: impl Into<Value<'static>>) -> Self {
        Self { value: Setting::Set(value.into()), ..self }
    }

    fn merge(&mut self, patch: &Self) {
        if !patch.weight.is_inherit() {
            self.weight = patch.weight;
        }
        if !patch.value.is_inherit() {
            self.value.clone_from(&patch.value);
        }
    }
}

/// Creates a variant with this weight alone.
impl From<Weight> for Variant {
    fn from(weight: Weight) -> Self {
        Self::new().weight(weight)
    }
}

/// Creates a variant with this weight alone.
impl From<u32> for Variant {
    fn from(weight: u32) -> Self {
        Self::new().weight(weight)
    }
}

impl Variants {
    /// Creates a list of no variants.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets a variant. A new one is appended, and a known one keeps its place.
    #[must_use]
    pub fn with(self, name: impl Into<String>, variant: impl Into<Variant>) -> Self {
        self.set(name.into().into(), Setting::Set(variant.into()))
    }

    /// Removes a variant, also from the sources below.
    #[must_use]
    pub fn without(self, name: impl Into<String>) -> Self {
        self.set(name.into().into(), Setting::Remove)
    }

    fn set(mut self, name: Box<str>, variant: Setting<Variant>) -> Self {
        let list = Arc::make_mut(&mut self.list);
        match list.iter_mut().find(|(known, _)| *known == name) {
            Some((_, known)) => *known = variant,
            None => list.push((name, variant)),
        }
        self
    }

    /// Returns the variants, in their order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Variant)> {
        self.list.iter().filter_map(|(name, variant)| Some((&**name, variant.value()?)))
    }

    /// Returns the variants that are set or removed, in their order.
    #[cfg(feature = "definition")]
    pub(crate) fn settings(&self) -> impl Iterator<Item = (&str, &Setting<Variant>)> {
        self.list.iter().map(|(name, variant)| (&**name, variant))
    }

    /// Returns the names of the variants, in their order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.iter().map(|(name, _)| name)
    }

    /// Returns the variant of that name, if there is one.
    #[must_use]
    pub fn variant(&self, name: &str) -> Option<&Variant> {
        self.iter().find(|&(known, _)| known == name).map(|(_, variant)| variant)
    }

    /// Returns the value of a variant, if it has one.
    ///
    /// Variants without values whose names are all `on` and `off`, or `true` and `false`, have these
    /// booleans as values.
    ///
    /// # Example
    ///
    /// ```
    /// use flagstaff::{answer::Value, definition::Variants};
    ///
    /// let switch = Variants::from([("on", 10), ("off", 90)]);
    /// let prices = Variants::from([("on", 10), ("off", 80), ("maybe", 10)]);
    ///
    /// assert_eq!(switch.value("on"), Some(Value::Bool(true)));
    /// assert_eq!(prices.value("on"), None);
    /// ```
    #[must_use]
    pub fn value(&self, name: &str) -> Option<Value<'static>> {
        let variant = self.variant(name)?;
        match variant.value.value() {
            Some(value) => Some(value.clone()),
            None => boolean(name).filter(|_| self.are_switches()).map(Value::Bool),
        }
    }

    /// Returns true if the names are those of booleans, and no variant has a value of its own.
    fn are_switches(&self) -> bool {
        let has_no_value = |variant: &Variant| variant.value.value().is_none();
        let mut all = self.iter();
        let is_switch = |name: &str| ["on", "off"].contains(&name);
        let is_truth = |name: &str| ["true", "false"].contains(&name);
        all.all(|(_, variant)| has_no_value(variant))
            && (self.names().all(is_switch) || self.names().all(is_truth))
    }

    /// Returns `true` if a flag that serves this variant is off. Then the value of the variant is
    /// `false`, or the variant is named `off` and its value is not `true`.
    ///
    /// # Example
    ///
    /// ```
    /// use flagstaff::definition::{Variant, Variants};
    ///
    /// let limits = Variants::new()
    ///     .with("off", Variant::new().weight(90).value(0))
    ///     .with("high", Variant::new().weight(10).value(500));
    ///
    /// assert!(limits.counts_as_off("off"));
    /// assert!(!limits.counts_as_off("high"));
    /// ```
    #[must_use]
    pub fn counts_as_off(&self, name: &str) -> bool {
        match self.value(name) {
            Some(Value::Bool(on)) => !on,
            _ => name == "off" && self.variant(name).is_some(),
        }
    }

    /// Returns the number of variants.
    #[must_use]
    pub fn len(&self) -> usize {
        self.iter().count()
    }

    /// Returns `true` if there are no variants.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Applies `patch` on top of these variants, name by name (RFC 7396).
    pub(crate) fn merge(&mut self, patch: &Self) {
        let list = Arc::make_mut(&mut self.list);
        for (name, change) in &*patch.list {
            match (list.iter_mut().find(|(known, _)| known == name), change) {
                (Some((_, Setting::Set(variant))), Setting::Set(change)) => variant.merge(change),
                (Some((_, variant)), change) => variant.clone_from(change),
                (None, change) => list.push((name.clone(), change.clone())),
            }
        }
    }
}

impl<N: Into<String>, V: Into<Variant>> FromIterator<(N, V)> for Variants {
    fn from_iter<I: IntoIterator<Item = (N, V)>>(variants: I) -> Self {
        let add = |all: Self, (name, variant): (N, V)| all.with(name, variant);
        variants.into_iter().fold(Self::new(), add)
    }
}

impl<N: Into<String>, V: Into<Variant>, const LEN: usize> From<[(N, V); LEN]> for Variants {
    fn from(variants: [(N, V); LEN]) -> Self {
        variants.into_iter().collect()
    }
}

impl fmt::Debug for Variants {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.list.iter().map(|(name, variant)| (name, variant))).finish()
    }
}

/// Returns the boolean that a name stands for.
fn boolean(name: &str) -> Option<bool> {
    match name {
        "on" | "true" => Some(true),
        "off" | "false" => Some(false),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_variant_counts_as_off_by_its_value_and_else_by_its_name() {
        let of = |value: Value<'static>| Variant::new().value(value);
        let mixed = Variants::new()
            .with("yes", of(true.into()))
            .with("off", of(true.into()))
            .with("no", of(false.into()));
        let numbers = Variants::new().with("off", of(0.into())).with("on", of(1.into()));
        let names = Variants::from([("off", 1), ("false", 1)]);

        assert_eq!(
            ["yes", "off", "no"].map(|name| mixed.counts_as_off(name)),
            [false, false, true]
        );
        assert_eq!(["off", "on"].map(|name| numbers.counts_as_off(name)), [true, false]);
        assert_eq!(["off", "false"].map(|name| names.counts_as_off(name)), [true, false]);
        assert!(Variants::from([("true", 1), ("false", 1)]).counts_as_off("false"));
        assert!(!Variants::new().counts_as_off("off"), "it has none of that name");
    }

    #[test]
    fn a_patch_changes_the_variants_that_it_names_and_keeps_their_places() {
        let mut below = Variants::new()
            .with("fast", Variant::new().weight(50).value(200))
            .with("medium", Variant::new().weight(30).value(400))
            .with("slow", Variant::new().weight(20).value(800));
        let patch = Variants::new().with("new", 10).without("medium").with("fast", 70);

        below.merge(&patch);

        assert_eq!(below.names().collect::<Vec<_>>(), ["fast", "slow", "new"]);
        assert_eq!(below.variant("fast"), Some(&Variant::new().weight(70).value(200)));
        assert_eq!(below.variant("medium"), None);
    }

    #[test]
    fn two_patches_are_one_patch() {
        let below = Variants::from([("a", 1), ("b", 2), ("c", 3)]);
        let (first, second) =
            (Variants::new().without("a").with("b", 5), Variants::from([("a", 7)]));
        let mut one_by_one = below.clone();
        one_by_one.merge(&first);
        one_by_one.merge(&second);

        let mut both = first;
        both.merge(&second);
        let mut at_once = below;
        at_once.merge(&both);

        assert_eq!(at_once, one_by_one);
        assert_eq!(at_once.names().collect::<Vec<_>>(), ["a", "b", "c"]);
    }
}
