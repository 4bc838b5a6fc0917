//! Displays.
//!
//! Keys: `libxl_vdispl.c` (4.17, 4.20), `io/displif.h`. The guest is shown them in its own end.

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
use crate::vkb::Size;

/// A display card of a domain.
///
/// ```
/// use devices::{Record, Size, Spec, Vdispl};
/// use xen_types::DomId;
///
/// let dom = DomId::new(7).ok_or("reserved")?;
/// let card = Vdispl::new(0).connector("left", Size { width: 1920, height: 1080 })?;
/// let record = Record::in_tree(&card.tree(dom), &card.ends(dom).device)?;
/// assert_eq!(Vdispl::from_record(&record)?, card);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Vdispl {
    number: u32,
    server_allocates: bool,
    connectors: Vec<(Text, Size)>,
    server: DomId,
}

impl Vdispl {
    /// How many screens a card may have here; the interface has no limit.
    pub const MAX_CONNECTORS: usize = 32;

    /// A card with no screen.
    pub const fn new(number: u32) -> Self {
        let connectors = Vec::new();
        Self { number, server_allocates: false, connectors, server: DomId::DOM0 }
    }

    /// The same, for which the serving domain gives the memory (xl's `be-alloc`).
    #[must_use]
    pub fn server_allocates(self) -> Self {
        Self { server_allocates: true, ..self }
    }

    /// The same with one more screen, known to the server by this name.
    ///
    /// # Errors
    /// [`Invalid`](xen_types::Kind::Invalid) if the name is not a [`Text`], a side is 0 or there are
    /// [`Vdispl::MAX_CONNECTORS`] already.
    pub fn connector(mut self, id: &str, size: Size) -> Result<Self> {
        if self.connectors.len() == Self::MAX_CONNECTORS {
            return Err(Error::part("a display", rule("it has too many screens")));
        }
        let id = text("the name of a screen", id)?;
        self.connectors.push((id, size.checked("a screen")?));
        Ok(self)
    }

    /// The same, served by another domain than the control domain.
    #[must_use]
    pub fn served_by(self, server: DomId) -> Self {
        Self { server, ..self }
    }

    /// The screens: the name that the server knows, and how large it is.
    pub fn connectors(&self) -> &[(Text, Size)] {
        &self.connectors
    }
}

impl Spec for Vdispl {
    fn ends(&self, dom: DomId) -> Ends {
        let device = DeviceId { dom, kind: Kind::Vdispl, number: self.number };
        Ends { device, server: self.server, served_as: Kind::Vdispl }
    }

    fn tree(&self, dom: DomId) -> Tree {
        let mut layout = Layout::new(self.ends(dom));
        layout.shown_kept("be-alloc", u8::from(self.server_allocates));
        for (index, (id, Size { width, height })) in self.connectors.iter().enumerate() {
            layout
                .shown_kept(format!("{index}/resolution"), format!("{width}x{height}"))
                .shown_kept(format!("{index}/unique-id"), id);
        }
        layout.tree()
    }

    /// As for all descriptions. A card that xl made has its screens in the frontend alone, where the
    /// guest can write: none is found.
    fn from_record(record: &Record) -> Result<Self> {
        let ends = record.served_alike(&Kind::Vdispl)?;
        let mut card = Self::new(ends.device.number).served_by(ends.server);
        card.server_allocates = record.flag("frontend/be-alloc", false)?;
        for index in 0..=Self::MAX_CONNECTORS {
            let key = format!("frontend/{index}/resolution");
            let Some(size) = record.str_opt(&key)? else { break };
            let id = record.text(&format!("frontend/{index}/unique-id"))?;
            let size = parse_size(size).ok_or_else(|| record.wrong(&key))?;
            card = card.connector(id.as_str(), size).map_err(|_| record.wrong(&key))?;
        }
        Ok(card)
    }
}

fn parse_size(text: &str) -> Option<Size> {
    let (width, height) = text.split_once('x')?;
    Some(Size { width: width.parse().ok()?, height: height.parse().ok()? })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{dom, lines_below, read_back, record_with};

    const SIZE: Size = Size { width: 800, height: 600 };

    #[test]
    fn the_guest_is_shown_its_screens() {
        let card = Vdispl::new(0).connector("a", SIZE).unwrap();
        assert_eq!(
            lines_below(&card, "/local/domain/7/device/vdispl/0")[4..],
            [
                r#"/be-alloc = "0"   (n0,r7)"#,
                r#"/0/resolution = "800x600"   (n0,r7)"#,
                r#"/0/unique-id = "a"   (n0,r7)"#,
            ]
        );
    }

    #[test]
    fn what_is_written_is_read() {
        let card = Vdispl::new(1).server_allocates().served_by(dom(3));
        let card = card.connector("a", SIZE).unwrap().connector("b", SIZE).unwrap();
        assert_eq!(read_back(&card).unwrap(), card);
    }

    #[test]
    fn a_screen_has_a_size() {
        let card = Vdispl::new(0).connector("a", SIZE).unwrap();
        let with = |size| Vdispl::from_record(&record_with(&card, "frontend/0/resolution", size));
        assert!(with("800").is_err());
        assert!(with("800x0").is_err());
        assert!(with("1024x768").is_ok());
        assert!(card.connector("b", Size { width: 0, height: 1 }).is_err());
    }
}
