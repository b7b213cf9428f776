use flagstaff::definition::Diagnostic;

use super::{
    checked::Checked,
    places::{Places, Region},
};
use crate::text::clean;

/// Returns workflow commands of GitHub Actions, which show each problem beside its lines.
pub(super) fn lines(files: &[Checked]) -> String {
    let mut lines = String::new();
    for Checked { name, text, found } in files {
        let places = Places::of(text);
        for problem in found {
            lines += &line(name, problem, places.region(&problem.span));
            lines.push('\n');
        }
    }
    lines
}

fn line(file: &str, problem: &Diagnostic, region: Region) -> String {
    let Diagnostic { severity, code, message, label, help, .. } = problem;
    let Region { line, column, end_line, end_column } = region;
    let mut text = message.clone();
    for more in [Some(label), help.as_ref()].into_iter().flatten().filter(|more| !more.is_empty()) {
        text += &format!("\n{more}");
    }
    let mut properties = format!("file={},line={line},endLine={end_line}", property(file));
    // GitHub refuses columns for a problem on several lines.
    if line == end_line {
        properties += &format!(",col={column},endColumn={end_column}");
    }
    format!("::{severity} {properties},title={code}::{}", data(&text))
}

fn data(text: &str) -> String {
    let text = text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A");
    clean(&text).into_owned()
}

fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}
