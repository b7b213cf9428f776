//! Edits of a flags.toml that keep its comments and its layout.
//!
//! A [`Document`] applies changes to the text: settings, new flags, and overrides that become part
//! of the file. A [`TextFile`] reads the text and writes it back, unless the file has changed in
//! the meantime. A [`Diff`] shows the changed lines.
//!
//! # Example
//!
//! ```
//! use flagstaff::definition::edit::{Document, TextFile};
//!
//! # let directory = tempfile::tempdir()?;
//! # let path = directory.path().join("flags.toml");
//! # std::fs::write(&path, "[flags]\nsearch = true # since May\n")?;
//! let file = TextFile::read(&path)?;
//! let mut document = Document::parse("flags.toml", file.text())?;
//! document.disable("search")?;
//! println!("{}", document.diff());
//! file.replace(document.text())?;
//!
//! assert_eq!(std::fs::read_to_string(&path)?, "[flags]\nsearch = false # since May\n");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod diff;
mod document;
mod layout;
mod rename;
mod splice;
mod sync;
mod toml_text;
mod write;

pub use self::{
    diff::Diff,
    document::{Document, EditError},
    write::{TextFile, TextFileError},
};
