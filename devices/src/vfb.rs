//! Frame buffers, which QEMU shows by VNC or in a window.
//!
//! Keys: `libxl_console.c` (4.17, 4.20), `io/fbif.h`.

use std::fmt;

use xen_types::DomId;

use crate::error::Result;
use crate::id::{DeviceId, Ends};
use crate::kind::Kind;
use crate::layout::Layout;
use crate::part::text;
use crate::protocol::Protocol;
use crate::record::Record;
use crate::spec::Spec;
use crate::text::Text;
use crate::tree::Tree;

/// The frame buffer of a domain.
///
/// ```
/// use devices::{Record, Spec, Vfb, Vnc};
/// use xen_types::DomId;
///
/// let dom = DomId::new(7).ok_or("reserved")?;
/// let screen = Vfb::new(0).vnc(Vnc::on("127.0.0.1")?.password("secret")?);
/// let record = Record::in_tree(&screen.tree(dom), &screen.ends(dom).device)?;
/// assert_eq!(Vfb::from_record(&record)?, screen);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Vfb {
    number: u32,
    vnc: Option<Vnc>,
    window: Option<Window>,
    protocol: Option<Protocol>,
    server: DomId,
}

/// That a screen is shown by VNC.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Vnc {
    listen: Text,
    password: Option<Password>,
    display: u32,
    find_unused: bool,
}

/// That a screen is shown in a window of the serving domain (SDL).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Window {
    opengl: bool,
    display: Option<Text>,
    xauthority: Option<Text>,
}

/// A word that is not printed.
#[derive(Clone, PartialEq, Eq)]
struct Password(Text);

impl Vfb {
    /// A frame buffer that nobody sees yet.
    pub fn new(number: u32) -> Self {
        Self { number, vnc: None, window: None, protocol: None, server: DomId::DOM0 }
    }

    /// The same, shown by VNC.
    #[must_use]
    pub fn vnc(self, vnc: Vnc) -> Self {
        Self { vnc: Some(vnc), ..self }
    }

    /// The same, shown in a window.
    #[must_use]
    pub fn window(self, window: Window) -> Self {
        Self { window: Some(window), ..self }
    }

    /// The same for an old PV frontend, which does not say its layout itself.
    #[must_use]
    pub fn protocol(self, protocol: Protocol) -> Self {
        Self { protocol: Some(protocol), ..self }
    }

    /// The same, served by another domain than the control domain.
    #[must_use]
    pub fn served_by(self, server: DomId) -> Self {
        Self { server, ..self }
    }
}

impl Vnc {
    /// By a server that listens at this address, on the first display that is free.
    ///
    /// # Errors
    /// [`Invalid`](xen_types::Kind::Invalid) if it is not a [`Text`].
    pub fn on(address: &str) -> Result<Self> {
        let listen = text("the address of a VNC server", address)?;
        Ok(Self { listen, password: None, display: 0, find_unused: true })
    }

    /// The same, on this display or the first free one after it.
    #[must_use]
    pub fn display(self, display: u32) -> Self {
        Self { display, find_unused: true, ..self }
    }

    /// The same, on this display and no other.
    #[must_use]
    pub fn only_display(self, display: u32) -> Self {
        Self { display, find_unused: false, ..self }
    }

    /// The same, for those who know this word. It stands in the serving end, which the guest can read.
    ///
    /// # Errors
    /// [`Invalid`](xen_types::Kind::Invalid) if it is not a [`Text`].
    pub fn password(self, password: &str) -> Result<Self> {
        Ok(Self {
            password: Some(Password(text("the password of a VNC server", password)?)),
            ..self
        })
    }
}

impl Window {
    /// On the display that QEMU finds.
    pub fn new() -> Self {
        Self::default()
    }

    /// The same, drawn by OpenGL.
    #[must_use]
    pub fn opengl(self) -> Self {
        Self { opengl: true, ..self }
    }

    /// The same, on this X display.
    ///
    /// # Errors
    /// [`Invalid`](xen_types::Kind::Invalid) if it is not a [`Text`].
    pub fn display(self, display: &str) -> Result<Self> {
        Ok(Self { display: Some(text("the display of a window", display)?), ..self })
    }

    /// The same, with the right to that display from this file.
    ///
    /// # Errors
    /// [`Invalid`](xen_types::Kind::Invalid) if it is not a [`Text`].
    pub fn xauthority(self, path: &str) -> Result<Self> {
        Ok(Self { xauthority: Some(text("the authority of a window", path)?), ..self })
    }
}

