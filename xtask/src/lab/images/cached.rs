//! Folders that are either whole and of the wanted recipe, or not there.
//!
//! A folder is built beside its place and renamed into it, with the text of its recipe inside: an
//! interrupted run leaves a `.partial` that nobody takes for the result (the next one removes it),
//! and a changed recipe builds again.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

/// Whether `path` was made from `recipe`.
pub(crate) fn is_current(path: &Path, recipe: &str) -> bool {
    fs::read_to_string(path.join(RECIPE)).is_ok_and(|made_from| made_from == recipe)
}

/// Makes the folder `path` by `build`, unless it is there already and of the same `recipe`.
pub(crate) fn folder(
    path: &Path,
    recipe: &str,
    build: impl FnOnce(&Path) -> Result<()>,
) -> Result<()> {
    if is_current(path, recipe) {
        return Ok(());
    }
    let (partial, old) = (&beside(path, ".partial"), &beside(path, ".old"));
    remove(partial)?;
    fs::create_dir_all(partial).with_context(|| format!("create {}", partial.display()))?;
    if let Err(error) = build(partial) {
        // On a full disk above all it must not stay; what does is removed by the next build.
        let _ = remove(partial);
        return Err(error);
    }
    fs::write(partial.join(RECIPE), recipe)
        .with_context(|| format!("write the recipe of {}", path.display()))?;
    // Moved away first, as another process may be about to open what is in it.
    remove(old)?;
    if path.exists() {
        fs::rename(path, old).with_context(|| format!("replace {}", path.display()))?;
    }
    fs::rename(partial, path).with_context(|| format!("put {} in place", path.display()))?;
    remove(old)
}

fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut beside = path.as_os_str().to_owned();
    beside.push(suffix);
    beside.into()
}

fn remove(folder: &Path) -> Result<()> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != ErrorKind::NotFound => {
            Err(error).with_context(|| format!("remove {}", folder.display()))
        }
        _ => Ok(()),
    }
}

const RECIPE: &str = ".recipe";

#[cfg(test)]
mod tests {
    use anyhow::bail;

    use super::*;

    fn scratch(name: &str) -> PathBuf {
        let path = std::env::temp_dir().join(format!("xtask-cached-{name}-{}", std::process::id()));
        remove(&path).unwrap();
        path
    }

    #[test]
    fn the_same_recipe_is_built_once() {
        let path = scratch("once");
        folder(&path, "a", |dir| Ok(fs::write(dir.join("x"), "1")?)).unwrap();
        folder(&path, "a", |_| bail!("built twice")).unwrap();
        assert_eq!(fs::read_to_string(path.join("x")).unwrap(), "1");
        remove(&path).unwrap();
    }

    #[test]
    fn another_recipe_replaces_the_folder() {
        let path = scratch("replace");
        folder(&path, "a", |dir| Ok(fs::write(dir.join("old"), "")?)).unwrap();
        folder(&path, "b", |dir| Ok(fs::write(dir.join("new"), "")?)).unwrap();
        assert!(path.join("new").exists());
        assert!(!path.join("old").exists());
        assert!(!path.with_extension("old").exists());
        remove(&path).unwrap();
    }

    #[test]
    fn a_failed_build_keeps_what_was_there() {
        let path = scratch("keep");
        folder(&path, "a", |dir| Ok(fs::write(dir.join("x"), "")?)).unwrap();
        folder(&path, "b", |_| bail!("no")).unwrap_err();
        assert!(is_current(&path, "a"));
        assert!(!path.with_extension("partial").exists());
        remove(&path).unwrap();
    }
}
