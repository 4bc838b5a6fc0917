//! Permissions as the store writes them.

use proptest::collection::vec;
use proptest::prelude::*;
use xs::{Access, Grantee, Perms};

use crate::{config, domain};

fn access() -> impl Strategy<Value = Access> {
    use Access::{Both, None, Read, Write};
    prop::sample::select(&[None, Read, Write, Both])
}

fn grantee() -> impl Strategy<Value = Grantee> {
    prop_oneof![4 => domain().prop_map(Grantee::Domain), 1 => Just(Grantee::Any)]
}

pub(crate) fn perms() -> impl Strategy<Value = Perms> {
    (domain(), access(), vec((grantee(), access()), 0..6)).prop_map(|(owner, others, entries)| {
        let owners = Perms::new(owner, others);
        entries.into_iter().fold(owners, |perms, (grantee, access)| perms.allow(grantee, access))
    })
}

fn is_an_entry(text: &str) -> bool {
    let number = text.strip_prefix(['n', 'r', 'w', 'b']).unwrap_or_default();
    let digits = !number.is_empty() && number.chars().all(|c| c.is_ascii_digit());
    let id = number.parse().unwrap_or(u64::MAX);
    digits && (id < 0x7FF0 || number == "32757")
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn permissions_are_parsed_as_they_are_printed(perms in perms()) {
        prop_assert_eq!(Perms::parse(perms.to_string().split(',')), Ok(perms));
    }

    #[test]
    fn permissions_are_entries_and_the_owner_is_a_domain(
        texts in vec("[nrwbx]?[+-]?(0|[0-9]{1,6}|327(51|52|57))?é?", 0..4),
    ) {
        let perms = Perms::parse(texts.iter().map(String::as_str));
        let sound = texts.iter().all(|text| is_an_entry(text));
        let owned = texts.first().is_some_and(|first| !first.ends_with("32757"));
        prop_assert_eq!(perms.is_ok(), sound && owned);
    }
}
