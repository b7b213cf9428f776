//! The definition of one flag in one source.

use std::{
    fmt,
    time::{Duration, SystemTime},
};

use super::{
    Active, BucketBy, Constant, Metadata, OnStale, Percentage, Prerequisite, Rollout, Rule, Rules,
    Serve, Setting, SharedDefinition, Value, Variants,
    setting_type::{AnySetting, SettingType, add_up, merge},
    settings::{Effect, Roles, settings},
    variant_name::DEFAULT,
};

/// A chained method that sets one setting. The setter of a list takes anything that converts into
/// its entries.
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
        /// that most flags have are fields. Those that few flags have, such as `rules`, are fields
        /// of [`rare`](Self::rare). The definition has setters for all of them.
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
        /// They are boxed because services keep thousands of definitions: a definition without any
        /// of these settings takes half the memory.
        #[derive(Debug, Clone, PartialEq)]
        #[non_exhaustive]
        pub struct RareSettings {
            $($(#[doc = $rare_doc])+ pub $rare: Setting<$rare_type>,)+
            /// Set where an environment of a file forces the flag on. It is a part of the meaning
            /// and not a setting. Such a flag is on without a variant where there is no unit to
            /// draw one by.
            pub(super) is_forced_on: bool,
        }

        impl RareSettings {
            const NONE: Self = Self { $($rare: Setting::Inherit,)+ is_forced_on: false };

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

            /// Applies `patch` on top of this definition, field by field (RFC 7396).
            ///
            /// This is for a change of one source: the lists of the patch replace the former ones.
            /// Use [`overlay`](Self::overlay) for two sources.
            pub fn merge(&mut self, patch: &Self) {
                $(merge(&mut self.$field, &patch.$field);)+
                self.merge_rare(patch);
            }

            /// Applies the definition of a stronger source on top of this one, field by field, as
            /// [`merge`](Self::merge) does. Deny-lists add up instead of being replaced.
            ///
            /// So a source can deny more users and never fewer, unless it
            /// [removes](Setting::Remove) the lists of all sources below it.
            ///
            /// # Example
            ///
            /// ```
            /// use flagstaff::{Definition, definition::Setting};
            ///
            /// let mut flag = Definition::new().denied_users(["mallory"]).allowed_users(["ana"]);
            /// let stronger = Definition::new().denied_users(["eve"]).allowed_users(["bob"]);
            ///
            /// flag.overlay(&stronger);
            ///
            /// assert_eq!(flag.denied_users, Setting::Set(vec!["mallory".into(), "eve".into()]));
            /// assert_eq!(flag.allowed_users, Setting::Set(vec!["bob".into()]));
            /// ```
            pub fn overlay(&mut self, stronger: &Self) {
                $(
                    match Field::$variant.adds_up() {
                        true => add_up(&mut self.$field, &stronger.$field),
                        false => merge(&mut self.$field, &stronger.$field),
                    }
                )+
                self.merge_rare(stronger);
            }

            fn merge_rare(&mut self, patch: &Self) {
                if let Rare(Some(patch)) = &patch.rare {
                    self.rare_mut().merge(patch);
                }
                // The sources below cannot set these again while the patch is in force.
                for field in patch.ends() {
                    if self.entries(field) > 0 {
                        self.inherit(field);
                    }
                }
            }

            /// Returns the fields that differ between two definitions.
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
            /// All settings, in the order of the documentation.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+ $(Self::$rare_variant,)+];

            pub(super) const ROLES: &'static [Roles] = &[$($roles,)+ $($rare_roles,)+];

            /// Returns the key in flags.toml and in JSON.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => stringify!($field),)+
                    $(Self::$rare_variant => stringify!($rare),)+
                }
            }

            /// Returns the meaning, in one or more sentences.
            #[must_use]
            pub const fn description(self) -> &'static str {
                match self {
                    $(Self::$variant => concat!($($doc),+).trim_ascii_start(),)+
                    $(Self::$rare_variant => concat!($($rare_doc),+).trim_ascii_start(),)+
                }
            }

            /// Returns a value as flags.toml has it.
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

impl Definition {
    /// Creates a definition without any settings.
    ///
    /// # Example
    ///
    /// ```
    /// use flagstaff::Definition;
    ///
    /// let definition = Definition::new();
    /// assert_eq!(definition.fields().count(), 0);
    ///
    /// let owned = definition.owner("payments").enabled(false);
    /// assert_eq!(owned.fields().count(), 2);
    /// ```
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Returns the name of the variant that is served while the flag is off, if there is one.
    ///
    /// The setting `off` names it. By default it is the first of these whose value is not `true`:
    /// the variant `off`, the variant `control`, any variant whose value is `false`. With
    /// `off = "default"` there is none.
    ///
    /// # Example
    ///
    /// ```
    /// use flagstaff::{Definition, definition::Variants};
    ///
    /// let prices = Definition::new().variants([("higher_price", 50), ("control", 50)]);
    /// let sizes = Definition::new().variants([("small", 50), ("large", 50)]);
    ///
    /// assert_eq!(prices.off_variant(), Some("control"));
    /// assert_eq!(sizes.off_variant(), None);
    /// assert_eq!(sizes.off("small").off_variant(), Some("small"));
    /// ```
    #[must_use]
    pub fn off_variant(&self) -> Option<&str> {
        let variants = self.rare().variants.value()?;
        let is_true = |name: &str| variants.value(name) == Some(Value::Bool(true));
        let can_be_off = |name: &&str| variants.variant(name).is_some() && !is_true(name);
        match self.rare().off.value().map(String::as_str) {
            Some(name) if can_be_off(&name) => return Some(name),
            Some(DEFAULT) => return None,
            _ => {}
        }
        let named = ["off", "control"].into_iter().find(can_be_off);
        named.or_else(|| {
            variants.names().find(|name| variants.value(name) == Some(Value::Bool(false)))
        })
    }

