//! What a client asks, and how each question is laid out in bytes.

use std::fmt;

use thiserror::Error;
use xen_types::{DomId, Gfn, Port};

use super::{Header, MAX_PAYLOAD, Op};
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
    Directory(&'a Path),
    Read(&'a Path),
    GetPerms(&'a Path),
    Watch { path: &'a Path, token: Token },
    Unwatch { path: &'a Path, token: Token },
    TransactionStart,
    TransactionEnd { commit: bool },
    Introduce { dom: DomId, gfn: Gfn, port: Port },
    Release(DomId),
    GetDomainPath(DomId),
    Write { path: &'a Path, value: &'a [u8] },
    Mkdir(&'a Path),
    Rm(&'a Path),
    SetPerms { path: &'a Path, perms: &'a Perms },
    IsDomainIntroduced(DomId),
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
}

impl Request<'_> {
    /// The type field of the request.
    pub const fn op(&self) -> Op {
        match self {
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
            Self::Rm(path) if **path == Path::ROOT => Err(InvalidRequest::RemovesRoot),
            Self::Directory(path)
            | Self::Read(path)
            | Self::GetPerms(path)
            | Self::Watch { path, .. }
            | Self::Unwatch { path, .. }
            | Self::Write { path, .. }
            | Self::Mkdir(path)
            | Self::Rm(path)
            | Self::SetPerms { path, .. } => Ok(path.check_length()?),
            _ => Ok(()),
        }
    }

    /// Every argument ends in a NUL, except a value: its end is the packet's. No payload is empty,
    /// because oxenstored 4.17 does not answer such a request before more bytes arrive.
    fn payload(&self, out: &mut Vec<u8>) {
        match self {
            Self::Directory(path)
            | Self::Read(path)
            | Self::GetPerms(path)
            | Self::Mkdir(path)
            | Self::Rm(path) => argument(out, path.as_str()),
            Self::Watch { path, token } | Self::Unwatch { path, token } => {
                argument(out, path.as_str());
                argument(out, &token.to_string());
            }
            Self::TransactionStart => argument(out, ""),
            Self::TransactionEnd { commit } => argument(out, if *commit { "T" } else { "F" }),
            Self::Introduce { dom, gfn, port } => {
                argument(out, &dom.to_string());
                argument(out, &gfn.0.cast_signed().to_string()); // signed decimal, says xenstore.txt
                argument(out, &port.to_string());
            }
            Self::Release(dom) | Self::GetDomainPath(dom) | Self::IsDomainIntroduced(dom) => {
                argument(out, &dom.to_string());
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
