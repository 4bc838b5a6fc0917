//! Writing a domain into a stream.

use std::fs::File;
use std::io::Write as _;
use std::os::fd::{AsFd as _, FromRawFd as _};
use std::sync::{Arc, Mutex};

use xen_abi::{Call, Stub};
use xen_types::PageCount;
use xg::{
    Checkpoint, Error, Kind, Precopied, Precopy, SaveOptions, SavePhase, Saving, Stopped,
    StreamKind,
};

use crate::called_back::{Logger, Table};
use crate::opened::{DOM, Opened, on_releases};

/// Answers as told, and notes what it was asked.
#[derive(Default)]
struct Told {
    asked: Vec<String>,
    refuses: Option<&'static str>,
    panics: Option<&'static str>,
    /// After so many questions it does not want to go on.
    patience: Option<usize>,
    checkpoints: usize,
}

impl Told {
    fn refusing(question: &'static str) -> Self {
        Self { refuses: Some(question), ..Self::default() }
    }

    fn note(&mut self, question: String) -> Result<(), Stopped> {
        let is = |name: Option<&str>| name.is_some_and(|name| question.starts_with(name));
        let (refused, panics) = (is(self.refuses), is(self.panics));
        self.asked.push(question);
        assert!(!panics, "as told");
        if refused { Err(Stopped) } else { Ok(()) }
    }
}

impl Saving for Told {
    fn suspend(&mut self) -> Result<(), Stopped> {
        self.note("suspend".into())
    }
    fn go_on(&mut self) -> bool {
        self.patience.is_none_or(|patience| self.asked.len() < patience)
    }
    fn precopy(&mut self, so_far: &Precopied) -> Precopy {
        let dirty = so_far.dirty.map(|pages| pages.0);
        let question = format!("precopy {} {} {dirty:?}", so_far.rounds, so_far.sent.0);
        self.note(question).map_or(Precopy::Abort, |()| Precopy::Continue)
    }
    fn progress(&mut self, sent: PageCount, of: PageCount) {
        self.note(format!("progress {} {}", sent.0, of.0)).unwrap();
    }
    fn log_dirty(&mut self, enable: bool) -> Result<(), Stopped> {
        self.note(format!("log_dirty {enable}"))
    }
    fn resume(&mut self) -> Result<(), Stopped> {
        self.note("resume".into())
    }
    fn checkpoint(&mut self) -> Result<Checkpoint, Stopped> {
        self.note("checkpoint".into())?;
        self.checkpoints = self.checkpoints.saturating_sub(1);
        Ok(if self.checkpoints == 0 { Checkpoint::Last } else { Checkpoint::Another })
    }
}

/// What the library does in a save is written down here: what it was answered.
type Answers = Arc<Mutex<Vec<i32>>>;

