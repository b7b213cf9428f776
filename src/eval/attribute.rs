//! Finding an attribute in a context, and comparing it.

use crate::model::{Attribute, Comparison, Context, Matcher, Printed, Scalar, Value, hash_text};

/// Compares the attribute of a context; `None` if it is missing or nothing that could be compared.
// Always, as far as most comparisons go: a text with a name. The rest is called.
#[inline(always)]
pub(super) fn test(
    attribute: &Attribute,
    matcher: &Matcher,
    context: &Context<'_>,
) -> Option<bool> {
    if let Attribute::Named(name) = attribute
        && let Some(value) = context.find_attribute(name)
    {
        return match value {
            Value::String(text) => matcher.test_text(text, || hash_text(text)),
            value => test_value(matcher, value),
        };
    }
    test_elsewhere(attribute, matcher, context)
}

/// Compares what is no attribute of its own.
#[inline(never)]
fn test_elsewhere(attribute: &Attribute, matcher: &Matcher, context: &Context<'_>) -> Option<bool> {
    match attribute {
        Attribute::TargetingKey => match context.targeting_key() {
            None => missing(matcher),
            Some(user) => matcher.test_text(user, || context.hash_of(user)),
        },
        Attribute::Groups => test_groups(matcher, context),
        Attribute::Path(path) => test_path(matcher, path, context),
        Attribute::Named(_) | Attribute::Request => missing(matcher),
    }
}

/// That an attribute is missing can only be asked.
fn missing(matcher: &Matcher) -> Option<bool> {
    match matcher {
        Matcher::Exists(wanted) => Some(!wanted),
        _ => None,
    }
}

#[inline(never)]
fn test_value(matcher: &Matcher, value: &Value<'_>) -> Option<bool> {
    match Scalar::of(value) {
        Some(scalar) => matcher.test(scalar),
        None => test_parts(matcher, value),
    }
}

#[inline(never)]
fn test_parts(matcher: &Matcher, value: &Value<'_>) -> Option<bool> {
    match (matcher, value) {
        (Matcher::Exists(wanted), _) => Some(*wanted),
        (_, Value::List(list)) => any(list.iter().map(|element| {
            let scalar = Scalar::of(element)?;
            matcher.test(scalar)
        })),
        _ => None,
    }
}

#[inline(never)]
fn test_groups(matcher: &Matcher, context: &Context<'_>) -> Option<bool> {
    match matcher {
        Matcher::Exists(wanted) => Some((context.iter_groups().next().is_some()) == *wanted),
        _ => any(context.iter_groups().map(|group| matcher.test(Scalar::Text(group)))),
    }
}

/// Whether any element matches. Elements that cannot be compared do not count, but when there are
/// no others nobody can know.
fn any(mut outcomes: impl Iterator<Item = Option<bool>>) -> Option<bool> {
    let Some(mut known) = outcomes.next() else { return Some(false) };
    while known != Some(true) {
        match outcomes.next() {
            None => break,
            Some(outcome) => known = outcome.or(known),
        }
    }
    known
}

#[inline(never)]
fn test_path(matcher: &Matcher, path: &str, context: &Context<'_>) -> Option<bool> {
    let (mut found, mut known) = (false, None);
    follow_context(context, path, &mut |value| {
        found = true;
        known = test_value(matcher, value).or(known);
        known == Some(true)
    });
    if found { known } else { missing(matcher) }
}

/// Whether a comparison holds; `None` if it cannot be made.
pub(crate) fn compare(comparison: &Comparison, context: &Context<'_>) -> Option<bool> {
    let matches = test(comparison.place(), comparison.matcher(), context)?;
    Some(matches != comparison.operator().is_negation())
}

/// A copy of what an attribute leads to, for people: a list if that is several values.
pub(crate) fn seen(attribute: &Attribute, context: &Context<'_>) -> Option<Value<'static>> {
    let path = match attribute {
        Attribute::Named(name) => name.text(),
        Attribute::Path(path) => path,
        Attribute::TargetingKey => return Some(context.targeting_key()?.to_owned().into()),
        Attribute::Groups => return Some(context.iter_groups().map(str::to_owned).collect()),
        Attribute::Request => return Some(format!("{:016x}", context.request()?).into()),
    };
    let mut values = Vec::new();
    follow_context(context, path, &mut |value| {
        values.push(value.clone().into_owned());
        false
    });
    match values.len() {
        0 | 1 => values.pop(),
        _ => Some(Value::List(values)),
    }
}

/// The first value that an attribute leads to.
pub(super) fn find<'c>(attribute: &Attribute, context: &'c Context<'_>) -> Option<&'c Value<'c>> {
    let path = match attribute {
        Attribute::Named(name) => return context.find_attribute(name),
        Attribute::Path(path) => path,
        Attribute::TargetingKey | Attribute::Groups | Attribute::Request => return None,
    };
    let mut first = None;
    follow_context(context, path, &mut |value| {
        first = Some(value);
        true
    });
    first
}

/// Shows `visit` every value that a path leads to, until it has enough.
fn follow_context<'c>(
    context: &'c Context<'_>,
    path: &str,
    visit: &mut dyn FnMut(&'c Value<'c>) -> bool,
) {
    step(|name| context.find_attribute(&Printed::new(name)), path, visit);
}

/// A name may have dots in it, so the whole path is tried before its first part.
fn step<'c>(
    lookup: impl Fn(&str) -> Option<&'c Value<'c>>,
    path: &str,
    visit: &mut dyn FnMut(&'c Value<'c>) -> bool,
) -> bool {
    if let Some(value) = lookup(path) {
        return visit(value);
    }
    match path.split_once('.') {
        Some((name, rest)) => lookup(name).is_some_and(|value| follow(value, rest, visit)),
        None => false,
    }
}

/// Follows a path into tables, and into every element of lists.
fn follow<'c>(
    value: &'c Value<'c>,
    path: &str,
    visit: &mut dyn FnMut(&'c Value<'c>) -> bool,
) -> bool {
    match value {
        Value::Table(table) => step(|name| table.get(name), path, visit),
        Value::List(list) => {
            let element = |index: &str| list.get(index.parse::<usize>().ok()?);
            let head = path.split_once('.').map_or(path, |(head, _)| head);
            match head.parse::<usize>() {
                Ok(_) => step(element, path, visit),
                Err(_) => list.iter().any(|element| follow(element, path, visit)),
            }
        }
        _ => false,
    }
}
