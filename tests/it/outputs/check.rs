//! Strings in every output of the library, read again by a parser of each format.
//!
//! The fuzz target `outputs` includes this file, too.

use std::process::Command;

use flagstaff::{
    Context, Definition, FlagGate, Flags, Memory,
    codegen::{Generator, manifest},
    definition::{
        Diagnostics, FlagsFile, UnknownKeys,
        edit::{Diff, Document},
        from_json_object, to_json,
    },
    gate::InvalidGate,
    text::{Untrusted, is_hidden},
    write::Conflict,
};
use pulldown_cmark::{Event, Options, Parser, Tag, TagEnd};
use serde_json::Value;
use syn::visit::Visit;

/// Strings that the author of a pull request or a writer of the store chooses.
#[derive(Debug, Clone, Default)]
pub(crate) struct Strings {
    pub(crate) key: String,
    pub(crate) description: String,
    pub(crate) owner: String,
    pub(crate) reason: String,
    pub(crate) name: String,
    pub(crate) user: String,
}

impl Strings {
    fn all(&self) -> [&str; 6] {
        let Self { key, description, owner, reason, name, user } = self;
        [key, description, owner, reason, name, user]
    }

    /// Returns a flag file that has the strings in every place for a string.
    fn toml(&self) -> String {
        let [key, description, owner, reason, name, user] =
            self.all().map(|text| Untrusted::new(text).toml());
        format!(
            "[flags.{key}]\ndescription = {description}\nowner = {owner}\ntags = [{name}]\n\
             denied_users = [{user}]\nallowed_groups = [{user}]\nrequires = [{reason}]\n\
             expires = 2020-01-01\nvariants = {{ {name} = 1, b = 1 }}\nserve = {name}\n\
             metadata = {{ {name} = {reason} }}\n\
             [flags.{key}.rollout]\nstages = [{{ percentage = 1, for = \"2h\" }}]\n\
             [[flags.{key}.rules]]\nname = {name}\n\
             when = {{ {owner} = {description}, segment = {reason} }}\nserve = {name}\n\
             [[flags.{key}.tests]]\nname = {name}\nuser = {user}\nexpect = {description}\n\
             [segments.{reason}]\nwhen = {{ plan = {owner} }}\n\
             [flags.constant]\nvalue = {description}\n"
        )
    }

    /// Returns a flag that is valid if its key is.
    fn plain_toml(&self) -> String {
        let [key, description, owner, _, name, user] =
            self.all().map(|text| Untrusted::new(text).toml());
        format!(
            "[flags.{key}]\ndescription = {description}\nowner = {owner}\ndenied_users = [{user}]\n\
             variants = {{ {name} = 1, other = 1 }}\nmetadata = {{ {name} = {description} }}\n\
             [[flags.{key}.rules]]\nname = {name}\nwhen = {{ {owner} = {description} }}\nserve = {name}\n"
        )
    }
}

/// Writes the strings to all outputs, and panics if an output reads one of them as anything but data.
pub(crate) fn check(strings: &Strings) {
    strings.all().into_iter().for_each(check_forms);
    check_shell(&strings.all());
    check_table(strings.all());
    for text in [strings.toml(), strings.plain_toml()] {
        check_file(&text, strings);
    }
    check_errors(strings);
}

/// Checks that an output has no invisible characters except for its layout.
#[track_caller]
fn assert_shown(output: &str) {
    let is_bad = |c: char| is_hidden(c) && c != '\n';
    assert!(!output.contains(is_bad), "{output:?}");
}

#[track_caller]
fn assert_line(output: &str) {
    assert!(!output.contains(is_hidden), "{output:?}");
}

