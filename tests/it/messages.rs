//! Errors as they are printed when `main` returns them.

use std::{error::Error, fs};

use flagstaff::{File, FlagGate, Flags, Percentage, TrustedHeaders, context::StickyCookie};

/// Returns the text after `Error: ` that is printed when `main` returns the error.
fn printed(error: impl Into<Box<dyn Error>>) -> String {
    format!("{:?}", error.into())
}

#[test]
fn a_main_that_returns_a_missing_file_prints_its_path_and_the_reason() {
    let error = File::open("no/such/flags.toml").unwrap_err();

    let printed = printed(error);

    let start = "cannot open the flag file `no/such/flags.toml`: ";
    assert!(printed.starts_with(start), "{printed}");
    assert!(printed.len() > start.len());
}

#[tokio::test]
async fn a_main_that_returns_a_mistake_in_the_file_shows_its_diagnostics() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("flags.toml");
    fs::write(&path, "beta = true\n").unwrap();

    let file = File::open(&path).unwrap();
    let error = Flags::builder().source(file).start().await.unwrap_err();

    let printed = printed(error);
    let start = format!(
        "source `file` cannot start:\n\nerror[missing-flags]: no `[flags]` table\n --> {}:1:1\n",
        path.display()
    );
    assert!(printed.starts_with(&start), "{printed}");
}

#[test]
fn a_main_that_returns_a_bad_setting_prints_the_mistake() {
    for (error, message) in [
        (
            printed(FlagGate::new("a").redirect("x").unwrap_err()),
            "`x` is neither an absolute path nor an http or https URL to redirect to",
        ),
        (
            printed(TrustedHeaders::default().user("user id").unwrap_err()),
            "`user id` cannot be the name of a header",
        ),
        (
            printed(StickyCookie::new(b"short").unwrap_err()),
            "the secret of a cookie is at least 32 bytes",
        ),
        (printed(Percentage::whole(101).unwrap_err()), "a percentage lies between 0 and 100"),
    ] {
        assert_eq!(error, message);
    }
}
