//! Copying what is granted, without mapping it.

use xen_types::{DomId, GrantRef};

use super::Grants;
use super::backend::{self, CopyDest, CopySource, PartOfGrant};
use crate::error::{Error, Result};
use crate::shared::{CopyFailure, Fault, GrantStatus};

/// One copy, within one page of each grant.
#[derive(Debug)]
pub enum GrantCopy<'a> {
    /// Out of a grant.
    From {
        /// Where the bytes are.
        place: Place,
        /// Where they go to, as many as fit.
        bytes: &'a mut [u8],
    },
    /// Into a grant.
    To {
        /// Where the bytes go to.
        place: Place,
        /// The bytes.
        bytes: &'a [u8],
    },
    /// From one grant into another.
    Between {
        /// Where the bytes are.
        from: Place,
        /// Where they go to.
        to: Place,
        /// How many.
        len: u16,
    },
}

/// A place in a granted page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// The domain that grants.
    pub dom: DomId,
    /// The reference in its table.
    pub gref: GrantRef,
    /// From which byte of the page on.
    pub offset: u16,
}

impl Grants {
    /// Makes copies in one request, in their order. That one fails does not keep the others from
    /// being made.
    ///
    /// # Errors
    /// What the first failed copy says: [`Kind::Invalid`](crate::Kind::Invalid) if there is no such
    /// grant, [`Kind::Other`](crate::Kind::Other) if it is for reading only and was to be written,
    /// [`Kind::NotFound`](crate::Kind::NotFound) if there is no such domain;
    /// [`Error::failed_copies`] has all. [`Kind::Invalid`](crate::Kind::Invalid), and none is made,
    /// if one goes beyond a page.
    #[doc(alias = "xengnttab_grant_copy")]
    pub fn copy(&self, copies: &mut [GrantCopy<'_>]) -> Result<()> {
        let count = copies.len();
        let mut copy = || {
            let device = self.device()?;
            let mut segments: Vec<_> =
                copies.iter_mut().map(GrantCopy::segment).collect::<Result<_, _>>()?;
            let statuses = device.grant_copy(&mut segments)?;
            let failures: Vec<_> = (0..)
                .zip(statuses)
                .map(|(index, status)| CopyFailure { index, status: GrantStatus(status) })
                .filter(|copy| copy.status != GrantStatus::OKAY)
                .collect();
            if failures.is_empty() { Ok(()) } else { Err(Fault::Copies(failures)) }
        };
        copy().map_err(|fault: Fault| Error::new(format!("make {count} grant copies"), fault))
    }
}

impl GrantCopy<'_> {
    fn segment(&mut self) -> Result<backend::GrantCopy<'_>, Fault> {
        match self {
            Self::From { place, bytes } => {
                let len = place.fits(bytes.len())?;
                let source = CopySource::Grant(place.part());
                Ok(backend::GrantCopy { source, dest: CopyDest::Local(bytes), len })
            }
            Self::To { place, bytes } => {
                let len = place.fits(bytes.len())?;
                let dest = CopyDest::Grant(place.part());
                Ok(backend::GrantCopy { source: CopySource::Local(bytes), dest, len })
            }
            Self::Between { from, to, len } => {
                let len = from.fits((*len).into()).and(to.fits((*len).into()))?;
                let (source, dest) = (CopySource::Grant(from.part()), CopyDest::Grant(to.part()));
                Ok(backend::GrantCopy { source, dest, len })
            }
        }
    }
}

impl Place {
    fn part(self) -> PartOfGrant {
        PartOfGrant { domid: self.dom.raw(), reference: self.gref.0, offset: self.offset }
    }

    /// The length, if the page has so many bytes from here on.
    fn fits(self, len: usize) -> Result<u16, Fault> {
        match u16::try_from(len) {
            Ok(short) if usize::from(self.offset) + len <= backend::Mapping::PAGE => Ok(short),
            _ => Err(Fault::Invalid("a copy goes beyond a page")),
        }
    }
}
