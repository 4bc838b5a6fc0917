//! Probes as C source, one to a line, and what the compiler made of it.

use std::collections::HashMap;
use std::fmt;
use std::ops::Range;

use anyhow::{Context, Result};
use object::read::elf::ElfFile64;
use object::{Endianness, Object, ObjectSection, ObjectSymbol};

use super::facts::{Ask, Probe};

/// A source with these lines after the headers.
pub(crate) fn with_headers<'a>(lines: impl Iterator<Item = &'a str>) -> String {
    let before = PROLOGUE.iter().copied();
    before.chain(lines).flat_map(|line| [line, "\n"]).collect()
}

/// Which of the lines after the headers stands at `number`, counted from 1 in the whole file.
pub(crate) fn position(number: usize) -> Option<usize> {
    number.checked_sub(PROLOGUE.len() + 1)
}

/// The line that answers `ask`: a constant `f7` for the probe at position 7.
pub(crate) fn line(position: usize, ask: &Ask) -> String {
    let number = |of: &str| format!("const __int128 f{position} = {of};");
    match ask {
        Ask::Number { of, .. } => number(of),
        Ask::Text { of, .. } => format!("const char f{position}[] = {of};"),
        Ask::Bits { structure, field, .. } => {
            format!("const {structure} f{position} = {{ .{field} = -1 }};")
        }
        Ask::Type { of, expected } => {
            number(&format!("__builtin_types_compatible_p(__typeof__({of}), {expected})"))
        }
        Ask::Holds { condition } => number(condition),
        Ask::Absent { of } => number(&format!("sizeof({of})")),
    }
}

/// A line on which the compiler complains of the type of `of`, and so names it.
pub(crate) fn type_line(position: usize, of: &str) -> String {
    format!("int f{position} = _Generic((__typeof__({of}) *)0, struct none *: 0);")
}

/// What the headers say.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Answer {
    Number(i128),
    Text(String),
    Bits(Range<usize>),
}

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(number) => write!(f, "{number}"),
            Self::Text(text) => write!(f, "{text:?}"),
            Self::Bits(bits) => write!(f, "{}..{}", bits.start, bits.end),
        }
    }
}

/// How the headers differ from the data on what was asked, in the words of a report. The answer to
/// a question for a type does not name it.
pub(crate) fn difference(probe: &Probe, answer: &Answer) -> Option<String> {
    let what = &probe.what;
    let expected = match &probe.ask {
        Ask::Number { expected, .. } => Answer::Number(*expected),
        Ask::Text { expected, .. } => Answer::Text(expected.clone()),
        Ask::Bits { expected, .. } => Answer::Bits(expected.clone()),
        Ask::Absent { .. } => {
            return Some(format!("{what}: not of this release in the data, there in the headers"));
        }
        Ask::Type { .. } | Ask::Holds { .. } => Answer::Number(1),
    };
    if *answer == expected {
        return None;
    }
    Some(match &probe.ask {
        Ask::Type { expected, .. } => format!("{what}: {expected} in the data"),
        Ask::Holds { .. } => format!("{what}: so in the data, not in the headers"),
        _ => format!("{what}: {expected} in the data, {answer} in the headers"),
    })
}

/// The bytes of the constants in a compiled source.
pub(crate) fn constants(file: &[u8]) -> Result<HashMap<String, Vec<u8>>> {
    let file = ElfFile64::<Endianness>::parse(file)?;
    let mut constants = HashMap::new();
    for symbol in file.symbols().filter(|symbol| symbol.is_global() && symbol.is_definition()) {
        let section = symbol.section_index().context("a constant without a section")?;
        let data = file.section_by_index(section)?.data()?;
        let start = usize::try_from(symbol.address())?;
        let end = start + usize::try_from(symbol.size())?;
        let bytes = data.get(start..end).context("a constant beyond its section")?;
        constants.insert(symbol.name()?.to_owned(), bytes.to_vec());
    }
    Ok(constants)
}

/// Reads the constant that answers `ask`.
pub(crate) fn answer(ask: &Ask, bytes: &[u8]) -> Result<Answer> {
    Ok(match ask {
        Ask::Text { .. } => {
            let text = bytes.strip_suffix(b"\0").context("a text without its end")?;
            Answer::Text(String::from_utf8_lossy(text).into_owned())
        }
        Ask::Bits { .. } => {
            let set = |bit: &usize| bytes[bit / 8] >> (bit % 8) & 1 == 1;
            let mut bits = (0..bytes.len() * 8).filter(set);
            let first = bits.next().context("a bit field without bits")?;
            Answer::Bits(first..bits.next_back().unwrap_or(first) + 1)
        }
        _ => Answer::Number(i128::from_le_bytes(bytes.try_into().context("not 16 bytes")?)),
    })
}

/// The defines are those under which the data was measured: `xenctrl.h` hides what it has of older
/// interfaces without them.
const PROLOGUE: &[&str] = &[
    "#define __XEN_TOOLS__ 1",
    "#define XC_WANT_COMPAT_EVTCHN_API 1",
    "#define XC_WANT_COMPAT_GNTTAB_API 1",
    "#define XC_WANT_COMPAT_MAP_FOREIGN_API 1",
    "#define XC_WANT_COMPAT_DEVICEMODEL_API 1",
    "#include <stddef.h>",
    "#include <stdint.h>",
    "#include <sys/ioctl.h>",
    "#include <xencall.h>",
    "#include <xenctrl.h>",
    "#include <xenevtchn.h>",
    "#include <xenguest.h>",
    "#include <xenstore.h>",
    "#include <xentoollog.h>",
    "#include <xen/arch-x86/hvm/start_info.h>",
    "#include <xen/arch-x86/xen-mca.h>",
    "#include <xen/domctl.h>",
    "#include <xen/event_channel.h>",
    "#include <xen/features.h>",
    "#include <xen/grant_table.h>",
    "#include <xen/hvm/dm_op.h>",
    "#include <xen/hvm/e820.h>",
    "#include <xen/hvm/hvm_info_table.h>",
    "#include <xen/hvm/hvm_op.h>",
    "#include <xen/hvm/hvm_vcpu.h>",
    "#include <xen/hvm/hvm_xs_strings.h>",
    "#include <xen/hvm/params.h>",
    "#include <xen/hvm/pvdrivers.h>",
    "#include <xen/io/console.h>",
    "#include <xen/io/xenbus.h>",
    "#include <xen/io/xs_wire.h>",
    "#include <xen/memory.h>",
    "#include <xen/physdev.h>",
    "#include <xen/platform.h>",
    "#include <xen/sched.h>",
    "#include <xen/sys/evtchn.h>",
    "#include <xen/sys/gntalloc.h>",
    "#include <xen/sys/gntdev.h>",
    "#include <xen/sys/privcmd.h>",
    "#include <xen/sysctl.h>",
    "#include <xen/vcpu.h>",
    "#include <xen/version.h>",
    "#include <xen/xsm/flask_op.h>",
];
