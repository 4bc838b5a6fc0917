//! Folders of the serving domain, shared with a guest by 9pfs.
//!
//! Keys: `libxl_9pfs.c` (4.17, 4.20), docs/misc/9pfs.pandoc, `io/9pfs.h`; xen-9pfsd is 4.19's.

use std::fmt;

use xen_types::DomId;

use crate::error::{Error, Result};
use crate::id::{DeviceId, Ends};
use crate::kind::Kind;
use crate::layout::Layout;
use crate::part::{rule, text};
use crate::record::Record;
use crate::spec::Spec;
use crate::text::Text;
use crate::tree::Tree;

/// A folder that a domain can mount.
///
/// ```
/// use devices::{NinePfs, Record, Spec};
/// use xen_types::DomId;
///
/// let dom = DomId::new(7).ok_or("reserved")?;
/// let share = NinePfs::new(0, "share", "/srv/share")?;
/// let record = Record::in_tree(&share.tree(dom), &share.ends(dom).device)?;
/// assert_eq!(NinePfs::from_record(&record)?, share);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NinePfs {
    number: u32,
    tag: Text,
    path: Text,
    security: SecurityModel,
    limits: Option<FolderLimits>,
    server: DomId,
}

/// Whose the files are that a guest makes in a shared folder (QEMU's `security_model`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SecurityModel {
    /// As with [`SecurityModel::Passthrough`], but failures to set owners are no failures.
    None,
    /// The guest's users are those of the server.
    Passthrough,
    /// The guest's owners and modes are kept in extended attributes.
    MappedXattr,
    /// The guest's owners and modes are kept in files beside.
    MappedFile,
}

/// What xen-9pfsd lets a guest do; 0 is no limit.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct FolderLimits {
    /// How much the folder may hold, in MiB.
    pub space_mib: u32,
    /// How many files it may hold.
    pub files: u32,
    /// How many files may be open at a time.
    pub open_files: u32,
    /// Whether the oldest files go when there is no space.
    pub auto_delete: bool,
}

impl NinePfs {
    /// The folder of this path under the name `tag`, served by QEMU with
    /// [`SecurityModel::None`].
    ///
    /// # Errors
    /// [`Invalid`](xen_types::Kind::Invalid) if either is not a [`Text`], or the path not absolute.
    pub fn new(number: u32, tag: &str, path: &str) -> Result<Self> {
        let tag = text("the tag of a shared folder", tag)?;
        let path = text("the path of a shared folder", path)?;
        if !path.as_str().starts_with('/') {
            return Err(Error::part("a shared folder", rule("its path is absolute")));
        }
        let security = SecurityModel::None;
        Ok(Self { number, tag, path, security, limits: None, server: DomId::DOM0 })
    }

    /// The same with another rule for owners; for QEMU only, so that limits go.
    #[must_use]
    pub fn security(self, security: SecurityModel) -> Self {
        Self { security, limits: None, ..self }
    }

    /// The same, served by xen-9pfsd, which knows no rule for owners but [`SecurityModel::None`].
    #[must_use]
    pub fn by_xen_9pfsd(self, limits: FolderLimits) -> Self {
        Self { security: SecurityModel::None, limits: Some(limits), ..self }
    }

    /// The same, served by another domain than the control domain.
    #[must_use]
    pub fn served_by(self, server: DomId) -> Self {
        Self { server, ..self }
    }

    /// The name under which the guest mounts it.
    pub const fn tag(&self) -> &Text {
        &self.tag
    }

    /// Whose the files are that the guest makes.
    pub const fn security_model(&self) -> SecurityModel {
        self.security
    }

    /// Where it is in the serving domain.
    pub const fn path(&self) -> &Text {
        &self.path
    }
}

impl Spec for NinePfs {
    fn ends(&self, dom: DomId) -> Ends {
        let device = DeviceId { dom, kind: Kind::NinePfs, number: self.number };
        let served_as = if self.limits.is_some() { Kind::Xen9pfs } else { Kind::NinePfs };
        Ends { device, server: self.server, served_as }
    }

