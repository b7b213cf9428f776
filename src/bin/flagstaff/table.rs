//! Tables for people: columns without a grid, in which no word is ever broken.

use anstyle::Ansi256Color;
use comfy_table::{Attribute, Cell, Color, ColumnConstraint, Table, Width, presets};

use crate::{
    style::{self, HEADER, painted},
    text::clean,
};

/// Between two columns, half of it on each side.
const GAP: u16 = 2;

/// Returns the width of the terminal; some terminals report 0 for an unknown one.
pub(crate) fn room() -> Option<u16> {
    Table::new().width().filter(|&width| width > 0)
}

/// Returns the lines of a table with headings. Cells wrap between words where there is no room for all of it,
/// and no word is ever broken: names are copied from here. Where not even the longest words have room
/// beside each other, every row is a block of lines.
pub(crate) fn headed(columns: &[&str], rows: &[Vec<String>], room: Option<u16>) -> String {
    laid_out(Some(columns), rows, room)
        .unwrap_or_else(|| stacked(columns, rows, room.unwrap_or(u16::MAX)))
}

/// Columns without headings, with `indent` before each line.
pub(crate) fn aligned(rows: &[Vec<String>], indent: &str, room: Option<u16>) -> String {
    let room = room.map(|room| room.saturating_sub(indent.len() as u16));
    let lines =
        laid_out(None, rows, room).unwrap_or_else(|| stacked(&[], rows, room.unwrap_or(80)));
    lines.lines().map(|line| format!("{indent}{line}").trim_end().to_owned() + "\n").collect()
}

/// Returns the lines of the table; `None` if there is no room for the columns beside each other.
fn laid_out(columns: Option<&[&str]>, rows: &[Vec<String>], room: Option<u16>) -> Option<String> {
    let count = rows.iter().map(Vec::len).chain(columns.map(<[_]>::len)).max()?;
    let filled = |text: fn(&str) -> String| {
        let mut table = Table::new();
        // Without colours, so that an escape sequence is never cut off at the end of a line.
        table.load_style(presets::NOTHING).enforce_styling();
        table.style_text_only();
        if let Some(columns) = columns {
            let bold = |heading: &&str| Cell::new(text(heading)).add_attribute(Attribute::Bold);
            table.set_header(columns.iter().map(bold));
        }
        let cell = |(index, content): (usize, &String)| {
            let heading = columns.and_then(|columns| columns.get(index)).copied().unwrap_or("");
            let cell = Cell::new(text(content));
            match style::of_cell(heading, content).and_then(color) {
                Some(color) => cell.fg(color),
                None => cell,
            }
        };
        table.add_rows(rows.iter().map(|row| row.iter().enumerate().map(cell)));
        table
    };
    let mut table = filled(|text| clean(text).into_owned());
    if let Some(room) = room {
        let word_by_word = filled(|text| clean(text).replace(' ', "\n"));
        let least = word_by_word.column_max_content_widths();
        let room = room.saturating_sub(GAP * (count as u16 - 1));
        if total(&least) > usize::from(room) {
            return None;
        }
        let widths = widths(table.column_max_content_widths(), &least, room);
        table.set_constraints(
            widths.into_iter().map(|it| ColumnConstraint::Absolute(Width::Fixed(it + GAP))),
        );
    }
    let mut lines = String::new();
    for line in table.lines() {
        lines += line.strip_prefix(' ').unwrap_or(&line).trim_end();
        lines.push('\n');
    }
    Some(lines)
}

/// Returns the colour of a style, in the table's own type.
fn color(style: anstyle::Style) -> Option<Color> {
    Some(match style.get_fg_color()? {
        anstyle::Color::Ansi(color) => Color::AnsiValue(Ansi256Color::from(color).index()),
        anstyle::Color::Ansi256(color) => Color::AnsiValue(color.index()),
        anstyle::Color::Rgb(anstyle::RgbColor(r, g, b)) => Color::Rgb { r, g, b },
    })
}

fn total(widths: &[u16]) -> usize {
    widths.iter().copied().map(usize::from).sum()
}

