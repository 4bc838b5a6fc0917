//! The backends of the QEMU of a guest, as of QEMU 8.2: consoles besides the first (`hw/char/xen_console.c`,
//! `hw/xen/xen-bus.c`), images (`hw/block/xen-block.c`) and folders (`hw/9pfs/xen-9p-backend.c`), for which
//! guests have no driver here.
//!
//! ```text
//!  new, state 1, online ──realize──▶ InitWait ──frontend Initialised, Connected──▶ Connected
//!                                        │ frontend gone                               │
//!                                        ▼                                             ▼
//!  both ends removed ◀──online 0── Closed ◀──frontend Closed, gone or not active── Closing
//! ```
//!
//! It goes by the states that it saw last, and acts when one of them changes. Older ones (the console of
//! QEMU 7.2 in Debian 12), and that of folders, go through the same states, never remove an end, and keep
//! a device until its end has gone (`xenstore_update_be`, `hw/xen/xen-legacy-backend.c`). A QEMU runs for
//! each guest; that there is none is [`Back::Absent`], and that it ends [`Back::DiesInHandshake`].

use xen_types::Port;
use xs::{Client, Store as _, View as _};

use super::Back;
use super::bus::{
    Bus, CLOSED, CLOSING, CONNECTED, CONSOLE, Device, FOLDER, INIT_WAIT, INITIALISED, INITIALISING,
    UNKNOWN, state_at, unless_lost,
};

impl Bus {
    /// `xen_console_device_create`, `xen_block_device_create` and `xen_device_realize`, up to its first state; whether it is one
    /// that QEMU takes.
    pub(super) fn realize(&self, store: &Client, device: &mut Device) -> xs::Result<bool> {
        let shown = |key| store.read_str_opt(&device.frontend.join(key));
        let is_mine = !device.is_console() || shown("type")?.as_deref() == Some("ioemu");
        if !is_mine || !device.is_online(store)? {
            return Ok(false);
        }
        self.linux.lock().of_qemus.insert(device.bus_id());
        if device.is_console() && shown("output")?.as_deref() == Some("pty") {
            let tty = device.frontend.join("tty");
            unless_lost(store.transaction(|tx| match tx.read_opt(&tty)? {
                Some(_) => tx.write(&tty, "/dev/pts/7"),
                None => Ok(()),
            }))?;
        }
        device.tell(store, &[("hotplug-status", "connected")])?;
        Ok(true)
    }

    /// What QEMU does about both ends as they are now; whether it keeps the device.
    pub(super) fn serve_by_qemu(&self, store: &Client, device: &mut Device) -> xs::Result<bool> {
        let (shown, online) = (state_at(store, &device.node)?, device.is_online(store)?);
        let other = state_at(store, &device.frontend)?;
        match device.manners {
            Back::NeverCloses
                if shown == CLOSING || matches!(other, CLOSING | CLOSED | UNKNOWN) =>
            {
                return Ok(true);
            }
            Back::StaysOnline if shown == CLOSING => {
                device.tell(store, &[("online", "1"), ("state", "4")])?;
                return Ok(true);
            }
            // It shall be seen, so it is not written over.
            Back::WritesNonsense | Back::WritesLarge if online => return Ok(true),
            _ => {}
        }
        if device.other != Some(other) {
            device.other = Some(other);
            self.frontend_changed(store, device, other, online)?;
        }
        Ok(self.backend_changed(store, device, other)? || device.is_folder())
    }

    /// `xen_device_frontend_changed`, `xen_console_frontend_changed`, `xen_block_frontend_changed`.
    fn frontend_changed(
        &self,
        store: &Client,
        device: &mut Device,
        other: u32,
        online: bool,
    ) -> xs::Result<()> {
        match other {
            INITIALISING if device.state == CLOSED && online => device.switch(store, INIT_WAIT),
            // QEMU would connect once more if this crossed its closing or the request for it.
            INITIALISED | CONNECTED if !matches!(device.state, CONNECTED | CLOSING) && online => {
                self.disconnect(device);
                let read = |key| store.read_str_opt(&device.frontend.join(key));
                let port = if device.is_console() { "port" } else { "event-channel" };
                let (ring, port) = (read("ring-ref")?, read(port)?);
                let number = |text: Option<String>| text.and_then(|text| text.parse::<u32>().ok());
                match (number(ring), number(port)) {
                    (Some(_), Some(port)) if self.bind(device, Port(port)) => {
                        self.connected(store, device)
                    }
                    _ => device.switch(store, CLOSING),
                }
            }
            CLOSING => device.switch(store, CLOSING),
            CLOSED | UNKNOWN => {
                self.disconnect(device);
                device.switch(store, CLOSED)
            }
            _ => Ok(()),
        }
    }

    /// `xen_device_backend_changed`; whether the device stays.
    fn backend_changed(&self, store: &Client, device: &mut Device, other: u32) -> xs::Result<bool> {
        let (shown, online) = (state_at(store, &device.node)?, device.is_online(store)?);
        let had_closed = device.state == CLOSED && shown == CLOSED;
        device.state = shown;
        let is_active = matches!(other, INIT_WAIT | INITIALISED | CONNECTED | CLOSING);
        if shown == CLOSING && !is_active {
            device.switch(store, CLOSED)?;
            return Ok(true);
        }
        // What it wrote itself it hears of afterwards.
        let ends = match shown {
            CLOSED => had_closed,
            INITIALISING | INIT_WAIT | UNKNOWN => true,
            _ => false,
        };
        Ok(online || !ends)
    }

    /// `xen_device_unrealize`: both ends go. What a domain may not remove stays.
    pub(super) fn unrealize(&self, store: &Client, device: &Device) -> xs::Result<()> {
        if device.is_folder() {
            return Ok(());
        }
        unless_lost(store.rm_if_exists(&device.frontend))?;
        unless_lost(store.rm_if_exists(&device.node))
    }
}

impl Device {
    fn is_console(&self) -> bool {
        self.name[0] == CONSOLE
    }

    fn is_folder(&self) -> bool {
        self.name[0] == FOLDER
    }
}
