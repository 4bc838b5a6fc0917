//! `docs/conformance.md`.

use super::fact::Fact;

/// The text of the page: which facts there are, and which are not shown everywhere.
pub fn table() -> String {
    let facts = super::all();
    let everywhere = facts.iter().filter(|fact| fact.not_simulated.is_none()).count();
    let mut page = format!("{HEAD}\n{everywhere} facts are shown on both:\n");
    let mut subject = "";
    for fact in &facts {
        if fact.subject() != subject {
            subject = fact.subject();
            page.push_str(&format!("\n## {subject}\n\n"));
        }
        page.push_str(&line(fact));
    }
    page
}

fn line(fact: &Fact) -> String {
    let sentence = fact.name.replace('_', " ");
    match fact.not_simulated {
        None => format!("- {sentence}\n"),
        Some(why) => format!("- {sentence} (real Xen only: {why})\n"),
    }
}

const HEAD: &str = "\
# What the hypervisor does

Facts about Xen that the crates rely on, written once in `tests/conformance/src/hypervisor` and shown on
simulated machines (`tests/sim`) by `cargo test -p conformance`, and on the real Xen 4.17 and 4.20 by
`cargo xtask lab test`. This page is made from them: `cargo run -p conformance > docs/conformance.md`.

The simulated machine does no more than these facts and the tests of its users need; a call that it does
not have fails as one does that the library of an old release lacks.
";
