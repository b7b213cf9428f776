//! Large stores that are scanned in pieces while this crate changes them.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::Duration,
};

use flagstaff::{
    Context,
    answer::FlagState::{Off, On, Unknown},
    event::Event,
    source::WritableBackend,
    write::{Operation, Write},
};

use super::{
    proxy::{Mode, Proxy},
    pushes::calls,
    server::{Server, patient},
    subject::Subject,
};
use crate::{
    redis::bounds::is_given,
    support::{BOUND, next},
};

/// A change of this crate, with commands of others in the same step. The log names only one flag.
const HIDDEN: &str = "redis.call('HSET', KEYS[1], 'ours', ARGV[2])
                      redis.call('XADD', KEYS[2], ARGV[1] .. '-0', 'flag', 'ours') ";

/// Makes a change of this crate that hides a change by others.
fn hide(server: &Server, revision: u32, theirs: &str) {
    let on = (revision % 2).to_string();
    let script = format!("{HIDDEN} {theirs}");
    let keys = ["feature_flags", "{feature_flags}:log"];
    server.cli(&["EVAL", &script, "2", keys[0], keys[1], &revision.to_string(), &on]);
}

async fn large(fields: usize) -> (Server, Subject) {
    let server = Server::start();
    fill(&server, fields);
    let subject = Subject::with(patient(&server.url()).unannounced()).await;
    (server, subject)
}

fn fill(server: &Server, fields: usize) {
    let fill = "for n = 1, ARGV[1] do redis.call('HSET', KEYS[1], 'n' .. n, '1') end \
                redis.call('HSET', KEYS[1], 'kept', '1')";
    server.cli(&["EVAL", fill, "1", "feature_flags", &fields.to_string()]);
}

#[tokio::test]
async fn while_only_we_change_flags_everything_is_never_read_at_once() {
    let (server, mut subject) = large(600).await;
    let read = calls(&server, "hgetall");
    let writer = patient(&server.url()).handle();

    for (n, operation, state) in
        [(1, Operation::Disable, Off), (2, Operation::Clear, Unknown), (3, Operation::Enable, On)]
    {
        let scans = calls(&server, "hscan");
        for flag in [format!("n{n}"), format!("new{n}")] {
            writer.write(&flag, Write::new(operation.clone())).await.unwrap();
            subject.becomes(&flag, state).await;
        }
        // 600 fields have 1,024 places, which are read in pieces of 100.
        is_given(&server, "hscan", 11).await;
        assert!(calls(&server, "hscan") >= scans + 11);
    }

    assert_eq!(calls(&server, "hgetall"), read);
    subject.is_undisturbed("scans");
}

#[tokio::test]
async fn what_others_change_behind_a_change_of_ours_is_found() {
    let (server, subject) = large(600).await;

    for (revision, theirs, flag, state) in [
        (1, "redis.call('HSET', KEYS[1], 'n8', '0')", "n8", Off),
        (2, "redis.call('HSET', KEYS[1], 'new', '1')", "new", On),
        (3, "redis.call('HDEL', KEYS[1], 'n9')", "n9", Unknown),
    ] {
        hide(&server, revision, theirs);
        subject.becomes(flag, state).await;
    }

    assert!(calls(&server, "hscan") > 0);
}

/// One command changes two values. A scan may have read one of them before, and the other one after.
#[tokio::test]
async fn flags_that_others_change_at_once_are_in_force_at_once_while_scans_go_on() {
    let (server, mut subject) = large(1_000).await;
    let enough = Arc::new(AtomicBool::new(false));
    let (flags, stop) = (subject.flags.clone(), Arc::clone(&enough));
    let asking = std::thread::spawn(move || {
        let nobody = Context::anonymous();
        while !stop.load(Relaxed) {
            let snapshot = flags.snapshot();
            let is_on = |flag: &str| snapshot.is_enabled(flag, &nobody);
            assert_eq!(is_on("left"), is_on("right"));
        }
    });

    let mut changes = 0;
    for revision in 1.. {
        let both = "redis.call('HSET', KEYS[1], 'left', ARGV[2], 'right', ARGV[2])";
        hide(&server, revision, both);
        while let Ok(event) = tokio::time::timeout(Duration::ZERO, subject.events.next()).await {
            if let Some(Event::Changed { changes: flags, .. }) = event {
                changes += usize::from(flags.iter().any(|change| &*change.key == "left"));
            }
        }
        if changes >= 3 && calls(&server, "hscan") > 0 {
            break;
        }
    }

    enough.store(true, Relaxed);
    asking.join().unwrap();
}

#[tokio::test]
async fn a_user_who_may_not_scan_reads_everything() {
    let server = Server::start();
    fill(&server, 600);
    server.cli(&["ACL", "SETUSER", "default", "-hscan"]);
    let mut subject = Subject::with(patient(&server.url()).unannounced()).await;

    hide(&server, 1, "redis.call('HSET', KEYS[1], 'n8', '0')");

    subject.becomes("n8", Off).await;
    assert_eq!(calls(&server, "hscan"), 0);
    subject.is_undisturbed("no right to scan");
}

/// A scan takes a round trip for each piece: 100 here, each of at least 0.12 s. One large read takes about a second.
#[tokio::test]
async fn a_scan_of_a_server_far_away_is_given_up() {
    let server = Server::start();
    let proxy = Proxy::to(server.port());
    fill(&server, 9_990);
    let redis = patient(&proxy.url()).response_timeout(Duration::from_secs(4)).unannounced();
    let mut subject = Subject::with(redis).await;
    proxy.set(Mode::Slow { bytes: 1 << 20, rest: Duration::from_millis(60) });

    hide(&server, 1, "redis.call('HSET', KEYS[1], 'n8', '0')");

    let found = async {
        loop {
            match next(&mut subject.events).await {
                Event::Failed { error, .. } => panic!("{error}"),
                Event::Changed { changes, .. }
                    if changes.iter().any(|change| &*change.key == "n8") =>
                {
                    break;
                }
                _ => {}
            }
        }
    };
    tokio::time::timeout(BOUND, found).await.expect("a change");
    subject.is_undisturbed("a scan given up");
}
