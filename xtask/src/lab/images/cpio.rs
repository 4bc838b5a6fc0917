//! Writes initramfs archives: cpio in the "newc" format (kernel:
//! Documentation/driver-api/early-userspace/buffer-format.rst).
//!
//! Entries are written, not packed from files, so owners and device nodes need no root and the same
//! contents give the same bytes. Archives may be put one after another: the kernel unpacks each.

use std::collections::BTreeSet;

/// An initramfs archive in the making. Paths are relative, without a leading slash.
#[derive(Debug, Default)]
pub(crate) struct Archive {
    bytes: Vec<u8>,
    paths: BTreeSet<String>,
}

impl Archive {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    /// Whether `path` is in the archive.
    pub(crate) fn contains(&self, path: &str) -> bool {
        self.paths.contains(path)
    }

    /// Adds a folder and the folders above it, where they are missing.
    pub(crate) fn folder(&mut self, path: &str) {
        if path.is_empty() || self.contains(path) {
            return;
        }
        self.add(path, Kind::Folder, 0o755, &[]);
    }

    pub(crate) fn file(&mut self, path: &str, permissions: u32, contents: &[u8]) {
        self.add(path, Kind::File, permissions, contents);
    }

    pub(crate) fn symlink(&mut self, path: &str, target: &str) {
        self.add(path, Kind::Symlink, 0o777, target.as_bytes());
    }

    pub(crate) fn character_device(&mut self, path: &str, permissions: u32, device: (u32, u32)) {
        self.add(path, Kind::CharacterDevice(device), permissions, &[]);
    }

    /// The archive with its trailer.
    pub(crate) fn finish(mut self) -> Vec<u8> {
        self.entry("TRAILER!!!", 0, 0, (0, 0), &[]);
        self.bytes
    }

    fn add(&mut self, path: &str, kind: Kind, permissions: u32, contents: &[u8]) {
        if let Some((parent, _)) = path.rsplit_once('/') {
            self.folder(parent);
        }
        let inode = self.paths.len() as u32 + 1;
        self.paths.insert(path.to_owned());
        let (kind, device) = match kind {
            Kind::Folder => (0o040_000, (0, 0)),
            Kind::File => (0o100_000, (0, 0)),
            Kind::Symlink => (0o120_000, (0, 0)),
            Kind::CharacterDevice(device) => (0o020_000, device),
        };
        self.entry(path, inode, kind | permissions, device, contents);
    }

    fn entry(&mut self, name: &str, inode: u32, mode: u32, device: (u32, u32), contents: &[u8]) {
        let (owner, group, links, modified, checksum) = (0, 0, 1, 0, 0);
        let fields = [
            inode,
            mode,
            owner,
            group,
            links,
            modified,
            u32::try_from(contents.len()).expect("newc holds files below 4 GiB, and ours are"),
            0,
            0,
            device.0,
            device.1,
            name.len() as u32 + 1,
            checksum,
        ];
        self.bytes.extend_from_slice(b"070701");
        for field in fields {
            self.bytes.extend_from_slice(format!("{field:08X}").as_bytes());
        }
        self.bytes.extend_from_slice(name.as_bytes());
        self.bytes.push(0);
        self.align();
        self.bytes.extend_from_slice(contents);
        self.align();
    }

    /// Name and contents are followed by zeros up to a multiple of four.
    fn align(&mut self) {
        self.bytes.resize(self.bytes.len().next_multiple_of(4), 0);
    }
}

#[derive(Clone, Copy)]
enum Kind {
    Folder,
    File,
    Symlink,
    CharacterDevice((u32, u32)),
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(archive: Archive) -> String {
        String::from_utf8(archive.finish()).unwrap()
    }

    const TRAILER: &str = "07070100000000000000000000000000000000000000010000000000000000\
                           000000000000000000000000000000000000000B00000000TRAILER!!!\0\0\0\0";

    #[test]
    fn an_empty_archive_is_its_trailer() {
        assert_eq!(text(Archive::new()), TRAILER);
    }

    #[test]
    fn a_file_is_its_header_name_and_contents_padded_to_four() {
        let mut archive = Archive::new();
        archive.file("init", 0o755, b"hello");
        let entry = "070701\
                     00000001000081ED0000000000000000000000010000000000000005\
                     0000000000000000000000000000000000000005\
                     00000000init\0\0hello\0\0\0";
        assert_eq!(text(archive), format!("{entry}{TRAILER}"));
    }

    #[test]
    fn a_device_carries_its_numbers() {
        let mut archive = Archive::new();
        archive.character_device("console", 0o600, (5, 1));
        let entry = "070701\
                     00000001000021800000000000000000000000010000000000000000\
                     0000000000000000000000050000000100000008\
                     00000000console\0\0\0";
        assert_eq!(text(archive), format!("{entry}{TRAILER}"));
    }

    #[test]
    fn a_symlink_is_a_file_of_its_target() {
        let mut archive = Archive::new();
        archive.symlink("bin", "usr/bin");
        let entry = "070701\
                     000000010000A1FF0000000000000000000000010000000000000007\
                     0000000000000000000000000000000000000004\
                     00000000bin\0\0\0usr/bin\0";
        assert_eq!(text(archive), format!("{entry}{TRAILER}"));
    }

    #[test]
    fn folders_above_an_entry_come_first_and_once() {
        let mut archive = Archive::new();
        archive.file("a/b/x", 0o644, b"");
        archive.file("a/b/y", 0o644, b"");
        let text = text(archive);
        let names: Vec<&str> =
            text.split("070701").skip(1).map(|entry| entry[104..].trim_end_matches('\0')).collect();
        assert_eq!(names, ["a", "a/b", "a/b/x", "a/b/y", "TRAILER!!!"]);
    }

    #[test]
    fn an_archive_ends_where_the_next_may_begin() {
        let mut archive = Archive::new();
        archive.file("odd", 0o644, b"12345");
        assert_eq!(archive.finish().len() % 4, 0);
    }
}
