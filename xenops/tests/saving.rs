//! Suspending and saving a guest that answers well, late, otherwise or not at all, on an embedded
//! store. In place of Xen there is one domain with a state, and in place of libxenguest a save that
//! does the least.

#![allow(clippy::unwrap_used, reason = "also in what tests share")]

#[path = "saving/machine.rs"]
mod machine;
#[path = "../../xg/tests/images/sample.rs"]
mod sample;

use std::fs::File;
use std::os::fd::AsFd as _;
use std::time::Duration;

use machine::{Guest, Place, State};
use rustix::fs::{FileType, Mode, mknodat};
use xen_types::MiB;
use xenops::{
    Afterwards, Cause, CreateOptions, Deadline, DomainConfig, GuestKind, Kind, Limits, Problem,
    SaveOptions, SaveProgress, SavedFile,
};
use xg::image::{Envelope, Seal};

fn within(milliseconds: u64) -> Limits {
    Limits::until(Deadline::after(Duration::from_millis(milliseconds)))
}

fn save(place: &Place, limits: &Limits, options: &SaveOptions) -> xenops::Result<xenops::Saved> {
    let null = File::create("/dev/null").unwrap();
    place.host.save(machine::DOM, null.as_fd(), options, limits, &mut |_| ())
}

fn goes_on() -> SaveOptions {
    SaveOptions { afterwards: Afterwards::GoesOn, ..SaveOptions::default() }
}

#[test]
fn a_guest_that_suspends_is_saved_and_resumed_for_a_checkpoint() {
    let place = Place::new(Guest::Suspends(Duration::ZERO));
    save(&place, &within(20_000), &goes_on()).unwrap();
    assert_eq!(place.state(), State::Runs);
    assert_eq!(place.calls(), ["save", "resume cooperatively"]);
    assert_eq!(place.request(), "");
}

#[test]
fn a_request_that_the_guest_has_not_taken_is_withdrawn() {
    let place = Place::new(Guest::Deaf);
    let error = place.host.suspend(machine::DOM, &within(300)).unwrap_err();
    assert_eq!(error.kind(), Kind::TimedOut, "{error:?}");
    assert_eq!(
        error.cause().to_string(),
        "waited for the domain to suspend, last seen: running, the request is not acknowledged"
    );
    assert!(error.leftovers().is_empty(), "{error:?}");
    assert_eq!(place.request(), "");
    assert_eq!(place.calls(), Vec::<String>::new());
}

#[test]
fn a_suspension_that_comes_too_late_is_ended() {
    let place = Place::new(Guest::Suspends(Duration::from_millis(900)));
    let error = place.host.suspend(machine::DOM, &within(400)).unwrap_err();
    assert_eq!(error.kind(), Kind::TimedOut, "{error:?}");
    assert!(error.leftovers().is_empty(), "{error:?}");
    assert_eq!(place.state(), State::Runs);
    assert_eq!(place.calls(), ["resume cooperatively"]);
}

#[test]
fn a_guest_that_powers_off_instead_is_not_resumed() {
    let place = Place::new(Guest::PowersOff);
    let error = save(&place, &within(20_000), &goes_on()).unwrap_err();
    assert_eq!(error.kind(), Kind::Other, "{error:?}");
    assert_eq!(place.state(), State::Off);
    assert_eq!(place.calls(), ["save"]);
}

#[test]
fn another_request_is_not_overwritten() {
    let place = Place::new(Guest::Deaf);
    place.ask("poweroff");
    let error = place.host.suspend(machine::DOM, &within(20_000)).unwrap_err();
    assert_eq!(error.kind(), Kind::Busy, "{error:?}");
    assert_eq!(place.request(), "poweroff");
}

#[test]
fn a_paused_guest_is_not_asked() {
    let place = Place::new(Guest::Suspends(Duration::ZERO));
    place.set(State::Paused);
    let error = place.host.suspend(machine::DOM, &within(20_000)).unwrap_err();
    assert_eq!(error.kind(), Kind::Busy, "{error:?}");
    assert_eq!(place.request(), "");
}

#[test]
fn a_guest_that_is_suspended_already_is_left_so_by_a_save_that_fails() {
    let place = Place::new(Guest::Deaf);
    place.set(State::Suspended);
    place.fail_to_write();
    save(&place, &within(20_000), &goes_on()).unwrap_err();
    assert_eq!(place.state(), State::Suspended);
    assert_eq!(place.calls(), ["save"]);
}

#[test]
fn a_guest_that_suspended_for_a_save_which_fails_is_resumed_and_the_file_goes() {
    let place = Place::new(Guest::Suspends(Duration::ZERO));
    place.fail_to_write();
    let file = place.file("failed");
    let options = SaveOptions::default();
    let limits = within(20_000);
    let error = place
        .host
        .save_to_file(machine::DOM, &file, b"of 7", &options, &limits, &mut |_| ())
        .unwrap_err();
    assert_eq!(error.kind(), Kind::NoMemory, "{error:?}");
    assert_eq!(place.state(), State::Runs);
    assert!(!file.exists());
}

#[test]
fn a_save_cancelled_while_memory_is_written_leaves_the_guest_running_and_no_file() {
    let place = Place::new(Guest::Suspends(Duration::ZERO));
    let (file, limits) = (place.file("cancelled"), within(20_000));
    let mut told = |progress| {
        if matches!(progress, SaveProgress::Sent { .. }) {
            limits.cancel.request();
        }
    };
    let options = SaveOptions::default();
    let saved = place.host.save_to_file(machine::DOM, &file, b"", &options, &limits, &mut told);
    assert_eq!(saved.unwrap_err().kind(), Kind::Cancelled);
    assert_eq!(place.state(), State::Runs);
    assert_eq!(place.calls(), ["save", "resume cooperatively"]);
    assert!(!file.exists());
}

