//! What one source says about one flag.

use std::{
    fmt,
    ops::{Deref, DerefMut},
    sync::Arc,
    time::{Duration, SystemTime},
};

use super::{Active, OnStale, Percentage, Prerequisite, Rollout, Rule, Variants};

/// One field of a [`Definition`], as a member of a JSON merge patch (RFC 7396) is: absent, null or
/// a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Setting<T> {
    /// Says nothing: the lower sources decide.
    #[default]
    Inherit,
    /// Takes away what lower sources say, so that the field has its default again.
    Remove,
    /// Replaces what lower sources say.
    Set(T),
}

impl<T> Setting<T> {
    /// The value, if this sets one.
    pub fn value(&self) -> Option<&T> {
        match self {
            Self::Set(value) => Some(value),
            Self::Inherit | Self::Remove => None,
        }
    }

    /// Whether lower sources decide.
    pub fn is_inherit(&self) -> bool {
        matches!(self, Self::Inherit)
    }

    /// Does what `patch` says, if it says anything.
    pub(crate) fn replace(&mut self, patch: &Self)
    where
        T: Clone,
    {
        if !patch.is_inherit() {
            self.clone_from(patch);
        }
    }
}

/// A chained method that sets one setting. Lists take whatever becomes texts, such as `["ana"]`.
macro_rules! setter {
    ([$($doc:tt)+] $field:ident: $type:ty) => {
        $($doc)+
        #[must_use]
        pub fn $field(mut self, value: impl Into<$type>) -> Self {
            self.$field = Setting::Set(value.into());
            self
        }
    };
    ([$($doc:tt)+] $field:ident: $type:ty, from prerequisites) => {
        $($doc)+
        #[must_use]
        pub fn $field<T: Into<Prerequisite>>(
            mut self,
            values: impl IntoIterator<Item = T>,
        ) -> Self {
            self.$field = Setting::Set(values.into_iter().map(Into::into).collect());
            self
        }
    };
    ([$($doc:tt)+] $field:ident: $type:ty, from texts) => {
        $($doc)+
        #[must_use]
        pub fn $field<T: Into<String>>(mut self, values: impl IntoIterator<Item = T>) -> Self {
            self.$field = Setting::Set(values.into_iter().map(Into::into).collect());
            self
        }
    };
}

/// Applies one setting of a patch: it replaces what is there, or is a patch itself.
macro_rules! merge {
    ($below:expr, $patch:expr) => {
        if !$patch.is_inherit() {
            $below.clone_from(&$patch);
        }
    };
    ($below:expr, $patch:expr, by $key:ident) => {
        match (&mut $below, &$patch) {
            (Setting::Set(below), Setting::Set(patch)) => below.merge(patch),
            (below, patch) => merge!(*below, *patch),
        }
    };
}

