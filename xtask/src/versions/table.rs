//! The document as text.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::ops::RangeInclusive;

use xen_abi::{Function, function, layout};

/// The releases with a profile.
const MINORS: RangeInclusive<u16> = 15..=22;

/// One function.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Row {
    symbol: &'static str,
    /// For each release the number of its form among [`Row::forms`].
    present: Vec<Option<usize>>,
    /// The signature, and the structures behind its pointers.
    forms: Vec<String>,
    /// The releases whose real Xen answered it.
    answered: Vec<&'static str>,
}

impl Row {
    pub(super) fn of(symbol: &'static str, answered: &[(&'static str, BTreeSet<String>)]) -> Self {
        let mut forms = Vec::new();
        let present = MINORS
            .map(|minor| Some(number(&mut forms, form(function(symbol, minor)?, minor))))
            .collect();
        let by = answered.iter().filter(|(_, calls)| calls.contains(symbol));
        Self { symbol, present, forms, answered: by.map(|(xen, _)| *xen).collect() }
    }

    fn line(&self) -> String {
        let cell = |form: &Option<usize>| form.map_or("–".to_owned(), |form| letter(form).into());
        let cells: Vec<String> = self.present.iter().map(cell).collect();
        format!("| `{}` | {} | {} |", self.symbol, cells.join(" | "), self.answered.join(", "))
    }
}

/// What a caller must know of a function: its signature, and each structure that it takes.
fn form(function: &Function, minor: u16) -> String {
    let mut form = format!("`{}`", function.signature);
    let arguments = function.prototype.split(['(', ',', ')']).map(str::trim);
    for argument in arguments.filter_map(|argument| argument.strip_suffix(" *")) {
        let name = argument.strip_prefix("const ").unwrap_or(argument);
        if let Some(layout) = layout(name, minor).filter(|_| name != OPAQUE) {
            let _ = write!(form, ", `{name}` of {} ({} bytes)", layout.minors, layout.size);
        }
    }
    form
}

/// The number of a form, counted from the oldest release.
fn number(forms: &mut Vec<String>, form: String) -> usize {
    forms.iter().position(|known| *known == form).unwrap_or_else(|| {
        forms.push(form);
        forms.len() - 1
    })
}

fn letter(number: usize) -> char {
    char::from(b'a' + u8::try_from(number).unwrap_or(b'z' - b'a'))
}

/// The whole document.
pub(super) fn document(rows: &[Row], structures: &BTreeSet<&str>) -> String {
    let mut text = HEAD.to_owned();
    let releases: Vec<String> = MINORS.map(|minor| format!("4.{minor}")).collect();
    let rule = "|---".repeat(releases.len());
    let _ = writeln!(text, "| call | {} | answered |\n|---{rule}|---|", releases.join(" | "));
    for row in rows {
        let _ = writeln!(text, "{}", row.line());
    }
    text.push_str(SIGNATURES);
    for row in rows.iter().filter(|row| row.forms.len() > 1) {
        for (index, form) in row.forms.iter().enumerate() {
            let _ = writeln!(text, "- `{}` {}: {form}", row.symbol, letter(index));
        }
    }
    text.push_str(STRUCTURES);
    let _ = writeln!(text, "| structure | {} |\n|---{rule}|", releases.join(" | "));
    for name in structures {
        let size = |minor| layout(name, minor).map(|layout| layout.size.to_string());
        let sizes: Vec<String> = MINORS.map(|minor| size(minor).unwrap_or("–".into())).collect();
        let _ = writeln!(text, "| `{name}` | {} |", sizes.join(" | "));
    }
    text
}

/// Its fields move, but for those that we use, which a test of `xenguest-sys` holds in place.
const OPAQUE: &str = "struct xc_dom_image";

const HEAD: &str = "\
# What each Xen release has

Written by `cargo xtask versions`; `cargo xtask check` fails when it is out of date.

A call that a release lacks fails with `Kind::Unavailable` when it is made, and names call and release.
A letter stands for a signature as the machine sees it with the structures that it takes (below, where
there are several), a dash for absence.
*Answered*: a real Xen of that release was called by the lab tests, whether it granted the call or, for
want of hardware or of a build option, refused it. The other releases have run against recording
libraries with their prototypes and structures only.

";

const SIGNATURES: &str = "\n## What changed\n\n";

const STRUCTURES: &str = "
## Structures

Sizes in bytes. Where a size is the same and the fields are not, the offsets in `xc/sys/src/layout` are
checked against each release all the same.

";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_has_a_letter_per_form_and_a_dash_where_it_is_absent() {
        let row = Row::of("xc_shadow_control", &[]);
        assert_eq!(row.line(), "| `xc_shadow_control` | a | b | b | b | b | b | b | b |  |");
        let row = Row::of("xc_get_paging_mempool_size", &[]);
        assert!(row.line().starts_with("| `xc_get_paging_mempool_size` | – | – | a |"));
        let row = Row::of("xc_domain_create", &[]);
        assert_eq!(row.line(), "| `xc_domain_create` | a | b | c | c | d | d | e | e |  |");
    }

    #[test]
    fn the_releases_that_answered_are_named() {
        let calls = BTreeSet::from(["xc_domain_pause".to_owned()]);
        let row = Row::of("xc_domain_pause", &[("4.17", calls.clone()), ("4.20", calls)]);
        assert!(row.line().ends_with("| 4.17, 4.20 |"), "{}", row.line());
    }
}
