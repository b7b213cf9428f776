//! One Redis shared with the Python package, in both directions.

use std::collections::BTreeMap;

use flagstaff::{
    Context, Flags,
    answer::FlagState::{Off, On},
    event::Event,
    source::Status,
};

use super::{
    python::{Python, tempest},
    server::{Server, patient},
    subject::becomes,
};
use crate::support::{BOUND, next};

async fn follow(server: &Server) -> Flags {
    let redis = patient(&server.url());
    Flags::builder().source(redis).max_wait(BOUND).start().await.unwrap()
}

fn all(flags: &Flags) -> BTreeMap<String, bool> {
    let all = flags.all(&Context::anonymous());
    all.into_iter().map(|(key, answer)| (key, answer.value)).collect()
}

#[tokio::test]
async fn the_python_package_gives_the_same_answers_for_the_same_hash() {
    let server = Server::start();
    let mut python = Python::new(&server.url());
    let table = python.table();
    python.write(&table);

    let flags = follow(&server).await;

    assert_eq!(all(&flags), python.all());
    assert_eq!(flags.health().sources[0].status, Status::Ready);
    for name in table.keys() {
        let ours = flags.is_enabled(name.as_str(), &Context::anonymous());
        assert_eq!(ours, python.is_enabled(name), "{name:?}");
    }
}

#[tokio::test]
async fn raw_values_mean_the_same_when_they_are_written_later() {
    let server = Server::start();
    let mut python = Python::new(&server.url());
    let (names, values): (Vec<_>, Vec<_>) = python.table().into_iter().unzip();
    let flags = follow(&server).await;
    let mut events = flags.events();

    // Every name gets the value of another name.
    let mut shifted = values.into_iter().cycle();
    for _ in 0..3 {
        shifted.next();
        let table = names.iter().cloned().zip(shifted.by_ref()).collect();
        python.write(&table);

        // Warnings of values that are neither on nor off follow each change.
        while !matches!(next(&mut events).await, Event::Changed { .. }) {}
        assert_eq!(all(&flags), python.all());
    }
}

#[tokio::test]
async fn what_the_python_package_writes_is_seen_here() {
    let server = Server::start();
    let mut python = Python::new(&server.url());
    let flags = follow(&server).await;

    for name in python.table().keys() {
        python.enable(name);
        becomes(&flags, name, On).await;
        python.disable(name);
        becomes(&flags, name, Off).await;
    }

    assert_eq!(all(&flags), python.all());
}

#[tokio::test]
async fn what_is_written_here_is_seen_by_the_python_package() {
    let server = Server::start();
    let mut python = Python::new(&server.url());
    let flags = follow(&server).await;

    for (n, name) in python.table().keys().enumerate() {
        flags.enable(name).await.unwrap();
        assert!(python.is_enabled(name), "{name:?}");
        if n % 2 == 0 {
            flags.disable(name).await.unwrap();
            assert!(!python.is_enabled(name), "{name:?}");
        }
        if n % 3 == 0 {
            flags.clear(name).await.unwrap();
            assert!(!python.all().contains_key(name), "{name:?}");
        }
    }

    assert_eq!(all(&flags), python.all());
    let raw = server.cli(&["HVALS", "feature_flags"]);
    assert!(raw.lines().all(|value| value == "1" || value == "0"), "{raw}");
}

/// The package reads JSON as off. So a flag that is forced on with an author is off there.
#[tokio::test]
async fn the_python_package_reads_an_override_with_an_author_as_off() {
    let server = Server::start();
    let mut python = Python::new(&server.url());
    let flags = follow(&server).await;

    flags.enable("on").author("ana").await.unwrap();
    flags.disable("off").reason("incident 42").await.unwrap();

    assert!(flags.is_enabled("on", &Context::anonymous()));
    assert_eq!(python.all(), BTreeMap::from(["on", "off"].map(|name| (name.to_owned(), false))));

    flags.enable("on").await.unwrap();
    assert!(python.is_enabled("on"));
}

#[tokio::test]
async fn the_python_command_and_this_crate_see_each_other() {
    let server = Server::start();
    let flags = follow(&server).await;

    assert!(tempest(&server.url(), &["enable", "theirs"]).status.success());
    becomes(&flags, "theirs", On).await;
    assert!(tempest(&server.url(), &["disable", "theirs"]).status.success());
    becomes(&flags, "theirs", Off).await;

    flags.enable("ours").await.unwrap();
    let list = tempest(&server.url(), &["list"]);
    assert_eq!(String::from_utf8(list.stdout).unwrap(), "ours    on\ntheirs  off\n");
}

/// The author and the reason are then only in the log.
#[tokio::test]
async fn the_python_package_reads_plain_overrides_of_any_writer() {
    let server = Server::start();
    let mut python = Python::new(&server.url());
    let flags = follow(&server).await;

    flags.enable("on").author("ana").reason("launch day").plainly().await.unwrap();

    assert!(python.is_enabled("on"));
    assert_eq!(server.cli(&["HGET", "feature_flags", "on"]), "1");
    let [change] = &*flags.history_of("on", 9).await.unwrap() else { panic!("one change") };
    assert_eq!(change.author.as_deref(), Some("ana"));
    assert_eq!(change.reason.as_deref(), Some("launch day"));
}
