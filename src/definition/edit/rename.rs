//! Renames a flag, wherever the text of a file names it.

use serde_json::{Map, Value};
use toml::de::DeValue;

use super::{
    layout::{Content, Key, Kind, Node, Statement, Step},
    splice::{Edit, Text},
};
use crate::{definition::written::toml_key, text::Untrusted};

/// The tables whose members are flags: the declared flags, and those of each environment.
const FLAGS: &str = "flags";
const ENVIRONMENTS: &str = "environments";
const SEGMENTS: &str = "segments";

/// Writes `new` in the place of `old`: as the name of the flag in each table of flags, in
/// `requires`, and in conditions that name the flag. Nothing else changes, so comments and layout
/// stay.
pub(super) fn rename(text: &mut Text, old: &str, new: &str) {
    let mut renaming = Renaming { text, old, new, edits: Vec::new() };
    for statement in renaming.text.statements() {
        renaming.statement(statement);
    }
    let edits = renaming.edits;
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

/// Returns `true` if settings of a flag name the given flag.
pub(super) fn names(settings: &Map<String, Value>, flag: &str) -> bool {
    // Flag keys are not empty, so an empty name always differs.
    renamed(settings, flag, "") != *settings
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

    fn node(&mut self, node: &Node, path: &mut Vec<Step>) {
        match &node.content {
            Content::Scalar => {
                if in_flag(path).is_some_and(is_reference)
                    && self.string(node).as_deref() == Some(self.old)
                {
                    let written = self.text.source(node.span.clone());
                    self.edits.push((node.span.clone(), like(written, self.new)));
                }
            }
            Content::Array(items) => {
                for (index, item) in items.iter().enumerate() {
                    path.push(Step::Index(index));
                    self.node(&item.value, path);
                    path.pop();
                }
            }
            Content::Table(items) => {
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

    /// Returns the content of a string; `None` for any other value.
    fn string(&self, node: &Node) -> Option<String> {
        let value = DeValue::parse(self.text.source(node.span.clone())).ok()?;
        value.get_ref().as_str().map(str::to_owned)
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

/// Returns the steps behind the name of a flag in a path from the top of the file. A segment has
/// the same conditions as a rule.
fn in_flag(path: &[Step]) -> Option<&[Step]> {
    match path {
        [Step::Key(table), _, rest @ ..] if table == FLAGS || table == SEGMENTS => Some(rest),
        [Step::Key(table), _, _, rest @ ..] if table == ENVIRONMENTS => Some(rest),
        _ => None,
    }
}

/// Returns `true` if a string at this place in a flag, or in a segment, is the name of another
/// flag.
fn is_reference(place: &[Step]) -> bool {
    let name = |step: &Step| match step {
        Step::Key(name) => Some(name.clone()),
        Step::Index(_) => None,
    };
    let keys: Vec<_> = place.iter().filter_map(name).collect();
    let keys: Vec<_> = keys.iter().map(String::as_str).collect();
    match &*keys {
        ["requires"] | ["requires", "flag"] => true,
        ["rules", condition @ ..] | condition => {
            let (Some((first, inner)), Some(at)) =
                (condition.split_first(), condition.iter().position(|key| *key == "flag"))
            else {
                return false;
            };
            // Any other path leads to an attribute and its operand.
            let is_nesting = |key: &&str| matches!(*key, "all" | "any" | "not" | "unless" | "when");
            matches!(*first, "when" | "unless")
                && inner.iter().take(at.saturating_sub(1)).all(is_nesting)
                && matches!(&condition[at + 1..], [] | ["flag"])
        }
    }
}
