//! Commands that write files.

use std::{
    fs,
    io::{self, Write},
    net::{TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    thread,
};

use flagstaff::{cli::ExitCode, definition::FlagsFile};
use tempfile::TempDir;

use crate::{
    command::{flagstaff, on, ran},
    server::Server,
    support::root,
};

const TEXT: &str = "\
# The flags of the shop.
[flags]
beta = false # since May
search = \"25%\"

[flags.checkout] # the big one
owner = \"payments\"
percentage = 10
";

/// A flags.toml in a directory of its own.
fn file(text: &str) -> (TempDir, PathBuf) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("flags.toml");
    fs::write(&path, text).unwrap();
    (directory, path)
}

/// Runs the command in the directory of the file.
fn beside(path: &Path, mut command: Command) -> Command {
    command.current_dir(path.parent().unwrap());
    command
}

fn overridden(server: &Server, flag: &str, value: &str) {
    server.cli(&["HSET", "feature_flags", flag, value]);
}

#[test]
fn a_new_file_is_good_and_listed() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("flags.toml");

    assert_eq!(ran(&mut beside(&path, flagstaff(&["init"]))).code, ExitCode::Done);

    let file = FlagsFile::parse("flags.toml", &fs::read_to_string(&path).unwrap());
    assert!(file.diagnostics().is_empty(), "{}", file.diagnostics());
    let format = ran(&mut beside(&path, flagstaff(&["fmt", "--check"])));
    assert_eq!((format.code, &*format.stdout), (ExitCode::Done, ""));
    assert_eq!(ran(&mut beside(&path, flagstaff(&["init"]))).code, ExitCode::Refused);
}

#[test]
fn what_is_generated_is_written_once_and_then_checked() {
    let (directory, path) = file(TEXT);
    let out = directory.path().join("flags.rs");
    let codegen = |more: &[&str]| {
        let arguments = [&["codegen", "rust", "--out", "flags.rs"], more].concat();
        ran(&mut beside(&path, flagstaff(&arguments))).code
    };

    assert_eq!(codegen(&["--check"]), ExitCode::No);
    assert!(!out.exists());
    assert_eq!(codegen(&[]), ExitCode::Done);
    assert_eq!(codegen(&["--check"]), ExitCode::Done);
    fs::write(&path, TEXT.replace("beta", "gamma")).unwrap();
    assert_eq!(codegen(&["--check"]), ExitCode::No);
    assert_eq!(codegen(&[]), ExitCode::Done);
    assert!(fs::read_to_string(out).unwrap().contains("GAMMA"));
}

