use std::ops::Range;

/// Lines and columns of a text, both counted from 1, columns in characters.
pub(super) struct Places<'t> {
    text: &'t str,
    /// Where each line begins.
    starts: Vec<usize>,
}

/// From a character to the one behind the last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Region {
    pub(super) line: usize,
    pub(super) column: usize,
    pub(super) end_line: usize,
    pub(super) end_column: usize,
}

impl<'t> Places<'t> {
    pub(super) fn of(text: &'t str) -> Self {
        // A byte order mark takes no room in an editor.
        let first = text.len() - text.trim_start_matches('\u{feff}').len();
        let ends = text.match_indices('\n').map(|(end, _)| end + 1);
        Self { text, starts: [first].into_iter().chain(ends).collect() }
    }

    pub(super) fn region(&self, span: &Range<usize>) -> Region {
        let (line, column) = self.place(span.start);
        let (end_line, end_column) = self.place(span.end);
        Region { line, column, end_line, end_column }
    }

    fn place(&self, at: usize) -> (usize, usize) {
        let line = self.starts.partition_point(|&start| start <= at).max(1);
        let start = self.starts.get(line - 1).copied().unwrap_or_default();
        let before = self.text.get(start..at).unwrap_or_default();
        (line, 1 + before.chars().count())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_counted_in_characters() {
        let places = Places::of("\u{feff}ab\r\n\u{e4}b\n");

        let region = |span| {
            let Region { line, column, end_line, end_column } = places.region(&span);
            [line, column, end_line, end_column]
        };

        assert_eq!(region(3..4), [1, 1, 1, 2]);
        assert_eq!(region(7..10), [2, 1, 2, 3]);
        assert_eq!(region(4..9), [1, 2, 2, 2]);
        assert_eq!(region(0..11), [1, 1, 3, 1]);
    }
}
