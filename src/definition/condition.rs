//! Conditions of rules and segments.

use std::{fmt, ops::Range};

use toml::de::{DeTable, DeValue};

use super::{
    Key, Value, code::Code, decoder::Decoder, diagnostic::Diagnostic, flag::toml_key, segment,
    value::source, variants::in_order,
};
use crate::model::{
    self, Case, Comparison, Condition, InvalidOperand, OperandKind, Operator, nearest,
};

/// Whose condition it is.
#[derive(Debug, Clone, Copy)]
pub(super) enum Owner<'o> {
    Flag(&'o str),
    Segment(&'o str),
}

impl fmt::Display for Owner<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Flag(name) => write!(f, "flag `{name}`"),
            Self::Segment(name) => write!(f, "segment `{name}`"),
        }
    }
}

impl Owner<'_> {
    /// Says what is wrong, and is nothing.
    pub(super) fn report<T>(
        self,
        decoder: &mut Decoder<'_>,
        problem: Diagnostic,
        help: Option<String>,
    ) -> Option<T> {
        match self {
            Self::Flag(name) => decoder.report_with(problem, help, name),
            Self::Segment(_) => decoder.report(match help {
                None => problem,
                Some(help) => problem.help(help),
            }),
        }
        None
    }

    fn invalid<T>(
        self,
        decoder: &mut Decoder<'_>,
        span: Range<usize>,
        label: impl Into<String>,
        help: &str,
    ) -> Option<T> {
        let message = format!("invalid condition in {self}");
        let problem = Diagnostic::new(Code::InvalidCondition, span, message).label(label);
        self.report(decoder, problem, Some(help.to_owned()))
    }
}

pub(super) const ANY: &str = "any";
pub(super) const ALL: &str = "all";
pub(super) const NOT: &str = "not";
pub(super) const SEGMENT: &str = "segment";

/// The condition `{ attribute = …, … }`, all parts of which have to hold.
pub(super) fn decode(
    value: &Value<'_>,
    owner: Owner<'_>,
    decoder: &mut Decoder<'_>,
) -> Option<Condition> {
    let DeValue::Table(table) = value.get_ref() else {
        let help = match value.get_ref() {
            DeValue::Array(_) => "write `{ any = […] }` or `{ all = […] }`",
            _ => "write a table, such as `{ country = \"DE\" }`",
        };
        let label =
            format!("expected {}, found {}", decoder.format.table(), decoder.kind(value.get_ref()));
        return owner.invalid(decoder, value.span(), label, help);
    };
    let mut parts = Vec::with_capacity(table.len());
    for (key, value) in in_order(table) {
        parts.push(match key.get_ref().as_ref() {
            ANY => list(value, owner, decoder).map(Condition::Any),
            ALL => list(value, owner, decoder).map(Condition::All),
            NOT => decode(value, owner, decoder).map(Condition::negated),
            SEGMENT => segments(value, owner, decoder),
            _ => attribute(key, value, owner, decoder),
        });
    }
    parts.into_iter().collect::<Option<Vec<_>>>().map(all)
}

fn all(mut parts: Vec<Condition>) -> Condition {
    match parts.len() {
        1 => parts.remove(0),
        _ => Condition::All(parts),
    }
}

/// `any = [ … ]` and `all = [ … ]`
fn list(value: &Value<'_>, owner: Owner<'_>, decoder: &mut Decoder<'_>) -> Option<Vec<Condition>> {
    let DeValue::Array(array) = value.get_ref() else {
        let label =
            format!("expected a list of conditions, found {}", decoder.kind(value.get_ref()));
        return owner.invalid(decoder, value.span(), label, "write `[{ country = \"DE\" }, …]`");
    };
    let parts: Vec<_> = array.iter().map(|part| decode(part, owner, decoder)).collect();
    parts.into_iter().collect()
}

/// `segment = "name"`, or a list of names, of which any will do.
fn segments(value: &Value<'_>, owner: Owner<'_>, decoder: &mut Decoder<'_>) -> Option<Condition> {
    let mut name = |value: &Value<'_>| match value.get_ref() {
        DeValue::String(name) => {
            segment::find(name, value.span(), owner, decoder).map(Condition::Segment)
        }
        found => {
            let label = format!("expected the name of a segment, found {}", decoder.kind(found));
            owner.invalid(decoder, value.span(), label, "write `segment = \"name\"`")
        }
    };
    match value.get_ref() {
        DeValue::Array(names) => {
            let parts: Vec<_> = names.iter().map(name).collect();
            parts.into_iter().collect::<Option<_>>().map(Condition::Any)
        }
        _ => name(value),
    }
}

