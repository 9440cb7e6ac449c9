//! The value of a session cookie, `envoy.Cookie` in Envoy's own tree: an endpoint's address, and when the cookie ends. Called by the
//! `stateful_session` filter, which knows nothing of protobuf. Whatever a client sends is an address at most.

use prost::Message;

/// The message. It has no file in the API, for it is spoken by proxies among themselves.
#[derive(Clone, PartialEq, Message)]
struct Cookie {
    #[prost(string, tag = "1")]
    address: String,
    #[prost(uint64, tag = "2")]
    expires: u64,
}

/// The octets of a cookie that ends at a moment, in seconds since 1970; 0 is never.
pub fn encode(address: &str, expires: u64) -> Vec<u8> {
    Cookie { address: address.to_owned(), expires }.encode_to_vec()
}

/// The address in a cookie that has not ended before `now`. Octets that are no message are an address themselves, as older proxies wrote it.
pub fn decode(octets: &[u8], now: u64) -> Option<Box<str>> {
    let address = match Cookie::decode(octets) {
        Ok(Cookie { expires, .. }) if expires != 0 && expires < now => return None,
        Ok(Cookie { address, .. }) => address,
        Err(_) => String::from_utf8_lossy(octets).into_owned(),
    };
    (!address.is_empty()).then(|| address.into_boxed_str())
}

#[cfg(test)]
mod tests;
