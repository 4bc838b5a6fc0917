//! The functions: name, releases, library, header, arguments by machine type, prototype in C.

use std::sync::LazyLock;

use crate::Minors;

/// A function in a run of releases that agree on it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Function {
    /// Its name.
    pub name: &'static str,
    /// The releases that have it so.
    pub minors: Minors,
    /// The library that has it there: `libxenctrl` or `libxenguest`.
    pub library: &'static str,
    /// The header that declares it there.
    pub header: &'static str,
    /// Result and arguments as the machine sees them, such as `i32(ptr, u32)`.
    pub signature: &'static str,
    /// Result and arguments in C, such as `int(xc_interface *, uint32_t)`.
    pub prototype: &'static str,
}

impl Function {
    /// The machine type of the result; `void` for none.
    pub fn result(&self) -> &'static str {
        self.signature.split('(').next().unwrap_or_default()
    }

    /// The machine types of the arguments.
    pub fn arguments(&self) -> Vec<&'static str> {
        let inner = self.signature.split_once('(').map_or("", |(_, rest)| rest);
        let inner = inner.strip_suffix(')').unwrap_or(inner);
        inner.split(", ").filter(|argument| !argument.is_empty() && *argument != "void").collect()
    }
}

/// All functions, each as often as it changed.
pub fn functions() -> &'static [Function] {
    static TABLE: LazyLock<Vec<Function>> =
        LazyLock::new(|| include_str!("../data/functions.txt").lines().map(read).collect());
    &TABLE
}

/// The function of this name in Xen 4.`minor`.
pub fn function(name: &str, minor: u16) -> Option<&'static Function> {
    functions().iter().find(|f| f.name == name && f.minors.contains(minor))
}

/// `xc_domain_pause 4.14-4.22 libxenctrl xenctrl.h i32(ptr, u32) = int(xc_interface *, uint32_t)`.
fn read(line: &'static str) -> Function {
    let parse = || {
        let (left, prototype) = line.split_once(" = ")?;
        let mut words = left.splitn(5, ' ');
        let (name, minors) = (words.next()?, Minors::parse(words.next()?)?);
        let (library, header, signature) = (words.next()?, words.next()?, words.next()?);
        Some(Function { name, minors, library, header, signature, prototype })
    };
    parse().unwrap_or_else(|| panic!("data/functions.txt: {line}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_changed_prototype_is_told_by_release() {
        let of = |minor| function("xc_shadow_control", minor).unwrap().arguments().len();
        assert_eq!((of(15), of(16)), (8, 5));
    }

    #[test]
    fn a_function_moves_from_one_library_to_the_other() {
        let of = |minor| function("xc_domain_dumpcore", minor).unwrap().library;
        assert_eq!((of(15), of(16)), ("libxenctrl", "libxenguest"));
    }

    #[test]
    fn a_removed_function_is_absent() {
        assert!(function("xc_domain_getinfo", 17).is_some());
        assert_eq!(function("xc_domain_getinfo", 18), None);
    }
}