/// `attribute = "value"`, `attribute = ["one", "of"]`, `attribute = { operator = operand }`
fn attribute(
    key: &Key<'_>,
    value: &Value<'_>,
    owner: Owner<'_>,
    decoder: &mut Decoder<'_>,
) -> Option<Condition> {
    let path = key.get_ref().as_ref();
    if path.split('.').any(|name| name.trim() != name || name.is_empty()) {
        let label = "not the path of an attribute";
        return owner.invalid(decoder, key.span(), label, "write a path such as `company.plan`");
    }
    let at = At { path, owner };
    match value.get_ref() {
        DeValue::Table(table) => operators(at, table, value, decoder),
        DeValue::Array(_) => at.compare(Operator::In, value, Case::Exact, decoder),
        _ => at.compare(Operator::Eq, value, Case::Exact, decoder),
    }
}

/// Beside operators: letters are compared in lower case.
pub(super) const IGNORE_CASE: &str = "ignore_case";

fn operators(
    at: At<'_>,
    table: &DeTable<'_>,
    value: &Value<'_>,
    decoder: &mut Decoder<'_>,
) -> Option<Condition> {
    let mut case = Case::Exact;
    let mut operators = Vec::with_capacity(table.len());
    let mut good = true;
    for (key, operand) in in_order(table) {
        let name = key.get_ref().as_ref();
        match (Operator::from_name(name), name, operand.get_ref()) {
            (Some(operator), ..) => operators.push((operator, operand)),
            (None, IGNORE_CASE, DeValue::Boolean(true)) => case = Case::Ignored,
            (None, IGNORE_CASE, DeValue::Boolean(false)) => {}
            (None, IGNORE_CASE, found) => {
                let label = format!("expected `true` or `false`, found {}", decoder.kind(found));
                good = false;
                let help = "write `ignore_case = true`";
                at.owner.invalid::<()>(decoder, operand.span(), label, help);
            }
            (None, ..) => {
                good = false;
                at.unknown_operator(key, operand, decoder);
            }
        }
    }
    let has_case = operators.iter().any(|(operator, _)| operator.has_case());
    if good && operators.is_empty() {
        let help = "write an operator, such as `{ eq = \"pro\" }`, or `{ exists = true }`";
        return at.owner.invalid(decoder, value.span(), "compares with nothing", help);
    }
    if case == Case::Ignored && !operators.is_empty() && !has_case {
        let help = "remove `ignore_case`";
        return at.owner.invalid(
            decoder,
            value.span(),
            "nothing here has upper and lower case",
            help,
        );
    }
    let parts: Vec<_> = operators
        .into_iter()
        .map(|(operator, operand)| {
            let case = if operator.has_case() { case } else { Case::Exact };
            at.compare(operator, operand, case, decoder)
        })
        .collect();
    let parts: Option<Vec<_>> = parts.into_iter().collect();
    parts.filter(|_| good).map(all)
}

/// The attribute that is compared.
#[derive(Clone, Copy)]
struct At<'a> {
    path: &'a str,
    owner: Owner<'a>,
}

