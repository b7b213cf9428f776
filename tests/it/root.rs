//! The names at the root of the crate.

/// Returns the names that `pub use` adds to the root of the crate, without modules.
fn names(lib: &str) -> Vec<&str> {
    let statements = lib.split('\n').enumerate().filter(|(_, line)| line.starts_with("pub use "));
    let lines: Vec<_> = lib.split('\n').collect();
    statements
        .flat_map(|(first, _)| {
            let end = lines[first..].iter().position(|line| line.ends_with(';')).unwrap();
            &lines[first..=first + end]
        })
        .flat_map(|line| line.split(|c: char| !(c.is_alphanumeric() || c == '_' || c == ':')))
        .filter(|word| !word.is_empty() && !word.ends_with("::") && !["pub", "use"].contains(word))
        .map(|path| path.rsplit("::").next().unwrap())
        .collect()
}

#[test]
fn the_root_has_only_names_of_general_use() {
    let lib = include_str!("../../src/lib.rs");

    let names = names(lib);

    assert!(
        ["Flags", "FlagGate", "Context", "File", "Redis", "Env"]
            .iter()
            .all(|name| names.contains(name)),
        "{names:?}"
    );
    assert!(names.len() <= 30, "{} names at the root: {names:?}", names.len());
}