    fn tree(&self, dom: DomId) -> Tree {
        let mut layout = Layout::new(self.ends(dom));
        layout
            .back("path", &self.path)
            .back("security_model", self.security)
            .front_kept("tag", &self.tag);
        if let Some(limits) = self.limits {
            layout
                .back("max-space", limits.space_mib)
                .back("max-files", limits.files)
                .back("max-open-files", limits.open_files)
                .back("auto-delete", u8::from(limits.auto_delete));
        }
        layout.tree()
    }

    /// As for all descriptions. A folder that xl shares has its tag in the frontend alone, where the
    /// guest can write: its record cannot be understood.
    fn from_record(record: &Record) -> Result<Self> {
        let ends = record.of_kind(&Kind::NinePfs)?;
        let limits = match ends.served_as {
            Kind::NinePfs => None,
            Kind::Xen9pfs => Some(FolderLimits {
                space_mib: record.parse_opt("max-space")?.unwrap_or(0),
                files: record.parse_opt("max-files")?.unwrap_or(0),
                open_files: record.parse_opt("max-open-files")?.unwrap_or(0),
                auto_delete: record.flag("auto-delete", false)?,
            }),
            _ => return Err(record.of_another_kind()),
        };
        let security = record.str_opt("security_model")?.and_then(SecurityModel::named);
        let security = security.ok_or_else(|| record.wrong("security_model"))?;
        if limits.is_some() && security != SecurityModel::None {
            return Err(record.wrong("security_model"));
        }
        let path = record.text("path")?;
        if !path.as_str().starts_with('/') {
            return Err(record.wrong("path"));
        }
        let tag = record.text("frontend/tag")?;
        Ok(Self { number: ends.device.number, tag, path, security, limits, server: ends.server })
    }
}

impl SecurityModel {
    /// QEMU has a second name for extended attributes, `mapped`.
    fn named(name: &str) -> Option<Self> {
        match name {
            "none" => Some(Self::None),
            "passthrough" => Some(Self::Passthrough),
            "mapped" | "mapped-xattr" => Some(Self::MappedXattr),
            "mapped-file" => Some(Self::MappedFile),
            _ => None,
        }
    }
}

impl fmt::Display for SecurityModel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::None => "none",
            Self::Passthrough => "passthrough",
            Self::MappedXattr => "mapped-xattr",
            Self::MappedFile => "mapped-file",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{dom, lines_below, read_back, record_with};

    fn share() -> NinePfs {
        NinePfs::new(0, "share", "/srv").unwrap()
    }

    #[test]
    fn the_guest_finds_it_by_its_tag() {
        let front = lines_below(&share(), "/local/domain/7/device/9pfs/0");
        assert_eq!(front[4..], [r#"/tag = "share""#]);
        let back = lines_below(&share(), "/local/domain/0/backend/9pfs/7/0");
        assert_eq!(back[5..], [r#"/path = "/srv""#, r#"/security_model = "none""#]);
    }

    #[test]
    fn xen_9pfsd_is_told_its_limits() {
        let limits = FolderLimits { space_mib: 1, files: 2, open_files: 3, auto_delete: true };
        let limited = share().by_xen_9pfsd(limits);
        let back = lines_below(&limited, "/local/domain/0/backend/xen_9pfs/7/0");
        assert_eq!(
            back[7..],
            [
                r#"/max-space = "1""#,
                r#"/max-files = "2""#,
                r#"/max-open-files = "3""#,
                r#"/auto-delete = "1""#,
            ]
        );
        assert_eq!(read_back(&limited).unwrap(), limited);
    }

    #[test]
    fn what_is_written_is_read() {
        let mapped = share().security(SecurityModel::MappedXattr).served_by(dom(3));
        assert_eq!(read_back(&mapped).unwrap(), mapped);
    }

    #[test]
    fn a_folder_has_an_absolute_path_and_a_tag() {
        assert!(NinePfs::new(0, "", "/srv").is_err());
        assert!(NinePfs::new(0, "share", "srv").is_err());
        assert!(NinePfs::from_record(&record_with(&share(), "path", "srv")).is_err());
        assert!(NinePfs::from_record(&record_with(&share(), "frontend/tag", "")).is_err());
        assert!(NinePfs::from_record(&record_with(&share(), "security_model", "lax")).is_err());
    }
}
