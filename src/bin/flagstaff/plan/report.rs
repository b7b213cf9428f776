//! The effects of a change, as a table.

use std::fmt::Write;

use flagstaff::{answer::FlagState, text::Untrusted};
use serde_json::json;

use super::{
    change::{Change, Changing, Tally},
    count::Counts,
    fail_on::FailOn,
};
use crate::{
    failure::Failure,
    output::{Listing, Output, Row},
    text::{self, clean},
};

/// The comparison, and its result.
#[derive(Debug)]
pub(crate) struct Report<'a> {
    pub(crate) change: &'a Change,
    pub(crate) counts: &'a Counts,
    /// The two sides of the comparison, in Markdown.
    pub(crate) title: String,
    /// A description of the users that the change was tried on.
    pub(crate) users: String,
    pub(crate) are_made_up: bool,
}

impl Report<'_> {
    /// Prints the report as a listing, the flags with the most changes first.
    pub(crate) fn print(&self, output: &Output) -> Result<(), Failure> {
        let flags = self.flags();
        if !output.is_json() {
            output.note(self.summary(&flags));
            self.caveats(&flags, |name| format!("`{}`", clean(name)))
                .into_iter()
                .for_each(|caveat| output.warning(caveat));
        }
        let about = json!({
            "users": self.counts.users,
            "madeUp": self.are_made_up,
            "attributes": if self.are_made_up { self.change.made_up().asked_for() } else { Vec::new() },
        });
        let rows = flags.into_iter().map(|(flag, tally)| self.row(flag, tally)).collect();
        output.listing_about(
            about,
            Listing {
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
                    "RULES NOT TRIED",
                ],
                rows,
                empty: "(nothing changes)",
            },
        )
    }

    /// Returns the report for the summary of a GitHub workflow, or for a comment on a pull request.
    pub(crate) fn markdown(&self) -> String {
        let flags = self.flags();
        let mut text = format!("### {}\n\n{}.\n", self.title, self.summary(&flags));
        for caveat in self.caveats(&flags, |name| Untrusted::new(name).code()) {
            let (first, rest) = caveat.split_at(caveat.chars().next().map_or(0, char::len_utf8));
            let _ = writeln!(text, "\n> {}{rest}.", first.to_uppercase());
        }
        if flags.is_empty() {
            return text;
        }
        text += "\n| flag | before | after | changed | share | newly on | newly off | other value | re-drawn \
                 | rules not tried |\n";
        text += "|---|---|---|--:|--:|--:|--:|--:|--:|---|\n";
        for (flag, tally) in flags {
            let Tally { newly_on, newly_off, other_value, redrawn, .. } = tally;
            let untried = self.untried(flag).into_iter().map(|rule| Untrusted::new(rule).code());
            let untried: Vec<_> = untried.collect();
            // Writing to a string cannot fail.
            let _ = writeln!(
                text,
                "| {} | {} | {} | {} | {} | {newly_on} | {newly_off} | {other_value} | {redrawn} | {} |",
                Untrusted::new(&flag.key).code(),
                flag.before,
                flag.after,
                tally.changed(),
                self.share(flag, tally),
                untried.join(", "),
            );
        }
        text
    }

    /// Sentences on the limits of the counts.
    fn caveats(
        &self,
        flags: &[(&Changing, &Tally)],
        quote: impl Fn(&str) -> String,
    ) -> Vec<String> {
        let mut caveats = Vec::new();
        let unknown = flags.iter().filter(|(flag, _)| !self.is_known(flag)).count();
        if unknown > 0 {
            let asked: Vec<_> = self.change.made_up().asked_for();
            let named: Vec<_> = asked.iter().take(8).map(|name| quote(name)).collect();
            let named = match (asked.len(), named.join(", ")) {
                (0, _) => String::new(),
                (1..=8, names) => {
                    format!(", with values of {names} that the flags themselves name")
                }
                (all, names) => format!(
                    ", with values of {names} and {} more that the flags themselves name",
                    all - 8
                ),
            };
            caveats.push(format!(
                "the users are made up{named}, so the {} of {} {} unknown: `--contexts` tries it on real users",
                text::verb(unknown, "share", "shares"),
                text::count(unknown, "flag"),
                text::verb(unknown, "is", "are"),
            ));
        }
        let untried: usize = flags.iter().map(|(flag, _)| self.untried(flag).len()).sum();
        if untried > 0 {
            caveats.push(format!(
                "{} decided for none of these users, so {} unknown",
                text::count(untried, "rule"),
                text::verb(untried, "its effect is", "their effects are"),
            ));
        }
        caveats
    }

    /// Returns the rules of a flag that decided for no user. The flags of a change are in the order of their keys.
    fn untried<'f>(&self, flag: &'f Changing) -> Vec<&'f str> {
        let place = self.change.flags.binary_search_by(|other| other.key.cmp(&flag.key));
        let tried = place.ok().and_then(|place| self.counts.tried.get(place));
        tried.map(|tried| tried.untried(flag)).unwrap_or_default()
    }

    /// Returns true if the share holds for real users too. Made-up users meet rules more often than real
    /// ones.
    fn is_known(&self, flag: &Changing) -> bool {
        !(self.are_made_up && flag.asks_for_more)
    }

    fn share(&self, flag: &Changing, tally: &Tally) -> String {
        match self.is_known(flag) {
            true => percent(tally.changed(), self.counts.users),
            false => "?".to_owned(),
        }
    }

    /// Returns the flags beyond the bounds, each with the reason.
    pub(crate) fn beyond(&self, bounds: &[FailOn]) -> Vec<String> {
        let mut beyond = Vec::new();
        for (flag, tally) in self.flags() {
            for bound in bounds {
                let why = bound.beyond(tally, self.counts.users, self.is_known(flag));
                let key = clean(&flag.key);
                beyond.extend(why.map(|why| format!("`{key}` {} for {why}", bound.what())));
            }
        }
        beyond
    }

    /// Returns the flags that were edited, or whose answer differs for at least one user.
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
        let mut summary = format!("{} {verb} for some users", text::count(changing, "flag"));
        if flags.len() > changing {
            let _ = write!(summary, ", {} for no user", flags.len() - changing);
        }
        let _ = write!(summary, ", tried on {}", self.users);
        if flags.iter().any(|(_, tally)| tally.redrawn > 0) {
            summary += "; some are re-drawn, although their own attributes do not change";
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
            self.share(flag, tally),
        ];
        cells.extend(counts);
        let untried = self.untried(flag);
        cells.push(untried.join(","));
        let share = (users > 0 && self.is_known(flag)).then(|| changed as f64 / users as f64);
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
                "share": share,
                "newlyOn": newly_on,
                "newlyOff": newly_off,
                "otherValue": other_value,
                "redrawn": redrawn,
                "rulesNotTried": untried,
                "madeUp": self.are_made_up,
            }),
        }
    }
}

/// Returns a share such as `12.34%`; never 0 % or 100 % unless that is exact.
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
