//! `flagstaff watch`, which runs until it is stopped.

use std::{
    fs,
    io::{BufRead, BufReader, Read, Write},
    net::TcpListener,
    process::{Child, Stdio},
};

use serde_json::Value;

use crate::{
    command::{done, on},
    server::Server,
};

/// A running `watch`, which stops when this value is dropped.
struct Watching(Child);

impl Watching {
    /// Starts `watch`, and waits until it is ready.
    fn start(server: &Server, arguments: &[&str]) -> (Self, impl Iterator<Item = String> + use<>) {
        let arguments: Vec<_> = ["watch"].iter().chain(arguments).copied().collect();
        let mut command = on(server, &arguments);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
        let mut told = BufReader::new(child.stderr.take().unwrap());
        let mut ready = String::new();
        told.read_line(&mut ready).unwrap();
        assert!(ready.contains("watching"), "{ready}");
        (Self(child), lines)
    }
}

impl Drop for Watching {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn changes_are_shown_as_they_happen() {
    let server = Server::start();
    let (_watching, mut lines) = Watching::start(&server, &["off", "quarter"]);

    server.cli(&["HSET", "feature_flags", "on", "0"]);
    server.cli(&["HSET", "feature_flags", "off", "1"]);
    let line = lines.next().unwrap();
    server.cli(&["HDEL", "feature_flags", "off"]);

    let columns = |line: &str| line.split('\t').skip(1).collect::<Vec<_>>().join(" ");
    assert_eq!(columns(&line), "redis off off on enabled    source");
    assert_eq!(columns(&lines.next().unwrap()), "redis off on off enabled    source");
}

#[test]
fn a_change_is_shown_with_its_author_and_reason() {
    let server = Server::start();
    done(&mut on(&server, &["disable", "on", "--by", "eve", "-m", "before"]));
    let (_watching, mut lines) = Watching::start(&server, &["-o", "jsonl", "--exec", "cat"]);
    let mut next = || -> (Value, String) {
        let (shown, told) = (lines.next().unwrap(), lines.next().unwrap());
        assert_eq!(shown, told);
        let change: Value = serde_json::from_str(&shown).unwrap();
        let named = ["flag", "revision", "by", "reason"];
        let known = named.map(|name| change["changes"][0][name].to_string()).join(" ");
        (change, known)
    };

    done(&mut on(&server, &["enable", "off", "--by", "ana", "-m", "launch"]));
    let (change, known) = next();
    assert_eq!((&change["version"], &*known), (&1.into(), r#""off" 2 "ana" "launch""#));
    // A writer that keeps no log is unknown, and is not confused with the writer before it.
    server.cli(&["HDEL", "feature_flags", "off"]);
    assert_eq!(next().1, r#""off" null null null"#);
    done(&mut on(&server, &["enable", "on", "--by", "bob"]));
    assert_eq!(next().1, r#""on" 3 "bob" null"#);
    // An override that ends by time has no author for its end. It lasts until a busy machine has observed its start.
    done(&mut on(&server, &["set", "quarter", "percentage=50", "--for", "5s", "--by", "bob"]));
    assert_eq!(next().1, r#""quarter" 4 "bob" null"#);
    assert_eq!(next().1, r#""quarter" null null null"#);
}

#[test]
fn undeclared_flags_are_reported() {
    let server = Server::start();
    let mut command = on(&server, &["watch", "quater"]);
    let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
    let mut told = BufReader::new(child.stderr.take().unwrap()).lines().map(Result::unwrap);

    let _watching = Watching(child);

    assert_eq!(told.next().unwrap(), "warning: no source has `quater` so far");
    assert_eq!(told.next().unwrap(), "hint: a flag with a similar name exists: `quarter`");
}

#[test]
fn a_value_that_cannot_be_read_is_reported_at_the_start_and_later() {
    let server = Server::start();
    let store = |flag: &str| server.cli(&["HSET", "feature_flags", flag, "{"]);
    store("quarter");
    let mut command = on(&server, &["watch"]);
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let mut told = BufReader::new(child.stderr.take().unwrap()).lines().map(Result::unwrap);
    let _watching = Watching(child);

    assert!(told.next().unwrap().starts_with("watching "));
    let first = told.next().unwrap();
    store("on");
    let second = told.next().unwrap();

    assert!(first.starts_with("warning: ") && first.contains("field `quarter`"), "{first}");
    assert!(second.starts_with("warning: ") && second.contains("field `on`"), "{second}");
}

#[test]
fn a_command_gets_each_change_on_its_stdin() {
    let server = Server::start();
    // The output of the program is that of `watch`.
    let (_watching, mut lines) = Watching::start(&server, &["--exec", "sed 's/^/got /'"]);

    server.cli(&["HSET", "feature_flags", "off", "1"]);

    assert!(lines.next().unwrap().contains("redis\toff\toff\ton"));
    let line = lines.next().unwrap();
    let change: Value = serde_json::from_str(line.strip_prefix("got ").unwrap()).unwrap();
    assert_eq!((&change["cause"], &change["source"]), (&"source".into(), &"redis".into()));
    assert_eq!(change["changes"][0]["flag"], "off");
    assert_eq!(change["changes"][0]["after"]["state"], "on");
}

#[test]
fn a_webhook_gets_each_change_until_it_takes_it() {
    let server = Server::start();
    let hook = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/flags", hook.local_addr().unwrap());
    let (_watching, _lines) = Watching::start(&server, &["--webhook", &url]);

    server.cli(&["HSET", "feature_flags", "off", "1"]);

    for answer in ["500 Internal Server Error", "204 No Content"] {
        let (mut stream, _) = hook.accept().unwrap();
        let mut request = BufReader::new(stream.try_clone().unwrap());
        let mut length = 0;
        loop {
            let mut line = String::new();
            request.read_line(&mut line).unwrap();
            let line = line.trim_end().to_lowercase();
            if let Some(value) = line.strip_prefix("content-length: ") {
                length = value.parse().unwrap();
            }
            if line.is_empty() {
                break;
            }
        }
        let mut body = vec![0; length];
        request.read_exact(&mut body).unwrap();
        let change: Value = serde_json::from_slice(&body).unwrap();
        assert_eq!(change["changes"][0]["flag"], "off");
        write!(stream, "HTTP/1.1 {answer}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")
            .unwrap();
    }
}

#[test]
fn the_file_is_followed_too() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("flags.toml");
    fs::write(&path, "[flags]\na = false\n").unwrap();
    let server = Server::start();
    let (_watching, mut lines) =
        Watching::start(&server, &["--file", path.to_str().unwrap(), "-o", "jsonl"]);

    fs::write(&path, "[flags]\na = true\n").unwrap();

    let change: Value = serde_json::from_str(&lines.next().unwrap()).unwrap();
    assert_eq!((&change["version"], &change["source"]), (&1.into(), &"file".into()));
}
