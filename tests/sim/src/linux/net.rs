//! Network interfaces, and `rtnetlink(7)` as far as it changes them.

use std::collections::BTreeMap;
use std::io;

use rustix::io::Errno;

/// The network interfaces.
#[derive(Debug, Default)]
pub(crate) struct Links {
    links: BTreeMap<String, Link>,
    last_index: u32,
}

/// One interface.
#[derive(Debug, Default)]
pub(crate) struct Link {
    pub(crate) index: u32,
    pub(crate) mtu: u32,
    pub(crate) is_bridge: bool,
    address: Vec<u8>,
    master: u32,
    up: bool,
    no_ipv6: bool,
}

impl Links {
    pub(super) fn add_bridge(&mut self, name: &str, mtu: u32) {
        self.add(name, Link { mtu, is_bridge: true, up: true, ..Link::default() });
    }

    /// Makes the interface of a backend.
    pub(super) fn add_port(&mut self, name: &str) -> u32 {
        self.add(name, Link { mtu: 1500, ..Link::default() })
    }

    fn add(&mut self, name: &str, link: Link) -> u32 {
        self.last_index += 1;
        let index = self.last_index;
        self.links.insert(name.to_owned(), Link { index, ..link });
        index
    }

    /// Puts an interface into a bridge and has it go; whether there are both.
    pub(super) fn join(&mut self, name: &str, bridge: &str) -> bool {
        let bridge = self.links.get(bridge).filter(|link| link.is_bridge).map(|link| link.index);
        let (Some(bridge), Some(link)) = (bridge, self.links.get_mut(name)) else { return false };
        (link.master, link.up) = (bridge, true);
        true
    }

    /// Removes an interface, whatever its name is by now.
    pub(super) fn remove(&mut self, index: u32) {
        self.links.retain(|_, link| link.index != index);
    }

    pub(super) fn get(&self, name: &str) -> Option<&Link> {
        self.links.get(name)
    }

    pub(super) fn disable_ipv6(&mut self, name: &str) -> io::Result<()> {
        self.links.get_mut(name).ok_or(Errno::NOENT)?.no_ipv6 = true;
        Ok(())
    }

    pub(super) fn list(&self) -> Vec<String> {
        self.links.iter().map(|(name, link)| format!("{name} {}", self.shown(link))).collect()
    }

    fn shown(&self, link: &Link) -> String {
        let mut bridges = self.links.iter().filter(|(_, other)| other.index == link.master);
        let bridge = bridges.next().map_or("none", |(name, _)| name);
        let (up, ipv6) =
            (if link.up { "up" } else { "down" }, if link.no_ipv6 { "" } else { " ipv6" });
        format!("mtu {} bridge {bridge} address {:02x?} {up}{ipv6}", link.mtu, link.address)
    }

    /// The kernel's answer to a message: `struct nlmsgerr` behind its header.
    pub(super) fn answer(&mut self, message: &[u8]) -> io::Result<Vec<u8>> {
        let request = Request::read(message).ok_or(Errno::INVAL)?;
        let code = self.set(&request).err().map_or(0, |errno| -errno.raw_os_error());
        let mut answer = Vec::from(36_u32.to_ne_bytes());
        answer.extend(NLMSG_ERROR.to_ne_bytes());
        answer.extend([0; 2]);
        answer.extend(request.sequence.to_ne_bytes());
        answer.extend([0; 4]);
        answer.extend(code.to_ne_bytes());
        answer.extend(&message[..16]);
        Ok(answer)
    }

    fn set(&mut self, request: &Request<'_>) -> Result<(), Errno> {
        if let Some(master) = request.word(IFLA_MASTER) {
            let bridge = self.links.values().find(|link| link.index == master);
            if !bridge.ok_or(Errno::INVAL)?.is_bridge {
                return Err(Errno::OPNOTSUPP);
            }
        }
        let named = self.links.iter().find(|(_, link)| link.index == request.index);
        let name = named.map(|(name, _)| name.clone()).ok_or(Errno::NODEV)?;
        let new = request.attribute(IFLA_IFNAME).map(|new| String::from_utf8_lossy(new));
        let new = new.map(|new| new.trim_end_matches('\0').to_owned());
        if new.as_ref().is_some_and(|new| self.links.contains_key(new)) {
            return Err(Errno::EXIST);
        }
        let mut link = self.links.remove(&name).ok_or(Errno::NODEV)?;
        if let Some(address) = request.attribute(IFLA_ADDRESS) {
            link.address = address.into();
        }
        link.mtu = request.word(IFLA_MTU).unwrap_or(link.mtu);
        link.master = request.word(IFLA_MASTER).unwrap_or(link.master);
        if request.change & IFF_UP != 0 {
            link.up = request.flags & IFF_UP != 0;
        }
        self.links.insert(new.unwrap_or(name), link);
        Ok(())
    }
}

/// `RTM_NEWLINK` for an interface that is there.
struct Request<'a> {
    sequence: u32,
    index: u32,
    flags: u32,
    change: u32,
    attributes: Vec<(u16, &'a [u8])>,
}

impl<'a> Request<'a> {
    fn read(message: &'a [u8]) -> Option<Self> {
        if half(message, 4)? != RTM_NEWLINK {
            return None;
        }
        let mut attributes = Vec::new();
        let mut rest = message.get(32..word(message, 0)?.try_into().ok()?)?;
        while !rest.is_empty() {
            let length = usize::from(half(rest, 0)?);
            attributes.push((half(rest, 2)?, rest.get(4..length)?));
            rest = rest.get(length.next_multiple_of(4)..).unwrap_or_default();
        }
        Some(Self {
            sequence: word(message, 8)?,
            index: word(message, 20)?,
            flags: word(message, 24)?,
            change: word(message, 28)?,
            attributes,
        })
    }

    fn attribute(&self, kind: u16) -> Option<&'a [u8]> {
        self.attributes.iter().find(|(other, _)| *other == kind).map(|(_, value)| *value)
    }

    fn word(&self, kind: u16) -> Option<u32> {
        word(self.attribute(kind)?, 0)
    }
}

fn word(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_ne_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

fn half(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_ne_bytes(bytes.get(at..at + 2)?.try_into().ok()?))
}

// linux/netlink.h, linux/rtnetlink.h, linux/if_link.h, linux/if.h
const NLMSG_ERROR: u16 = 2;
const RTM_NEWLINK: u16 = 16;
const IFLA_ADDRESS: u16 = 1;
const IFLA_IFNAME: u16 = 3;
const IFLA_MTU: u16 = 4;
const IFLA_MASTER: u16 = 10;
const IFF_UP: u32 = 1;
