//! What a client asks, and how each question is laid out in bytes.

use std::fmt;

use thiserror::Error;
use xen_types::{DomId, Gfn, Port};

use super::{Features, Header, MAX_PAYLOAD, Op};
use crate::path::{InvalidPath, Path};
use crate::perms::Perms;

/// The number of a transaction on its connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct TxId(pub u32);

impl TxId {
    /// Outside of any transaction.
    pub const NONE: Self = Self(0);
}

/// What tells one watch of a connection from the others: never used twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Token(pub u64);

/// A question to the store.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
#[allow(
    missing_docs,
    reason = "the variants are the operations of `Op`, which are documented there"
)]
pub enum Request<'a> {
    /// A command and its arguments.
    Control(&'a [&'a str]),
    Directory(&'a Path),
    Read(&'a Path),
    GetPerms(&'a Path),
    /// `depth` is how many levels below the path are watched; all if it is `None`. Xen 4.22.
    Watch {
        path: &'a Path,
        token: Token,
        depth: Option<u32>,
    },
    Unwatch {
        path: &'a Path,
        token: Token,
    },
    TransactionStart,
    TransactionEnd {
        commit: bool,
    },
    Introduce {
        dom: DomId,
        gfn: Gfn,
        port: Port,
    },
    Release(DomId),
    GetDomainPath(DomId),
    Write {
        path: &'a Path,
        value: &'a [u8],
    },
    Mkdir(&'a Path),
    Rm(&'a Path),
    SetPerms {
        path: &'a Path,
        perms: &'a Perms,
    },
    IsDomainIntroduced(DomId),
    Resume(DomId),
    SetTarget {
        dom: DomId,
        target: DomId,
    },
    ResetWatches,
    /// The part of the list that starts `offset` bytes into it.
    DirectoryPart {
        path: &'a Path,
        offset: u32,
    },
    /// Of a domain, or of the one that asks.
    GetFeature(Option<DomId>),
    SetFeature {
        dom: DomId,
        features: Features,
    },
    /// The names of all quotas.
    GetQuotaNames,
    /// Of a domain, or what new domains begin with.
    GetQuota {
        dom: Option<DomId>,
        name: &'a str,
    },
    SetQuota {
        dom: Option<DomId>,
        name: &'a str,
        value: u32,
    },
}

/// A request that must not be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum InvalidRequest {
    /// Its path is too long.
    #[error(transparent)]
    Path(#[from] InvalidPath),
    /// It does not fit into a packet; the daemon would end the connection.
    #[error("a payload of {0} bytes is over the limit of {MAX_PAYLOAD}")]
    TooBig(usize),
    /// It would remove the root. The C xenstored refuses; oxenstored empties the whole store.
    #[error("the root of the store cannot be removed")]
    RemovesRoot,
    /// An argument would end early, because its end is marked by a NUL.
    #[error("an argument has a NUL in it")]
    Nul,
    /// It would end the watches of this connection behind the back of those who wait for them.
    #[error("this connection has watches that are in use")]
    WatchesInUse,
}

impl Request<'_> {
    /// The type field of the request.
    pub const fn op(&self) -> Op {
        match self {
            Self::Control(_) => Op::CONTROL,
            Self::Directory(_) => Op::DIRECTORY,
            Self::Read(_) => Op::READ,
            Self::GetPerms(_) => Op::GET_PERMS,
            Self::Watch { .. } => Op::WATCH,
            Self::Unwatch { .. } => Op::UNWATCH,
            Self::TransactionStart => Op::TRANSACTION_START,
            Self::TransactionEnd { .. } => Op::TRANSACTION_END,
            Self::Introduce { .. } => Op::INTRODUCE,
            Self::Release(_) => Op::RELEASE,
            Self::GetDomainPath(_) => Op::GET_DOMAIN_PATH,
            Self::Write { .. } => Op::WRITE,
            Self::Mkdir(_) => Op::MKDIR,
            Self::Rm(_) => Op::RM,
            Self::SetPerms { .. } => Op::SET_PERMS,
            Self::IsDomainIntroduced(_) => Op::IS_DOMAIN_INTRODUCED,
            Self::Resume(_) => Op::RESUME,
            Self::SetTarget { .. } => Op::SET_TARGET,
            Self::ResetWatches => Op::RESET_WATCHES,
            Self::DirectoryPart { .. } => Op::DIRECTORY_PART,
            Self::GetFeature(_) => Op::GET_FEATURE,
            Self::SetFeature { .. } => Op::SET_FEATURE,
            Self::GetQuotaNames | Self::GetQuota { .. } => Op::GET_QUOTA,
            Self::SetQuota { .. } => Op::SET_QUOTA,
        }
    }

    /// The node that it is about, if it is about one.
    pub const fn path(&self) -> Option<&Path> {
        match self {
            Self::Directory(path)
            | Self::Read(path)
            | Self::GetPerms(path)
            | Self::Watch { path, .. }
            | Self::Unwatch { path, .. }
            | Self::Write { path, .. }
            | Self::Mkdir(path)
            | Self::Rm(path)
            | Self::SetPerms { path, .. }
            | Self::DirectoryPart { path, .. } => Some(path),
            _ => None,
        }
    }

    /// Appends the packet to `out`, which stays as it was if the request is invalid.
    ///
    /// # Errors
    /// Says why the request must not be sent.
    pub fn encode(&self, request: u32, tx: TxId, out: &mut Vec<u8>) -> Result<(), InvalidRequest> {
        self.check()?;
        let start = out.len();
        out.extend_from_slice(&[0; Header::LEN]);
        self.payload(out);
        let len = out.len() - start - Header::LEN;
        if len > MAX_PAYLOAD {
            out.truncate(start);
            return Err(InvalidRequest::TooBig(len));
        }
        let len = u32::try_from(len).expect("it is at most MAX_PAYLOAD");
        let header = Header { op: self.op(), request, tx, len };
        out[start..start + Header::LEN].copy_from_slice(&header.to_bytes());
        Ok(())
    }

    fn check(&self) -> Result<(), InvalidRequest> {
        match self {
            Self::Rm(path) if **path == Path::ROOT => return Err(InvalidRequest::RemovesRoot),
            Self::Control(words) if words.iter().any(|word| word.contains('\0')) => {
                return Err(InvalidRequest::Nul);
            }
            Self::GetQuota { name, .. } | Self::SetQuota { name, .. } if name.contains('\0') => {
                return Err(InvalidRequest::Nul);
            }
            _ => {}
        }
        match self.path() {
            Some(path) => Ok(path.check_length()?),
            None => Ok(()),
        }
    }

    /// Every argument ends in a NUL, except a value: its end is the packet's.
    ///
    /// oxenstored 4.17 does not answer a request with an empty payload before more bytes arrive,
    /// so where the protocol leaves a choice there is one NUL. It leaves none to `GET_FEATURE` of
    /// the caller and to the names of quotas: the C xenstored of Xen 4.22 takes a NUL for an
    /// argument. These two are to be followed by another request at once.
    fn payload(&self, out: &mut Vec<u8>) {
        match self {
            Self::Directory(path)
            | Self::Read(path)
            | Self::GetPerms(path)
            | Self::Mkdir(path)
            | Self::Rm(path) => argument(out, path.as_str()),
            Self::Control(words) => words.iter().for_each(|word| argument(out, word)),
            Self::Watch { path, token, depth } => {
                argument(out, path.as_str());
                argument(out, &token.to_string());
                if let Some(depth) = depth {
                    argument(out, &depth.to_string());
                }
            }
            Self::Unwatch { path, token } => {
                argument(out, path.as_str());
                argument(out, &token.to_string());
            }
            Self::TransactionStart | Self::ResetWatches => argument(out, ""),
            Self::TransactionEnd { commit } => argument(out, if *commit { "T" } else { "F" }),
            Self::Introduce { dom, gfn, port } => {
                argument(out, &dom.to_string());
                argument(out, &gfn.0.cast_signed().to_string()); // signed decimal, says xenstore.txt
                argument(out, &port.to_string());
            }
            Self::Release(dom)
            | Self::GetDomainPath(dom)
            | Self::IsDomainIntroduced(dom)
            | Self::Resume(dom) => argument(out, &dom.to_string()),
            Self::SetTarget { dom, target } => {
                argument(out, &dom.to_string());
                argument(out, &target.to_string());
            }
            Self::DirectoryPart { path, offset } => {
                argument(out, path.as_str());
                argument(out, &offset.to_string());
            }
            Self::GetFeature(dom) => optional(out, *dom),
            Self::SetFeature { dom, features } => {
                argument(out, &dom.to_string());
                argument(out, &features.bits().to_string());
            }
            Self::GetQuotaNames => {}
            Self::GetQuota { dom, name } => {
                optional(out, *dom);
                argument(out, name);
            }
            Self::SetQuota { dom, name, value } => {
                optional(out, *dom);
                argument(out, name);
                argument(out, &value.to_string());
            }
            Self::Write { path, value } => {
                argument(out, path.as_str());
                out.extend_from_slice(value);
            }
            Self::SetPerms { path, perms } => {
                argument(out, path.as_str());
                perms.to_entries().iter().for_each(|entry| argument(out, entry));
            }
        }
    }
}

fn optional(out: &mut Vec<u8>, dom: Option<DomId>) {
    if let Some(dom) = dom {
        argument(out, &dom.to_string());
    }
}

fn argument(out: &mut Vec<u8>, argument: &str) {
    out.extend_from_slice(argument.as_bytes());
    out.push(0);
}

impl fmt::Display for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "xs{}", self.0)
    }
}

impl Token {
    /// The token in the text of an event; `None` if this crate did not make it.
    pub(super) fn parse(text: &str) -> Option<Self> {
        text.strip_prefix("xs")?.parse().ok().map(Self)
    }
}

#[cfg(test)]
mod tests;
