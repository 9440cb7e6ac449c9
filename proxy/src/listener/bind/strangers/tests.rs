//! The kernel's table, read.

use std::net::TcpListener;

use super::*;

#[test]
fn own_sockets_are_no_strangers() {
    for address in ["127.0.0.1:0", "[::1]:0"] {
        let Ok(socket) = TcpListener::bind(address) else { continue };
        let address = socket.local_addr().unwrap();
        let table = if address.is_ipv4() { "/proc/self/net/tcp" } else { "/proc/self/net/tcp6" };
        let table = fs::read_to_string(table).unwrap();
        let text = printed(address);
        let inodes: Vec<&str> = listeners(&table, &text).collect();
        assert_eq!(inodes.len(), 1, "{address} is listened on as {text}");
        assert!(own_sockets().contains(inodes[0]));
        assert!(!listen_on(address));
    }
}

#[test]
fn only_listening_sockets_of_the_address_count() {
    let table = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n\
        \x20  0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 111 1 0 100 0 0 10 0\n\
        \x20  1: 0100007F:1F90 0100007F:0050 01 00000000:00000000 00:00000000 00000000     0        0 222 1 0 20 4 30 10 -1\n\
        \x20  2: 00000000:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 333 1 0 100 0 0 10 0\n";
    assert_eq!(listeners(table, "0100007F:1F90").collect::<Vec<_>>(), ["111"]);
    assert_eq!(listeners(table, "00000000:1F90").collect::<Vec<_>>(), ["333"]);
}