/// Everything that walks over the settings of a flag is made from this one list.
///
/// Thousands of flags are kept, so the `rare` settings have no room in a definition without any of
/// them. `from texts` is a list that takes whatever becomes texts; `merged by` is a table, of which
/// a stronger source may set some members and leave the others.
macro_rules! settings {
    (
        $(
            $(#[doc = $doc:literal])+
            $field:ident: $type:ty, $variant:ident $(, from $texts:ident)? $(, merged by $key:ident)?;
        )+
        rare:
        $(
            $(#[doc = $rare_doc:literal])+
            $rare:ident: $rare_type:ty, $rare_variant:ident
            $(, from $rare_texts:ident)? $(, merged by $rare_key:ident)?;
        )+
    ) => {
        /// The whole or partial definition of a flag, as one source gives it.
        ///
        /// A field that is not set falls through to the source below; see [`Setting`]. The fields
        /// that few flags have, such as `rules`, are those of [`RareSettings`], and are read and
        /// written as if they were here: `definition.rules`.
        ///
        /// # Example
        ///
        /// ```
        /// use flagstaff::{Definition, Percentage};
        ///
        /// let definition = Definition::new()
        ///     .owner("payments")
        ///     .percentage(Percentage::whole(10)?)
        ///     .allowed_users(["internal_tester_1"]);
        ///
        /// assert_eq!(definition.owner.value().map(String::as_str), Some("payments"));
        /// assert!(definition.enabled.is_inherit());
        /// assert!(definition.rules.is_inherit());
        /// # Ok::<(), flagstaff::definition::InvalidPercentage>(())
        /// ```
        #[derive(Clone, PartialEq, Default)]
        #[non_exhaustive]
        pub struct Definition {
            $($(#[doc = $doc])+ pub $field: Setting<$type>,)+
            rare: Rare,
        }

        /// The settings of a [`Definition`] that few flags have.
        #[derive(Debug, Clone, PartialEq)]
        #[non_exhaustive]
        pub struct RareSettings {
            $($(#[doc = $rare_doc])+ pub $rare: Setting<$rare_type>,)+
        }

        impl RareSettings {
            const NONE: Self = Self { $($rare: Setting::Inherit,)+ };

            fn merge(&mut self, patch: &Self) {
                $(merge!(self.$rare, patch.$rare $(, by $rare_key)?);)+
            }
        }

        impl Definition {
            $(setter!([$(#[doc = $doc])+] $field: $type $(, from $texts)?);)+
            $(setter!([$(#[doc = $rare_doc])+] $rare: $rare_type $(, from $rare_texts)?);)+

            /// Whether this says anything about `field`: sets it or removes it.
            #[must_use]
            pub fn has(&self, field: Field) -> bool {
                match field {
                    $(Field::$variant => !self.$field.is_inherit(),)+
                    $(Field::$rare_variant => !self.$rare.is_inherit(),)+
                }
            }

            /// Says nothing about `field` any more.
            pub(crate) fn inherit(&mut self, field: Field) {
                if !self.has(field) {
                    return;
                }
                match field {
                    $(Field::$variant => self.$field = Setting::Inherit,)+
                    $(Field::$rare_variant => self.$rare = Setting::Inherit,)+
                }
            }

            /// Applies `patch` on top of this, field by field (RFC 7396).
            pub fn merge(&mut self, patch: &Self) {
                $(merge!(self.$field, patch.$field $(, by $key)?);)+
                if let Rare(Some(patch)) = &patch.rare {
                    self.rare.settings_mut().merge(patch);
                }
                // The percentage takes it away from lower sources too, for as long as it is said.
                if patch.takes_rollout_away() && self.rollout.value().is_some() {
                    self.rollout = Setting::Inherit;
                }
            }

            /// The fields that differ between the two.
            #[must_use]
            pub fn differences(&self, other: &Self) -> Vec<Field> {
                let mut fields = Vec::new();
                $(
                    if self.$field.value() != other.$field.value() {
                        fields.push(Field::$variant);
                    }
                )+
                $(
                    if self.$rare.value() != other.$rare.value() {
                        fields.push(Field::$rare_variant);
                    }
                )+
                fields
            }
        }

        impl fmt::Debug for Definition {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_struct("Definition")
                    $(.field(stringify!($field), &self.$field))+
                    $(.field(stringify!($rare), &self.$rare))+
                    .finish()
            }
        }

        /// The name of one setting of a flag.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[non_exhaustive]
        pub enum Field {
            $($(#[doc = $doc])+ $variant,)+
            $($(#[doc = $rare_doc])+ $rare_variant,)+
        }

        impl Field {
            /// Every setting, in the order of the documentation.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+ $(Self::$rare_variant,)+];

            /// The key in flags.toml and in JSON.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => stringify!($field),)+
                    $(Self::$rare_variant => stringify!($rare),)+
                }
            }

            /// What it says, in a sentence or a few.
            #[must_use]
            pub const fn description(self) -> &'static str {
                match self {
                    $(Self::$variant => concat!($($doc),+).trim_ascii_start(),)+
                    $(Self::$rare_variant => concat!($($rare_doc),+).trim_ascii_start(),)+
                }
            }
        }
    };
}

settings! {
    /// What the flag is for, in a sentence.
    description: String, Description;
    /// The team or person who answers for it.
    owner: String, Owner;
    /// Free words to find it by.
    tags: Vec<String>, Tags, from texts;
    /// When it was introduced.
    created: SystemTime, Created;
    /// When it should be gone from the code. Evaluation does not look at it.
    expires: SystemTime, Expires;
    /// The kill switch: `false` is off for everybody. On by default.
    enabled: bool, Enabled;
    /// Targeting keys for whom it is off, whatever else is said.
    denied_users: Vec<String>, DeniedUsers, from texts;
    /// Groups for whose members it is off, whatever else but `enabled` is said.
    denied_groups: Vec<String>, DeniedGroups, from texts;
    /// Targeting keys for whom it is on, outside the percentage too.
    allowed_users: Vec<String>, AllowedUsers, from texts;
    /// Groups for whose members it is on, outside the percentage too.
    allowed_groups: Vec<String>, AllowedGroups, from texts;
    /// The share of everybody else for whom it is on. Everybody by default.
    percentage: Percentage, Percentage;

    rare:

    /// Other flags that have to be on, or to serve a variant, for the same context.
    requires: Vec<Prerequisite>, Requires, from prerequisites;
    /// Who is served what, before the percentage: the first rule that matches decides.
    rules: Arc<[Rule]>, Rules;
    /// A percentage that grows by itself, in stages. It decides instead of `percentage`; but a
    /// percentage of a stronger source takes it away.
    rollout: Box<Rollout>, Rollout, merged by member;
    /// When it can be on at all. Outside of that it is off for everybody.
    active: Box<Active>, Active, merged by member;
    /// What it serves beyond on and off, and how often.
    variants: Variants, Variants, merged by name;
    /// The variant that is served while it is off: `control` by default, or else the first.
    off: String, Off;
    /// The share of those for whom it is on who are drawn into its variants. The others are served
    /// the variant that is served while it is off. Everybody by default.
    traffic: Percentage, Traffic;
    /// The attribute that buckets of the percentage, the traffic and the variants are drawn by
    /// instead of the targeting key, so that all who share it are served the same. Rules have one
    /// of their own.
    bucket_by: String, BucketBy;
    /// What the buckets are drawn by instead of the flag key: flags with the same salt draw the
    /// same users, and a new salt draws new ones.
    salt: String, Salt;
    /// How long a source above this one may be unreachable before the flag does what `on_stale`
    /// says. For ever by default.
    stale_after: Duration, StaleAfter;
    /// What it does then. It keeps the lost source's last word by default.
    on_stale: OnStale, OnStale;
}

impl Definition {
    /// A definition that says nothing.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// What a forced value means as a patch: it answers for everybody, so all targeting below it
    /// is gone, but the deny-lists still hold.
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
        let mut forced = Self {
            enabled: Setting::Set(on),
            allowed_users: Setting::Remove,
            allowed_groups: Setting::Remove,
            percentage: Setting::Remove,
            ..Self::default()
        };
        let rare = forced.rare.settings_mut();
        rare.requires = Setting::Remove;
        rare.rules = Setting::Remove;
        rare.rollout = Setting::Remove;
        rare.active = Setting::Remove;
        forced
    }

    /// What a patch of a forced value is applied to. Off decides alone; a flag that is switched on
    /// again has what the sources below say. A patch of what is on for everybody narrows just that.
    pub(crate) fn forced_settings(on: bool) -> Self {
        if on { Self::forced(true) } else { Self::new().enabled(false) }
    }

    /// What a forced variant means as a patch: beyond being on, no other one is drawn. `None` if
    /// there is no variant of that name among `variants`, which are those of the sources below.
    pub(crate) fn forced_variant(name: &str, variants: &Variants) -> Option<Self> {
        variants.variant(name)?;
        let weights = variants.names().map(|other| (other, u32::from(other == name)));
        let mut forced = Self::forced(true).variants(weights.collect::<Variants>());
        forced.traffic = Setting::Remove;
        Some(forced)
    }

    /// Whether this, as a patch, ends a rollout of the sources below: it says a percentage for
    /// everybody from now on.
    pub(crate) fn takes_rollout_away(&self) -> bool {
        self.percentage.value().is_some() && self.rollout.is_inherit()
    }

    /// The fields this sets or removes.
    pub fn fields(&self) -> impl Iterator<Item = Field> {
        Field::ALL.iter().copied().filter(|&field| self.has(field))
    }
}

/// The rare settings of a definition, if it has any.
#[derive(Clone, Default)]
struct Rare(Option<Box<RareSettings>>);

impl Rare {
    fn settings(&self) -> &RareSettings {
        static NONE: RareSettings = RareSettings::NONE;
        self.0.as_deref().unwrap_or(&NONE)
    }

    fn settings_mut(&mut self) -> &mut RareSettings {
        self.0.get_or_insert_with(|| Box::new(RareSettings::NONE))
    }
}

impl PartialEq for Rare {
    fn eq(&self, other: &Self) -> bool {
        self.settings() == other.settings()
    }
}

impl Deref for Definition {
    type Target = RareSettings;

    fn deref(&self) -> &RareSettings {
        self.rare.settings()
    }
}

impl DerefMut for Definition {
    fn deref_mut(&mut self) -> &mut RareSettings {
        self.rare.settings_mut()
    }
}

impl fmt::Display for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{FlagState, Stage};

    #[test]
    fn a_patch_changes_only_what_it_names() {
        let mut below = Definition::new()
            .owner("payments")
            .allowed_users(["ana", "bob"])
            .percentage(Percentage::ZERO);
        let mut patch = Definition::new().allowed_users(["eve"]);
        patch.percentage = Setting::Remove;

        below.merge(&patch);

        assert_eq!(below.owner.value().map(String::as_str), Some("payments"));
        assert_eq!(below.allowed_users.value(), Some(&vec!["eve".to_owned()]));
        assert_eq!(below.percentage.value(), None);
    }

    fn at(seconds: u64) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)
    }

    #[test]
    fn a_patch_of_a_rollout_leaves_its_stages() {
        let stages = [Stage::new(Percentage::ZERO).manual(), Stage::new(Percentage::HUNDRED)];
        let mut below = Definition::new().rollout(Rollout::new(stages).start(at(0)));
        let mut patch = Rollout::default();
        (patch.start, patch.paused_at) = (Setting::Remove, Setting::Set(at(9)));

        below.merge(&Definition::new().rollout(patch));

        let rollout = below.rollout.value().unwrap();
        assert_eq!(rollout.stages.value().unwrap(), &stages);
        assert_eq!((rollout.start.value(), rollout.paused_at.value()), (None, Some(&at(9))));
    }

    #[test]
    fn a_percentage_ends_the_rollout_below_it_and_a_rollout_the_percentage() {
        let rollout = || Rollout::new([Stage::new(Percentage::ZERO)]);
        let mut below = Definition::new().rollout(rollout());

        below.merge(&Definition::new().percentage(Percentage::HUNDRED));
        assert_eq!(FlagState::at(&below, at(0)), FlagState::On);

        below.merge(&Definition::new().rollout(rollout().start(at(0))));
        assert_eq!(FlagState::at(&below, at(0)), FlagState::Off);
    }

    #[test]
    fn fields_carry_the_names_of_the_file() {
        assert_eq!(Field::DeniedUsers.as_str(), "denied_users");
        assert!(Definition::forced(true).fields().all(|field| field != Field::DeniedUsers));
    }
}
