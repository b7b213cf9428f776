//! Changing overrides in Redis.

use std::{
    thread,
    time::{Duration, SystemTime},
};

use flagstaff::{
    Context, Definition, Flags, Memory, Percentage, Redis, WriteError,
    answer::FlagState,
    definition::{Entry, Field, Rollout, Stage},
    event::Event,
    source::{RedisError, RedisErrorKind, Status, WritableBackend},
    write::{Expected, Operation, Refusal, Write},
};
use futures_util::future::join_all;
use serde_json::Value;
use tokio::{net::TcpListener, task::JoinSet, time::timeout};

use super::{
    proxy::{Mode, Proxy},
    server::{Server, cli, patient},
    subject::{fails, over},
};
use crate::support::{BOUND, next};

async fn flags(server: &Server) -> Flags {
    let redis = patient(&server.url()).handle();
    over(redis, Memory::new().with("beta", false)).await
}

fn stored(server: &Server, flag: &str) -> String {
    server.cli(&["HGET", "feature_flags", flag])
}

fn percent(percent: u32) -> Definition {
    Definition::new().percentage(Percentage::whole(percent).unwrap())
}

#[tokio::test]
async fn on_and_off_are_stored_as_1_and_0_unless_more_is_stored() {
    let server = Server::start();
    let flags = flags(&server).await;

    flags.enable("beta").await.unwrap();
    assert_eq!(stored(&server, "beta"), "1");
    assert!(flags.is_enabled("beta", &Context::anonymous()));

    flags.disable("beta").await.unwrap();
    assert_eq!(stored(&server, "beta"), "0");
    assert!(!flags.is_enabled("beta", &Context::anonymous()));

    flags.enable("beta").author("ana").reason("demo").await.unwrap();
    let value: serde_json::Value = serde_json::from_str(&stored(&server, "beta")).unwrap();
    assert_eq!(value["force"], true);
    assert_eq!(
        (&value["override"]["by"], &value["override"]["reason"]),
        (&"ana".into(), &"demo".into())
    );
    assert!(flags.is_enabled("beta", &Context::anonymous()));

    flags.clear("beta").await.unwrap();
    assert_eq!(stored(&server, "beta"), "");
    assert!(!flags.is_enabled("beta", &Context::anonymous()));
}

#[tokio::test]
async fn setting_a_field_leaves_the_others() {
    let server = Server::start();
    let flags = flags(&server).await;

    flags.set("beta", percent(25)).author("ana").await.unwrap();
    flags.set("beta", Definition::new().denied_users(["mallory"])).author("bob").await.unwrap();

    let expected = percent(25).denied_users(["mallory"]);
    assert_eq!(flags.sources_of("beta")[0].entry, Entry::from(expected));
    let by = flags.sources_of("beta")[0].provenance.clone().unwrap();
    assert_eq!(by.author.as_deref(), Some("bob"));
}

#[tokio::test]
async fn an_explanation_names_the_field_and_the_author() {
    let server = Server::start();
    let flags = flags(&server).await;

    flags.disable("beta").author("ana").reason("incident 42").await.unwrap();

    let explanation = flags.explain("beta", &Context::anonymous());
    let place = "field `beta` of the hash `feature_flags`";
    assert_eq!(explanation.because, "redis forces off for all users");
    assert_eq!(explanation.place.as_deref(), Some(place));
    assert_eq!(explanation.sources[0].place.as_deref(), Some(place));
    let by = explanation.sources[0].provenance.clone().unwrap();
    assert_eq!((by.author.as_deref(), by.reason.as_deref()), (Some("ana"), Some("incident 42")));
}

#[tokio::test]
async fn a_patch_of_a_forced_value_narrows_it() {
    let server = Server::start();
    let flags = flags(&server).await;
    server.cli(&["HSET", "feature_flags", "beta", "1"]);

    flags.set("beta", percent(0)).await.unwrap();

    let beta = flags.boolean("beta", &Context::user("ana"), false);
    assert_eq!((beta.value, beta.source), (false, Some("redis")));
    let Entry::Definition(definition) = &flags.sources_of("beta")[0].entry else { panic!() };
    assert!(definition.has(Field::AllowedUsers) && definition.has(Field::Enabled));
}

#[tokio::test]
async fn a_patch_of_what_is_off_stays_off_until_it_is_switched_on() {
    let server = Server::start();
    let redis = patient(&server.url()).handle();
    let declared = percent(50).allowed_users(["ana"]);
    let declared = Memory::new().with("beta", declared);
    let flags = over(redis.clone(), declared).await;
    flags.disable("beta").await.unwrap();

    let patch = flags.set("beta", Definition::new().owner("web"));
    let off = Entry::from(Definition::new().enabled(false).owner("web"));
    let rehearsed = redis.rehearse("beta", &patch.into()).await.unwrap().entry;
    flags.set("beta", Definition::new().owner("web")).await.unwrap();
    assert_eq!((rehearsed.as_ref(), &flags.sources_of("beta")[0].entry), (Some(&off), &off));
    assert!(!flags.is_enabled("beta", &Context::user("ana")));

    flags.set("beta", Definition::new().enabled(true)).await.unwrap();
    assert_eq!(flags.watch("beta").borrow().to_string(), "50%, 1 allowed");
}

