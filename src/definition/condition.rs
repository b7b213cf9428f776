//! Conditions of rules and segments.

use std::{fmt, ops::Range};

use toml::de::{DeTable, DeValue};

use super::{
    Key, Value,
    code::Code,
    decoder::Decoder,
    diagnostic::Diagnostic,
    prerequisite::{self, prerequisite},
    segments::Segments,
    written::{in_order, source, toml_key},
};
use crate::model::{
    self, Case, Comparison, Condition, InvalidOperand, Mistake, OperandKind, Operator, Segment,
    nearest,
};

/// The owner of a condition.
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
    /// Reports a problem, and returns `None`.
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
pub(super) const FLAG: &str = "flag";
pub(super) const UNLESS: &str = "unless";
pub(super) const ATTRIBUTES: &str = "attributes";

/// Words that no condition can have yet. They are reserved, so that a later version can add them
/// without changing the meaning of a file.
pub(super) const RESERVED: [&str; 2] = ["share", "now"];

/// The keys of a condition that are not names of attributes.
pub(super) const WORDS: [&str; 9] =
    [ANY, ALL, NOT, UNLESS, SEGMENT, FLAG, ATTRIBUTES, RESERVED[0], RESERVED[1]];

/// Decodes the condition `{ attribute = …, … }`, all parts of which have to hold.
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
        let word = Word { name: key.get_ref().as_ref(), value, owner };
        parts.push(match word.name {
            ANY => word.list(decoder).map(Condition::Any),
            ALL => word.list(decoder).map(Condition::All),
            NOT => word.nested(decoder).map(Condition::negated),
            UNLESS => word.nested(decoder).map(Condition::unless),
            SEGMENT => word.segments(decoder),
            FLAG => word.flags(decoder),
            ATTRIBUTES => attributes(value, owner, decoder),
            name if RESERVED.contains(&name) => {
                let label = "reserved for later versions";
                let help = word.as_attribute(decoder);
                owner.invalid(decoder, key.span(), label, &help)
            }
            _ => attribute(key, value, owner, decoder),
        });
    }
    parts.into_iter().collect::<Option<Vec<_>>>().map(all)
}

/// Combines parts that all have to hold. A single part stands for itself.
pub(super) fn all(mut parts: Vec<Condition>) -> Condition {
    match parts.len() {
        1 => parts.remove(0),
        _ => Condition::All(parts),
    }
}

/// Returns the segment with this name, which a condition uses, or reports that it cannot be used.
/// `attribute` is a help on attributes with the name `segment`.
fn segment(
    name: &str,
    span: Range<usize>,
    owner: Owner<'_>,
    attribute: &str,
    decoder: &mut Decoder<'_>,
) -> Option<Segment> {
    let known = match decoder.segments.known.get(name) {
        Some(Some(known)) => return Some(known.segment.clone()),
        known => known.is_some(),
    };
    if known {
        let message = format!("segment `{name}` in {owner} has errors");
        let problem = Diagnostic::new(Code::UnknownSegment, span, message).label("cannot be used");
        return owner.report(decoder, problem, None);
    }
    let message = format!("unknown segment `{name}` in {owner}");
    let problem = Diagnostic::new(Code::UnknownSegment, span, message).label("not a segment");
    let segments = decoder.segments.known.keys().map(String::as_str);
    let help = match (decoder.similar.nearest(name, segments), decoder.segments.in_file) {
        (Some(similar), _) => format!("a segment with a similar name exists: `{similar}`"),
        (None, true) => format!("define it: `[segments.{}]`; {attribute}", toml_key(name)),
        (None, false) => "segments of a flags.toml can be used in that file only".to_owned(),
    };
    owner.report(decoder, problem.help(help), None)
}

/// A part of a condition that is not an attribute.
#[derive(Clone, Copy)]
struct Word<'a> {
    name: &'a str,
    value: &'a Value<'a>,
    owner: Owner<'a>,
}

