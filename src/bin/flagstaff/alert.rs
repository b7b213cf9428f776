//! Telling somebody else of changes: a command, or a webhook.

use std::{io, process::Stdio, time::Duration};

use serde_json::Value;
use tokio::{
    io::AsyncWriteExt,
    process::Command,
    sync::mpsc,
    task::{JoinHandle, spawn_blocking},
    time::{sleep, timeout},
};

use crate::{failure::Failure, output::Output};

/// How long a webhook may take to answer.
const PATIENCE: Duration = Duration::from_secs(10);
/// How often it is tried, with growing pauses.
const ATTEMPTS: u32 = 3;
/// How long those that are not told yet are waited for at the end.
const GOODBYE: Duration = Duration::from_secs(30);

/// Those who are told, one change after the other, while more changes come.
#[derive(Debug)]
pub(crate) struct Alerts {
    changes: mpsc::UnboundedSender<Value>,
    teller: JoinHandle<()>,
}

impl Alerts {
    pub(crate) fn start(
        exec: Option<String>,
        webhook: Option<String>,
        output: &Output,
    ) -> Result<Self, Failure> {
        if let Some(url) = webhook.as_ref().filter(|url| !is_http(url)) {
            return Err(Failure::usage(format!("`{url}` is no address of a webhook"))
                .hint("it begins with `https://` or `http://`"));
        }
        let (changes, mut told) = mpsc::unbounded_channel::<Value>();
        let output = output.clone();
        let teller = tokio::spawn(async move {
            while let Some(change) = told.recv().await {
                if let Some(command) = &exec
                    && let Err(problem) = run(command, &change).await
                {
                    output.warning(format!("`{command}` {problem}"));
                }
                if let Some(url) = &webhook
                    && let Err(problem) = post(url, &change).await
                {
                    output.warning(format!("the webhook `{url}` was not told: {problem}"));
                }
            }
        });
        Ok(Self { changes, teller })
    }

    pub(crate) fn send(&self, change: Value) {
        // The teller ends after this.
        let _ = self.changes.send(change);
    }

    /// Waits until everybody is told.
    pub(crate) async fn finish(self) {
        drop(self.changes);
        let _ = timeout(GOODBYE, self.teller).await;
    }
}

fn is_http(url: &str) -> bool {
    ["http://", "https://"].iter().any(|scheme| url.starts_with(scheme))
}

/// Runs a command of the shell with the change on its stdin.
async fn run(command: &str, change: &Value) -> Result<(), String> {
    let run = async {
        let mut child = Command::new("sh").arg("-c").arg(command).stdin(Stdio::piped()).spawn()?;
        if let Some(mut stdin) = child.stdin.take() {
            match stdin.write_all(format!("{change}\n").as_bytes()).await {
                // It need not read.
                Err(error) if error.kind() != io::ErrorKind::BrokenPipe => return Err(error),
                _ => {}
            }
        }
        child.wait().await
    };
    match run.await {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(format!("ended with {status}")),
        Err(error) => Err(format!("cannot be run: {error}")),
    }
}

/// Posts the change, and again if the other side does not take it.
async fn post(url: &str, change: &Value) -> Result<(), String> {
    let mut problem = String::new();
    for attempt in 0..ATTEMPTS {
        if attempt > 0 {
            sleep(Duration::from_secs(1 << (2 * (attempt - 1)))).await;
        }
        let (url, body) = (url.to_owned(), change.to_string());
        let posted = spawn_blocking(move || {
            let agent: ureq::Agent =
                ureq::Agent::config_builder().timeout_global(Some(PATIENCE)).build().into();
            agent.post(&url).content_type("application/json").send(body)
        });
        match posted.await {
            Ok(Ok(_)) => return Ok(()),
            Ok(Err(error)) => problem = error.to_string(),
            Err(error) => problem = error.to_string(),
        }
    }
    Err(problem)
}
