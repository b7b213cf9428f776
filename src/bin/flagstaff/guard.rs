//! Permission to change a place: a protected one asks for a typed name and a reason.

use std::{
    io::{self, BufRead, IsTerminal, Write},
    path::Path,
};

use clap::Args;

use crate::{
    failure::Failure,
    place::{Care, Place, Sharer},
    session::Session,
    style::{HEADER, painted},
    text::{clean, count},
};

/// The permission to change something in a place. Every write takes one, and only [`ask`] returns one.
#[derive(Debug)]
pub(crate) struct Leave {
    /// The reason of the change.
    pub(crate) reason: Option<String>,
    /// True if a person has confirmed the shown change.
    pub(crate) was_asked: bool,
}

/// The options of commands that change a file, for places that ask.
#[derive(Debug, Clone, Args)]
pub(crate) struct GuardArgs {
    /// Reason, for a place that requires one; only printed
    #[arg(long, short = 'm', value_name = "TEXT")]
    pub(crate) reason: Option<String>,
    /// Do not ask for confirmation in a protected place
    #[arg(long, short)]
    pub(crate) yes: bool,
}

/// A change that is about to be made.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Wish<'a> {
    /// The word that a person types: the name of the flag.
    pub(crate) word: &'a str,
    pub(crate) reason: Option<&'a str>,
    /// True if no question is asked.
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
        self.guard(chosen).care != Care::None
    }

    /// Returns the care that a change needs. A store or a file is as protected as the strictest place that has it,
    /// however the store or the file is named.
    fn guard(self, chosen: &Place) -> Guard {
        let by_file = |path| (chosen.guards_of_file(path), Part::File);
        let by_store = || (chosen.guards_of_store(), Part::Store);
        let others = match self {
            // No place can be stricter.
            _ if chosen.care() == Care::Protected => Vec::new(),
            Self::Store => vec![by_store()],
            Self::File(path) => vec![by_file(path)],
            Self::Both(path) => vec![by_file(path), by_store()],
        };
        let others = others.into_iter().flat_map(|(others, part)| {
            others.into_iter().map(move |Sharer { place, doubt }| {
                let care = place.care();
                Guard { care, place, shared: Some(part), doubt }
            })
        });
        let own = Guard { care: chosen.care(), place: chosen.clone(), shared: None, doubt: None };
        // Of several equally strict places, the first one that certainly has the store or the file.
        let strictness = |guard: &Guard| (guard.care, guard.doubt.is_none());
        others.fold(own, |strictest, other| match strictness(&other) > strictness(&strictest) {
            true => other,
            false => strictest,
        })
    }
}

/// The care that a change needs.
struct Guard {
    care: Care,
    /// The place that asks for it.
    place: Place,
    /// The part that the place has in common with the chosen place, if they differ.
    shared: Option<Part>,
    /// The reason why it is uncertain that the place has this part.
    doubt: Option<String>,
}

/// A part that two places have in common.
#[derive(Debug, Clone, Copy)]
enum Part {
    Store,
    File,
}

impl Guard {
    /// Returns true if a person has to type a word.
    fn is_protected(&self) -> bool {
        self.care >= Care::InDoubt
    }

    /// Returns the clause that names the common part.
    fn why(&self) -> &'static str {
        match self.shared {
            Some(Part::Store) => ", and this is its store",
            Some(Part::File) => ", and this is a file of it",
            None => "",
        }
    }

    /// Returns the sentence about the care that a change needs.
    fn sentence(&self) -> String {
        let (place, why) = (named(&self.place), self.why());
        if let Some(doubt) = &self.doubt {
            let any = match self.shared {
                Some(Part::File) => "any file may be one of it",
                _ => "any store may be its store",
            };
            return format!("{place} cannot be read ({}): {any}", clean(doubt));
        }
        match self.care {
            Care::InDoubt if self.place.name().is_none() => {
                "flagstaff.toml cannot be used, so this may be a protected place".to_owned()
            }
            Care::InDoubt => format!("{place} has mistakes and may be protected{why}"),
            Care::Protected => format!("{place} is protected{why}"),
            Care::Reason | Care::None => format!("{place} needs a reason for each change{why}"),
        }
    }
}

