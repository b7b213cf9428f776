//! Compiler errors for types that do not fit: each names the remedy.
//!
//! This runs `rustc` on a few lines and looks for our words. `trybuild` compares all that the compiler
//! prints, which differs from one version to the next, and builds every dependency again.

use std::{fs, path::PathBuf, process::Command, time::SystemTime};

/// Returns the library that this test was linked with.
fn library() -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let written = |path: &PathBuf| fs::metadata(path).unwrap().modified().unwrap();
    let linked = written(&test);
    let libraries =
        fs::read_dir(test.parent().unwrap()).unwrap().map(|entry| entry.unwrap().path());
    let libraries = libraries.filter(|path| {
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        name.starts_with("libflagstaff-") && name.ends_with(".rlib")
    });
    // Other builds have other features, or are older than an edit.
    let before = libraries.filter(|path| written(path) <= linked);
    before.max_by_key(|path| -> SystemTime { written(path) }).expect("cargo keeps what it links")
}

/// Returns the compiler errors of a program that has `line` in a place where flags are in scope.
fn errors(line: &str) -> String {
    let directory = tempfile::tempdir().unwrap();
    let program = directory.path().join("program.rs");
    let text = format!(
        "#![allow(unused)]\n\
         use flagstaff::{{Context, FlagGate, FlagSwitch, Flags, TrustedHeaders, context::*, gate::*}};\n\
         fn program(flags: Flags) {{\n    {line}\n}}\n"
    );
    fs::write(&program, text).unwrap();
    let library = library();
    let mut rustc = Command::new(std::env::var_os("RUSTC").unwrap_or("rustc".into()));
    rustc.args(["--edition=2024", "--crate-type=lib", "--emit=metadata"]).arg(&program);
    rustc.arg("--extern").arg(format!("flagstaff={}", library.display()));
    rustc.arg("-L").arg(format!("dependency={}", library.parent().unwrap().display()));
    rustc.arg("--out-dir").arg(directory.path());

    let output = rustc.output().unwrap();

    let errors = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.success(), errors.is_empty(), "{errors}");
    errors
}

#[test]
fn types_that_fit_compile_in_their_natural_form() {
    for line in [
        "flags.gate(\"beta\").only(|head| head.uri.path() == \"/\");",
        "flags.request_layer(context_fn(|head| Context::user(head.uri.path())));",
        "flags.gate(\"beta\").context(context_fn(|_| Context::user(\"ana\")));",
        "FlagSwitch::new(Requirement::off(String::from(\"beta\")), ()).flags(&flags);",
        "flags.gate(flags.flag(\"beta\")).context(TrustedHeaders::default());",
    ] {
        assert_eq!(errors(line), "", "{line}");
    }
}

#[test]
fn a_type_that_does_not_name_a_flag_gets_an_error_with_the_right_types() {
    for line in [
        "flags.is_enabled(42, &Context::anonymous());",
        "flags.gate(42);",
        "FlagGate::new(42);",
        "FlagGate::all([42]);",
        "FlagSwitch::new(42, ());",
        "Requirement::off(42);",
    ] {
        let errors = errors(line);

        assert!(errors.contains("`{integer}` does not name a flag"), "{errors}");
        let remedy = "name the flag by a `&str`, a `String`, a `FlagName` constant or a `Flag`";
        assert!(errors.contains(remedy), "{errors}");
    }
}

#[test]
fn a_closure_that_is_not_an_extractor_gets_an_error_with_the_remedy() {
    for line in [
        "flags.request_layer(42);",
        "flags.request_layer(|_| Context::anonymous());",
        "flags.gate(\"beta\").context(|_: &RequestHead<'_>| Context::anonymous());",
        "flags.gate(\"beta\").context(42);",
        "FlagSwitch::new(\"beta\", ()).context(42);",
    ] {
        let errors = errors(line);

        assert!(errors.contains("` is not an extractor of evaluation contexts"), "{errors}");
        let remedy = "pass a closure as `context_fn(|head| Context::user(..))`";
        assert!(errors.contains(remedy), "{errors}");
    }
}

#[test]
fn a_type_that_builds_no_response_gets_an_error_with_the_remedy() {
    let errors = errors("FlagGate::new(\"beta\").response(42);");

    assert!(errors.contains("`{integer}` does not build the response"), "{errors}");
    assert!(
        errors.contains("call `.respond_with(|denied, request| Response::new(..))`"),
        "{errors}"
    );
}

#[test]
fn a_type_that_is_not_a_refusal_gets_an_error_with_the_remedy() {
    let errors = errors(
        "struct Never;
    impl TryContextExtractor for Never {
        type Refusal = String;
        fn try_context<'a>(&self, _: &RequestHead<'a>) -> Result<Context<'a>, String> { todo!() }
    }",
    );

    assert!(errors.contains("cannot answer a request that an extractor refuses"), "{errors}");
    assert!(
        errors.contains("refuses a request with an `http::StatusCode` or an `http::Response`"),
        "{errors}"
    );
}
