//! Files depend on each other one way: a reader of one never has to know the files above it.
//!
//! A file depends on another one if it names what that one defines, whatever re-exports lead there. Calls of methods
//! are not seen: the inherent methods of a type may be in several files, one for each job.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    fs,
    path::{Path, PathBuf},
    sync::LazyLock,
};

use syn::{
    Attribute, File, ImplItem, Item, ItemMod, ItemUse, Macro, UseTree, Visibility,
    ext::IdentExt,
    visit::{self, Visit},
};

use crate::support::root;

/// The folders of the library in which no files depend on each other in a cycle.
const FOLDERS: &[&str] = &[
    "backend/file",
    "backend/redis/connect",
    "codegen",
    "definition",
    "eval",
    "flags/explain",
    "flags/publisher",
    "model",
    "text",
];

/// Dependencies that close a cycle and stay, each with the reason.
const EXCEPTIONS: &[(&str, &str, &str)] = &[(
    "eval/linked.rs",
    "eval/plan.rs",
    "a linked flag evaluates the plans of others, and is one",
)];

/// A module, by the names that lead to it from the root of its crate.
type Module = Vec<String>;

/// The declarations of a module, by name.
#[derive(Default)]
struct Scope {
    /// The number of the file that has the module.
    file: usize,
    defined: BTreeSet<String>,
    modules: BTreeSet<String>,
    imported: HashMap<String, Vec<String>>,
    /// The modules whose public names are all imported.
    globs: Vec<Vec<String>>,
}

/// A path in the code of a module.
struct Used {
    within: Module,
    path: Vec<String>,
}

/// All modules of one crate.
#[derive(Default)]
struct Crate {
    /// The names of the files, from the folder of the crate.
    files: Vec<String>,
    /// A name may have a module for each of several features.
    scopes: BTreeMap<Module, Vec<Scope>>,
    used: Vec<(usize, Used)>,
}

/// The edges of a graph of files.
type Edges = BTreeMap<usize, BTreeSet<usize>>;

/// The files of a crate, by number, and the files that each depends on.
struct Graph {
    files: Vec<String>,
    edges: Edges,
}

impl Graph {
    fn read(root: &Path) -> Self {
        let all = Crate::read(root);
        Self { edges: all.edges(), files: all.files }
    }
}

static LIBRARY: LazyLock<Graph> = LazyLock::new(|| Graph::read(&root().join("src/lib.rs")));

impl Crate {
    fn read(root: &Path) -> Self {
        let mut this = Self::default();
        this.read_file(root.parent().unwrap(), root, &Module::new());
        this
    }

    fn read_file(&mut self, base: &Path, path: &Path, module: &Module) {
        let text = fs::read_to_string(path).unwrap_or_else(|_| panic!("{}", path.display()));
        let File { items, .. } = syn::parse_file(&text).unwrap();
        let number = self.files.len();
        self.files.push(path.strip_prefix(base).unwrap().display().to_string());
        // The files of the modules within: beside `mod.rs` and the root, else in a folder of the file's name.
        let is_root = module.is_empty() || path.ends_with("mod.rs");
        let folder = if is_root { path.parent().unwrap().into() } else { path.with_extension("") };
        self.read_items(base, &folder, number, module, &items);
    }

    fn read_items(
        &mut self,
        base: &Path,
        folder: &Path,
        file: usize,
        module: &Module,
        items: &[Item],
    ) {
        let mut scope = Scope { file, ..Scope::default() };
        let mut reader = Reader { file, module, scope: &mut scope, used: &mut self.used };
        let mut within: Vec<&ItemMod> = Vec::new();
        for item in items {
            match item {
                _ if is_test(attributes(item)) => {}
                Item::Mod(item) => {
                    reader.scope.modules.insert(item.ident.to_string());
                    within.push(item);
                }
                item => {
                    reader.scope.defined.extend(name(item));
                    reader.visit_item(item);
                }
            }
        }
        self.scopes.entry(module.clone()).or_default().push(scope);
        for item in within {
            let mut inner = module.clone();
            inner.push(item.ident.to_string());
            match &item.content {
                Some((_, items)) => {
                    self.read_items(
                        base,
                        &folder.join(item.ident.to_string()),
                        file,
                        &inner,
                        items,
                    );
                }
                None => {
                    let path = find(folder, item);
                    self.read_file(base, &path, &inner);
                }
            }
        }
    }

