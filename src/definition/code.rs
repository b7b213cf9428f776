//! Codes: the kinds of problem that a flags.toml can have.

use std::fmt;

use super::lint::Level;

/// The severity of a problem.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Severity {
    /// The affected part is not published: the flag, or the whole file, keeps its previous state.
    /// Or the problem is a lint that was [denied](super::lint::Lints::deny).
    Error,
    /// The affected part is published as it stands, but is probably a mistake.
    Warning,
}

impl Severity {
    /// Returns `error` or `warning`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
        }
    }
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// Makes the enum and its functions from one list of codes.
macro_rules! codes {
    (
        $($variant:ident, $code:literal, $severity:ident, $title:literal, $explanation:literal;)+
        @lints
        $($lint:ident, $name:literal, $level:ident, $about:literal, $why:literal;)+
    ) => {
        /// The kind of problem that a [`Diagnostic`](super::Diagnostic) reports.
        ///
        /// # Example
        ///
        /// ```
        /// use flagstaff::definition::Code;
        ///
        /// let code = Code::from_name("unknown-key").expect("a code");
        ///
        /// assert_eq!(code, Code::UnknownKey);
        /// assert_eq!(code.title(), "a key that is not a setting of a flag");
        /// assert!(code.explanation().contains("spelled"));
        /// ```
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[non_exhaustive]
        pub enum Code {
            $(#[doc = concat!("`", $code, "`: ", $title, ".\n\n", $explanation)] $variant,)+
            $(#[doc = concat!("`", $name, "`: ", $about, ".\n\n", $why)] $lint,)+
        }

        impl Code {
            /// All codes, in the order of the documentation.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+ $(Self::$lint,)+];

            /// Returns the name of the code in files, options and reports, such as `unknown-key`.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $code,)+
                    $(Self::$lint => $name,)+
                }
            }

            /// Returns the severity of the code, unless [`Lints`](super::lint::Lints) set another
            /// level.
            #[must_use]
            pub const fn severity(self) -> Severity {
                match self {
                    $(Self::$variant => Severity::$severity,)+
                    $(Self::$lint => Severity::Warning,)+
                }
            }

            /// Returns `true` if only [`Lints`](super::lint::Lints) find this code, and not every
            /// parse.
            #[must_use]
            pub const fn is_lint(self) -> bool {
                match self {
                    $(Self::$variant => false,)+
                    $(Self::$lint => true,)+
                }
            }

            /// Returns the level of the code in [`Lints`](super::lint::Lints) that do not set one.
            #[must_use]
            pub const fn level(self) -> Level {
                match self {
                    $(Self::$lint => Level::$level,)+
                    _ => match self.severity() {
                        Severity::Error => Level::Deny,
                        Severity::Warning => Level::Warn,
                    },
                }
            }

            /// Returns a title of one line: the mistake.
            #[must_use]
            pub const fn title(self) -> &'static str {
                match self {
                    $(Self::$variant => $title,)+
                    $(Self::$lint => $about,)+
                }
            }

            /// Returns a paragraph: the reason why this is a mistake, the effect on the flags, and
            /// the fix.
            #[must_use]
            pub const fn explanation(self) -> &'static str {
                match self {
                    $(Self::$variant => $explanation,)+
                    $(Self::$lint => $why,)+
                }
            }
        }
    };
}

