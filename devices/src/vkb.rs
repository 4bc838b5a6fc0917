//! Keyboards, pointers and touch screens.
//!
//! Keys: `libxl_vkb.c` (4.17, 4.20), `io/kbdif.h`.

use xen_types::DomId;

use crate::error::{Error, Result};
use crate::id::{DeviceId, Ends};
use crate::kind::Kind;
use crate::layout::Layout;
use crate::part::{rule, text};
use crate::protocol::Protocol;
use crate::record::Record;
use crate::spec::Spec;
use crate::text::Text;
use crate::tree::Tree;

/// What a domain's user types and points with.
///
/// ```
/// use devices::{Record, Size, Spec, Vkb};
/// use xen_types::DomId;
///
/// let dom = DomId::new(7).ok_or("reserved")?;
/// let tablet = Vkb::new(0).absolute(Size { width: 1920, height: 1080 })?;
/// let record = Record::in_tree(&tablet.tree(dom), &tablet.ends(dom).device)?;
/// assert_eq!(Vkb::from_record(&record)?, tablet);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Vkb {
    number: u32,
    outside_qemu: bool,
    id: Option<Text>,
    no_keyboard: bool,
    no_pointer: bool,
    absolute: bool,
    raw: bool,
    touch: Option<Touch>,
    size: Option<Size>,
    protocol: Option<Protocol>,
    server: DomId,
}

/// An area in pixels; neither side is 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Size {
    /// From left to right.
    pub width: u32,
    /// From top to bottom.
    pub height: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Touch {
    size: Size,
    contacts: u32,
}

impl Vkb {
    /// A keyboard and a pointer that QEMU serves.
    pub fn new(number: u32) -> Self {
        Self {
            number,
            outside_qemu: false,
            id: None,
            no_keyboard: false,
            no_pointer: false,
            absolute: false,
            raw: false,
            touch: None,
            size: None,
            protocol: None,
            server: DomId::DOM0,
        }
    }

    /// The same, served by a program that is not QEMU (xl's `backend-type=linux`).
    #[must_use]
    pub fn outside_qemu(self) -> Self {
        Self { outside_qemu: true, ..self }
    }

    /// The same, known to the server by this name.
    ///
    /// # Errors
    /// [`Invalid`](xen_types::Kind::Invalid) if it is not a [`Text`].
    pub fn id(self, id: &str) -> Result<Self> {
        Ok(Self { id: Some(text("the name of a keyboard", id)?), ..self })
    }

    /// The same without a keyboard.
    #[must_use]
    pub fn without_keyboard(self) -> Self {
        Self { no_keyboard: true, ..self }
    }

    /// The same without a pointer.
    #[must_use]
    pub fn without_pointer(self) -> Self {
        Self { no_pointer: true, ..self }
    }

    /// The same, whose pointer says where in an area of this size it is, not how far it moved.
    ///
    /// # Errors
    /// [`Invalid`](xen_types::Kind::Invalid) if a side is 0.
    pub fn absolute(self, size: Size) -> Result<Self> {
        let size = size.checked("the area of a pointer")?;
        Ok(Self { absolute: true, size: Some(size), ..self })
    }

    /// The same, whose pointer's values are not scaled to the screen.
    #[must_use]
    pub fn raw(self) -> Self {
        Self { raw: true, ..self }
    }

