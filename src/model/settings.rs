//! The registry of settings: a row for each, with its type and its roles.

use super::Field;

/// Expands `$expand! { … }` with all rows of the registry.
///
/// Everything that walks over the settings is made from these rows. That is [`Definition`] with its
/// setters, [`Field`], the decoder, the encoder, the schema, summaries, and each list of settings
/// that share a role. Adding a setting is one row here. A type that no other setting has also
/// implements `SettingType`, and the traits `Decode`, `Encode`, `Schema` and `Summary`.
///
/// A row is `field: Type, Variant => "example in TOML", Roles::new(…)`. After the type, `= value`
/// is the default. After the variant, `of Entry` makes the setter of a list take anything that
/// converts into entries.
///
/// Services keep thousands of flags, so the `rare` settings take no room in a definition without
/// any of them.
///
/// [`Definition`]: super::Definition
macro_rules! settings {
    ($expand:ident) => {
        $expand! {
            common:

            /// The purpose of the flag, in a sentence.
            description: String, Description
                => r#""One-page checkout""#, Roles::new(Effect::None);
            /// The team or person responsible for the flag.
            owner: String, Owner
                => r#""payments""#, Roles::new(Effect::None);
            /// Free words to find the flag by.
            tags: Vec<String>, Tags of String
                => r#"["checkout"]"#, Roles::new(Effect::None);
            /// The date on which the flag was introduced.
            created: SystemTime, Created
                => "2026-11-01", Roles::new(Effect::None);
            /// The date on which the flag should be gone from the code. Evaluation ignores it.
            expires: SystemTime, Expires
                => "2027-02-01", Roles::new(Effect::None);
            /// The kill switch: `false` is off for all users. On by default.
            enabled: bool = true, Enabled
                => "false", Roles::new(Effect::Share).step(1).whole();
            /// Targeting keys for whom the flag is off, whatever the other settings are.
            denied_users: Vec<String>, DeniedUsers of String
                => r#"["mallory"]"#, Roles::new(Effect::Denies).step(4).counted("user");
            /// Groups for whose members the flag is off, whatever the other settings are.
            denied_groups: Vec<String>, DeniedGroups of String
                => r#"["banned"]"#,
                Roles::new(Effect::Denies).step(5).counted("group").reads_attributes();
            /// Targeting keys for whom the flag is on, also outside of the percentage.
            allowed_users: Vec<String>, AllowedUsers of String
                => r#"["internal_tester_1"]"#,
                Roles::new(Effect::Allows).step(6).counted("user").lifted().whole();
            /// Groups for whose members the flag is on, also outside of the percentage.
            allowed_groups: Vec<String>, AllowedGroups of String
                => r#"["employees"]"#,
                Roles::new(Effect::Allows).step(7).counted("group").lifted().whole().reads_attributes();
            /// The share of all other users for whom the flag is on. All of them by default.
            percentage: Percentage = Percentage::HUNDRED, Percentage
                => "10", Roles::new(Effect::Share).step(10).lifted().whole();

            rare:

            /// A mark of flags that are meant to stay, such as switches for operations. They never expire,
            /// and are never reported as stale. Evaluation ignores it.
            permanent: bool = false, Permanent
                => "true", Roles::new(Effect::None);
            /// Facts for people and other tools: strings, numbers and booleans by name. They are shown
            /// and exported. Evaluation ignores them.
            metadata: Metadata, Metadata
                => r#"{ issue = "PAY-412" }"#, Roles::new(Effect::None);
            /// A mark of flags whose values may be shown to browsers. Evaluation ignores it.
            client: bool = false, Client
                => "true", Roles::new(Effect::None);
            /// A mark of flags that testers may set for themselves. Evaluation ignores it.
            testable: bool = false, Testable
                => "true", Roles::new(Effect::None);
            /// Other flags that have to be on or off, or to serve a variant, for the same context.
            requires: Vec<Prerequisite>, Requires of Prerequisite
                => r#"["payments_v3"]"#, Roles::new(Effect::Narrows).step(3).lifted();
            /// Rules, which come before the percentage: the first one that matches decides what is served.
            rules: Rules, Rules
                => r#"[{ when = { country = "DE" }, serve = true }]"#,
                Roles::new(Effect::Narrows).step(8).counted("rule").lifted().redraws().reads_attributes();
            /// A percentage that grows by itself, in stages. It decides instead of `percentage`; but a
            /// percentage of a stronger source removes it.
            rollout: Rollout, Rollout
                => "{ stages = [{ percentage = 100, at = 2026-12-01 }] }",
                Roles::new(Effect::Share).step(9).lifted();
            /// The window of time in which the flag can be on. Outside of the window, the flag is off for all users.
            active: Active, Active
                => "{ until = 2026-12-01 }", Roles::new(Effect::Narrows).step(2).lifted();
            /// The value that the flag serves to all users for whom it is on, never a boolean. While
            /// the flag is off, callers get their own defaults.
            value: Constant, Value
                => "50", Roles::new(Effect::None).step(13);
            /// The variant that is served to all users for whom the flag is on and no rule chooses one,
            /// instead of a draw by weight.
            serve: String, Serve
                => r#""treatment""#, Roles::new(Effect::Narrows).step(14);
            /// The variants that the flag serves beyond on and off, with their weights.
            variants: Variants, Variants
                => "{ control = 50, treatment = 50 }", Roles::new(Effect::Narrows).step(16).redraws();
            /// The variant that is served while the flag is off, or `default` for none. By default the
            /// first of these whose value is not `true`: `off`, `control`, and the one whose value is `false`.
            off: String, Off
                => r#""control""#,
                Roles::new(Effect::None).step(17).needs(Field::Variants, "the flag has no variants");
            /// The share of the users with the flag on who are drawn into its variants. The flag is off
            /// for the others. All of them by default.
            traffic: Percentage = Percentage::HUNDRED, Traffic
                => "20",
                Roles::new(Effect::Narrows)
                    .step(15)
                    .lifted()
                    .needs(Field::Variants, "the flag has no variants");
            /// The unit that buckets of the percentage, the traffic and the variants are drawn by. All
            /// users who share an attribute are served alike; `request` draws a sample of requests. The targeting
            /// key by default. Rules have a unit of their own.
            bucket_by: BucketBy = BucketBy::TargetingKey, BucketBy
                => r#""company.id""#,
                Roles::new(Effect::Selects).step(11).redraws().reads_attributes();
            /// The string that seeds the buckets instead of the flag key. Flags with the same salt
            /// draw the same users, and a new salt draws new ones.
            salt: String, Salt
                => r#""checkout""#, Roles::new(Effect::Selects).step(12).redraws();
            /// The time that a source above this one may be unreachable before `on_stale` applies.
            /// Without limit by default.
            stale_after: Duration, StaleAfter
                => r#""5m""#,
                Roles::new(Effect::None)
                    .step(18)
                    .needs(Field::OnStale, "without `on_stale`, the last values are kept anyway");
            /// The answer after that time. By default the last known values of the source are kept.
            on_stale: OnStale = OnStale::Keep, OnStale
                => r#""declared""#,
                Roles::new(Effect::None)
                    .step(19)
                    .needs(Field::StaleAfter, "without `stale_after`, that never happens");
        }
    };
}

