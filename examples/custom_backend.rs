//! A source of your own: flags from a SQL table, a service, or, as here, lines of text.
//!
//! ```console
//! $ cargo run --example custom_backend
//! dark_mode: on
//! new_checkout beta               <- typed, as are the next ones
//! beta: unknown -> on
//! new_checkout: unknown -> on
//! beta
//! new_checkout: on -> unknown
//! ```

use std::{error::Error, sync::Arc};

use flagstaff::{
    Backend, Context, Flags, Memory,
    event::Event,
    source::{BackendError, BoxFuture, Offer, Sink},
};
use tokio::io::{AsyncBufReadExt, BufReader, stdin};

/// A source that reads lines. Each line lists the flags that are on. All other flags are left to the
/// sources below.
struct Lines;

impl Backend for Lines {
    fn name(&self) -> &'static str {
        "lines"
    }

    fn run(self: Arc<Self>, sink: Sink) -> BoxFuture<'static, Result<(), BackendError>> {
        Box::pin(async move {
            let mut lines = BufReader::new(stdin()).lines();
            // `start` waits until the source publishes for the first time.
            sink.publish(Offer::new());
            while let Some(line) = lines.next_line().await? {
                sink.publish(line.split_whitespace().map(|key| (key, true)).collect());
            }
            // The flags keep the last line after the error.
            Err("standard input has ended".into())
        })
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let defaults = Memory::new().with("dark_mode", true);
    let flags = Flags::builder().source(Lines).source(defaults).start().await?;

    // Subscribed before `all` reads, so no change is lost between the two.
    let mut events = flags.events();
    for (key, answer) in flags.all(&Context::anonymous()) {
        println!("{key}: {}", if answer.value { "on" } else { "off" });
    }
    while let Some(event) = events.next().await {
        match event {
            Event::Failed { .. } => {
                eprintln!("{event}");
                break;
            }
            event => println!("{event}"),
        }
    }
    Ok(())
}