    /// Returns the files that define what a path leads to within a module. A path to a module leads to no file.
    fn defining(&self, within: &Module, path: &[String]) -> BTreeSet<usize> {
        let mut found = BTreeSet::new();
        self.follow(within, path, &mut BTreeSet::new(), &mut found);
        found
    }

    fn follow(
        &self,
        within: &Module,
        path: &[String],
        seen: &mut BTreeSet<(Module, Vec<String>)>,
        found: &mut BTreeSet<usize>,
    ) {
        if !seen.insert((within.clone(), path.to_vec())) {
            return;
        }
        let Some((first, rest)) = path.split_first() else { return };
        match first.as_str() {
            "crate" => return self.follow(&Module::new(), rest, seen, found),
            "self" => return self.follow(within, rest, seen, found),
            "super" => {
                let outer = within.split_last().map_or(&[][..], |(_, outer)| outer).to_vec();
                return self.follow(&outer, rest, seen, found);
            }
            _ => {}
        }
        for scope in self.scopes.get(within).into_iter().flatten() {
            if scope.defined.contains(first) {
                found.insert(scope.file);
            } else if scope.modules.contains(first) {
                let mut inner = within.clone();
                inner.push(first.clone());
                self.follow(&inner, rest, seen, found);
            } else if let Some(import) = scope.imported.get(first) {
                let path: Vec<_> = import.iter().chain(rest).cloned().collect();
                self.follow(within, &path, seen, found);
            } else {
                for glob in &scope.globs {
                    let path: Vec<_> = glob.iter().chain(path).cloned().collect();
                    self.follow(within, &path, seen, found);
                }
            }
        }
    }

    /// Returns which file depends on which.
    fn edges(&self) -> Edges {
        let mut edges = Edges::new();
        // Most paths are used many times.
        let mut known: HashMap<(&Module, &[String]), BTreeSet<usize>> = HashMap::new();
        for (file, Used { within, path }) in &self.used {
            let to = known.entry((within, path)).or_insert_with(|| self.defining(within, path));
            edges.entry(*file).or_default().extend(to.iter().filter(|to| *to != file));
        }
        // The files that a module has for different features do not see each other.
        for scopes in self.scopes.values() {
            let files: BTreeSet<_> = scopes.iter().map(|scope| scope.file).collect();
            for file in &files {
                edges.entry(*file).or_default().retain(|to| !files.contains(to));
            }
        }
        edges
    }
}

/// Reads the names that a module declares and uses.
struct Reader<'r> {
    file: usize,
    module: &'r Module,
    scope: &'r mut Scope,
    used: &'r mut Vec<(usize, Used)>,
}

impl Reader<'_> {
    fn uses(&mut self, path: Vec<String>) {
        self.used.push((self.file, Used { within: self.module.clone(), path }));
    }

    fn import(&mut self, tree: &UseTree, mut path: Vec<String>, is_private: bool) {
        match tree {
            UseTree::Path(tree) => {
                path.push(tree.ident.unraw().to_string());
                self.import(&tree.tree, path, is_private);
            }
            UseTree::Name(tree) => self.import_as(tree.ident.unraw().to_string(), path, is_private),
            UseTree::Rename(tree) => {
                let name = tree.rename.unraw().to_string();
                path.push(tree.ident.unraw().to_string());
                if is_private {
                    self.uses(path.clone());
                }
                self.scope.imported.insert(name, path);
            }
            UseTree::Glob(_) => self.scope.globs.push(path),
            UseTree::Group(tree) => {
                tree.items.iter().for_each(|tree| self.import(tree, path.clone(), is_private));
            }
        }
    }

    /// A re-export is not a use of its own: the file that names it depends on what it leads to.
    fn import_as(&mut self, name: String, mut path: Vec<String>, is_private: bool) {
        let name = match name.as_str() {
            "self" => path.last().cloned().unwrap_or_default(),
            _ => {
                path.push(name.clone());
                name
            }
        };
        if is_private {
            self.uses(path.clone());
        }
        // The import of a macro by its own name, for other modules.
        if path != [name.as_str()] {
            self.scope.imported.insert(name, path);
        }
    }
}