pub(crate) use settings;

/// The effect of a setting on who gets a flag.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Effect {
    /// None: the setting is for people, or decides what is served rather than to whom.
    None,
    /// A list of those for whom the flag is on.
    Allows,
    /// A list of those for whom the flag is off.
    Denies,
    /// The share of users for whom the flag is on, from none to all.
    Share,
    /// Another condition on users, which leaves some of them out even where the share is all of them.
    Narrows,
    /// A choice of the users who are in a share, not of their number.
    Selects,
}

/// The roles of a setting, as its row in the registry has them.
#[derive(Debug, Clone, Copy)]
#[cfg_attr(
    not(all(feature = "definition", feature = "redis")),
    allow(dead_code, reason = "some roles matter to lints and to Redis alone")
)]
pub(crate) struct Roles {
    pub(crate) effect: Effect,
    /// The place among the steps of an evaluation, counted from 1; 0 for a setting that is for
    /// people alone.
    pub(crate) step: u8,
    /// Set if a forced value takes the setting away.
    pub(crate) is_lifted: bool,
    /// Set if a key of its own in Redis always has the setting: a setting that is missing there has
    /// its default.
    pub(crate) is_whole: bool,
    /// Set if an edit of the setting can re-bucket users.
    pub(crate) redraws: bool,
    /// Set if the setting looks at groups or attributes of a context.
    pub(crate) reads_attributes: bool,
    /// The noun of an entry, for a list that is shown by its length.
    pub(crate) noun: Option<&'static str>,
    /// The setting without which this one has no effect, and the reason.
    pub(crate) needs: Option<(Field, &'static str)>,
}

impl Roles {
    pub(super) const fn new(effect: Effect) -> Self {
        Self {
            effect,
            step: 0,
            is_lifted: false,
            is_whole: false,
            redraws: false,
            reads_attributes: false,
            noun: None,
            needs: None,
        }
    }

    pub(super) const fn step(self, step: u8) -> Self {
        Self { step, ..self }
    }

    pub(super) const fn lifted(self) -> Self {
        Self { is_lifted: true, ..self }
    }

    pub(super) const fn whole(self) -> Self {
        Self { is_whole: true, ..self }
    }

    pub(super) const fn redraws(self) -> Self {
        Self { redraws: true, ..self }
    }

    pub(super) const fn reads_attributes(self) -> Self {
        Self { reads_attributes: true, ..self }
    }

    pub(super) const fn counted(self, noun: &'static str) -> Self {
        Self { noun: Some(noun), ..self }
    }

    pub(super) const fn needs(self, field: Field, why: &'static str) -> Self {
        Self { needs: Some((field, why)), ..self }
    }
}
