//! The pure parts stay pure: no I/O, no clock, no thread stands in their source.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

/// Files and folders of sources, from the root of the repository.
const PURE: &[&str] = &[
    "devices/src/handshake.rs",
    "devices/src/layout.rs",
    "devices/src/mac.rs",
    "devices/src/rate.rs",
    "devices/src/record.rs",
    "devices/src/sighting.rs",
    "devices/src/spec.rs",
    "devices/src/text.rs",
    "devices/src/tree.rs",
    "devices/src/vdev.rs",
    "xenops/src/create/skeleton.rs",
    "xenops/src/memory.rs",
    "xg/src/format",
    "xg/src/image/checksum.rs",
    "xg/src/image/envelope.rs",
    "xg/src/stream",
    "xs/src/ask.rs",
    "xs/src/condition.rs",
    "xs/src/flow.rs",
    "xs/src/flow",
    "xs/src/hub.rs",
    "xs/src/path.rs",
    "xs/src/path",
    "xs/src/perms.rs",
    "xs/src/proto.rs",
    "xs/src/proto",
    "xs/server/src/core.rs",
    "xs/server/src/core",
    "xs/server/src/store.rs",
    "xs/server/src/store",
    "xs/server/src/transaction.rs",
    "xs/server/src/watches.rs",
];

/// What would make them impure.
const IMPURE: &[&str] = &[
    "std::env",
    "std::fs",
    "std::io",
    "std::net",
    "std::os",
    "std::process",
    "std::sync::Mutex",
    "std::thread",
    "Instant::now",
    "SystemTime",
    "rustix",
    "tokio::",
    "println!",
];

/// Reads all of it and says what does not belong.
pub(crate) fn run(root: &Path) -> Result<()> {
    let mut wrong = Vec::new();
    let mut files = 0;
    for place in PURE {
        for file in sources(&root.join(place))? {
            let text =
                fs::read_to_string(&file).with_context(|| format!("read {}", file.display()))?;
            files += 1;
            wrong.extend(impurities(&text).map(|(line, what)| {
                format!("{}:{line}: {what}", file.strip_prefix(root).unwrap_or(&file).display())
            }));
        }
    }
    if !wrong.is_empty() {
        bail!("not pure:\n  {}", wrong.join("\n  "));
    }
    println!("purity: {files} files without I/O, clock or thread");
    Ok(())
}

/// The lines, counted from 1, of what does not belong.
fn impurities(text: &str) -> impl Iterator<Item = (usize, &'static str)> {
    let code = |line: &str| !line.trim_start().starts_with("//");
    text.lines().enumerate().filter(move |(_, line)| code(line)).flat_map(|(number, line)| {
        let found = IMPURE.iter().filter(move |what| line.contains(**what));
        found.map(move |what| (number + 1, *what))
    })
}

/// A file, or all sources below a folder. Tests may do what they like.
fn sources(place: &Path) -> Result<Vec<PathBuf>> {
    if place.is_file() {
        return Ok(vec![place.to_owned()]);
    }
    let mut found = Vec::new();
    let entries = fs::read_dir(place).with_context(|| format!("list {}", place.display()))?;
    for entry in entries {
        let path = entry.with_context(|| format!("list {}", place.display()))?.path();
        if path.file_stem().is_some_and(|name| name == "tests") {
            continue;
        }
        if path.is_dir() || path.extension().is_some_and(|extension| extension == "rs") {
            found.extend(sources(&path)?);
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workspace;

    #[test]
    fn what_shall_be_pure_is() {
        run(&workspace::root()).unwrap();
    }

    #[test]
    fn a_clock_is_found_and_a_comment_about_one_is_not() {
        let text = "// Instant::now is read by the caller\nlet now = Instant::now();\n";
        assert_eq!(impurities(text).collect::<Vec<_>>(), [(2, "Instant::now")]);
    }
}
