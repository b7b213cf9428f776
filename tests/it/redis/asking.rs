//! Somebody who asks for flags all the time.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use flagstaff::{Context, Flags};

/// A thread that evaluates in a loop while a test torments the server.
pub(crate) struct Asking {
    enough: Arc<AtomicBool>,
    thread: JoinHandle<Asked>,
}

/// What the thread has seen.
#[derive(Debug, Default)]
pub(crate) struct Asked {
    evaluations: usize,
    longest: Duration,
    wrong: Vec<&'static str>,
}

impl Asking {
    /// Asks for flags that are on, and have to stay on.
    pub(crate) fn start(flags: &Flags, keys: &'static [&'static str]) -> Self {
        let (flags, enough) = (flags.clone(), Arc::new(AtomicBool::new(false)));
        let asked_enough = Arc::clone(&enough);
        let thread = thread::spawn(move || {
            let ana = Context::user("ana");
            let mut asked = Asked::default();
            loop {
                // A round is also made after the test has had enough.
                let last = asked_enough.load(Ordering::Acquire);
                for key in keys.iter().cycle().take(1_000) {
                    let start = Instant::now();
                    let on = flags.is_enabled(*key, &ana);
                    asked.longest = asked.longest.max(start.elapsed());
                    asked.evaluations += 1;
                    if !on && !asked.wrong.contains(key) {
                        asked.wrong.push(key);
                    }
                }
                if last {
                    return asked;
                }
                // Leaves the processor to the tests beside this one.
                thread::sleep(Duration::from_millis(1));
            }
        });
        Self { enough, thread }
    }

    /// Ends it. No answer was ever another one.
    pub(crate) fn stop(self, fault: &str) {
        self.enough.store(true, Ordering::Release);
        let asked = self.thread.join().expect("no evaluation panics");
        assert_eq!(asked.wrong, [""; 0], "off while {fault}");
        // Shown with `--nocapture`. How long one may take is the bench's to judge, not a test's.
        println!(
            "{fault}: {} evaluations, the longest took {:?}",
            asked.evaluations, asked.longest
        );
    }
}
