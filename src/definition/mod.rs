//! Parsers for flags.toml and for flags in JSON, which report every problem at once.
//!
//! [`FlagsFile::parse`] reads the text of a file and never fails. The problems of the text become
//! [`Diagnostics`]: all at once, of syntax and of meaning, each with a [`Code`], a line, a column,
//! and a remedy. The kind of problem determines its effect:
//!
//! - The text is not TOML, is empty, or has no `[flags]` table: the file is not
//!   [usable](FlagsFile::is_usable), and nothing of it may be published. A file that another
//!   program is still writing looks like this.
//! - A flag has an error, such as a misspelled setting: that flag is
//!   [rejected](FlagsFile::rejected) and keeps its previous definition; the other flags are
//!   published. A flag in a place where flags do not count is rejected too, so that a slip never
//!   removes a live flag.
//! - An entry of an environment has an error: the flag is rejected in that environment alone.
//! - A warning rejects nothing.
//!
//! This module reads no files. The caller passes the name of the file, which diagnostics show.
//!
//! [`from_json`] reads one flag from a JSON object with the same settings: the form of overrides in
//! Redis and of admin interfaces. [`to_json`] writes that form.
//!
//! # Example
//!
//! ```
//! use flagstaff::{Percentage, definition::FlagsFile};
//!
//! let text = r#"
//! [flags]
//! dark_mode = true
//! search_v2 = "25%"
//!
//! [flags.checkout]
//! owner = "payments"
//! enabeld = false
//! "#;
//!
//! let file = FlagsFile::parse("flags.toml", text);
//!
//! let search = &file.flags()["search_v2"];
//! assert_eq!(search.percentage.value(), Some(&Percentage::whole(25)?));
//! assert!(file.rejected().contains("checkout"));
//! assert!(file.diagnostics().to_string().starts_with(
//! "error[unknown-key]: unknown key `enabeld` in flag `checkout`
//!  --> flags.toml:8:1
//! "));
//! # Ok::<(), flagstaff::definition::InvalidPercentage>(())
//! ```

mod code;
mod condition;
mod decoder;
mod depth;
mod diagnostic;
#[cfg(feature = "edit")]
pub mod edit;
mod encode;
mod environment;
mod file;
mod flag;
mod json;
mod lines;
pub mod lint;
mod metadata;
mod over;
pub mod places;
mod prerequisite;
mod references;
mod remove;
mod render;
mod requires;
mod rollout;
mod rule;
mod schema;
mod schema_of;
mod segment;
mod segments;
mod serialize;
mod severity;
mod suggestion;
mod syntax;
mod test;
mod unknown;
mod value;
mod variants;
mod walk;
mod written;

use std::borrow::Cow;

use toml::{Spanned, de::DeValue};

pub use self::{
    code::Code,
    diagnostic::{Diagnostic, Diagnostics, Location, Related},
    environment::UnknownEnvironment,
    file::{FlagsFile, Parts},
    json::{InvalidJson, UnknownKeys, from_json, from_json_object, merge_json, to_json},
    lines::Lines,
    references::{Reference, Referrer, references},
    render::Report,
    schema::json_schema,
    severity::Severity,
    suggestion::{Edit, Safety, Suggestion},
    test::{Expected, TestResult, TestRun},
};

#[cfg(feature = "file")]
pub(crate) use self::file::{Declared, End};
#[doc(inline)]
pub use crate::model::parts::*;

type Key<'t> = Spanned<Cow<'t, str>>;
type Value<'t> = Spanned<DeValue<'t>>;
