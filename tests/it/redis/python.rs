//! The Python package that shares a Redis with this crate, driven by a test.

use std::{
    collections::BTreeMap,
    io::{BufRead, BufReader, Write},
    process::{Child, ChildStdin, ChildStdout, Output, Stdio},
};

use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::support::python;

/// A Python process with the package's own backend on a server, which stops when this value is dropped.
pub(crate) struct Python {
    process: Child,
    calls: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
}

impl Python {
    pub(crate) fn new(url: &str) -> Self {
        let mut command = python();
        command.args(["tests/interop/redis_flags.py", url]);
        let mut process = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let calls = process.stdin.take();
        let answers = BufReader::new(process.stdout.take().unwrap());
        Self { process, calls, answers }
    }

    pub(crate) fn enable(&mut self, name: &str) {
        self.call::<()>(&json!(["enable", name]));
    }

    pub(crate) fn disable(&mut self, name: &str) {
        self.call::<()>(&json!(["disable", name]));
    }

    pub(crate) fn set(&mut self, name: &str, enabled: bool) {
        self.call::<()>(&json!(["set", name, enabled]));
    }

    /// Returns the answer of a service that treats an unset flag as off.
    pub(crate) fn is_enabled(&mut self, name: &str) -> bool {
        self.call(&json!(["is_enabled", name]))
    }

    pub(crate) fn all(&mut self) -> BTreeMap<String, bool> {
        self.call(&json!(["all"]))
    }

    /// Writes raw values in one command, as any program may.
    pub(crate) fn write(&mut self, fields: &BTreeMap<String, String>) {
        self.call::<()>(&json!(["write", fields]));
    }

    /// Returns names and raw values to try, which are identical in every run.
    pub(crate) fn table(&mut self) -> BTreeMap<String, String> {
        self.call(&json!(["table"]))
    }

    /// Stores a flag in the layout with one JSON key per flag, as its writers do. The order of the
    /// fields is kept.
    pub(crate) fn write_json(&mut self, flag: &str, definition: &str) {
        self.call::<()>(&json!(["write_json", flag, definition]));
    }

    /// Changes some fields of such a flag, and keeps the others.
    pub(crate) fn update_json(&mut self, flag: &str, fields: &str) {
        self.call::<()>(&json!(["update_json", flag, fields]));
    }

    fn call<T: DeserializeOwned>(&mut self, call: &Value) -> T {
        let calls = self.calls.as_mut().unwrap();
        writeln!(calls, "{call}").and_then(|()| calls.flush()).expect("Python is alive");
        let mut answer = String::new();
        self.answers.read_line(&mut answer).unwrap();
        serde_json::from_str(&answer).unwrap_or_else(|_| panic!("{call} answers {answer:?}"))
    }
}

impl Drop for Python {
    fn drop(&mut self) {
        // The process stops when its input ends.
        drop(self.calls.take());
        let _ = self.process.wait();
    }
}

/// Runs the command of the package: `tempest flags`.
pub(crate) fn tempest(url: &str, arguments: &[&str]) -> Output {
    let main = "from tempest_fastapi_sdk.cli.entrypoint import main; main()";
    let mut command = python();
    command.args(["-c", main, "flags"]).args(arguments).args(["--redis-url", url]);
    command.stdin(Stdio::null()).output().unwrap()
}
