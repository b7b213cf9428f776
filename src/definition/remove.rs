//! Removal of a part of a file, with its comma or its line, so that the rest is valid TOML.

use std::ops::Range;

use toml::de::{DeArray, DeTable};

use super::{Value, written::in_order};

/// Returns the span that has to be removed for a list to lose an element; `None` if that would
/// remove a comment.
pub(super) fn element(
    text: &str,
    list: &Range<usize>,
    array: &DeArray<'_>,
    index: usize,
) -> Option<Range<usize>> {
    let place = |index: usize| array.get(index).map(|element| element.span());
    let before = index.checked_sub(1).and_then(place);
    part(text, list, before, &place(index)?, place(index + 1))
}

/// Returns the span that has to be removed for a flag, which is a table, to lose a setting; `None`
/// if that would remove something else.
pub(super) fn setting(
    text: &str,
    flag: &Value<'_>,
    table: &DeTable<'_>,
    name: &str,
) -> Option<Range<usize>> {
    let entries = in_order(table);
    let index = entries.iter().position(|(key, _)| key.get_ref() == name)?;
    let place = |index: usize| {
        let (key, value) = entries.get(index)?;
        Some(key.span().start..value.span().end)
    };
    if !text.get(flag.span())?.starts_with('{') {
        return line(text, &place(index)?);
    }
    let before = index.checked_sub(1).and_then(place);
    part(text, &flag.span(), before, &place(index)?, place(index + 1))
}

/// Returns the span of a part in brackets, with the comma after it, or before it if the part is the
/// last.
fn part(
    text: &str,
    whole: &Range<usize>,
    before: Option<Range<usize>>,
    place: &Range<usize>,
    after: Option<Range<usize>>,
) -> Option<Range<usize>> {
    let is_only = before.is_none() && after.is_none();
    let (span, comma) = match (before, after) {
        (_, Some(after)) => (place.start..after.start, place.end..after.start),
        (Some(before), None) => (before.end..place.end, before.end..place.start),
        (None, None) => {
            let end = whole.end.checked_sub(1)?;
            (place.start..end, place.end..end)
        }
    };
    // Comments have to stay.
    let between = text.get(comma)?.trim();
    (between == "," || (is_only && between.is_empty())).then_some(span)
}

/// Returns a setting with its line, if nothing else is on that line.
fn line(text: &str, setting: &Range<usize>) -> Option<Range<usize>> {
    let start = text.get(..setting.start)?.rfind('\n').map_or(0, |newline| newline + 1);
    let rest = text.get(setting.end..)?;
    let end = rest.find('\n').map_or(text.len(), |newline| setting.end + newline + 1);
    let is_blank = |span: Range<usize>| text.get(span).is_some_and(|text| text.trim().is_empty());
    (is_blank(start..setting.start) && is_blank(setting.end..end)).then_some(start..end)
}

#[cfg(test)]
mod tests {
    use toml::de::DeValue;

    use super::*;

    fn flag<T>(text: &str, test: impl FnOnce(&Value<'_>, &DeTable<'_>) -> T) -> T {
        let root = DeTable::parse(text).unwrap().into_inner();
        let value = &root["a"];
        test(value, value.get_ref().as_table().unwrap())
    }

    fn without_setting(text: &str, name: &str) -> Option<String> {
        let span = flag(text, |value, table| setting(text, value, table, name))?;
        Some(text[..span.start].to_owned() + &text[span.end..])
    }

    fn without_element(list: &str, index: usize) -> Option<String> {
        let text = format!("a.b = {list}");
        let span = flag(&text, |_, table| {
            let DeValue::Array(array) = table["b"].get_ref() else { panic!("not a list") };
            element(&text, &table["b"].span(), array, index)
        })?;
        Some(text["a.b = ".len()..span.start].to_owned() + &text[span.end..])
    }

    #[test]
    fn elements_go_with_one_comma() {
        for (list, index, expected) in [
            ("[1, 2, 3]", 0, Some("[2, 3]")),
            ("[1, 2, 3]", 1, Some("[1, 3]")),
            ("[1, 2, 3]", 2, Some("[1, 2]")),
            ("[1, 2,]", 1, Some("[1,]")),
            ("[1]", 0, Some("[]")),
            ("[ 1 , ]", 0, Some("[ ]")),
            ("[\n  1,\n  2,\n]", 1, Some("[\n  1,\n]")),
            ("[\n  1, # one\n  2,\n]", 0, None),
            ("[\n  1, # one\n  2,\n]", 1, None),
            ("[\n  1, # one\n]", 0, None),
        ] {
            assert_eq!(without_element(list, index).as_deref(), expected, "{list} {index}");
        }
    }

    #[test]
    fn settings_go_with_their_line_or_comma() {
        for (text, expected) in [
            ("[a]\nb = 1\nc = 2\n", Some("[a]\nc = 2\n")),
            ("[a]\r\n  b = 1  \r\nc = 2", Some("[a]\r\nc = 2")),
            ("[a]\nb = 1", Some("[a]\n")),
            ("[a]\nb = [\n1,\n]\nc = 2\n", Some("[a]\nc = 2\n")),
            ("[a]\nb = 1 # why\n", None),
            ("[a]\nb.c = 1\n", None),
            ("a.b = 1\n", None),
            ("a = { b = 1, c = 2 }\n", Some("a = { c = 2 }\n")),
            ("a = { c = 2, b = 1 }\n", Some("a = { c = 2 }\n")),
        ] {
            assert_eq!(without_setting(text, "b").as_deref(), expected, "{text}");
        }
    }
}
