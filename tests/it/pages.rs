//! The guide as a code host shows it: `docs/guide`, rendered from the sources of rustdoc in `src/docs`.
//!
//! Rustdoc hides lines of examples and resolves links to items of the crate; a code host does neither.
//! `SNAPSHOTS=overwrite tests/run pages` renders the pages again after a change.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    ops::Range,
    path::{Path, PathBuf},
};

use pulldown_cmark::{
    BrokenLink, CodeBlockKind, CowStr, Event, HeadingLevel, Options, Parser, Tag, TagEnd,
};
use snapbox::{Assert, Data, IntoData, assert::DEFAULT_ACTION_ENV, data::DataFormat};

use crate::support::{GUIDE, root};

/// The name of the index page, in links and in files.
const INDEX: &str = "README";

/// Returns the sources by the names of their pages.
fn sources() -> BTreeMap<String, String> {
    let files = fs::read_dir(root().join("src/docs/guide")).unwrap();
    let read = |path: &Path| fs::read_to_string(path).unwrap();
    let pages = files
        .map(|file| file.unwrap().path())
        .map(|path| (path.file_stem().unwrap().to_str().unwrap().to_owned(), read(&path)));
    let index = (INDEX.to_owned(), read(&root().join("src/docs/guide.md")));
    pages.chain([index]).collect()
}

/// Returns a Markdown parser that reads `[Name]` as a link, as rustdoc does.
fn events(text: &str) -> impl Iterator<Item = (Event<'_>, Range<usize>)> {
    let item = |link: BrokenLink<'_>| Some((CowStr::from(link.reference.to_string()), "".into()));
    let options = Options::ENABLE_TABLES;
    Parser::new_with_broken_link_callback(text, options, Some(item)).into_offset_iter()
}

/// Returns the target of a link on a code host, or `None` for a link to an item.
fn target(link: &str) -> Option<String> {
    if link.contains("://") || link.starts_with('#') {
        return Some(link.to_owned());
    }
    if let Some(page) = link.strip_prefix("crate::guide::") {
        let (page, anchor) = page.split_once('#').unwrap_or((page, ""));
        let anchor = if anchor.is_empty() { String::new() } else { format!("#{anchor}") };
        return Some(format!("{page}.md{anchor}"));
    }
    None
}

/// Returns the example without the lines that rustdoc hides.
fn example(block: &str, language: &str) -> String {
    let language = language.split(',').next().unwrap();
    let mut lines = block.lines();
    let fence = lines.next().unwrap().split(|c| c != '`').next().unwrap();
    let shown = lines.filter(|line| {
        let line = line.trim_start();
        language != "rust" || !(line == "#" || line.starts_with("# "))
    });
    let shown: Vec<_> = shown.collect();
    // The hidden lines around the example leave empty lines.
    format!("{fence}{language}\n{}", shown.join("\n").trim_start_matches('\n'))
}

/// A link that is being read: the places of the link and of its text, and its target on a code host.
struct Link {
    whole: Range<usize>,
    inner: Option<Range<usize>>,
    target: Option<String>,
}

/// Renders the page for a code host from the source of rustdoc.
fn render(source: &str) -> String {
    let mut edits: Vec<(Range<usize>, String)> = Vec::new();
    let mut link: Option<Link> = None;
    for (event, range) in events(source) {
        match event {
            Event::Start(Tag::CodeBlock(CodeBlockKind::Fenced(language))) => {
                edits.push((range.clone(), example(&source[range], &language)));
            }
            Event::Start(Tag::Link { dest_url, .. }) => {
                link = Some(Link { whole: range, inner: None, target: target(&dest_url) });
            }
            Event::End(TagEnd::Link) => {
                let link = link.take().expect("links begin before they end");
                let inner = &source[link.inner.expect("links have a text")];
                let text = link.target.map_or(inner.to_owned(), |url| format!("[{inner}]({url})"));
                edits.push((link.whole, text));
            }
            _ => {
                if let Some(Link { inner, .. }) = &mut link {
                    let start = inner.as_ref().map_or(range.start, |inner| inner.start);
                    *inner = Some(start..range.end);
                }
            }
        }
    }
    // Removes the definitions of links, which are inlined now.
    let parser = Parser::new(source);
    for (_, definition) in parser.reference_definitions().iter() {
        let end = source[definition.span.end..]
            .find('\n')
            .map_or(source.len(), |end| definition.span.end + end + 1);
        edits.push((definition.span.start..end, String::new()));
    }
    edits.sort_by_key(|(range, _)| range.start);

    let mut page = String::new();
    let mut at = 0;
    for (range, text) in edits {
        page.push_str(&source[at..range.start]);
        page.push_str(&text);
        at = range.end;
    }
    page.push_str(&source[at..]);
    page.trim_end().to_owned() + "\n"
}

