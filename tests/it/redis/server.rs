//! A redis-server for one test.

use std::{
    fs,
    io::{BufRead, BufReader, Write},
    net::TcpListener,
    process::{Child, Command, Stdio},
    sync::mpsc::{self, Receiver},
    thread,
};

use flagstaff::Redis;
use tempfile::TempDir;

use crate::support::BOUND;

/// A server in a directory of its own, which keeps nothing on disk. It stops when this value is dropped.
pub(crate) struct Server {
    process: Child,
    log: Log,
    port: Port,
    arguments: Vec<String>,
    _directory: TempDir,
}

/// Returns a source that waits as long as a test may take, for busy machines. Tests of servers that hang need the
/// timeouts of [`Redis::open`].
pub(crate) fn patient(url: &str) -> Redis {
    Redis::open(url).unwrap().response_timeout(BOUND).connect_timeout(BOUND)
}

/// The C functions that replace the clock of the server.
#[cfg(target_os = "linux")]
const SLOW_CLOCK: &str = "
#include <sys/time.h>
#include <time.h>
int gettimeofday(struct timeval *restrict now, void *restrict zone) {
    struct timespec real;
    clock_gettime(CLOCK_REALTIME, &real);
    now->tv_sec = real.tv_sec - 3600;
    now->tv_usec = real.tv_nsec / 1000;
    return 0;
}
";

/// The lines that a server prints, in their order.
type Log = Receiver<String>;

impl Server {
    /// Starts a server, and waits until it is ready for commands.
    pub(crate) fn start() -> Self {
        Self::with(&[])
    }

