//! Changes the settings of a flag in the text of a file, and leaves all other bytes as they are.

use std::{borrow::Cow, collections::HashMap};

use serde_json::{Map, Value, json};
use similar::{Algorithm, DiffOp, capture_diff_slices};

use super::{
    layout::{Content, Found, Step},
    splice::Text,
    toml_text::{self, Part},
};

/// A table of settings, as JSON.
pub(super) type Settings = Map<String, Value>;

/// Changes the flag at `path` from the settings `old` to `new`. Both are complete, and in the order
/// of the text where the order matters.
pub(super) fn flag(text: &mut Text, path: &[Step], old: &Settings, new: &Settings, part: Part) {
    let short = match text.find(path) {
        Found::Value(node) if !matches!(node.content, Content::Table(_)) => Some(node.span.clone()),
        _ => None,
    };
    let mut sync = Sync { text, path: path.to_vec(), flag: path.len() };
    if let Some(span) = short {
        let written = sync.text.source(span.clone()).to_owned();
        let name = old.keys().next().map_or("", String::as_str);
        if let Some(short) = toml_text::shorthand(new, part) {
            let like = new.get(name).map(|value| toml_text::like(&written, value, &[name]));
            return sync.text.replace(span, like.unwrap_or(short));
        }
        sync.text.replace(span, format!("{{ {name} = {written} }}"));
    }
    sync.members(old, new);
}

/// Makes the entry of an environment, whose table is at `environment`, force a flag on or off.
pub(super) fn force(text: &mut Text, environment: &[Step], flag: &str, on: bool) {
    let path = [environment, &[flag.into()]].concat();
    match text.find(&path) {
        Found::Value(node) => {
            let span = node.span.clone();
            text.replace(span, on.to_string());
        }
        Found::Nothing => text.insert(environment, flag, &on.to_string()),
        Found::Table | Found::Elements(_) => {
            text.remove(&path);
            text.insert(environment, flag, &on.to_string());
        }
    }
}

/// Adds a flag: at its place if the flags are in alphabetical order, and behind the others if not.
pub(super) fn add(text: &mut Text, flags: &[Step], flag: &str, settings: &Settings, part: Part) {
    let short = toml_text::shorthand(settings, part);
    if short.is_some() || matches!(text.find(flags), Found::Value(_)) {
        let value = short.unwrap_or_else(|| toml_text::flag(settings, part));
        return match next_in_order(&text.lines_in(flags), flag) {
            Some(next) => text.insert_line_above(&[flags, &[next]].concat(), flag, &value),
            None => text.insert(flags, flag, &value),
        };
    }
    let path = [flags, &[flag.into()]].concat();
    let header = text.keys_of(&path);
    let section = toml_text::section(&header, settings, &[]);
    match next_in_order(&text.headers_in(flags), flag) {
        Some(next) => text.prepend(&[flags, &[next]].concat(), &section),
        None => text.append(flags, &section),
    }
}

/// Returns the name that the new one goes before, if names are in alphabetical order. Two names may
/// be in order by chance.
fn next_in_order(names: &[&str], new: &str) -> Option<Step> {
    let next = *names.iter().find(|&&name| name > new)?;
    (names.len() > 2 && names.is_sorted()).then(|| next.into())
}

/// A place in a flag that is being changed.
struct Sync<'t> {
    text: &'t mut Text,
    path: Vec<Step>,
    /// The number of steps that lead to the flag.
    flag: usize,
}

