//! Tests of `address`.

use super::*;

#[test]
fn addresses_are_written_as_the_language_writes_them() {
    for text in ["0.0.0.0:0", "9.10.99.100:1", "127.0.0.1:15006", "255.255.255.255:65535", "[::1]:80", "[fd00::7]:443"]
    {
        let address: SocketAddr = text.parse().unwrap();
        let mut out = Vec::new();
        assert_eq!(write(Some(address), AddressPart::Whole, &mut out), Written::Text);
        assert_eq!(String::from_utf8(out).unwrap(), text);
        let mut out = Vec::new();
        write(Some(address), AddressPart::WithoutPort, &mut out);
        assert_eq!(String::from_utf8(out).unwrap(), address.ip().to_string());
    }
}