impl Word<'_> {
    /// Returns a help that shows how to write an attribute with the name of this word.
    fn as_attribute(self, decoder: &Decoder<'_>) -> String {
        let name = self.name;
        let operand = source(decoder.text, self.value.span());
        let operand = operand.filter(|it| it.len() <= 40 && !it.contains('\n')).unwrap_or("…");
        format!("for an attribute called `{name}`, write `attributes = {{ {name} = {operand} }}`")
    }

    /// Returns `true` if the value is one that an attribute could be compared with.
    fn is_compared(self) -> bool {
        match self.value.get_ref() {
            DeValue::Array(_) => false,
            DeValue::Table(table) => {
                let mut keys = table.keys();
                keys.len() > 0 && keys.all(|key| Operator::from_name(key.get_ref()).is_some())
            }
            _ => true,
        }
    }

    /// Reports a wrong value of this word. The help allows for an attribute with the name of the
    /// word.
    fn invalid<T>(self, label: String, help: &str, decoder: &mut Decoder<'_>) -> Option<T> {
        let attribute = self.as_attribute(decoder);
        let help = if self.is_compared() { &attribute } else { help };
        self.owner.invalid(decoder, self.value.span(), label, help)
    }

    /// Decodes `any = [ … ]` or `all = [ … ]`.
    fn list(self, decoder: &mut Decoder<'_>) -> Option<Vec<Condition>> {
        let DeValue::Array(array) = self.value.get_ref() else {
            let found = decoder.kind(self.value.get_ref());
            let label = format!("expected a list of conditions, found {found}");
            return self.invalid(label, "write `[{ country = \"DE\" }, …]`", decoder);
        };
        let parts: Vec<_> = array.iter().map(|part| decode(part, self.owner, decoder)).collect();
        parts.into_iter().collect()
    }

    /// Decodes `not = { … }` or `unless = { … }`.
    fn nested(self, decoder: &mut Decoder<'_>) -> Option<Condition> {
        if self.is_compared() && self.value.get_ref().as_table().is_none() {
            let found = decoder.kind(self.value.get_ref());
            let label = format!("expected a condition, found {found}");
            return self.invalid(label, "", decoder);
        }
        decode(self.value, self.owner, decoder)
    }

    /// Decodes `segment = "name"`, or a list of names, one of which has to match.
    fn segments(self, decoder: &mut Decoder<'_>) -> Option<Condition> {
        let mut name = |value: &Value<'_>| match value.get_ref() {
            DeValue::String(name) => {
                let attribute = self.as_attribute(decoder);
                segment(name, value.span(), self.owner, &attribute, decoder).map(Condition::Segment)
            }
            found => {
                let label =
                    format!("expected the name of a segment, found {}", decoder.kind(found));
                let help = match self.is_compared() {
                    true => self.as_attribute(decoder),
                    false => "write `segment = \"name\"`".to_owned(),
                };
                self.owner.invalid(decoder, value.span(), label, &help)
            }
        };
        match self.value.get_ref() {
            DeValue::Array(names) => {
                let parts: Vec<_> = names.iter().map(name).collect();
                parts.into_iter().collect::<Option<_>>().map(Condition::Any)
            }
            _ => name(self.value),
        }
    }

    /// Decodes `flag = "name"`, `flag = { flag = "name", on = false }`, or a list of these, one of
    /// which has to match.
    fn flags(self, decoder: &mut Decoder<'_>) -> Option<Condition> {
        let mut flag = |value: &Value<'_>| {
            let help = match self.is_compared() && value.get_ref().as_str().is_none() {
                true => self.as_attribute(decoder),
                false => prerequisite::FORMS.to_owned(),
            };
            let invalid = |decoder: &mut Decoder<'_>, span, _, label| {
                let message = format!("invalid condition in {}", self.owner);
                let problem = Diagnostic::new(Code::InvalidCondition, span, message).label(label);
                self.owner.report(decoder, problem, Some(help.clone()))
            };
            prerequisite(value, decoder, invalid).map(Condition::Flag)
        };
        match self.value.get_ref() {
            DeValue::Array(flags) => {
                let parts: Vec<_> = flags.iter().map(flag).collect();
                parts.into_iter().collect::<Option<_>>().map(Condition::Any)
            }
            _ => flag(self.value),
        }
    }
}

