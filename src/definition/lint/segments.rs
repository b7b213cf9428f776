//! Segments that nothing uses.

use std::collections::BTreeSet;

use super::file::{File, Found};
use crate::definition::{Code, Diagnostic, segment::collect_names};

pub(super) fn check(file: &File<'_>, found: &mut Found<'_>) {
    let segments = file.segments_in_order();
    if segments.is_empty() || !found.wants(Code::UnusedSegment) {
        return;
    }
    // Flags with errors use segments, too.
    let mut used = BTreeSet::new();
    for table in [file.flags_table(), file.environments_table()].into_iter().flatten() {
        collect_names(table, &mut used);
    }
    let mut rest: Vec<&str> = used.iter().copied().collect();
    while let Some(name) = rest.pop() {
        let mut names = BTreeSet::new();
        if let Some(segment) = file.segment(name) {
            collect_names(segment, &mut names);
        }
        rest.extend(names.into_iter().filter(|&name| used.insert(name)));
    }
    for (key, _) in segments.iter().filter(|(key, _)| !used.contains(key.get_ref().as_ref())) {
        let message = format!("no flag uses segment `{}`", key.get_ref());
        let problem = Diagnostic::new(Code::UnusedSegment, key.span(), message)
            .label("not used")
            .help("remove it, or use it in a rule: `segment = \"…\"`");
        found.report(problem);
    }
}
