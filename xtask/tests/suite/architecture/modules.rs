//! Finds which file of a crate uses which other file, from the text alone, and the cycles among the files.
//!
//! A file uses another file if its code names an item of that file, by a `use` or by a full path. A re-exported item belongs to
//! the file that defines the item. A declaration `mod child;` is not a use. A re-export `pub use child::Item;` is a use only if
//! the code names `Item` again. Test code is ignored.

use super::source;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::path::Path;

/// Names from the root of the crate to a module or an item.
type Names = Vec<String>;

/// One module with a file of its own.
struct Module {
    /// Path of the file in `src`.
    file: String,
    code: String,
    /// Names of the modules that it declares in files of their own.
    children: BTreeSet<String>,
    uses: Vec<Use>,
}

/// One name that a `use` brings in.
struct Use {
    path: Names,
    /// The name in this module; `*` for all names.
    name: String,
    public: bool,
}

pub struct Crate {
    modules: BTreeMap<Names, Module>,
}

impl Crate {
    /// Reads the modules below `lib.rs` or `main.rs`.
    pub fn read(entry: &Path) -> Self {
        let mut found = Self { modules: BTreeMap::new() };
        let src = entry.parent().unwrap();
        let file = entry.file_name().unwrap().to_string_lossy().into_owned();
        found.add(src, Names::new(), file, "");
        found
    }

    /// Every file with its code.
    pub fn files(&self) -> impl Iterator<Item = (&str, &str)> {
        self.modules.values().map(|module| (module.file.as_str(), module.code.as_str()))
    }

    fn add(&mut self, src: &Path, names: Names, file: String, folder: &str) {
        let text = std::fs::read_to_string(src.join(&file)).unwrap_or_else(|error| panic!("{file}: {error}"));
        let code = source::without_tests(&source::code(&text));
        let mut children = BTreeSet::new();
        for declared in statements(&code, "mod ") {
            let name = declared.trim().to_owned();
            let nested = format!("{folder}{name}/mod.rs");
            let flat = format!("{folder}{name}.rs");
            let child = if src.join(&nested).is_file() { nested } else { flat };
            if src.join(&child).is_file() {
                let below = format!("{folder}{name}/");
                self.add(src, [&names[..], std::slice::from_ref(&name)].concat(), child, &below);
                children.insert(name);
            }
        }
        let uses = uses(&code);
        self.modules.insert(names, Module { file, code, children, uses });
    }

    /// The module whose file defines what `path`, as it stands in module `from`, names; `None` for other crates.
    fn resolve(&self, from: &Names, path: &[String], depth: usize) -> Option<Names> {
        let module = &self.modules[from];
        let (mut at, mut rest) = match path.first()?.as_str() {
            "crate" => (Names::new(), &path[1..]),
            "self" => (from.clone(), &path[1..]),
            "super" => (from.clone(), path),
            first if module.children.contains(first) => (from.clone(), path),
            first => {
                let used = module.uses.iter().find(|used| used.name == *first && used.path != path)?;
                let path = [&used.path[..], &path[1..]].concat();
                return if depth == 0 { None } else { self.resolve(from, &path, depth - 1) };
            }
        };
        while let Some((name, after)) = rest.split_first() {
            let module = &self.modules[&at];
            if name == "super" {
                at.pop();
            } else if module.children.contains(name) {
                at.push(name.clone());
            } else {
                return Some(self.definition(&at, name, depth));
            }
            rest = after;
        }
        Some(at)
    }

    /// The module that defines the item `name` of the module `at`, behind any re-exports.
    fn definition(&self, at: &Names, name: &str, depth: usize) -> Names {
        let module = &self.modules[at];
        let behind = |used: &Use, item: &[String]| {
            (depth > 0).then(|| self.resolve(at, &[&used.path[..], item].concat(), depth - 1)).flatten()
        };
        if let Some(found) =
            module.uses.iter().filter(|used| used.name == name).find_map(|used| behind(used, &[]))
        {
            return found;
        }
        let all = module.uses.iter().filter(|used| used.name == "*" && used.public);
        let item = [name.to_owned()];
        let mut through =
            all.filter_map(|used| behind(used, &item)).filter(|found| self.defines(found, name));
        through.next().unwrap_or_else(|| at.clone())
    }

