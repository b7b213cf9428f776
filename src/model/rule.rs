//! Rules, which serve some users something else than the rest of the flag.

use std::{borrow::Cow, fmt};

use super::{BucketBy, Condition, Percentage, Prerequisite, Weight, variant_name::DEFAULT};

use crate::text::line;

/// One rule of a flag: it serves the users that meet its condition. The first rule that matches
/// decides.
///
/// # Example
///
/// ```
/// use flagstaff::{definition::{Condition, Operator, Rule, Serve}, Definition, Percentage};
///
/// let definition = Definition::new().rules([
///     Rule::new(Condition::compare("os", Operator::Eq, "ios")?, Serve::Off),
///     Rule::new(
///         Condition::compare("country", Operator::In, ["DE", "AT"])?,
///         Serve::Percentage(Percentage::whole(25)?),
///     )
///     .named("german speakers"),
/// ]);
///
/// assert_eq!(definition.rare().rules.value().map(|rules| rules.len()), Some(2));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Rule {
    /// The name of the rule. Rules that serve a percentage seed their draw with the name: another
    /// name selects other users.
    pub name: Option<String>,
    /// The condition of the users that the rule is for.
    pub when: Condition,
    /// The users that are left out: the rule does not match where this condition is true. See
    /// [`Condition::Unless`].
    pub unless: Option<Condition>,
    /// The outcome for these users.
    pub serve: Serve,
    /// The unit that buckets are drawn by.
    pub bucket_by: BucketBy,
}

impl Rule {
    /// Creates a rule without a name.
    #[must_use]
    pub const fn new(when: Condition, serve: Serve) -> Self {
        Self { name: None, when, unless: None, serve, bucket_by: BucketBy::TargetingKey }
    }

    /// Sets the name of the rule.
    #[must_use]
    pub fn named(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// Leaves out the users for whom `condition` is true. See [`Condition::Unless`].
    ///
    /// # Example
    ///
    /// ```
    /// use flagstaff::definition::{Condition, Operator, Rule, Serve};
    ///
    /// let pros = Condition::compare("plan", Operator::Eq, "pro")?;
    /// let american = Condition::compare("country", Operator::Eq, "US")?;
    ///
    /// let rule = Rule::new(pros, Serve::On).unless(american.clone());
    ///
    /// assert_eq!(rule.unless, Some(american));
    /// # Ok::<(), flagstaff::definition::InvalidOperand>(())
    /// ```
    #[must_use]
    pub fn unless(mut self, condition: Condition) -> Self {
        self.unless = Some(condition);
        self
    }

    /// Returns `when` and `unless` as one condition, which has to be true for the rule to match.
    #[must_use]
    pub fn condition(&self) -> Cow<'_, Condition> {
        match &self.unless {
            None => Cow::Borrowed(&self.when),
            Some(unless) => {
                let unless = Condition::Unless(unless.clone().into());
                Cow::Owned(Condition::All(vec![self.when.clone(), unless]))
            }
        }
    }

    /// Returns the other flags that the conditions depend on. See [`Condition::flags`].
    #[must_use]
    pub fn flags(&self) -> Vec<&Prerequisite> {
        let mut flags = self.when.flags();
        flags.extend(self.unless.iter().flat_map(Condition::flags));
        flags
    }

    /// Draws buckets by another unit than the targeting key. By an attribute, such as `company.id`,
    /// all users who share it are served alike; see [`BucketBy`].
    #[must_use]
    pub fn bucket_by(mut self, unit: impl Into<BucketBy>) -> Self {
        self.bucket_by = unit.into();
        self
    }
}

/// The outcome of a rule.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Serve {
    /// The flag is on.
    On,
    /// The flag is off.
    Off,
    /// The flag is on, with this variant. If the flag lacks the variant, the name may be a
    /// percentage such as `25%`, and counts as that. With any other name the flag is off.
    Variant(String),
    /// No variant: callers get their own defaults, and a boolean flag is `false`. If the flag has a
    /// variant named `default`, that variant is served instead.
    Default,
    /// The flag is on for this share of the users that match, and off for the others. If the flag
    /// has a variant of that name, such as `25%`, that variant is served instead.
    Percentage(Percentage),
    /// The flag is on, with one of these variants, drawn by weight in this order. It is off if it
    /// lacks one of the variants.
    Split(Vec<(String, Weight)>),
}

/// Writes `on`, `off`, `default`, `25%`, `higher_price` or `control 50, higher_price 50`.
impl fmt::Display for Serve {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::On => f.write_str("on"),
            Self::Off => f.write_str("off"),
            Self::Variant(name) => f.write_str(&line(name)),
            Self::Default => f.write_str(DEFAULT),
            Self::Percentage(percentage) => percentage.fmt(f),
            Self::Split(split) => {
                split.iter().enumerate().try_for_each(|(index, (name, weight))| {
                    let comma = if index == 0 { "" } else { ", " };
                    write!(f, "{comma}{} {weight}", line(name))
                })
            }
        }
    }
}
