//! Listing a directory of any length.
//!
//! ```text
//!   DIRECTORY ──▶ names
//!       └─ E2BIG ─▶ DIRECTORY_PART 0 ─▶ DIRECTORY_PART n ─▶ ... ─▶ the last part: names
//!                        ▲    └─ ENOSYS: the E2BIG            │
//!                        └────── another generation ──────────┘
//! ```
//!
//! The C daemon refuses a list over a packet's 4096 bytes and knows `DIRECTORY_PART`; oxenstored
//! sends the list whole to a socket (`proto::Mux` lets it through).

use super::Flow;
use crate::ask::Outcome;
use crate::error::{Cause, Error, Result, Subject};
use crate::path::{Name, Path};
use crate::proto::{ErrorCode, Request};

/// The children of one node.
#[derive(Debug)]
pub(crate) struct Listing {
    path: Path,
    parts: Option<Parts>,
    restarts: u32,
}

/// What the parts so far came to.
#[derive(Debug, Default)]
struct Parts {
    generation: Option<u64>,
    names: Vec<Name>,
    offset: u32,
}

impl Listing {
    pub(crate) const fn new(path: Path) -> Self {
        Self { path, parts: None, restarts: 0 }
    }

    pub(super) fn request(&self) -> Request<'_> {
        match &self.parts {
            None => Request::Directory(&self.path),
            Some(parts) => Request::DirectoryPart { path: &self.path, offset: parts.offset },
        }
    }

    pub(super) fn answered(&mut self, answer: Outcome) -> Option<Result<Vec<Name>>> {
        self.step(answer).map_err(|cause| self.failed(cause)).transpose()
    }

    fn step(&mut self, answer: Outcome) -> std::result::Result<Option<Vec<Name>>, Cause> {
        let Some(parts) = &mut self.parts else {
            return match answer {
                Ok(reply) => Ok(Some(reply.names()?)),
                Err(Cause::Code(ErrorCode::E2big)) => {
                    self.parts = Some(Parts::default());
                    Ok(None)
                }
                Err(cause) => Err(cause),
            };
        };
        let part = match answer {
            Ok(reply) => reply.part()?,
            // Not what was asked for: what was wrong in the first place.
            Err(Cause::Code(ErrorCode::Enosys)) => return Err(ErrorCode::E2big.into()),
            Err(cause) => return Err(cause),
        };
        if parts.generation.is_some_and(|generation| generation != part.generation) {
            self.restarts += 1;
            if self.restarts == MOST_RESTARTS {
                return Err(Cause::Conflicts { attempts: MOST_RESTARTS });
            }
            self.parts = Some(Parts::default());
            return Ok(None);
        }
        parts.generation = Some(part.generation);
        parts.names.extend(part.names);
        parts.offset = parts.offset.saturating_add(part.len);
        match part.last {
            true => Ok(Some(std::mem::take(&mut parts.names))),
            false if parts.offset > LONGEST => Err(ErrorCode::E2big.into()),
            false => Ok(None),
        }
    }

    fn failed(&self, cause: Cause) -> Error {
        Error::new("list", Subject::Node(self.path.clone()), cause)
    }
}

impl Flow for Listing {
    type Output = Vec<Name>;

    fn requests(&self) -> Vec<Request<'_>> {
        vec![self.request()]
    }

    fn take(&mut self, answers: Vec<Outcome>) -> Option<Result<Vec<Name>>> {
        answers.into_iter().find_map(|answer| self.answered(answer))
    }
}

/// A node that changes faster than it can be listed is somebody's attack or mistake.
const MOST_RESTARTS: u32 = 100;

/// In bytes: what a guest can put into one directory, and as much again.
const LONGEST: u32 = 4 * 1024 * 1024;

#[cfg(test)]
mod tests;
