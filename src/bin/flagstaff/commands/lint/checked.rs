use flagstaff::definition::Diagnostics;

/// A file and its problems.
pub(super) struct Checked {
    /// The name that messages show.
    pub(super) name: String,
    pub(super) text: String,
    pub(super) found: Diagnostics,
}
