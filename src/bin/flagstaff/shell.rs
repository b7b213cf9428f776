//! Shells that complete, and the quotes of each for names that are not plain words.
//!
//! Names of flags come from files and stores, so a completed name is one word for the shell, whatever is in it.
//! Elvish, fish and zsh quote what they insert. Bash and PowerShell insert text as it is.

use std::{
    env,
    ffi::OsString,
    io::{self, Write},
    path::Path,
};

use clap::Command;
use clap_complete::{
    engine::complete,
    env::{Elvish, EnvCompleter, Fish, Powershell, Shells, Zsh},
};

/// The shells that completions are made for.
pub(crate) const SHELLS: Shells<'static> =
    Shells(&[&Bash, &Elvish, &Fish, &QuotingPowershell, &Zsh]);

/// Bash, with names that are quoted for it.
struct Bash;

/// The function that bash calls. That of `clap_complete` splits and globs what it reads, so that a name with
/// `*` would become the names of files.
const BASH: &str = r#"_flagstaff_complete() {
    local words=("${COMP_WORDS[@]}") line reply
    compopt +o nospace 2> /dev/null
    if [[ "${BASH_VERSINFO[0]}" -ge 4 ]]; then
        words[COMP_CWORD]="$2"
    fi
    COMPREPLY=()
    reply=$(_FLAGSTAFF_INDEX="$COMP_CWORD" VAR=bash COMPLETER -- "${words[@]}") || return
    [[ -n "$reply" ]] || return
    while IFS= read -r line; do
        COMPREPLY+=("$line")
    done <<< "$reply"
    if [[ "${COMPREPLY[0]}" =~ [=/:]$ ]]; then
        compopt -o nospace 2> /dev/null
    fi
}
if [[ "${BASH_VERSINFO[0]}" -eq 4 && "${BASH_VERSINFO[1]}" -ge 4 || "${BASH_VERSINFO[0]}" -gt 4 ]]; then
    complete -o nospace -o bashdefault -o nosort -F _flagstaff_complete BIN
else
    complete -o nospace -o bashdefault -F _flagstaff_complete BIN
fi
"#;

impl EnvCompleter for Bash {
    fn name(&self) -> &'static str {
        "bash"
    }

    fn is(&self, name: &str) -> bool {
        name == "bash"
    }

    fn write_registration(
        &self,
        var: &str,
        _: &str,
        bin: &str,
        completer: &str,
        script: &mut dyn Write,
    ) -> io::Result<()> {
        let text = BASH.replace("BIN", &for_bash(bin)).replace("VAR", var);
        // Last, since a path may hold any word.
        script.write_all(text.replace("COMPLETER", &for_bash(completer)).as_bytes())
    }

    fn write_complete(
        &self,
        command: &mut Command,
        words: Vec<OsString>,
        directory: Option<&Path>,
        lines: &mut dyn Write,
    ) -> io::Result<()> {
        let index = env::var("_FLAGSTAFF_INDEX").ok().and_then(|index| index.parse().ok());
        let words = words.into_iter().map(|word| match word.to_str() {
            Some(text) => unquoted(text).into(),
            None => word,
        });
        let candidates = complete(command, words.collect(), index.unwrap_or_default(), directory)?;
        for candidate in candidates {
            writeln!(lines, "{}", for_bash(&candidate.get_value().to_string_lossy()))?;
        }
        Ok(())
    }
}

/// Returns a word that is quoted for bash: a backslash precedes each special character.
///
/// In open quotes, which bash keeps before what it inserts, the backslashes are a part of the name. The name is wrong
/// then, but it is one word.
fn for_bash(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len());
    for c in text.chars() {
        let is_plain = !c.is_ascii() || c.is_ascii_alphanumeric() || "_-./,+=:@%^".contains(c);
        if !is_plain {
            quoted.push('\\');
        }
        quoted.push(c);
    }
    quoted
}

/// Returns the value of a word of bash, which may end within quotes.
fn unquoted(word: &str) -> String {
    let mut text = String::with_capacity(word.len());
    let mut quote = None;
    let mut chars = word.chars();
    while let Some(c) = chars.next() {
        match (quote, c) {
            (Some(open), c) if c == open => quote = None,
            (None, '\'' | '"') => quote = Some(c),
            (None | Some('"'), '\\') => text.extend(chars.next()),
            (_, c) => text.push(c),
        }
    }
    text
}

/// PowerShell, with names that are quoted for it.
struct QuotingPowershell;

impl EnvCompleter for QuotingPowershell {
    fn name(&self) -> &'static str {
        Powershell.name()
    }

    fn is(&self, name: &str) -> bool {
        Powershell.is(name)
    }

    fn write_registration(
        &self,
        var: &str,
        name: &str,
        bin: &str,
        completer: &str,
        script: &mut dyn Write,
    ) -> io::Result<()> {
        Powershell.write_registration(var, name, bin, completer, script)
    }

    fn write_complete(
        &self,
        command: &mut Command,
        words: Vec<OsString>,
        directory: Option<&Path>,
        lines: &mut dyn Write,
    ) -> io::Result<()> {
        let last = words.len().saturating_sub(1);
        for candidate in complete(command, words, last, directory)? {
            let value = for_powershell(&candidate.get_value().to_string_lossy());
            let help = candidate.get_help().map(ToString::to_string);
            match help.as_deref().and_then(|help| help.lines().next()) {
                Some(help) => writeln!(lines, "{value}\t{help}")?,
                None => writeln!(lines, "{value}")?,
            }
        }
        Ok(())
    }
}

/// Returns a word that is quoted for PowerShell, in single quotes unless it is plain. Within them only quotes are
/// special, four typographic ones included ([about_Quoting_Rules]).
///
/// [about_Quoting_Rules]: https://learn.microsoft.com/powershell/module/microsoft.powershell.core/about/about_quoting_rules
fn for_powershell(text: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "_-./=:".contains(c);
    if !text.is_empty() && text.chars().all(is_plain) {
        return text.to_owned();
    }
    let mut quoted = "'".to_owned();
    for c in text.chars() {
        if matches!(c, '\'' | '\u{2018}'..='\u{201b}') {
            quoted.push(c);
        }
        quoted.push(c);
    }
    quoted + "'"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bash_reads_a_quoted_word_as_the_original_string() {
        for text in
            ["new_checkout", "new_checkout;touch X;#", "a b", "$(id)`id`", "it's \"so\"", "*?[a]~!"]
        {
            assert_eq!(unquoted(&for_bash(text)), text);
        }
        assert_eq!(for_bash("a;b c"), "a\\;b\\ c");
        assert_eq!(["'a b", "\"a\\\"b\"", "a\\"].map(unquoted), ["a b", "a\"b", "a"]);
    }

    #[test]
    fn powershell_reads_a_name_as_one_string() {
        let quoted =
            ["new_checkout", "percentage=", "a;b", "it's", "\u{2019}; rm x #", "$(id)", "@a"];

        assert_eq!(
            quoted.map(for_powershell),
            [
                "new_checkout",
                "percentage=",
                "'a;b'",
                "'it''s'",
                "'\u{2019}\u{2019}; rm x #'",
                "'$(id)'",
                "'@a'",
            ]
        );
    }
}
