//! A table of the words of the language, with what each output makes of them.
//!
//! An output that forgets a word fails in the row of the word. A setting without a row fails, and so does a word of the
//! schema without one.

mod places;
pub(crate) mod rows;

use std::{collections::BTreeSet, fs, path::Path};

use flagstaff::{
    Definition, File, Flags,
    codegen::{Generator, manifest},
    definition::{
        Field, FlagsFile, Operator, UnknownKeys, edit::Document, from_json_object, json_schema,
        lint::Lints, to_json,
    },
    explain::Explanation,
};
use serde_json::{Map, Value, json};

use self::rows::{BESIDE, Cell, Forgotten, Lint, ROWS, Row};
use crate::{
    guide::in_one_line,
    language_server::Server,
    random_files,
    schema::{editor, json, properties, validator},
    support::GUIDE,
    vectors::{who, word_answers, word_vectors},
};

/// The instant of all rows: 2026-11-21, the start of the day.
fn now() -> std::time::SystemTime {
    std::time::SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(1_795_219_200)
}

fn text(lines: &str) -> String {
    format!("{BESIDE}{lines}\n")
}

/// Reads a file, in the environment `staging` if it has that.
fn read(text: &str) -> FlagsFile {
    let file = FlagsFile::parse("flags.toml", text);
    assert!(!file.diagnostics().has_errors(), "{}", file.diagnostics());
    match text.contains("[environments") {
        true => file.in_environment("staging").unwrap(),
        false => file,
    }
}

fn flag(text: &str) -> Definition {
    Definition::clone(&read(text).flags()["a"])
}

/// Explains the flag `a` of a file for the context of a row.
async fn explained(row: &Row, text: &str, path: &Path) -> Explanation {
    fs::write(path, text).unwrap();
    let file = File::open(path).unwrap();
    let file = if text.contains("[environments") { file.environment("staging") } else { file };
    let flags = Flags::builder().source(file).clock(now).start().await.unwrap();
    flags.explain("a", &who(&serde_json::from_str(row.context).unwrap()))
}

/// The answer in words: on or off, the variant, its value, and the reason.
fn answer(explanation: &Explanation) -> String {
    let answer = explanation.answer;
    let on = if answer.value { "on" } else { "off" };
    let value = explanation.served.as_ref().and_then(|served| match json!(served.value) {
        Value::Null | Value::Bool(_) => None,
        Value::String(text) => Some(text),
        other => Some(other.to_string()),
    });
    let words = [Some(on), Some(answer.variant.unwrap_or("none")), value.as_deref()];
    let words: Vec<_> = words.into_iter().flatten().collect();
    format!("{} {}", words.join(" "), answer.reason)
}

/// Every output that a row has a cell for, of one file.
async fn outputs(row: &Row, text: &str, path: &Path) -> [(&'static str, Cell, String); 6] {
    let explanation = explained(row, text, path).await;
    let without_path = |text: String| text.replace(&path.display().to_string(), "flags.toml");
    let mut explained = json!(explanation);
    explained.as_object_mut().unwrap().remove("generation");
    let source = Generator::new("flags.toml").at(now()).source(text).unwrap();
    [
        ("answer", row.answer, answer(&explanation)),
        ("json", row.json, Value::from(to_json(&flag(text))).to_string()),
        ("explain", row.explain, without_path(explanation.to_string())),
        ("explain as JSON", row.explain_json, without_path(explained.to_string())),
        ("codegen", row.codegen, source),
        ("manifest", row.manifest, manifest("flags.toml", text).unwrap()),
    ]
}

/// Fails with all problems at once.
fn check(problems: &[String]) {
    assert!(problems.is_empty(), "{}", problems.join("\n\n"));
}

#[tokio::test]
async fn every_output_knows_every_word() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("flags.toml");
    let mut problems = Vec::new();
    for row in ROWS {
        let with = outputs(row, &text(row.with), &path).await;
        let without = outputs(row, &text(row.without), &path).await;

        for ((name, cell, with), (.., without)) in with.into_iter().zip(without) {
            let is_right = match cell {
                Cell::Shows(text) => with.contains(text) && !without.contains(text),
                Cell::Hides(text) => !with.contains(text) && without.contains(text),
                Cell::NotShown(why) => !why.is_empty() && with == without,
            };
            if !is_right {
                problems.push(format!(
                    "{}: {name}: {cell:?}\n--- with\n{with}\n--- without\n{without}",
                    row.word
                ));
            }
        }
    }
    check(&problems);
}

