//! The order in which kernel modules load.
//!
//! The kernel package has no `modules.dep` (its installation makes it), and dom0's init has only
//! `insmod`: the order is worked out here, from what each module says of itself.

use anyhow::{Context, Result};

/// `wanted` and all that they need, each after what it needs; `dependencies` says what one needs.
pub(crate) fn in_load_order(
    wanted: &[&str],
    dependencies: &mut dyn FnMut(&str) -> Result<Vec<String>>,
) -> Result<Vec<String>> {
    let mut order = Vec::new();
    for module in wanted {
        visit(module, dependencies, &mut order)?;
    }
    Ok(order)
}

fn visit(
    module: &str,
    dependencies: &mut dyn FnMut(&str) -> Result<Vec<String>>,
    order: &mut Vec<String>,
) -> Result<()> {
    let module = canonical(module);
    if order.contains(&module) {
        return Ok(());
    }
    // The kernel's build refuses modules that need one another in a circle.
    for needed in dependencies(&module).with_context(|| format!("module {module}"))? {
        visit(&needed, dependencies, order)?;
    }
    order.push(module);
    Ok(())
}

/// A module's file may be spelt with hyphens where its name has underscores.
pub(crate) fn canonical(name: &str) -> String {
    name.replace('-', "_")
}

#[cfg(test)]
mod tests {
    use anyhow::bail;

    use super::*;

    fn needs(module: &str) -> Result<Vec<String>> {
        let needed: &[&str] = match module {
            "9p" => &["9pnet", "netfs"],
            "9pnet_virtio" => &["9pnet", "virtio-ring"],
            "bridge" => &["stp", "llc"],
            "stp" => &["llc"],
            "9pnet" | "netfs" | "virtio_ring" | "llc" => &[],
            other => bail!("no file for {other}"),
        };
        Ok(needed.iter().map(|name| (*name).to_owned()).collect())
    }

    #[test]
    fn a_module_follows_what_it_needs() {
        let order = in_load_order(&["bridge"], &mut needs).unwrap();
        assert_eq!(order, ["llc", "stp", "bridge"]);
    }

    #[test]
    fn a_shared_dependency_loads_once() {
        let order = in_load_order(&["9pnet-virtio", "9p"], &mut needs).unwrap();
        assert_eq!(order, ["9pnet", "virtio_ring", "9pnet_virtio", "netfs", "9p"]);
    }

    #[test]
    fn an_unknown_module_is_named() {
        let error = in_load_order(&["nope"], &mut needs).unwrap_err();
        assert_eq!(format!("{error:#}"), "module nope: no file for nope");
    }
}