/// Returns the anchor that a code host and rustdoc give a heading.
fn anchor(heading: &str) -> String {
    let kept = heading.chars().filter(|c| c.is_alphanumeric() || "-_ ".contains(*c));
    kept.collect::<String>().to_lowercase().replace(' ', "-")
}

fn anchors(page: &str) -> BTreeSet<String> {
    let mut heading: Option<String> = None;
    let mut anchors = BTreeSet::new();
    for (event, _) in events(page) {
        match event {
            Event::Start(Tag::Heading { .. }) => heading = Some(String::new()),
            Event::End(TagEnd::Heading(HeadingLevel::H1)) => heading = None,
            Event::End(TagEnd::Heading(_)) => anchors.extend(heading.take().map(|h| anchor(&h))),
            Event::Text(text) | Event::Code(text) => {
                if let Some(heading) = &mut heading {
                    heading.push_str(&text);
                }
            }
            Event::InlineHtml(tag) => {
                let id = tag.strip_prefix("<a id=\"").and_then(|rest| rest.split('"').next());
                anchors.extend(id.map(str::to_owned));
            }
            _ => {}
        }
    }
    anchors
}

#[test]
fn the_guide_of_the_code_host_is_rendered_from_that_of_rustdoc() {
    let directory = root().join("docs/guide");
    let sources = sources();

    for (name, source) in &sources {
        let path = directory.join(name).with_extension("md");
        let expected = Data::read_from(&path, Some(DataFormat::Text)).raw();
        let rendered = render(source).into_data().raw();
        Assert::new().action_env(DEFAULT_ACTION_ENV).eq(rendered, expected);
    }

    let rendered: BTreeSet<PathBuf> =
        fs::read_dir(&directory).unwrap().map(|file| file.unwrap().path()).collect();
    let expected = sources.keys().map(|name| directory.join(name).with_extension("md")).collect();
    assert_eq!(rendered, expected, "a page without a source");
}

#[test]
fn links_of_the_guide_lead_to_pages_and_sections() {
    let pages: BTreeMap<_, _> =
        sources().into_iter().map(|(name, source)| (name, render(&source))).collect();

    for (name, page) in &pages {
        let links = events(page).filter_map(|(event, _)| match event {
            Event::Start(Tag::Link { dest_url, .. }) => Some(dest_url.to_string()),
            _ => None,
        });
        for link in links.filter(|link| !link.contains("://")) {
            let (file, anchor) = link.split_once('#').unwrap_or((&link, ""));
            let to = if file.is_empty() { name } else { file.trim_end_matches(".md") };
            let to = pages.get(to).unwrap_or_else(|| panic!("{name}: {link}"));
            assert!(anchor.is_empty() || anchors(to).contains(anchor), "{name}: {link}");
        }
    }
}

#[test]
fn every_page_is_in_the_index_and_a_module_of_rustdoc() {
    let library = fs::read_to_string(root().join("src/lib.rs")).unwrap();
    let sources = sources();

    for name in sources.keys().filter(|name| *name != INDEX) {
        assert!(sources[INDEX].contains(&format!("(crate::guide::{name})")), "{name}");
        assert!(library.contains(&format!("docs/guide/{name}.md")), "{name}");
        assert!(GUIDE.contains(&sources[name]), "{name}");
    }
}

/// The package's own examples cannot depend on tonic.
#[test]
fn the_page_on_tonic_shows_the_example() {
    let page = &sources()["tonic"];
    let block = page.split("```rust,ignore\n").nth(1).unwrap().split("```").next().unwrap();

    assert!(include_str!("../../examples/tonic.rs").contains(block), "{block}");
}

#[test]
fn a_page_of_the_code_host_has_no_hidden_lines_and_no_links_to_items() {
    let source = "See [`Flags::all`] and [lints] of [rules](crate::guide::rules#unknown), [home](https://a.example).\n\n\
                  ```rust,no_run\n# fn main() {\n#[derive(Debug)]\nstruct A;\n# }\n```\n\n\
                  ```toml\n# kept\n```\n\n[lints]: crate::lint\n";

    assert_eq!(
        render(source),
        "See `Flags::all` and lints of [rules](rules.md#unknown), [home](https://a.example).\n\n\
         ```rust\n#[derive(Debug)]\nstruct A;\n```\n\n\
         ```toml\n# kept\n```\n"
    );
}
