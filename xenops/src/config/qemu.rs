//! The devices that a domain starts with and that a QEMU of it serves.

use devices::{Channel, NinePfs, SecurityModel, Text};

use super::devices::wrong_word;
use crate::error::Problem;

/// A folder of the control domain, `[[9pfs]]` in a configuration file, served by a QEMU of the domain.
///
/// Nobody here starts that QEMU: [`Host::create`](crate::Host::create) and
/// [`Host::restore`](crate::Host::restore) write what it looks for, and wait for it within their deadline.
/// Another thread or process starts it for the domain's number meanwhile. The domain has its name before it has
/// devices, and all that a QEMU serves is written before the first of it is waited for, folders last. A QEMU
/// from 8.0 on takes no folder that comes while it runs, so it is started when all folders are listed; one for
/// consoles and images may run before.
///
/// ```
/// use std::thread;
/// use std::time::Duration;
/// use xenops::{CreateOptions, DomId, DomainConfig, Host, NinePfsConfig};
///
/// # fn start_qemu(_: DomId) {}
/// fn share(host: &Host, config: &mut DomainConfig) -> xenops::Result<DomId> {
///     config.ninepfs = vec![NinePfsConfig::new(0, "files", "/srv/files")];
///     let limits = host.limits(Duration::from_secs(60));
///     thread::scope(|scope| {
///         let creating = scope.spawn(|| host.create(config, CreateOptions::default(), &limits));
///         while !creating.is_finished() {
///             let dom = host.find(&config.name).map(|found| found.id);
///             let folders = |dom| host.devices(dom).map(|all| {
///                 all.iter().filter(|at| at.device.kind == xenops::device::Kind::NinePfs).count()
///             });
///             if let Ok(dom) = dom && folders(dom).is_ok_and(|there| there == config.ninepfs.len()) {
///                 // qemu-system-i386 -xen-domid <dom> -xen-attach -M xenpv ...: docs/devices.md
///                 start_qemu(dom);
///                 break;
///             }
///             thread::sleep(Duration::from_millis(20));
///         }
///         creating.join().expect("it does not panic")
///     })
/// }
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(deny_unknown_fields))]
#[non_exhaustive]
pub struct NinePfsConfig {
    /// Where it is in the control domain: an absolute path.
    pub path: String,
    /// The name under which the guest mounts it.
    pub tag: String,
    /// Whose the files are that the guest makes: `none`, `passthrough`, `mapped-xattr` or `mapped-file`.
    #[cfg_attr(
        feature = "serde",
        serde(with = "SecurityModelWord", default = "none", skip_serializing_if = "is_none")
    )]
    pub security_model: SecurityModel,
    /// Its number among the folders of the domain.
    pub number: u32,
}

/// A console besides the first, `[[console]]` in a configuration file, served by a QEMU of the domain as a
/// [folder](NinePfsConfig) is. It is a pseudo-terminal unless it has a file or a socket.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(deny_unknown_fields))]
#[non_exhaustive]
pub struct ConsoleConfig {
    /// Its number, from 1 on: 0 is that of the first console, which every domain has.
    pub number: u32,
    /// The file that gets what the guest says.
    #[cfg_attr(feature = "serde", serde(default, skip_serializing_if = "Option::is_none"))]
    pub file: Option<String>,
    /// The socket of QEMU's character device `libxl-channelNUMBER`.
    #[cfg_attr(feature = "serde", serde(default, skip_serializing_if = "Option::is_none"))]
    pub socket: Option<String>,
    /// What it is called in the guest.
    #[cfg_attr(feature = "serde", serde(default, skip_serializing_if = "Option::is_none"))]
    pub name: Option<String>,
}

/// How a [`SecurityModel`] is written.
#[cfg(feature = "serde")]
#[derive(serde::Serialize, serde::Deserialize)]
#[serde(remote = "SecurityModel", rename_all = "kebab-case")]
enum SecurityModelWord {
    None,
    Passthrough,
    MappedXattr,
    MappedFile,
}

impl NinePfsConfig {
    /// A folder whose new files are QEMU's, where it may not make them the guest's.
    pub fn new(number: u32, tag: impl Into<String>, path: impl Into<String>) -> Self {
        let (tag, path) = (tag.into(), path.into());
        Self { path, tag, security_model: SecurityModel::None, number }
    }

    /// The description of the device.
    ///
    /// # Errors
    /// [`Problem::Config`] names the key and what is wrong with it.
    pub fn spec(&self) -> Result<NinePfs, Problem> {
        if !self.path.starts_with('/') {
            return Err(Problem::Config { key: "9pfs.path", why: "is not an absolute path" });
        }
        Text::new(&*self.tag).map_err(wrong_word("9pfs.tag", NO_TEXT))?;
        let folder = NinePfs::new(self.number, &self.tag, &self.path);
        Ok(folder.map_err(wrong_word("9pfs.path", NO_TEXT))?.security(self.security_model))
    }
}