#[test]
fn promoted_overrides_are_in_the_file_and_in_the_store_until_it_is_finished() {
    let server = Server::start();
    let (_directory, path) = file(TEXT);
    overridden(&server, "beta", "1");
    overridden(&server, "checkout", r#"{"percentage": 50, "override": {"by": "ana"}}"#);
    overridden(
        &server,
        "search",
        r#"{"enabled": false, "override": {"expires_at": "2999-01-01T00:00:00Z"}}"#,
    );
    overridden(&server, "new", "1");

    let dry = ran(&mut beside(&path, on(&server, &["promote", "-n"])));
    assert_eq!(dry.code, ExitCode::Done, "{}", dry.stderr);
    assert_eq!(fs::read_to_string(&path).unwrap(), TEXT);
    assert_eq!(server.cli(&["HLEN", "feature_flags"]), "4");
    let real = ran(&mut beside(&path, on(&server, &["promote"])));

    assert_eq!(real.code, ExitCode::Done, "{}", real.stderr);
    assert_eq!(real.stdout, dry.stdout);
    assert_eq!(
        real.stdout,
        "--- flags.toml
+++ flags.toml
@@ -1,8 +1,9 @@
 # The flags of the shop.
 [flags]
-beta = false # since May
+beta = true # since May
 search = \"25%\"
+new = true
 
 [flags.checkout] # the big one
 owner = \"payments\"
-percentage = 10
+percentage = 50
"
    );
    assert!(real.stderr.contains("`search`, whose override ends by itself"), "{}", real.stderr);
    assert!(
        real.stderr.contains("`flagstaff promote --finish beta checkout new`"),
        "{}",
        real.stderr
    );
    assert_eq!(server.cli(&["HLEN", "feature_flags"]), "4");
    let finish = ["promote", "--finish", "beta", "checkout", "new"];
    let finish = ran(&mut beside(&path, on(&server, &finish)));
    assert_eq!(finish.code, ExitCode::Done, "{}", finish.stderr);
    assert_eq!(server.cli(&["HKEYS", "feature_flags"]), "search");
    let log = ran(&mut beside(&path, on(&server, &["promote", "search"])));
    assert_eq!(log.code, ExitCode::Done, "{}", log.stderr);
    let warning = "`search` ends at 2999-01-01T00:00:00Z, and an entry in the file has no end\n";
    assert!(log.stderr.contains(warning), "{}", log.stderr);
    assert_eq!(server.cli(&["HKEYS", "feature_flags"]), "search");
    assert!(
        fs::read_to_string(&path)
            .unwrap()
            .contains("search = { percentage = \"25%\", enabled = false }")
    );
}

#[test]
fn an_override_that_is_in_the_file_already_is_reported() {
    let server = Server::start();
    let (_directory, path) = file(TEXT);
    overridden(&server, "beta", "0");

    for arguments in [&["promote", "beta", "--dry-run"][..], &["promote", "beta"]] {
        let ran = ran(&mut beside(&path, on(&server, arguments)));
        assert_eq!((ran.code, &*ran.stdout), (ExitCode::Done, ""));
        assert!(
            ran.stderr.contains("`flags.toml` has this already for `beta`\n"),
            "{}",
            ran.stderr
        );
    }

    assert_eq!(server.cli(&["HLEN", "feature_flags"]), "1");
    assert_eq!(fs::read_to_string(&path).unwrap(), TEXT);
}

/// The route would open again in an instance that does not have the new file yet.
#[test]
fn a_promotion_is_not_finished_while_an_instance_has_another_definition() {
    let server = Server::start();
    let (_directory, path) = file(TEXT);
    overridden(&server, "search", "0");
    let now = server.cli(&["TIME"]).lines().next().unwrap().to_owned();
    let old =
        format!(r#"{{"at":{now},"generation":1,"declared":{{"search":"0000000000000000"}}}}"#);
    server.cli(&["HSET", "{feature_flags}:instances", "web-1", &old]);
    let run = |arguments: &[&str]| ran(&mut beside(&path, on(&server, arguments)));
    assert_eq!(run(&["promote", "search"]).code, ExitCode::Done);

    let early = run(&["promote", "--finish", "search"]);

    assert_eq!(early.code, ExitCode::Refused, "{}", early.stderr);
    assert!(early.stderr.contains("another definition of `search`"), "{}", early.stderr);
    assert!(early.stderr.contains("web-1"), "{}", early.stderr);
    assert_eq!(server.cli(&["HGET", "feature_flags", "search"]), "0");
    assert_eq!(run(&["promote", "--finish", "search", "--now"]).code, ExitCode::Done);
    assert_eq!(server.cli(&["HLEN", "feature_flags"]), "0");
}

/// Without the override, the definition in the file would be in force again.
#[test]
fn an_override_that_was_never_promoted_is_not_finished() {
    let server = Server::start();
    let (_directory, path) = file("[flags]\nsearch = true\n");
    overridden(&server, "search", r#"{"percentage": 0}"#);
    let run = |arguments: &[&str]| ran(&mut beside(&path, on(&server, arguments)));

    let early = run(&["promote", "--finish", "search"]);

    assert_eq!(early.code, ExitCode::Refused, "{}", early.stderr);
    assert!(early.stderr.contains("does not have the override of `search`"), "{}", early.stderr);
    assert!(early.stderr.contains("flagstaff promote search"), "{}", early.stderr);
    assert_eq!(server.cli(&["HLEN", "feature_flags"]), "1");
    assert_eq!(run(&["promote", "search"]).code, ExitCode::Done);
    assert_eq!(run(&["promote", "--finish", "search"]).code, ExitCode::Done);
    assert_eq!(server.cli(&["HLEN", "feature_flags"]), "0");
}

#[test]
fn an_override_that_makes_no_flag_is_not_promoted() {
    let server = Server::start();
    let (_directory, path) = file("[flags]\na = true\n[flags.b]\nrequires = [\"a\"]\n");
    overridden(&server, "a", r#"{"requires": ["b"]}"#);

    let ran = ran(&mut beside(&path, on(&server, &["promote"])));

    assert_eq!(ran.code, ExitCode::Refused, "{}", ran.stderr);
    assert!(ran.stderr.contains("would be invalid"), "{}", ran.stderr);
    assert_eq!(server.cli(&["HLEN", "feature_flags"]), "1");
}

/// Copies bytes between two streams until one of them ends.
fn splice(client: TcpStream, server: TcpStream) {
    let copies = [(client.try_clone().unwrap(), server.try_clone().unwrap()), (server, client)];
    for (mut from, mut to) in copies {
        thread::spawn(move || {
            let _ = io::copy(&mut from, &mut to);
            let _ = to.shutdown(std::net::Shutdown::Both);
        });
    }
}

#[test]
fn a_file_that_changed_since_it_was_read_is_not_written() {
    let server = Server::start();
    let (_directory, path) = file(TEXT);
    overridden(&server, "beta", "1");
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("redis://{}", listener.local_addr().unwrap());
    let mut command = beside(&path, flagstaff(&["promote"]));
    command.env("REDIS_URL", url).stdout(Stdio::piped()).stderr(Stdio::piped());
    let child = command.spawn().unwrap();

    // The command connects to the store after it has read the file.
    let (first, _) = listener.accept().unwrap();
    let changed = TEXT.replace("payments", "checkout");
    fs::write(&path, &changed).unwrap();
    let port = server.port();
    let connect = move || TcpStream::connect(("127.0.0.1", port)).unwrap();
    splice(first, connect());
    thread::spawn(move || listener.incoming().flatten().for_each(|next| splice(next, connect())));
    let output = child.wait_with_output().unwrap();

    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(ExitCode::Changed.number().into()), "{stderr}");
    assert!(stderr.contains("was changed since it was read"), "{stderr}");
    assert_eq!(fs::read_to_string(&path).unwrap(), changed);
    assert_eq!(server.cli(&["HGET", "feature_flags", "beta"]), "1");
}

/// Returns the output of a program for an input; `None` if it fails.
fn through(command: &mut Command, text: &str) -> Option<String> {
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut child = command.spawn().unwrap();
    child.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    output.status.success().then(|| String::from_utf8(output.stdout).unwrap())
}

#[test]
fn files_are_formatted_as_taplo_formats_them() {
    let taplo = root().join("target/venv/bin/taplo");
    assert!(taplo.exists(), "{} is missing: run `tests/run --setup` once", taplo.display());
    let data = root().join("tests/data");
    let folders =
        ["edit", "ok"].into_iter().flat_map(|folder| fs::read_dir(data.join(folder)).unwrap());
    let paths = folders.map(|entry| entry.unwrap().path());
    let texts = paths.filter(|path| path.extension().is_some_and(|extension| extension == "toml"));
    let mut compared = 0;
    for text in texts.map(|path| fs::read_to_string(path).unwrap()) {
        // Taplo cannot read the byte order mark.
        let text = text.trim_start_matches('\u{feff}');
        let mut taplo = Command::new(&taplo);
        taplo.args(["format", "--no-auto-config", "--colors", "never", "-"]);
        taplo.env("RUST_LOG", "error");
        if text.contains("\r\n") {
            taplo.args(["--option", "crlf=true"]);
        }

        let ours = through(&mut flagstaff(&["fmt", "-"]), text);

        assert_eq!(ours, through(&mut taplo, text));
        if let Some(ours) = ours {
            assert_eq!(through(&mut flagstaff(&["fmt", "-"]), &ours), Some(ours));
            compared += 1;
        }
    }
    assert!(compared > 30);
}

#[cfg(unix)]
#[test]
fn what_is_not_a_file_is_refused_at_once_by_every_command_that_reads_one() {
    let (_directory, path) = file(TEXT);
    let fifo = path.with_file_name("fifo");
    assert!(Command::new("mkfifo").arg(&fifo).status().unwrap().success());

    for odd in [&*fifo.to_string_lossy(), "/dev/zero"] {
        for arguments in [
            &["list", "--file", odd][..],
            &["lint", odd],
            &["fmt", odd],
            &["codegen", "rust", "--file", odd],
            &["codegen", "rust", "--out", odd],
            &["plan", odd, "flags.toml"],
            &["eval", "--batch", odd],
            &["plan", "flags.toml", "flags.toml", "--contexts", odd],
            &["lint", "--against", odd],
            &["import", "waffle", odd],
            &["eval", "beta", "--context", &format!("@{odd}")],
            &["set", "beta", "percentage=5", "--source", "file", "--file", odd],
            &["watch", "--file", odd],
        ] {
            let ran = ran(&mut beside(&path, flagstaff(arguments)));

            assert_ne!(ran.code, ExitCode::Done, "{arguments:?}");
            assert!(ran.stderr.contains("not a regular file"), "{arguments:?}: {}", ran.stderr);
        }
    }
}

#[cfg(unix)]
#[test]
fn stdin_that_never_ends_is_refused_after_the_limit() {
    let (_directory, path) = file(TEXT);
    let zero = fs::File::open("/dev/zero").unwrap();

    let ran = ran(beside(&path, flagstaff(&["lint", "-"])).stdin(zero));

    assert_eq!(ran.code, ExitCode::Usage);
    assert!(ran.stderr.contains("larger than 16 MiB"), "{}", ran.stderr);
}

#[test]
fn a_rejected_flag_is_shown_as_in_a_service_that_starts_now() {
    let server = Server::start();
    overridden(&server, "wrong", "1");
    overridden(&server, "killed", "0");
    let (_directory, path) =
        file("[flags.wrong]\nonwer = \"x\"\n[flags.killed]\nonwer = \"x\"\n[flags]\ngood = true\n");

    let answer = |flag| {
        let ran = ran(&mut beside(&path, on(&server, &["eval", flag, "-o", "json"])));
        let json: serde_json::Value = serde_json::from_str(&ran.stdout).unwrap();
        let answer = if json.get("value").is_some() { json } else { json["flags"][0].clone() };
        (answer["value"].clone(), answer["errorCode"].clone())
    };

    // The deny-lists of the flag are unknown. So the store cannot switch it on, but can switch it off.
    assert_eq!(answer("wrong"), (serde_json::Value::Null, "PARSE_ERROR".into()));
    assert_eq!(answer("killed"), (false.into(), serde_json::Value::Null));
    assert_eq!(answer("good"), (true.into(), serde_json::Value::Null));
}
