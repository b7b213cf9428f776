//! The time from renaming a new `flags.toml` into place until it is in force, and the time of the first
//! load.
//!
//! ```console
//! $ cargo bench -p flagstaff-tests --bench reload
//! ```

use std::{
    error::Error,
    fmt::Write,
    fs,
    time::{Duration, Instant},
};

use flagstaff::{File, Flags, definition::FlagsFile};

/// The time that the watcher waits after the last event, in milliseconds.
const QUIET: f64 = 50.0;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut targeted = String::from("[flags]\n");
    for n in 0..10_000 {
        let users: Vec<_> = (n..n + 10).map(|user| format!("user{user}@example.com")).collect();
        writeln!(
            targeted,
            "[flags.flag_{n}]\nowner = \"payments\"\npercentage = 10\nallowed_users = {users:?}\n\
             allowed_groups = [\"team-{n}\", \"staff\"]"
        )?;
    }
    load("10,000 constant flags", &constant(10_000)).await?;
    load("10,000 targeted flags", &targeted).await?;
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

fn constant(flags: usize) -> String {
    let flags: String = (0..flags).map(|n| format!("flag_{n} = true\n")).collect();
    format!("[flags]\n{flags}")
}

/// Measures reading a TOML file, decoding and checking it, and the time until flags can be evaluated.
/// Other work on the machine only adds to the time, so the best of several runs is nearest to the truth.
async fn load(name: &str, text: &str) -> Result<(), Box<dyn Error>> {
    let directory = tempfile::tempdir()?;
    let path = directory.path().join("flags.toml");
    fs::write(&path, text)?;
    let mut best = [Duration::MAX; 3];
    for _ in 0..40 {
        let start = Instant::now();
        let table: toml::Table = text.parse()?;
        best[0] = best[0].min(start.elapsed());
        drop(table);

        let start = Instant::now();
        let file = FlagsFile::parse("flags.toml", text);
        best[1] = best[1].min(start.elapsed());
        drop(file);

        let start = Instant::now();
        let flags = Flags::builder().source(File::open(&path)?).start().await?;
        best[2] = best[2].min(start.elapsed());
        flags.shutdown().await;
    }
    let [toml, parse, load] = best.map(|best| best.as_secs_f64() * 1_000.0);
    println!(
        "{name}: toml {toml:.1} ms, parsed and checked {parse:.1} ms, loaded {load:.1} ms, \
         {:.1} ms beyond parsing",
        load - parse
    );
    Ok(())
}

async fn measure(size: usize) -> Result<Vec<f64>, Box<dyn Error>> {
    let directory = tempfile::tempdir()?;
    let (path, next) = (directory.path().join("flags.toml"), directory.path().join("next"));
    let others: String = (0..size).map(|n| format!("flag_{n} = true\n")).collect();
    let text = |edit: u32| format!("[flags]\nedit = \"{}%\"\n{others}", f64::from(edit) / 10.0);
    fs::write(&path, text(0))?;
    let flags = Flags::builder().source(File::open(&path)?).start().await?;
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
