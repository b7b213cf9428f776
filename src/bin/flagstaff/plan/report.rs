//! What a change does, as a table.

use std::fmt::Write;

use flagstaff::answer::FlagState;
use serde_json::json;

use super::{
    change::{Change, Changing, Tally},
    count::Counts,
};
use crate::{
    failure::Failure,
    output::{Listing, Output, Row},
    text,
};

/// What was compared, and what came of it.
#[derive(Debug)]
pub(crate) struct Report<'a> {
    pub(crate) change: &'a Change,
    pub(crate) counts: &'a Counts,
    /// What is compared.
    pub(crate) title: String,
    /// Whom it was tried on.
    pub(crate) users: String,
}

impl Report<'_> {
    /// Prints it as a listing: the flags that change most first.
    pub(crate) fn print(&self, output: &Output) -> Result<(), Failure> {
        let flags = self.flags();
        if !output.is_json() {
            output.note(self.summary(&flags));
        }
        let rows = flags.into_iter().map(|(flag, tally)| self.row(flag, tally)).collect();
        output.listing(Listing {
            name: "flags",
            columns: &[
                "FLAG",
                "BEFORE",
                "AFTER",
                "CHANGED",
                "SHARE",
                "NEWLY ON",
                "NEWLY OFF",
                "OTHER VALUE",
                "RE-DRAWN",
            ],
            rows,
            empty: "(nothing changes)",
        })
    }

    /// The same for the summary of a GitHub workflow, or for a comment on a pull request.
    pub(crate) fn markdown(&self) -> String {
        let flags = self.flags();
        let mut text = format!("### {}\n\n{}.\n", escaped(&self.title), self.summary(&flags));
        if flags.is_empty() {
            return text;
        }
        text += "\n| flag | before | after | changed | share | newly on | newly off | other value | re-drawn |\n";
        text += "|---|---|---|--:|--:|--:|--:|--:|--:|\n";
        for (flag, tally) in flags {
            let Tally { newly_on, newly_off, other_value, redrawn, .. } = tally;
            // Writing to a text cannot fail.
            let _ = writeln!(
                text,
                "| `{}` | {} | {} | {} | {} | {newly_on} | {newly_off} | {other_value} | {redrawn} |",
                escaped(&flag.key),
                flag.before,
                flag.after,
                tally.changed(),
                percent(tally.changed(), self.counts.users),
            );
        }
        text
    }

    /// The flags that were edited or are another one for somebody.
    fn flags(&self) -> Vec<(&Changing, &Tally)> {
        let all = self.change.flags.iter().zip(&self.counts.tallies);
        let mut flags: Vec<_> =
            all.filter(|(flag, tally)| flag.is_edited || tally.changed() > 0).collect();
        flags.sort_by_key(|(_, tally)| u64::MAX - tally.changed());
        flags
    }

    fn summary(&self, flags: &[(&Changing, &Tally)]) -> String {
        let changing = flags.iter().filter(|(_, tally)| tally.changed() > 0).count();
        let verb = if changing == 1 { "changes" } else { "change" };
        let mut summary = format!("{} {verb} for somebody", text::count(changing, "flag"));
        if flags.len() > changing {
            let _ = write!(summary, ", {} for nobody", flags.len() - changing);
        }
        let _ = write!(summary, ", tried on {}", self.users);
        if flags.iter().any(|(_, tally)| tally.redrawn > 0) {
            summary += "; some are re-drawn, although nothing about them changes";
        }
        summary
    }

    fn row(&self, flag: &Changing, tally: &Tally) -> Row {
        let Tally { on_before, on_after, newly_on, newly_off, other_value, redrawn } = *tally;
        let (changed, users) = (tally.changed(), self.counts.users);
        let state = |state: FlagState| (state != FlagState::Unknown).then(|| state.to_string());
        let counts = [newly_on, newly_off, other_value, redrawn].map(|number| number.to_string());
        let mut cells = vec![
            flag.key.to_string(),
            flag.before.to_string(),
            flag.after.to_string(),
            changed.to_string(),
            percent(changed, users),
        ];
        cells.extend(counts);
        Row {
            cells,
            json: json!({
                "flag": &*flag.key,
                "before": state(flag.before),
                "after": state(flag.after),
                "users": users,
                "onBefore": on_before,
                "onAfter": on_after,
                "changed": changed,
                "share": if users == 0 { 0.0 } else { changed as f64 / users as f64 },
                "newlyOn": newly_on,
                "newlyOff": newly_off,
                "otherValue": other_value,
                "redrawn": redrawn,
            }),
        }
    }
}

/// `12.34%`, and never nothing or everybody for what is not quite.
fn percent(part: u64, whole: u64) -> String {
    if part == 0 || whole == 0 {
        return "0%".to_owned();
    }
    if part == whole {
        return "100%".to_owned();
    }
    let percent = 100.0 * part as f64 / whole as f64;
    format!("{:.2}%", percent.clamp(0.01, 99.99))
}

/// A text that ends no cell and is no Markdown.
fn escaped(text: &str) -> String {
    text::clean(text).replace('|', "\\|").replace('`', "'")
}