/// A save that does this with the functions it is given.
fn saves(
    stub: &Stub,
    does: impl Fn(&Call<'_>, &Table, &mut Vec<i32>) -> i64 + Send + Sync + 'static,
) -> Answers {
    let (answers, minor) = (Answers::default(), stub.minor());
    let written = Arc::clone(&answers);
    stub.on("xc_domain_save", move |call| {
        let table = Table::of(call, 4, "struct save_callbacks", minor);
        does(call, &table, &mut written.lock().unwrap())
    });
    answers
}

fn save(opened: &Opened, options: &SaveOptions, told: &mut Told) -> xg::Result<xg::Saved> {
    let file = File::create("/dev/null").unwrap();
    opened.xg.save(DOM, file.as_fd(), options, told)
}

fn checkpoints() -> SaveOptions {
    let mut options = SaveOptions::LIVE;
    options.stream = StreamKind::Checkpoints;
    options
}

/// What a live save asks: before, during and after the rounds.
fn live(_: &Call<'_>, table: &Table, answers: &mut Vec<i32>) -> i64 {
    answers.push(table.log_dirty(5, 1));
    answers.push(table.policy(0, 0, 65_536));
    answers.push(table.policy(1, 65_536, -1));
    answers.push(table.policy(1, 65_536, 49));
    answers.push(table.call("suspend"));
    answers.push(table.log_dirty(5, 0));
    0
}

/// The phase of a failed save, and its kind.
fn failure(saved: xg::Result<xg::Saved>) -> (SavePhase, Kind) {
    let error = saved.unwrap_err();
    let kind = error.kind();
    let Error::Save { phase, .. } = error else { panic!("{error:?}") };
    (phase, kind)
}

on_releases! {
    [xen_4_15: 15, xen_4_16: 16, xen_4_17: 17, xen_4_18: 18, xen_4_19: 19, xen_4_20: 20, xen_4_21: 21,
     xen_4_22: 22]

    fn a_still_save_passes_no_flag_and_asks_to_suspend(opened) {
        let answers = saves(&opened.stub, |call, table, answers| {
            assert_eq!((call.number(2), call.number(3), call.number(5)), (5, 0, 0));
            assert_eq!(call.signed(6), -1);
            assert!(!table.has("wait_checkpoint"));
            answers.push(table.call("suspend"));
            0
        });
        let mut told = Told::default();
        save(opened, &SaveOptions::STILL, &mut told).unwrap();
        assert_eq!(told.asked, ["suspend"]);
        assert_eq!(*answers.lock().unwrap(), [1]);
        assert!(opened.calls()[0].starts_with("xc_domain_save("));
    }

    fn a_live_save_is_asked_with_what_was_sent_and_keeps_the_limits(opened) {
        let answers = saves(&opened.stub, |call, table, answers| {
            assert_eq!(call.number(3), 1);
            live(call, table, answers)
        });
        let mut told = Told::default();
        save(opened, &SaveOptions::LIVE, &mut told).unwrap();
        assert_eq!(*answers.lock().unwrap(), [0, 0, 0, 1, 1, 0]);
        assert_eq!(
            told.asked,
            ["log_dirty true", "precopy 0 0 Some(65536)", "precopy 1 65536 None",
             "precopy 1 65536 Some(49)", "suspend", "log_dirty false"]
        );
    }

    fn a_live_save_given_up_between_rounds_aborts_and_logs_no_more(opened) {
        let answers = saves(&opened.stub, |call, table, answers| {
            live(call, table, answers);
            call.fail(0)
        });
        let mut told = Told::refusing("precopy 1 65536 None");
        let failed = failure(save(opened, &SaveOptions::LIVE, &mut told));
        assert_eq!(failed, (SavePhase::Precopy, Kind::Cancelled));
        // After the refusal nobody is asked, except to stop logging.
        assert_eq!(*answers.lock().unwrap(), [0, 0, -1, -1, 0, 0]);
        assert_eq!(told.asked.last().map(String::as_str), Some("log_dirty false"));
        assert!(!told.asked.contains(&"suspend".to_owned()));
    }

    fn a_domain_that_does_not_suspend_ends_the_save_and_runs(opened) {
        let answers = saves(&opened.stub, |call, table, answers| {
            answers.push(table.call("suspend"));
            call.fail(0)
        });
        let mut told = Told::refusing("suspend");
        let failed = failure(save(opened, &SaveOptions::STILL, &mut told));
        assert_eq!(failed, (SavePhase::Suspending, Kind::Cancelled));
        assert_eq!(*answers.lock().unwrap(), [0]);
    }

    fn a_save_that_fails_after_the_suspension_says_so_with_its_errno(opened) {
        saves(&opened.stub, |call, table, answers| {
            answers.push(table.call("suspend"));
            call.fail(28)
        });
        let error = save(opened, &SaveOptions::STILL, &mut Told::default()).unwrap_err();
        assert_eq!(error.to_string(), "save domain 5, after it had suspended");
        assert_eq!(error.kind(), Kind::NoMemory);
    }

    fn a_caller_who_does_not_want_to_begin_calls_nothing(opened) {
        let mut told = Told { patience: Some(0), ..Told::default() };
        let failed = failure(save(opened, &SaveOptions::STILL, &mut told));
        assert_eq!(failed, (SavePhase::Starting, Kind::Cancelled));
        assert_eq!(opened.calls(), Vec::<String>::new());
    }

    fn a_save_stopped_while_memory_is_sent_can_write_no_more(opened) {
        let logger = Logger::of(&opened.stub);
        let reports = logger.clone();
        let answers = saves(&opened.stub, move |call, table, answers| {
            answers.push(table.call("suspend"));
            let descriptor = call.signed(1).try_into().unwrap();
            // SAFETY: must be an open descriptor: the caller's, which stays the caller's.
            let mut to = std::mem::ManuallyDrop::new(unsafe { File::from_raw_fd(descriptor) });
            reports.report(c"Frames", 0, 4096);
            answers.push(to.write(b"a page").is_ok().into());
            reports.report(c"Frames", 1024, 4096);
            answers.push(to.write(b"a page").is_ok().into());
            call.fail(9)
        });
        let mut told = Told { patience: Some(3), ..Told::default() };
        let failed = failure(save(opened, &SaveOptions::STILL, &mut told));
        assert_eq!(failed, (SavePhase::Suspended, Kind::Cancelled));
        assert_eq!(told.asked, ["suspend", "progress 0 4096", "progress 1024 4096"]);
        assert_eq!(*answers.lock().unwrap(), [1, 1, 0]);
    }

    fn what_is_sent_is_counted_by_rounds(opened) {
        let logger = Logger::of(&opened.stub);
        saves(&opened.stub, move |_, _, _| {
            logger.report(c"Start of stream", 0, 0);
            logger.report(c"Frames iteration 0", 0, 5000);
            logger.report(c"Frames iteration 0", 5000, 5000);
            logger.report(c"Frames iteration 1", 0, 70);
            logger.report(c"Frames iteration 1", 70, 70);
            0
        });
        let saved = save(opened, &SaveOptions::LIVE, &mut Told::default()).unwrap();
        assert_eq!((saved.rounds, saved.frames), (2, PageCount(5070)));
    }

    fn a_stream_of_checkpoints_lets_the_domain_go_on_after_each(opened) {
        let answers = saves(&opened.stub, |call, table, answers| {
            assert_eq!(call.number(5), 1);
            for _ in 0..2 {
                answers.push(table.call("suspend"));
                answers.push(table.call("postcopy"));
                answers.push(table.call("checkpoint"));
            }
            0
        });
        let mut told = Told { checkpoints: 2, ..Told::default() };
        let options = checkpoints();
        save(opened, &options, &mut told).unwrap();
        assert_eq!(*answers.lock().unwrap(), [1, 1, 1, 1, 1, 0]);
        assert_eq!(
            told.asked,
            ["suspend", "resume", "checkpoint", "suspend", "resume", "checkpoint"]
        );
    }

    fn a_domain_that_goes_on_after_a_checkpoint_is_not_said_to_be_suspended(opened) {
        let answers = saves(&opened.stub, |call, table, answers| {
            answers.push(table.call("suspend"));
            answers.push(table.call("postcopy"));
            answers.push(table.call("checkpoint"));
            call.fail(0)
        });
        let options = checkpoints();
        let failed = failure(save(opened, &options, &mut Told::refusing("checkpoint")));
        assert_eq!(failed, (SavePhase::Starting, Kind::Cancelled));
        assert_eq!(*answers.lock().unwrap(), [1, 1, -1]);
    }

    fn a_panic_in_a_callback_passes_the_library_by_and_nobody_is_asked_again(opened) {
        let answers = saves(&opened.stub, |call, table, answers| {
            live(call, table, answers);
            call.fail(0)
        });
        let mut told = Told { panics: Some("precopy 1 65536 None"), ..Told::default() };
        let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            save(opened, &SaveOptions::LIVE, &mut told)
        }));
        assert_eq!(panicked.unwrap_err().downcast_ref(), Some(&"as told"));
        assert_eq!(*answers.lock().unwrap(), [0, 0, -1, -1, 0, -1]);
        assert_eq!(told.asked.len(), 3);
        // The handle was closed on the way out.
        let calls = opened.stub.calls();
        assert_eq!(calls.last().map(String::as_str), Some("xc_interface_close()"));
    }

    fn a_panic_while_memory_is_sent_takes_the_stream_away(opened) {
        let logger = Logger::of(&opened.stub);
        let answers = saves(&opened.stub, move |call, _, answers| {
            let descriptor = call.signed(1).try_into().unwrap();
            // SAFETY: must be an open descriptor: the caller's, which stays the caller's.
            let mut to = std::mem::ManuallyDrop::new(unsafe { File::from_raw_fd(descriptor) });
            logger.report(c"Frames", 0, 4096);
            answers.push(to.write(b"a page").is_ok().into());
            call.fail(9)
        });
        let mut told = Told { panics: Some("progress"), ..Told::default() };
        let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            save(opened, &SaveOptions::STILL, &mut told)
        }));
        assert_eq!(panicked.unwrap_err().downcast_ref(), Some(&"as told"));
        assert_eq!(*answers.lock().unwrap(), [0]);
    }
}
