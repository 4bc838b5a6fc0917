//! Network interfaces of the control domain: settings by rtnetlink, facts from `/sys/class/net`.
//!
//! One message of `rtnetlink(7)` with everything in it: the kernel sets the address, the MTU and the
//! bridge before it brings an interface up, so that it is never up outside its bridge.

use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::time::Instant;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::net::netlink::SocketAddrNetlink;
use rustix::net::{
    AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, recv, sendto, socket_with,
};
use xen_types::Deadline;

use super::system::{self, System};
use crate::error::{Cause, Problem};

/// What an interface shall be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Setup<'a> {
    /// Its name in the control domain.
    pub(crate) name: &'a str,
    /// The bridge it is a port of.
    pub(crate) bridge: &'a str,
    /// Its MTU.
    pub(crate) mtu: u32,
}

/// Puts an interface into a bridge and brings it up.
pub(crate) fn connect(
    system: &dyn System,
    setup: Setup<'_>,
    deadline: Deadline,
) -> Result<(), Cause> {
    // The control domain shall not talk to a guest on its own account through the port.
    let ipv6 = Path::new("/proc/sys/net/ipv6/conf").join(setup.name).join("disable_ipv6");
    if let Err(source) = system.write(&ipv6, b"1").or_else(absent_is_fine) {
        return Err(Cause::File { what: "write", path: ipv6, source });
    }
    change(system, setup.name, "put into its bridge", deadline, |port| {
        Ok(up_in_bridge(port, index(system, setup.bridge)?, setup.mtu))
    })
}

/// Gives an interface that is down another name.
pub(crate) fn rename(
    system: &dyn System,
    name: &str,
    new: &str,
    deadline: Deadline,
) -> Result<(), Cause> {
    change(system, name, "rename", deadline, |index| Ok(renamed(index, new)))
}

/// Brings an interface up or down.
pub(crate) fn set_up(
    system: &dyn System,
    name: &str,
    up: bool,
    deadline: Deadline,
) -> Result<(), Cause> {
    change(system, name, "bring up or down", deadline, |index| Ok(up_or_down(index, up)))
}

/// Sets the MTU of an interface.
pub(crate) fn set_mtu(
    system: &dyn System,
    name: &str,
    mtu: u32,
    deadline: Deadline,
) -> Result<(), Cause> {
    change(system, name, "set the MTU of", deadline, |index| Ok(with_mtu(index, mtu)))
}

/// Changes an interface by the message that its number is put into.
fn change(
    system: &dyn System,
    name: &str,
    what: &'static str,
    deadline: Deadline,
    message: impl FnOnce(u32) -> Result<Vec<u8>, Cause>,
) -> Result<(), Cause> {
    if !is_name(name) {
        return Err(Cause::File { what, path: facts("?"), source: io::ErrorKind::NotFound.into() });
    }
    let message = message(index(system, name)?)?;
    request(system, &message, deadline).map_err(|source| Cause::File {
        what,
        path: facts(name),
        source,
    })
}

/// The MTU of a bridge.
pub(crate) fn bridge_mtu(system: &dyn System, bridge: &str) -> Result<u32, Cause> {
    let mark = facts(bridge).join("bridge");
    let is_bridge = system::exists(system, &mark);
    if !is_bridge.map_err(|source| Cause::File { what: "look at", path: mark, source })? {
        return Err(Problem::NoBridge(bridge.to_owned()).into());
    }
    fact(system, bridge, "mtu")
}

/// Whether a string can be the name of an interface (`dev_valid_name` of Linux): it becomes part of
/// a path.
pub(crate) fn is_name(name: &str) -> bool {
    let fits = !name.is_empty() && name.len() < 16 && name != "." && name != "..";
    fits && name.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'/' && byte != b':')
}

fn index(system: &dyn System, name: &str) -> Result<u32, Cause> {
    fact(system, name, "ifindex")
}

fn fact(system: &dyn System, name: &str, what: &str) -> Result<u32, Cause> {
    let path = facts(name).join(what);
    let fail = |source| Cause::File { what: "read", path: path.clone(), source };
    let value = system.read(&path).map_err(fail)?;
    let number = str::from_utf8(&value).ok().and_then(|text| text.trim().parse().ok());
    number.ok_or_else(|| fail(io::ErrorKind::InvalidData.into()))
}

/// Where the kernel tells of an interface.
pub(crate) fn facts(name: &str) -> PathBuf {
    Path::new("/sys/class/net").join(name)
}

fn absent_is_fine(error: io::Error) -> io::Result<()> {
    if error.kind() == io::ErrorKind::NotFound { Ok(()) } else { Err(error) }
}

