//! A thread that evaluates flags all the time.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use flagstaff::{Context, Flags};

/// A thread that evaluates in a loop while a test disturbs the server.
pub(crate) struct Asking {
    enough: Arc<AtomicBool>,
    thread: JoinHandle<Asked>,
}

/// The results of the thread.
#[derive(Debug, Default)]
pub(crate) struct Asked {
    evaluations: usize,
    longest: Duration,
    wrong: Vec<&'static str>,
}

impl Asking {
    /// Starts to evaluate flags that are on, and have to stay on.
    pub(crate) fn start(flags: &Flags, keys: &'static [&'static str]) -> Self {
        let (flags, enough) = (flags.clone(), Arc::new(AtomicBool::new(false)));
        let asked_enough = Arc::clone(&enough);
        let thread = thread::spawn(move || {
            let ana = Context::user("ana");
            let mut asked = Asked::default();
            loop {
                // One more round is made after the test has set `enough`.
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
                // Leaves processor time to other tests.
                thread::sleep(Duration::from_millis(1));
            }
        });
        Self { enough, thread }
    }

    /// Stops the thread, and checks that all answers were on.
    pub(crate) fn stop(self, fault: &str) {
        self.enough.store(true, Ordering::Release);
        let asked = self.thread.join().expect("no evaluation panics");
        assert_eq!(asked.wrong, [""; 0], "off while {fault}");
        // Shown with `--nocapture`. Only the bench has a limit on the time.
        println!(
            "{fault}: {} evaluations, the longest took {:?}",
            asked.evaluations, asked.longest
        );
    }
}