impl Spec for Vfb {
    fn ends(&self, dom: DomId) -> Ends {
        let device = DeviceId { dom, kind: Kind::Vfb, number: self.number };
        Ends { device, server: self.server, served_as: Kind::Vfb }
    }

    fn tree(&self, dom: DomId) -> Tree {
        let (vnc, window) = (self.vnc.as_ref(), self.window.as_ref());
        let mut layout = Layout::new(self.ends(dom));
        layout
            .back("vnc", u8::from(vnc.is_some()))
            .back_opt("vnclisten", vnc.map(|vnc| &vnc.listen))
            .back_opt("vncpasswd", vnc.and_then(|vnc| Some(&vnc.password.as_ref()?.0)))
            .back("vncdisplay", vnc.map_or(0, |vnc| vnc.display))
            .back("vncunused", u8::from(vnc.is_some_and(|vnc| vnc.find_unused)))
            .back("sdl", u8::from(window.is_some()))
            .back("opengl", u8::from(window.is_some_and(|window| window.opengl)))
            .back_opt("xauthority", window.and_then(|window| window.xauthority.as_ref()))
            .back_opt("display", window.and_then(|window| window.display.as_ref()));
        if let Some(protocol) = self.protocol {
            layout.front_kept("protocol", protocol.name());
        }
        layout.tree()
    }

    fn from_record(record: &Record) -> Result<Self> {
        let ends = record.served_alike(&Kind::Vfb)?;
        let vnc = match record.flag("vnc", false)? {
            false => None,
            true => Some(Vnc {
                listen: record.text("vnclisten")?,
                password: record.text_opt("vncpasswd")?.map(Password),
                display: record.parse_opt("vncdisplay")?.unwrap_or(0),
                find_unused: record.flag("vncunused", true)?,
            }),
        };
        let window = match record.flag("sdl", false)? {
            false => None,
            true => Some(Window {
                opengl: record.flag("opengl", false)?,
                display: record.text_opt("display")?,
                xauthority: record.text_opt("xauthority")?,
            }),
        };
        let protocol = record.protocol()?;
        Ok(Self { number: ends.device.number, vnc, window, protocol, server: ends.server })
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("…")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{dom, lines_below, read_back, record_with};

    #[test]
    fn qemu_finds_how_to_show_it() {
        let screen = Vfb::new(0).vnc(Vnc::on("127.0.0.1").unwrap());
        assert_eq!(
            lines_below(&screen, "/local/domain/0/backend/vfb/7/0"),
            [
                r#" = ""   (n0,r7)"#,
                r#"/frontend = "/local/domain/7/device/vfb/0""#,
                r#"/frontend-id = "7""#,
                r#"/online = "1""#,
                r#"/state = "1""#,
                r#"/vnc = "1""#,
                r#"/vnclisten = "127.0.0.1""#,
                r#"/vncdisplay = "0""#,
                r#"/vncunused = "1""#,
                r#"/sdl = "0""#,
                r#"/opengl = "0""#,
            ]
        );
    }

    #[test]
    fn what_is_written_is_read() {
        let window = Window::new().opengl().display(":0").unwrap().xauthority("/root/x").unwrap();
        let vnc = Vnc::on("::").unwrap().only_display(7).password("p").unwrap();
        let screen = Vfb::new(1).vnc(vnc).window(window).protocol(Protocol::X86_64);
        let screen = screen.served_by(dom(3));
        assert_eq!(read_back(&screen).unwrap(), screen);
        assert_eq!(read_back(&Vfb::new(0)).unwrap(), Vfb::new(0));
    }

    #[test]
    fn a_password_is_not_printed() {
        let screen = Vfb::new(0).vnc(Vnc::on("::").unwrap().password("xyzzy").unwrap());
        assert!(!format!("{screen:?}").contains("xyzzy"));
    }

    #[test]
    fn a_record_of_something_else_is_refused() {
        let screen = Vfb::new(0).vnc(Vnc::on("::").unwrap());
        assert!(Vfb::from_record(&record_with(&screen, "vncdisplay", "one")).is_err());
        assert!(Vfb::from_record(&record_with(&screen, "vnclisten", "")).is_err());
        let backend = "/local/domain/0/backend/vkbd/7/0";
        assert!(Vfb::from_record(&record_with(&screen, "backend", backend)).is_err());
    }
}
