//! What `xenops create` writes into the xenstore, held against what `xl create` writes.

mod dom0;

use std::collections::BTreeSet;

use dom0::{Config, Guest, ok, until};

#[test]
#[ignore = "runs in dom0: cargo xtask lab test"]
fn a_pv_guest_has_the_nodes_of_one_that_xl_made_but_for_these() {
    // For the clients of xend. Nothing of Xen's own reads them (4.17 and 4.20).
    let image = [
        "VM/image = \"\" (n0,rGUEST)",
        "VM/image/kernel = \"/guests/tiny.elf\" (n0,rGUEST)",
        "VM/image/ostype = \"linux\" (n0,rGUEST)",
    ];
    compare("pv", &[ONLY_XL, &image].concat());
}

#[test]
#[ignore = "runs in dom0: cargo xtask lab test"]
fn a_pvh_guest_has_the_nodes_of_one_that_xl_made_but_for_these() {
    compare("pvh", ONLY_XL);
}

fn compare(kind: &str, only_xl: &[&str]) {
    let xl = made_by(|name| xl_create(name, kind));
    let xenops = made_by(|name| xenops_create(name, kind));
    let only = |these: &BTreeSet<String>, others| {
        these.difference(others).cloned().collect::<BTreeSet<String>>()
    };
    let listed = |lines: &[&str]| lines.iter().map(ToString::to_string).collect();
    assert_eq!(only(&xl, &xenops), listed(only_xl), "what xl writes and xenops does not");
    assert_eq!(only(&xenops, &xl), listed(ONLY_XENOPS), "what xenops writes and xl does not");
    assert!(xl.intersection(&xenops).count() >= 55, "too few to compare: {xl:#?}");
}

/// Written by xl and not by xenops, or with other permissions.
const ONLY_XL: &[&str] = &[
    // The guest owns it, unlike the nodes beside it: libxl writes it with those of a frontend that
    // knows the handshake (`libxl__device_console_add`). No guest has a reason to change it.
    "HOME/console/backend-id = \"0\" (nGUEST,r0)",
    // The choice of a device model, of which PV and PVH guests have none.
    "RECORD/dm-version = \"qemu_xen\" (n0)",
];

/// Written by xenops and not by xl, or with other permissions.
const ONLY_XENOPS: &[&str] = &["HOME/console/backend-id = \"0\" (n0,rGUEST)"];

/// The nodes of a paused guest, one a line.
fn made_by(create: impl Fn(&str) -> Guest) -> BTreeSet<String> {
    let guest = create("like-xl");
    let tty = format!("/local/domain/{}/console/tty", guest.id);
    until("the console daemon serves it", || !ok("xenstore-read", &[&tty]).trim().is_empty());
    let vm = ok("xenstore-read", &[&format!("/local/domain/{}/vm", guest.id)]);
    let own = Own { id: &guest.id, vm: vm.trim() };
    let all = ok("xenstore-ls", &["-f", "-p"]);
    all.lines().filter_map(|line| own.node(line)).collect()
}

/// One domain, whose nodes are made comparable with those of another.
struct Own<'a> {
    id: &'a str,
    vm: &'a str,
}

impl Own<'_> {
    /// A line of `xenstore-ls -f -p`, without what differs from domain to domain; `None` if the node
    /// is not of this domain.
    fn node(&self, line: &str) -> Option<String> {
        let (path, rest) = line.split_once(" = ").expect("every line has a value");
        let (value, perms) = rest.rsplit_once("   (").expect("every line has permissions");
        let path = self.path(path)?;
        let value = self.value(&path, value.trim_matches('"'));
        let perms = self.perms(perms.trim_end_matches(')'));
        Some(format!("{path} = \"{value}\" ({perms})"))
    }

    fn path(&self, path: &str) -> Option<String> {
        let roots = [
            (format!("/local/domain/{}", self.id), "HOME"),
            (format!("/local/domain/0/backend/console/{}", self.id), "BACKEND"),
            (format!("/libxl/{}", self.id), "RECORD"),
            (self.vm.to_owned(), "VM"),
        ];
        roots.iter().find_map(|(root, name)| {
            let below = path.strip_prefix(root)?;
            (below.is_empty() || below.starts_with('/')).then(|| format!("{name}{below}"))
        })
    }

    fn value(&self, path: &str, value: &str) -> String {
        let (_, leaf) = path.rsplit_once('/').unwrap_or_default();
        match leaf {
            "domid" | "frontend-id" if value == self.id => "GUEST".to_owned(),
            "port" | "ring-ref" | "start_time" | "tty" if !value.is_empty() => "SOME".to_owned(),
            "uuid" if self.vm.ends_with(value) => "UUID".to_owned(),
            _ => self.path(value).unwrap_or_else(|| value.to_owned()),
        }
    }

    fn perms(&self, perms: &str) -> String {
        let entry = |entry: &str| match entry.split_at(1) {
            (access, domain) if domain == self.id => format!("{access}GUEST"),
            _ => entry.to_owned(),
        };
        perms.split(',').map(entry).collect::<Vec<_>>().join(",")
    }
}

fn xl_create(name: &str, kind: &str) -> Guest {
    // xl's own estimate of the memory for page tables is too small for 16 MiB.
    let config = Config::new(
        name,
        &format!(
            "name=\"{name}\"\ntype=\"{kind}\"\nkernel=\"/guests/tiny.elf\"\nmemory=16\n\
             shadow_memory=8\n"
        ),
    );
    ok("xl", &["create", "-p", "-e", config.path()]);
    let id = ok("xl", &["domid", name]).trim().to_owned();
    Guest { name: name.to_owned(), id }
}

fn xenops_create(name: &str, kind: &str) -> Guest {
    let config = Config::tiny(name, kind, "");
    let id = ok("xenops", &["create", "--paused", config.path()]).trim().to_owned();
    Guest { name: name.to_owned(), id }
}
