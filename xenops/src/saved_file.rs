//! Saved domains in files of ours, whose damage is noticed before any domain is touched.
//!
//! ```text
//! save     head, description ─▶ stream ─▶ read back, sealed, on the disk ─▶ the domain is removed
//! restore  the whole file is read ─▶ is it another guest than described? ─▶ a domain is made
//! ```
//! A file that is not sealed is no saved domain, so a save that fails or dies leaves none, and the
//! domain goes on in each case where this process can still see to it.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::mem;
use std::os::fd::AsFd as _;
use std::os::unix::fs::{FileExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use rustix::fs::OFlags;
use xen_types::DomId;
use xg::Saved;
use xg::image::{self, Checksum, Envelope, Image, Seal};
use xg::stream::{Guest, Summary};

use crate::config::{DomainConfig, GuestKind};
use crate::create::CreateOptions;
use crate::error::{Cause, Error, Leftover, Problem, Remnant, Result, Subject};
use crate::host::Host;
use crate::limits::Limits;
use crate::save::{SaveOptions, SaveProgress};

impl Host {
    /// Saves a domain into a new file at `path`, which only its owner may read: it holds the
    /// guest's memory. `description` goes in too, for whoever restores: the domain's configuration,
    /// say.
    ///
    /// The file is sealed with a checksum and on the disk before the domain is removed. It must not
    /// be there before, and is not there if the save fails.
    ///
    /// # Errors
    /// As for [`Host::save`]; [`crate::Kind::Exists`] for a file that is there, and what the file
    /// system says.
    ///
    /// # Panics
    /// If `told` does: then the file goes as well.
    pub fn save_to_file(
        &self,
        dom: DomId,
        path: &Path,
        description: &[u8],
        options: &SaveOptions,
        limits: &Limits,
        told: &mut dyn FnMut(SaveProgress),
    ) -> Result<Saved> {
        let about =
            |what: &'static str| move |source| Cause::File { what, path: path.to_owned(), source };
        let fail = |cause: Cause| Error::new("save", dom, cause);
        let file =
            OpenOptions::new().read(true).write(true).create_new(true).mode(0o600).open(path);
        let mut file = file.map_err(about("make")).map_err(fail)?;
        let head = Envelope::new(description);
        let mut unsealed = Unsealed { path, is_there: true };
        let begun = begin(&mut file, head, description).map_err(about("write")).map_err(fail);
        let saved = begun.and_then(|to| {
            self.save_and(dom, to.as_fd(), options, limits, told, &mut || {
                let seal = read_back(&mut file, head, limits, about("read back"))?;
                finish(&file, path, head.sealed(seal)).map_err(about("write"))?;
                unsealed.is_there = false;
                Ok(())
            })
        });
        saved.map_err(|error| unsealed.remove(error))
    }

    /// Creates a domain that is what a file holds, and, unless asked otherwise, lets it run. What
    /// [`Host::restore`] says holds here too, but that the file is known to be whole.
    ///
    /// # Errors
    /// As for [`Host::restore`]; [`Problem::Config`] if `config` is not that of the saved domain,
    /// as far as the file shows, and [`Problem::Checkpoints`] for a file with more than one state:
    /// then no domain is touched.
    pub fn restore_from_file(
        &self,
        from: &mut SavedFile,
        config: &DomainConfig,
        options: CreateOptions,
        limits: &Limits,
    ) -> Result<DomId> {
        let fail = |cause: Cause| Error::new("restore", Subject::Name(config.name.clone()), cause);
        fits(config, &from.image.summary).map_err(|problem| fail(problem.into()))?;
        let start = from.image.envelope.map_or(0, |envelope| envelope.stream_at());
        from.file.seek(SeekFrom::Start(start)).map_err(|source| {
            fail(Cause::File { what: "read", path: from.path.clone(), source })
        })?;
        self.restore(from.file.as_fd(), config, options, limits)
    }
}

/// A saved domain in a file that has been read to its end and found to be whole.
#[derive(Debug)]
pub struct SavedFile {
    file: File,
    path: PathBuf,
    image: Image,
}

impl SavedFile {
    /// Reads a file that [`Host::save_to_file`] wrote, from its first byte to its last. Nothing
    /// keeps others from changing it afterwards: who may write it can restore what they like.
    ///
    /// # Errors
    /// [`crate::Kind::Invalid`] with what is wrong with it and where, and for what is no file, such
    /// as a device or a FIFO, [`crate::Kind::Unavailable`]
    /// for a version that is not known here, and what the file system says.
    pub fn open(path: &Path) -> Result<Self> {
        let fail =
            |cause| Error::new("read saved", Subject::Name(path.display().to_string()), cause);
        let about = |what| move |source| fail(Cause::File { what, path: path.to_owned(), source });
        // Not to wait for the other end of a FIFO; to a file it means nothing.
        let flags = OFlags::NONBLOCK.bits().cast_signed();
        let opened = OpenOptions::new().read(true).custom_flags(flags).open(path);
        let mut file = opened.map_err(about("open"))?;
        if !file.metadata().map_err(about("look at"))?.is_file() {
            return Err(fail(Problem::NoFile(path.to_owned()).into()));
        }
        let image = image::verify(&path.display().to_string(), &mut file)
            .map_err(|error| fail(error.into()))?;
        Ok(Self { file, path: path.to_owned(), image })
    }

    /// What the saver wrote of the domain.
    pub fn description(&self) -> &[u8] {
        &self.image.description
    }

    /// What the stream holds.
    pub fn summary(&self) -> &Summary {
        &self.image.summary
    }
}

/// Whether a domain of this description can be the saved one.
fn fits(config: &DomainConfig, saved: &Summary) -> Result<(), Problem> {
    let same = match config.kind {
        GuestKind::Pv => matches!(saved.guest, Guest::Pv64 | Guest::Pv32),
        GuestKind::Pvh => saved.guest == Guest::Pvh,
    };
    if !same {
        return Err(Problem::Config { key: "type", why: "is not that of the saved domain" });
    }
    if u64::from(config.vcpus) < saved.vcpus {
        return Err(Problem::Config { key: "vcpus", why: "are fewer than the saved domain has" });
    }
    if saved.checkpoints != 0 {
        return Err(Problem::Checkpoints(saved.checkpoints));
    }
    Ok(())
}

/// Writes what is before the stream; where the stream goes.
fn begin(file: &mut File, head: Envelope, description: &[u8]) -> io::Result<File> {
    file.write_all(&head.encode())?;
    file.write_all(description)?;
    file.try_clone()
}

/// The seal of the stream that stands in a file.
fn read_back(
    file: &mut File,
    head: Envelope,
    limits: &Limits,
    about: impl Fn(io::Error) -> Cause,
) -> Result<Seal, Cause> {
    file.seek(SeekFrom::Start(head.stream_at())).map_err(&about)?;
    let (mut checksum, mut buffer) = (Checksum::new(), vec![0; PIECE]);
    loop {
        limits.check_time()?;
        match file.read(&mut buffer) {
            Ok(0) => return Ok(checksum.seal()),
            Ok(got) => checksum.feed(&buffer[..got]),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(about(error)),
        }
    }
}

/// Writes the head of a file whose stream is complete, and sees all of it to the disk.
fn finish(file: &File, path: &Path, head: Envelope) -> io::Result<()> {
    file.sync_data()?; // a head that is sealed must not be there before the rest
    file.write_all_at(&head.encode(), 0)?;
    file.sync_all()?;
    let folder = path.parent().filter(|folder| *folder != Path::new(""));
    File::open(folder.unwrap_or(Path::new(".")))?.sync_all()
}

/// A file that goes if it does not become a saved domain, in a panic too.
struct Unsealed<'a> {
    path: &'a Path,
    is_there: bool,
}

impl Unsealed<'_> {
    /// Takes it away, unless it has been sealed.
    fn take_away(&mut self) -> io::Result<()> {
        if !mem::take(&mut self.is_there) {
            return Ok(());
        }
        match fs::remove_file(self.path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }

    /// Takes it away after a save that failed.
    fn remove(&mut self, error: Error) -> Error {
        match self.take_away() {
            Ok(()) => error,
            Err(source) => {
                let path = self.path.to_owned();
                let why = Cause::File { what: "remove", path: path.clone(), source };
                error.with_leftovers(vec![Leftover { what: Remnant::File(path), why }])
            }
        }
    }
}

impl Drop for Unsealed<'_> {
    fn drop(&mut self) {
        if let Err(why) = self.take_away() {
            tracing::error!(file = %self.path.display(), %why, "left behind in a panic");
        }
    }
}

/// What is read at once.
const PIECE: usize = 1 << 20;
