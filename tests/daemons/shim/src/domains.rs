//! Which domains there are, and in what state.

use std::fs;

use crate::place;

/// A domain as its file describes it.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) struct Domain {
    pub(crate) id: u16,
    pub(crate) dying: bool,
    /// The reason, once it shut down.
    pub(crate) shutdown: Option<u8>,
}

impl Domain {
    pub(crate) fn exists(id: u16) -> bool {
        id == 0 || place::path(format!("dom.{id}")).exists()
    }

    fn parse(id: u16, text: &str) -> Self {
        let mut domain = Self { id, ..Self::default() };
        let mut words = text.split_whitespace();
        while let Some(word) = words.next() {
            match word {
                "dying" => domain.dying = true,
                "shutdown" => {
                    domain.shutdown = words.next().and_then(|reason| reason.parse().ok());
                }
                _ => (),
            }
        }
        domain
    }
}

/// At most `limit` domains, the first one `first` or the next id after it, as Xen lists them.
pub(crate) fn from(first: u32, limit: usize) -> Vec<Domain> {
    // Of a folder that cannot be read, domain 0 remains: it is what asks.
    let entries = fs::read_dir(place::path("")).into_iter().flatten().flatten();
    let id = |name: &str| name.strip_prefix("dom.")?.parse::<u16>().ok();
    let ids = entries.filter_map(|entry| id(entry.file_name().to_str()?));
    let mut ids: Vec<u16> = ids.filter(|id| *id != 0).chain([0]).collect();
    ids.retain(|id| u32::from(*id) >= first);
    ids.sort_unstable();
    let read = |id| {
        let text = fs::read_to_string(place::path(format!("dom.{id}")));
        match text {
            Ok(text) => Some(Domain::parse(id, &text)),
            // Removed since the folder was listed, but for domain 0, which needs no file.
            Err(_) => (id == 0).then(Domain::default),
        }
    };
    ids.into_iter().filter_map(read).take(limit).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_file_is_a_running_domain() {
        assert_eq!(Domain::parse(7, ""), Domain { id: 7, dying: false, shutdown: None });
    }

    #[test]
    fn a_domain_can_have_shut_down_and_be_dying() {
        let expected = Domain { id: 7, dying: true, shutdown: Some(3) };
        assert_eq!(Domain::parse(7, "shutdown 3\ndying\n"), expected);
    }
}
