//! Consoles besides the first: serial lines between a guest and a program in the serving domain.
//!
//! Keys: `libxl_console.c` (4.17, 4.20), `io/console.h`, docs/misc/channel.txt. A file as the other end
//! is not libxl's: QEMU takes a character device's description in `output`.

use xen_types::DomId;

use crate::error::Result;
use crate::id::{DeviceId, Ends};
use crate::kind::Kind;
use crate::layout::Layout;
use crate::part::{text, within};
use crate::record::Record;
use crate::spec::Spec;
use crate::text::Text;
use crate::tree::Tree;

/// A console besides the first one, which is [`Console`](crate::Console).
///
/// ```
/// use devices::{Channel, Record, Spec};
/// use xen_types::DomId;
///
/// let dom = DomId::new(7).ok_or("reserved")?;
/// let agent = Channel::socket(1, "/run/agent.7")?.name("org.example.agent")?;
/// assert_eq!(agent.ends(dom).frontend().as_str(), "/local/domain/7/device/console/1");
/// let record = Record::in_tree(&agent.tree(dom), &agent.ends(dom).device)?;
/// assert_eq!(Channel::from_record(&record)?, agent);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Channel {
    number: u32,
    name: Option<Text>,
    end: Connection,
    by: Program,
    server: DomId,
}

/// What is at the other end of a [`Channel`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Connection {
    /// A pseudo-terminal, named by whoever serves it in `tty`.
    Pty,
    /// A listening socket of this path.
    Socket(Text),
    /// A file of this path, for what the guest says.
    File(Text),
}

/// Who serves a [`Channel`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Program {
    /// QEMU, as libxl has it.
    Qemu,
    /// The console daemon, which knows nothing but pseudo-terminals.
    Xenconsoled,
}

impl Channel {
    /// How many bytes of output are kept while nobody reads (`LIBXL_XENCONSOLE_LIMIT`).
    pub const BUFFER_LIMIT: u32 = 1_048_576;

    /// A channel that ends in a pseudo-terminal of QEMU.
    ///
    /// # Errors
    /// [`Invalid`](xen_types::Kind::Invalid) for number 0, which is the first console's.
    pub fn pty(number: u32) -> Result<Self> {
        Self::new(number, Connection::Pty)
    }

    /// A channel that ends in a socket on which QEMU listens.
    ///
    /// QEMU must have a character device `libxl-channelNUMBER` for it on its command line.
    ///
    /// # Errors
    /// As for [`Channel::pty`], and if the path is not a [`Text`].
    pub fn socket(number: u32, path: &str) -> Result<Self> {
        Self::new(number, Connection::Socket(text("the socket of a channel", path)?))
    }

    /// A channel that ends in a file, which QEMU writes.
    ///
    /// # Errors
    /// As for [`Channel::socket`].
    pub fn file(number: u32, path: &str) -> Result<Self> {
        Self::new(number, Connection::File(text("the file of a channel", path)?))
    }

    fn new(number: u32, end: Connection) -> Result<Self> {
        let number = within("the number of a channel", number, 1, u32::MAX)?;
        Ok(Self { number, name: None, end, by: Program::Qemu, server: DomId::DOM0 })
    }

    /// The same, served by the console daemon; it ends in a pseudo-terminal.
    #[must_use]
    pub fn by_xenconsoled(self) -> Self {
        Self { by: Program::Xenconsoled, end: Connection::Pty, ..self }
    }

    /// The same, found by this name in the guest.
    ///
    /// # Errors
    /// [`Invalid`](xen_types::Kind::Invalid) if it is not a [`Text`].
    pub fn name(self, name: &str) -> Result<Self> {
        Ok(Self { name: Some(text("the name of a channel", name)?), ..self })
    }

    /// The same, served by another domain than the control domain.
    #[must_use]
    pub fn served_by(self, server: DomId) -> Self {
        Self { server, ..self }
    }

    /// What is at the other end.
    pub const fn connection(&self) -> &Connection {
        &self.end
    }

    /// What it is called in the guest.
    pub const fn channel_name(&self) -> Option<&Text> {
        self.name.as_ref()
    }

    /// What the server is told to connect it to.
    fn output(&self) -> String {
        match &self.end {
            Connection::Pty => "pty".to_owned(),
            Connection::Socket(_) => format!("chardev:libxl-channel{}", self.number),
            Connection::File(path) => format!("file:{path}"),
        }
    }
}

