//! What of a real machine guests could leave more of: told by programs that are not ours.

use std::fmt;
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use crate::lab::machine::{Command, Machine};

/// A machine at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct State {
    /// Domains, nodes of the store with values and permissions, loop devices, files and processes: a line
    /// each.
    things: Vec<String>,
    /// Free pages of the hypervisor, descriptors of the daemons.
    counts: Vec<(String, u64)>,
    /// Resident memory of the daemons, in KiB.
    resident: Vec<(String, u64)>,
}

impl State {
    pub(super) fn of(machine: &mut Machine) -> Result<Self> {
        let command = Command::shell(SCRIPT).timeout(Duration::from_secs(60));
        Self::parse(&machine.output_of(&command)?)
    }

    fn parse(text: &str) -> Result<Self> {
        let mut state = Self::default();
        for line in text.lines() {
            let (sort, rest) = line.split_once(' ').unwrap_or((line, ""));
            let number = || {
                let (name, number) = rest.rsplit_once(' ').context("a name and a number")?;
                Ok::<_, anyhow::Error>((name.to_owned(), number.parse()?))
            };
            match sort {
                "count" => state.counts.push(number().with_context(|| format!("read {line:?}"))?),
                "resident" => {
                    state.resident.push(number().with_context(|| format!("read {line:?}"))?);
                }
                _ => state.things.push(line.to_owned()),
            }
        }
        ensure!(state.counts.len() == COUNTS, "{COUNTS} counts expected: {text}");
        Ok(state)
    }

    /// What is not as before, for people. Resident memory is another matter.
    pub(super) fn differences(&self, before: &Self) -> Vec<String> {
        let added = self.things.iter().filter(|thing| !before.things.contains(thing));
        let gone = before.things.iter().filter(|thing| !self.things.contains(thing));
        let lines = added.map(|thing| format!("+ {thing}"));
        let lines = lines.chain(gone.map(|thing| format!("- {thing}")));
        let counts = self.counts.iter().zip(&before.counts).filter(|(now, before)| now != before);
        let counts =
            counts.map(|((name, now), (_, before))| format!("{name}: {now}, not {before}"));
        lines.chain(counts).collect()
    }

    /// Fails if a daemon has more in memory than it had when warm, but for some.
    pub(super) fn has_not_grown(&self, warm: &Self) -> Result<()> {
        for ((name, now), (_, before)) in self.resident.iter().zip(&warm.resident) {
            let grown = now.saturating_sub(*before);
            ensure!(grown <= MOST_GROWN, "{name} has grown by {grown} KiB, from {before} KiB");
        }
        Ok(())
    }

    fn of_sort(&self, sort: &str) -> usize {
        self.things.iter().filter(|thing| thing.split(' ').next() == Some(sort)).count()
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [domains, nodes, files, processes] =
            ["domain", "node", "file", "process"].map(|sort| self.of_sort(sort));
        write!(f, "{domains} domains, {nodes} nodes, {} loop devices, ", self.of_sort("loop"))?;
        write!(f, "{files} files, {processes} processes")?;
        self.counts.iter().try_for_each(|(name, count)| write!(f, ", {name} {count}"))?;
        self.resident.iter().try_for_each(|(name, size)| write!(f, ", {name} {size} KiB"))
    }
}

/// Prints a line for each thing, named by its sort. Kernel threads have no program, and are no processes
/// here. Free pages are those that Xen prints for its debug key
/// H, in all zones (`dump_heap`, `xen/common/page_alloc.c`): `xl info` rounds to MiB.
const SCRIPT: &str = r#"set -e
xl list | awk 'NR > 1 { print "domain", $1, $2 }'
xenstore-ls -fp | sed 's/^/node /'
losetup -a | sed 's/^/loop /'
for folder in /run/xenops /var/lib/xen; do
    [ ! -d $folder ] || find $folder ! -path /run/xenops/kernels/\* | sed 's/^/file /'
done
for exe in /proc/[0-9]*/exe; do
    readlink $exe >/dev/null && cat ${exe%exe}comm || true
done 2>/dev/null | grep -vxE 'sh|sed|cat|grep|sort' | sort | sed 's/^/process /'
xl dmesg -c >/dev/null
xl debug-keys H
xl dmesg -c | awk '/heap\[node=/ { free += $(NF - 1) } END { print "count free pages", free }'
for daemon in xenstored xenconsoled; do
    proc=/proc/$(pidof $daemon)
    echo count descriptors of $daemon $(ls $proc/fd | wc -l)
    awk -v daemon=$daemon '/^VmRSS/ { print "resident", daemon, $2 }' $proc/status
done
"#;

/// How many counts the script prints.
const COUNTS: usize = 3;

/// What a daemon may grow by after the first tenth, in KiB.
const MOST_GROWN: u64 = 512;

#[cfg(test)]
mod tests {
    use super::*;

    const BEFORE: &str = "domain Domain-0 0\nnode /a = \"b c\"  (n0)\ncount free pages 500\n\
                          count descriptors of xenstored 20\ncount descriptors of xenconsoled 9\n\
                          resident xenstored 1000\nresident xenconsoled 900\n";

    fn state(changed: &str, into: &str) -> State {
        State::parse(&BEFORE.replace(changed, into)).unwrap()
    }

    #[test]
    fn the_same_state_has_no_differences() {
        assert_eq!(state("", "").differences(&state("", "")), Vec::<String>::new());
    }

    #[test]
    fn a_thing_more_a_thing_less_and_another_count_are_differences() {
        let now =
            state("node /a = \"b c\"  (n0)\ncount free pages 500", "node /d\ncount free pages 499");
        let told = ["+ node /d", "- node /a = \"b c\"  (n0)", "free pages: 499, not 500"];
        assert_eq!(now.differences(&state("x", "x")), told);
    }

    #[test]
    fn a_daemon_that_has_grown_a_lot_is_named() {
        let error = state("xenstored 1000", "xenstored 1513").has_not_grown(&state("x", "x"));
        assert_eq!(error.unwrap_err().to_string(), "xenstored has grown by 513 KiB, from 1000 KiB");
    }

    #[test]
    fn a_count_that_is_missing_is_no_state() {
        State::parse("domain Domain-0 0\ncount free pages 500\n").unwrap_err();
    }
}
