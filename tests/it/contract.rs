//! The contract of `Backend`, checked for every backend.

use std::{any::Any, sync::Arc};

use flagstaff::{Backend, Context, Definition, Env, File, Flags, Memory, WriteError};

use crate::redis::server::{Server, patient};

/// A backend under test, with the resources that it needs.
struct Subject<B> {
    backend: B,
    _guard: Option<Box<dyn Any>>,
}

async fn over(backend: impl Backend, below: Memory) -> Flags {
    Flags::builder().source(backend).source(below).start().await.unwrap()
}

/// Checks a backend that is made from flags that are on or off for all users.
macro_rules! backend_contract {
    ($name:ident, $make:expr) => {
        mod $name {
            use super::*;

            fn make(flags: &[(&str, bool)]) -> Subject<impl Backend + use<>> {
                $make(flags)
            }

            #[tokio::test]
            async fn it_serves_what_it_offers_and_names_itself() {
                let subject = make(&[("a", true), ("b", false)]);
                let name = subject.backend.name();
                let flags = over(subject.backend, Memory::new()).await;

                let (a, b) = (
                    flags.boolean("a", &Context::anonymous(), false),
                    flags.boolean("b", &Context::anonymous(), false),
                );

                assert_eq!((a.value, a.source), (true, Some(name)));
                assert_eq!((b.value, b.source), (false, Some(name)));
            }

            #[tokio::test]
            async fn it_beats_the_sources_below_and_leaves_other_flags_to_them() {
                let subject = make(&[("a", true), ("b", false)]);
                let below = Memory::new().with("a", false).with("b", true).with("c", true);
                let flags = over(subject.backend, below).await;

                let all = flags.all(&Context::anonymous());

                let values: Vec<_> = all.iter().map(|(k, a)| (k.as_str(), a.value)).collect();
                assert_eq!(values, [("a", true), ("b", false), ("c", true)]);
            }

            #[tokio::test]
            async fn a_deny_list_below_holds_against_it() {
                let subject = make(&[("a", true)]);
                let denied = Definition::new().denied_users(["mallory"]);
                let flags = over(subject.backend, Memory::new().with("a", denied)).await;

                assert!(flags.is_enabled("a", &Context::user("ana")));
                assert!(!flags.is_enabled("a", &Context::user("mallory")));
            }

            #[tokio::test]
            async fn it_is_ready_once_the_flags_have_started() {
                let subject = make(&[("a", true)]);
                let flags = over(subject.backend, Memory::new()).await;

                assert!(flags.health().is_ready());
                assert_eq!(flags.health().sources[0].flags, 1);
            }

            #[tokio::test]
            async fn it_takes_changes_or_is_read_only() {
                let backend = Arc::new(make(&[("a", true)]).backend);
                let writable = backend.as_writable().is_some();
                let subject = make(&[("a", true)]);
                let flags = Flags::builder().source(subject.backend).start().await.unwrap();

                let disabled = flags.disable("a").await;

                match disabled {
                    Ok(_) => {
                        assert!(writable);
                        assert!(!flags.is_enabled("a", &Context::anonymous()));
                        flags.clear("a").await.unwrap();
                        assert_eq!(flags.all(&Context::anonymous()), []);
                    }
                    Err(WriteError::ReadOnly) => {
                        assert!(!writable);
                        assert!(flags.is_enabled("a", &Context::anonymous()));
                    }
                    Err(error) => panic!("{error}"),
                }
            }

            #[tokio::test]
            async fn after_a_shutdown_its_flags_go_on_answering() {
                let subject = make(&[("a", true)]);
                let flags = over(subject.backend, Memory::new()).await;

                flags.shutdown().await;

                assert!(flags.is_enabled("a", &Context::anonymous()));
            }
        }
    };
}

backend_contract!(memory, |flags: &[(&str, bool)]| Subject {
    backend: flags.iter().fold(Memory::new(), |memory, &(key, on)| memory.with(key, on)),
    _guard: None,
});

backend_contract!(env, |flags: &[(&str, bool)]| Subject {
    backend: Env::with_prefix("F_").variables(flags.iter().map(|&(key, on)| {
        (format!("F_{}", key.to_uppercase()), if on { "on" } else { "off" })
    })),
    _guard: None,
});

backend_contract!(file, |flags: &[(&str, bool)]| {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("flags.toml");
    let lines = flags.iter().map(|(key, on)| format!("{key} = {on}\n"));
    std::fs::write(&path, format!("[flags]\n{}", lines.collect::<String>())).unwrap();
    Subject { backend: File::open(path).unwrap(), _guard: Some(Box::new(directory)) }
});

backend_contract!(redis, |flags: &[(&str, bool)]| {
    let server = Server::start();
    for (key, on) in flags {
        server.cli(&["HSET", "feature_flags", key, if *on { "1" } else { "0" }]);
    }
    Subject { backend: patient(&server.url()).handle(), _guard: Some(Box::new(server)) }
});