codes! {
    SyntaxError, "syntax-error", Error,
        "the text is not TOML",
        "The file could not be read as TOML 1.1. Nothing of it is published, not even the flags \
         that can be read, because a file that is cut off or half saved looks the same. The last \
         good flags stay in force until the file is mended.";
    DuplicateKey, "duplicate-key", Error,
        "a key that is defined twice",
        "TOML allows a key once per table, and a table header once per file. Nothing of the file \
         is published, because no one can tell which of the two was meant. Remove one of them.";
    EmptyFile, "empty-file", Error,
        "a file without content",
        "An empty file is what a reader sees while another program is still writing, so it never \
         removes flags. To remove all flags, leave a file with an empty `[flags]` table.";
    MissingFlags, "missing-flags", Error,
        "a file without a `[flags]` table",
        "Flags live in the table `[flags]`. A file without it may be cut off or may not be a flag \
         file at all, so nothing of it is published. Put `[flags]` above the first flag.";
    FlagsNotATable, "flags-not-a-table", Error,
        "`flags` is something other than a table",
        "`flags` has to be the table that holds all flags: `[flags]` on a line of its own, in \
         single brackets. Nothing of the file is published.";
    FlagOutsideFlags, "flag-outside-flags", Error,
        "a key or table outside `[flags]`",
        "Only `[flags]` and `[segments]` may stand at the top level of the file. A flag written above it, or as \
         `[name]` instead of `[flags.name]`, would be ignored, so it is an error instead. A flag \
         of that name keeps its previous definition.";
    SwallowedKey, "swallowed-key", Error,
        "a flag that a table header above it made its own",
        "In TOML, every line belongs to the nearest header above it. A flag written below \
         `[flags.other]` therefore becomes a setting of `other`. Move it above that header, or \
         give it a header of its own. Both flags keep their previous definitions.";
    UnknownKey, "unknown-key", Error,
        "a key that is no setting of a flag",
        "A setting that is spelled wrong would silently do nothing, so it is an error. The flag \
         keeps its previous definition; other flags are not affected.";
    AmbiguousNumber, "ambiguous-number", Error,
        "a bare number as a flag",
        "`search = 1` could mean one percent or switched on, so it means neither. Write a \
         percentage as a string, `\"1%\"`, or use `true` or `false`. The flag keeps its previous \
         definition.";
    InvalidFlag, "invalid-flag", Error,
        "a flag of a wrong type",
        "A flag is `true`, `false`, a percentage such as `\"25%\"`, or a table of settings. The \
         flag keeps its previous definition.";
    InvalidType, "invalid-type", Error,
        "a setting of a wrong type",
        "The setting exists but takes another type of value. The flag keeps its previous \
         definition.";
    InvalidElement, "invalid-element", Error,
        "an element of a wrong type in a list",
        "Lists of users, groups and tags hold strings only; an id that is a number is written in \
         quotes. The flag keeps its previous definition.";
    InvalidPercentage, "invalid-percentage", Error,
        "a percentage that cannot be used",
        "A percentage is a plain decimal number from 0 to 100 with at most four decimals, because \
         that is what every process and every language can compute alike. The flag keeps its \
         previous definition.";
    InvalidDate, "invalid-date", Error,
        "a date that cannot be used",
        "A date is a TOML date without quotes, such as `2026-11-01`, which is the start of that \
         day in UTC, or a date and time with an offset, such as `2026-11-01T09:00:00Z`. A time \
         without an offset would mean another instant on every machine. The flag keeps its \
         previous definition.";
    InvalidDuration, "invalid-duration", Error,
        "a length of time that cannot be used",
        "A length of time is a string of numbers with units, such as `\"90s\"`, `\"5m\"` or \
         `\"1h 30m\"`. A day (`d`) has 24 hours, and a week (`w`) has seven days. Months and years \
         have no fixed length. The flag keeps its previous definition.";
    InvalidWord, "invalid-word", Error,
        "a word that is not among those of a setting",
        "Some settings take one of a few words only. The flag keeps its previous definition.";
    InvalidWeight, "invalid-weight", Error,
        "a weight that cannot be used",
        "A weight is a plain decimal number from 0 to 1,000,000,000 with at most four decimals. \
         Weights need not add up to 100: what counts is how they compare. The flag keeps its \
         previous definition.";
    ValueBesideVariants, "value-beside-variants", Error,
        "a constant beside variants",
        "`value` is what the flag serves to all for whom it is on, so there is nothing left for \
         `variants` or `serve` to choose. Remove one of the two, or make the value that of a \
         variant and let `serve` name it. The flag keeps its previous definition.";
    MixedTypes, "mixed-types", Error,
        "variants with values of different types",
        "The code that asks for a flag expects one type, so all variants of a flag have values of \
         one type. A variant without a value has its name for a value, a string. The flag keeps \
         its previous definition.";
    UnknownOperator, "unknown-operator", Error,
        "a word that is no operator of a condition",
        "An attribute is compared with a value, with a list of which any will do, or by a table of \
         operators. A condition with an operator that does not exist would never match. The flag \
         keeps its previous definition.";
    InvalidOperand, "invalid-operand", Error,
        "something that an operator cannot compare with",
        "Every operator takes its own kind of operand, and a version requirement, a network, a \
         regular expression or a glob has to be one. The flag keeps its previous definition.";
    InvalidCondition, "invalid-condition", Error,
        "a condition that says nothing that can be decided",
        "A condition is a table: attributes with what they are compared with, `any` and `all` with \
         a list of conditions, `not` with one, and `segment` with a name. All parts of it have to \
         hold. The flag keeps its previous definition.";
    InvalidRule, "invalid-rule", Error,
        "a rule that lacks something or has a part of a wrong type",
        "A rule is a table with `when`, a condition, and `serve`, what those who meet it are \
         served; it may have a `name`, and draw percentages by the unit `bucket_by`. The flag \
         keeps its previous definition.";
    InvalidServe, "invalid-serve", Error,
        "something that a rule cannot serve",
        "A rule serves `true`, `false`, a percentage such as `\"25%\"` of those who match, the name \
         of a variant, or a table of variants with weights. The flag keeps its previous definition.";
    UnknownVariant, "unknown-variant", Error,
        "a variant that the flag does not have",
        "Rules and `off` can serve the variants of their flag only, since each has its value \
         there. The flag keeps its previous definition.";
    InvalidOff, "invalid-off", Error,
        "an `off` that is not served while the flag is off",
        "`off` names the variant that is served while the flag is off, or is `\"default\"` for none. It \
         cannot be a boolean, and cannot name a variant whose value is `true`. The flag keeps its \
         previous definition.";
    OffWord, "off-word", Error,
        "a variant that is named like off and is not off",
        "In environment variables and shared stores, the words `0`, `false`, `no`, `off`, `f` and `n` \
         always switch a flag off. A variant of such a name that turns the flag on could not be forced, \
         so it is an error. The flag keeps its previous definition.";
    UnknownPrerequisite, "unknown-prerequisite", Warning,
        "a flag that another one needs and the file does not have",
        "A flag that requires one that no source has is off for all users, and a condition that asks for \
         one is unknown. If another source has that flag, this is as it should be; otherwise check its \
         spelling.";
    PrerequisiteCircle, "prerequisite-circle", Error,
        "flags that depend on each other",
        "Flags that require each other, or ask for each other in conditions, have no answer, over any \
         number of steps and also through segments. All flags on the circle keep their previous \
         definitions. Take one of the prerequisites or conditions away.";
    TooManyPrerequisites, "too-many-prerequisites", Error,
        "a flag that needs more than 256 others",
        "A flag can depend on 256 others, through `requires` and conditions and with all that those \
         depend on, since each costs time whenever the flag is asked for. The flag keeps its previous definition.";
    TooManyVariantNames, "too-many-variant-names", Error,
        "a flag with a name of a variant that the process has no room for",
        "Names of variants are kept for the life of a process, so that an answer can borrow its \
         variant. A process keeps 100,000 of them, which is far more than people write: a program \
         that writes the file probably makes up new names all the time. The flag keeps its previous \
         definition. Use the same names again, and restart the process to forget the old ones.";
    PasswordInFile, "password-in-file", Error,
        "a password in flagstaff.toml",
        "The file is meant for version control, where all readers would see a password, and its history \
         would keep it. Write the name of an environment variable: `redis = \"$PROD_REDIS_URL\"`. No command runs \
         until the password is taken out, and a password that was committed has to be replaced.";
    UnsetVariable, "unset-variable", Error,
        "a place that names an environment variable without a value",
        "A value of flagstaff.toml may name environment variables, `$NAME` or `${NAME}`, and `$$` is a \
         dollar sign. Each variable of the chosen place needs a value, because a store that is not named \
         is another store. Variables of other places do not matter.";
    UnnamedRule, "unnamed-rule", Error,
        "a rule that draws users and has no name",
        "A rule that serves a percentage or a split draws by its name, so that the same users stay in when \
         rules are added, removed or put into another order. The flag keeps its previous \
         definition.";
    DuplicateRule, "duplicate-rule", Error,
        "two rules of a flag with the same name",
        "Answers and explanations say which rule decided, and percentages are drawn by the name of \
         the rule: two rules of one name would draw the same users. The flag keeps its previous \
         definition.";
    UnknownSegment, "unknown-segment", Error,
        "the name of a segment that does not exist or has errors",
        "A condition can use the segments of the file it stands in. What is wrong with a segment is \
         reported where it stands; until it is mended, flags that use it keep their previous \
         definitions.";
    SegmentCycle, "segment-cycle", Error,
        "segments that need each other",
        "A segment may use other segments, but none that leads back to itself: nobody could tell \
         who belongs to it. Flags that use one of them keep their previous definitions.";
    InvalidEnvironment, "invalid-environment", Error,
        "an environment that is not a table of flags",
        "Environments live in the table `[environments]`: each is a table with the flags that differ there, such \
         as `[environments.staging]`. An environment with this error cannot be used.";
    InvalidSegment, "invalid-segment", Error,
        "a segment that lacks something or has a part of a wrong type",
        "Segments live in the table `[segments]`: each is a table with `when`, a condition, and \
         perhaps a `description`. Flags that use it keep their previous definitions.";
    ExpiresBeforeCreated, "expires-before-created", Error,
        "a flag that expires before it was created",
        "One of the two dates is wrong. The flag keeps its previous definition.";
    ZeroWeights, "zero-weights", Error,
        "variants of which none can be drawn",
        "Users are drawn into variants by weight, so a flag that draws needs a positive weight. A \
         variant without a weight weighs 0 beside weighted ones. If all users are served one \
         variant, name it with `serve`: nothing is drawn then. The flag keeps its previous definition.";
    RolloutTimes, "rollout-times", Error,
        "a rollout whose times contradict each other",
        "A rollout is written in one of two ways: with a `start`, and stages that say how long they \
         last, with `for`; or with stages that each say when they begin, with `at`, one after the \
         other. The flag keeps its previous definition.";
    StageWithoutEnd, "stage-without-end", Error,
        "a rollout that never gets to its last stage",
        "Every stage but the last says how long it lasts, with `for`, or waits for somebody to \
         advance it, with `auto = false`. A rollout has at least one stage. The flag keeps its \
         previous definition.";
    StageWithoutPercentage, "stage-without-percentage", Error,
        "a stage of a rollout without a percentage",
        "A stage says which share of the users it reaches, with `percentage`. The flag keeps its \
         previous definition.";
    RolloutWithoutStages, "rollout-without-stages", Warning,
        "a rollout that has no stages",
        "Without stages the rollout has no effect: the flag is on for everybody, or for the share \
         that `percentage` says. It is published as it stands, since a source below may have the \
         stages.";
    NeverActive, "never-active", Error,
        "an active window that ends before it begins",
        "The flag would be off at all times. Swap `from` and `until`, or write `enabled = false`. \
         The flag keeps its previous definition.";
    RolloutBackwards, "rollout-backwards", Warning,
        "a rollout whose percentage falls",
        "A later stage reaches fewer users than the one before, so it takes the flag away from \
         users who have it. It is published as it stands.";
    InvalidTest, "invalid-test", Error,
        "a test of a flag that lacks something or has a part of a wrong type",
        "A test says with `expect` whether the flag is on, or which variant it serves. `user`, `groups` \
         and `attributes` say who asks, and `time` says when. The flag keeps its previous definition.";
    FailedTest, "failed-test", Error,
        "a test of a flag that fails",
        "The flag does not answer what one of its tests in the file expects, so it is not what its \
         authors meant, and keeps its previous definition. Flags are tested with what is in force \
         together with them: of a required flag with errors, that is its previous definition.";
    PercentageBesideRollout, "percentage-beside-rollout", Warning,
        "a percentage beside a rollout",
        "The stages of the rollout say the percentage, so the setting has no effect. Remove one of \
         the two.";
    AllowedAndDenied, "allowed-and-denied", Warning,
        "a user or group that is both allowed and denied",
        "Deny beats allow, so the entry in the allow-list has no effect. Remove one of the two.";
    BlankText, "blank-text", Warning,
        "a name that is empty or has white space around it",
        "Names are compared exactly: `\"ana \"` is not the user `ana`, and no user or group has an \
         empty name. The entry is kept as it is and will hardly match anyone.";

    @lints

    MissingDescription, "missing-description", Allow,
        "a flag without a description",
        "A sentence on what the flag is for, `description = \"…\"`, tells whoever finds it in a year \
         whether it can go. Allowed by default; warn of it where every flag is to be described.";
    MissingOwner, "missing-owner", Allow,
        "a flag without an owner",
        "The team or person who answers for the flag, `owner = \"…\"`, is whom to ask before it is \
         changed or removed. Allowed by default; warn of it where every flag is to have one.";
    MissingExpiry, "missing-expiry", Allow,
        "a flag without the date on which it expires",
        "Most flags are meant to be gone once what they guard is released, and those without a \
         date are forgotten. Give it one with `expires = 2027-02-01`, or mark a flag that is meant to stay \
         with `permanent = true`. Allowed by default; warn of it where flags are temporary.";
    Expired, "expired", Warn,
        "a flag whose time is over",
        "The day on which it was meant to be gone, `expires`, has come. It is evaluated as before. \
         Remove the flag and what it guards from the code, or give it a new date.";
    UnusualName, "unusual-name", Warn,
        "a name that does not follow the convention",
        "Names that are written in one way can be guessed, searched for, and used as names of \
         environment variables. By default that is snake_case: small letters and digits, with single \
         `_` between words. Another pattern can be set. A flag with another name is another flag: its \
         users are drawn anew unless its `salt` is set to the former name, and overrides of the former \
         name are lost.";
    DuplicateEntry, "duplicate-entry", Warn,
        "an entry that a list has twice",
        "The second one changes nothing. Lists that are kept by hand grow by such slips, and whoever \
         takes the first entry away leaves the user in.";
    SettingWithoutEffect, "setting-without-effect", Warn,
        "a setting that does nothing beside the others",
        "Some settings refine another one and say nothing by themselves: `off` and `traffic` are \
         about variants, `stale_after` and `on_stale` need each other, and the `bucket_by` of a rule is \
         about what the rule draws. A flag with `permanent = true` never expires, so its `expires` \
         does nothing. Either the other setting is missing, or this one is a leftover. In an environment, a \
         percentage does not turn on a flag that `[flags]` switches off: `enabled = true` beside it does.";
    NeverMatches, "never-matches", Warn,
        "a comparison that can never match",
        "No context can meet it: the list to compare with is empty, bounds contradict each other, the \
         attribute has to be missing and to have a value at once, or it can never be of that type. Or a \
         flag has to be on and off at once, or `unless` leaves out all users. A \
         rule that needs it serves nobody. An attribute that is a list meets two comparisons if each \
         is met by an element of its own; where that is meant, allow this.";
    NegatedMissing, "negated-missing", Warn,
        "a negation alone on an attribute that may be missing",
        "A comparison with an attribute that the context lacks is unknown, and so is its negation: \
         `country = { ne = \"US\" }` does not match a user without a country. To match these \
         users too, write `unless = { country = \"US\" }`, which holds wherever the condition is not true. \
         Add `exists = true` if the negation is meant.";
    OffWithoutVariant, "off-without-variant", Warn,
        "a flag with variants that serves none of them while it is off",
        "No variant is named `off` or `control`, none has the value `false`, and `off` names none. So a \
         typed question to the off flag gets the caller's own default, which may differ from place to \
         place. Name the variant with `off = \"…\"`, or write `off = \"default\"` if the defaults are \
         meant.";
    UnreachableRule, "unreachable-rule", Warn,
        "a rule that is never reached",
        "The first rule that matches decides, and everybody whom this rule is for matches one above \
         it. Move it up, if it is the exception; make the rule above narrower; or remove it.";
    RepeatedInEnvironment, "repeated-in-environment", Warn,
        "an entry of an environment that changes nothing",
        "Without the entry, the flag is the same by `[flags]`. An entry that repeats `[flags]` hides later changes there \
         from this environment. Remove it. An entry may have tests alone.";
    OnlyInEnvironment, "only-in-environment", Warn,
        "a flag that only an environment has",
        "In all other environments, and without one, the flag is unknown, and callers get their own defaults. It is \
         often a misspelled name. If the flag is meant, add it to `[flags]`, such as `new_checkout = false`.";
    UnusedSegment, "unused-segment", Warn,
        "a segment that no flag uses",
        "No rule of the file names it, neither itself nor by way of other segments, and nothing else \
         can use it. Remove it, or use it.";
    RedrawsUsers, "redraws-users", Warn,
        "an edit that draws users anew",
        "Users keep what they have as long as what they are drawn by stays the same: the flag's name \
         or `salt`, `bucket_by`, the name of the rule, and the order of the variants. With another one, \
         users change sides who need not: an experiment loses its history, and people lose a feature \
         that they had. The share that is reported is that of the users who are served something \
         else after the edit. It is exact where the same bucket is cut at other places. Where the \
         bucket itself is another one, it is what two independent draws amount to. A flag that has \
         another name and the same settings is the same flag, renamed. It is found only when an edit is \
         compared with the text before it.";
    RemovedFlag, "removed-flag", Warn,
        "a flag that the edit takes out of the file",
        "Code that still asks for it gets its own default, and an override in the store stays in force. \
         Take the flag out of the code first. If it has a new name, give it the former name as its `salt`, \
         so that no user is re-bucketed. A flag that is gone from one environment is reported for that one. So is an \
         environment that is gone: services that name it do not start. It is found only when an edit is compared with \
         the text before it.";
}

impl Code {
    /// Returns the code with this name, if there is one.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|code| code.as_str() == name)
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_code_has_a_name_of_its_own_and_is_explained() {
        let names: BTreeSet<_> = Code::ALL.iter().map(|code| code.as_str()).collect();

        assert_eq!(names.len(), Code::ALL.len());
        for &code in Code::ALL {
            assert_eq!(Code::from_name(code.as_str()), Some(code));
            assert!(code.as_str().bytes().all(|b| b.is_ascii_lowercase() || b == b'-'), "{code}");
            assert!(!code.title().ends_with('.'), "{code}");
            assert!(code.explanation().ends_with('.'), "{code}");
        }
    }
}