impl At<'_> {
    fn compare(
        self,
        operator: Operator,
        operand: &Value<'_>,
        case: Case,
        decoder: &mut Decoder<'_>,
    ) -> Option<Condition> {
        let compared = plain(operand, operator.operand() == OperandKind::Instant)
            .and_then(|plain| Comparison::new(self.path, operator, plain, case));
        let error = match compared {
            Ok(comparison) => return Some(Condition::Compare(comparison)),
            Err(error) => error,
        };
        let element = error.element.zip(operand.get_ref().as_array());
        let place = element.and_then(|(index, list)| list.get(index)).unwrap_or(operand);
        let message = format!("invalid operand of `{operator}` in {}", self.owner);
        let wants_instant = operator.operand() == OperandKind::Instant;
        let found = match place.get_ref() {
            _ if !error.message.starts_with("expected ") => String::new(),
            DeValue::String(_) | DeValue::Datetime(_) if wants_instant => String::new(),
            found => format!(", found {}", decoder.kind(found)),
        };
        let problem = Diagnostic::new(Code::InvalidOperand, place.span(), message)
            .label(format!("{}{found}", error.message));
        let help = match place.get_ref() {
            DeValue::Datetime(_) if !wants_instant => {
                Some("dates are compared by `before` and `after`".to_owned())
            }
            DeValue::Array(_) if operator == Operator::Eq => {
                Some("for any of several values, write `in = […]`".to_owned())
            }
            _ if error.message.starts_with("expected ") || error.message.starts_with("not ") => {
                let operand = operator.example().operand;
                Some(format!("write, for example, `{operator} = {operand}`"))
            }
            _ => None,
        };
        self.owner.report(decoder, problem, help)
    }

    fn unknown_operator(self, key: &Key<'_>, operand: &Value<'_>, decoder: &mut Decoder<'_>) {
        let name = key.get_ref().as_ref();
        let message = format!("unknown operator `{name}` in {}", self.owner);
        let problem =
            Diagnostic::new(Code::UnknownOperator, key.span(), message).label("not an operator");
        let names = Operator::ALL.iter().map(|operator| operator.as_str());
        let meant = other_word(name).or_else(|| nearest(name, names.clone().chain([IGNORE_CASE])));
        if let Some(meant) = meant {
            let help = format!("an operator with a similar name exists: `{meant}`");
            self.owner.report::<()>(decoder, problem.help(help), None);
            return;
        }
        let help = match operand.get_ref() {
            DeValue::Integer(_) | DeValue::String(_) | DeValue::Boolean(_) => {
                let path = toml_key(&format!("{}.{name}", self.path));
                let operand = source(decoder.text, operand.span()).unwrap_or("…");
                format!("for an attribute inside `{}`, write `{path} = {operand}`", self.path)
            }
            _ => {
                let names: Vec<_> = names.map(|name| format!("`{name}`")).collect();
                format!("the operators are {}", names.join(", "))
            }
        };
        self.owner.report::<()>(decoder, problem, Some(help));
    }
}

/// What an operator is called elsewhere.
fn other_word(name: &str) -> Option<&'static str> {
    Some(match name.to_ascii_lowercase().as_str() {
        "equals" | "equal" | "is" | "==" | "=" => "eq",
        "not" | "not_equals" | "neq" | "is_not" | "!=" => "ne",
        "one_of" | "any_of" | "any" => "in",
        "none_of" | "nin" | "not_one_of" => "not_in",
        "gte" | ">=" | "min" => "ge",
        "lte" | "<=" | "max" => "le",
        "greater_than" | ">" => "gt",
        "less_than" | "<" => "lt",
        "regex" | "regexp" | "match" | "pattern" => "matches",
        "prefix" => "starts_with",
        "suffix" => "ends_with",
        "version" => "semver",
        "ip" | "network" | "subnet" => "cidr",
        "case_insensitive" | "ignorecase" => IGNORE_CASE,
        "since" | "from" => "after",
        "until" => "before",
        "present" | "exist" => "exists",
        _ => return None,
    })
}

/// The value as an attribute could have it. Dates become texts where they are wanted.
pub(super) fn plain(
    value: &Value<'_>,
    dates: bool,
) -> Result<model::Value<'static>, InvalidOperand> {
    Ok(match value.get_ref() {
        DeValue::String(text) => text.as_ref().to_owned().into(),
        DeValue::Boolean(value) => (*value).into(),
        DeValue::Integer(number) => {
            let number = i64::from_str_radix(number.as_str(), number.radix());
            number.map_err(|_| InvalidOperand::new("an integer has 64 bits"))?.into()
        }
        DeValue::Float(number) => {
            let number = number.as_str().parse::<f64>();
            number.map_err(|_| InvalidOperand::new("not a number"))?.into()
        }
        DeValue::Datetime(date) if dates => date.to_string().into(),
        DeValue::Datetime(_) => return Err(InvalidOperand::new("a date is no value")),
        DeValue::Array(list) => {
            let plain = |(index, value)| plain(value, dates).map_err(|error| error.at(index));
            model::Value::List(list.iter().enumerate().map(plain).collect::<Result<_, _>>()?)
        }
        DeValue::Table(table) => {
            let plain = |(key, value): (&Key<'_>, &Value<'_>)| {
                Ok((key.get_ref().to_string(), plain(value, dates)?))
            };
            table.iter().map(plain).collect::<Result<_, InvalidOperand>>()?
        }
    })
}
