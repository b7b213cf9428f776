//! The words of flagstaff.toml, a row each.

use std::collections::BTreeSet;

use flagstaff::definition::places::{PlacesFile, json_schema};

use super::check;
use crate::{
    guide::in_one_line,
    language_server::Server,
    schema::{editor, json},
    support::GUIDE,
};

struct Word {
    word: &'static str,
    /// The settings of a place with the word.
    with: &'static str,
    /// The word with a mistake.
    wrong: &'static str,
    /// A part of the settings of the place that the word causes.
    resolved: &'static str,
    /// A text of the guide.
    guide: &'static str,
}

const WORDS: &[Word] = &[
    Word {
        word: "file",
        with: "file = \"flags.toml\"",
        wrong: "file = 1",
        resolved: "flags.toml",
        guide: "[places.production] file = \"flags.toml\"",
    },
    Word {
        word: "environment",
        with: "environment = \"staging\"",
        wrong: "environment = [\"staging\"]",
        resolved: "staging",
        guide: "environment = \"staging\"",
    },
    Word {
        word: "redis",
        with: "redis = \"$STAGING_REDIS_URL\"",
        wrong: "redis = 6379",
        resolved: "$STAGING_REDIS_URL",
        guide: "redis = \"$STAGING_REDIS_URL\"",
    },
    Word {
        word: "key",
        with: "redis = \"redis://h\"\nkey = \"shop\"",
        wrong: "key = 1",
        resolved: "shop",
        guide: "key = \"feature_flags\"",
    },
    Word {
        word: "protected",
        with: "protected = true",
        wrong: "protected = \"yes\"",
        resolved: "protected: true",
        guide: "protected = true",
    },
    Word {
        word: "reason",
        with: "reason = \"required\"",
        wrong: "reason = \"always\"",
        resolved: "requires_reason: true",
        guide: "reason = \"required\"",
    },
    Word {
        word: "sentinel",
        with: "redis = \"redis://main\"\nsentinel = \"redis://10.0.0.1:26379\"",
        wrong: "sentinel = 26379",
        resolved: "10.0.0.1:26379",
        guide: "The keys `sentinel` and `key_prefix` have the meaning of the options",
    },
    Word {
        word: "key_prefix",
        with: "redis = \"redis://h\"\nkey_prefix = \"ff:\"",
        wrong: "key_prefix = 1",
        resolved: "ff:",
        guide: "The keys `sentinel` and `key_prefix` have the meaning of the options",
    },
];

fn text(lines: &str) -> String {
    format!("[places.a]\n{lines}\n")
}

fn resolved(lines: &str) -> String {
    let file = PlacesFile::parse("flagstaff.toml", &text(lines));
    assert!(file.diagnostics().is_empty(), "{}", file.diagnostics());
    let variable = |_: &str| Some("redis://staging.example".to_owned());
    format!("{:?}", file.resolve(Some("a"), variable).unwrap())
}

#[test]
fn every_word_of_places_is_read_offered_and_shown() {
    let schema = json_schema();
    let words: BTreeSet<_> = WORDS.iter().map(|row| row.word).collect();
    let offered = schema["properties"].as_object().unwrap().keys().map(String::as_str);
    let offered: BTreeSet<_> = offered.filter(|&word| word != "places").collect();
    assert_eq!(words, offered);

    let validator = jsonschema::draft7::new(&schema).unwrap();
    let mut server = Server::of(&schema, "flagstaff.toml", "[places.x]\n|");
    let offers = server.offers("[places.x]\n|");
    let guide = in_one_line(GUIDE);
    let mut problems = Vec::new();
    for row in WORDS {
        let mut claim = |holds: bool, claim: &str| {
            if !holds {
                problems.push(format!("{}: {claim}", row.word));
            }
        };
        let is_valid = |lines: &str| {
            let table: toml::Table = text(lines).parse().unwrap();
            validator.is_valid(&json(table.into()))
        };
        let wrong = PlacesFile::parse("flagstaff.toml", &text(row.wrong));

        claim(resolved(row.with).contains(row.resolved), "the settings of the place have it");
        claim(!resolved("").contains(row.resolved), "no other place has it");
        claim(wrong.resolve(Some("a"), |_| None).is_err(), "a mistake is an error of the place");
        claim(is_valid(row.with) && !is_valid(row.wrong), "the schema sees mistakes");
        claim(offers.iter().any(|offer| offer == row.word), "an editor offers it");
        claim(guide.contains(row.guide), "the guide shows it");
        for (program, arguments) in [("taplo", &["lint"][..]), ("tombi", &["lint", "--offline"])] {
            let accepts = |lines: &str| editor(&schema, program, arguments, &text(lines)).0;
            claim(accepts(row.with) && !accepts(row.wrong), program);
        }
    }
    check(&problems);
}
