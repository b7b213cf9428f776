//! The examples, run as a newcomer runs them: processes that are configured by their environment and by
//! edits of flags.toml, and used by clients without this crate.

use std::{
    collections::{BTreeSet, VecDeque},
    env, fs,
    net::SocketAddr,
    path::PathBuf,
    process::Stdio,
};

use flagstaff::{Context, File, Flags};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::{
    io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWriteExt, BufReader, Lines},
    net::TcpStream,
    process::{Child, ChildStderr, ChildStdout, Command},
    time::timeout,
};
use tonic::{Code, Status, transport::Channel};
use tonic_health::pb::{HealthCheckRequest, health_client::HealthClient};

use crate::support::{BOUND, root};

/// The default response of `FlagGate`.
const CLOSED: &str = r#"{"detail":"Feature not available","code":"FEATURE_DISABLED","details":{}}"#;

/// Returns an example that cargo has built beside the tests.
fn example(name: &str) -> Command {
    let this = env::current_exe().unwrap();
    let profile = this.ancestors().nth(2).expect("tests are in target/PROFILE/deps");
    let path = profile.join("examples").join(name).with_extension(env::consts::EXE_EXTENSION);
    assert!(
        path.exists(),
        "{} is missing: `tests/run` builds the examples before it tests",
        path.display()
    );
    let mut command = Command::new(path);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    for (name, _) in env::vars_os() {
        if name.to_string_lossy().starts_with("FEATURE_") || name == "REDIS_URL" {
            command.env_remove(name);
        }
    }
    command
}

type Output<R> = Lines<BufReader<R>>;

fn lines<R: AsyncRead>(output: Option<R>) -> Output<R> {
    BufReader::new(output.expect("it is piped")).lines()
}

/// Returns the next line, which has to arrive.
async fn line<R: AsyncRead + Unpin>(output: &mut Output<R>) -> String {
    let line = timeout(BOUND, output.next_line()).await.expect("a line within the bound");
    line.unwrap().expect("the example goes on")
}

/// A running example, with a flags.toml of its own.
struct Server {
    address: SocketAddr,
    stdout: Output<ChildStdout>,
    stderr: Output<ChildStderr>,
    /// The lines on stderr before the example was ready.
    complaints: VecDeque<String>,
    directory: TempDir,
    _killed_on_drop: Child,
}

impl Server {
    /// Starts the example with the repository's flags.toml.
    async fn start(name: &str) -> Self {
        Self::start_with(example(name), "", "").await
    }

    /// Starts the example with the repository's flags.toml, in which `from` is replaced by `to`.
    async fn start_with(mut command: Command, from: &str, to: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("flags.toml");
        let text = fs::read_to_string(root().join("flags.toml")).unwrap();
        fs::write(&path, text.replace(from, to)).unwrap();
        let command = command.env("ADDR", "127.0.0.1:0").env("FLAGS_FILE", path);

        let mut child = command.spawn().unwrap();
        let (mut stdout, mut stderr) = (lines(child.stdout.take()), lines(child.stderr.take()));
        let mut complaints = VecDeque::new();
        let first = loop {
            tokio::select! {
                first = timeout(BOUND, stdout.next_line()) => {
                    let first = first.expect("a line within the bound").unwrap();
                    break first.unwrap_or_else(|| panic!("it has ended: {complaints:?}"));
                }
                Ok(Some(complaint)) = stderr.next_line() => complaints.push_back(complaint),
            }
        };

        let address =
            first.strip_prefix("listening on http://").and_then(|it| it.split(',').next());
        let address = address.and_then(|it| it.parse().ok());
        let address = address.unwrap_or_else(|| panic!("no address in `{first}`"));
        Self { address, stdout, stderr, complaints, directory, _killed_on_drop: child }
    }

    fn path(&self) -> PathBuf {
        self.directory.path().join("flags.toml")
    }

    /// Saves the file with `from` replaced by `to`.
    fn edit(&self, from: &str, to: &str) {
        let text = fs::read_to_string(self.path()).unwrap();
        assert!(text.contains(from), "{text}");
        fs::write(self.path(), text.replace(from, to)).unwrap();
    }

