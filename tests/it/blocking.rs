//! Flags of programs without a runtime.

use std::{
    sync::{Arc, mpsc},
    thread,
};

use flagstaff::{
    Backend, Context, File, Flags, Memory,
    definition::Entry,
    source::{BackendError, BoxFuture, Offer, Sink},
};

use crate::support::{Act, BOUND, Scripted};

#[test]
fn a_program_without_a_runtime_follows_a_file() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("flags.toml");
    std::fs::write(&path, "[flags]\nbeta = false\n").unwrap();

    let flags = Flags::builder().source(File::open(&path).unwrap()).start_blocking().unwrap();
    let mut beta = flags.watch("beta");
    assert!(!flags.is_enabled("beta", &Context::anonymous()));
    std::fs::write(&path, "[flags]\nbeta = true\n").unwrap();

    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let changed = runtime.block_on(async { tokio::time::timeout(BOUND, beta.changed()).await });
    changed.expect("the change within the bound").unwrap();
    assert!(flags.is_enabled("beta", &Context::anonymous()));
}

#[test]
fn a_source_that_cannot_start_is_an_error() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("flags.toml");
    std::fs::write(&path, "no flags").unwrap();

    let error = Flags::builder().source(File::open(&path).unwrap()).start_blocking().unwrap_err();

    assert_eq!(error.to_string(), "source `file` cannot start");
}

thread_local! {
    static ENDS: std::cell::RefCell<Option<Told>> = const { std::cell::RefCell::new(None) };
}

/// A value that sends the name of its thread when the thread ends.
struct Told(mpsc::Sender<Option<String>>);

impl Drop for Told {
    fn drop(&mut self) {
        let _ = self.0.send(thread::current().name().map(str::to_owned));
    }
}

/// A source that never returns by itself, and sends a message when its thread ends.
struct Endless(mpsc::Sender<Option<String>>);

impl Backend for Endless {
    fn name(&self) -> &'static str {
        "endless"
    }

    fn run(self: Arc<Self>, sink: Sink) -> BoxFuture<'static, Result<(), BackendError>> {
        Box::pin(async move {
            ENDS.set(Some(Told(self.0.clone())));
            sink.publish(Offer::from_iter([("a", Entry::from(true))]));
            std::future::pending().await
        })
    }
}

#[test]
fn dropping_the_flags_ends_their_thread() {
    let (send, ended) = mpsc::channel();
    let flags = Flags::builder().source(Endless(send)).start_blocking().unwrap();
    let clone = flags.clone();

    drop(flags);
    assert!(clone.is_enabled("a", &Context::anonymous()));
    assert!(ended.try_recv().is_err());
    drop(clone);

    assert_eq!(ended.recv_timeout(BOUND), Ok(Some("flagstaff".to_owned())));
}

#[tokio::test]
async fn inside_a_runtime_it_works_too() {
    let flags = Flags::builder().source(Memory::new().with("a", true)).start_blocking().unwrap();

    assert!(flags.is_enabled("a", &Context::anonymous()));
    flags.disable("a").await.unwrap();
    assert!(!flags.is_enabled("a", &Context::anonymous()));

    flags.shutdown().await;
    drop(flags);
}

#[test]
fn a_source_that_panics_at_the_start_is_an_error() {
    let (script, source) = Scripted::new();
    script.send(Act::Panic).ok().unwrap();

    let error = Flags::builder().source(source).start_blocking().unwrap_err();

    assert_eq!(error.to_string(), "source `scripted` cannot start");
}
