//! Operands, compiled for comparing.
//!
//! An operand is compiled when it is checked. So every comparison that exists can be evaluated, and
//! flags that use one segment share its compiled operands.

mod instant;
mod name_set;
mod network;
mod number;
mod pattern;
mod print_set;
mod scalar;
mod text;
mod values;
mod version;

pub use self::scalar::Case;
pub(crate) use self::{
    instant::Instant,
    name_set::{NameSet, hash_text},
    number::Number,
    scalar::Scalar,
};
use self::{
    network::Networks, number::Bound, pattern::Patterns, text::Texts, values::Values,
    version::Requirements,
};
use super::{InvalidOperand, Operator, Printed, Value};

/// A compiled operand, which values are compared with.
#[derive(Debug)]
pub(crate) enum Matcher {
    /// One string, compared exactly: the most common operand.
    Text(Printed<Box<str>>),
    Values(Box<Values>),
    Number(Bound),
    Texts(Texts),
    Patterns(Patterns),
    Versions(Requirements),
    Networks(Networks),
    Before(Instant),
    After(Instant),
    Exists(bool),
    /// An operand for numbers and for strings that are numbers.
    Numeric(Box<Matcher>),
}

impl Matcher {
    /// Compiles the operand of an operator. An operator and its negation compile alike.
    pub(crate) fn new(
        operator: Operator,
        operand: &Value<'_>,
        case: Case,
    ) -> Result<Self, InvalidOperand> {
        if case == Case::Ignored && !operator.has_case() {
            return Err(InvalidOperand::new(format!("`{operator}` cannot ignore case")));
        }
        let expected = || InvalidOperand::expected(operator.operand());
        let instant = || {
            // A number is rejected here, since it may be seconds or milliseconds. The author of an operand can write a
            // date instead, but attributes come as programs have them.
            let text = Scalar::of(operand).filter(|scalar| matches!(scalar, Scalar::Text(_)));
            text.and_then(Instant::of).ok_or_else(expected)
        };
        match operator {
            Operator::Eq | Operator::Ne => match (operand, case) {
                (Value::String(text), Case::Exact) => {
                    Ok(Self::Text(Printed::new(text.as_ref().into())))
                }
                _ => {
                    let scalar = Scalar::of(operand).ok_or_else(expected)?;
                    Values::new([Ok(scalar)], case).map(|values| Self::Values(Box::new(values)))
                }
            },
            Operator::In | Operator::NotIn => {
                let Value::List(list) = operand else { return Err(expected()) };
                let scalars = list.iter().enumerate().map(|(index, value)| {
                    let expected = || InvalidOperand::expected("a boolean, number or string");
                    Scalar::of(value).ok_or_else(|| expected().at(index))
                });
                Values::new(scalars, case).map(|values| Self::Values(Box::new(values)))
            }
            Operator::Gt | Operator::Ge | Operator::Lt | Operator::Le => {
                match Scalar::of(operand) {
                    Some(Scalar::Number(number)) => {
                        Bound::new(operator, number).map(Self::Number).ok_or_else(expected)
                    }
                    _ => Err(expected()),
                }
            }
            Operator::Contains | Operator::StartsWith | Operator::EndsWith => {
                Ok(Self::Texts(Texts::new(operator, &texts(operator, operand)?, case)))
            }
            Operator::Matches => {
                each(&texts(operator, operand)?, |text| pattern::regex(text, case))
                    .map(|patterns| Self::Patterns(Patterns::new(patterns)))
            }
            Operator::Glob => each(&texts(operator, operand)?, |text| pattern::glob(text, case))
                .map(|patterns| Self::Patterns(Patterns::new(patterns))),
            Operator::Semver => each(&texts(operator, operand)?, version::requirement)
                .map(|requirements| Self::Versions(Requirements::new(requirements))),
            Operator::Cidr => each(&texts(operator, operand)?, network::network)
                .map(|networks| Self::Networks(Networks::new(networks))),
            Operator::Before => instant().map(Self::Before),
            Operator::After => instant().map(Self::After),
            Operator::Exists => match operand {
                Value::Bool(wanted) => Ok(Self::Exists(*wanted)),
                _ => Err(expected()),
            },
        }
    }

