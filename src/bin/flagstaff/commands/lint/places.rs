use std::ops::Range;

/// The distance in bytes between marks, since a file may be one long line.
const STEP: usize = 1024;

/// Lines and columns of a file, both counted from 1, columns in characters.
pub(super) struct Places<'t> {
    text: &'t str,
    /// A mark at the start of each line, and more marks within long lines.
    marks: Vec<Mark>,
}

/// The line and column of a byte offset.
struct Mark {
    at: usize,
    line: usize,
    column: usize,
}

/// A range of characters. The end is the character behind the last one.
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
        let (mut last, mut line, mut column) = (first, 1, 1);
        let mut marks = vec![Mark { at: first, line, column }];
        for (at, c) in text[first..].char_indices() {
            let next = first + at + c.len_utf8();
            (line, column) = if c == '\n' { (line + 1, 1) } else { (line, column + 1) };
            if c == '\n' || next - last >= STEP {
                last = next;
                marks.push(Mark { at: next, line, column });
            }
        }
        Self { text, marks }
    }

    pub(super) fn region(&self, span: &Range<usize>) -> Region {
        let (line, column) = self.place(span.start);
        let (end_line, end_column) = self.place(span.end);
        Region { line, column, end_line, end_column }
    }

    fn place(&self, at: usize) -> (usize, usize) {
        let before = self.marks.partition_point(|mark| mark.at <= at).max(1);
        let Mark { at: start, line, column } = self.marks[before - 1];
        (line, column + self.text.get(start..at).unwrap_or_default().chars().count())
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

    #[test]
    fn columns_of_a_long_line_are_counted_from_its_start() {
        let text = format!("a\n{}\nb", "\u{e4}b".repeat(10_000));
        let places = Places::of(&text);

        for column in [1, 700, 701, 19_999] {
            let at = text.char_indices().nth(1 + column).unwrap().0;
            assert_eq!(places.place(at), (2, column));
        }
        assert_eq!(places.place(text.len()), (3, 2));
        // From the nearest mark before a place, only so many bytes have to be counted.
        assert!(places.marks.windows(2).all(|two| two[1].at - two[0].at <= STEP + 1));
    }
}
