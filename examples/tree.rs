//! Prints the store below a path, like `xenstore-ls`:
//! `cargo run -p examples --example tree -- /local`.

use std::error::Error;
use std::time::Duration;

use xs::{Client, Deadline, Path, View};

fn main() -> Result<(), Box<dyn Error>> {
    let top = Path::new(std::env::args().nth(1).unwrap_or_else(|| "/".into()))?;
    let client = Client::open()?.with_deadline(Deadline::after(Duration::from_secs(10)));
    // In a transaction, so that all of it was true at one moment.
    for (node, value) in client.transaction(|tx| tx.subtree(&top))? {
        println!("{node} = \"{}\"", value.escape_ascii());
    }
    Ok(())
}
