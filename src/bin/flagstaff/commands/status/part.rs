//! One part of the page.

use serde_json::Value;

use crate::{
    style::{HEADER, painted},
    table,
};

/// A part of the page, with its items.
#[derive(Debug)]
pub(super) struct Part {
    /// The name in JSON. In a pipe, it is the kind of each item.
    pub(super) name: &'static str,
    pub(super) item: &'static str,
    pub(super) title: String,
    /// The items; `None` if they are not known.
    pub(super) items: Option<Vec<Item>>,
    /// The line in the place of items that are not known.
    pub(super) unknown: &'static str,
}

/// An item of a part.
#[derive(Debug, Clone)]
pub(super) struct Item {
    /// The cells for people.
    pub(super) shown: Vec<String>,
    /// The cells for pipes.
    pub(super) cells: Vec<String>,
    pub(super) json: Value,
}

impl Part {
    pub(super) fn text(&self) -> String {
        let Some(items) = &self.items else {
            return format!("\n{}\n  ({})\n", painted(HEADER, &self.title), self.unknown);
        };
        let title = format!("{}: {}", self.title, items.len());
        let title =
            painted(HEADER, if items.is_empty() { format!("{}: none", self.title) } else { title });
        let rows: Vec<_> = items.iter().map(|item| item.shown.clone()).collect();
        format!("\n{title}\n{}", table::aligned(&rows, "  ", table::room()))
    }

    pub(super) fn rows(&self) -> impl Iterator<Item = Vec<String>> {
        let items = self.items.iter().flatten();
        items.map(|item| [self.item.to_owned()].into_iter().chain(item.cells.clone()).collect())
    }

    /// Returns the items, or null where they are not known: never an empty list.
    pub(super) fn json(&self) -> Value {
        match &self.items {
            Some(items) => items.iter().map(|item| item.json.clone()).collect(),
            None => Value::Null,
        }
    }
}
