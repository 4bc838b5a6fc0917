//! `cargo xtask deny`: licences, bans and sources of everything that is compiled in.
//!
//! Building cargo-deny would cost every fresh machine more than the rest of `cargo xtask check`, so its
//! three facts are read from `cargo metadata` here; `deny.toml` stays the one place where they are
//! written, and cargo-deny reads it too.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail};
use serde::Deserialize;
use spdx::{Expression, ParseMode};

#[derive(Debug, Deserialize)]
struct Policy {
    licenses: Licenses,
    bans: Bans,
    sources: Sources,
}

#[derive(Debug, Deserialize)]
struct Licenses {
    allow: Vec<String>,
}

#[derive(Debug, Deserialize)]
struct Bans {
    deny: Vec<Banned>,
}

#[derive(Debug, Deserialize)]
struct Banned {
    #[serde(rename = "crate")]
    name: String,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Sources {
    allow_registry: Vec<String>,
}

#[derive(Debug, Deserialize)]
struct Metadata {
    packages: Vec<Package>,
}

#[derive(Debug, Deserialize)]
struct Package {
    name: String,
    version: String,
    license: Option<String>,
    source: Option<String>,
}

/// Folders with a lock file of their own, from the root of the repository.
const APART: &[&str] =
    &["devices/fuzz", "tests/guests/tiny", "xg/fuzz", "xs/fuzz", "xs/server/fuzz"];

/// Checks every package of every lock file against `deny.toml`.
pub(crate) fn run(root: &Path) -> Result<()> {
    let file = root.join("deny.toml");
    let text =
        std::fs::read_to_string(&file).with_context(|| format!("read {}", file.display()))?;
    let policy: Policy = toml::from_str(&text).context("read deny.toml")?;
    let mut packages = packages(root)?;
    for folder in APART {
        packages.extend(self::packages(&root.join(folder))?);
    }
    let name = |package: &Package| (package.name.clone(), package.version.clone());
    packages.sort_by_key(name);
    packages.dedup_by_key(|package| name(package));
    let wrong: Vec<String> = packages.iter().flat_map(|p| objections(p, &policy)).collect();
    if !wrong.is_empty() {
        bail!("{} packages break deny.toml:\n  {}", wrong.len(), wrong.join("\n  "));
    }
    println!("deny: {} packages, licences, bans and sources in order", packages.len());
    Ok(())
}

/// All that is compiled in for the packages of a folder.
fn packages(folder: &Path) -> Result<Vec<Package>> {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version=1", "--locked", "--all-features"])
        .args(["--filter-platform", "x86_64-unknown-linux-gnu"])
        .current_dir(folder)
        .output()
        .context("run cargo metadata")?;
    if !output.status.success() {
        let why = String::from_utf8_lossy(&output.stderr).trim().to_owned();
        bail!("cargo metadata in {}: {why}", folder.display());
    }
    let metadata: Metadata = serde_json::from_slice(&output.stdout).context("read metadata")?;
    Ok(metadata.packages)
}

fn objections(package: &Package, policy: &Policy) -> Vec<String> {
    let mut wrong = Vec::new();
    let Package { name, version, .. } = package;
    if policy.bans.deny.iter().any(|banned| banned.name == *name) {
        wrong.push(format!("{name} {version} is banned"));
    }
    // No source: a package of the workspace itself.
    if let Some(source) = &package.source {
        let registry = source.trim_start_matches("registry+");
        if !policy.sources.allow_registry.iter().any(|allowed| allowed == registry) {
            wrong.push(format!("{name} {version} comes from {source}"));
        }
    }
    match package.license.as_deref().map(|l| Expression::parse_mode(l, ParseMode::LAX)) {
        None => wrong.push(format!("{name} {version} names no licence")),
        Some(Err(error)) => wrong.push(format!("{name} {version}: {error}")),
        Some(Ok(licence)) => {
            let allows = |text: String| policy.licenses.allow.contains(&text);
            if !licence.evaluate(|requirement| allows(requirement.to_string())) {
                wrong.push(format!("{name} {version} is under {licence}"));
            }
        }
    }
    wrong
}

#[cfg(test)]
mod tests {
    use super::*;

    fn objections_to(license: &str, source: &str) -> Vec<String> {
        let policy = Policy {
            licenses: Licenses { allow: vec!["MIT".into()] },
            bans: Bans { deny: vec![Banned { name: "banned".into() }] },
            sources: Sources { allow_registry: vec!["https://index".into()] },
        };
        let package = Package {
            name: "p".into(),
            version: "1.0.0".into(),
            license: Some(license.into()),
            source: Some(source.into()),
        };
        objections(&package, &policy)
    }

    #[test]
    fn one_allowed_licence_of_a_choice_is_enough() {
        assert!(objections_to("MIT OR GPL-3.0-only", "registry+https://index").is_empty());
    }

    #[test]
    fn every_licence_of_a_conjunction_must_be_allowed() {
        let wrong = objections_to("MIT AND GPL-3.0-only", "registry+https://index");
        assert_eq!(wrong, ["p 1.0.0 is under MIT AND GPL-3.0-only"]);
    }

    #[test]
    fn a_git_source_is_refused() {
        let wrong = objections_to("MIT", "git+https://example.org/p");
        assert_eq!(wrong, ["p 1.0.0 comes from git+https://example.org/p"]);
    }
}