fn check_forms(text: &str) {
    let it = Untrusted::new(text);
    let line = it.line();

    assert_line(&line);
    assert_shown(&it.lines());
    assert!(it.lines().lines().skip(1).all(|line| line.starts_with("  ")));
    assert_eq!(syn::parse_str::<syn::LitStr>(&it.rust()).expect("a literal").value(), text);
    let toml: toml::Table = toml::from_str(&format!("a = {}", it.toml())).expect("a string");
    assert_eq!(toml["a"].as_str(), Some(text));
    let json = Value::from(text).to_string();
    let json = Untrusted::new(&json).json();
    assert_line(&json);
    assert_eq!(serde_json::from_str::<Value>(&json).expect("a string"), text);

    assert_eq!(read_html(&it.html()), line, "{text:?}");
    let table = format!("{}\r\n", it.csv());
    assert_eq!(read_csv(&table), [text], "{table:?}");

    assert_eq!(plain_text(&it.markdown()), line.trim(), "{text:?}");
    let lines = it.rustdoc();
    assert_shown(&lines);
    plain_text(&lines);
    match code(&it.code()) {
        Some(code) if text.is_empty() => assert_eq!(code, " "),
        Some(code) => assert_eq!(code, line, "{text:?}"),
        None => assert_eq!(plain_text(&it.code()), line.trim(), "{text:?}"),
    }
}

/// Reads the text of HTML, which must not contain markup.
#[track_caller]
fn read_html(html: &str) -> String {
    assert!(!html.contains(['<', '>', '"', '\'']), "{html:?}");
    let mut parts = html.split('&');
    let mut text = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (name, rest) = part.split_once(';').expect("the end of a reference");
        text.push(match name {
            "amp" => '&',
            "lt" => '<',
            "gt" => '>',
            "quot" => '"',
            "#39" => '\'',
            other => panic!("`{other}` in {html:?}"),
        });
        text += rest;
    }
    text
}

/// Reads the fields of one row, as RFC 4180 has them.
#[track_caller]
fn read_csv(row: &str) -> Vec<String> {
    let (mut fields, mut rest) = (Vec::new(), row.strip_suffix("\r\n").expect("an end"));
    loop {
        let Some(quoted) = rest.strip_prefix('"') else {
            let (field, more) =
                rest.split_once(',').map_or((rest, None), |(it, more)| (it, Some(more)));
            assert!(!field.contains(['"', '\n', '\r']), "{row:?}");
            fields.push(field.to_owned());
            match more {
                None => return fields,
                Some(more) => rest = more,
            }
            continue;
        };
        let mut field = String::new();
        let mut left = quoted;
        loop {
            let (before, after) = left.split_once('"').expect("the end of a field");
            field += before;
            left = after;
            match left.strip_prefix('"') {
                None => break,
                Some(more) => {
                    field.push('"');
                    left = more;
                }
            }
        }
        fields.push(field);
        match left.strip_prefix(',') {
            None => {
                assert_eq!(left, "", "{row:?}");
                return fields;
            }
            Some(more) => rest = more,
        }
    }
}

/// Returns a Markdown parser with the extensions of GitHub and rustdoc, and more.
fn markdown(text: &str) -> Parser<'_> {
    Parser::new_ext(text, Options::all() - Options::ENABLE_SMART_PUNCTUATION)
}

/// Returns the text of Markdown, which must not contain markup.
#[track_caller]
fn plain_text(text: &str) -> String {
    let mut plain = String::new();
    for event in markdown(text) {
        match event {
            Event::Text(text) => plain += &text,
            Event::SoftBreak | Event::HardBreak => plain.push('\n'),
            Event::Start(Tag::Paragraph) | Event::End(TagEnd::Paragraph) => {}
            other => panic!("{other:?} in {text:?}"),
        }
    }
    plain
}

/// Returns the content of a Markdown text that is one code span.
fn code(text: &str) -> Option<String> {
    let events: Vec<_> = markdown(text).collect();
    match &events[..] {
        [Event::Start(Tag::Paragraph), Event::Code(code), Event::End(TagEnd::Paragraph)] => {
            Some(code.to_string())
        }
        _ => None,
    }
}

