//! The paths of `/proc` and `/sys` that tell of devices.

use std::io;
use std::path::Path;

use rustix::io::Errno;
use xenops::system::Node;

use super::State;

impl State {
    /// What is at a path.
    pub(super) fn stat(&self, path: &Path) -> io::Result<Node> {
        let of_system = || (self.is_folder(path) || self.read(path).is_ok()).then_some(Node::Other);
        Ok(self.blocks.at(path).or_else(of_system).ok_or(Errno::NOENT)?)
    }

    fn is_folder(&self, path: &Path) -> bool {
        match words(path)[..] {
            ["sys", "block"] | ["sys", "bus", "xen-backend", "devices"] => true,
            ["sys", "block", name] => self.blocks.names().iter().any(|there| there == name),
            ["sys", "block", name, "loop"] => self.blocks.read_only_loop(name).is_some(),
            ["sys", "bus", "xen-backend", "devices", name] => self.backends.contains_key(name),
            ["sys", "class", "net", name] => self.links.get(name).is_some(),
            ["sys", "class", "net", name, "bridge"] => {
                self.links.get(name).is_some_and(|link| link.is_bridge)
            }
            _ => false,
        }
    }

    /// What is in a file of `/proc` or `/sys`.
    pub(super) fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        let text = match words(path)[..] {
            ["proc", "self", "mountinfo"] => Some(self.blocks.mounts().to_owned()),
            ["sys", "block", name, "ro"] => self
                .blocks
                .read_only_loop(name)
                .map(|read_only| format!("{}\n", u8::from(read_only))),
            ["sys", "bus", "xen-backend", "devices", name, "physical_device"] => {
                self.backends.get(name).cloned().flatten().map(|number| format!("{number}\n"))
            }
            ["sys", "class", "net", name, "ifindex"] => {
                self.links.get(name).map(|link| format!("{}\n", link.index))
            }
            ["sys", "class", "net", name, "mtu"] => {
                self.links.get(name).map(|link| format!("{}\n", link.mtu))
            }
            _ => None,
        };
        Ok(text.ok_or(Errno::NOENT)?.into_bytes())
    }

    /// Writes into a file of `/proc` or `/sys`.
    pub(super) fn write(&mut self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        match (&words(path)[..], bytes) {
            (["proc", "sys", "net", "ipv6", "conf", name, "disable_ipv6"], b"1") => {
                self.links.disable_ipv6(name)
            }
            _ => Err(Errno::NOENT.into()),
        }
    }

    /// The names in a folder.
    pub(super) fn list(&self, folder: &Path) -> io::Result<Vec<String>> {
        match words(folder)[..] {
            ["sys", "block"] => Ok(self.blocks.names()),
            _ if self.blocks.is_folder(folder) => Ok(Vec::new()),
            _ => Err(Errno::NOENT.into()),
        }
    }
}

/// The names that a path is made of; none if it is no text.
fn words(path: &Path) -> Vec<&str> {
    let words = path.to_str().unwrap_or_default().split('/');
    words.filter(|word| !word.is_empty()).collect()
}
