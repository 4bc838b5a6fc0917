//! Which Debian mirror this machine is configured for.
//!
//! Both formats of apt's source lists are read (sources.list(5)): one line per source, and deb822
//! stanzas. Only the address is taken; which suites, and whose keys sign them, is the lab's own.

use std::fs;
use std::path::Path;

/// Where Debian's archive and its security archive are fetched from.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Mirror {
    pub(crate) archive: String,
    pub(crate) security: String,
}

impl Mirror {
    /// The mirror in the source lists under `apt` (`/etc/apt`), or Debian's own address.
    pub(crate) fn configured(apt: &Path) -> Self {
        let mut sources = Vec::new();
        let read = |path: &Path| fs::read_to_string(path).unwrap_or_default();
        sources.extend(one_line(&read(&apt.join("sources.list"))));
        let mut parts: Vec<_> = fs::read_dir(apt.join("sources.list.d"))
            .into_iter()
            .flatten()
            .flatten()
            .map(|entry| entry.path())
            .collect();
        parts.sort();
        for part in parts {
            match part.extension().and_then(|extension| extension.to_str()) {
                Some("list") => sources.extend(one_line(&read(&part))),
                Some("sources") => sources.extend(deb822(&read(&part))),
                _ => {}
            }
        }
        Self::among(&sources)
    }

    fn among(sources: &[Source]) -> Self {
        let first = |wanted: fn(&str) -> bool, otherwise: &str| {
            sources
                .iter()
                .find(|source| source.is_debian() && source.suites.iter().any(|s| wanted(s)))
                .map_or(otherwise, |source| &source.uri)
                .trim_end_matches('/')
                .to_owned()
        };
        Self {
            archive: first(|suite| RELEASES.contains(&suite), "http://deb.debian.org/debian"),
            security: first(
                |suite| suite.ends_with("-security"),
                "http://deb.debian.org/debian-security",
            ),
        }
    }
}

#[derive(Debug, Eq, PartialEq)]
struct Source {
    uri: String,
    suites: Vec<String>,
    components: Vec<String>,
}

impl Source {
    /// Other vendors' archives use Debian's suite names too; their addresses rarely say `debian`
    /// and have a component `main` at once.
    fn is_debian(&self) -> bool {
        let reachable = self.uri.starts_with("http://") || self.uri.starts_with("https://");
        reachable && self.uri.contains("debian") && self.components.iter().any(|c| c == "main")
    }
}

fn one_line(text: &str) -> Vec<Source> {
    text.lines()
        .filter_map(|line| {
            let line = line.split('#').next().unwrap_or_default();
            let rest = line.trim().strip_prefix("deb")?;
            let rest = rest.strip_prefix([' ', '\t', '['])?;
            // Options stand in brackets before the address and may contain spaces.
            let rest = rest.rsplit(']').next().unwrap_or_default();
            let mut words = rest.split_whitespace().map(str::to_owned);
            Some(Source {
                uri: words.next()?,
                suites: vec![words.next()?],
                components: words.collect(),
            })
        })
        .collect()
}

fn deb822(text: &str) -> Vec<Source> {
    let text: Vec<&str> = text.lines().filter(|line| !line.starts_with('#')).collect();
    text.split(|line| line.trim().is_empty()).filter_map(stanza).collect()
}

fn stanza(lines: &[&str]) -> Option<Source> {
    let words = |field: &str| -> Vec<String> {
        let is_field = |line: &&&str| {
            line.split_once(':').is_some_and(|(name, _)| name.eq_ignore_ascii_case(field))
        };
        let Some(start) = lines.iter().position(|line| is_field(&line)) else {
            return Vec::new();
        };
        let value = lines[start].split_once(':').map_or("", |(_, value)| value);
        let continued = lines[start + 1..].iter().take_while(|line| line.starts_with([' ', '\t']));
        std::iter::once(&value)
            .chain(continued)
            .flat_map(|line| line.split_whitespace())
            .map(str::to_owned)
            .collect()
    };
    let disabled = words("Enabled").iter().any(|word| word == "no" || word == "false");
    if disabled || !words("Types").iter().any(|kind| kind == "deb") {
        return None;
    }
    Some(Source {
        uri: words("URIs").into_iter().next()?,
        suites: words("Suites"),
        components: words("Components"),
    })
}

/// Suites by which a machine may name Debian itself.
const RELEASES: [&str; 9] =
    ["bookworm", "trixie", "forky", "duke", "sid", "oldstable", "stable", "testing", "unstable"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn deb822_stanzas_give_archive_and_security() {
        let text = "Types: deb\n# a comment\nURIs: http://mirror.example/debian/\n\
                    Suites: bookworm bookworm-updates\nComponents: main\n\n\
                    Types: deb\nURIs: https://mirror.example/debian-security\n\
                    Suites: bookworm-security\nComponents: main\nSigned-By: /x.gpg\n";
        assert_eq!(
            Mirror::among(&deb822(text)),
            Mirror {
                archive: "http://mirror.example/debian".into(),
                security: "https://mirror.example/debian-security".into(),
            }
        );
    }

    #[test]
    fn one_line_sources_with_options_are_read() {
        let text = "# deb http://old.example/debian trixie main\n\
                    deb-src http://src.example/debian trixie main\n\
                    deb [arch=amd64 signed-by=/a.gpg] http://m.example/debian trixie main contrib\n\
                    deb\thttp://m.example/debian-security trixie-security main\n";
        assert_eq!(
            Mirror::among(&one_line(text)),
            Mirror {
                archive: "http://m.example/debian".into(),
                security: "http://m.example/debian-security".into(),
            }
        );
    }

    #[test]
    fn archives_of_other_vendors_are_not_taken_for_a_mirror() {
        let text = "deb https://download.docker.com/linux/debian bookworm stable\n\
                    deb https://apt.example.com bookworm main\n\
                    deb cdrom:[Debian GNU/Linux 12]/ bookworm main\n";
        assert_eq!(Mirror::among(&one_line(text)).archive, "http://deb.debian.org/debian");
    }

    #[test]
    fn disabled_stanzas_are_passed_over() {
        let text = "Enabled: no\nTypes: deb\nURIs: http://off.example/debian\nSuites: trixie\n\
                    Components: main\n";
        assert_eq!(deb822(text), []);
    }

    #[test]
    fn a_folded_field_goes_on_in_the_next_line() {
        let text = "Types: deb\nURIs: http://m.example/debian\nSuites: sid\n trixie\n\
                    Components: main\n";
        assert_eq!(deb822(text)[0].suites, ["sid", "trixie"]);
    }
}
