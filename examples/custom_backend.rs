//! A layer of your own: flags from a SQL table, a service, anything. Here, a line of text.
//!
//! ```console
//! $ echo "new_checkout beta" | cargo run --example custom_backend
//! new_checkout: unknown -> on
//! beta: unknown -> on
//! ```

use std::sync::Arc;

use flagstaff::{
    Backend, Event, Flags, Memory,
    backend::{BackendError, BoxFuture, Offer, Sink},
};
use tokio::io::{AsyncBufReadExt, BufReader, stdin};

/// Each line that is read names the flags that are on; the others are off again.
struct Lines;

impl Backend for Lines {
    fn name(&self) -> &'static str {
        "lines"
    }

    fn run(self: Arc<Self>, sink: Sink) -> BoxFuture<'static, Result<(), BackendError>> {
        Box::pin(async move {
            let mut lines = BufReader::new(stdin()).lines();
            // The flags start with whatever is published first.
            sink.publish(Offer::new());
            while let Some(line) = lines.next_line().await? {
                sink.publish(line.split_whitespace().map(|key| (key, true)).collect());
            }
            // Its last state stays in force all the same.
            Err("standard input has ended".into())
        })
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let defaults = Memory::new().with("dark_mode", true);
    let flags = Flags::builder().layer(Lines).layer(defaults).start().await?;

    let mut events = flags.events();
    while let Some(event) = events.next().await {
        match event {
            Event::Changed { changes, .. } => {
                changes.iter().for_each(|change| println!("{change}"))
            }
            Event::Failed { layer, error } => {
                eprintln!("{layer}: {error}");
                break;
            }
            _ => {}
        }
    }
    Ok(())
}