    /// Returns the setting that makes a draw of variants unnecessary: `value`, or a `serve` that
    /// turns the flag off for no user.
    pub(crate) fn spares_draws(&self) -> Option<Field> {
        let rare = self.rare();
        if rare.value.value().is_some() {
            return Some(Field::Value);
        }
        let (serve, variants) = rare.serve.value().zip(rare.variants.value())?;
        let is_on = variants.variant(serve).is_some() && !variants.counts_as_off(serve);
        is_on.then_some(Field::Serve)
    }

    /// Resolves strings such as `25%` and `default` in rules, once the variants of all sources are
    /// known. Such a string is the variant of exactly that name if there is one, or else the
    /// percentage or no variant. Returns the rules if they changed.
    fn settled_rules(&self) -> Option<Rules> {
        let rules = self.rare().rules.value()?;
        let variants = self.rare().variants.value();
        let is_variant = |name: &str| variants.is_some_and(|it| it.variant(name).is_some());
        let settled = |serve: &Serve| match serve {
            Serve::Variant(text) if text == DEFAULT && !is_variant(text) => Some(Serve::Default),
            Serve::Default => is_variant(DEFAULT).then(|| Serve::Variant(DEFAULT.to_owned())),
            Serve::Variant(text) if text.ends_with('%') && !is_variant(text) => {
                let percentage: Percentage = text.parse().ok()?;
                // A percentage in another spelling, such as `25.0%`, is written back as `25%`. That
                // would be the variant of this name, so it is the variant from the start.
                let name = percentage.to_string();
                Some(match is_variant(&name) {
                    true => Serve::Variant(name),
                    false => Serve::Percentage(percentage),
                })
            }
            Serve::Percentage(percentage) if variants.is_some() => {
                let name = percentage.to_string();
                is_variant(&name).then_some(Serve::Variant(name))
            }
            _ => None,
        };
        if rules.iter().all(|rule| settled(&rule.serve).is_none()) {
            return None;
        }
        let rules = rules.iter().map(|rule| {
            let serve = settled(&rule.serve).unwrap_or_else(|| rule.serve.clone());
            Rule { serve, ..rule.clone() }
        });
        Some(rules.collect())
    }

    /// Resolves the settings that depend on the definitions of all sources, once these are merged.
    pub(crate) fn settle(this: &mut SharedDefinition) {
        if let Some(rules) = this.settled_rules() {
            this.make_mut().rare_mut().rules = Setting::Set(rules);
        }
    }

    /// Returns the settings that this patch ends in the sources below, beside which it would have
    /// no effect. A percentage ends a rollout. `serve` and variants end a constant, and a constant
    /// ends `serve`.
    pub(crate) fn ends(&self) -> impl Iterator<Item = Field> {
        let rare = self.rare();
        let has_variants = rare.serve.value().is_some() || rare.variants.value().is_some();
        let ends = [
            (self.percentage.value().is_some(), Field::Rollout),
            (has_variants, Field::Value),
            (rare.value.value().is_some(), Field::Serve),
        ];
        let ends =
            ends.into_iter().filter(|&(says_another, field)| says_another && !self.has(field));
        ends.map(|(_, field)| field)
    }

    /// Returns the settings that few flags have.
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

    /// Returns all other flags that the flag depends on: those that it
    /// [`requires`](RareSettings::requires), then those in the conditions of its rules and in their
    /// segments. A flag can be among them several times.
    ///
    /// # Example
    ///
    /// ```
    /// use flagstaff::{
    ///     Definition,
    ///     definition::{Condition, Prerequisite, Rule, Serve},
    /// };
    ///
    /// let open = Condition::Flag(Prerequisite::off("maintenance"));
    /// let cart = Definition::new().requires(["payments_v3"]).rules([Rule::new(open, Serve::On)]);
    ///
    /// let flags: Vec<_> = cart.needs().into_iter().map(|it| &*it.flag).collect();
    /// assert_eq!(flags, ["payments_v3", "maintenance"]);
    /// ```
    #[must_use]
    pub fn needs(&self) -> Vec<&Prerequisite> {
        let rare = self.rare();
        let mut needs: Vec<_> = rare.requires.value().into_iter().flatten().collect();
        for rule in rare.rules.value().into_iter().flat_map(|rules| rules.iter()) {
            needs.extend(rule.flags());
        }
        needs
    }

