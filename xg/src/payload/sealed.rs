//! A file copied by the kernel into memory that is sealed, and mapped from there.
//!
//! ```text
//! file ──sendfile──▶ memfd ──seals──▶ nobody can write, shrink or grow it ──mmap──▶ &[u8]
//! ```
//! Reading into fresh memory makes the kernel clear each page before it is overwritten. Here a page is
//! filled once. Whoever truncates the file meanwhile truncates the copy before it is mapped, not after:
//! a mapping of the file itself would end the process with SIGBUS then.

#![allow(unsafe_code, reason = "maps memory")]

use std::fs::File;
use std::os::fd::OwnedFd;
use std::ptr::{self, NonNull};
use std::slice;

use rustix::fs::{MemfdFlags, SealFlags, fcntl_add_seals, memfd_create, sendfile};
use rustix::io::{Errno, retry_on_intr};
use rustix::mm::{MapFlags, ProtFlags, mmap, munmap};

/// A sealed copy of a file, mapped.
#[derive(Debug)]
pub(super) struct Sealed {
    start: NonNull<u8>,
    /// Bytes, from the start of the mapping.
    length: usize,
}

// SAFETY: what is pointed to must not belong to a thread: a mapping belongs to the process, and only the
// owner of this undoes it.
unsafe impl Send for Sealed {}
// SAFETY: threads must be able to use it at once: nobody can write what is mapped, by its seals.
unsafe impl Sync for Sealed {}

impl Sealed {
    /// Copies at most `most` bytes from the start of `file`, whose own position stays.
    ///
    /// # Errors
    /// Where the system has no sealed memory, forbids it or cannot copy from such a file, and if nothing
    /// was copied: then the file is to be read.
    pub(super) fn copy(file: &File, most: usize) -> Result<Self, Errno> {
        let (memory, length) = copied(file, most)?;
        // A shared mapping of sealed memory is refused before Linux 6.7; a private one that cannot be
        // written shows the same pages.
        let how = MapFlags::PRIVATE | MapFlags::POPULATE;
        let nowhere = ptr::null_mut();
        // SAFETY: must not replace a mapping: no address is asked for.
        let start = unsafe { mmap(nowhere, length, ProtFlags::READ, how, &memory, 0) }?;
        let start = NonNull::new(start.cast()).ok_or(Errno::NOMEM)?;
        Ok(Self { start, length })
    }

    pub(super) fn bytes(&self) -> &[u8] {
        // SAFETY: so many bytes must be readable for as long as `self` is borrowed, and nobody write
        // them: `copy` mapped as many, which its seals keep as they are, and `drop` alone undoes it.
        unsafe { slice::from_raw_parts(self.start.as_ptr(), self.length) }
    }
}

impl Drop for Sealed {
    fn drop(&mut self) {
        // SAFETY: must be a mapping that nobody uses: `copy` made it, and what `bytes` gave is no longer
        // borrowed.
        let undone = unsafe { munmap(self.start.as_ptr().cast(), self.length) };
        // It fails for a range that is none, or for too many mappings when it splits one.
        debug_assert_eq!(undone, Ok(()));
    }
}

/// The copy and its length.
fn copied(file: &File, most: usize) -> Result<(OwnedFd, usize), Errno> {
    let memory = memfd_create(c"xg", MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING)?;
    let (mut from, mut length) = (0, 0);
    // As for a read, the file ends where nothing more comes, whatever its size was before.
    while length < most {
        let rest = most - length;
        match retry_on_intr(|| sendfile(&memory, file, Some(&mut from), rest))? {
            0 => break,
            more => length += more,
        }
    }
    fcntl_add_seals(&memory, SEALS)?;
    Ok((memory, length))
}

/// Also no further seals, so that these are all that there will be.
const SEALS: SealFlags =
    SealFlags::WRITE.union(SealFlags::SHRINK).union(SealFlags::GROW).union(SealFlags::SEAL);

#[cfg(test)]
mod tests {
    use std::io::{Seek, Write};

    use super::*;

    /// A file that has no name, with this content; its position is at the end of it.
    fn file(content: &[u8]) -> File {
        let mut file = File::from(memfd_create(c"file", MemfdFlags::CLOEXEC).unwrap());
        file.write_all(content).unwrap();
        file
    }

    #[test]
    fn a_copy_is_of_the_whole_file_whatever_its_position() {
        assert_eq!(Sealed::copy(&file(b"0123456789"), 20).unwrap().bytes(), b"0123456789");
    }

    #[test]
    fn a_copy_moves_the_position_of_no_file() {
        let mut file = file(b"0123456789");
        file.rewind().unwrap();
        Sealed::copy(&file, 20).unwrap();
        assert_eq!(file.stream_position().unwrap(), 0);
    }

    #[test]
    fn a_copy_ends_at_its_bound() {
        assert_eq!(Sealed::copy(&file(b"0123456789"), 4).unwrap().bytes(), b"0123");
    }

    #[test]
    fn nothing_is_left_to_the_reader() {
        assert_eq!(Sealed::copy(&file(b""), 20).unwrap_err(), Errno::INVAL);
    }

    #[test]
    fn a_copy_can_be_neither_written_nor_resized_nor_opened_up_again() {
        let (memory, _) = copied(&file(b"0123456789"), 20).unwrap();
        let refused = Err(Errno::PERM);
        assert_eq!(rustix::io::pwrite(&memory, b"x", 0).map(drop), refused);
        assert_eq!(rustix::fs::ftruncate(&memory, 0), refused);
        assert_eq!(rustix::fs::ftruncate(&memory, 20), refused);
        assert_eq!(fcntl_add_seals(&memory, SealFlags::FUTURE_WRITE), refused);
    }

    #[test]
    fn a_copy_stays_when_its_file_is_truncated_and_can_be_used_by_another_thread() {
        let file = file(&[7; 3 * 4096]);
        let copy = Sealed::copy(&file, 4 * 4096).unwrap();
        file.set_len(0).unwrap();
        let bytes = std::thread::spawn(move || copy.bytes().to_vec()).join().unwrap();
        assert_eq!(bytes, [7; 3 * 4096]);
    }
}
