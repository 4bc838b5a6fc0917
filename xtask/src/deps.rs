//! `cargo xtask deps`: the arrows between the packages, proved from `cargo metadata`.
//!
//! The table below is the layering of `docs/architecture.md`. A dependency that is not in it fails,
//! and so does a package that is not in it: a new package says where it stands.

use std::process::Command;

use anyhow::{Context, Result, bail};
use serde_json::Value;

/// Every package with the packages of ours that it may depend on.
const ARROWS: &[(&str, &[&str])] = &[
    // layer 0
    ("xen-types", &[]),
    ("xenctrl-sys", &[]),
    ("evtchn", &[]),
    ("xenguest-sys", &["xenctrl-sys"]),
    // layer 1
    ("xs", &["xen-types"]),
    ("xc", &["xen-types", "xenctrl-sys"]),
    ("eventchn", &["xen-types", "evtchn"]),
    // layer 2
    ("devices", &["xs", "xen-types"]),
    ("xg", &["xc", "xen-types", "xenguest-sys"]),
    // layer 3
    ("xenops", &["xs", "xc", "xg", "eventchn", "devices", "xen-types"]),
    ("xenops-cli", &["xenops"]),
    // doubles
    ("store-daemons", &["xen-types"]),
    ("fakexen", &["xenctrl-sys"]),
    ("xen-abi", &[]),
    ("xs-server", &["xs", "xen-types"]),
    ("xen-sim", SIMULATED),
    ("xenops-sim", &["xenops-cli", "xenops", "xen-sim"]),
    // users
    ("benches", &["xs", "xc", "xg", "xenctrl-sys", "xen-types", "store-daemons", "xen-abi"]),
    ("conformance", CONFORMANCE),
    ("examples", LAYERS),
    ("lab-tests", LAYERS),
    ("xtask", &["lab-tests", "store-daemons", "xen-abi", "xenctrl-sys", "xenguest-sys"]),
];

/// What stands for a part of Xen: any package may test against it.
const DOUBLES: &[&str] = &["store-daemons", "xen-abi", "xen-sim", "xs-server"];

const LAYERS: &[&str] = &["xen-types", "xs", "xc", "eventchn", "devices", "xg", "xenops"];

/// The seams that the simulated machine stands below.
const SIMULATED: &[&str] = &[
    "xs",
    "xc",
    "xg",
    "eventchn",
    "xenops",
    "xs-server",
    "xenctrl-sys",
    "xenguest-sys",
    "xen-types",
];

const CONFORMANCE: &[&str] =
    &["xen-types", "xs", "xc", "eventchn", "xenops", "store-daemons", "xs-server", "xen-sim"];

/// What a library must not bring to those who embed it.
const NOT_IN_LIBRARIES: &[&str] = &["anyhow", "clap", "tokio"];

/// The packages that are programs, not libraries.
const PROGRAMS: &[&str] =
    &["xenops-cli", "xenops-sim", "benches", "conformance", "lab-tests", "xtask"];

/// Checks the workspace and prints what is wrong with it.
pub(crate) fn run() -> Result<()> {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version=1", "--no-deps", "--locked"])
        .output()
        .context("run cargo metadata")?;
    if !output.status.success() {
        bail!("cargo metadata: {}", String::from_utf8_lossy(&output.stderr).trim());
    }
    let wrong = violations(&serde_json::from_slice(&output.stdout).context("read cargo metadata")?);
    if !wrong.is_empty() {
        bail!("{} wrong dependencies:\n  {}", wrong.len(), wrong.join("\n  "));
    }
    println!("deps: {} packages, every arrow as drawn", ARROWS.len());
    Ok(())
}

/// What the metadata holds that the table does not allow.
fn violations(metadata: &Value) -> Vec<String> {
    let mut wrong = Vec::new();
    let packages = metadata["packages"].as_array().map_or(&[][..], Vec::as_slice);
    let ours: Vec<&str> = packages.iter().filter_map(|p| p["name"].as_str()).collect();
    for (name, _) in ARROWS {
        if !ours.contains(name) {
            wrong.push(format!("{name} is in the table and not in the workspace"));
        }
    }
    for package in packages {
        let name = package["name"].as_str().unwrap_or_default();
        let Some((_, allowed)) = ARROWS.iter().find(|(known, _)| *known == name) else {
            wrong.push(format!("{name} is not in the table (xtask/src/deps.rs)"));
            continue;
        };
        for dependency in package["dependencies"].as_array().map_or(&[][..], Vec::as_slice) {
            let on = dependency["name"].as_str().unwrap_or_default();
            let dev = dependency["kind"].as_str() == Some("dev");
            if ours.contains(&on) {
                let in_tests = dev && DOUBLES.contains(&on);
                if on != name && !allowed.contains(&on) && !in_tests {
                    wrong.push(format!("{name} -> {on}"));
                }
            } else if !dev
                && !PROGRAMS.contains(&name)
                && NOT_IN_LIBRARIES.contains(&on)
                && dependency["optional"].as_bool() != Some(true)
            {
                wrong.push(format!("{name} -> {on}: not in a library"));
            }
        }
    }
    wrong
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// A workspace in order, with these dependencies of `xs` added.
    fn workspace(of_xs: Value) -> Value {
        let mut packages: Vec<Value> =
            ARROWS.iter().map(|(name, _)| json!({"name": name, "dependencies": []})).collect();
        for package in &mut packages {
            if package["name"] == "xs" {
                package["dependencies"] = of_xs.clone();
            }
        }
        json!({ "packages": packages })
    }

    #[test]
    fn an_arrow_that_points_up_is_found() {
        let wrong = violations(&workspace(json!([{"name": "xenops", "kind": null}])));
        assert_eq!(wrong, ["xs -> xenops"]);
    }

    #[test]
    fn an_arrow_for_tests_only_is_held_to_the_same_table() {
        let wrong = violations(&workspace(json!([{"name": "xc", "kind": "dev"}])));
        assert_eq!(wrong, ["xs -> xc"]);
    }

    #[test]
    fn a_double_is_for_tests_only() {
        let in_tests = json!([{"name": "store-daemons", "kind": "dev"}]);
        let always = json!([{"name": "store-daemons", "kind": null}]);
        assert!(violations(&workspace(in_tests)).is_empty());
        assert_eq!(violations(&workspace(always)), ["xs -> store-daemons"]);
    }

    #[test]
    fn a_library_may_have_tokio_as_an_option_only() {
        let by_default = json!([{"name": "tokio", "kind": null, "optional": false}]);
        let as_option = json!([{"name": "tokio", "kind": null, "optional": true}]);
        assert_eq!(violations(&workspace(by_default)), ["xs -> tokio: not in a library"]);
        assert!(violations(&workspace(as_option)).is_empty());
    }

    #[test]
    fn a_package_nobody_drew_is_found() {
        let mut metadata = workspace(json!([]));
        let packages = metadata["packages"].as_array_mut().unwrap();
        packages.push(json!({"name": "stray", "dependencies": []}));
        assert_eq!(violations(&metadata), ["stray is not in the table (xtask/src/deps.rs)"]);
    }
}
