//! The progress of work that takes longer than a second.

use std::{
    fmt::Display,
    io::{self, IsTerminal},
    time::{Duration, Instant},
};

use crate::{table, text::clean};

/// The time before the first line, and between two lines.
const PAUSE: Duration = Duration::from_secs(1);

/// The width of a terminal that reports none.
const ROOM: u16 = 80;

/// A line on the terminal, which is cleared on drop.
#[derive(Debug)]
pub(crate) struct Progress {
    shown: Instant,
    is_terminal: bool,
    is_dirty: bool,
}

impl Progress {
    pub(crate) fn new() -> Self {
        let is_terminal = io::stderr().is_terminal();
        Self { shown: Instant::now(), is_terminal, is_dirty: false }
    }

    pub(crate) fn show(&mut self, text: impl Display) {
        if self.is_terminal && self.shown.elapsed() >= PAUSE {
            // A line that wraps would stay when the next one comes.
            let room = usize::from(table::room().unwrap_or(ROOM)) - 1;
            let text: String = clean(&text.to_string()).chars().take(room).collect();
            anstream::eprint!("\r\x1b[K{text}");
            (self.shown, self.is_dirty) = (Instant::now(), true);
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if self.is_dirty {
            anstream::eprint!("\r\x1b[K");
        }
    }
}