    /// Compiles the operand of an operator that reads strings as numbers.
    pub(crate) fn reading_numbers(
        operator: Operator,
        operand: &Value<'_>,
        case: Case,
    ) -> Result<Self, InvalidOperand> {
        if !operator.has_numbers() {
            return Err(InvalidOperand::new(format!("`{operator}` does not compare numbers")));
        }
        if case == Case::Ignored {
            return Err(InvalidOperand::new("numbers have no upper and lower case"));
        }
        let matcher = Self::new(operator, operand, case)?;
        let is_number = |value: &Value<'_>| matches!(value, Value::Integer(_) | Value::Float(_));
        let expected = || InvalidOperand::expected("a number");
        match operand {
            Value::List(list) => {
                if let Some(element) = list.iter().position(|value| !is_number(value)) {
                    return Err(expected().at(element));
                }
            }
            value if is_number(value) => {}
            _ => return Err(expected()),
        }
        Ok(Self::Numeric(Box::new(matcher)))
    }

    /// Returns true if a value matches; `None` if it cannot be compared.
    pub(crate) fn test(&self, seen: Scalar<'_>) -> Option<bool> {
        match (self, seen) {
            (_, Scalar::Text(text)) => self.test_text(text, || hash_text(text)),
            (Self::Number(bound), Scalar::Number(number)) => bound.admits(number),
            (Self::Values(values), Scalar::Bool(value)) => values.contain_bool(value),
            (Self::Values(values), Scalar::Number(number)) => values.contain_number(number),
            (Self::Before(instant), seen) => Some(Instant::of(seen)? < *instant),
            (Self::After(instant), seen) => Some(Instant::of(seen)? > *instant),
            (Self::Exists(wanted), _) => Some(*wanted),
            (Self::Numeric(matcher), seen @ Scalar::Number(_)) => matcher.test(seen),
            _ => None,
        }
    }

    /// Returns the result of [`test`](Self::test) for a string. `hash` computes its XXH3 when that is needed.
    // Always inlined: the common operands are compared here, and a function handles the rest.
    #[inline(always)]
    pub(crate) fn test_text(&self, text: &str, hash: impl FnOnce() -> u64) -> Option<bool> {
        match self {
            Self::Text(known) => Some(known.is(text)),
            Self::Values(values) => values.contain_text(text, hash),
            Self::Versions(requirements) => requirements.allow(text),
            _ => self.test_text_rarely(text),
        }
    }

    #[inline(never)]
    fn test_text_rarely(&self, text: &str) -> Option<bool> {
        match self {
            Self::Texts(texts) => Some(texts.match_text(text)),
            Self::Patterns(patterns) => Some(patterns.match_text(text)),
            Self::Networks(networks) => networks.contain(text),
            Self::Before(instant) => Some(Instant::of(Scalar::Text(text))? < *instant),
            Self::After(instant) => Some(Instant::of(Scalar::Text(text))? > *instant),
            Self::Exists(wanted) => Some(*wanted),
            Self::Numeric(matcher) => matcher.test(Scalar::Number(Number::read(text)?)),
            Self::Text(_) | Self::Values(_) | Self::Versions(_) | Self::Number(_) => None,
        }
    }
}

/// Returns the strings of an operand that is a string or a list of strings.
fn texts<'v>(operator: Operator, operand: &'v Value<'_>) -> Result<Vec<&'v str>, InvalidOperand> {
    let expected = || InvalidOperand::expected(operator.operand());
    match operand {
        Value::String(text) => Ok(vec![text]),
        Value::List(list) => list
            .iter()
            .enumerate()
            .map(|(index, value)| match value {
                Value::String(text) => Ok(&**text),
                _ => Err(InvalidOperand::expected("a string").at(index)),
            })
            .collect(),
        _ => Err(expected()),
    }
}

/// Parses each string. An error has the index of the string that it is about.
fn each<T>(
    texts: &[&str],
    parse: impl Fn(&str) -> Result<T, InvalidOperand>,
) -> Result<Vec<T>, InvalidOperand> {
    let parse = |(index, text): (usize, &&str)| parse(text).map_err(|error| error.at(index));
    texts.iter().enumerate().map(parse).collect()
}