    /// Borrows the settings that few flags have mutably.
    #[must_use]
    pub fn rare_mut(&mut self) -> &mut RareSettings {
        self.rare.settings_mut()
    }

    /// Returns the fields that this definition sets or removes.
    pub fn fields(&self) -> impl Iterator<Item = Field> {
        Field::ALL.iter().copied().filter(|&field| self.has(field))
    }

    /// Returns `true` if this definition sets or removes `field`.
    #[must_use]
    pub fn has(&self, field: Field) -> bool {
        self.setting(field).says_something()
    }

    /// Returns the date that `field` is set to; `None` if it is not set, or is not a date.
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

    /// Returns the instant from which the flag should be gone from the code. A permanent flag has
    /// none, even if it sets `expires`.
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

    /// Returns `true` if the flag is permanent: `permanent = true`.
    #[must_use]
    pub fn is_permanent(&self) -> bool {
        self.rare().permanent.value() == Some(&true)
    }

    /// Returns `true` if the values of the flag may be shown to browsers: `client = true`.
    #[must_use]
    pub fn is_client(&self) -> bool {
        self.rare().client.value() == Some(&true)
    }

    /// Returns `true` if testers may set the flag for themselves: `testable = true`.
    #[must_use]
    pub fn is_testable(&self) -> bool {
        self.rare().testable.value() == Some(&true)
    }

    /// Returns the number of entries of the list that `field` sets. For any other setting, returns
    /// 1 if it is set.
    pub(crate) fn entries(&self, field: Field) -> usize {
        self.setting(field).entries()
    }

    /// Returns `true` if this definition removes `field`, from the sources below too.
    pub(crate) fn removes(&self, field: Field) -> bool {
        self.setting(field).is_removed()
    }

    /// Leaves `field` to the sources below again.
    pub(crate) fn inherit(&mut self, field: Field) {
        // A field that is not set needs no allocation of rare settings.
        if self.has(field) {
            self.setting_mut(field).inherit();
        }
    }

    /// Removes `field`, from the sources below too.
    pub(crate) fn remove(&mut self, field: Field) {
        self.setting_mut(field).remove();
    }
}

/// A row of the registry, as a type. It gives access to the setting for code that is generic over
/// the setting's type.
pub(crate) trait Row {
    type Type: SettingType;
    const FIELD: Field;

    /// Returns the value while no source sets one.
    #[cfg_attr(not(feature = "definition"), expect(dead_code, reason = "for the schema"))]
    fn default() -> Option<Self::Type>;

    fn of(definition: &Definition) -> &Setting<Self::Type>;

    fn of_mut(definition: &mut Definition) -> &mut Setting<Self::Type>;
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{FlagState, Stage, Weight};

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
                "active",
                "traffic"
            ]
        );
        assert_eq!(Definition::forced(false), Definition::new().enabled(false));
    }

    #[test]
    fn forced_on_leaves_the_variants_that_count_as_off_out_of_the_draw() {
        let over = |variants: &[(&str, u32)]| {
            let variants = variants.iter().copied().collect();
            let mut flag = Definition::new().variants(Variants::clone(&variants));
            flag.merge(&Definition::forced_over(true, &flag));
            let drawn = flag.rare().variants.value().unwrap().clone();
            let drawn = drawn.iter().filter(|(_, it)| it.weight != Setting::Set(Weight::ZERO));
            let drawn: Vec<_> = match flag.rare().serve.value() {
                Some(served) => vec![served.clone()],
                None => drawn.map(|(name, _)| name.to_owned()).collect(),
            };
            (flag.enabled.value() == Some(&true), drawn)
        };

        assert_eq!(over(&[("on", 0), ("off", 1)]), (true, vec!["on".to_owned()]));
        assert_eq!(over(&[("on", 10), ("off", 90)]), (true, vec!["on".to_owned()]));
        assert!(!over(&[("a", 0), ("b", 0), ("off", 1)]).0, "none of several has a weight");
        assert_eq!(over(&[("a", 1), ("b", 2), ("off", 1)]).1, ["a", "b"]);
        assert!(!over(&[("off", 1)]).0, "none can be on");
    }

    #[test]
    fn the_order_of_variants_never_decides_which_one_is_off() {
        let on_first = [("on", 1), ("off", 0)];
        let off_first = [("off", 0), ("on", 1)];
        let yes = |value: bool| crate::model::Variant::new().value(value);
        let booleans = Variants::new().with("yes", yes(true)).with("no", yes(false));
        let named = Variants::new().with("off", yes(true)).with("control", yes(false));

        assert_eq!(Definition::new().variants(on_first).off_variant(), Some("off"));
        assert_eq!(Definition::new().variants(off_first).off_variant(), Some("off"));
        assert_eq!(Definition::new().variants(booleans.clone()).off_variant(), Some("no"));
        assert_eq!(Definition::new().variants(named.clone()).off_variant(), Some("control"));
        assert_eq!(Definition::new().variants(named).off("off").off_variant(), Some("control"));
        assert_eq!(Definition::new().variants(booleans).off("default").off_variant(), None);
        assert_eq!(Definition::new().variants([("a", 1), ("b", 1)]).off_variant(), None);
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
