//! Where the functions are: which header declares each, which library exports it.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use object::read::elf::ElfFile64;
use object::{Endianness, Object, ObjectSymbol};
use xen_abi::Function;

/// Looks for `functions`, those of Xen 4.`minor`, in the library of the unpacked packages that
/// should export each. Returns a line for each that is not there.
pub(crate) fn not_exported<'a>(
    functions: impl Iterator<Item = &'a Function>,
    minor: u16,
    packages: &Path,
) -> Result<Vec<String>> {
    let mut libraries = BTreeMap::new();
    for library in ["libxenctrl", "libxenguest"] {
        let path = packages.join(LIBRARIES).join(format!("{library}.so.4.{minor}"));
        let file = fs::read(&path).with_context(|| format!("read {}", path.display()))?;
        let exported =
            exported(&file).with_context(|| format!("read the symbols of {}", path.display()))?;
        libraries.insert(library, exported);
    }
    let has = |f: &Function| libraries.get(f.library).is_some_and(|all| all.contains(f.name));
    let missing = functions.filter(|function| !has(function));
    Ok(missing.map(|f| format!("{}: {} does not export it", f.name, f.library)).collect())
}

/// Looks for `functions` in the header, below the folder `headers`, that should declare each.
pub(crate) fn not_declared<'a>(
    functions: impl Iterator<Item = &'a Function>,
    headers: &Path,
) -> Result<Vec<String>> {
    let mut called = BTreeMap::new();
    let mut missing = Vec::new();
    for function in functions {
        if !called.contains_key(function.header) {
            let path = headers.join(function.header);
            let text =
                fs::read_to_string(&path).with_context(|| format!("read {}", path.display()))?;
            called.insert(function.header, names_before_parentheses(&text));
        }
        if !called[function.header].contains(function.name) {
            missing.push(format!("{}: {} does not declare it", function.name, function.header));
        }
    }
    Ok(missing)
}

fn exported(library: &[u8]) -> Result<BTreeSet<String>> {
    let file = ElfFile64::<Endianness>::parse(library)?;
    let symbols = file.dynamic_symbols();
    let defined = symbols.filter(|symbol| symbol.is_global() && symbol.is_definition());
    defined.map(|symbol| Ok(symbol.name()?.to_owned())).collect()
}

/// The names in C source that a `(` follows.
pub(crate) fn names_before_parentheses(text: &str) -> BTreeSet<String> {
    let in_name = |character: char| character.is_ascii_alphanumeric() || character == '_';
    text.match_indices('(')
        .map(|(at, _)| {
            let before = text[..at].trim_end();
            before[before.trim_end_matches(in_name).len()..].to_owned()
        })
        .collect()
}

const LIBRARIES: &str = "usr/lib/x86_64-linux-gnu";
