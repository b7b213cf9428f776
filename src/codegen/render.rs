//! The source text of a flag file.

use std::{
    collections::HashMap,
    fmt::{self, Write as _},
    time::SystemTime,
};

use super::{
    error::Error,
    names::{constant, type_name},
};
use crate::{
    definition::FlagsFile,
    model::{Constant, Definition, Value, Variants},
    text::{Untrusted, instant},
};

/// Returns Rust source text for a file, in which flags that expire until `deprecated` are deprecated.
pub(super) fn render(file: &FlagsFile, deprecated: Option<SystemTime>) -> Result<String, Error> {
    let diagnostics = file.diagnostics();
    if diagnostics.has_errors() {
        return Err(Error::Invalid(diagnostics.clone()));
    }
    let mut source = String::from("// Generated from the flags file by flagstaff. Do not edit.\n");
    let mut constants = Identifiers::new(diagnostics.name(), constant);
    let mut types = Identifiers::new(diagnostics.name(), type_name);
    let mut values = String::new();
    let flags = file.everywhere();
    for (key, definition) in &flags {
        let name = constants.add(key)?;
        flag(&mut source, key, &name, definition, deprecated);
        if let Some(constant) = definition.rare().value.value() {
            value(&mut values, key, &name, constant);
        }
        if let Some(variants) = definition.rare().variants.value() {
            let name = types.add(key)?;
            let mut members = Identifiers::new(diagnostics.name(), type_name);
            let members: Result<Vec<_>, _> =
                variants.names().map(|variant| members.add(variant)).collect();
            let members = members?;
            enumeration(&mut source, key, &name, variants, &members, definition.off_variant());
            variant_enum(&mut source, key, &name);
        }
    }
    if !values.is_empty() {
        let doc = "/// The values of the flags that have one for all users, as the file has them.";
        add(&mut source, format_args!("\n{doc}\n{ALLOW}\npub mod value {{{values}}}\n"));
    }
    Ok(source)
}

/// The identifiers of one kind. Each of them stands for one name.
struct Identifiers<'a> {
    file: &'a str,
    identifier: fn(&str) -> Option<String>,
    taken: HashMap<String, &'a str>,
}

impl<'a> Identifiers<'a> {
    fn new(file: &'a str, identifier: fn(&str) -> Option<String>) -> Self {
        Self { file, identifier, taken: HashMap::new() }
    }

    fn add(&mut self, name: &'a str) -> Result<String, Error> {
        let file = self.file.to_owned();
        let Some(identifier) = (self.identifier)(name) else {
            return Err(Error::Unnameable { file, name: name.to_owned() });
        };
        match self.taken.insert(identifier.clone(), name) {
            None => Ok(identifier),
            Some(first) => {
                let (first, second) = (first.to_owned(), name.to_owned());
                Err(Error::Clash { file, first, second, identifier })
            }
        }
    }
}

/// The attribute of every generated item. The code of a service need not use every flag and every
/// variant, and its lints are for code that its authors can change.
const ALLOW: &str = "#[allow(clippy::all, clippy::pedantic, dead_code, unreachable_pub, \
                     reason = \"generated\")]";

fn flag(
    source: &mut String,
    key: &str,
    name: &str,
    definition: &Definition,
    deprecated: Option<SystemTime>,
) {
    let owner = definition.owner.value();
    let expiry = definition.expiry();
    let first = definition.description.value().map(|text| Untrusted::new(text).rustdoc());
    let first = first.filter(|text| !text.is_empty());
    let mut docs =
        vec![first.unwrap_or_else(|| format!("The flag {}.", Untrusted::new(key).code()))];
    docs.extend(owner.map(|owner| format!("Owner: {}.", Untrusted::new(owner).rustdoc())));
    docs.extend(expiry.map(|expiry| format!("Expires: {}.", Day(expiry))));
    let lead = "::flagstaff::FlagName";
    add(
        source,
        format_args!("\n#[doc = {}]\n{ALLOW}\n", Untrusted::new(&docs.join("\n\n")).rust()),
    );
    if let (Some(expiry), Some(now)) = (expiry, deprecated)
        && expiry <= now
    {
        let note = format!("expired on {}: remove it from the code", Day(expiry));
        add(source, format_args!("#[deprecated = {}]\n", Untrusted::new(&note).rust()));
    }
    add(
        source,
        format_args!("pub const {name}: {lead} = {lead}::new({});\n", Untrusted::new(key).rust()),
    );
}

