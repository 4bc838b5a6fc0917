//! Commands to the daemon itself, and quotas.

use xs::proto::{ErrorCode, MAX_PAYLOAD};

use super::request::{leading_number, number};
use super::{Call, Core, Done};
use crate::quota::Quotas;

const HELP: &str =
    "check\t\nlog\ton|off\nmemreport\t\nquota\t[set <name> <val>|<domid>]\nhelp\t\n\0";

impl Core {
    pub(super) fn control(&mut self, call: Call<'_>) -> Done {
        let strings = call.strings().all();
        let words: Vec<_> = strings
            .iter()
            .map(|word| str::from_utf8(word).map_err(|_| ErrorCode::Einval))
            .collect::<Done<_>>()?;
        let answer = match words[..] {
            ["help"] => HELP.to_owned(),
            ["check"] => self.check_report(),
            // There is no log.
            ["log", "on" | "off"] | ["print", _, ..] => "OK\0".to_owned(),
            ["memreport", ..] => self.memory_report(),
            ["quota"] => self.quota_report(),
            ["quota", "set", name, value] => {
                let value = leading_number(value.as_bytes()).cast_signed();
                let value = usize::try_from(value).ok().filter(|value| *value > 0);
                if !value.is_some_and(|value| self.quotas.set(name, value)) {
                    return Err(ErrorCode::Einval);
                }
                "OK\0".to_owned()
            }
            ["quota", domid] => self.usage_report(leading_number(domid.as_bytes()))?,
            _ => return Err(ErrorCode::Einval),
        };
        self.reply(call, &[answer.as_bytes()])
    }

    pub(super) fn quota(&mut self, call: Call<'_>) -> Done {
        let strings = call.strings().all();
        let answer = match strings[..] {
            [] => Quotas::NAMES.join(" "),
            [name] => value(&self.quotas, name)?,
            [domid, name] => {
                let domid = number(domid)?;
                if !self.know(domid) {
                    return Err(ErrorCode::Enoent);
                }
                let own = self.domains.get(domid).and_then(|domain| domain.quotas);
                value(&own.unwrap_or(self.quotas), name)?
            }
            _ => return Err(ErrorCode::Einval),
        };
        self.reply(call, &[answer.as_bytes(), b"\0"])
    }

    pub(super) fn set_quota(&mut self, call: Call<'_>) -> Done {
        let strings = call.strings().all();
        let (domid, name, value) = match strings[..] {
            [name, value] => (None, name, value),
            [domid, name, value] => (Some(number(domid)?), name, value),
            _ => return Err(ErrorCode::Einval),
        };
        let name = str::from_utf8(name).map_err(|_| ErrorCode::Einval)?;
        let value = leading_number(value) as usize;
        let common = self.quotas;
        let quotas = match domid {
            None => &mut self.quotas,
            Some(domid) => {
                if !self.know(domid) {
                    return Err(ErrorCode::Enoent);
                }
                let domain = self.domains.get_mut(domid).ok_or(ErrorCode::Enoent)?;
                domain.quotas.get_or_insert(common)
            }
        };
        match quotas.set(name, value) {
            true => self.acknowledge(call),
            false => Err(ErrorCode::Einval),
        }
    }

    /// What is wrong with the store, a line for each; the C xenstored puts that in its log.
    fn check_report(&self) -> String {
        let problems = self.problems();
        if problems.is_empty() {
            return "OK\0".to_owned();
        }
        // As many as a reply has room for, with the NUL behind them.
        let mut report = String::new();
        for line in problems.iter().map(|problem| format!("{problem}\n")) {
            if report.len() + line.len() >= MAX_PAYLOAD {
                break;
            }
            report.push_str(&line);
        }
        report.push('\0');
        report
    }

    fn memory_report(&self) -> String {
        let (nodes, connections, watches) =
            (self.store.len(), self.conns.len(), self.watches.len());
        format!("nodes {nodes}\nconnections {connections}\nwatches {watches}\n\0")
    }

    fn quota_report(&self) -> String {
        let mut report = "Quota settings:\n".to_owned();
        for name in Quotas::NAMES {
            let value = self.quotas.by_name(name).unwrap_or_default();
            report.push_str(&format!("{name:<17}: {value:>8}\n"));
        }
        report.push('\0');
        report
    }

    fn usage_report(&self, domid: u32) -> Done<String> {
        let domain = self.domains.get(domid).ok_or(ErrorCode::Enoent)?;
        let of_conn = |count: fn(&Self, super::ConnId) -> usize| {
            domain.conn.map_or(0, |conn| count(self, conn))
        };
        let watches = of_conn(|core, conn| core.watches.count(conn));
        let transactions =
            of_conn(|core, conn| core.conns.get(&conn).map_or(0, |conn| conn.transactions.len()));
        let line = |name: &str, value: i64| format!("{name:<16}: {value:>8}\n");
        let as_i64 = |value: usize| i64::try_from(value).unwrap_or(i64::MAX);
        Ok(format!("Domain {domid}:\n")
            + &line("nodes", domain.nodes)
            + &line("watches", as_i64(watches))
            + &line("transactions", as_i64(transactions))
            + &line("memory", domain.memory)
            + "\0")
    }
}

fn value(quotas: &Quotas, name: &[u8]) -> Done<String> {
    let name = str::from_utf8(name).map_err(|_| ErrorCode::Einval)?;
    quotas.by_name(name).map(|value| value.to_string()).ok_or(ErrorCode::Einval)
}
