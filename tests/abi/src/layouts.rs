//! The structures: sizes and the places of their fields.

use std::sync::LazyLock;

use crate::Minors;

/// A structure in a run of releases that agree on it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layout {
    /// Its name in C, such as `struct xc_msr` or `xc_domaininfo_t`.
    pub name: &'static str,
    /// The releases that have it so.
    pub minors: Minors,
    /// Its size in bytes.
    pub size: usize,
    /// Its alignment in bytes.
    pub align: usize,
    /// Its fields; those of nested structures follow as `outer.inner`.
    pub fields: Vec<Field>,
}

/// One field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Field {
    /// Its name in C.
    pub name: &'static str,
    /// Where it starts, in bytes from the structure's start.
    pub offset: usize,
    /// Its size in bytes; for a bit field that of the storage unit.
    pub size: usize,
    /// Its type in C.
    pub kind: &'static str,
    /// For a bit field, the bit at which it starts, counted from the structure's start.
    pub bit: Option<usize>,
}

impl Layout {
    /// The field of this name.
    pub fn field(&self, name: &str) -> Option<&Field> {
        self.fields.iter().find(|field| field.name == name)
    }

    /// The bytes of a structure whose named fields have these values and all else is zero, as a
    /// library of the release would have it in memory.
    ///
    /// # Panics
    /// If there is no such field, or it is larger than eight bytes.
    pub fn bytes(&self, values: &[(&str, u64)]) -> Vec<u8> {
        let mut bytes = vec![0; self.size];
        for (name, value) in values {
            let field = self.field(name).unwrap_or_else(|| panic!("{}.{name}", self.name));
            let value = &value.to_le_bytes()[..field.size];
            bytes[field.offset..field.offset + field.size].copy_from_slice(value);
        }
        bytes
    }

    /// The value of a field of at most eight bytes.
    ///
    /// # Panics
    /// If there is no such field, it is larger, or the bytes end before it.
    pub fn value(&self, bytes: &[u8], name: &str) -> u64 {
        let field = self.field(name).unwrap_or_else(|| panic!("{}.{name}", self.name));
        let mut value = [0; 8];
        value[..field.size].copy_from_slice(&bytes[field.offset..field.offset + field.size]);
        u64::from_le_bytes(value)
    }
}

/// All structures, each as often as it changed.
pub fn layouts() -> &'static [Layout] {
    static TABLE: LazyLock<Vec<Layout>> = LazyLock::new(read);
    &TABLE
}

/// The structure of this name in Xen 4.`minor`.
pub fn layout(name: &str, minor: u16) -> Option<&'static Layout> {
    layouts().iter().find(|layout| layout.name == name && layout.minors.contains(minor))
}

fn read() -> Vec<Layout> {
    let mut table: Vec<Layout> = Vec::new();
    for line in include_str!("../data/layouts.txt").lines() {
        let read = match line.strip_prefix("  ") {
            Some(field) => table.last_mut().zip(read_field(field)).map(|(layout, field)| {
                layout.fields.push(field);
            }),
            None => read_head(line).map(|layout| table.push(layout)),
        };
        read.unwrap_or_else(|| panic!("data/layouts.txt: {line}"));
    }
    table
}

/// `struct xc_msr 4.14-4.22 size 72 align 8`.
fn read_head(line: &'static str) -> Option<Layout> {
    let mut words = line.rsplitn(6, ' ');
    let align = words.next()?.parse().ok()?;
    let size = words.nth(1)?.parse().ok()?;
    let minors = Minors::parse(words.nth(1)?)?;
    Some(Layout { name: words.next()?, minors, size, align, fields: Vec::new() })
}

/// `8 4 index uint32_t`, with ` @bit 64` behind a bit field.
fn read_field(line: &'static str) -> Option<Field> {
    let (line, bit) = match line.split_once(" @bit ") {
        Some((line, bit)) => (line, Some(bit.parse().ok()?)),
        None => (line, None),
    };
    let mut words = line.splitn(4, ' ');
    let (offset, size) = (words.next()?.parse().ok()?, words.next()?.parse().ok()?);
    Some(Field { offset, size, name: words.next()?, kind: words.next()?, bit })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_moves_with_the_release() {
        let of = |minor| layout("xc_physinfo_t", minor)?.field("free_pages").map(|f| f.offset);
        assert_eq!((of(16), of(17)), (Some(40), Some(48)));
    }

    #[test]
    fn values_stand_where_the_release_has_them() {
        let layout = layout("xc_physinfo_t", 17).unwrap();
        let bytes = layout.bytes(&[("free_pages", 0x0102), ("nr_cpus", 3)]);
        assert_eq!((bytes.len(), bytes[48], bytes[49], bytes[8]), (112, 2, 1, 3));
        assert_eq!(layout.value(&bytes, "free_pages"), 0x0102);
    }

    #[test]
    fn structures_are_found_under_their_names_in_c() {
        assert_eq!(layout("struct xen_domctl_createdomain", 16).map(|l| l.size), Some(60));
        assert!(layout("struct e820entry", 22).is_some_and(|l| l.align == 1));
    }
}
