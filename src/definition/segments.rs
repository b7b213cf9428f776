//! The segments of a file that are decoded so far.

use std::collections::BTreeMap;

use crate::model::Segment;

/// The segments of a file that are decoded so far.
#[derive(Debug, Default)]
pub(super) struct Segments {
    /// The segments by name; `None` for one that has errors.
    pub(super) known: BTreeMap<String, Option<Known>>,
    /// True if the text can have segments.
    pub(super) in_file: bool,
}

impl Segments {
    /// Returns the segment with this name, if it has no errors.
    pub(super) fn get(&self, name: &str) -> Option<&Segment> {
        self.known.get(name)?.as_ref().map(|known| &known.segment)
    }
}

/// A segment, and the size of its condition.
#[derive(Debug)]
pub(super) struct Known {
    pub(super) segment: Segment,
    pub(super) extent: Extent,
}

/// The size of a condition when its segments are written out.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Extent {
    pub(super) comparisons: usize,
    pub(super) levels: usize,
}
