//! Declarations of another crate against the tables.

use std::ops::RangeInclusive;

use crate::{function, layout};

/// What is wrong with a declared function: `None` if it has the measured types in each of the releases
/// that have it, and `library` has it in one of them at least.
///
/// Absent from a release is no fault, as a caller is told when calling; absent from all is a wrong name.
pub fn function_fault(
    library: &str,
    symbol: &str,
    (result, arguments): (&str, &[&str]),
    minors: RangeInclusive<u16>,
) -> Option<String> {
    let measured = |minor| Some((minor, function(symbol, minor)?));
    let differs = minors.clone().filter_map(measured).find(|(_, measured)| {
        (result, arguments) != (measured.result(), &measured.arguments()[..])
    });
    if let Some((minor, measured)) = differs {
        return Some(format!("4.{minor} {symbol}: {}", measured.prototype));
    }
    let has = |minor| function(symbol, minor).is_some_and(|f| f.library == library);
    (!minors.clone().any(has)).then(|| format!("{symbol} is in no {library}"))
}

/// What is wrong with a declared structure, fields by name, offset and size: `None` if it is as measured
/// in all of the releases.
pub fn layout_fault(
    name: &str,
    size: usize,
    fields: &[(&str, usize, usize)],
    mut minors: RangeInclusive<u16>,
) -> Option<String> {
    minors.find_map(|minor| {
        let Some(measured) = layout(name, minor) else {
            return Some(format!("4.{minor} has no {name}"));
        };
        let differs = fields.iter().find(|(field, offset, size)| {
            measured.field(field).map(|f| (f.offset, f.size)) != Some((*offset, *size))
        });
        let wrong = measured.size != size || differs.is_some();
        wrong.then(|| format!("4.{minor} {name}: {differs:?}"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wrong_type_and_a_name_in_no_library_are_faults() {
        let fault = |symbol, arguments: &[&str]| {
            function_fault("libxenctrl", symbol, ("i32", arguments), 15..=22)
        };
        assert_eq!(fault("xc_domain_pause", &["ptr", "u32"]), None);
        assert!(fault("xc_domain_pause", &["ptr", "u64"]).is_some());
        assert_eq!(fault("xc_nothing", &[]).as_deref(), Some("xc_nothing is in no libxenctrl"));
    }

    #[test]
    fn a_wrong_size_a_wrong_offset_and_an_absent_structure_are_faults() {
        let fault = |size, fields: &[(&str, usize, usize)]| {
            layout_fault("xc_physinfo_t", size, fields, 17..=22)
        };
        assert_eq!(fault(112, &[("free_pages", 48, 8)]), None);
        assert!(fault(104, &[]).is_some());
        assert!(fault(112, &[("free_pages", 40, 8)]).is_some());
        assert!(layout_fault("struct nothing", 4, &[], 17..=17).is_some());
    }
}
