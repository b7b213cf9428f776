//! What the decoding of one text has found so far.

use std::{
    collections::{HashMap, HashSet},
    ops::Range,
    sync::Arc,
};

use super::{code::Severity, diagnostic::Diagnostic, segment::Segments, syntax::Fault};
use crate::model::Definition;

#[derive(Debug)]
pub(super) struct Decoder<'t> {
    pub(super) text: &'t str,
    pub(super) problems: Vec<Diagnostic>,
    /// What conditions can name.
    pub(super) segments: Segments,
    /// Names of flags that were written in a place where they do not count.
    pub(super) misplaced: Vec<Arc<str>>,
    /// How many problems are errors.
    pub(super) errors: usize,
    /// What the parser said about scalars, by their place.
    scalars: HashMap<Range<usize>, String>,
    /// The scalars of which a better description was reported.
    described: HashSet<Range<usize>>,
    /// Most flags are a plain `true` or `false`, and all of these are the same two.
    pub(super) on: Arc<Definition>,
    pub(super) off: Arc<Definition>,
}

impl<'t> Decoder<'t> {
    pub(super) fn new(text: &'t str, faults: &[Fault]) -> Self {
        let plain = |enabled| Arc::new(Definition::new().enabled(enabled));
        Self {
            text,
            problems: Vec::new(),
            segments: Segments::default(),
            misplaced: Vec::new(),
            errors: 0,
            scalars: faults
                .iter()
                .filter(|fault| fault.diagnostic.message.starts_with("invalid "))
                .map(|fault| (fault.diagnostic.span.clone(), fault.diagnostic.label.clone()))
                .collect(),
            described: HashSet::new(),
            on: plain(true),
            off: plain(false),
        }
    }

    pub(super) fn report(&mut self, problem: Diagnostic) {
        self.errors += usize::from(problem.severity == Severity::Error);
        self.problems.push(problem);
    }

    pub(super) fn report_with(&mut self, problem: Diagnostic, help: Option<String>, flag: &str) {
        let problem = problem.flag(flag);
        self.report(match help {
            None => problem,
            Some(help) => problem.help(help),
        });
    }

    /// What the parser said about the scalar at `place`, which the caller now reports instead.
    pub(super) fn take_fault(&mut self, place: Range<usize>) -> Option<String> {
        let label = self.scalars.remove(&place)?;
        self.described.insert(place);
        Some(label)
    }

    /// Whether someone [took](Self::take_fault) it.
    pub(super) fn has_taken(&self, fault: &Fault) -> bool {
        self.described.contains(&fault.diagnostic.span)
    }
}
