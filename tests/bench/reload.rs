//! How long it takes from renaming a new `flags.toml` into place until it is in force.
//!
//! ```console
//! $ cargo bench --bench reload
//! ```

use std::{fs, time::Instant};

use flagstaff::{File, Flags};

/// What the watcher waits for after the last event, in milliseconds.
const QUIET: f64 = 50.0;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    for size in [10, 1_000, 10_000] {
        let mut beyond = measure(size).await?;
        beyond.sort_by(f64::total_cmp);
        let quantile = |share: usize| beyond[(beyond.len() - 1) * share / 100];
        println!(
            "{size:>6} flags: p50 {:.2} ms, p99 {:.2} ms beyond the quiet {QUIET} ms",
            quantile(50),
            quantile(99),
        );
    }
    Ok(())
}

async fn measure(size: usize) -> Result<Vec<f64>, Box<dyn std::error::Error>> {
    let directory = tempfile::tempdir()?;
    let (path, next) = (directory.path().join("flags.toml"), directory.path().join("next"));
    let others: String = (0..size).map(|n| format!("flag_{n} = true\n")).collect();
    let text = |edit: u32| format!("[flags]\nedit = \"{}%\"\n{others}", f64::from(edit) / 10.0);
    fs::write(&path, text(0))?;
    let flags = Flags::builder().layer(File::open(&path)?).start().await?;
    let mut edit = flags.watch("edit");

    let mut beyond = Vec::new();
    for n in 1..=200 {
        fs::write(&next, text(n))?;
        edit.mark_unchanged();
        let start = Instant::now();
        fs::rename(&next, &path)?;
        edit.changed().await?;
        beyond.push(start.elapsed().as_secs_f64() * 1_000.0 - QUIET);
    }
    Ok(beyond)
}
