//! Conditions together with the places where they are written.

use std::ops::Range;

use toml::de::DeValue;

use crate::{
    definition::{
        Value,
        condition::{ALL, ANY, IGNORE_CASE, NOT, SEGMENT},
        variants::in_order,
    },
    model::{Comparison, Condition},
};

/// A condition of which every part knows where it is written.
pub(super) enum Located<'f> {
    Compare(Compared<'f>),
    All(Vec<Self>),
    Any {
        parts: Vec<Self>,
        span: Range<usize>,
    },
    Not(Box<Self>),
    /// The parts of a segment are looked at where it is defined.
    Segment,
}

/// One comparison, and where it is written.
#[derive(Clone, Copy)]
pub(super) struct Compared<'f> {
    pub(super) comparison: &'f Comparison,
    pub(super) operand: &'f Value<'f>,
    /// The operators that stand together are one table, which only they share.
    pub(super) table: usize,
}

/// Puts together what was decoded and what it was decoded from; `None` if they differ.
pub(super) fn locate<'f>(value: &'f Value<'f>, condition: &'f Condition) -> Option<Located<'f>> {
    let entries = in_order(value.get_ref().as_table()?);
    let parts = parts(condition, entries.len())?;
    let located = entries.iter().zip(parts).map(|((key, value), part)| {
        match (key.get_ref().as_ref(), part) {
            (ALL, Condition::All(parts)) => list(value, parts).map(Located::All),
            (ANY, Condition::Any(parts)) => {
                Some(Located::Any { parts: list(value, parts)?, span: value.span() })
            }
            (NOT, Condition::Not(not)) => {
                locate(value, not.condition()).map(|part| Located::Not(part.into()))
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

/// The parts of what is written as so many; one of them stands for itself.
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
    let operands = in_order(operators).into_iter().filter(|(key, _)| key.get_ref() != IGNORE_CASE);
    let operands: Vec<_> = operands.map(|(_, operand)| operand).collect();
    let parts = parts(condition, operands.len())?.iter();
    let located = operands.into_iter().zip(parts).map(|(operand, part)| compared(operand, part));
    located.collect::<Option<Vec<_>>>().map(Located::All)
}
