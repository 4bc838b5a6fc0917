//! What a transaction or a look runs, said so that the compiler can tell it may move to another
//! thread.

use std::future::Future;

use crate::error::Result;

/// An async closure whose futures are `Send`: `async |tx| ...` that takes what it needs from its
/// surroundings by reference. Never implemented by hand.
///
/// `AsyncFnMut` alone cannot say `Send` of its futures in Rust 1.89. Left to find out for itself,
/// the compiler refuses to `tokio::spawn` the caller whenever the closure refers to a local variable
/// ("implementation of `Send` is not general enough"). The price of saying it this way: the closure
/// must not be `async move` and change nothing it has captured, but through a `Mutex` or an atomic.
/// As it may be run more than once, it had better not anyway.
pub trait Body<'a, V: 'a, T>: FnMut(&'a V) -> Self::Run {
    /// One run of it.
    type Run: Future<Output = Result<T>> + Send;
}

impl<'a, V: 'a, T, B, F> Body<'a, V, T> for B
where
    B: FnMut(&'a V) -> F,
    F: Future<Output = Result<T>> + Send,
{
    type Run = F;
}