/// Decodes `attributes = { … }`: attributes, which may have the names of words of conditions.
fn attributes(value: &Value<'_>, owner: Owner<'_>, decoder: &mut Decoder<'_>) -> Option<Condition> {
    let DeValue::Table(table) = value.get_ref() else {
        let word = Word { name: ATTRIBUTES, value, owner };
        let found = decoder.kind(value.get_ref());
        let label = format!("expected {}, found {found}", decoder.format.table());
        return word.invalid(label, "write `attributes = { segment = \"gold\" }`", decoder);
    };
    let parts: Vec<_> = in_order(table)
        .into_iter()
        .map(|(key, value)| attribute(key, value, owner, decoder))
        .collect();
    parts.into_iter().collect::<Option<Vec<_>>>().map(all)
}

/// Collects the places where a condition names other flags, in the order of [`Condition::flags`].
/// For a flag that a segment names, the place is where the condition names the segment.
pub(super) fn flag_spans(value: &Value<'_>, segments: &Segments, spans: &mut Vec<Range<usize>>) {
    let elements = |value: &Value<'_>| match value.get_ref() {
        DeValue::Array(list) => {
            list.iter().map(|it| (it.span(), it.get_ref().as_str().map(str::to_owned))).collect()
        }
        one => vec![(value.span(), one.as_str().map(str::to_owned))],
    };
    for (key, value) in value.get_ref().as_table().into_iter().flat_map(in_order) {
        match key.get_ref().as_ref() {
            FLAG => spans.extend(elements(value).into_iter().map(|(span, _)| span)),
            SEGMENT => {
                for (span, name) in elements(value) {
                    let segment = name.and_then(|name| segments.get(&name));
                    let flags = segment.map_or(0, |segment| segment.when().flags().len());
                    spans.extend(std::iter::repeat_n(span, flags));
                }
            }
            ANY | ALL => {
                let list = value.get_ref().as_array().into_iter().flat_map(|list| list.iter());
                list.for_each(|part| flag_spans(part, segments, spans));
            }
            NOT | UNLESS => flag_spans(value, segments, spans),
            _ => {}
        }
    }
}

/// Decodes `attribute = "value"`, `attribute = ["one", "of"]`, or `attribute = { operator = operand
/// }`.
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
    let at = At { path, owner, reads_numbers: false };
    match value.get_ref() {
        DeValue::Table(table) => operators(at, table, value, decoder),
        DeValue::Array(_) => at.compare(Operator::In, value, Case::Exact, decoder),
        _ => at.compare(Operator::Eq, value, Case::Exact, decoder),
    }
}

/// The key beside operators that compares letters in lower case.
pub(super) const IGNORE_CASE: &str = "ignore_case";
/// The key beside operators that compares strings as values of another type.
pub(super) const AS: &str = "as";
/// The only type that strings can be compared as.
pub(super) const NUMBER: &str = "number";