    /// The same with a touch screen of this size that tells so many fingers apart.
    ///
    /// # Errors
    /// [`Invalid`](xen_types::Kind::Invalid) if a side, or the number of fingers, is 0.
    pub fn multi_touch(self, size: Size, contacts: u32) -> Result<Self> {
        let size = size.checked("a touch screen")?;
        if contacts == 0 {
            return Err(Error::part("a touch screen", rule("it is touched by no finger")));
        }
        Ok(Self { touch: Some(Touch { size, contacts }), ..self })
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

impl Size {
    pub(crate) fn checked(self, part: &'static str) -> Result<Self> {
        match self.width == 0 || self.height == 0 {
            true => Err(Error::part(part, rule("a side of it is 0"))),
            false => Ok(self),
        }
    }

    fn from_record(record: &Record, width: &str, height: &str) -> Result<Option<Self>> {
        let (w, h) = (record.parse_opt(width)?, record.parse_opt(height)?);
        match (w.unwrap_or(0), h.unwrap_or(0)) {
            (0, 0) => Ok(None),
            (0, _) => Err(record.wrong(width)),
            (_, 0) => Err(record.wrong(height)),
            (width, height) => Ok(Some(Self { width, height })),
        }
    }
}

impl Spec for Vkb {
    fn ends(&self, dom: DomId) -> Ends {
        let device = DeviceId { dom, kind: Kind::Vkbd, number: self.number };
        let served_as = if self.outside_qemu { Kind::Vinput } else { Kind::Vkbd };
        Ends { device, server: self.server, served_as }
    }

    fn tree(&self, dom: DomId) -> Tree {
        let set = |flag: bool| flag.then_some(1);
        let touch = self.touch.as_ref();
        let mut layout = Layout::new(self.ends(dom));
        layout
            .back_opt("unique-id", self.id.as_ref())
            .back_opt("feature-disable-keyboard", set(self.no_keyboard))
            .back_opt("feature-disable-pointer", set(self.no_pointer))
            .back_opt("feature-abs-pointer", set(self.absolute))
            .back_opt("feature-raw-pointer", set(self.raw))
            .back_opt("feature-multi-touch", set(touch.is_some()))
            .back_opt("multi-touch-width", touch.map(|touch| touch.size.width))
            .back_opt("multi-touch-height", touch.map(|touch| touch.size.height))
            .back_opt("multi-touch-num-contacts", touch.map(|touch| touch.contacts))
            .back_opt("width", self.size.map(|size| size.width))
            .back_opt("height", self.size.map(|size| size.height));
        if let Some(protocol) = self.protocol {
            layout.front_kept("protocol", protocol.name());
        }
        layout.tree()
    }

    fn from_record(record: &Record) -> Result<Self> {
        let ends = record.of_kind(&Kind::Vkbd)?;
        let outside_qemu = match ends.served_as {
            Kind::Vkbd => false,
            Kind::Vinput => true,
            _ => return Err(record.of_another_kind()),
        };
        let touch = match record.flag("feature-multi-touch", false)? {
            false => None,
            true => Some(Touch {
                size: Size::from_record(record, "multi-touch-width", "multi-touch-height")?
                    .ok_or_else(|| record.wrong("multi-touch-width"))?,
                contacts: record.parse("multi-touch-num-contacts")?,
            }),
        };
        Ok(Self {
            number: ends.device.number,
            outside_qemu,
            id: record.text_opt("unique-id")?,
            no_keyboard: record.flag("feature-disable-keyboard", false)?,
            no_pointer: record.flag("feature-disable-pointer", false)?,
            absolute: record.flag("feature-abs-pointer", false)?,
            raw: record.flag("feature-raw-pointer", false)?,
            touch,
            size: Size::from_record(record, "width", "height")?,
            protocol: record.protocol()?,
            server: ends.server,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{dom, lines_below, read_back, record_with};

    const SIZE: Size = Size { width: 800, height: 600 };

    #[test]
    fn features_are_there_only_if_they_are_on() {
        let all = Vkb::new(0).id("k").unwrap().without_keyboard().without_pointer().raw();
        let all = all.absolute(SIZE).unwrap().multi_touch(SIZE, 5).unwrap().outside_qemu();
        let back = lines_below(&all, "/local/domain/0/backend/vinput/7/0");
        assert_eq!(
            back[5..],
            [
                r#"/unique-id = "k""#,
                r#"/feature-disable-keyboard = "1""#,
                r#"/feature-disable-pointer = "1""#,
                r#"/feature-abs-pointer = "1""#,
                r#"/feature-raw-pointer = "1""#,
                r#"/feature-multi-touch = "1""#,
                r#"/multi-touch-width = "800""#,
                r#"/multi-touch-height = "600""#,
                r#"/multi-touch-num-contacts = "5""#,
                r#"/width = "800""#,
                r#"/height = "600""#,
            ]
        );
        assert_eq!(lines_below(&Vkb::new(0), "/local/domain/0/backend/vkbd/7/0").len(), 5);
        assert_eq!(read_back(&all).unwrap(), all);
    }

    #[test]
    fn what_is_written_is_read() {
        let plain = Vkb::new(2).served_by(dom(3)).protocol(Protocol::X86_32);
        assert_eq!(read_back(&plain).unwrap(), plain);
    }

    #[test]
    fn an_area_has_two_sides() {
        assert!(Vkb::new(0).absolute(Size { width: 1, height: 0 }).is_err());
        assert!(Vkb::new(0).multi_touch(SIZE, 0).is_err());
        let tablet = Vkb::new(0).absolute(SIZE).unwrap();
        assert!(Vkb::from_record(&record_with(&tablet, "height", "0")).is_err());
        assert!(Vkb::from_record(&record_with(&tablet, "feature-multi-touch", "1")).is_err());
    }
}
