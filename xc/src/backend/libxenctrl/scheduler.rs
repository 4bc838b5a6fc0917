//! Schedulers and CPU pools.

use super::{LibXenCtrl, call};
use crate::backend::{CallError, SchedulerCalls};

impl SchedulerCalls for LibXenCtrl {
    fn sched_id(&self) -> Result<i32, CallError> {
        let mut id = 0;
        call!(self, scheduler.sched_id(&mut id))?;
        Ok(id)
    }
}