#[test]
fn every_setting_and_every_word_of_the_schema_has_a_row() {
    let mut known = BTreeSet::new();
    for row in ROWS {
        let table: toml::Table = text(row.with).parse().unwrap();
        keys(&json(table.into()), &mut known);
    }
    let words: BTreeSet<_> = ROWS.iter().map(|row| row.word).collect();
    assert_eq!(words.len(), ROWS.len(), "a word has two rows");

    let settings = Field::ALL.iter().map(|field| field.as_str());
    let without: Vec<_> = settings.filter(|setting| !words.contains(setting)).collect();
    assert_eq!(without, [""; 0], "settings without a row");
    let words = words_of_the_schema();
    let without = words.difference(&known).map(String::as_str);
    // Operators have a table of their own.
    let is_operator = |word: &&str| Operator::ALL.iter().any(|operator| operator.as_str() == *word);
    let without: Vec<_> = without.filter(|word| !is_operator(word)).collect();
    assert_eq!(without, [""; 0], "words without a row");
}

/// Every name that the schema offers.
fn words_of_the_schema() -> BTreeSet<String> {
    let schema = json_schema();
    let mut offered = Vec::new();
    properties(&schema, "", &mut offered);
    for (name, definition) in schema["definitions"].as_object().unwrap() {
        properties(definition, name, &mut offered);
    }
    let words = offered.iter().filter_map(|(path, ..)| path.rsplit('/').next());
    words.map(str::to_owned).collect()
}

fn keys(value: &Value, into: &mut BTreeSet<String>) {
    for (key, value) in value.as_object().into_iter().flatten() {
        into.insert(key.clone());
        keys(value, into);
    }
    value.as_array().into_iter().flatten().for_each(|value| keys(value, into));
}

/// The words that the generator of flag files for the fuzz targets leaves out. Tests of flags would reject most
/// files, and segments are always the same.
const NOT_RANDOM: [&str; 5] = ["expect", "groups", "tests", "time", "user"];

/// The fuzz target `evaluate` and the tests of random files have this generator.
#[test]
fn the_random_files_have_every_word() {
    let mut known = BTreeSet::new();
    let mut state = 1_u64;
    let mut choice = || {
        // Knuth's constants for MMIX.
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as u8
    };
    for _ in 0..300 {
        let choices: Vec<_> = (0..400).map(|_| choice()).collect();
        let text = random_files::file(&choices);
        let table: toml::Table = text.parse().unwrap_or_else(|error| panic!("{error}: {text}"));
        keys(&json(table.into()), &mut known);
    }

    let words = words_of_the_schema();

    // Operators have a table of their own.
    let is_operator = |word: &&String| Operator::ALL.iter().any(|it| it.as_str() == **word);
    let missing = words.difference(&known).filter(|word| !is_operator(word));
    let missing: Vec<_> = missing.map(String::as_str).collect();
    assert_eq!(missing, NOT_RANDOM);
}

#[test]
fn the_decoder_and_the_schema_take_every_word_and_see_its_mistakes() {
    let validator = validator();
    let mut problems = Vec::new();
    for row in ROWS {
        let is_valid = |text: &str| {
            let table: toml::Table = text.parse().unwrap();
            validator.is_valid(&json(table.into()))
        };
        let with = FlagsFile::parse("flags.toml", &text(row.with));
        if with.diagnostics().has_errors() || !is_valid(&text(row.with)) {
            problems.push(format!("{}: refused: {}", row.word, with.diagnostics()));
        }
        let wrong = FlagsFile::parse("flags.toml", &text(row.wrong));
        if !wrong.diagnostics().has_errors() || is_valid(&text(row.wrong)) {
            problems.push(format!(
                "{}: `{}` is taken: {}",
                row.word,
                row.wrong,
                wrong.diagnostics()
            ));
        }
    }
    check(&problems);
}

#[test]
fn editors_take_every_word_and_see_its_mistakes() {
    let schema = json_schema();
    let mut problems = Vec::new();
    for (program, arguments) in [("taplo", &["lint"][..]), ("tombi", &["lint", "--offline"])] {
        for row in ROWS {
            let (accepted, said) = editor(&schema, program, arguments, &text(row.with));
            if !accepted {
                problems.push(format!("{}: {program} refuses it: {said}", row.word));
            }
            if editor(&schema, program, arguments, &text(row.wrong)).0 {
                problems.push(format!("{}: {program} takes `{}`", row.word, row.wrong));
            }
        }
    }
    check(&problems);
}