/// Checks a row of a table for each of the strings.
fn check_table<const N: usize>(strings: [&str; N]) {
    let mut table = String::from("| a | b |\n|---|---|\n");
    for text in strings {
        let it = Untrusted::new(text);
        table += &format!("| {} | {} |\n", it.code(), it.markdown());
    }
    let (mut cells, mut cell) = (Vec::new(), String::new());
    for event in markdown(&table) {
        match event {
            Event::Text(text) | Event::Code(text) => cell += &text,
            Event::End(TagEnd::TableCell) => cells.push(std::mem::take(&mut cell)),
            Event::Start(Tag::Table(_) | Tag::TableHead | Tag::TableRow | Tag::TableCell)
            | Event::End(TagEnd::Table | TagEnd::TableHead | TagEnd::TableRow) => {}
            other => panic!("{other:?} in {table:?}"),
        }
    }
    let trimmed = |text: &str| Untrusted::new(text).line().trim().to_owned();
    let rows: Vec<_> = cells.chunks(2).skip(1).map(|row| [row[0].trim(), row[1].trim()]).collect();
    assert_eq!(rows.len(), N, "{table:?}");
    for (row, text) in rows.into_iter().zip(strings) {
        assert_eq!(row, [&*trimmed(text); 2], "{table:?}");
    }
}

/// Checks that a shell reads each string as one word, and runs nothing.
fn check_shell(strings: &[&str]) {
    // Arguments of a process cannot contain a zero byte.
    let strings: Vec<_> = strings.iter().filter(|text| !text.contains('\0')).collect();
    let words: Vec<_> = strings.iter().map(|text| Untrusted::new(text).shell()).collect();
    words.iter().for_each(|word| assert_line(word));
    let script = format!("printf '%s\\0' {} end", words.join(" "));

    let ran = Command::new("bash").args(["--norc", "-c", &script]).env_clear().output();

    let ran = ran.expect("bash runs");
    let read: Vec<_> = ran.stdout.split(|&byte| byte == 0).collect();
    let expected = strings.iter().map(|text| text.as_bytes()).chain([&b"end"[..], b""]);
    assert!(read.iter().copied().eq(expected), "{script:?}: {ran:?}");
}

fn check_file(text: &str, strings: &Strings) {
    let file = FlagsFile::parse("flags.toml", text);
    check_diagnostics(file.diagnostics());
    check_code(text, &strings.key);
    let Some(definition) = file.flags().get(&*strings.key) else { return };
    assert_eq!(definition.owner.value().map(|it| &**it), Some(&*strings.owner));

    let json = to_json(definition);
    let read = from_json_object(&strings.key, &json, UnknownKeys::Reject).expect("a flag");
    // The segment is expanded, so its rule is written in another way.
    assert_eq!(
        (&read.description, &read.owner, &read.tags, &read.denied_users),
        (&definition.description, &definition.owner, &definition.tags, &definition.denied_users)
    );
    check_edit(text, strings);
    check_explanation(definition, strings);
}

fn check_diagnostics(diagnostics: &Diagnostics) {
    assert_shown(&diagnostics.report().to_string());
    let colored = diagnostics.report().ansi().to_string();
    // An ANSI colour begins with an escape and a bracket, and ends with an `m`.
    let mut parts = colored.split('\u{1b}');
    assert_shown(parts.next().unwrap_or_default());
    for part in parts {
        let color = part.split_once('m').expect("a colour").0;
        assert!(
            color.trim_start_matches(['[', ';']).bytes().all(|it| b"0123456789;".contains(&it))
        );
        assert_shown(part);
    }
    assert_line(&diagnostics.summary());
    for diagnostic in diagnostics {
        assert_line(&diagnostic.to_string());
        assert_line(&diagnostic.label);
        assert_line(diagnostic.help.as_deref().unwrap_or_default());
    }
}

/// The strings in generated code that the compiler and rustdoc read.
#[derive(Default)]
struct Literals {
    docs: Vec<String>,
    values: Vec<String>,
}

impl Visit<'_> for Literals {
    fn visit_attribute(&mut self, attribute: &syn::Attribute) {
        let syn::Meta::NameValue(pair) = &attribute.meta else { return };
        let syn::Expr::Lit(syn::ExprLit { lit: syn::Lit::Str(text), .. }) = &pair.value else {
            panic!("an attribute that is no string")
        };
        if pair.path.is_ident("doc") {
            self.docs.push(text.value());
        }
    }

    fn visit_lit_str(&mut self, text: &syn::LitStr) {
        self.values.push(text.value());
    }
}

