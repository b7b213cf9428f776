//! The command `flagstaff`: see, change and check feature flags.
//!
//! It is built on the public API of the library alone.
//!
//! # How to add a command
//!
//! 1. Write `commands/NAME.rs` with a struct that derives [`clap::Args`]. Its doc comment is the help:
//!    the first line for the list of commands, `after_help` for examples. It has one method,
//!    `pub(crate) async fn run(self, session: &Session) -> Result<ExitCode, Failure>`.
//! 2. Add `mod NAME;` and one row in `commands.rs`, in the alphabetical order of its group. The parser,
//!    the help, completions and man pages are made from that row.
//! 3. Add a row to the table in `tests/cli/codes.rs` for each exit code that it can end with, and a
//!    transcript in `tests/cli/transcripts/`.
//!
//! What a command has at hand:
//!
//! - [`Session::place`] has the locations of flags. [`Place::flags`](place::Place::flags) has all sources
//!   merged, [`Place::file`](place::Place::file) the flags.toml, [`Place::redis`](place::Place::redis)
//!   the store.
//! - [`Session::output`] prints. Data goes through it to stdout, in the form that was asked for:
//!   [`Output::listing`](output::Output::listing) for several things of a kind,
//!   [`Output::thing`](output::Output::thing) for one. Everything else goes to stderr:
//!   [`Output::note`](output::Output::note), [`Output::warning`](output::Output::warning).
//! - [`Failure`](failure::Failure) is an error with its exit code. Errors of the library become one
//!   with `?`, causes included.
//! - [`ContextArgs`](context::ContextArgs) are the options for the evaluation context;
//!   `#[arg(add = completion::flags())]` makes shells complete the names of flags.

mod alert;
mod assignment;
mod change;
mod cli;
mod commands;
mod compared;
mod completion;
mod context;
mod difference;
mod distribution;
mod entry;
mod failure;
mod file;
mod glob;
mod guard;
mod host;
mod import;
mod name;
mod number;
mod output;
mod parts;
mod paste;
mod place;
mod places;
mod plan;
mod query;
mod reading;
mod references;
mod revision;
mod served;
mod session;
mod shell;
mod shown;
mod similar;
mod single;
mod stale;
mod style;
mod table;
mod text;
mod time;
mod unreadable;
mod variable;
mod words;
mod written;

use std::{env, process};

use clap::{CommandFactory, Parser};
use flagstaff::{cli::ExitCode, text::Untrusted};

use crate::{cli::Cli, failure::Failure, output::Output, place::Place, session::Session};

fn main() -> process::ExitCode {
    // Ends the process if a shell asks for completions.
    clap_complete::CompleteEnv::with_factory(Cli::command).shells(shell::SHELLS).complete();

    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return misused(error).into(),
    };
    let output = match variable::check().and_then(|()| Output::new(&cli.output)) {
        Ok(output) => output,
        Err(failure) => return Output::after(&cli.output).failure(&failure).into(),
    };
    let code = match run(cli.command, cli.place, &output) {
        Ok(code) => code,
        Err(failure) => output.failure(&failure),
    };
    code.into()
}

/// Runs the command on one thread, which is enough: a command waits for one thing at a time.
fn run(command: commands::Command, place: Place, output: &Output) -> Result<ExitCode, Failure> {
    let place = if command.settles_its_place(&place) { place } else { place.settled(output)? };
    paste::name(place.options(), place.files_of_options());
    if command.is_about_the_file_of(&place) {
        place.refuse_unknown_environment()?;
    }
    let session = &Session { place, output: output.clone() };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let code = runtime.block_on(command.run(session));
    // Tasks that still follow a source end with the process.
    runtime.shutdown_background();
    code
}

/// Prints the help, the version, or the mistake in the arguments.
fn misused(mut error: clap::Error) -> ExitCode {
    // The choice of colours is unknown if the arguments cannot be parsed.
    output::asked_for_color(env::args_os()).apply();
    words::suggest(&mut error, &Cli::command());
    if error.use_stderr() && output::asked_for_json(env::args_os()) {
        let text = error.render().to_string();
        return Output::json()
            .failure(&Failure::usage(text.trim_start_matches("error: ").trim_end()));
    }
    if !error.use_stderr() {
        // A closed pipe is not an error.
        let _ = error.print();
        return ExitCode::Done;
    }
    anstream::eprint!("{}", Untrusted::new(&error.render().ansi().to_string()).report());
    ExitCode::Usage
}
