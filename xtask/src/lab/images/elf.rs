//! What ELF files ask for: shared libraries, and kernel modules.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use object::read::elf::ElfFile64;
use object::{Endianness, Object, ObjectSection, elf};

/// The shared libraries that `program` names.
fn needed(program: &[u8]) -> Result<Vec<String>> {
    let file = ElfFile64::<Endianness>::parse(program)?;
    let dynamic = file.elf_dynamic_table()?;
    dynamic
        .iter()
        .filter(|entry| entry.tag == elf::DT_NEEDED)
        .map(|entry| Ok(String::from_utf8(dynamic.string(entry)?.to_vec())?))
        .collect()
}

/// A growing set of shared libraries, each with all that it needs in turn.
#[derive(Debug)]
pub(crate) struct Libraries {
    folders: Vec<PathBuf>,
    found: BTreeMap<String, PathBuf>,
}

impl Libraries {
    /// Libraries are looked for in `folders`, the first that has one wins.
    pub(crate) fn new(folders: Vec<PathBuf>) -> Self {
        Self { folders, found: BTreeMap::new() }
    }

    /// Adds what `program`, named `name` in errors, needs: nothing, if it is a script or firmware.
    pub(crate) fn add_for(&mut self, name: &str, program: &[u8]) -> Result<()> {
        if !program.starts_with(ELF64) {
            return Ok(());
        }
        let needed = needed(program).with_context(|| format!("read the libraries of {name}"))?;
        for library in needed {
            self.add(&library).with_context(|| format!("{name} needs {library}"))?;
        }
        Ok(())
    }

    /// Adds the library `name`.
    pub(crate) fn add(&mut self, name: &str) -> Result<()> {
        if self.found.contains_key(name) {
            return Ok(());
        }
        let Some(path) = self.folders.iter().map(|dir| dir.join(name)).find(|path| path.exists())
        else {
            bail!("none of the packages has {name}");
        };
        self.found.insert(name.to_owned(), path.clone());
        self.add_for(name, &read(&path)?)
    }

    /// The libraries by the name under which they are loaded.
    pub(crate) fn found(&self) -> &BTreeMap<String, PathBuf> {
        &self.found
    }
}

/// The modules that the kernel module `module` needs loaded before it.
pub(crate) fn module_dependencies(module: &[u8]) -> Result<Vec<String>> {
    let file = ElfFile64::<Endianness>::parse(module)?;
    let section = file.section_by_name(".modinfo").context("a module without .modinfo")?;
    Ok(depends(section.data()?))
}

/// Finds `depends=a,b` among the zero-terminated strings of `.modinfo`.
fn depends(modinfo: &[u8]) -> Vec<String> {
    modinfo
        .split(|byte| *byte == 0)
        .filter_map(|entry| entry.strip_prefix(b"depends="))
        .flat_map(|names| names.split(|byte| *byte == b','))
        .filter(|name| !name.is_empty())
        .map(|name| String::from_utf8_lossy(name).into_owned())
        .collect()
}

/// Magic number and class; hvmloader is ELF of the 32-bit class.
const ELF64: &[u8] = b"\x7fELF\x02";

fn read(path: &Path) -> Result<Vec<u8>> {
    fs::read(path).with_context(|| format!("read {}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modinfo_lists_dependencies() {
        let modinfo = b"license=GPL\0depends=netfs,fscache\0retpoline=Y\0";
        assert_eq!(depends(modinfo), ["netfs", "fscache"]);
    }

    #[test]
    fn an_empty_list_is_no_dependency() {
        assert_eq!(depends(b"depends=\0name=loop\0"), [""; 0]);
    }

    #[test]
    fn this_program_needs_libc() {
        let program = read(&std::env::current_exe().unwrap()).unwrap();
        assert!(needed(&program).unwrap().contains(&"libc.so.6".to_owned()));
    }

    #[test]
    fn a_missing_library_is_named_with_who_needs_it() {
        let program = read(&std::env::current_exe().unwrap()).unwrap();
        let error = Libraries::new(Vec::new()).add_for("xtask", &program).unwrap_err();
        let text = format!("{error:#}");
        assert!(text.starts_with("xtask needs lib"), "{text}");
        assert!(text.contains("none of the packages has lib"), "{text}");
    }

    #[test]
    fn scripts_need_no_library() {
        let mut libraries = Libraries::new(Vec::new());
        libraries.add_for("script", b"#!/bin/sh\n").unwrap();
        assert!(libraries.found().is_empty());
    }
}
