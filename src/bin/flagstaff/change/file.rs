//! Changes of the flag file instead of the store.

use flagstaff::{
    cli::ExitCode,
    definition::edit::{Document, EditError, TextFile},
};

use super::{Change, ChangeArgs, Effect, OverrideArgs, Side, confirm, tell};
use crate::{failure::Failure, file, session::Session};

/// Changes flags in the file, all or none. Comments and layout stay.
pub(super) fn change(
    session: &Session,
    names: &[String],
    change: &Change,
    args: &ChangeArgs,
    of: &OverrideArgs,
) -> Result<ExitCode, Failure> {
    refuse_what_a_file_has_not(args, of)?;
    let Session { place, output } = session;
    let file = TextFile::read(place.needed_path()?)?;
    let mut document = file::document(session, &file)?;

    let mut effects = Vec::new();
    for name in names {
        let before = side(&document, name);
        match change {
            Change::Enable => refused(session, document.enable(name))?,
            Change::Disable => refused(session, document.disable(name))?,
            Change::Unset => refused(session, document.remove(name))?,
            Change::Set(assignments) => {
                let there = document.file().flags().get(&**name).map(|flag| &**flag);
                let patch = assignments.patch(name, there)?;
                refused(session, document.set(name, &patch))?;
            }
        }
        effects.push(Effect { flag: name.clone(), before, after: side(&document, name) });
    }
    output.aside(document.diff().to_string().trim_end());
    if args.dry_run {
        output.aside("nothing was changed: this is a dry run");
    } else {
        confirm(change.unsets_several(names), &effects, args)?;
        if document.is_changed() {
            file.replace(document.text())?;
        }
    }
    tell(output, effects.iter().map(|effect| (effect, None)), args.dry_run)?;
    Ok(ExitCode::Done)
}

fn side(document: &Document, name: &str) -> Side {
    document.file().flags().get(name).map(|flag| &**flag).into()
}

fn refused(session: &Session, changed: Result<(), EditError>) -> Result<(), Failure> {
    changed.map_err(|error| file::refused(session, error))
}

fn refuse_what_a_file_has_not(args: &ChangeArgs, of: &OverrideArgs) -> Result<(), Failure> {
    let given = [
        ("--for", of.lasting.is_some()),
        ("--if-rev", of.if_rev.is_some()),
        ("--wait", args.wait.is_some()),
        ("--reason", args.reason.is_some()),
        ("--by", args.by.is_some()),
    ];
    match given.into_iter().find(|(_, is_given)| *is_given) {
        Some((option, _)) => Err(Failure::usage(format!("a file takes no `{option}`"))
            .hint("who changed a file, when and why is in its version control")),
        None => Ok(()),
    }
}
