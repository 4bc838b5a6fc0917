//! Files that the host sends: written beside their place, moved there when complete.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

#[derive(Debug)]
pub(crate) struct Upload {
    path: PathBuf,
    unfinished: PathBuf,
    /// The first failure ends the writing and is reported at the end.
    file: io::Result<File>,
}

impl Upload {
    pub(crate) fn begin(path: Vec<u8>, mode: u32) -> Self {
        let path = PathBuf::from(OsString::from_vec(path));
        let mut name = path.clone().into_os_string();
        name.push(".part");
        let unfinished = PathBuf::from(name);
        let file = create(&unfinished, mode);
        Self { path, unfinished, file }
    }

    pub(crate) fn add(&mut self, bytes: &[u8]) {
        if let Ok(file) = &mut self.file
            && let Err(error) = file.write_all(bytes)
        {
            self.file = Err(error);
        }
    }

    pub(crate) fn complete(mut self) -> io::Result<()> {
        std::mem::replace(&mut self.file, Err(io::ErrorKind::Other.into()))?;
        // A rename replaces a program that runs; writing into it would fail with ETXTBSY.
        fs::rename(&self.unfinished, &self.path)
    }
}

impl Drop for Upload {
    fn drop(&mut self) {
        // Gone already if the upload was completed.
        let _ = fs::remove_file(&self.unfinished);
    }
}

fn create(path: &Path, mode: u32) -> io::Result<File> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    let file = OpenOptions::new().write(true).create(true).truncate(true).open(path)?;
    file.set_permissions(fs::Permissions::from_mode(mode))?;
    Ok(file)
}
