//! What the reader tells.

use super::headers::{LibxcHeader, LibxlHeader, XlHeader};
use super::record::{Page, Record};

/// What the reader found next.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event<'a> {
    /// The head of an xl file, with the domain's configuration.
    Xl(XlHeader),
    /// The head of libxl's stream.
    Libxl(LibxlHeader),
    /// The head of libxc's stream.
    Libxc(LibxcHeader),
    /// Up to 1024 pages of a `PAGE_DATA` record that is under way.
    Pages(Vec<Page>),
    /// Contents of the record that is under way, cut as they were fed: of `PAGE_DATA` the contents
    /// of the pages that have any, in their order; of other records what is not kept.
    Contents(&'a [u8]),
    /// A record, once all of it has come.
    Record(Record),
}

/// What is around libxc's stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Format {
    /// Nothing.
    Libxc,
    /// libxl's stream.
    Libxl,
    /// libxl's stream in a file of xl's.
    Xl,
}