    /// Waits until the example prints this line.
    async fn prints(&mut self, text: &str) {
        while line(&mut self.stdout).await != text {}
    }

    /// Waits until the example prints this to stderr.
    async fn complains(&mut self, text: &str) {
        loop {
            let complaint = match self.complaints.pop_front() {
                Some(complaint) => complaint,
                None => line(&mut self.stderr).await,
            };
            if complaint.contains(text) {
                return;
            }
        }
    }

    /// Returns the response to a request on a connection of its own, without the date.
    async fn exchange(&self, method: &str, path: &str, headers: &str) -> String {
        let head = format!("{method} {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n{headers}");
        let body = if method == "POST" { "content-length: 5\r\n\r\nhello" } else { "\r\n" };
        let mut response = String::new();
        let exchange = async {
            let mut stream = TcpStream::connect(self.address).await.unwrap();
            stream.write_all(format!("{head}{body}").as_bytes()).await.unwrap();
            stream.read_to_string(&mut response).await.unwrap();
        };
        timeout(BOUND, exchange).await.expect("a response within the bound");

        let lines = response.split_inclusive("\r\n");
        lines.filter(|line| !line.to_ascii_lowercase().starts_with("date: ")).collect()
    }

    /// Returns the status and the body of the response to a user.
    async fn get(&self, path: &str, headers: &str) -> (u16, String) {
        let response = self.exchange("GET", path, headers).await;
        let (head, body) = response.split_once("\r\n\r\n").expect("a head and a body");
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
        (status.expect("a status"), body.to_owned())
    }

    /// Returns all flags for a user, as `gate` shows them.
    async fn all_flags(&self, headers: &str) -> Value {
        let (status, body) = self.get("/", headers).await;
        assert_eq!(status, 200);
        serde_json::from_str(&body).unwrap()
    }
}

fn page(path: &str) -> (u16, String) {
    (200, format!("this is {path}\n"))
}

#[tokio::test]
async fn gate_opens_and_closes_the_moment_the_file_is_saved() {
    let mut gate = Server::start("gate").await;
    assert_eq!(gate.get("/checkout/v2", "").await, (404, CLOSED.to_owned()));

    gate.edit("new_checkout = false", "new_checkout = true");
    gate.prints("new_checkout: off -> on").await;
    assert_eq!(gate.get("/checkout/v2", "").await, page("/checkout/v2"));

    gate.edit("new_checkout = true", "new_checkout = false");
    gate.prints("new_checkout: on -> off").await;
    assert_eq!(gate.get("/checkout/v2", "").await, (404, CLOSED.to_owned()));
}

#[tokio::test]
async fn gate_has_the_flags_of_its_environment() {
    let start = async |environment: &str| {
        let mut command = example("gate");
        command.env("FLAGSTAFF_ENVIRONMENT", environment);
        Server::start_with(command, "", "").await
    };

    let (staging, production) = (start("staging").await, start("production").await);
    // An empty variable counts as unset, as in the command.
    let none = start("").await;

    assert_eq!(staging.get("/beta", "").await, page("/beta"));
    assert_eq!(production.get("/beta", "").await.0, 403);
    assert_eq!(none.get("/beta", "").await.0, 403);
    assert_eq!(staging.all_flags("").await["new_search"]["value"], true);
    assert_eq!(production.all_flags("").await["new_search"]["value"], false);
}

#[tokio::test]
async fn half_of_the_users_have_the_new_checkout_of_staging() {
    let path = root().join("flags.toml");
    let file = flagstaff::File::open(path).unwrap().environment("staging");
    let flags = flagstaff::Flags::builder().source(file).start().await.unwrap();

    let users = (0..1_000).map(|n| flagstaff::Context::user(format!("user-{n}")));
    let on = users.filter(|user| flags.is_enabled("new_checkout", user)).count();

    assert!((450..550).contains(&on), "{on} of 1000");
}

