//! What every device has in the store, whatever it is; each kind adds its own keys.
//!
//! It is what `libxl__device_generic_add` writes (`libxl_device.c`), with the same permissions:
//!
//! | where | owner | reader | holds |
//! |---|---|---|---|
//! | the record, below `/libxl` | as its parent | nobody | both paths, a copy of the backend's keys |
//! | the frontend | the guest | the serving domain | the backend's path, the frontend's keys |
//! | the backend | the serving domain | the guest | the frontend's path, the backend's keys |
//!
//! Keys that the guest is only *shown* stand in the frontend, but belong to the serving domain. The
//! guest owns the folder around them and can remove it with all of them, but none of them alone.
//!
//! Below its `frontend`, the record here also *keeps* the frontend's keys that a description needs: the
//! guest can rewrite those in the frontend, and a description is read from nothing that a guest can
//! write.

use std::fmt::Display;

use xs::{Access, Perms};

use crate::id::Ends;
use crate::paths;
use crate::tree::Tree;

/// The nodes of one device, while they are collected.
#[derive(Debug)]
pub(crate) struct Layout {
    ends: Ends,
    front: Vec<(String, String)>,
    shown: Vec<(String, String)>,
    back: Vec<(String, String)>,
    kept: Vec<(String, String)>,
    recorded: bool,
}

impl Layout {
    /// With the keys that every device has.
    pub(crate) fn new(ends: Ends) -> Self {
        let (dom, server) = (ends.device.dom, ends.server);
        let mut layout = Self::bare(ends);
        layout
            .back("frontend-id", dom)
            .back("online", 1)
            .back("state", INITIALISING)
            .front("backend-id", server)
            .front("state", INITIALISING);
        layout
    }

    /// With the two paths alone.
    pub(crate) fn bare(ends: Ends) -> Self {
        let (front, shown, back, kept) = (vec![], vec![], vec![], vec![]);
        Self { ends, front, shown, back, kept, recorded: true }
    }

    /// Without a record: the kinds that libxl does not record.
    pub(crate) fn unrecorded(&mut self) -> &mut Self {
        self.recorded = false;
        self
    }

    /// A key of the backend, which the record copies.
    pub(crate) fn back(&mut self, key: impl Into<String>, value: impl Display) -> &mut Self {
        self.back.push((key.into(), value.to_string()));
        self
    }

    /// A key of the backend, if there is something to say.
    pub(crate) fn back_opt(&mut self, key: &str, value: Option<impl Display>) -> &mut Self {
        self.back.extend(value.map(|value| (key.to_owned(), value.to_string())));
        self
    }

    /// A key of the frontend that says nothing that is not known otherwise.
    pub(crate) fn front(&mut self, key: impl Into<String>, value: impl Display) -> &mut Self {
        self.front.push((key.into(), value.to_string()));
        self
    }

    /// A key of the frontend that the record keeps too.
    pub(crate) fn front_kept(&mut self, key: impl Into<String>, value: impl Display) -> &mut Self {
        let (key, value) = (key.into(), value.to_string());
        self.kept.push((key.clone(), value.clone()));
        self.front(key, value)
    }

    /// A key that the guest is shown, and which is known otherwise.
    pub(crate) fn shown(&mut self, key: impl Into<String>, value: impl Display) -> &mut Self {
        self.shown.push((key.into(), value.to_string()));
        self
    }

    /// A key that the guest is shown and that the record keeps too.
    pub(crate) fn shown_kept(&mut self, key: impl Into<String>, value: impl Display) -> &mut Self {
        let (key, value) = (key.into(), value.to_string());
        self.kept.push((key.clone(), value.clone()));
        self.shown(key, value)
    }

    /// The nodes, in an order in which each stands behind its parent, the record first: what is there
    /// after half a tree was written can be found and removed.
    pub(crate) fn tree(&self) -> Tree {
        let (front, back, record) = (self.ends.frontend(), self.ends.backend(), self.ends.record());
        let (guest, server) = (self.ends.device.dom, self.ends.server);
        let guests = Perms::private(guest).allow(server, Access::Read);
        let servers = Perms::private(server).allow(guest, Access::Read);

        let mut tree = Tree::new();
        if self.recorded {
            tree.value(record.join("frontend"), &front).value(record.join("backend"), &back);
            for (key, value) in &self.back {
                tree.value(paths::key(&record, key), value);
            }
            for (key, value) in &self.kept {
                tree.value(paths::key(&record.join("frontend"), key), value);
            }
        }
        tree.folder(front.clone(), guests).value(front.join("backend"), &back);
        for (key, value) in &self.front {
            tree.value(paths::key(&front, key), value);
        }
        for (key, value) in &self.shown {
            tree.value_with(paths::key(&front, key), value, servers.clone());
        }
        tree.folder(back.clone(), servers).value(back.join("frontend"), &front);
        for (key, value) in &self.back {
            tree.value(paths::key(&back, key), value);
        }
        tree
    }
}

/// `XenbusStateInitialising` (`io/xenbus.h`).
pub(crate) const INITIALISING: u32 = 1;
