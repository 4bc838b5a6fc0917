//! The tokio client under test, on both kinds of runtime.

use std::path::Path as FilePath;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use tokio::runtime::{Builder, Runtime};
use xs::tokio::{Client, View as _};
use xs::{Deadline, Path};

use crate::content::NODE;
use crate::hand::check;

/// Times reads on a runtime of one thread.
///
/// # Errors
/// If a read fails or finds another value; so below.
pub fn on_current_thread(socket: &FilePath, warm_up: usize, reads: usize) -> Result<Duration> {
    let runtime = Builder::new_current_thread().enable_all().build().context("start a runtime")?;
    runtime.block_on(timed(socket, warm_up, reads))
}

/// Times reads in the future that a runtime of two threads is entered with: it runs on a third.
///
/// # Errors
/// As above.
pub fn on_many_threads(socket: &FilePath, warm_up: usize, reads: usize) -> Result<Duration> {
    two_threads()?.block_on(timed(socket, warm_up, reads))
}

/// Times reads in a task on a runtime of two threads, where a daemon's code runs.
///
/// # Errors
/// As above.
pub fn in_a_task(socket: &FilePath, warm_up: usize, reads: usize) -> Result<Duration> {
    let socket = socket.to_owned();
    let runtime = two_threads()?;
    let task = runtime.spawn(async move { timed(&socket, warm_up, reads).await });
    runtime.block_on(task).context("the task panicked")?
}

fn two_threads() -> Result<Runtime> {
    let mut builder = Builder::new_multi_thread();
    builder.worker_threads(2).enable_all().build().context("start a runtime")
}

async fn timed(socket: &FilePath, warm_up: usize, reads: usize) -> Result<Duration> {
    let client = Client::connect(socket).await.context("connect")?;
    let client = client.with_deadline(Deadline::after(Duration::from_secs(60)));
    let node = Path::from_static(NODE);
    for _ in 0..warm_up {
        check(&client.read(&node).await?)?;
    }
    let start = Instant::now();
    for _ in 0..reads {
        check(&client.read(&node).await?)?;
    }
    Ok(start.elapsed())
}