/// Sends a request to the kernel and waits for what it says.
fn request(system: &dyn System, message: &[u8], deadline: Deadline) -> io::Result<()> {
    match acknowledged(&system.netlink(message, deadline)?) {
        Some(0) => Ok(()),
        Some(code) => Err(io::Error::from_raw_os_error(code)),
        None => Err(io::ErrorKind::InvalidData.into()),
    }
}

/// Sends a message from a new socket and takes the first answer.
pub(super) fn exchange(message: &[u8], deadline: Deadline) -> io::Result<Vec<u8>> {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    // No protocol is number 0, NETLINK_ROUTE.
    let socket = socket_with(AddressFamily::NETLINK, SocketType::RAW, flags, None)?;
    sendto(&socket, message, SendFlags::empty(), &SocketAddrNetlink::new(0, 0))?;
    await_answer(&socket, deadline)?;
    let mut answer = vec![0; 4096];
    let (length, _) = recv(&socket, &mut answer, RecvFlags::empty())?;
    answer.truncate(length);
    Ok(answer)
}

fn await_answer(socket: &OwnedFd, deadline: Deadline) -> io::Result<()> {
    loop {
        let left = deadline.remaining(Instant::now());
        let left = Timespec::try_from(left).unwrap_or(Timespec { tv_sec: 1, tv_nsec: 0 });
        match poll(&mut [PollFd::new(socket, PollFlags::IN)], Some(&left)) {
            Ok(0) => return Err(io::ErrorKind::TimedOut.into()),
            Err(Errno::INTR) => {}
            ready => return Ok(ready.map(drop)?),
        }
    }
}

/// `RTM_NEWLINK` for an interface that is there: address, MTU, bridge, up.
fn up_in_bridge(port: u32, bridge: u32, mtu: u32) -> Vec<u8> {
    let mut message = Vec::new();
    // struct ifinfomsg
    message.extend([AF_UNSPEC, 0, 0, 0]);
    message.extend(port.to_ne_bytes());
    message.extend(IFF_UP.to_ne_bytes());
    message.extend(IFF_UP.to_ne_bytes()); // the flags to change
    attribute(&mut message, IFLA_ADDRESS, &PORT_ADDRESS);
    attribute(&mut message, IFLA_MTU, &mtu.to_ne_bytes());
    attribute(&mut message, IFLA_MASTER, &bridge.to_ne_bytes());
    with_header(RTM_NEWLINK, &message)
}

/// `RTM_NEWLINK` for an interface that is there: up or down, and nothing else.
fn up_or_down(interface: u32, up: bool) -> Vec<u8> {
    let mut message = Vec::from([AF_UNSPEC, 0, 0, 0]);
    message.extend(interface.to_ne_bytes());
    message.extend(if up { IFF_UP } else { 0 }.to_ne_bytes());
    message.extend(IFF_UP.to_ne_bytes()); // the flags to change
    with_header(RTM_NEWLINK, &message)
}

/// `RTM_NEWLINK` for an interface that is there: another MTU.
fn with_mtu(interface: u32, mtu: u32) -> Vec<u8> {
    let mut message = unchanged_flags(interface);
    attribute(&mut message, IFLA_MTU, &mtu.to_ne_bytes());
    with_header(RTM_NEWLINK, &message)
}

/// A `struct ifinfomsg` with no flags, and none to change.
fn unchanged_flags(interface: u32) -> Vec<u8> {
    let mut message = Vec::from([AF_UNSPEC, 0, 0, 0]);
    message.extend(interface.to_ne_bytes());
    message.extend([0; 8]);
    message
}

/// `RTM_NEWLINK` for an interface that is there: another name.
fn renamed(interface: u32, name: &str) -> Vec<u8> {
    let mut message = unchanged_flags(interface);
    attribute(&mut message, IFLA_IFNAME, &[name.as_bytes(), b"\0"].concat());
    with_header(RTM_NEWLINK, &message)
}

/// A `struct rtattr` with its value, padded to four bytes.
fn attribute(message: &mut Vec<u8>, kind: u16, value: &[u8]) {
    let length = u16::try_from(4 + value.len()).expect("every value here has a few bytes");
    message.extend(length.to_ne_bytes());
    message.extend(kind.to_ne_bytes());
    message.extend(value);
    message.resize(message.len().next_multiple_of(4), 0);
}

/// The message behind its `struct nlmsghdr`.
fn with_header(kind: u16, body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(16 + body.len()).expect("every message here has a few bytes");
    let mut message = Vec::from(length.to_ne_bytes());
    message.extend(kind.to_ne_bytes());
    message.extend((NLM_F_REQUEST | NLM_F_ACK).to_ne_bytes());
    message.extend(SEQUENCE.to_ne_bytes());
    message.extend([0; 4]); // from: the kernel fills it in
    message.extend(body);
    message
}

