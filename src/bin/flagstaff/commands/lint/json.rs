use flagstaff::definition::{Diagnostic, Safety};
use serde_json::{Value, json};

use super::{
    checked::Checked,
    places::{Places, Region},
};
use crate::{
    failure::Failure,
    output::{Listing, Output, Row},
};

pub(super) fn print(files: &[Checked], output: &Output) -> Result<(), Failure> {
    let mut rows = Vec::new();
    for Checked { name, text, found } in files {
        let places = Places::of(text);
        let problems = found.iter().map(|problem| problem_json(name, problem, &places));
        rows.extend(problems.map(|json| Row { cells: Vec::new(), json }));
    }
    let listing = Listing { name: "problems", columns: &[], rows, empty: "(no problems)" };
    match output.is_json() {
        true => output.listing(listing),
        false => Output::json().listing(listing),
    }
}

fn problem_json(file: &str, problem: &Diagnostic, places: &Places<'_>) -> Value {
    let Diagnostic { code, severity, message, label, help, flag, .. } = problem;
    let related = problem
        .related
        .iter()
        .map(|other| json!({ "region": region(places.region(&other.span)), "label": other.label }));
    let suggestion = problem.suggestion.as_ref().map(|suggestion| {
        let edits = suggestion.edits.iter().map(|edit| {
            json!({ "region": region(places.region(&edit.span)), "replacement": edit.replacement })
        });
        json!({
            "message": suggestion.message,
            "safe": suggestion.safety == Safety::Safe,
            "edits": edits.collect::<Vec<_>>(),
        })
    });
    json!({
        "file": file,
        "code": code.as_str(),
        "severity": severity.as_str(),
        "message": message,
        "flag": flag.as_deref(),
        "region": region(places.region(&problem.span)),
        "label": label,
        "help": help,
        "related": related.collect::<Vec<_>>(),
        "suggestion": suggestion,
    })
}

fn region(region: Region) -> Value {
    let Region { line, column, end_line, end_column } = region;
    json!({ "line": line, "column": column, "endLine": end_line, "endColumn": end_column })
}