    /// Whether a module's own code defines an item.
    fn defines(&self, at: &Names, name: &str) -> bool {
        let kinds = ["fn", "struct", "enum", "trait", "type", "const", "static", "union", "mod"];
        let words: Vec<_> = source::words(&self.modules[at].code).collect();
        words.windows(2).any(|pair| kinds.contains(&pair[0]) && pair[1] == name)
    }

    /// The modules that a module uses.
    fn used_by(&self, from: &Names) -> BTreeSet<Names> {
        let module = &self.modules[from];
        let plain = without_uses(&module.code);
        let named = |name: &str| source::words(&plain).any(|word| word == name);
        let imported = module.uses.iter().filter(|used| if used.public { named(&used.name) } else { true });
        // A module that is only brought in is not used yet: the names behind it are.
        let items = imported.filter(|used| !self.is_module(from, &used.path)).map(|used| used.path.clone());
        let found = items.chain(paths(&plain)).filter_map(|path| self.resolve(from, &path, 8));
        found.filter(|found| found != from).collect()
    }

    fn is_module(&self, from: &Names, path: &[String]) -> bool {
        let Some(found) = self.resolve(from, path, 8) else { return false };
        found.last() == path.last()
    }

    /// One cycle for each group of files that use each other.
    pub fn cycles(&self) -> Vec<String> {
        let used: BTreeMap<&Names, BTreeSet<Names>> =
            self.modules.keys().map(|module| (module, self.used_by(module))).collect();
        let mut reported = BTreeSet::new();
        let mut found = Vec::new();
        for start in self.modules.keys() {
            let Some(cycle) = shortest_cycle(start, &used).filter(|_| !reported.contains(start)) else {
                continue;
            };
            let files: Vec<_> = cycle.iter().map(|module| self.modules[module].file.as_str()).collect();
            found.push(format!("{} -> {}", files.join(" -> "), files[0]));
            reported.extend(cycle);
        }
        found
    }
}

/// The shortest way from a module back to itself.
fn shortest_cycle(start: &Names, used: &BTreeMap<&Names, BTreeSet<Names>>) -> Option<Vec<Names>> {
    let mut from: BTreeMap<&Names, &Names> = BTreeMap::new();
    let mut queue = VecDeque::from([start]);
    while let Some(module) = queue.pop_front() {
        for next in &used[module] {
            if next == start {
                let mut cycle = vec![module.clone()];
                while let Some(before) = from.get(cycle.last()?) {
                    cycle.push((*before).clone());
                }
                cycle.reverse();
                return Some(cycle);
            }
            if !from.contains_key(next) {
                from.insert(next, module);
                queue.push_back(next);
            }
        }
    }
    None
}

/// The texts between `keyword` at the start of a word and the next semicolon. Modules with a body have no file and are left out.
fn statements<'a>(code: &'a str, keyword: &str) -> Vec<&'a str> {
    let starts = code.match_indices(keyword).filter(|(place, _)| {
        !code[..*place].ends_with(|letter: char| letter.is_alphanumeric() || letter == '_')
    });
    let text = |(place, _): (usize, &str)| {
        let rest = &code[place + keyword.len()..];
        let end = if keyword == "mod " { rest.find([';', '{'])? } else { rest.find(';')? };
        rest[end..].starts_with(';').then_some(&rest[..end])
    };
    starts.filter_map(text).collect()
}

/// The code without its `use` statements.
fn without_uses(code: &str) -> String {
    statements(code, "use ").into_iter().fold(code.to_owned(), |code, text| code.replacen(text, " ", 1))
}

/// Every name that the code's `use` statements bring in.
fn uses(code: &str) -> Vec<Use> {
    let mut found = Vec::new();
    for text in statements(code, "use ") {
        let place = text.as_ptr() as usize - code.as_ptr() as usize;
        let before = code[..place - "use ".len()].trim_end();
        let public = before.ends_with("pub")
            || before.rsplit_once("pub(").is_some_and(|(_, scope)| !scope.contains([';', '}', '{']));
        tree(text, &Names::new(), public, &mut found);
    }
    found
}