#[test]
fn a_file_is_sealed_when_the_save_is_over() {
    let place = Place::new(Guest::Suspends(Duration::ZERO));
    let file = place.file("sealed");
    let options = SaveOptions { afterwards: Afterwards::StaysSuspended, ..SaveOptions::default() };
    let limits = within(20_000);
    place.host.save_to_file(machine::DOM, &file, b"of 7", &options, &limits, &mut |_| ()).unwrap();
    assert_eq!(place.state(), State::Suspended);
    let bytes = std::fs::read(&file).unwrap();
    std::fs::remove_file(&file).unwrap();
    let (head, rest) = bytes.split_first_chunk().unwrap();
    let head = Envelope::decode(head).unwrap();
    assert_eq!(rest, b"of 7a stream");
    assert_eq!(head.stream, Some(Seal::of(b"a stream")));
}

#[test]
fn a_caller_that_panics_leaves_the_guest_running() {
    let place = Place::new(Guest::Suspends(Duration::ZERO));
    let null = File::create("/dev/null").unwrap();
    let (options, limits) = (SaveOptions::default(), within(20_000));
    let mut told = |progress| assert!(progress != SaveProgress::Suspended, "as told");
    let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        place.host.save(machine::DOM, null.as_fd(), &options, &limits, &mut told)
    }));
    assert_eq!(panicked.unwrap_err().downcast_ref(), Some(&"as told"));
    assert_eq!(place.state(), State::Runs);
}

#[test]
fn nothing_else_is_done_to_a_domain_while_it_is_saved() {
    let place = Place::new(Guest::Suspends(Duration::ZERO));
    let null = File::create("/dev/null").unwrap();
    let mut refused = Vec::new();
    let mut told = |progress| {
        if progress == SaveProgress::Suspended {
            refused.push(save(&place, &within(100), &goes_on()).map(drop));
            refused.push(place.host.suspend(machine::DOM, &within(100)));
            refused.push(place.host.destroy(machine::DOM, &within(100)));
        }
    };

    let options = goes_on();
    place.host.save(machine::DOM, null.as_fd(), &options, &within(20_000), &mut told).unwrap();

    let kinds: Vec<_> = refused.into_iter().map(|done| done.unwrap_err().kind()).collect();
    assert_eq!(kinds, [Kind::TimedOut; 3]);
    assert_eq!(place.calls(), ["save", "resume cooperatively"]);
}

#[test]
fn a_save_that_removes_the_domain_has_one_lock_from_its_beginning_to_its_end() {
    let place = Place::new(Guest::Suspends(Duration::ZERO));
    let begun = std::time::Instant::now();
    let _ = save(&place, &within(20_000), &SaveOptions::default());
    assert!(begun.elapsed() < Duration::from_secs(9), "it waited for itself");
}

#[test]
fn a_caller_that_panics_leaves_no_file() {
    let place = Place::new(Guest::Suspends(Duration::ZERO));
    let (file, options, limits) = (place.file("panic"), SaveOptions::default(), within(20_000));
    let mut told = |progress| assert!(progress != SaveProgress::Suspended, "as told");
    let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        place.host.save_to_file(machine::DOM, &file, b"", &options, &limits, &mut told)
    }));
    assert_eq!(panicked.unwrap_err().downcast_ref(), Some(&"as told"));
    assert_eq!(place.state(), State::Runs);
    assert!(!file.exists());
}

#[test]
fn a_fifo_is_refused_without_waiting_for_who_writes_to_it() {
    let folder = File::open(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let name = format!("fifo-{}", std::process::id());
    mknodat(&folder, &name, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
    let path = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    let error = SavedFile::open(&path).unwrap_err();
    std::fs::remove_file(&path).unwrap();
    assert_eq!(error.kind(), Kind::Invalid, "{error:?}");
    assert!(error.cause().to_string().ends_with(" is not a file"), "{error:?}");
}

#[test]
fn a_file_with_checkpoints_touches_no_domain() {
    let place = Place::new(Guest::Deaf);
    let header: &[(u16, u16, &[u8])] = &[(1, 0, &sample::HVM_HEADER), (0, 0, &[])];
    let state = sample::context(header);
    let stream = sample::hardware_until_state().record(9, &state).record(0xe, &[]);
    let stream = stream.record(9, &state).record(0, &[]).0;
    let head = Envelope::new(b"").sealed(Seal::of(&stream)).encode();
    let path = place.file("checkpoints");
    std::fs::write(&path, [&head[..], &stream].concat()).unwrap();
    let mut saved = SavedFile::open(&path).unwrap();
    std::fs::remove_file(&path).unwrap();
    let config = DomainConfig::new("web", GuestKind::Pvh, "/kernel", MiB(64));
    let restored = place.host.restore_from_file(
        &mut saved,
        &config,
        CreateOptions::default(),
        &within(20_000),
    );
    let error = restored.unwrap_err();
    assert!(matches!(error.cause(), Cause::Problem(Problem::Checkpoints(1))), "{error:?}");
    assert_eq!(error.kind(), Kind::Invalid);
    assert_eq!(place.calls(), Vec::<String>::new());
}
