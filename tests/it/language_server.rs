//! The words that an editor offers, with the language server of tombi and the schema. The Python package
//! of taplo has no server that starts.

use std::{
    fs,
    io::{BufRead, BufReader, Read, Write},
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
};

use flagstaff::definition::{Field, json_schema};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::root;

/// The maximum number of requests until the server has read the schema, which it reads in the background.
const PATIENCE: usize = 2_000;

/// A language server, with one open file.
pub(crate) struct Server {
    process: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
    uri: String,
    asked: u64,
    version: u64,
    _folder: TempDir,
}

impl Server {
    fn start(schema: &Value, name: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("schema.json"), schema.to_string()).unwrap();
        let program = root().join("target/venv/bin/tombi");
        let mut process = Command::new(program)
            .args(["lsp", "--offline"])
            .current_dir(folder.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("tests/run --setup installs it");
        let (input, output) = (process.stdin.take().unwrap(), process.stdout.take().unwrap());
        let root = format!("file://{}", folder.path().display());
        let uri = format!("{root}/{name}");
        let output = BufReader::new(output);
        let mut server =
            Self { process, input, output, uri, asked: 0, version: 0, _folder: folder };
        let folders = json!([{ "uri": root, "name": "flags" }]);
        let about = json!({ "processId": null, "rootUri": root, "capabilities": {}, "workspaceFolders": folders });
        server.ask("initialize", &about);
        server.notify("initialized", &json!({}));
        let document = json!({ "uri": server.uri, "languageId": "toml", "version": 0, "text": "" });
        server.notify("textDocument/didOpen", &json!({ "textDocument": document }));
        server
    }

    /// Starts a server for flags.toml.
    pub(crate) fn ready() -> Self {
        Self::of(&json_schema(), "flags.toml", "[flags.x]\n|")
    }

    /// Starts a server for a file with this name, and waits until it has read the schema. Until then it offers nothing
    /// in `text`.
    pub(crate) fn of(schema: &Value, name: &str, text: &str) -> Self {
        let mut server = Self::start(schema, name);
        let mut tries = 0..PATIENCE;
        assert!(tries.any(|_| !server.offers(text).is_empty()));
        server
    }

    fn send(&mut self, message: &Value) {
        let body = message.to_string();
        write!(self.input, "Content-Length: {}\r\n\r\n{body}", body.len()).unwrap();
        self.input.flush().unwrap();
    }

    fn notify(&mut self, method: &str, parameters: &Value) {
        self.send(&json!({ "jsonrpc": "2.0", "method": method, "params": parameters }));
    }

    fn receive(&mut self) -> Value {
        let mut length = 0;
        loop {
            let mut line = String::new();
            assert!(self.output.read_line(&mut line).unwrap() > 0, "the server has ended");
            match line.trim_end().split_once(": ") {
                None => break,
                Some((name, value)) if name.eq_ignore_ascii_case("content-length") => {
                    length = value.parse().unwrap();
                }
                Some(_) => {}
            }
        }
        let mut body = vec![0; length];
        self.output.read_exact(&mut body).unwrap();
        serde_json::from_slice(&body).unwrap()
    }

    fn ask(&mut self, method: &str, parameters: &Value) -> Value {
        self.asked += 1;
        let id = self.asked;
        self.send(&json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": parameters }));
        loop {
            let message = self.receive();
            match (message.get("method"), message.get("id")) {
                (None, Some(answered)) if *answered == id => return message["result"].clone(),
                // A request from the server.
                (Some(_), Some(asked)) => {
                    self.send(&json!({ "jsonrpc": "2.0", "id": asked, "result": null }));
                }
                _ => {}
            }
        }
    }

    /// Returns the words that are offered at the `|` of a file.
    pub(crate) fn offers(&mut self, text: &str) -> Vec<String> {
        let text = format!("#:schema ./schema.json\n{text}\n");
        let (before, after) = text.split_once('|').unwrap();
        let line = before.matches('\n').count();
        let column = before.rsplit('\n').next().unwrap().len();
        self.version += 1;
        let document = json!({ "uri": self.uri, "version": self.version });
        let change = json!([{ "text": format!("{before}{after}") }]);
        self.notify(
            "textDocument/didChange",
            &json!({ "textDocument": document, "contentChanges": change }),
        );
        let place = json!({
            "textDocument": { "uri": self.uri },
            "position": { "line": line, "character": column },
        });
        let answer = self.ask("textDocument/completion", &place);
        let items = answer.get("items").unwrap_or(&answer).as_array().cloned();
        let items = items.unwrap_or_default();
        items.iter().map(|item| item["label"].as_str().unwrap().to_owned()).collect()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[test]
fn an_editor_offers_every_word_where_it_is_valid() {
    let mut server = Server::ready();
    let settings: Vec<_> = Field::ALL.iter().map(|field| field.as_str()).collect();
    let usual = ["serve", "value", "client", "testable", "metadata", "permanent", "requires"];
    assert!(usual.iter().all(|word| settings.contains(word)));

    for (text, words) in [
        ("|", &["flags", "segments", "environments"][..]),
        ("[flags.x]\n|", &settings),
        ("[environments.staging.x]\n|", &settings),
        ("[flags.x]\noff = |", &["\"default\""]),
        ("[flags.x]\nrequires = [{ | }]", &["flag", "on", "variant"]),
        ("[flags.x.variants.a]\n|", &["weight", "value"]),
        ("[[flags.x.rules]]\n|", &["name", "when", "unless", "serve", "bucket_by"]),
        ("[flags.x]\nrules = [{ when = {}, serve = | }]", &["true", "false", "\"default\""]),
        (
            "[flags.x]\nrules = [{ when = { | } }]",
            &["flag", "unless", "not", "any", "all", "segment", "attributes"],
        ),
        ("[flags.x]\nrules = [{ when = { flag = { | } } }]", &["flag", "on", "variant"]),
        (
            "[flags.x]\nrules = [{ when = { plan = { | } } }]",
            &["eq", "semver", "exists", "ignore_case", "as = \"number\""],
        ),
        ("[segments.x]\n|", &["when", "unless", "description"]),
    ] {
        let offered = server.offers(text);

        let missing: Vec<_> =
            words.iter().filter(|word| !offered.iter().any(|it| it == *word)).collect();
        assert!(missing.is_empty(), "{text}: {missing:?} of {offered:?}");
    }
    // Words that are reserved are not offered.
    let parts = server.offers("[flags.x]\nrules = [{ when = { | } }]");
    assert!(!parts.iter().any(|part| part == "share" || part == "now"), "{parts:?}");
}
