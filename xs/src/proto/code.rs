//! What the daemon says when it refuses.

use std::fmt;

/// The error of a refused request, in the order of `io/xs_wire.h`.
///
/// Errors travel by name and the set is open: xenstore.txt lets new ones be added, and oxenstored
/// says `EQUOTA`, which no header has.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
#[allow(missing_docs, reason = "the variants are the names of errno.h; Display says them in words")]
pub enum ErrorCode {
    Einval,
    Eacces,
    Eexist,
    Eisdir,
    Enoent,
    Enomem,
    Enospc,
    Eio,
    Enotempty,
    Enosys,
    Erofs,
    Ebusy,
    Eagain,
    Eisconn,
    E2big,
    Eperm,
    /// Over a quota; oxenstored only.
    Equota,
    /// A name that this version does not know.
    Other(Box<str>),
}

const CODES: [(&str, ErrorCode, &str); 17] = [
    ("EINVAL", ErrorCode::Einval, "invalid argument"),
    ("EACCES", ErrorCode::Eacces, "permission denied"),
    ("EEXIST", ErrorCode::Eexist, "exists already"),
    ("EISDIR", ErrorCode::Eisdir, "has children"),
    ("ENOENT", ErrorCode::Enoent, "no such node"),
    ("ENOMEM", ErrorCode::Enomem, "the store is out of memory"),
    ("ENOSPC", ErrorCode::Enospc, "no space, or over a quota"),
    ("EIO", ErrorCode::Eio, "input/output error in the store"),
    ("ENOTEMPTY", ErrorCode::Enotempty, "not empty"),
    ("ENOSYS", ErrorCode::Enosys, "not supported by this store"),
    ("EROFS", ErrorCode::Erofs, "read only"),
    ("EBUSY", ErrorCode::Ebusy, "busy"),
    ("EAGAIN", ErrorCode::Eagain, "conflict with another change"),
    ("EISCONN", ErrorCode::Eisconn, "connected already"),
    ("E2BIG", ErrorCode::E2big, "too big, or over a quota"),
    ("EPERM", ErrorCode::Eperm, "operation not permitted"),
    ("EQUOTA", ErrorCode::Equota, "over a quota"),
];

impl ErrorCode {
    /// The code in the payload of an ERROR reply, with or without its NUL.
    pub fn from_payload(payload: &[u8]) -> Self {
        let name = String::from_utf8_lossy(payload.strip_suffix(&[0]).unwrap_or(payload));
        CODES
            .iter()
            .find(|(known, ..)| *known == name)
            .map_or_else(|| Self::Other(name.into()), |(_, code, _)| code.clone())
    }

    /// The name on the wire.
    pub fn name(&self) -> &str {
        match self {
            Self::Other(name) => name,
            known => CODES.iter().find(|(_, code, _)| code == known).map_or("", |(name, ..)| name),
        }
    }
}

impl fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let words = CODES.iter().find(|(_, code, _)| code == self).map(|(.., words)| words);
        match words {
            Some(words) => write!(f, "{words} ({})", self.name()),
            // The name comes from the other side: escaped, because it ends up on terminals.
            None => write!(f, "refused with \"{}\"", self.name().escape_debug()),
        }
    }
}

impl std::error::Error for ErrorCode {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_known_with_and_without_its_nul() {
        assert_eq!(ErrorCode::from_payload(b"ENOENT\0"), ErrorCode::Enoent);
        assert_eq!(ErrorCode::from_payload(b"EQUOTA"), ErrorCode::Equota);
    }

    #[test]
    fn an_unknown_code_keeps_its_name_and_is_printed_harmlessly() {
        let code = ErrorCode::from_payload(b"E\x1b[2J\0");
        assert_eq!(code.name(), "E\u{1b}[2J");
        assert_eq!(code.to_string(), r#"refused with "E\u{1b}[2J""#);
    }

    #[test]
    fn a_code_says_what_it_means_and_its_name() {
        assert_eq!(ErrorCode::Enoent.to_string(), "no such node (ENOENT)");
    }
}
