//! Servers that restrict the rights of the user.

use std::time::Duration;

use flagstaff::{
    Definition, Flags, Redis,
    answer::FlagState::On,
    source::{RedisErrorKind as Kind, RedisHandle},
};

use tokio::time::timeout;

use super::{
    server::{Server, patient},
    subject::{Subject, becomes, fails, start},
};
use crate::support::BOUND;

/// The users that the documentation describes.
const DOCUMENTATION: &str = include_str!("../../../src/docs/reliability.md");

/// Creates the users with the commands of the documentation, word for word.
fn follow_the_documentation(server: &Server) {
    let commands = DOCUMENTATION.lines().filter(|line| line.starts_with("ACL SETUSER"));
    let commands: Vec<_> = commands.collect();
    assert_eq!(commands.len(), 4);
    for command in commands {
        server.cli(&command.split(' ').collect::<Vec<_>>());
    }
}

fn grant(server: &Server, rules: &[&str]) {
    server.cli(&[&["ACL", "SETUSER", "reader"], rules].concat());
}

fn connect_as(user: &str, server: &Server) -> Redis {
    patient(&format!("redis://{user}:secret@127.0.0.1:{}/", server.port()))
}

fn as_reader(server: &Server) -> Redis {
    connect_as("reader", server).unannounced()
}

/// Starts a server with the override and a user who may read it.
fn with_reader() -> Server {
    let server = Server::start();
    server.cli(&["HSET", "feature_flags", "kept", "1"]);
    follow_the_documentation(&server);
    server
}

#[tokio::test]
async fn a_reader_needs_few_rights() {
    let server = with_reader();
    let mut subject = Subject::with(as_reader(&server)).await;
    assert_eq!(subject.mode(), Some("tracking"));

    server.cli(&["HSET", "feature_flags", "other", "1"]);

    subject.becomes("other", On).await;
    subject.is_undisturbed("few rights");
}

/// The other rights are useful, but not needed.
#[tokio::test]
async fn a_reader_needs_no_more_than_to_read() {
    let server = with_reader();
    grant(&server, &["-hscan", "-hkeys", "-hstrlen", "-hmget", "-time", "-role", "-info"]);
    let mut subject = Subject::with(as_reader(&server)).await;

    server.cli(&["HSET", "feature_flags", "other", "1"]);

    subject.becomes("other", On).await;
    subject.is_undisturbed("the fewest rights");
}

#[tokio::test]
async fn a_writer_needs_few_rights() {
    let server = with_reader();
    let writer = connect_as("writer", &server).handle();
    let subject = Subject::with(writer.clone()).await;

    write_in_every_way(&subject.flags).await;
    tell_usage(&writer).await;

    assert_eq!(server.cli(&["ACL", "LOG"]), "");
}

#[tokio::test]
async fn a_reader_of_keys_needs_few_rights() {
    let server = Server::start();
    server.cli(&["SET", "ff:kept", r#"{"enabled": true}"#]);
    follow_the_documentation(&server);
    let reader = connect_as("keys_reader", &server).key_per_flag("ff").unannounced();
    let mut subject = Subject::with(reader).await;
    assert_eq!(subject.mode(), Some("tracking"));

    server.cli(&["SET", "ff:other", r#"{"enabled": true}"#]);

    subject.becomes("other", On).await;
    subject.is_undisturbed("few rights on keys");
}

#[tokio::test]
async fn a_writer_of_keys_needs_few_rights() {
    let server = Server::start();
    server.cli(&["SET", "ff:kept", r#"{"enabled": true}"#]);
    follow_the_documentation(&server);
    let writer = connect_as("keys_writer", &server).key_per_flag("ff").handle();
    let subject = Subject::with(writer.clone()).await;

    write_in_every_way(&subject.flags).await;
    tell_usage(&writer).await;

    // Every connection looks up the cluster node that has the key, but this test does not depend on that.
    let denied = server.cli(&["ACL", "LOG"]);
    let denied: Vec<_> = denied.lines().collect();
    let objects = denied.windows(2).filter(|lines| lines[0] == "object").map(|lines| lines[1]);
    assert_eq!(objects.filter(|&object| object != "hlen").count(), 0, "{denied:?}");
}

/// Waits until the instance has reported the flags that it uses.
async fn tell_usage(redis: &RedisHandle) {
    let told = async {
        while redis.usage().await.unwrap().is_empty() {
            tokio::task::yield_now().await;
        }
    };
    timeout(BOUND, told).await.expect("it tells");
}

async fn write_in_every_way(flags: &Flags) {
    let written = flags.enable("other").author("ana").reason("a test").await.unwrap();
    flags.undo(written.revision.unwrap()).author("ana").await.unwrap();
    flags.set("other", Definition::new().enabled(true)).await.unwrap();
    flags.disable("other").await.unwrap();
    flags.clear("other").await.unwrap();
    assert_eq!(flags.history_of("other", 10).await.unwrap().len(), 5);
}

#[tokio::test]
async fn a_user_without_client_polls() {
    let server = with_reader();
    grant(&server, &["-client|tracking"]);
    let mut subject = Subject::with(as_reader(&server)).await;
    assert_eq!(subject.mode(), Some("polling"));

    server.cli(&["HSET", "feature_flags", "other", "1"]);

    subject.becomes("other", On).await;
    subject.is_undisturbed("without CLIENT");
}

#[tokio::test]
async fn a_server_that_speaks_resp2_only_is_polled() {
    let server = Server::with(&["--rename-command", "HELLO", ""]);
    let mut subject = Subject::on(&server).await;
    assert_eq!(subject.mode(), Some("polling"));

    server.cli(&["HSET", "feature_flags", "other", "1"]);

    subject.becomes("other", On).await;
    subject.is_undisturbed("RESP2");
}

#[tokio::test]
async fn a_right_that_is_taken_leaves_the_last_overrides() {
    for (taken, given) in
        [("-hgetall", "+hgetall"), ("-hlen", "+hlen"), ("resetkeys", "%R~feature_flags")]
    {
        let server = with_reader();
        let mut subject = Subject::with(as_reader(&server)).await;

        grant(&server, &[taken]);

        let message = subject.fails(&[Kind::Permission]).await;
        let remedy = given.replace("%R", "");
        assert!(message.contains(&format!("`ACL SETUSER reader {remedy}`")), "{message}");
        grant(&server, &[given]);
        subject.recovers(&server, taken).await;
    }
}

#[tokio::test]
async fn a_password_that_is_changed_leaves_the_last_overrides() {
    let server = with_reader();
    let mut subject = Subject::with(as_reader(&server)).await;

    grant(&server, &["resetpass", ">other"]);
    server.cli(&["CLIENT", "KILL", "USER", "reader"]);

    let message = subject.fails(&[Kind::Auth]).await;
    assert!(message.contains("refuses user `reader`"), "{message}");
    assert!(!message.contains("secret"), "{message}");
    grant(&server, &["resetpass", ">secret"]);
    subject.recovers(&server, "password changed").await;
}

#[tokio::test]
async fn a_password_that_is_missing_is_asked_for() {
    let server = Server::with(&["--requirepass", "secret"]);
    server.cli(&["-a", "secret", "HSET", "feature_flags", "kept", "1"]);

    let flags = start(patient(&server.url()), Duration::ZERO).await;

    let message = fails(&mut flags.events(), Kind::Auth).await;
    assert!(message.contains("asks for a password"), "{message}");
    server.cli(&["-a", "secret", "CONFIG", "SET", "requirepass", ""]);
    becomes(&flags, "kept", On).await;
}
