//! Forced values: the patch of each over the definitions below.

use super::{Definition, Entry, Field, SharedDefinition, Variants, Weight};

impl Definition {
    /// Creates a patch that forces a flag without variants on or off.
    ///
    /// Forced off sets `enabled` alone. So a source that switches the flag on again opens it no
    /// further than the definitions below. Forced on answers for all users: it removes the
    /// targeting of the sources below, and only their deny-lists still hold.
    ///
    /// # Example
    ///
    /// ```
    /// use flagstaff::{Definition, Percentage};
    ///
    /// let mut flag = Definition::new().percentage(Percentage::whole(10)?).denied_users(["mallory"]);
    ///
    /// flag.merge(&Definition::forced(true));
    ///
    /// assert_eq!((flag.enabled.value(), flag.percentage.value()), (Some(&true), None));
    /// assert!(flag.denied_users.value().is_some());
    /// # Ok::<(), flagstaff::definition::InvalidPercentage>(())
    /// ```
    #[must_use]
    pub fn forced(on: bool) -> Self {
        let mut forced = Self::new();
        for &field in Field::ALL.iter().filter(|field| on && field.roles().is_lifted) {
            forced.remove(field);
        }
        forced.enabled(on)
    }

    /// Creates a patch that forces the flag on or off, which the sources below define as `below`.
    ///
    /// A flag that is forced on keeps serving the variant that it serves to all users, if that
    /// variant is on. Otherwise it draws only among the variants that do not count as off. The flag
    /// stays off if it has several variants and none of these has a weight.
    pub(crate) fn forced_over(on: bool, below: &Self) -> Self {
        let rare = below.rare();
        let variants = rare.variants.value().filter(|variants| !variants.is_empty());
        let serve = rare.serve.value();
        if !on || rare.value.value().is_some() {
            return Self::forced(on);
        }
        let Some(variants) = variants else {
            return Self::forced(true).without_serve(serve.is_some());
        };
        let is_on = |name: &str| variants.variant(name).is_some() && !variants.counts_as_off(name);
        if serve.is_some_and(|name| is_on(name)) {
            return Self::forced(true);
        }
        let weighs = |name| {
            let variant = variants.variant(name);
            variant.and_then(|it| it.weight.value()).is_some_and(|&it| it > Weight::ZERO)
        };
        let candidates: Vec<_> = variants.names().filter(|name| is_on(name)).collect();
        match *candidates {
            [only] if !weighs(only) => Self::forced(true).serve(only),
            _ if candidates.iter().any(|name| weighs(name)) => {
                let off = variants.names().filter(|name| variants.counts_as_off(name));
                let off: Variants = off.map(|name| (name, 0)).collect();
                let forced = Self::forced(true).without_serve(serve.is_some());
                match off.is_empty() {
                    true => forced,
                    false => forced.variants(off),
                }
            }
            _ => Self::forced(false),
        }
    }

    fn without_serve(mut self, is_there: bool) -> Self {
        if is_there {
            self.remove(Field::Serve);
        }
        self
    }

    /// Creates a patch that forces a variant, which is served to all users for whom the flag is on.
    /// A variant that counts as off forces the flag off, and is served. Returns `None` if
    /// `variants`, which are those of the sources below, lack the variant.
    pub(crate) fn forced_variant(name: &str, variants: &Variants) -> Option<Self> {
        variants.variant(name)?;
        Some(match variants.counts_as_off(name) {
            true => Self::forced(false).off(name),
            false => Self::forced(true).serve(name),
        })
    }

    /// Returns this definition with the entry of a stronger source on top.
    #[cfg_attr(not(feature = "definition"), allow(dead_code, reason = "for environments"))]
    pub(crate) fn with_entry(this: Option<&SharedDefinition>, entry: &Entry) -> SharedDefinition {
        let patch = entry.patch(this.map(|this| &**this));
        let is_forced_on = entry.forces().is_some() && patch.enabled.value() == Some(&true);
        let mut merged = match this {
            None => patch,
            Some(this) => {
                let mut merged = this.clone();
                merged.make_mut().overlay(&patch);
                merged
            }
        };
        Self::settle(&mut merged);
        let has_variants = merged.rare().variants.value().is_some();
        if is_forced_on && has_variants {
            merged.make_mut().rare_mut().is_forced_on = true;
        }
        merged
    }

    /// Marks a flag that an environment of the file forces on.
    #[cfg(feature = "file")]
    pub(crate) fn set_forced_on(&mut self) {
        self.rare_mut().is_forced_on = true;
    }

    /// Returns true if an environment of the file forces the flag on.
    pub(crate) fn is_forced_on(&self) -> bool {
        self.rare().is_forced_on
    }
}