/// Refuses a change without a reason in a place that needs one, unless a person can be asked for it.
pub(crate) fn refuse_without_reason(
    place: &Place,
    target: Target<'_>,
    wish: Wish<'_>,
) -> Result<(), Failure> {
    refuse_without(&target.guard(place), wish)
}

fn refuse_without(guard: &Guard, wish: Wish<'_>) -> Result<(), Failure> {
    let has_reason = wish.reason.is_some_and(|reason| !reason.trim().is_empty());
    let is_asked = guard.is_protected() && !wish.yes && has_terminal();
    if guard.care == Care::None || has_reason || is_asked {
        return Ok(());
    }
    let sentence = match guard.care {
        _ if guard.doubt.is_some() => {
            format!("{}, so each change needs a reason", guard.sentence())
        }
        Care::InDoubt => format!("{}: each change needs a reason", guard.sentence()),
        _ => {
            let (place, why) = (named(&guard.place), guard.why());
            format!("{place} needs a reason for each change{why}")
        }
    };
    Err(Failure::refused(sentence).hint("give one with `--reason`"))
}

/// Asks for permission to change a place. A person at a terminal answers the questions of the change.
///
/// A protected place needs the word of the change, typed, and a reason. Without a terminal, it takes `--yes` and a
/// reason. A change of what another protected place names is a change of that place, too.
pub(crate) fn ask(
    place: &Place,
    target: Target<'_>,
    wish: Wish<'_>,
    questions: &[String],
) -> Result<Leave, Failure> {
    let guard = target.guard(place);
    refuse_without(&guard, wish)?;
    let reason = wish.reason.map(str::to_owned);
    let is_terminal = has_terminal();
    if wish.yes || (!guard.is_protected() && !is_terminal) {
        return Ok(Leave { reason, was_asked: false });
    }
    if !guard.is_protected() {
        questions.iter().try_for_each(|question| confirm(question))?;
        return Ok(Leave { reason, was_asked: !questions.is_empty() });
    }
    if !is_terminal {
        return Err(Failure::refused(guard.sentence())
            .hint("without a terminal, changing it takes `--yes` and `--reason`"));
    }
    for question in questions {
        anstream::eprintln!("{}", painted(HEADER, question));
    }
    let word = clean(wish.word);
    let typed = prompt(&format!("{}: type `{word}` to go on:", guard.sentence()))?;
    if typed != wish.word {
        return Err(Failure::refused(format!("nothing was changed: that is not `{word}`")));
    }
    let reason = match reason {
        Some(reason) => reason,
        None => prompt("reason:")?,
    };
    match reason.trim() {
        "" => Err(Failure::refused("nothing was changed: a reason is missing")),
        _ => Ok(Leave { reason: Some(reason), was_asked: true }),
    }
}

impl GuardArgs {
    pub(crate) fn wish<'a>(&'a self, word: &'a str) -> Wish<'a> {
        Wish { word, reason: self.reason.as_deref(), yes: self.yes }
    }

    /// Asks for permission to change a file, if the file belongs to the place, or to another place that asks. If
    /// flagstaff.toml cannot be used, the file may belong to such a place.
    pub(crate) fn ask_for(&self, session: &Session, path: &Path) -> Result<(), Failure> {
        let place = &session.place;
        let may_have_it = place.care() == Care::InDoubt || !place.guards_of_file(path).is_empty();
        if place.has_file(path) || may_have_it {
            ask(place, Target::File(path), self.wish(&path.to_string_lossy()), &[])?;
        }
        Ok(())
    }
}

/// Returns the word that a person types for these flags: the name of one, or how many there are.
pub(crate) fn word(flags: &[impl AsRef<str>]) -> String {
    match flags {
        [flag] => flag.as_ref().to_owned(),
        flags => count(flags.len(), "flag"),
    }
}

/// Returns the name of the place for a sentence.
fn named(place: &Place) -> String {
    match place.name() {
        Some(name) => format!("place `{}`", clean(name)),
        None => "the place of flagstaff.toml".to_owned(),
    }
}

fn has_terminal() -> bool {
    io::stdin().is_terminal() && io::stderr().is_terminal()
}

/// Asks the person at the terminal a question, which is answered with yes or no.
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
