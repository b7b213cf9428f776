//! Renames a flag, wherever the text of a file names it.

use serde_json::{Map, Value};

use super::{
    layout::{Content, Key, Kind, Node, Statement, Step},
    splice::{Edit, Text},
};
use crate::{
    definition::{references, written::toml_key},
    text::Untrusted,
};

/// The tables whose members are flags: the declared flags, and those of each environment.
const FLAGS: &str = "flags";
const ENVIRONMENTS: &str = "environments";

/// Writes `new` in the place of `old`: as the name of the flag in each table of flags, and in all
/// [references]. Nothing else changes, so comments and layout stay.
pub(super) fn rename(text: &mut Text, old: &str, new: &str) {
    let mut renaming = Renaming { text, old, new, edits: Vec::new() };
    for statement in renaming.text.statements() {
        renaming.statement(statement);
    }
    let mut edits = renaming.edits;
    edits.extend(references(text.as_str(), old).into_iter().map(|reference| {
        let written = text.source(reference.span.clone());
        (reference.span, like(written, new))
    }));
    text.apply(edits);
}

/// Returns settings of a flag in which references to `old` name `new`.
pub(super) fn renamed(settings: &Map<String, Value>, old: &str, new: &str) -> Map<String, Value> {
    fn walk(value: &Value, path: &mut Vec<Step>, old: &str, new: &str) -> Value {
        match value {
            Value::String(text) if text == old && is_reference(path) => new.into(),
            Value::Array(list) => {
                let element = |(index, value)| within(Step::Index(index), value, path, old, new);
                list.iter().enumerate().map(element).collect()
            }
            Value::Object(table) => {
                let member = |(name, value): (&String, &Value)| {
                    (name.clone(), within(Step::Key(name.clone()), value, path, old, new))
                };
                Value::Object(table.iter().map(member).collect())
            }
            other => other.clone(),
        }
    }
    fn within(step: Step, value: &Value, path: &mut Vec<Step>, old: &str, new: &str) -> Value {
        path.push(step);
        let renamed = walk(value, path, old, new);
        path.pop();
        renamed
    }
    let member = |(name, value): (&String, &Value)| {
        (name.clone(), within(Step::Key(name.clone()), value, &mut Vec::new(), old, new))
    };
    settings.iter().map(member).collect()
}

struct Renaming<'t> {
    text: &'t Text,
    old: &'t str,
    new: &'t str,
    edits: Vec<Edit>,
}

impl Renaming<'_> {
    fn statement(&mut self, statement: &Statement) {
        // The keys of a statement are the last steps of its path.
        let is_key = |step: &&Step| matches!(step, Step::Key(_));
        let keys_before = statement.path.iter().filter(is_key).count() - statement.keys.len();
        let mut keys = statement.keys.iter();
        let (mut path, mut seen) = (Vec::new(), 0);
        for step in &statement.path {
            path.push(step.clone());
            if is_key(&step) {
                seen += 1;
                if seen > keys_before
                    && let Some(key) = keys.next()
                {
                    self.key(key, &path);
                }
            }
        }
        if let Kind::Entry(node) = &statement.kind {
            self.node(node, &mut path);
        }
    }

    /// Renames the keys of an inline table, and of those within it.
    fn node(&mut self, node: &Node, path: &mut Vec<Step>) {
        let Content::Table(items) = &node.content else { return };
        for item in items {
            let above = path.len();
            for key in &item.keys {
                path.push(Step::Key(key.name.clone()));
                self.key(key, path);
            }
            self.node(&item.value, path);
            path.truncate(above);
        }
    }

    fn key(&mut self, key: &Key, path: &[Step]) {
        if key.name == self.old && is_name(path) {
            let written = self.text.source(key.span.clone());
            let key_like = match written.starts_with(['"', '\'']) {
                true => like(written, self.new),
                false => toml_key(self.new),
            };
            self.edits.push((key.span.clone(), key_like));
        }
    }
}

/// Quotes a string like the text `written`, if these quotes can hold it.
fn like(written: &str, text: &str) -> String {
    let is_plain = |c: char| c != '\'' && !c.is_control();
    match written.starts_with('\'') && text.chars().all(is_plain) {
        true => format!("'{text}'"),
        false => Untrusted::new(text).toml(),
    }
}

/// Returns `true` if a path from the top of the file ends in the name of a flag.
fn is_name(path: &[Step]) -> bool {
    match path {
        [Step::Key(flags), Step::Key(_)] => flags == FLAGS,
        [Step::Key(environments), Step::Key(_), Step::Key(_)] => environments == ENVIRONMENTS,
        _ => false,
    }
}

/// Returns `true` if a string at this place in the settings of a flag is the name of another flag.
/// Settings have no mistakes, and their segments are written out.
fn is_reference(place: &[Step]) -> bool {
    let name = |step: &Step| match step {
        Step::Key(name) => Some(name.clone()),
        Step::Index(_) => None,
    };
    let keys: Vec<_> = place.iter().filter_map(name).collect();
    let keys: Vec<_> = keys.iter().map(String::as_str).collect();
    match &*keys {
        ["requires"] | ["requires", "flag"] => true,
        ["rules", condition @ ..] => {
            let (Some((first, inner)), Some(at)) =
                (condition.split_first(), condition.iter().position(|key| *key == "flag"))
            else {
                return false;
            };
            // Any other path leads to an attribute and its operand.
            let is_nesting = |key: &&str| matches!(*key, "all" | "any" | "not" | "unless");
            matches!(*first, "when" | "unless")
                && inner.iter().take(at.saturating_sub(1)).all(is_nesting)
                && matches!(&condition[at + 1..], [] | ["flag"])
        }
        _ => false,
    }
}
