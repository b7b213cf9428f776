//! The text of a file, which is changed in one place at a time; everything else stays byte by byte.
//!
//! `toml_edit` is not used, because it writes a document again from its tree. That turns `\r\n`
//! into `\n`, drops the byte order mark, adds a line end to the last line, and moves dotted keys
//! together.

use std::{iter, ops::Range};

use super::layout::{Content, Found, Item, Key, Kind, Layout, Node, Statement, Step, rest, steps};
use crate::definition::written::toml_key;

const BYTE_ORDER_MARK: char = '\u{feff}';

/// A span, and the text that replaces it.
pub(super) type Edit = (Range<usize>, String);

/// The text of a file, and the positions of its statements.
#[derive(Debug)]
pub(super) struct Text {
    text: String,
    layout: Layout,
}

/// The place where a table takes new members.
enum Home<'l> {
    /// Within braces, behind the keys that lead to the table from there.
    Braces(&'l Node, &'l [Item], Option<Range<usize>>),
    /// Below this statement, which is the table's header or belongs to it.
    Section(&'l Statement),
    /// Below this statement, with these leading keys.
    Dotted(&'l Statement, Range<usize>),
    /// Above the first header of a table in it, below a new header with these keys.
    NoHeader(&'l Statement, Range<usize>),
}

impl Text {
    pub(super) fn new(text: String) -> Self {
        let layout = Layout::of(&text);
        Self { text, layout }
    }

    pub(super) fn as_str(&self) -> &str {
        &self.text
    }

    pub(super) fn statements(&self) -> &[Statement] {
        &self.layout.statements
    }

    pub(super) fn find(&self, path: &[Step]) -> Found<'_> {
        self.layout.find(path)
    }

    pub(super) fn source(&self, span: Range<usize>) -> &str {
        &self.text[span]
    }

    /// Returns the text about a path, if it is in one piece: a value, or all lines from a header
    /// on.
    pub(super) fn written(&self, path: &[Step]) -> Option<&str> {
        if let Found::Value(node) = self.find(path) {
            return Some(self.source(node.span.clone()));
        }
        let about = |statement: &Statement| rest(path, &statement.path).is_some();
        let statements = &self.layout.statements;
        let first = statements.iter().position(about)?;
        let piece = statements[first..].iter().take_while(|statement| about(statement));
        let last = piece.last()?;
        let is_one = statements.iter().rposition(about)
            == statements.iter().position(|statement| statement.span == last.span);
        is_one.then(|| self.source(statements[first].span.start..self.line_end(last.span.end)))
    }

    /// Replaces a value.
    pub(super) fn replace(&mut self, span: Range<usize>, value: String) {
        self.apply(vec![(span, value)]);
    }

    /// Adds a member to an existing table, behind the others.
    pub(super) fn insert(&mut self, table: &[Step], key: &str, value: &str) {
        let entry = format!("{} = {value}", toml_key(key));
        let edits = match self.home(table) {
            None => return,
            Some(Home::Braces(node, items, prefix)) => {
                let prefix =
                    prefix.map_or_else(String::new, |keys| self.text[keys].to_owned() + ".");
                self.item(node, items, items.len(), &(prefix + &entry))
            }
            Some(Home::Section(last)) => self.line_below(last, &entry),
            Some(Home::Dotted(last, keys)) => {
                self.line_below(last, &format!("{}.{entry}", &self.text[keys]))
            }
            Some(Home::NoHeader(first, keys)) => {
                let start = self.line_start(first.span.start);
                vec![(start..start, format!("[{}]\n{entry}\n\n", &self.text[keys]))]
            }
        };
        self.apply(edits);
    }

    /// Adds `key = value` above the line of a member, and above the comments on that member.
    pub(super) fn insert_line_above(&mut self, member: &[Step], key: &str, value: &str) {
        let is_line = |statement: &&Statement| {
            matches!(statement.kind, Kind::Entry(_)) && statement.path == member
        };
        let Some(line) = self.layout.statements.iter().find(is_line) else { return };
        let indent = &self.text[self.line_start(line.span.start)..line.span.start];
        let entry = format!("{indent}{} = {value}\n", toml_key(key));
        let start = self.comment_start(line);
        self.apply(vec![(start..start, entry)]);
    }

    /// Adds an element to an array that is a value.
    pub(super) fn insert_element(&mut self, array: &[Step], index: usize, value: &str) {
        if let Found::Value(node) = self.find(array)
            && let Content::Array(items) = &node.content
        {
            let edits = self.item(node, items, index, value);
            self.apply(edits);
        }
    }

    /// Adds lines with a header below the last line about `table`, with an empty line between.
    pub(super) fn append(&mut self, table: &[Step], lines: &str) {
        let about = |statement: &&Statement| rest(table, &statement.path).is_some();
        let Some(last) = self.layout.statements.iter().rfind(about) else { return };
        // A value between braces is about the table too, but a header ends everything above it.
        let end = self.line_end(last.span.end);
        let mut lines = format!("\n\n{lines}");
        let below = &self.text[end..];
        if below.lines().nth(1).is_some_and(|line| !line.trim().is_empty()) {
            lines.push('\n');
        }
        self.apply(vec![(end..end, lines)]);
    }

    /// Adds lines with a header above the header of an element of an array.
    pub(super) fn prepend(&mut self, element: &[Step], lines: &str) {
        let mut statements = self.layout.statements.iter();
        let Some(header) = statements.find(|statement| statement.path == element) else { return };
        let start = self.comment_start(header);
        self.apply(vec![(start..start, format!("{lines}\n\n"))]);
    }

    /// Removes everything about a path, with the comments on the same lines and those above a
    /// header. A table that would vanish with its last member stays as an empty one.
    pub(super) fn remove(&mut self, path: &[Step]) {
        let Some((last, table)) = path.split_last() else { return };
        loop {
            let mut without = Self::new(self.text.clone());
            without.apply(self.removal(path, None));
            if matches!(without.find(table), Found::Nothing) && !table.is_empty() {
                return self.apply(self.removal(path, Some(table)));
            }
            *self = without;
            // Behind a removed element there may be another one with the same index. Members
            // between braces are removed one by one.
            if !is_key(last) || matches!(self.find(path), Found::Nothing) {
                return;
            }
        }
    }

    /// Returns the keys that lead to `table` as a header or an entry has them, or else as they have
    /// to be written.
    pub(super) fn keys_of(&self, table: &[Step]) -> String {
        let written = self.layout.statements.iter().find_map(|statement| {
            (statement.path.len() >= table.len() && statement.path.starts_with(table))
                .then(|| self.leading(statement, table))?
        });
        match written {
            Some(span) => self.text[span].to_owned(),
            None => {
                let names = table.iter().filter_map(|step| match step {
                    Step::Key(name) => Some(toml_key(name)),
                    Step::Index(_) => None,
                });
                names.collect::<Vec<_>>().join(".")
            }
        }
    }

    /// Returns the names of the members of a table that are one line each below its header, in the
    /// order of the text.
    pub(super) fn lines_in(&self, table: &[Step]) -> Vec<&str> {
        self.members(table, |statement| {
            matches!(statement.kind, Kind::Entry(_)) && statement.keys.len() == 1
        })
    }

    /// Returns the names of the members of a table that have headers of their own, in the order of
    /// the text.
    pub(super) fn headers_in(&self, table: &[Step]) -> Vec<&str> {
        self.members(table, |statement| matches!(statement.kind, Kind::Table))
    }

    fn members(&self, table: &[Step], is_meant: impl Fn(&Statement) -> bool) -> Vec<&str> {
        let is_member = |statement: &&Statement| {
            is_meant(statement) && matches!(rest(table, &statement.path), Some([Step::Key(_)]))
        };
        let members = self.layout.statements.iter().filter(is_member);
        members.filter_map(|member| Some(member.keys.last()?.name.as_str())).collect()
    }

    /// Returns `true` if a header leads to something in `table`.
    pub(super) fn has_headers_below(&self, table: &[Step]) -> bool {
        self.layout.statements.iter().any(|statement| {
            !matches!(statement.kind, Kind::Entry(_))
                && rest(table, &statement.path).is_some_and(|rest| !rest.is_empty())
        })
    }

    /// Returns `true` if `table` has a header of its own.
    pub(super) fn has_header(&self, table: &[Step]) -> bool {
        self.layout
            .statements
            .iter()
            .any(|statement| !matches!(statement.kind, Kind::Entry(_)) && statement.path == table)
    }

    /// Returns the span of all keys from the top level to `table`, if this statement has all of
    /// them.
    fn leading(&self, statement: &Statement, table: &[Step]) -> Option<Range<usize>> {
        if matches!(statement.kind, Kind::Entry(_))
            && statement.keys.len() < key_count(&statement.path)
        {
            return None;
        }
        span_of(&statement.keys, key_count(table))
    }

    fn home(&self, table: &[Step]) -> Option<Home<'_>> {
        let statements = &self.layout.statements;
        let is_header = |statement: &&Statement| !matches!(statement.kind, Kind::Entry(_));
        let header = statements
            .iter()
            .position(|statement| is_header(&statement) && statement.path == table);
        if let Some(header) = header {
            let entries =
                statements[header + 1..].iter().take_while(|statement| !is_header(statement));
            return Some(Home::Section(entries.last().unwrap_or(&statements[header])));
        }
        for statement in statements {
            if let (Kind::Entry(node), Some(rest)) = (&statement.kind, rest(&statement.path, table))
            {
                return self.braces(node, rest);
            }
        }
        let is_part = |statement: &&Statement| rest(table, &statement.path).is_some();
        if table.is_empty() {
            let entries = statements.iter().take_while(|statement| !is_header(statement));
            return entries.last().map(Home::Section);
        }
        let dotted = statements.iter().rev().filter(is_part).find_map(|statement| {
            let header = statement.path.len() - statement.keys.len().min(statement.path.len());
            let keys = table.len().checked_sub(header).filter(|&keys| keys > 0)?;
            let entry = matches!(statement.kind, Kind::Entry(_)).then_some(statement)?;
            Some(Home::Dotted(entry, span_of(&entry.keys, keys)?))
        });
        dotted.or_else(|| {
            let first = statements.iter().filter(is_header).find(is_part)?;
            let keys = key_count(table);
            Some(Home::NoHeader(first, span_of(&first.keys, keys)?))
        })
    }

    fn braces<'l>(&self, node: &'l Node, path: &[Step]) -> Option<Home<'l>> {
        match (&node.content, path) {
            (Content::Table(items), []) => Some(Home::Braces(node, items, None)),
            (Content::Array(items), [Step::Index(index), others @ ..]) => {
                self.braces(&items.get(*index)?.value, others)
            }
            (Content::Table(items), path) => items.iter().rev().find_map(|item| {
                let keys = steps(&item.keys);
                match rest(&keys, path) {
                    Some(others) => self.braces(&item.value, others),
                    None => rest(path, &keys).and_then(|_| {
                        Some(Home::Braces(node, items, Some(span_of(&item.keys, path.len())?)))
                    }),
                }
            }),
            _ => None,
        }
    }

    /// Returns the edits that add an item between commas.
    fn item(&self, node: &Node, items: &[Item], index: usize, new: &str) -> Vec<Edit> {
        let insert = |at: usize, text: String| (at..at, text);
        let start = |index: usize| match index.checked_sub(1) {
            Some(before) => items[before].end(),
            None => node.span.start + 1,
        };
        let Some(next) = items.get(index) else {
            let Some(last) = items.last() else { return vec![self.first_item(node, new)] };
            let gap = &self.text[start(items.len() - 1)..last.start()];
            let comma = if last.comma.is_some() { "," } else { "" };
            let mut edits = Vec::new();
            if last.comma.is_none() {
                edits.push(insert(last.value.span.end, ",".to_owned()));
            }
            edits.push(match gap.rsplit_once('\n') {
                Some((_, indent)) => {
                    insert(self.past_comment(last.end()), format!("\n{indent}{new}{comma}"))
                }
                None => {
                    let gap = if items.len() > 1 { gap } else { " " };
                    insert(last.end(), format!("{gap}{new}{comma}"))
                }
            });
            return edits;
        };
        let gap = &self.text[start(index)..next.start()];
        vec![match gap.rsplit_once('\n') {
            Some((_, indent)) => {
                insert(self.past_comment(start(index)), format!("\n{indent}{new},"))
            }
            None => insert(next.start(), format!("{new}, ")),
        }]
    }

    fn first_item(&self, node: &Node, new: &str) -> Edit {
        let inside = node.span.start + 1..node.span.end - 1;
        let space = if matches!(node.content, Content::Table(_)) { " " } else { "" };
        match self.text[inside.clone()].trim_end() {
            "" => (inside, format!("{space}{new}{space}")),
            comments => {
                let end = inside.start + comments.len();
                (end..end, format!("\n  {new}"))
            }
        }
    }

    fn line_below(&self, statement: &Statement, line: &str) -> Vec<Edit> {
        let start = self.line_start(statement.span.start);
        let indent = &self.text[start..statement.span.start];
        let end = self.line_end(statement.span.end);
        vec![(end..end, format!("\n{indent}{line}"))]
    }

    /// Returns the edits that remove everything about `path`. If that would end the table `keep`,
    /// it stays as an empty one.
    fn removal(&self, path: &[Step], mut keep: Option<&[Step]>) -> Vec<Edit> {
        let mut edits = Vec::new();
        let mut statements = self.layout.statements.iter().peekable();
        while let Some(statement) = statements.next() {
            let header = match &statement.kind {
                Kind::Entry(node) => {
                    if rest(path, &statement.path).is_some() {
                        let header = statement.path.len() - statement.keys.len();
                        edits.push(match keep.take() {
                            Some(table) => self.empty(
                                &statement.keys,
                                table.len() - header,
                                statement.span.clone(),
                            ),
                            None => (self.line(&statement.span), String::new()),
                        });
                    } else if let Some(rest) = rest(&statement.path, path) {
                        let keep = keep.take().map(|_| ());
                        edits.extend(self.removal_in(node, rest, keep));
                    }
                    continue;
                }
                _ => statement,
            };
            if rest(path, &header.path).is_none() {
                continue;
            }
            let is_entry = |next: &&Statement| matches!(next.kind, Kind::Entry(_));
            let last = iter::from_fn(|| statements.next_if(is_entry)).last().unwrap_or(header);
            match keep.take().and_then(|table| span_of(&header.keys, key_count(table))) {
                Some(keys) => {
                    edits.push((header.span.clone(), format!("[{}]", &self.text[keys])));
                    let below = self.line_end(header.span.end)..self.line_end(last.span.end);
                    edits.push((below, String::new()));
                }
                None => {
                    let section = self.section(self.comment_start(header), last.span.end);
                    edits.push((section, String::new()));
                }
            }
        }
        edits
    }

    /// Returns the edit that removes one member between braces. With `keep`, its table stays as an
    /// empty one.
    fn removal_in(&self, node: &Node, path: &[Step], keep: Option<()>) -> Option<Edit> {
        let (items, path) = match (&node.content, path) {
            (Content::Array(items), [Step::Index(index)]) => {
                return self.without_item(node, items, *index);
            }
            (Content::Array(items), [Step::Index(index), others @ ..]) => {
                return self.removal_in(&items.get(*index)?.value, others, keep);
            }
            (Content::Table(items), path) => (items, path),
            _ => return None,
        };
        items.iter().enumerate().find_map(|(index, item)| {
            let keys = steps(&item.keys);
            match (rest(path, &keys), rest(&keys, path)) {
                (Some(_), _) if keep.is_some() => {
                    Some(self.empty(&item.keys, path.len() - 1, item.start()..item.value.span.end))
                }
                (Some(_), _) => self.without_item(node, items, index),
                (None, Some(others)) => self.removal_in(&item.value, others, keep),
                (None, None) => None,
            }
        })
    }

    fn empty(&self, keys: &[Key], len: usize, span: Range<usize>) -> Edit {
        let keys = span_of(keys, len).map_or("", |keys| &self.text[keys]);
        (span, format!("{keys} = {{}}"))
    }

    /// Returns the edit that removes an item with its line if it has one for itself, or else with a
    /// comma.
    fn without_item(&self, node: &Node, items: &[Item], index: usize) -> Option<Edit> {
        let item = items.get(index)?;
        let before = index.checked_sub(1).map(|before| &items[before]);
        let start = before.map_or(node.span.start + 1, Item::end);
        let next = items.get(index + 1).map_or(node.span.end - 1, Item::start);
        let begins_line = self.text[start..item.start()].contains('\n');
        let ends_line = self.text[item.end()..next].contains('\n');
        let span = match before {
            _ if begins_line && ends_line => {
                let end = self.past_comment(item.end());
                self.line_start(item.start())..self.past_newline(self.line_end(end))
            }
            _ if index + 1 < items.len() && !ends_line => item.start()..next,
            Some(_) if begins_line => item.start()..item.end(),
            Some(before) if item.comma.is_none() => before.value.span.end..item.end(),
            Some(before) => before.end()..item.end(),
            None if ends_line => item.start()..item.end(),
            None => start..next,
        };
        Some((span, String::new()))
    }

    /// Returns a line with its end.
    fn line(&self, span: &Range<usize>) -> Range<usize> {
        let start = self.line_start(span.start);
        let end = self.line_end(span.end);
        match self.past_newline(end) {
            past if past > end => start..past,
            // This is the last line, without an end. Afterwards, the line above has no end either.
            _ => self.text[..start].trim_end_matches(['\r', '\n']).len().max(self.start())..end,
        }
    }

    /// Returns lines with a header, and the empty lines that would be too many without them.
    fn section(&self, start: usize, end: usize) -> Range<usize> {
        let end = self.past_newline(self.line_end(end));
        let above = self.text[self.start()..start].trim_end_matches([' ', '\t', '\r', '\n']);
        let blank =
            self.text[end..].len() - self.text[end..].trim_start_matches(['\r', '\n']).len();
        if end + blank == self.text.len() && !above.is_empty() {
            let above = self.start() + above.len();
            return match self.text.ends_with('\n') {
                true => self.past_newline(above)..self.text.len(),
                false => above..self.text.len(),
            };
        }
        let is_apart = above.is_empty()
            || self.text[..start].ends_with("\n\n")
            || self.text[..start].ends_with("\n\r\n");
        start..if is_apart { end + blank } else { end }
    }

    /// Returns the start of the comments directly above a header. Comments at the top of the file
    /// are about the file.
    fn comment_start(&self, header: &Statement) -> usize {
        let mut start = self.line_start(header.span.start);
        loop {
            let above = &self.text[self.start()..start];
            let Some(above) = above.strip_suffix('\n') else { break };
            let line = above.rfind('\n').map_or(0, |newline| newline + 1);
            if !above[line..].trim_start().starts_with('#') {
                break;
            }
            if line == 0 {
                return self.line_start(header.span.start);
            }
            start = self.start() + line;
        }
        start
    }

    /// Returns the position behind the byte order mark, if there is one.
    fn start(&self) -> usize {
        if self.text.starts_with(BYTE_ORDER_MARK) { BYTE_ORDER_MARK.len_utf8() } else { 0 }
    }

    fn line_start(&self, at: usize) -> usize {
        self.text[..at].rfind('\n').map_or(self.start(), |newline| newline + 1)
    }

    /// Returns the end of the line that a value ends on.
    fn line_end(&self, at: usize) -> usize {
        let rest = &self.text[at..];
        let line = rest.find('\n').map_or(rest, |newline| &rest[..newline]);
        at + line.strip_suffix('\r').unwrap_or(line).len()
    }

    fn past_newline(&self, at: usize) -> usize {
        let rest = &self.text[at..];
        at + ["\r\n", "\n"].iter().find(|end| rest.starts_with(**end)).map_or(0, |end| end.len())
    }

    /// Returns the position behind the comment that follows on the same line, if there is one.
    fn past_comment(&self, at: usize) -> usize {
        match self.text[at..].trim_start_matches([' ', '\t']).starts_with('#') {
            true => self.line_end(at),
            false => at,
        }
    }

    /// Applies several edits at once. Their spans refer to the text before all of them.
    pub(super) fn apply(&mut self, mut edits: Vec<Edit>) {
        let ending = if self.text.contains("\r\n") { "\r\n" } else { "\n" };
        edits.sort_by_key(|(span, _)| span.start);
        // Two sections can both remove the empty lines between them.
        edits.dedup_by(|(next, text), (span, before)| {
            let overlap = next.start < span.end && text.is_empty() && before.is_empty();
            if overlap {
                span.end = span.end.max(next.end);
            }
            overlap
        });
        for (span, text) in edits.into_iter().rev() {
            let text = text.replace("\r\n", "\n").replace('\n', ending);
            self.text.replace_range(span, &text);
        }
        self.layout = Layout::of(&self.text);
    }
}

fn is_key(step: &Step) -> bool {
    matches!(step, Step::Key(_))
}

fn key_count(path: &[Step]) -> usize {
    path.iter().filter(|step| is_key(step)).count()
}

/// Returns the span of the first keys as they are written, with the dots between them.
fn span_of(keys: &[Key], len: usize) -> Option<Range<usize>> {
    Some(keys.first()?.span.start..keys.get(len.checked_sub(1)?)?.span.end)
}
