//! URLs, users and passwords, and servers without some commands.

use std::time::Duration;

use flagstaff::{Redis, answer::FlagState, source::RedisErrorKind};

use super::{becomes, follow, health, refusal};
use crate::redis::server::{Port, Server};

fn open(url: &str) -> Redis {
    Redis::open(url).unwrap()
}

#[tokio::test]
async fn every_form_of_url_reaches_the_server() {
    let socket = tempfile::tempdir().unwrap();
    let socket = socket.path().join("redis.sock").to_str().unwrap().to_owned();
    let server = Server::with(&["--unixsocket", &socket]);
    server.cli(&["ACL", "SETUSER", "ana", "on", ">p@ss/w:rd%", "allkeys", "allchannels", "+@all"]);
    server.cli(&["HSET", "feature_flags", "db0", "1"]);
    server.cli(&["-n", "3", "HSET", "feature_flags", "db3", "1"]);
    server.cli(&["CONFIG", "SET", "requirepass", "secret"]);
    let at = format!("127.0.0.1:{}", server.port());

    for (url, flag) in [
        (format!("redis://:secret@{at}"), "db0"),
        (format!("redis://:secret@{at}/3"), "db3"),
        (format!("redis://default:secret@{at}/0"), "db0"),
        (format!("redis://ana:p%40ss%2Fw%3Ard%25@{at}/3"), "db3"),
        (format!("redis://:secret@localhost:{}", server.port()), "db0"),
        (format!("valkey://:secret@{at}/3"), "db3"),
        (format!("unix://{socket}?pass=secret"), "db0"),
        (format!("redis+unix://{socket}?user=ana&pass=p%40ss%2Fw%3Ard%25&db=3"), "db3"),
    ] {
        let flags = follow(open(&url)).await;

        assert_eq!(*flags.watch(flag).borrow(), FlagState::On, "{url}");
        assert_eq!((health(&flags).flags, health(&flags).mode), (1, Some("tracking")), "{url}");
    }
}

#[tokio::test]
async fn a_server_without_resp3_is_polled() {
    let server = Server::with(&["--rename-command", "HELLO", "", "--requirepass", "secret"]);
    let flags = follow(open(&format!("redis://:secret@127.0.0.1:{}/3", server.port()))).await;

    assert_eq!(health(&flags).mode, Some("polling"));
    server.cli(&["-a", "secret", "-n", "3", "HSET", "feature_flags", "beta", "1"]);

    becomes(&flags, "beta", FlagState::On).await;
}

#[tokio::test]
async fn an_error_names_the_location_and_the_remedy() {
    let server = Server::start();
    server.cli(&["ACL", "SETUSER", "ana", "on", ">secret", "allkeys", "+@all", "-select"]);
    server.cli(&["CONFIG", "SET", "requirepass", "secret"]);
    let at = format!("127.0.0.1:{}", server.port());
    let nobody = Port::take();

    for (url, kind, said) in [
        (format!("redis://{at}"), RedisErrorKind::Auth, "put it into the URL"),
        (format!("redis://:secret2@{at}"), RedisErrorKind::Auth, "user `default`"),
        (format!("redis://ana:secret2@{at}"), RedisErrorKind::Auth, "user `ana`"),
        (format!("redis://:secret@{at}/99"), RedisErrorKind::Database, "index is out of range"),
        (
            format!("redis://ana:secret@{at}/3"),
            RedisErrorKind::Permission,
            "`ACL SETUSER ana +select`",
        ),
        (
            format!("redis://:secret@127.0.0.1:{}", nobody.number),
            RedisErrorKind::Unreachable,
            "refused",
        ),
        (
            "redis://:secret@nowhere.invalid".to_owned(),
            RedisErrorKind::Unreachable,
            "nowhere.invalid",
        ),
        (
            "unix:///nowhere/redis.sock?pass=secret".to_owned(),
            RedisErrorKind::Unreachable,
            "No such file",
        ),
    ] {
        let (found, message) = refusal(open(&url)).await;

        assert_eq!(found, kind, "{message}");
        assert!(message.contains(said), "{message}");
    }
}

#[tokio::test]
async fn a_hanging_server_and_a_missing_server_are_different_errors() {
    let server = Server::start();
    server.stop();

    let redis = open(&server.url()).connect_timeout(Duration::from_millis(50));
    let (kind, message) = refusal(redis).await;

    assert_eq!(kind, RedisErrorKind::ConnectTimeout);
    assert!(message.ends_with("no answer within 50ms"), "{message}");
}

#[tokio::test]
async fn a_server_without_a_free_connection_is_reported() {
    let server = Server::with(&["--maxclients", "1"]);
    let _flags = follow(open(&server.url()).unannounced()).await;

    let (kind, message) = refusal(open(&server.url())).await;

    assert_eq!(kind, RedisErrorKind::Refused);
    assert!(message.contains("max number of clients reached"), "{message}");
}

#[tokio::test]
async fn a_server_without_the_protocol_is_not_a_redis() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("redis://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        let (mut browser, _) = listener.accept().unwrap();
        std::io::Write::write_all(&mut browser, b"HTTP/1.1 400 Bad Request\r\n\r\n").unwrap();
        // Reads until the other side closes the connection.
        let _ = std::io::copy(&mut browser, &mut std::io::sink());
    });

    let (kind, _) = refusal(open(&url)).await;

    assert_eq!(kind, RedisErrorKind::Protocol);
}
