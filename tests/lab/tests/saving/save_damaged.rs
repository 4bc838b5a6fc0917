//! Saved guests that were damaged: they leave no domain.

use std::error::Error as _;
use std::fs::OpenOptions;
use std::os::unix::fs::FileExt as _;

use xenops::{
    Afterwards, CreateOptions, DomainConfig, GuestKind, Host, Kind, SaveProgress, SavedFile,
};

use crate::counting::{Counting, config, minutes};
use crate::dom0::Leavings;
use crate::support::{Image, host, renamed, restore, runs_on, save, still};

/// A restore that fails, says this, and leaves nothing.
fn refused(host: &Host, image: &Image, config: &DomainConfig, says: &str) {
    let before = Leavings::now();
    let Err(error) = restore(host, image, config) else { panic!("it was restored") };
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    assert!(text.contains(says), "{says:?} is not in {text:?}");
    assert!(error.leftovers().is_empty(), "{error:?}");
    before.assert_unchanged();
}

#[test]
#[ignore = "runs in dom0: cargo xtask lab test"]
fn a_broken_save_is_refused_and_leaves_no_domain() {
    let host = host();
    let config = config("broken", GuestKind::Pv, "");
    let guest = Counting::start(&host, &config);
    let image = Image::new("broken");
    save(&host, guest.id, &image, &still(Afterwards::Removed));
    let file = OpenOptions::new().write(true).open(&image.0).expect("it was saved");
    let whole = file.metadata().expect("it is there").len();

    // The version is in the head of the stream (docs/specs/libxc-migration-stream.pandoc).
    file.write_all_at(&[9], 15).expect("write");
    refused(&host, &image, &config, "Invalid Version: Expected 2 <= ver <= 3, Got 9");
    file.write_all_at(&[3, 0, 1], 15).expect("write");
    refused(&host, &image, &config, "Unable to handle big endian streams");
    file.write_all_at(&[0], 17).expect("write");
    refused(&host, &image, &of_other_kind(&config), "Unable to restore");
    file.set_len(whole / 2).expect("truncate");
    refused(&host, &image, &config, "restore domain");
    file.set_len(0).expect("truncate");
    refused(&host, &image, &config, "Failed to read Image Header from stream");
}

/// The same guest, as one of the other kind.
fn of_other_kind(config: &DomainConfig) -> DomainConfig {
    let mut config = config.clone();
    config.kind = if config.kind == GuestKind::Pv { GuestKind::Pvh } else { GuestKind::Pv };
    config
}

#[test]
#[ignore = "runs in dom0: cargo xtask lab test"]
fn a_saved_file_that_was_damaged_costs_no_domain() {
    let host = host();
    let config = config("sealed", GuestKind::Pvh, "");
    let guest = Counting::start(&host, &config);
    let sum = guest.checksum();
    let image = Image::new("sealed");
    // A save that fails leaves no file.
    let limits = minutes(5);
    let mut cancel = |progress| {
        if progress == SaveProgress::Suspended {
            limits.cancel.request();
        }
    };
    let options = still(Afterwards::Removed);
    let failed = host.save_to_file(guest.id, &image.0, b"", &options, &limits, &mut cancel);
    runs_on(&guest, &failed.unwrap_err(), Kind::Cancelled);
    assert!(!image.0.exists());
    host.save_to_file(guest.id, &image.0, b"of sealed", &options, &minutes(5), &mut |_| ())
        .expect("save");
    let before = Leavings::now();

    let file = OpenOptions::new().read(true).write(true).open(&image.0).expect("it was saved");
    let size = file.metadata().expect("it is there").len();
    let mut byte = [0];
    file.read_exact_at(&mut byte, size / 2).expect("read");
    file.write_all_at(&[byte[0] ^ 1], size / 2).expect("write");
    let flipped = SavedFile::open(&image.0).unwrap_err();
    assert_eq!(flipped.kind(), Kind::Invalid, "{flipped:?}");
    file.write_all_at(&byte, size / 2).expect("write");
    let mut saved = SavedFile::open(&image.0).expect("it is whole again");
    assert_eq!(saved.description(), b"of sealed");
    let other = of_other_kind(&config);
    let options = CreateOptions::default();
    let other = host.restore_from_file(&mut saved, &other, options, &minutes(5)).unwrap_err();
    assert_eq!(other.kind(), Kind::Invalid, "{other:?}");
    before.assert_unchanged();

    let config = renamed(&config, "sealed-again");
    let id = host.restore_from_file(&mut saved, &config, options, &minutes(5)).expect("restore");
    let again = Counting { id, name: config.name };
    again.goes_on();
    assert_eq!(again.checksum(), sum);
    let exists =
        host.save_to_file(id, &image.0, b"", &still(Afterwards::GoesOn), &minutes(5), &mut |_| ());
    assert_eq!(exists.unwrap_err().kind(), Kind::Exists);
    file.set_len(size - 1).expect("truncate");
    assert_eq!(SavedFile::open(&image.0).unwrap_err().kind(), Kind::Invalid);
}
