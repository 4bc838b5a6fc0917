//! The declarations in Rust against what was measured of every release.

use xen_abi::{constant, function_fault, layout_fault};
use xenctrl_sys::{DeclaredConstant, DeclaredFunction, DeclaredLayout};
use xenguest_sys::{Functions, declared_constants, declared_layouts};

#[test]
fn every_declared_function_has_the_measured_types_in_each_release_it_is_declared_for() {
    let fault = |declared: &DeclaredFunction| {
        let types = (declared.result, declared.arguments);
        function_fault("libxenguest", declared.symbol, types, declared.minors.0..=declared.minors.1)
    };
    assert_eq!(
        Functions::DECLARED.iter().filter_map(fault).collect::<Vec<_>>(),
        Vec::<String>::new()
    );
}

#[test]
fn every_declared_structure_has_the_measured_size_and_fields_in_its_releases() {
    let fault = |declared: &DeclaredLayout| {
        let minors = declared.minors.0..=declared.minors.1;
        layout_fault(declared.name, declared.size, declared.fields, minors)
    };
    assert_eq!(
        declared_layouts().iter().filter_map(fault).collect::<Vec<_>>(),
        Vec::<String>::new()
    );
}

#[test]
fn every_declared_constant_has_the_measured_value_in_each_release() {
    let differs = |declared: &DeclaredConstant| {
        let mut minors = declared.minors.0..=declared.minors.1;
        minors.any(|minor| constant(declared.name, minor) != Some(declared.value))
    };
    let wrong = declared_constants().iter().filter(|declared| differs(declared));
    assert_eq!(wrong.map(|declared| declared.name).collect::<Vec<_>>(), Vec::<&str>::new());
}
