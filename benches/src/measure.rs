//! Fair comparison: every contender in every round, in shuffled order, and ratios of each round.
//!
//! A shared machine gets slower and faster by the second. What is measured within some milliseconds
//! of each other has seen the same machine, so the ratio of one round says more than the ratio of
//! two means, and the median of such ratios does not care about the rounds that were disturbed.

use std::collections::hash_map::RandomState;
use std::fmt;
use std::hash::BuildHasher as _;
use std::time::Duration;

use anyhow::{Context as _, Result};

/// Somebody who can do a job.
pub struct Contender<'a> {
    /// How the table calls it.
    pub name: &'static str,
    job: Box<dyn Fn(usize) -> Result<Duration> + 'a>,
}

/// Nanoseconds per operation, one for each round.
#[derive(Debug, Clone, PartialEq)]
pub struct Samples(Vec<f64>);

/// The middle of some numbers, and the half of them around it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Spread {
    /// A quarter is below.
    pub lower: f64,
    /// Half is below.
    pub median: f64,
    /// A quarter is above.
    pub upper: f64,
}

impl<'a> Contender<'a> {
    /// `job` carries out that many operations on a connection of its own, made for this call and
    /// closed again, and returns how long the operations took.
    ///
    /// So no contender pays for the idle connections of the others, which the daemon polls too.
    pub fn new(name: &'static str, job: impl Fn(usize) -> Result<Duration> + 'a) -> Self {
        Self { name, job: Box::new(job) }
    }

    /// Carries out the job.
    ///
    /// # Errors
    /// If an operation fails or returns what is wrong.
    pub fn run(&self, operations: usize) -> Result<Duration> {
        (self.job)(operations).with_context(|| self.name)
    }
}

impl fmt::Debug for Contender<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Contender").field("name", &self.name).finish_non_exhaustive()
    }
}

/// Measures all contenders for some rounds of `operations` each.
///
/// # Errors
/// If one of them fails.
pub fn measure(
    contenders: &[Contender<'_>],
    rounds: usize,
    operations: usize,
) -> Result<Vec<Samples>> {
    let mut samples = vec![Samples(Vec::with_capacity(rounds)); contenders.len()];
    for contender in contenders {
        contender.run(operations)?; // caches, the daemon's memory, lazy binding
    }
    let mut order: Vec<usize> = (0..contenders.len()).collect();
    for _ in 0..rounds {
        shuffle(&mut order);
        for &index in &order {
            let took = contenders[index].run(operations)?;
            samples[index].0.push(took.as_secs_f64() * 1e9 / operations as f64);
        }
    }
    Ok(samples)
}

/// Has every job done once to warm up and then once a round, in shuffled order; how long each of its
/// steps took.
///
/// # Errors
/// If one of them fails.
pub fn in_turn<const N: usize>(
    jobs: &[&dyn Fn() -> Result<[Duration; N]>],
    rounds: usize,
) -> Result<Vec<[Samples; N]>> {
    let mut samples = vec![[(); N].map(|()| Samples(Vec::with_capacity(rounds))); jobs.len()];
    for job in jobs {
        job()?;
    }
    let mut order: Vec<usize> = (0..jobs.len()).collect();
    for _ in 0..rounds {
        shuffle(&mut order);
        for &index in &order {
            for (step, took) in samples[index].iter_mut().zip(jobs[index]()?) {
                step.0.push(took.as_secs_f64() * 1e9);
            }
        }
    }
    Ok(samples)
}

impl Samples {
    /// The shortest and the longest.
    pub fn range(&self) -> (f64, f64) {
        let least = self.0.iter().copied().fold(f64::INFINITY, f64::min);
        (least, self.0.iter().copied().fold(0.0, f64::max))
    }

    /// How long an operation took.
    pub fn spread(&self) -> Spread {
        spread(self.0.clone())
    }

    /// How much longer an operation took than with `peer`, round by round.
    pub fn over(&self, peer: &Self) -> Spread {
        spread(self.0.iter().zip(&peer.0).map(|(own, its)| own / its).collect())
    }
}

/// The median of some numbers, and their quartiles.
pub fn spread(mut numbers: Vec<f64>) -> Spread {
    numbers.sort_by(f64::total_cmp);
    let at = |quarters: usize| quantile(&numbers, quarters);
    Spread { lower: at(1), median: at(2), upper: at(3) }
}

/// Between the two nearest of the sorted numbers.
fn quantile(sorted: &[f64], quarters: usize) -> f64 {
    let Some(last) = sorted.len().checked_sub(1) else {
        return f64::NAN;
    };
    let (below, rest) = (last * quarters / 4, last * quarters % 4);
    let above = (below + 1).min(last);
    sorted[below] + (sorted[above] - sorted[below]) * rest as f64 / 4.0
}

fn shuffle(order: &mut [usize]) {
    for last in (1..order.len()).rev() {
        // The standard library seeds each `RandomState` differently.
        let random = RandomState::new().hash_one(last);
        let other = usize::try_from(random % (last as u64 + 1)).unwrap_or(last);
        order.swap(last, other);
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use super::*;

    #[test]
    fn quartiles_lie_between_the_nearest_numbers() {
        let expected = Spread { lower: 1.75, median: 2.5, upper: 3.25 };
        assert_eq!(spread(vec![4.0, 1.0, 3.0, 2.0]), expected);
    }

    #[test]
    fn a_ratio_is_taken_within_a_round() {
        let own = Samples(vec![10.0, 200.0, 30.0]);
        let peer = Samples(vec![5.0, 100.0, 15.0]);
        assert_eq!(own.over(&peer), Spread { lower: 2.0, median: 2.0, upper: 2.0 });
    }

    #[test]
    fn every_contender_runs_once_to_warm_up_and_once_a_round() {
        let runs = RefCell::new(Vec::new());
        let contender = |name| {
            let runs = &runs;
            Contender::new(name, move |operations| {
                runs.borrow_mut().push((name, operations));
                Ok(Duration::from_nanos(70))
            })
        };
        let samples = measure(&[contender("a"), contender("b")], 2, 7).unwrap();
        assert_eq!(samples, [Samples(vec![10.0; 2]), Samples(vec![10.0; 2])]);
        runs.borrow_mut().sort_unstable();
        assert_eq!(*runs.borrow(), [[("a", 7); 3], [("b", 7); 3]].concat());
    }

    #[test]
    fn each_step_of_a_job_has_samples_of_its_own() {
        let job = || Ok([Duration::from_nanos(3), Duration::from_nanos(5)]);
        let samples = in_turn(&[&job], 2).unwrap();
        assert_eq!(samples, [[Samples(vec![3.0; 2]), Samples(vec![5.0; 2])]]);
    }

    #[test]
    fn a_range_goes_from_the_shortest_to_the_longest() {
        assert_eq!(Samples(vec![2.0, 1.0, 3.0]).range(), (1.0, 3.0));
    }

    #[test]
    fn shuffling_loses_nobody() {
        let mut order = [0, 1, 2, 3, 4];
        shuffle(&mut order);
        order.sort_unstable();
        assert_eq!(order, [0, 1, 2, 3, 4]);
    }
}