impl ConsoleConfig {
    /// A pseudo-terminal.
    pub const fn new(number: u32) -> Self {
        Self { number, file: None, socket: None, name: None }
    }

    /// The description of the device.
    ///
    /// # Errors
    /// As for [`NinePfsConfig::spec`].
    pub fn spec(&self) -> Result<Channel, Problem> {
        let number = self.number;
        let first = "is 0, that of the first console, which every domain has";
        let terminal = Channel::pty(number).map_err(wrong_word("console.number", first))?;
        let console = match (&self.file, &self.socket) {
            (None, None) => terminal,
            (Some(file), None) => {
                Channel::file(number, file).map_err(wrong_word("console.file", NO_TEXT))?
            }
            (None, Some(socket)) => {
                Channel::socket(number, socket).map_err(wrong_word("console.socket", NO_TEXT))?
            }
            (Some(_), Some(_)) => {
                let why = "does not go together with a file";
                return Err(Problem::Config { key: "console.socket", why });
            }
        };
        match &self.name {
            Some(name) => console.name(name).map_err(wrong_word("console.name", NO_TEXT)),
            None => Ok(console),
        }
    }
}

#[cfg(feature = "serde")]
const fn none() -> SecurityModel {
    SecurityModel::None
}

#[cfg(feature = "serde")]
fn is_none(model: &SecurityModel) -> bool {
    *model == SecurityModel::None
}

/// What a [`Text`] cannot be.
const NO_TEXT: &str = "is empty, too long or has control characters";

#[cfg(test)]
mod tests {
    use super::*;

    fn why<T: std::fmt::Debug>(refused: Result<T, Problem>) -> (&'static str, &'static str) {
        let Err(Problem::Config { key, why }) = refused else { panic!("{refused:?}") };
        (key, why)
    }

    #[test]
    fn a_folder_is_what_the_command_attaches() {
        let mut folder = NinePfsConfig::new(3, "files", "/srv/files");
        let plain = NinePfs::new(3, "files", "/srv/files").unwrap();
        assert_eq!(folder.spec().unwrap(), plain);
        folder.security_model = SecurityModel::MappedXattr;
        assert_eq!(folder.spec().unwrap(), plain.security(SecurityModel::MappedXattr));
    }

    #[test]
    fn a_folder_wants_an_absolute_path_and_a_tag() {
        let absolute = why(NinePfsConfig::new(0, "files", "srv").spec());
        assert_eq!(absolute, ("9pfs.path", "is not an absolute path"));
        assert_eq!(why(NinePfsConfig::new(0, "", "/srv").spec()), ("9pfs.tag", NO_TEXT));
        assert_eq!(why(NinePfsConfig::new(0, "files", "/s\nrv").spec()), ("9pfs.path", NO_TEXT));
    }

    #[test]
    fn a_console_is_a_terminal_a_file_or_a_socket() {
        let mut console = ConsoleConfig::new(1);
        assert_eq!(console.spec().unwrap(), Channel::pty(1).unwrap());
        console.name = Some("org.example.agent".into());
        let named = |channel: Channel| channel.name("org.example.agent").unwrap();
        assert_eq!(console.spec().unwrap(), named(Channel::pty(1).unwrap()));
        console.file = Some("/tmp/said".into());
        assert_eq!(console.spec().unwrap(), named(Channel::file(1, "/tmp/said").unwrap()));
        console.socket = console.file.take();
        assert_eq!(console.spec().unwrap(), named(Channel::socket(1, "/tmp/said").unwrap()));
    }

    #[test]
    fn a_console_that_cannot_be_is_refused_by_its_key() {
        let first = ConsoleConfig::new(0).spec();
        let is_first = "is 0, that of the first console, which every domain has";
        assert_eq!(why(first), ("console.number", is_first));
        let some = |text: &str| Some(text.to_owned());
        let both = ConsoleConfig { file: some("/a"), socket: some("/b"), ..ConsoleConfig::new(1) };
        assert_eq!(why(both.spec()), ("console.socket", "does not go together with a file"));
        let empty = ConsoleConfig { file: some(""), ..ConsoleConfig::new(1) };
        assert_eq!(why(empty.spec()), ("console.file", NO_TEXT));
        let odd = ConsoleConfig { name: some("a\tb"), ..ConsoleConfig::new(1) };
        assert_eq!(why(odd.spec()), ("console.name", NO_TEXT));
    }
}
