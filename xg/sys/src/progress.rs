//! How far a call has come, told while it runs.
//!
//! libxenguest reports progress through the logger of its handle, on the thread that called it. So
//! an observer is known by thread, for the time of one call, and holds up the call while it is
//! told.

use std::any::Any;
use std::cell::RefCell;
use std::ffi::CStr;
use std::mem;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

/// How far a call has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress<'a> {
    /// What it does, in libxenguest's words.
    pub doing: &'a str,
    /// How much of that is done; libxenguest counts frames.
    pub done: u64,
    /// How much of it there is; 0 for something that is just said.
    pub total: u64,
}

/// Runs `call` and tells `observer` meanwhile of the progress that the library reports on this
/// thread.
///
/// # Panics
/// If `call` does, or `observer` did: then once `call` has returned, and it was told no more.
pub fn observe_progress<R>(observer: &mut dyn FnMut(Progress<'_>), call: impl FnOnce() -> R) -> R {
    let observer: *mut (dyn FnMut(Progress<'_>) + '_) = observer;
    // SAFETY: a type that differs in the lifetime alone: the pointer is taken back before this
    // function returns, which the lifetime outlives.
    let observer = unsafe {
        mem::transmute::<
            *mut (dyn FnMut(Progress<'_>) + '_),
            *mut (dyn FnMut(Progress<'_>) + 'static),
        >(observer)
    };
    let outer = Unobserve(OBSERVER.replace(Observer { observer: Some(observer), panic: None }));
    let result = call();
    let panic = OBSERVER.take().panic;
    drop(outer);
    if let Some(panic) = panic {
        resume_unwind(panic);
    }
    result
}

/// Tells the observer of this thread, if there is one. Does not panic.
pub(crate) fn tell(doing: &CStr, done: u64, total: u64) {
    if let Some(observer) = OBSERVER.with_borrow_mut(|state| state.observer.take()) {
        // SAFETY: must live, and nobody else use it: `observe_progress` keeps it until the call
        // that is under way returns, and while it runs here it is out of reach.
        let told = unsafe { &mut *observer };
        let outcome = catch_unwind(AssertUnwindSafe(|| {
            told(Progress { doing: &doing.to_string_lossy(), done, total });
        }));
        OBSERVER.with_borrow_mut(|state| match outcome {
            Ok(()) => state.observer = Some(observer),
            Err(panic) => state.panic = Some(panic),
        });
    }
}

/// Whom the library's progress on this thread is told.
#[derive(Default)]
struct Observer {
    /// Absent while it is being told.
    observer: Option<*mut dyn FnMut(Progress<'_>)>,
    /// What it panicked with.
    panic: Option<Box<dyn Any + Send>>,
}

/// Puts back an outer observer, also when the call panics.
struct Unobserve(Observer);

impl Drop for Unobserve {
    fn drop(&mut self) {
        OBSERVER.set(mem::take(&mut self.0));
    }
}

thread_local! {
    static OBSERVER: RefCell<Observer> =
        const { RefCell::new(Observer { observer: None, panic: None }) };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn progress_during_a_call_is_told_and_no_other() {
        let mut told = Vec::new();
        tell(c"before", 1, 2);
        let answer =
            observe_progress(&mut |p| told.push((p.doing.to_owned(), p.done, p.total)), || {
                tell(c"Frames", 1024, 4096);
                tell(c"Complete", 0, 0);
                7
            });
        tell(c"after", 1, 2);
        assert_eq!(answer, 7);
        assert_eq!(told, [("Frames".to_owned(), 1024, 4096), ("Complete".to_owned(), 0, 0)]);
    }

    #[test]
    fn an_inner_observer_keeps_its_progress_from_the_outer() {
        let (mut outer, mut inner) = (0, 0);
        observe_progress(&mut |p| outer += p.done, || {
            observe_progress(&mut |p| inner += p.done, || tell(c"inner", 1, 9));
            tell(c"outer", 10, 90);
        });
        assert_eq!((outer, inner), (10, 1));
    }

    #[test]
    fn an_observer_that_panics_is_told_no_more_and_panics_after_the_call() {
        let (mut told, mut finished) = (0, false);
        let panicked = catch_unwind(AssertUnwindSafe(|| {
            observe_progress(
                &mut |_| {
                    told += 1;
                    panic!("broken observer")
                },
                || {
                    tell(c"one", 0, 1);
                    tell(c"two", 1, 1);
                    finished = true;
                },
            );
        }));
        assert_eq!(panicked.unwrap_err().downcast_ref(), Some(&"broken observer"));
        assert_eq!((told, finished), (1, true));
    }
}
