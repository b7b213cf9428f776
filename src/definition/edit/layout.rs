//! The positions of all statements in valid TOML.

use std::{collections::HashMap, ops::Range};

use toml_parser::{
    Source,
    parser::{Event, EventKind, parse_document},
};

/// One step from a table or an array to what is in it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Step {
    Key(String),
    Index(usize),
}

impl From<&str> for Step {
    fn from(key: &str) -> Self {
        Self::Key(key.to_owned())
    }
}

/// The headers and `key = value` entries of a file, in its order.
#[derive(Debug)]
pub(super) struct Layout {
    pub(super) statements: Vec<Statement>,
}

#[derive(Debug)]
pub(super) struct Statement {
    /// The path from the top level that the statement leads to.
    pub(super) path: Vec<Step>,
    /// The keys of the statement as they are written.
    pub(super) keys: Vec<Key>,
    /// The statement without the comments and white space around it.
    pub(super) span: Range<usize>,
    pub(super) kind: Kind,
}

#[derive(Debug)]
pub(super) enum Kind {
    /// `[flags.search]`
    Table,
    /// `[[flags.search.rules]]`
    Element,
    /// `percentage = 10`
    Entry(Node),
}

#[derive(Debug)]
pub(super) struct Key {
    pub(super) name: String,
    pub(super) span: Range<usize>,
}

/// A value, and its position.
#[derive(Debug)]
pub(super) struct Node {
    pub(super) span: Range<usize>,
    pub(super) content: Content,
}

#[derive(Debug)]
pub(super) enum Content {
    Scalar,
    Array(Vec<Item>),
    Table(Vec<Item>),
}

/// An item between commas. Items of an array have no keys.
#[derive(Debug)]
pub(super) struct Item {
    pub(super) keys: Vec<Key>,
    pub(super) value: Node,
    /// The position of the comma after the item.
    pub(super) comma: Option<usize>,
}

impl Item {
    pub(super) fn start(&self) -> usize {
        self.keys.first().map_or(self.value.span.start, |key| key.span.start)
    }

    /// Returns the end of the item, behind its comma.
    pub(super) fn end(&self) -> usize {
        self.comma.map_or(self.value.span.end, |comma| comma + 1)
    }
}

/// The kind of thing that a path leads to.
#[derive(Debug)]
pub(super) enum Found<'l> {
    Nothing,
    Value(&'l Node),
    /// A table with a header, or without a place of its own: all statements about it.
    Table,
    /// An array of tables, `[[…]]`, with this number of elements.
    Elements(usize),
}

impl Layout {
    pub(super) fn of(text: &str) -> Self {
        let source = Source::new(text);
        let tokens = source.lex().into_vec();
        let mut events = Vec::new();
        parse_document(&tokens, &mut events, &mut ());
        let is_blank = |event: &Event| {
            matches!(event.kind(), EventKind::Whitespace | EventKind::Comment | EventKind::Newline)
        };
        events.retain(|event| !is_blank(event));
        let mut reader = Reader { source, events: events.into_iter().peekable() };
        let mut statements = Vec::new();
        let mut header = Vec::new();
        let mut lengths = HashMap::new();
        while let Some(mut statement) = reader.statement() {
            statement.path = match statement.kind {
                Kind::Entry(_) => [&*header, &steps(&statement.keys)].concat(),
                _ => {
                    header = resolve(&statement, &mut lengths);
                    header.clone()
                }
            };
            statements.push(statement);
        }
        Self { statements }
    }

    pub(super) fn find(&self, path: &[Step]) -> Found<'_> {
        let mut found = Found::Nothing;
        for statement in &self.statements {
            match (&statement.kind, rest(&statement.path, path)) {
                (Kind::Entry(node), Some(rest)) => return node.find(rest),
                (_, Some([])) => found = Found::Table,
                _ => {}
            }
            match rest(path, &statement.path) {
                Some([Step::Index(index), ..]) => found = Found::Elements(index + 1),
                Some([_, ..]) => found = Found::Table,
                _ => {}
            }
        }
        found
    }
}

impl Node {
    fn find(&self, path: &[Step]) -> Found<'_> {
        let Some((first, others)) = path.split_first() else { return Found::Value(self) };
        let items = match (&self.content, first) {
            (Content::Array(items), Step::Index(index)) => {
                return items.get(*index).map_or(Found::Nothing, |item| item.value.find(others));
            }
            (Content::Table(items), Step::Key(_)) => items,
            _ => return Found::Nothing,
        };
        let mut found = Found::Nothing;
        for item in items {
            let keys = steps(&item.keys);
            if let Some(rest) = rest(&keys, path) {
                return item.value.find(rest);
            }
            if rest(path, &keys).is_some() {
                found = Found::Table;
            }
        }
        found
    }
}

/// Returns the part of a path behind `beginning`.
pub(super) fn rest<'p>(beginning: &[Step], path: &'p [Step]) -> Option<&'p [Step]> {
    path.strip_prefix(beginning)
}

pub(super) fn steps(keys: &[Key]) -> Vec<Step> {
    keys.iter().map(|key| Step::Key(key.name.clone())).collect()
}

