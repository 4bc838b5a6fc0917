//! Prints what changes in the store below a path, while it changes:
//! `cargo run -p examples --example watch-subtree -- /local/domain`. Ctrl-C ends it.

use std::collections::BTreeMap;
use std::error::Error;
use std::time::Duration;

use xs::{Client, Deadline, Kind, Path, View};

type Nodes = BTreeMap<Path, Vec<u8>>;

fn main() -> Result<(), Box<dyn Error>> {
    let top = Path::new(std::env::args().nth(1).unwrap_or_else(|| "/".into()))?;
    let client = Client::open()?;
    let mut watch = client.watch(&top)?;
    let mut known = Nodes::new();
    loop {
        // The first event comes at once, and is no change: it has everything printed.
        let event = match watch.wait(Deadline::after(Duration::from_secs(3600))) {
            Ok(event) => event,
            Err(error) if error.kind() == Kind::TimedOut => continue,
            Err(error) => return Err(error.into()),
        };
        // An event says where to look, not what is there.
        let now = below(&client, event.path())?;
        let (before, rest) = known.into_iter().partition(|(node, _)| event.path().contains(node));
        tell(&before, &now);
        known = rest;
        known.extend(now);
    }
}

fn below(client: &Client, node: &Path) -> xs::Result<Nodes> {
    match client.subtree(node) {
        Err(error) if error.kind() == Kind::NotFound => Ok(Nodes::new()),
        found => found,
    }
}

fn tell(before: &Nodes, now: &Nodes) {
    for (node, value) in now.iter().filter(|(node, value)| before.get(node) != Some(value)) {
        println!("{node} = \"{}\"", value.escape_ascii());
    }
    for node in before.keys().filter(|node| !now.contains_key(*node)) {
        println!("{node} is gone");
    }
}
