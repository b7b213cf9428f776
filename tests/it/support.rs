//! Helpers of several tests.

use std::{path::Path, process::Command, sync::Arc, time::Duration};

use flagstaff::{
    Backend, Flags,
    definition::FlagsFile,
    event::{Event, Events},
    source::{BackendError, BoxFuture, Offer, Sink},
};
use tokio::sync::mpsc;

/// The pages of the guide.
pub(crate) const GUIDE: &str = concat!(
    include_str!("../../src/docs/guide/asking.md"),
    include_str!("../../src/docs/guide/axum.md"),
    include_str!("../../src/docs/guide/changes.md"),
    include_str!("../../src/docs/guide/checks.md"),
    include_str!("../../src/docs/guide/command.md"),
    include_str!("../../src/docs/guide/environments.md"),
    include_str!("../../src/docs/guide/flags.md"),
    include_str!("../../src/docs/guide/hyper.md"),
    include_str!("../../src/docs/guide/operations.md"),
    include_str!("../../src/docs/guide/requests.md"),
    include_str!("../../src/docs/guide/rules.md"),
    include_str!("../../src/docs/guide/sources.md"),
    include_str!("../../src/docs/guide/testing.md"),
    include_str!("../../src/docs/guide/tonic.md"),
    include_str!("../../src/docs/guide/variants.md"),
    include_str!("../../src/docs/guide/workers.md"),
);

/// The bound on the time of any event that a test waits for. Only a broken test reaches it.
pub(crate) const BOUND: Duration = Duration::from_secs(60);

/// Returns the directory of the repository. Cargo runs tests in the directory of their package, `tests/`.
pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("`tests/` is in the repository")
}

/// Returns the Python with the packages of tests/requirements.txt, in the directory of the repository.
pub(crate) fn python() -> Command {
    let path = root().join("target/venv/bin/python");
    assert!(path.exists(), "{} is missing: run `tests/run --setup` once", path.display());
    let mut command = Command::new(path);
    command.current_dir(root());
    command
}

/// Returns the next event, which has to arrive.
pub(crate) async fn next(events: &mut Events) -> Event {
    let event = tokio::time::timeout(BOUND, events.next()).await;
    event.expect("an event within the bound").expect("the flags are alive")
}

/// The next act of a [`Scripted`] source.
pub(crate) enum Act {
    Publish(Offer),
    Revise(Offer),
    Confirm,
    Fail(&'static str),
    End(Result<(), &'static str>),
    Panic,
}

/// A source that acts on the messages of a test.
///
/// When the source is started again after its end, it continues with the next act.
pub(crate) struct Scripted {
    acts: std::sync::Mutex<Option<mpsc::UnboundedReceiver<Act>>>,
}

impl Scripted {
    pub(crate) fn new() -> (mpsc::UnboundedSender<Act>, Self) {
        let (script, acts) = mpsc::unbounded_channel();
        (script, Self { acts: std::sync::Mutex::new(Some(acts)) })
    }
}

impl Backend for Scripted {
    fn name(&self) -> &'static str {
        "scripted"
    }

    fn run(self: Arc<Self>, sink: Sink) -> BoxFuture<'static, Result<(), BackendError>> {
        let mut acts = self.acts.lock().unwrap().take().expect("its last run has ended");
        Box::pin(async move {
            while let Some(act) = acts.recv().await {
                match act {
                    Act::Publish(offer) => sink.publish(offer),
                    Act::Revise(offer) => sink.revise(offer),
                    Act::Confirm => sink.confirm(),
                    Act::Fail(error) => sink.fail(error),
                    Act::End(result) => {
                        *self.acts.lock().unwrap() = Some(acts);
                        return result.map_err(Into::into);
                    }
                    Act::Panic => {
                        *self.acts.lock().unwrap() = Some(acts);
                        panic!("as the test wants it");
                    }
                }
            }
            Ok(())
        })
    }
}

/// Returns the flags of a file, which has to be valid.
pub(crate) fn flags(text: &str) -> Flags {
    let file = FlagsFile::parse("flags.toml", text);
    assert_eq!(file.diagnostics().to_string(), "");
    let start = Flags::for_test();
    let flags = file.flags().iter();
    flags.fold(start, |flags, (key, flag)| flags.with(key, flag.clone())).start()
}
