//! Names that were asked for and no source knows.

use std::collections::HashSet;

use arc_swap::ArcSwap;
use tracing::warn;

use crate::model::nearest;

/// Warns once per unknown name, however often it is asked for, and never locks.
#[derive(Debug, Default)]
pub(crate) struct Unknown {
    warned: ArcSwap<HashSet<Box<str>>>,
}

/// Names beyond this many are not warned about: they come from data, not from code.
const CAP: usize = 1_000;

impl Unknown {
    #[cold]
    pub(crate) fn note<'a>(&self, name: &str, known: impl Iterator<Item = &'a str>) {
        let warned = self.warned.load();
        if warned.contains(name) || warned.len() >= CAP {
            return;
        }
        let before = self.warned.rcu(|warned| {
            let mut warned = HashSet::clone(warned);
            warned.insert(name.into());
            warned
        });
        // Another thread was faster.
        if before.contains(name) {
            return;
        }
        match nearest(name, known) {
            Some(known) => warn!(flag = name, similar = known, "no source knows this flag"),
            None => warn!(flag = name, "no source knows this flag"),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{
        Barrier,
        atomic::{AtomicUsize, Ordering},
    };

    use tracing_subscriber::{Layer, layer::Context, prelude::*};

    use super::*;

    struct Count(&'static AtomicUsize);

    impl<S: tracing::Subscriber> Layer<S> for Count {
        fn on_event(&self, _event: &tracing::Event<'_>, _context: Context<'_, S>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    #[test]
    fn threads_that_ask_at_once_warn_once() {
        static WARNINGS: AtomicUsize = AtomicUsize::new(0);
        let (unknown, barrier) = (Unknown::default(), Barrier::new(4));

        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    let subscriber = tracing_subscriber::registry().with(Count(&WARNINGS));
                    let _guard = tracing::subscriber::set_default(subscriber);
                    for n in 0..100 {
                        barrier.wait();
                        unknown.note(&format!("flag-{n}"), [].into_iter());
                    }
                });
            }
        });

        assert_eq!(WARNINGS.load(Ordering::Relaxed), 100);
    }
}
