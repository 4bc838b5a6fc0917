//! Unpacked kernels in a folder, one file each, named after its key.
//!
//! A file appears whole: it is written under another name, to the disk, and renamed. Whoever reads has
//! the old one or the new one, and one that was removed meanwhile to its end, so no lock is needed. Nor
//! does anybody wait for who has one in place, under a lease: none is opened to write. What a process
//! that died left behind goes with the next kernel that is kept an hour later.

use std::fs::{DirBuilder, File};
use std::io::{self, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::process;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags, Stat, Timespec, Timestamps, UTIME_NOW};
use rustix::fs::{CWD, fstat, futimens, openat, renameat, statat, unlinkat};
use rustix::io::Errno;

use super::Key;
use super::entry::{self, Unusable};
use crate::payload::Content;

#[derive(Debug)]
pub(super) struct Folder {
    path: PathBuf,
    most: u64,
}

impl Folder {
    pub(super) fn new(path: PathBuf, most: u64) -> Self {
        Self { path, most }
    }

    /// The content kept under `key`, if there is any that can be used.
    pub(super) fn find(&self, key: &Key) -> Result<Option<Content>, Problem> {
        let Some(folder) = self.open()? else { return Ok(None) };
        let name = name(key);
        let path = self.path.join(&name);
        // Without O_NONBLOCK, opening a pipe would wait for who writes to it.
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let file = match openat(&folder, &name, flags, Mode::empty()) {
            Ok(file) => File::from(file),
            Err(Errno::NOENT) => return Ok(None),
            Err(error) => return Err(Problem::io("open", &path, error)),
        };
        let stat = fstat(&file).map_err(|error| Problem::io("look at", &path, error))?;
        if !FileType::from_raw_mode(stat.st_mode).is_file() {
            return Err(Problem::Unusable { path, source: Unusable::Wrong("it is no file") });
        }
        // Used now: it goes later. If that cannot be noted, it goes earlier.
        let now = Timespec { tv_sec: 0, tv_nsec: UTIME_NOW };
        if let Err(error) =
            futimens(&file, &Timestamps { last_access: now, last_modification: now })
        {
            tracing::debug!(path = %path.display(), %error, "kernel cache: note that it was used");
        }
        let content = entry::read(file, size(&stat), key);
        content.map(Some).map_err(|source| Problem::Unusable { path, source })
    }

    /// Keeps `content` under `key`, in the place of what is there, unless it alone is above the bound.
    pub(super) fn keep(&self, key: &Key, content: &[u8]) -> Result<(), Problem> {
        let size = (entry::HEADER + content.len()) as u64;
        if size > self.most {
            tracing::debug!(%key, size, most = self.most, "kernel cache: too large to keep");
            return Ok(());
        }
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&self.path)
            .map_err(|source| Problem::Io { operation: "make", path: self.path.clone(), source })?;
        let Some(folder) = self.open()? else {
            return Err(Problem::io("open", &self.path, Errno::NOENT));
        };
        self.make_room(&folder, key, size)?;
        let partial = self.create(&folder, key)?;
        let written = write(&partial.file, key, content);
        written.map_err(|source| Problem::Io {
            operation: "write",
            path: self.path.join(&partial.name),
            source,
        })?;
        partial
            .rename(&name(key))
            .map_err(|error| Problem::io("rename to", &self.path.join(name(key)), error))
    }

    /// The folder, if it is there and only its owner can have put something into it.
    fn open(&self) -> Result<Option<OwnedFd>, Problem> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let folder = match openat(CWD, &self.path, flags, Mode::empty()) {
            Ok(folder) => folder,
            Err(Errno::NOENT) => return Ok(None),
            Err(error) => return Err(Problem::io("open", &self.path, error)),
        };
        let stat = fstat(&folder).map_err(|error| Problem::io("look at", &self.path, error))?;
        let ours = stat.st_uid == 0 || stat.st_uid == rustix::process::geteuid().as_raw();
        if !ours || stat.st_mode & 0o022 != 0 {
            let (path, owner, mode) = (self.path.clone(), stat.st_uid, stat.st_mode & 0o7777);
            return Err(Problem::Exposed { path, owner, mode });
        }
        Ok(Some(folder))
    }

    /// Removes what was used the longest ago until `needed` more bytes fit, and what is left of writers
    /// that died.
    fn make_room(&self, folder: &OwnedFd, key: &Key, needed: u64) -> Result<(), Problem> {
        let own = name(key);
        let mut kept: Vec<_> =
            self.list(folder)?.into_iter().filter(|(name, _)| *name != own).collect();
        kept.sort_by_key(|(_, stat)| (stat.st_mtime, stat.st_mtime_nsec));
        let mut used: u64 = kept.iter().map(|(_, stat)| size(stat)).sum();
        for (name, stat) in kept {
            let is_kernel = name.ends_with(KERNEL);
            if (is_kernel && used > self.most - needed) || (!is_kernel && is_abandoned(&stat)) {
                self.remove(folder, &name)?;
                used -= size(&stat);
            }
        }
        Ok(())
    }

    /// The files that this module makes, with what the file system says of them.
    fn list(&self, folder: &OwnedFd) -> Result<Vec<(String, Stat)>, Problem> {
        let fail = |error| Problem::io("list", &self.path, error);
        let mut files = Vec::new();
        for entry in Dir::read_from(folder).map_err(fail)? {
            let entry = entry.map_err(fail)?;
            let Ok(name) = entry.file_name().to_str() else { continue };
            if !name.ends_with(KERNEL) && !name.ends_with(PARTIAL) {
                continue;
            }
            // Another process may have removed it.
            match statat(folder, name, AtFlags::SYMLINK_NOFOLLOW) {
                Ok(stat) => files.push((name.to_owned(), stat)),
                Err(Errno::NOENT) => {}
                Err(error) => return Err(Problem::io("look at", &self.path.join(name), error)),
            }
        }
        Ok(files)
    }

    fn remove(&self, folder: &OwnedFd, name: &str) -> Result<(), Problem> {
        match unlinkat(folder, name, AtFlags::empty()) {
            Ok(()) | Err(Errno::NOENT) => Ok(()),
            Err(error) => Err(Problem::io("remove", &self.path.join(name), error)),
        }
    }

    fn create<'a>(&self, folder: &'a OwnedFd, key: &Key) -> Result<Partial<'a>, Problem> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let name = format!(".{key}.{}-{}{PARTIAL}", process::id(), now.as_nanos());
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
        match openat(folder, &name, flags, Mode::RUSR | Mode::WUSR) {
            Ok(file) => Ok(Partial { folder, name, file: file.into(), renamed: false }),
            Err(error) => Err(Problem::io("create", &self.path.join(name), error)),
        }
    }
}

