//! Overrides that are moved when their flag is renamed.

use flagstaff::{
    Context, Memory,
    source::{
        OldOverride::{self, Keep, Remove},
        RedisHandle, WritableBackend,
    },
    write::{LogEntry, Refusal},
};

use super::{
    server::{Server, patient},
    subject::over,
};

/// A layout, with functions that open it, and that read and store the value of a flag.
struct Layout {
    open: fn(&Server) -> RedisHandle,
    get: fn(&Server, &str) -> String,
    put: fn(&Server, &str, &str),
}

const LAYOUTS: [Layout; 2] = [
    Layout {
        open: |server| patient(&server.url()).handle(),
        get: |server, flag| server.cli(&["HGET", "feature_flags", flag]),
        put: |server, flag, value| drop(server.cli(&["HSET", "feature_flags", flag, value])),
    },
    Layout {
        open: |server| patient(&server.url()).key_per_flag("ff").handle(),
        get: |server, flag| server.cli(&["GET", &format!("ff:{flag}")]),
        put: |server, flag, value| drop(server.cli(&["SET", &format!("ff:{flag}"), value])),
    },
];

async fn rename(redis: &RedisHandle, old_override: OldOverride) -> Result<Option<u64>, Refusal> {
    let renamed = redis.rename("old", "new", old_override, Some("ana"), Some("clearer")).await;
    renamed.map(|written| written.revision)
}

fn told(entry: &LogEntry) -> (&str, Option<&str>, Option<&str>) {
    (&entry.key, entry.renamed_from.as_deref(), entry.renamed_to.as_deref())
}

#[tokio::test]
async fn an_override_is_moved_as_it_is_stored_in_each_layout() {
    // The last value cannot be read, but is still moved unchanged.
    for value in ["1", r#"{"enabled":true,"percentage":25}"#, "{torn"] {
        for Layout { open, get, put } in &LAYOUTS {
            let server = Server::start();
            put(&server, "old", value);
            let redis = open(&server);

            let revision = rename(&redis, Remove).await.unwrap();

            assert_eq!(
                (get(&server, "old"), get(&server, "new")),
                (String::new(), value.to_owned())
            );
            assert_eq!(revision, Some(2));
            let log = redis.history(None, 9).await.unwrap();
            let logged: Vec<_> = log.iter().filter(|it| !it.is_external()).map(told).collect();
            assert_eq!(logged, [("old", None, Some("new")), ("new", Some("old"), None)]);
            assert_eq!(log[0].before.as_deref(), Some(value));
            assert_eq!(rename(&redis, Remove).await.unwrap(), None, "nothing is left to move");
        }
    }
}

#[tokio::test]
async fn a_moved_override_is_in_force_under_its_new_name_when_the_move_returns() {
    for Layout { open, .. } in &LAYOUTS {
        let server = Server::start();
        // A push would cause a reading of everything, and with it both flags.
        server.cli(&["ACL", "SETUSER", "default", "-client|tracking"]);
        let redis = open(&server);
        let declared = Memory::new().with("old", false).with("new", false);
        let flags = over(redis.clone(), declared).await;
        flags.enable("old").await.unwrap();
        let is_on = |flag: &str| flags.is_enabled(flag, &Context::anonymous());

        rename(&redis, Remove).await.unwrap();

        assert_eq!((is_on("old"), is_on("new")), (false, true));
    }
}

#[tokio::test]
async fn an_override_under_the_new_name_is_never_replaced() {
    for Layout { open, get, put } in &LAYOUTS {
        let server = Server::start();
        put(&server, "old", "1");
        put(&server, "new", "0");
        let redis = open(&server);

        for old_override in [Remove, Keep] {
            let refused = rename(&redis, old_override).await.unwrap_err();
            assert!(matches!(refused, Refusal::Conflict(_)), "{refused}");
        }

        assert_eq!((get(&server, "old"), get(&server, "new")), ("1".to_owned(), "0".to_owned()));
    }
}

#[tokio::test]
async fn a_copy_is_ended_by_the_move_and_each_can_be_undone() {
    for Layout { open, get, put } in &LAYOUTS {
        let server = Server::start();
        put(&server, "old", "1");
        let redis = open(&server);
        let both = || (get(&server, "old"), get(&server, "new"));
        let text = |old: &str, new: &str| (old.to_owned(), new.to_owned());

        let copied = rename(&redis, Keep).await.unwrap().unwrap();
        assert_eq!(both(), text("1", "1"));
        assert_eq!(rename(&redis, Keep).await.unwrap(), None);
        let ended = rename(&redis, Remove).await.unwrap().unwrap();
        assert_eq!(both(), text("", "1"));

        redis.undo(ended, None, None).await.unwrap();
        assert_eq!(both(), text("1", "1"));
        redis.undo(copied, None, None).await.unwrap();
        assert_eq!(both(), text("1", ""));
    }
}

#[tokio::test]
async fn undoing_either_half_of_a_move_moves_the_override_back() {
    for half in [1, 2] {
        for Layout { open, get, put } in &LAYOUTS {
            let server = Server::start();
            put(&server, "old", "{torn");
            let redis = open(&server);
            rename(&redis, Remove).await.unwrap();

            let undone = redis.undo(half, Some("bob".to_owned()), None).await.unwrap();

            assert_eq!(
                (get(&server, "old"), get(&server, "new")),
                ("{torn".to_owned(), String::new())
            );
            let latest = &redis.history(None, 1).await.unwrap()[0];
            assert_eq!((latest.revision, latest.undoes), (undone.revision, Some(half)));
            assert_eq!(told(latest), ("new", None, Some("old")));
        }
    }
}

#[tokio::test]
async fn a_move_is_not_undone_once_either_flag_was_changed() {
    for (flag, value) in [("new", "0"), ("old", "1")] {
        for Layout { open, get, put } in &LAYOUTS {
            let server = Server::start();
            put(&server, "old", "1");
            let redis = open(&server);
            let moved = rename(&redis, Remove).await.unwrap().unwrap();
            put(&server, flag, value);
            let before = (get(&server, "old"), get(&server, "new"));

            let refused = redis.undo(moved, None, None).await.unwrap_err();

            assert!(matches!(refused, Refusal::Conflict(_)), "{refused}");
            assert_eq!((get(&server, "old"), get(&server, "new")), before);
        }
    }
}
