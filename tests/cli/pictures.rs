//! The pictures in the README: real output of the command, in its colours.
//!
//! `SNAPSHOTS=overwrite tests/run pictures` draws them again after a change.

use std::{fs, path::Path};

use snapbox::{Data, IntoData, data::DataFormat};

use crate::{command::flagstaff, support::root};

/// Compares the output of a command line with a picture in the documentation.
fn assert_picture(name: &str, directory: &Path, line: &str) {
    let arguments: Vec<_> = line.split(' ').skip(1).collect();
    let mut command = flagstaff(&arguments);
    let output = command.current_dir(directory).env("CLICOLOR_FORCE", "1").output().unwrap();
    let printed = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
    let root = root();
    let picture = root.join(format!("src/docs/pictures/{name}.svg"));

    let expected = Data::read_from(&picture, Some(DataFormat::TermSvg));
    let actual = format!("\u{1b}[1m$ {line}\u{1b}[0m\n{printed}").into_data().raw();

    snapbox::Assert::new()
        .action_env(snapbox::assert::DEFAULT_ACTION_ENV)
        .eq(actual.coerce_to(DataFormat::TermSvg), expected.raw());
}

#[test]
fn the_pictures_show_what_is_printed() {
    let directory = tempfile::tempdir().unwrap();
    let flags = include_str!("../../flags.toml").replace("beta = false", "beta = 25");
    fs::write(directory.path().join("flags.toml"), flags).unwrap();
    let root = root();

    assert_picture("explain", root, "flagstaff explain new_search --user ana --no-redis");
    assert_picture("diagnostic", directory.path(), "flagstaff lint");
}
