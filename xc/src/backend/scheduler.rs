//! Schedulers and CPU pools.

calls! {
    /// Schedulers and CPU pools.
    pub trait SchedulerCalls;

    "xc_sched_id" fn sched_id(&self) -> i32;
}
