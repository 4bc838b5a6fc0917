//! What a guest does that means its toolstack ill, as its command line says.
//!
//! | word | what it does |
//! |---|---|
//! | `write=PATH:VALUE` | writes before it is ready, and says whether it was allowed to |
//! | `answer=VALUE` | answers every order with this instead of obeying it |
//! | `flood=PATH` | writes there without end once it has said that it is ready |

use crate::ORDERS;
use crate::console::Console;
use crate::platform::Services;
use crate::store::{Error, Store};

/// Writes what the command line wants written.
pub(crate) fn write(command_line: &[u8], services: &mut Services) -> Result<(), Error> {
    for word in words(command_line, "write=") {
        let Some((path, value)) = word.split_once(':') else { continue };
        let said = match services.store.write(path, value) {
            Ok(()) => "TINY-WROTE",
            Err(Error::Refused) => "TINY-REFUSED",
            Err(broken) => return Err(broken),
        };
        services.console.line(format_args!("{said} {path}"));
    }
    Ok(())
}

/// Whether the order that may stand in the store was answered instead of obeyed.
pub(crate) fn answers(
    command_line: &[u8],
    console: &Console<'_>,
    store: &mut Store<'_>,
) -> Result<bool, Error> {
    let Some(answer) = words(command_line, "answer=").next() else { return Ok(false) };
    match store.read(ORDERS) {
        // The watch fires for the answer, too.
        Ok(order) if order.is_empty() || order == answer.as_bytes() => return Ok(true),
        Ok(_) => {}
        Err(Error::Refused) => return Ok(true),
        Err(broken) => return Err(broken),
    }
    match store.write(ORDERS, answer) {
        Ok(()) | Err(Error::Refused) => {}
        Err(broken) => return Err(broken),
    }
    console.line(format_args!("TINY-ANSWERED"));
    Ok(true)
}

/// Writes without end if the command line says so.
pub(crate) fn flood(command_line: &[u8], store: &mut Store<'_>) -> Result<(), Error> {
    let Some(path) = words(command_line, "flood=").next() else { return Ok(()) };
    loop {
        match store.write(path, "x") {
            Ok(()) | Err(Error::Refused) => {}
            Err(broken) => return Err(broken),
        }
    }
}

fn words<'a>(command_line: &'a [u8], start: &'a str) -> impl Iterator<Item = &'a str> {
    let words = command_line.split(u8::is_ascii_whitespace);
    words.filter_map(move |word| str::from_utf8(word).ok()?.strip_prefix(start))
}
