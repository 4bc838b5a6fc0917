//! Who may read and write a node.
//!
//! A node has an owner, who may do everything, an access for everybody who is not listed, and a
//! list. On the wire the first entry carries both the owner and everybody's access: `n0` then `r5`
//! is "owned by domain 0, nothing for others, domain 5 may read" (docs/misc/xenstore.txt).

use std::fmt;

use thiserror::Error;
use xen_types::DomId;

/// The permissions of a node.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Perms {
    owner: DomId,
    others: Access,
    entries: Vec<(Grantee, Access)>,
}

/// What may be done with a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Access {
    /// Neither read nor write.
    None,
    /// Read only.
    Read,
    /// Write only.
    Write,
    /// Read and write.
    Both,
}

/// Whom an entry of the list is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Grantee {
    /// One domain.
    Domain(DomId),
    /// Any domain (`DOMID_ANY`, 0x7FF5); daemons with feature bit 8 know it.
    Any,
}

/// A string is not a permission entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("not a permission entry (one of n, r, w, b and a domain id)")]
pub struct InvalidPerms;

impl Perms {
    /// Owned by `owner`, with `others` for every domain that is not listed.
    pub const fn new(owner: DomId, others: Access) -> Self {
        Self { owner, others, entries: Vec::new() }
    }

    /// Only `owner`, and privileged domains, may do anything.
    pub const fn private(owner: DomId) -> Self {
        Self::new(owner, Access::None)
    }

    /// The same, with an entry for `grantee` at the end of the list.
    ///
    /// ```
    /// use xen_types::DomId;
    /// use xs::{Access, Perms};
    ///
    /// let guest = DomId::new(5).ok_or("reserved")?;
    /// let perms = Perms::private(DomId::DOM0).allow(guest, Access::Read);
    /// assert_eq!(perms.to_string(), "n0,r5");
    /// # Ok::<(), &str>(())
    /// ```
    #[must_use]
    pub fn allow(mut self, grantee: impl Into<Grantee>, access: Access) -> Self {
        self.entries.push((grantee.into(), access));
        self
    }

    /// The domain that owns the node.
    pub const fn owner(&self) -> DomId {
        self.owner
    }

    /// What domains that are not listed may do.
    pub const fn others(&self) -> Access {
        self.others
    }

    /// The list, in the order of the store.
    pub fn entries(&self) -> &[(Grantee, Access)] {
        &self.entries
    }

    /// Parses entries as the store writes them, the owner's first.
    ///
    /// # Errors
    /// [`InvalidPerms`] if there is no entry or one is malformed.
    pub fn parse<'a>(entries: impl IntoIterator<Item = &'a str>) -> Result<Self, InvalidPerms> {
        let mut entries = entries.into_iter().map(parse_entry);
        let Some((Grantee::Domain(owner), others)) = entries.next().transpose()? else {
            return Err(InvalidPerms);
        };
        Ok(Self { owner, others, entries: entries.collect::<Result<_, _>>()? })
    }

    /// The entries as the store reads them.
    pub(crate) fn to_entries(&self) -> Vec<String> {
        let first = (Grantee::Domain(self.owner), self.others);
        std::iter::once(&first)
            .chain(&self.entries)
            .map(|(grantee, access)| format!("{}{}", access.letter(), grantee.number()))
            .collect()
    }
}

impl Access {
    const fn letter(self) -> char {
        match self {
            Self::None => 'n',
            Self::Read => 'r',
            Self::Write => 'w',
            Self::Both => 'b',
        }
    }
}

impl Grantee {
    const fn number(self) -> u16 {
        match self {
            Self::Domain(dom) => dom.raw(),
            Self::Any => DOMID_ANY,
        }
    }
}

impl From<DomId> for Grantee {
    fn from(dom: DomId) -> Self {
        Self::Domain(dom)
    }
}

impl fmt::Display for Perms {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.to_entries().join(","))
    }
}

fn parse_entry(entry: &str) -> Result<(Grantee, Access), InvalidPerms> {
    let mut letters = entry.chars();
    let access = match letters.next() {
        Some('n') => Access::None,
        Some('r') => Access::Read,
        Some('w') => Access::Write,
        Some('b') => Access::Both,
        _ => return Err(InvalidPerms),
    };
    let grantee = match letters.as_str() {
        "32757" => Grantee::Any,
        number => Grantee::Domain(number.parse().map_err(|_| InvalidPerms)?),
    };
    Ok((grantee, access))
}

/// `DOMID_ANY`, `xen/include/public/xen.h` (Xen 4.21).
const DOMID_ANY: u16 = 0x7FF5;

#[cfg(test)]
mod tests {
    use super::*;

    fn dom(id: u16) -> DomId {
        DomId::new(id).unwrap()
    }

    #[test]
    fn the_first_entry_is_the_owner_and_everybody_else() {
        let perms = Perms::parse(["r3", "n5", "b7", "w9"]).unwrap();
        assert_eq!(perms.owner(), dom(3));
        assert_eq!(perms.others(), Access::Read);
        assert_eq!(
            perms.entries(),
            [
                (Grantee::Domain(dom(5)), Access::None),
                (Grantee::Domain(dom(7)), Access::Both),
                (Grantee::Domain(dom(9)), Access::Write),
            ]
        );
    }

    #[test]
    fn what_is_parsed_is_printed_the_same() {
        assert_eq!(Perms::parse(["n0", "r5", "b32757"]).unwrap().to_string(), "n0,r5,b32757");
    }

    #[test]
    fn any_domain_can_be_listed_but_not_own() {
        let perms = Perms::parse(["n0", "r32757"]).unwrap();
        assert_eq!(perms.entries(), [(Grantee::Any, Access::Read)]);
        assert_eq!(Perms::parse(["r32757"]), Err(InvalidPerms));
    }

    #[test]
    fn malformed_entries_are_refused() {
        assert_eq!(Perms::parse([]), Err(InvalidPerms));
        assert_eq!(Perms::parse([""]), Err(InvalidPerms));
        assert_eq!(Perms::parse(["n"]), Err(InvalidPerms));
        assert_eq!(Perms::parse(["x0"]), Err(InvalidPerms));
        assert_eq!(Perms::parse(["n-1"]), Err(InvalidPerms));
        assert_eq!(Perms::parse(["n0", "ä0"]), Err(InvalidPerms));
        assert_eq!(Perms::parse(["n0", "r32752"]), Err(InvalidPerms));
    }
}