/// Adds the names of a tree such as `a::{b, c::d as e, self}`.
fn tree(text: &str, before: &Names, public: bool, found: &mut Vec<Use>) {
    let (mut depth, mut start) = (0, 0);
    let mut branches = Vec::new();
    for (place, letter) in text.char_indices() {
        match letter {
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 0 => {
                branches.push(&text[start..place]);
                start = place + 1;
            }
            _ => {}
        }
    }
    branches.push(&text[start..]);
    for branch in branches.into_iter().map(str::trim).filter(|branch| !branch.is_empty()) {
        let (head, inner) = branch.split_once('{').unwrap_or((branch, ""));
        let (head, alias) = head.split_once(" as ").unwrap_or((head, ""));
        let names = head.split("::").map(str::trim).filter(|name| !name.is_empty()).map(str::to_owned);
        let mut path: Names = before.iter().cloned().chain(names).collect();
        if !inner.is_empty() {
            tree(inner.trim_end().strip_suffix('}').unwrap_or(inner), &path, public, found);
            continue;
        }
        if path.len() > 1 && path.last().is_some_and(|name| name == "self") {
            path.pop();
        }
        let Some(last) = path.last().cloned() else { continue };
        if last == "*" {
            path.pop();
        }
        let name = if alias.is_empty() { last } else { alias.trim().to_owned() };
        found.push(Use { path, name, public });
    }
}

/// Every path of two names or more in code.
fn paths(code: &str) -> Vec<Names> {
    let mut found: Vec<Names> = Vec::new();
    let mut rest = code;
    while let Some(start) = rest.find(|letter: char| letter.is_alphabetic() || letter == '_') {
        let mut names = Names::new();
        rest = &rest[start..];
        loop {
            let end =
                rest.find(|letter: char| !letter.is_alphanumeric() && letter != '_').unwrap_or(rest.len());
            names.push(rest[..end].to_owned());
            rest = &rest[end..];
            let Some(after) = rest
                .strip_prefix("::")
                .filter(|after| after.starts_with(|letter: char| letter.is_alphabetic() || letter == '_'))
            else {
                break;
            };
            rest = after;
        }
        if names.len() > 1 {
            found.push(names);
        }
    }
    found
}

/// A crate of these files.
#[cfg(test)]
fn krate(files: &[(&str, &str)]) -> Vec<String> {
    let dir = tempfile::tempdir().unwrap();
    for (path, text) in files {
        let path = dir.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
    Crate::read(&dir.path().join("lib.rs")).cycles()
}

#[test]
fn a_parent_may_declare_and_re_export_what_uses_it() {
    let files = [
        ("lib.rs", "mod a; mod b; pub use a::A; pub struct Error;"),
        (
            "a.rs",
            "use crate::Error; use super::b::B; pub struct A(B, Error); #[cfg(test)] mod tests { use crate::b::c; }",
        ),
        ("b.rs", "pub struct B;"),
    ];
    assert_eq!(krate(&files), Vec::<String>::new());
    // But not use it.
    let uses = "mod a; mod b; pub use a::A; pub struct Error; fn f(a: A) {}";
    assert_eq!(krate(&[("lib.rs", uses), files[1], files[2]]), ["lib.rs -> a.rs -> lib.rs"]);
    let calls = "mod a; mod b; pub struct Error; fn f() { a::g() }";
    assert_eq!(krate(&[("lib.rs", calls), files[1], files[2]]), ["lib.rs -> a.rs -> lib.rs"]);
}

#[test]
fn cycles_are_found_through_re_exports_aliases_and_full_names() {
    let root = "mod a; mod b; mod c;";
    let b = ("b/mod.rs", "mod d; pub use d::*; // use crate::a::Nothing;");
    let d = ("b/d.rs", "pub struct D; fn f() { crate::c::g(\"crate::a::A\") }");
    let c = ("c.rs", "use crate::a as other; pub fn g() { other::f::<u8>() }");
    let a = ("a.rs", "use super::b::{D as E, /* c */}; pub fn f<T>() -> E { E }");
    assert_eq!(krate(&[("lib.rs", root), a, b, c, d]), ["a.rs -> b/d.rs -> c.rs -> a.rs"]);
    let a = ("a.rs", "use super::b; pub fn f<T>() {}");
    assert_eq!(krate(&[("lib.rs", root), a, b, c, d]), Vec::<String>::new());
    let a = ("a.rs", "use super::b; pub fn f<T>() { let x: b::D; }");
    assert_eq!(krate(&[("lib.rs", root), a, b, c, d]).len(), 1);
}
