//! Operations that take more than one request: what to ask next, given the answers so far. Pure, so
//! that both clients share them.

mod listing;
mod looking;
mod retry;
mod subtree;
mod waiting;

pub(crate) use listing::Listing;
pub(crate) use looking::Looking;
pub(crate) use retry::{Retry, random_fraction, refused_commit};
pub(crate) use subtree::Walk;
pub(crate) use waiting::{Need, Waiting};

use crate::ask::Outcome;
use crate::error::Result;
use crate::proto::Request;

/// An operation in flights: all requests of a flight are sent before the first is answered.
pub(crate) trait Flow {
    /// What it is good for.
    type Output;

    /// The next flight.
    fn requests(&self) -> Vec<Request<'_>>;

    /// Takes the answers to [`Flow::requests`], one each in the same order. `None`: go on.
    fn take(&mut self, answers: Vec<Outcome>) -> Option<Result<Self::Output>>;
}