#[test]
fn an_editor_offers_every_word_of_the_table() {
    let mut server = Server::ready();
    let offers = |row: &Row| {
        let (text, word) = row.completion;
        let offered = server.offers(text);
        let is_offered = offered.iter().any(|offer| offer == word);
        (!is_offered).then(|| format!("{}: `{word}` is not among {offered:?}", row.word))
    };
    let problems: Vec<_> = ROWS.iter().filter_map(offers).collect();
    check(&problems);
}

#[test]
fn every_word_is_written_as_json_and_read_back() {
    for row in ROWS {
        let definition = flag(&text(row.with));

        let object = to_json(&definition);

        let read = from_json_object("a", &object, UnknownKeys::Reject);
        let read = read.unwrap_or_else(|error| panic!("{}: {error}", row.word));
        if row.with.contains("[segments") && row.word != "condition: attributes" {
            // JSON has no segments: their conditions are written out.
            let again = from_json_object("a", &to_json(&read), UnknownKeys::Reject);
            assert_eq!(again, Ok(read), "{}", row.word);
        } else {
            assert_eq!(read, definition, "{}", row.word);
        }
    }
}

#[test]
fn an_edit_keeps_every_word() {
    for row in ROWS.iter().filter(|row| row.word != "salt") {
        let before = text(row.with);
        let mut document = Document::parse("flags.toml", before.as_str()).unwrap();

        document.set("a", &Definition::new().salt("other")).unwrap();

        let mut expected = flag(&before);
        expected.merge(&Definition::new().salt("other"));
        assert_eq!(flag(document.text()), expected, "{}", row.word);
        let kept: BTreeSet<_> = document.text().lines().collect();
        let lost: Vec<_> = before.lines().filter(|line| !kept.contains(line)).collect();
        assert_eq!(lost, [""; 0], "{}: {}", row.word, document.text());
    }
}

#[test]
fn an_edit_writes_every_word() {
    for row in ROWS {
        let mut definition = flag(&text(row.with));
        let (_, segments) = row.with.split_once("[segments").unwrap_or_default();
        let rest =
            if segments.is_empty() { String::new() } else { format!("[segments{segments}\n") };
        let mut document = Document::parse("flags.toml", text(&rest)).unwrap();

        document.set("a", &definition).unwrap();

        if !rest.is_empty() {
            // The written text has the condition of the segment.
            definition = from_json_object("a", &to_json(&definition), UnknownKeys::Reject).unwrap();
        }
        assert_eq!(flag(document.text()), definition, "{}: {}", row.word, document.text());
    }
}

#[test]
fn an_edit_takes_every_setting_away() {
    for row in ROWS {
        let Some(field) = Field::ALL.iter().find(|field| field.as_str() == row.word) else {
            continue;
        };
        let patch = Map::from_iter([(field.as_str().to_owned(), Value::Null)]);
        let patch = from_json_object("a", &patch, UnknownKeys::Reject).unwrap();
        let mut document = Document::parse("flags.toml", text(row.with)).unwrap();

        document.set("a", &patch).unwrap();

        assert_eq!(
            flag(document.text()),
            flag(&text(row.without)),
            "{}: {}",
            row.word,
            document.text()
        );
    }
}

/// The codes of the lints of a file, with what they are about.
fn findings(text: &str) -> Vec<(&'static str, String)> {
    let found = Lints::new().check("flags.toml", text, now());
    found.iter().map(|it| (it.code.as_str(), it.to_string())).collect()
}

#[test]
fn lints_know_every_word() {
    let mut problems = Vec::new();
    for row in ROWS {
        let (wrong, code) = match row.lint {
            Lint::Repeats => {
                let other = if row.word == "salt" { "traffic = 10" } else { "salt = \"staging\"" };
                let repeats =
                    format!("{}\n[environments.staging.a]\n{}\n{other}", row.with, row.with);
                (repeats, "repeated-in-environment")
            }
            Lint::Finds(wrong, code) => (wrong.to_owned(), code),
            Lint::Nothing(why) => {
                assert!(!why.is_empty(), "{}", row.word);
                continue;
            }
        };
        let is_about = |text: &str| {
            let found = findings(text);
            let mut about = found.iter().filter(|(found, _)| *found == code);
            let word = if matches!(row.lint, Lint::Repeats) { row.word } else { "" };
            (about.any(|(_, shown)| shown.contains(word)), found)
        };
        let (is_found, found) = is_about(&text(&wrong));
        if !is_found || is_about(&text(row.with)).0 {
            problems.push(format!("{}: {code}\n{wrong}\n{found:?}", row.word));
        }
    }
    check(&problems);
}

