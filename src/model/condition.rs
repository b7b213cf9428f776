//! Conditions, which rules and segments place on a context.

use std::{fmt, sync::Arc};

use super::{
    BucketBy, InvalidOperand, Operator, Prerequisite, Printed, Value,
    matcher::{Case, Matcher},
};

/// The condition that a context has to meet for a rule to match, as data.
///
/// Conditions have three values. A comparison is unknown if the context lacks the attribute, or if
/// the attribute has a type that cannot be compared. The negation is unknown, too. A rule matches
/// only when its condition is true.
///
/// # Example
///
/// ```
/// use flagstaff::definition::{Condition, Operator};
///
/// let old_ios = Condition::All(vec![
///     Condition::compare("os", Operator::Eq, "ios")?,
///     Condition::compare("app_version", Operator::Semver, "<5.2.0")?,
/// ]);
///
/// assert!(Condition::compare("app_version", Operator::Semver, "five").is_err());
/// # Ok::<(), flagstaff::definition::InvalidOperand>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Condition {
    /// Compares one attribute.
    Compare(Comparison),
    /// All of these conditions hold. An empty list always holds.
    All(Vec<Condition>),
    /// At least one of these conditions holds.
    Any(Vec<Condition>),
    /// The condition is false. See [`Condition::negated`].
    Not(Negation),
    /// The condition is not true: it is false, or it is unknown since an attribute is missing.
    ///
    /// A flag that is in no state (see [`Prerequisite`]) makes this unknown, wherever the flag
    /// stands in the condition. So a lost flag lets no users in. See [`Condition::unless`].
    Unless(Negation),
    /// The condition of the segment holds.
    Segment(Segment),
    /// Another flag is in a state, for the same context. This and its negation are unknown if the
    /// flag is in no state.
    Flag(Prerequisite),
}

impl Condition {
    /// Creates a comparison with an attribute. The path may lead into tables and lists:
    /// `company.plan`.
    ///
    /// # Errors
    ///
    /// Returns an error if the operand is not of the operator's [kind](Operator::operand). A string
    /// that stands for a version requirement, a network or a regular expression also has to be
    /// valid.
    pub fn compare(
        attribute: impl Into<String>,
        operator: Operator,
        operand: impl Into<Value<'static>>,
    ) -> Result<Self, InvalidOperand> {
        Comparison::new(attribute, operator, operand, Case::Exact).map(Self::Compare)
    }

    /// Negates the condition: it holds where this condition is false. Where this condition is
    /// unknown, so is the negation.
    ///
    /// # Example
    ///
    /// ```
    /// use flagstaff::definition::{Condition, Operator};
    ///
    /// let abroad = Condition::compare("country", Operator::Eq, "DE")?.negated();
    ///
    /// assert!(matches!(abroad, Condition::Not(_)));
    /// # Ok::<(), flagstaff::definition::InvalidOperand>(())
    /// ```
    #[must_use]
    pub fn negated(self) -> Self {
        Self::Not(self.into())
    }

    /// Inverts the condition: it holds where this condition is not true, also where this condition
    /// is unknown.
    ///
    /// # Example
    ///
    /// ```
    /// use flagstaff::{
    ///     Context, Definition, Flags, Memory,
    ///     definition::{Condition, Operator, Rule, Serve},
    /// };
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    /// let american = Condition::compare("country", Operator::Eq, "US")?;
    /// let rule = |when| Definition::new().rules([Rule::new(when, Serve::Off)]);
    /// let source = Memory::new()
    ///     .with("negated", rule(american.clone().negated()))
    ///     .with("unless", rule(american.unless()));
    /// let flags = Flags::builder().source(source).start().await?;
    ///
    /// // The country is unknown.
    /// let ana = Context::user("ana");
    /// assert!(flags.is_enabled("negated", &ana), "the rule does not match");
    /// assert!(!flags.is_enabled("unless", &ana), "the rule matches");
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn unless(self) -> Self {
        Self::Unless(self.into())
    }

    /// Returns the parts of the condition. A comparison and a flag have none.
    pub(crate) fn parts(&self) -> &[Self] {
        match self {
            Self::Compare(_) | Self::Flag(_) => &[],
            Self::All(parts) | Self::Any(parts) => parts,
            Self::Not(part) | Self::Unless(part) => std::slice::from_ref(part.condition()),
            Self::Segment(segment) => std::slice::from_ref(segment.when()),
        }
    }

