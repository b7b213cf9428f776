//! Names, descriptions, owners and reasons in every output: any string in them is data.

mod check;

use std::{io::Write, process::Stdio, thread};

use flagstaff::text::Untrusted;
use proptest::{prelude::*, strategy::ValueTree, test_runner::TestRunner};
use serde_json::{Value, json};

use self::check::{Strings, check};
use crate::support::python;

/// Pieces that end a line, move a cursor, change a direction, or mean something in a format.
const PIECES: [&str; 62] = [
    "a",
    "B",
    "ü",
    "7",
    " ",
    "  ",
    "    ",
    "\n",
    "\r",
    "\r\n",
    "\t",
    "\u{b}",
    "\u{1b}[2J",
    "\u{7}",
    "\u{7f}",
    "\u{9b}31m",
    "\u{85}",
    "\u{2028}",
    "\u{202e}",
    "\u{2066}",
    "\u{200b}",
    "\u{200d}",
    "\u{feff}",
    "\u{fe0f}",
    "\u{ad}",
    "\u{e0041}",
    "\0",
    "`",
    "```",
    "~~~\n",
    "|",
    "\\",
    "\\|",
    "\\n",
    "\"",
    "'",
    "*",
    "_",
    "# ",
    "- ",
    "1. ",
    "> ",
    "[x](y)",
    "![",
    "<b>",
    "<!--",
    "&lt;",
    "https://x.y",
    "www.x.y",
    "@ana",
    "$x$",
    "$(x)",
    ";",
    "!",
    "${",
    "error: ",
    "cargo::",
    "%0A",
    "::",
    "]]>",
    "{}",
    "=",
];

fn text() -> impl Strategy<Value = String> {
    let pieces = proptest::collection::vec(proptest::sample::select(&PIECES[..]), 0..7);
    prop_oneof![
        6 => pieces.prop_map(|pieces| pieces.concat()),
        1 => "\\PC{0,12}",
        1 => proptest::collection::vec(any::<char>(), 0..6).prop_map(String::from_iter),
    ]
}

fn strings() -> impl Strategy<Value = Strings> {
    [text(), text(), text(), text(), text(), text()].prop_map(
        |[key, description, owner, reason, name, user]| Strings {
            key,
            description,
            owner,
            reason,
            name,
            user,
        },
    )
}

/// Reads pages and tables with the parsers of Python, and returns what they find.
const READER: &str = r#"
import csv, io, json, sys
from html.parser import HTMLParser
class Page(HTMLParser):
    def __init__(self):
        super().__init__(convert_charrefs=True)
        self.found, self.titles, self.text = [], [], ""
    def handle_starttag(self, tag, attributes):
        self.found.append(tag)
        self.titles += [value for name, value in attributes]
    def handle_data(self, data):
        self.text += data
    def other(self, *_):
        self.found.append("other")
    handle_comment = handle_decl = handle_pi = unknown_decl = other
read = []
for html, line in json.load(sys.stdin):
    page = Page()
    page.feed(html)
    page.close()
    rows = list(csv.reader(io.StringIO(line, newline=""), strict=True))
    read.append([page.found, page.titles, page.text, rows])
json.dump(read, sys.stdout)
"#;

#[test]
fn parsers_of_html_and_csv_read_every_string_as_it_is() {
    let mut runner = TestRunner::deterministic();
    let generated = (0..2_000).map(|_| text().new_tree(&mut runner).unwrap().current());
    // HTML and CSV have no U+0000.
    let texts = PIECES.map(str::to_owned).into_iter().chain(generated);
    let texts: Vec<_> = texts.filter(|text| !text.contains('\0')).collect();
    let written = texts.iter().map(|text| {
        let it = Untrusted::new(text);
        let html = it.html();
        let page = format!("<p title=\"{html}\" id='{html}'>{html}</p>");
        (page, format!("a,{},{}\r\n", it.csv(), it.csv()))
    });
    let written = serde_json::to_string(&written.collect::<Vec<_>>()).unwrap();

    let mut python = python();
    python.args(["-c", READER]).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut reader = python.spawn().unwrap();
    let mut stdin = reader.stdin.take().unwrap();
    let writer = thread::spawn(move || stdin.write_all(written.as_bytes()));
    let output = reader.wait_with_output().unwrap();
    writer.join().unwrap().unwrap();

    assert!(output.status.success(), "{output:?}");
    let read: Vec<Value> = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(read.len(), texts.len());
    for (read, text) in read.into_iter().zip(texts) {
        let line = Untrusted::new(&text).line();
        assert_eq!(read, json!([["p"], [line, line], line, [["a", text, text]]]), "{text:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn strings_of_files_and_stores_are_data_in_every_output(strings in strings()) {
        check(&strings);
    }
}

#[test]
fn each_piece_alone_is_data_in_every_output() {
    for piece in PIECES {
        let text = || format!("k{piece}");
        check(&Strings {
            key: text(),
            description: text(),
            owner: text(),
            reason: text(),
            name: text(),
            user: text(),
        });
    }
}
