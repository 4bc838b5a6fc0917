//! Any text as a path, and two texts joined.

#![no_main]

use libfuzzer_sys::fuzz_target;
use xs::{Name, Path};

fuzz_target!(|text: &str| {
    let (first, second) = text.split_once('\n').unwrap_or((text, ""));
    let names = |text: &str| text.split('/').all(is_a_name);
    assert_eq!(Name::new(second).is_ok(), is_a_name(second));

    let Ok(path) = Path::new(first) else {
        let body = first.strip_prefix('/').unwrap_or(first);
        let long = first.len() > if body == first { 2048 } else { 3072 };
        assert!(first != "/" && (!names(body) || long));
        return;
    };
    assert_eq!(path.to_string(), first);
    assert!(path.check_length().is_ok());
    assert!(path.contains(&path));
    if let Some(parent) = path.parent() {
        assert!(parent.contains(&path) && !path.contains(&parent));
        assert_eq!(parent.try_join(path.leaf()), Ok(path.clone()));
    }

    match path.try_join(second) {
        Ok(joined) => {
            assert!(names(second));
            assert!(path.contains(&joined) && !joined.contains(&path));
            assert_eq!(joined.kind(), path.kind());
            assert_eq!(Path::new(joined.as_str()), Ok(joined.clone()));
            assert!(joined.as_str().ends_with(second));
        }
        Err(_) => assert!(!names(second) || first.len() + 1 + second.len() > 2048),
    }
});

fn is_a_name(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || "-_@".contains(c))
}
