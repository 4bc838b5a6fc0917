//! A directory that does not fit a packet: the C xenstored refuses it, oxenstored sends it all the same.

use xs::{Client, Kind, Path, Store};

#[test]
#[ignore = "runs in dom0: cargo xtask lab test"]
fn a_directory_over_4_kib_fails_alone() {
    let client = Client::open().unwrap();
    let home = Path::from_static("/tool/lab-directory");
    client.rm_if_exists(&home).unwrap();
    (0..500_u32).for_each(|n| client.mkdir(&home.join(1_000_000_000 + n)).unwrap());

    let refused = client.directory(&home).unwrap_err();

    assert_eq!(refused.kind(), Kind::Invalid);
    assert_eq!(client.read(&home).unwrap(), b"", "the connection goes on");
    client.rm(&home).unwrap();
}
