//! The operators of conditions: one table that the decoder, the documentation and tests walk over.

use std::fmt;

/// The kind of operand that an operator compares with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum OperandKind {
    /// One boolean, number or string.
    Scalar,
    /// A list of booleans, numbers and strings.
    Scalars,
    /// One number.
    Number,
    /// One string, or a list of strings of which any may match.
    Texts,
    /// A date, or a time with an offset from UTC.
    Instant,
    /// `true` or `false`.
    Bool,
}

impl OperandKind {
    /// Returns a description for people.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Scalar => "a boolean, number or string",
            Self::Scalars => "a list of booleans, numbers and strings",
            Self::Number => "a number",
            Self::Texts => "a string or a list of strings",
            Self::Instant => "a date, or a time with an offset",
            Self::Bool => "`true` or `false`",
        }
    }
}

impl fmt::Display for OperandKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// An operand, with a value that matches and one that does not, as TOML writes them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct OperatorExample {
    /// The operand that the attribute is compared with.
    pub operand: &'static str,
    /// A value of the attribute for which the comparison holds.
    pub holds: &'static str,
    /// A value of the attribute for which the comparison does not hold; empty for an attribute that
    /// is missing.
    pub fails: &'static str,
}

macro_rules! operators {
    ($(
        $variant:ident, $name:literal, $operand:ident, $case:literal, $doc:literal,
        $example:literal, $holds:literal, $fails:literal;
    )+) => {
        /// An operator, by which a condition compares an attribute.
        ///
        /// # Example
        ///
        /// ```
        /// use flagstaff::definition::Operator;
        ///
        /// let operator = Operator::from_name("starts_with").expect("an operator");
        ///
        /// assert_eq!(operator, Operator::StartsWith);
        /// assert_eq!(operator.example().operand, r#""+49""#);
        /// ```
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[non_exhaustive]
        pub enum Operator {
            $(#[doc = concat!("`", $name, "`: ", $doc)] $variant,)+
        }

        impl Operator {
            /// All operators, in the order of the documentation.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+];

            /// Returns the key in flags.toml, such as `starts_with`.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)+
                }
            }

            /// Returns the kind of operand that the operator compares with.
            #[must_use]
            pub const fn operand(self) -> OperandKind {
                match self {
                    $(Self::$variant => OperandKind::$operand,)+
                }
            }

            /// Returns `true` if `ignore_case` may stand beside the operator.
            #[must_use]
            pub const fn has_case(self) -> bool {
                match self {
                    $(Self::$variant => $case,)+
                }
            }

            /// Returns a sentence on when the comparison holds.
            #[must_use]
            pub const fn description(self) -> &'static str {
                match self {
                    $(Self::$variant => $doc,)+
                }
            }

            /// Returns an example.
            #[must_use]
            pub const fn example(self) -> OperatorExample {
                match self {
                    $(Self::$variant => OperatorExample {
                        operand: $example,
                        holds: $holds,
                        fails: $fails,
                    },)+
                }
            }
        }
    };
}

operators! {
    Eq, "eq", Scalar, true,
        "The attribute is this value. Integers and floats are compared by their exact value.",
        r#""pro""#, r#""pro""#, r#""free""#;
    Ne, "ne", Scalar, true,
        "The attribute is another value of the same type; of a list, no element is this value.",
        r#""pro""#, r#""free""#, r#""pro""#;
    In, "in", Scalars, true,
        "The attribute is one of these values.",
        r#"["DE", "AT"]"#, r#""AT""#, r#""CH""#;
    NotIn, "not_in", Scalars, true,
        "The attribute is none of these values; of a list, no element is.",
        r#"["DE", "AT"]"#, r#""CH""#, r#""AT""#;
    Gt, "gt", Number, false,
        "The attribute is a greater number.",
        "10", "10.5", "10";
    Ge, "ge", Number, false,
        "The attribute is this number or a greater one.",
        "10", "10.0", "9";
    Lt, "lt", Number, false,
        "The attribute is a smaller number.",
        "10", "9.5", "10";
    Le, "le", Number, false,
        "The attribute is this number or a smaller one.",
        "10", "10", "10.5";
    Contains, "contains", Texts, true,
        "The attribute contains this string.",
        r#""bot""#, r#""googlebot/2.1""#, r#""curl""#;
    StartsWith, "starts_with", Texts, true,
        "The attribute begins with this string.",
        r#""+49""#, r#""+49 30 123""#, r#""+43 1 123""#;
    EndsWith, "ends_with", Texts, true,
        "The attribute ends with this string.",
        r#""@example.com""#, r#""ana@example.com""#, r#""ana@example.org""#;
    Matches, "matches", Texts, true,
        "This regular expression (of the `regex` crate) matches a part of the attribute; `^` and `$` anchor it to the whole.",
        "'^SM-[A-Z]\\d+$'", r#""SM-G991""#, r#""Pixel 9""#;
    Glob, "glob", Texts, true,
        "The whole attribute has this form: `*` matches any string, `?` one byte, `[ab]` one of these, `{a,b}` either.",
        r#""/api/*""#, r#""/api/users/1""#, r#""/web""#;
    Semver, "semver", Texts, false,
        "The attribute is a version that this requirement of Cargo's allows.",
        r#""<5.2.0""#, r#""5.1.9""#, r#""5.2.0""#;
    Cidr, "cidr", Texts, false,
        "The attribute is an IP address of this network.",
        r#""10.0.0.0/8""#, r#""10.1.2.3""#, r#""11.0.0.1""#;
    Before, "before", Instant, false,
        "The attribute is an earlier instant.",
        "2026-11-01", r#""2026-10-31T23:59:59Z""#, r#""2026-11-01T00:00:00Z""#;
    After, "after", Instant, false,
        "The attribute is a later instant.",
        "2026-11-01T00:00:00Z", "1800000000", r#""2026-11-01""#;
    Exists, "exists", Bool, false,
        "The context has the attribute, or, with `false`, lacks it.",
        "true", r#""""#, "";
}

impl Operator {
    /// Returns the operator of that name, if there is one.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|operator| operator.as_str() == name)
    }

    /// Returns true if the operator can compare numbers, so that `as = "number"` may stand beside
    /// it.
    #[must_use]
    pub const fn has_numbers(self) -> bool {
        matches!(self.operand(), OperandKind::Number | OperandKind::Scalar | OperandKind::Scalars)
    }

    /// Returns true if the operator negates another one with the same operand.
    pub(crate) const fn is_negation(self) -> bool {
        matches!(self, Self::Ne | Self::NotIn)
    }
}

impl fmt::Display for Operator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}
