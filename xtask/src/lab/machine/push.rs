//! Files for dom0, over the command channel.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::Read;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use lab_tests::protocol::{CHUNK, Reply, Request};

use super::super::build::Programs;
use super::channel::Event;
use super::{Command, Machine, program_path};

impl Machine {
    /// Puts a file of the host at `dest` in dom0, with its permission bits.
    ///
    /// 20 MB take 0.3 s through the shared folder and 4 s over the command channel (4.17 in
    /// QEMU 7.2), so the channel is for machines whose shared folder is the user's.
    pub(crate) fn push(&mut self, file: &Path, dest: &Path) -> Result<()> {
        let sent = match self.folder.own_share() {
            Some(share) => self.share_file(file, &share, dest),
            None => self.send_file(file, dest),
        };
        sent.with_context(|| format!("put {} into dom0 at {}", file.display(), dest.display()))
    }

    /// Puts those of the workspace's programs into dom0 that it does not have yet.
    pub(crate) fn push_programs(&mut self, programs: &Programs) -> Result<()> {
        for program in &programs.commands {
            self.push_if_changed(program, &program_path(program))?;
        }
        Ok(())
    }

    /// Puts a file into dom0 unless this very version of it is there.
    pub(crate) fn push_if_changed(&mut self, file: &Path, dest: &Path) -> Result<()> {
        let version = version(file)?;
        let mut pushed = self.folder.pushed()?;
        if pushed.get(dest) != Some(&version) {
            self.push(file, dest)?;
            pushed.insert(dest.to_owned(), version);
            self.folder.set_pushed(&pushed)?;
        }
        Ok(())
    }

    /// Removes what was pushed.
    pub(crate) fn remove(&mut self, dest: &Path) -> Result<()> {
        let mut pushed = self.folder.pushed()?;
        pushed.remove(dest);
        self.folder.set_pushed(&pushed)?;
        let argv = [OsStr::new("rm"), OsStr::new("-f"), dest.as_os_str()];
        self.output_of(&Command::new(argv))
            .with_context(|| format!("remove {} from dom0", dest.display()))
            .map(drop)
    }

    /// Unpacks a cpio archive of the host in dom0; what is there already stays.
    pub(super) fn unpack(&mut self, archive: &Path) -> Result<()> {
        let place = Path::new("/tmp/archive.cpio");
        self.push(archive, place)?;
        let script = "cd / && cpio -idm <\"$1\" 2>/dev/null && rm \"$1\"";
        let argv = ["sh", "-c", script, "unpack"].map(OsStr::new);
        self.output_of(&Command::new(argv.into_iter().chain([place.as_os_str()])))
            .with_context(|| format!("unpack {} in dom0", archive.display()))
            .map(drop)
    }

    fn share_file(&mut self, file: &Path, share: &Path, dest: &Path) -> Result<()> {
        let name = format!(".push-{}-{}", std::process::id(), self.fresh_id());
        let shared = share.join(&name);
        fs::copy(file, &shared)?;
        let mode = format!("{:o}", fs::metadata(file)?.permissions().mode() & 0o7777);
        let script = "mkdir -p \"${3%/*}\" && dd if=\"/host/$1\" of=\"$3.part\" bs=256k 2>/dev/null \
                      && chmod \"$2\" \"$3.part\" && mv -f \"$3.part\" \"$3\"";
        let argv = ["sh", "-c", script, "push", &name, &mode].map(OsStr::new);
        let copied = self.output_of(&Command::new(argv.into_iter().chain([dest.as_os_str()])));
        fs::remove_file(&shared)?;
        copied.map(drop)
    }

    fn send_file(&mut self, path: &Path, dest: &Path) -> Result<()> {
        let mut file = File::open(path)?;
        let mode = file.metadata()?.permissions().mode() & 0o7777;
        let id = self.fresh_id();
        self.send(&Request::Put { id, path: dest.as_os_str().as_bytes().to_vec(), mode })?;
        let mut buffer = vec![0; CHUNK];
        loop {
            let n = file.read(&mut buffer)?;
            self.send(&Request::PutData { id, bytes: buffer[..n].to_vec() })?;
            if n == 0 {
                break;
            }
        }
        loop {
            // A dom0 that hangs ends the wait; any other end is an answer.
            match self.wait(Instant::now() + Duration::from_secs(60))? {
                Some(Event::Reply(Reply::Stored { id: of, error })) if of == id => match error {
                    None => return Ok(()),
                    Some(error) => bail!(error),
                },
                _ => (),
            }
        }
    }
}

/// Tells one build of a file from the next.
fn version(file: &Path) -> Result<String> {
    let meta = fs::metadata(file).with_context(|| format!("look at {}", file.display()))?;
    Ok(format!("{}:{}:{}.{}", meta.ino(), meta.size(), meta.mtime(), meta.mtime_nsec()))
}