impl<'ast> Visit<'ast> for Reader<'_> {
    fn visit_item(&mut self, item: &'ast Item) {
        if !is_test(attributes(item)) {
            visit::visit_item(self, item);
        }
    }

    fn visit_item_use(&mut self, item: &'ast ItemUse) {
        let is_private = matches!(item.vis, Visibility::Inherited);
        self.import(&item.tree, Vec::new(), is_private);
    }

    fn visit_impl_item(&mut self, item: &'ast ImplItem) {
        let attributes = match item {
            ImplItem::Fn(item) => &item.attrs,
            ImplItem::Const(item) => &item.attrs,
            _ => &Vec::new(),
        };
        if !is_test(attributes) {
            visit::visit_impl_item(self, item);
        }
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        self.uses(path.segments.iter().map(|it| it.ident.unraw().to_string()).collect());
        visit::visit_path(self, path);
    }

    fn visit_attribute(&mut self, _: &'ast Attribute) {}

    /// The arguments of a macro are tokens, of which each sequence of names may be a path.
    fn visit_macro(&mut self, item: &'ast Macro) {
        self.visit_path(&item.path);
        let tokens = item.tokens.to_string();
        let is_part = |c: char| c.is_alphanumeric() || c == '_';
        for word in tokens.replace(" :: ", "::").split(|c: char| !is_part(c) && c != ':') {
            let path: Vec<_> = word.split("::").map(str::to_owned).collect();
            if path.len() > 1 && path.iter().all(|part| part.starts_with(|c: char| is_part(c))) {
                self.uses(path);
            }
        }
    }
}

fn attributes(item: &Item) -> &[Attribute] {
    match item {
        Item::Const(it) => &it.attrs,
        Item::Enum(it) => &it.attrs,
        Item::Fn(it) => &it.attrs,
        Item::Impl(it) => &it.attrs,
        Item::Macro(it) => &it.attrs,
        Item::Mod(it) => &it.attrs,
        Item::Static(it) => &it.attrs,
        Item::Struct(it) => &it.attrs,
        Item::Trait(it) => &it.attrs,
        Item::Type(it) => &it.attrs,
        Item::Use(it) => &it.attrs,
        _ => &[],
    }
}

/// Returns `true` for code of tests, which may depend on everything.
fn is_test(attributes: &[Attribute]) -> bool {
    attributes.iter().filter(|it| it.path().is_ident("cfg")).any(|attribute| {
        let list = attribute.meta.require_list().unwrap();
        let words = list.tokens.to_string();
        words == "test" || words.starts_with("all (test") || words.starts_with("all(test")
    })
}

fn name(item: &Item) -> Option<String> {
    let ident = match item {
        Item::Const(it) => &it.ident,
        Item::Enum(it) => &it.ident,
        Item::Fn(it) => &it.sig.ident,
        Item::Macro(it) => it.ident.as_ref()?,
        Item::Static(it) => &it.ident,
        Item::Struct(it) => &it.ident,
        Item::Trait(it) => &it.ident,
        Item::Type(it) => &it.ident,
        _ => return None,
    };
    Some(ident.unraw().to_string())
}

/// Returns the file of a module.
fn find(folder: &Path, item: &ItemMod) -> PathBuf {
    let written = item.attrs.iter().find(|it| it.path().is_ident("path")).map(|attribute| {
        let value = &attribute.meta.require_name_value().unwrap().value;
        let syn::Expr::Lit(syn::ExprLit { lit: syn::Lit::Str(path), .. }) = value else {
            panic!("a path is a string");
        };
        folder.join(path.value())
    });
    let name = item.ident.unraw().to_string();
    let beside = folder.join(&name).with_extension("rs");
    written.unwrap_or_else(|| match beside.exists() {
        true => beside,
        false => folder.join(name).join("mod.rs"),
    })
}

/// Returns the sets of files that depend on each other.
fn knots(edges: &Edges) -> Vec<BTreeSet<usize>> {
    let reached = |from: usize| {
        let mut reached = BTreeSet::new();
        let mut open = vec![from];
        while let Some(file) = open.pop() {
            let next = edges.get(&file).into_iter().flatten().copied();
            open.extend(next.filter(|&next| reached.insert(next)));
        }
        reached
    };
    let all: BTreeMap<usize, BTreeSet<usize>> =
        edges.keys().map(|&file| (file, reached(file))).collect();
    let knots = all.iter().filter(|(file, reached)| reached.contains(file));
    let knots = knots.map(|(file, reached)| {
        let back = |other: &&usize| all.get(other).is_some_and(|back| back.contains(file));
        reached.iter().filter(back).copied().collect::<BTreeSet<_>>()
    });
    knots.collect::<BTreeSet<_>>().into_iter().collect()
}