/// Adds the value of a flag, if Rust has a constant of its type.
fn value(source: &mut String, key: &str, name: &str, constant: &Constant) {
    let (kind, value) = match constant.as_value() {
        Value::Integer(number) => ("i64", number.to_string()),
        // `Debug` writes a point or an exponent, which a literal of a float needs.
        Value::Float(number) => ("f64", format!("{number:?}")),
        Value::String(text) => ("&str", Untrusted::new(text).rust()),
        Value::Bool(_) | Value::List(_) | Value::Table(_) => return,
    };
    let doc = format!("The value of the flag {}.", Untrusted::new(key).code());
    let doc = Untrusted::new(&doc).rust();
    add(source, format_args!("\n    #[doc = {doc}]\n    pub const {name}: {kind} = {value};\n"));
}

fn enumeration(
    source: &mut String,
    key: &str,
    name: &str,
    variants: &Variants,
    members: &[String],
    off: Option<&str>,
) {
    let doc =
        Untrusted::new(&format!("The variants of the flag {}.", Untrusted::new(key).code())).rust();
    let pairs = || members.iter().zip(variants.names());
    // The order of the file does not choose a default: without an off variant, the caller names
    // one.
    let derived = if off.is_some() { "Default, " } else { "" };
    add(
        source,
        format_args!(
            "\n#[doc = {doc}]\n{ALLOW}\n\
             #[derive(Debug, Clone, Copy, {derived}PartialEq, Eq, Hash)]\npub enum {name} {{\n"
        ),
    );
    for (member, variant) in pairs() {
        let doc = Untrusted::new(&Untrusted::new(variant).code()).rust();
        let default = if off == Some(variant) { "    #[default]\n" } else { "" };
        add(source, format_args!("    #[doc = {doc}]\n{default}    {member},\n"));
    }
    add(
        source,
        format_args!(
            "}}\n\n{ALLOW}\nimpl {name} {{\n    \
             /// Every variant, in the order of the file.\n    \
             pub const ALL: &'static [Self] = &["
        ),
    );
    let all: Vec<_> = members.iter().map(|member| format!("Self::{member}")).collect();
    add(
        source,
        format_args!(
            "{}];\n\n    /// Returns the variant of that name, such as the one that is served.\n    \
             pub fn from_name(name: &str) -> ::core::option::Option<Self> {{\n        \
             match name {{\n",
            all.join(", ")
        ),
    );
    for (member, variant) in pairs() {
        let some = format!("::core::option::Option::Some(Self::{member})");
        add(source, format_args!("            {} => {some},\n", Untrusted::new(variant).rust()));
    }
    add(
        source,
        format_args!(
            "            _ => ::core::option::Option::None,\n        }}\n    }}\n\n    \
             /// Returns the name of the variant in the file.\n    \
             pub const fn as_str(self) -> &'static str {{\n        match self {{\n"
        ),
    );
    for (member, variant) in pairs() {
        add(
            source,
            format_args!("            Self::{member} => {},\n", Untrusted::new(variant).rust()),
        );
    }
    source.push_str("        }\n    }\n}\n");
}

/// Implements the trait by which `variant_of` evaluates the enum.
fn variant_enum(source: &mut String, key: &str, name: &str) {
    let key = Untrusted::new(key).rust();
    add(
        source,
        format_args!(
            "\n{ALLOW}\nimpl ::flagstaff::answer::VariantEnum for {name} {{\n    \
             const FLAG: ::flagstaff::FlagName = ::flagstaff::FlagName::new({key});\n\n    \
             fn from_name(name: &str) -> ::core::option::Option<Self> {{\n        \
             Self::from_name(name)\n    }}\n}}\n"
        ),
    );
}

fn add(source: &mut String, text: fmt::Arguments<'_>) {
    source.write_fmt(text).expect("a string takes any text");
}

/// A day in UTC, from a time.
pub(super) struct Day(pub(super) SystemTime);

impl fmt::Display for Day {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Years have four digits in RFC 3339.
        f.write_str(&instant(self.0)[.."2026-11-21".len()])
    }
}
