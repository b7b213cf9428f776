//! Conditions together with the places where they are written.

use std::ops::Range;

use toml::de::DeValue;

use crate::{
    definition::{
        Value,
        condition::{ALL, ANY, AS, ATTRIBUTES, FLAG, IGNORE_CASE, NOT, SEGMENT, UNLESS},
        segment::WHEN,
        written::in_order,
    },
    model::{Comparison, Condition, Prerequisite, Rule},
};

/// A condition whose parts have their places in the text.
pub(super) enum Located<'f> {
    Compare(Compared<'f>),
    All(Vec<Self>),
    Any {
        parts: Vec<Self>,
        span: Range<usize>,
    },
    Not {
        part: Box<Self>,
        span: Range<usize>,
    },
    Unless {
        part: Box<Self>,
        span: Range<usize>,
    },
    Flag {
        flag: &'f Prerequisite,
        span: Range<usize>,
    },
    /// A segment. Its parts are checked at its own definition.
    Segment,
}

/// One comparison, and the place of its operand.
#[derive(Clone, Copy)]
pub(super) struct Compared<'f> {
    pub(super) comparison: &'f Comparison,
    pub(super) operand: &'f Value<'f>,
    /// The start of the table of operators, which identifies operators that are written together.
    pub(super) table: usize,
}

/// Locates both conditions of a rule, as one that has to hold.
pub(super) fn rule<'f>(value: &'f Value<'f>, rule: &'f Rule) -> Option<Located<'f>> {
    let table = value.get_ref().as_table()?;
    let when = table.get(WHEN).map(|when| locate(when, &rule.when));
    let unless = rule.unless.as_ref().map(|condition| unless(table.get(UNLESS)?, condition));
    when.into_iter().chain(unless).collect::<Option<Vec<_>>>().map(Located::All)
}

/// Locates both conditions of a segment, as one that has to hold.
pub(super) fn segment<'f>(value: &'f Value<'f>, condition: &'f Condition) -> Option<Located<'f>> {
    let table = value.get_ref().as_table()?;
    let written: Vec<_> =
        [WHEN, UNLESS].into_iter().filter_map(|key| Some((key, table.get(key)?))).collect();
    let parts = parts(condition, written.len())?;
    let located = written.into_iter().zip(parts).map(|((key, value), part)| match (key, part) {
        (UNLESS, Condition::Unless(part)) => unless(value, part.condition()),
        _ => locate(value, part),
    });
    located.collect::<Option<Vec<_>>>().map(Located::All)
}

fn unless<'f>(value: &'f Value<'f>, condition: &'f Condition) -> Option<Located<'f>> {
    let part = Box::new(locate(value, condition)?);
    Some(Located::Unless { part, span: value.span() })
}

/// Combines a decoded condition with the text that it was decoded from; `None` if they differ.
fn locate<'f>(value: &'f Value<'f>, condition: &'f Condition) -> Option<Located<'f>> {
    let entries = in_order(value.get_ref().as_table()?);
    let parts = parts(condition, entries.len())?;
    let located = entries.iter().zip(parts).map(|((key, value), part)| {
        match (key.get_ref().as_ref(), part) {
            (ALL, Condition::All(parts)) => list(value, parts).map(Located::All),
            (ANY, Condition::Any(parts)) => {
                Some(Located::Any { parts: list(value, parts)?, span: value.span() })
            }
            (NOT, Condition::Not(not)) => {
                let part = Box::new(locate(value, not.condition())?);
                Some(Located::Not { part, span: value.span() })
            }
            (UNLESS, Condition::Unless(part)) => unless(value, part.condition()),
            (FLAG, Condition::Flag(flag)) => Some(Located::Flag { flag, span: value.span() }),
            (FLAG, Condition::Any(flags)) => {
                let parts = value.get_ref().as_array()?.iter().zip(flags).map(|(value, flag)| {
                    let Condition::Flag(flag) = flag else { return None };
                    Some(Located::Flag { flag, span: value.span() })
                });
                Some(Located::Any { parts: parts.collect::<Option<_>>()?, span: value.span() })
            }
            (ATTRIBUTES, part) => {
                let entries = in_order(value.get_ref().as_table()?);
                let parts = self::parts(part, entries.len())?;
                let located =
                    entries.iter().zip(parts).map(|((_, value), it)| attribute(value, it));
                located.collect::<Option<Vec<_>>>().map(Located::All)
            }
            (SEGMENT, Condition::Any(names)) if names.is_empty() => {
                Some(Located::Any { parts: Vec::new(), span: value.span() })
            }
            (SEGMENT, _) => Some(Located::Segment),
            (_, part) => attribute(value, part),
        }
    });
    located.collect::<Option<Vec<_>>>().map(Located::All)
}

/// Returns the parts of a condition that is written as `len` entries. A single part stands for
/// itself.
fn parts(condition: &Condition, len: usize) -> Option<&[Condition]> {
    match condition {
        one if len == 1 => Some(std::slice::from_ref(one)),
        Condition::All(parts) if parts.len() == len => Some(parts),
        _ => None,
    }
}

fn list<'f>(value: &'f Value<'f>, parts: &'f [Condition]) -> Option<Vec<Located<'f>>> {
    let array = value.get_ref().as_array().filter(|array| array.len() == parts.len())?;
    array.iter().zip(parts).map(|(value, part)| locate(value, part)).collect()
}

fn attribute<'f>(value: &'f Value<'f>, condition: &'f Condition) -> Option<Located<'f>> {
    let table = value.span().start;
    let compared = |operand, part: &'f Condition| match part {
        Condition::Compare(comparison) => {
            Some(Located::Compare(Compared { comparison, operand, table }))
        }
        _ => None,
    };
    let DeValue::Table(operators) = value.get_ref() else { return compared(value, condition) };
    let operands = in_order(operators)
        .into_iter()
        .filter(|(key, _)| ![IGNORE_CASE, AS].contains(&&**key.get_ref()));
    let operands: Vec<_> = operands.map(|(_, operand)| operand).collect();
    let parts = parts(condition, operands.len())?.iter();
    let located = operands.into_iter().zip(parts).map(|(operand, part)| compared(operand, part));
    located.collect::<Option<Vec<_>>>().map(Located::All)
}
