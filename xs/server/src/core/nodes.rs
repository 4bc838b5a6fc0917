//! Reading and changing nodes.

use std::sync::Arc;

use xs::proto::{ErrorCode, MAX_PAYLOAD};

use super::access::{Wish, limit};
use super::request::number;
use super::{Call, Core, Done};
use crate::store::{Perm, Perms, Rights, parent};
use crate::transaction::Exact;

impl Core {
    pub(super) fn read(&mut self, call: Call<'_>) -> Done {
        let path = self.canonical(call, call.strings().only()?)?;
        let value = Arc::clone(&self.allowed(call, &path, Wish::Read)?.value);
        self.reply(call, &[&value])
    }

    pub(super) fn directory(&mut self, call: Call<'_>) -> Done {
        let path = self.canonical(call, call.strings().only()?)?;
        let children = &self.allowed(call, &path, Wish::Read)?.children;
        if children.bytes() > MAX_PAYLOAD {
            return Err(ErrorCode::E2big);
        }
        let mut list = Vec::with_capacity(children.bytes());
        for name in children.names() {
            list.extend_from_slice(name.as_bytes());
            list.push(0);
        }
        self.reply(call, &[&list])
    }

    pub(super) fn directory_part(&mut self, call: Call<'_>) -> Done {
        let [path, offset] = call.strings().all()[..] else { return Err(ErrorCode::Einval) };
        let path = self.canonical(call, path)?;
        let offset = super::request::leading_number(offset) as usize;
        let node = self.allowed(call, &path, Wish::Read)?;
        let mut part = node.generation.to_string().into_bytes();
        part.push(0);
        let mut before = offset;
        let mut whole = true;
        for name in node.children.names() {
            if before > name.len() {
                before -= name.len() + 1;
                continue;
            }
            // An offset within a name, which no client has a reason for, cuts it.
            let rest = &name.as_bytes()[std::mem::take(&mut before)..];
            // One more byte than the name and its NUL: that of the empty name at the end.
            if part.len() + rest.len() + 2 > MAX_PAYLOAD {
                whole = false;
                break;
            }
            part.extend_from_slice(rest);
            part.push(0);
        }
        if whole {
            part.push(0);
        }
        self.reply(call, &[&part])
    }

    pub(super) fn write(&mut self, call: Call<'_>) -> Done {
        let (path, value) = call.strings().first()?;
        let path = self.canonical(call, path)?;
        match self.allowed(call, &path, Wish::Write).cloned() {
            Ok(node) => {
                let mut node = self.domains.as_of_now(node);
                node.value = value.into();
                self.replace(call, &path, node)?;
            }
            Err(ErrorCode::Enoent) => self.create(call, &path, value)?,
            Err(code) => return Err(code),
        }
        self.changed(call, &path, Exact::No, None);
        self.acknowledge(call)
    }

    pub(super) fn mkdir(&mut self, call: Call<'_>) -> Done {
        let path = self.canonical(call, call.strings().only()?)?;
        match self.allowed(call, &path, Wish::Write) {
            Ok(_) => {}
            Err(ErrorCode::Enoent) => {
                self.create(call, &path, b"")?;
                self.changed(call, &path, Exact::No, None);
            }
            Err(code) => return Err(code),
        }
        self.acknowledge(call)
    }

    pub(super) fn rm(&mut self, call: Call<'_>) -> Done {
        let path = self.canonical(call, call.strings().only()?)?;
        match self.allowed(call, &path, Wish::Write).map(drop) {
            Ok(()) if path == "/" => return Err(ErrorCode::Einval),
            Ok(()) => self.remove(call, &path)?,
            // It is as good as removed, if it could have been there.
            Err(ErrorCode::Enoent) if self.node(call, parent(&path))?.is_some() => {}
            Err(code) => return Err(code),
        }
        self.acknowledge(call)
    }

    pub(super) fn perms(&mut self, call: Call<'_>) -> Done {
        let path = self.canonical(call, call.strings().only()?)?;
        let perms = self.allowed(call, &path, Wish::Read)?.perms.clone();
        let mut list = String::new();
        for perm in perms.entries() {
            list.push(perm.rights.letter());
            list.push_str(&perm.domid.cast_signed().to_string());
            list.push('\0');
        }
        self.reply(call, &[list.as_bytes()])
    }

    pub(super) fn set_perms(&mut self, call: Call<'_>) -> Done {
        let strings = call.strings().all();
        let Some((path, entries)) = strings.split_first().filter(|(_, rest)| !rest.is_empty())
        else {
            return Err(ErrorCode::Einval);
        };
        let privileged = self.conn(call)?.is_privileged();
        if !privileged && entries.len() > limit(self.quotas.permissions) {
            return Err(ErrorCode::Enospc);
        }
        let mut entries = entries.iter().map(|entry| parse(entry)).collect::<Done<Vec<Perm>>>()?;
        for entry in &mut entries {
            entry.stale = !self.know(entry.domid);
        }
        if entries[0].stale {
            return Err(ErrorCode::Enoent);
        }
        let perms = Perms::new(entries).ok_or(ErrorCode::Einval)?;
        if path.starts_with(b"@") {
            self.set_special_perms(call, path, perms)?;
            return self.acknowledge(call);
        }
        let path = self.canonical(call, path)?;
        let node = self.allowed(call, &path, Wish::Own)?.clone();
        let mut node = self.domains.as_of_now(node);
        if !privileged && perms.owner() != node.perms.owner() {
            return Err(ErrorCode::Eperm);
        }
        let old = std::mem::replace(&mut node.perms, perms.clone());
        self.replace(call, &path, node)?;
        self.count_nodes(call, old.owner(), -1);
        self.count_nodes(call, perms.owner(), 1);
        self.changed(call, &path, Exact::No, Some(&old));
        self.acknowledge(call)
    }
}

/// An entry of a permission list: a letter and a number.
fn parse(entry: &[u8]) -> Done<Perm> {
    let (letter, domid) = entry.split_first().ok_or(ErrorCode::Einval)?;
    let rights = match letter {
        b'n' => Rights::NONE,
        b'r' => Rights::READ,
        b'w' => Rights::WRITE,
        b'b' => Rights::BOTH,
        _ => return Err(ErrorCode::Einval),
    };
    Ok(Perm { domid: number(domid)?, rights, stale: false })
}