#[tokio::test]
async fn what_cannot_be_read_is_not_written_over() {
    let server = Server::start();
    let flags = flags(&server).await;
    server.cli(&["HSET", "feature_flags", "beta", "{broken"]);

    let error = flags.set("beta", percent(25)).await.unwrap_err();

    assert!(format!("{error:?}").contains("clear it, then set it again"), "{error:?}");
    assert_eq!(stored(&server, "beta"), "{broken");
    flags.enable("beta").await.unwrap();
    assert_eq!(stored(&server, "beta"), "1");
}

#[tokio::test]
async fn members_of_others_survive_a_patch_of_a_flag_with_a_key_of_its_own() {
    let server = Server::start();
    let redis = patient(&server.url()).key_per_flag("ff").handle();
    let flags = Flags::builder().source(redis).max_wait(BOUND).start().await.unwrap();
    server.cli(&["SET", "ff:beta", r#"{"enabled": true, "percentage": 10, "current_stage": 3}"#]);

    flags.set("beta", percent(20)).await.unwrap();
    let value = server.cli(&["GET", "ff:beta"]);
    assert_eq!(value, r#"{"enabled":true,"percentage":20,"current_stage":3}"#);

    flags.disable("beta").await.unwrap();
    let value = server.cli(&["GET", "ff:beta"]);
    assert_eq!(value, r#"{"enabled":false,"percentage":20,"current_stage":3}"#);
    assert!(!flags.is_enabled("beta", &Context::user("ana")));

    flags.enable("beta").await.unwrap();
    assert!(flags.is_enabled("beta", &Context::anonymous()));
    flags.clear("beta").await.unwrap();
    assert_eq!(server.cli(&["EXISTS", "ff:beta"]), "0");
}

/// Waits until a flag is off.
async fn off(flags: &Flags, flag: &str) {
    let mut flag = flags.watch(flag);
    let off = timeout(BOUND, flag.wait_for(|&flag| flag == FlagState::Off)).await;
    drop(off.expect("the override ends").unwrap());
}

#[tokio::test]
async fn an_override_ends_by_itself_and_the_next_writer_removes_it() {
    let server = Server::start();
    let flags = flags(&server).await;
    flags.enable("other").expires_in(Duration::from_secs(3_600)).await.unwrap();

    flags.enable("beta").expires_in(Duration::from_millis(200)).await.unwrap();
    off(&flags, "beta").await;
    assert!(flags.is_enabled("other", &Context::anonymous()));

    // On a slow machine, the writer of `beta` may have removed its override already.
    let ended = r#"{"force":true,"override":{"expires_at":"2020-01-01T00:00:00Z"}}"#;
    server.cli(&["HSET", "feature_flags", "ended", ended]);
    // It has also ended for an instance that starts now.
    let late = self::flags(&server).await;
    assert!(!late.is_enabled("ended", &Context::anonymous()));
    assert_eq!(stored(&server, "ended"), ended);
    flags.enable("third").await.unwrap();
    assert_eq!(stored(&server, "ended"), "");
    assert_eq!(stored(&server, "beta"), "");
    assert_ne!(stored(&server, "other"), "");
}

/// The clock of this machine is an hour fast here. By it, an override with half an hour left has ended.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn an_override_ends_by_the_clock_of_the_server() {
    let server = Server::slow();
    let flags = flags(&server).await;
    let health = &flags.health().sources[0];
    assert_eq!((health.status, health.last_error_kind), (Status::Ready, Some("clock")));
    let error = health.last_error.as_ref().unwrap();
    let told = format!("{error}: {}", std::error::Error::source(error).unwrap());
    assert!(told.contains("the clock of this machine") && told.contains(" fast"), "{told}");

    let half_an_hour_ago = SystemTime::now() - Duration::from_secs(1_800);
    flags.enable("beta").expires_at(half_an_hour_ago).await.unwrap();
    let two_hours_ago = SystemTime::now() - Duration::from_secs(7_200);
    flags.enable("other").expires_at(two_hours_ago).await.unwrap();

    assert!(flags.is_enabled("beta", &Context::anonymous()));
    assert!(!flags.is_enabled("other", &Context::anonymous()));
    // The next writer removes only what has ended.
    flags.enable("third").await.unwrap();
    assert_ne!(stored(&server, "beta"), "");
    assert_eq!(stored(&server, "other"), "");
}

/// By the clock of this machine, the override would last for an hour too long.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn an_override_lasts_for_its_time_by_the_clock_of_the_server() {
    let server = Server::slow();
    let flags = flags(&server).await;

    flags.enable("beta").expires_in(Duration::from_secs(1_800)).await.unwrap();

    let end = flags.sources_of("beta")[0].provenance.as_ref().unwrap().expires_at.unwrap();
    assert!(end < SystemTime::now(), "{end:?}");
    assert!(flags.is_enabled("beta", &Context::anonymous()));
    // A handle that has not read the server's time uses the clock of this machine.
    let handle = patient(&server.url()).handle();
    assert!(handle.now() > end);
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_clock_that_goes_wrong_is_reported_once() {
    let server = Server::slow();
    let redis = patient(&server.url());
    let flags = Flags::builder().source(redis).max_wait(Duration::ZERO).start().await.unwrap();
    let mut events = flags.events();

    let mut told = 0;
    // Each change causes a reading, which detects the wrong clock again.
    for value in ["1", "0", "1"] {
        server.cli(&["HSET", "feature_flags", "beta", value]);
        loop {
            match next(&mut events).await {
                Event::Failed { kind, .. } => told += usize::from(kind == "clock"),
                Event::Changed { .. } => break,
                _ => {}
            }
        }
    }
    assert!(told <= 1, "{told}");
    assert_eq!(flags.health().sources[0].last_error_kind, Some("clock"));
}

/// The change is made, but the source is not allowed to read it.
#[tokio::test]
async fn a_change_that_is_not_in_force_here_says_so() {
    let server = Server::start();
    server.cli(&["HSET", "feature_flags", "beta", "1"]);
    let all = ["ACL", "SETUSER", "default", "+@all"];
    let flags = flags(&server).await;
    let mut events = flags.events();
    server.cli(&["ACL", "SETUSER", "default", "-hgetall"]);
    fails(&mut events, RedisErrorKind::Permission).await;

    let error = flags.disable("beta").await.unwrap_err();

    let WriteError::NotInForce { written, error: cause, .. } = &error else { panic!("{error:?}") };
    assert_eq!(written.revision, Some(1));
    assert!(error.to_string().contains("stored the change, but it is not in force"), "{error}");
    assert!(cause.to_string().contains("+hgetall"), "{cause}");
    assert_eq!(stored(&server, "beta"), "0");
    assert!(flags.is_enabled("beta", &Context::anonymous()));
    server.cli(&all);
    off(&flags, "beta").await;
}

/// The log has an entry with the highest number, added by hand. So no change can get a number.
#[tokio::test]
async fn a_log_with_the_highest_number_refuses_changes_and_is_named() {
    for id in ["18446744073709551615-18446744073709551615", "9007199254740991-0"] {
        let server = Server::start();
        let flags = flags(&server).await;
        flags.enable("beta").await.unwrap();
        server.cli(&["XADD", "{feature_flags}:log", id, "flag", "beta"]);

        let error = flags.disable("beta").await.unwrap_err();

        let WriteError::Failed { error, .. } = &error else { panic!("{error:?}") };
        let error = error.downcast_ref::<RedisError>().unwrap();
        assert_eq!(error.kind(), RedisErrorKind::LogFull);
        assert!(flags.is_enabled("beta", &Context::anonymous()));
        assert_eq!(stored(&server, "beta"), "1");
        // Changes by other writers are still followed.
        server.cli(&["HSET", "feature_flags", "beta", "0"]);
        off(&flags, "beta").await;
        server.cli(&["DEL", "{feature_flags}:log"]);
        flags.enable("beta").await.unwrap();
    }
}

#[tokio::test]
async fn a_flag_more_than_readers_take_is_refused() {
    let server = Server::start();
    let redis = patient(&server.url()).max_fields(2);
    let flags = Flags::builder().source(redis).max_wait(BOUND).start().await.unwrap();
    flags.enable("a").await.unwrap();
    flags.enable("b").await.unwrap();

    let refused = flags.enable("c").await.unwrap_err();

    assert!(format!("{refused:?}").contains("`max_fields` is 2"), "{refused:?}");
    assert_eq!(stored(&server, "c"), "");
    flags.disable("a").await.unwrap();
    assert_eq!(flags.health().sources[0].status, Status::Ready);
}

#[tokio::test]
async fn foreign_entries_that_are_not_utf8_do_not_hide_the_log() {
    let server = Server::start();
    let flags = flags(&server).await;
    flags.enable("beta").author("ana").await.unwrap();
    let log = "redis.call('XADD', '{feature_flags}:log', '*', '\\255', '1')";
    server.cli(&["EVAL", log, "0"]);

    let history = flags.history(10).await.unwrap();

    assert_eq!(history[0].author.as_deref(), Some("ana"));
}

#[tokio::test]
async fn a_revision_that_is_too_old_to_look_for_is_a_conflict() {
    let server = Server::start();
    let flags = flags(&server).await;
    let first = flags.enable("beta").await.unwrap().revision.unwrap();
    let others =
        "for i = 2, 10001 do redis.call('XADD', '{feature_flags}:log', i .. '-0', 'flag', 'a') end";
    server.cli(&["EVAL", others, "0"]);

    let conflict = flags.disable("beta").if_revision(first).await.unwrap_err();

    assert!(matches!(conflict, WriteError::Conflict { .. }), "{conflict:?}");
}

/// Otherwise they would connect one after the other, and each would wait for all before it.
#[tokio::test]
async fn writers_who_wait_for_one_connection_fail_with_it() {
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("redis://{}", silent.local_addr().unwrap());
    let redis = Redis::open(&url).unwrap().connect_timeout(Duration::from_millis(100)).handle();
    let attempts = async {
        let mut open = Vec::new();
        loop {
            open.push(silent.accept().await.unwrap());
            assert_eq!(open.len(), 1);
        }
    };

    let write = || redis.write("beta", Write::new(Operation::Enable));
    let writers = join_all((0..10).map(|_| write()));

    tokio::select! {
        () = attempts => {}
        written = writers => assert!(written.iter().all(Result::is_err)),
    }
}

#[tokio::test]
async fn an_override_ends_while_the_server_is_away() {
    let mut server = Server::start();
    let flags = flags(&server).await;
    let mut events = flags.events();
    flags.enable("beta").expires_in(Duration::from_secs(2)).await.unwrap();

    server.kill();

    fails(&mut events, RedisErrorKind::Unreachable).await;
    off(&flags, "beta").await;
    assert_eq!(flags.health().sources[0].status, Status::Error);
}

#[tokio::test]
async fn a_conditional_change_names_the_faster_author() {
    let server = Server::start();
    let flags = flags(&server).await;
    let first = flags.set("beta", percent(10)).author("ana").await.unwrap().revision.unwrap();
    let second = flags.set("beta", percent(20)).author("bob").if_revision(first).await.unwrap();

    let late = flags.set("beta", percent(30)).author("eve").if_revision(first).await.unwrap_err();

    let WriteError::Conflict { conflict, .. } = &late else { panic!("{late:?}") };
    assert_eq!(conflict.author.as_deref(), Some("bob"));
    assert_eq!(conflict.revision, second.revision);
    assert_eq!(conflict.current, Some(stored(&server, "beta")));

    // A writer that does not use revisions.
    server.cli(&["HSET", "feature_flags", "beta", "0"]);
    let revision = second.revision.unwrap();
    let late = flags.enable("beta").if_revision(revision).await.unwrap_err();
    let WriteError::Conflict { conflict, .. } = &late else { panic!("{late:?}") };
    assert_eq!((conflict.current.as_deref(), conflict.revision), (Some("0"), None));
    assert_eq!(stored(&server, "beta"), "0");
}

/// Waits until this many clients are blocked by the server.
async fn waiting(server: &Server, clients: usize) {
    let wanted = format!("blocked_clients:{clients}");
    let wait = async {
        while !server.cli(&["INFO", "clients"]).lines().any(|line| line == wanted) {
            tokio::task::yield_now().await;
        }
    };
    timeout(BOUND, wait).await.expect("they wait");
}

/// A value that others store briefly, while the change is in transit, has no effect on its result.
#[tokio::test]
async fn a_conditional_patch_applies_to_the_expected_revision() {
    let server = Server::start();
    let redis = patient(&server.url()).handle();
    let set = |patch: Definition| Write::new(Operation::Set(patch));
    let first = redis.write("beta", set(percent(10).owner("search"))).await.unwrap().revision;
    let as_expected = stored(&server, "beta");
    server.cli(&["HSET", "feature_flags", "beta", r#"{"percentage": 99, "salt": "other"}"#]);
    server.cli(&["CLIENT", "PAUSE", "60000", "WRITE"]);
    let port = server.port();
    let restore =
        thread::spawn(move || cli(port, &["HSET", "feature_flags", "beta", &as_expected]));
    waiting(&server, 1).await;

    let patch = set(Definition::new().description("a flag"));
    let patch = patch.expect(Expected::Revision(first.unwrap()));
    let writer = redis.clone();
    let patch = tokio::spawn(async move { writer.write("beta", patch).await });
    waiting(&server, 2).await;
    server.cli(&["CLIENT", "UNPAUSE"]);

    patch.await.unwrap().unwrap();
    restore.join().unwrap();
    let beta = redis.read("beta").await.unwrap();
    assert_eq!(beta, Some(percent(10).owner("search").description("a flag").into()));
}

#[tokio::test]
async fn a_flag_that_was_changed_and_changed_back_was_changed() {
    let server = Server::start();
    let flags = flags(&server).await;
    let first = flags.enable("beta").await.unwrap().revision.unwrap();
    flags.disable("beta").await.unwrap();
    flags.enable("beta").await.unwrap();

    let late = flags.disable("beta").if_revision(first).await.unwrap_err();

    assert!(matches!(late, WriteError::Conflict { .. }), "{late:?}");
}

#[tokio::test]
async fn the_log_has_authors_changes_and_unlogged_changes() {
    let server = Server::start();
    let flags = flags(&server).await;
    flags.enable("beta").author("ana").reason("demo").await.unwrap();
    flags.enable("other").await.unwrap();
    server.cli(&["HSET", "feature_flags", "beta", "yes"]);
    flags.disable("beta").author("bob").await.unwrap();

    let history = flags.history_of("beta", 10).await.unwrap();

    let short: Vec<_> = history
        .iter()
        .map(|change| (change.revision, change.author.as_deref(), change.is_external()))
        .collect();
    assert_eq!(
        short,
        [(Some(3), Some("bob"), false), (None, None, true), (Some(1), Some("ana"), false)]
    );
    assert_eq!(history[1].after.as_deref(), Some("yes"));
    assert_eq!(history[2].reason.as_deref(), Some("demo"));
    assert!(history[2].at.unwrap() <= SystemTime::now());
    let all = flags.history(2).await.unwrap();
    assert_eq!(all.iter().map(|change| &*change.key).collect::<Vec<_>>(), ["beta", "other"]);
}

#[tokio::test]
async fn undo_restores_what_was_before_unless_it_was_changed_since() {
    let server = Server::start();
    let flags = flags(&server).await;
    server.cli(&["HSET", "feature_flags", "beta", "yes"]);
    let disabled = flags.disable("beta").author("ana").await.unwrap().revision.unwrap();

    let undone = flags.undo(disabled).author("bob").reason("too early").await.unwrap();

    assert_eq!(stored(&server, "beta"), "yes");
    let again = flags.undo(disabled).await.unwrap_err();
    assert!(matches!(again, WriteError::Conflict { .. }), "{again:?}");
    let latest = &flags.history_of("beta", 1).await.unwrap()[0];
    assert_eq!((latest.undoes, latest.author.as_deref()), (Some(disabled), Some("bob")));
    flags.undo(undone.revision.unwrap()).await.unwrap();
    assert!(!flags.is_enabled("beta", &Context::anonymous()));
    let unknown = flags.undo(999).await.unwrap_err();
    assert!(format!("{unknown:?}").contains("no revision 999"), "{unknown:?}");
}

#[tokio::test]
async fn eight_writers_lose_nothing() {
    const WRITERS: usize = 8;
    const EACH: usize = 250;

    let server = Server::start();
    let mut writers = JoinSet::new();
    for _ in 0..WRITERS {
        let redis = patient(&server.url()).handle();
        writers.spawn(async move {
            let writable = redis;
            for _ in 0..EACH {
                // Reads, adds one, and writes if no other writer was faster.
                loop {
                    let before = writable.read("beta").await.unwrap();
                    let patch =
                        Definition::new().description((count(before.as_ref()) + 1).to_string());
                    let write = Write::new(Operation::Set(patch));
                    match writable.write("beta", write.expect(Expected::Entry(before))).await {
                        Ok(_) => break,
                        Err(Refusal::Conflict(_)) => {}
                        Err(error) => panic!("{error:?}"),
                    }
                }
            }
        });
    }
    writers.join_all().await;

    let redis = patient(&server.url()).handle();
    let beta = redis.read("beta").await.unwrap();
    assert_eq!(count(beta.as_ref()), WRITERS * EACH);
    assert_eq!(server.cli(&["XLEN", "{feature_flags}:log"]), (WRITERS * EACH).to_string());
}

/// Returns the number in a description.
fn count(entry: Option<&Entry>) -> usize {
    match entry {
        Some(Entry::Definition(definition)) => {
            definition.description.value().unwrap().parse().unwrap()
        }
        _ => 0,
    }
}

#[tokio::test]
async fn patches_of_different_fields_at_once_all_survive() {
    let server = Server::start();
    let flags = flags(&server).await;
    let fields = [
        Definition::new().owner("search"),
        Definition::new().description("a flag"),
        Definition::new().salt("s"),
        Definition::new().denied_users(["mallory"]),
        percent(30),
    ];

    let mut writers = JoinSet::new();
    for patch in fields {
        let flags = flags.clone();
        writers.spawn(async move { flags.set("beta", patch).await.unwrap() });
    }
    writers.join_all().await;

    let Entry::Definition(beta) = &flags.sources_of("beta")[0].entry else { panic!() };
    assert_eq!(beta.fields().count(), 5);
}

#[tokio::test]
async fn a_change_whose_answer_is_lost_is_unconfirmed_and_never_sent_again() {
    let server = Server::start();
    let proxy = Proxy::to(server.port());
    let url = format!("redis://127.0.0.1:{}", proxy.port());
    let second = Duration::from_secs(1);
    let redis = Redis::open(&url).unwrap().response_timeout(second).connect_timeout(second);
    let redis = redis.unannounced().handle();
    // On a busy machine, a second may be too short for the other changes, too.
    let write = async |flag: &str| {
        while redis.write(flag, Write::new(Operation::Disable)).await.is_err() {}
    };
    timeout(BOUND, write("beta")).await.expect("a change");
    let logged = || server.cli(&["XRANGE", "{feature_flags}:log", "-", "+"]);
    let of_beta = || logged().lines().filter(|&line| line == "beta").count();
    let before = of_beta();

    proxy.set(Mode::Drop);
    let refusal = redis.write("beta", Write::new(Operation::Enable)).await.unwrap_err();
    proxy.set(Mode::Pass);

    assert!(matches!(refusal, Refusal::Unconfirmed(_)), "{refusal:?}");
    // Writing works again once the network does.
    timeout(BOUND, write("other")).await.expect("a change");
    assert!(of_beta() <= before + 1, "{}", logged());
}

/// The connection breaks after the server has made the change, but before the answer arrives.
#[tokio::test]
async fn a_change_whose_answer_is_lost_is_found_in_the_log() {
    let server = Server::start();
    let proxy = Proxy::to(server.port());
    let redis = patient(&proxy.url()).unannounced().handle();
    redis.write("beta", Write::new(Operation::Disable)).await.unwrap();
    proxy.set(Mode::Mute);
    let writer = redis.clone();
    let write = async move { writer.write("beta", Write::new(Operation::Enable)).await };
    let write = tokio::spawn(write);
    while server.cli(&["XLEN", "{feature_flags}:log"]) != "2" {
        tokio::task::yield_now().await;
    }

    // No other task runs between these two calls.
    proxy.set(Mode::Cut);
    proxy.set(Mode::Pass);

    assert_eq!(write.await.unwrap().unwrap().revision, Some(2));
    assert_eq!(server.cli(&["XLEN", "{feature_flags}:log"]), "2");
}

#[tokio::test]
async fn a_change_that_cannot_be_sent_is_refused_with_the_reason() {
    let mut server = Server::start();
    let flags = flags(&server).await;
    server.kill();

    let error = flags.enable("beta").await.unwrap_err();

    let WriteError::Failed { name: "redis", .. } = &error else { panic!("{error:?}") };
    assert!(format!("{error:?}").contains("cannot reach Redis"), "{error:?}");
}

#[tokio::test]
async fn a_change_is_in_force_here_when_it_returns() {
    let server = Server::start();
    let flags = flags(&server).await;

    for n in 0..100 {
        let on = n % 2 == 0;
        match on {
            true => flags.enable("beta"),
            false => flags.disable("beta"),
        }
        .await
        .unwrap();
        assert_eq!(flags.is_enabled("beta", &Context::anonymous()), on);
    }
}

#[tokio::test]
async fn drift_has_overrides_with_authors_and_undeclared_flags() {
    let server = Server::start();
    let flags = flags(&server).await;
    flags.enable("beta").author("ana").reason("demo").await.unwrap();
    flags.enable("leftover").await.unwrap();

    let drift = flags.drift();

    let keys: Vec<_> = drift.iter().map(|drift| (&*drift.key, drift.is_undeclared())).collect();
    assert_eq!(keys, [("beta", false), ("leftover", true)]);
    assert_eq!(drift[0].fields, [Field::Enabled]);
    let by = drift[0].provenance.as_ref().unwrap();
    assert_eq!(by.author.as_deref(), Some("ana"));
    assert!(
        by.age(SystemTime::now() + Duration::from_secs(60)).unwrap() >= Duration::from_secs(60)
    );
}

#[tokio::test]
async fn a_log_whose_latest_entries_were_removed_goes_on() {
    let server = Server::start();
    let flags = flags(&server).await;
    let first = flags.enable("beta").await.unwrap().revision.unwrap();
    server.cli(&["XTRIM", "{feature_flags}:log", "MAXLEN", "0"]);

    let second = flags.disable("beta").await.unwrap().revision.unwrap();
    let third = flags.enable("beta").if_revision(second).await.unwrap().revision.unwrap();

    assert!(first < second && second < third, "{first} {second} {third}");
    assert_eq!(stored(&server, "beta"), "1");
}

#[tokio::test]
async fn the_log_keeps_the_latest_changes_only() {
    let server = Server::start();
    let flags = flags(&server).await;
    let others =
        "for i = 1, 20000 do redis.call('XADD', '{feature_flags}:log', i .. '-0', 'flag', 'a') end";
    server.cli(&["EVAL", others, "0"]);

    flags.enable("beta").author("ana").await.unwrap();

    let kept: usize = server.cli(&["XLEN", "{feature_flags}:log"]).parse().unwrap();
    assert!((10_000..10_500).contains(&kept), "{kept}");
    assert_eq!(flags.history(1).await.unwrap()[0].revision, Some(20_001));
}

#[tokio::test]
async fn a_change_that_cannot_be_logged_is_taken_back() {
    let server = Server::start();
    let flags = flags(&server).await;
    server.cli(&["HSET", "feature_flags", "beta", "yes"]);
    server.cli(&["SET", "{feature_flags}:log", "somebody else's"]);

    assert!(flags.disable("beta").await.is_err());

    assert_eq!(stored(&server, "beta"), "yes");
}

#[tokio::test]
async fn a_flag_that_only_others_changed_has_a_history_too() {
    let server = Server::start();
    let flags = flags(&server).await;
    server.cli(&["HSET", "feature_flags", "beta", "yes"]);

    for history in [flags.history_of("beta", 10).await, flags.history(10).await] {
        let history = history.unwrap();
        let [change] = &history[..] else { panic!("{history:?}") };
        assert!(change.is_external());
        assert_eq!((&*change.key, change.after.as_deref()), ("beta", Some("yes")));
    }
}

#[tokio::test]
async fn a_field_is_removed_and_the_last_one_with_the_override() {
    let server = Server::start();
    let flags = flags(&server).await;
    let without = |fields: &[Field]| {
        flags.set("beta", Definition::new()).author("ana").inheriting(fields.to_vec())
    };
    flags.set("beta", percent(10).owner("web")).author("ana").await.unwrap();

    without(&[Field::Percentage]).await.unwrap();
    let value: Value = serde_json::from_str(&stored(&server, "beta")).unwrap();
    assert_eq!((&value["owner"], value.get("percentage")), (&"web".into(), None));

    without(&[Field::Owner]).await.unwrap();
    assert_eq!(stored(&server, "beta"), "");
    let log = flags.history_of("beta", 3).await.unwrap();
    assert_eq!((log.len(), &log[0].after), (3, &None));
    assert_eq!(without(&[Field::Owner]).await.unwrap().revision, None);

    flags.disable("beta").await.unwrap();
    let whole = without(&[Field::Enabled]).await.unwrap_err();
    assert!(format!("{whole:?}").contains("clear it as a whole"), "{whole:?}");
    assert_eq!(stored(&server, "beta"), "0");
}

#[tokio::test]
async fn an_ended_forced_value_does_not_prevent_removing_a_field() {
    let server = Server::start();
    let flags = flags(&server).await;
    let ended = r#"{"force":false,"override":{"expires_at":"2020-01-01T00:00:00Z"}}"#;
    server.cli(&["HSET", "feature_flags", "beta", ended]);

    let patch = Definition::new().owner("web");
    flags.set("beta", patch.clone()).inheriting([Field::Percentage]).await.unwrap();

    assert_eq!(flags.sources_of("beta")[0].entry, Entry::from(patch));
}

#[tokio::test]
async fn fields_are_removed_only_by_a_set() {
    let server = Server::start();
    let redis = patient(&server.url()).key_per_flag("ff").handle();
    server.cli(&["SET", "ff:beta", r#"{"owner": "web"}"#]);

    for operation in [Operation::Enable, Operation::Disable, Operation::Clear] {
        let write = Write::new(operation).inheriting([Field::Owner]);
        let rehearsed = redis.rehearse("beta", &write).await.unwrap_err();
        let made = redis.write("beta", write).await.unwrap_err();
        for refused in [rehearsed, made] {
            assert!(matches!(refused, Refusal::Unsupported(_)), "{refused}");
        }
    }
    assert_eq!(server.cli(&["GET", "ff:beta"]), r#"{"owner": "web"}"#);
}

#[tokio::test]
async fn a_field_that_a_json_key_always_has_is_not_removed() {
    let server = Server::start();
    let redis = patient(&server.url()).key_per_flag("ff").handle();
    let flags = Flags::builder().source(redis).max_wait(BOUND).start().await.unwrap();
    server.cli(&["SET", "ff:beta", r#"{"percentage": 10, "owner": "web"}"#]);
    let without = |field| flags.set("beta", Definition::new()).inheriting([field]);

    let error = without(Field::Percentage).await.unwrap_err();
    without(Field::Owner).await.unwrap();

    assert!(format!("{error:?}").contains("has its default"), "{error:?}");
    assert_eq!(server.cli(&["GET", "ff:beta"]), r#"{"percentage":10}"#);
}

#[tokio::test]
async fn a_revision_can_be_looked_up_and_what_it_stored_be_read() {
    let server = Server::start();
    let redis = patient(&server.url()).handle();
    let flags = Flags::builder().source(redis.clone()).max_wait(BOUND).start().await.unwrap();
    let write = flags.disable("beta").author("ana").expires_in(Duration::from_secs(60)).await;
    let revision = write.unwrap().revision.unwrap();

    let change = redis.revision(revision).await.unwrap().unwrap();

    assert_eq!((&*change.key, change.author.as_deref()), ("beta", Some("ana")));
    let (entry, by) = redis.decode("beta", &change.after.unwrap()).unwrap().unwrap();
    assert_eq!(entry, Entry::Forced(false));
    assert!(by.unwrap().expires_at.is_some());
    assert!(redis.decode("beta", "{broken").is_err());
    assert_eq!(redis.revision(99).await.unwrap(), None);
}

#[tokio::test]
async fn a_change_of_a_field_keeps_the_end_of_an_override() {
    let server = Server::start();
    let flags = flags(&server).await;
    flags.set("beta", percent(10)).expires_in(Duration::from_secs(3_600)).await.unwrap();

    flags.set("beta", percent(20)).author("ana").await.unwrap();
    let by = flags.sources_of("beta")[0].provenance.clone().unwrap();
    assert!(by.expires_at.is_some() && by.author.as_deref() == Some("ana"));

    flags.enable("beta").expires_in(Duration::MAX).await.unwrap();
    assert_eq!(stored(&server, "beta"), "1");

    let end = |flags: &Flags| flags.sources_of("beta")[0].provenance.clone().unwrap().expires_at;
    for operation in [Flags::enable, Flags::disable] {
        operation(&flags, "beta").expires_in(Duration::from_secs(3_600)).await.unwrap();
        let before = end(&flags);
        flags.set("beta", Definition::new().owner("ana")).await.unwrap();
        assert!(before.is_some() && end(&flags) == before);
    }
}

/// Readers in other languages read any JSON object as off, and the settings are still stored.
#[tokio::test]
async fn switching_off_keeps_stored_settings_and_on_restores_them() {
    let server = Server::start();
    let flags = flags(&server).await;
    let state = || flags.sources_of("beta")[0].entry.clone();
    flags.set("beta", percent(25).owner("web").enabled(true)).await.unwrap();

    flags.disable("beta").plainly().await.unwrap();

    let off = stored(&server, "beta");
    assert!(off.contains(r#""force":false"#) && off.contains(r#""percentage":25"#), "{off}");
    assert!(!flags.is_enabled("beta", &Context::user("ana")));
    assert_eq!(state(), percent(25).owner("web").enabled(false).into());

    // A setting of the flag does not switch it on, unless it is `enabled`.
    flags.set("beta", percent(50)).await.unwrap();
    assert!(stored(&server, "beta").contains(r#""force":false"#));
    flags.enable("beta").plainly().await.unwrap();

    assert!(!stored(&server, "beta").contains("force"));
    assert_eq!(state(), percent(50).owner("web").enabled(true).into());
    flags.disable("beta").plainly().await.unwrap();
    flags.set("beta", Definition::new().enabled(true)).await.unwrap();
    assert!(!stored(&server, "beta").contains("force"));

    // Enabling a flag that is not switched off forces it on, and a forced value has no settings.
    flags.enable("beta").plainly().await.unwrap();
    assert_eq!(stored(&server, "beta"), "1");
    flags.disable("beta").plainly().await.unwrap();
    assert_eq!(stored(&server, "beta"), "0");
}

#[tokio::test]
async fn a_rollout_goes_on_where_it_was_switched_off() {
    let server = Server::start();
    let redis = patient(&server.url());
    let stages =
        [1, 25, 100].map(|percent| Stage::new(Percentage::whole(percent).unwrap()).manual());
    let declared = Memory::new().with("beta", Definition::new().rollout(Rollout::new(stages)));
    let flags = over(redis, declared).await;
    flags.rollout("beta").start().await.unwrap();
    flags.rollout("beta").advance().forced().await.unwrap();
    let progress = || flags.snapshot().info("beta").unwrap().rollout().unwrap();
    let before = progress();

    flags.disable("beta").plainly().await.unwrap();
    assert!(!flags.is_enabled("beta", &Context::user("ana")));
    assert_eq!(progress(), before);
    flags.enable("beta").plainly().await.unwrap();

    assert_eq!((progress(), before.stage), (before, 2));
}

#[tokio::test]
async fn a_value_of_the_log_is_stored_again_if_nothing_else_was_stored_since() {
    let server = Server::start();
    let redis = patient(&server.url()).handle();
    let set = |percentage| Write::new(Operation::Set(percent(percentage)));
    redis.write("beta", set(10)).await.unwrap();
    let first = stored(&server, "beta");
    redis.write("beta", set(20)).await.unwrap();
    let second = stored(&server, "beta");

    let late = redis.store("beta", Some("0"), Some(&first), None, None).await.unwrap_err();
    assert!(matches!(late, Refusal::Conflict(_)), "{late:?}");
    redis.store("beta", Some(&second), Some(&first), Some("ana"), Some("back")).await.unwrap();

    assert_eq!(stored(&server, "beta"), first);
    let latest = redis.history(Some("beta"), 1).await.unwrap();
    assert_eq!(latest[0].author.as_deref(), Some("ana"));
    let broken = redis.store("beta", Some(&first), Some("{"), None, None).await.unwrap_err();
    assert!(matches!(broken, Refusal::Failed(_)), "{broken:?}");
    redis.store("beta", Some(&first), None, None, None).await.unwrap();
    assert_eq!(server.cli(&["HEXISTS", "feature_flags", "beta"]), "0");
}