/// The errno in an answer to [`SEQUENCE`], 0 for success; `None` for anything else.
fn acknowledged(answer: &[u8]) -> Option<i32> {
    let kind = u16::from_ne_bytes(answer.get(4..6)?.try_into().ok()?);
    let sequence = u32::from_ne_bytes(answer.get(8..12)?.try_into().ok()?);
    let code = i32::from_ne_bytes(answer.get(16..20)?.try_into().ok()?);
    (kind == NLMSG_ERROR && sequence == SEQUENCE).then(|| code.saturating_neg())
}

/// The largest unicast address, which no bridge takes for its own (`xen-network-common.sh`).
const PORT_ADDRESS: [u8; 6] = [0xFE, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF];

/// One request a socket: any number does.
const SEQUENCE: u32 = 1;

// linux/netlink.h, linux/rtnetlink.h, linux/if_link.h, linux/if.h
const AF_UNSPEC: u8 = 0;
const NLM_F_REQUEST: u16 = 1;
const NLM_F_ACK: u16 = 4;
const NLMSG_ERROR: u16 = 2;
const RTM_NEWLINK: u16 = 16;
const IFLA_ADDRESS: u16 = 1;
const IFLA_IFNAME: u16 = 3;
const IFLA_MTU: u16 = 4;
const IFLA_MASTER: u16 = 10;
const IFF_UP: u32 = 1;

#[cfg(test)]
#[cfg(target_endian = "little")]
mod tests {
    use super::*;
    use crate::hotplug::Linux;

    // Laid out by hand after netlink(7) and rtnetlink(7).
    #[test]
    fn one_message_has_address_mtu_bridge_and_up() {
        let message = up_in_bridge(7, 3, 1500);
        assert_eq!(
            message,
            [
                [60, 0, 0, 0, 16, 0, 5, 0, 1, 0, 0, 0, 0, 0, 0, 0].as_slice(),
                &[0, 0, 0, 0, 7, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0],
                &[10, 0, 1, 0, 0xFE, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0, 0],
                &[8, 0, 4, 0, 0xDC, 5, 0, 0],
                &[8, 0, 10, 0, 3, 0, 0, 0],
            ]
            .concat()
        );
    }

    #[test]
    fn a_new_name_ends_with_a_nul() {
        let message = renamed(7, "lan");
        assert_eq!(&message[..8], [40, 0, 0, 0, 16, 0, 5, 0]);
        assert_eq!(&message[32..], [8, 0, 3, 0, b'l', b'a', b'n', 0]);
    }

    #[test]
    fn one_flag_goes_down_and_an_mtu_changes_none() {
        let down = up_or_down(7, false);
        assert_eq!(&down[..8], [32, 0, 0, 0, 16, 0, 5, 0]);
        assert_eq!(&down[16..], [0, 0, 0, 0, 7, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0]);
        assert_eq!(&up_or_down(7, true)[24..], [1, 0, 0, 0, 1, 0, 0, 0]);
        let mtu = with_mtu(7, 9000);
        assert_eq!(&mtu[24..], [0, 0, 0, 0, 0, 0, 0, 0, 8, 0, 4, 0, 0x28, 0x23, 0, 0]);
    }

    #[test]
    fn an_answer_is_an_errno_to_our_request() {
        let mut answer = [0_u8; 36];
        answer[4] = 2;
        answer[8] = 1;
        assert_eq!(acknowledged(&answer), Some(0));
        answer[16..20].copy_from_slice(&(-19_i32).to_ne_bytes());
        assert_eq!(acknowledged(&answer), Some(19));
        answer[8] = 9;
        assert_eq!(acknowledged(&answer), None);
        assert_eq!(acknowledged(&answer[..12]), None);
    }

    #[test]
    fn a_name_that_would_be_a_path_is_none() {
        assert!(is_name("xenbr0") && is_name("vif7.0"));
        assert!(!is_name("..") && !is_name("a/b") && !is_name("") && !is_name("a b"));
        assert!(!is_name("sixteen-bytes-xx"));
    }

    #[test]
    fn an_interface_that_is_not_there_is_named_in_the_error() {
        let setup = Setup { name: "no-such-port", bridge: "no-bridge", mtu: 1500 };
        let late = Deadline::after(std::time::Duration::from_secs(5));
        let Err(Cause::File { path, .. }) = connect(&Linux, setup, late) else {
            panic!("it is not there")
        };
        assert_eq!(path, Path::new("/sys/class/net/no-such-port/ifindex"));
    }

    #[test]
    fn the_kernel_answers_a_request_about_no_interface_with_its_errno() {
        let late = Deadline::after(std::time::Duration::from_secs(5));
        let message = up_in_bridge(0x7FFF_FFF0, 0x7FFF_FFF1, 1500);
        let error = request(&Linux, &message, late).unwrap_err();
        // ENODEV with the right, EPERM without.
        assert!(matches!(error.raw_os_error(), Some(19 | 1)), "{error}");
    }
}
