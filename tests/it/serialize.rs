//! Serialization of events, health, entries and the log.

use std::time::{Duration, SystemTime};

use flagstaff::{
    Definition, Flags, Memory, Percentage,
    definition::Entry,
    event::Event,
    source::{Health, Offer},
    write::{LogEntry, Provenance},
};
use serde::Serialize;
use serde_json::{Value, json};

use crate::support::{Act, Scripted, next};

fn json_of(value: impl Serialize) -> Value {
    serde_json::to_value(value).unwrap()
}

/// Returns the names of the members, in their order.
fn members(value: &Value) -> Vec<&str> {
    value.as_object().unwrap().keys().map(String::as_str).collect()
}

#[tokio::test]
async fn events_serialize_with_the_words_of_the_command() {
    let (script, source) = Scripted::new();
    let quarter = Definition::new().percentage(Percentage::whole(25).unwrap());
    script.send(Act::Publish(Offer::from_iter([("beta", quarter)]))).unwrap();
    let flags = Flags::builder().source(source).start().await.unwrap();
    let mut events = flags.events();

    script.send(Act::Publish(Offer::from_iter([("beta", true)]))).unwrap();
    let changed = json_of(next(&mut events).await);
    script.send(Act::Fail("connection refused")).unwrap();
    let failed = json_of(next(&mut events).await);
    let health: Health = flags.health();
    script.send(Act::Confirm).unwrap();
    let recovered = json_of(next(&mut events).await);

    let change = json!({
        "flag": "beta",
        "before": { "state": "partial", "summary": "25%" },
        "after": { "state": "on", "summary": "on" },
        "fields": ["enabled", "percentage"],
    });
    let generation = flags.snapshot().generation();
    assert_eq!(
        changed,
        json!({
            "event": "changed",
            "generation": generation,
            "cause": "source",
            "source": "scripted",
            "changes": [change],
        })
    );
    let error = "connection refused";
    assert_eq!(
        failed,
        json!({ "event": "failed", "source": "scripted", "kind": "failed", "error": error })
    );
    assert_eq!(recovered, json!({ "event": "recovered", "source": "scripted" }));
    assert_eq!(json_of(Event::Missed(3)), json!({ "event": "missed", "events": 3 }));
    let strange = Memory::new().with("beta", Entry::from_text("25%"));
    let strange = Flags::builder().source(strange).start().await.unwrap();
    assert_eq!(
        json_of(next(&mut strange.events()).await),
        json!({
            "event": "warned",
            "warnings": [{
                "flag": "beta",
                "source": "memory",
                "kind": "neither_on_nor_off",
                "message": "`25%` is neither on nor off, nor a variant, so the flag is off",
                "place": null,
            }],
        })
    );
    assert_eq!(
        json_of(health),
        json!({
            "generation": generation,
            "ready": false,
            "sources": [{
                "name": "scripted",
                "kind": "custom",
                "status": "ERROR",
                "age": 0,
                "flags": 1,
                "warnings": 0,
                "former": 0,
                "mode": null,
                "lastErrorKind": "failed",
                "lastError": error,
            }],
        })
    );
}

#[tokio::test]
async fn entries_and_drift_serialize_with_author_and_reason() {
    let declared = Memory::new().with("beta", Definition::new().owner("payments"));
    let flags = Flags::builder().source(Memory::new()).source(declared).start().await.unwrap();
    flags.disable("beta").author("ana").reason("incident 42").await.unwrap();

    let entries = json_of(flags.sources_of("beta"));
    let drift = json_of(flags.drift());

    assert_eq!(
        members(&entries[0]),
        [
            "source",
            "entry",
            "place",
            "by",
            "reason",
            "at",
            "expiresAt",
            "forcedUntil",
            "problem",
            "warning"
        ]
    );
    assert_eq!(entries[0]["entry"], json!(false));
    assert_eq!((&entries[0]["by"], &entries[0]["reason"]), (&json!("ana"), &json!("incident 42")));
    let [source, entry, by] = ["source", "entry", "by"].map(|name| &entries[1][name]);
    assert_eq!((source, by), (&json!("memory#2"), &Value::Null));
    assert_eq!(entry, &json!({ "owner": "payments" }));
    assert_eq!(drift[0]["declared"], json!({ "owner": "payments" }));
    assert_eq!(drift[0]["overridden"]["enabled"], json!(false));
    assert_eq!(drift[0]["fields"], json!(["enabled"]));
}

#[test]
fn instants_serialize_to_the_second_in_utc() {
    let at = SystemTime::UNIX_EPOCH + Duration::from_millis(1_795_228_969_500);
    let mut entry = LogEntry::new("beta", None, Some("1".to_owned()));
    (entry.revision, entry.at, entry.author) = (Some(7), Some(at), Some("ana".to_owned()));
    let mut provenance = Provenance::default();
    provenance.expires_at = Some(at);

    assert_eq!(
        json_of(entry),
        json!({
            "revision": 7,
            "at": "2026-11-21T02:42:49Z",
            "flag": "beta",
            "by": "ana",
            "reason": null,
            "undoes": null,
            "renamedFrom": null,
            "renamedTo": null,
            "before": null,
            "after": "1",
        })
    );
    assert_eq!(
        json_of(provenance),
        json!({ "by": null, "reason": null, "at": null, "expiresAt": "2026-11-21T02:42:49Z", "forcedUntil": null })
    );
}
