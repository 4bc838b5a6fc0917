//! What the tests share: a host, files for saved guests, and how they are saved.

use std::fs::{self, File};
use std::os::fd::AsFd as _;
use std::path::{Path, PathBuf};

use xen_types::DomId;
use xenops::{Afterwards, CreateOptions, DomainConfig, Error, Host, Kind, SaveOptions, Saved};
use xg::Xg;
use xs::Client;

use crate::answered;
use crate::counting::{Counting, minutes};

/// The host, whose calls are written down.
pub(crate) fn host() -> Host {
    let xc = answered::open().expect("open the hypervisor");
    let builder = Xg::open(&xc).expect("open the domain builder");
    Host::from_parts(Client::open().expect("open the store"), xc, builder)
}

/// A file with a saved guest, removed with the test: dom0's memory holds files as well.
pub(crate) struct Image(pub(crate) PathBuf);

impl Image {
    pub(crate) fn new(name: &str) -> Self {
        Self(Path::new("/tmp").join(format!("{name}.image")))
    }

    pub(crate) fn write(&self) -> File {
        File::create(&self.0).expect("/tmp is writable in dom0")
    }

    pub(crate) fn read(&self) -> File {
        File::open(&self.0).expect("it was saved")
    }
}

impl Drop for Image {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

pub(crate) fn still(afterwards: Afterwards) -> SaveOptions {
    SaveOptions { afterwards, ..SaveOptions::default() }
}

pub(crate) fn live(afterwards: Afterwards) -> SaveOptions {
    SaveOptions { live: true, ..still(afterwards) }
}

pub(crate) fn save(host: &Host, dom: DomId, image: &Image, options: &SaveOptions) -> Saved {
    host.save(dom, image.write().as_fd(), options, &minutes(5), &mut |_| ()).expect("save")
}

pub(crate) fn restore(
    host: &Host,
    image: &Image,
    config: &DomainConfig,
) -> xenops::Result<Counting> {
    let from = image.read();
    let id = host.restore(from.as_fd(), config, CreateOptions::default(), &minutes(5))?;
    Ok(Counting { id, name: config.name.clone() })
}

/// The description of a guest under another name.
pub(crate) fn renamed(config: &DomainConfig, name: &str) -> DomainConfig {
    let mut config = config.clone();
    config.name = name.to_owned();
    config
}

pub(crate) fn runs_on(guest: &Counting, error: &Error, kind: Kind) {
    assert_eq!(error.kind(), kind, "{error:?}");
    assert!(error.leftovers().is_empty(), "{error:?}");
    guest.goes_on();
    guest.checksum();
}
