//! A directory that does not fit a packet: the C xenstored sends it in parts, oxenstored all at once.

use xs::{Client, Path, Store, View};

#[test]
#[ignore = "runs in dom0: cargo xtask lab test"]
fn a_directory_may_be_longer_than_a_packet() {
    let client = Client::open().unwrap();
    let home = Path::from_static("/tool/lab-directory");
    client.rm_if_exists(&home).unwrap();
    (0..600_u32).for_each(|n| client.mkdir(&home.join(1_000_000_000 + n)).unwrap());

    let mut names = client.directory(&home).unwrap();

    names.sort();
    let expected: Vec<_> = (0..600).map(|n| (1_000_000_000 + n).to_string()).collect();
    assert_eq!(names, expected[..].iter().map(String::as_str).collect::<Vec<_>>()[..]);
    client.rm(&home).unwrap();
}
