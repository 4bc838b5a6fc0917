use super::*;

#[test]
fn a_path_is_made_of_its_four_kinds_of_characters() {
    assert_eq!(Path::new("/a/B-9_@").unwrap().as_str(), "/a/B-9_@");
    assert_eq!(Path::new("/a b"), Err(InvalidPath::Byte(b' ')));
    assert_eq!(Path::new("/a\0"), Err(InvalidPath::Byte(0)));
    assert_eq!(Path::new("/a.b"), Err(InvalidPath::Byte(b'.')));
    assert_eq!(Path::new("/ä"), Err(InvalidPath::Byte(0xC3)));
}

#[test]
fn no_segment_is_empty() {
    assert_eq!(Path::new(""), Err(InvalidPath::EmptySegment));
    assert_eq!(Path::new("//"), Err(InvalidPath::EmptySegment));
    assert_eq!(Path::new("/a//b"), Err(InvalidPath::EmptySegment));
    assert_eq!(Path::new("/a/"), Err(InvalidPath::EmptySegment));
    assert_eq!(Path::new("a/"), Err(InvalidPath::EmptySegment));
}

#[test]
fn absolute_and_relative_paths_have_their_own_limits() {
    let at_limit = format!("/{}", "a".repeat(3071));
    assert!(Path::new(at_limit.as_str()).is_ok());
    assert_eq!(Path::new(at_limit + "a"), Err(InvalidPath::TooLong { len: 3073, limit: 3072 }));
    assert!(Path::new("a".repeat(2048)).is_ok());
    assert_eq!(Path::new("a".repeat(2049)), Err(InvalidPath::TooLong { len: 2049, limit: 2048 }));
}

#[test]
fn the_first_character_says_the_kind() {
    assert_eq!(Path::ROOT.kind(), PathKind::Absolute);
    assert_eq!(Path::RELEASE_DOMAIN.kind(), PathKind::Special);
    assert_eq!(Path::from_static("device/vbd").kind(), PathKind::Relative);
}

#[test]
fn joining_puts_one_slash_between() {
    assert_eq!(Path::ROOT.join("tool").as_str(), "/tool");
    assert_eq!(Path::from_static("/tool").join("a/b").as_str(), "/tool/a/b");
    assert_eq!(Path::from_static("device").join(51712_u32).as_str(), "device/51712");
    let leaf = Name::new("x").unwrap();
    assert_eq!(Path::ROOT.join(&leaf).as_str(), "/x");
}

#[test]
#[should_panic(expected = "not made of path segments")]
fn a_literal_that_starts_with_a_slash_is_a_mistake() {
    let _ = Path::ROOT.join("/tool");
}

#[test]
fn a_runtime_string_cannot_climb_or_break_out() {
    let base = Path::from_static("/a");
    assert_eq!(base.try_join("b/c"), Path::new("/a/b/c"));
    assert_eq!(base.try_join("../b"), Err(InvalidPath::Byte(b'.')));
    assert_eq!(base.try_join("/b"), Err(InvalidPath::EmptySegment));
    assert_eq!(base.try_join(""), Err(InvalidPath::EmptySegment));
}

#[test]
fn a_domain_lives_below_local_domain() {
    let dom = DomId::new(7).unwrap();
    assert_eq!(Path::domain(dom).as_str(), "/local/domain/7");
    assert_eq!(Path::domain(dom).parent(), Some(Path::DOMAINS));
}

#[test]
fn parents_end_at_the_root() {
    assert_eq!(Path::from_static("/a/b").parent(), Some(Path::from_static("/a")));
    assert_eq!(Path::from_static("/a").parent(), Some(Path::ROOT));
    assert_eq!(Path::ROOT.parent(), None);
    assert_eq!(Path::from_static("a").parent(), None);
}

#[test]
fn the_leaf_is_the_last_segment() {
    assert_eq!(Path::from_static("/a/b").leaf(), "b");
    assert_eq!(Path::from_static("a").leaf(), "a");
    assert_eq!(Path::ROOT.leaf(), "");
}

#[test]
fn a_node_contains_itself_and_what_is_below_but_not_its_namesakes() {
    let node = Path::from_static("/a/b");
    assert!(node.contains(&node));
    assert!(node.contains(&Path::from_static("/a/b/c")));
    assert!(!node.contains(&Path::from_static("/a/bc")));
    assert!(!node.contains(&Path::from_static("/a")));
    assert!(Path::ROOT.contains(&node));
    assert!(!Path::ROOT.contains(&Path::RELEASE_DOMAIN));
    assert!(Path::RELEASE_DOMAIN.contains(&Path::from_static("@releaseDomain/7")));
}

#[test]
fn a_name_is_one_segment() {
    assert_eq!(Name::new("vbd").unwrap(), "vbd");
    assert_eq!(Name::new("a/b"), Err(InvalidPath::Byte(b'/')));
    assert_eq!(Name::new(""), Err(InvalidPath::EmptySegment));
}
