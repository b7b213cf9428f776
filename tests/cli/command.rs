//! Runs the command.

use std::{
    env,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
    sync::LazyLock,
};

use flagstaff::cli::ExitCode;

use crate::{server::Server, support::root};

/// Returns the path of the command. It belongs to another package, so Cargo does not build it for the tests.
pub(crate) fn program() -> &'static Path {
    static PROGRAM: LazyLock<PathBuf> = LazyLock::new(|| {
        let path = env::var_os("COMMAND_UNDER_TEST");
        path.expect(
            "`tests/run` builds the command and sets COMMAND_UNDER_TEST: run the tests with it",
        )
        .into()
    });
    &PROGRAM
}

/// Returns the directory with the files that tests read.
pub(crate) fn data() -> &'static Path {
    static DATA: LazyLock<PathBuf> = LazyLock::new(|| root().join("tests/cli/data"));
    &DATA
}

/// Returns `flagstaff` in the directory of data, without the environment variables that it reads.
pub(crate) fn flagstaff(arguments: &[&str]) -> Command {
    let mut command = Command::new(program());
    for name in [
        "CLICOLOR",
        "CLICOLOR_FORCE",
        "COMPLETE",
        "FLAGSTAFF_AT",
        "FLAGSTAFF_ENVIRONMENT",
        "FLAGSTAFF_ENV_PREFIX",
        "FLAGSTAFF_FILE",
        "FLAGSTAFF_OUTPUT",
        "NO_COLOR",
        "REDIS_SENTINELS",
        "REDIS_URL",
    ] {
        command.env_remove(name);
    }
    command.args(arguments).current_dir(data()).stdin(Stdio::null());
    command
}

/// Returns [`flagstaff`] with the store of a server.
pub(crate) fn on(server: &Server, arguments: &[&str]) -> Command {
    let mut command = flagstaff(arguments);
    command.env("REDIS_URL", server.url());
    command
}

/// The output and the exit code of a command.
#[derive(Debug, PartialEq)]
pub(crate) struct Ran {
    pub(crate) code: ExitCode,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

/// Runs a command that has to succeed, such as a step before what a test is about.
///
/// A step that fails unseen, at a busy server for example, shifts the revisions of the later ones.
pub(crate) fn done(command: &mut Command) -> Ran {
    let ran = ran(command);
    assert_eq!(ran.code, ExitCode::Done, "{command:?}: {}", ran.stderr);
    ran
}

#[must_use = "a command that fails unseen is no step of a test"]
pub(crate) fn ran(command: &mut Command) -> Ran {
    let Output { status, stdout, stderr } = command.output().unwrap();
    let code = status.code().and_then(ExitCode::from_number);
    let stderr = String::from_utf8(stderr).unwrap();
    Ran {
        code: code.unwrap_or_else(|| panic!("{command:?} ends with {status}: {stderr}")),
        stdout: String::from_utf8(stdout).unwrap(),
        stderr,
    }
}