    /// Returns the other flags that the condition depends on, also through its segments, in the
    /// order in which they are written.
    ///
    /// # Example
    ///
    /// ```
    /// use flagstaff::definition::{Condition, Prerequisite};
    ///
    /// let open = Condition::Flag(Prerequisite::off("maintenance"));
    /// let condition = Condition::All(vec![open, Condition::Flag("payments_v3".into()).negated()]);
    ///
    /// let flags: Vec<_> = condition.flags().into_iter().map(|it| &*it.flag).collect();
    /// assert_eq!(flags, ["maintenance", "payments_v3"]);
    /// ```
    #[must_use]
    pub fn flags(&self) -> Vec<&Prerequisite> {
        let mut flags = Vec::new();
        self.collect_flags(&mut flags);
        flags
    }

    fn collect_flags<'c>(&'c self, flags: &mut Vec<&'c Prerequisite>) {
        match self {
            Self::Flag(flag) => flags.push(flag),
            _ => self.parts().iter().for_each(|part| part.collect_flags(flags)),
        }
    }
}

/// A negated condition, made by [`Condition::negated`] and [`Condition::unless`].
#[derive(Clone, PartialEq)]
pub struct Negation(Box<Condition>);

impl Negation {
    /// Returns the condition that is negated.
    #[must_use]
    pub fn condition(&self) -> &Condition {
        &self.0
    }
}

impl From<Condition> for Negation {
    fn from(condition: Condition) -> Self {
        Self(Box::new(condition))
    }
}

impl fmt::Debug for Negation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A condition with a name. Clones share the condition, since several flags can use it.
///
/// # Example
///
/// ```
/// use flagstaff::definition::{Condition, Operator, Segment};
///
/// let pros = Segment::new("pros", Condition::compare("plan", Operator::Eq, "pro")?);
///
/// assert_eq!(pros.name(), "pros");
/// assert!(matches!(pros.when(), Condition::Compare(_)));
/// # Ok::<(), flagstaff::definition::InvalidOperand>(())
/// ```
#[derive(Clone, PartialEq)]
pub struct Segment(Arc<Named>);

#[derive(PartialEq)]
struct Named {
    name: String,
    when: Condition,
}

impl Segment {
    /// Creates a segment of all contexts for which `when` holds.
    #[must_use]
    pub fn new(name: impl Into<String>, when: Condition) -> Self {
        Self(Arc::new(Named { name: name.into(), when }))
    }

    /// Returns the name of the segment.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.0.name
    }

    /// Returns the condition of the segment.
    #[must_use]
    pub fn when(&self) -> &Condition {
        &self.0.when
    }
}

impl fmt::Debug for Segment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Segment").field("name", &self.name()).field("when", self.when()).finish()
    }
}

/// A valid comparison of one attribute with one operand.
#[derive(Clone)]
pub struct Comparison {
    attribute: Attribute,
    operator: Operator,
    operand: Value<'static>,
    case: Case,
    reads_numbers: bool,
    matcher: Arc<Matcher>,
}

impl Comparison {
    /// Creates a comparison; see [`Condition::compare`].
    ///
    /// # Errors
    ///
    /// Returns an error if the operand does not fit the operator, or if the operator cannot ignore
    /// case.
    pub fn new(
        attribute: impl Into<String>,
        operator: Operator,
        operand: impl Into<Value<'static>>,
        case: Case,
    ) -> Result<Self, InvalidOperand> {
        let operand = operand.into();
        let matcher = Arc::new(Matcher::new(operator, &operand, case)?);
        let attribute = Attribute::new(attribute.into());
        Ok(Self { attribute, operator, operand, case, reads_numbers: false, matcher })
    }