/// A file that is being written; removed unless it was renamed.
struct Partial<'a> {
    folder: &'a OwnedFd,
    name: String,
    file: File,
    renamed: bool,
}

impl Partial<'_> {
    fn rename(mut self, to: &str) -> Result<(), Errno> {
        renameat(self.folder, &self.name, self.folder, to)?;
        self.renamed = true;
        Ok(())
    }
}

impl Drop for Partial<'_> {
    fn drop(&mut self) {
        if !self.renamed
            && let Err(error) = unlinkat(self.folder.as_fd(), &self.name, AtFlags::empty())
        {
            tracing::warn!(name = self.name, %error, "kernel cache: remove an unfinished file");
        }
    }
}

/// To the disk, so that a power failure cannot leave the name without the content.
fn write(mut file: &File, key: &Key, content: &[u8]) -> io::Result<()> {
    file.write_all(&entry::header(key, content))?;
    file.write_all(content)?;
    file.sync_all()
}

/// Why the folder is of no use.
#[derive(Debug, thiserror::Error)]
pub(super) enum Problem {
    #[error("{operation} {}", path.display())]
    Io { operation: &'static str, path: PathBuf, source: io::Error },
    #[error("{} belongs to user {owner} with mode {mode:o}: others could change it", path.display())]
    Exposed { path: PathBuf, owner: u32, mode: u32 },
    #[error("use {}", path.display())]
    Unusable { path: PathBuf, source: Unusable },
}

impl Problem {
    fn io(operation: &'static str, path: &Path, error: Errno) -> Self {
        Self::Io { operation, path: path.to_owned(), source: error.into() }
    }
}

fn name(key: &Key) -> String {
    format!("{key}{KERNEL}")
}

/// Negative sizes are no file's.
fn size(stat: &Stat) -> u64 {
    u64::try_from(stat.st_size).unwrap_or(0)
}

/// Whether nobody can still be writing it.
fn is_abandoned(stat: &Stat) -> bool {
    let age = UNIX_EPOCH
        .checked_add(Duration::from_secs(u64::try_from(stat.st_mtime).unwrap_or(0)))
        .and_then(|written| SystemTime::now().duration_since(written).ok());
    age.is_some_and(|age| age > ABANDONED)
}

const KERNEL: &str = ".kernel";
const PARTIAL: &str = ".partial";
const ABANDONED: Duration = Duration::from_secs(3600);
