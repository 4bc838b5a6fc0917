//! QEMU's machine protocol (QMP), for what dom0 cannot do to its own machine.

use std::io::{BufRead, BufReader, Write};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};

use super::Machine;

impl Machine {
    /// Sends the processors a non-maskable interrupt; Xen, booted with `nmi=fatal`, dies of it and says
    /// what each of them was at.
    pub(crate) fn inject_nmi(&self) -> Result<()> {
        self.monitor("inject-nmi")
    }

    /// Stops all processors, so that nothing in the machine answers any more.
    pub(crate) fn freeze(&self) -> Result<()> {
        self.monitor("stop")
    }

    fn monitor(&self, command: &str) -> Result<()> {
        let mut stream = self.folder.monitor().context("connect to QEMU's monitor")?;
        stream.set_read_timeout(Some(Duration::from_secs(10)))?;
        let mut replies = BufReader::new(stream.try_clone()?).lines();
        replies.next().context("QEMU's monitor says nothing")??;
        for command in ["qmp_capabilities", command] {
            writeln!(stream, "{}", json!({ "execute": command }))?;
            loop {
                let line = replies.next().with_context(|| format!("no answer to {command}"))??;
                let reply: Value = serde_json::from_str(&line)?;
                if reply.get("error").is_some() {
                    bail!("QEMU refuses {command}: {line}");
                }
                // Events come in between.
                if reply.get("return").is_some() {
                    break;
                }
            }
        }
        Ok(())
    }
}
