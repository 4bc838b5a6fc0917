//! The one place that waits for children.
//!
//! As process 1 the agent inherits every orphan of dom0, so `waitpid(-1)` is needed, and it would
//! race with anybody who waits for one child: with `std`, which waits for a child that failed to
//! execute, and with signals sent to a pid that was reaped a moment ago. One lock settles both: it
//! is held while a child is started, while children are reaped, and while one is signalled.

use std::collections::HashMap;
use std::io;
use std::process::{Child, Command};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use rustix::io::Errno;
use rustix::process::{
    Pid, Signal, WaitId, WaitIdOptions, WaitOptions, kill_process_group, wait, waitid,
};

use crate::command::Progress;

#[derive(Debug, Default)]
pub(crate) struct Reaper {
    started: Mutex<HashMap<Pid, Arc<Progress>>>,
    grew: Condvar,
}

impl Reaper {
    /// Starts a child whose end `progress` will be told.
    pub(crate) fn spawn(
        &self,
        command: &mut Command,
        progress: &Arc<Progress>,
    ) -> io::Result<(Child, Pid)> {
        let mut started = self.lock();
        let child = command.spawn()?;
        let pid = Pid::from_child(&child);
        started.insert(pid, Arc::clone(progress));
        self.grew.notify_one();
        Ok((child, pid))
    }

    /// Signals the process group that `leader` leads, unless `leader` has ended.
    pub(crate) fn signal(&self, leader: Pid, signal: Signal) {
        let started = self.lock();
        if started.contains_key(&leader) {
            // The group exists as long as its leader is unreaped; no other error is possible for
            // process 1.
            let _ = kill_process_group(leader, signal);
        }
    }

    /// Reaps for ever.
    pub(crate) fn run(&self) -> ! {
        loop {
            match waitid(WaitId::All, WaitIdOptions::EXITED | WaitIdOptions::NOWAIT) {
                Err(Errno::CHILD) => self.sleep_until_a_child_starts(),
                // An interrupted wait looks once too often, which is harmless.
                _ => self.reap(),
            }
        }
    }

    fn reap(&self) {
        let mut started = self.lock();
        while let Ok(Some((pid, status))) = wait(WaitOptions::NOHANG) {
            if let Some(progress) = started.remove(&pid) {
                progress.ended(status);
            }
        }
    }

    fn sleep_until_a_child_starts(&self) {
        let started = self.lock();
        let woken = self.grew.wait_while(started, |started| started.is_empty());
        drop(woken.unwrap_or_else(PoisonError::into_inner));
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Pid, Arc<Progress>>> {
        self.started.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
