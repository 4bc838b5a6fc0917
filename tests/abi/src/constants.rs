//! The constants: macros and enumerators.

use std::sync::LazyLock;

use crate::Minors;

/// A constant in a run of releases that agree on it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Constant {
    /// Its name, with arguments for a macro that takes some.
    pub name: &'static str,
    /// The releases that have it so.
    pub minors: Minors,
    /// Its value.
    pub value: Value,
}

/// The value of a constant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Value {
    /// A number.
    Number(i128),
    /// A string.
    Text(&'static str),
}

/// All constants, each as often as it changed.
pub fn constants() -> &'static [Constant] {
    static TABLE: LazyLock<Vec<Constant>> =
        LazyLock::new(|| include_str!("../data/constants.txt").lines().map(read).collect());
    &TABLE
}

/// The number of this name in Xen 4.`minor`.
pub fn constant(name: &str, minor: u16) -> Option<i128> {
    let found = constants().iter().find(|c| c.name == name && c.minors.contains(minor))?;
    match found.value {
        Value::Number(number) => Some(number),
        Value::Text(_) => None,
    }
}

/// `XEN_DOMINF_dying 4.14-4.22 = 1`, or a text in quotes.
fn read(line: &'static str) -> Constant {
    let parse = || {
        let (left, value) = line.split_once(" = ")?;
        let (name, minors) = left.rsplit_once(' ')?;
        let value = match value.strip_prefix('"').and_then(|text| text.strip_suffix('"')) {
            Some(text) => Value::Text(text),
            None => Value::Number(value.parse().ok()?),
        };
        Some(Constant { name, minors: Minors::parse(minors)?, value })
    };
    parse().unwrap_or_else(|| panic!("data/constants.txt: {line}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_found_by_name_and_release() {
        assert_eq!(constant("XEN_DOMINF_dying", 17), Some(1));
        assert_eq!(constant("XEN_DOMCTL_INTERFACE_VERSION", 22), Some(0x18));
        assert_eq!(constant("no such thing", 17), None);
    }
}