    /// Starts a server with more arguments, such as `["--requirepass", "secret"]`.
    pub(crate) fn with(arguments: &[&str]) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let mut all = vec!["--save", "", "--appendonly", "no", "--dir"];
        all.push(directory.path().to_str().unwrap());
        let arguments = all.iter().chain(arguments).map(|&argument| argument.to_owned()).collect();
        Self::run(arguments, directory)
    }

    /// Starts a sentinel with this configuration, which does not contain the port.
    pub(crate) fn sentinel(configuration: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("sentinel.conf");
        fs::write(&file, configuration).unwrap();
        let file = file.to_str().unwrap().to_owned();
        Self::run(vec![file, "--sentinel".to_owned()], directory)
    }

    /// Starts a server whose clock is an hour slow.
    #[cfg(target_os = "linux")]
    pub(crate) fn slow() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let library = directory.path().join("slow.so");
        let mut compile = Command::new("cc");
        compile.args(["-shared", "-fPIC", "-x", "c", "-", "-o"]).arg(&library);
        let mut compile = compile.stdin(Stdio::piped()).spawn().expect("Rust links with cc");
        compile.stdin.take().unwrap().write_all(SLOW_CLOCK.as_bytes()).unwrap();
        assert!(compile.wait().unwrap().success());
        let preload = format!("LD_PRELOAD={}", library.display());
        let program = vec!["env".to_owned(), preload, "redis-server".to_owned()];
        let quiet = ["--save", "", "--dir", directory.path().to_str().unwrap()];
        Self::run_program(program, quiet.map(str::to_owned).to_vec(), directory)
    }

    fn run(arguments: Vec<String>, directory: TempDir) -> Self {
        Self::run_program(vec!["redis-server".to_owned()], arguments, directory)
    }

    fn run_program(program: Vec<String>, arguments: Vec<String>, directory: TempDir) -> Self {
        let arguments = [program, arguments].concat();
        // Another process on this machine may have the port.
        loop {
            let port = Port::take();
            if let Some((process, log)) = spawn(port.number, &arguments) {
                return Self { process, log, port, arguments, _directory: directory };
            }
        }
    }

    /// Waits until the server has printed a line with `text`, after the one waited for before.
    pub(crate) fn wait_for(&self, text: &str) {
        while !next_line(&self.log).expect("the server runs").contains(text) {}
    }

    pub(crate) fn port(&self) -> u16 {
        self.port.number
    }

    pub(crate) fn url(&self) -> String {
        format!("redis://127.0.0.1:{}/", self.port())
    }

    /// Kills the server as a crash would. Its data is lost.
    pub(crate) fn kill(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }

    /// Starts the server again on its port, without data.
    pub(crate) fn restart(&mut self) {
        self.kill();
        let again = spawn(self.port(), &self.arguments);
        (self.process, self.log) = again.expect("nobody else has the port");
    }

    /// Suspends the server: the system still accepts data for it, but it does not answer.
    pub(crate) fn stop(&self) {
        self.signal("STOP");
    }

    pub(crate) fn resume(&self) {
        self.signal("CONT");
    }

    fn signal(&self, name: &str) {
        let mut shell = Command::new("bash");
        shell.args(["-c", "kill -\"$0\" \"$1\"", name, &self.process.id().to_string()]);
        assert!(shell.status().unwrap().success());
    }

    /// Returns the output of `redis-cli` for a command that has to succeed, without the last line break.
    pub(crate) fn cli(&self, arguments: &[&str]) -> String {
        cli(self.port(), arguments)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // The server may have been killed already.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Runs `redis-cli` on a port, which may be that of a proxy.
pub(crate) fn cli(port: u16, arguments: &[&str]) -> String {
    let mut command = Command::new("redis-cli");
    command.args(["-h", "127.0.0.1", "-p", &port.to_string(), "-e"]).args(arguments);
    let output = command.stdin(Stdio::null()).output().unwrap();
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{arguments:?}: {error}");
    let mut printed = String::from_utf8(output.stdout).unwrap();
    if printed.ends_with('\n') {
        printed.pop();
    }
    printed
}

/// Starts a server that is ready, or returns `None` if another process has the port.
fn spawn(port: u16, arguments: &[String]) -> Option<(Child, Log)> {
    let mut command = Command::new(&arguments[0]);
    // The configuration file has to be the first argument.
    command.args(&arguments[1..]).args(["--port", &port.to_string(), "--bind", "127.0.0.1"]);
    command.args(["--daemonize", "no"]);
    let process = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn();
    let mut process = process.expect("redis-server is installed: run `tests/run --setup` once");

    let log = follow(&mut process);
    let mut said = Vec::new();
    // The log ends when the server does.
    while let Some(line) = next_line(&log) {
        // The second line is that of a sentinel.
        if line.contains("Ready to accept connections") || line.contains("+monitor master") {
            return Some((process, log));
        }
        said.push(line);
    }
    process.wait().unwrap();
    let said = said.join("\n");
    assert!(said.contains("Address already in use"), "{said}");
    None
}

fn next_line(log: &Log) -> Option<String> {
    match log.recv_timeout(BOUND) {
        Ok(line) => Some(line),
        Err(mpsc::RecvTimeoutError::Disconnected) => None,
        Err(mpsc::RecvTimeoutError::Timeout) => panic!("redis-server does not say what it has to"),
    }
}

/// Returns the lines of a server's log. They are read to the end, so that the server never blocks on its output.
fn follow(process: &mut Child) -> Log {
    let log = BufReader::new(process.stdout.take().unwrap());
    let (lines, read) = mpsc::channel();
    thread::spawn(move || {
        for line in log.lines().map_while(Result::ok) {
            // The receiver is gone once the server is dropped.
            let _ = lines.send(line);
        }
    });
    read
}

/// A port that no other test gets, even while its server is stopped.
///
/// Systems hand out ports from a range that starts at 32768 or higher. A listener on such a port
/// reserves it, and so also the port of this value, which is below that range.
pub(crate) struct Port {
    pub(crate) number: u16,
    _kept: TcpListener,
}

impl Port {
    pub(crate) fn take() -> Self {
        loop {
            let kept = TcpListener::bind("127.0.0.1:0").unwrap();
            let handed_out = kept.local_addr().unwrap().port();
            if let Some(number) = handed_out.checked_sub(28_232) {
                return Self { number, _kept: kept };
            }
        }
    }
}
