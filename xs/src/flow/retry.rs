//! How often a transaction is tried again, and after which pause.

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::time::Duration;

use crate::error::Cause;
use crate::proto::ErrorCode;

/// The attempts of one transaction.
#[derive(Debug, Default)]
pub(crate) struct Retry {
    lost: u32,
}

impl Retry {
    /// The pause after an attempt that met a conflict. `remaining` is what is left until the
    /// deadline; `random`, from 0 to 1, keeps those who met from meeting again.
    pub(crate) fn pause(
        &mut self,
        remaining: Option<Duration>,
        random: f64,
    ) -> Result<Duration, Cause> {
        let pause = FIRST_PAUSE.saturating_mul(1 << self.lost.min(7)).mul_f64(random);
        self.lost += 1;
        if self.lost == ATTEMPTS || remaining.is_some_and(|remaining| remaining <= pause) {
            return Err(Cause::Conflicts { attempts: self.lost });
        }
        Ok(pause)
    }
}

/// What the refusal of a commit means.
///
/// oxenstored 4.17 says EINVAL for some conflicts: looking for who caused it, it compares
/// connections, which OCaml may refuse (`history.ml`, `filter_connections`). Nothing has been
/// changed then; and the request has nothing else that could be invalid.
pub(crate) fn refused_commit(cause: Cause) -> Cause {
    match cause {
        Cause::Code(ErrorCode::Einval) => Cause::Code(ErrorCode::Eagain),
        other => other,
    }
}

/// Between 0 and 1. The standard library seeds each `RandomState` differently.
pub(crate) fn random_fraction() -> f64 {
    let random = RandomState::new().hash_one(());
    f64::from((random >> 32) as u32) / f64::from(u32::MAX)
}

/// With the pauses below about 3 s in all.
const ATTEMPTS: u32 = 100;

/// Doubled up to 64 ms, and each multiplied by a random fraction.
const FIRST_PAUSE: Duration = Duration::from_micros(500);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_a_limit() {
        let mut retry = Retry::default();
        let pauses: Vec<_> = (0..10).map(|_| retry.pause(None, 1.0).unwrap().as_micros()).collect();
        assert_eq!(pauses, [500, 1000, 2000, 4000, 8000, 16_000, 32_000, 64_000, 64_000, 64_000]);
    }

    #[test]
    fn a_hundred_lost_races_are_enough() {
        let mut retry = Retry::default();
        assert_eq!((1..100).filter(|_| retry.pause(None, 0.0).is_ok()).count(), 99);
        let given_up = retry.pause(None, 0.0).unwrap_err();
        assert_eq!(given_up.to_string(), "lost 100 races against other changes");
    }

    #[test]
    fn no_pause_outlasts_the_deadline() {
        let mut retry = Retry::default();
        assert!(retry.pause(Some(Duration::from_micros(251)), 0.5).is_ok());
        assert!(retry.pause(Some(Duration::from_micros(500)), 0.5).is_err());
    }
}
