//! Leave to change a place: a protected one asks for a typed name and a reason.

use std::{
    io::{self, BufRead, IsTerminal, Write},
    path::Path,
};

use clap::Args;

use crate::{
    failure::Failure,
    place::Place,
    session::Session,
    style::{HEADER, painted},
    text::{clean, count},
};

/// The leave to change something in a place. Whatever writes takes one, and [`ask`] alone gives it.
#[derive(Debug)]
pub(crate) struct Leave {
    /// The reason of the change.
    pub(crate) reason: Option<String>,
    /// True if a person was asked, who answers by what was shown.
    pub(crate) was_asked: bool,
}

/// The options of commands that change a file, for places that ask.
#[derive(Debug, Clone, Args)]
pub(crate) struct GuardArgs {
    /// Reason, for a place that needs one
    #[arg(long, short = 'm', value_name = "TEXT")]
    pub(crate) reason: Option<String>,
    /// Do not ask, in a protected place
    #[arg(long, short)]
    pub(crate) yes: bool,
}

/// A change that is about to be made.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Wish<'a> {
    /// The word that a person types: the name of the flag.
    pub(crate) word: &'a str,
    pub(crate) reason: Option<&'a str>,
    /// True if no person is to be asked.
    pub(crate) yes: bool,
}

/// The part of a place that a change writes.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Target<'a> {
    Store,
    File(&'a Path),
    /// The file, and then the store.
    Both(&'a Path),
}

impl Target<'_> {
    /// Returns true if a change needs a reason.
    pub(crate) fn requires_reason(self, chosen: &Place) -> bool {
        self.guard(chosen).0.requires_reason()
    }

    /// Returns the place whose guard a change needs, and what that place has in common with the chosen one if it is
    /// another. A store or a file is as protected as the strictest place that names it, however it is reached.
    fn guard(self, chosen: &Place) -> (Place, &'static str) {
        let by_file = |path| Some((chosen.protected_by_file(path)?, ", and this is a file of it"));
        let by_store = || Some((chosen.protected_by_store()?, ", and this is its store"));
        let other = match self {
            _ if chosen.is_protected() => None,
            Self::Store => by_store(),
            Self::File(path) => by_file(path),
            Self::Both(path) => by_file(path).or_else(by_store),
        };
        other.unwrap_or_else(|| (chosen.clone(), ""))
    }
}

/// Refuses a change without a reason in a place that needs one, unless a person can be asked for it.
pub(crate) fn refuse_without_reason(
    place: &Place,
    target: Target<'_>,
    wish: Wish<'_>,
) -> Result<(), Failure> {
    let (place, why) = target.guard(place);
    let place = &place;
    let has_reason = wish.reason.is_some_and(|reason| !reason.trim().is_empty());
    let is_asked = place.is_protected() && !wish.yes && has_terminal();
    if !place.requires_reason() || has_reason || is_asked {
        return Ok(());
    }
    Err(Failure::refused(format!("{} needs a reason for each change{why}", named(place)))
        .hint("give one with `--reason`"))
}

/// Asks for the leave to change a place. A person at a terminal answers the questions of the change.
///
/// A protected place needs the word of the change, typed, and a reason. Without a terminal, it takes `--yes` and a
/// reason.
/// A change of what another protected place names is a change of that place, too.
pub(crate) fn ask(
    place: &Place,
    target: Target<'_>,
    wish: Wish<'_>,
    questions: &[String],
) -> Result<Leave, Failure> {
    refuse_without_reason(place, target, wish)?;
    let (place, why) = target.guard(place);
    let place = &place;
    let reason = wish.reason.map(str::to_owned);
    let is_terminal = has_terminal();
    if wish.yes || (!place.is_protected() && !is_terminal) {
        return Ok(Leave { reason, was_asked: false });
    }
    if !place.is_protected() {
        questions.iter().try_for_each(|question| confirm(question))?;
        return Ok(Leave { reason, was_asked: !questions.is_empty() });
    }
    if !is_terminal {
        return Err(Failure::refused(format!("{} is protected{why}", named(place)))
            .hint("without a terminal, it is changed with `--yes` and `--reason` alone"));
    }
    for question in questions {
        anstream::eprintln!("{}", painted(HEADER, question));
    }
    let (word, place) = (clean(wish.word), named(place));
    let typed = prompt(&format!("{place} is protected{why}: type `{word}` to go on:"))?;
    if typed != wish.word {
        return Err(Failure::refused(format!("nothing was changed: that is not `{word}`")));
    }
    let reason = match reason {
        Some(reason) => reason,
        None => prompt("reason:")?,
    };
    match reason.trim() {
        "" => Err(Failure::refused("nothing was changed: there is no reason")),
        _ => Ok(Leave { reason: Some(reason), was_asked: true }),
    }
}

impl GuardArgs {
    pub(crate) fn wish<'a>(&'a self, word: &'a str) -> Wish<'a> {
        Wish { word, reason: self.reason.as_deref(), yes: self.yes }
    }

    /// Asks for the leave to change a file, if it is one of the place or of another protected one.
    pub(crate) fn ask_for(&self, session: &Session, path: &Path) -> Result<(), Failure> {
        let place = &session.place;
        if place.has_file(path) || place.protected_by_file(path).is_some() {
            ask(place, Target::File(path), self.wish(&path.to_string_lossy()), &[])?;
        }
        Ok(())
    }
}

/// The word that a person types for these flags: the name of one, or how many there are.
pub(crate) fn word(flags: &[impl AsRef<str>]) -> String {
    match flags {
        [flag] => flag.as_ref().to_owned(),
        flags => count(flags.len(), "flag"),
    }
}

/// The place in a sentence.
fn named(place: &Place) -> String {
    match place.name() {
        Some(name) => format!("place `{}`", clean(name)),
        None => "the place of flagstaff.toml".to_owned(),
    }
}

fn has_terminal() -> bool {
    io::stdin().is_terminal() && io::stderr().is_terminal()
}

/// Asks the person at the terminal for a yes.
fn confirm(question: &str) -> Result<(), Failure> {
    match prompt(&format!("{question} [y/N]"))?.to_lowercase().as_str() {
        "y" | "yes" => Ok(()),
        _ => Err(Failure::refused("nothing was changed").hint("`--yes` does not ask")),
    }
}

/// Asks the person at the terminal for a line.
fn prompt(question: &str) -> Result<String, Failure> {
    anstream::eprint!("{} ", painted(HEADER, question));
    io::stderr().flush()?;
    let mut answer = String::new();
    io::stdin().lock().read_line(&mut answer)?;
    Ok(answer.trim().to_owned())
}