/// Returns the widths of the columns: the widest column that can shrink does so, until all fit.
fn widths(mut widths: Vec<u16>, least: &[u16], room: u16) -> Vec<u16> {
    while total(&widths) > usize::from(room) {
        let can_give = widths.iter_mut().zip(least).filter(|(width, least)| **width > **least);
        let Some((widest, _)) = can_give.max_by_key(|(width, _)| **width) else { break };
        *widest -= 1;
    }
    widths
}

/// Returns each row as a block: the first cell, and below it the other cells with their headings.
fn stacked(columns: &[&str], rows: &[Vec<String>], room: u16) -> String {
    const INDENT: &str = "  ";
    let mut text = String::new();
    for row in rows {
        let mut cells = row.iter().enumerate().filter(|(_, cell)| !cell.is_empty());
        for line in cells.next().into_iter().flat_map(|(_, cell)| wrapped(cell, room)) {
            text += &format!("{line}\n");
        }
        for (index, cell) in cells {
            let heading = columns.get(index).copied().unwrap_or_default();
            let whole = match heading {
                "" => clean(cell).into_owned(),
                heading => format!("{heading} {}", clean(cell)),
            };
            for line in wrapped(&whole, room.saturating_sub(INDENT.len() as u16)) {
                let line = match (heading, line.strip_prefix(heading)) {
                    ("", _) | (_, None) => line,
                    (heading, Some(rest)) => painted(HEADER, heading) + rest,
                };
                text += &format!("{INDENT}{line}\n");
            }
        }
    }
    text
}

/// Lines of whole words.
fn wrapped(text: &str, room: u16) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in clean(text).split(' ').filter(|word| !word.is_empty()) {
        match lines.last_mut() {
            Some(line) if line.chars().count() + 1 + word.chars().count() <= usize::from(room) => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    const COLUMNS: &[&str] = &["FLAG", "STATE", "REASON"];

    fn rows() -> Vec<Vec<String>> {
        let rows = [
            [
                "new_checkout_of_the_shop",
                "10%, 2 allowed",
                "the new one is slow, and some pay twice",
            ],
            ["beta", "on", "größer"],
        ];
        rows.map(|row| row.map(str::to_owned).to_vec()).to_vec()
    }

    /// Returns a table without colours, as in a pipe.
    fn plain(room: Option<u16>) -> String {
        anstream::adapter::strip_str(&headed(COLUMNS, &rows(), room)).to_string()
    }

    #[test]
    fn columns_of_sentences_give_way_to_names() {
        let expected = "\
FLAG                      STATE           REASON
new_checkout_of_the_shop  10%, 2 allowed  the new one is
                                          slow, and some pay
                                          twice
beta                      on              größer
";
        assert_eq!(plain(Some(60)), expected);
    }

    #[test]
    fn rows_become_blocks_where_columns_have_no_room() {
        let expected = "\
new_checkout_of_the_shop
  STATE 10%, 2 allowed
  REASON the new one is slow,
  and some pay twice
beta
  STATE on
  REASON größer
";
        assert_eq!(plain(Some(30)), expected);
    }

    #[test]
    fn no_word_is_broken_at_any_width() {
        let all = plain(None);
        let words = |text: &str| -> Vec<String> {
            let words = text.split_whitespace().filter(|word| !COLUMNS.contains(word));
            let mut words: Vec<_> = words.map(str::to_owned).collect();
            words.sort();
            words
        };

        assert!(all.contains("new_checkout_of_the_shop  10%, 2 allowed  the new one is slow, and"));
        for width in 1..120 {
            let lines = plain(Some(width));
            assert_eq!(words(&lines), words(&all), "{width}");
            let widest = lines.lines().map(|line| line.chars().count()).max().unwrap_or(0);
            let least = "new_checkout_of_the_shop".chars().count();
            assert!(widest <= usize::from(width).max(least), "{width}:\n{lines}");
        }
    }

    #[test]
    fn only_states_and_headings_have_colours() {
        let lines = headed(COLUMNS, &rows(), None);

        assert!(lines.starts_with("\u{1b}[1mFLAG"), "{lines:?}");
        let (_, beta) = lines.split_once("beta").unwrap();
        assert!(beta.contains("\u{1b}[38;5;2mon\u{1b}["), "{beta:?}");
        assert!(beta.trim_end().ends_with("größer"), "{beta:?}");
    }
}
