//! The declarations in Rust against what was measured of every release.

use xen_abi::{function, layout};
use xenguest_sys::{Functions, declared_layouts};

#[test]
fn every_declared_function_has_the_measured_types_in_each_release_it_is_declared_for() {
    let mut wrong = Vec::new();
    for declared in Functions::DECLARED {
        for minor in declared.minors.0..=declared.minors.1 {
            let Some(measured) = function(declared.symbol, minor) else { continue };
            let ours = (declared.result, declared.arguments.to_vec());
            if ours != (measured.result(), measured.arguments()) {
                wrong.push(format!("4.{minor} {}: {}", declared.symbol, measured.prototype));
            }
        }
        let exists =
            |minor| function(declared.symbol, minor).is_some_and(|f| f.library == "libxenguest");
        if !(declared.minors.0..=declared.minors.1).any(exists) {
            wrong.push(format!("{} is in no libxenguest", declared.symbol));
        }
    }
    assert_eq!(wrong, Vec::<String>::new());
}

#[test]
fn every_declared_structure_has_the_measured_size_and_fields_in_its_releases() {
    let mut wrong = Vec::new();
    for declared in declared_layouts() {
        for minor in declared.minors.0..=declared.minors.1 {
            let Some(measured) = layout(declared.name, minor) else {
                wrong.push(format!("4.{minor} has no {}", declared.name));
                continue;
            };
            let differs = declared.fields.iter().find(|(name, offset, size)| {
                measured.field(name).map(|f| (f.offset, f.size)) != Some((*offset, *size))
            });
            if measured.size != declared.size || differs.is_some() {
                wrong.push(format!("4.{minor} {}: {differs:?}", declared.name));
            }
        }
    }
    assert_eq!(wrong, Vec::<String>::new());
}
