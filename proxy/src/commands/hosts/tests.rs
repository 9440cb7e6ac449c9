//! Tests of `hosts`.

use super::block::{self, BEGIN, END};
use super::file::{change, holds, with_block};
use crate::commands::testing::dump;

#[test]
fn names_of_outbound_listeners_make_the_block() {
    let made = block::of(&dump());
    let lines: Vec<&str> = made.text.lines().collect();
    assert_eq!((lines[0], *lines.last().unwrap()), (BEGIN, END), "{}", made.text);
    assert_eq!(
        &lines[1..lines.len() - 1],
        [
            "127.0.0.2\tdb.bookinfo.svc.cluster.local",
            "127.0.0.2\tdetails.bookinfo.svc.cluster.local details details.bookinfo",
            "127.0.0.2\tgone.bookinfo.svc.cluster.local gone gone.bookinfo",
            "127.0.0.2\tratings.bookinfo.svc.cluster.local ratings ratings.bookinfo",
        ],
        "no address, no wildcard, nothing inbound"
    );
    assert!(made.conflicts.is_empty());
}

#[test]
fn a_name_on_two_addresses_gets_the_first_and_a_warning() {
    let mut dump = dump();
    let text = dump.listeners.to_string().replace("127.0.0.2\",\"port_value\":3306", "127.0.0.3\",\"port_value\":3306");
    dump.listeners = serde_json::from_str(&text).unwrap();
    let listeners = &mut dump.configs[0]["dynamic_listeners"][1]["active_state"]["listener"];
    listeners["filter_chains"] =
        serde_json::json!([{ "filter_chain_match": { "server_names": ["details", "*.wild", "db"] } }]);
    let made = block::of(&dump);
    assert_eq!(made.conflicts, ["details is served on 127.0.0.2 and on 127.0.0.3; it gets the first"]);
    assert!(made.text.contains("127.0.0.3\tdb\n"), "{}", made.text);
}

#[test]
fn nothing_around_the_block_is_touched() {
    let block = format!("{BEGIN}\n127.0.0.2\tdetails\n{END}\n");
    let strange: &[u8] = b"127.0.0.1 localhost\r\n# \xff not text\n\n::1 ip6";
    let with = with_block(strange, &block).unwrap();
    assert_eq!(with, [strange, b"\n", block.as_bytes()].concat());
    assert_eq!(with_block(&with, &block).unwrap(), with, "once more makes no difference");
    let mut below = with.clone();
    below.extend(b"10.0.0.1 mine\n");
    let other = block.replace("details", "ratings");
    let changed = with_block(&below, &other).unwrap();
    assert_eq!(changed, [strange, b"\n", other.as_bytes(), b"10.0.0.1 mine\n"].concat(), "it stays at its place");
    assert_eq!(with_block(&changed, "").unwrap(), [strange, b"\n", b"10.0.0.1 mine\n"].concat());
    for broken in [format!("{BEGIN}\n"), format!("{END}\n{BEGIN}\n"), format!("{block}{block}")] {
        assert!(with_block(broken.as_bytes(), &block).unwrap_err().contains("put that right"), "{broken}");
    }
}

#[test]
fn the_file_is_replaced_whole_and_keeps_its_mode() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("hosts");
    std::fs::write(&file, "127.0.0.1 localhost\n").unwrap();
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o640)).unwrap();
    let link = folder.path().join("link");
    std::os::unix::fs::symlink(&file, &link).unwrap();
    let block = format!("{BEGIN}\n127.0.0.2\tdetails\n{END}\n");
    assert_eq!(holds(&link, &block), Ok(false));
    assert_eq!(change(&link, &block), Ok(true));
    assert_eq!(change(&link, &block), Ok(false));
    assert_eq!(holds(&file, &block), Ok(true));
    assert!(std::fs::symlink_metadata(&link).unwrap().is_symlink());
    assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o640);
    assert_eq!(change(&file, ""), Ok(true));
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "127.0.0.1 localhost\n");
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 2, "nothing is left beside it");
    let nowhere = folder.path().join("none/hosts");
    assert!(change(&nowhere, &block).unwrap_err().contains("cannot be written"));
}
