//! What one source says about one flag.

use std::{
    fmt,
    time::{Duration, SystemTime},
};

use super::{
    Active, BucketBy, OnStale, Percentage, Prerequisite, Rollout, Rules, Variants,
    setting::{AnySetting, Row, Setting, SettingType, merge},
    settings::{Effect, Roles, settings},
};

/// A chained method that sets one setting. Lists take whatever becomes their entries.
macro_rules! setter {
    ([$($doc:tt)+] $variant:ident $field:ident: $type:ty) => {
        $($doc)+
        #[must_use]
        pub fn $field(mut self, value: impl Into<$type>) -> Self {
            *row::$variant::of_mut(&mut self) = Setting::Set(value.into());
            self
        }
    };
    ([$($doc:tt)+] $variant:ident $field:ident: $type:ty, of $entry:ty) => {
        $($doc)+
        #[must_use]
        pub fn $field<T: Into<$entry>>(mut self, values: impl IntoIterator<Item = T>) -> Self {
            let values = values.into_iter().map(Into::into).collect();
            *row::$variant::of_mut(&mut self) = Setting::Set(values);
            self
        }
    };
}

/// Makes the definition and the names of its fields from the rows of the registry.
macro_rules! define {
    (
        common:
        $(
            $(#[doc = $doc:literal])+
            $field:ident: $type:ty $(= $default:expr)?, $variant:ident $(of $entry:ty)?
                => $example:literal, $roles:expr;
        )+
        rare:
        $(
            $(#[doc = $rare_doc:literal])+
            $rare:ident: $rare_type:ty $(= $rare_default:expr)?, $rare_variant:ident
                $(of $rare_entry:ty)? => $rare_example:literal, $rare_roles:expr;
        )+
    ) => {
        /// The whole or partial definition of a flag, as one source gives it.
        ///
        /// A field that is not set falls through to the source below; see [`Setting`]. The settings
        /// that most flags have are fields, and those that few flags have, such as `rules`, are fields
        /// of [`rare`](Self::rare). Setters of all of them are methods of the definition.
        ///
        /// # Example
        ///
        /// ```
        /// use flagstaff::{Definition, Percentage};
        ///
        /// let definition = Definition::new()
        ///     .owner("payments")
        ///     .percentage(Percentage::whole(10)?)
        ///     .allowed_users(["internal_tester_1"])
        ///     .salt("checkout");
        ///
        /// assert_eq!(definition.owner.value().map(String::as_str), Some("payments"));
        /// assert_eq!(definition.rare().salt.value().map(String::as_str), Some("checkout"));
        /// assert!(definition.enabled.is_inherit());
        /// assert!(definition.rare().rules.is_inherit());
        /// # Ok::<(), flagstaff::definition::InvalidPercentage>(())
        /// ```
        #[derive(Clone, PartialEq, Default)]
        #[non_exhaustive]
        pub struct Definition {
            $($(#[doc = $doc])+ pub $field: Setting<$type>,)+
            rare: Rare,
        }

        /// The settings of a [`Definition`] that few flags have.
        ///
        /// They are apart because services keep thousands of definitions: one without any of these
        /// settings takes half the memory.
        #[derive(Debug, Clone, PartialEq)]
        #[non_exhaustive]
        pub struct RareSettings {
            $($(#[doc = $rare_doc])+ pub $rare: Setting<$rare_type>,)+
        }

        impl RareSettings {
            const NONE: Self = Self { $($rare: Setting::Inherit,)+ };

            fn merge(&mut self, patch: &Self) {
                $(merge(&mut self.$rare, &patch.$rare);)+
            }
        }

        impl Definition {
            $(setter!([$(#[doc = $doc])+] $variant $field: $type $(, of $entry)?);)+
            $(
                setter!(
                    [$(#[doc = $rare_doc])+] $rare_variant $rare: $rare_type $(, of $rare_entry)?
                );
            )+

            fn setting(&self, field: Field) -> &dyn AnySetting {
                match field {
                    $(Field::$variant => &self.$field,)+
                    $(Field::$rare_variant => &self.rare().$rare,)+
                }
            }

            fn setting_mut(&mut self, field: Field) -> &mut dyn AnySetting {
                match field {
                    $(Field::$variant => &mut self.$field,)+
                    $(Field::$rare_variant => &mut self.rare_mut().$rare,)+
                }
            }

            /// Applies `patch` on top of this, field by field (RFC 7396).
            pub fn merge(&mut self, patch: &Self) {
                $(merge(&mut self.$field, &patch.$field);)+
                if let Rare(Some(patch)) = &patch.rare {
                    self.rare_mut().merge(patch);
                }
                // The percentage takes it away from lower sources too, for as long as it is said.
                if patch.takes_rollout_away() && self.rare().rollout.value().is_some() {
                    self.rare_mut().rollout = Setting::Inherit;
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
                    if self.rare().$rare.value() != other.rare().$rare.value() {
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
                    $(.field(stringify!($rare), &self.rare().$rare))+
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

            const ROLES: &'static [Roles] = &[$($roles,)+ $($rare_roles,)+];

            /// The key in flags.toml and in JSON.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => stringify!($field),)+
                    $(Self::$rare_variant => stringify!($rare),)+
                }
            }

            /// The meaning, in a sentence or a few.
            #[must_use]
            pub const fn description(self) -> &'static str {
                match self {
                    $(Self::$variant => concat!($($doc),+).trim_ascii_start(),)+
                    $(Self::$rare_variant => concat!($($rare_doc),+).trim_ascii_start(),)+
                }
            }

            /// A value as flags.toml writes it.
            ///
            /// # Example
            ///
            /// ```
            /// use flagstaff::definition::Field;
            ///
            /// assert_eq!(Field::StaleAfter.example(), r#""5m""#);
            /// ```
            #[must_use]
            pub const fn example(self) -> &'static str {
                match self {
                    $(Self::$variant => $example,)+
                    $(Self::$rare_variant => $rare_example,)+
                }
            }

            /// Returns `true` for a date, such as `expires`.
            #[must_use]
            pub const fn is_date(self) -> bool {
                match self {
                    $(Self::$variant => <$type as SettingType>::IS_DATE,)+
                    $(Self::$rare_variant => <$rare_type as SettingType>::IS_DATE,)+
                }
            }
        }

        /// The rows of the registry as types.
        pub(crate) mod row {
            $(#[derive(Debug)] pub(crate) struct $variant;)+
            $(#[derive(Debug)] pub(crate) struct $rare_variant;)+
        }

        $(
            impl Row for row::$variant {
                type Type = $type;
                const FIELD: Field = Field::$variant;

                fn default() -> Option<$type> {
                    None$(.or(Some($default)))?
                }

                fn of(definition: &Definition) -> &Setting<$type> {
                    &definition.$field
                }

                fn of_mut(definition: &mut Definition) -> &mut Setting<$type> {
                    &mut definition.$field
                }
            }
        )+
        $(
            impl Row for row::$rare_variant {
                type Type = $rare_type;
                const FIELD: Field = Field::$rare_variant;

                fn default() -> Option<$rare_type> {
                    None$(.or(Some($rare_default)))?
                }

                fn of(definition: &Definition) -> &Setting<$rare_type> {
                    &definition.rare().$rare
                }

                fn of_mut(definition: &mut Definition) -> &mut Setting<$rare_type> {
                    &mut definition.rare_mut().$rare
                }
            }
        )+
    };
}

settings!(define);

impl Field {
    /// The settings that an evaluation looks at, in its order.
    ///
    /// # Example
    ///
    /// ```
    /// use flagstaff::definition::Field;
    ///
    /// let steps: Vec<_> = Field::steps().collect();
    ///
    /// assert_eq!(steps[..3], [Field::Enabled, Field::Active, Field::Requires]);
    /// assert!(!steps.contains(&Field::Owner));
    /// ```
    pub fn steps() -> impl Iterator<Item = Self> {
        let place = |step| Self::ALL.iter().copied().find(|field| field.roles().step == step);
        (1..=u8::MAX).map_while(place)
    }

    /// Returns `true` for a setting for people alone, such as `owner`: evaluation does not look at it.
    #[must_use]
    pub const fn is_about(self) -> bool {
        self.roles().step == 0
    }

    /// Returns the effect on who gets the flag.
    ///
    /// # Example
    ///
    /// ```
    /// use flagstaff::definition::{Effect, Field};
    ///
    /// assert_eq!(Field::DeniedGroups.effect(), Effect::Denies);
    /// assert_eq!(Field::Salt.effect(), Effect::Selects);
    /// ```
    #[must_use]
    pub const fn effect(self) -> Effect {
        self.roles().effect
    }

    /// Returns `true` if the setting looks at groups or attributes of an evaluation context.
    #[must_use]
    pub const fn reads_attributes(self) -> bool {
        self.roles().reads_attributes
    }

    pub(crate) const fn roles(self) -> &'static Roles {
        &Self::ROLES[self as usize]
    }
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
        let mut forced = Self::new();
        for &field in Field::ALL.iter().filter(|field| field.roles().is_lifted) {
            forced.remove(field);
        }
        forced.enabled(on)
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
        forced.remove(Field::Traffic);
        Some(forced)
    }

    /// Whether this, as a patch, ends a rollout of the sources below: it says a percentage for
    /// everybody from now on.
    pub(crate) fn takes_rollout_away(&self) -> bool {
        self.percentage.value().is_some() && self.rare().rollout.is_inherit()
    }

    /// The settings that few flags have, to be read.
    ///
    /// # Example
    ///
    /// ```
    /// use flagstaff::{Definition, definition::Setting};
    ///
    /// let mut definition = Definition::new().salt("checkout");
    /// definition.rare_mut().traffic = Setting::Remove;
    ///
    /// assert_eq!(definition.rare().salt, Setting::Set("checkout".to_owned()));
    /// assert_eq!(definition.rare().traffic, Setting::Remove);
    /// ```
    #[must_use]
    pub fn rare(&self) -> &RareSettings {
        self.rare.settings()
    }

    /// The settings that few flags have, to be changed.
    #[must_use]
    pub fn rare_mut(&mut self) -> &mut RareSettings {
        self.rare.settings_mut()
    }

    /// The fields this sets or removes.
    pub fn fields(&self) -> impl Iterator<Item = Field> {
        Field::ALL.iter().copied().filter(|&field| self.has(field))
    }

    /// Returns `true` if this sets or removes `field`.
    #[must_use]
    pub fn has(&self, field: Field) -> bool {
        self.setting(field).says_something()
    }

    /// The date that `field` is set to; `None` if it is not set, or is not a date.
    ///
    /// # Example
    ///
    /// ```
    /// use std::time::SystemTime;
    ///
    /// use flagstaff::{Definition, definition::Field};
    ///
    /// let definition = Definition::new().created(SystemTime::UNIX_EPOCH).owner("payments");
    ///
    /// assert_eq!(definition.date(Field::Created), Some(SystemTime::UNIX_EPOCH));
    /// assert_eq!(definition.date(Field::Owner), None);
    /// ```
    #[must_use]
    pub fn date(&self, field: Field) -> Option<SystemTime> {
        self.setting(field).date()
    }

    /// The instant from which the flag should be gone from the code. A permanent flag has none, even
    /// if it sets `expires`.
    ///
    /// # Example
    ///
    /// ```
    /// use std::time::SystemTime;
    ///
    /// use flagstaff::Definition;
    ///
    /// let expires = Definition::new().expires(SystemTime::UNIX_EPOCH);
    ///
    /// assert_eq!(expires.expiry(), Some(SystemTime::UNIX_EPOCH));
    /// assert_eq!(expires.permanent(true).expiry(), None);
    /// ```
    #[must_use]
    pub fn expiry(&self) -> Option<SystemTime> {
        self.expires.value().copied().filter(|_| !self.is_permanent())
    }

    /// Returns `true` if the flag is meant to stay: `permanent = true`.
    #[must_use]
    pub fn is_permanent(&self) -> bool {
        self.rare().permanent.value() == Some(&true)
    }

    /// The number of entries of the list that `field` sets; of anything else, 1 if it is set.
    pub(crate) fn entries(&self, field: Field) -> usize {
        self.setting(field).entries()
    }

    /// Leaves `field` to lower sources again.
    pub(crate) fn inherit(&mut self, field: Field) {
        // What is not there needs no room.
        if self.has(field) {
            self.setting_mut(field).inherit();
        }
    }

    /// Removes `field`, from lower sources too.
    pub(crate) fn remove(&mut self, field: Field) {
        self.setting_mut(field).remove();
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

        let rollout = below.rare().rollout.value().unwrap();
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

    #[test]
    fn a_forced_value_lifts_what_lets_users_in_or_leaves_them_out_and_keeps_the_deny_lists() {
        let lifted: Vec<_> = Definition::forced(true).fields().map(Field::as_str).collect();

        assert_eq!(
            lifted,
            [
                "enabled",
                "allowed_users",
                "allowed_groups",
                "percentage",
                "requires",
                "rules",
                "rollout",
                "active"
            ]
        );
    }

    #[test]
    fn every_row_of_the_registry_has_the_roles_of_its_field() {
        assert_eq!(Field::ROLES.len(), Field::ALL.len());
        for (index, &field) in Field::ALL.iter().enumerate() {
            assert_eq!(field as usize, index, "{field}");
        }
    }

    #[test]
    fn every_setting_that_is_evaluated_has_a_step_of_its_own() {
        let evaluated = Field::ALL.iter().filter(|field| !field.is_about()).count();

        assert_eq!(Field::steps().count(), evaluated);
        for field in Field::ALL.iter().filter(|field| field.effect() != Effect::None) {
            assert!(!field.is_about(), "{field} decides who gets the flag");
        }
    }
}
