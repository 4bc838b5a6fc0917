//! Prints the store below a path, like `xenstore-ls`: `cargo run -p xs --example tree -- /local`.

use std::error::Error;
use std::time::Duration;

use xs::{Client, Deadline, Path, View};

fn main() -> Result<(), Box<dyn Error>> {
    let top = std::env::args().nth(1).unwrap_or_else(|| "/".into());
    let client = Client::open()?.with_deadline(Deadline::after(Duration::from_secs(10)));
    print(&client, &Path::new(top)?)
}

fn print(store: &impl View, node: &Path) -> Result<(), Box<dyn Error>> {
    // A node may go between two requests: then there is nothing to print.
    if let Some(value) = store.read_opt(node)? {
        println!("{node} = \"{}\"  ({})", value.escape_ascii(), store.perms(node)?);
        for name in store.directory(node)? {
            print(store, &node.join(&name))?;
        }
    }
    Ok(())
}
