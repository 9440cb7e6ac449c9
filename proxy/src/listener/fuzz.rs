//! What must hold for whatever a client sends before its filter chain is chosen. Called by the fuzz targets in `proxy/fuzz` and, with
//! mutated seeds, by `tests` here; not part of the binary.

use super::filters::Progress;
use super::filters::client_hello;
use super::filters::proxy_protocol;

#[cfg(test)]
mod tests;

/// A ClientHello: what is said of a beginning is said of the whole, and names are as they are compared.
pub fn client_hello(input: &[u8]) {
    let whole = client_hello::parse(input);
    for end in cuts(input.len()) {
        let beginning = client_hello::parse(&input[..end]);
        assert!(beginning == Progress::More || beginning == whole, "{beginning:?} of {end} octets, and then {whole:?}");
    }
    if let Progress::Done(client_hello::Beginning::Hello(hello)) = whole {
        if let Some(name) = &hello.server_name {
            assert!(!name.is_empty() && !name.contains(&0) && *name == name.to_ascii_lowercase(), "{name:?}");
        }
        assert!(hello.alpn.iter().all(|protocol| !protocol.is_empty() && protocol.len() < 256));
    }
}

/// A PROXY header: likewise, and it is no longer than what there is.
pub fn proxy_protocol(input: &[u8]) {
    let whole = proxy_protocol::parse(input);
    for end in cuts(input.len()) {
        let beginning = proxy_protocol::parse(&input[..end]);
        assert!(
            beginning == Ok(Progress::More) || beginning == whole,
            "{beginning:?} of {end} octets, and then {whole:?}"
        );
    }
    match whole {
        Ok(Progress::Done(header)) => assert!(header.length <= input.len() && header.length <= proxy_protocol::LARGEST),
        Ok(Progress::More) => assert!(input.len() < proxy_protocol::LARGEST, "it waits for ever"),
        Err(_) => {}
    }
}

/// Some places to cut, the early ones all.
fn cuts(length: usize) -> impl Iterator<Item = usize> {
    (1..length).filter(move |end| *end < 64 || end % 61 == 0 || *end + 4 > length)
}
