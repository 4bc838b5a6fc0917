//! Starting and ending watches.

use xs::Path;
use xs::proto::ErrorCode;

use super::access::{home, limit};
use super::request::leading_number;
use super::{Call, Core, Done};
use crate::store::Perms;
use crate::transaction::Exact;
use crate::watches::{Watch, memory};

/// The special paths, in the order of `Core::special_perms`.
const SPECIAL: [&str; 2] = ["@introduceDomain", "@releaseDomain"];

impl Core {
    pub(super) fn watch(&mut self, call: Call<'_>) -> Done {
        let strings = call.strings().all();
        let (path, token, depth) = match strings[..] {
            [path, token] => (path, token, None),
            [path, token, depth] => (path, token, Some(watch_depth(depth)?)),
            _ => return Err(ErrorCode::Einval),
        };
        let (path, strip) = self.watch_path(call, path)?;
        if path.starts_with('@') && depth.is_some_and(|depth| depth != 1) {
            return Err(ErrorCode::Einval);
        }
        if self.watches.has(&path, call.id, token) {
            return Err(ErrorCode::Eexist);
        }
        let conn = self.conn(call)?;
        // The C xenstored counts those before this one; of 4.17, it says E2BIG.
        if !conn.is_privileged() && self.watches.count(call.id) > limit(self.quotas.watches) {
            return Err(ErrorCode::E2big);
        }
        let (domid, memory) = (conn.domid, memory(&path, token));
        self.check_memory(domid, memory)?;
        self.watches.add(&path, call.id, token, strip, depth);
        self.charge(domid, memory);
        self.acknowledge(call)?;
        // The first event comes at once, behind the reply.
        let told = path.get(strip..).unwrap_or_default().to_owned();
        let first = Watch::first(call.id, token);
        self.event(&first, &told);
        Ok(())
    }

    pub(super) fn unwatch(&mut self, call: Call<'_>) -> Done {
        let [path, token] = call.strings().all()[..] else { return Err(ErrorCode::Einval) };
        let text = str::from_utf8(path).map_err(|_| ErrorCode::Enoent)?;
        let path = match text.as_bytes().first() {
            Some(b'/' | b'@') => text.to_owned(),
            _ => [&home(self.conn(call)?.domid), "/", text].concat(),
        };
        let memory = self.watches.remove(&path, call.id, token).ok_or(ErrorCode::Enoent)?;
        self.charge(self.conn(call)?.domid, -memory);
        self.acknowledge(call)
    }

    pub(super) fn reset_watches(&mut self, call: Call<'_>) -> Done {
        self.end_all(call.id);
        self.acknowledge(call)
    }

    /// What a watch is on, and how much of it is not told.
    fn watch_path(&self, call: Call<'_>, path: &[u8]) -> Done<(String, usize)> {
        if path.starts_with(b"@") {
            let path = str::from_utf8(path).map_err(|_| ErrorCode::Einval)?;
            return match path.len() > Path::MAX_RELATIVE {
                true => Err(ErrorCode::Einval),
                false => Ok((path.to_owned(), 0)),
            };
        }
        let whole = self.canonical(call, path)?;
        let strip = match path.first() {
            Some(b'/') => 0,
            _ => whole.len() - path.len(),
        };
        Ok((whole, strip))
    }

    pub(super) fn set_special_perms(&mut self, call: Call<'_>, path: &[u8], perms: Perms) -> Done {
        let place = SPECIAL.iter().position(|name| name.as_bytes() == path);
        let place = place.ok_or(ErrorCode::Einval)?;
        let now = self.store.generation();
        if !self.granted(self.conn(call)?, &self.special_perms[place], now).owner {
            return Err(ErrorCode::Eacces);
        }
        self.special_perms[place] = perms;
        Ok(())
    }

    /// Tells that domains came, or went, those who are not told which.
    pub(super) fn fire_special(&mut self, which: usize) {
        let name = SPECIAL[which];
        for watch in self.special_watches(which, name) {
            if watch.depth != Some(1) {
                self.event(&watch, name);
            }
        }
    }

    /// Tells that a domain came, or went, those who asked which, or about this one: as from Xen 4.22.
    pub(super) fn fire_special_of(&mut self, which: usize, domid: u32) {
        let of_this = format!("{}/{domid}", SPECIAL[which]);
        for watch in self.special_watches(which, SPECIAL[which]) {
            if watch.depth == Some(1) {
                self.event(&watch, &of_this);
            }
        }
        for watch in self.special_watches(which, &of_this) {
            self.event(&watch, &of_this);
        }
    }

    /// The watches on a special path of those who may know.
    fn special_watches(&self, which: usize, path: &str) -> Vec<Watch> {
        let now = self.store.generation();
        let mut watches = self.watches.of(path, Exact::Yes);
        watches.retain(|watch| {
            let conn = self.conns.get(&watch.conn);
            conn.is_some_and(|conn| self.granted(conn, &self.special_perms[which], now).rights.read)
        });
        watches
    }
}

/// How many levels below its path a watch is for.
fn watch_depth(argument: &[u8]) -> Done<u32> {
    let depth = leading_number(argument);
    if depth > i32::MAX.unsigned_abs() { Err(ErrorCode::Einval) } else { Ok(depth) }
}
