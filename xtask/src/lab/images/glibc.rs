//! The C library of dom0, and what the project's own programs ask of it.
//!
//! The programs are linked against the glibc of the machine that builds them. A newer glibc runs
//! what was linked against an older one, never the other way round, so every dom0 has the newest
//! that any of its Debian releases has, under the older userland too. What needs one that is newer
//! still is refused here: in dom0 it would not start, and the agent is dom0's process 1.

use std::fmt;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use object::read::elf::ElfFile64;
use object::{Endianness, elf};

/// The glibc of every dom0, that of [`Suite::Trixie`](super::release::Suite::Trixie).
pub(crate) const IN_DOM0: Version = Version(2, 41);

/// A glibc release.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) struct Version(pub(crate) u32, pub(crate) u32);

impl Version {
    /// Reads `2.36`; a third number, as in `2.2.5`, tells no releases apart that matter here.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let mut numbers = text.split('.').map(|number| number.parse().ok());
        Some(Self(numbers.next()??, numbers.next()??))
    }

    /// Reads the name of a symbol version, `GLIBC_2.36`. `GLIBC_PRIVATE` and the like are none.
    fn of_symbols(name: &[u8]) -> Option<Self> {
        Self::parse(std::str::from_utf8(name.strip_prefix(b"GLIBC_")?).ok()?)
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.0, self.1)
    }
}

/// Fails, in one line, if one of `programs` would not start in dom0.
pub(crate) fn check<'a>(programs: impl IntoIterator<Item = &'a Path>) -> Result<()> {
    for program in programs {
        let file = fs::read(program).with_context(|| format!("read {}", program.display()))?;
        let needed = needed(&file)
            .with_context(|| format!("read the symbol versions of {}", program.display()))?;
        accept(needed, IN_DOM0)?;
    }
    Ok(())
}

/// Fails unless `libc`, the library that goes into a dom0, is what [`check`] takes it for.
pub(crate) fn check_library(libc: &[u8]) -> Result<()> {
    let provided = provided(libc).context("read the symbol versions of dom0's libc")?;
    ensure!(
        provided == Some(IN_DOM0),
        "dom0's libc provides {}, not glibc {IN_DOM0}",
        provided.map_or("no glibc".into(), |version| format!("glibc {version}"))
    );
    Ok(())
}

fn accept(needed: Option<Version>, there: Version) -> Result<()> {
    if let Some(needed) = needed {
        ensure!(
            needed <= there,
            "the programs need GLIBC_{needed} and dom0 has {there}: build on Debian 13 or older"
        );
    }
    Ok(())
}

/// The newest glibc whose symbols `program` cannot start without.
fn needed(program: &[u8]) -> Result<Option<Version>> {
    let file = ElfFile64::<Endianness>::parse(program)?;
    let (endian, sections) = (file.endian(), file.elf_section_table());
    let Some((libraries, names)) = sections.gnu_verneed(endian, program)? else { return Ok(None) };
    let names = sections.strings(endian, program, names)?;
    let mut newest = None;
    for library in libraries {
        for version in library?.1 {
            let version = version?;
            // The dynamic loader does not insist on a weak one (glibc: elf/dl-version.c).
            if !version.vna_flags.get(endian).contains(elf::VER_FLG_WEAK) {
                newest = newest.max(Version::of_symbols(version.name(endian, names)?));
            }
        }
    }
    Ok(newest)
}

/// The newest glibc whose symbols `library` provides.
fn provided(library: &[u8]) -> Result<Option<Version>> {
    let file = ElfFile64::<Endianness>::parse(library)?;
    let (endian, sections) = (file.endian(), file.elf_section_table());
    let Some((versions, names)) = sections.gnu_verdef(endian, library)? else { return Ok(None) };
    let names = sections.strings(endian, library, names)?;
    let mut newest = None;
    for version in versions {
        // The first name is the version's own, others are those it succeeds.
        if let Some(name) = version?.1.next()? {
            newest = newest.max(Version::of_symbols(name.name(endian, names)?));
        }
    }
    Ok(newest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_compare_by_number() {
        assert!(Version::parse("2.9") < Version::parse("2.36"));
    }

    #[test]
    fn a_third_number_is_passed_over() {
        assert_eq!(Version::of_symbols(b"GLIBC_2.2.5"), Some(Version(2, 2)));
    }

    #[test]
    fn private_symbols_and_other_libraries_are_no_release() {
        assert_eq!(Version::of_symbols(b"GLIBC_PRIVATE"), None);
        assert_eq!(Version::of_symbols(b"GCC_3.0"), None);
    }

    #[test]
    fn a_program_that_needs_more_than_dom0_has_is_refused_in_one_line() {
        let error = accept(Some(Version(2, 43)), Version(2, 41)).unwrap_err();
        assert_eq!(
            error.to_string(),
            "the programs need GLIBC_2.43 and dom0 has 2.41: build on Debian 13 or older"
        );
    }

    #[test]
    fn a_program_of_the_same_or_an_older_release_is_taken() {
        accept(Some(Version(2, 41)), Version(2, 41)).unwrap();
        accept(Some(Version(2, 36)), Version(2, 41)).unwrap();
        accept(None, Version(2, 41)).unwrap();
    }

    #[test]
    fn this_program_names_the_glibc_it_needs() {
        let program = fs::read(std::env::current_exe().unwrap()).unwrap();
        // Rust's standard library refers to symbols of 2.34, where libpthread joined libc.
        assert!(needed(&program).unwrap() >= Some(Version(2, 34)));
    }

    #[test]
    fn a_program_provides_no_glibc() {
        let program = fs::read(std::env::current_exe().unwrap()).unwrap();
        let error = check_library(&program).unwrap_err();
        assert_eq!(error.to_string(), "dom0's libc provides no glibc, not glibc 2.41");
    }
}
