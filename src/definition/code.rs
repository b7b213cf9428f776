//! Codes: the kinds of problem that a flags.toml can have.

use std::fmt;

use super::severity::{Level, Severity};

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
         good flags stay in force until the file is fixed.";
    TooDeep, "too-deep", Error,
        "more levels of nesting than the limit",
        "The text has more levels of brackets, or a key with more parts, than the parser follows. \
         Nothing of the file is published. Name parts of a deep condition as segments: these count \
         apart.";
    DuplicateKey, "duplicate-key", Error,
        "a key that is defined twice",
        "TOML allows a key once per table, and a table header once per file. Nothing of the file \
         is published, because it is unclear which of the two was meant. Remove one of them.";
    EmptyFile, "empty-file", Error,
        "a file without content",
        "A program that reads the file while another one is still writing may find it empty. So \
         an empty file never removes flags. To remove all flags, leave an empty `[flags]` table \
         in the file.";
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
        "Only `[flags]`, `[segments]` and `[environments]` may be at the top level of the file. A \
         flag above them, or under `[name]` instead of `[flags.name]`, would be ignored, so it is \
         an error instead. A flag of that name keeps its previous definition.";
    SwallowedKey, "swallowed-key", Error,
        "a flag that became a setting of the flag above it",
        "In TOML, every line belongs to the nearest header above it. A flag below `[flags.other]` \
         therefore becomes a setting of `other`. Move it above that header, or give it a header \
         of its own. Both flags keep their previous definitions.";
    UnknownKey, "unknown-key", Error,
        "a key that is not a setting of a flag",
        "A misspelled setting would silently do nothing, so it is an error. The flag keeps its \
         previous definition; other flags are not affected.";
    AmbiguousNumber, "ambiguous-number", Error,
        "a bare number as a flag",
        "`search = 1` could mean one percent or on, so it is an error. Write a percentage as a \
         string, `\"1%\"`, or use `true` or `false`. The flag keeps its previous definition.";
    InvalidFlag, "invalid-flag", Error,
        "a flag of the wrong type",
        "A flag is `true`, `false`, a percentage such as `\"25%\"`, or a table of settings. The \
         flag keeps its previous definition.";
    InvalidType, "invalid-type", Error,
        "a setting of the wrong type",
        "The setting exists but takes another type of value. The flag keeps its previous \
         definition.";
    InvalidElement, "invalid-element", Error,
        "a list element of the wrong type",
        "Lists of users, groups and tags hold strings only. Write an id that is a number in \
         quotes. The flag keeps its previous definition.";
    InvalidPercentage, "invalid-percentage", Error,
        "an invalid percentage",
        "A percentage is a plain decimal number from 0 to 100 with at most four decimals. Every \
         process and every language computes such a number alike. The flag keeps its previous \
         definition.";
    InvalidDate, "invalid-date", Error,
        "an invalid date",
        "A date is a TOML date without quotes, such as `2026-11-01`, or a date and time with an \
         offset, such as `2026-11-01T09:00:00Z`. A date alone is the start of that day in UTC. A \
         time without an offset would mean another instant on each machine. The flag keeps its \
         previous definition.";
    InvalidDuration, "invalid-duration", Error,
        "an invalid length of time",
        "A length of time is a string of numbers with units, such as `\"90s\"`, `\"5m\"` or \
         `\"1h 30m\"`. A day (`d`) has 24 hours, and a week (`w`) has seven days. Months and years \
         have no fixed length. The flag keeps its previous definition.";
    InvalidWord, "invalid-word", Error,
        "a word that the setting does not have",
        "Some settings take one of a few words only. The flag keeps its previous definition.";
    InvalidWeight, "invalid-weight", Error,
        "an invalid weight",
        "A weight is a plain decimal number from 0 to 1,000,000,000 with at most four decimals. \
         Weights need not add up to 100: only their proportions count. The flag keeps its \
         previous definition.";
    ValueBesideVariants, "value-beside-variants", Error,
        "a constant beside variants",
        "The flag serves `value` to all users for whom it is on, so `variants` and `serve` have \
         nothing to choose. Remove one of the two, or give the value to a variant and name that \
         variant with `serve`. The flag keeps its previous definition.";
    MixedTypes, "mixed-types", Error,
        "variants with values of different types",
        "The code that evaluates a flag expects one type, so all variants of a flag have values \
         of one type, in all environments and files. A flag of floats may have integers that a \
         float is exactly; a flag of integers has no float. The value of a variant without a \
         `value` is its name, a string. The flag keeps its previous definition.";
    UnknownOperator, "unknown-operator", Error,
        "an unknown operator in a condition",
        "A condition compares an attribute with a value, with a list of values, or by a table of \
         operators. A condition with an operator that does not exist would never match. The flag \
         keeps its previous definition.";
    InvalidOperand, "invalid-operand", Error,
        "an invalid operand in a condition",
        "Every operator takes its own kind of operand. For example, a version requirement, a \
         network, a regular expression and a glob must be valid. The flag keeps its previous \
         definition.";
    InvalidCondition, "invalid-condition", Error,
        "an invalid condition",
        "A condition is a table of attributes and their operands. It may also have `any` and \
         `all` with a list of conditions, `not` and `unless` with one condition, `segment` with \
         the name of a segment, and `flag` with another flag. All parts have to hold. The flag \
         keeps its previous definition.";
    InvalidRule, "invalid-rule", Error,
        "a rule with a missing or invalid part",
        "A rule is a table with a condition, `when` or `unless`, and with `serve`, the result for \
         users who meet the condition. It may have a `name`, and `bucket_by`, the unit for its \
         draws. The flag keeps its previous definition.";
    InvalidServe, "invalid-serve", Error,
        "an invalid `serve`",
        "A rule serves `true`, `false`, a percentage such as `\"25%\"` of the users who match, \
         the name of a variant, a table of variants with weights, or `\"default\"`. A flag serves \
         the name of a variant. The flag keeps its previous definition.";
    UnknownVariant, "unknown-variant", Error,
        "a variant that the flag does not have",
        "Rules, `serve`, `off`, tests and prerequisites can name only variants that the flag has, \
         since each variant has its value there. The flag keeps its previous definition.";
    InvalidOff, "invalid-off", Error,
        "an `off` that cannot be served while the flag is off",
        "`off` names the variant that the flag serves while it is off, or is `\"default\"` for \
         none. It cannot be a boolean, and cannot name a variant whose value is `true`. The flag \
         keeps its previous definition.";
    OffWord, "off-word", Error,
        "a variant that is named like off and is not off",
        "In environment variables and shared stores, the words `0`, `false`, `no`, `off`, `f` and \
         `n` always turn a flag off. So a variant that turns the flag on and has such a name \
         could not be forced. The flag keeps its previous definition.";
    UnknownPrerequisite, "unknown-prerequisite", Warning,
        "a flag that another one depends on and the file does not have",
        "A flag that requires an unknown flag is off for all users, and a condition on an unknown \
         flag is unknown. If another source has the flag, ignore this warning; otherwise check \
         the spelling.";
    PrerequisiteCycle, "prerequisite-cycle", Error,
        "flags that depend on each other",
        "Flags that require each other, or name each other in conditions, cannot be evaluated. A \
         cycle may have any number of steps, and steps through segments. All flags of the cycle \
         keep their previous definitions. Remove one of the prerequisites or conditions.";
    TooManyPrerequisites, "too-many-prerequisites", Error,
        "a flag that depends on more than 256 others",
        "A flag can depend on 256 others, directly or through other flags, by `requires` and by \
         conditions. The limit exists because each of them costs time in every evaluation. The \
         flag keeps its previous definition.";
    TooManyVariantNames, "too-many-variant-names", Error,
        "a variant name beyond the limit of the process",
        "A process keeps the names of variants as long as it runs, so that an answer can borrow \
         its variant. It keeps 100,000 of them, far more than people write. A program that writes \
         the file probably generates new names all the time. The flag keeps its previous \
         definition. Use the same names again, and restart the process to free the old ones.";
    PasswordInFile, "password-in-file", Error,
        "a password in flagstaff.toml",
        "The file is meant for version control: all readers would see the password, and the \
         history would keep it. Write the name of an environment variable: `redis = \
         \"$PROD_REDIS_URL\"`. Commands do not use the place until the password is removed; at \
         the top level, it affects all places. Replace a password that was committed.";
    UnsetVariable, "unset-variable", Error,
        "a place that names an environment variable without a value",
        "A value of flagstaff.toml may name environment variables, `$NAME` or `${NAME}`, and `$$` \
         is a dollar sign. Each variable of the chosen place needs a value, because an incomplete \
         address could be that of another store. Variables of other places do not matter.";
    UnnamedRule, "unnamed-rule", Error,
        "a rule that draws users and has no name",
        "A rule that serves a percentage or a split draws by its name. So the same users stay in \
         when rules are added, removed or reordered. The flag keeps its previous definition.";
    DuplicateRule, "duplicate-rule", Error,
        "two rules of a flag with the same name",
        "Answers and explanations name the rule that decided, and percentages are drawn by the \
         name of the rule: two rules with one name would draw the same users. The flag keeps its \
         previous definition.";
    UnknownSegment, "unknown-segment", Error,
        "an unknown segment, or one with errors",
        "A condition can use the segments of its own file. The errors of a segment are reported \
         at its definition. Until they are fixed, flags that use the segment keep their previous \
         definitions.";
    SegmentCycle, "segment-cycle", Error,
        "segments that depend on each other",
        "A segment may use other segments, but not through them itself: the users of such a \
         segment would be undefined. Flags that use one of the segments keep their previous \
         definitions.";
    InvalidEnvironment, "invalid-environment", Error,
        "an environment that is not a table of flags",
        "Environments are in the table `[environments]`. Each is a table of the flags that differ \
         in it, such as `[environments.staging]`. An environment with this error cannot be used.";
    InvalidSegment, "invalid-segment", Error,
        "a segment with a missing or invalid part",
        "Segments are in the table `[segments]`. Each is a table with a condition, `when` or \
         `unless`, and an optional `description`. Flags that use the segment keep their previous \
         definitions.";
    ExpiresBeforeCreated, "expires-before-created", Error,
        "a flag that expires before it was created",
        "One of the two dates is wrong. The flag keeps its previous definition.";
    ZeroWeights, "zero-weights", Error,
        "variants without a positive weight",
        "Users are drawn into variants by weight, so a flag that draws needs a positive weight. A \
         variant without a weight has the weight 0. To serve one variant to all users, name it \
         with `serve`: then nothing is drawn. The flag keeps its previous definition.";
    RolloutTimes, "rollout-times", Error,
        "a rollout whose times contradict each other",
        "A rollout is written in one of two ways: with a `start`, and stages with a length, \
         `for`; or with stages that have dates, `at`, in ascending order. The flag keeps its \
         previous definition.";
    StageWithoutEnd, "stage-without-end", Error,
        "a rollout that never reaches its last stage",
        "Every stage but the last needs a length, `for`, or waits until a user advances it, `auto \
         = false`. A rollout has at least one stage. The flag keeps its previous definition.";
    StageWithoutPercentage, "stage-without-percentage", Error,
        "a stage of a rollout without a percentage",
        "Each stage needs a `percentage`, the share of users that it reaches. The flag keeps its \
         previous definition.";
    RolloutWithoutStages, "rollout-without-stages", Warning,
        "a rollout without stages",
        "Without stages the rollout has no effect: the flag is on for all users, or for the share \
         of `percentage`. It is published as it stands, since a source below may have the stages.";
    NeverActive, "never-active", Error,
        "an active window that ends before it begins",
        "The flag would be off at all times. Swap `from` and `until`, or write `enabled = false`. \
         The flag keeps its previous definition.";
    RolloutBackwards, "rollout-backwards", Warning,
        "a rollout whose percentage falls",
        "A later stage reaches fewer users than the one before, so users who have the flag lose \
         it. The rollout is published as it stands.";
    InvalidTest, "invalid-test", Error,
        "a test with a missing or invalid part",
        "A test needs `expect`: `true`, `false`, or the name of the variant that the flag serves. \
         `user`, `groups` and `attributes` are its evaluation context, and `time` is the time of \
         the evaluation. The flag keeps its previous definition.";
    FailedTest, "failed-test", Error,
        "a test of a flag that fails",
        "The flag does not give the answer that one of its tests in the file expects. So the flag \
         is not what its authors meant, and keeps its previous definition. Flags are tested \
         together with what is in force: for a required flag with errors, that is its previous \
         definition.";
    PercentageBesideRollout, "percentage-beside-rollout", Warning,
        "a percentage beside a rollout",
        "The stages of the rollout set the percentage, so this setting has no effect. Remove one \
         of the two.";
    AllowedAndDenied, "allowed-and-denied", Warning,
        "a user or group that is both allowed and denied",
        "Deny beats allow, so the entry in the allow-list has no effect. Remove one of the two.";
    BlankText, "blank-text", Warning,
        "a name that is empty or has white space around it",
        "Names are compared exactly: `\"ana \"` is not the user `ana`, and no user or group has \
         an empty name. The entry is kept as it is, and probably matches no user.";

    @lints

    MissingDescription, "missing-description", Allow,
        "a flag without a description",
        "A sentence on the purpose of the flag, `description = \"…\"`, shows later readers if the \
         flag can be removed. Allowed by default; set it to warn where every flag needs a \
         description.";
    MissingOwner, "missing-owner", Allow,
        "a flag without an owner",
        "`owner = \"…\"` names the team or person to ask before the flag is changed or removed. \
         Allowed by default; set it to warn where every flag needs an owner.";
    MissingExpiry, "missing-expiry", Allow,
        "a flag without an expiry date",
        "Most flags should be removed once their feature is released, and flags without a date \
         are forgotten. Add a date with `expires = 2027-02-01`, or mark a flag that is meant to \
         stay with `permanent = true`. Allowed by default; set it to warn where flags are \
         temporary.";
    Expired, "expired", Warn,
        "a flag past its expiry date",
        "The day in `expires`, by which the flag should have been removed, has come. The flag is \
         evaluated as before. Remove the flag and the code that it guards, or give it a new date.";
    UnusualName, "unusual-name", Warn,
        "a name that does not follow the convention",
        "Names in one style are easy to guess, to search for, and to use as names of environment \
         variables. The default style is snake_case: lower-case letters and digits, with single \
         `_` between words. Another pattern can be set. A renamed flag is another flag: it \
         re-buckets its users unless its `salt` is the former name, and overrides of the former \
         name are lost.";
    DuplicateEntry, "duplicate-entry", Warn,
        "an entry that is in a list twice",
        "The second entry has no effect. It is a trap in lists that people edit: after the first \
         entry is removed, the user is still in the list.";
    SettingWithoutEffect, "setting-without-effect", Warn,
        "a setting that has no effect beside the others",
        "Some settings have an effect only together with another one: `off` and `traffic` need \
         variants, `stale_after` and `on_stale` need each other, and the `bucket_by` of a rule \
         needs a draw. An allow-list adds no user to a flag without a percentage, a rollout or rules, \
         because such a flag is on for all users: `percentage = 0` keeps the others out. The same goes for 100 percent, \
         and `[flags]` and each environment are checked by themselves. A flag \
         with `permanent = true` never expires, so its `expires` has no effect. Either the other setting is missing, or this one is a leftover. In an \
         environment, a percentage does not turn on a flag that `[flags]` turns off: add `enabled \
         = true`.";
    NeverMatches, "never-matches", Warn,
        "a comparison that can never match",
        "No context can meet the comparison. Its list is empty, its bounds contradict each other, \
         or the attribute can never have that type. Or the attribute would have to be missing and \
         to have a value at once. The same goes for a flag that would have to be on and off at \
         once, and for an `unless` that excludes all users. A rule that needs the comparison \
         matches no user. An attribute that is a list meets two comparisons if each is met by an \
         element of its own; where that is meant, allow this lint.";
    NegatedMissing, "negated-missing", Warn,
        "a negation of an attribute that may be missing",
        "A comparison with an attribute that the context lacks is unknown, and so is its \
         negation: `country = { ne = \"US\" }` does not match a user without a country. To match \
         these users too, write `unless = { country = \"US\" }`, which holds wherever the \
         condition is not true. Add `exists = true` if the negation is meant.";
    OffWithoutVariant, "off-without-variant", Warn,
        "a flag whose variants are not served while it is off",
        "No variant is named `off` or `control`, none has the value `false`, and `off` names \
         none. So a typed evaluation of the flag while it is off returns the caller's own \
         default, which may differ between callers. Name the variant with `off = \"…\"`, or write \
         `off = \"default\"` if the defaults are meant.";
    UnreachableRule, "unreachable-rule", Warn,
        "a rule that is never reached",
        "The first matching rule decides, and every user whom this rule matches also matches a \
         rule above it. If this rule is the exception, move it up. Otherwise make the rule above \
         narrower, or remove this one.";
    RepeatedInEnvironment, "repeated-in-environment", Warn,
        "an entry of an environment that changes nothing",
        "Without the entry, the environment gets the same flag from `[flags]`. An entry that \
         repeats `[flags]` hides later changes of `[flags]` from this environment. Remove the \
         entry. An entry with only tests is fine.";
    OnlyInEnvironment, "only-in-environment", Warn,
        "a flag that only an environment has",
        "In all other environments, and without one, the flag is unknown, and callers get their \
         own defaults. It is often a misspelled name. If the flag is intended, add it to \
         `[flags]`, such as `new_checkout = false`.";
    UnusedSegment, "unused-segment", Warn,
        "a segment that no flag uses",
        "No rule of the file uses the segment, neither directly nor through other segments, and \
         nothing else can use it. Remove it, or use it.";
    RedrawsUsers, "redraws-users", Warn,
        "an edit that re-buckets users",
        "Users keep their answer as long as the inputs of their draw stay: the flag's name or \
         `salt`, `bucket_by`, the name of the rule, and the order of the variants. If one of \
         these changes, users change sides without need: an experiment loses its history, and \
         users lose a feature that they had. The reported share is that of users who get another \
         answer after the edit. It is exact if the same buckets are cut at other positions. If \
         the buckets themselves change, it is the expected share of two independent draws. A new \
         flag with the settings of a removed one counts as that flag, renamed. This lint needs \
         the text before the edit to compare with.";
    RemovedFlag, "removed-flag", Warn,
        "a flag that the edit removes from the file",
        "Code that still evaluates the flag gets its own default, and an override in the store \
         stays in force. Remove the flag from the code first. If the flag has a new name, give it \
         the former name as its `salt`, so that no user is re-bucketed. A flag that is removed \
         from one environment is reported for that environment. A removed environment is reported \
         too: services that name it do not start. This lint needs the text before the edit to \
         compare with.";
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
