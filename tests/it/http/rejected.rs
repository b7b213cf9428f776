//! Rejected flags without a former definition, which are neither on nor off.

use flagstaff::{
    File, FlagGate, FlagSwitch, Flags, Memory, Reason,
    answer::ErrorCode,
    definition::Entry,
    gate::{GateDenied, Requirement},
};
use http::{Request, Response};
use tower::{Layer, ServiceExt, service_fn};

use super::{answer, get};

/// Returns flags of which `bad` was rejected, and the source above it.
async fn flags() -> (Flags, Memory) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("flags.toml");
    let text = "[flags]\non = true\noff = false\n[flags.bad]\nonwer = \"x\"\n";
    std::fs::write(&path, text).unwrap();
    let above = Memory::new();
    let flags = Flags::builder().source(above.clone()).source(File::open(&path).unwrap());
    // The flags stay in force after the file is removed.
    (flags.start().await.unwrap(), above)
}

fn off(flag: &str) -> Requirement {
    Requirement::off(flag)
}

/// Returns gates on `bad`, alone and with others. True if the gate is open once `bad` is forced off.
fn gates() -> [(FlagGate, bool); 12] {
    [
        (FlagGate::new("bad"), false),
        (FlagGate::new("bad").inverted(), true),
        (FlagGate::new(off("bad")), true),
        (FlagGate::new(off("bad")).inverted(), false),
        (FlagGate::new("bad").default_value(true), false),
        (FlagGate::new("bad").default_value(true).inverted(), true),
        (FlagGate::all(["on", "bad"]), false),
        (FlagGate::all([Requirement::on("on"), off("bad")]), true),
        (FlagGate::all(["bad", "on"]).inverted(), true),
        (FlagGate::any(["bad", "off"]), false),
        (FlagGate::any([off("bad"), Requirement::on("off")]), true),
        (FlagGate::any(["off", "bad"]).inverted(), true),
    ]
}

#[tokio::test]
async fn a_gate_on_a_rejected_flag_is_closed_in_either_mode_until_the_flag_is_forced_off() {
    let (flags, above) = flags().await;

    // Even when the flag is forced on, its deny-lists are missing.
    for entry in [None, Some(Entry::Forced(true))] {
        if let Some(entry) = entry {
            above.insert("bad", entry);
        }
        for (gate, _) in gates() {
            let gate = gate.flags(&flags);
            let shown = format!("{gate:?}");

            let (parts, _) = answer(gate, get("/")).await;

            assert_eq!(parts.status, 404, "{shown}");
            let denied = parts.extensions.get::<GateDenied>().unwrap();
            assert_eq!(denied.key(), "bad", "{shown}");
            let answer = denied.answer();
            assert_eq!((answer.reason, answer.error_code), PARSE_ERROR, "{shown}");
        }
    }

    above.insert("bad", false);

    for (gate, is_open) in gates() {
        let gate = gate.flags(&flags);
        let shown = format!("{gate:?}");

        let (parts, _) = answer(gate, get("/")).await;

        assert_eq!(parts.status == 200, is_open, "{shown}");
    }
}

const PARSE_ERROR: (Reason, Option<ErrorCode>) = (Reason::Error, Some(ErrorCode::ParseError));

#[tokio::test]
async fn what_another_flag_decides_alone_is_open_beside_a_rejected_flag() {
    let (flags, _) = flags().await;

    for gate in [FlagGate::any(["on", "bad"]), FlagGate::all(["off", "bad"]).inverted()] {
        let shown = format!("{gate:?}");

        let (parts, _) = answer(gate.flags(&flags), get("/")).await;

        assert_eq!(parts.status, 200, "{shown}");
    }
}

#[tokio::test]
async fn a_switch_on_a_rejected_flag_takes_the_service_for_off() {
    let (flags, above) = flags().await;
    let new = service_fn(async |_: Request<()>| Ok::<_, ()>(Response::new("new")));
    let old = service_fn(async |_: Request<()>| Ok::<_, ()>(Response::new("old")));
    let body = async |requirement: Requirement, default| {
        let switch = FlagSwitch::new(requirement, new).flags(&flags).default_value(default);
        switch.layer(old).oneshot(Request::new(())).await.unwrap().into_body()
    };

    for default in [false, true] {
        assert_eq!(body("bad".into(), default).await, "old");
        assert_eq!(body(off("bad"), default).await, "old");
    }

    above.insert("bad", false);

    assert_eq!(body("bad".into(), false).await, "old");
    assert_eq!(body(off("bad"), false).await, "new");
}
