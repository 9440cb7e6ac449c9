//! What must hold for whatever the control plane sends. Called by the fuzz targets in `proxy/fuzz` and, with mutated seeds, by `tests`
//! here; not part of the binary.

use config::filters::discovery::Resource;
use config::policy::{HttpFilters, Policy, Record};
use config::{Options, Rejection};

#[cfg(test)]
mod tests;

/// A resource of any kind, which the first octet chooses: it is read, or refused in one line that names the field; and its policy is found
/// in either case.
pub fn resource(input: &[u8]) {
    let Some((choice, input)) = input.split_first() else { return };
    let options = Options::default();
    let refused: Option<Rejection> = match choice % 7 {
        0 => config::listener::decode(input, &options).err(),
        1 => config::cluster::decode(input, &options).err(),
        2 => config::route::decode(input, &options).err(),
        3 => config::endpoint::decode(input, &options).err(),
        4 => config::secret::decode(input, &options).err(),
        5 => Resource::open(input, &options).and_then(|resource| resource.http(&options)).err(),
        _ => Resource::open(input, &options).and_then(|resource| resource.network(&options)).err(),
    };
    if let Some(rejection) = refused {
        assert!(!rejection.to_string().is_empty());
    }
    drop(options.take_notes());
    for kind in
        ["listener.v3.Listener", "cluster.v3.Cluster", "route.v3.RouteConfiguration", "core.v3.TypedExtensionConfig"]
    {
        let name = format!("envoy.config.{kind}");
        let record = Record::of(&name, input);
        assert_eq!(record, Record::of(&name, input), "it is read alike each time");
        assert_eq!(record.is_empty(), record.to_string().is_empty());
    }
    let mut filters = HttpFilters::default();
    filters.add_listener(input);
    let policies = [Policy::of_cluster(input), Policy::of_listener(input), Policy::of_routes(input, &filters)];
    assert!(policies.iter().all(|policy| !policy.exceeds(policy)));
}
