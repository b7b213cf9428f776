//! The claims of the documents about the repository.

use std::{collections::BTreeSet, env, fs, path::PathBuf, time::SystemTime};

use flagstaff::definition::{Code, FlagsFile, Operator, Severity};

use crate::support::{GUIDE, root};

const MANIFEST: &str = include_str!("../../Cargo.toml");
const TESTS: &str = include_str!("../Cargo.toml");
const README: &str = include_str!("../../README.md");
const LIBRARY: &str = include_str!("../../src/lib.rs");

/// Returns the first column of the rows after the header `| …feature | default |`.
fn table(text: &str) -> BTreeSet<&str> {
    let lines = text.lines().map(|line| line.trim_start_matches("//! "));
    let rows = lines.skip_while(|line| !line.contains("feature | default |")).skip(2);
    let rows = rows.take_while(|line| line.starts_with('|'));
    rows.filter_map(|row| row.split('`').nth(1)).collect()
}

/// Returns the keys below a header of a manifest.
fn keys<'a>(manifest: &'a str, header: &str) -> BTreeSet<&'a str> {
    let lines = manifest.lines().skip_while(|line| *line != header).skip(1);
    let lines = lines.take_while(|line| !line.starts_with('['));
    let keys = lines.filter(|line| line.starts_with(|c: char| c.is_ascii_lowercase()));
    let keys: BTreeSet<_> = keys.filter_map(|line| line.split(" = ").next()).collect();
    assert!(!keys.is_empty(), "{header}");
    keys
}

fn features() -> BTreeSet<&'static str> {
    &keys(MANIFEST, "[features]") - &BTreeSet::from(["default"])
}

#[test]
fn every_cargo_feature_is_in_both_tables() {
    assert_eq!(table(README), features());
    assert_eq!(table(LIBRARY), features());
}

#[test]
fn the_tests_turn_on_every_cargo_feature() {
    let all = TESTS.lines().skip_while(|line| *line != "all = [").skip(1);
    let all = all.take_while(|line| *line != "]");
    let all: BTreeSet<_> = all
        .filter_map(|line| line.trim().strip_prefix("\"flagstaff/")?.strip_suffix("\","))
        .collect();

    assert_eq!(all, features());
}

/// Cargo builds all dev-dependencies before it runs an example.
#[test]
fn the_package_itself_uses_each_of_its_dev_dependencies() {
    let mut texts = vec![README.to_owned()];
    let mut folders = vec![root().join("src"), root().join("examples")];
    while let Some(folder) = folders.pop() {
        for path in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
            match path.extension().and_then(|extension| extension.to_str()) {
                _ if path.is_dir() => folders.push(path),
                // This example is a target of the tests' package.
                _ if path.ends_with("examples/tonic.rs") => {}
                Some("rs" | "md") => texts.push(fs::read_to_string(path).unwrap()),
                _ => {}
            }
        }
    }

    for name in keys(MANIFEST, "[dev-dependencies]") {
        let paths = [format!("{}::", name.replace('-', "_")), format!("#[{name}::")];
        let is_used = texts.iter().any(|text| paths.iter().any(|path| text.contains(path)));
        assert!(is_used, "{name}");
    }
}

#[test]
fn relative_links_lead_somewhere() {
    let root = root();
    let folders = ["src/docs", "src/docs/decisions"].map(|folder| fs::read_dir(root.join(folder)));
    let pages = folders.into_iter().flat_map(Result::unwrap).map(|entry| entry.unwrap().path());
    // Regular expressions in a schema look like links, and the links of the guide are checked by rustdoc.
    let is_read = |page: &PathBuf| page.extension().is_some_and(|it| it == "md");
    let pages = pages.filter(|page| is_read(page) && !page.ends_with("guide.md"));

    for page in pages.chain([root.join("README.md")]) {
        let text = fs::read_to_string(&page).unwrap();
        let links = text.split("](").skip(1).filter_map(|rest| rest.split(')').next());

        for link in links.filter(|link| !link.contains("://")) {
            let file = link.split('#').next().unwrap();
            let target = page.parent().unwrap().join(file);
            assert!(target.exists(), "{}: {link}", page.display());
        }
    }
}

/// The table of the guide has a row for each operator of the library.
#[test]
fn every_operator_is_in_the_guide() {
    let code = |text: &str| if text.is_empty() { "none".to_owned() } else { format!("`{text}`") };

    for &operator in Operator::ALL {
        let (example, description) = (operator.example(), operator.description());
        let [operand, holds, fails] = [example.operand, example.holds, example.fails].map(code);
        let row = format!("| `{operator}` | {operand} | {holds} | {fails} | {description} |");

        assert!(GUIDE.contains(&row), "{row}");
    }
    let rows = GUIDE.lines().skip_while(|line| !line.starts_with("| operator |")).skip(2);
    assert_eq!(rows.take_while(|line| line.starts_with('|')).count(), Operator::ALL.len());
}

/// The examples of flags.toml in the guide and the README are valid.
#[test]
fn the_flags_of_the_documents_are_good() {
    let mut files = 0;
    for page in [GUIDE, README] {
        let blocks = page.split("```toml\n").skip(1).filter_map(|rest| rest.split("```").next());
        for block in blocks.filter(|block| block.contains("[flags")) {
            let file = FlagsFile::parse("flags.toml", block);
            let run = file.test(SystemTime::now());

            assert!(!file.diagnostics().has_errors(), "{}", file.diagnostics());
            // Required flags may be declared elsewhere.
            let problems = file.diagnostics().iter().map(|problem| problem.code);
            assert!(problems.into_iter().all(|code| code == Code::UnknownPrerequisite), "{block}");
            assert!(run.passed(), "{}", run.diagnostics());
            files += 1;
        }
    }
    assert!(files >= 10, "{files}");
}

/// Returns the page of all codes.
fn codes() -> String {
    let is_error = |code: Code| code.severity() == Severity::Error;
    "# Codes\n\n\
     All problems that a flags.toml can have, by their codes: the names in brackets behind \
     `error` or `warning`. `flagstaff lint --explain CODE` prints the same text.\n"
        .to_owned()
        + &section(
            "Errors",
            "The affected flags are not published. Errors are reported whenever the file is read.",
            is_error,
        )
        + &section(
            "Warnings",
            "The affected flags are published. Warnings are reported whenever the file is read, and \
             lints can allow or deny them.",
            |code| !is_error(code) && !code.is_lint(),
        )
        + &section(
            "Lints",
            "Only `flagstaff lint` and `definition::lint` find these.",
            Code::is_lint,
        )
}

fn section(title: &str, about: &str, is_in: impl Fn(Code) -> bool) -> String {
    let mut page = format!("\n## {title}\n\n{about}\n");
    for code in Code::ALL.iter().filter(|&&code| is_in(code)) {
        let level = match code.is_lint() {
            true => format!(" (`{}` by default)", code.level()),
            false => String::new(),
        };
        let (title, explanation) = (code.title(), code.explanation());
        page += &format!("\n### `{code}`\n\n**{title}**{level}\n\n{explanation}\n");
    }
    page
}

/// With `UPDATE=1`, the page is written again.
#[test]
fn every_code_is_explained_on_the_page_of_codes() {
    let path = root().join("src/docs/codes.md");

    if env::var_os("UPDATE").is_some() {
        fs::write(&path, codes()).unwrap();
    }
    assert!(fs::read_to_string(&path).unwrap() == codes(), "run this test with UPDATE=1");
}
