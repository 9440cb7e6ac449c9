//! The name of a server that a request's host asks for: `auto_sni` and `auto_san_validation`. Called by `worker` for requests and by `dial`
//! for the control plane's connections. What has no name demands one that nobody can prove.

/// The server name of `auto_sni`: the request's host. An address is never sent; it counts, for the check of the server's names, where
/// the transport has no name of its own.
pub(super) fn auto_sni<'a>(
    cluster: &config::cluster::Cluster,
    authority: &'a [u8],
    has_own_name: bool,
) -> Option<&'a str> {
    let host = cluster.http.auto_sni.then(|| host_of(authority)).filter(|host| !host.is_empty())?;
    let is_address = host.contains(':') || host.parse::<std::net::IpAddr>().is_ok();
    (!is_address || !has_own_name).then_some(host)
}

/// The name that `auto_san_validation` demands: the request's host, name or address. Empty, so that nobody can prove it, when there is none.
pub(super) fn auto_san<'a>(cluster: &config::cluster::Cluster, authority: &'a [u8]) -> Option<&'a str> {
    cluster.http.auto_san_validation.then(|| host_of(authority))
}

/// The host of an authority: without port, and without the brackets of an IPv6 address. Empty when it is no text.
fn host_of(authority: &[u8]) -> &str {
    let Ok(authority) = std::str::from_utf8(authority) else { return "" };
    if let Some((inside, _)) = authority.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        return inside;
    }
    match authority.rsplit_once(':') {
        // More than one colon: an IPv6 address without its brackets.
        Some((host, _)) if !host.contains(':') => host,
        _ => authority,
    }
}

#[cfg(test)]
mod tests;
