use std::collections::BTreeSet;

use flagstaff::definition::{Code, Diagnostic, Severity, Suggestion};
use serde_json::{Map, Value, json};

use super::{
    checked::Checked,
    places::{Places, Region},
};

/// Returns the findings in the Static Analysis Results Interchange Format 2.1.0 of OASIS, which GitHub and
/// others show.
pub(super) fn log(files: &[Checked]) -> Value {
    let codes: BTreeSet<Code> =
        files.iter().flat_map(|file| &file.found).map(|problem| problem.code).collect();
    let codes: Vec<Code> = codes.into_iter().collect();
    let mut results = Vec::new();
    for Checked { name, text, found } in files {
        let file = File { uri: uri(name), places: Places::of(text), codes: &codes };
        results.extend(found.iter().map(|problem| file.result(problem)));
    }
    json!({
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": { "driver": {
                "name": "flagstaff",
                "semanticVersion": env!("CARGO_PKG_VERSION"),
                "rules": codes.iter().map(|&code| rule(code)).collect::<Vec<_>>(),
            } },
            "columnKind": "unicodeCodePoints",
            "results": results,
        }],
    })
}

fn rule(code: Code) -> Value {
    json!({
        "id": code.as_str(),
        "shortDescription": { "text": code.title() },
        "fullDescription": { "text": code.explanation() },
        "help": { "text": code.explanation() },
        "defaultConfiguration": { "level": level(code.severity()) },
    })
}

fn level(severity: Severity) -> &'static str {
    match severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
        _ => "note",
    }
}

struct File<'f> {
    uri: String,
    places: Places<'f>,
    codes: &'f [Code],
}

impl File<'_> {
    fn result(&self, problem: &Diagnostic) -> Value {
        let Diagnostic { code, severity, message, label, help, .. } = problem;
        let mut text = message.clone();
        for more in [Some(label), help.as_ref()].into_iter().flatten().filter(|it| !it.is_empty()) {
            text += &format!("; {more}");
        }
        let mut result = Map::new();
        result.insert("ruleId".to_owned(), code.as_str().into());
        result.insert("ruleIndex".to_owned(), self.codes.binary_search(code).ok().into());
        result.insert("level".to_owned(), level(*severity).into());
        result.insert("message".to_owned(), json!({ "text": text }));
        let location = json!({ "physicalLocation": self.physical(&problem.span) });
        result.insert("locations".to_owned(), json!([location]));
        if !problem.related.is_empty() {
            let related = problem.related.iter().map(|other| {
                json!({
                    "physicalLocation": self.physical(&other.span),
                    "message": { "text": other.label },
                })
            });
            result.insert("relatedLocations".to_owned(), related.collect());
        }
        if let Some(suggestion) = &problem.suggestion {
            result.insert("fixes".to_owned(), json!([self.fix(suggestion)]));
        }
        result.into()
    }

    fn fix(&self, suggestion: &Suggestion) -> Value {
        let replacements = suggestion.edits.iter().map(|edit| {
            json!({
                "deletedRegion": region(self.places.region(&edit.span)),
                "insertedContent": { "text": edit.replacement },
            })
        });
        json!({
            "description": { "text": suggestion.message },
            "artifactChanges": [{
                "artifactLocation": { "uri": self.uri },
                "replacements": replacements.collect::<Vec<_>>(),
            }],
        })
    }

    fn physical(&self, span: &std::ops::Range<usize>) -> Value {
        json!({
            "artifactLocation": { "uri": self.uri },
            "region": region(self.places.region(span)),
        })
    }
}

fn region(region: Region) -> Value {
    json!({
        "startLine": region.line,
        "startColumn": region.column,
        "endLine": region.end_line,
        "endColumn": region.end_column,
    })
}

/// Returns a path as a reference of RFC 3986.
fn uri(path: &str) -> String {
    let mut uri = String::with_capacity(path.len());
    for byte in path.replace('\\', "/").bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'/' => {
                uri.push(char::from(byte));
            }
            byte => uri += &format!("%{byte:02X}"),
        }
    }
    uri
}
