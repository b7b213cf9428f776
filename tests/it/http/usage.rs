//! Checks that the flags of gates and switches count as evaluated flags.

use std::{
    collections::BTreeSet,
    sync::{Arc, OnceLock},
};

use flagstaff::{
    Backend, Context, FlagGate, FlagSwitch, Flags, Memory,
    context::Anonymous,
    source::{BackendError, BoxFuture, Offer, Sink},
};
use http::{Request, Response};
use tower::{Layer, ServiceExt, service_fn};

/// A source that reads from its sink which flags are evaluated.
#[derive(Default)]
struct Watching(Arc<OnceLock<Sink>>);

impl Backend for Watching {
    fn name(&self) -> &'static str {
        "watching"
    }

    fn run(self: Arc<Self>, sink: Sink) -> BoxFuture<'static, Result<(), BackendError>> {
        sink.publish(Offer::default());
        let _ = self.0.set(sink);
        Box::pin(std::future::pending())
    }
}

#[tokio::test]
async fn flags_that_gates_and_switches_ask_are_evaluated_and_no_others() {
    let asked = ["gate", "all", "all_too", "any", "hidden", "switch", "layered", "pinned"];
    let memory =
        asked.iter().fold(Memory::new().with("idle", true), |memory, flag| memory.with(flag, true));
    let sink = Arc::<OnceLock<Sink>>::default();
    let watching = Watching(Arc::clone(&sink));
    let flags = Flags::builder().source(watching).source(memory).start().await.unwrap();
    let evaluated = || {
        let usage = sink.get().unwrap().usage().into_iter().filter(|flag| flag.is_evaluated);
        usage.map(|flag| flag.key).collect::<BTreeSet<_>>()
    };
    let open = service_fn(async |_: Request<()>| Ok::<_, ()>(Response::new(())));
    let layered = flags.request_layer(Anonymous).layer(FlagGate::new("layered").layer(open));
    let mut pinned = Request::new(());
    pinned.extensions_mut().insert(flags.pin(Context::anonymous()));
    let _made_and_not_asked = flags.gate("idle").layer(open);
    assert!(evaluated().is_empty());

    flags.gate("gate").layer(open).oneshot(Request::new(())).await.unwrap();
    let both = FlagGate::all(["all", "all_too"]).flags(&flags).layer(open);
    both.oneshot(Request::new(())).await.unwrap();
    let any = FlagGate::any(["any", "idle"]).flags(&flags).layer(open);
    any.oneshot(Request::new(())).await.unwrap();
    flags.gate("hidden").conceal(open).layer(open).oneshot(Request::new(())).await.unwrap();
    flags.switch("switch", open).layer(open).oneshot(Request::new(())).await.unwrap();
    layered.oneshot(Request::new(())).await.unwrap();
    FlagSwitch::new("pinned", open).layer(open).oneshot(pinned).await.unwrap();

    assert_eq!(evaluated(), asked.map(str::to_owned).into());
}
