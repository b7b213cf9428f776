//! Names, descriptions, owners and reasons in every output: they are data, whatever is in them.

mod check;

use proptest::prelude::*;

use self::check::{Strings, check};

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