impl Spec for Channel {
    fn ends(&self, dom: DomId) -> Ends {
        let device = DeviceId { dom, kind: Kind::Console, number: self.number };
        Ends { device, server: self.server, served_as: Kind::Console }
    }

    fn tree(&self, dom: DomId) -> Tree {
        let (connection, path) = match &self.end {
            Connection::Pty => ("pty", None),
            Connection::Socket(path) => ("socket", Some(path)),
            Connection::File(path) => ("file", Some(path)),
        };
        let served_by = match self.by {
            Program::Qemu => "ioemu",
            Program::Xenconsoled => "xenconsoled",
        };
        let mut layout = Layout::new(self.ends(dom));
        layout
            .back("protocol", PROTOCOL)
            .back_opt("name", self.name.as_ref())
            .back("connection", connection)
            .back_opt("path", path)
            .front("protocol", PROTOCOL);
        if let Some(name) = &self.name {
            layout.shown("name", name);
        }
        layout
            .shown("limit", Self::BUFFER_LIMIT)
            .shown_kept("type", served_by)
            .shown("output", self.output())
            .shown("tty", "");
        layout.tree()
    }

    fn from_record(record: &Record) -> Result<Self> {
        let ends = record.of_kind(&Kind::Console)?;
        if ends.served_as != Kind::Console || ends.device.number == 0 {
            return Err(record.of_another_kind());
        }
        let end = match record.str_opt("connection")? {
            None | Some("pty") => Connection::Pty,
            Some("socket") => Connection::Socket(record.text("path")?),
            Some("file") => Connection::File(record.text("path")?),
            Some(_) => return Err(record.wrong("connection")),
        };
        let by = match (record.str_opt("frontend/type")?, &end) {
            (None | Some("ioemu"), _) => Program::Qemu,
            (Some("xenconsoled"), Connection::Pty) => Program::Xenconsoled,
            _ => return Err(record.wrong("frontend/type")),
        };
        let name = record.text_opt("name")?;
        Ok(Self { number: ends.device.number, name, end, by, server: ends.server })
    }
}

const PROTOCOL: &str = "vt100";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{dom, lines_below, read_back, record_with};

    #[test]
    fn the_guest_is_shown_what_only_the_server_may_write() {
        let agent = Channel::socket(1, "/run/a").unwrap().name("a").unwrap();
        let front = lines_below(&agent, "/local/domain/7/device/console/1");
        assert_eq!(
            front,
            [
                r#" = ""   (n7,r0)"#,
                r#"/backend = "/local/domain/0/backend/console/7/1""#,
                r#"/backend-id = "0""#,
                r#"/state = "1""#,
                r#"/protocol = "vt100""#,
                r#"/name = "a"   (n0,r7)"#,
                r#"/limit = "1048576"   (n0,r7)"#,
                r#"/type = "ioemu"   (n0,r7)"#,
                r#"/output = "chardev:libxl-channel1"   (n0,r7)"#,
                r#"/tty = ""   (n0,r7)"#,
            ]
        );
    }

    #[test]
    fn the_server_knows_where_it_goes() {
        let back = lines_below(
            &Channel::file(2, "/tmp/log").unwrap(),
            "/local/domain/0/backend/console/7/2",
        );
        assert_eq!(
            back,
            [
                r#" = ""   (n0,r7)"#,
                r#"/frontend = "/local/domain/7/device/console/2""#,
                r#"/frontend-id = "7""#,
                r#"/online = "1""#,
                r#"/state = "1""#,
                r#"/protocol = "vt100""#,
                r#"/connection = "file""#,
                r#"/path = "/tmp/log""#,
            ]
        );
    }

    #[test]
    fn what_is_written_is_read() {
        let daemons = Channel::pty(3).unwrap().by_xenconsoled().served_by(dom(2));
        assert_eq!(read_back(&daemons).unwrap(), daemons);
        let file = Channel::file(2, "/tmp/log").unwrap().name("log").unwrap();
        assert_eq!(read_back(&file).unwrap(), file);
    }

    #[test]
    fn number_0_is_the_first_console() {
        assert_eq!(Channel::pty(0).unwrap_err().to_string(), "describe the number of a channel");
    }

    #[test]
    fn a_socket_without_a_path_is_refused() {
        let socket = Channel::socket(1, "/run/a").unwrap();
        assert!(Channel::from_record(&record_with(&socket, "path", "")).is_err());
        assert!(Channel::from_record(&record_with(&socket, "connection", "phone")).is_err());
    }
}