fn operators(
    at: At<'_>,
    table: &DeTable<'_>,
    value: &Value<'_>,
    decoder: &mut Decoder<'_>,
) -> Option<Condition> {
    let mut case = Case::Exact;
    let mut number = None;
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
            (None, AS, DeValue::String(word)) if word == NUMBER => number = Some(operand.span()),
            (None, AS, _) => {
                good = false;
                let label = "strings can be compared as numbers only";
                at.owner.invalid::<()>(decoder, operand.span(), label, "write `as = \"number\"`");
            }
            (None, ..) => {
                good = false;
                at.unknown_operator(key, operand, decoder);
            }
        }
    }
    if let Some(span) = &number
        && !at.check_numbers(span, &operators, case, decoder)
    {
        return None;
    }
    let has_case = operators.iter().any(|(operator, _)| operator.has_case());
    if good && operators.is_empty() {
        let help = "write an operator, such as `{ eq = \"pro\" }`, or `{ exists = true }`";
        return at.owner.invalid(decoder, value.span(), "has no operator", help);
    }
    if case == Case::Ignored && !operators.is_empty() && !has_case {
        let help = "remove `ignore_case`";
        return at.owner.invalid(decoder, value.span(), "no operator here compares letters", help);
    }
    let parts: Vec<_> = operators
        .into_iter()
        .map(|(operator, operand)| {
            let case = if operator.has_case() { case } else { Case::Exact };
            let reads_numbers = number.is_some() && operator.has_numbers();
            At { reads_numbers, ..at }.compare(operator, operand, case, decoder)
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
    /// True if strings are compared as the numbers that they are.
    reads_numbers: bool,
}

impl At<'_> {
    /// Returns `true` if `as = "number"` fits the operators beside it. Reports a problem otherwise.
    fn check_numbers(
        self,
        span: &Range<usize>,
        operators: &[(Operator, &Value<'_>)],
        case: Case,
        decoder: &mut Decoder<'_>,
    ) -> bool {
        if case == Case::Ignored {
            let label = "numbers have no upper and lower case";
            self.owner.invalid::<()>(decoder, span.clone(), label, "remove `ignore_case`");
            return false;
        }
        let stranger = operators.iter().find(|(operator, _)| {
            !operator.has_numbers() && operator.operand() != OperandKind::Bool
        });
        let label = match stranger {
            Some((operator, _)) => format!("`{operator}` does not compare numbers"),
            None if !operators.is_empty() && !operators.iter().any(|(it, _)| it.has_numbers()) => {
                "no operator here compares numbers".to_owned()
            }
            None => return true,
        };
        let numbers = Operator::ALL.iter().filter(|operator| operator.has_numbers());
        let numbers: Vec<_> = numbers.map(|operator| format!("`{operator}`")).collect();
        let help = format!("`as = \"number\"` can stand beside {}", numbers.join(", "));
        self.owner.invalid::<()>(decoder, span.clone(), label, &help);
        false
    }

    fn compare(
        self,
        operator: Operator,
        operand: &Value<'_>,
        case: Case,
        decoder: &mut Decoder<'_>,
    ) -> Option<Condition> {
        let compared = plain(operand, operator.operand() == OperandKind::Instant)
            .and_then(|plain| Comparison::new(self.path, operator, plain, case))
            .and_then(|comparison| match self.reads_numbers {
                true => comparison.reading_numbers(),
                false => Ok(comparison),
            });
        let error = match compared {
            Ok(comparison) => return Some(Condition::Compare(comparison)),
            Err(error) => error,
        };
        let element = error.element.zip(operand.get_ref().as_array());
        let place = element.and_then(|(index, list)| list.get(index)).unwrap_or(operand);
        let message = format!("invalid operand of `{operator}` in {}", self.owner);
        let wants_instant = operator.operand() == OperandKind::Instant;
        let found = match place.get_ref() {
            _ if error.mistake != Mistake::Kind => String::new(),
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
            DeValue::String(text) if self.reads_numbers => match text.parse::<f64>() {
                Ok(_) => Some(format!("without quotes: `{text}`")),
                Err(_) => {
                    Some("the operand of `as = \"number\"` is a number without quotes".to_owned())
                }
            },
            _ if error.mistake != Mistake::Other => {
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
        let meant =
            other_word(name).or_else(|| nearest(name, names.clone().chain([IGNORE_CASE, AS])));
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

/// Returns the operator that has this name in other languages and products.
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
        "type" | "cast" => AS,
        "since" | "from" => "after",
        "until" => "before",
        "present" | "exist" => "exists",
        _ => return None,
    })
}

/// Returns the value that an attribute could have. Dates become strings if `dates` is true.
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
            number.map_err(|_| InvalidOperand::not("a number"))?.into()
        }
        DeValue::Datetime(date) if dates => date.to_string().into(),
        DeValue::Datetime(_) => return Err(InvalidOperand::new("a date is not a value")),
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