#[tokio::test]
async fn a_closed_gate_sends_its_configured_response_and_an_inverted_gate_is_open() {
    let mut gate = Server::start("gate").await;

    let beta = r#"{"detail":"Beta only: ask your admin","code":"BETA_ONLY","details":{}}"#;
    assert_eq!(gate.get("/beta", "").await, (403, beta.to_owned()));
    assert_eq!(gate.get("/legacy", "").await, page("/legacy"));

    gate.edit("beta = false", "beta = true");
    gate.prints("beta: off -> on").await;
    gate.edit("legacy_disabled = false", "legacy_disabled = true");
    gate.prints("legacy_disabled: off -> on").await;

    assert_eq!(gate.get("/beta", "").await, page("/beta"));
    assert_eq!(gate.get("/legacy", "").await, (404, CLOSED.to_owned()));
}

#[tokio::test]
async fn a_mistake_in_the_file_is_shown_with_its_place_and_changes_nothing() {
    let on = ("new_checkout = false", "new_checkout = true");
    let mut gate = Server::start_with(example("gate"), on.0, on.1).await;
    let text = fs::read_to_string(gate.path()).unwrap();
    let number = 1 + text.lines().position(|line| line == on.1).expect("a line of its own");

    // First a mistake in TOML, then a value that a flag cannot have. The value is in column 16.
    for mistake in ["new_checkout = flase", "new_checkout = 25"] {
        gate.edit(on.1, mistake);
        gate.complains(&format!("{}:{number}:16", gate.path().display())).await;
        assert_eq!(gate.get("/checkout/v2", "").await, page("/checkout/v2"));

        gate.edit(mistake, on.1);
        gate.prints("source `file` is healthy again").await;
    }

    gate.edit(on.1, on.0);
    gate.prints("new_checkout: on -> off").await;
    assert_eq!(gate.get("/checkout/v2", "").await.0, 404);
}

