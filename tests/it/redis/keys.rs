//! One JSON key per flag, as writers in Python keep them.

use std::time::Duration;

use flagstaff::{
    Context, Definition, Flags, Memory, Percentage,
    answer::FlagState::{Off, On, Unknown},
    source::{OldOverride, RedisErrorKind as Kind, Status},
};
use tokio::time::timeout;

use super::{
    pushes::calls,
    python::Python,
    server::{Server, patient},
    subject::{becomes, fails},
};
use crate::support::BOUND;

/// Follows a store above a declaration with more settings, none of which may apply beside a stored value.
async fn follow(server: &Server) -> Flags {
    let redis = patient(&server.url()).key_per_flag("ff");
    let below = Definition::new()
        .percentage(Percentage::ZERO)
        .allowed_users(["internal_tester_2"])
        .denied_users(["mallory"]);
    let below = Memory::new().with("flag", below);
    Flags::builder()
        .source(redis)
        .source(below)
        .require_ready()
        .max_wait(BOUND)
        .start()
        .await
        .unwrap()
}

#[tokio::test]
async fn values_are_evaluated_in_the_order_of_their_writers() {
    let ana = || Context::user("ana");
    let tester = || Context::user("internal_tester_1");
    let employee = || Context::user("bob").group("employees");
    let cases: [(&str, Context<'static>, bool); 15] = [
        (r#"{"enabled": true}"#, ana(), true),
        (r#"{"enabled": true}"#, Context::anonymous(), true),
        (r#"{"enabled": true, "percentage": 100}"#, Context::anonymous(), true),
        (r#"{"percentage": 100}"#, Context::anonymous(), true),
        (r#"{"enabled": false, "allowed_users": ["ana"]}"#, ana(), false),
        (r#"{"enabled": true, "percentage": 0, "allowed_users": ["ana"]}"#, ana(), true),
        (
            r#"{"enabled": true, "percentage": 0, "allowed_groups": ["employees"]}"#,
            employee(),
            true,
        ),
        (r#"{"enabled": true, "percentage": 0, "allowed_groups": ["employees"]}"#, ana(), false),
        (r#"{"enabled": true, "percentage": 99.9}"#, Context::anonymous(), false),
        (r#"{"enabled": true, "percentage": 0}"#, Context::user("internal_tester_2"), false),
        (r#"{"enabled": true}"#, Context::user("mallory"), false),
        (
            r#"{"enabled": true, "percentage": 10, "allowed_users": ["internal_tester_1"], "allowed_groups": ["employees"]}"#,
            tester(),
            true,
        ),
        (
            r#"{"enabled": true, "percentage": 10, "allowed_users": ["internal_tester_1"], "allowed_groups": ["employees"]}"#,
            employee(),
            true,
        ),
        (
            r#"{"rollout_stages": [{"percentage": 1, "duration_hours": 2}, {"percentage": 100, "duration_hours": null}], "rollout_started": 1795228969.0004983, "current_stage": 0, "percentage": 1, "enabled": true}"#,
            Context::anonymous(),
            false,
        ),
        (
            r#"{"rollout_stages": [{"percentage": 1, "duration_hours": 2}], "percentage": 1, "enabled": false, "stage_started": 1795228969.0, "rolled_back_at": 1795228969.0209136}"#,
            tester(),
            false,
        ),
    ];
    let server = Server::start();
    let mut python = Python::new(&server.url());
    for (number, (definition, ..)) in cases.iter().enumerate() {
        python.write_json(&format!("flag_{number}"), definition);
    }
    python.write_json("flag", cases[9].0);

    let flags = follow(&server).await;

    assert_eq!(flags.health().sources[0].flags, cases.len() + 1);
    for (number, (definition, context, expected)) in cases.iter().enumerate() {
        // No other source has these flags, so no deny-list applies.
        let expected = *expected || context.targeting_key() == Some("mallory");
        let flag = format!("flag_{number}");
        assert_eq!(flags.is_enabled(&flag, context), expected, "{definition}");
    }
    assert!(!flags.is_enabled("flag", &Context::user("internal_tester_2")));
}

#[tokio::test]
async fn a_value_is_a_whole_definition_but_for_deny_lists_below() {
    let server = Server::start();
    let mut python = Python::new(&server.url());
    python.write_json("flag", r#"{"enabled": true}"#);

    let flags = follow(&server).await;

    assert!(flags.is_enabled("flag", &Context::user("ana")));
    assert!(flags.is_enabled("flag", &Context::anonymous()));
    assert!(!flags.is_enabled("flag", &Context::user("mallory")));
}

#[tokio::test]
async fn a_write_is_seen_and_an_empty_value_is_ignored() {
    let server = Server::start();
    let mut python = Python::new(&server.url());
    let flags = follow(&server).await;

    python.write_json("other", r#"{"enabled": true}"#);
    becomes(&flags, "other", On).await;
    python.update_json("other", r#"{"enabled": false}"#);
    becomes(&flags, "other", Off).await;
    python.write_json("other", "{}");
    becomes(&flags, "other", Unknown).await;
    python.write_json("other", r#"{"enabled": true}"#);
    becomes(&flags, "other", On).await;
    server.cli(&["DEL", "ff:other"]);
    becomes(&flags, "other", Unknown).await;
}

#[tokio::test]
async fn a_change_keeps_the_members_of_other_writers() {
    let server = Server::start();
    let mut python = Python::new(&server.url());
    python.write_json("ro", r#"{"rollout_stages": [{"percentage": 1, "duration_hours": 2}], "rollout_started": 1795228969.0004983, "percentage": 1, "enabled": true, "note": "caf\u00e9"}"#);
    let flags = follow(&server).await;

    flags.disable("ro").await.unwrap();
    python.update_json("ro", r#"{"current_stage": 1}"#);

    let stored: serde_json::Value = serde_json::from_str(&server.cli(&["GET", "ff:ro"])).unwrap();
    assert_eq!(stored["enabled"], false);
    assert_eq!(stored["rollout_started"].to_string(), "1795228969.0004983");
    assert_eq!((&stored["current_stage"], &stored["note"]), (&1.into(), &"café".into()));
}

#[tokio::test]
async fn a_percentage_takes_the_buckets_of_this_crate() {
    let server = Server::start();
    Python::new(&server.url()).write_json("search", r#"{"enabled": true, "percentage": 25}"#);
    let flags = follow(&server).await;
    let quarter = Definition::new().percentage("25".parse::<Percentage>().unwrap());
    let ours = Flags::builder().source(Memory::new().with("search", quarter));
    let ours = ours.start().await.unwrap();

    let users: Vec<String> = (0..1_000).map(|n| format!("user {n}")).collect();
    let is_in = |flags: &Flags| -> Vec<bool> {
        users.iter().map(|user| flags.is_enabled("search", &Context::user(user))).collect()
    };

    assert_eq!(is_in(&flags), is_in(&ours));
    assert!(is_in(&flags).contains(&true) && is_in(&flags).contains(&false));
}

/// The order of the members decides which user gets which variant.
#[tokio::test]
async fn the_variants_of_an_experiment_keep_their_order() {
    let server = Server::start();
    let mut python = Python::new(&server.url());
    for (flag, variants) in
        [("a", r#"{"control": 50, "treatment": 50}"#), ("b", r#"{"treatment": 50, "control": 50}"#)]
    {
        let experiment = format!(
            r#"{{"enabled": true, "type": "experiment", "salt": "same", "variants": {variants}}}"#
        );
        python.write_json(flag, &experiment);
    }
    let flags = follow(&server).await;

    for n in 0..100 {
        let user = format!("user {n}");
        let [a, b] = ["a", "b"]
            .map(|flag| flags.variant(flag, &Context::user(&user), "none").value.to_owned());
        assert_ne!(a, b);
    }
}

#[tokio::test]
async fn keys_of_other_programs_are_not_read_as_flags() {
    let server = Server::start();
    let mut python = Python::new(&server.url());
    for key in ["ffx:a", "f:b", "FF:c", "ff", "xff:d"] {
        server.cli(&["SET", key, r#"{"enabled": true}"#]);
    }
    python.write_json("with:colon", r#"{"enabled": true}"#);
    python.write_json("", r#"{"enabled": true}"#);

    let flags = follow(&server).await;

    let all = flags.all(&Context::anonymous());
    let keys: Vec<_> = all.iter().map(|(key, _)| key.as_str()).collect();
    assert_eq!(keys, ["", "flag", "with:colon"]);
}

/// Finding the flags needs a scan of all keys in the database, which is too much work for every second.
#[tokio::test]
async fn flags_among_many_other_keys_are_followed_by_pushes() {
    let server = Server::start();
    let mut python = Python::new(&server.url());
    let fill = "for n = 1, 5000 do redis.call('SET', 'other:' .. n, '1') end";
    server.cli(&["EVAL", fill, "0"]);
    let flags = follow(&server).await;
    let calls = |command: &str| calls(&server, command);
    let (scans, pings) = (calls("scan"), calls("ping"));

    let ticks = async {
        while calls("ping") < pings + 2 {
            tokio::task::yield_now().await;
        }
    };
    timeout(BOUND, ticks).await.expect("it is asked whether it is there");

    assert_eq!(calls("scan"), scans);
    python.write_json("told", r#"{"enabled": true}"#);
    becomes(&flags, "told", On).await;
}

#[tokio::test]
async fn garbage_in_one_key_harms_no_other() {
    let server = Server::start();
    let mut python = Python::new(&server.url());
    python.write_json("kept", r#"{"enabled": true}"#);
    let flags = follow(&server).await;
    let mut events = flags.events();

    for garbage in [r#"{"enabled": true"#, "1", "[]", r#"{"percentage": NaN}"#, r#"{"enabled": 1}"#]
    {
        server.cli(&["SET", "ff:kept", garbage]);

        let message = fails(&mut events, Kind::BadValue).await;
        assert!(message.starts_with("key `ff:kept` is not an override"), "{message}");
        python.write_json("other", r#"{"enabled": true}"#);
        becomes(&flags, "other", On).await;
        server.cli(&["DEL", "ff:other"]);
        becomes(&flags, "other", Unknown).await;
        assert!(flags.is_enabled("kept", &Context::anonymous()), "{garbage}");
    }

    server.cli(&["FLUSHALL"]);
    becomes(&flags, "kept", Unknown).await;
    assert_eq!(flags.health().sources[0].status, Status::Ready);
}

/// Returns `true` if the key of a flag ends by itself.
fn ends(server: &Server, flag: &str) -> bool {
    server.cli(&["PTTL", &format!("ff:{flag}")]).parse::<i64>().unwrap() > 0
}

/// Such a key is an override that ends, as one with `override.expires_at` is.
#[tokio::test]
async fn a_key_with_a_time_to_live_is_changed_like_an_override_with_an_end() {
    let server = Server::start();
    let redis = patient(&server.url()).key_per_flag("ff").handle();
    let flags = Flags::builder().source(redis.clone()).max_wait(BOUND).start().await.unwrap();
    let fifty = || Definition::new().percentage(Percentage::whole(50).unwrap());
    server.cli(&["SET", "ff:old", r#"{"percentage":60}"#, "EX", "1000"]);

    flags.set("old", fifty()).await.unwrap();
    assert!(ends(&server, "old"), "a setting leaves the end");
    redis.rename("old", "new", OldOverride::Keep, None, None).await.unwrap();
    assert!(ends(&server, "old") && ends(&server, "new"), "a copy has it, too");
    redis.rename("old", "new", OldOverride::Remove, None, None).await.unwrap();
    let cleared = flags.clear("new").await.unwrap().revision.unwrap();
    flags.undo(cleared).await.unwrap();
    assert!(ends(&server, "new"), "a removal is undone with the end");

    flags.disable("new").expires_in(Duration::from_secs(10)).await.unwrap();
    assert!(ends(&server, "new"), "the settings come back and end");
    let disabled = flags.disable("new").await.unwrap().revision.unwrap();
    assert!(!ends(&server, "new"), "a switch replaces the end");
    flags.undo(disabled).await.unwrap();
    assert!(ends(&server, "new"), "and undoing it brings the end back");
    flags.set("new", fifty()).expires_in(Duration::from_secs(5_000)).await.unwrap();
    assert!(!ends(&server, "new"), "a given end replaces the former one");
}

/// Rules that were given before changes asked for the time have no `+pttl`.
#[tokio::test]
async fn a_writer_of_keys_without_pttl_changes_flags() {
    let server = Server::start();
    let writer = ["ACL", "SETUSER", "w", "on", ">secret", "~*", "&*", "+@all", "-pttl"];
    server.cli(&writer);
    let url = format!("redis://w:secret@127.0.0.1:{}/", server.port());
    let redis = patient(&url).key_per_flag("ff").handle();
    let flags = Flags::builder().source(redis.clone()).max_wait(BOUND).start().await.unwrap();
    server.cli(&["SET", "ff:old", r#"{"percentage":60}"#, "EX", "1000"]);

    flags.set("old", Definition::new().owner("web")).await.unwrap();
    assert!(ends(&server, "old"), "KEEPTTL needs no right");

    flags.disable("old").expires_in(Duration::from_secs(10)).await.unwrap();
    redis.rename("old", "new", OldOverride::Remove, None, None).await.unwrap();
    let cleared = flags.clear("new").await.unwrap().revision.unwrap();
    flags.undo(cleared).await.unwrap();
    assert_ne!(server.cli(&["GET", "ff:new"]), "");
}
