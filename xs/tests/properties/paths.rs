//! Paths: what is one, and how they are put together and taken apart.

use proptest::prelude::*;
use xs::{Name, Path, PathKind};

use crate::{config, path};

/// The rule of docs/misc/xenstore.txt, and the limits of `io/xs_wire.h`.
fn is_a_path(text: &str) -> bool {
    let (body, limit) = match text.strip_prefix('/') {
        Some(body) => (body, 3072),
        None => (text, 2048),
    };
    text == "/" || (text.len() <= limit && body.split('/').all(is_a_name))
}

fn is_a_name(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || "-_@".contains(c))
}

/// Text that is a path about as often as it is not.
fn nearly_a_path() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => "[/@]?[a-c/@_9-]{0,8}",
        1 => "[a-z/.:\\x00-\\x20é~\\[`{^]{0,6}",
        1 => any::<String>(),
        1 => ("[/@]?", 2046..2051_usize).prop_map(|(first, len)| first + &"a".repeat(len)),
        1 => ("/?", 1533..1538_usize).prop_map(|(first, len)| first + &"a/".repeat(len) + "a"),
    ]
}

/// Paths so alike that one is often the start of another, as text or as a path.
fn alike() -> impl Strategy<Value = Path> {
    "[/@]?[ab]{1,2}(/[ab]{1,2}){0,2}|/".prop_map(|path| Path::new(path).unwrap())
}

fn name() -> impl Strategy<Value = Name> {
    "[a-zA-Z0-9_@-]{1,6}".prop_map(|name| Name::new(name).unwrap())
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn a_path_is_what_the_document_calls_one(text in nearly_a_path()) {
        prop_assert_eq!(Path::new(text.as_str()).is_ok(), is_a_path(&text));
    }

    #[test]
    fn a_name_is_a_path_segment(text in nearly_a_path()) {
        prop_assert_eq!(Name::new(text.as_str()).is_ok(), is_a_name(&text));
    }

    #[test]
    fn a_path_is_printed_as_it_was_written(path in path()) {
        prop_assert_eq!(path.to_string().parse(), Ok(path.clone()));
        prop_assert_eq!(path.to_string(), path.as_str());
    }

    #[test]
    fn a_child_knows_its_parent_and_its_name(path in path(), name in name()) {
        let child = path.join(&name);
        prop_assert_eq!(child.leaf(), name.as_str());
        prop_assert_eq!(child.parent(), Some(path));
    }

    #[test]
    fn a_path_is_its_parent_and_its_leaf(path in path()) {
        let again = path.parent().map(|parent| parent.try_join(path.leaf()));
        let alone = path.leaf() == path.as_str() || path == Path::ROOT;
        prop_assert_eq!(again, (!alone).then_some(Ok(path)));
    }

    #[test]
    fn a_child_has_the_kind_of_its_parent(path in path(), name in name()) {
        prop_assert_eq!(path.join(name).kind(), path.kind());
    }

    #[test]
    fn joining_text_is_joining_its_names(path in path(), first in name(), second in name()) {
        let text = format!("{first}/{second}");
        prop_assert_eq!(path.try_join(&text), Ok(path.join(first).join(second)));
    }

    #[test]
    fn only_names_are_joined(path in path(), text in nearly_a_path()) {
        let whole = format!("{}/{text}", path.as_str().trim_end_matches('/'));
        let joined = path.try_join(&text);
        prop_assert_eq!(joined.is_ok(), text.split('/').all(is_a_name) && is_a_path(&whole));
    }

    #[test]
    fn a_path_contains_itself_and_all_of_its_children(path in path(), name in name()) {
        let child = path.join(name);
        prop_assert!(path.contains(&path));
        prop_assert!(path.contains(&child));
        prop_assert!(!child.contains(&path));
    }

    #[test]
    fn what_contains_a_path_is_among_its_parents(outer in alike(), inner in alike()) {
        let mut parents = std::iter::successors(Some(inner.clone()), Path::parent);
        prop_assert_eq!(outer.contains(&inner), parents.any(|parent| parent == outer));
    }

    #[test]
    fn a_path_as_long_as_it_may_be_is_no_longer(path in path(), len in 3000..3100_usize) {
        let long = path.join(Name::new("a".repeat(len)).unwrap());
        let limit = if path.kind() == PathKind::Absolute { 3072 } else { 2048 };
        prop_assert_eq!(long.check_length().is_ok(), long.as_str().len() <= limit);
    }
}