    /// Compares strings as numbers, such as `"12.5"`: `as = "number"`. A string that is not a
    /// number never matches, and neither does a boolean.
    ///
    /// A number is written as in JSON, and may begin with `+` or zeros. White space is not allowed.
    ///
    /// # Errors
    ///
    /// Returns an error if the operator compares no [numbers](Operator::has_numbers). Also returns
    /// an error if the operand is not a number, or for `in` and `not_in` not a list of numbers.
    ///
    /// # Example
    ///
    /// ```
    /// use flagstaff::{
    ///     Context, Definition, Flags, Memory,
    ///     definition::{Case, Comparison, Condition, Operator, Rule, Serve},
    /// };
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    /// let large = Comparison::new("total", Operator::Ge, 100, Case::Exact)?.reading_numbers()?;
    /// let rule = Rule::new(Condition::Compare(large), Serve::Off);
    /// let source = Memory::new().with("instant", Definition::new().rules([rule]));
    /// let flags = Flags::builder().source(source).start().await?;
    ///
    /// let total = |total: &'static str| Context::user("ana").attribute("total", total);
    /// assert!(flags.is_enabled("instant", &total("99.5")));
    /// assert!(!flags.is_enabled("instant", &total("1e3")));
    /// # Ok(())
    /// # }
    /// ```
    pub fn reading_numbers(self) -> Result<Self, InvalidOperand> {
        let matcher = Matcher::reading_numbers(self.operator, &self.operand, self.case)?;
        Ok(Self { reads_numbers: true, matcher: Arc::new(matcher), ..self })
    }

    /// Returns true if strings are compared as numbers. See
    /// [`reading_numbers`](Self::reading_numbers).
    #[must_use]
    pub fn reads_numbers(&self) -> bool {
        self.reads_numbers
    }

    /// Returns the path of the attribute, such as `company.plan`.
    #[must_use]
    pub fn attribute(&self) -> &str {
        self.attribute.path()
    }

    /// Returns the operator.
    #[must_use]
    pub fn operator(&self) -> Operator {
        self.operator
    }

    /// Returns the operand that the attribute is compared with.
    #[must_use]
    pub fn operand(&self) -> &Value<'static> {
        &self.operand
    }

    /// Returns the treatment of upper and lower case.
    #[must_use]
    pub fn case(&self) -> Case {
        self.case
    }

    pub(crate) fn place(&self) -> &Attribute {
        &self.attribute
    }

    pub(crate) fn matcher(&self) -> &Arc<Matcher> {
        &self.matcher
    }
}

impl PartialEq for Comparison {
    fn eq(&self, other: &Self) -> bool {
        self.attribute == other.attribute
            && self.operator == other.operator
            && self.operand == other.operand
            && self.case == other.case
            && self.reads_numbers == other.reads_numbers
    }
}

impl fmt::Debug for Comparison {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {:?}", self.attribute(), self.operator, self.operand)?;
        if self.reads_numbers {
            f.write_str(" as number")?;
        }
        match self.case {
            Case::Exact => Ok(()),
            Case::Ignored => f.write_str(" ignoring case"),
        }
    }
}

/// The location of a value in a context.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Attribute {
    TargetingKey,
    Groups,
    /// The attribute of that name.
    Named(Printed<Arc<str>>),
    /// The attribute of that name, or the value that the path leads to.
    Path(Arc<str>),
    /// The request: a unit to draw buckets by, which no condition can name.
    Request,
}

impl Attribute {
    /// The name of the targeting key, as an attribute.
    pub(crate) const TARGETING_KEY: &str = BucketBy::TARGETING_KEY;
    /// The name of the list of groups, as an attribute.
    pub(crate) const GROUPS: &str = "groups";

    pub(crate) fn new(path: String) -> Self {
        match path.as_str() {
            Self::TARGETING_KEY => Self::TargetingKey,
            Self::GROUPS => Self::Groups,
            name if name.contains('.') => Self::Path(path.into()),
            _ => Self::Named(Printed::new(path.into())),
        }
    }

    /// Returns the attribute that holds the unit of a draw; `None` for the targeting key, by which
    /// most draws are.
    pub(crate) fn unit(bucket_by: &BucketBy) -> Option<Self> {
        // By its string, so that a definition made in code draws as it does after it was stored and
        // read.
        match bucket_by.as_str() {
            Self::TARGETING_KEY => None,
            BucketBy::REQUEST => Some(Self::Request),
            path => Some(Self::new(path.to_owned())),
        }
    }

    pub(crate) fn path(&self) -> &str {
        match self {
            Self::Request => BucketBy::REQUEST,
            Self::TargetingKey => Self::TARGETING_KEY,
            Self::Groups => Self::GROUPS,
            Self::Named(name) => name.text(),
            Self::Path(path) => path,
        }
    }
}