/// Returns the path of a header. Behind the name of an array, the path goes on in its last element.
fn resolve(header: &Statement, lengths: &mut HashMap<Vec<Step>, usize>) -> Vec<Step> {
    let mut path = Vec::new();
    for (nth, key) in header.keys.iter().enumerate() {
        path.push(Step::Key(key.name.clone()));
        let is_last = nth + 1 == header.keys.len();
        match lengths.get_mut(&path) {
            Some(length) => {
                *length += usize::from(is_last);
                path.push(Step::Index(*length - 1));
            }
            None if is_last && matches!(header.kind, Kind::Element) => {
                lengths.insert(path.clone(), 1);
                path.push(Step::Index(0));
            }
            None => {}
        }
    }
    path
}

struct Reader<'t, E: Iterator<Item = Event>> {
    source: Source<'t>,
    events: std::iter::Peekable<E>,
}

impl<E: Iterator<Item = Event>> Reader<'_, E> {
    fn statement(&mut self) -> Option<Statement> {
        let first = *self.events.peek()?;
        let kind = match first.kind() {
            EventKind::StdTableOpen => Kind::Table,
            EventKind::ArrayTableOpen => Kind::Element,
            _ => {
                let keys = self.keys();
                let node = self.value()?;
                let span = first.span().start()..node.span.end;
                return Some(Statement { path: Vec::new(), keys, span, kind: Kind::Entry(node) });
            }
        };
        self.events.next();
        let keys = self.keys();
        let end = self.events.next()?.span().end();
        Some(Statement { path: Vec::new(), keys, span: first.span().start()..end, kind })
    }

    /// Reads keys, and skips the separators between them and before a value.
    fn keys(&mut self) -> Vec<Key> {
        let is_key = |event: &Event| {
            matches!(event.kind(), EventKind::SimpleKey | EventKind::KeySep | EventKind::KeyValSep)
        };
        let mut keys = Vec::new();
        while let Some(event) = self.events.next_if(is_key) {
            if event.kind() == EventKind::SimpleKey {
                let mut name = String::new();
                if let Some(raw) = self.source.get(event) {
                    raw.decode_key(&mut name, &mut ());
                }
                keys.push(Key { name, span: event.span().start()..event.span().end() });
            }
        }
        keys
    }

    fn value(&mut self) -> Option<Node> {
        let first = self.events.next()?;
        let start = first.span().start();
        let (content, end) = match first.kind() {
            EventKind::ArrayOpen => {
                let (items, end) = self.items(EventKind::ArrayClose)?;
                (Content::Array(items), end)
            }
            EventKind::InlineTableOpen => {
                let (items, end) = self.items(EventKind::InlineTableClose)?;
                (Content::Table(items), end)
            }
            _ => (Content::Scalar, first.span().end()),
        };
        Some(Node { span: start..end, content })
    }

    fn items(&mut self, close: EventKind) -> Option<(Vec<Item>, usize)> {
        let mut items = Vec::new();
        loop {
            if let Some(close) = self.events.next_if(|event| event.kind() == close) {
                return Some((items, close.span().end()));
            }
            let keys = self.keys();
            let value = self.value()?;
            let comma = self.events.next_if(|event| event.kind() == EventKind::ValueSep);
            items.push(Item { keys, value, comma: comma.map(|comma| comma.span().start()) });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(text: &str) -> Vec<Step> {
        let step = |part: &str| match part.parse() {
            Ok(index) => Step::Index(index),
            Err(_) => Step::from(part),
        };
        text.split('.').map(step).collect()
    }

    #[test]
    fn a_value_is_found_however_it_is_written() {
        let text = r#"
            top.dotted = 1
            [flags]
            inline = { a.b = 2, c = [ 3, { d = 4 } ] }
            [flags."quoted" . 'table']
            e = 5
            [[flags.list]]
            f = 6
            [[flags.list]]
            [flags.list.g]
            h = 7
        "#;
        let layout = Layout::of(text);
        let at = |place: &str| match layout.find(&path(place)) {
            Found::Value(node) => text[node.span.clone()].to_owned(),
            other => format!("{other:?}"),
        };

        assert_eq!(at("top.dotted"), "1");
        assert_eq!(at("flags.inline.a.b"), "2");
        assert_eq!(at("flags.inline.c.1.d"), "4");
        assert_eq!(at("flags.inline.c"), "[ 3, { d = 4 } ]");
        assert_eq!(at("flags.quoted.table.e"), "5");
        assert_eq!(at("flags.list.0.f"), "6");
        assert_eq!(at("flags.list.1.g.h"), "7");
        for table in ["top", "flags", "flags.inline.a", "flags.quoted", "flags.list.1.g"] {
            assert_eq!(at(table), "Table", "{table}");
        }
        assert_eq!(at("flags.list"), "Elements(2)");
        for nothing in ["f", "flags.inline.x", "flags.inline.c.2", "flags.list.2"] {
            assert_eq!(at(nothing), "Nothing", "{nothing}");
        }
    }
}
