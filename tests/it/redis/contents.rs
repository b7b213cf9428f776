//! Stores with garbage, with too much data, and with other data than flags.

use flagstaff::{
    Context, Definition, Flags, Memory, Percentage,
    answer::FlagState::{Off, On},
    definition::{Condition, Prerequisite, Rule, Serve},
    source::{RedisErrorKind as Kind, Status},
};

use super::{
    asking::Asking,
    server::{Server, patient},
    subject::Subject,
};

/// Runs a Lua script on the server, which can also store values that are not UTF-8.
fn eval(server: &Server, script: &str) {
    server.cli(&["EVAL", script, "0"]);
}

#[tokio::test]
async fn a_key_of_another_type_leaves_the_last_overrides() {
    for write in [
        "SET feature_flags 1",
        "RPUSH other 1",
        "SADD other 1",
        "ZADD other 1 a",
        "XADD other * a b",
    ] {
        let server = Server::start();
        let mut subject = Subject::on(&server).await;

        server.cli(&write.split(' ').collect::<Vec<_>>());
        if write.contains("other") {
            server.cli(&["RENAME", "other", "feature_flags"]);
        }

        let message = subject.fails(&[Kind::WrongType]).await;
        assert!(message.contains("`feature_flags`"), "{message}");
        server.cli(&["HSET", "right", "kept", "1"]);
        server.cli(&["RENAME", "right", "feature_flags"]);
        subject.recovers(&server, write).await;
    }
}

/// The stored value cannot be read, so it may have been meant to be on.
#[tokio::test]
async fn a_flag_that_cannot_be_read_is_not_off_for_the_flags_that_need_it_off() {
    let server = Server::start();
    server.cli(&["HSET", "feature_flags", "beta", "{\"rules\": 5}", "gamma", "0"]);
    let needing = |other: &str| Definition::new().requires([Prerequisite::off(other)]);
    let rule = |other: &str| {
        let when = Condition::Flag(Prerequisite::on(other)).unless();
        Definition::new().percentage(Percentage::ZERO).rules([Rule::new(when, Serve::On)])
    };
    let below = Memory::new().with("beta", true).with("gamma", true);
    let below = below.with("without_beta", needing("beta")).with("without_gamma", needing("gamma"));
    let below = below.with("unless_beta", rule("beta")).with("unless_gamma", rule("gamma"));
    let flags = Flags::builder().source(patient(&server.url())).source(below);
    let flags = flags.require_ready().start().await.unwrap();
    let is_on = |flag: &str| flags.is_enabled(flag, &Context::anonymous());

    assert!(!is_on("beta") && !is_on("gamma"));
    assert_eq!((is_on("without_beta"), is_on("without_gamma")), (false, true));
    assert_eq!((is_on("unless_beta"), is_on("unless_gamma")), (false, true));
}

/// A field that cannot be read keeps its last good value, and all other fields are followed.
#[tokio::test]
async fn garbage_in_one_field_harms_no_other() {
    let garbage = [
        ("'\\255'", "'1'", "the name is not UTF-8"),
        ("'kept'", "'\\255'", "the value is not UTF-8"),
        ("'kept'", "'{\"percentage\": 1'", "not JSON"),
        ("'kept'", "'{\"percentage\": true}'", "percentage"),
        ("'kept'", "'{\"percentage\": 101}'", "percentage"),
        ("'kept'", "'{\"allowed_users\": \"ana\"}'", "allowed_users"),
        ("'kept'", "'{\"enabled\": \"no\"}'", "enabled"),
        ("'kept'", "'{\"no_such_setting\": 1}'", "no_such_setting"),
        ("'kept'", "'{\"force\": 1}'", "force"),
        (
            "'kept'",
            "'{\"force\": false, \"override\": {\"expires_at\": \"tomorrow\"}}'",
            "expires_at",
        ),
        ("'kept'", "string.rep('x', 1048576)", "1048576 bytes"),
        ("'kept'", "string.rep('{\"a\":', 100000)", "recursion limit"),
    ];
    for (name, value, complaint) in garbage {
        let server = Server::start();
        let mut subject = Subject::on(&server).await;

        eval(&server, &format!("redis.call('HSET', 'feature_flags', {name}, {value})"));

        let message = subject.fails(&[Kind::BadValue]).await;
        assert!(message.contains(complaint), "{complaint}: {message}");
        assert!(message.len() < 1_000, "{} bytes", message.len());
        server.cli(&["HSET", "feature_flags", "other", "1"]);
        subject.becomes("other", On).await;

        let repair = format!("redis.call('HDEL', 'feature_flags', {name})");
        eval(&server, &format!("{repair}; redis.call('HSET', 'feature_flags', 'kept', '1')"));
        subject.recovers(&server, complaint).await;
    }
}

#[tokio::test]
async fn ten_thousand_fields_are_followed() {
    let server = Server::start();
    let fill = "for n = 1, 9999 do redis.call('HSET', 'feature_flags', 'n' .. n, n % 2) end";
    eval(&server, fill);
    let mut subject = Subject::on(&server).await;
    assert_eq!(subject.flags.health().sources[0].flags, 10_000);
    assert!(subject.is_on("n9999") && !subject.is_on("n9998"));

    server.cli(&["HSET", "feature_flags", "n9998", "1"]);

    subject.becomes("n9998", On).await;
    subject.is_undisturbed("10,000 fields");
}

#[tokio::test]
async fn more_fields_than_the_cap_leave_the_last_overrides() {
    let server = Server::start();
    server.cli(&["HSET", "feature_flags", "kept", "1"]);
    let mut subject = Subject::with(patient(&server.url()).max_fields(2)).await;

    server.cli(&["HSET", "feature_flags", "a", "1", "b", "1", "kept", "0"]);

    let message = subject.fails(&[Kind::TooManyFields]).await;
    assert!(message.contains("3 fields, and `max_fields` is 2"), "{message}");
    assert_eq!(subject.flags.health().sources[0].flags, 1);
    eval(
        &server,
        "redis.call('DEL', 'feature_flags'); redis.call('HSET', 'feature_flags', 'kept', '1')",
    );
    subject.recovers(&server, "too many fields").await;
}

#[tokio::test]
async fn a_store_that_is_flushed_is_empty() {
    for flush in ["FLUSHALL", "FLUSHDB"] {
        let server = Server::start();
        let mut subject = Subject::on(&server).await;
        let asking = Asking::start(&subject.flags, &["below"]);
        subject.is_undisturbed("before a flush");

        server.cli(&[flush]);

        subject.becomes("kept", Off).await;
        assert_eq!(subject.flags.health().sources[0].status, Status::Ready);
        server.cli(&["HSET", "feature_flags", "kept", "1"]);
        subject.becomes("kept", On).await;
        asking.stop(flush);
    }
}

/// The server does not notify clients of the swap.
#[tokio::test]
async fn databases_that_are_swapped_are_noticed() {
    let server = Server::start();
    server.cli(&["-n", "1", "HSET", "feature_flags", "kept", "1", "other", "1"]);
    let mut subject = Subject::on(&server).await;

    server.cli(&["SWAPDB", "0", "1"]);

    subject.becomes("other", On).await;
    subject.is_undisturbed("SWAPDB");
}
