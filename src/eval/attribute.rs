//! Lookup of an attribute in a context, and its comparison.

use crate::model::{Attribute, Comparison, Context, Matcher, Printed, Scalar, Value, hash_text};

/// Compares the attribute of a context; `None` if it is missing or of a type that cannot be
/// compared.
// Always inlined up to the most common comparison: an attribute with a plain name and a string. The
// rest is called.
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

/// Compares the targeting key, the groups, or the value at a path.
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

/// Returns the outcome for an attribute that is missing. Only `exists` can be decided.
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

/// Returns true if any element matches. Elements that cannot be compared do not count. If there are
/// no others, the outcome is unknown.
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

/// Returns true if a comparison holds; `None` if it cannot be made.
pub(crate) fn compare(comparison: &Comparison, context: &Context<'_>) -> Option<bool> {
    let matches = test(comparison.place(), comparison.matcher(), context)?;
    Some(matches != comparison.operator().is_negation())
}

/// Returns a copy of the value that an attribute leads to, for people. Several values become a
/// list.
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

/// Returns the first value that an attribute leads to.
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

/// Calls `visit` with every value that a path leads to, until `visit` returns true.
fn follow_context<'c>(
    context: &'c Context<'_>,
    path: &str,
    visit: &mut dyn FnMut(&'c Value<'c>) -> bool,
) {
    step(|name| context.find_attribute(&Printed::new(name)), path, visit);
}

/// Looks up the whole path before its first part, since a name may have dots in it.
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
