//! Notifications of changes: a command, or a webhook.

use std::{io, process::Stdio, time::Duration};

use serde_json::Value;
use tokio::{
    io::AsyncWriteExt,
    process::Command,
    sync::mpsc,
    task::{JoinHandle, spawn_blocking},
    time::{sleep, timeout},
};
use ureq::http::Uri;

use crate::{failure::Failure, output::Output};

/// The time within which a webhook has to answer.
const PATIENCE: Duration = Duration::from_secs(10);
/// The number of attempts at a webhook, with growing pauses between them.
const ATTEMPTS: u32 = 3;
/// The longest wait at the end for notifications that are still under way.
const GOODBYE: Duration = Duration::from_secs(30);

/// The receivers of notifications. They get one change after the other, while more changes arrive.
#[derive(Debug)]
pub(crate) struct Alerts {
    changes: mpsc::UnboundedSender<Value>,
    teller: JoinHandle<()>,
}

impl Alerts {
    pub(crate) fn start(
        exec: Option<String>,
        webhook: Option<&str>,
        output: &Output,
    ) -> Result<Self, Failure> {
        let webhook = webhook.map(Webhook::parse).transpose()?;
        let (changes, mut received) = mpsc::unbounded_channel::<Value>();
        let output = output.clone();
        let teller = tokio::spawn(async move {
            while let Some(change) = received.recv().await {
                if let Some(command) = &exec
                    && let Err(problem) = run(command, &change).await
                {
                    output.warning(format!("`{command}` {problem}"));
                }
                if let Some(webhook) = &webhook
                    && let Err(problem) = webhook.post(&change).await
                {
                    output.warning(problem);
                }
            }
        });
        Ok(Self { changes, teller })
    }

    pub(crate) fn send(&self, change: Value) {
        // The task that sends notifications ends after this.
        let _ = self.changes.send(change);
    }

    /// Waits until all notifications are delivered.
    pub(crate) async fn finish(self) {
        drop(self.changes);
        let _ = timeout(GOODBYE, self.teller).await;
    }
}

/// The address of a webhook.
#[derive(Debug)]
struct Webhook {
    /// The whole address. It is a secret: any program that has the address can post messages to it.
    url: String,
    /// The scheme, the host and the port, for messages.
    server: String,
}

/// Runs a shell command with the change on its stdin.
async fn run(command: &str, change: &Value) -> Result<(), String> {
    let run = async {
        let mut child = Command::new("sh").arg("-c").arg(command).stdin(Stdio::piped()).spawn()?;
        if let Some(mut stdin) = child.stdin.take() {
            match stdin.write_all(format!("{change}\n").as_bytes()).await {
                // The command need not read its stdin.
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

impl Webhook {
    fn parse(text: &str) -> Result<Self, Failure> {
        let uri: Option<Uri> = text.parse().ok();
        let scheme = |uri: &Uri| {
            uri.scheme_str().filter(|it| ["http", "https"].contains(it)).map(str::to_owned)
        };
        let server = uri.as_ref().and_then(|uri| {
            let port = uri.port().map(|port| format!(":{port}")).unwrap_or_default();
            Some(format!("{}://{}{port}", scheme(uri)?, uri.host()?))
        });
        match server {
            Some(server) => Ok(Self { url: text.to_owned(), server }),
            None => Err(Failure::usage("`--webhook` is not the address of a server")
                .hint("it begins with `https://` or `http://`")),
        }
    }

    /// Posts the change, and tries again if the server does not accept it. The error names the server, but not the
    /// address.
    async fn post(&self, change: &Value) -> Result<(), String> {
        let mut problem = String::new();
        for attempt in 0..ATTEMPTS {
            if attempt > 0 {
                sleep(Duration::from_secs(1 << (2 * (attempt - 1)))).await;
            }
            let (url, body) = (self.url.clone(), change.to_string());
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
        let problem = problem.replace(&self.url, &self.server);
        Err(format!("the webhook at `{}` did not get the changes: {problem}", self.server))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_webhook_that_fails_is_named_without_its_token() {
        // No process listens on the port of a dropped listener.
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        drop(listener);
        let url = format!("http://user:secret@{address}/hooks/token?key=token");

        let problem = Webhook::parse(&url).unwrap().post(&Value::Null).await.unwrap_err();

        let start = format!("the webhook at `http://{address}` did not get the changes: ");
        assert!(problem.starts_with(&start), "{problem}");
        assert!(!problem.contains("token") && !problem.contains("secret"), "{problem}");
    }

    #[test]
    fn an_address_of_no_server_is_refused_without_its_token() {
        for url in
            ["htps://chat.example/token", "token", "http://", "http:///token", "file:///token"]
        {
            let Failure::Report(report) = Webhook::parse(url).unwrap_err() else { unreachable!() };
            assert!(!report.message.contains("token"), "{}", report.message);
        }
    }
}