fn check_code(text: &str, key: &str) {
    match Generator::new("flags.toml").source(text) {
        Err(error) => assert_shown(&error.to_string()),
        Ok(source) => {
            assert_shown(&source);
            let file = syn::parse_file(&source).expect("code");
            let mut literals = Literals::default();
            literals.visit_file(&file);
            assert!(literals.values.iter().any(|text| text == key), "{source}");
            for doc in literals.docs {
                for event in markdown(&doc) {
                    let is_text = matches!(
                        event,
                        Event::Text(_)
                            | Event::Code(_)
                            | Event::SoftBreak
                            | Event::HardBreak
                            | Event::Start(Tag::Paragraph)
                            | Event::End(TagEnd::Paragraph)
                    );
                    assert!(is_text, "{event:?} in {doc:?}");
                }
            }
        }
    }
    if let Ok(manifest) = manifest("flags.toml", text) {
        assert_shown(&manifest);
        let manifest: Value = serde_json::from_str(&manifest).expect("JSON");
        assert!(manifest["flags"].get(key).is_some(), "{manifest}");
    }
}

/// Writes strings into another file, and checks that it contains them.
fn check_edit(text: &str, strings: &Strings) {
    let mut document = Document::parse("flags.toml", "[flags]\nother = true\n").expect("a file");
    let file = FlagsFile::parse("flags.toml", text);
    if strings.key == "other" {
        return;
    }
    match document.add(&strings.key, &file.flags()[&*strings.key]) {
        Ok(()) => {
            assert_shown(document.text());
            let added: toml::Table = toml::from_str(document.text()).expect("TOML");
            let flag = &added["flags"][&strings.key];
            assert_eq!(flag["owner"].as_str(), Some(&*strings.owner), "{}", document.text());
            assert_shown(&Diff::new("flags.toml", "", document.text()).to_string());
        }
        Err(error) => assert_shown(&format!("{error:?}")),
    }
}

fn check_explanation(definition: &Definition, strings: &Strings) {
    let Strings { key, description, owner, reason, user, .. } = strings;
    let memory = Memory::new().with(key, Definition::clone(definition));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build();
    let runtime = runtime.expect("a runtime");
    runtime.block_on(async {
        let flags = Flags::builder().source(memory).start().await.expect("flags");
        let mut events = flags.events();
        let patch = Definition::new().owner(reason.clone());
        let write = flags.set(&**key, patch).author(owner.clone()).reason(reason.clone());
        if let Err(error) = write.await {
            assert_shown(&format!("{error:?}"));
        }
        let context = Context::user(user.clone())
            .group(description.clone())
            .attribute(owner.clone(), description.clone());
        for key in [key, reason] {
            let explanation = flags.snapshot().explain(&**key, &context);
            assert_shown(&explanation.to_string());
            let json = serde_json::to_string(&explanation).expect("JSON");
            let json: Value = serde_json::from_str(&json).expect("JSON");
            assert_eq!(json["flag"], **key);
        }
        if let Err(error) = flags.rollout(&**key).start().await {
            assert_shown(&format!("{error:?}"));
        }
        flags.shutdown().await;
        while let Some(event) = events.next().await {
            assert_shown(&event.to_string());
        }
    });
}

fn check_errors(strings: &Strings) {
    let Strings { owner, reason, name, .. } = strings;
    let conflict = Conflict::new(Some(reason.clone())).made_by(Some(owner.clone()), Some(7));
    assert_line(&conflict.to_string());
    let target: Result<FlagGate, InvalidGate> = FlagGate::new("a").redirect(name);
    if let Err(error) = target {
        assert_line(&error.to_string());
    }
    let mut document = Document::parse("flags.toml", "[flags]\n").expect("a file");
    if let Err(error) = document.disable(name) {
        assert_shown(&format!("{error:?}"));
    }
}