impl Sync<'_> {
    fn value(&mut self, old: &Value, new: &Value) {
        if is_same(old, new) {
            return;
        }
        if matches!(*place(&self.path[self.flag..]), ["variants", _]) && self.is_table() {
            // A variant with only a weight is a number in JSON, but the text has a table.
            let (old, new) = (with_weight(old), with_weight(new));
            if let (Value::Object(old), Value::Object(new)) = (&*old, &*new) {
                return self.members(old, new);
            }
        }
        match (self.text.find(&self.path), old, new) {
            (Found::Nothing, ..) => self.insert(new),
            (Found::Value(node), Value::Array(old), Value::Array(new))
                if matches!(node.content, Content::Array(_)) =>
            {
                self.elements(old, new);
            }
            (Found::Elements(_), Value::Array(old), Value::Array(new)) => self.elements(old, new),
            (_, Value::Object(old), Value::Object(new))
                if self.is_table() && self.fits(old, new) =>
            {
                self.members(old, new);
            }
            (Found::Value(node), ..) => {
                let span = node.span.clone();
                let written = self.text.source(span.clone());
                let value = toml_text::like(written, new, &place(&self.path[self.flag..]));
                self.text.replace(span, value);
            }
            (Found::Table | Found::Elements(_), ..) => {
                self.text.remove(&self.path);
                self.insert(new);
            }
        }
    }

    fn members(&mut self, old: &Settings, new: &Settings) {
        for name in old.keys().filter(|name| !new.contains_key(*name)) {
            self.within(Step::Key(name.clone()), |member| member.text.remove(&member.path));
        }
        for (name, new) in new {
            let old = old.get(name).unwrap_or(&Value::Null);
            self.within(Step::Key(name.clone()), |member| member.value(old, new));
        }
    }

    /// Changes elements from the last to the first, so that the indices of the others stay valid.
    fn elements(&mut self, old: &[Value], new: &[Value]) {
        let strings = |list: &[Value]| list.iter().map(Value::to_string).collect::<Vec<_>>();
        let old_strings = strings(old);
        let operations = capture_diff_slices(Algorithm::Myers, &old_strings, &strings(new));
        let keeps =
            |operation: &DiffOp| matches!(operation, DiffOp::Equal { .. } | DiffOp::Replace { .. });
        if !operations.iter().any(keeps) && matches!(self.text.find(&self.path), Found::Elements(_))
        {
            // Without an element, the text no longer declares the list.
            self.text.remove(&self.path);
            return self.insert(&Value::Array(new.to_vec()));
        }
        // An element that only moves stays as it is written.
        let written: HashMap<_, _> = (0..old.len())
            .filter_map(|index| {
                let path = [&*self.path, &[Step::Index(index)]].concat();
                Some((old_strings[index].clone(), self.text.written(&path)?.to_owned()))
            })
            .collect();
        for operation in operations.into_iter().rev() {
            let (at, gone, wanted) = match operation {
                DiffOp::Equal { .. } => continue,
                DiffOp::Delete { old_index, old_len, .. } => (old_index, old_len, &[][..]),
                DiffOp::Insert { old_index, new_index, new_len } => {
                    (old_index, 0, &new[new_index..new_index + new_len])
                }
                DiffOp::Replace { old_index, old_len, new_index, new_len } => {
                    (old_index, old_len, &new[new_index..new_index + new_len])
                }
            };
            let moves = wanted.iter().any(|value| written.contains_key(&value.to_string()));
            let both = if moves { 0 } else { gone.min(wanted.len()) };
            for index in (at + both..at + gone).rev() {
                self.within(Step::Index(index), |element| element.text.remove(&element.path));
            }
            for added in wanted[both..].iter().rev() {
                self.insert_element(at + both, added, written.get(&added.to_string()));
            }
            for index in 0..both {
                let (old, new) = (&old[at + index], &wanted[index]);
                self.within(Step::Index(at + index), |element| element.value(old, new));
            }
        }
    }

    fn insert_element(&mut self, index: usize, value: &Value, written: Option<&String>) {
        let place = place(&self.path[self.flag..]);
        match self.text.find(&self.path) {
            Found::Elements(len) => {
                let new = || toml_text::element(&self.text.keys_of(&self.path), value, &place);
                let lines = written.cloned().unwrap_or_else(new);
                match index < len {
                    true => {
                        let element = [&*self.path, &[Step::Index(index)]].concat();
                        self.text.prepend(&element, &lines);
                    }
                    false => self.text.append(&self.path, &lines),
                }
            }
            _ => {
                let new = || toml_text::value(value, &[&*place, &["*"]].concat());
                let value = written.cloned().unwrap_or_else(new);
                self.text.insert_element(&self.path, index, &value);
            }
        }
    }

    /// Adds a value that is not there yet.
    fn insert(&mut self, value: &Value) {
        let place = place(&self.path[self.flag..]);
        let Some((Step::Key(name), parent)) = self.path.split_last() else { return };
        let has_header = self.text.has_header(parent);
        if has_header && toml_text::is_list_of_rules(value, &place) {
            let keys = self.text.keys_of(&self.path);
            let rules = value.as_array().into_iter().flatten();
            let lines: Vec<_> = rules.map(|rule| toml_text::element(&keys, rule, &place)).collect();
            return self.text.append(parent, &lines.join("\n\n"));
        }
        let long = has_header && toml_text::is_long(value, &place);
        // A new variant comes behind those that have headers.
        let behind =
            place.len() == 2 && place[0] == "variants" && self.text.has_headers_below(parent);
        let table = if behind { with_weight(value) } else { Cow::Borrowed(value) };
        if let (true, Value::Object(members)) = (long || behind, &*table) {
            let keys = self.text.keys_of(&self.path);
            return self.text.append(parent, &toml_text::section(&keys, members, &place));
        }
        if has_header && value.is_array() {
            let line = toml_text::entry(name, value, &place);
            let value = line.split_once(" = ").map_or("", |(_, value)| value);
            return self.text.insert(parent, name, value);
        }
        self.text.insert(parent, name, &toml_text::value(value, &place));
    }

    fn within(&mut self, step: Step, change: impl FnOnce(&mut Self)) {
        self.path.push(step);
        change(self);
        self.path.pop();
    }

    /// Returns `true` if members can be changed one by one. Their names must have a meaning for the
    /// flag, and new members must come last, since they are added behind the others.
    fn fits(&self, old: &Settings, new: &Settings) -> bool {
        match *place(&self.path[self.flag..]) {
            // TOML has more ways to write a condition than JSON.
            ["rules", _, "when", ..] => false,
            ["variants"] | ["rules", _, "serve"] => {
                let stay = old.keys().filter(|name| new.contains_key(*name));
                let come = new.keys().filter(|name| !old.contains_key(*name));
                stay.chain(come).eq(new.keys())
            }
            _ => true,
        }
    }

    fn is_table(&self) -> bool {
        match self.text.find(&self.path) {
            Found::Table => true,
            Found::Value(node) => matches!(node.content, Content::Table(_)),
            _ => false,
        }
    }
}

/// Returns the place of a path in a flag, with a star for each index.
fn place(path: &[Step]) -> Vec<&str> {
    fn part(step: &Step) -> &str {
        match step {
            Step::Key(name) => name,
            Step::Index(_) => "*",
        }
    }
    path.iter().map(part).collect()
}

/// Returns `true` if two values are equal, including the order of members.
fn is_same(a: &Value, b: &Value) -> bool {
    let (a, b) = (a.to_string(), b.to_string());
    a == b
}

/// Returns a variant as a table.
fn with_weight(variant: &Value) -> Cow<'_, Value> {
    match variant {
        Value::Number(weight) => Cow::Owned(json!({ "weight": weight })),
        table => Cow::Borrowed(table),
    }
}