/// Returns a shortest cycle within a set of files that depend on each other.
fn shortest(edges: &Edges, knot: &BTreeSet<usize>) -> Vec<usize> {
    let cycle = |&start: &usize| {
        let mut ways: Vec<Vec<usize>> = vec![vec![start]];
        let mut seen = BTreeSet::new();
        loop {
            let mut longer = Vec::new();
            for way in ways {
                let last = way[way.len() - 1];
                for &next in edges.get(&last).into_iter().flatten().filter(|it| knot.contains(it)) {
                    if next == start {
                        return way;
                    }
                    if seen.insert(next) {
                        longer.push(way.iter().copied().chain([next]).collect());
                    }
                }
            }
            ways = longer;
        }
    };
    knot.iter().map(cycle).min_by_key(Vec::len).expect("a knot has files")
}

/// Returns the shortest cycle of each set of files below a folder that depend on each other. `allowed` has the
/// dependencies that may close one.
fn cycles(all: &Graph, folder: &str, allowed: &[(&str, &str)]) -> Vec<String> {
    let is_in = |file: usize| Path::new(&all.files[file]).starts_with(folder);
    let mut edges = all.edges.clone();
    edges.retain(|&file, _| is_in(file));
    for (&from, to) in &mut edges {
        let is_allowed = |to: usize| allowed.contains(&(&all.files[from], &all.files[to]));
        to.retain(|&to| is_in(to) && !is_allowed(to));
    }
    let cycles = knots(&edges).into_iter().map(|knot| {
        let cycle = shortest(&edges, &knot);
        let names: Vec<_> =
            cycle.iter().chain(&cycle[..1]).map(|&file| &*all.files[file]).collect();
        format!("{} ({} files depend on each other)", names.join(" -> "), knot.len())
    });
    cycles.collect()
}

#[test]
fn no_files_of_a_folder_depend_on_each_other_in_a_cycle() {
    assert!(LIBRARY.files.len() > 200, "{} files", LIBRARY.files.len());
    let allowed: Vec<_> = EXCEPTIONS.iter().map(|&(from, to, _)| (from, to)).collect();

    for folder in FOLDERS {
        assert_eq!(cycles(&LIBRARY, folder, &allowed), [""; 0], "in src/{folder}");
    }
}

#[test]
fn each_exception_would_close_a_cycle() {
    for &(from, to, _) in EXCEPTIONS {
        let others = EXCEPTIONS.iter().map(|&(from, to, _)| (from, to));
        let others: Vec<_> = others.filter(|&other| other != (from, to)).collect();
        let found = FOLDERS.iter().flat_map(|folder| cycles(&LIBRARY, folder, &others));
        assert_ne!(found.count(), 0, "{from} -> {to} is not needed any more");
    }
}

#[test]
fn no_files_of_the_command_depend_on_each_other_in_a_cycle() {
    let command = Graph::read(&root().join("src/bin/flagstaff/main.rs"));
    assert!(command.files.len() > 100, "{} files", command.files.len());

    assert_eq!(cycles(&command, "", &[]), [""; 0]);
}

/// Returns the cycles of a crate with these files.
fn cycles_of(files: &[(&str, &str)]) -> Vec<String> {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in files {
        fs::write(folder.path().join(name), text).unwrap();
    }
    cycles(&Graph::read(&folder.path().join("lib.rs")), "", &[])
}

#[test]
fn a_cycle_is_found_through_imports_re_exports_modules_and_macros() {
    let lib = ("lib.rs", "mod a;\nmod b;\npub use a::{One, one};");

    for uses in [
        "use super::a::One;",
        "use crate::a::one as first;",
        "fn two(_: crate::One) {}",
        "use super::a;\nfn two() { a::one() }",
        "use super::*;\nfn two() { one() }",
        "fn two() { println!(\"{:?}\", crate::a::one()) }",
    ] {
        let a = ("a.rs", "pub struct One;\npub fn one() { super::b::two(); }");
        let b = format!("{uses}\npub fn two() {{}}");

        let found = cycles_of(&[lib, a, ("b.rs", &b)]);

        assert_eq!(found, ["a.rs -> b.rs -> a.rs (2 files depend on each other)"], "{uses}");
    }
}

#[test]
fn tests_own_names_and_re_exports_are_not_dependencies() {
    let lib = ("lib.rs", "mod a;\nmod b;\npub use b::two;");
    let a = ("a.rs", "use super::b;\npub struct One;\nfn one() { b::two() }");
    let b =
        "pub use super::a::One;\npub fn two() {}\n#[cfg(test)]\nmod tests { use crate::a::One; }";

    assert_eq!(cycles_of(&[lib, a, ("b.rs", b)]), [""; 0]);
}
