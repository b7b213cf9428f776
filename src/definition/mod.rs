//! Definitions from texts, with everything that is wrong with them: flags.toml and JSON.
//!
//! [`FlagsFile::parse`] takes a text and never fails. What is wrong with the text becomes
//! [`Diagnostics`]: all problems at once, syntax and meaning, each with a [`Code`], a line, a
//! column, and what to do about it. How much harm a problem does depends on what it is:
//!
//! - The text is not TOML, is empty, or has no `[flags]` table: the file is not
//!   [usable](FlagsFile::is_usable), and nothing of it may be published. A file that another
//!   program is still writing looks like this.
//! - A flag has an error, such as a misspelled setting: that flag is
//!   [rejected](FlagsFile::rejected) and keeps its previous definition; the others are good. A
//!   flag that was written in a place where it does not count is rejected too, so that a slip
//!   never removes a live flag.
//! - An entry of an environment has an error: the flag is rejected in that environment alone.
//! - A warning rejects nothing.
//!
//! Nothing here reads files; a name is passed along with the text for the diagnostics.
//!
//! [`from_json`] reads one flag from a JSON object with the same settings, as overrides in Redis
//! and admin interfaces have it, and [`to_json`] writes it.
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
pub mod places;
mod references;
mod remove;
mod render;
mod requires;
mod rollout;
mod rule;
mod schema;
mod segment;
mod serialize;
mod suggestion;
mod syntax;
mod test;
mod value;
mod variants;

use std::borrow::Cow;

use toml::{Spanned, de::DeValue};

pub use self::{
    code::{Code, Severity},
    diagnostic::{Diagnostic, Diagnostics, Location, Related},
    environment::UnknownEnvironment,
    file::{FlagsFile, Parts},
    json::{InvalidJson, UnknownKeys, from_json, from_json_object, merge_json, to_json},
    lines::Lines,
    references::{Reference, Referrer, references},
    render::Report,
    schema::json_schema,
    suggestion::{Edit, Safety, Suggestion},
    test::{Expected, TestResult, TestRun},
};

#[cfg(feature = "file")]
pub(crate) use self::file::{Declared, End};
#[doc(inline)]
pub use crate::model::parts::*;

type Key<'t> = Spanned<Cow<'t, str>>;
type Value<'t> = Spanned<DeValue<'t>>;