#[tokio::test]
async fn gate_starts_on_a_mistake_only_with_the_last_good_flags() {
    let kept = tempfile::tempdir().unwrap();
    let kept = kept.path().join("kept.json");
    let with_kept = || {
        let mut command = example("gate");
        command.env("FLAGS_KEPT", &kept);
        command
    };
    let (good, bad) = (
        ("new_checkout = false", "new_checkout = true"),
        ("new_checkout = false", "new_checkout = 1"),
    );
    let gate = Server::start_with(with_kept(), good.0, good.1).await;
    let is_kept = async {
        while !fs::read_to_string(&kept).is_ok_and(|kept| kept.contains("new_checkout")) {
            tokio::task::yield_now().await;
        }
    };
    timeout(BOUND, is_kept).await.expect("it is kept");
    drop(gate);

    let mut gate = Server::start_with(with_kept(), bad.0, bad.1).await;
    gate.complains("error[ambiguous-number]").await;
    assert_eq!(gate.get("/checkout/v2", "").await, page("/checkout/v2"));

    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("flags.toml");
    fs::write(&path, "[flags]\nnew_checkout = 1\n").unwrap();
    let strict = example("gate").env("FLAGS_FILE", &path).output();
    let strict = timeout(BOUND, strict).await.expect("it ends").unwrap();
    let stderr = String::from_utf8_lossy(&strict.stderr);
    assert!(!strict.status.success() && stderr.contains("flags.toml:2:16"), "{stderr}");
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn gate_outlives_a_lack_of_file_descriptors() {
    let built = example("gate");
    let mut command = Command::new("sh");
    command.args(["-c", "ulimit -n 32; exec \"$0\""]).arg(built.as_std().get_program());
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    command.env_remove("REDIS_URL");
    let mut gate = Server::start_with(command, "", "").await;

    let mut held = Vec::new();
    for _ in 0..64 {
        held.push(TcpStream::connect(gate.address).await.unwrap());
    }
    gate.complains("Too many open files").await;
    drop(held);

    assert_eq!(gate.get("/checkout/v2", "").await, (404, CLOSED.to_owned()));
}

#[tokio::test]
async fn a_hidden_route_is_a_missing_one_to_the_byte() {
    let mut gate = Server::start("gate").await;

    for method in ["GET", "HEAD", "POST", "OPTIONS"] {
        let hidden = gate.exchange(method, "/hidden", "").await;
        assert!(hidden.starts_with("HTTP/1.1 404 Not Found\r\n"), "{hidden}");
        assert_eq!(hidden, gate.exchange(method, "/missing", "").await, "{method}");
    }

    gate.edit("hidden = false", "hidden = true");
    gate.prints("hidden: off -> on").await;
    assert_eq!(gate.get("/hidden", "").await, page("/hidden"));
}

#[tokio::test]
async fn an_environment_variable_forces_a_flag_on_over_the_file() {
    let mut command = example("gate");
    command.env("FEATURE_NEW_CHECKOUT", "1");
    let gate = Server::start_with(command, "", "").await;

    assert_eq!(gate.get("/checkout/v2", "").await, page("/checkout/v2"));
    let forced = json!({ "value": true, "reason": "STATIC", "source": "env" });
    assert_eq!(gate.all_flags("").await["new_checkout"], forced);
}

#[tokio::test]
async fn the_first_page_explains_each_flag_for_its_user() {
    let gate = Server::start("gate").await;
    let off = json!({ "value": false, "reason": "DISABLED", "source": "file" });
    let all = |on: bool, reason: &str| {
        json!({
            "beta": off, "hidden": off, "legacy_disabled": off, "new_checkout": off,
            "new_search": { "value": on, "reason": reason, "source": "file" },
        })
    };

    assert_eq!(gate.all_flags("").await, all(false, "ERROR"));
    for header in ["x-user-id: internal_tester_1\r\n", "X-User-Groups: qa, employees\r\n"] {
        assert_eq!(gate.all_flags(header).await, all(true, "TARGETING_MATCH"), "{header}");
    }
}

#[tokio::test]
async fn one_in_ten_users_gets_the_new_search_and_in_this_process_it_is_the_same_ones() {
    let gate = Server::start("gate").await;
    let flags = Flags::builder().source(File::open(gate.path()).unwrap()).start().await.unwrap();
    let new_search = (200, "this is the new search\n".to_owned());
    let mut new = 0;

    for n in 0..100 {
        let user = format!("user_{n}");
        let there = gate.get("/search", &format!("X-User-ID: {user}\r\n")).await;

        let here = flags.is_enabled("new_search", &Context::user(&user));
        assert_eq!(there, if here { new_search.clone() } else { page("/search") }, "{user}");
        new += usize::from(here);
    }

    assert!((3..=20).contains(&new), "{new} of 100");
    assert_eq!(gate.get("/search", "").await, page("/search"));
    assert_eq!(gate.get("/search", "X-User-ID: internal_tester_1\r\n").await, new_search);
    assert_eq!(gate.get("/search", "X-User-Groups: employees\r\n").await, new_search);
}

#[tokio::test]
async fn axum_evaluates_for_the_authenticated_user_also_in_tasks() {
    let axum = Server::start("axum").await;
    let trusted = "X-User-ID: internal_tester_1\r\nX-User-Groups: employees\r\n";

    for (who, new) in [
        ("", false),
        (trusted, false),
        ("authorization: Bearer internal_tester_1\r\n", true),
        ("authorization: Bearer eve\r\n", true),
    ] {
        let index = if new { "new" } else { "old" };
        let report = format!("{index} index here, {index} index in the task\n");
        assert_eq!(axum.get("/search", who).await, (200, format!("the {index} search\n")), "{who}");
        assert_eq!(axum.get("/report", who).await, (200, report), "{who}");
    }
}

#[tokio::test]
async fn axum_closes_and_opens_a_route_for_every_method() {
    let axum = Server::start("axum").await;
    for method in ["GET", "POST", "OPTIONS"] {
        let closed = axum.exchange(method, "/checkout/v2", "").await;
        assert!(closed.starts_with("HTTP/1.1 404") && closed.ends_with(CLOSED), "{closed}");
        assert!(!closed.to_ascii_lowercase().contains("\r\nallow:"), "{closed}");
    }

    axum.edit("new_checkout = false", "new_checkout = true");

    let opens = async { while axum.get("/checkout/v2", "").await.0 == 404 {} };
    timeout(BOUND, opens).await.expect("it opens within the bound");
    let open = (200, "this is the new checkout\n".to_owned());
    assert_eq!(axum.get("/checkout/v2", "").await, open);
    assert!(axum.exchange("POST", "/checkout/v2", "").await.starts_with("HTTP/1.1 405"));
}

#[tokio::test]
async fn redis_overrides_the_file_at_run_time_and_may_go_away() {
    let mut redis = crate::redis::server::Server::start();
    let mut command = example("gate");
    command.env("REDIS_URL", redis.url()).env("FEATURE_BETA", "0");
    let mut gate = Server::start_with(command, "", "").await;
    assert_eq!(gate.get("/checkout/v2", "").await.0, 404);
    while !line(&mut gate.stdout).await.contains("all flags") {}

    redis.cli(&["HSET", "feature_flags", "new_checkout", "1", "beta", "1"]);
    // On a busy machine, the server may seem unreachable in between.
    gate.prints("beta: off -> on").await;
    gate.prints("new_checkout: off -> on").await;
    assert_eq!(gate.get("/checkout/v2", "").await.0, 200);
    assert_eq!(gate.get("/beta", "").await.0, 200);

    redis.cli(&["HSET", "feature_flags", "new_checkout", "0"]);
    gate.prints("new_checkout: on -> off").await;
    assert_eq!(gate.get("/checkout/v2", "").await.0, 404);

    redis.kill();
    gate.complains("cannot reach Redis at").await;
    assert_eq!(gate.get("/checkout/v2", "").await.0, 404);
    assert_eq!(gate.get("/beta", "").await.0, 200);
}

#[tokio::test]
async fn tonic_serves_its_health_check_once_the_gate_is_open() {
    let tonic = Server::start("tonic").await;
    let channel = Channel::from_shared(format!("http://{}", tonic.address)).unwrap();
    let mut client = HealthClient::new(channel.connect().await.unwrap());
    let mut check = async || -> Result<i32, Status> {
        let response = client.check(HealthCheckRequest { service: String::new() });
        let response = timeout(BOUND, response).await.expect("a response within the bound");
        Ok(response?.into_inner().status)
    };

    let closed = check().await.unwrap_err();
    assert_eq!((closed.code(), closed.message()), (Code::Unimplemented, "Beta only"));

    tonic.edit("beta = false", "beta = true");

    let opens = async {
        loop {
            match check().await {
                Ok(status) => return status,
                Err(status) => assert_eq!(status.code(), Code::Unimplemented),
            }
        }
    };
    // 1 is SERVING.
    assert_eq!(timeout(BOUND, opens).await.expect("it opens within the bound"), 1);

    // The other method has a gate of its own.
    let watch = client.watch(HealthCheckRequest { service: String::new() }).await.unwrap_err();
    assert_eq!((watch.code(), watch.message()), (Code::Unimplemented, "Feature not available"));
}

#[tokio::test]
async fn custom_backend_follows_what_is_typed() {
    let mut child = example("custom_backend").stdin(Stdio::piped()).spawn().unwrap();
    let mut stdin = child.stdin.take().expect("it is piped");
    let (mut stdout, mut stderr) = (lines(child.stdout.take()), lines(child.stderr.take()));
    assert_eq!(line(&mut stdout).await, "dark_mode: on");

    stdin.write_all(b"new_checkout beta\n").await.unwrap();
    assert_eq!(line(&mut stdout).await, "beta: unknown -> on");
    assert_eq!(line(&mut stdout).await, "new_checkout: unknown -> on");

    stdin.write_all(b"beta\n").await.unwrap();
    assert_eq!(line(&mut stdout).await, "new_checkout: on -> unknown");

    drop(stdin);
    assert_eq!(line(&mut stderr).await, "standard input has ended");
    let status = timeout(BOUND, child.wait()).await.expect("it ends within the bound");
    assert!(status.unwrap().success());
}

#[tokio::test]
async fn testing_passes() {
    let output = timeout(BOUND, example("testing").output()).await.expect("it ends").unwrap();

    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn every_example_has_fewer_than_a_hundred_lines() {
    let mut names = BTreeSet::new();

    for entry in fs::read_dir(root().join("examples")).unwrap() {
        let path = entry.unwrap().path();
        let lines = fs::read_to_string(&path).unwrap().lines().count();
        assert!(lines < 100, "{}: {lines} lines", path.display());
        names.insert(path.file_stem().unwrap().to_string_lossy().into_owned());
    }

    // The examples that are run above.
    let run = ["axum", "custom_backend", "gate", "testing", "tonic"];
    assert_eq!(names, run.map(str::to_owned).into());
}
