//! Any text as permissions: what is taken is taken the same again.

#![no_main]

use libfuzzer_sys::fuzz_target;
use xs::{Grantee, Perms};

fuzz_target!(|text: &str| {
    let Ok(perms) = Perms::parse(text.split(',')) else { return };
    assert_eq!(perms.entries().len(), text.matches(',').count());
    assert!(perms.owner().raw() < 0x7FF0);
    for (grantee, _) in perms.entries() {
        assert!(
            matches!(grantee, Grantee::Domain(dom) if dom.raw() < 0x7FF0)
                || *grantee == Grantee::Any
        );
    }
    let printed = perms.to_string();
    assert_eq!(Perms::parse(printed.split(',')), Ok(perms));
    // Numbers may be written with zeros in front, and are not printed so.
    assert!(printed.len() <= text.len());
});