#[test]
fn the_guide_shows_every_word_as_the_rows_test_it() {
    let guide = in_one_line(GUIDE);
    let mut problems = Vec::new();
    for row in ROWS {
        if !guide.contains(row.guide) || !in_one_line(row.with).contains(row.guide) {
            problems.push(format!("{}: `{}`", row.word, row.guide));
        }
    }
    check(&problems);
}

#[test]
fn the_vectors_notice_a_word_that_is_forgotten() {
    let rows = word_vectors();
    let mut problems = Vec::new();
    for row in ROWS {
        if let Forgotten::Nothing(why) = row.vectors {
            assert!(!why.is_empty(), "{}", row.word);
            continue;
        }
        let differs = |vector: &&Value| {
            let mut changed = (*vector).clone();
            forget(row.vectors, &mut changed);
            // A file that is wrong without the word shows nothing.
            changed != **vector
                && word_answers(&changed).is_ok_and(|answers| answers != vector["answers"])
        };
        if rows.iter().find(differs).is_none() {
            problems.push(format!("{}: no vector depends on {:?}", row.word, row.vectors));
        }
    }
    check(&problems);
}

fn forget(what: Forgotten, row: &mut Value) {
    if let Forgotten::Row(path) = what {
        let (table, key) = path.rsplit_once('/').unwrap_or(("", path));
        let table =
            if table.is_empty() { Some(row) } else { row.pointer_mut(&format!("/{table}")) };
        table.unwrap().as_object_mut().unwrap().remove(key);
        return;
    }
    for (_, segment) in row["segments"].as_object_mut().into_iter().flatten() {
        forget_in_conditions(what, segment);
        let unless = segment.as_object_mut().and_then(|segment| segment.remove("unless"));
        match (unless, what) {
            (Some(unless), Forgotten::SegmentUnless) => {
                *segment = json!({ "when": { "not": unless } });
            }
            (Some(unless), _) => segment["unless"] = unless,
            (None, _) => {}
        }
    }
    for table in ["flags", "environment"] {
        for (_, flag) in row[table].as_object_mut().into_iter().flatten() {
            let Some(flag) = flag.as_object_mut() else { continue };
            match what {
                Forgotten::Setting(name) => drop(flag.remove(name)),
                Forgotten::SettingOf(name, value) if flag.get(name) == Some(&value.into()) => {
                    drop(flag.remove(name));
                }
                _ => {}
            }
            let needs = flag.get_mut("requires").and_then(Value::as_array_mut);
            for need in needs.into_iter().flatten() {
                if let Forgotten::Need(name) = what {
                    remove(need, name);
                }
            }
            let Some(rules) = flag.get_mut("rules").and_then(Value::as_array_mut) else { continue };
            if let Forgotten::RuleThatServes(served) = what {
                rules.retain(|rule| rule["serve"] != served);
            }
            for rule in rules {
                if let Forgotten::Rule(name) = what {
                    remove(rule, name);
                }
                forget_in_conditions(what, rule);
            }
        }
    }
}

fn remove(table: &mut Value, key: &str) {
    table.as_object_mut().map(|table| table.remove(key));
}

fn forget_in_conditions(what: Forgotten, rule: &mut Value) {
    for part in ["when", "unless"] {
        if let Some(condition) = rule.get_mut(part) {
            forget_in_condition(what, condition);
        }
    }
}

fn forget_in_condition(what: Forgotten, condition: &mut Value) {
    if let Forgotten::Part(name) = what {
        remove(condition, name);
    }
    for (key, part) in condition.as_object_mut().into_iter().flatten() {
        match (key.as_str(), what) {
            ("any" | "all", _) => {
                part.as_array_mut()
                    .unwrap()
                    .iter_mut()
                    .for_each(|it| forget_in_condition(what, it));
            }
            ("not" | "unless", _) => forget_in_condition(what, part),
            ("flag", Forgotten::NeedOfPart(name)) => remove(part, name),
            ("flag" | "attributes" | "segment", _) => {}
            (_, Forgotten::Comparison(name)) => remove(part, name),
            _ => {}
        }
    }
}
