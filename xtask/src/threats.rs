//! Every test that docs/threat-model.md names is there.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result, ensure};

/// Reads the document and all sources, and says which names lead nowhere.
pub(crate) fn check(root: &Path) -> Result<()> {
    let document = root.join("docs/threat-model.md");
    let text =
        fs::read_to_string(&document).with_context(|| format!("read {}", document.display()))?;
    let named = names(&text);
    let mut missing = named.clone();
    strike(root, &mut missing)?;
    ensure!(missing.is_empty(), "{} names what is not there: {missing:?}", document.display());
    println!("threats: {} names of tests lead to one", named.len());
    Ok(())
}

/// The names of functions: `code` of three words or more, joined by underscores.
fn names(text: &str) -> BTreeSet<String> {
    let letter = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
    let is_name = |code: &&str| code.matches('_').count() >= 2 && code.chars().all(letter);
    text.split('`').skip(1).step_by(2).filter(is_name).map(str::to_owned).collect()
}

/// Takes away the names that a source below `folder` has a function for.
fn strike(folder: &Path, missing: &mut BTreeSet<String>) -> Result<()> {
    let list = || format!("list {}", folder.display());
    for entry in fs::read_dir(folder).with_context(list)? {
        let path = entry.with_context(list)?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if path.is_dir() {
            // Results of builds, and what is git's.
            if name != "target" && !name.starts_with('.') {
                strike(&path, missing)?;
            }
        } else if name.ends_with(".rs") {
            let text =
                fs::read_to_string(&path).with_context(|| format!("read {}", path.display()))?;
            missing.retain(|name| !has(&text, name));
        }
    }
    Ok(())
}

fn has(source: &str, name: &str) -> bool {
    source.contains(&format!("fn {name}("))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_document_names_what_is_there() {
        check(&crate::workspace::root()).unwrap();
    }

    #[test]
    fn names_of_tests_are_told_from_paths_and_short_words() {
        let text = "| `a_b_c`, `xs/src/a_b_c.rs` | `ring_ref` | `a_b_d` a_b_e |\n`A_B_C`";
        assert_eq!(names(text), BTreeSet::from(["a_b_c".to_owned(), "a_b_d".to_owned()]));
    }

    #[test]
    fn a_longer_name_is_another_one() {
        assert!(has("fn a_b_c() {", "a_b_c"));
        assert!(!has("fn a_b_cd() {", "a_b_c"));
        assert!(!has("// see a_b_c(", "a_b_c"));
    }
}
