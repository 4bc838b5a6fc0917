//! What the daemon answers, and what each answer must look like.

use thiserror::Error;

use super::{ErrorCode, Features, Op, TxId};
use crate::path::{Name, Path};
use crate::perms::Perms;

/// What became of one request.
pub type Answer = Result<Reply, Refusal>;

/// The reply to a request that was carried out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    pub(super) op: Op,
    pub(super) payload: Vec<u8>,
}

/// Some of the names in a directory, from an offset on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// A number that is another whenever the node has changed.
    pub generation: u64,
    /// The names, whole ones.
    pub names: Vec<Name>,
    /// How far the next part starts behind this one, in bytes.
    pub len: u32,
    /// Nothing follows.
    pub last: bool,
}

/// Why a request has no reply of its own.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Refusal {
    /// The daemon refused.
    #[error(transparent)]
    Code(#[from] ErrorCode),
    /// The daemon answered something else.
    #[error(transparent)]
    Malformed(#[from] Malformed),
}

/// An answer that its request cannot have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("{asked} is answered with a malformed {got}")]
pub struct Malformed {
    /// The operation that was asked for.
    pub asked: Op,
    /// The type of the packet that came.
    pub got: Op,
}

impl Reply {
    /// A reply that no daemon has sent.
    #[cfg(all(test, feature = "client"))]
    pub(crate) fn of(op: Op, payload: &[u8]) -> Self {
        Self { op, payload: payload.to_vec() }
    }

    /// The payload as it came: what READ asks for.
    pub fn into_value(self) -> Vec<u8> {
        self.payload
    }

    /// The names that DIRECTORY asks for; a node without children has no names, not one empty one.
    ///
    /// # Errors
    /// [`Malformed`] if a name is none.
    pub fn names(&self) -> Result<Vec<Name>, Malformed> {
        match self.text()? {
            "" => Ok(Vec::new()),
            names => self.parse_names(names),
        }
    }

    /// The permissions that `GET_PERMS` asks for.
    ///
    /// # Errors
    /// [`Malformed`] if an entry is none.
    pub fn perms(&self) -> Result<Perms, Malformed> {
        Perms::parse(self.text()?.split('\0')).map_err(|_| self.malformed())
    }

    /// The number that `TRANSACTION_START` asks for.
    ///
    /// # Errors
    /// [`Malformed`] if it is no number, or 0, which means "no transaction".
    pub fn tx(&self) -> Result<TxId, Malformed> {
        match self.text()?.parse() {
            Ok(tx) if tx != 0 => Ok(TxId(tx)),
            _ => Err(self.malformed()),
        }
    }

    /// The yes or no that `IS_DOMAIN_INTRODUCED` asks for.
    ///
    /// # Errors
    /// [`Malformed`] if it is neither.
    pub fn flag(&self) -> Result<bool, Malformed> {
        match self.text()? {
            "T" => Ok(true),
            "F" => Ok(false),
            _ => Err(self.malformed()),
        }
    }

    /// The path that `GET_DOMAIN_PATH` asks for.
    ///
    /// # Errors
    /// [`Malformed`] if it is none.
    pub fn path(&self) -> Result<Path, Malformed> {
        Path::new(self.text()?).map_err(|_| self.malformed())
    }

    /// The number that `GET_FEATURE` asks for.
    ///
    /// # Errors
    /// [`Malformed`] if it is none.
    pub fn features(&self) -> Result<Features, Malformed> {
        self.number().map(Features::from_bits_retain)
    }

    /// The number that `GET_QUOTA` asks for.
    ///
    /// # Errors
    /// [`Malformed`] if it is none.
    pub fn number(&self) -> Result<u32, Malformed> {
        self.text()?.parse().map_err(|_| self.malformed())
    }

    /// The words, separated by blanks, that `GET_QUOTA` without a name asks for.
    ///
    /// # Errors
    /// [`Malformed`] if they are not text.
    pub fn words(&self) -> Result<Vec<String>, Malformed> {
        Ok(self.text()?.split(' ').filter(|word| !word.is_empty()).map(str::to_owned).collect())
    }

    /// What `DIRECTORY_PART` asks for.
    ///
    /// # Errors
    /// [`Malformed`] if the generation is no number or a name is none.
    pub fn part(&self) -> Result<Part, Malformed> {
        let text = str::from_utf8(&self.payload).map_err(|_| self.malformed())?;
        let (generation, list) = text.split_once('\0').ok_or_else(|| self.malformed())?;
        let generation = generation.parse().map_err(|_| self.malformed())?;
        let (names, last) = match (list, list.strip_suffix("\0\0")) {
            // The last part ends in an empty name.
            ("\0", _) => (Vec::new(), true),
            (_, Some(names)) => (self.parse_names(names)?, true),
            (_, None) => {
                let names = list.strip_suffix('\0').ok_or_else(|| self.malformed())?;
                (self.parse_names(names)?, false)
            }
        };
        let bytes = names.iter().map(|name| name.len() + 1).sum::<usize>();
        let len = u32::try_from(bytes).map_err(|_| self.malformed())?;
        Ok(Part { generation, names, len, last })
    }

    fn parse_names(&self, names: &str) -> Result<Vec<Name>, Malformed> {
        names.split('\0').map(|name| Name::new(name).map_err(|_| self.malformed())).collect()
    }

    /// The payload without the NUL that ends its last string.
    fn text(&self) -> Result<&str, Malformed> {
        let bytes = self.payload.strip_suffix(&[0]).unwrap_or(&self.payload);
        str::from_utf8(bytes).map_err(|_| self.malformed())
    }

    const fn malformed(&self) -> Malformed {
        Malformed { asked: self.op, got: self.op }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reply(op: Op, payload: &[u8]) -> Reply {
        Reply { op, payload: payload.to_vec() }
    }

    #[test]
    fn an_empty_directory_has_no_names() {
        assert_eq!(reply(Op::DIRECTORY, b"").names(), Ok(vec![]));
    }

    #[test]
    fn names_are_separated_and_ended_by_nul() {
        let names = reply(Op::DIRECTORY, b"a\0dir\0").names().unwrap();
        assert_eq!(names, ["a", "dir"]);
    }

    #[test]
    fn a_name_with_a_slash_is_malformed() {
        let wrong = Malformed { asked: Op::DIRECTORY, got: Op::DIRECTORY };
        assert_eq!(reply(Op::DIRECTORY, b"a\0b/c\0").names(), Err(wrong));
        assert_eq!(reply(Op::DIRECTORY, b"a\0\0b\0").names(), Err(wrong));
        assert_eq!(reply(Op::DIRECTORY, b"\xff\0").names(), Err(wrong));
    }

    #[test]
    fn a_part_ends_in_one_empty_name_and_has_no_other() {
        let part = |payload: &[u8]| reply(Op::DIRECTORY_PART, payload).part();
        let wrong = Malformed { asked: Op::DIRECTORY_PART, got: Op::DIRECTORY_PART };
        assert_eq!(part(b"7\0a\0\0").map(|part| (part.len, part.last)), Ok((2, true)));
        assert_eq!(part(b"7\0a\0").map(|part| (part.len, part.last)), Ok((2, false)));
        assert_eq!(part(b"7\0\0").map(|part| (part.len, part.last)), Ok((0, true)));
        assert_eq!(part(b"7\0\0\0"), Err(wrong));
        assert_eq!(part(b"7\0"), Err(wrong));
    }

    #[test]
    fn a_value_keeps_all_its_bytes() {
        assert_eq!(reply(Op::READ, b"a\0\xff\0").into_value(), b"a\0\xff\0");
    }

    #[test]
    fn transaction_zero_is_no_transaction() {
        assert_eq!(reply(Op::TRANSACTION_START, b"17\0").tx(), Ok(TxId(17)));
        assert!(reply(Op::TRANSACTION_START, b"0\0").tx().is_err());
        assert!(reply(Op::TRANSACTION_START, b"x\0").tx().is_err());
    }

    #[test]
    fn permissions_and_paths_and_flags_are_read_with_or_without_the_last_nul() {
        assert_eq!(reply(Op::GET_PERMS, b"n0\0r5").perms().unwrap().to_string(), "n0,r5");
        assert_eq!(reply(Op::GET_DOMAIN_PATH, b"/a\0").path(), Ok(Path::from_static("/a")));
        assert_eq!(reply(Op::IS_DOMAIN_INTRODUCED, b"F\0").flag(), Ok(false));
        assert!(reply(Op::IS_DOMAIN_INTRODUCED, b"maybe\0").flag().is_err());
    }
}
