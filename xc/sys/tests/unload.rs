//! A library that leaves a destructor to its threads must not be unloaded before they end.

#![allow(unsafe_code, reason = "loads a library and calls it")]

use std::path::Path;
use std::process::Command;
use std::sync::mpsc;

use xenctrl_sys::{Interface, Library, Release};

/// As libxenctrl does for the text of an error: a buffer per thread, freed by the library's code.
const SOURCE: &str = "\
#include <pthread.h>
static pthread_key_t key;
static void clean(void *buffer) { *(char *)buffer = 0; }
void *xc_interface_open(void *a, void *b, unsigned c) { pthread_key_create(&key, clean); return &key; }
int xc_interface_close(void *xch) { return 0; }
int xc_domain_pause(void *xch, unsigned domid)
{
    static __thread char buffer;
    return pthread_setspecific(key, &buffer);
}
";

#[test]
fn a_thread_that_failed_may_end_after_the_library_was_dropped() {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("unload");
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("source.c"), SOURCE).unwrap();
    let compiled = Command::new("cc")
        .args(["-shared", "-fPIC", "-o"])
        .args([folder.join("libxenctrl.so.4.17"), folder.join("source.c")])
        .status()
        .unwrap();
    assert!(compiled.success(), "cc failed");
    // SAFETY: the folder must hold libxenctrl of 4.17: what is called has its prototypes.
    let library = unsafe { Library::load_from(&folder, Release::new(4, 17)) }.unwrap();
    let interface = Interface::open(library.into()).unwrap();
    let (tell, told) = mpsc::channel();
    let (end, ended) = mpsc::channel::<()>();
    let thread = std::thread::spawn(move || {
        let pause = interface.library().functions().domain.domain_pause.unwrap();
        // SAFETY: the handle must be open: it is dropped below.
        unsafe { pause(interface.as_ptr().unwrap(), 5) };
        drop(interface);
        tell.send(()).unwrap();
        ended.recv().unwrap();
    });
    told.recv().unwrap();
    end.send(()).unwrap();
    thread.join().unwrap();
}
